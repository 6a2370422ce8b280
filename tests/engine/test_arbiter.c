/* Copies, gaps and order of several connections against a model that remembers every id. */
#include "engine/runtime/source/arbiter.h"
#include "tests/engine/test_seed.h"
#include "tests/tm_test.h"

#include <string.h>

enum { ID_MAX = 4000, GAP_MAX = 4096, SYMBOL_CNT = 3 };

/* ---- a bench for the arbiter ----------------------------------------------------------------- */

typedef struct bench {
    tm_arbiter_t *arbiter;
    tm_counter_set_t *counters;
    tm_gap_t gaps[GAP_MAX];
    uint32_t gap_cnt;
    int64_t now_ns;
} bench_t;

static void on_gap(void *ctx, const tm_gap_t *gap)
{
    bench_t *b = ctx;
    tm_assert(b->gap_cnt < GAP_MAX);
    tm_assert(gap->from_id <= gap->to_id);
    tm_assert_eq(gap->row.kind, TM_ROW_GAP);
    b->gaps[b->gap_cnt++] = *gap;
}

static void bench_open(bench_t *b)
{
    memset(b, 0, sizeof *b);
    b->now_ns = 1;
    b->counters = tm_counter_set_new("arbiter");
    const tm_arbiter_cfg_t cfg = {.counters = b->counters, .gap = on_gap, .ctx = b};
    tm_assert_eq(tm_arbiter_open(&b->arbiter, &cfg), 0);
}

static void bench_close(bench_t *b)
{
    tm_arbiter_close(b->arbiter);
    tm_counter_set_free(b->counters);
}

static uint64_t count(const bench_t *b, const char *name)
{
    return tm_counter_read(tm_counter_get(b->counters, name));
}

static void lane_set(bench_t *b, uint32_t lane, bool up)
{
    const tm_feed_row_t row = {.conn_idx = lane,
                               .lane = (uint8_t)lane,
                               .what = up ? TM_FEED_UP : TM_FEED_DOWN,
                               .trade_rule = TM_ID_DENSE,
                               .quote_rule = TM_ID_SPARSE};
    tm_arbiter_feed(b->arbiter, &row, b->now_ns);
}

static bool trade(bench_t *b, uint32_t conn, uint32_t symbol, uint64_t id)
{
    const tm_market_row_t row = {
        .trade = {.row = {.schema_id = TM_SCHEMA_ID_TRADE, .symbol = symbol}, .trade_id = id}};
    tm_arbiter_frame(b->arbiter, conn, false);
    return tm_arbiter_take(b->arbiter, &row.row, b->now_ns);
}

static bool quote(bench_t *b, uint32_t conn, uint32_t symbol, uint64_t id)
{
    const tm_market_row_t row = {
        .quote = {.row = {.schema_id = TM_SCHEMA_ID_QUOTE, .symbol = symbol}, .update_id = id}};
    tm_arbiter_frame(b->arbiter, conn, false);
    return tm_arbiter_take(b->arbiter, &row.row, b->now_ns);
}

static bool book(bench_t *b, uint32_t conn, const tm_arbiter_ids_t *ids, tm_id_rule_t rule)
{
    const tm_row_t row = {.schema_id = 3, .symbol = 1};
    tm_arbiter_frame(b->arbiter, conn, false);
    bool taken = tm_arbiter_take_ids(b->arbiter, &row, ids, rule, b->now_ns);
    /* The second row of the same message. */
    tm_assert_eq(tm_arbiter_take_ids(b->arbiter, &row, ids, rule, b->now_ns), taken);
    return taken;
}

static bool range(bench_t *b, uint32_t conn, uint64_t first, uint64_t last)
{
    return book(b, conn, &(tm_arbiter_ids_t){.first = first, .last = last}, TM_ID_RANGE);
}

/* ---- random feeds ---------------------------------------------------------------------------- */

/* What one connection carries: a position in each symbol's stream, sometimes down, sometimes
   skipping, each with a lag of its own. */
typedef struct lane {
    bool up;
    uint64_t at[SYMBOL_CNT];
} lane_t;

typedef struct model {
    uint8_t taken[SYMBOL_CNT][ID_MAX]; /* times */
    bool offered[SYMBOL_CNT][ID_MAX];
    uint8_t told[SYMBOL_CNT][ID_MAX];
    uint64_t first[SYMBOL_CNT], last[SYMBOL_CNT]; /* ids that were offered */
} model_t;

static void gaps_take(bench_t *b, model_t *m)
{
    for (uint32_t i = 0; i < b->gap_cnt; i++)
        for (uint64_t id = b->gaps[i].from_id; id <= b->gaps[i].to_id; id++) {
            tm_assert_eq(m->taken[b->gaps[i].row.symbol][id], 0);
            m->told[b->gaps[i].row.symbol][id]++;
        }
    b->gap_cnt = 0;
}

static void lane_offers(bench_t *b, model_t *m, lane_t *lane, uint32_t conn, uint64_t head)
{
    uint32_t s = (uint32_t)draw(SYMBOL_CNT);
    if (!lane->up || lane->at[s] > head) return;
    if (draw(150) == 0) lane->at[s] += 1 + draw(4); /* the venue leaves some out */
    uint64_t id = lane->at[s]++;
    if (id > head) return;
    bool taken = trade(b, conn, s, id);
    gaps_take(b, m);
    if (m->first[s] == 0 || id < m->first[s]) m->first[s] = id;
    if (id > m->last[s]) m->last[s] = id;
    m->offered[s][id] = true;
    m->taken[s][id] += taken;
}

static void feeds_run(uint32_t lane_cnt)
{
    static model_t m;
    bench_t b;
    lane_t lanes[4] = {0};
    memset(&m, 0, sizeof m);
    bench_open(&b);
    uint64_t head = 10;
    for (int step = 0; step < 20000; step++, b.now_ns += TM_NS_PER_MS) {
        if (draw(8) == 0 && head < ID_MAX - 1) head++;
        uint32_t i = (uint32_t)draw(lane_cnt);
        lane_t *lane = &lanes[i];
        if (!lane->up && (draw(60) == 0 || step == 0)) {
            lane->up = true;
            for (uint32_t s = 0; s < SYMBOL_CNT; s++) lane->at[s] = head + 1;
            lane_set(&b, i, true);
        } else if (lane->up && draw(2000) == 0) {
            lane->up = false;
            lane_set(&b, i, false);
            gaps_take(&b, &m);
        }
        for (uint64_t n = draw(4); n > 0; n--) lane_offers(&b, &m, lane, i, head);
        tm_arbiter_tick(b.arbiter, b.now_ns);
        gaps_take(&b, &m);
    }
    b.now_ns += 10 * TM_NS_PER_S;
    tm_arbiter_tick(b.arbiter, b.now_ns);
    gaps_take(&b, &m);
    uint64_t offered = 0, told = 0;
    for (uint32_t s = 0; s < SYMBOL_CNT; s++) {
        for (uint64_t id = m.first[s]; id > 0 && id <= m.last[s]; id++) {
            tm_assert_eq(m.taken[s][id], m.offered[s][id]); /* once, and none is left out */
            tm_assert(m.offered[s][id] || m.told[s][id] == 1);
            tm_assert(m.told[s][id] <= 1);
            offered += m.offered[s][id];
            told += m.told[s][id];
        }
    }
    tm_assert(offered > 1000);
    tm_assert_eq(count(&b, "gap_messages"), told);
    if (lane_cnt > 1) tm_assert(count(&b, "copies_dropped") > 0);
    bench_close(&b);
}

Test(arbiter, every_trade_that_any_connection_brings_is_taken_once_and_the_rest_is_told)
{
    seed_take();
    for (int round = 0; round < 40; round++) feeds_run(1 + (uint32_t)round % 4);
}

/* ---- one thing at a time --------------------------------------------------------------------- */

Test(arbiter, the_first_copy_wins_and_the_other_one_is_counted)
{
    bench_t b;
    bench_open(&b);
    lane_set(&b, 0, true);
    lane_set(&b, 2, true);
    for (uint64_t id = 100; id < 200; id++) {
        tm_assert(trade(&b, id & 1 ? 0 : 2, 1, id));
        tm_assert(!trade(&b, id & 1 ? 2 : 0, 1, id));
        tm_assert(quote(&b, id & 1 ? 0 : 2, 1, id * 7));
        tm_assert(!quote(&b, id & 1 ? 2 : 0, 1, id * 7));
    }
    tm_assert_eq(count(&b, "copies_dropped"), 200u);
    tm_assert_eq(count(&b, "gaps"), 0u);
    bench_close(&b);
}

Test(arbiter, a_hole_of_one_connection_waits_for_the_other_and_is_told_once_that_passed_it)
{
    bench_t b;
    bench_open(&b);
    lane_set(&b, 0, true);
    lane_set(&b, 2, true);
    tm_assert(trade(&b, 0, 1, 10));
    tm_assert(trade(&b, 0, 1, 20));
    tm_assert_eq(b.gap_cnt, 0u);
    for (uint64_t id = 11; id < 15; id++) tm_assert(trade(&b, 2, 1, id));
    tm_assert_eq(b.gap_cnt, 0u);
    tm_assert(trade(&b, 2, 1, 18)); /* within what the first one lacks */
    tm_assert_eq(b.gap_cnt, 1u);
    tm_assert_eq(b.gaps[0].from_id, 15u);
    tm_assert_eq(b.gaps[0].to_id, 17u);
    tm_assert(!trade(&b, 2, 1, 20));
    tm_assert_eq(b.gap_cnt, 2u);
    tm_assert_eq(b.gaps[1].from_id, 19u);
    tm_assert(trade(&b, 2, 1, 16)); /* out of order, and better late than never */
    tm_assert_eq(count(&b, "gap_filled"), 1u);
    bench_close(&b);
}

Test(arbiter, a_hole_is_told_when_the_connection_that_might_fill_it_dies_or_says_nothing)
{
    bench_t b;
    bench_open(&b);
    lane_set(&b, 0, true);
    lane_set(&b, 2, true);
    tm_assert(trade(&b, 2, 1, 1));
    tm_assert(trade(&b, 0, 1, 5));
    tm_assert_eq(b.gap_cnt, 0u);
    lane_set(&b, 2, false);
    tm_assert_eq(b.gap_cnt, 1u);
    lane_set(&b, 2, true);
    tm_assert(trade(&b, 0, 1, 9));
    tm_arbiter_tick(b.arbiter, b.now_ns + TM_NS_PER_S);
    tm_assert_eq(b.gap_cnt, 1u);
    tm_arbiter_tick(b.arbiter, b.now_ns + 3 * TM_NS_PER_S);
    tm_assert_eq(b.gap_cnt, 2u);
    tm_assert_eq(b.gaps[1].from_id, 6u);
    tm_assert_eq(b.gaps[1].to_id, 8u);
    bench_close(&b);
}

Test(arbiter, the_end_of_a_recorded_connection_takes_its_own_lane_of_its_own_feed)
{
    const tm_feed_row_t down = {.conn_idx = 1, .what = TM_FEED_DOWN}; /* all that a journal says */
    bench_t b;
    bench_open(&b);
    lane_set(&b, 0, true);
    lane_set(&b, 1, true);
    tm_assert(trade(&b, 0, 1, 5) && trade(&b, 0, 1, 9));
    tm_arbiter_tick(b.arbiter, b.now_ns);
    tm_assert_eq(b.gap_cnt, 0u); /* the other one may bring it */
    tm_arbiter_feed(b.arbiter, &down, b.now_ns);
    tm_assert_eq(b.gap_cnt, 1u);
    tm_assert(tm_arbiter_streams(b.arbiter, 0) && !tm_arbiter_streams(b.arbiter, 1));
    bench_close(&b);
}

Test(arbiter, ids_that_begin_anew_are_believed_of_the_only_connection_and_stale_otherwise)
{
    bench_t b;
    bench_open(&b);
    lane_set(&b, 0, true);
    tm_assert(trade(&b, 0, 1, 900000000));
    lane_set(&b, 0, false);
    lane_set(&b, 0, true);
    tm_assert(trade(&b, 0, 1, 900000001));
    tm_assert(!trade(&b, 0, 1, 5));
    tm_assert_eq(count(&b, "stale_ids"), 1u);
    lane_set(&b, 0, false);
    lane_set(&b, 0, true);
    tm_assert(trade(&b, 0, 1, 5));
    tm_assert(trade(&b, 0, 1, 6));
    tm_assert_eq(count(&b, "id_restarts"), 1u);
    tm_assert_eq(b.gap_cnt, 0u);
    lane_set(&b, 2, true);
    tm_assert(!trade(&b, 2, 1, 6));
    tm_assert(trade(&b, 2, 1, 7));
    bench_close(&b);
}

Test(arbiter, a_lone_connection_loses_nothing_whatever_its_ids)
{
    bench_t b;
    bench_open(&b);
    seed_take();
    lane_set(&b, 0, true);
    for (int i = 0; i < 20000; i++) {
        uint64_t id = 1 + draw(3000000);
        tm_assert(trade(&b, 0, 1, id));
        tm_assert(quote(&b, 0, 1, id));
        tm_assert(range(&b, 0, id, id + draw(3)));
        b.gap_cnt = 0;
    }
    tm_assert(trade(&b, 0, 1, 7));
    tm_assert(trade(&b, 0, 1, 7));
    tm_assert_eq(count(&b, "copies_dropped") + count(&b, "stale_ids") + count(&b, "held_back"), 0u);
    tm_assert(count(&b, "id_repeats") > 0);
    bench_close(&b);
}

Test(arbiter, of_two_addresses_each_id_goes_on_once_also_before_the_second_is_up)
{
    const tm_feed_row_t up = {.what = TM_FEED_UP, .endpoint_cnt = 2, .trade_rule = TM_ID_DENSE};
    bench_t b;
    bench_open(&b);
    tm_arbiter_feed(b.arbiter, &up, b.now_ns);
    tm_assert(trade(&b, 0, 1, 7) && !trade(&b, 0, 1, 7)); /* the exchange sends it twice */
    bench_close(&b);
}

Test(arbiter, of_two_connections_in_disorder_only_what_is_known_to_have_come_is_left_out)
{
    static bool came[2 * ID_MAX + 1];
    bench_t b;
    bench_open(&b);
    seed_take();
    lane_set(&b, 0, true);
    lane_set(&b, 2, true);
    memset(came, 0, sizeof came);
    uint32_t dropped = 0;
    for (int i = 0; i < 6 * ID_MAX; i++) {
        uint64_t id = 1 + draw(2 * ID_MAX);
        bool taken = trade(&b, i & 1 ? 2 : 0, 1, id);
        tm_assert(taken || came[id]);
        came[id] = true;
        dropped += !taken;
        b.gap_cnt = 0;
    }
    tm_assert(dropped > 0 && count(&b, "ids_unsure") > 0);
    bench_close(&b);
}

Test(arbiter, a_book_goes_on_in_order_only_and_the_other_connection_fills_what_one_lacks)
{
    bench_t b;
    bench_open(&b);
    lane_set(&b, 0, true);
    lane_set(&b, 2, true);
    tm_assert(range(&b, 0, 10, 12));
    tm_assert(!range(&b, 2, 10, 12));
    tm_assert(!range(&b, 0, 20, 25)); /* 13 to 19 may still come */
    tm_assert(range(&b, 2, 13, 19));
    tm_assert(range(&b, 2, 20, 25));
    tm_assert(range(&b, 0, 26, 27));
    tm_assert_eq(b.gap_cnt, 0u);
    tm_assert_eq(count(&b, "held_back"), 1u);
    lane_set(&b, 2, false);
    tm_assert(range(&b, 0, 30, 31));
    tm_assert_eq(b.gap_cnt, 1u);
    tm_assert_eq(b.gaps[0].from_id, 28u);
    tm_assert_eq(b.gaps[0].to_id, 29u);
    bench_close(&b);
}

Test(arbiter, a_book_does_not_wait_longer_than_its_patience)
{
    bench_t b;
    bench_open(&b);
    lane_set(&b, 0, true);
    lane_set(&b, 2, true);
    tm_assert(range(&b, 0, 1, 2));
    tm_assert(!range(&b, 0, 5, 6));
    b.now_ns += 3 * TM_NS_PER_S;
    tm_assert(range(&b, 0, 7, 8));
    tm_assert_eq(b.gap_cnt, 1u);
    tm_assert_eq(b.gaps[0].from_id, 3u);
    tm_assert_eq(b.gaps[0].to_id, 6u);
    bench_close(&b);
}

Test(arbiter, futures_chains_follow_the_previous_id_whatever_the_ranges_say)
{
    bench_t b;
    bench_open(&b);
    lane_set(&b, 0, true);
    tm_assert(book(&b, 0, &(tm_arbiter_ids_t){.first = 10, .last = 15, .prev = 7}, TM_ID_CHAIN));
    tm_assert(book(&b, 0, &(tm_arbiter_ids_t){.first = 18, .last = 20, .prev = 15}, TM_ID_CHAIN));
    tm_assert_eq(b.gap_cnt, 0u);
    tm_assert(book(&b, 0, &(tm_arbiter_ids_t){.first = 40, .last = 41, .prev = 33}, TM_ID_CHAIN));
    tm_assert_eq(b.gap_cnt, 1u);
    tm_assert_eq(b.gaps[0].from_id, 21u);
    tm_assert_eq(b.gaps[0].to_id, 33u);
    bench_close(&b);
}

/* A batch of a book as the parser gives it: the head and one level. */
static bool batch(bench_t *b, uint32_t conn, const tm_depth_t *like)
{
    tm_market_row_t head = {.depth = *like}, level = {0};
    head.row.schema_id = TM_SCHEMA_ID_DEPTH;
    level.row.schema_id = TM_SCHEMA_ID_LEVEL;
    tm_arbiter_frame(b->arbiter, conn, false);
    bool taken = tm_arbiter_take(b->arbiter, &head.row, b->now_ns);
    tm_assert_eq(tm_arbiter_take(b->arbiter, &level.row, b->now_ns), taken);
    return taken;
}

Test(arbiter, levels_of_a_book_go_where_their_head_goes_by_the_chain_that_it_names)
{
    bench_t b;
    bench_open(&b);
    lane_set(&b, 0, true);
    lane_set(&b, 2, true);
    const tm_depth_t spot = {.first_id = 5, .last_id = 9, .chain = TM_CHAIN_RANGE};
    tm_assert(batch(&b, 0, &spot));
    tm_assert(!batch(&b, 2, &spot));
    /* Whole books of the same symbol are another matter. */
    const tm_depth_t whole = {.last_id = 7, .snapshot = 1, .chain = TM_CHAIN_NONE};
    tm_assert(batch(&b, 0, &whole));
    tm_assert(!batch(&b, 2, &whole));
    const tm_depth_t nameless = {.chain = TM_CHAIN_NONE};
    tm_assert(batch(&b, 0, &nameless));
    tm_assert(batch(&b, 2, &nameless));
    bench_close(&b);
}

Test(arbiter, a_book_that_was_asked_for_and_ends_before_the_changes_begin_is_a_gap)
{
    static const struct {
        tm_depth_t change;
        uint64_t book_id, from, to; /* to 0 = no gap */
    } cases[] = {
        /* Spot: U 105, u 109. */
        {{.first_id = 105, .last_id = 109, .chain = TM_CHAIN_RANGE}, 103, 104, 104},
        {{.first_id = 105, .last_id = 109, .chain = TM_CHAIN_RANGE}, 104, 0, 0},
        {{.first_id = 105, .last_id = 109, .chain = TM_CHAIN_RANGE}, 107, 0, 0},
        {{.first_id = 105, .last_id = 109, .chain = TM_CHAIN_RANGE}, 200, 0, 0},
        /* Futures: there are ids between messages; the one before ended with pu 98. */
        {{.first_id = 105, .last_id = 109, .prev_id = 98, .chain = TM_CHAIN_PREV}, 98, 0, 0},
        {{.first_id = 105, .last_id = 109, .prev_id = 98, .chain = TM_CHAIN_PREV}, 101, 102, 104},
        {{.first_id = 105, .last_id = 109, .prev_id = 98, .chain = TM_CHAIN_PREV}, 105, 0, 0},
    };
    for (size_t i = 0; i < TM_ARRAY_CNT(cases); i++) {
        bench_t b;
        bench_open(&b);
        lane_set(&b, 0, true);
        tm_assert(batch(&b, 0, &cases[i].change));
        const tm_market_row_t whole = {.depth = {.row = {.schema_id = TM_SCHEMA_ID_DEPTH},
                                                 .last_id = cases[i].book_id,
                                                 .snapshot = 1}};
        /* As a message of its own stream (a partial book) it says nothing about the changes. */
        tm_arbiter_frame(b.arbiter, 0, false);
        tm_assert(tm_arbiter_take(b.arbiter, &whole.row, b.now_ns));
        tm_assert_eq(b.gap_cnt, 0u);
        tm_arbiter_frame(b.arbiter, 0, true);
        tm_assert(tm_arbiter_take(b.arbiter, &whole.row, b.now_ns));
        tm_assert_eq(b.gap_cnt, cases[i].to ? 1u : 0u);
        tm_assert_eq(b.gaps[0].from_id, cases[i].from);
        tm_assert_eq(b.gaps[0].to_id, cases[i].to);
        bench_close(&b);
    }
}

Test(arbiter, a_service_that_restarts_sends_whole_books_with_small_ids_and_each_copy_counts_once)
{
    bench_t b;
    bench_open(&b);
    lane_set(&b, 0, true);
    lane_set(&b, 2, true);
    const tm_depth_t first = {.last_id = 100, .snapshot = 1, .chain = TM_CHAIN_STEP},
                     next = {.last_id = 101, .chain = TM_CHAIN_STEP},
                     again = {.last_id = 1, .snapshot = 1, .chain = TM_CHAIN_STEP},
                     more = {.last_id = 2, .chain = TM_CHAIN_STEP};
    tm_assert(batch(&b, 0, &first));
    tm_assert(batch(&b, 0, &next));
    tm_assert(!batch(&b, 2, &first)); /* an older whole book of a connection that is new */
    tm_assert(!batch(&b, 2, &next));
    tm_assert(batch(&b, 0, &again));
    tm_assert(batch(&b, 0, &more));
    tm_assert(!batch(&b, 2, &again));
    tm_assert(!batch(&b, 2, &more));
    tm_assert_eq(b.gap_cnt, 0u);
    bench_close(&b);
}

Test(arbiter, rows_of_connections_that_nobody_announced_all_pass)
{
    bench_t b;
    bench_open(&b);
    tm_assert(trade(&b, 7, 1, 5));
    tm_assert(trade(&b, 7, 1, 5));
    tm_assert(trade(&b, 1000000, 1, 5));
    bench_close(&b);
}

Test(arbiter, symbols_beyond_its_table_pass_and_are_counted)
{
    bench_t b;
    bench_open(&b);
    lane_set(&b, 0, true);
    for (uint32_t s = 0; s < TM_ARBITER_TRACK_MAX + 5; s++) tm_assert(trade(&b, 0, s, 5));
    tm_assert_eq(count(&b, "arbiter_full"), 5u);
    lane_set(&b, 2, true);
    tm_assert(!trade(&b, 2, 0, 5));
    bench_close(&b);
}
