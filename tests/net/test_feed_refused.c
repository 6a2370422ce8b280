/* What must not become a stream is refused with an error that names the host, the phase and what to
   do. */
#include "base/clock.h"
#include "base/error.h"
#include "net/conn/resolve.h"
#include "tests/net/bad_server.h"
#include "tests/net/feed_try.h"
#include "tests/tm_test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netdb.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

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
    const feed_try_t t = {.scheme = "wss", .host = host, .port = bad_server_port(s), .ca_file = ca};
    expect_refusal(&t, TM_E_TLS, words);
    expect_text("TLS handshake");
    bad_server_close(s);
}

Test(feed_refused, a_certificate_of_another_ca_is_refused)
{
    pki_t ours, theirs;
    pki_make(&ours, NULL, 0, 0);
    pki_make(&theirs, NULL, 0, 0);
    refuse_tls(&theirs, "localhost", ours.ca, 0,
               WORDS("localhost", "not signed by a CA in", ours.ca));
    pki_drop(&ours);
    pki_drop(&theirs);
}

Test(feed_refused, a_certificate_for_another_host_is_refused)
{
    pki_t pki;
    pki_make(&pki, "exchange.example", 0, 0);
    refuse_tls(&pki, "localhost", pki.ca, 0, WORDS("made out to", "exchange.example"));
    refuse_tls(&pki, "127.0.0.1", pki.ca, 0, WORDS("made out to", "exchange.example"));
    pki_drop(&pki);
}

Test(feed_refused, an_expired_certificate_is_refused)
{
    pki_t pki;
    pki_make(&pki, NULL, -7200, -3600);
    refuse_tls(&pki, "localhost", pki.ca, 0, WORDS("expired on"));
    pki_drop(&pki);
}

Test(feed_refused, a_server_with_only_tls_1_1_is_refused)
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

Test(feed_refused, a_port_without_tls_is_named)
{
    pki_t pki;
    pki_make(&pki, NULL, 0, 0);
    bad_server_t *s = bad_server_open(&(bad_server_cfg_t){.script = script_plain_words});
    const feed_try_t t = {.scheme = "wss", .port = bad_server_port(s), .ca_file = pki.ca};
    expect_refusal(&t, TM_E_TLS, WORDS("TLS handshake", "does not speak TLS"));
    bad_server_close(s);
    pki_drop(&pki);
}

static void script_403(bad_peer_t *p)
{
    if (bad_peer_request(p))
        bad_peer_text(p, "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
}

/* More pieces than a ring has buffers. */
static void script_drip(bad_peer_t *p)
{
    static const char text[] =
        "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\n"
        "X-Reason: you have asked for more than is good for you, or for us\r\n"
        "Content-Length: 0\r\n\r\n";
    if (!bad_peer_request(p)) return;
    for (size_t i = 0; i < sizeof text - 1; i++) {
        bad_peer_send(p, &text[i], 1);
        usleep(300);
    }
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

Test(feed_refused, an_upgrade_that_is_no_101_is_refused)
{
    static const struct {
        bad_script_t script;
        int code;
        const char *word;
    } cases[] = {
        {script_403, TM_E_HTTP, "403"},
        {script_drip, TM_E_HTTP, "429"},
        {script_302, TM_E_HTTP, "https://elsewhere.example/"},
        {script_wrong_key, TM_E_PROTOCOL, "Sec-WebSocket-Accept"},
        {script_endless_head, TM_E_LIMIT, "more than 100 fields"},
        {script_hang_up, TM_E_CLOSED, "ended the connection instead of answering"},
    };
    for (size_t i = 0; i < TM_ARRAY_CNT(cases); i++) {
        bad_server_t *s = bad_server_open(&(bad_server_cfg_t){.script = cases[i].script});
        const feed_try_t t = {.scheme = "ws", .port = bad_server_port(s)};
        expect_refusal(&t, cases[i].code, WORDS("ws://127.0.0.1", "upgrade", cases[i].word));
        bad_server_close(s);
    }
}

Test(feed_refused, a_refused_connection_is_named)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t addr_sz = sizeof addr;
    tm_assert_eq(bind(fd, (struct sockaddr *)&addr, sizeof addr), 0); /* bound, never listening */
    getsockname(fd, (struct sockaddr *)&addr, &addr_sz);
    const feed_try_t t = {.scheme = "ws", .port = ntohs(addr.sin_port)};
    expect_refusal(&t, -ECONNREFUSED, WORDS("ws://127.0.0.1", "connect", "is the server running"));
    close(fd);
}

Test(feed_refused, a_name_without_an_address_is_named)
{
    const feed_try_t t = {.scheme = "wss", .host = "no-such-host.invalid", .port = 443};
    tm_source_t *source;
    int rc = feed_try_open(&source, &t);
    tm_assert(rc == TM_E_RESOLVE || rc == TM_E_TIMEOUT); /* without a network nobody answers */
    expect_text("wss://no-such-host.invalid");
    expect_text("resolve");
    expect_text("/etc/resolv.conf");
}

#ifndef TM_TEST_IN_PROCESS
/* A name server of this process alone: its own network, in which only it is there, and its own
   resolv.conf, which names it. False where that is not allowed. */
static bool name_server_silence(int *fd)
{
    char path[] = "/tmp/tm-resolv-XXXXXX";
    static const char text[] = "nameserver 127.0.0.1\noptions timeout:1 attempts:10\n";
    struct ifreq loopback = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    const struct sockaddr_in addr = {
        .sin_family = AF_INET, .sin_port = htons(53), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (unshare(CLONE_NEWNS | CLONE_NEWNET) != 0) return false;
    int file = mkstemp(path);
    bool fine = file >= 0 && write(file, text, sizeof text - 1) == (ssize_t)(sizeof text - 1) &&
                mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
                mount(path, "/etc/resolv.conf", NULL, MS_BIND, NULL) == 0;
    if (file >= 0) close(file);
    *fd = socket(AF_INET, SOCK_DGRAM, 0);
    fine = fine && ioctl(*fd, SIOCSIFFLAGS, &loopback) == 0 &&
           bind(*fd, (const struct sockaddr *)&addr, sizeof addr) == 0;
    unlink(path);
    return fine;
}

Test(feed_refused, a_silent_name_server_keeps_nobody_waiting_past_the_deadline)
{
    int fd;
    if (!name_server_silence(&fd)) tm_skip("needs a network namespace of its own (root)");
    const feed_try_t t = {.scheme = "wss", .host = "slow.example", .port = 443, .deadline_ms = 600};
    int64_t begin_ns = tm_clock_mono_ns();
    expect_refusal(&t, TM_E_TIMEOUT, WORDS("resolve", "/etc/resolv.conf"));
    tm_assert(tm_clock_mono_ns() - begin_ns > TM_NS_PER_S / 2);
    tm_assert(tm_clock_mono_ns() - begin_ns < 2 * TM_NS_PER_S);

    /* The look-up itself comes back at once, and so does giving it up. */
    struct addrinfo *addrs;
    tm_resolve_t *resolve;
    begin_ns = tm_clock_mono_ns();
    tm_assert_eq(tm_resolve_open(&resolve, "slower.example", 443), 0);
    tm_assert_eq(tm_resolve_poll(resolve, &addrs), 0);
    tm_resolve_close(resolve);
    tm_assert(tm_clock_mono_ns() - begin_ns < TM_NS_PER_S / 10);
    close(fd);
}
#endif

Test(feed_refused, addresses_are_resolved_at_once_and_names_a_little_later)
{
    static const struct {
        const char *host;
        bool at_once;
    } cases[] = {{"127.0.0.1", true}, {"::1", true}, {"localhost", false}};
    for (size_t i = 0; i < TM_ARRAY_CNT(cases); i++) {
        struct addrinfo *addrs;
        tm_resolve_t *resolve;
        tm_assert_eq(tm_resolve_open(&resolve, cases[i].host, 4711), 0);
        int rc = tm_resolve_poll(resolve, &addrs);
        for (int ms = 0; rc == 0 && ms < 5000; ms++) {
            tm_assert(!cases[i].at_once);
            usleep(1000);
            rc = tm_resolve_poll(resolve, &addrs);
        }
        tm_assert_eq(rc, 1);
        tm_assert(addrs != NULL && addrs->ai_socktype == SOCK_STREAM);
        freeaddrinfo(addrs);
        tm_resolve_close(resolve);
    }
}

static void *stop_soon(void *arg)
{
    usleep(50000);
    atomic_store((_Atomic bool *)arg, true);
    return NULL;
}

Test(feed_refused, opening_ends_soon_after_a_stop)
{
    bad_server_t *s = bad_server_open(&(bad_server_cfg_t){.script = script_wait});
    static _Atomic bool stop;
    pthread_t thread;
    pthread_create(&thread, NULL, stop_soon, &stop);
    char url[64];
    const char *const urls[] = {url};
    snprintf(url, sizeof url, "ws://127.0.0.1:%u", bad_server_port(s));
    const tm_feed_cfg_t cfg = {.urls = urls, .url_cnt = 1, .deadline_ms = 20000, .stop = &stop};
    tm_source_t *source;
    int64_t begin_ns = tm_clock_mono_ns();
    tm_assert_eq(tm_feed_open(&source, &cfg), -EINTR);
    tm_assert(tm_clock_mono_ns() - begin_ns < 5 * TM_NS_PER_S);
    expect_text("stopped while connecting");
    pthread_join(thread, NULL);
    bad_server_close(s);
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

Test(feed_refused, a_silent_server_ends_each_phase_at_its_deadline)
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
        const feed_try_t t = {.scheme = cases[i].scheme,
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
