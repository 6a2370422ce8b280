/* An arbiter that goes through checkpoints, beside one that nobody disturbs. */
#include "base/error.h"
#include "engine/runtime/source/arbiter.h"
#include "tests/engine/test_seed.h"
#include "tests/tm_test.h"

#include <string.h>

enum { SYMBOL_CNT = 5, CONN_CNT = 4, STEPS = 40000 };

/* What an arbiter has told so far; gaps in no order, as several may be told at once. */
typedef struct witness {
    tm_arbiter_t *arbiter;
    uint64_t gap_cnt, gap_sum;
} witness_t;

static void on_gap(void *ctx, const tm_gap_t *gap)
{
    witness_t *w = ctx;
    uint64_t h = gap->from_id * 0x9e3779b97f4a7c15u + gap->to_id;
    h = (h ^ gap->row.symbol ^ (uint64_t)gap->of_schema << 16 ^ (uint64_t)gap->group << 32) *
        0xbf58476d1ce4e5b9u;
    w->gap_cnt++;
    w->gap_sum += h ^ h >> 31;
}

static tm_arbiter_t *arbiter_new(tm_counter_set_t *counters, witness_t *w)
{
    const tm_arbiter_cfg_t cfg = {.counters = counters, .gap = on_gap, .ctx = w};
    tm_arbiter_t *arbiter;
    tm_assert_eq(tm_arbiter_open(&arbiter, &cfg), 0);
    return arbiter;
}

/* A feed of connections that come, go, lag, skip, repeat themselves and begin anew. */
typedef struct script {
    int64_t now_ns;
    uint64_t head[SYMBOL_CNT];
    uint64_t at[CONN_CNT][SYMBOL_CNT];
    bool up[CONN_CNT];
} script_t;

static tm_feed_row_t link_draw(script_t *s, uint32_t conn)
{
    s->up[conn] = !s->up[conn];
    for (uint32_t i = 0; i < SYMBOL_CNT && s->up[conn]; i++)
        s->at[conn][i] = s->head[i] > 200 ? s->head[i] - draw(200) : 1 + draw(3);
    return (tm_feed_row_t){.conn_idx = conn,
                           .group = (uint16_t)(conn / 2),
                           .lane = (uint8_t)(conn % 2),
                           .what = s->up[conn] ? TM_FEED_UP : TM_FEED_DOWN,
                           .trade_rule = TM_ID_DENSE,
                           .quote_rule = TM_ID_SPARSE};
}

static uint64_t id_draw(script_t *s, uint32_t conn, uint32_t symbol)
{
    if (draw(20000) == 0) s->head[symbol] = 1 + draw(100); /* the venue begins anew */
    if (draw(3) == 0) s->head[symbol]++;
    uint64_t *at = &s->at[conn][symbol];
    if (draw(40) == 0) *at += draw(5);
    if (draw(300) == 0) return 1 + draw(s->head[symbol] + 1);
    return *at < s->head[symbol] ? ++*at : s->head[symbol];
}

static bool row_take(tm_arbiter_t *arbiter, const script_t *s, uint32_t conn, uint32_t symbol,
                     uint64_t id, uint32_t kind)
{
    const tm_arbiter_ids_t ids = {
        .first = id, .last = id + id % 3, .prev = id - 1, .snapshot = id % 97 == 0};
    tm_market_row_t row = {.row = {.symbol = symbol, .schema_id = TM_SCHEMA_ID_USER}};
    tm_arbiter_frame(arbiter, conn, false);
    if (kind == 0) {
        row.trade.row.schema_id = TM_SCHEMA_ID_TRADE;
        row.trade.trade_id = id;
    } else if (kind == 1) {
        row.quote.row.schema_id = TM_SCHEMA_ID_QUOTE;
        row.quote.update_id = id * 3;
    } else {
        return tm_arbiter_take_ids(arbiter, &row.row, &ids, kind == 2 ? TM_ID_RANGE : TM_ID_CHAIN,
                                   s->now_ns);
    }
    return tm_arbiter_take(arbiter, &row.row, s->now_ns);
}

/* One thing that happens, to both. */
static void step(script_t *s, witness_t *a, witness_t *b)
{
    const uint32_t conn = (uint32_t)draw(CONN_CNT);
    s->now_ns += (int64_t)draw(20) * TM_NS_PER_MS;
    if (draw(400) == 0) s->now_ns -= 3 * TM_NS_PER_S; /* the clock is set back */
    if (draw(200) == 0) {
        const tm_feed_row_t row = link_draw(s, conn);
        tm_arbiter_feed(a->arbiter, &row, s->now_ns);
        tm_arbiter_feed(b->arbiter, &row, s->now_ns);
    } else if (draw(10) == 0) {
        tm_arbiter_tick(a->arbiter, s->now_ns);
        tm_arbiter_tick(b->arbiter, s->now_ns);
    } else if (s->up[conn]) {
        const uint32_t symbol = (uint32_t)draw(SYMBOL_CNT), kind = symbol % 4;
        const uint64_t id = id_draw(s, conn, symbol);
        const bool taken = row_take(a->arbiter, s, conn, symbol, id, kind);
        tm_assert_eq(row_take(b->arbiter, s, conn, symbol, id, kind), taken);
    }
    tm_assert_eq(a->gap_cnt, b->gap_cnt);
    tm_assert_eq(a->gap_sum, b->gap_sum);
}

static void move(witness_t *w, tm_counter_set_t *counters, tm_buffer_t *blob)
{
    tm_buffer_clear(blob);
    tm_assert_eq(tm_arbiter_save(w->arbiter, blob), 0);
    tm_arbiter_close(w->arbiter);
    w->arbiter = arbiter_new(counters, w);
    tm_assert_eq(tm_arbiter_restore(w->arbiter, blob->data, blob->sz), 0);
}

static void scripts_begin(script_t *s)
{
    memset(s, 0, sizeof *s);
    s->now_ns = 1000 * TM_NS_PER_S;
    for (uint32_t i = 0; i < SYMBOL_CNT; i++) s->head[i] = 1000 + draw(5000000);
}

Test(arbiter_state, one_that_goes_through_checkpoints_decides_as_one_that_does_not)
{
    tm_counter_set_t *counters = tm_counter_set_new("arbiter");
    tm_buffer_t blob = {0};
    script_t s;
    seed_take();
    scripts_begin(&s);
    witness_t still = {0}, moved = {0};
    still.arbiter = arbiter_new(counters, &still);
    moved.arbiter = arbiter_new(counters, &moved);
    for (int i = 0; i < STEPS; i++) {
        step(&s, &still, &moved);
        if (draw(600) == 0) move(&moved, counters, &blob);
    }
    tm_assert(still.gap_cnt > 100);
    tm_arbiter_close(still.arbiter);
    tm_arbiter_close(moved.arbiter);
    tm_buffer_free(&blob);
    tm_counter_set_free(counters);
}

Test(arbiter_state, what_is_cut_or_spoilt_is_refused_or_a_state_but_never_worse)
{
    tm_counter_set_t *counters = tm_counter_set_new("arbiter");
    tm_buffer_t blob = {0};
    script_t s;
    seed_take();
    scripts_begin(&s);
    witness_t w = {0}, twin = {0};
    w.arbiter = arbiter_new(counters, &w);
    twin.arbiter = arbiter_new(counters, &twin);
    for (int i = 0; i < STEPS / 10; i++) step(&s, &w, &twin);
    tm_assert_eq(tm_arbiter_save(w.arbiter, &blob), 0);
    for (size_t i = 0; i < 16; i++) {
        tm_arbiter_t *arbiter = arbiter_new(counters, &w);
        tm_assert(tm_arbiter_restore(arbiter, blob.data, draw(blob.sz)) < 0);
        tm_arbiter_close(arbiter);
        const size_t at = draw(blob.sz);
        const uint8_t was = blob.data[at];
        blob.data[at] ^= (uint8_t)(1 + draw(255));
        tm_arbiter_close(twin.arbiter);
        twin.arbiter = arbiter_new(counters, &twin);
        if (tm_arbiter_restore(twin.arbiter, blob.data, blob.sz) == 0)
            for (int k = 0; k < 100; k++)
                row_take(twin.arbiter, &s, (uint32_t)draw(CONN_CNT), (uint32_t)draw(SYMBOL_CNT),
                         1 + draw(s.head[0] + 100), (uint32_t)draw(2));
        tm_arbiter_tick(twin.arbiter, INT64_MAX);
        blob.data[at] = was;
    }
    tm_arbiter_close(w.arbiter);
    tm_arbiter_close(twin.arbiter);
    tm_buffer_free(&blob);
    tm_counter_set_free(counters);
}

Test(arbiter_state, of_another_version_is_refused_by_both_numbers)
{
    tm_counter_set_t *counters = tm_counter_set_new("arbiter");
    tm_buffer_t blob = {0};
    witness_t w = {0};
    w.arbiter = arbiter_new(counters, &w);
    tm_assert_eq(tm_arbiter_save(w.arbiter, &blob), 0);
    blob.data[0] = 7;
    tm_assert_eq(tm_arbiter_restore(w.arbiter, blob.data, blob.sz), TM_E_CONFIG);
    tm_assert(strstr(tm_error_text(), "version 7") && strstr(tm_error_text(), "reads 1"));
    tm_arbiter_close(w.arbiter);
    tm_buffer_free(&blob);
    tm_counter_set_free(counters);
}

Test(arbiter_state, behind_a_restart_old_ids_are_copies_and_the_time_between_is_one_gap)
{
    tm_counter_set_t *counters = tm_counter_set_new("arbiter");
    tm_buffer_t blob = {0};
    script_t s = {.now_ns = 1};
    const tm_feed_row_t up = {.what = TM_FEED_UP, .endpoint_cnt = 1, .trade_rule = TM_ID_DENSE};
    witness_t w = {0};
    w.arbiter = arbiter_new(counters, &w);
    tm_arbiter_feed(w.arbiter, &up, s.now_ns);
    for (uint64_t id = 100; id < 200; id++) tm_assert(row_take(w.arbiter, &s, 0, 1, id, 0));
    move(&w, counters, &blob);
    tm_assert(tm_arbiter_streams(w.arbiter, 0));
    tm_arbiter_cut(w.arbiter, s.now_ns);
    tm_assert(!tm_arbiter_streams(w.arbiter, 0));
    tm_arbiter_feed(w.arbiter, &up, s.now_ns);
    for (uint64_t id = 150; id < 200; id++) tm_assert(!row_take(w.arbiter, &s, 0, 1, id, 0));
    tm_assert_eq(w.gap_cnt, 0u);
    for (uint64_t id = 250; id < 300; id++) tm_assert(row_take(w.arbiter, &s, 0, 1, id, 0));
    tm_assert_eq(w.gap_cnt, 1u);
    move(&w, counters, &blob);
    tm_arbiter_cut(w.arbiter, s.now_ns);
    tm_arbiter_feed(w.arbiter, &up, s.now_ns);
    tm_assert(row_take(w.arbiter, &s, 0, 1, 300, 0));
    tm_arbiter_tick(w.arbiter, INT64_MAX);
    tm_assert_eq(w.gap_cnt, 1u);
    tm_arbiter_close(w.arbiter);
    tm_buffer_free(&blob);
    tm_counter_set_free(counters);
}
