/* Windows that go on from a checkpoint, in memory elsewhere. Undisturbed runs are the witness;
   tests/reference/window_reference.py restarts random jobs of all kinds. */
#include "base/error.h"
#include "tests/engine/window_bed.h"
#include "tests/tm_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEYS = 300, PAGES = 400 };

static const tm_agg_spec_t aggs[] = {{.as = "n", .fn = TM_AGG_COUNT},
                                     {.as = "high", .fn = TM_AGG_MAX, .field = "price"}};

static tm_window_cfg_t cfg_of(tm_window_spec_t window)
{
    return (tm_window_cfg_t){.what = {.window = window, .aggs = aggs, .agg_cnt = 2},
                             .in = tm_schema_trade(),
                             .key_fields = {"symbol"},
                             .out_name = "bars",
                             .out_id = TM_SCHEMA_ID_USER,
                             .budget = 16};
}

/* The operator in a copy of its pages, at another place; what came out stays. */
static int bed_move(bed_t *bed, tm_window_cfg_t *cfg)
{
    static uint8_t roots[1 << 14];
    size_t mem_sz = tm_align_up(tm_page_arena_footprint(PAGES), TM_CACHE_LINE);
    size_t sz = bed->op->ops->save(bed->op, roots, sizeof roots);
    tm_page_roots_t arena_roots = tm_page_arena_save(&bed->pages);
    void *pages = aligned_alloc(TM_CACHE_LINE, mem_sz);
    tm_assert(sz <= sizeof roots && pages != NULL);
    memcpy(pages, bed->page_mem, mem_sz);
    memset(bed->page_mem, 0xee, mem_sz);
    free(bed->page_mem);
    free(bed->op_mem);
    tm_counter_set_free(bed->counters);
    bed->page_mem = pages;
    tm_page_arena_init(&bed->pages, pages, PAGES); /* writes its tags only */
    tm_assert(tm_page_arena_restore(&bed->pages, &arena_roots));
    bed->counters = cfg->counters = tm_counter_set_new("test");
    bed->op_mem = aligned_alloc(TM_CACHE_LINE,
                                tm_align_up(tm_window_footprint(cfg), TM_CACHE_LINE));
    bed->op = tm_window_init(bed->op_mem, cfg);
    return bed->op->ops->restore(bed->op, roots, sz);
}

static void rows_in(bed_t *bed, int64_t from, int64_t step, int cnt)
{
    for (int i = 0; i < cnt; i++)
        for (uint32_t key = 0; key < KEYS; key++) {
            tm_trade_t t = {.row = {.symbol = key, .event_ns = from + i * step},
                            .trade_id = (uint64_t)i,
                            .price_e8 = (int64_t)key * 100 + i};
            tm_operator_rows(bed->op, &t, 1, sizeof t);
        }
}

static int by_bytes(const void *a, const void *b)
{
    return memcmp(a, b, tm_schema_trade()->row_sz); /* both start with what tells them apart */
}

/* Rows, a watermark whose results come in pieces, late rows, the end. moves: restarts after every
   so many pieces; 0 = none. */
static void drive(bed_t *bed, tm_window_cfg_t *cfg, uint32_t moves)
{
    uint32_t pieces = 0;
    bed_open(bed, cfg, PAGES, true);
    rows_in(bed, 0, 10, 20);
    tm_operator_watermark(bed->op, 150);
    while (tm_operator_work(bed->op) > 0)
        if (moves && ++pieces % moves == 0) tm_assert_eq(bed_move(bed, cfg), 0);
    rows_in(bed, 95, 7, 2);
    if (moves) tm_assert_eq(bed_move(bed, cfg), 0);
    rows_in(bed, 5, 1, 1);
    tm_operator_watermark(bed->op, INT64_MAX - 1);
    while (tm_operator_work(bed->op) > 0)
        if (moves && ++pieces % moves == 0) tm_assert_eq(bed_move(bed, cfg), 0);
    if (moves) tm_assert(pieces > 10);
}

Test(window_restore, goes_on_in_the_middle_of_a_firing_as_if_nothing_had_been)
{
    static const char *const names[] = {"tumbling", "sliding", "cumulative", "session", "unsliced"};
    for (int kind = 0; kind < 5; kind++) {
        tm_window_spec_t windows[] = {tm_tumbling(50), tm_sliding(60, 20), tm_cumulative(60, 20),
                                      tm_session(4), tm_sliding(60, 20)};
        windows[kind].lateness_ns = 50;
        tm_window_cfg_t cfg = cfg_of(windows[kind]), again = cfg;
        cfg.unsliced = again.unsliced = kind == 4;
        bed_t quiet, moved;
        drive(&quiet, &cfg, 0);
        drive(&moved, &again, 3);
        printf("# %s: %zu results, %zu late\n", names[kind], quiet.row_cnt, quiet.late_cnt);
        tm_assert(quiet.row_cnt > KEYS);
        tm_assert_eq(moved.row_cnt, quiet.row_cnt);
        tm_assert_eq(moved.late_cnt, quiet.late_cnt);
        tm_assert_eq(moved.wm, quiet.wm);
        qsort(quiet.rows, quiet.row_cnt, quiet.schema.row_sz, by_bytes);
        qsort(moved.rows, moved.row_cnt, moved.schema.row_sz, by_bytes);
        tm_assert_eq(memcmp(quiet.rows, moved.rows, quiet.row_cnt * quiet.schema.row_sz), 0);
        static const char *const counters[] = {"window_rows", "window_late", "window_fired",
                                               "window_refired"};
        for (int c = 0; c < 4; c++)
            tm_assert_eq(bed_counter(&moved, counters[c]), bed_counter(&quiet, counters[c]));
        bed_close(&quiet);
        bed_close(&moved);
    }
}

Test(window_restore, refuses_a_window_that_is_not_what_it_was_and_names_the_difference)
{
    const struct {
        tm_window_cfg_t is;
        const char *word;
    } others[] = {
        {cfg_of(tm_tumbling(60)), "size_ns was 50 and now is 60"},
        {cfg_of(tm_sliding(50, 25)), "kind of window"},
        {{.what = {.window = tm_tumbling(50), .aggs = aggs, .agg_cnt = 1}}, "accumulator"},
        {{.what = {.window = tm_tumbling(50),
                   .aggs =
                       (const tm_agg_spec_t[]){aggs[0],
                                               {.as = "high", .fn = TM_AGG_MAX, .field = "qty"}},
                   .agg_cnt = 2}},
         "list of aggregates"},
        {{.what = {.window = tm_tumbling(50),
                   .aggs = aggs,
                   .agg_cnt = 2,
                   .trigger = {.kind = TM_TRIGGER_COUNT, .count = 3}}},
         "use of slices"},
    };
    for (size_t i = 0; i < TM_ARRAY_CNT(others); i++) {
        bed_t bed, other;
        uint8_t roots[1 << 14];
        tm_window_cfg_t was = cfg_of(tm_tumbling(50)), is = was;
        is.what = others[i].is.what;
        bed_open(&bed, &was, PAGES, false);
        rows_in(&bed, 0, 10, 3);
        bed_open(&other, &is, PAGES, false);
        size_t sz = bed.op->ops->save(bed.op, roots, sizeof roots);
        tm_assert(other.op->ops->restore(other.op, roots, sz) < 0);
        if (!strstr(tm_error_text(), others[i].word)) printf("# %s\n", tm_error_text());
        tm_assert(strstr(tm_error_text(), others[i].word) != NULL);
        tm_assert(other.op->ops->restore(other.op, roots, 7) < 0); /* cut short */
        bed_close(&bed);
        bed_close(&other);
    }
}

/* ---- through the harness --------------------------------------------------------------------- */

typedef struct tick {
    tm_row_t row;
    int64_t price;
    uint64_t venue;
} tick_t;

static const tm_struct_field_t tick_fields[] = {
    TM_HEADER_SYMBOL("symbol"),
    TM_MEMBER(tick_t, price, "price", TM_TYPE_I64),
    TM_MEMBER(tick_t, venue, "venue", TM_TYPE_U64),
};
static const tm_struct_t tick_type = TM_STRUCT(tick_t, "tick", tick_fields);

/* Sliding maxima of a venue, and sessions of their results: two windows in one job. */
static tm_stream_t *two_stages(void *ctx, tm_stream_t *in)
{
    static const tm_agg_spec_t sums[] = {{.as = "total", .fn = TM_AGG_MAX, .field = "price"}};
    static const tm_agg_spec_t venues[] = {{.as = "venues", .fn = TM_AGG_COUNT},
                                           {.as = "most", .fn = TM_AGG_MAX, .field = "total"}};
    const tm_window_spec_t sliding = tm_sliding(60, 20), session = tm_session(15);
    (void)ctx;
    tm_stream_t *timed = tm_watermarks(in, &(tm_watermark_spec_t){.bound_ns = INT64_MAX / 4});
    tm_stream_t *by_venue = tm_window_aggregate(tm_key_by(timed, "venue"), "venues", &sliding, sums,
                                                1);
    return tm_window_aggregate(tm_key_by(by_venue, "venue"), "activity", &session, venues, 2);
}

Test(window_restore, of_a_job_of_two_stages_changes_nothing_that_comes_out)
{
    int64_t seen[2][256][3];
    size_t cnt[2] = {0};
    for (int restarts = 0; restarts < 2; restarts++) {
        tm_harness_t *h;
        const tm_harness_spec_t spec = {.type = &tick_type, .build = two_stages};
        tm_assert_eq(tm_harness_open(&h, &spec), 0);
        for (int i = 0; i < 60; i++) {
            const tick_t row = {
                .row = {.event_ns = i * 10}, .price = i, .venue = (uint64_t)i / 7 % 3};
            tm_harness_row(h, &row);
            if (restarts && i % 4 == 1) tm_assert_eq(tm_harness_restart(h), 0);
        }
        tm_harness_watermark(h, 0, INT64_MAX);
        for (const tm_harness_event_t *e; (e = tm_harness_next(h));) {
            int64_t *to = seen[restarts][cnt[restarts]];
            if (e->kind != TM_HARNESS_ROW) continue;
            to[0] = e->time_ns;
            tm_assert(tm_harness_int64(h, e->row, "venues", &to[1]));
            tm_assert(tm_harness_int64(h, e->row, "most", &to[2]));
            cnt[restarts]++;
        }
        tm_harness_close(h);
    }
    tm_assert(cnt[0] > 0);
    tm_assert_eq(cnt[1], cnt[0]);
    tm_assert_eq(memcmp(seen[0], seen[1], cnt[0] * sizeof seen[0][0]), 0);
}
