/* What the venue does to the bytes and messages of a client that is made of nothing but bytes. */
#include "base/clock.h"
#include "base/error.h"
#include "tests/net/raw_client.h"
#include "tests/net/venue_fixture.h"
#include "tests/tm_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ID_MAX = 4000, TEXT_SZ = 70000 };

/* A market of one symbol's trades, whose ids are contiguous, that begins with its first client. */
typedef struct bed {
    venue_fixture_t *venue;
    tm_fault_plan_t *plan;
    raw_client_t *client;
} bed_t;

static void bed_open(bed_t *b, const char *script, const char *target, uint64_t seed)
{
    int rc = tm_fault_plan_parse(&b->plan, script, strlen(script), "script", seed);
    if (rc < 0) printf("# %s\n", tm_error_text());
    tm_assert_eq(rc, 0);
    const tm_venue_cfg_t cfg = {
        .tls_off = true,
        .wait_client_cnt = 1,
        .faults = b->plan,
        .source.generator = {.seed = 5, .symbol_cnt = 1, .trade_percent = 100, .rate = 5000}};
    b->venue = venue_fixture_open(&cfg);
    b->client = raw_client_open(venue_fixture_ports(b->venue)->plain, target);
}

static void bed_close(bed_t *b)
{
    raw_client_close(b->client);
    tm_assert_eq(venue_fixture_close(b->venue), 0);
    free(b->plan);
}

static uint64_t number_of(const char *text, const char *key)
{
    const char *at = strstr(text, key);
    return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

/* Trade ids of the next messages, as places from the first; -1 for one without. */
static void ids_take(bed_t *b, int *ids, int cnt)
{
    static char text[TEXT_SZ];
    uint64_t first_id = 0;
    for (int i = 0; i < cnt;) {
        int first = raw_client_read(b->client, text, sizeof text, 5000);
        if (first == 0x89) continue;
        tm_assert_eq(first, 0x81);
        uint64_t id = number_of(text, "\"t\":");
        if (i == 0) first_id = id - 1;
        bool whole = id != 0 && text[strlen(text) - 1] == '}';
        ids[i++] = whole ? (int)(id - first_id) : -1;
    }
}

static void expect_ids(const int *ids, const int *wanted, int cnt)
{
    for (int i = 0; i < cnt; i++)
        if (ids[i] != wanted[i]) printf("# place %d: %d, not %d\n", i, ids[i], wanted[i]);
    tm_assert(memcmp(ids, wanted, (size_t)cnt * sizeof *ids) == 0);
}

Test(venue_fault, messages_are_doubled_left_out_and_out_of_order_where_the_script_says)
{
    static const struct {
        const char *script;
        int wanted[16];
    } cases[] = {
        {"1 message 5 duplicate 2", {1, 2, 3, 4, 5, 5, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14}},
        {"1 message 5 gap 3", {1, 2, 3, 4, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19}},
        {"1 message 5 reorder", {1, 2, 3, 4, 6, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}},
        {"1 message 5 reorder 3", {1, 2, 3, 4, 6, 7, 8, 5, 9, 10, 11, 12, 13, 14, 15, 16}},
        {"1 message 5 stale 4", {1, 2, 3, 4, 5, 6, 7, 8, 9, 5, 10, 11, 12, 13, 14, 15}},
        {"1 every 5 duplicate", {1, 2, 3, 4, 5, 5, 6, 7, 8, 9, 10, 10, 11, 12, 13, 14}},
        {"1 message 5 json truncated", {1, 2, 3, 4, -1, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}},
        {"1 message 5 json empty", {1, 2, 3, 4, -1, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}},
        {"1 message 5 json deep", {1, 2, 3, 4, -1, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}},
        {"1 message 3 gap\n1 message 5 duplicate\n1 message 6 reorder",
         {1, 2, 4, 5, 5, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15, 16}},
        {"2 message 5 gap 3", {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}},
    };
    for (size_t i = 0; i < TM_ARRAY_CNT(cases); i++) {
        bed_t b;
        int ids[16];
        bed_open(&b, cases[i].script, "/ws/btcusdt@trade", 1);
        ids_take(&b, ids, 16);
        printf("# case %zu\n", i);
        expect_ids(ids, cases[i].wanted, 16);
        bed_close(&b);
    }
}

Test(venue_fault, the_same_seed_does_the_same_and_another_one_something_else)
{
    static const char script[] = "any some 40 gap 2\nany some 60 duplicate\nany some 50 reorder 2\n"
                                 "any some 70 stale 9\nany some 90 json any";
    static int ids[3][ID_MAX];
    for (int run = 0; run < 3; run++) {
        bed_t b;
        bed_open(&b, script, "/ws/btcusdt@trade", run < 2 ? 11 : 12);
        ids_take(&b, ids[run], ID_MAX);
        static const char *const kinds[] = {"fault_gap", "fault_duplicate", "fault_reorder",
                                            "fault_stale", "fault_json"};
        for (size_t i = 0; i < TM_ARRAY_CNT(kinds); i++)
            tm_assert(venue_fixture_count(b.venue, kinds[i]) > 10);
        bed_close(&b);
    }
    expect_ids(ids[1], ids[0], ID_MAX);
    tm_assert(memcmp(ids[2], ids[0], sizeof ids[0]) != 0);
}

Test(venue_fault, a_shutdown_is_announced_raw_and_wrapped)
{
    static const struct {
        const char *target, *begin;
    } cases[] = {
        {"/ws/btcusdt@trade", "{\"e\":\"serverShutdown\",\"E\":"},
        {"/stream?streams=btcusdt@trade",
         "{\"stream\":\"!serverShutdown\",\"data\":{\"e\":\"serverShutdown\",\"E\":"},
    };
    for (size_t i = 0; i < TM_ARRAY_CNT(cases); i++) {
        static char text[TEXT_SZ];
        bed_t b;
        bed_open(&b, "any message 3 server-shutdown", cases[i].target, 1);
        for (int n = 0; n < 3; n++)
            tm_assert_eq(raw_client_read(b.client, text, sizeof text, 5000), 0x81);
        tm_assert(strncmp(text, cases[i].begin, strlen(cases[i].begin)) == 0);
        tm_assert_eq(raw_client_read(b.client, text, sizeof text, 5000), 0x81);
        tm_assert(strstr(text, "\"t\":") != NULL); /* the third trade follows */
        bed_close(&b);
    }
}

Test(venue_fault, a_clock_jumps_an_hour_back_and_comes_back)
{
    static char text[TEXT_SZ];
    bed_t b;
    bed_open(&b, "any message 10 jump -1h\nany message 20 jump 0s", "/ws/btcusdt@trade", 1);
    int64_t now_ms = tm_clock_real_ns() / TM_NS_PER_MS;
    for (int n = 1; n <= 30; n++) {
        tm_assert_eq(raw_client_read(b.client, text, sizeof text, 5000), 0x81);
        int64_t off_ms = (int64_t)number_of(text, "\"E\":") - now_ms;
        bool back = n >= 10 && n < 20;
        tm_assert(off_ms > (back ? -3700000 : -60000) && off_ms < (back ? -3500000 : 60000));
    }
    bed_close(&b);
}

Test(venue_fault, a_flood_has_as_many_pings_as_the_script_says)
{
    static char text[TEXT_SZ];
    int pings = 0;
    bed_t b;
    bed_open(&b, "any message 10 ping-flood 3000", "/ws/btcusdt@trade", 1);
    for (int n = 0; n < 8000; n++) {
        int first = raw_client_read(b.client, text, sizeof text, 5000);
        tm_assert(first == 0x81 || first == 0x89);
        pings += first == 0x89 && strlen(text) == 125;
    }
    tm_assert_eq(pings, 3000);
    bed_close(&b);
}

/* Bytes of the answer's head and of whole frames until the stream ends. */
static uint64_t bytes_until_end(raw_client_t *c, int *last)
{
    static char text[TEXT_SZ];
    uint64_t bytes = 0;
    while ((*last = raw_client_read(c, text, sizeof text, 5000)) >= 0)
        bytes += 2 + (strlen(text) > 125 ? 2u : 0u) + strlen(text);
    return bytes;
}

Test(venue_fault, a_connection_is_cut_at_the_byte_that_the_script_says)
{
    static const char *const ends[] = {"cut", "rst"};
    for (size_t i = 0; i < TM_ARRAY_CNT(ends); i++) {
        char script[64];
        int last;
        bed_t b;
        snprintf(script, sizeof script, "any byte 20001 %s", ends[i]);
        bed_open(&b, script, "/ws/btcusdt@trade", 1);
        uint64_t bytes = bytes_until_end(b.client, &last);
        tm_assert_eq(last, -1);
        /* A head of 129 bytes; what is missing is less than a frame. A reset may overtake bytes. */
        if (i == 0) tm_assert(bytes + 129 <= 20001 && bytes + 129 + 300 > 20001);
        tm_assert_eq(venue_fixture_count(b.venue, i ? "fault_rst" : "fault_cut"), 1u);
        bed_close(&b);
    }
}

Test(venue_fault, a_drip_brings_as_many_bytes_a_second_as_the_script_says)
{
    static char text[TEXT_SZ];
    bed_t b;
    uint64_t bytes = 0;
    bed_open(&b, "any message 1 drip 4000", "/ws/btcusdt@trade", 1);
    int64_t begin_ns = tm_clock_mono_ns();
    while (tm_clock_mono_ns() - begin_ns < TM_NS_PER_S) {
        int first = raw_client_read(b.client, text, sizeof text, 5000);
        tm_assert_eq(first, 0x81);
        bytes += 4 + strlen(text);
    }
    tm_assert(bytes > 2000 && bytes < 8000);
    bed_close(&b);
}

Test(venue_fault, a_stall_ends_and_nothing_is_missing_behind_it)
{
    bed_t b;
    int ids[500];
    int64_t begin_ns = tm_clock_mono_ns();
    bed_open(&b, "any message 20 stall 400ms", "/ws/btcusdt@trade", 1);
    ids_take(&b, ids, 500);
    tm_assert(tm_clock_mono_ns() - begin_ns > 400 * TM_NS_PER_MS);
    for (int i = 0; i < 500; i++) tm_assert_eq(ids[i], i + 1);
    bed_close(&b);
}

Test(venue_fault, an_outage_refuses_connects_and_ends)
{
    int last;
    bed_t b;
    bed_open(&b, "1 message 10 outage 500ms", "/ws/btcusdt@trade", 1);
    uint16_t port = venue_fixture_ports(b.venue)->plain;
    (void)bytes_until_end(b.client, &last);
    tm_assert_eq(last, -1);
    raw_client_close(b.client);
    int64_t begin_ns = tm_clock_mono_ns();
    int refused = 0;
    while (!raw_client_can_connect(port)) {
        refused++;
        tm_assert(tm_clock_mono_ns() - begin_ns < 5 * TM_NS_PER_S);
    }
    tm_assert(refused > 0);
    b.client = raw_client_open(port, "/ws/btcusdt@trade");
    tm_assert_eq(raw_client_status(b.client), 101);
    bed_close(&b);
}
