/* The harness drives parts of jobs as the runtime would: the results are worked out by hand. */
#include "engine/tidemark.h"
#include "tests/tm_test.h"

#include <stdio.h>
#include <string.h>

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

static bool is_up(void *ctx, const void *row)
{
    (void)ctx;
    return ((const tick_t *)row)->price > 0;
}

/* Filter, then seconds by venue, then the largest of all venues. */
static tm_stream_t *two_stages(void *ctx, tm_stream_t *in)
{
    static const tm_agg_spec_t sums[] = {{.as = "total", .fn = TM_AGG_SUM, .field = "price"},
                                         {.as = "n", .fn = TM_AGG_COUNT}};
    static const tm_agg_spec_t tops[] = {{.as = "most", .fn = TM_AGG_TOP, .field = "n", .k = 1},
                                         {.as = "venues", .fn = TM_AGG_COUNT}};
    (void)ctx;
    tm_window_spec_t second = tm_tumbling(1000);
    tm_stream_t *timed = tm_watermarks(in, &(tm_watermark_spec_t){.bound_ns = 0});
    tm_stream_t *up = tm_filter(timed, "up", is_up, NULL);
    tm_stream_t *by_venue = tm_window_aggregate(tm_key_by(up, "venue"), "venues", &second, sums, 2);
    return tm_window(by_venue, "all",
                     &(tm_windowing_t){.window = second, .aggs = tops, .agg_cnt = 2});
}

static tm_stream_t *nothing_timed(void *ctx, tm_stream_t *in)
{
    static const tm_agg_spec_t n = {.as = "n", .fn = TM_AGG_COUNT};
    (void)ctx;
    return tm_window(in, "never",
                     &(tm_windowing_t){.window = tm_session(5), .aggs = &n, .agg_cnt = 1});
}

static void tick(tm_harness_t *h, int64_t time, uint64_t venue, int64_t price)
{
    const tick_t row = {.row = {.event_ns = time}, .price = price, .venue = venue};
    tm_harness_row(h, &row);
}

Test(harness, drives_a_chain_of_operators_and_hands_watermarks_on_after_results)
{
    tm_harness_t *h;
    const tm_harness_spec_t spec = {.type = &tick_type, .build = two_stages};
    int err = tm_harness_open(&h, &spec);
    if (err < 0) printf("# %s\n", tm_harness_error());
    tm_assert_eq(err, 0);
    tick(h, 100, 1, 5);
    tick(h, 200, 2, 7);
    tick(h, 300, 2, -7); /* filtered out */
    tick(h, 999, 2, 1);
    tm_assert(!tm_harness_next(h) || tm_harness_counter(h, "window_fired") == 0);
    while (tm_harness_next(h)) {
    }
    tick(h, 2500, 3, 1); /* its watermark is 2499 */
    const tm_harness_event_t *e = tm_harness_next(h);
    int64_t value;
    tm_assert(e && e->kind == TM_HARNESS_ROW && e->time_ns == 999);
    tm_assert(tm_harness_int64(h, e->row, "most_1", &value) && value == 2);
    tm_assert(tm_harness_int64(h, e->row, "venues", &value) && value == 2);
    e = tm_harness_next(h);
    tm_assert(e && e->kind == TM_HARNESS_WATERMARK && e->time_ns == 2499);
    tm_assert(!tm_harness_next(h));
    tm_harness_close(h);
}

Test(harness, says_what_is_wrong_with_a_job_as_tm_main_would)
{
    tm_harness_t *h;
    const tm_harness_spec_t spec = {.type = &tick_type, .build = nothing_timed};
    tm_assert(tm_harness_open(&h, &spec) < 0);
    tm_assert(strstr(tm_harness_error(), "watermarks") != NULL);
}
