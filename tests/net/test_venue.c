#include "base/clock.h"
#include "base/error.h"
#include "tests/net/capture_text.h"
#include "tests/net/raw_client.h"
#include "tests/net/venue_fixture.h"
#include "tests/tm_test.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A venue that has nothing to say, for the protocol alone: its schedule ends never and its first
   message is far away. */
static venue_fixture_t *silent_venue(const tm_venue_cfg_t *with)
{
    tm_venue_cfg_t cfg = *with;
    cfg.tls_off = true;
    cfg.source.generator.rate = 1000;
    cfg.wait_client_cnt = TM_VENUE_CLIENT_MAX;
    return venue_fixture_open(&cfg);
}

static void expect_reply(raw_client_t *c, const char *request, const char *reply)
{
    static char text[300000];
    raw_client_text(c, request);
    int first = raw_client_read(c, text, sizeof text, 5000);
    if (first != 0x81 || strcmp(text, reply) != 0)
        printf("# %s\n# gave %d %s\n# not  %s\n", request, first, text, reply);
    tm_assert_eq(first, 0x81);
    tm_assert_str(text, reply);
}

static void expect_close(raw_client_t *c, unsigned code, const char *reason)
{
    char text[200];
    int first;
    while ((first = raw_client_read(c, text, sizeof text, 5000)) == 0x81 || first == 0x89) continue;
    tm_assert_eq(first, 0x88);
    tm_assert_eq((unsigned)(uint8_t)text[0] << 8 | (uint8_t)text[1], code);
    tm_assert_str(text + 2, reason);
}

Test(venue, requests_get_the_replies_of_the_exchange)
{
    venue_fixture_t *f = silent_venue(&(tm_venue_cfg_t){0});
    raw_client_t *c = raw_client_open(venue_fixture_ports(f)->plain, "/ws");
    tm_assert_eq(raw_client_status(c), 101);
    expect_reply(
        c, "{\"method\":\"SUBSCRIBE\",\"params\":[\"btcusdt@aggTrade\",\"NOSUCH@x\"],\"id\":1}",
        "{\"result\":null,\"id\":1}");
    expect_reply(c, "{\"method\":\"LIST_SUBSCRIPTIONS\",\"id\":3}",
                 "{\"result\":[\"btcusdt@aggTrade\",\"NOSUCH@x\"],\"id\":3}");
    expect_reply(c, "{\"method\":\"UNSUBSCRIBE\",\"params\":[\"btcusdt@aggTrade\"],\"id\":312}",
                 "{\"result\":null,\"id\":312}");
    expect_reply(c, "{\"method\":\"LIST_SUBSCRIPTIONS\",\"id\":\"abc\"}",
                 "{\"result\":[\"NOSUCH@x\"],\"id\":\"abc\"}");
    usleep(1050000); /* five a second */
    expect_reply(c, "{\"method\":\"GET_PROPERTY\",\"params\":[\"combined\"],\"id\":2}",
                 "{\"result\":false,\"id\":2}");
    expect_reply(c, "{\"method\":\"SET_PROPERTY\",\"params\":[\"combined\",true],\"id\":5}",
                 "{\"result\":null,\"id\":5}");
    expect_reply(c, "{\"method\":\"GET_PROPERTY\",\"params\":[\"combined\"],\"id\":2}",
                 "{\"result\":true,\"id\":2}");
    usleep(1050000);
    expect_reply(c, "{\"method\":\"GET_PROPERTY\",\"params\":[\"color\"],\"id\":9}",
                 "{\"error\":{\"code\":0,\"msg\":\"Unknown property\"},\"id\":9}");
    expect_reply(
        c, "{\"method\":\"SET_PROPERTY\",\"params\":[\"combined\",1],\"id\":9}",
        "{\"error\":{\"code\":1,\"msg\":\"Invalid value type: expected Boolean\"},\"id\":9}");
    expect_reply(c, "nonsense",
                 "{\"error\":{\"code\":3,\"msg\":\"Invalid JSON: expected value at line 1 column "
                 "1\"},\"id\":null}");
    raw_client_close(c);
    tm_assert_eq(venue_fixture_close(f), 0);
}

Test(venue, paths_say_what_is_subscribed_and_others_are_not_found)
{
    venue_fixture_t *f = silent_venue(&(tm_venue_cfg_t){0});
    static const struct {
        const char *target, *list, *combined;
    } cases[] = {
        {"/ws/a@trade", "[\"a@trade\"]", "false"},
        {"/ws/a@trade/b@depth@100ms", "[\"a@trade\",\"b@depth@100ms\"]", "false"},
        {"/stream", "[]", "true"},
        {"/stream?timeUnit=MICROSECOND&streams=a@x/%21miniTicker%40arr/a@x",
         "[\"a@x\",\"!miniTicker@arr\"]", "true"},
    };
    char reply[200];
    for (size_t i = 0; i < TM_ARRAY_CNT(cases); i++) {
        raw_client_t *c = raw_client_open(venue_fixture_ports(f)->plain, cases[i].target);
        tm_assert_eq(raw_client_status(c), 101);
        snprintf(reply, sizeof reply, "{\"result\":%s,\"id\":1}", cases[i].list);
        expect_reply(c, "{\"method\":\"LIST_SUBSCRIPTIONS\",\"id\":1}", reply);
        snprintf(reply, sizeof reply, "{\"result\":%s,\"id\":2}", cases[i].combined);
        expect_reply(c, "{\"method\":\"GET_PROPERTY\",\"params\":[\"combined\"],\"id\":2}", reply);
        raw_client_close(c);
    }
    static const char *const missing[] = {"/", "/wss", "/streams?streams=a", "/api/v3/depth"};
    for (size_t i = 0; i < TM_ARRAY_CNT(missing); i++) {
        raw_client_t *c = raw_client_open(venue_fixture_ports(f)->plain, missing[i]);
        tm_assert_eq(raw_client_status(c), 404);
        raw_client_close(c);
    }
    tm_assert_eq(venue_fixture_close(f), 0);
}

Test(venue, a_connection_holds_1024_streams_and_no_more)
{
    venue_fixture_t *f = silent_venue(&(tm_venue_cfg_t){0});
    raw_client_t *c = raw_client_open(venue_fixture_ports(f)->plain, "/ws/one@more");
    static char request[32768];
    size_t n = (size_t)snprintf(request, sizeof request,
                                "{\"method\":\"SUBSCRIBE\",\"id\":1,\"params\":[\"s0@trade\"");
    for (int i = 1; i < 1023; i++)
        n += (size_t)snprintf(request + n, sizeof request - n, ",\"s%d@trade\"", i);
    snprintf(request + n, sizeof request - n, "]}");
    expect_reply(c, request, "{\"result\":null,\"id\":1}");
    expect_reply(c, "{\"method\":\"SUBSCRIBE\",\"params\":[\"too@many\"],\"id\":2}",
                 "{\"error\":{\"code\":2,\"msg\":\"Invalid request: too many streams on this "
                 "connection\"},\"id\":2}");
    static char list[65536];
    raw_client_text(c, "{\"method\":\"LIST_SUBSCRIPTIONS\",\"id\":3}");
    tm_assert_eq(raw_client_read(c, list, sizeof list, 5000), 0x81);
    int names = 0;
    for (const char *p = list; (p = strchr(p, '@')); p++) names++;
    tm_assert_eq(names, 1024);
    raw_client_close(c);
    tm_assert_eq(venue_fixture_close(f), 0);
}

Test(venue, more_than_five_messages_in_a_second_are_too_many)
{
    venue_fixture_t *f = silent_venue(&(tm_venue_cfg_t){0});
    raw_client_t *c = raw_client_open(venue_fixture_ports(f)->plain, "/ws");
    for (int i = 0; i < 4; i++) raw_client_text(c, "{\"method\":\"LIST_SUBSCRIPTIONS\",\"id\":1}");
    raw_client_send(c, 0x89, "x", 1); /* pings and pongs count */
    raw_client_send(c, 0x8a, "x", 1);
    char text[200];
    for (int i = 0; i < 4; i++) tm_assert_eq(raw_client_read(c, text, sizeof text, 5000), 0x81);
    int first = raw_client_read(c, text, sizeof text, 5000);
    if (first == 0x8a) first = raw_client_read(c, text, sizeof text, 5000);
    tm_assert_eq(first, 0x88);
    tm_assert_str(text + 2, "Too many requests");
    raw_client_close(c);
    tm_assert_eq(venue_fixture_close(f), 0);
}

Test(venue, pings_carry_the_time_and_who_does_not_answer_is_cut)
{
    const tm_venue_cfg_t cfg = {.ping_ns = 100 * TM_NS_PER_MS, .pong_ns = 300 * TM_NS_PER_MS};
    venue_fixture_t *f = silent_venue(&cfg);
    raw_client_t *good = raw_client_open(venue_fixture_ports(f)->plain, "/ws");
    raw_client_t *bad = raw_client_open(venue_fixture_ports(f)->plain, "/ws");
    char text[200];
    for (int i = 0; i < 4; i++) {
        tm_assert_eq(raw_client_read(good, text, sizeof text, 5000), 0x89);
        int64_t off_ms = llabs(strtoll(text, NULL, 10) - tm_clock_real_ns() / TM_NS_PER_MS);
        tm_assert_eq(strlen(text), 13u);
        tm_assert(off_ms < 2000);
        raw_client_send(good, 0x8a, text, strlen(text));
        raw_client_send(bad, 0x8a, "unasked", 7); /* allowed, but no sign of life */
        usleep(150000);
    }
    expect_close(bad, 1008, "Pong timeout");
    tm_assert_eq(venue_fixture_count(f, "clients_timeout"), 1u);
    while (raw_client_read(good, text, sizeof text, 0) == 0x89) continue; /* and no close */
    raw_client_text(good, "{\"method\":\"LIST_SUBSCRIPTIONS\",\"id\":1}");
    int first;
    while ((first = raw_client_read(good, text, sizeof text, 5000)) == 0x89) continue;
    tm_assert_eq(first, 0x81);
    raw_client_close(good);
    raw_client_close(bad);
    tm_assert_eq(venue_fixture_close(f), 0);
}

Test(venue, more_clients_than_the_limit_are_turned_away)
{
    venue_fixture_t *f = silent_venue(&(tm_venue_cfg_t){.queue_sz = 64 << 10});
    static raw_client_t *clients[TM_VENUE_CLIENT_MAX];
    for (int i = 0; i < TM_VENUE_CLIENT_MAX; i++) {
        clients[i] = raw_client_open(venue_fixture_ports(f)->plain, "/ws");
        tm_assert_eq(raw_client_status(clients[i]), 101);
    }
    raw_client_t *over = raw_client_open(venue_fixture_ports(f)->plain, "/ws");
    tm_assert_eq(raw_client_status(over), 0); /* no answer at all */
    raw_client_close(over);
    tm_assert_eq(venue_fixture_count(f, "clients_refused"), 1u);
    raw_client_close(clients[7]);
    for (int ms = 0; ms < 3000; ms += 20) { /* its place is free again once it was seen to go */
        usleep(20000);
        clients[7] = raw_client_open(venue_fixture_ports(f)->plain, "/ws");
        if (raw_client_status(clients[7]) == 101) break;
        raw_client_close(clients[7]);
        clients[7] = NULL;
    }
    tm_assert(clients[7] != NULL);
    for (int i = 0; i < TM_VENUE_CLIENT_MAX; i++) raw_client_close(clients[i]);
    tm_assert_eq(venue_fixture_close(f), 0);
}

Test(venue, a_seeded_market_reaches_two_clients_alike_and_ends_in_order)
{
    enum { N = 5000 };
    const tm_venue_cfg_t cfg = {
        .tls_off = true,
        .wait_client_cnt = 2,
        .source.generator = {.seed = 11,
                             .message_cnt = N,
                             .trade_percent = 50,
                             .time_base_ns = INT64_C(1700000000000000000)},
    };
    tm_venue_generator_t *g;
    tm_assert_eq(tm_venue_generator_open(&g, &cfg.source.generator), 0);
    tm_venue_generator_start(g, 0, 0);
    venue_fixture_t *f = venue_fixture_open(&cfg);
    uint16_t port = venue_fixture_ports(f)->plain;
    raw_client_t *raw = raw_client_open(port, "/ws/btcusdt@trade/ethusdt@bookTicker");
    raw_client_t *combined = raw_client_open(
        port, "/stream?streams=ethusdt@bookTicker/btcusdt@trade/nosuch@trade");
    tm_venue_message_t m;
    char text[1024];
    int seen = 0;
    while (tm_venue_generator_next(g, 0, &m)) {
        bool ours = (m.stream_sz == 13 && memcmp(m.stream, "btcusdt@trade", 13) == 0) ||
                    (m.stream_sz == 18 && memcmp(m.stream, "ethusdt@bookTicker", 18) == 0);
        if (!ours) continue;
        tm_assert_eq(raw_client_read(raw, text, sizeof text, 5000), 0x81);
        tm_assert_eq(strlen(text), m.data_sz);
        tm_assert(memcmp(text, m.data, m.data_sz) == 0);
        tm_assert_eq(raw_client_read(combined, text, sizeof text, 5000), 0x81);
        tm_assert_eq(strlen(text), m.sz);
        tm_assert(memcmp(text, m.text, m.sz) == 0);
        seen++;
    }
    tm_assert(seen > N / 10);
    expect_close(raw, 1000, "end of data");
    expect_close(combined, 1000, "end of data");
    raw_client_send(raw, 0x88, "\x03\xe8", 2);
    raw_client_send(combined, 0x88, "\x03\xe8", 2);
    tm_assert_eq(raw_client_read(raw, text, sizeof text, 5000), -1);
    raw_client_close(raw);
    raw_client_close(combined);
    tm_assert_eq(venue_fixture_count(f, "messages"), (uint64_t)N);
    tm_assert_eq(venue_fixture_wait(f), 0);
    tm_venue_generator_close(g);
}

Test(venue, a_client_that_does_not_read_is_cut_from_a_paced_market_only)
{
    tm_venue_cfg_t cfg = {.tls_off = true,
                          .queue_sz = 64 << 10,
                          .wait_client_cnt = 1,
                          .source.generator = {.seed = 5, .rate = 400000, .trade_percent = 100}};
    venue_fixture_t *f = venue_fixture_open(&cfg);
    raw_client_t *c = raw_client_open(venue_fixture_ports(f)->plain, "/ws/btcusdt@trade");
    for (int ms = 0; ms < 20000 && venue_fixture_count(f, "clients_slow") == 0; ms++) usleep(1000);
    tm_assert_eq(venue_fixture_count(f, "clients_slow"), 1u);
    raw_client_close(c);
    tm_assert_eq(venue_fixture_close(f), 0);

    cfg.source.generator.rate = 0;
    f = venue_fixture_open(&cfg);
    c = raw_client_open(venue_fixture_ports(f)->plain, "/ws/btcusdt@trade");
    uint64_t before = venue_fixture_settle(f); /* it holds the market back */
    tm_assert_eq(venue_fixture_count(f, "clients_slow"), 0u);
    char text[1024];
    for (int i = 0; i < 20000; i++) tm_assert_eq(raw_client_read(c, text, sizeof text, 5000), 0x81);
    tm_assert(venue_fixture_count(f, "messages") > before);
    raw_client_close(c);
    tm_assert_eq(venue_fixture_close(f), 0);
}

Test(venue, a_cut_capture_ends_with_1011_after_its_good_lines)
{
    char path[4096], cut[64] = "/tmp/tm-cut-XXXXXX";
    if (!tm_capture_path(tm_captures[0].file, path)) tm_skip("the shared captures are not here");
    static char bytes[50000];
    FILE *in = fopen(path, "rb");
    tm_assert_eq(fread(bytes, 1, sizeof bytes, in), sizeof bytes);
    fclose(in);
    int fd = mkstemp(cut);
    tm_assert_eq(write(fd, bytes, sizeof bytes), (ssize_t)sizeof bytes);
    close(fd);
    const tm_venue_cfg_t cfg = {.tls_off = true, .source.capture = cut};
    venue_fixture_t *f = venue_fixture_open(&cfg);
    raw_client_t *c = raw_client_open(venue_fixture_ports(f)->plain, "/ws/btcusdt@bookTicker");
    static char text[100000];
    int seen = 0;
    while (raw_client_read(c, text, sizeof text, 5000) == 0x81) seen++;
    tm_assert(seen > 100);
    tm_assert_eq((unsigned)(uint8_t)text[0] << 8 | (uint8_t)text[1], 1011u);
    raw_client_close(c);
    tm_assert_eq(venue_fixture_wait(f), TM_E_CORRUPT);
    unlink(cut);
}

Test(venue, a_port_in_use_and_a_missing_folder_are_named)
{
    venue_fixture_t *f = silent_venue(&(tm_venue_cfg_t){0});
    static const _Atomic bool stop = true;
    tm_venue_cfg_t cfg = {.tls_off = true, .plain_port = venue_fixture_ports(f)->plain};
    tm_assert_eq(tm_venue_run(&cfg, &stop), -98);
    tm_assert(strstr(tm_error_text(), "127.0.0.1") != NULL);
    cfg = (tm_venue_cfg_t){.state_dir = "/proc/nowhere/x"};
    tm_assert(tm_venue_run(&cfg, &stop) < 0);
    tm_assert(strstr(tm_error_text(), "/proc/nowhere") != NULL);
    cfg = (tm_venue_cfg_t){.tls_off = true, .host = "not-an-address"};
    tm_assert_eq(tm_venue_run(&cfg, &stop), TM_E_CONFIG);
    cfg = (tm_venue_cfg_t){.tls_off = true, .source.capture = "/nonexistent.gz"};
    tm_assert_eq(tm_venue_run(&cfg, &stop), -2);
    tm_assert_eq(venue_fixture_close(f), 0);
}
