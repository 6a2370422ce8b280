#include "tests/parse/messages.h"
#include "tests/parse/parse_rig.h"

#define RECV 1700000000000000000ll

static rig_t rig;

static const char *symbol_of(const tm_market_row_t *r)
{
    return tm_symbols_name(rig.symbols[0], r->row.symbol, NULL);
}

/* The same message three times: the first teaches, the others may take the fast path. */
static const tm_market_row_t *one_row(const char *text)
{
    for (int i = 0; i < 3; i++) {
        if (rig_text(&rig, text) != 1) fprintf(stderr, "# no row: %s\n", text);
        tm_assert_eq(rig_text(&rig, text), 1u);
    }
    return &rig.rows[0][0];
}

static void is_spot_trade(const tm_market_row_t *r)
{
    const tm_trade_t *t = &r->trade;
    tm_assert_eq(t->row.phase, 0);
    tm_assert_eq(t->row.kind, TM_ROW_INSERT);
    tm_assert_eq(t->row.schema_id, TM_SCHEMA_ID_TRADE);
    tm_assert_str(symbol_of(r), "BTCUSDT");
    tm_assert_eq(t->row.event_ns, 1723161255342000000ll);
    tm_assert_eq(t->row.recv_ns, RECV);
    tm_assert_eq(t->trade_id, 3735683259u);
    tm_assert_eq(t->price_e8, 6183763000000ll);
    tm_assert_eq(t->qty_e8, 2000000ll);
    tm_assert_eq(t->publish_ns, 1723161255343000000ll);
    tm_assert_eq(t->side, TM_SIDE_SELL);
    for (size_t i = 0; i < sizeof t->reserved; i++) tm_assert_eq(t->reserved[i], 0);
}

Test(parser, spot_trades_are_read_raw_and_wrapped)
{
    rig_open(&rig);
    is_spot_trade(one_row(SPOT_TRADE));
    is_spot_trade(one_row(WRAP("btcusdt@trade", SPOT_TRADE)));
    is_spot_trade(one_row("{\"data\":" SPOT_TRADE ",\"stream\":\"btcusdt@trade\"}"));
    const tm_trade_t *t = &one_row(SPOT_TRADE_2023)->trade;
    tm_assert_eq(t->trade_id, 3071245454u);
    tm_assert_eq(t->row.event_ns, 1680652799999000000ll);
    tm_assert_eq(rig_count(&rig, 0, "dead_letters"), 0u);
    rig_close(&rig);
}

Test(parser, futures_trades_are_read)
{
    rig_open(&rig);
    const tm_trade_t *t = &one_row(WRAP("btcusdt@trade", USDM_TRADE))->trade;
    tm_assert_eq(t->row.event_ns, 1723161256322000000ll);
    tm_assert_eq(t->trade_id, 5266583935u);
    tm_assert_eq(t->price_e8, 6180030000000ll);
    tm_assert_eq(t->qty_e8, 600000ll);
    tm_assert_eq(t->side, TM_SIDE_BUY);
    rig_close(&rig);
}

Test(parser, a_spot_ticker_has_the_receive_time_and_a_futures_one_its_own)
{
    rig_open(&rig);
    const tm_quote_t *q = &one_row(SPOT_TICKER)->quote;
    tm_assert_eq(q->row.schema_id, TM_SCHEMA_ID_QUOTE);
    tm_assert_eq(q->row.event_ns, RECV);
    tm_assert_eq(q->row.recv_ns, RECV);
    tm_assert_eq(q->update_id, 50093239212u);
    tm_assert_eq(q->bid_px_e8, 6183763000000ll);
    tm_assert_eq(q->bid_qty_e8, 378826000ll);
    tm_assert_eq(q->ask_px_e8, 6183764000000ll);
    tm_assert_eq(q->ask_qty_e8, 154698000ll);
    q = &one_row(USDM_TICKER)->quote;
    tm_assert_eq(q->row.event_ns, 1723161256313000000ll); /* T, not E */
    tm_assert_eq(q->ask_qty_e8, 251000000ll);
    q = &one_row(COINM_TICKER)->quote;
    tm_assert_str(symbol_of((const tm_market_row_t *)q), "BTCUSD_PERP");
    tm_assert_eq(q->bid_qty_e8, 3500000000ll);
    /* E alone serves, T behind E serves, E behind T does not take over. */
    q = &one_row("{\"u\":1,\"s\":\"A\",\"b\":\"1\",\"B\":\"2\",\"a\":\"3\",\"A\":\"4\",\"E\":5}")
             ->quote;
    tm_assert_eq(q->row.event_ns, 5000000ll);
    q = &one_row("{\"E\":5,\"u\":1,\"s\":\"A\",\"b\":\"1\",\"B\":\"2\",\"a\":\"3\",\"A\":"
                 "\"4\",\"T\":6}")
             ->quote;
    tm_assert_eq(q->row.event_ns, 6000000ll);
    q = &one_row("{\"T\":6,\"u\":1,\"s\":\"A\",\"b\":\"1\",\"B\":\"2\",\"a\":\"3\",\"A\":"
                 "\"4\",\"E\":5}")
             ->quote;
    tm_assert_eq(q->row.event_ns, 6000000ll);
    rig_close(&rig);
}

Test(parser, order_space_and_escapes_do_not_matter)
{
    rig_open(&rig);
    is_spot_trade(
        one_row("{\"T\":1723161255342,\"q\":\"0.02000000\",\"p\":\"61837.63000000\",\"m\":"
                "true,\"s\":\"BTCUSDT\",\"t\":3735683259,\"E\":1723161255343,\"e\":\"trade\"}"));
    is_spot_trade(
        one_row("\t{ \"e\" : \"trade\" , \"E\" : 1723161255343 ,\r\n \"s\":\"BTCUSDT\",\"t\": "
                "3735683259 ,\"p\" :\"61837.63\",\"q\":\"0.02\",\"T\":1723161255342 , \"m\" : "
                "true } \n"));
    is_spot_trade(
        one_row("{\"\\u0065\":\"tr\\u0061de\",\"E\":1723161255343,\"\\u0073\":\"BTC\\u0055SDT\","
                "\"t\":3735683259,\"p\":\"6\\u0031837.63\",\"q\":\"2e-2\",\"T\":1723161255342,"
                "\"m\":true}"));
    is_spot_trade(
        one_row("{\"e\":\"trade\",\"E\":1723161255343,\"s\":\"BTCUSDT\",\"t\":3735683259,\"p\":"
                "61837.63,\"q\":0.02,\"T\":1723161255342,\"m\":true}"));
    is_spot_trade(
        one_row("{\"e\":\"trade\",\"E\":\"1723161255343\",\"s\":\"BTCUSDT\",\"t\":\"3735683259\","
                "\"p\":\"061837.63000000\",\"q\":\"0.0200000000000000000000\",\"T\":"
                "\"1723161255342\",\"m\":true}"));
    rig_close(&rig);
}

Test(parser, unknown_keys_with_any_value_are_skipped)
{
    static const char *const values[] = {"null",
                                         "true",
                                         "false",
                                         "-1.5e-7",
                                         "1.5",
                                         "12345678901234567890123",
                                         "\"\"",
                                         "\"text\"",
                                         "\"\\u00e9\\n\"",
                                         "\"\xc3\xa9\"",
                                         "[]",
                                         "{}",
                                         "[1,[2,[3,{\"p\":\"x\"}]]]",
                                         "{\"e\":\"nested\",\"p\":[\"1\",\"2\"],\"q\":{}}",
                                         "[[\"1\",\"2\"],[\"3\",\"4\"],[\"5\"]]"};
    rig_open(&rig);
    for (size_t i = 0; i < TM_ARRAY_CNT(values); i++) {
        char text[512];
        snprintf(
            text, sizeof text,
            "{\"e\":\"trade\",\"E\":1723161255343,\"s\":\"BTCUSDT\",\"zz\":%s,\"t\":3735683259,"
            "\"p\":\"61837.63000000\",\"q\":\"0.02000000\",\"T\":1723161255342,\"m\":true}",
            values[i]);
        is_spot_trade(one_row(text));
        snprintf(text, sizeof text,
                 "{\"stream\":\"x\",\"data\":{\"e\":\"trade\",\"E\":1723161255343,\"s\":"
                 "\"BTCUSDT\",\"t\":3735683259,\"p\":\"61837.63000000\",\"q\":\"0.02000000\","
                 "\"T\":1723161255342,\"m\":true,"
                 "\"zz\":%s},\"more\":%s}",
                 values[i], values[i]);
        is_spot_trade(one_row(text));
    }
    rig_close(&rig);
}

Test(parser, the_last_of_two_equal_keys_counts)
{
    rig_open(&rig);
    is_spot_trade(
        one_row("{\"p\":\"1\",\"e\":\"depthUpdate\",\"e\":\"trade\",\"E\":1723161255343,\"s\":"
                "\"X\",\"s\":\"BTCUSDT\",\"t\":3735683259,\"p\":\"61837.63000000\",\"q\":\"7\","
                "\"q\":\"0.02000000\",\"T\":1723161255342,\"m\":false,\"m\":true}"));
    is_spot_trade(one_row("{\"data\":{\"x\":1},\"stream\":\"y\",\"data\":" SPOT_TRADE "}"));
    rig_close(&rig);
}

Test(parser, a_key_named_data_alone_is_no_wrapper)
{
    rig_open(&rig);
    is_spot_trade(one_row(
        "{\"data\":{\"e\":\"kline\"},\"e\":\"trade\",\"E\":1723161255343,\"s\":\"BTCUSDT\","
        "\"t\":3735683259,\"p\":\"61837.63\",\"q\":\"0.02\",\"T\":1723161255342,\"m\":true}"));
    rig_close(&rig);
}

Test(parser, microseconds_are_told_by_their_size)
{
    rig_open(&rig);
    const tm_trade_t *t =
        &one_row(
             "{\"e\":\"trade\",\"E\":1723161255343001,\"s\":\"BTCUSDT\",\"t\":1,\"p\":\"1\",\"q\":"
             "\"1\","
             "\"T\":1723161255342999,\"m\":true}")
             ->trade;
    tm_assert_eq(t->row.event_ns, 1723161255342999000ll);
    tm_assert_eq(t->publish_ns, 1723161255343001000ll);
    rig_close(&rig);
}

Test(parser, an_array_of_events_gives_a_row_for_each)
{
    rig_open(&rig);
    tm_assert_eq(rig_text(&rig, "[" SPOT_TRADE "," USDM_TICKER "," DEPTH "]"), 7u);
    is_spot_trade(&rig.rows[0][0]);
    tm_assert_eq(rig.rows[0][1].row.schema_id, TM_SCHEMA_ID_QUOTE);
    tm_assert_eq(rig_text(&rig, WRAP("!x@arr", "[" SPOT_TRADE " , " SPOT_TRADE "]")), 2u);
    is_spot_trade(&rig.rows[0][1]);
    /* A fault in a later element takes back the rows of earlier ones. */
    const char *text = "[" SPOT_TRADE ",{\"e\":\"trade\"}]";
    tm_assert_str(rig_reason(&rig, text, strlen(text)), "bad_missing");
    text = "[" SPOT_TRADE ",{\"e\":\"trade\"}]}";
    tm_assert_str(rig_reason(&rig, text, strlen(text)), "bad_syntax");
    text = "[" SPOT_TRADE ",{\"e\":\"trade\"},]";
    tm_assert_str(rig_reason(&rig, text, strlen(text)), "bad_syntax");
    tm_assert_eq(rig_count(&rig, 0, "parsed_depth"), 1u);
    rig_close(&rig);
}

Test(parser, more_events_than_rows_are_a_counted_limit)
{
    static char text[RIG_ROW_MAX * 200 + 400];
    size_t sz = 0;
    rig_open(&rig);
    for (uint32_t i = 0; i <= RIG_ROW_MAX; i++) {
        int n = snprintf(text + sz, sizeof text - sz, "%c%s", i ? ',' : '[', SPOT_TICKER);
        sz += (size_t)n;
    }
    text[sz++] = ']';
    tm_assert_str(rig_reason(&rig, text, sz), "bad_limit");
    rig_close(&rig);
}

typedef struct kind {
    const char *text, *counter;
} kind_t;

Test(parser, known_kinds_without_rows_are_counted_and_are_no_dead_letters)
{
    static const kind_t kinds[] = {
        {INDEX_PRICE, "ignored_index_price"},
        {WRAP("btcusd@indexPrice", INDEX_PRICE), "ignored_index_price"},
        {"[{\"e\":\"blockTrade\",\"s\":\"A\"},{\"e\":\"blockTrade\"}]", "ignored_block_trade"},
        {"{\"e\":\"referencePrice\",\"r\":null}", "ignored_reference_price"},
    };
    rig_open(&rig);
    for (size_t i = 0; i < TM_ARRAY_CNT(kinds); i++) {
        for (int round = 0; round < 3; round++) {
            uint64_t before = rig_count(&rig, 0, kinds[i].counter);
            tm_assert_eq(rig_text(&rig, kinds[i].text), 0u);
            if (rig_count(&rig, 0, kinds[i].counter) <= before)
                fprintf(stderr, "# not %s: %s\n", kinds[i].counter, kinds[i].text);
            tm_assert(rig_count(&rig, 0, kinds[i].counter) > before);
        }
    }
    for (uint32_t i = 0; i < RIG_CNT; i++) tm_assert_eq(rig_count(&rig, i, "dead_letters"), 0u);
    rig_close(&rig);
}

/* A trade with one value replaced. */
#define TRADE_WITH(s, t, p, q, T, m)                                                               \
    "{\"e\":\"trade\",\"E\":1723161255343,\"s\":" s ",\"t\":" t ",\"p\":" p ",\"q\":" q            \
    ",\"T\":" T ",\"m\":" m "}"
#define OK_S "\"BTCUSDT\""
#define OK_T "1723161255342"
#define LONG "0123456789012345678901234567890123456789012345678901234567890123" /* 64 */

static const struct {
    const char *text, *reason; /* "" = it is fine */
} wrongs[] = {
    {TRADE_WITH(OK_S, "1", "\"1\"", "\"1\"", OK_T, "true"), ""},
    {TRADE_WITH(OK_S, "1", "\"9999999999.99999999\"", "\"1\"", OK_T, "true"), ""},
    {TRADE_WITH(OK_S, "1", "\"-9999999999.99999999\"", "\"1\"", OK_T, "true"), ""},
    {TRADE_WITH(OK_S, "1", "\"10000000000\"", "\"1\"", OK_T, "true"), "bad_range"},
    {TRADE_WITH(OK_S, "1", "\"92233720368.54775808\"", "\"1\"", OK_T, "true"), "bad_range"},
    {TRADE_WITH(OK_S, "1", "\"0.000000001\"", "\"1\"", OK_T, "true"), "bad_range"},
    {TRADE_WITH(OK_S, "1", "\"1\"", "0.000000001", OK_T, "true"), "bad_range"},
    {TRADE_WITH(OK_S, "1", "\"1e400\"", "\"1\"", OK_T, "true"), "bad_range"},
    {TRADE_WITH(OK_S, "18446744073709551615", "\"1\"", "\"1\"", OK_T, "true"), ""},
    {TRADE_WITH(OK_S, "18446744073709551616", "\"1\"", "\"1\"", OK_T, "true"), "bad_range"},
    {TRADE_WITH(OK_S, "-1", "\"1\"", "\"1\"", OK_T, "true"), "bad_range"},
    {TRADE_WITH(OK_S, "1.5", "\"1\"", "\"1\"", OK_T, "true"), "bad_range"},
    {TRADE_WITH(OK_S, "1", "\"1\"", "\"1\"", "99999999999999", "true"), "bad_range"},
    {TRADE_WITH(OK_S, "1", "\"1\"", "\"1\"", "-1", "true"), "bad_range"},
    {TRADE_WITH(OK_S, "1", "\"\"", "\"1\"", OK_T, "true"), "bad_number"},
    {TRADE_WITH(OK_S, "1", "\"abc\"", "\"1\"", OK_T, "true"), "bad_number"},
    {TRADE_WITH(OK_S, "1", "\"1.\"", "\"1\"", OK_T, "true"), "bad_number"},
    {TRADE_WITH(OK_S, "1", "\"1.2.3\"", "\"1\"", OK_T, "true"), "bad_number"},
    {TRADE_WITH(OK_S, "1", "\" 1\"", "\"1\"", OK_T, "true"), "bad_number"},
    {TRADE_WITH(OK_S, "1", "\"0x1\"", "\"1\"", OK_T, "true"), "bad_number"},
    {TRADE_WITH(OK_S, "01", "\"1\"", "\"1\"", OK_T, "true"), "bad_syntax"},
    {TRADE_WITH(OK_S, "1.", "\"1\"", "\"1\"", OK_T, "true"), "bad_syntax"},
    {TRADE_WITH(OK_S, "1", "nan", "\"1\"", OK_T, "true"), "bad_syntax"},
    {TRADE_WITH(OK_S, "1", "\"1\"", "\"1\"", OK_T, "tru"), "bad_syntax"},
    {TRADE_WITH(OK_S, "1", "\"1\"", "\"1\"", OK_T, "True"), "bad_syntax"},
    {TRADE_WITH(OK_S, "1", "null", "\"1\"", OK_T, "true"), "bad_missing"},
    {TRADE_WITH(OK_S, "1", "\"1\"", "\"1\"", OK_T, "null"), ""}, /* side unknown */
    {TRADE_WITH(OK_S, "1", "{}", "\"1\"", OK_T, "true"), "bad_type"},
    {TRADE_WITH(OK_S, "1", "[\"1\"]", "\"1\"", OK_T, "true"), "bad_type"},
    {TRADE_WITH(OK_S, "1", "true", "\"1\"", OK_T, "true"), "bad_type"},
    {TRADE_WITH(OK_S, "1", "\"1\"", "\"1\"", OK_T, "1"), "bad_type"},
    {TRADE_WITH("5", "1", "\"1\"", "\"1\"", OK_T, "true"), "bad_type"},
    {TRADE_WITH("\"\"", "1", "\"1\"", "\"1\"", OK_T, "true"), "bad_symbol"},
    {TRADE_WITH("\"" LONG "\"", "1", "\"1\"", "\"1\"", OK_T, "true"), "bad_symbol"},
    {TRADE_WITH("\"\\ud800\"", "1", "\"1\"", "\"1\"", OK_T, "true"), "bad_symbol"},
    {TRADE_WITH("\"\xff\"", "1", "\"1\"", "\"1\"", OK_T, "true"), "bad_utf8"},
    {TRADE_WITH("\"a\nb\"", "1", "\"1\"", "\"1\"", OK_T, "true"), "bad_syntax"},
    {"{\"e\":\"trade\",\"s\":\"BTCUSDT\"}", "bad_missing"},
    {"{\"e\":\"nobody\"}", "unknown"},
    {"{\"e\":1}", "unknown"},
    {"{\"e\":null,\"u\":1,\"s\":\"A\",\"b\":\"1\",\"B\":\"2\",\"a\":\"3\",\"A\":\"4\"}", "unknown"},
    {"{}", "unknown"},
    {"[]", "unknown"},
    {"[1]", "unknown"},
    {"17", "unknown"},
    {"\"text\"", "unknown"},
    {"{\"stream\":\"x\",\"data\":5}", "unknown"},
    {"", "bad_truncated"},
    {"  ", "bad_truncated"},
    {SPOT_TRADE "x", "bad_syntax"},
    {SPOT_TRADE "}", "bad_syntax"},
    {SPOT_TRADE SPOT_TRADE, "bad_syntax"},
    {"not json", "bad_syntax"},
};

Test(parser, what_is_wrong_is_counted_by_its_reason)
{
    rig_open(&rig);
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < TM_ARRAY_CNT(wrongs); i++) {
            const char *text = wrongs[i].text;
            const char *reason = rig_reason(&rig, text, strlen(text));
            if (strcmp(reason, wrongs[i].reason) != 0)
                fprintf(stderr, "# '%s', not '%s': %s\n", reason, wrongs[i].reason, text);
            tm_assert_str(reason, wrongs[i].reason);
            rig_text(&rig, TRADE_WITH(OK_S, "1", "\"1\"", "\"1\"", OK_T, "true"));
        }
    }
    rig_close(&rig);
}

Test(parser, a_message_cut_at_any_byte_is_truncated)
{
    static const char *const whole[] = {
        SPOT_TRADE, WRAP("btcusdt@trade", SPOT_TRADE), SPOT_TICKER, COINM_TICKER, DEPTH, KLINE};
    rig_open(&rig);
    for (int taught = 0; taught < 2; taught++) {
        for (size_t i = 0; i < TM_ARRAY_CNT(whole); i++) {
            for (size_t sz = 0; sz < strlen(whole[i]); sz++)
                tm_assert_str(rig_reason(&rig, whole[i], sz), "bad_truncated");
            rig_text(&rig, whole[i]);
            rig_text(&rig, whole[i]);
        }
    }
    rig_close(&rig);
}

Test(parser, a_full_symbol_table_is_counted)
{
    rig_open(&rig);
    for (uint32_t i = 0; i < TM_SYMBOL_CNT_MAX; i++) {
        char name[16];
        int n = snprintf(name, sizeof name, "S%u", i);
        for (uint32_t k = 0; k < RIG_CNT; k++)
            tm_assert_eq(tm_symbols_intern(rig.symbols[k], name, (size_t)n), i);
    }
    tm_assert_str(rig_reason(&rig, SPOT_TRADE, strlen(SPOT_TRADE)), "bad_symbol");
    tm_assert_eq(rig_text(&rig, TRADE_WITH("\"S77\"", "1", "\"1\"", "\"1\"", OK_T, "true")), 1u);
    tm_assert_eq(rig.rows[0][0].row.symbol, 77u);
    rig_close(&rig);
}

Test(parser, symbols_of_all_sizes_keep_their_numbers)
{
    rig_open(&rig);
    for (int round = 0; round < 3; round++) {
        for (uint32_t sz = 1; sz <= TM_SYMBOL_SZ_MAX; sz++) {
            char text[256], name[64];
            memset(name, 'A' + (int)(sz % 26), sz);
            name[sz] = '\0';
            snprintf(text, sizeof text,
                     "{\"u\":1,\"s\":\"%s\",\"b\":\"1\",\"B\":\"2\",\"a\":\"3\",\"A\":\"4\"}",
                     name);
            tm_assert_eq(rig_text(&rig, text), 1u);
            tm_assert_str(symbol_of(&rig.rows[0][0]), name);
            tm_assert_eq(rig.rows[0][0].row.symbol, sz - 1);
        }
        tm_assert_eq(
            rig_text(&rig,
                     "{\"u\":1,\"s\":\"\xe5\xb8\x81\xe5\xae\x89USDT\",\"b\":\"1\",\"B\":\"2\","
                     "\"a\":\"3\",\"A\":\"4\"}"),
            1u);
        tm_assert_str(symbol_of(&rig.rows[0][0]), "\xe5\xb8\x81\xe5\xae\x89USDT");
    }
    rig_close(&rig);
}

Test(parser, dead_letters_are_kept_with_reason_and_offset_and_no_more_than_asked_for)
{
    tm_symbols_t *symbols;
    tm_parser_t *parser;
    tm_counter_set_t *counters = tm_counter_set_new("letters");
    tm_assert_eq(tm_symbols_open(&symbols), 0);
    tm_parser_cfg_t cfg = {.symbols = symbols, .counters = counters, .dead_letter_max = 2};
    tm_assert_eq(tm_parser_open(&parser, &cfg), 0);
    static uint8_t big[6000 + TM_FRAME_PAD];
    memset(big, '[', sizeof big);
    const char *texts[] = {"{\"first\":1}", "{\"a\":\"\x01\xff\\\"}", (const char *)big};
    for (uint32_t i = 0; i < 3; i++) {
        uint8_t room[128 + TM_FRAME_PAD] = {0};
        size_t sz = i == 2 ? 6000 : strlen(texts[i]);
        if (i < 2) memcpy(room, texts[i], sz);
        tm_frame_t f = {
            .data = i == 2 ? big : room, .sz = (uint32_t)sz, .conn_idx = i, .recv_ns = 7};
        tm_market_row_t rows[1];
        tm_assert_eq(tm_parser_frame(parser, &f, rows, 1), 0u);
    }
    char *out = NULL;
    size_t out_sz = 0;
    FILE *f = open_memstream(&out, &out_sz);
    tm_assert_eq(tm_parser_dead_letters_write(parser, f), 0);
    fclose(f);
    const char *first =
        "{\"time\":7,\"conn\":1,\"reason\":\"truncated\",\"offset\":11,\"size\":11,\"text\":"
        "\"{\\\"a\\\":\\\"\\u0001\\ufffd\\\\\\\"}\"}\n"
        "{\"time\":7,\"conn\":2,\"reason\":\"nesting\",\"offset\":512,\"size\":6000,\"text\":\"[[";
    tm_assert(strncmp(out, first, strlen(first)) == 0);
    tm_assert_eq(out_sz, strlen(first) - 2 + 4096 + 3);
    free(out);
    tm_assert_eq(tm_counter_read(tm_counter_get(counters, "dead_letters")), 3u);
    tm_parser_close(parser);
    tm_counter_set_free(counters);
    tm_symbols_close(symbols);
    (void)rig;
}
