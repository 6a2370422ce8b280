/* The operator that makes watermarks: a generator a partition, idleness, punctuation, the end. */
#include "engine/operators/watermark_op.h"
#include "tests/tm_test.h"

#include <stdlib.h>
#include <string.h>

enum { LOG_MAX = 64 };

typedef struct bench {
    tm_operator_env_t env;
    tm_operator_t *op;
    void *mem;
    uint32_t partition_idx;
    int64_t blocked_ns;
    int64_t wms[LOG_MAX]; /* as they came out */
    uint32_t wm_cnt;
    uint64_t rows; /* before the last watermark */
    uint64_t rows_total;
    bool idle;
} bench_t;

static void on_rows(void *ctx, const void *rows, uint32_t cnt, uint32_t stride)
{
    (void)rows;
    (void)stride;
    ((bench_t *)ctx)->rows_total += cnt;
}

static void on_wm(void *ctx, int64_t wm_ns)
{
    bench_t *b = ctx;
    tm_assert(b->wm_cnt < LOG_MAX);
    b->wms[b->wm_cnt++] = wm_ns;
    b->rows = b->rows_total;
}

static void on_idle(void *ctx, bool idle)
{
    ((bench_t *)ctx)->idle = idle;
}

static void bench_open(bench_t *b, tm_watermark_op_cfg_t cfg, uint32_t partitions, uint64_t reach)
{
    *b = (bench_t){.env = {.outs = {{on_rows, on_wm, b}},
                           .counters = tm_counter_set_new("test"),
                           .partition_idx = &b->partition_idx,
                           .partition_cnt = partitions,
                           .partitions = reach,
                           .blocked_ns = &b->blocked_ns,
                           .idle = on_idle,
                           .idle_ctx = b}};
    cfg.env = &b->env;
    size_t sz = tm_watermark_op_footprint(&cfg);
    tm_assert(sz > 0);
    b->mem = aligned_alloc(TM_CACHE_LINE, tm_align_up(sz, TM_CACHE_LINE));
    b->op = tm_watermark_op_init(b->mem, &cfg);
}

static void bench_close(bench_t *b)
{
    tm_operator_fini(b->op);
    tm_counter_set_free(b->env.counters);
    free(b->mem);
}

static void put(bench_t *b, uint32_t partition, int64_t event_ns)
{
    const tm_row_t row = {.event_ns = event_ns};
    b->partition_idx = partition;
    tm_operator_rows(b->op, &row, 1, sizeof row);
    tm_operator_work(b->op);
}

static int64_t last(const bench_t *b)
{
    return b->wm_cnt ? b->wms[b->wm_cnt - 1] : TM_TIME_NONE;
}

Test(watermark_op, the_lowest_partition_decides_and_those_of_other_sources_do_not_count)
{
    bench_t b;
    bench_open(&b, (tm_watermark_op_cfg_t){.bound_ns = 10}, 3, 0x5);
    put(&b, 0, 100);
    tm_assert_eq(b.wm_cnt, 0u);
    put(&b, 2, 50);
    tm_assert_eq(last(&b), 39);
    put(&b, 2, 500);
    tm_assert_eq(last(&b), 89);
    put(&b, 0, 40); /* out of order: nothing goes back */
    tm_assert_eq(last(&b), 89);
    put(&b, 0, TM_TIME_NONE); /* a row without a time moves nothing */
    tm_assert_eq(last(&b), 89);
    bench_close(&b);
}

Test(watermark_op, an_ended_partition_lets_the_others_decide_and_the_last_end_is_the_end)
{
    bench_t b;
    bench_open(&b, (tm_watermark_op_cfg_t){.bound_ns = 0}, 2, 0x3);
    put(&b, 0, 10);
    put(&b, 1, 1000);
    tm_assert_eq(last(&b), 9);
    tm_watermark_op_partition_end(b.op, 0);
    tm_assert_eq(last(&b), 999);
    tm_watermark_op_partition_end(b.op, 1);
    tm_assert_eq(last(&b), INT64_MAX);
    tm_operator_watermark(b.op, INT64_MAX);
    tm_assert_eq(b.wms[b.wm_cnt - 1], INT64_MAX);
    tm_assert_eq(b.wm_cnt, 3u);
    bench_close(&b);
}

Test(watermark_op, a_thread_without_partitions_of_a_source_says_only_that_it_has_ended)
{
    bench_t b;
    bench_open(&b, (tm_watermark_op_cfg_t){.bound_ns = 0}, 2, 0);
    tm_assert_eq(tm_operator_work(b.op), 0u);
    tm_assert_eq(b.wm_cnt, 0u);
    tm_operator_watermark(b.op, INT64_MAX);
    tm_assert_eq(last(&b), INT64_MAX);
    bench_close(&b);
}

Test(watermark_op, a_silent_partition_is_idle_after_its_time_and_wakes_with_its_next_row)
{
    bench_t b;
    bench_open(&b, (tm_watermark_op_cfg_t){.bound_ns = 0, .idle_ns = 100}, 2, 0x3);
    tm_operator_time(b.op, 1000);
    put(&b, 0, 10);
    put(&b, 1, 500);
    tm_operator_time(b.op, 1050);
    put(&b, 1, 600);
    tm_operator_time(b.op, 1149);
    tm_assert_eq(last(&b), 9);
    put(&b, 1, 700);
    tm_operator_time(b.op, 1151); /* partition 0: seen at 1050, silent for 101 */
    tm_assert_eq(last(&b), 699);
    tm_assert(!b.idle);
    tm_operator_time(b.op, 1400);
    tm_assert(b.idle); /* both */
    put(&b, 0, 650);   /* late for the combined watermark: it stays */
    tm_assert(!b.idle);
    tm_assert_eq(last(&b), 699);
    put(&b, 0, 800);
    tm_assert_eq(last(&b), 799);
    bench_close(&b);
}

Test(watermark_op, time_in_which_the_task_waited_for_room_makes_nobody_idle)
{
    bench_t b;
    bench_open(&b, (tm_watermark_op_cfg_t){.bound_ns = 0, .idle_ns = 100}, 2, 0x3);
    put(&b, 0, 10);
    put(&b, 1, 500);
    tm_operator_time(b.op, 1000);
    b.blocked_ns = 5000;
    put(&b, 1, 600);
    tm_operator_time(b.op, 6050);
    tm_assert_eq(last(&b), 9);
    put(&b, 1, 700);
    tm_operator_time(b.op, 6101);
    tm_assert_eq(last(&b), 699);
    bench_close(&b);
}

static int64_t even_rows(void *ctx, const void *row)
{
    (void)ctx;
    int64_t t = ((const tm_row_t *)row)->event_ns;
    return t % 2 == 0 ? t : TM_TIME_NONE;
}

Test(watermark_op, a_punctuated_watermark_stands_right_behind_its_row)
{
    bench_t b;
    bench_open(&b, (tm_watermark_op_cfg_t){.punctuate = even_rows}, 1, 0x1);
    const tm_row_t rows[] = {
        {.event_ns = 1}, {.event_ns = 4}, {.event_ns = 3}, {.event_ns = 2}, {.event_ns = 7}};
    tm_operator_rows(b.op, rows, 5, sizeof rows[0]);
    tm_assert_eq(b.wm_cnt, 1u); /* 2 is lower than 4 */
    tm_assert_eq(b.wms[0], 4);
    tm_assert_eq(b.rows, 2u);
    tm_assert_eq(b.rows_total, 5u);
    bench_close(&b);
}

Test(watermark_op, who_is_ahead_of_the_group_is_held_until_it_follows)
{
    static tm_alignment_t alignment;
    bench_t b;
    memset(&alignment, 0, sizeof alignment);
    tm_alignment_slot_t *peer = tm_alignment_join(&alignment, 7);
    tm_alignment_slot_t *stranger = tm_alignment_join(&alignment, 8);
    tm_alignment_put(stranger, -1000000);
    b = (bench_t){0};
    tm_watermark_op_cfg_t cfg = {.align_group = 7, .align_drift_ns = 50};
    b.env.alignment = &alignment;
    b.env.outs[0] = (tm_emitter_t){on_rows, on_wm, &b};
    b.env.counters = tm_counter_set_new("test");
    b.env.partition_idx = &b.partition_idx;
    b.env.partition_cnt = 1;
    b.env.partitions = 1;
    cfg.env = &b.env;
    b.mem = aligned_alloc(TM_CACHE_LINE, tm_align_up(tm_watermark_op_footprint(&cfg), 64));
    b.op = tm_watermark_op_init(b.mem, &cfg);
    put(&b, 0, 1001);
    tm_assert(!tm_watermark_op_is_held(b.op, 0)); /* its peer has said nothing yet */
    tm_alignment_put(peer, 900);
    tm_assert(tm_watermark_op_is_held(b.op, 0));
    tm_alignment_put(peer, 950);
    tm_assert(!tm_watermark_op_is_held(b.op, 0));
    tm_alignment_put(peer, 900);
    tm_assert(tm_watermark_op_is_held(b.op, 0));
    tm_alignment_put(peer, INT64_MAX); /* idle or ended */
    tm_assert(!tm_watermark_op_is_held(b.op, 0));
    bench_close(&b);
}
