/* A job that fails and is restarted in process: when that is done, and that no row is lost or comes
   twice, whoever fails. Each row carries how many rows of its key came before it, so a row tells by
   itself whether the state behind it was right. */
#include "base/clock.h"
#include "base/error.h"
#include "engine/runtime/checkpoint/restart_strategy.h"
#include "engine/tidemark.h"
#include "tests/tm_test.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROWS = 4000, KEYS = 16, ROWS_A_MS = 10, STEP = ROWS / 5 };

/* ---- strategies ------------------------------------------------------------------------------ */

static tm_restart_strategy_t strategy;

static void strategy_start(const char *text)
{
    tm_restart_options_t o;
    tm_assert_eq(tm_restart_options_parse(&o, text), 0);
    tm_restart_strategy_init(&strategy, &o);
}

/* The delay before the next attempt in ms, -1 = none. */
static int64_t after(int64_t start_ms, int64_t failed_ms)
{
    char why[96];
    int64_t delay_ns;
    if (!tm_restart_strategy_next(&strategy, start_ms * TM_NS_PER_MS, failed_ms * TM_NS_PER_MS,
                                  &delay_ns, why))
        return -1;
    return delay_ns / TM_NS_PER_MS;
}

Test(restart, fixed_delay_gives_so_many_restarts_and_no_more)
{
    strategy_start("fixed:3,200ms");
    for (int i = 0; i < 3; i++) tm_assert_eq(after(0, i), 200);
    tm_assert_eq(after(0, 1000000), -1);
    strategy_start("none");
    tm_assert_eq(after(0, 1), -1);
}

Test(restart, a_rate_forgives_what_lies_behind_its_interval)
{
    strategy_start("rate:2,10s,1s");
    tm_assert_eq(after(0, 0), 1000);
    tm_assert_eq(after(0, 4000), 1000);
    tm_assert_eq(after(0, 10001), 1000); /* the one at 0 is out of it */
    tm_assert_eq(after(0, 14002), 1000); /* 4000 too */
    tm_assert_eq(after(0, 20000), -1);   /* 10001, 14002, 20000 */
}

Test(restart, exponential_delay_grows_to_its_limit_and_begins_anew_after_a_good_run)
{
    strategy_start("exponential:100ms,350ms,2,10s");
    tm_assert_eq(after(0, 1), 100);
    tm_assert_eq(after(1, 2), 200);
    tm_assert_eq(after(2, 3), 350);
    tm_assert_eq(after(3, 4), 350);
    tm_assert_eq(after(4, 10004), 100);
    strategy_start("exponential");
    tm_assert_eq(after(0, 1), 1000);
    tm_assert_eq(after(0, 1), 1500);
    for (int i = 0; i < 50; i++) tm_assert(after(0, 1) <= 60000);
}

Test(restart, an_option_that_makes_no_sense_is_refused_with_what_is_understood)
{
    static const char *const bad[] = {"",
                                      "fixed",
                                      "fixed:3",
                                      "fixed:0,1s",
                                      "fixed:3,",
                                      "fixed:3,1s,1s",
                                      "rate:3,1s",
                                      "rate:x,1s,1s",
                                      "often",
                                      "exponential:1s",
                                      "fixed:3,1x",
                                      "fixedly:3,1s",
                                      "rate:,1s,1s",
                                      "exponential:2s,1s",
                                      "exponential:1s,2s,0.5"};
    tm_restart_options_t o;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        tm_assert_eq(tm_restart_options_parse(&o, bad[i]), (int)TM_E_CONFIG);
        tm_assert(strstr(tm_error_text(), "rate:3,10m,1s") != NULL);
    }
    o = (tm_restart_options_t){.kind = TM_RESTART_DEFAULT};
    tm_assert(tm_restart_options_resolve(&o, false).kind == TM_RESTART_NONE);
    tm_assert(tm_restart_options_resolve(&o, true).kind == TM_RESTART_RATE);
}

/* ---- a job that fails ------------------------------------------------------------------------ */

typedef struct tick {
    tm_row_t row;
    uint64_t id, key, before;
} tick_t;

static const tm_struct_field_t tick_fields[] = {
    TM_MEMBER(tick_t, id, "id", TM_TYPE_U64),
    TM_MEMBER(tick_t, key, "key", TM_TYPE_U64),
    TM_MEMBER(tick_t, before, "before", TM_TYPE_U64),
};
static const tm_struct_t tick_type = TM_STRUCT(tick_t, "tick", tick_fields);

typedef enum culprit {
    NOBODY,
    IN_SOURCE,
    IN_FILTER,
    IN_PROCESS,
    IN_WRITE,
    IN_PREPARE,
    IN_COMMIT,
} culprit_t;

/* What outlives attempts: what has failed so far, and the rows that became visible. */
static struct {
    culprit_t culprit;
    bool one_way; /* the source has no seek() */
    uint32_t failures_wanted, opened;
    _Atomic uint32_t failures, failed_in; /* the latter: `opened` when the last one was made */
    uint64_t next;                        /* of the source */
    int64_t start_ns;
    uint32_t times[ROWS];
    uint64_t visible_cnt, wrong_cnt;
} job;

/* Whether this is the time to fail: once an attempt, in steps over the whole input. */
static bool fails(culprit_t who, uint64_t id)
{
    const uint32_t done = atomic_load_explicit(&job.failures, memory_order_relaxed);
    uint32_t failed_in = atomic_load_explicit(&job.failed_in, memory_order_relaxed);
    if (job.culprit != who || done >= job.failures_wanted || id < (done + 1) * (uint64_t)STEP)
        return false;
    if (failed_in == job.opened ||
        !atomic_compare_exchange_strong_explicit(&job.failed_in, &failed_in, job.opened,
                                                 memory_order_relaxed, memory_order_relaxed))
        return false;
    atomic_fetch_add_explicit(&job.failures, 1, memory_order_relaxed);
    return true;
}

static int32_t next(void *ctx, uint32_t partition, void *rows, uint32_t max)
{
    (void)ctx, (void)partition;
    tick_t *out = rows;
    const int64_t ms = (tm_clock_mono_ns() - job.start_ns) / TM_NS_PER_MS;
    uint32_t cnt = 0;
    if (fails(IN_SOURCE, job.next)) return INT32_MAX;
    if (job.next == ROWS) return TM_SOURCE_END;
    for (; cnt < max && job.next < ROWS && job.next < (uint64_t)(ms * ROWS_A_MS); job.next++) {
        out[cnt].row.event_ns = (int64_t)job.next;
        out[cnt].id = job.next;
        out[cnt++].key = job.next % KEYS;
    }
    return (int32_t)cnt;
}

static void seek(void *ctx, uint32_t partition, uint64_t row)
{
    (void)ctx, (void)partition;
    job.next = row;
    job.start_ns = tm_clock_mono_ns() - (int64_t)row / ROWS_A_MS * TM_NS_PER_MS;
}

static bool keep(void *ctx, const void *row)
{
    (void)ctx;
    const tick_t *t = row;
    if (fails(IN_FILTER, t->id)) tm_fail("filter: no way past %llu", (unsigned long long)t->id);
    return true;
}

static void on_row(tm_process_t *p, const void *row)
{
    const tick_t *t = row;
    const uint64_t *known = tm_value_get(p, 0, NULL);
    const uint64_t before = known ? *known : 0, now = before + 1;
    tm_assert_eq(tm_value_set(p, 0, &now, sizeof now), 0);
    tick_t *out = tm_process_emit(p);
    out->id = t->id, out->key = t->key, out->before = before;
    if (fails(IN_PROCESS, t->id)) tm_fail("process: no way past %llu", (unsigned long long)t->id);
}

/* A sink in memory: rows of a transaction become visible when it is committed, or recovered. */
typedef struct store {
    uint64_t txn_of[ROWS * 4]; /* 0 = of none that was prepared */
    tick_t rows[ROWS * 4];
    uint32_t cnt;
} store_t;

static store_t stores[2];

typedef struct my_sink {
    tm_sink_t sink;
    store_t *store;
    uint32_t row_sz;
} my_sink_t;

static store_t *store_of(tm_sink_t *sink)
{
    return ((my_sink_t *)(void *)sink)->store;
}

static int my_write(tm_sink_t *sink, const void *rows, uint32_t cnt)
{
    store_t *s = store_of(sink);
    const uint32_t row_sz = ((my_sink_t *)(void *)sink)->row_sz;
    for (uint32_t i = 0; i < cnt; i++) {
        const tick_t *t = (const tick_t *)(const void *)((const uint8_t *)rows +
                                                         (size_t)i * row_sz);
        if (fails(IN_WRITE, t->id)) return -EIO;
        tm_assert(s->cnt < ROWS * 4);
        s->txn_of[s->cnt] = 0;
        s->rows[s->cnt++] = *t;
    }
    return 0;
}

static int my_tick(tm_sink_t *sink, int64_t real_ns)
{
    (void)sink, (void)real_ns;
    return 0;
}

static uint64_t newest_id(const store_t *s)
{
    return s->cnt ? s->rows[s->cnt - 1].id : 0;
}

static int my_prepare(tm_sink_t *sink, uint64_t txn_id)
{
    store_t *s = store_of(sink);
    if (fails(IN_PREPARE, newest_id(s))) return -ENOSPC;
    for (uint32_t i = 0; i < s->cnt; i++)
        if (s->txn_of[i] == 0) s->txn_of[i] = txn_id;
    return 0;
}

/* Shows what belongs to transactions up to txn_id; keeps or drops the rest. */
static void settle(store_t *s, uint64_t txn_id, bool keeps)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < s->cnt; i++) {
        const tick_t *t = &s->rows[i];
        if (s->txn_of[i] == 0 || s->txn_of[i] > txn_id) {
            s->txn_of[kept] = s->txn_of[i];
            s->rows[kept++] = *t;
            continue;
        }
        job.times[t->id]++;
        job.visible_cnt++;
        job.wrong_cnt += t->before != t->id / KEYS;
    }
    s->cnt = keeps ? kept : 0;
}

static int my_commit(tm_sink_t *sink, uint64_t txn_id)
{
    store_t *s = store_of(sink);
    if (fails(IN_COMMIT, newest_id(s))) return -EIO;
    settle(s, txn_id, true);
    return 0;
}

static int my_recover(tm_sink_t *sink, uint64_t txn_id)
{
    settle(store_of(sink), txn_id, false);
    return 0;
}

static int my_abort(tm_sink_t *sink)
{
    (void)sink;
    return 0;
}

static void my_close(tm_sink_t *sink)
{
    free(sink);
}

static const tm_sink_ops_t my_ops = {.write = my_write,
                                     .tick = my_tick,
                                     .prepare = my_prepare,
                                     .commit = my_commit,
                                     .abort = my_abort,
                                     .recover = my_recover,
                                     .close = my_close};

static int my_open(void *ctx, const tm_sink_at_t *at, tm_sink_t **out)
{
    (void)ctx;
    /* Of two subtasks: the first of the second attempt. */
    if (++job.opened == 3 && job.culprit == IN_WRITE) return -EACCES;
    my_sink_t *s = calloc(1, sizeof *s);
    if (!s) return -ENOMEM;
    *s = (my_sink_t){
        .sink.ops = &my_ops, .store = &stores[at->subtask_idx], .row_sz = at->schema->row_sz};
    *out = &s->sink;
    return 0;
}

static int build(tm_job_t *j)
{
    static const tm_state_spec_t before = {
        .name = "before", .kind = TM_STATE_VALUE, .value_sz = sizeof(uint64_t)};
    tm_stream_t *s = tm_source_generator(
        j, &(tm_generator_spec_t){
               .type = &tick_type, .next = next, .seek = job.one_way ? NULL : seek});
    s = tm_key_by(tm_filter(s, "keep", keep, NULL), "key");
    s = tm_process(s, &(tm_process_spec_t){.name = "count",
                                           .out = &tick_type,
                                           .fns = {.on_row = on_row},
                                           .states = &before,
                                           .state_cnt = 1});
    tm_sink_two_phase(s, &(tm_sink_spec_t){.name = "mine", .open = my_open});
    return 0;
}

/* Runs the job with standard error in `text`. */
static int run(culprit_t culprit, uint32_t failures, const char *restart, char text[4096])
{
    char dir[] = "/tmp/tm-restart-XXXXXX", path[] = "/tmp/tm-restart-err-XXXXXX", command[64];
    char how[64];
    tm_assert(mkdtemp(dir) != NULL);
    snprintf(how, sizeof how, "%s", restart ? restart : "");
    char *argv[] = {(char[]){"job"},
                    (char[]){"--quiet"},
                    (char[]){"--worker-cores"},
                    (char[]){"0,0"},
                    (char[]){"--state-memory"},
                    (char[]){"4M"},
                    (char[]){"--checkpoints"},
                    dir,
                    (char[]){"--checkpoint-interval"},
                    (char[]){"10ms"},
                    (char[]){"--restart"},
                    how,
                    NULL};
    memset(&job, 0, sizeof job);
    memset(stores, 0, sizeof stores);
    job.culprit = culprit;
    job.failures_wanted = failures;
    job.one_way = culprit == NOBODY && failures > 0;
    job.start_ns = tm_clock_mono_ns();
    const int file = mkstemp(path), old = dup(STDERR_FILENO);
    tm_assert(file >= 0 && old >= 0);
    fflush(stderr);
    dup2(file, STDERR_FILENO);
    const int status = tm_main(restart ? 12 : 10, argv, build);
    fflush(stderr);
    dup2(old, STDERR_FILENO);
    const ssize_t sz = pread(file, text, 4095, 0);
    text[sz > 0 ? sz : 0] = '\0';
    close(file);
    close(old);
    unlink(path);
    snprintf(command, sizeof command, "rm -r %s", dir);
    tm_assert_eq(system(command), 0);
    return status;
}

static void every_row_is_there_once(void)
{
    uint64_t lost = 0, doubled = 0;
    for (uint32_t i = 0; i < ROWS; i++) {
        lost += job.times[i] == 0;
        doubled += job.times[i] > 1;
    }
    tm_assert_eq(lost, 0u);
    tm_assert_eq(doubled, 0u);
    tm_assert_eq(job.wrong_cnt, 0u); /* state went back with the rows */
}

/* Before the next one: it fails so often that the log leaves lines out. */
Test(restart, attempts_that_are_used_up_end_the_job_with_the_cause_and_the_limit)
{
    char text[4096];
    tm_assert_eq(run(IN_PROCESS, 4, "fixed:2,1ms", text), 1);
    tm_assert(strstr(text, "process: no way past") != NULL);
    tm_assert(strstr(text, "restart 1 in 0.001 s") != NULL);
    tm_assert(strstr(text, "all 2 restarts of --restart are used up") != NULL);
    tm_assert(job.visible_cnt < ROWS);
    tm_assert_eq(run(IN_COMMIT, 4, "rate:1,1h,1ms", text), 1);
    tm_assert(strstr(text, "sink mine: its commit() returned") != NULL);
    tm_assert(strstr(text, "more than 1 restarts within 3600 s") != NULL);
    tm_assert_eq(run(IN_WRITE, 1, "none", text), 1);
    tm_assert(strstr(text, "restart") == NULL);
}

Test(restart, whoever_fails_every_row_comes_once_with_the_state_it_should_have)
{
    char text[4096];
    for (culprit_t who = NOBODY; who <= IN_COMMIT; who++) {
        const uint32_t failures = who == NOBODY ? 0 : 4;
        tm_assert_eq(run(who, failures, "fixed:5,5ms", text), 0);
        tm_assert_eq(atomic_load_explicit(&job.failures, memory_order_relaxed), failures);
        every_row_is_there_once();
        /* The attempt behind the first failed write cannot be opened either. */
        tm_assert_eq(job.opened, 2 * (failures + 1) + (who == IN_WRITE));
    }
}

Test(restart, a_generator_that_cannot_be_set_back_is_not_restarted)
{
    char text[4096];
    tm_assert_eq(run(NOBODY, 1, "fixed:1,1ms", text), 2);
    tm_assert(strstr(text, "give it seek()") != NULL);
    tm_assert_eq(run(NOBODY, 1, NULL, text), 0);
}
