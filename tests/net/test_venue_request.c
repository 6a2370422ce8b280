#include "net/simulated/venue_request.h"
#include "tests/tm_test.h"

#include <stdio.h>
#include <string.h>

static tm_venue_request_t r;

static bool parse(const char *text)
{
    return tm_venue_request_parse(&r, text, strlen(text));
}

Test(venue_request, the_documented_requests_are_read)
{
    tm_assert(parse("{\"method\":\"SUBSCRIBE\",\"params\":[\"btcusdt@aggTrade\",\"btcusdt@depth\"],"
                    "\"id\":1}"));
    tm_assert(r.method == TM_VENUE_SUBSCRIBE);
    tm_assert_eq(r.param_cnt, 2u);
    tm_assert_eq(r.params[1].sz, strlen("btcusdt@depth"));
    tm_assert(memcmp(r.params[1].s, "btcusdt@depth", r.params[1].sz) == 0);
    tm_assert_str(r.id, "1");
    tm_assert(
        parse(" { \"id\" : \"ab-12\" , \"x\":{\"y\":[1,-2.5e3,null]}, \"params\" : [\"combined\","
              " true ] , \"method\" : \"SET_PROPERTY\" } \n"));
    tm_assert(r.method == TM_VENUE_SET_PROPERTY);
    tm_assert(r.params[1].kind == TM_VENUE_PARAM_TRUE);
    tm_assert_str(r.id, "\"ab-12\"");
    tm_assert(parse("{\"method\":\"LIST_SUBSCRIPTIONS\"}"));
    tm_assert_str(r.id, "null");
    tm_assert(parse("{\"method\":\"GET_PROPERTY\",\"params\":[\"combined\"],\"id\":null}"));
    tm_assert(parse("{\"method\":\"UNSUBSCRIBE\",\"params\":[],\"id\":9223372036854775807}"));
}

Test(venue_request, wrong_requests_get_the_documented_codes)
{
    static const struct {
        const char *text, *reply;
    } cases[] = {
        {"hello", "{\"error\":{\"code\":3,\"msg\":\"Invalid JSON: expected value at line 1 column "
                  "1\"},\"id\":null}"},
        {"{\"id\":5,\"method\":\"FOO\"}",
         "{\"error\":{\"code\":2,\"msg\":\"Invalid request: unknown variant `FOO`, expected one of "
         "`SUBSCRIBE`, `UNSUBSCRIBE`, `LIST_SUBSCRIPTIONS`, `SET_PROPERTY`, "
         "`GET_PROPERTY`\"},\"id\":5}"},
        {"{\"method\":\"FOO\",\"id\":6}", ",\"id\":6}"},
        {"{\"id\":1}", "missing field `method`"},
        {"{\"method\":\"SUBSCRIBE\",\"params\":\"x\",\"id\":1}", "params must be an array"},
        {"{\"method\":\"SUBSCRIBE\",\"params\":[],\"id\":1.5}", "request ID must be"},
        {"{\"method\":\"SUBSCRIBE\",\"params\":[],\"id\":[1]}", "request ID must be"},
        {"{\"method\":\"SUBSCRIBE\",\"params\":[],\"id\":\"a\\\"b\"}", "request ID must be"},
        {"{\"method\":\"SUBSCRIBE\",\"params\":[\n\"a\" \"b\"]}", "line 2 column 5"},
        {"{\"method\":7}", "method must be a string"},
        {"{\"method\":\"SUBSCRIBE\"} x", "\"code\":3"},
        {"{\"method\":\"SUBSCRIBE\"", "\"code\":3"},
        {"{\"a\":[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]}", "\"code\":3"},
        {"", "\"code\":3"},
        {"[]", "\"code\":3"},
    };
    char reply[512];
    for (size_t i = 0; i < TM_ARRAY_CNT(cases); i++) {
        tm_assert(!parse(cases[i].text));
        reply[tm_venue_request_error(&r, reply, sizeof reply)] = '\0';
        if (!strstr(reply, cases[i].reply)) printf("# %s -> %s\n", cases[i].text, reply);
        tm_assert(strstr(reply, cases[i].reply) != NULL);
    }
}

Test(venue_request, parameters_are_limited)
{
    static char text[8192];
    size_t n = (size_t)snprintf(text, sizeof text, "{\"method\":\"SUBSCRIBE\",\"params\":[\"a\"");
    for (int i = 0; i < TM_VENUE_PARAM_MAX; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, ",\"a\"");
    snprintf(text + n, sizeof text - n, "],\"id\":3}");
    tm_assert(!parse(text));
    tm_assert(strstr(r.msg, "too many parameters") != NULL);
}
