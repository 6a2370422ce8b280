#include "net/json_member.h"
#include "net/simulated/venue_line.h"
#include "tests/tm_test.h"

#include <stdio.h>
#include <string.h>

static tm_venue_line_t line;
static tm_venue_message_t m;

static bool is(const char *s, size_t sz, const char *expected)
{
    bool same = s && sz == strlen(expected) && memcmp(s, expected, sz) == 0;
    if (!same) printf("# \"%.*s\" is not \"%s\"\n", s ? (int)sz : 0, s ? s : "", expected);
    return same;
}

Test(venue_line, a_combined_line_is_taken_apart_where_it_stands)
{
    static const char *const lines[] = {
        "{\"stream\":\"btcusdt@trade\",\"data\":{\"e\":\"trade\"}}",
        "{ \"stream\" : \"btcusdt@trade\" , \"data\" : {\"e\":\"trade\"} }",
        "{\"data\":{\"e\":\"trade\"},\"x\":[{\"stream\":1}],\"stream\":\"btcusdt@trade\"}",
    };
    tm_venue_line_init(&line);
    for (size_t i = 0; i < TM_ARRAY_CNT(lines); i++) {
        tm_venue_line_set(&line, lines[i], (uint32_t)strlen(lines[i]), &m);
        tm_assert(m.text == lines[i]);
        tm_assert(is(m.stream, m.stream_sz, "btcusdt@trade"));
        tm_assert(is(m.data, m.data_sz, "{\"e\":\"trade\"}"));
        tm_assert(!tm_venue_line_next(&line, &m));
    }
    tm_venue_line_fini(&line);
}

Test(venue_line, a_raw_line_gets_the_streams_that_the_exchange_would_send_it_on)
{
    static const struct {
        const char *text, *streams[8];
    } cases[] = {
        {"{\"e\":\"trade\",\"E\":1,\"s\":\"BTCUSDT\",\"t\":1}", {"btcusdt@trade"}},
        {"{\"zz\":[1,{\"e\":\"aggTrade\",\"s\":\"NO\"}],\"s\":\"BTCUSDT\",\"e\":\"trade\"}",
         {"btcusdt@trade"}},
        {"{\"e\":\"aggTrade\",\"s\":\"1000SATSUSDT\"}", {"1000satsusdt@aggTrade"}},
        {"{\"u\":1,\"s\":\"BNBUSDT\",\"b\":\"1\",\"B\":\"2\",\"a\":\"3\",\"A\":\"4\"}",
         {"bnbusdt@bookTicker"}},
        {"{\"A\":\"4\",\"x\":\"\\\"s\",\"a\":\"3\",\"B\":\"2\",\"b\":\"1\",\"s\":\"B\",\"u\":1}",
         {"b@bookTicker"}},
        {"{\"e\":\"bookTicker\",\"u\":1,\"s\":\"BTCUSD_PERP\",\"b\":\"1\"}",
         {"btcusd_perp@bookTicker"}},
        {"{\"e\":\"depthUpdate\",\"s\":\"ETHUSDT\",\"b\":[[\"1\",\"2\"]],\"a\":[]}",
         {"ethusdt@depth", "ethusdt@depth@100ms", "ethusdt@depth@0ms", "ethusdt@depth@250ms",
          "ethusdt@depth@500ms"}},
        {"{\"e\":\"markPriceUpdate\",\"s\":\"BTCUSDT\"}",
         {"btcusdt@markPrice", "btcusdt@markPrice@1s"}},
    };
    tm_venue_line_init(&line);
    for (size_t i = 0; i < TM_ARRAY_CNT(cases); i++) {
        const char *text = cases[i].text;
        tm_venue_line_set(&line, text, (uint32_t)strlen(text), &m);
        for (size_t k = 0; cases[i].streams[k]; k++) {
            char wrapped[512];
            snprintf(wrapped, sizeof wrapped, "{\"stream\":\"%s\",\"data\":%s}",
                     cases[i].streams[k], text);
            if (k > 0) tm_assert(tm_venue_line_next(&line, &m));
            tm_assert_eq(m.again, k > 0);
            tm_assert(is(m.stream, m.stream_sz, cases[i].streams[k]));
            tm_assert(is(m.text, m.sz, wrapped));
            tm_assert(m.data == text);
            tm_assert_eq(m.data_sz, strlen(text));
        }
        tm_assert(!tm_venue_line_next(&line, &m));
    }
    tm_venue_line_fini(&line);
}

Test(venue_line, what_names_no_symbol_or_is_no_json_has_no_stream)
{
    static const char *const lines[] = {
        "{\"lastUpdateId\":1,\"bids\":[],\"asks\":[]}",
        "{\"e\":\"trade\"}",
        "{\"e\":\"unheard\",\"s\":\"BTCUSDT\"}",
        "{\"e\":\"trade\",\"s\":\"\"}",
        "{\"e\":\"trade\",\"s\":7}",
        "{\"u\":1,\"s\":\"BNBUSDT\",\"b\":\"1\"}",
        "[{\"e\":\"trade\",\"s\":\"BTCUSDT\"}]",
        "{\"stream\":7,\"data\":{}}",
        "{\"stream\":\"a@trade\"}",
        "hello",
        "{\"e\":\"tra",
        "{",
        "",
    };
    tm_venue_line_init(&line);
    for (size_t i = 0; i < TM_ARRAY_CNT(lines); i++) {
        tm_venue_line_set(&line, lines[i], (uint32_t)strlen(lines[i]), &m);
        if (m.stream) printf("# %s\n", lines[i]);
        tm_assert(m.stream == NULL);
        tm_assert(m.text == lines[i]);
        tm_assert(!tm_venue_line_next(&line, &m));
    }
    tm_venue_line_fini(&line);
}

Test(json_member, members_are_views_of_keys_and_whole_values)
{
    static const char text[] =
        " { \"a\" : 1 , \"b\\\"c\":\"x,}\", \"d\":[{\"e\":2},3], \"f\":{} } ";
    static const char *const keys[] = {"a", "b\\\"c", "d", "f"};
    static const char *const values[] = {"1", "\"x,}\"", "[{\"e\":2},3]", "{}"};
    const char *pos = text, *end = text + sizeof text - 1;
    tm_json_member_t member;
    tm_assert(tm_json_object_begin(&pos, end));
    for (size_t i = 0; i < TM_ARRAY_CNT(keys); i++) {
        tm_assert(tm_json_object_next(&pos, end, &member));
        tm_assert(is(member.key, member.key_sz, keys[i]));
        tm_assert(is(member.value, member.value_sz, values[i]));
    }
    tm_assert(!tm_json_object_next(&pos, end, &member));
    for (size_t cut = 0; cut < sizeof text - 1; cut++) /* a cut text ends, wherever it was cut */
        tm_assert(!tm_json_object_find(text, cut, "zz", &member));
}
