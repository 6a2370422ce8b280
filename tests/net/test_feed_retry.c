/* Feeds that outlive their connections: servers that die, come back, refuse, fall silent. */
#include "base/clock.h"
#include "base/error.h"
#include "net/simulated/venue_listen.h"
#include "tests/net/bad_server.h"
#include "tests/net/feed_try.h"
#include "tests/net/venue_fixture.h"
#include "tests/tm_test.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BURST = 64 };

/* A feed with short delays and counters of its own. */
typedef struct rig {
    tm_feed_cfg_t cfg;
    char url[2][128];
    const char *urls[2];
    tm_counter_set_t *counters;
    tm_source_t *source;
} rig_t;

static void rig_init(rig_t *r)
{
    r->urls[0] = r->url[0];
    r->urls[1] = r->url[1];
    r->counters = tm_counter_set_new("rig");
    r->cfg = (tm_feed_cfg_t){.urls = r->urls,
                             .url_cnt = 1,
                             .counters = r->counters,
                             .deadline_ms = 3000,
                             .retry_max = 100,
                             .retry_first_ns = 20 * TM_NS_PER_MS,
                             .retry_cap_ns = 50 * TM_NS_PER_MS,
                             .seed = 1};
}

static void rig_open(rig_t *r)
{
    int rc = tm_feed_open(&r->source, &r->cfg);
    if (rc < 0) printf("# %s\n", tm_error_text());
    tm_assert_eq(rc, 0);
}

static uint64_t count(const rig_t *r, const char *name)
{
    return tm_counter_read(tm_counter_get(r->counters, name));
}

static void rig_fini(rig_t *r)
{
    tm_source_close(r->source);
    tm_counter_set_free(r->counters);
}

/* Polls until `cnt` frames came, or the feed ended; 10 s at most. Returns frames, or the end. */
static int take(rig_t *r, int cnt)
{
    tm_frame_t frames[BURST];
    int seen = 0;
    int64_t end_ns = tm_clock_mono_ns() + 10 * TM_NS_PER_S;
    while (seen < cnt) {
        int n = tm_source_poll(r->source, frames, BURST, 20 * TM_NS_PER_MS);
        if (n < 0) return n;
        seen += n;
        tm_assert(tm_clock_mono_ns() < end_ns);
    }
    return seen;
}

/* Polls for a while, whatever comes. */
static void idle_about(rig_t *r, int64_t time_ns)
{
    tm_frame_t frames[BURST];
    int64_t end_ns = tm_clock_mono_ns() + time_ns;
    while (tm_clock_mono_ns() < end_ns)
        tm_assert(tm_source_poll(r->source, frames, BURST, 10 * TM_NS_PER_MS) >= 0);
}

/* Polls until the feed ends, 10 s at most; returns its end. */
static int last(rig_t *r)
{
    return take(r, 1 << 30);
}

/* A port to listen on later: below the range that the kernel gives to connecting sockets, or
   another test's connection may sit on it by then; by process, since tests run side by side. */
static uint16_t free_port(void)
{
    static uint32_t tried; /* no port twice */
    for (; tried < 1000; tried++) {
        uint16_t port = (uint16_t)(10000 + ((uint32_t)getpid() * 101 + tried * 13) % 20000), bound;
        int fd = tm_venue_listen("127.0.0.1", port, &bound);
        if (fd < 0) continue;
        close(fd);
        tried++;
        return port;
    }
    tm_assert(!"there is a free port");
    return 0;
}

static venue_fixture_t *venue_on(uint16_t tls_port, uint16_t plain_port)
{
    const tm_venue_cfg_t cfg = {.tls_off = tls_port == 0,
                                .plain_off = plain_port == 0,
                                .tls_port = tls_port,
                                .plain_port = plain_port,
                                .source.generator = {.seed = 5, .rate = 2000}};
    return venue_fixture_open(&cfg);
}

Test(feed_retry, a_venue_that_dies_and_comes_back_twice_is_subscribed_again_each_time)
{
    uint16_t port = free_port();
    static const char *const streams[] = {"btcusdt@trade", "ethusdt@bookTicker"};
    rig_t r;
    rig_init(&r);
    r.cfg.streams = streams;
    r.cfg.stream_cnt = 2;
    snprintf(r.url[0], sizeof r.url[0], "ws://127.0.0.1:%u", port);
    venue_fixture_t *f = venue_on(0, port);
    rig_open(&r);
    for (uint64_t life = 0; life < 3; life++) {
        if (life > 0) f = venue_on(0, port);
        tm_assert(take(&r, 100) >= 100);
        tm_assert(venue_fixture_count(f, "requests") >= 1);
        tm_assert_eq(count(&r, "reconnects"), life);
        tm_assert_eq(count(&r, "disconnects"), life);
        tm_assert_eq(venue_fixture_close(f), 0);
        if (life < 2) idle_about(&r, 150 * TM_NS_PER_MS); /* long enough to be refused */
    }
    tm_assert(count(&r, "connect_failures") >= 2);
    tm_assert_eq(count(&r, "attempts"), count(&r, "connect_failures") + 3);
    rig_fini(&r);
}

typedef struct later {
    uint16_t port;
    venue_fixture_t *venue;
} later_t;

static void *venue_later(void *arg)
{
    later_t *l = arg;
    usleep(200000);
    l->venue = venue_on(0, l->port);
    return NULL;
}

Test(feed_retry, a_port_that_is_refused_at_first_is_opened_once_somebody_listens)
{
    later_t l = {.port = free_port()};
    rig_t r;
    rig_init(&r);
    snprintf(r.url[0], sizeof r.url[0], "ws://127.0.0.1:%u/ws/btcusdt@trade", l.port);
    pthread_t thread;
    pthread_create(&thread, NULL, venue_later, &l);
    rig_open(&r);
    pthread_join(thread, NULL);
    tm_assert(take(&r, 10) >= 10);
    tm_assert(count(&r, "connect_failures") >= 1);
    tm_assert_eq(count(&r, "disconnects"), 0u);
    tm_assert_eq(count(&r, "reconnects"), 0u);
    rig_fini(&r);
    tm_assert_eq(venue_fixture_close(l.venue), 0);
}

/* ---- servers by script: the number of the connection says what to do ------------------------ */

static _Atomic int life;

static bool two_messages(bad_peer_t *p)
{
    if (!bad_peer_upgrade(p)) return false;
    bad_peer_frame(p, 0x81, "{\"a\":1}", 7);
    bad_peer_frame(p, 0x81, "{\"b\":2}", 7);
    return true;
}

static void close_normal(bad_peer_t *p)
{
    bad_peer_frame(p, 0x88, "\x03\xe8", 2);
    bad_peer_wait(p);
}

static bad_server_t *script_rig(rig_t *r, bad_script_t script)
{
    atomic_store(&life, 0);
    bad_server_t *s = bad_server_open(&(bad_server_cfg_t){.script = script});
    rig_init(r);
    snprintf(r->url[0], sizeof r->url[0], "ws://127.0.0.1:%u/ws", bad_server_port(s));
    return s;
}

static void script_cut_then_fine(bad_peer_t *p)
{
    static const uint8_t half[] = {0x81, 100, '{', '"', 'c'};
    int n = atomic_fetch_add(&life, 1);
    if (!two_messages(p)) return;
    if (n == 0) bad_peer_send(p, half, sizeof half);
    if (n == 1) bad_peer_frame(p, 0x88, "\x03\xf4", 2); /* 1012: service restart */
    if (n == 2) close_normal(p);
}

Test(feed_retry, a_cut_inside_a_message_and_a_restart_of_the_service_lose_nothing_before_them)
{
    rig_t r;
    bad_server_t *s = script_rig(&r, script_cut_then_fine);
    rig_open(&r);
    tm_assert_eq(last(&r), TM_E_CLOSED);
    expect_text("1000");
    tm_assert_eq(count(&r, "frames"), 6u);
    tm_assert_eq(count(&r, "disconnects"), 2u);
    tm_assert_eq(count(&r, "reconnects"), 2u);
    rig_fini(&r);
    bad_server_close(s);
}

static void script_close_normal(bad_peer_t *p)
{
    if (two_messages(p)) close_normal(p);
}

Test(feed_retry, an_orderly_close_is_the_end_or_not_as_the_user_says)
{
    rig_t r;
    bad_server_t *s = script_rig(&r, script_close_normal);
    r.cfg.reconnect_on_close = true;
    rig_open(&r);
    tm_assert(take(&r, 6) >= 6);
    tm_assert(count(&r, "reconnects") >= 2);
    rig_fini(&r);
    bad_server_close(s);

    s = script_rig(&r, script_close_normal);
    rig_open(&r);
    tm_assert_eq(last(&r), TM_E_CLOSED);
    tm_assert_eq(count(&r, "disconnects"), 0u);
    tm_assert_eq(count(&r, "frames"), 2u);
    rig_fini(&r);
    bad_server_close(s);
}

static void script_silent_then_fine(bad_peer_t *p)
{
    int n = atomic_fetch_add(&life, 1);
    if (!two_messages(p)) return;
    if (n == 0) bad_peer_wait(p);
    if (n > 0) close_normal(p);
}

Test(feed_retry, a_connection_that_falls_silent_is_cut_and_opened_again)
{
    rig_t r;
    bad_server_t *s = script_rig(&r, script_silent_then_fine);
    r.cfg.idle_ns = 200 * TM_NS_PER_MS;
    int64_t begin_ns = tm_clock_mono_ns();
    rig_open(&r);
    tm_assert_eq(last(&r), TM_E_CLOSED);
    tm_assert(tm_clock_mono_ns() - begin_ns >= 200 * TM_NS_PER_MS);
    tm_assert_eq(count(&r, "idle_cut"), 1u);
    tm_assert_eq(count(&r, "disconnects"), 1u);
    tm_assert_eq(count(&r, "frames"), 4u);
    rig_fini(&r);
    bad_server_close(s);
}

static void script_429_then_fine(bad_peer_t *p)
{
    if (atomic_fetch_add(&life, 1) > 0) {
        script_close_normal(p);
    } else if (bad_peer_request(p)) {
        bad_peer_text(p, "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\n"
                         "Content-Length: 0\r\n\r\n");
    }
}

Test(feed_retry, retry_after_is_honoured)
{
    rig_t r;
    bad_server_t *s = script_rig(&r, script_429_then_fine);
    int64_t begin_ns = tm_clock_mono_ns();
    rig_open(&r);
    tm_assert(tm_clock_mono_ns() - begin_ns >= TM_NS_PER_S);
    tm_assert_eq(count(&r, "attempts"), 2u);
    tm_assert_eq(last(&r), TM_E_CLOSED);
    rig_fini(&r);
    bad_server_close(s);
}

static void script_403(bad_peer_t *p)
{
    if (bad_peer_request(p))
        bad_peer_text(p, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
}

Test(feed_retry, what_no_retry_can_mend_ends_at_once)
{
    rig_t r;
    bad_server_t *s = script_rig(&r, script_403);
    tm_assert_eq(tm_feed_open(&r.source, &r.cfg), TM_E_HTTP);
    expect_text("403");
    tm_assert_eq(count(&r, "attempts"), 1u);
    rig_fini(&r);
    bad_server_close(s);
}

Test(feed_retry, another_certificate_after_a_reconnect_ends_with_an_error)
{
    uint16_t port = free_port();
    rig_t r;
    rig_init(&r);
    snprintf(r.url[0], sizeof r.url[0], "wss://localhost:%u/ws/btcusdt@trade", port);
    venue_fixture_t *f = venue_on(port, 0);
    r.cfg.ca_file = venue_fixture_ca(f);
    rig_open(&r);
    tm_assert(take(&r, 10) >= 10);
    tm_assert_eq(venue_fixture_close(f), 0);
    f = venue_on(port, 0); /* makes a CA of its own */
    tm_assert_eq(last(&r), TM_E_TLS);
    expect_text("not signed by a CA");
    tm_assert_eq(count(&r, "disconnects"), 1u);
    tm_assert_eq(count(&r, "reconnects"), 0u);
    rig_fini(&r);
    tm_assert_eq(venue_fixture_close(f), 0);
}

Test(feed_retry, spent_retries_end_with_what_the_last_one_met)
{
    rig_t r;
    rig_init(&r);
    r.cfg.retry_max = 3;
    snprintf(r.url[0], sizeof r.url[0], "ws://127.0.0.1:%u/ws", free_port());
    int64_t begin_ns = tm_clock_mono_ns();
    tm_assert_eq(tm_feed_open(&r.source, &r.cfg), -ECONNREFUSED);
    /* 20 + 40 + 50 ms, 20 % less at the least */
    tm_assert(tm_clock_mono_ns() - begin_ns >= 88 * TM_NS_PER_MS);
    expect_text("is the server running");
    expect_text("still so after 3 retries");
    tm_assert_eq(count(&r, "attempts"), 4u);
    tm_assert_eq(count(&r, "connect_failures"), 4u);
    rig_fini(&r);
}

Test(feed_retry, one_that_is_spent_is_tried_on_while_another_lives_and_told_at_the_end)
{
    uint16_t port = free_port();
    rig_t r;
    rig_init(&r);
    r.cfg.url_cnt = 2;
    r.cfg.retry_max = 1;
    venue_fixture_t *lives = venue_on(0, free_port()), *dies = venue_on(0, port);
    snprintf(r.url[0], sizeof r.url[0], "ws://127.0.0.1:%u/ws/btcusdt@trade",
             venue_fixture_ports(lives)->plain);
    snprintf(r.url[1], sizeof r.url[1], "ws://127.0.0.1:%u/ws/btcusdt@trade", port);
    rig_open(&r);
    tm_assert(take(&r, 100) >= 100);
    tm_assert_eq(venue_fixture_close(dies), 0);
    idle_about(&r, 400 * TM_NS_PER_MS);
    tm_assert(count(&r, "connect_failures") >= 3); /* more than the one that is allowed */
    uint64_t before = count(&r, "frames");
    tm_assert(take(&r, 50) >= 50);
    tm_assert(count(&r, "frames") > before);
    dies = venue_on(0, port);
    idle_about(&r, 200 * TM_NS_PER_MS);
    tm_assert_eq(count(&r, "reconnects"), 1u);
    tm_assert_eq(venue_fixture_close(dies), 0);
    tm_assert_eq(venue_fixture_close(lives), 0);
    tm_assert_eq(last(&r), -ECONNREFUSED);
    expect_text("still so after 1 retries");
    rig_fini(&r);
}

static void *stop_soon(void *arg)
{
    usleep(50000);
    atomic_store((_Atomic bool *)arg, true);
    return NULL;
}

Test(feed_retry, a_stop_during_the_back_off_ends_it_at_once)
{
    static _Atomic bool stop;
    pthread_t thread;
    rig_t r;
    rig_init(&r);
    r.cfg.stop = &stop;
    r.cfg.retry_first_ns = r.cfg.retry_cap_ns = 60 * TM_NS_PER_S;
    uint16_t port = free_port();
    snprintf(r.url[0], sizeof r.url[0], "ws://127.0.0.1:%u/ws/btcusdt@trade", port);
    pthread_create(&thread, NULL, stop_soon, &stop);
    int64_t begin_ns = tm_clock_mono_ns();
    tm_assert_eq(tm_feed_open(&r.source, &r.cfg), -EINTR);
    tm_assert(tm_clock_mono_ns() - begin_ns < TM_NS_PER_S);
    pthread_join(thread, NULL);

    atomic_store(&stop, false);
    venue_fixture_t *f = venue_on(0, port);
    rig_open(&r);
    tm_assert(take(&r, 10) >= 10);
    tm_assert_eq(venue_fixture_close(f), 0);
    idle_about(&r, 100 * TM_NS_PER_MS);
    tm_assert_eq(count(&r, "disconnects"), 1u);
    begin_ns = tm_clock_mono_ns();
    rig_fini(&r);
    tm_assert(tm_clock_mono_ns() - begin_ns < TM_NS_PER_S / 2);
}

/* Twenty pings within half a second: five pongs, and after the span one more, for the last ping. */
static void script_many_pings(bad_peer_t *p)
{
    char text[256];
    if (!bad_peer_upgrade(p)) return;
    int64_t begin_ns = tm_clock_mono_ns();
    for (int i = 0; i < 20; i++) {
        char payload[12];
        snprintf(payload, sizeof payload, "%02d", i);
        bad_peer_frame(p, 0x89, payload, 2);
        usleep(20000);
    }
    for (int i = 0; i < 6; i++)
        if (bad_peer_read_frame(p, text, sizeof text) != 0x8a) bad_peer_keep(p, "no pong ");
    bad_peer_keep(p, tm_clock_mono_ns() - begin_ns >= TM_NS_PER_S ? "after a second " : "early ");
    bad_peer_keep(p, text);
    close_normal(p);
}

Test(feed_retry, no_more_than_five_messages_a_second_are_sent_pongs_included)
{
    rig_t r;
    bad_server_t *s = script_rig(&r, script_many_pings);
    rig_open(&r);
    tm_assert_eq(last(&r), TM_E_CLOSED);
    tm_assert_str(bad_server_seen(s), "after a second 19");
    rig_fini(&r);
    bad_server_close(s);
}
