/* Event time through whole jobs: windows behind windows, exchanges that fill each other, sources
   that fall silent, sources that run ahead. */
#include "base/clock.h"
#include "base/types.h"
#include "engine/tidemark.h"
#include "tests/tm_test.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROW_CNT = 20000, WINDOW_NS = 1000, KEY_CNT = 64 };

typedef struct tick {
    tm_row_t row;
    int64_t key;
    int64_t hops;
} tick_t;

static const tm_struct_field_t tick_fields[] = {
    TM_HEADER_TIME("time"),
    TM_MEMBER(tick_t, key, "key", TM_TYPE_I64),
    TM_MEMBER(tick_t, hops, "hops", TM_TYPE_I64),
};
static const tm_struct_t tick = TM_STRUCT(tick_t, "tick", tick_fields);

static int run(tm_build_fn *build, char *workers, char *ingests, char *depth)
{
    char *argv[] = {
        "job",          "--quiet", "--state-memory", "8M",    "--idle",         "yield",
        "--ring-depth", depth,     "--ingest-cores", ingests, "--worker-cores", workers};
    return tm_main((int)TM_ARRAY_CNT(argv), argv, build);
}

/* ---- two stages ------------------------------------------------------------------------------ */

static tick_t *ticks;
static uint64_t windows_seen, rows_seen, wrong;
static uint16_t start_off, n_off, total_off, keys_off;

static void ticks_make(void)
{
    ticks = calloc(ROW_CNT, sizeof *ticks);
    tm_assert(ticks != NULL);
    for (int64_t i = 0; i < ROW_CNT; i++)
        ticks[i] = (tick_t){.row = {.symbol = TM_SYMBOL_NONE, .event_ns = 10000 + i},
                            .key = i * 7919 % KEY_CNT};
}

/* One row of the second window for each first one: all keys, all rows. */
static int totals_take(void *ctx, uint32_t subtask, const void *rows, uint32_t cnt, uint32_t stride)
{
    (void)ctx;
    (void)subtask;
    for (uint32_t i = 0; i < cnt; i++) {
        const uint8_t *row = (const uint8_t *)rows + (size_t)i * stride;
        int64_t start, keys;
        tm_i128_t total;
        memcpy(&start, row + TM_ROW_HEADER_SZ, sizeof start); /* the key comes first */
        memcpy(&total, row + total_off, sizeof total);
        memcpy(&keys, row + keys_off, sizeof keys);
        wrong += total != WINDOW_NS || keys != KEY_CNT || start % WINDOW_NS != 0;
        rows_seen += (uint64_t)total;
        windows_seen++;
    }
    return 0;
}

/* A result of the first window as a row of our own: by which start, and how many. */
static void total_of(void *ctx, const void *in, void *out)
{
    (void)ctx;
    tick_t *to = out;
    memcpy(&to->key, (const uint8_t *)in + start_off, sizeof to->key);
    memcpy(&to->hops, (const uint8_t *)in + n_off, sizeof to->hops);
}

static int build_two_stages(tm_job_t *job)
{
    static const tm_agg_spec_t count[] = {{.as = "n", .fn = TM_AGG_COUNT}};
    static const tm_agg_spec_t sums[] = {{.as = "total", .fn = TM_AGG_SUM, .field = "hops"},
                                         {.as = "keys", .fn = TM_AGG_COUNT}};
    const tm_window_spec_t w = tm_tumbling(WINDOW_NS);
    tm_stream_t *s = tm_source_array(
        job, &(tm_array_spec_t){.type = &tick, .rows = ticks, .row_cnt = ROW_CNT, .partitions = 3});
    s = tm_watermarks(s, &(tm_watermark_spec_t){.bound_ns = 50});
    s = tm_window_aggregate(tm_key_by(s, "key"), "by_key", &w, count, 1);
    start_off = tm_field_off(s, "window_start", TM_TYPE_TIME_NS);
    n_off = tm_field_off(s, "n", TM_TYPE_I64);
    s = tm_map(s, "totals", &tick, total_of, NULL);
    s = tm_window_aggregate(tm_key_by(s, "key"), "all", &w, sums, 2);
    total_off = tm_field_off(s, "total", TM_TYPE_DECIMAL128);
    keys_off = tm_field_off(s, "keys", TM_TYPE_I64);
    tm_sink_callback(s, &(tm_callback_spec_t){.name = "totals", .rows = totals_take});
    return 0;
}

Test(event_time, a_window_of_windows_keyed_anew_sees_every_result_once_and_in_time)
{
    char *const workers[] = {"0", "0,0", "0,0,0"};
    ticks_make();
    for (size_t i = 0; i < TM_ARRAY_CNT(workers); i++) {
        windows_seen = rows_seen = wrong = 0;
        tm_assert_eq(run(build_two_stages, workers[i], "0,0", "64"), 0);
        tm_assert_eq(wrong, 0u);
        tm_assert_eq(windows_seen, (uint64_t)ROW_CNT / WINDOW_NS);
        tm_assert_eq(rows_seen, (uint64_t)ROW_CNT);
    }
    free(ticks);
}

/* ---- exchanges that fill each other ---------------------------------------------------------- */

enum { FAN = 7, HOPS = 3 };

static void fan_out(void *ctx, const void *in, tm_out_t *out)
{
    const tick_t *from = in;
    (void)ctx;
    for (int64_t i = 0; i < FAN; i++) {
        tick_t *to = tm_out_row(out, 0);
        to->key = from->key * FAN + i;
        to->hops = from->hops + 1;
    }
}

static int hops_take(void *ctx, uint32_t subtask, const void *rows, uint32_t cnt, uint32_t stride)
{
    (void)ctx;
    (void)subtask;
    for (uint32_t i = 0; i < cnt; i++) {
        const tick_t *row = (const void *)((const uint8_t *)rows + (size_t)i * stride);
        wrong += row->hops > HOPS;
        rows_seen += row->hops == HOPS;
        windows_seen += row->hops == 1;
    }
    return 0;
}

static bool everything(void *ctx, const void *row)
{
    (void)ctx;
    return ((const tick_t *)row)->hops > 0;
}

/* Every stage sends to every worker, and the last one hears from the first as well. */
static int build_fan(tm_job_t *job)
{
    tm_stream_t *s = tm_source_array(
        job, &(tm_array_spec_t){.type = &tick, .rows = ticks, .row_cnt = 1000, .partitions = 2});
    tm_stream_t *first = NULL;
    for (int hop = 0; hop < HOPS; hop++) {
        s = tm_flat_map(tm_key_by(s, "key"), &(tm_flat_map_spec_t){.out = &tick, .fn = fan_out});
        if (hop == 0) first = s;
    }
    s = tm_filter(tm_key_by(tm_union((tm_stream_t *const[]){s, first}, 2), "key"), "all",
                  everything, NULL);
    tm_sink_callback(s, &(tm_callback_spec_t){.rows = hops_take});
    return 0;
}

Test(event_time, exchanges_that_fill_each_other_never_lock_and_lose_nothing)
{
    ticks_make();
    windows_seen = rows_seen = wrong = 0;
    tm_assert_eq(run(build_fan, "0,0,0", "0,0", "64"), 0);
    tm_assert_eq(wrong, 0u);
    tm_assert_eq(windows_seen, 1000u * FAN);
    tm_assert_eq(rows_seen, 1000u * FAN * FAN * FAN);
    free(ticks);
}

/* ---- silence --------------------------------------------------------------------------------- */

static _Atomic uint64_t results;
static int64_t silent_until_ns;

/* Partition 0 has rows; partition 1 says nothing until a result is there, then ends. */
static int32_t half_silent(void *ctx, uint32_t partition, void *rows, uint32_t max)
{
    static int64_t next;
    (void)ctx;
    if (partition == 1) {
        bool seen = atomic_load_explicit(&results, memory_order_acquire) > 0;
        if (!seen && tm_clock_mono_ns() < silent_until_ns) return 0;
        next = 0;
        return TM_SOURCE_END;
    }
    if (next >= 100 * WINDOW_NS) return next = 0, TM_SOURCE_END;
    tick_t *at = rows;
    for (uint32_t i = 0; i < max; i++, next += 10)
        at[i] = (tick_t){.row = {.symbol = TM_SYMBOL_NONE, .event_ns = next}, .key = next % 3};
    return (int32_t)max;
}

static int results_take(void *ctx, uint32_t subtask, const void *rows, uint32_t cnt,
                        uint32_t stride)
{
    (void)ctx;
    (void)subtask;
    (void)rows;
    (void)stride;
    atomic_fetch_add_explicit(&results, cnt, memory_order_release);
    return 0;
}

static int64_t idle_after_ns;

static int build_half_silent(tm_job_t *job)
{
    static const tm_agg_spec_t count[] = {{.as = "n", .fn = TM_AGG_COUNT}};
    const tm_window_spec_t w = tm_tumbling(WINDOW_NS);
    tm_stream_t *s = tm_source_generator(
        job, &(tm_generator_spec_t){.type = &tick, .next = half_silent, .partitions = 2});
    s = tm_watermarks(s, &(tm_watermark_spec_t){.bound_ns = 5, .idle_ns = idle_after_ns});
    s = tm_window_aggregate(tm_key_by(s, "key"), "n", &w, count, 1);
    tm_sink_callback(s, &(tm_callback_spec_t){.rows = results_take});
    return 0;
}

/* How long the job took until its silent partition gave up waiting for a result, ms. */
static int64_t silence_ms(int64_t idle_ns, char *ingests)
{
    tm_clock_init();
    idle_after_ns = idle_ns;
    atomic_store_explicit(&results, 0, memory_order_relaxed); /* no thread yet */
    int64_t start_ns = tm_clock_mono_ns();
    silent_until_ns = start_ns + (idle_ns ? 20 : 1) * TM_NS_PER_S;
    tm_assert_eq(run(build_half_silent, "0,0", ingests, "1024"), 0);
    tm_assert(atomic_load_explicit(&results, memory_order_acquire) >= 300);
    return (tm_clock_mono_ns() - start_ns) / TM_NS_PER_MS;
}

Test(event_time, a_silent_partition_holds_results_until_it_is_idle)
{
    tm_assert(silence_ms(0, "0") >= 1000);
    tm_assert(silence_ms(30 * TM_MILLISECOND, "0") < 10000);
    tm_assert(silence_ms(30 * TM_MILLISECOND, "0,0") < 10000);
}

/* ---- running ahead --------------------------------------------------------------------------- */

enum { SLOW_ROWS = 200, STEP_NS = 100, DRIFT_NS = 1000 };

static _Atomic int64_t slow_at_ns;
static int64_t lead_max_ns;

static int32_t slow_next(void *ctx, uint32_t partition, void *rows, uint32_t max)
{
    int64_t *n = ctx;
    (void)partition;
    (void)max;
    if (*n == SLOW_ROWS) return TM_SOURCE_END;
    const struct timespec nap = {0, 200000};
    nanosleep(&nap, NULL);
    int64_t at_ns = ++*n * STEP_NS;
    *(tick_t *)rows = (tick_t){.row = {.symbol = TM_SYMBOL_NONE, .event_ns = at_ns}};
    atomic_store_explicit(&slow_at_ns, at_ns, memory_order_relaxed); /* only compared */
    return 1;
}

static int32_t fast_next(void *ctx, uint32_t partition, void *rows, uint32_t max)
{
    int64_t *n = ctx;
    (void)partition;
    (void)max;
    if (*n == SLOW_ROWS) return TM_SOURCE_END;
    int64_t slow = atomic_load_explicit(&slow_at_ns, memory_order_relaxed); /* only compared */
    if (slow == 0) return 0; /* nobody waits for one who has said nothing yet */
    int64_t at_ns = ++*n * STEP_NS;
    if (at_ns - slow > lead_max_ns) lead_max_ns = at_ns - slow;
    *(tick_t *)rows = (tick_t){.row = {.symbol = TM_SYMBOL_NONE, .event_ns = at_ns}};
    return 1;
}

static const char *group;

static int build_race(tm_job_t *job)
{
    static int64_t counts[2];
    static tm_generate_fn *const fns[] = {slow_next, fast_next};
    const tm_watermark_spec_t wm = {.align_group = group, .align_drift_ns = DRIFT_NS};
    tm_stream_t *ins[2];
    for (int i = 0; i < 2; i++) {
        counts[i] = 0;
        tm_stream_t *s = tm_source_generator(
            job, &(tm_generator_spec_t){.type = &tick, .next = fns[i], .ctx = &counts[i]});
        ins[i] = tm_watermarks(s, &wm);
    }
    tm_sink_callback(tm_union(ins, 2), &(tm_callback_spec_t){.rows = results_take});
    return 0;
}

static int64_t lead_of(const char *name, char *ingests)
{
    group = name;
    lead_max_ns = 0;
    atomic_store_explicit(&slow_at_ns, 0, memory_order_relaxed); /* no thread yet */
    atomic_store_explicit(&results, 0, memory_order_relaxed);    /* no thread yet */
    tm_assert_eq(run(build_race, "0", ingests, "1024"), 0);
    tm_assert_eq(atomic_load_explicit(&results, memory_order_acquire), 2u * SLOW_ROWS);
    return lead_max_ns;
}

Test(event_time, a_source_that_runs_ahead_waits_for_its_group)
{
    /* A source may go one row beyond the drift, and its peer's row may not be a watermark yet. */
    tm_assert(lead_of("pair", "0,0") <= DRIFT_NS + 3 * STEP_NS);
    tm_assert(lead_of("pair", "0") <= DRIFT_NS + 3 * STEP_NS);
    tm_assert(lead_of(NULL, "0,0") > 2 * DRIFT_NS);
}
