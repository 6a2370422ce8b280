#include "parse/paths/shape.h"

#include "tests/parse/messages.h"
#include "tests/parse/parse_rig.h"

static rig_t rig;

static uint64_t shapes_found(uint32_t i)
{
    return rig_count(&rig, i, "parse_shape");
}

/* The rig fails where a parser that knows the shape and one that walks every message differ. */
static void every_byte_changed(const char *message)
{
    size_t sz = strlen(message);
    char text[512];
    rig_open(&rig);
    for (uint32_t i = 0; i < 3; i++) tm_assert(rig_text(&rig, message) <= 1);
    for (uint32_t i = 0; i < 3; i++) tm_assert(shapes_found(i) > 0);
    for (size_t at = 0; at < sz; at++) {
        for (uint32_t byte = 0; byte < 256; byte++) {
            memcpy(text, message, sz);
            text[at] = (char)byte;
            rig_feed(&rig, text, sz);
        }
        /* Whatever was learned on the way, the message itself still counts. */
        rig_text(&rig, message);
    }
    rig_close(&rig);
}

Test(shape, any_byte_of_a_spot_trade_may_change)
{
    every_byte_changed(SPOT_TRADE);
}

Test(shape, any_byte_of_a_futures_ticker_may_change)
{
    every_byte_changed(USDM_TICKER);
}

Test(shape, any_byte_of_a_wrapped_ticker_may_change)
{
    every_byte_changed(WRAP("btcusdt@bookTicker", SPOT_TICKER));
}

Test(shape, any_byte_of_a_message_without_rows_may_change)
{
    every_byte_changed(INDEX_PRICE);
}

Test(shape, signs_exponents_zeros_and_long_numbers_are_never_taken_for_plain_ones)
{
    static const char *const prices[] = {
        "1.5",
        "-1.5",
        "0.5",
        "00.5",
        "1.50000000",
        "1.500000001",
        "1e5",
        "1.5e1",
        "9999999.9",
        "12345678",
        "12345678.12345678",
        "123456789.5",
        "1.",
        ".5",
        "-",
        "",
        "99999999999.5",
        "0.000000010",
        "-0.5",
        "0.00000001",
        "1.5 ",
        "+1.5",
        "92233720368.5",
        "1.55555555000",
        "1.5E+1",
        "1.555555550",
        "1.55555555",
        "7",
        "-7",
        "-0",
    };
    static const char *const times[] = {"1723161255342",
                                        "9223372036854",
                                        "9223372036855",
                                        "9999999999999",
                                        "99999999999999",
                                        "100000000000000",
                                        "1723161255342123",
                                        "9999999999999999",
                                        "0",
                                        "5",
                                        "-1723161255342",
                                        "12"};
    char text[512];
    rig_open(&rig);
    for (uint32_t round = 0; round < 3; round++) {
        for (size_t i = 0; i < TM_ARRAY_CNT(prices) * TM_ARRAY_CNT(times); i++) {
            const char *p = prices[i % TM_ARRAY_CNT(prices)], *t = times[i / TM_ARRAY_CNT(prices)];
            int n = snprintf(
                text, sizeof text,
                "{\"e\":\"trade\",\"E\":%s,\"s\":\"A%zu\",\"t\":%zu,\"p\":\"%s\",\"q\":"
                "\"0.5\",\"T\":%s,\"m\":true}",
                times[(i + 1) % TM_ARRAY_CNT(times)], i % 7, i, p, t);
            rig_feed(&rig, text, (size_t)n);
        }
    }
    rig_close(&rig);
}

Test(shape, a_message_with_other_digits_is_taken_by_its_shape)
{
    rig_open(&rig);
    rig_text(&rig, SPOT_TRADE);
    rig_text(&rig, "{\"e\":\"trade\",\"E\":1723161255999,\"s\":\"ETHUSDT\",\"t\":3735683777,\"p\":"
                   "\"12345.67800000\",\"q\":\"9.87654321\",\"T\":1723161255998,\"m\":true,\"M\":"
                   "true}");
    const tm_trade_t *t = &rig.rows[0][0].trade;
    tm_assert_eq(t->price_e8, 1234567800000);
    tm_assert_eq(t->qty_e8, 987654321);
    tm_assert_eq(t->trade_id, 3735683777u);
    tm_assert_eq(t->row.event_ns, 1723161255998000000);
    tm_assert_eq(t->publish_ns, 1723161255999000000);
    for (uint32_t i = 0; i < 3; i++) tm_assert_eq(shapes_found(i), 1u);
    tm_assert_eq(strcmp(tm_symbols_name(rig.symbols[0], t->row.symbol, NULL), "ETHUSDT"), 0);
    rig_close(&rig);
}

Test(shape, a_feed_that_never_repeats_a_shape_is_left_alone_after_a_while)
{
    tm_shapes_t s;
    uint32_t asked = 0;
    tm_assert_eq(tm_shapes_open(&s, 64), 0);
    for (uint32_t i = 0; i < 50000; i++) {
        if (!tm_shapes_wanted(&s, 100)) continue;
        asked++;
        (void)tm_shapes_may_learn(&s);
    }
    tm_assert(asked < 10000);
    tm_shapes_close(&s);
}
