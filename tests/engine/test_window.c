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
