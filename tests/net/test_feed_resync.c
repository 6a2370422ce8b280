/* Books that are asked for anew: of the right symbol, in the venue's words, never too often. */
#include "base/clock.h"
#include "base/error.h"
#include "net/feed/feed.h"
#include "net/feed/feed_venue.h"
#include "tests/net/bad_server.h"
#include "tests/tm_test.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAUSE_MS = 1000, MESSAGE_MAX = 64 };

/* What the venue was asked, and when. */
static struct {
    char text[256];
    int64_t at_ns;
} asked[MESSAGE_MAX];
static _Atomic int asked_cnt;

/* An exchange that acknowledges the first request, and keeps whatever comes. */
static void script(bad_peer_t *p)
{
    static const char ack[] = "{\"event\":\"subscribe\",\"arg\":{}}";
    char text[sizeof asked[0].text];
    if (!bad_peer_upgrade(p)) return;
    for (int op = 0; op >= 0;) {
        op = bad_peer_read_frame(p, text, sizeof text);
        if (op != 0x81) return;
        int i = atomic_load(&asked_cnt);
        if (i == MESSAGE_MAX) return;
        snprintf(asked[i].text, sizeof asked[i].text, "%s", text);
        asked[i].at_ns = tm_clock_mono_ns();
        atomic_store(&asked_cnt, i + 1);
        for (int k = 0; i == 0 && k < 4; k++) bad_peer_frame(p, 0x81, ack, sizeof ack - 1);
    }
}

static tm_source_t *open_feed(const bad_server_t *server, tm_counter_set_t *counters)
{
    static const char *const streams[] = {"books:BTC-USDT", "trades:BTC-USDT", "books:ETH-USDT",
                                          "books:ETH-USDT-SWAP"};
    static char url[64];
    static const char *const urls[] = {url};
    tm_source_t *source;
    snprintf(url, sizeof url, "ws://127.0.0.1:%u", bad_server_port(server));
    const tm_feed_cfg_t cfg = {.urls = urls,
                               .url_cnt = 1,
                               .venue = "okx",
                               .streams = streams,
                               .stream_cnt = TM_ARRAY_CNT(streams),
                               .counters = counters,
                               .resync_ns = PAUSE_MS * TM_NS_PER_MS};
    atomic_store(&asked_cnt, 0);
    int rc = tm_feed_open(&source, &cfg);
    if (rc < 0) printf("# %s\n", tm_error_text());
    tm_assert_eq(rc, 0);
    return source;
}

/* Polls until the venue was asked for so much, 10 s at most. */
static void poll_until(tm_source_t *source, int cnt)
{
    tm_frame_t frames[8];
    int64_t end_ns = tm_clock_mono_ns() + 10 * TM_NS_PER_S;
    while (atomic_load(&asked_cnt) < cnt) {
        tm_assert(tm_source_poll(source, frames, 8, 10 * TM_NS_PER_MS) >= 0);
        tm_assert(tm_clock_mono_ns() < end_ns);
    }
}

static void poll_for(tm_source_t *source, int64_t time_ns)
{
    tm_frame_t frames[8];
    int64_t end_ns = tm_clock_mono_ns() + time_ns;
    while (tm_clock_mono_ns() < end_ns)
        tm_assert(tm_source_poll(source, frames, 8, 10 * TM_NS_PER_MS) >= 0);
}

static void pair_is(int first, const char *instrument)
{
    static const char *const ops[] = {"unsubscribe", "subscribe"};
    for (int i = 0; i < 2; i++) {
        char expected[256];
        snprintf(expected, sizeof expected,
                 "{\"op\":\"%s\",\"args\":[{\"channel\":\"books\",\"instId\":\"%s\"}]}", ops[i],
                 instrument);
        tm_assert_str(asked[first + i].text, expected);
    }
}

Test(feed_resync, a_book_that_breaks_on_and_on_is_asked_for_alone_and_ever_more_rarely)
{
    tm_clock_init(); /* before the server has threads that read it */
    tm_counter_set_t *counters = tm_counter_set_new("resync");
    bad_server_t *server = bad_server_open(&(bad_server_cfg_t){.script = script});
    tm_source_t *source = open_feed(server, counters);
    for (int i = 0; i < 1000; i++) {
        tm_source_resync(source, 0, "BTC-USDT");
        tm_source_resync(source, 0, "DOGE-USDT"); /* whose book nobody subscribed to */
    }
    poll_until(source, 3);
    pair_is(1, "BTC-USDT");
    for (int i = 0; i < 1000; i++) tm_source_resync(source, 0, "BTC-USDT");
    poll_until(source, 5);
    pair_is(3, "BTC-USDT");
    tm_source_resync(source, 0, "BTC-USDT");
    poll_until(source, 7);
    pair_is(5, "BTC-USDT");
    poll_for(source, PAUSE_MS * TM_NS_PER_MS / 2);
    tm_assert_eq(atomic_load(&asked_cnt), 7);
    tm_assert_eq(tm_counter_read(tm_counter_get(counters, "resyncs")), 3u);
    /* A pause, then twice the pause; less what the pace of requests held the earlier one back. */
    const int64_t slack_ns = 450 * TM_NS_PER_MS, pause_ns = PAUSE_MS * TM_NS_PER_MS;
    tm_assert(asked[3].at_ns - asked[1].at_ns > pause_ns - slack_ns);
    tm_assert(asked[5].at_ns - asked[3].at_ns > 2 * pause_ns - slack_ns);
    tm_source_close(source);
    bad_server_close(server);
    tm_counter_set_free(counters);
}

Test(feed_resync, several_books_are_asked_for_one_after_the_other_within_the_venues_limits)
{
    tm_clock_init(); /* before the server has threads that read it */
    tm_counter_set_t *counters = tm_counter_set_new("resync");
    bad_server_t *server = bad_server_open(&(bad_server_cfg_t){.script = script});
    tm_source_t *source = open_feed(server, counters);
    tm_source_resync(source, 0, "ETH-USDT-SWAP");
    tm_source_resync(source, 0, "ETH-USDT");
    tm_source_resync(source, 0, "BTC-USDT");
    tm_source_resync(source, 7, "BTC-USDT"); /* no such connection */
    poll_until(source, 7);
    pair_is(1, "BTC-USDT");
    pair_is(3, "ETH-USDT");
    pair_is(5, "ETH-USDT-SWAP");
    const tm_feed_venue_t *okx = tm_feed_venue_find("okx");
    for (int i = (int)okx->send_max; i < 7; i++)
        tm_assert(asked[i].at_ns - asked[i - (int)okx->send_max].at_ns >
                  okx->send_span_ns - 100 * TM_NS_PER_MS);
    tm_source_close(source);
    bad_server_close(server);
    tm_counter_set_free(counters);
}
