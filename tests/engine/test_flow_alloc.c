/* A whole job counts its allocations: between its first tenth and its last, no thread makes one. */
#include "base/types.h"
#include "engine/tidemark.h"
#include "tests/engine/alloc_count.h"
#include "tests/tm_test.h"

#include <stdlib.h>
#include <string.h>

enum { ROW_CNT = 300000, KEY_CNT = 500 };

typedef struct tick {
    tm_row_t row;
    int64_t key;
    int64_t value;
} tick_t;

static const tm_struct_field_t tick_fields[] = {
    TM_MEMBER(tick_t, key, "key", TM_TYPE_I64),
    TM_MEMBER(tick_t, value, "value", TM_TYPE_I64),
};
static const tm_struct_t tick = TM_STRUCT(tick_t, "tick", tick_fields);

static int64_t made;
static uint64_t calls_early, calls_late, results;

static int32_t ticks_next(void *ctx, uint32_t partition, void *rows, uint32_t max)
{
    (void)ctx;
    (void)partition;
    tick_t *at = rows;
    uint64_t now = alloc_count();
    if (made >= ROW_CNT) return TM_SOURCE_END;
    if (calls_early == 0 && made > ROW_CNT / 10) calls_early = now;
    if (made < ROW_CNT / 10 * 9) calls_late = now;
    for (uint32_t i = 0; i < max; i++, made++)
        at[i] = (tick_t){.row = {.symbol = TM_SYMBOL_NONE, .event_ns = made * 1000},
                         .key = made * 31 % KEY_CNT,
                         .value = made};
    return (int32_t)max;
}

static bool odd(void *ctx, const void *row)
{
    (void)ctx;
    return ((const tick_t *)row)->value % 2 != 0;
}

static void twice(void *ctx, const void *in, tm_out_t *out)
{
    const tick_t *from = in;
    (void)ctx;
    for (uint32_t i = 0; i < 2; i++) {
        tick_t *to = tm_out_row(out, i);
        to->key = from->key + i;
        to->value = from->value;
    }
}

static int results_take(void *ctx, uint32_t subtask, const void *rows, uint32_t cnt,
                        uint32_t stride)
{
    (void)ctx;
    (void)subtask;
    (void)rows;
    (void)stride;
    results += cnt;
    return 0;
}

static void remember(tm_process_t *p, const void *row)
{
    const tick_t *from = row;
    if (tm_value_set(p, 0, &from->value, sizeof from->value) == 0)
        tm_timer_set(p, TM_EVENT_TIME, from->row.event_ns + 1000000, 0);
}

static void remind(tm_process_t *p, tm_time_domain_t domain, int64_t time_ns, uint32_t name)
{
    (void)domain;
    (void)time_ns;
    (void)name;
    tick_t *to = tm_process_emit(p);
    to->value = 1;
}

static int build(tm_job_t *job)
{
    static const tm_agg_spec_t sum[] = {{.as = "n", .fn = TM_AGG_SUM, .field = "value"}};
    static const tm_state_spec_t last[] = {
        {.name = "last", .kind = TM_STATE_VALUE, .value_sz = sizeof(int64_t)}};
    const tm_window_spec_t w = tm_sliding(10 * TM_MILLISECOND, TM_MILLISECOND);
    const tm_side_spec_t sides[] = {{"second", &tick}};
    tm_stream_t *s = tm_source_generator(job,
                                         &(tm_generator_spec_t){.type = &tick, .next = ticks_next});
    s = tm_watermarks(tm_filter(s, "odd", odd, NULL), &(tm_watermark_spec_t){.bound_ns = 5000});
    tm_stream_t *both = tm_flat_map(
        tm_key_by(s, "key"),
        &(tm_flat_map_spec_t){.out = &tick, .fn = twice, .sides = sides, .side_cnt = 1});
    tm_stream_t *sums = tm_window_aggregate(tm_key_by(both, "key"), "sums", &w, sum, 1);
    tm_stream_t *timers = tm_process(tm_key_by(tm_side_output(both, "second"), "key"),
                                     &(tm_process_spec_t){
                                         .out = &tick,
                                         .fns = {.on_row = remember, .on_timer = remind},
                                         .states = last,
                                         .state_cnt = 1,
                                     });
    tm_sink_callback(sums, &(tm_callback_spec_t){.name = "sums", .rows = results_take});
    tm_sink_callback(timers, &(tm_callback_spec_t){.name = "timers", .rows = results_take});
    return 0;
}

Test(flow_alloc, a_job_of_every_kind_of_operator_allocates_nothing_once_it_runs)
{
    char *argv[] = {"job",    "--quiet", "--state-memory", "64M",
                    "--idle", "yield",   "--worker-cores", "0,0"};
    tm_assert_eq(tm_main((int)TM_ARRAY_CNT(argv), argv, build), 0);
    tm_assert(calls_early > 0);
    tm_assert_eq(calls_late - calls_early, 0u);
    tm_assert(results > 10000);
}
