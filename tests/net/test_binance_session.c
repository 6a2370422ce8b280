#include "base/error.h"
#include "net/venues/binance_session.h"
#include "tests/tm_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static tm_session_t *session_open(const char *const *streams, uint32_t cnt)
{
    tm_session_t *s;
    tm_assert_eq(tm_binance_session_open(&s, streams, cnt), 0);
    return s;
}

static int judge(tm_session_t *s, const char *text)
{
    return s->ops->judge(s, text, strlen(text));
}

Test(binance_session, asks_for_all_streams_in_requests_of_limited_size)
{
    static char names[TM_BINANCE_STREAM_MAX][32];
    static const char *streams[TM_BINANCE_STREAM_MAX];
    static bool seen[TM_BINANCE_STREAM_MAX];
    for (int i = 0; i < TM_BINANCE_STREAM_MAX; i++) {
        snprintf(names[i], sizeof names[i], "sym%dusdt@trade", i);
        streams[i] = names[i];
    }
    tm_session_t *s = session_open(streams, TM_BINANCE_STREAM_MAX);
    char text[TM_BINANCE_REQUEST_SZ_MAX], head[64], reply[64];
    int n, requests = 0;
    while ((n = s->ops->request(s, text, sizeof text)) > 0) {
        requests++;
        tm_assert(n < TM_BINANCE_REQUEST_SZ_MAX);
        snprintf(head, sizeof head, "],\"id\":%d}", requests);
        tm_assert(memcmp(text + n - (int)strlen(head), head, strlen(head)) == 0);
        tm_assert(memcmp(text, "{\"method\":\"SUBSCRIBE\",\"params\":[\"", 32) == 0);
        char *p = strchr(text, '[') + 1;
        text[n - (int)strlen(head)] = '\0';
        for (char *name = strtok(p, ","); name; name = strtok(NULL, ",")) {
            tm_assert(memcmp(name, "\"sym", 4) == 0);
            char *rest;
            long i = strtol(name + 4, &rest, 10);
            tm_assert_str(rest, "usdt@trade\"");
            tm_assert(i >= 0 && i < TM_BINANCE_STREAM_MAX && !seen[i]);
            seen[i] = true;
        }
        tm_assert(!tm_session_is_ready(s));
        snprintf(reply, sizeof reply, "{\"result\":null,\"id\":%d}", requests);
        tm_assert_eq(judge(s, reply), TM_SESSION_REPLY);
    }
    tm_assert_eq(n, 0);
    tm_assert(requests > 1);
    tm_assert(tm_session_is_ready(s));
    for (int i = 0; i < TM_BINANCE_STREAM_MAX; i++) tm_assert(seen[i]);
    tm_session_close(s);
}

Test(binance_session, tells_replies_from_data)
{
    static const char *const streams[] = {"a@trade"};
    static const char *const data[] = {
        "{\"e\":\"trade\",\"E\":1,\"s\":\"A\",\"t\":1}",
        "{\"stream\":\"a@trade\",\"data\":{\"result\":null,\"id\":1,\"error\":{}}}",
        "{\"x\":\"\\\"result\\\":null\",\"y\":[{\"error\":1},{\"code\":1,\"msg\":2}]}",
        "[{\"result\":null,\"id\":1}]",
        "{\"id\":1}",
        "{\"result\":null}",
        "{\"broken",
        "",
    };
    tm_session_t *s = session_open(streams, 1);
    char text[TM_BINANCE_REQUEST_SZ_MAX];
    tm_assert(s->ops->request(s, text, sizeof text) > 0);
    for (size_t i = 0; i < TM_ARRAY_CNT(data); i++)
        tm_assert_eq(judge(s, data[i]), TM_SESSION_DATA);
    tm_assert(!tm_session_is_ready(s));
    tm_assert_eq(judge(s, "{ \"id\" : 1 , \"result\" : null }"), TM_SESSION_REPLY);
    tm_assert(tm_session_is_ready(s));
    tm_session_close(s);
}

Test(binance_session, errors_carry_the_words_of_the_exchange)
{
    static const char *const streams[] = {"a@trade"};
    static const struct {
        const char *text, *word;
    } cases[] = {
        {"{\"error\":{\"code\":2,\"msg\":\"Invalid request: nested\"},\"id\":1}", "nested"},
        {"{\"code\":2,\"msg\":\"Invalid request: flat\",\"id\":1}", "flat"},
        {"{\"result\":[\"a\"],\"id\":1}", "refused"},
        {"{\"result\":null,\"id\":2}", "request 2"},
        {"{\"result\":null,\"id\":\"1\"}", "request 0"},
    };
    for (size_t i = 0; i < TM_ARRAY_CNT(cases); i++) {
        tm_session_t *s = session_open(streams, 1);
        char text[TM_BINANCE_REQUEST_SZ_MAX];
        tm_assert(s->ops->request(s, text, sizeof text) > 0);
        tm_assert_eq(judge(s, cases[i].text), TM_E_PROTOCOL);
        tm_assert(strstr(tm_error_text(), cases[i].word) != NULL);
        tm_session_close(s);
    }
}

Test(binance_session, names_that_would_need_escapes_are_refused)
{
    static const char *const bad[] = {"", "a b", "a\"b", "a\\b", "a\nb"};
    for (size_t i = 0; i < TM_ARRAY_CNT(bad); i++) {
        tm_session_t *s;
        tm_assert_eq(tm_binance_session_open(&s, &bad[i], 1), TM_E_CONFIG);
    }
    static const char *many[TM_BINANCE_STREAM_MAX + 1];
    for (size_t i = 0; i < TM_ARRAY_CNT(many); i++) many[i] = "a";
    tm_session_t *s;
    tm_assert_eq(tm_binance_session_open(&s, many, TM_BINANCE_STREAM_MAX + 1), TM_E_LIMIT);
}
