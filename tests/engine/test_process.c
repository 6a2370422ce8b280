/* Rules of process functions that a reader should find by name. Each test writes down what the
   callbacks saw as one line of text. */
#include "base/error.h"
#include "engine/operators/process/process.h"
#include "tests/state/pages_bed.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

typedef struct bench {
    tm_operator_t *op;
    tm_page_arena_t arena;
    tm_counter_set_t *counters;
    void *mem, *page_mem;
    char said[1024];
    int64_t arg; /* of the test's own */
} bench_t;

static void say(bench_t *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void say(bench_t *b, const char *fmt, ...)
{
    size_t at = strlen(b->said);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(b->said + at, sizeof b->said - at, fmt, ap);
    va_end(ap);
}

static void out_rows(void *ctx, const void *rows, uint32_t cnt, uint32_t stride)
{
    for (uint32_t i = 0; i < cnt; i++) {
        const tm_trade_t *t = (const void *)((const uint8_t *)rows + (size_t)i * stride);
        say(ctx, "row(%u,%lld) ", t->row.symbol, (long long)t->row.event_ns);
    }
}

static void side_rows(void *ctx, const void *rows, uint32_t cnt, uint32_t stride)
{
    (void)rows;
    (void)stride;
    say(ctx, "side(%u) ", cnt);
}

static void out_watermark(void *ctx, int64_t wm_ns)
{
    say(ctx, "wm(%lld) ", (long long)wm_ns);
}

static tm_process_cfg_t cfg_of(const tm_process_fns_t *fns)
{
    return (tm_process_cfg_t){.name = "test",
                              .fns = *fns,
                              .in_cnt = fns->on_second ? 2 : 1,
                              .in = {tm_schema_trade(), tm_schema_quote()},
                              .key_fields = {{"symbol"}, {"symbol"}},
                              .out = tm_schema_trade(),
                              .sides = {tm_schema_trade()},
                              .side_cnt = 1};
}

static void bench_open(bench_t *b, tm_process_cfg_t *cfg)
{
    *b = (bench_t){0};
    b->page_mem = pages_bed_open(&b->arena, 64);
    b->counters = tm_counter_set_new("test");
    cfg->user = b;
    const tm_operator_env_t env = {.outs = {{out_rows, out_watermark, b}, {side_rows, NULL, b}},
                                   .pages = &b->arena,
                                   .counters = b->counters,
                                   .subtask_cnt = 1};
    size_t sz = tm_process_footprint(cfg);
    tm_assert(sz > 0);
    b->mem = aligned_alloc(TM_CACHE_LINE, tm_align_up(sz, TM_CACHE_LINE));
    b->op = tm_process_init(b->mem, cfg, &env);
}

static void bench_close(bench_t *b)
{
    tm_operator_fini(b->op);
    tm_assert_eq(b->arena.used_cnt, 0u);
    tm_counter_set_free(b->counters);
    free(b->mem);
    free(b->page_mem);
}

static void row(bench_t *b, uint32_t key, int64_t event_ns)
{
    const tm_trade_t trade = {.row = {.symbol = key, .event_ns = event_ns}};
    tm_operator_rows(b->op, &trade, 1, sizeof trade);
}

static void drain(bench_t *b)
{
    while (tm_operator_work(b->op) > 0) {
    }
}

/* ---- Timers ---------------------------------------------------------------------------------- */

/* A timer at the row's time, set three times. */
static void set_thrice(tm_process_t *p, const void *r)
{
    (void)r;
    for (int i = 0; i < 3; i++)
        tm_assert_eq(tm_timer_set(p, TM_EVENT_TIME, tm_process_time(p), 5), 0);
}

/* Says it fired, and sets one more behind the watermark the first time. */
static void fire_and_set(tm_process_t *p, tm_time_domain_t domain, int64_t time_ns, uint32_t name)
{
    bench_t *b = tm_process_user(p);
    uint32_t key;
    memcpy(&key, tm_process_key(p, 0, NULL), sizeof key);
    say(b, "%s(%u,%lld,%u,wm %lld) ", domain == TM_EVENT_TIME ? "event" : "clock", key,
        (long long)time_ns, name, (long long)tm_process_watermark(p));
    tm_process_emit(p);
    if (name == 5) tm_assert_eq(tm_timer_set(p, domain, time_ns - 100, 6), 0);
}

Test(process, timers_fire_once_in_order_of_time_and_before_the_watermark_is_handed_on)
{
    bench_t b;
    tm_process_cfg_t cfg = cfg_of(
        &(tm_process_fns_t){.on_row = set_thrice, .on_timer = fire_and_set});
    bench_open(&b, &cfg);
    row(&b, 2, 30);
    row(&b, 1, 20);
    row(&b, 1, 21);
    tm_operator_watermark(b.op, 20);
    drain(&b);
    tm_assert_str(b.said, "event(1,20,5,wm 20) event(1,-80,6,wm 20) row(1,20) row(1,-80) wm(20) ");
    b.said[0] = 0;
    tm_operator_watermark(b.op, 20);
    drain(&b);
    tm_assert_str(b.said, "");
    tm_operator_watermark(b.op, INT64_MAX);
    drain(&b);
    tm_assert(strstr(b.said, "event(1,21,5") && strstr(b.said, "event(2,30,5"));
    bench_close(&b);
}

Test(process, a_timer_that_a_row_sets_behind_the_watermark_waits_for_the_next)
{
    bench_t b;
    tm_process_cfg_t cfg = cfg_of(
        &(tm_process_fns_t){.on_row = set_thrice, .on_timer = fire_and_set});
    bench_open(&b, &cfg);
    tm_operator_watermark(b.op, 50);
    drain(&b);
    row(&b, 1, 40);
    drain(&b);
    row(&b, 2, 60);
    drain(&b);
    tm_assert_str(b.said, "wm(50) ");
    tm_operator_watermark(b.op, 51);
    drain(&b);
    tm_assert_str(b.said, "wm(50) event(1,40,5,wm 51) event(1,-60,6,wm 51) row(1,40) row(1,-60)"
                          " wm(51) ");
    bench_close(&b);
}

static void set_clock(tm_process_t *p, const void *r)
{
    (void)r;
    tm_assert_eq(tm_timer_set(p, TM_PROCESSING_TIME, tm_process_now(p) + 1000, 1), 0);
}

Test(process, timers_of_the_wall_clock_fire_when_it_is_told_and_carry_no_event_time)
{
    bench_t b;
    tm_process_cfg_t cfg = cfg_of(
        &(tm_process_fns_t){.on_row = set_clock, .on_timer = fire_and_set});
    bench_open(&b, &cfg);
    tm_operator_time(b.op, 5000);
    row(&b, 3, 10);
    tm_operator_watermark(b.op, 100);
    tm_operator_time(b.op, 5999);
    drain(&b);
    tm_assert_str(b.said, "wm(100) ");
    tm_operator_time(b.op, 6000);
    drain(&b);
    tm_assert_str(b.said, "wm(100) clock(3,6000,1,wm 100) row(3,-9223372036854775808) ");
    row(&b, 3, 10);
    tm_operator_watermark(b.op, INT64_MAX);
    tm_operator_end(b.op);
    tm_assert(!strstr(b.said, "7000"));
    bench_close(&b);
}

Test(process, timers_within_one_grain_are_one)
{
    bench_t b;
    tm_process_cfg_t cfg = cfg_of(
        &(tm_process_fns_t){.on_row = set_thrice, .on_timer = fire_and_set});
    cfg.timer_grain_ns = 1000;
    bench_open(&b, &cfg);
    for (int64_t t = 1001; t <= 2000; t += 37) row(&b, 1, t);
    row(&b, 1, -5);
    tm_operator_watermark(b.op, 1999);
    drain(&b);
    tm_assert(strstr(b.said, "event(1,0,5,") && !strstr(b.said, "event(1,2000"));
    tm_operator_watermark(b.op, 2000);
    drain(&b);
    tm_assert(strstr(b.said, "event(1,2000,5,"));
    tm_assert_eq(tm_counter_read(tm_counter_get(b.counters, "process_timers")), 4u);
    bench_close(&b);
}

/* ---- Life, inputs, outputs ------------------------------------------------------------------- */

static void say_open(tm_process_t *p)
{
    say(tm_process_user(p), "open ");
}

static void say_close(tm_process_t *p)
{
    say(tm_process_user(p), "close ");
    tm_process_emit(p);
}

enum { COUNT };

static int64_t count(tm_process_t *p)
{
    const int64_t *was = tm_value_get(p, COUNT, NULL);
    int64_t now = was ? *was + 1 : 1;
    tm_assert_eq(tm_value_set(p, COUNT, &now, sizeof now), 0);
    return now;
}

static void first(tm_process_t *p, const void *r)
{
    (void)r;
    say(tm_process_user(p), "first %lld ", (long long)count(p));
}

static void second(tm_process_t *p, const void *r)
{
    (void)r;
    say(tm_process_user(p), "second %lld ", (long long)count(p));
    tm_process_emit_side(p, 0);
}

static const tm_state_spec_t counts[] = {
    {.name = "count", .kind = TM_STATE_VALUE, .value_sz = sizeof(int64_t)}};

Test(process, both_inputs_see_the_state_of_their_common_key)
{
    bench_t b;
    tm_process_cfg_t cfg = cfg_of(&(tm_process_fns_t){
        .open = say_open, .on_row = first, .on_second = second, .close = say_close});
    cfg.states = counts, cfg.state_cnt = 1;
    bench_open(&b, &cfg);
    const tm_quote_t quote = {.row = {.symbol = 1, .event_ns = 3}};
    row(&b, 1, 1);
    tm_operator_input(b.op, 1, &quote, 1, sizeof quote);
    row(&b, 2, 1);
    row(&b, 1, 1);
    tm_operator_watermark(b.op, INT64_MAX);
    tm_operator_end(b.op);
    tm_assert_str(b.said, "open first 1 second 2 side(1) first 1 first 3 wm(9223372036854775807)"
                          " close row(4294967295,9223372036854775807) ");
    bench_close(&b);
}

Test(process, keys_without_state_and_timers_take_no_memory)
{
    bench_t b;
    tm_process_cfg_t cfg = cfg_of(&(tm_process_fns_t){.on_row = set_thrice});
    bench_open(&b, &cfg);
    for (uint32_t key = 0; key < 200000; key++) {
        row(&b, key, key);
        if (key % 100 == 0) tm_operator_watermark(b.op, key);
    }
    tm_assert(b.arena.used_max < 32);
    tm_assert_eq(tm_counter_read(tm_counter_get(b.counters, "process_full")), 0u);
    bench_close(&b);
}

Test(process, mistakes_of_a_job_are_told_by_name)
{
    const tm_process_fns_t fns = {.on_row = first};
    tm_process_cfg_t cfg = cfg_of(&fns);
    tm_state_spec_t two[] = {counts[0], counts[0]};
    cfg.states = two, cfg.state_cnt = 2;
    tm_assert_eq(tm_process_footprint(&cfg), 0u);
    tm_assert_str(tm_error_text(), "process test: two states have the name count");
    two[1] = (tm_state_spec_t){.name = "sum", .kind = TM_STATE_REDUCING, .value_sz = 8};
    tm_assert_eq(tm_process_footprint(&cfg), 0u);
    tm_assert_str(tm_error_text(), "process test: state sum: reducing state needs reduce and"
                                   " value_sz");
    cfg.state_cnt = 1;
    cfg.key_fields[0][0] = "venue";
    tm_assert_eq(tm_process_footprint(&cfg), 0u);
    tm_assert_str(tm_error_text(), "process test: key: trade rows have no field 'venue'");
    cfg = cfg_of(&(tm_process_fns_t){.on_row = first, .on_second = second});
    cfg.key_fields[1][0] = "update_id";
    tm_assert_eq(tm_process_footprint(&cfg), 0u);
    tm_assert_str(tm_error_text(), "process test: the keys of its inputs differ in type");
}
