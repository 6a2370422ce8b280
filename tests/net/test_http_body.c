/* Bodies in all their framings, cut at every byte. */
#include "net/ws/http_body.h"

#include "base/error.h"
#include "tests/tm_test.h"

#include <stdio.h>
#include <string.h>

static tm_http_head_t head;

/* Feeds a response in pieces of `chop` bytes. Returns what the last step said; the body in out, and
   how many bytes behind it were not taken. */
static int response_read(const char *text, size_t chop, char *out, size_t *left)
{
    const uint8_t *in = (const uint8_t *)text;
    size_t sz = strlen(text), at = 0, used, n = 0;
    tm_http_body_t body;
    tm_http_head_init(&head, TM_HTTP_RESPONSE);
    tm_assert_eq(tm_http_head_feed(&head, in, sz, &at), 1);
    int rc = tm_http_body_init(&body, &head);
    if (rc == 0) rc = tm_http_body_is_whole(&body);
    while (rc == 0 && at < sz) {
        const uint8_t *run;
        size_t run_sz, piece = sz - at < chop ? sz - at : chop;
        rc = tm_http_body_feed(&body, in + at, piece, &used, &run, &run_sz);
        tm_assert(used <= piece);
        memcpy(out + n, run, run_sz);
        n += run_sz;
        at += used;
    }
    out[n] = '\0';
    *left = sz - at;
    if (rc == 0 && tm_http_body_ends_here(&body)) rc = 2;
    return rc;
}

Test(http_body, each_framing_gives_its_bytes_however_they_are_cut)
{
    static const struct {
        const char *text, *body;
        int rc; /* 1 = whole, 2 = whole where the connection ends, 0 = cut */
        size_t left;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello", 1, 0},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello, you", "hello", 1, 5},
        {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "", 1, 0},
        {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", "hello", 0, 0},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", "hello", 1, 0},
        {"HTTP/1.1 200 OK\r\n\r\nhello", "hello", 2, 0},
        {"HTTP/1.1 204 No Content\r\n\r\nhello", "", 1, 5},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
         "5\r\nhello\r\n1;name=\"v\"\r\n,\r\n00A \r\n0123456789\r\n0\r\nX: y\r\n\r\nnext",
         "hello,0123456789", 1, 4},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n", "", 1, 0},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "hello", 0, 0},
    };
    for (size_t i = 0; i < TM_ARRAY_CNT(cases); i++) {
        for (size_t chop = 1; chop <= strlen(cases[i].text); chop++) {
            char out[256];
            size_t left;
            tm_assert_eq(response_read(cases[i].text, chop, out, &left), cases[i].rc);
            tm_assert_eq(strcmp(out, cases[i].body), 0);
            tm_assert_eq(left, cases[i].left);
        }
    }
}

Test(http_body, a_body_whose_end_is_in_doubt_is_refused)
{
    static const char *const cases[] = {
        "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "Content-Length: 5, 5\r\n\r\nhello",
        "Content-Length: +5\r\n\r\nhello",
        "Content-Length: \r\n\r\nhello",
        "Content-Length: 9999999999999999\r\n\r\nhello",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n\r\nhello",
        "Transfer-Encoding: chunked\r\n\r\n5hello",
        "Transfer-Encoding: chunked\r\n\r\n5\nhello\n0\n\n",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello!\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n-1\r\nhello\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5;a\nb\r\nhello\r\n0\r\n\r\n",
    };
    for (size_t i = 0; i < TM_ARRAY_CNT(cases); i++) {
        for (size_t chop = 1; chop <= strlen(cases[i]); chop++) {
            char text[512], out[512];
            size_t left;
            snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\n%s", cases[i]);
            tm_assert_eq(response_read(text, chop, out, &left), TM_E_PROTOCOL);
        }
    }
}

Test(http_body, chunks_and_trailers_without_end_meet_a_limit)
{
    static char text[16 << 10], out[16 << 10];
    size_t left;
    int n = snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    snprintf(text + n, sizeof text - (size_t)n, "%s", "fffffffffffffffff\r\n");
    tm_assert_eq(response_read(text, 7, out, &left), TM_E_LIMIT);
    memset(text + n, 'x', sizeof text - (size_t)n - 1);
    memcpy(text + n, "1;", 2);
    tm_assert_eq(response_read(text, 7, out, &left), TM_E_LIMIT);
    memcpy(text + n, "0\r\nX", 4);
    tm_assert_eq(response_read(text, 7, out, &left), TM_E_LIMIT);
}
