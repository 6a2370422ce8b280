/* Feeds through proxies, with compression, with sockets told otherwise. */
#include "base/clock.h"
#include "base/error.h"
#include "net/conn/conn.h"
#include "net/conn/transport.h"
#include "net/feed/feed.h"
#include "tests/net/connect_proxy.h"
#include "tests/net/venue_fixture.h"
#include "tests/tm_test.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BURST = 64, FRAMES = 3000 };

static const tm_deflate_cfg_t venue_deflate = {.level = 1};

/* A venue of two symbols, with a fixed time, so that each run gives the same messages. */
static venue_fixture_t *venue_open(const tm_fault_plan_t *faults)
{
    const tm_venue_cfg_t cfg = {.wait_client_cnt = 1,
                                .deflate = &venue_deflate,
                                .faults = faults,
                                .source.generator = {.seed = 5,
                                                     .symbol_cnt = 2,
                                                     .trade_percent = 50,
                                                     .time_base_ns = 1700000000 * TM_NS_PER_S,
                                                     .message_cnt = FRAMES}};
    return venue_fixture_open(&cfg);
}

static const char target[] =
    "/stream?streams=btcusdt@trade/ethusdt@trade/btcusdt@bookTicker/ethusdt@bookTicker";

typedef struct result {
    int code;
    uint32_t cnt;
    uint64_t bytes, hash;
} result_t;

/* Polls to the end. */
static result_t feed_run(venue_fixture_t *venue, bool tls, const tm_transport_t *transport,
                         uint32_t frame_sz_max)
{
    char url[512];
    const char *const urls[] = {venue_fixture_url(venue, tls, target, url)};
    if (!tls)
        snprintf(url, sizeof url, "ws://localhost:%u%s", venue_fixture_ports(venue)->plain, target);
    const tm_feed_cfg_t cfg = {.urls = urls,
                               .url_cnt = 1,
                               .ca_file = venue_fixture_ca(venue),
                               .deadline_ms = 2000,
                               .frame_sz_max = frame_sz_max,
                               .transport = transport};
    result_t r = {.hash = 14695981039346656037u};
    tm_source_t *source = NULL;
    r.code = tm_feed_open(&source, &cfg);
    int64_t end_ns = tm_clock_mono_ns() + 10 * TM_NS_PER_S;
    while (r.code >= 0 && tm_clock_mono_ns() < end_ns) {
        tm_frame_t frames[BURST];
        r.code = tm_source_poll(source, frames, BURST, 20 * TM_NS_PER_MS);
        for (int i = 0; i < r.code; i++) {
            r.cnt++;
            r.bytes += frames[i].sz;
            for (uint32_t k = 0; k < frames[i].sz; k++)
                r.hash = (r.hash ^ frames[i].data[k]) * 1099511628211u;
        }
    }
    char text[TM_ERROR_TEXT_MAX];
    snprintf(text, sizeof text, "%s", tm_error_text());
    tm_source_close(source);
    tm_error_set(r.code, "%s", text);
    return r;
}

static tm_proxy_t proxy_of(const connect_proxy_t *proxy, const char *credentials)
{
    char text[128];
    tm_proxy_t parsed;
    snprintf(text, sizeof text, "http://%s127.0.0.1:%u", credentials, connect_proxy_port(proxy));
    tm_assert_eq(tm_proxy_parse(&parsed, text), 0);
    return parsed;
}

Test(feed_transport, a_proxy_carries_plain_and_tls_feeds)
{
    for (int tls = 0; tls < 2; tls++) {
        venue_fixture_t *venue = venue_open(NULL);
        /* The example of RFC 7617: Aladdin, open sesame. */
        connect_proxy_t *server = connect_proxy_open("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", NULL);
        const tm_proxy_t proxy = proxy_of(server, "Aladdin:open%20sesame@");
        const tm_transport_t transport = {.proxy = &proxy};
        result_t r = feed_run(venue, tls, &transport, 0);
        if (r.code != TM_E_CLOSED) printf("# %s\n", tm_error_text());
        tm_assert_eq(r.code, TM_E_CLOSED);
        tm_assert_eq(r.cnt, (uint32_t)FRAMES);
        tm_assert(connect_proxy_bytes(server) > r.bytes);
        tm_assert(strstr(connect_proxy_seen(server), "CONNECT localhost:") != NULL);
        connect_proxy_close(server);
        tm_assert_eq(venue_fixture_close(venue), 0);
    }
}

Test(feed_transport, a_proxy_that_refuses_is_named_without_the_password)
{
    static const struct {
        const char *answer, *credentials, *words;
        int code;
    } cases[] = {
        {NULL, "", "wants a user and a password", TM_E_HTTP},
        {NULL, "Aladdin:wrong@", "does not take this user", TM_E_HTTP},
        {"HTTP/1.1 403 Forbidden\r\n\r\n", "Aladdin:open%20sesame@", "403 Forbidden to CONNECT",
         TM_E_HTTP},
        {"SSH-2.0-OpenSSH_9.2\r\n", "Aladdin:open%20sesame@", "proxy: ", TM_E_PROTOCOL},
        {"HTTP/1.1 200 OK\r\n\r\nsurprise", "Aladdin:open%20sesame@", "that nobody sent",
         TM_E_PROTOCOL},
        {"", "Aladdin:open%20sesame@", "ended the connection instead", TM_E_CLOSED},
    };
    venue_fixture_t *venue = venue_open(NULL);
    for (size_t i = 0; i < TM_ARRAY_CNT(cases); i++) {
        connect_proxy_t *server = connect_proxy_open("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
                                                     cases[i].answer);
        const tm_proxy_t proxy = proxy_of(server, cases[i].credentials);
        const tm_transport_t transport = {.proxy = &proxy};
        result_t r = feed_run(venue, true, &transport, 0);
        if (r.code != cases[i].code || !strstr(tm_error_text(), cases[i].words))
            printf("# case %zu: %d %s\n", i, r.code, tm_error_text());
        tm_assert_eq(r.code, cases[i].code);
        tm_assert(strstr(tm_error_text(), cases[i].words) != NULL);
        tm_assert(strstr(tm_error_text(), "sesame") == NULL);
        connect_proxy_close(server);
    }
    tm_assert_eq(venue_fixture_close(venue), 0);
}

Test(feed_transport, compressed_feeds_give_the_same_messages_in_fewer_bytes)
{
    static const tm_deflate_cfg_t offers[] = {
        {0}, {.server_no_context_takeover = true}, {.server_window_bits = 10}, {.level = 1}};
    venue_fixture_t *venue = venue_open(NULL);
    result_t plain = feed_run(venue, true, NULL, 0);
    tm_assert_eq(venue_fixture_close(venue), 0);
    tm_assert_eq(plain.cnt, (uint32_t)FRAMES);
    for (size_t i = 0; i < TM_ARRAY_CNT(offers); i++) {
        venue = venue_open(NULL);
        connect_proxy_t *server = connect_proxy_open(NULL, NULL); /* counts what is on the wire */
        const tm_proxy_t proxy = proxy_of(server, "");
        const tm_transport_t transport = {.deflate = &offers[i], .proxy = &proxy};
        result_t r = feed_run(venue, i % 2, &transport, 0);
        if (r.code != TM_E_CLOSED) printf("# %s\n", tm_error_text());
        tm_assert_eq(r.code, TM_E_CLOSED);
        tm_assert_eq(r.cnt, plain.cnt);
        tm_assert_eq(r.hash, plain.hash);
        bool takeover = !offers[i].server_no_context_takeover;
        tm_assert(connect_proxy_bytes(server) <
                  plain.bytes * (takeover ? 5 : 95) / (takeover ? 10 : 100));
        connect_proxy_close(server);
        tm_assert_eq(venue_fixture_close(venue), 0);
    }
}

Test(feed_transport, a_bomb_is_refused_at_the_limit_of_what_it_inflates_to)
{
    static const char script[] = "any message 100 bomb 64M";
    static const tm_deflate_cfg_t offer = {0};
    const tm_transport_t transport = {.deflate = &offer};
    tm_fault_plan_t *plan;
    tm_assert_eq(tm_fault_plan_parse(&plan, script, strlen(script), "script", 1), 0);
    venue_fixture_t *venue = venue_open(plan);
    result_t r = feed_run(venue, true, &transport, 1 << 20);
    if (r.code != TM_E_LIMIT) printf("# %s\n", tm_error_text());
    tm_assert_eq(r.code, TM_E_LIMIT);
    tm_assert(strstr(tm_error_text(), "when it is inflated; the limit is 1048576") != NULL);
    tm_assert_eq(r.cnt, 99u);
    tm_assert_eq(venue_fixture_close(venue), 0);
    free(plan);
}

Test(feed_transport, what_one_poll_inflates_is_bounded_however_little_it_was_on_the_wire)
{
    enum { EACH = 1 << 20, CNT = 100 };
    static const char script[] = "any every 1 bomb 1048576";
    static const tm_deflate_cfg_t offer = {0};
    static tm_frame_t frames[BURST];
    const tm_transport_t transport = {.deflate = &offer};
    char url[512];
    tm_fault_plan_t *plan;
    tm_assert_eq(tm_fault_plan_parse(&plan, script, strlen(script), "script", 1), 0);
    venue_fixture_t *venue = venue_open(plan);
    const char *const urls[] = {venue_fixture_url(venue, true, target, url)};
    const tm_feed_cfg_t cfg = {.urls = urls,
                               .url_cnt = 1,
                               .ca_file = venue_fixture_ca(venue),
                               .frame_sz_max = EACH,
                               .transport = &transport};
    tm_source_t *source;
    tm_assert_eq(tm_feed_open(&source, &cfg), 0);
    uint32_t cnt = 0, most = 0;
    for (int64_t end_ns = tm_clock_mono_ns() + 20 * TM_NS_PER_S; cnt < CNT;) {
        usleep(50000); /* for some of them to wait */
        int n = tm_source_poll(source, frames, BURST, 20 * TM_NS_PER_MS);
        uint64_t bytes = 0;
        tm_assert(n >= 0 && tm_clock_mono_ns() < end_ns);
        for (int i = 0; i < n; i++) {
            bytes += frames[i].sz;
            cnt += frames[i].sz == EACH;
        }
        if ((uint32_t)n > most) most = (uint32_t)n;
        tm_assert(bytes < TM_CONN_READ_SZ_MAX + EACH);
    }
    tm_assert(most >= TM_CONN_READ_SZ_MAX / EACH); /* there was more to be had */
    tm_source_close(source);
    tm_assert_eq(venue_fixture_close(venue), 0);
    free(plan);
}

static int option(int fd, int level, int name)
{
    int value = -1;
    socklen_t sz = sizeof value;
    tm_assert_eq(getsockopt(fd, level, name, &value, &sz), 0);
    return value;
}

Test(feed_transport, sockets_are_told_what_the_options_say)
{
    int usual = socket(AF_INET, SOCK_STREAM, 0), other = socket(AF_INET, SOCK_STREAM, 0);
    const tm_tcp_options_t none = {0},
                           all = {.delay = true, .quick_ack = true, .receive_sz = 100000};
    int buffer = option(usual, SOL_SOCKET, SO_RCVBUF);
    tm_tcp_options_apply(&none, usual);
    tm_tcp_options_apply(&all, other);
    tm_assert_eq(option(usual, IPPROTO_TCP, TCP_NODELAY), 1);
    tm_assert_eq(option(other, IPPROTO_TCP, TCP_NODELAY), 0);
    tm_assert_eq(option(usual, SOL_SOCKET, SO_RCVBUF), buffer);
    tm_assert_eq(option(other, SOL_SOCKET, SO_RCVBUF), 200000); /* the kernel doubles it */
    close(usual);
    close(other);
    /* A connection that is told all of it streams as any other. */
    venue_fixture_t *venue = venue_open(NULL);
    const tm_transport_t transport = {
        .tcp = {.delay = true, .quick_ack = true, .busy_poll_us = 50, .receive_sz = 100000}};
    tm_assert_eq(feed_run(venue, true, &transport, 0).cnt, (uint32_t)FRAMES);
    tm_assert_eq(venue_fixture_close(venue), 0);
}

Test(feed_transport, proxies_are_read_as_addresses_are)
{
    tm_proxy_t p;
    tm_assert_eq(tm_proxy_parse(&p, "http://proxy.example"), 0);
    tm_assert_str(p.host, "proxy.example");
    tm_assert_eq(p.port, 8080);
    tm_assert_str(p.credentials, "");
    tm_assert_eq(tm_proxy_parse(&p, "HTTP://u:p%40w@[::1]:3128/"), 0);
    tm_assert_str(p.host, "::1");
    tm_assert_eq(p.port, 3128);
    tm_assert_str(p.credentials, "dTpwQHc="); /* u:p@w */
    static const char *const bad[] = {"proxy.example:8080",
                                      "https://proxy.example",
                                      "http://",
                                      "http://secret@proxy.example",
                                      "http://a:b%zz@c",
                                      "http://host:99999",
                                      "http://host/path",
                                      "http://ho st"};
    for (size_t i = 0; i < TM_ARRAY_CNT(bad); i++) {
        tm_assert_eq(tm_proxy_parse(&p, bad[i]), TM_E_SYNTAX);
        tm_assert(strstr(tm_error_text(), "secret") == NULL);
    }
    char out[512];
    tm_url_t to;
    tm_assert_eq(tm_url_parse(&to, "wss://[2001:db8::1]/x"), 0);
    tm_assert_eq(tm_proxy_parse(&p, "http://proxy.example"), 0);
    int n = tm_proxy_request_write(&p, &to, out, sizeof out);
    static const char wanted[] = "CONNECT [2001:db8::1]:443 HTTP/1.1\r\n"
                                 "Host: [2001:db8::1]:443\r\n\r\n";
    tm_assert_eq(n, (int)sizeof wanted - 1);
    tm_assert(memcmp(out, wanted, sizeof wanted - 1) == 0);
}
