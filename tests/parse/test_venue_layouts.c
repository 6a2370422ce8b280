/* What venues send most, on the fast path: books of any number of levels and trades, whole and
   damaged. The rig compares each message with the any-order path. */
#include "parse/venues/venues.h"
#include "tests/parse/messages.h"
#include "tests/parse/parse_rig.h"

static rig_t rig;
static uint64_t seed;

static uint32_t draw(uint32_t below)
{
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)((seed >> 33) % below);
}

static void seed_take(void)
{
    const char *given = getenv("TM_SEED");
    seed = given ? strtoull(given, NULL, 10) : 20240808;
    fprintf(stderr, "# seed %llu\n", seed + 0ull);
}

/* What a venue writes: $ stands for levels, # for a number of one to nine digits, ~ for one of up
   to three. */
typedef struct form {
    const char *venue, *level, *text;
} form_t;

static const form_t forms[] = {
    {"binance", "[\"~~.~00000\",\"~.~00000\"]",
     "{\"e\":\"depthUpdate\",\"E\":1723161255208,\"s\":\"BTCUSDT\",\"U\":#,\"u\":5#,\"b\":[$],"
     "\"a\":[$]}"},
    {"binance", "[\"~~.~\",\"~\"]",
     WRAP("btcusd_perp@depth@0ms",
          "{\"e\":\"depthUpdate\",\"E\":1723161257440,\"T\":1723161257432,\"s\":\"BTCUSD_PERP\","
          "\"ps\":\"BTCUSD\",\"U\":#,\"u\":#,\"pu\":#,\"b\":[$],\"a\":[$],\"st\":1}")},
    {"binance", "[\"~~.~\",\"~.~~\"]",
     WRAP("bnbbtc@depth20@100ms", "{\"lastUpdateId\":#,\"bids\":[$],\"asks\":[$]}")},
    {"bybit", "[\"~~.~\",\"~.~~\"]",
     "{\"topic\":\"orderbook.50.BTCUSDT\",\"type\":\"delta\",\"ts\":1687940967466,\"data\":{\"s\":"
     "\"BTCUSDT\",\"b\":[$],\"a\":[$],\"u\":#,\"seq\":#},\"cts\":1687940967464}"},
    {"okx", "[\"~~.~\",\"#\",\"0\",\"~\"]",
     "{\"arg\":{\"channel\":\"books\",\"instId\":\"BTC-USDT\"},\"action\":\"update\",\"data\":[{"
     "\"asks\":[$],\"bids\":[$],\"ts\":\"1597026383085\",\"checksum\":-#,\"prevSeqId\":#,"
     "\"seqId\":#}]}"},
};

static uint32_t expand(const char *text, const char *level, char *to)
{
    uint32_t sz = 0;
    for (const char *p = text; *p; p++) {
        if (*p == '$') {
            uint32_t cnt = draw(3) ? draw(12) : 0;
            for (uint32_t i = 0; i < cnt; i++) {
                if (i) to[sz++] = ',';
                sz += expand(level, "", to + sz);
            }
        } else if (*p == '#' || *p == '~') {
            sz += (uint32_t)snprintf(to + sz, 12, "%u",
                                     *p == '~' ? draw(1000) : draw(1u << draw(30)));
        } else {
            to[sz++] = *p;
        }
    }
    return sz;
}

static uint32_t message(const form_t *form, char *to)
{
    return expand(form->text, form->level, to);
}

static uint64_t any_order_cnt(void)
{
    return rig_count(&rig, RIG_LAYOUTS, "parse_any_order");
}

Test(venue_layouts, a_form_is_learned_from_its_first_message_whatever_its_values)
{
    seed_take();
    for (uint32_t f = 0; f < TM_ARRAY_CNT(forms); f++) {
        rig_open_venue(&rig, tm_venue_find(forms[f].venue));
        for (uint32_t i = 0; i < 400; i++) {
            char text[4096];
            uint32_t sz = message(&forms[f], text);
            tm_assert(rig_feed(&rig, text, sz) > 0);
        }
        for (uint32_t k = RIG_LAYOUTS; k < RIG_CNT; k++) {
            tm_assert_eq(rig_count(&rig, k, "parse_any_order"), 1u);
            tm_assert_eq(rig_count(&rig, k, "parse_fast"), 399u);
            tm_assert_eq(rig_count(&rig, k, "dead_letters"), 0u);
        }
        rig_close(&rig);
    }
}

Test(venue_layouts, forms_of_one_venue_take_turns)
{
    seed_take();
    rig_open(&rig);
    for (uint32_t i = 0; i < 300; i++) {
        char text[4096];
        uint32_t sz = message(&forms[i % 3], text);
        tm_assert(rig_feed(&rig, text, sz) > 0);
        rig_text(&rig, SPOT_TRADE);
    }
    tm_assert_eq(any_order_cnt(), 4u);
    rig_close(&rig);
}

Test(venue_layouts, a_symbol_is_not_part_of_the_form)
{
    static const char *const symbols[] = {"A", "BTCUSDT", "1000PEPEUSDT", "\xe5\xb8\x81USDT", "XY"};
    char text[400];
    rig_open_venue(&rig, tm_venue_bybit());
    for (uint32_t i = 0; i < 3 * TM_ARRAY_CNT(symbols); i++) {
        const char *symbol = symbols[i % TM_ARRAY_CNT(symbols)];
        snprintf(text, sizeof text,
                 "{\"topic\":\"orderbook.1.%s\",\"type\":\"snapshot\",\"ts\":16,\"data\":{\"s\":"
                 "\"%s\",\"b\":[[\"1\",\"2\"]],\"a\":[],\"u\":7,\"seq\":9},\"cts\":15}",
                 symbol, symbol);
        tm_assert_eq(rig_text(&rig, text), 2u);
        tm_assert_str(tm_symbols_name(rig.symbols[0], rig.rows[0][0].row.symbol, NULL), symbol);
    }
    /* Text beyond ASCII has to be looked at. */
    tm_assert_eq(any_order_cnt(), 1u + 3u);
    rig_close(&rig);
}

Test(venue_layouts, the_topic_that_tells_the_kind_is_part_of_the_form)
{
    static const char *const topics[] = {"orderbook.50.A", "orderbook.1.A", "nothing.50.A"};
    static const uint32_t lines[] = {2, 2, 0};
    char text[400];
    rig_open_venue(&rig, tm_venue_bybit());
    for (uint32_t i = 0; i < 9; i++) {
        snprintf(text, sizeof text,
                 "{\"topic\":\"%s\",\"type\":\"delta\",\"ts\":16,\"data\":{\"s\":\"A\",\"b\":[],"
                 "\"a\":[[\"1\",\"2\"]],\"u\":7,\"seq\":9}}",
                 topics[i % 3]);
        tm_assert_eq(rig_text(&rig, text), lines[i % 3]);
    }
    for (uint32_t k = 0; k < RIG_CNT; k++) tm_assert_eq(rig_count(&rig, k, "unknown"), 3u);
    rig_close(&rig);
}

Test(venue_layouts, an_empty_value_that_counts_as_absent_is_part_of_the_form)
{
    static const char *const actions[] = {"update", "", "snapshot", ""};
    char text[400];
    rig_open_venue(&rig, tm_venue_okx());
    for (uint32_t i = 0; i < 12; i++) {
        snprintf(text, sizeof text,
                 "{\"arg\":{\"channel\":\"books\",\"instId\":\"A\"},\"action\":\"%s\",\"data\":[{"
                 "\"asks\":[],\"bids\":[[\"8\",\"4\",\"0\",\"1\"]],\"ts\":\"15\",\"seqId\":1}]}",
                 actions[i % 4]);
        tm_assert_eq(rig_text(&rig, text), 2u);
        tm_assert_eq(rig.rows[0][0].depth.snapshot, i % 4 == 2);
    }
    rig_close(&rig);
}

/* What reads an id takes text that is no number, too; where it stands bare it must still be one. */
Test(venue_layouts, a_bare_value_is_checked_to_be_json)
{
    static const char *const ids[] = {"7{0}", "2l", "007", "1.", "-", "1]"};
    char text[200];
    rig_open(&rig);
    for (uint32_t i = 0; i < 4; i++)
        tm_assert_eq(rig_text(&rig, "{\"error\":{\"code\":34,\"msg\":\"no\"},\"id\":7}"), 1u);
    tm_assert_eq(any_order_cnt(), 1u);
    for (uint32_t i = 0; i < TM_ARRAY_CNT(ids); i++) {
        snprintf(text, sizeof text, "{\"error\":{\"code\":34,\"msg\":\"no\"},\"id\":%s}", ids[i]);
        tm_assert_str(rig_reason(&rig, text, strlen(text)), "bad_syntax");
        snprintf(text, sizeof text, "{\"error\":{\"code\":%s,\"msg\":\"no\"},\"id\":7}", ids[i]);
        tm_assert_str(rig_reason(&rig, text, strlen(text)), "bad_syntax");
    }
    rig_close(&rig);
}

/* A parser that is not asked for books, fed all forms of a venue in turn. */
static void books_are_left(const struct tm_venue *venue)
{
    alignas(64) tm_market_row_t rows[RIG_ROW_MAX];
    tm_symbols_t *symbols;
    tm_parser_t *parser;
    exact_t exact;
    uint32_t books = 0;
    tm_counter_set_t *counters = tm_counter_set_new("no books");
    tm_assert(tm_symbols_open(&symbols) == 0);
    tm_parser_cfg_t cfg = {
        .symbols = symbols, .counters = counters, .venue = venue, .no_books = true};
    tm_assert(tm_parser_open(&parser, &cfg) == 0);
    exact_open(&exact);
    for (uint32_t i = 0; i < 100 * TM_ARRAY_CNT(forms); i++) {
        const form_t *form = &forms[i % TM_ARRAY_CNT(forms)];
        char text[4096];
        if (tm_venue_find(form->venue) != venue) continue;
        tm_frame_t f = exact_at_end(&exact, text, message(form, text), '"');
        uint32_t cnt = tm_parser_frame(parser, &f, rows, RIG_ROW_MAX);
        bool book = *form->level != '\0';
        tm_assert_eq(cnt, book ? 0u : 1u);
        books += book;
    }
    tm_assert_eq(tm_counter_read(tm_counter_get(counters, "parsed_depth")) +
                     tm_counter_read(tm_counter_get(counters, "parsed_depth_snapshot")),
                 books);
    tm_assert_eq(tm_counter_read(tm_counter_get(counters, "dead_letters")), 0u);
    exact_close(&exact);
    tm_parser_close(parser);
    tm_counter_set_free(counters);
    tm_symbols_close(symbols);
}

Test(venue_layouts, books_that_nobody_asked_for_are_counted_and_left)
{
    seed_take();
    for (uint32_t i = 0; tm_venue_at(i); i++) books_are_left(tm_venue_at(i));
}

/* Changes a byte or a few: mostly brackets, quotes and digits, which books are made of. */
static uint32_t damage(char *text, uint32_t sz)
{
    static const char alphabet[] = "\"\"[[]],,{}:.0123456789-e \\\x80";
    for (uint32_t changes = 1 + draw(2); changes > 0; changes--) {
        uint32_t at = draw(sz - 8), n = 1 + draw(8), what = draw(4);
        if (what < 2) text[at] = alphabet[draw(sizeof alphabet - 1)];
        if (what == 2) memmove(text + at, text + at + n, sz - at - n);
        if (what == 2) sz -= n;
        if (what == 3) memmove(text + at + n, text + at, sz - at);
        if (what == 3) sz += n;
    }
    return sz;
}

Test(venue_layouts, all_paths_agree_on_damaged_messages)
{
    seed_take();
    for (uint32_t f = 0; f < TM_ARRAY_CNT(forms); f++) {
        uint32_t rounds = 4000, given = 0;
        rig_open_venue(&rig, tm_venue_find(forms[f].venue));
        for (uint32_t i = 0; i < rounds; i++) {
            char text[4200];
            uint32_t sz = message(&forms[f], text);
            if (i % 8) sz = damage(text, sz);
            given += rig_feed(&rig, text, sz) > 0;
            for (uint32_t k = 1; k < RIG_CNT; k++)
                tm_assert_eq(rig_count(&rig, k, "dead_letters"),
                             rig_count(&rig, 0, "dead_letters"));
        }
        tm_assert(given > rounds / 8 && given < rounds - rounds / 8);
        rig_close(&rig);
    }
}
