#include "parse/paths/layout.h"
#include "tests/parse/messages.h"
#include "tests/parse/parse_rig.h"

static rig_t rig;
static uint64_t seed;

static uint32_t draw(uint32_t below)
{
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)((seed >> 33) % below);
}

Test(layout, a_form_is_learned_from_its_first_message)
{
    static const char *const forms[] = {SPOT_TRADE,
                                        SPOT_TRADE_2023,
                                        USDM_TRADE,
                                        SPOT_TICKER,
                                        USDM_TICKER,
                                        COINM_TICKER,
                                        MARK_PRICE,
                                        AGG_TRADE,
                                        WRAP("btcusdt@trade", SPOT_TRADE),
                                        WRAP("btcusd_perp@bookTicker", COINM_TICKER)};
    rig_open(&rig);
    for (uint32_t i = 0; i < TM_ARRAY_CNT(forms); i++) {
        for (uint32_t round = 0; round < 10; round++) rig_text(&rig, forms[i]);
        for (uint32_t k = RIG_LAYOUTS; k < RIG_CNT; k++) {
            tm_assert_eq(rig_count(&rig, k, "parse_any_order"), i + 1);
            tm_assert_eq(rig_count(&rig, k, "parse_fast"), 9u * (i + 1));
        }
    }
    rig_close(&rig);
}

Test(layout, an_added_field_costs_the_slower_path_once)
{
    rig_open(&rig);
    for (uint32_t i = 0; i < 100; i++) {
        tm_assert_eq(
            rig_text(&rig,
                     "{\"e\":\"bookTicker\",\"u\":5,\"s\":\"BTCUSDT\",\"ps\":\"BTC\",\"b\":\"1.5\","
                     "\"B\":\"2\",\"a\":\"3\",\"A\":\"4\",\"T\":1723161256313,\"st\":7,\"z\":-0.5,"
                     "\"y\":null,\"E\":1723161256313}"),
            1u);
        tm_assert_eq(rig.rows[0][0].quote.bid_px_e8, 150000000);
    }
    for (uint32_t k = RIG_LAYOUTS; k < RIG_CNT; k++)
        tm_assert_eq(rig_count(&rig, k, "parse_any_order"), 1u);
    rig_close(&rig);
}

Test(layout, values_of_rare_forms_are_read_on_the_fast_path_too)
{
    static const char *const values[] = {"-5.25", "123456789.12345678", "9999999999.5", "1e-8",
                                         "007",   "0.12345678",         "12345678.1"};
    static const int64_t want[] = {-525000000, 12345678912345678, 999999999950000000, 1,
                                   700000000,  12345678,          1234567810000000};
    rig_open(&rig);
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < TM_ARRAY_CNT(values); i++) {
            char text[200];
            snprintf(text, sizeof text,
                     "{\"u\":1,\"s\":\"A\",\"b\":\"%s\",\"B\":\"2\",\"a\":\"3\",\"A\":\"4\"}",
                     values[i]);
            tm_assert_eq(rig_text(&rig, text), 1u);
            tm_assert_eq(rig.rows[0][0].quote.bid_px_e8, want[i]);
        }
    }
    for (uint32_t k = RIG_LAYOUTS; k < RIG_CNT; k++)
        tm_assert_eq(rig_count(&rig, k, "parse_any_order"), 1u);
    rig_close(&rig);
}

Test(layout, ever_new_forms_neither_fill_nor_slow_the_table)
{
    rig_open(&rig);
    for (uint32_t i = 0; i < 2000; i++) {
        char text[300];
        snprintf(text, sizeof text,
                 "{\"k%u\":1,\"u\":1,\"s\":\"A\",\"b\":\"1\",\"B\":\"2\",\"a\":\"3\",\"A\":\"%u\"}",
                 i, i);
        tm_assert_eq(rig_text(&rig, text), 1u);
        tm_assert_eq(rig.rows[0][0].quote.ask_qty_e8, (int64_t)i * 100000000);
    }
    /* The real feed is learned again as soon as the ration allows. */
    for (uint32_t i = 0; i < 2u * TM_LAYOUT_RATION; i++) rig_text(&rig, SPOT_TRADE);
    for (uint32_t k = RIG_LAYOUTS; k < RIG_CNT; k++)
        tm_assert(rig_count(&rig, k, "parse_fast") >= TM_LAYOUT_RATION);
    rig_close(&rig);
}

/* Changes a message a little, as damage or a hostile peer would. */
static uint32_t mutate(const char *from, uint8_t *to, uint32_t max)
{
    static const char alphabet[] = "\"\"\"{}[]:,.0123456789-+eEtrufalsn \\\n\x80\xc3";
    uint32_t sz = (uint32_t)strlen(from);
    memcpy(to, from, sz);
    for (uint32_t changes = 1 + draw(3); changes > 0 && sz > 0; changes--) {
        uint32_t at = draw(sz), n = 1 + draw(6);
        switch (draw(5)) {
        case 0:
            to[at] = (uint8_t)alphabet[draw(sizeof alphabet - 1)];
            break;
        case 1: /* insert */
            if (sz == max) break;
            memmove(to + at + 1, to + at, sz - at);
            to[at] = (uint8_t)alphabet[draw(sizeof alphabet - 1)];
            sz++;
            break;
        case 2: /* delete */
            if (n > sz - at) n = sz - at;
            memmove(to + at, to + at + n, sz - at - n);
            sz -= n;
            break;
        case 3: /* repeat a piece */
            if (n > sz - at) n = sz - at;
            if (sz + n > max) break;
            memmove(to + at + n, to + at, sz - at);
            sz += n;
            break;
        default: /* another digit: stays well-formed most of the time */
            if (to[at] >= '0' && to[at] <= '9') to[at] = (uint8_t)('0' + draw(10));
            break;
        }
    }
    return sz;
}

Test(layout, all_paths_agree_on_damaged_messages)
{
    static const char *const forms[] = {SPOT_TRADE,
                                        SPOT_TRADE_2023,
                                        USDM_TRADE,
                                        SPOT_TICKER,
                                        USDM_TICKER,
                                        COINM_TICKER,
                                        DEPTH,
                                        SNAPSHOT,
                                        MARK_PRICE,
                                        AGG_TRADE,
                                        KLINE,
                                        WRAP("btcusdt@trade", SPOT_TRADE),
                                        WRAP("btcusd_perp@bookTicker", COINM_TICKER),
                                        WRAP("btcusdt@depth", DEPTH)};
    const char *given = getenv("TM_SEED");
    seed = given ? strtoull(given, NULL, 10) : 20240808;
    fprintf(stderr, "# seed %llu\n", seed + 0ull);
    rig_open(&rig);
    uint64_t rows = 0, rounds = 60000;
    for (uint64_t i = 0; i < rounds; i++) {
        uint8_t text[1024];
        uint32_t sz = mutate(forms[draw(TM_ARRAY_CNT(forms))], text, sizeof text);
        rows += rig_feed(&rig, text, sz);
        for (uint32_t k = 1; k < RIG_CNT; k++)
            tm_assert_eq(rig_count(&rig, k, "dead_letters"), rig_count(&rig, 0, "dead_letters"));
        /* Keep the plain forms known. */
        if (i % 64 == 0)
            for (uint32_t f = 0; f < TM_ARRAY_CNT(forms); f++) rig_text(&rig, forms[f]);
    }
    /* Some of the damage must have been harmless, most of it not; both paths must have run. */
    tm_assert(rows > rounds / 50 && rig_count(&rig, 0, "dead_letters") > rounds / 4);
    tm_assert(rig_count(&rig, RIG_LAYOUTS, "parse_fast") > rounds / 50);
    rig_close(&rig);
}
