#include "base/error.h"
#include "net/ws/http_head.h"
#include "tests/tm_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Feeds the text in pieces of chop bytes (0 = whole). Returns the last result. */
static int feed(tm_http_head_t *head, tm_http_kind_t kind, const char *text, size_t sz, size_t chop)
{
    int ret = 0;
    tm_http_head_init(head, kind);
    for (size_t at = 0; at < sz && ret == 0;) {
        size_t used, n = chop && chop < sz - at ? chop : sz - at;
        ret = tm_http_head_feed(head, (const uint8_t *)text + at, n, &used);
        at += used;
        if (ret == 0 && used != n) abort();
    }
    return ret;
}

static int judge(tm_http_kind_t kind, const char *text, size_t sz)
{
    static tm_http_head_t head;
    int whole = feed(&head, kind, text, sz, 0);
    for (size_t chop = 1; chop < 8; chop++) {
        if (feed(&head, kind, text, sz, chop) != whole) return 99;
    }
    return whole;
}

static int response(const char *text)
{
    return judge(TM_HTTP_RESPONSE, text, strlen(text));
}

static int request(const char *text)
{
    return judge(TM_HTTP_REQUEST, text, strlen(text));
}

Test(http_head, a_response_is_taken_apart)
{
    static tm_http_head_t head;
    static const char text[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                               "connection: keep-alive , UPGRADE\r\nX-Empty:\r\nX-Blank: \t \r\n"
                               "X-Two: a\r\nx-two:\tb c\t\r\n\r\nrest";
    for (size_t chop = 0; chop < sizeof text; chop++) {
        tm_assert_eq(feed(&head, TM_HTTP_RESPONSE, text, sizeof text - 1, chop), 1);
        tm_assert_eq(head.status, 101);
        tm_assert(tm_http_slice_is(head.reason, "Switching Protocols"));
        tm_assert(tm_http_slice_is(tm_http_head_get(&head, "upgrade", 0), "websocket"));
        tm_assert(tm_http_head_has_token(&head, "Connection", "upgrade"));
        tm_assert(!tm_http_head_has_token(&head, "Connection", "keep"));
        tm_assert(tm_http_slice_is(tm_http_head_get(&head, "X-Empty", 0), ""));
        tm_assert(tm_http_slice_is(tm_http_head_get(&head, "X-Blank", 0), ""));
        tm_assert_eq(tm_http_head_cnt(&head, "X-Two"), 2u);
        tm_assert(tm_http_slice_is(tm_http_head_get(&head, "X-Two", 1), "b c"));
        tm_assert(tm_http_head_get(&head, "X-None", 0).s == NULL);
    }
}

Test(http_head, what_follows_the_head_is_left_alone)
{
    static tm_http_head_t head;
    static const char text[] = "HTTP/1.1 101 x\r\n\r\n\x81\x05Hello";
    size_t used;
    tm_http_head_init(&head, TM_HTTP_RESPONSE);
    tm_assert_eq(tm_http_head_feed(&head, (const uint8_t *)text, sizeof text - 1, &used), 1);
    tm_assert_eq(used, (size_t)18);
    tm_assert_eq(tm_http_head_feed(&head, (const uint8_t *)text, 5, &used), 1);
    tm_assert_eq(used, (size_t)0);
}

Test(http_head, a_request_is_taken_apart)
{
    static tm_http_head_t head;
    static const char text[] = "GET /ws/btcusdt@trade?x=1 HTTP/1.1\r\nHost: a\r\n\r\n";
    tm_assert_eq(feed(&head, TM_HTTP_REQUEST, text, sizeof text - 1, 3), 1);
    tm_assert(tm_http_slice_is(head.method, "GET"));
    tm_assert(tm_http_slice_is(head.target, "/ws/btcusdt@trade?x=1"));
    tm_assert(tm_http_slice_is(head.version, "HTTP/1.1"));
}

Test(http_head, an_empty_or_missing_reason_is_fine)
{
    tm_assert_eq(response("HTTP/1.1 101 \r\n\r\n"), 1);
    tm_assert_eq(response("HTTP/1.1 101\r\n\r\n"), 1);
}

Test(http_head, a_status_line_outside_the_grammar_is_refused)
{
    static const char *const bad[] = {
        "\r\n",
        "HTTP/1.1\r\n",
        "HTTP/1.1 10\r\n",
        "HTTP/1.1 1010 x\r\n",
        "HTTP/1.1 099 x\r\n",
        "HTTP/1.1 600 x\r\n",
        "HTTP/1.1 1x1 x\r\n",
        "HTTP/1.1  101 x\r\n",
        "HTTP/11 101 OK ok\r\n",
        "http/1.1 101 x\r\n",
        "ICY 200 OK now\r\n",
        "GET / HTTP/1.1\r\n",
    };
    for (size_t i = 0; i < TM_ARRAY_CNT(bad); i++)
        tm_assert_eq(response(bad[i]), (int)TM_E_PROTOCOL);
}

Test(http_head, a_request_line_outside_the_grammar_is_refused)
{
    static const char *const bad[] = {
        "GET\r\n",
        "GET /\r\n",
        "GET  / HTTP/1.1\r\n",
        "GET / HTTP/1.1 \r\n",
        "GET / HTTP/1\r\n",
        "G(T / HTTP/1.1\r\n",
        " GET / HTTP/1.1\r\n",
        "GET /\x80 HTTP/1.1\r\n",
        "GET /\t HTTP/1.1\r\n",
        "\r\nGET / HTTP/1.1\r\n",
    };
    for (size_t i = 0; i < TM_ARRAY_CNT(bad); i++)
        tm_assert_eq(request(bad[i]), (int)TM_E_PROTOCOL);
}

Test(http_head, folded_lines_bare_ends_and_malformed_names_are_refused)
{
    static const char *const bad[] = {
        "A: 1\r\n folded\r\n",
        "A: 1\r\n\tfolded\r\n",
        "A: 1\n",
        "A: 1\rB: 2\r\n",
        "A: 1\r\r\n",
        "A : 1\r\n",
        " A: 1\r\n",
        "A\r\n",
        ": 1\r\n",
        "A(b): 1\r\n",
        "\x80: 1\r\n",
        "A: \x01\r\n",
        "A: \x7f\r\n",
        "\n",
    };
    for (size_t i = 0; i < TM_ARRAY_CNT(bad); i++) {
        char text[128];
        snprintf(text, sizeof text, "HTTP/1.1 101 x\r\n%s\r\n", bad[i]);
        tm_assert_eq(response(text), (int)TM_E_PROTOCOL);
    }
}

Test(http_head, a_nul_byte_is_refused_wherever_it_stands)
{
    static const char text[] = "HTTP/1.1 101 x\r\nA: b\r\n";
    for (size_t at = 0; at < sizeof text - 1; at++) {
        char copy[sizeof text];
        memcpy(copy, text, sizeof text);
        copy[at] = '\0';
        tm_assert_eq(judge(TM_HTTP_RESPONSE, copy, sizeof text - 1), (int)TM_E_PROTOCOL);
    }
}

/* Appends behind at. Returns the new end. */
static size_t put(char *text, size_t at, const char *part)
{
    size_t sz = strlen(part);
    memcpy(text + at, part, sz + 1);
    return at + sz;
}

/* "HTTP/1.1 101 x", one field whose line has line_sz bytes with its end, and the end. */
static size_t make_line(char *text, size_t line_sz)
{
    size_t at = put(text, 0, "HTTP/1.1 101 x\r\nA: ");
    memset(text + at, 'v', line_sz - 5);
    at += line_sz - 5;
    return put(text, at, "\r\n\r\n");
}

Test(http_head, a_line_may_have_8192_bytes_and_no_more)
{
    static char text[3 * TM_HTTP_HEAD_MAX];
    size_t sz = make_line(text, TM_HTTP_LINE_MAX);
    tm_assert_eq(judge(TM_HTTP_RESPONSE, text, sz), 1);
    sz = make_line(text, TM_HTTP_LINE_MAX + 1);
    tm_assert_eq(judge(TM_HTTP_RESPONSE, text, sz), (int)TM_E_LIMIT);
    tm_assert(strstr(tm_error_text(), "8192"));
}

Test(http_head, a_head_may_have_16384_bytes_and_no_more)
{
    for (size_t over = 0; over < 2; over++) {
        static char text[3 * TM_HTTP_HEAD_MAX];
        size_t at = put(text, 0, "HTTP/1.1 101 x\r\n");
        for (int i = 0; i < 3; i++) {
            size_t n = i < 2 ? 6000 : TM_HTTP_HEAD_MAX - 2 - at + over;
            at = put(text, at, "A: ");
            memset(text + at, 'v', n - 5);
            at += n - 5;
            at = put(text, at, "\r\n");
        }
        at = put(text, at, "\r\n");
        tm_assert_eq(at, TM_HTTP_HEAD_MAX + over);
        tm_assert_eq(judge(TM_HTTP_RESPONSE, text, at), over ? (int)TM_E_LIMIT : 1);
    }
}

Test(http_head, a_head_may_have_100_fields_and_no_more)
{
    for (int cnt = TM_HTTP_FIELD_MAX; cnt <= TM_HTTP_FIELD_MAX + 1; cnt++) {
        char text[2048];
        size_t at = put(text, 0, "HTTP/1.1 101 x\r\n");
        for (int i = 0; i < cnt; i++) at = put(text, at, "a: b\r\n");
        at = put(text, at, "\r\n");
        tm_assert_eq(judge(TM_HTTP_RESPONSE, text, at),
                     cnt == TM_HTTP_FIELD_MAX ? 1 : (int)TM_E_LIMIT);
    }
}

Test(http_head, a_failed_head_stays_failed_and_takes_nothing_more)
{
    static tm_http_head_t head;
    size_t used;
    tm_http_head_init(&head, TM_HTTP_RESPONSE);
    tm_assert_eq(tm_http_head_feed(&head, (const uint8_t *)"\n", 1, &used), (int)TM_E_PROTOCOL);
    tm_assert_eq(tm_http_head_feed(&head, (const uint8_t *)"H", 1, &used), (int)TM_E_PROTOCOL);
    tm_assert_eq(used, (size_t)0);
}

Test(http_head, peers_text_is_shown_short_and_printable)
{
    char out[8];
    tm_http_slice_t text = {"a\x1b[31m\xff longer", 14};
    tm_assert_str(tm_http_slice_show(text, out, sizeof out), "a?[31m?");
}
