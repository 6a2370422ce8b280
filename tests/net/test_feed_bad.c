/* Bad peers: each must end in an error that names the host, the phase and what is wrong, or in a
   counter; good messages before it are never lost. */
#include "base/clock.h"
#include "base/error.h"
#include "net/feed.h"
#include "net/tls_selfsigned.h"
#include "tests/net/bad_server.h"
#include "tests/tm_test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/ssl.h>
#include <resolv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A folder with a CA, a certificate and a key. */
typedef struct pki {
    char dir[64], ca[96], cert[96], key[96];
} pki_t;

static void pki_make(pki_t *p, const char *name, int64_t begin_s, int64_t end_s)
{
    snprintf(p->dir, sizeof p->dir, "/tmp/tm-pki-XXXXXX");
    tm_assert(mkdtemp(p->dir) != NULL);
    snprintf(p->ca, sizeof p->ca, "%s/ca.pem", p->dir);
    snprintf(p->cert, sizeof p->cert, "%s/cert.pem", p->dir);
    snprintf(p->key, sizeof p->key, "%s/key.pem", p->dir);
    const char *const names[] = {name};
    const tm_selfsigned_cfg_t cfg = {.ca_file = p->ca,
                                     .cert_file = p->cert,
                                     .key_file = p->key,
                                     .names = name ? names : NULL,
                                     .name_cnt = name ? 1 : 0,
                                     .begin_s = begin_s,
                                     .end_s = end_s};
    tm_assert_eq(tm_selfsigned_make(&cfg), 0);
}

static void pki_drop(const pki_t *p)
{
    unlink(p->ca);
    unlink(p->cert);
    unlink(p->key);
    rmdir(p->dir);
}

/* Opens a feed on a server of this test. */
typedef struct
try {
    const char *scheme, *host, *ca_file, *stream;
    uint16_t port;
    uint32_t deadline_ms, frame_sz_max;
    tm_counter_set_t *counters;
}
try_t;

static int try_open(tm_source_t **source, const try_t *t)
{
    char url[128];
    const char *const urls[] = {url}, *const streams[] = {t->stream};
    snprintf(url, sizeof url, "%s://%s:%u/ws", t->scheme, t->host ? t->host : "127.0.0.1", t->port);
    const tm_feed_cfg_t cfg = {.urls = urls,
                               .url_cnt = 1,
                               .streams = streams,
                               .stream_cnt = t->stream ? 1 : 0,
                               .ca_file = t->ca_file,
                               .frame_sz_max = t->frame_sz_max,
                               .counters = t->counters,
                               .deadline_ms = t->deadline_ms ? t->deadline_ms : 3000};
    return tm_feed_open(source, &cfg);
}

static void expect_text(const char *part)
{
    if (!strstr(tm_error_text(), part)) printf("# text is: %s\n", tm_error_text());
    tm_assert(strstr(tm_error_text(), part) != NULL);
}

/* The open must fail with this code and all of these words. */
static void expect_refusal(const try_t *t, int code, const char *const *words)
{
    tm_source_t *source = NULL;
    int rc = try_open(&source, t);
    if (rc != code) printf("# %d: %s\n", rc, tm_error_text());
    tm_assert_eq(rc, code);
    tm_assert(source == NULL);
    for (; *words; words++) expect_text(*words);
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void script_wait(bad_peer_t *p)
{
    bad_peer_wait(p);
}

static void refuse_tls(const pki_t *pki, const char *host, const char *ca, int version,
                       const char *const *words)
{
    const bad_server_cfg_t cfg = {.script = script_wait,
                                  .cert_file = pki->cert,
                                  .key_file = pki->key,
                                  .tls_version = version};
    bad_server_t *s = bad_server_open(&cfg);
    const try_t t = {.scheme = "wss", .host = host, .port = bad_server_port(s), .ca_file = ca};
    expect_refusal(&t, TM_E_TLS, words);
    expect_text("TLS handshake");
    bad_server_close(s);
}

Test(feed_bad, a_certificate_of_another_ca_is_refused)
{
    pki_t ours, theirs;
    pki_make(&ours, NULL, 0, 0);
    pki_make(&theirs, NULL, 0, 0);
    refuse_tls(&theirs, "localhost", ours.ca, 0,
               WORDS("localhost", "not signed by a CA in", ours.ca));
    pki_drop(&ours);
    pki_drop(&theirs);
}

Test(feed_bad, a_certificate_for_another_host_is_refused)
{
    pki_t pki;
    pki_make(&pki, "exchange.example", 0, 0);
    refuse_tls(&pki, "localhost", pki.ca, 0, WORDS("made out to", "exchange.example"));
    refuse_tls(&pki, "127.0.0.1", pki.ca, 0, WORDS("made out to", "exchange.example"));
    pki_drop(&pki);
}

Test(feed_bad, an_expired_certificate_is_refused)
{
    pki_t pki;
    pki_make(&pki, NULL, -7200, -3600);
    refuse_tls(&pki, "localhost", pki.ca, 0, WORDS("expired on"));
    pki_drop(&pki);
}

Test(feed_bad, a_server_with_only_tls_1_1_is_refused)
{
    pki_t pki;
    pki_make(&pki, NULL, 0, 0);
    refuse_tls(&pki, "localhost", pki.ca, TLS1_1_VERSION, WORDS("localhost", "TLS"));
    pki_drop(&pki);
}

static void script_plain_words(bad_peer_t *p)
{
    bad_peer_text(p, "220 mail.example ESMTP\r\n");
    bad_peer_wait(p);
}

Test(feed_bad, a_port_without_tls_is_named)
{
    pki_t pki;
    pki_make(&pki, NULL, 0, 0);
    bad_server_t *s = bad_server_open(&(bad_server_cfg_t){.script = script_plain_words});
    const try_t t = {.scheme = "wss", .port = bad_server_port(s), .ca_file = pki.ca};
    expect_refusal(&t, TM_E_TLS, WORDS("TLS handshake", "does not speak TLS"));
    bad_server_close(s);
    pki_drop(&pki);
}

static void script_403(bad_peer_t *p)
{
    if (bad_peer_request(p))
        bad_peer_text(p, "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
}

static void script_302(bad_peer_t *p)
{
    if (bad_peer_request(p))
        bad_peer_text(p, "HTTP/1.1 302 Found\r\nLocation: https://elsewhere.example/\r\n"
                         "Content-Length: 0\r\n\r\n");
}

static void script_wrong_key(bad_peer_t *p)
{
    if (bad_peer_request(p))
        bad_peer_text(p, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                         "Connection: Upgrade\r\n"
                         "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
}

static void script_endless_head(bad_peer_t *p)
{
    if (!bad_peer_request(p)) return;
    bad_peer_text(p, "HTTP/1.1 101 Switching Protocols\r\n");
    for (int i = 0; i < 2000; i++) bad_peer_text(p, "X-Filler: aaaaaaaaaaaaaaaaaaaaaaaa\r\n");
    bad_peer_wait(p);
}

static void script_hang_up(bad_peer_t *p)
{
    (void)bad_peer_request(p);
}

Test(feed_bad, an_upgrade_that_is_no_101_is_refused)
{
    static const struct {
        bad_script_t script;
        int code;
        const char *word;
    } cases[] = {
        {script_403, TM_E_HTTP, "403"},
        {script_302, TM_E_HTTP, "https://elsewhere.example/"},
        {script_wrong_key, TM_E_PROTOCOL, "Sec-WebSocket-Accept"},
        {script_endless_head, TM_E_LIMIT, "more than 100 fields"},
        {script_hang_up, TM_E_CLOSED, "ended the connection instead of answering"},
    };
    for (size_t i = 0; i < TM_ARRAY_CNT(cases); i++) {
        bad_server_t *s = bad_server_open(&(bad_server_cfg_t){.script = cases[i].script});
        const try_t t = {.scheme = "ws", .port = bad_server_port(s)};
        expect_refusal(&t, cases[i].code, WORDS("ws://127.0.0.1", "upgrade", cases[i].word));
        bad_server_close(s);
    }
}

/* Two good messages, then what the script does. The feed must give both, then the code, and count
   one disconnect. */
static void stream_ends(bad_script_t script, const pki_t *pki, int code, const char *word)
{
    tm_counter_set_t *counters = tm_counter_set_new("test");
    const bad_server_cfg_t cfg = {
        .script = script, .cert_file = pki ? pki->cert : NULL, .key_file = pki ? pki->key : NULL};
    bad_server_t *s = bad_server_open(&cfg);
    const try_t t = {.scheme = pki ? "wss" : "ws",
                     .port = bad_server_port(s),
                     .ca_file = pki ? pki->ca : NULL,
                     .frame_sz_max = 1000,
                     .counters = counters};
    tm_source_t *source;
    int rc = try_open(&source, &t);
    if (rc < 0) printf("# %s\n", tm_error_text());
    tm_assert_eq(rc, 0);
    tm_frame_t frames[8];
    int seen = 0, n;
    int64_t end_ns = tm_clock_mono_ns() + 5 * TM_NS_PER_S;
    while ((n = tm_source_poll(source, frames, 8, TM_NS_PER_S / 10)) >= 0) {
        for (int i = 0; i < n; i++, seen++) {
            tm_assert_eq(frames[i].sz, 7u);
            tm_assert(memcmp(frames[i].data, seen ? "{\"b\":2}" : "{\"a\":1}", 7) == 0);
        }
        tm_assert(tm_clock_mono_ns() < end_ns);
    }
    tm_assert_eq(seen, 2);
    if (n != code) printf("# %d: %s\n", n, tm_error_text());
    tm_assert_eq(n, code);
    expect_text(word);
    expect_text("127.0.0.1");
    tm_assert_eq(tm_counter_sum("disconnects"), code == TM_E_CLOSED ? 0u : 1u);
    tm_assert_eq(tm_source_poll(source, frames, 8, 0), code); /* and again */
    tm_source_close(source);
    bad_server_close(s);
    tm_counter_set_free(counters);
}

static bool good_start(bad_peer_t *p)
{
    if (!bad_peer_upgrade(p)) return false;
    bad_peer_frame(p, 0x81, "{\"a\":1}", 7);
    bad_peer_frame(p, 0x81, "{\"b\":2}", 7);
    return true;
}

static void script_oversized(bad_peer_t *p)
{
    char big[1001];
    memset(big, 'x', sizeof big);
    if (good_start(p)) bad_peer_frame(p, 0x81, big, sizeof big);
    bad_peer_wait(p);
}

static void script_claims_huge(bad_peer_t *p)
{
    static const uint8_t head[] = {0x81, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 'x'};
    if (good_start(p)) bad_peer_send(p, head, sizeof head);
    bad_peer_wait(p);
}

static void script_masked(bad_peer_t *p)
{
    static const uint8_t frame[] = {0x81, 0x82, 1, 2, 3, 4, '{' ^ 1, '}' ^ 2};
    if (good_start(p)) bad_peer_send(p, frame, sizeof frame);
    bad_peer_wait(p);
}

static void script_cut(bad_peer_t *p)
{
    static const uint8_t half[] = {0x81, 100, '{', '"', 'c'};
    if (good_start(p)) bad_peer_send(p, half, sizeof half);
}

static void script_cut_between(bad_peer_t *p)
{
    (void)good_start(p);
}

static void script_cut_by_reset(bad_peer_t *p)
{
    static const uint8_t half[] = {0x81, 100, '{', '"', 'c'};
    if (!good_start(p)) return;
    bad_peer_send(p, half, sizeof half);
    usleep(50000); /* a reset may overtake bytes that were not read yet */
    bad_peer_reset(p);
}

static void script_close_1008(bad_peer_t *p)
{
    if (good_start(p)) bad_peer_frame(p, 0x88, "\x03\xf0Pong timeout", 14);
    bad_peer_wait(p);
}

static void script_close_1000(bad_peer_t *p)
{
    if (good_start(p)) bad_peer_frame(p, 0x88, "\x03\xe8", 2);
    bad_peer_wait(p);
}

static void script_not_utf8(bad_peer_t *p)
{
    if (good_start(p)) bad_peer_frame(p, 0x81, "\xff\xfe", 2);
    bad_peer_wait(p);
}

Test(feed_bad, a_stream_gives_its_good_messages_and_then_says_what_went_wrong)
{
    static const struct {
        bad_script_t script;
        int code;
        const char *word;
    } cases[] = {
        {script_oversized, TM_E_LIMIT, "1001"},
        {script_claims_huge, TM_E_LIMIT, "9223372036854775807"},
        {script_masked, TM_E_PROTOCOL, "mask"},
        {script_cut, -ECONNRESET, "cut without a close frame"},
        {script_cut_between, -ECONNRESET, "cut without a close frame"},
        {script_cut_by_reset, -ECONNRESET, "broke"},
        {script_close_1008, TM_E_PROTOCOL, "1008"},
        {script_close_1008, TM_E_PROTOCOL, "Pong timeout"},
        {script_not_utf8, TM_E_PROTOCOL, "UTF-8"},
        {script_close_1000, TM_E_CLOSED, "1000"},
    };
    pki_t pki;
    pki_make(&pki, NULL, 0, 0);
    for (size_t i = 0; i < TM_ARRAY_CNT(cases); i++) {
        printf("# case %zu: %s\n", i, cases[i].word);
        stream_ends(cases[i].script, NULL, cases[i].code, cases[i].word);
        stream_ends(cases[i].script, &pki, cases[i].code, cases[i].word);
    }
    pki_drop(&pki);
}

Test(feed_bad, a_refused_connection_is_named)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t addr_sz = sizeof addr;
    tm_assert_eq(bind(fd, (struct sockaddr *)&addr, sizeof addr), 0); /* bound, never listening */
    getsockname(fd, (struct sockaddr *)&addr, &addr_sz);
    const try_t t = {.scheme = "ws", .port = ntohs(addr.sin_port)};
    expect_refusal(&t, -ECONNREFUSED, WORDS("ws://127.0.0.1", "connect", "is the server running"));
    close(fd);
}

Test(feed_bad, a_name_without_an_address_is_named)
{
    const try_t t = {.scheme = "wss", .host = "no-such-host.invalid", .port = 443};
    tm_source_t *source;
    int rc = try_open(&source, &t);
    tm_assert(rc == TM_E_RESOLVE || rc == TM_E_TIMEOUT); /* without a network nobody answers */
    expect_text("wss://no-such-host.invalid");
    expect_text("resolve");
    expect_text("/etc/resolv.conf");
}

Test(feed_bad, a_silent_name_server_ends_with_the_deadline)
{
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t addr_sz = sizeof addr;
    tm_assert_eq(bind(fd, (struct sockaddr *)&addr, sizeof addr), 0);
    getsockname(fd, (struct sockaddr *)&addr, &addr_sz);
    tm_assert_eq(res_init(), 0);
    _res.nsaddr_list[0] = addr;
    _res.nscount = 1;
    _res.dnsrch[0] = NULL;
    const try_t t = {.scheme = "wss", .host = "slow.example", .port = 443, .deadline_ms = 1000};
    int64_t begin_ns = tm_clock_mono_ns();
    expect_refusal(&t, TM_E_TIMEOUT, WORDS("resolve", "no name server answered"));
    tm_assert(tm_clock_mono_ns() - begin_ns < 4 * TM_NS_PER_S);
    close(fd);
}

static void script_silent_upgrade(bad_peer_t *p)
{
    (void)bad_peer_request(p);
    bad_peer_wait(p);
}

static void script_silent_subscribe(bad_peer_t *p)
{
    char text[4096];
    if (bad_peer_upgrade(p)) (void)bad_peer_read_frame(p, text, sizeof text);
    bad_peer_wait(p);
}

Test(feed_bad, a_silent_server_ends_each_phase_at_its_deadline)
{
    static const struct {
        bad_server_cfg_t server;
        const char *scheme, *phase;
    } cases[] = {
        {{.script = script_wait, .deaf = true}, "ws", "connect"},
        {{.script = script_wait}, "wss", "TLS handshake"},
        {{.script = script_silent_upgrade}, "ws", "upgrade"},
        {{.script = script_silent_subscribe}, "ws", "subscribe"},
    };
    for (size_t i = 0; i < TM_ARRAY_CNT(cases); i++) {
        bad_server_t *s = bad_server_open(&cases[i].server);
        const try_t t = {.scheme = cases[i].scheme,
                         .port = bad_server_port(s),
                         .stream = "btcusdt@trade",
                         .deadline_ms = 200};
        int64_t begin_ns = tm_clock_mono_ns();
        expect_refusal(&t, TM_E_TIMEOUT, WORDS("127.0.0.1", cases[i].phase, "within 0.2 s"));
        int64_t took_ns = tm_clock_mono_ns() - begin_ns;
        tm_assert(took_ns >= 200 * TM_NS_PER_MS);
        tm_assert(took_ns < 3 * TM_NS_PER_S);
        bad_server_close(s);
    }
}

static void script_never_closes(bad_peer_t *p)
{
    (void)good_start(p);
    bad_peer_wait(p);
}

Test(feed_bad, closing_takes_a_second_at_most_where_the_server_does_not_answer)
{
    bad_server_t *s = bad_server_open(&(bad_server_cfg_t){.script = script_never_closes});
    const try_t t = {.scheme = "ws", .port = bad_server_port(s)};
    tm_source_t *source;
    tm_assert_eq(try_open(&source, &t), 0);
    int64_t begin_ns = tm_clock_mono_ns();
    tm_source_close(source);
    int64_t took_ns = tm_clock_mono_ns() - begin_ns;
    tm_assert(took_ns >= 900 * TM_NS_PER_MS);
    tm_assert(took_ns < 2500 * TM_NS_PER_MS);
    bad_server_close(s);
}

static void subscribe_reply(bad_peer_t *p, const char *reply)
{
    char text[4096];
    if (!bad_peer_upgrade(p) || bad_peer_read_frame(p, text, sizeof text) != 0x81) return;
    bad_peer_keep(p, text);
    bad_peer_frame(p, 0x81, "{\"a\":1}", 7); /* data may overtake the reply */
    bad_peer_frame(p, 0x81, reply, strlen(reply));
    bad_peer_frame(p, 0x81, "{\"b\":2}", 7);
    bad_peer_frame(p, 0x88, "\x03\xe8", 2);
    bad_peer_wait(p);
}

static void script_subscribed(bad_peer_t *p)
{
    subscribe_reply(p, "{\"result\":null,\"id\":1}");
}

static void script_nested_error(bad_peer_t *p)
{
    subscribe_reply(p, "{\"error\":{\"code\":2,\"msg\":\"Invalid request: nested\"},\"id\":1}");
}

static void script_flat_error(bad_peer_t *p)
{
    subscribe_reply(p, "{\"code\": 2, \"msg\": \"Invalid request: flat\", \"id\": 1}");
}

static void script_other_id(bad_peer_t *p)
{
    subscribe_reply(p, "{\"result\":null,\"id\":7}");
}

Test(feed_bad, data_before_the_reply_to_subscribe_is_kept_in_order)
{
    bad_server_t *s = bad_server_open(&(bad_server_cfg_t){.script = script_subscribed});
    const try_t t = {.scheme = "ws", .port = bad_server_port(s), .stream = "btcusdt@trade"};
    tm_source_t *source;
    tm_assert_eq(try_open(&source, &t), 0);
    tm_assert_str(bad_server_seen(s),
                  "{\"method\":\"SUBSCRIBE\",\"params\":[\"btcusdt@trade\"],\"id\":1}");
    tm_frame_t frames[4];
    int seen = 0, n;
    while ((n = tm_source_poll(source, frames, 4, TM_NS_PER_S)) >= 0)
        for (int i = 0; i < n; i++, seen++)
            tm_assert(memcmp(frames[i].data, seen ? "{\"b\":2}" : "{\"a\":1}", 7) == 0);
    tm_assert_eq(n, TM_E_CLOSED);
    tm_assert_eq(seen, 2);
    tm_source_close(source);
    bad_server_close(s);
}

Test(feed_bad, a_refused_subscription_shows_the_words_of_the_exchange)
{
    static const struct {
        bad_script_t script;
        const char *word;
    } cases[] = {{script_nested_error, "Invalid request: nested"},
                 {script_flat_error, "Invalid request: flat"},
                 {script_other_id, "answered request 7"}};
    for (size_t i = 0; i < TM_ARRAY_CNT(cases); i++) {
        bad_server_t *s = bad_server_open(&(bad_server_cfg_t){.script = cases[i].script});
        const try_t t = {.scheme = "ws", .port = bad_server_port(s), .stream = "btcusdt@trade"};
        expect_refusal(&t, TM_E_PROTOCOL, WORDS("subscribe", cases[i].word));
        bad_server_close(s);
    }
}

static void script_ping(bad_peer_t *p)
{
    char text[256];
    if (!bad_peer_upgrade(p)) return;
    bad_peer_frame(p, 0x89, "1723161254087", 13);
    int first = bad_peer_read_frame(p, text, sizeof text);
    bad_peer_keep(p, first == 0x8a ? "pong " : "other ");
    bad_peer_keep(p, text);
    bad_peer_frame(p, 0x88, "\x03\xe8", 2);
    first = bad_peer_read_frame(p, text, sizeof text);
    bad_peer_keep(p, first == 0x88 ? " close" : " other");
    bad_peer_wait(p);
}

Test(feed_bad, a_ping_is_answered_with_its_payload_and_a_close_with_a_close)
{
    bad_server_t *s = bad_server_open(&(bad_server_cfg_t){.script = script_ping});
    const try_t t = {.scheme = "ws", .port = bad_server_port(s)};
    tm_source_t *source;
    tm_assert_eq(try_open(&source, &t), 0);
    tm_frame_t frame;
    int n;
    while ((n = tm_source_poll(source, &frame, 1, TM_NS_PER_S)) == 0) continue;
    tm_assert_eq(n, TM_E_CLOSED);
    tm_source_close(source);
    tm_assert_str(bad_server_seen(s), "pong 1723161254087 close");
    bad_server_close(s);
}
