#include "base/decimal.h"
#include "parse/term.h"
#include "tests/tm_test.h"

#include <string.h>

/* Texts in room that may be read past their end. */
static const uint8_t *padded(const char *text)
{
    static uint8_t room[256];
    memset(room, '9', sizeof room);
    memcpy(room, text, strlen(text));
    return room;
}

static uint32_t sz_of(const char *text)
{
    return (uint32_t)strlen(text);
}

Test(term, sides_have_many_words)
{
    static const char *const buys[] = {"Buy", "BUY", "buy", "b", "bid"};
    static const char *const sells[] = {"Sell", "SELL", "s", "offer", "ask", "a"};
    static const char *const others[] = {"", "buyer", "bu", "bids", "UNKNOWN_ORDER_SIDE"};
    for (uint32_t i = 0; i < TM_ARRAY_CNT(buys); i++)
        tm_assert_eq((int)tm_term_side(padded(buys[i]), sz_of(buys[i])), TM_SIDE_BUY);
    for (uint32_t i = 0; i < TM_ARRAY_CNT(sells); i++)
        tm_assert_eq((int)tm_term_side(padded(sells[i]), sz_of(sells[i])), TM_SIDE_SELL);
    for (uint32_t i = 0; i < TM_ARRAY_CNT(others); i++)
        tm_assert_eq((int)tm_term_side(padded(others[i]), sz_of(others[i])), TM_SIDE_UNKNOWN);
}

Test(term, intervals_are_told_but_for_months)
{
    static const struct {
        const char *text;
        int64_t s; /* 0: none */
    } wants[] = {{"1s", 1},      {"1m", 60}, {"15m", 900}, {"1h", 3600},   {"1d", 86400},
                 {"1w", 604800}, {"1M", 0},  {"5", 300},   {"720", 43200}, {"D", 86400},
                 {"W", 604800},  {"M", 0},   {"", 0},      {"m1", 0},      {"1mm", 0}};
    for (uint32_t i = 0; i < TM_ARRAY_CNT(wants); i++) {
        int64_t ns = 0;
        bool fine = tm_term_interval(padded(wants[i].text), sz_of(wants[i].text), &ns);
        tm_assert_eq(fine, wants[i].s != 0);
        if (fine) tm_assert_eq(ns, wants[i].s * TM_NS_PER_S);
    }
}

Test(term, trade_ids_are_numbers_or_the_start_of_a_uuid)
{
    uint64_t id;
    const char *uuid = "01cacfe9-8d1c-5ee4-995d-d79a43f955a6";
    tm_assert_eq((int)tm_term_trade_id(padded(uuid), 36, &id), TM_REASON_NONE);
    tm_assert_eq(id, 0x01cacfe98d1c5ee4u);
    tm_assert_eq((int)tm_term_trade_id(padded("18446744073709551615"), 20, &id), TM_REASON_NONE);
    tm_assert_eq(id, UINT64_MAX);
    tm_assert_eq((int)tm_term_trade_id(padded("18446744073709551616"), 20, &id), TM_REASON_RANGE);
    tm_assert_eq((int)tm_term_trade_id(padded("-1"), 2, &id), TM_REASON_RANGE);
    uuid = "01cacfe9-8d1c-5ee4-995d-d79a43f955g6";
    tm_assert_eq((int)tm_term_trade_id(padded(uuid), 36, &id), TM_REASON_NUMBER);
    uuid = "01cacfe9-8d1c-5ee4-995d-d79a43f955-6";
    tm_assert_eq((int)tm_term_trade_id(padded(uuid), 36, &id), TM_REASON_NUMBER);
}

Test(term, streams_name_their_symbol_and_form)
{
    uint8_t room[64];
    tm_assert_eq(tm_term_stream_symbol(padded("btcusdt@depth5"), 14, room, 63), 7u);
    tm_assert(memcmp(room, "BTCUSDT", 7) == 0);
    tm_assert_eq(tm_term_stream_symbol(padded("1000pepe_usdt@x"), 15, room, 63), 13u);
    tm_assert(memcmp(room, "1000PEPE_USDT", 13) == 0);
    tm_assert_eq(tm_term_stream_symbol(padded("btcusdt"), 7, room, 63), 0u);
    tm_assert_eq(tm_term_stream_symbol(padded("btcusdt@x"), 9, room, 6), 0u);
    tm_assert(tm_term_stream_is_partial(padded("a@depth5"), 8));
    tm_assert(tm_term_stream_is_partial(padded("a@depth20@100ms"), 15));
    tm_assert(!tm_term_stream_is_partial(padded("a@depth"), 7));
    tm_assert(!tm_term_stream_is_partial(padded("a@depth@100ms"), 13));
    tm_assert_eq(tm_term_tail(padded("kline.5.BTCUSDT"), 15), 8u);
    tm_assert_eq(tm_term_tail(padded("plain"), 5), 0u);
}

Test(term, wide_decimals_are_exact_to_38_digits)
{
    static const struct {
        const char *text, *want; /* scaled by 1e8; NULL: out of range */
    } wants[] = {
        {"0", "0"},
        {"-1.5", "-150000000"},
        {"92233720368.54775808", "9223372036854775808"},
        {"2345678901234.00", "234567890123400000000"},
        {"-2345678901234.00000001", "-234567890123400000001"},
        {"2345678901234.000000010", "234567890123400000001"},
        {"2345678901234.000000001", NULL},
        {"170141183460469231731687303715.88410726", "17014118346046923173168730371588410726"},
        {"1701411834604692317316873037158841.05726", NULL},
        {"1e30", NULL},
        {"1e29", "10000000000000000000000000000000000000"},
        {"-12.5E+20", "-125000000000000000000000000000"},
        {"2345678901234000e-3", "234567890123400000000"},
        {"2345678901234567890123e-18", NULL},
        {"0e99", "0"},
    };
    for (uint32_t i = 0; i < TM_ARRAY_CNT(wants); i++) {
        char text[64];
        tm_i128_t v;
        tm_reason_t reason = tm_term_wide(padded(wants[i].text), sz_of(wants[i].text), false, &v);
        tm_assert_eq((int)reason, (int)(wants[i].want ? TM_REASON_NONE : TM_REASON_RANGE));
        if (!wants[i].want) continue;
        tm_decimal_format(text, v, 0);
        tm_assert_str(text, wants[i].want);
    }
    tm_i128_t v;
    tm_assert_eq((int)tm_term_wide(padded("1.2.3"), 5, false, &v), TM_REASON_NUMBER);
}
