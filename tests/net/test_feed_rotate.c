/* Connections that are replaced, doubled and announced: what is told about them, and that no
   message is lost on the way. */
#include "base/clock.h"
#include "base/error.h"
#include "net/feed/feed.h"
#include "net/simulated/fault_plan.h"
#include "tests/net/bad_server.h"
#include "tests/net/feed_try.h"
#include "tests/net/venue_fixture.h"
#include "tests/tm_test.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BURST = 64, CONN_MAX = 16, ID_MAX = 20000 };

/* A feed with what it has told and given so far. */
typedef struct rig {
    tm_feed_cfg_t cfg;
    char url[1024];
    const char *urls[1];
    tm_counter_set_t *counters;
    tm_source_t *source;
    bool up[CONN_MAX], was_up[CONN_MAX];
    tm_feed_row_t last[8]; /* by what */
    uint32_t told[8];
    uint64_t id_first; /* of one symbol's trades */
    uint8_t came[ID_MAX];
    uint64_t frame_cnt;
} rig_t;

static void rig_init(rig_t *r)
{
    memset(r, 0, sizeof *r);
    r->urls[0] = r->url;
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

static void rig_fini(rig_t *r)
{
    tm_source_close(r->source);
    tm_counter_set_free(r->counters);
}

static uint64_t count(const rig_t *r, const char *name)
{
    return tm_counter_read(tm_counter_get(r->counters, name));
}

static void row_take(rig_t *r, const tm_feed_row_t *row)
{
    tm_assert_eq(row->row.kind, TM_ROW_FEED);
    tm_assert(row->conn_idx < CONN_MAX);
    if (row->what == TM_FEED_UP) {
        tm_assert(!r->up[row->conn_idx]);
        r->up[row->conn_idx] = r->was_up[row->conn_idx] = true;
    } else {
        tm_assert(r->up[row->conn_idx]);
        if (row->what == TM_FEED_DOWN) r->up[row->conn_idx] = false;
    }
    r->told[row->what]++;
    r->last[row->what] = *row;
}

/* One poll: UP comes before a connection's first frame, DOWN after its last. Returns frames, or the
   end of the feed. */
static int poll_some(rig_t *r, uint32_t cap)
{
    tm_frame_t frames[BURST];
    tm_feed_row_t rows[64];
    int n = tm_source_poll(r->source, frames, cap, 20 * TM_NS_PER_MS);
    uint32_t row_cnt = tm_source_rows(r->source, rows, 64);
    for (uint32_t i = 0; i < row_cnt; i++)
        if (rows[i].what != TM_FEED_DOWN) row_take(r, &rows[i]);
    for (int i = 0; i < n; i++, r->frame_cnt++) {
        tm_assert(frames[i].conn_idx < CONN_MAX);
        tm_assert(r->up[frames[i].conn_idx]);
        const char *t = strstr((const char *)frames[i].data, "\"t\":");
        if (!t) continue;
        uint64_t id = strtoull(t + 4, NULL, 10);
        if (r->id_first == 0) r->id_first = id;
        tm_assert(id >= r->id_first && id < r->id_first + ID_MAX);
        r->came[id - r->id_first]++;
    }
    for (uint32_t i = 0; i < row_cnt; i++)
        if (rows[i].what == TM_FEED_DOWN) row_take(r, &rows[i]);
    return n;
}

static int poll_once(rig_t *r)
{
    return poll_some(r, BURST);
}

/* Polls until the feed ends, 15 s at most. */
static int last(rig_t *r)
{
    int64_t end_ns = tm_clock_mono_ns() + 15 * TM_NS_PER_S;
    int n;
    while ((n = poll_once(r)) >= 0) tm_assert(tm_clock_mono_ns() < end_ns);
    return n;
}

static uint32_t missing_cnt(const rig_t *r, uint32_t cnt)
{
    uint32_t missing = 0;
    for (uint32_t i = 0; i < cnt; i++) missing += r->came[i] == 0;
    return missing;
}

static venue_fixture_t *bad_market(uint64_t message_cnt, uint32_t clients,
                                   const tm_fault_plan_t *plan)
{
    const tm_venue_cfg_t cfg = {.faults = plan,
                                .wait_client_cnt = clients,
                                .source.generator = {.seed = 3,
                                                     .rate = 3000,
                                                     .symbol_cnt = 1,
                                                     .trade_percent = 100,
                                                     .message_cnt = message_cnt}};
    return venue_fixture_open(&cfg);
}

static venue_fixture_t *market(uint64_t message_cnt, uint32_t clients)
{
    return bad_market(message_cnt, clients, NULL);
}

Test(feed_rotate, under_load_every_message_comes_and_old_connections_end_in_order)
{
    enum { N = 9000 };
    static rig_t r;
    venue_fixture_t *f = market(N, 1);
    rig_init(&r);
    r.cfg.life_ns = 200 * TM_NS_PER_MS;
    r.cfg.overlap_ns = 100 * TM_NS_PER_MS;
    r.cfg.ca_file = venue_fixture_ca(f);
    venue_fixture_url(f, true, "/stream?streams=btcusdt@trade", r.url);
    rig_open(&r);
    tm_assert_eq(last(&r), TM_E_CLOSED);
    tm_assert_eq(missing_cnt(&r, N), 0u);
    tm_assert(count(&r, "rotations") >= 5);
    tm_assert_eq(r.told[TM_FEED_ROTATED], count(&r, "rotations"));
    tm_assert_eq(count(&r, "disconnects"), 0u);
    tm_assert_eq(r.told[TM_FEED_UP], r.told[TM_FEED_DOWN]);
    tm_assert(r.was_up[0] && r.was_up[1] && !r.was_up[2]);
    tm_assert(venue_fixture_count(f, "sent") > N);
    rig_fini(&r);
    tm_assert_eq(venue_fixture_wait(f), 0);
}

Test(feed_rotate, an_old_connection_that_is_read_late_is_read_to_where_the_new_one_began)
{
    enum { N = 6000 };
    static rig_t r;
    venue_fixture_t *f = market(N, 1);
    rig_init(&r);
    r.cfg.life_ns = 200 * TM_NS_PER_MS;
    r.cfg.overlap_ns = 50 * TM_NS_PER_MS;
    venue_fixture_url(f, false, "/stream?streams=btcusdt@trade", r.url);
    rig_open(&r);
    /* A third of what is sent, until well behind the time at which the old one would have gone. */
    const int64_t end_ns = tm_clock_mono_ns() + 400 * TM_NS_PER_MS;
    while (tm_clock_mono_ns() < end_ns) {
        tm_assert(poll_some(&r, 1) >= 0);
        usleep(1000);
    }
    tm_assert_eq(last(&r), TM_E_CLOSED);
    tm_assert_eq(missing_cnt(&r, N), 0u);
    rig_fini(&r);
    tm_assert_eq(venue_fixture_wait(f), 0);
}

Test(feed_rotate, a_replacement_that_brings_nothing_does_not_take_the_place)
{
    enum { N = 6000 };
    static rig_t r;
    /* The second connection, which is to replace the first, dies without a word; the fourth one
       stalls for longer than both stream side by side. */
    static const char script[] = "2 message 2 half-open\n4 message 2 stall 300ms\n";
    tm_fault_plan_t *plan;
    tm_assert_eq(tm_fault_plan_parse(&plan, script, sizeof script - 1, "script", 1), 0);
    venue_fixture_t *f = bad_market(N, 1, plan);
    rig_init(&r);
    r.cfg.life_ns = 200 * TM_NS_PER_MS;
    r.cfg.overlap_ns = 100 * TM_NS_PER_MS;
    r.cfg.idle_ns = 500 * TM_NS_PER_MS;
    venue_fixture_url(f, false, "/stream?streams=btcusdt@trade", r.url);
    rig_open(&r);
    tm_assert_eq(last(&r), TM_E_CLOSED);
    tm_assert_eq(missing_cnt(&r, N), 0u);
    tm_assert_eq(count(&r, "idle_cut"), 1u);
    tm_assert_eq(count(&r, "disconnects"), 1u);
    tm_assert(count(&r, "rotations") >= 2);
    rig_fini(&r);
    tm_assert_eq(venue_fixture_wait(f), 0);
    free(plan);
}

Test(feed_rotate, two_addresses_bring_every_message_twice_and_say_which_is_which)
{
    enum { N = 3000 };
    static rig_t r;
    char a[512], b[512];
    venue_fixture_t *f = market(N, 2);
    rig_init(&r);
    r.cfg.ca_file = venue_fixture_ca(f);
    snprintf(r.url, sizeof r.url, "%s,%s",
             venue_fixture_url(f, true, "/stream?streams=btcusdt@trade", a),
             venue_fixture_url(f, false, "/stream?streams=btcusdt@trade", b));
    rig_open(&r);
    tm_assert_eq(last(&r), TM_E_CLOSED);
    for (int i = 0; i < N; i++) tm_assert_eq(r.came[i], 2);
    tm_assert_eq(r.told[TM_FEED_UP], 2u);
    tm_assert_eq(r.last[TM_FEED_UP].group, 0);
    tm_assert_eq(r.last[TM_FEED_UP].trade_rule, TM_ID_DENSE);
    tm_assert(r.was_up[0] && r.was_up[1]);
    rig_fini(&r);
    tm_assert_eq(venue_fixture_wait(f), 0);
}

Test(feed_rotate, a_second_address_that_nobody_listens_on_keeps_the_first_from_nothing)
{
    enum { N = 2000 };
    static rig_t r;
    char a[512];
    venue_fixture_t *f = market(N, 1);
    rig_init(&r);
    r.cfg.retry_max = 2;
    snprintf(r.url, sizeof r.url, "ws://127.0.0.1:1/ws/btcusdt@trade,%s",
             venue_fixture_url(f, false, "/stream?streams=btcusdt@trade", a));
    rig_open(&r);
    int rc = last(&r);
    tm_assert_eq(rc, -ECONNREFUSED); /* told at the end, when all is in */
    for (int i = 0; i < N; i++) tm_assert_eq(r.came[i], 1);
    rig_fini(&r);
    tm_assert_eq(venue_fixture_wait(f), 0);
}

Test(feed_rotate, streams_that_the_exchange_does_not_know_are_named)
{
    static const char *const streams[] = {"btcusdt@trade,BTCUSDT@trade", "nosuch@depth"};
    static rig_t r;
    venue_fixture_t *f = market(3000, 1);
    rig_init(&r);
    r.cfg.streams = streams;
    r.cfg.stream_cnt = 2;
    r.cfg.stream_ns = 300 * TM_NS_PER_MS;
    venue_fixture_url(f, false, "", r.url);
    rig_open(&r);
    tm_assert_eq(last(&r), TM_E_CLOSED);
    tm_assert_eq(count(&r, "streams_silent"), 2u);
    tm_assert_eq(r.told[TM_FEED_SILENT], 1u);
    tm_assert_eq(r.last[TM_FEED_SILENT].from_id, 2u);
    tm_assert_eq(r.last[TM_FEED_SILENT].to_id, 3u);
    rig_fini(&r);
    tm_assert_eq(venue_fixture_wait(f), 0);
}

/* ---- what a venue announces ------------------------------------------------------------------ */

static _Atomic int life;
static const char *announcement;

static void script_shutdown(bad_peer_t *p)
{
    int n = atomic_fetch_add(&life, 1);
    if (!bad_peer_upgrade(p)) return;
    bad_peer_frame(p, 0x81, "{\"a\":1}", 7);
    if (n == 0) {
        bad_peer_frame(p, 0x81, announcement, strlen(announcement));
        bad_peer_frame(p, 0x81, "{\"b\":2}", 7);
        bad_peer_wait(p);
        return;
    }
    usleep(300000);
    bad_peer_frame(p, 0x88, "\x03\xe8", 2);
    bad_peer_wait(p);
}

static void shutdown_rotates(const char *text)
{
    static rig_t r;
    announcement = text;
    atomic_store(&life, 0);
    bad_server_t *s = bad_server_open(&(bad_server_cfg_t){.script = script_shutdown});
    rig_init(&r);
    r.cfg.overlap_ns = 50 * TM_NS_PER_MS;
    snprintf(r.url, sizeof r.url, "ws://127.0.0.1:%u/ws", bad_server_port(s));
    rig_open(&r);
    tm_assert_eq(last(&r), TM_E_CLOSED);
    tm_assert_eq(r.frame_cnt, 3u); /* the announcement is not for the parser */
    tm_assert_eq(r.told[TM_FEED_LEAVES], 1u);
    tm_assert_eq(r.told[TM_FEED_ROTATED], 1u);
    tm_assert_eq(count(&r, "rotations"), 1u);
    tm_assert_eq(count(&r, "disconnects"), 0u);
    tm_assert_eq(atomic_load(&life), 2);
    rig_fini(&r);
    bad_server_close(s);
}

Test(feed_rotate, a_shutdown_that_is_announced_in_either_shape_rotates_at_once)
{
    shutdown_rotates("{\"e\":\"serverShutdown\",\"E\":1770123456789}");
    shutdown_rotates(
        "{\"stream\":\"!serverShutdown\",\"data\":{\"e\":\"serverShutdown\",\"E\":1}}");
}

/* A venue that wants a text ping, has it answered, and complains about something once. */
static void script_okx(bad_peer_t *p)
{
    static const char ack[] = "{\"event\":\"subscribe\",\"arg\":{\"channel\":\"trades\"}}",
                      bad[] = "{\"event\":\"error\",\"code\":\"60012\",\"msg\":\"no\"}",
                      data[] = "{\"arg\":{\"channel\":\"trades\",\"instId\":\"A\"},\"data\":[]}";
    char text[256];
    if (!bad_peer_upgrade(p)) return;
    if (bad_peer_read_frame(p, text, sizeof text) < 0) return;
    bad_peer_keep(p, text);
    bad_peer_frame(p, 0x81, ack, sizeof ack - 1);
    bad_peer_frame(p, 0x81, bad, sizeof bad - 1);
    bad_peer_frame(p, 0x81, data, sizeof data - 1);
    bad_peer_frame(p, 0x88, "\x03\xe8", 2);
    bad_peer_wait(p);
}

Test(feed_rotate, another_venue_is_spoken_to_in_its_own_words)
{
    static const char *const streams[] = {"trades:A"};
    static rig_t r;
    bad_server_t *s = bad_server_open(&(bad_server_cfg_t){.script = script_okx});
    rig_init(&r);
    r.cfg.venue = "okx";
    r.cfg.streams = streams;
    r.cfg.stream_cnt = 1;
    snprintf(r.url, sizeof r.url, "ws://127.0.0.1:%u", bad_server_port(s));
    rig_open(&r);
    tm_assert_eq(last(&r), TM_E_CLOSED);
    tm_assert_eq(r.frame_cnt, 1u);
    tm_assert_eq(count(&r, "venue_errors"), 1u);
    tm_assert_str(bad_server_seen(s),
                  "{\"op\":\"subscribe\",\"args\":[{\"channel\":\"trades\",\"instId\":\"A\"}]}");
    tm_assert_eq(r.last[TM_FEED_UP].trade_rule, TM_ID_SPARSE);
    rig_fini(&r);
    bad_server_close(s);
}

Test(feed_rotate, a_venue_that_is_not_known_is_refused_by_name)
{
    static rig_t r;
    rig_init(&r);
    r.cfg.venue = "nyse";
    snprintf(r.url, sizeof r.url, "ws://127.0.0.1:1");
    tm_assert_eq(tm_feed_open(&r.source, &r.cfg), TM_E_CONFIG);
    expect_text("nyse");
    expect_text("kraken");
    tm_counter_set_free(r.counters);
}
