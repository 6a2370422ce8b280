/* Whole books that are asked for beside their stream: from a simulated exchange that leaves
   messages out, over sockets, through feed, parser and arbiter, into books. The truth is the same
   market made once more: one seed gives one market. */
#include "base/clock.h"
#include "base/error.h"
#include "base/market.h"
#include "base/symbol.h"
#include "engine/runtime/source/arbiter.h"
#include "net/feed/feed.h"
#include "net/simulated/fault_plan.h"
#include "parse/book.h"
#include "parse/parser.h"
#include "parse/venues/venues.h"
#include "tests/net/venue_fixture.h"
#include "tests/tm_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SYMBOL_MAX = 64, FRAME_MAX = 64, WAIT_MAX = 1 << 15, TIME_MAX_S = 30 };

/* ---- the exchange and the feed --------------------------------------------------------------- */

typedef struct rig {
    tm_venue_cfg_t venue;
    const char *venue_name; /* of the feed's side */
    tm_fault_plan_t *plan;
    venue_fixture_t *fixture;
    tm_symbols_t *symbols;
    tm_parser_t *parser;
    tm_arbiter_t *arbiter;
    tm_counter_set_t *counters;
    tm_source_t *source;
    tm_book_t *books[SYMBOL_MAX];
    uint64_t gap_cnt, snapshot_cnt;
    char url[8192];
} rig_t;

static tm_market_row_t rows[TM_PARSER_ROW_MAX];

static void on_gap(void *ctx, const tm_gap_t *gap)
{
    rig_t *r = ctx;
    r->gap_cnt++;
    tm_source_resync(r->source, gap->conn_idx, tm_symbols_name(r->symbols, gap->row.symbol, NULL));
}

static void rig_open(rig_t *r, const tm_venue_cfg_t *venue, const char *name, const char *script,
                     int64_t pause_ms)
{
    memset(r, 0, sizeof *r);
    r->venue = *venue;
    r->venue.tls_off = true;
    if (script) tm_assert_eq(tm_fault_plan_parse(&r->plan, script, strlen(script), "test", 1), 0);
    r->venue.faults = r->plan;
    r->fixture = venue_fixture_open(&r->venue);
    tm_assert_eq(tm_symbols_open(&r->symbols), 0);
    tm_assert((r->counters = tm_counter_set_new("test")) != NULL);
    const tm_parser_cfg_t parser = {
        .symbols = r->symbols, .counters = r->counters, .venue = tm_venue_binance()};
    tm_assert_eq(tm_parser_open(&r->parser, &parser), 0);
    const tm_arbiter_cfg_t arbiter = {.counters = r->counters, .gap = on_gap, .ctx = r};
    tm_assert_eq(tm_arbiter_open(&r->arbiter, &arbiter), 0);
    int n = snprintf(r->url, sizeof r->url,
                     "ws://127.0.0.1:%u/stream?streams=", venue_fixture_ports(r->fixture)->plain);
    tm_venue_generator_t *g;
    tm_assert_eq(tm_venue_generator_open(&g, &venue->source.generator), 0);
    for (uint32_t i = 0; i < venue->source.generator.symbol_cnt; i++)
        n += snprintf(r->url + n, sizeof r->url - (size_t)n, "%s%s@depth%s", i ? "/" : "",
                      tm_venue_generator_symbol(g, i), i % 2 ? "@100ms" : "");
    tm_venue_generator_close(g);
    const char *const urls[] = {r->url};
    const tm_feed_cfg_t cfg = {.urls = urls,
                               .url_cnt = 1,
                               .venue = name,
                               .books = true,
                               .counters = r->counters,
                               .resync_ns = pause_ms * TM_NS_PER_MS,
                               .seed = 1};
    tm_assert_eq(tm_feed_open(&r->source, &cfg), 0);
}

static void rig_close(rig_t *r)
{
    tm_source_close(r->source);
    (void)venue_fixture_close(r->fixture);
    for (int i = 0; i < SYMBOL_MAX; i++) free(r->books[i]);
    tm_arbiter_close(r->arbiter);
    tm_parser_close(r->parser);
    tm_symbols_close(r->symbols);
    tm_counter_set_free(r->counters);
    free(r->plan);
}

static uint64_t count(const rig_t *r, const char *name)
{
    return tm_counter_read(tm_counter_get(r->counters, name));
}

static void batch_take(rig_t *r, const tm_market_row_t *batch)
{
    const tm_book_cfg_t cfg = {.level_max = 1000, .wait_max = WAIT_MAX};
    uint32_t symbol = batch->row.symbol;
    tm_assert(symbol < SYMBOL_MAX);
    if (!r->books[symbol]) {
        void *mem = aligned_alloc(TM_CACHE_LINE,
                                  tm_align_up(tm_book_footprint(&cfg), TM_CACHE_LINE));
        tm_assert((r->books[symbol] = tm_book_init(mem, &cfg)) != NULL);
    }
    r->snapshot_cnt += batch->depth.snapshot;
    tm_assert(tm_book_apply(r->books[symbol], batch) != TM_BOOK_CROSSED);
}

/* Polls once, for at most that long. Returns what the source said. */
static int rig_poll(rig_t *r, int64_t wait_ns)
{
    static tm_frame_t frames[FRAME_MAX];
    tm_feed_row_t told[16];
    int n = tm_source_poll(r->source, frames, FRAME_MAX, wait_ns);
    uint32_t told_cnt = tm_source_rows(r->source, told, TM_ARRAY_CNT(told));
    for (uint32_t i = 0; i < told_cnt; i++)
        tm_arbiter_feed(r->arbiter, &told[i], tm_clock_mono_ns());
    for (int i = 0; i < n; i++) {
        uint32_t cnt = tm_parser_frame(r->parser, &frames[i], rows, TM_PARSER_ROW_MAX);
        tm_arbiter_frame(r->arbiter, frames[i].conn_idx, frames[i].asked);
        for (uint32_t k = 0; k < cnt; k += tm_market_lines(rows[k].row.schema_id))
            if (tm_arbiter_take(r->arbiter, &rows[k].row, frames[i].ingress_ns) &&
                rows[k].row.schema_id == TM_SCHEMA_ID_DEPTH)
                batch_take(r, &rows[k]);
    }
    return n;
}

static void rig_run(rig_t *r, int64_t time_ns)
{
    int64_t end_ns = tm_clock_mono_ns() + time_ns;
    while (tm_clock_mono_ns() < end_ns)
        if (rig_poll(r, 20 * TM_NS_PER_MS) == TM_E_CLOSED) return;
}

/* ---- the truth ------------------------------------------------------------------------------- */

static void expect_side(const tm_venue_book_t *truth, const tm_book_side_t *side, bool bids)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i < (bids ? truth->mid : TM_VENUE_BOOK_LEVELS - truth->mid); i++) {
        uint32_t level = bids ? truth->mid - 1 - i : truth->mid + i;
        if (truth->qty_e8[level] == 0) continue;
        tm_assert(at < tm_book_side_cnt(side));
        tm_assert_eq(tm_book_price(side, at), (truth->low_ticks + level) * truth->tick_e8);
        tm_assert_eq(tm_book_qty(side, at), truth->qty_e8[level]);
        at++;
    }
    tm_assert_eq(tm_book_side_cnt(side), at);
}

/* Every book that the feed has kept is the one that the exchange has at the end of its market. */
static void expect_books(const rig_t *r)
{
    tm_venue_generator_t *g;
    tm_venue_message_t m;
    uint32_t symbol_cnt = r->venue.source.generator.symbol_cnt;
    tm_assert_eq(tm_venue_generator_open(&g, &r->venue.source.generator), 0);
    tm_venue_generator_start(g, 0, 0);
    while (tm_venue_generator_next(g, 0, &m)) continue;
    for (uint32_t i = 0; i < symbol_cnt; i++) {
        tm_assert(r->books[i] != NULL);
        const char *name = tm_symbols_name(r->symbols, i, NULL);
        const tm_venue_book_t *truth = tm_venue_generator_book(g, name);
        if (!r->books[i]->ready) printf("# %s has no book\n", name);
        tm_assert(truth && r->books[i]->ready);
        tm_assert_eq(r->books[i]->id, truth->last_id);
        expect_side(truth, &r->books[i]->bids, true);
        expect_side(truth, &r->books[i]->asks, false);
    }
    tm_venue_generator_close(g);
}

static tm_venue_cfg_t market(uint32_t symbol_cnt, uint64_t message_cnt, bool futures)
{
    return (tm_venue_cfg_t){.source.generator = {.seed = 11,
                                                 .symbol_cnt = symbol_cnt,
                                                 .rate = 4000,
                                                 .message_cnt = message_cnt,
                                                 .time_base_ns = 1700000000 * TM_NS_PER_S,
                                                 .trade_percent = 10,
                                                 .depth_percent = 90,
                                                 .futures = futures},
                            .wait_client_cnt = 1};
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void books_mend(const char *venue_name, bool futures)
{
    const tm_venue_cfg_t venue = market(6, 12000, futures);
    rig_t r;
    rig_open(&r, &venue, venue_name,
             "1 message 2000 gap 3\n1 message 2500 gap 1\n"
             "1 message 4000 gap 40\n",
             100);
    rig_run(&r, TIME_MAX_S * TM_NS_PER_S);
    tm_assert(r.gap_cnt >= 3);
    tm_assert(r.snapshot_cnt > 6);
    tm_assert_eq(count(&r, "books_fetched"), r.snapshot_cnt);
    tm_assert_eq(count(&r, "books_failed"), 0u);
    tm_assert_eq(count(&r, "dead_letters"), 0u);
    expect_books(&r);
    rig_close(&r);
}

Test(feed_books, a_spot_book_with_gaps_is_whole_again_and_the_exchanges)
{
    books_mend("binance", false);
}

Test(feed_books, a_usdm_book_with_gaps_is_whole_again_and_the_exchanges)
{
    books_mend("binance-usdm", true);
}

Test(feed_books, a_coinm_book_with_gaps_is_whole_again_and_the_exchanges)
{
    books_mend("binance-coinm", true);
}

Test(feed_books, twenty_five_books_that_break_at_once_are_all_mended)
{
    const tm_venue_cfg_t venue = market(25, 24000, false);
    rig_t r;
    rig_open(&r, &venue, "binance", "1 message 9000 gap 900\n", 100);
    rig_run(&r, TIME_MAX_S * TM_NS_PER_S);
    tm_assert_eq(r.gap_cnt, 25u);
    tm_assert_eq(count(&r, "books_asked"), 50u);
    expect_books(&r);
    rig_close(&r);
}

Test(feed_books, fifty_books_that_break_at_once_ask_no_more_than_the_minute_allows)
{
    const tm_venue_cfg_t venue = market(50, 40000, false);
    rig_t r;
    rig_open(&r, &venue, "binance", "1 message 16000 gap 2500\n", 100);
    rig_run(&r, 9 * TM_NS_PER_S);
    tm_assert_eq(r.gap_cnt, 50u);
    tm_assert_eq(count(&r, "books_asked"), 60u); /* half of what the exchange allows */
    tm_assert_eq(venue_fixture_count(r.fixture, "books_refused"), 0u);
    tm_assert_eq(venue_fixture_count(r.fixture, "books_shown"), 60u);
    rig_close(&r);
}

Test(feed_books, a_refusal_is_obeyed_for_as_long_as_it_says)
{
    const tm_venue_cfg_t venue = market(3, 12000, false);
    rig_t r;
    /* The second connection is the first request for a book. */
    rig_open(&r, &venue, "binance", "2 upgrade status 429 retry-after 2\n", 100);
    int64_t refused_ns = 0;
    while (count(&r, "books_fetched") == 0) {
        tm_assert(rig_poll(&r, TM_NS_PER_MS) != TM_E_CLOSED);
        if (refused_ns == 0 && count(&r, "books_failed") > 0) refused_ns = tm_clock_mono_ns();
    }
    tm_assert(refused_ns > 0);
    tm_assert(tm_clock_mono_ns() - refused_ns >= 2 * TM_NS_PER_S - 50 * TM_NS_PER_MS);
    tm_assert_eq(count(&r, "books_failed"), 1u);
    tm_assert_eq(count(&r, "books_asked"), 2u);
    rig_close(&r);
}

Test(feed_books, a_book_that_cannot_be_had_is_not_asked_for_again)
{
    tm_venue_cfg_t venue = market(1, 8000, false);
    venue.source.generator.trade_percent = 100; /* no books at all: 400 */
    venue.source.generator.depth_percent = 0;
    rig_t r;
    rig_open(&r, &venue, "binance", NULL, 100);
    rig_run(&r, 1500 * TM_NS_PER_MS);
    tm_assert_eq(count(&r, "books_asked"), 1u);
    tm_assert_eq(count(&r, "books_failed"), 1u);
    rig_close(&r);
}

Test(feed_books, requests_that_break_in_every_way_leave_the_streams_alone)
{
    static const char *const scripts[] = {"2 accept refuse\n", "2 upgrade garbage\n",
                                          "2 byte 200 cut\n", "2 byte 700 rst\n",
                                          "2 upgrade status 503\n"};
    for (size_t i = 0; i < TM_ARRAY_CNT(scripts); i++) {
        const tm_venue_cfg_t venue = market(2, TIME_MAX_S * 4000, false);
        rig_t r;
        rig_open(&r, &venue, "binance", scripts[i], 50);
        printf("# %s", scripts[i]);
        while (count(&r, "books_fetched") < 2)
            tm_assert(rig_poll(&r, 20 * TM_NS_PER_MS) != TM_E_CLOSED);
        tm_assert_eq(count(&r, "books_failed"), 1u);
        tm_assert_eq(count(&r, "disconnects"), 0u);
        rig_close(&r);
    }
}
