#include "base/clock.h"
#include "base/error.h"
#include "net/conn/conn_private.h"
#include "net/feed/feed.h"
#include "net/simulated/venue_listen.h"
#include "tests/net/capture_text.h"
#include "tests/net/venue_fixture.h"
#include "tests/tm_test.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

enum { STREAM_MAX = 16, BURST = 64 };

/* The stream a captured line names, or NULL. */
static const char *line_stream(const char *line, size_t sz, size_t *name_sz)
{
    static const char head[] = "{\"stream\":\"";
    if (sz < sizeof head || memcmp(line, head, sizeof head - 1) != 0) return NULL;
    const char *name = line + sizeof head - 1;
    *name_sz = (size_t)((const char *)memchr(name, '"', sz) - name);
    return name;
}

/* Every stream that occurs in a capture. */
static uint32_t streams_of(const char *text, size_t sz, char names[STREAM_MAX][64])
{
    const char *pos = text, *line;
    size_t line_sz, name_sz;
    uint32_t cnt = 0;
    while ((line = tm_capture_line(&pos, text + sz, &line_sz))) {
        const char *name = line_stream(line, line_sz, &name_sz);
        uint32_t i = 0;
        while (name && i < cnt &&
               (strlen(names[i]) != name_sz || memcmp(names[i], name, name_sz) != 0))
            i++;
        if (!name || i < cnt) continue;
        tm_assert(cnt < STREAM_MAX);
        snprintf(names[cnt++], 64, "%.*s", (int)name_sz, name);
    }
    return cnt;
}

static tm_source_t *feed_open(const venue_fixture_t *f, const char *url, const char *const *streams,
                              uint32_t stream_cnt, uint32_t off)
{
    const char *const urls[] = {url};
    const tm_feed_cfg_t cfg = {.urls = urls,
                               .url_cnt = 1,
                               .streams = streams,
                               .stream_cnt = stream_cnt,
                               .ca_file = venue_fixture_ca(f),
                               .uring_off = off};
    tm_source_t *source;
    int rc = tm_feed_open(&source, &cfg);
    if (rc < 0) printf("# %s\n", tm_error_text());
    tm_assert_eq(rc, 0);
    return source;
}

/* The whole capture through venue and feed must come out as the system's tools unpack it. Lines
   without a stream come too where `all` is set. */
static void capture_arrives(const char *path, bool tls, bool all, uint32_t off)
{
    size_t sz;
    char *text = tm_capture_text(path, &sz);
    char names[STREAM_MAX][64], url[512];
    const char *streams[STREAM_MAX];
    uint32_t stream_cnt = streams_of(text, sz, names);
    for (uint32_t i = 0; i < stream_cnt; i++) streams[i] = names[i];
    const tm_venue_cfg_t cfg = {.source.capture = path, .snapshots = all};
    venue_fixture_t *f = venue_fixture_open(&cfg);
    tm_source_t *source = feed_open(f, venue_fixture_url(f, tls, "", url), streams, stream_cnt,
                                    off);
    const char *pos = text;
    tm_frame_t frames[BURST];
    int64_t last_ns = 0;
    uint64_t seen = 0;
    int n;
    while ((n = tm_source_poll(source, frames, BURST, TM_NS_PER_S)) >= 0) {
        for (int i = 0; i < n; i++, seen++) {
            const char *line;
            size_t line_sz, name_sz;
            do line = tm_capture_line(&pos, text + sz, &line_sz);
            while (line && !all && !line_stream(line, line_sz, &name_sz));
            tm_assert(line != NULL);
            tm_assert_eq(frames[i].sz, line_sz);
            tm_assert(memcmp(frames[i].data, line, line_sz) == 0);
            tm_assert(frames[i].ingress_ns >= last_ns);
            last_ns = frames[i].ingress_ns;
        }
    }
    if (n != TM_E_CLOSED) printf("# %d %s\n", n, tm_error_text());
    tm_assert_eq(n, TM_E_CLOSED);
    size_t line_sz, name_sz;
    for (const char *line; (line = tm_capture_line(&pos, text + sz, &line_sz));)
        tm_assert(!all && !line_stream(line, line_sz, &name_sz)); /* nothing is missing */
    tm_assert_eq(venue_fixture_count(f, "sent"), seen);
    tm_source_close(source);
    tm_assert_eq(venue_fixture_wait(f), 0);
    free(text);
}

Test(feed, every_shared_capture_arrives_byte_for_byte_over_tls)
{
    char path[4096];
    for (int i = 0; i < TM_CAPTURE_CNT; i++) {
        if (!tm_capture_path(tm_captures[i].file, path))
            tm_skip("the shared captures are not here");
        capture_arrives(path, true, i % 2, 0);
    }
}

Test(feed, a_capture_arrives_the_same_whatever_the_kernel_refuses)
{
    char path[4096];
    if (!tm_capture_path(tm_captures[4].file, path)) tm_skip("the shared captures are not here");
    for (uint32_t off = 0; off < 8; off++) capture_arrives(path, off & 1, true, off);
}

/* A capture of our own: messages of all sizes, some larger than any buffer on the way. */
Test(feed, messages_of_all_sizes_arrive_whole)
{
    static const uint32_t sizes[] = {1,     125,     126,     127,   16383,  16384,  16385,
                                     32768, 65535,   65536,   65537, 262144, 300000, 1048576,
                                     2,     3000000, 5242880, 17,    131072, 7};
    char path[64] = "/tmp/tm-sizes-XXXXXX", url[512];
    int fd = mkstemp(path);
    FILE *out = fdopen(fd, "w");
    for (size_t i = 0; i < TM_ARRAY_CNT(sizes); i++) {
        fprintf(out, "%" PRId64 " {\"stream\":\"a@x\",\"data\":\"",
                (int64_t)(INT64_C(1700000000000000000) + (int64_t)i));
        for (uint32_t k = 0; k < sizes[i]; k++) fputc('a' + (int)((i * 7 + k) % 26), out);
        fputs("\"}\n", out);
    }
    fclose(out);
    for (int tls = 0; tls < 2; tls++) {
        const tm_venue_cfg_t cfg = {.source.capture = path};
        venue_fixture_t *f = venue_fixture_open(&cfg);
        tm_source_t *source = feed_open(f, venue_fixture_url(f, tls, "/ws/a@x", url), NULL, 0, 0);
        tm_frame_t frames[3];
        size_t seen = 0;
        int n;
        while ((n = tm_source_poll(source, frames, 3, TM_NS_PER_S)) >= 0) {
            for (int i = 0; i < n; i++, seen++) {
                tm_assert(seen < TM_ARRAY_CNT(sizes));
                tm_assert_eq(frames[i].sz, sizes[seen] + 2);
                for (uint32_t k = 0; k < sizes[seen]; k++)
                    tm_assert(frames[i].data[k + 1] == 'a' + (seen * 7 + k) % 26);
            }
        }
        tm_assert_eq(n, TM_E_CLOSED);
        tm_assert_eq(seen, TM_ARRAY_CNT(sizes));
        tm_source_close(source);
        tm_assert_eq(venue_fixture_wait(f), 0);
    }
    unlink(path);
}

Test(feed, several_connections_are_one_source_and_each_frame_says_where_it_came_from)
{
    enum { CONNS = 5, N = 20000 };
    static const char *const names[] = {"btcusdt", "ethusdt", "solusdt", "bnbusdt", "xrpusdt"};
    const tm_venue_cfg_t cfg = {.wait_client_cnt = CONNS,
                                .source.generator = {.seed = 9, .message_cnt = N}};
    venue_fixture_t *f = venue_fixture_open(&cfg);
    char urls[CONNS][512], target[64];
    const char *url_list[CONNS];
    for (int i = 0; i < CONNS; i++) {
        snprintf(target, sizeof target, "/stream?streams=%s@trade", names[i]);
        url_list[i] = venue_fixture_url(f, i & 1, target, urls[i]);
    }
    const char *const more[] = {"adausdt@trade", "adausdt@bookTicker"};
    tm_counter_set_t *counters = tm_counter_set_new("ingest");
    const tm_feed_cfg_t feed_cfg = {.urls = url_list,
                                    .url_cnt = CONNS,
                                    .streams = more,
                                    .stream_cnt = 2,
                                    .ca_file = venue_fixture_ca(f),
                                    .counters = counters};
    tm_source_t *source;
    tm_assert_eq(tm_feed_open(&source, &feed_cfg), 0);
    tm_frame_t frames[BURST];
    uint64_t per_conn[CONNS] = {0}, seen = 0;
    int n;
    while ((n = tm_source_poll(source, frames, BURST, TM_NS_PER_S)) >= 0) {
        for (int i = 0; i < n; i++, seen++) {
            uint32_t conn = frames[i].conn_idx;
            tm_assert(conn < CONNS);
            per_conn[conn]++;
            const char *name = (const char *)frames[i].data + 11;
            bool own = memcmp(name, names[conn], strlen(names[conn])) == 0;
            tm_assert(own || (conn == 0 && memcmp(name, "adausdt", 7) == 0));
        }
    }
    tm_assert_eq(n, TM_E_CLOSED);
    for (int i = 0; i < CONNS; i++) tm_assert(per_conn[i] > 0);
    tm_assert_eq(tm_counter_read(tm_counter_get(counters, "frames")), seen);
    tm_assert_eq(tm_counter_read(tm_counter_get(counters, "disconnects")), 0u);
    tm_assert_eq(venue_fixture_count(f, "sent"), seen);
    tm_source_close(source);
    tm_counter_set_free(counters);
    tm_assert_eq(venue_fixture_wait(f), 0);
}

Test(feed, who_does_not_poll_holds_the_exchange_back_and_loses_nothing)
{
    enum { N = 200000 };
    const tm_venue_cfg_t cfg = {
        .source.generator = {.seed = 2, .message_cnt = N, .symbol_cnt = 1, .trade_percent = 100}};
    venue_fixture_t *f = venue_fixture_open(&cfg);
    char url[512];
    tm_source_t *source = feed_open(f, venue_fixture_url(f, true, "/ws/btcusdt@trade", url), NULL,
                                    0, 0);
    uint64_t held = venue_fixture_settle(f);
    tm_assert(held < N);
    tm_frame_t frames[BURST];
    uint64_t seen = 0, last_id = 0;
    int n;
    while ((n = tm_source_poll(source, frames, BURST, TM_NS_PER_S)) >= 0) {
        for (int i = 0; i < n; i++, seen++) {
            const char *t = strstr((const char *)frames[i].data, "\"t\":");
            uint64_t id = strtoull(t + 4, NULL, 10);
            tm_assert(last_id == 0 || id == last_id + 1);
            last_id = id;
        }
    }
    tm_assert_eq(n, TM_E_CLOSED);
    tm_assert_eq(seen, (uint64_t)N);
    tm_source_close(source);
    tm_assert_eq(venue_fixture_wait(f), 0);
}

/* Subscribes to that many streams and takes 6000 messages; returns the connections it took. */
static uint32_t streams_subscribed(uint32_t cnt, uint32_t conn_cnt)
{
    static char names[2500][32];
    static const char *streams[2500];
    for (uint32_t i = 0; i < cnt; i++) {
        snprintf(names[i], sizeof names[i], "sym%uusdt@trade", i + 1);
        streams[i] = names[i];
    }
    const tm_venue_cfg_t cfg = {.source.generator = {.seed = 2,
                                                     .message_cnt = 6000,
                                                     .rate = 3000,
                                                     .symbol_cnt = 2500,
                                                     .trade_percent = 100},
                                .wait_client_cnt = conn_cnt,
                                .tls_off = true};
    venue_fixture_t *f = venue_fixture_open(&cfg);
    char url[512];
    tm_source_t *source = feed_open(f, venue_fixture_url(f, false, "", url), streams, cnt, 0);
    tm_assert(venue_fixture_count(f, "requests") > conn_cnt);
    tm_frame_t frames[BURST];
    uint32_t conns = 0;
    int n, seen = 0;
    while ((n = tm_source_poll(source, frames, BURST, TM_NS_PER_S)) >= 0) {
        for (int i = 0; i < n; i++) conns |= 1u << frames[i].conn_idx;
        seen += n;
    }
    tm_assert_eq(n, TM_E_CLOSED);
    tm_assert(seen > 0);
    tm_assert_eq(venue_fixture_count(f, "clients"), conn_cnt);
    tm_source_close(source);
    tm_assert_eq(venue_fixture_wait(f), 0);
    return conns;
}

Test(feed, a_thousand_streams_are_subscribed_within_the_limits_of_the_exchange)
{
    tm_assert_eq(streams_subscribed(1024, 1), 1u);
}

Test(feed, more_streams_than_a_connection_may_have_are_spread_over_several)
{
    tm_assert_eq(streams_subscribed(2500, 3), 7u);
}

/* How long it takes to leave a feed that streams as fast as it can. */
static int64_t leave_ns(bool tls, uint64_t after_cnt)
{
    const tm_venue_cfg_t cfg = {.source.generator = {.seed = 4}};
    venue_fixture_t *f = venue_fixture_open(&cfg);
    char url[512];
    tm_source_t *source = feed_open(f, venue_fixture_url(f, tls, "/ws/btcusdt@trade", url), NULL, 0,
                                    0);
    tm_frame_t frames[BURST];
    uint64_t seen = 0;
    while (seen < after_cnt) {
        int n = tm_source_poll(source, frames, BURST, TM_NS_PER_S);
        tm_assert(n >= 0);
        seen += (uint64_t)n;
    }
    int64_t begin_ns = tm_clock_mono_ns();
    tm_source_close(source);
    int64_t took_ns = tm_clock_mono_ns() - begin_ns;
    tm_assert_eq(venue_fixture_close(f), 0);
    return took_ns;
}

Test(feed, a_flowing_stream_is_left_with_a_close_frame_that_is_answered)
{
    static const uint64_t after_cnt[] = {0, 1, 10000};
    for (int i = 0; i < 6; i++) /* the time limit is a second */
        tm_assert(leave_ns(i & 1, after_cnt[i / 2]) < 900 * TM_NS_PER_MS);
}

Test(feed, an_ipv6_address_works_like_a_name)
{
    const tm_venue_cfg_t cfg = {.host = "::1", .source.generator = {.seed = 4}};
    uint16_t port;
    int fd = tm_venue_listen("::1", 0, &port);
    if (fd < 0) tm_skip("there is no IPv6 here");
    close(fd);
    venue_fixture_t *f = venue_fixture_open(&cfg);
    for (int tls = 0; tls < 2; tls++) {
        char url[512];
        const tm_venue_ports_t *ports = venue_fixture_ports(f);
        snprintf(url, sizeof url, "%s://[::1]:%u/ws/btcusdt@trade", tls ? "wss" : "ws",
                 tls ? ports->tls : ports->plain);
        tm_source_t *source = feed_open(f, url, NULL, 0, 0);
        tm_source_close(source);
    }
    tm_assert_eq(venue_fixture_close(f), 0);
}

static void on_alarm(int sig)
{
    (void)sig;
}

Test(feed, a_wait_ends_with_a_signal_also_where_calls_restart)
{
    const tm_venue_cfg_t cfg = {.tls_off = true, .wait_client_cnt = 2};
    /* The venue's thread leaves the signal to this one. */
    sigset_t alarm_only, before;
    sigemptyset(&alarm_only);
    sigaddset(&alarm_only, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &alarm_only, &before);
    venue_fixture_t *f = venue_fixture_open(&cfg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    char url[512];
    tm_source_t *source = feed_open(f, venue_fixture_url(f, false, "/ws/btcusdt@trade", url), NULL,
                                    0, 0);
    static const int flags[] = {0, SA_RESTART};
    for (int i = 0; i < 2; i++) {
        struct sigaction act = {.sa_handler = on_alarm, .sa_flags = flags[i]}, old;
        sigaction(SIGALRM, &act, &old);
        const struct itimerval soon = {.it_value = {0, 50000}};
        int64_t begin_ns = tm_clock_mono_ns();
        setitimer(ITIMER_REAL, &soon, NULL);
        tm_frame_t frame;
        tm_assert_eq(tm_source_poll(source, &frame, 1, 20 * TM_NS_PER_S), 0);
        tm_assert(tm_clock_mono_ns() - begin_ns < 5 * TM_NS_PER_S);
        sigaction(SIGALRM, &old, NULL);
    }
    int64_t begin_ns = tm_clock_mono_ns();
    tm_frame_t frame;
    tm_assert_eq(tm_source_poll(source, &frame, 1, 20 * TM_NS_PER_MS), 0);
    tm_assert(tm_clock_mono_ns() - begin_ns >= 20 * TM_NS_PER_MS);
    begin_ns = tm_clock_mono_ns();
    tm_assert_eq(tm_source_poll(source, &frame, 1, 0), 0);
    tm_assert(tm_clock_mono_ns() - begin_ns < 20 * TM_NS_PER_MS);
    tm_source_close(source);
    tm_assert_eq(venue_fixture_close(f), 0);
}

static struct addrinfo *address(uint16_t port)
{
    struct addrinfo *out, hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
    char service[8];
    snprintf(service, sizeof service, "%u", port);
    tm_assert_eq(getaddrinfo("127.0.0.1", service, &hints, &out), 0);
    return out;
}

Test(conn, every_address_is_tried_until_one_answers)
{
    const tm_venue_cfg_t cfg = {.tls_off = true, .wait_client_cnt = 2};
    venue_fixture_t *f = venue_fixture_open(&cfg);
    tm_uring_t *ring;
    tm_assert_eq(tm_uring_open(&ring, &(tm_uring_cfg_t){0}), 0);
    tm_url_t url;
    tm_assert_eq(tm_url_parse(&url, "ws://two-addresses.example/ws"), 0);
    const tm_conn_cfg_t conn_cfg = {.ring = ring, .url = &url};
    tm_conn_t *c;
    tm_assert_eq(tm_conn_open(&c, &conn_cfg), 0);
    /* What a name with two addresses resolves to: nobody listens behind the first one. */
    struct addrinfo *addrs = address(1);
    addrs->ai_next = address(venue_fixture_ports(f)->plain);
    tm_conn_enter(c, TM_CONN_CONNECT);
    const tm_race_cfg_t race_cfg = {.ring = ring, .addrs = addrs};
    tm_assert_eq(tm_race_open(&c->race, &race_cfg, tm_clock_mono_ns()), 0);
    while (tm_conn_step(c, tm_clock_mono_ns()) == 0 && tm_conn_phase(c) < TM_CONN_STREAM) {
        tm_uring_event_t events[8];
        int n = tm_uring_reap(ring, events, 8, TM_NS_PER_S);
        for (int i = 0; i < n; i++) tm_assert_eq(tm_conn_on_event(c, &events[i]), 0);
    }
    tm_assert(tm_conn_phase(c) == TM_CONN_STREAM);
    tm_assert_eq(tm_conn_outcome(c).tried_cnt, 2u);
    tm_assert_eq(tm_conn_outcome(c).failed_cnt, 1u);
    tm_conn_abort(c);
    while (!tm_conn_is_gone(c)) {
        tm_uring_event_t events[8];
        int n = tm_uring_reap(ring, events, 8, TM_NS_PER_S);
        for (int i = 0; i < n; i++) tm_assert_eq(tm_conn_on_event(c, &events[i]), 0);
    }
    tm_conn_free(c);
    tm_uring_close(ring);
    tm_assert_eq(venue_fixture_close(f), 0);
}

Test(feed, configurations_that_make_no_sense_are_refused)
{
    static const char *const urls[] = {"ws://127.0.0.1:1"};
    tm_source_t *source;
    tm_feed_cfg_t cfg = {.urls = urls, .url_cnt = 0};
    tm_assert_eq(tm_feed_open(&source, &cfg), TM_E_CONFIG);
    cfg.url_cnt = TM_FEED_CONN_MAX + 1;
    tm_assert_eq(tm_feed_open(&source, &cfg), TM_E_CONFIG);
    static const char *const no_url[] = {"https://example.com"};
    cfg = (tm_feed_cfg_t){.urls = no_url, .url_cnt = 1};
    tm_assert_eq(tm_feed_open(&source, &cfg), TM_E_SYNTAX);
    static const char *const secure[] = {"wss://127.0.0.1:1"};
    cfg = (tm_feed_cfg_t){.urls = secure, .url_cnt = 1, .ca_file = "/nonexistent.pem"};
    tm_assert_eq(tm_feed_open(&source, &cfg), TM_E_TLS);
    tm_assert(strstr(tm_error_text(), "/nonexistent.pem") != NULL);
}
