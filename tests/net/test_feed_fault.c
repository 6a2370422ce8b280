/* Every fault of the venue, and what a feed says to it: the code, the message, the counter. */
#include "base/clock.h"
#include "base/error.h"
#include "net/feed/feed.h"
#include "net/simulated/fault_frame.h"
#include "tests/net/venue_fixture.h"
#include "tests/tm_test.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BURST = 64 };

typedef struct rig {
    venue_fixture_t *venue;
    tm_fault_plan_t *plan;
    tm_counter_set_t *counters;
    tm_source_t *source;
    char url[512];
    const char *urls[1];
    tm_feed_cfg_t cfg;
} rig_t;

static void rig_init(rig_t *r, const char *script, bool tls)
{
    int rc = tm_fault_plan_parse(&r->plan, script, strlen(script), "script", 3);
    if (rc < 0) printf("# %s\n", tm_error_text());
    tm_assert_eq(rc, 0);
    const tm_venue_cfg_t venue = {
        .wait_client_cnt = 1,
        .faults = r->plan,
        .source.generator = {.seed = 5, .symbol_cnt = 1, .trade_percent = 100, .rate = 2000}};
    r->venue = venue_fixture_open(&venue);
    r->counters = tm_counter_set_new("rig");
    r->urls[0] = venue_fixture_url(r->venue, tls, "/ws/btcusdt@trade", r->url);
    r->source = NULL;
    r->cfg = (tm_feed_cfg_t){
        .urls = r->urls,
        .url_cnt = 1,
        .ca_file = venue_fixture_ca(r->venue),
        .counters = r->counters,
        .frame_sz_max = 60000,
        /* Short where it is waited for; else a busy machine has time. */
        .deadline_ms = strstr(script, "silent") || strstr(script, "drip 9") ? 400 : 5000,
        .idle_ns = TM_NS_PER_S,
        .retry_first_ns = 20 * TM_NS_PER_MS,
        .retry_cap_ns = 50 * TM_NS_PER_MS,
        .seed = 1};
}

static void rig_fini(rig_t *r)
{
    tm_source_close(r->source);
    tm_counter_set_free(r->counters);
    tm_assert_eq(venue_fixture_close(r->venue), 0);
    free(r->plan);
}

static uint64_t count(const rig_t *r, const char *name)
{
    return tm_counter_read(tm_counter_get(r->counters, name));
}

/* Opens and polls until the end, or until so many frames came. Returns frames or the code. */
static int take(rig_t *r, int cnt)
{
    int rc = r->source ? 0 : tm_feed_open(&r->source, &r->cfg), seen = 0;
    int64_t end_ns = tm_clock_mono_ns() + 10 * TM_NS_PER_S;
    while (rc >= 0 && seen < cnt && tm_clock_mono_ns() < end_ns) {
        tm_frame_t frames[BURST];
        rc = tm_source_poll(r->source, frames, BURST, 20 * TM_NS_PER_MS);
        seen += rc > 0 ? rc : 0;
    }
    return rc < 0 ? rc : seen;
}

/* With every end final. */
static void expect_end(const char *script, bool tls, int code, const char *word)
{
    rig_t r;
    rig_init(&r, script, tls);
    int rc = take(&r, 5000);
    if (rc != code || !strstr(tm_error_text(), word))
        printf("# %s (%s): %d %s\n", script, tls ? "wss" : "ws", rc, tm_error_text());
    tm_assert_eq(rc, code);
    tm_assert(strstr(tm_error_text(), word) != NULL);
    for (uint32_t i = 0; i < r.plan->rule_cnt; i++)
        tm_assert_eq(venue_fixture_count(r.venue, tm_fault_what_counter(r.plan->rules[i].what)),
                     1u);
    rig_fini(&r);
}

Test(feed_fault, connections_that_cannot_begin_end_with_their_reason)
{
    static const struct {
        const char *script;
        bool tls;
        int code;
        const char *word;
    } cases[] = {
        {"any accept alert", true, TM_E_TLS, "alert"},
        {"any accept bad-cert name", true, TM_E_TLS, "localhost"},
        {"any accept bad-cert expired", true, TM_E_TLS, "expired"},
        {"any accept bad-cert authority", true, TM_E_TLS, "--ca-file"},
        {"any accept silent", false, TM_E_TIMEOUT, "upgrade: no answer within 0.4 s"},
        {"any accept silent", true, TM_E_TIMEOUT, "TLS handshake: no answer within 0.4 s"},
        {"any accept garbage", false, TM_E_PROTOCOL, "upgrade"},
        {"any accept garbage", true, TM_E_TLS, "TLS handshake"},
        {"any byte 1 drip 9", false, TM_E_TIMEOUT, "upgrade: no answer within 0.4 s"},
        {"any byte 1 drip 90", true, TM_E_TIMEOUT, "TLS handshake: no answer within 0.4 s"},
        {"any upgrade silent", true, TM_E_TIMEOUT, "upgrade: no answer within 0.4 s"},
        {"any upgrade garbage", true, TM_E_PROTOCOL, "upgrade"},
        {"any upgrade status 429 retry-after 7", true, TM_E_HTTP, "Retry-After: 7"},
        {"any upgrade status 503", false, TM_E_HTTP, "503"},
        {"any upgrade status 451", true, TM_E_HTTP, "451"},
        {"any upgrade bad-accept", true, TM_E_PROTOCOL, "Sec-WebSocket-Accept"},
    };
    for (size_t i = 0; i < TM_ARRAY_CNT(cases); i++)
        expect_end(cases[i].script, cases[i].tls, cases[i].code, cases[i].word);
}

Test(feed_fault, a_reset_in_the_handshake_is_a_broken_connection_whoever_hears_of_it_first)
{
    for (int n = 0; n < 40; n++) {
        rig_t r;
        rig_init(&r, "any accept refuse", n % 2);
        int rc = take(&r, 1); /* a send, a receive, or the connect itself where all is slow */
        if (rc != -ECONNRESET) printf("# %d %s\n", rc, tm_error_text());
        tm_assert_eq(rc, -ECONNRESET);
        rig_fini(&r);
    }
}

Test(feed_fault, streams_that_break_end_with_their_reason)
{
    static const struct {
        const char *script;
        int code_plain, code_tls;
        const char *word;
    } cases[] = {
        {"any message 50 cut", -ECONNRESET, -ECONNRESET, "cut without a close frame"},
        {"any message 50 rst", -ECONNRESET, -ECONNRESET, "connection"},
        {"any byte 9000 cut", -ECONNRESET, -ECONNRESET, "cut without a close frame"},
        {"any byte 9000 rst", -ECONNRESET, -ECONNRESET, "connection"},
        {"any byte 9000 half-open", TM_E_TIMEOUT, TM_E_TIMEOUT, "silent for 1.0 s"},
        {"any message 50 drip 20", TM_E_TIMEOUT, TM_E_TIMEOUT, "silent for 1.0 s"},
        {"any message 50 stall 20s", TM_E_TIMEOUT, TM_E_TIMEOUT, "silent for 1.0 s"},
        {"any message 50 close 1001", TM_E_CLOSED, TM_E_CLOSED, "1001 going away"},
        {"any message 50 close 1000", TM_E_CLOSED, TM_E_CLOSED, "1000 normal closure"},
        {"any after 100ms close 1008", TM_E_PROTOCOL, TM_E_PROTOCOL, "1008 policy violation"},
        {"any message 50 bomb 70000", TM_E_LIMIT, TM_E_LIMIT, "the limit is 60000"},
        {"any message 50 outage 100ms", -ECONNRESET, -ECONNRESET, "cut without a close frame"},
    };
    for (size_t i = 0; i < TM_ARRAY_CNT(cases); i++) {
        expect_end(cases[i].script, false, cases[i].code_plain, cases[i].word);
        expect_end(cases[i].script, true, cases[i].code_tls, cases[i].word);
    }
    expect_end("any byte 9000 corrupt", true, TM_E_TLS, "record");
}

Test(feed_fault, every_bad_frame_ends_the_stream_and_is_answered)
{
    for (uint32_t kind = 0; kind < tm_fault_frame_cnt(); kind++) {
        char script[64];
        bool big = tm_fault_frame_code(kind, false) == 1009;
        snprintf(script, sizeof script, "any message 20 frame %s", tm_fault_frame_name(kind));
        expect_end(script, kind % 2, big ? TM_E_LIMIT : TM_E_PROTOCOL, "WebSocket peer sent");
    }
}

Test(feed_fault, a_cut_at_any_byte_is_lived_through)
{
    /* One connection after another is cut a little later: in the handshakes, in the upgrade's
       answer, in the header and the payload of messages, between records. */
    static char script[TM_FAULT_RULE_MAX * 32];
    for (int tls = 0; tls < 2; tls++) {
        size_t n = 0;
        int cuts = 100, step = tls ? 31 : 7;
        for (int i = 0; i < cuts; i++)
            n += (size_t)snprintf(script + n, sizeof script - n, "%d byte %d %s\n", i + 2,
                                  1 + i * step, i % 2 ? "rst" : "cut");
        snprintf(script + n, sizeof script - n, "1 message 5 cut\n");
        rig_t r;
        rig_init(&r, script, tls);
        r.cfg.retry_max = 1000;
        r.cfg.retry_first_ns = r.cfg.retry_cap_ns = TM_NS_PER_MS;
        int rc = 0;
        for (int64_t end_ns = tm_clock_mono_ns() + 30 * TM_NS_PER_S;
             rc >= 0 && venue_fixture_count(r.venue, "clients") < (unsigned)cuts + 2;) {
            rc = take(&r, 1);
            tm_assert(tm_clock_mono_ns() < end_ns);
        }
        if (rc >= 0) rc = take(&r, 100);
        if (rc < 0) printf("# %s\n", tm_error_text());
        tm_assert(rc >= 100);
        tm_assert_eq(venue_fixture_count(r.venue, "fault_cut"), (unsigned)cuts / 2 + 1);
        tm_assert_eq(venue_fixture_count(r.venue, "fault_rst"), (unsigned)cuts / 2);
        rig_fini(&r);
    }
}

Test(feed_fault, what_can_be_lived_through_is_counted_and_retried)
{
    static const char script[] = "1 message 100 cut\n2 accept refuse\n3 accept silent\n"
                                 "4 upgrade status 503\n5 message 30 frame any\n"
                                 "6 message 40 rst\n7 message 10 half-open\n8 upgrade bad-accept\n"
                                 "9 message 50 close 1001\n10 message 20 outage 200ms\n"
                                 "any some 100 ping-flood 10\n";
    rig_t r;
    rig_init(&r, script, true);
    r.cfg.retry_max = 100;
    int64_t end_ns = tm_clock_mono_ns() + 30 * TM_NS_PER_S;
    while (venue_fixture_count(r.venue, "fault_outage") == 0) {
        tm_assert(take(&r, 1) >= 0);
        tm_assert(tm_clock_mono_ns() < end_ns);
    }
    int rc = take(&r, 500);
    if (rc < 500) printf("# %d %s\n", rc, tm_error_text());
    tm_assert(rc >= 500);
    tm_assert_eq(count(&r, "disconnects"), 6u); /* 1, 5, 6, 7, 9, 10 */
    tm_assert_eq(count(&r, "reconnects"), 6u);
    tm_assert_eq(count(&r, "idle_cut"), 1u);
    tm_assert(count(&r, "connect_failures") >= 4u); /* 2, 3, 4, 8, and those of the outage */
    tm_assert_eq(count(&r, "attempts"), 7u + count(&r, "connect_failures"));
    rig_fini(&r);
}

Test(feed_fault, floods_drips_and_short_stalls_cost_no_message)
{
    static const char *const scripts[] = {
        "any message 20 ping-flood 20000", "any message 20 stall 200ms",
        "any byte 9000 stall 200ms",       "any message 20 drip 60000",
        "any message 20 jump 1h",          "any message 20 drip 60000\nany message 30 ping-flood"};
    for (size_t i = 0; i < TM_ARRAY_CNT(scripts); i++) {
        rig_t r;
        rig_init(&r, scripts[i], i % 2);
        int rc = take(&r, 600);
        if (rc < 600) printf("# %s: %d %s\n", scripts[i], rc, tm_error_text());
        tm_assert(rc >= 600);
        tm_assert_eq(count(&r, "disconnects"), 0u);
        rig_fini(&r);
    }
}
