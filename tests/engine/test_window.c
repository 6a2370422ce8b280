/* What single rows and watermarks do, by hand; limits, errors and what the operator must not do. */
#include "base/error.h"
#include "tests/engine/window_bed.h"
#include "tests/tm_test.h"

#include <stdlib.h>
#include <string.h>

static const tm_agg_spec_t count_sum[] = {{"n", TM_AGG_COUNT, NULL, NULL},
                                          {"volume", TM_AGG_SUM, "qty", NULL}};

static tm_window_cfg_t cfg_of(tm_window_spec_t window)
{
    return (tm_window_cfg_t){.what.window = window,
                             .in = tm_schema_trade(),
                             .key_fields = {"symbol"},
                             .what.aggs = count_sum,
                             .what.agg_cnt = TM_ARRAY_CNT(count_sum),
                             .out_name = "out",
                             .out_id = TM_SCHEMA_ID_USER};
}

static void put(bed_t *bed, uint32_t symbol, int64_t t)
{
    tm_trade_t row = {.row = {.symbol = symbol, .event_ns = t, .recv_ns = 77}, .qty_e8 = 5};
    tm_operator_rows(bed->op, &row, 1, sizeof row);
}

Test(window, output_schema_is_key_bounds_and_aggregates_in_order)
{
    tm_window_cfg_t cfg = cfg_of(tm_tumbling(1000));
    tm_schema_t s;
    tm_assert_eq(tm_window_schema_build(&cfg, &s), 0);
    static const char *const names[] = {"symbol", "window_start", "window_end", "n", "volume"};
    tm_assert_eq(s.field_cnt, 5);
    for (int i = 0; i < 5; i++) tm_assert_str(s.fields[i].name, names[i]);
    tm_assert_eq((int)s.fields[4].type, (int)TM_TYPE_DECIMAL128);
    tm_assert_eq(s.fields[4].scale, 8);
    tm_assert_eq(s.fields[1].unit_ns, (uint32_t)TM_NS_PER_MS);
    tm_assert_eq(s.id, TM_SCHEMA_ID_USER);
}

Test(window, bad_configurations_are_refused_with_the_name_of_what_is_wrong)
{
    struct {
        tm_window_spec_t window;
        const char *key, *field, *word;
    } bad[] = {{tm_tumbling(0), "symbol", "qty", "size"},
               {tm_sliding(10, -1), "symbol", "qty", "slide"},
               {tm_cumulative(10, 3), "symbol", "qty", "step"},
               {{TM_WINDOW_TUMBLING, 10, 0, 0, -1}, "symbol", "qty", "lateness"},
               {{TM_WINDOW_TUMBLING, 10, 0, 10, 0}, "symbol", "qty", "offset"},
               {tm_tumbling(10), "nobody", "qty", "nobody"},
               {tm_tumbling(10), "symbol", "nothing", "nothing"},
               {tm_tumbling(10), "symbol", "symbol", "symbol"},
               {tm_tumbling(10), "symbol", NULL, "needs a field"}};
    for (size_t i = 0; i < TM_ARRAY_CNT(bad); i++) {
        tm_agg_spec_t agg = {"x", TM_AGG_SUM, bad[i].field, NULL};
        tm_window_cfg_t cfg = cfg_of(bad[i].window);
        cfg.key_fields[0] = bad[i].key;
        cfg.what.aggs = &agg;
        cfg.what.agg_cnt = 1;
        tm_error_clear();
        tm_assert_eq(tm_window_footprint(&cfg), 0u);
        tm_assert(strstr(tm_error_text(), bad[i].word) != NULL);
    }
}

Test(window, fires_at_end_minus_one_and_hands_the_watermark_on_after_the_results)
{
    bed_t bed;
    tm_window_cfg_t cfg = cfg_of(tm_tumbling(1000));
    bed_open(&bed, &cfg, 100, true);
    put(&bed, 3, 0);
    put(&bed, 3, 999);
    put(&bed, 3, 1000);
    tm_operator_watermark(bed.op, 998);
    bed_drain(&bed);
    tm_assert_eq(bed.row_cnt, 0u);
    tm_assert_eq(bed.wm, 998);
    tm_operator_watermark(bed.op, 999);
    tm_assert_eq(bed.row_cnt, 1u);
    tm_assert_eq(bed_int(&bed, 0, "n"), 2);
    tm_assert_eq(bed_int(&bed, 0, "symbol"), 3);
    tm_assert_eq(((tm_row_t *)(void *)bed.rows)->recv_ns, 77);
    tm_assert_eq(bed.wm, 999);
    tm_operator_watermark(bed.op, 500);
    bed_drain(&bed);
    tm_assert_eq(bed.wm_cnt, 2u);
    bed_close(&bed);
}

Test(window, rows_that_cannot_be_placed_are_counted_by_reason)
{
    bed_t bed;
    tm_window_cfg_t cfg = cfg_of(tm_sliding(1000, 5000));
    bed_open(&bed, &cfg, 100, true);
    put(&bed, 1, TM_TIME_NONE);
    put(&bed, 1, INT64_MAX - 10);
    put(&bed, 1, INT64_MIN + 10);
    put(&bed, 1, 1000);
    put(&bed, 1, 10000);
    tm_operator_watermark(bed.op, 20000);
    put(&bed, 1, 10000);
    put(&bed, 1, 11000);
    bed_drain(&bed);
    tm_assert_eq(bed_counter(&bed, "window_rows"), 7u);
    tm_assert_eq(bed_counter(&bed, "window_no_time"), 1u);
    tm_assert_eq(bed_counter(&bed, "window_time_range"), 2u);
    tm_assert_eq(bed_counter(&bed, "window_gap"), 1u);
    tm_assert_eq(bed_counter(&bed, "window_late"), 2u);
    tm_assert_eq(bed.late_cnt, 2u);
    tm_assert_eq(bed.row_cnt, 1u);
    bed_close(&bed);
}

Test(window, what_finds_no_page_is_counted_and_the_rest_goes_on)
{
    bed_t bed;
    tm_window_cfg_t cfg = cfg_of(tm_tumbling(1000));
    bed_open(&bed, &cfg, 6, false);
    for (uint32_t i = 0; i < 20000; i++) put(&bed, i, 5);
    uint64_t full = bed_counter(&bed, "window_full");
    tm_assert(full > 0 && full < 20000);
    put(&bed, 0, 6); /* a key that has its place keeps it */
    tm_operator_watermark(bed.op, INT64_MAX);
    bed_drain(&bed);
    tm_assert_eq(bed.row_cnt, 20000 - full);
    int64_t rows = 0;
    for (size_t i = 0; i < bed.row_cnt; i++) rows += bed_int(&bed, i, "n");
    tm_assert_eq(rows, (int64_t)(20001 - full));
    bed_close(&bed);
}

Test(window, a_sum_that_leaves_38_digits_puts_out_no_row_and_is_counted)
{
    bed_t bed;
    static const tm_agg_spec_t aggs[] = {{"x", TM_AGG_SUM_MUL, "price", "qty"}};
    tm_window_cfg_t cfg = cfg_of(tm_tumbling(1000));
    cfg.what.aggs = aggs;
    cfg.what.agg_cnt = 1;
    bed_open(&bed, &cfg, 100, false);
    tm_trade_t rows[3] = {{.price_e8 = INT64_MAX, .qty_e8 = INT64_MAX},
                          {.price_e8 = INT64_MAX, .qty_e8 = INT64_MAX},
                          {.row.symbol = 1, .price_e8 = INT64_MIN, .qty_e8 = INT64_MAX}};
    tm_operator_rows(bed.op, rows, 3, sizeof rows[0]);
    tm_operator_watermark(bed.op, INT64_MAX);
    bed_drain(&bed);
    tm_assert_eq(bed.row_cnt, 1u);
    tm_assert_eq(bed_int(&bed, 0, "symbol"), 1);
    tm_assert(bed_wide(&bed, 0, "x") == (tm_i128_t)INT64_MIN * INT64_MAX);
    tm_assert_eq(bed_counter(&bed, "agg_overflow"), 1u);
    bed_close(&bed);
}

/* A piece of firing is bounded, whatever is due; rows are taken in between. */
Test(window, a_million_results_come_in_bounded_pieces_and_the_watermark_after_them)
{
    enum { KEYS = 100000, PIECE = 1000 };
    bed_t bed;
    tm_window_cfg_t cfg = cfg_of(tm_sliding(10000, 1000));
    cfg.budget = PIECE;
    bed_open(&bed, &cfg, 6000, false);
    for (uint32_t i = 0; i < KEYS; i++) put(&bed, i, (int64_t)i % 1000);
    size_t before = 0;
    tm_operator_watermark(bed.op, 10500);
    while (tm_operator_work(bed.op) > 0) {
        tm_assert(bed.row_cnt - before <= PIECE);
        before = bed.row_cnt;
        if (bed.row_cnt < 10 * KEYS) tm_assert_eq(bed.wm_cnt, 0u);
        put(&bed, 1, 20000); /* of a window that is not due */
    }
    tm_assert_eq(bed.row_cnt, (size_t)10 * KEYS);
    tm_assert_eq(bed.wm, 10500);
    tm_assert_eq(bed_counter(&bed, "window_late"), 0u);
    bed_close(&bed);
}

/* ---- what a step of firing does, counted ---------------------------------------------------- */

enum { STEP = 512, A_TIMER = 4 }; /* what window.h says of the budget by default */

/* Results of the step that does most, until nothing is due. */
static size_t most_results(bed_t *bed, int64_t wm)
{
    size_t before = bed->row_cnt, most;
    tm_operator_watermark(bed->op, wm);
    most = bed->row_cnt - before;
    for (before = bed->row_cnt; tm_operator_work(bed->op) > 0; before = bed->row_cnt)
        if (bed->row_cnt - before > most) most = bed->row_cnt - before;
    return most;
}

Test(window, a_hundred_thousand_sessions_that_end_at_once_fire_128_a_step)
{
    enum { KEYS = 100000 };
    bed_t bed;
    tm_window_cfg_t cfg = cfg_of(tm_session(1000));
    bed_open(&bed, &cfg, 3000, false);
    for (uint32_t i = 0; i < KEYS; i++) put(&bed, i, (int64_t)i % 1000);
    tm_assert_eq(most_results(&bed, 10000), (size_t)STEP / A_TIMER);
    tm_assert_eq(bed.row_cnt, (size_t)KEYS);
    tm_assert_eq(bed.wm, 10000);
    bed_close(&bed);
}

Test(window, one_window_with_a_hundred_thousand_firings_due_fires_128_a_step)
{
    enum { FIRINGS = 100000 };
    bed_t bed;
    tm_window_cfg_t cfg = cfg_of(tm_tumbling(FIRINGS));
    cfg.what.trigger = (tm_trigger_t){.kind = TM_TRIGGER_CONTINUOUS_EVENT_TIME, .interval_ns = 1};
    bed_open(&bed, &cfg, 100, false);
    put(&bed, 1, 0);
    tm_assert_eq(most_results(&bed, FIRINGS), (size_t)STEP / A_TIMER);
    tm_assert(bed.row_cnt >= (size_t)FIRINGS - 1);
    tm_assert_eq(bed.wm, FIRINGS);
    bed_close(&bed);
}

static uint64_t rows_seen;

static void see_rows(void *ctx, tm_window_call_t *call)
{
    (void)ctx;
    for (const void *row = NULL; (row = tm_window_call_next(call, row)) != NULL;) rows_seen++;
}

Test(window, rows_that_a_function_sees_end_a_step_as_windows_do)
{
    enum { KEYS = 1000, ROWS = 100 };
    bed_t bed;
    uint64_t before, most = 0;
    tm_window_cfg_t cfg = cfg_of(tm_tumbling(1000));
    cfg.what.aggs = NULL;
    cfg.what.agg_cnt = 0;
    cfg.what.process = see_rows;
    bed_open(&bed, &cfg, 2000, false);
    for (uint32_t i = 0; i < KEYS * ROWS; i++) put(&bed, i % KEYS, 1);
    rows_seen = before = 0;
    tm_operator_watermark(bed.op, 2000);
    do {
        if (rows_seen - before > most) most = rows_seen - before;
        before = rows_seen;
    } while (tm_operator_work(bed.op) > 0);
    tm_assert_eq(rows_seen, (uint64_t)KEYS * ROWS);
    tm_assert(most <= (uint64_t)STEP + ROWS);
    bed_close(&bed);
}

/* A key of a sliding window that sums its slices up does that a piece at a time: what a step writes
   is counted by comparing all pages with what they were. */
Test(window, a_key_with_twenty_thousand_slices_turns_them_over_in_steps_of_a_few_pages)
{
    enum { SLICES = 20000, PAGES = 600 };
    bed_t bed;
    tm_window_cfg_t cfg = cfg_of(tm_sliding(SLICES, 1));
    bed_open(&bed, &cfg, PAGES, false);
    for (uint32_t i = 0; i < SLICES; i++) {
        put(&bed, 1, i);
        tm_operator_watermark(bed.op, i); /* the last one sets the first whole window due */
        bed_drain(&bed);
    }
    tm_assert_eq(bed_int(&bed, bed.row_cnt - 1, "n"), SLICES);
    const size_t sz = (size_t)PAGES * TM_PAGE_SZ;
    uint8_t *was = malloc(sz);
    size_t most = 0;
    bool more = true;
    tm_assert(was != NULL);
    for (bool first = true; more; first = false) {
        size_t changed = 0;
        memcpy(was, bed.pages.base, sz);
        if (first)
            tm_operator_watermark(bed.op, SLICES + 10);
        else
            more = tm_operator_work(bed.op) > 0;
        for (size_t p = 0; p < PAGES; p++)
            changed += memcmp(was + p * TM_PAGE_SZ, bed.pages.base + p * TM_PAGE_SZ, TM_PAGE_SZ) !=
                       0;
        if (changed > most) most = changed;
    }
    free(was);
    tm_assert_eq(bed.wm, SLICES + 10);
    for (size_t i = 0; i < 11; i++) { /* windows that end at SLICES + 11 and before */
        const size_t at = bed.row_cnt - 1 - i;
        const int64_t end = SLICES + 11 - (int64_t)i;
        tm_assert_eq(bed_int(&bed, at, "window_end"), end);
        tm_assert_eq(bed_int(&bed, at, "n"), 2 * SLICES - end);
    }
    tm_assert(most <= 8);
    bed_close(&bed);
}

Test(window, slices_that_are_over_are_handed_back_in_steps)
{
    enum { SLICES = 50000 };
    bed_t bed;
    tm_window_cfg_t cfg = cfg_of(tm_tumbling(1));
    bed_open(&bed, &cfg, 2 * SLICES + 1000, false);
    for (uint32_t i = 0; i < SLICES; i++) put(&bed, 1, i);
    const uint32_t held = bed.pages.used_cnt;
    uint32_t before = held, most = 0;
    tm_operator_watermark(bed.op, SLICES);
    do {
        if (before - bed.pages.used_cnt > most) most = before - bed.pages.used_cnt;
        before = bed.pages.used_cnt;
    } while (tm_operator_work(bed.op) > 0);
    tm_assert_eq(bed.row_cnt, (size_t)SLICES);
    tm_assert_eq(bed.wm, SLICES);
    tm_assert(held - bed.pages.used_cnt > 2u * SLICES - 2000);
    tm_assert(most <= 2u * STEP);
    bed_close(&bed);
}
