#include "base/error.h"
#include "net/ws/http_upgrade.h"
#include "tests/tm_test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* RFC 6455, 1.3: the nonce "the sample nonce" and what belongs to it. */
#define RFC_KEY    "dGhlIHNhbXBsZSBub25jZQ=="
#define RFC_ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

static tm_http_upgrade_cfg_t cfg_of_rfc(void)
{
    tm_http_upgrade_cfg_t cfg = {.host = "server.example.com", .target = "/chat"};
    memcpy(cfg.nonce, "the sample nonce", TM_HTTP_NONCE_SZ);
    return cfg;
}

static bool parse(tm_http_head_t *head, tm_http_kind_t kind, const char *text)
{
    size_t used;
    tm_http_head_init(head, kind);
    return tm_http_head_feed(head, (const uint8_t *)text, strlen(text), &used) == 1;
}

static int check_with(const tm_http_upgrade_cfg_t *cfg, const char *text, tm_http_answer_t *answer)
{
    static tm_http_head_t head;
    tm_assert(parse(&head, TM_HTTP_RESPONSE, text));
    return tm_http_response_check(&head, cfg, answer);
}

static int check(const char *text)
{
    tm_http_upgrade_cfg_t cfg = cfg_of_rfc();
    tm_http_answer_t answer;
    return check_with(&cfg, text, &answer);
}

#define GOOD_FIELDS                                                                                \
    "Upgrade: WebSocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " RFC_ACCEPT "\r\n"

Test(http_upgrade, the_accept_key_is_the_one_of_the_rfc)
{
    char accept[TM_HTTP_ACCEPT_SZ + 1];
    tm_http_accept_key(RFC_KEY, accept);
    tm_assert_str(accept, RFC_ACCEPT);
}

Test(http_upgrade, the_request_has_all_that_the_rfc_asks_for)
{
    char out[1024];
    tm_http_upgrade_cfg_t cfg = cfg_of_rfc();
    int n = tm_http_request_write(&cfg, out, sizeof out);
    tm_assert(n > 0);
    out[n] = '\0';
    tm_assert_str(out, "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n"
                       "Connection: Upgrade\r\nSec-WebSocket-Key: " RFC_KEY "\r\n"
                       "Sec-WebSocket-Version: 13\r\nUser-Agent: tidemark/" TM_VERSION "\r\n\r\n");
    cfg.protocols = "a, b";
    cfg.extensions = "permessage-deflate";
    n = tm_http_request_write(&cfg, out, sizeof out);
    out[n] = '\0';
    tm_assert(strstr(out, "\r\nSec-WebSocket-Protocol: a, b\r\n"));
    tm_assert(strstr(out, "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n"));
    tm_assert_eq(tm_http_request_write(&cfg, out, 100), -ENOBUFS);
}

Test(http_upgrade, a_request_whose_parts_would_break_its_lines_is_not_written)
{
    char out[1024];
    tm_http_upgrade_cfg_t cfg = cfg_of_rfc();
    cfg.target = "/a\r\nX: y";
    tm_assert_eq(tm_http_request_write(&cfg, out, sizeof out), (int)TM_E_CONFIG);
    cfg.target = "no-slash";
    tm_assert_eq(tm_http_request_write(&cfg, out, sizeof out), (int)TM_E_CONFIG);
    cfg = cfg_of_rfc();
    cfg.host = "a b";
    tm_assert_eq(tm_http_request_write(&cfg, out, sizeof out), (int)TM_E_CONFIG);
    cfg = cfg_of_rfc();
    cfg.user_agent = "x\ny";
    tm_assert_eq(tm_http_request_write(&cfg, out, sizeof out), (int)TM_E_CONFIG);
}

Test(http_upgrade, a_proper_101_is_taken)
{
    tm_assert_eq(check("HTTP/1.1 101 Switching Protocols\r\n" GOOD_FIELDS "\r\n"), 0);
    tm_assert_eq(check("HTTP/1.1 101\r\nServer: x\r\nContent-Length: 0\r\n" GOOD_FIELDS "\r\n"), 0);
    tm_assert_eq(check("HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: keep-alive\r\n"
                       "Connection: foo, upgrade\r\nSec-WebSocket-Accept: " RFC_ACCEPT "\r\n\r\n"),
                 0);
}

Test(http_upgrade, a_101_that_misses_or_doubles_or_contradicts_is_refused)
{
    static const struct {
        const char *fields, *says;
    } bad[] = {
        {"Connection: Upgrade\r\nSec-WebSocket-Accept: " RFC_ACCEPT "\r\n", "Upgrade: websocket"},
        {"Upgrade: h2c\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " RFC_ACCEPT "\r\n",
         "Upgrade: websocket"},
        {"Upgrade: websocket\r\n" GOOD_FIELDS, "Upgrade: websocket"},
        {"Upgrade: websocket\r\nSec-WebSocket-Accept: " RFC_ACCEPT "\r\n", "Connection"},
        {"Upgrade: websocket\r\nConnection: close\r\nSec-WebSocket-Accept: " RFC_ACCEPT "\r\n",
         "Connection"},
        {"Upgrade: websocket\r\nConnection: Upgrade\r\n", "Sec-WebSocket-Accept"},
        {GOOD_FIELDS "Sec-WebSocket-Accept: " RFC_ACCEPT "\r\n", "Sec-WebSocket-Accept"},
        {"Upgrade: websocket\r\nConnection: Upgrade\r\n"
         "Sec-WebSocket-Accept: S3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n",
         "does not belong to our key"},
        {"Upgrade: websocket\r\nConnection: Upgrade\r\n"
         "Sec-WebSocket-Accept: " RFC_ACCEPT "=\r\n",
         "does not belong to our key"},
        {GOOD_FIELDS "Sec-WebSocket-Extensions: permessage-deflate\r\n", "not offered"},
        {GOOD_FIELDS "Sec-WebSocket-Protocol: chat\r\n", "not asked for"},
        {GOOD_FIELDS "Transfer-Encoding: chunked\r\n", "body"},
        {GOOD_FIELDS "Content-Length: 5\r\n", "body"},
        {GOOD_FIELDS "Content-Length: 0\r\nContent-Length: 0\r\n", "body"},
    };
    for (size_t i = 0; i < TM_ARRAY_CNT(bad); i++) {
        char text[1024];
        snprintf(text, sizeof text, "HTTP/1.1 101 Switching Protocols\r\n%s\r\n", bad[i].fields);
        tm_assert_eq(check(text), (int)TM_E_PROTOCOL);
        tm_assert(strstr(tm_error_text(), bad[i].says));
    }
    tm_assert_eq(check("HTTP/1.0 101 x\r\n" GOOD_FIELDS "\r\n"), (int)TM_E_PROTOCOL);
    tm_assert_eq(check("HTTP/2.0 101 x\r\n" GOOD_FIELDS "\r\n"), (int)TM_E_PROTOCOL);
}

Test(http_upgrade, only_what_was_asked_for_may_be_agreed)
{
    tm_http_upgrade_cfg_t cfg = cfg_of_rfc();
    tm_http_answer_t answer;
    cfg.protocols = "one, two";
    cfg.extensions = "permessage-deflate; client_max_window_bits, x-other";
    tm_assert_eq(check_with(&cfg,
                            "HTTP/1.1 101 x\r\n" GOOD_FIELDS "Sec-WebSocket-Protocol: two\r\n"
                            "Sec-WebSocket-Extensions: permessage-deflate ; "
                            "server_no_context_takeover\r\n\r\n",
                            &answer),
                 0);
    tm_assert(tm_http_slice_is(answer.protocol, "two"));
    tm_assert(
        tm_http_slice_is(answer.extensions, "permessage-deflate ; server_no_context_takeover"));
    static const char *const bad[] = {
        "Sec-WebSocket-Protocol: TWO\r\n",
        "Sec-WebSocket-Protocol: one, two\r\n",
        "Sec-WebSocket-Protocol: one\r\nSec-WebSocket-Protocol: two\r\n",
        "Sec-WebSocket-Extensions: x-other, x-unasked\r\n",
        "Sec-WebSocket-Extensions: x-other\r\nSec-WebSocket-Extensions: x-other\r\n",
    };
    for (size_t i = 0; i < TM_ARRAY_CNT(bad); i++) {
        char text[512];
        snprintf(text, sizeof text, "HTTP/1.1 101 x\r\n" GOOD_FIELDS "%s\r\n", bad[i]);
        tm_assert_eq(check_with(&cfg, text, &answer), (int)TM_E_PROTOCOL);
    }
}

Test(http_upgrade, another_status_is_named_with_what_helps)
{
    tm_http_upgrade_cfg_t cfg = cfg_of_rfc();
    tm_http_answer_t answer;
    tm_assert_eq(check_with(&cfg, "HTTP/1.1 403 Forbidden\r\nContent-Length: 10\r\n\r\n", &answer),
                 (int)TM_E_HTTP);
    tm_assert_str(tm_error_text(),
                  "server.example.com answered 403 Forbidden instead of 101 to the upgrade of "
                  "/chat; the server refuses this client or its region");
    tm_assert_eq(answer.status, 403);
    tm_assert_eq(answer.retry_after_s, (int64_t)-1);

    tm_assert_eq(
        check_with(&cfg, "HTTP/1.1 302 Found\r\nLocation: https://elsewhere/\r\n\r\n", &answer),
        (int)TM_E_HTTP);
    tm_assert(strstr(tm_error_text(), "302 Found"));
    tm_assert(strstr(tm_error_text(), "Location: https://elsewhere/;"));
    tm_assert(tm_http_slice_is(answer.location, "https://elsewhere/"));

    tm_assert_eq(check_with(&cfg, "HTTP/1.0 429\r\nRetry-After: 120\r\n\r\n", &answer),
                 (int)TM_E_HTTP);
    tm_assert(strstr(tm_error_text(), "429 Too Many Requests"));
    tm_assert(strstr(tm_error_text(), "Retry-After: 120"));
    tm_assert_eq(answer.retry_after_s, (int64_t)120);
}

Test(http_upgrade, a_hostile_location_stays_short_and_printable)
{
    char text[TM_HTTP_LINE_MAX + 100], location[8000];
    memset(location, 'L', sizeof location);
    memcpy(location, "\xff\x80\xc3", 3);
    location[sizeof location - 1] = '\0';
    snprintf(text, sizeof text, "HTTP/1.1 302 \xff\xff\r\nLocation: %s\r\n\r\n", location);
    tm_assert_eq(check(text), (int)TM_E_HTTP);
    tm_assert(strlen(tm_error_text()) < 500);
    tm_assert(strstr(tm_error_text(), "302 ?? instead"));
    tm_assert(strstr(tm_error_text(), "Location: ???LLL"));
}

#define GOOD_REQUEST                                                                               \
    "Host: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: " RFC_KEY          \
    "\r\nSec-WebSocket-Version: 13\r\n"

static int check_request(const char *text, int *status)
{
    static tm_http_head_t head;
    tm_http_request_t request;
    tm_assert(parse(&head, TM_HTTP_REQUEST, text));
    return tm_http_request_check(&head, &request, status);
}

Test(http_upgrade, our_request_is_taken_by_our_server_and_its_answer_by_our_client)
{
    static tm_http_head_t head;
    char out[1024];
    int status;
    tm_http_request_t request;
    tm_http_answer_t answer;
    tm_http_upgrade_cfg_t cfg = cfg_of_rfc();
    cfg.protocols = "x, y";
    int n = tm_http_request_write(&cfg, out, sizeof out);
    out[n] = '\0';
    tm_assert(parse(&head, TM_HTTP_REQUEST, out));
    tm_assert_eq(tm_http_request_check(&head, &request, &status), 0);
    tm_assert(tm_http_slice_is(request.target, "/chat"));
    tm_assert(tm_http_slice_is(request.host, "server.example.com"));
    tm_assert(tm_http_slice_is(request.protocols, "x, y"));
    n = tm_http_response_write(&request, "y", NULL, out, sizeof out);
    tm_assert(n > 0);
    out[n] = '\0';
    tm_assert(parse(&head, TM_HTTP_RESPONSE, out));
    tm_assert_eq(tm_http_response_check(&head, &cfg, &answer), 0);
    tm_assert(tm_http_slice_is(answer.protocol, "y"));
}

Test(http_upgrade, a_request_that_is_no_upgrade_is_refused_with_the_fitting_status)
{
    static const struct {
        const char *text;
        int status;
    } bad[] = {
        {"POST / HTTP/1.1\r\n" GOOD_REQUEST "\r\n", 405},
        {"GET / HTTP/1.0\r\n" GOOD_REQUEST "\r\n", 505},
        {"GET / HTTP/2.0\r\n" GOOD_REQUEST "\r\n", 505},
        {"GET / HTTP/1.1\r\nHost: b\r\n" GOOD_REQUEST "\r\n", 400},
        {"GET http://a/ HTTP/1.1\r\n" GOOD_REQUEST "\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 426},
        {"GET / HTTP/1.1\r\n" GOOD_REQUEST "Sec-WebSocket-Version: 8\r\n\r\n", 426},
        {"GET / HTTP/1.1\r\n" GOOD_REQUEST "Sec-WebSocket-Key: " RFC_KEY "\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n" GOOD_REQUEST "Content-Length: 3\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n" GOOD_REQUEST "Transfer-Encoding: chunked\r\n\r\n", 400},
    };
    int status;
    tm_assert_eq(check_request("GET / HTTP/1.1\r\n" GOOD_REQUEST "\r\n", &status), 0);
    for (size_t i = 0; i < TM_ARRAY_CNT(bad); i++) {
        tm_assert_eq(check_request(bad[i].text, &status), (int)TM_E_PROTOCOL);
        tm_assert_eq(status, bad[i].status);
    }
}

Test(http_upgrade, a_key_that_is_not_16_bytes_of_base64_is_refused)
{
    static const char *const bad[] = {
        "",
        "dGhlIHNhbXBsZSBub25jZQ=",
        "dGhlIHNhbXBsZSBub25jZR==",
        "dGhlIHNhbXBsZSBub25j*Q==",
        "dGhlIHNhbXBsZSBub25jZQAA",
        "dGhlIHNhbXBsZSBub25jZQ==AAAA",
    };
    for (size_t i = 0; i < TM_ARRAY_CNT(bad); i++) {
        char text[512];
        int status;
        snprintf(text, sizeof text,
                 "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
                 "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n",
                 bad[i]);
        tm_assert_eq(check_request(text, &status), (int)TM_E_PROTOCOL);
        tm_assert_eq(status, 400);
    }
}

Test(http_upgrade, a_refusal_is_a_whole_response)
{
    static tm_http_head_t head;
    char out[512];
    int n = tm_http_reject_write(302, "Location: /elsewhere\r\n", out, sizeof out);
    tm_assert(n > 0);
    out[n] = '\0';
    tm_assert(parse(&head, TM_HTTP_RESPONSE, out));
    tm_assert_eq(head.status, 302);
    tm_assert(tm_http_slice_is(tm_http_head_get(&head, "Location", 0), "/elsewhere"));
    n = tm_http_reject_write(426, NULL, out, sizeof out);
    out[n] = '\0';
    tm_assert(strstr(out, "Sec-WebSocket-Version: 13\r\n"));
    tm_assert_eq(tm_http_reject_write(426, NULL, out, 40), -ENOBUFS);
}
