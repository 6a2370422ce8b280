/* A job that is stopped and goes on with other numbers of workers: wide keys, states with a time to
   live, tumbling and sliding windows, sessions, and windows of the results of windows give what
   their definition says, row by row. Rows come in turn to KEYS keys, one a nanosecond, so every
   result is known beforehand. */
#include "base/clock.h"
#include "engine/tidemark.h"
#include "tests/tm_test.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROWS = 6000, KEYS = 500, ROUNDS = ROWS / KEYS, WINDOW_NS = 1000, ROWS_A_MS = 4 };
enum { WINDOWS = ROWS / WINDOW_NS, SLIDE_NS = 250, SLIDES = (ROWS + WINDOW_NS) / SLIDE_NS };
enum {
    OF_PROCESS,
    OF_TUMBLING,
    OF_SESSIONS,
    OF_SLIDING,
    OF_TOTALS,
    SINKS,
    SUBTASKS = 3,
    STORE_MAX = 2 * ROWS
};

typedef struct tick {
    tm_row_t row;
    uint64_t id, key, twin, before;
} tick_t;

static const tm_struct_field_t tick_fields[] = {
    TM_MEMBER(tick_t, id, "id", TM_TYPE_U64),
    TM_MEMBER(tick_t, key, "key", TM_TYPE_U64),
    TM_MEMBER(tick_t, twin, "twin", TM_TYPE_U64),
    TM_MEMBER(tick_t, before, "before", TM_TYPE_U64),
};
static const tm_struct_t tick_type = TM_STRUCT(tick_t, "tick", tick_fields);

/* What became visible, over all runs. */
static struct {
    uint64_t next;
    int64_t start_ns;
    uint32_t ids[ROWS];               /* times that the row of an id came out of the process */
    uint32_t windows[WINDOWS * KEYS]; /* results by window and key */
    int64_t sliding[SLIDES * KEYS];   /* rows, by the end of their window and key */
    uint32_t totals[WINDOWS];
    uint32_t sessions[KEYS], runs;
    _Atomic uint64_t wrong;
    uint16_t key_off[SINKS], start_off[SINKS], count_off[SINKS], ids_off;
} seen;

static void wrong_if(bool is)
{
    if (is) atomic_fetch_add_explicit(&seen.wrong, 1, memory_order_relaxed); /* statistics */
}

static int32_t next(void *ctx, uint32_t partition, void *rows, uint32_t max)
{
    (void)ctx, (void)partition;
    tick_t *out = rows;
    const int64_t ms = (tm_clock_mono_ns() - seen.start_ns) / TM_NS_PER_MS;
    uint32_t cnt = 0;
    if (seen.next == ROWS) return TM_SOURCE_END;
    for (; cnt < max && seen.next < ROWS && seen.next < (uint64_t)(ms * ROWS_A_MS); seen.next++) {
        const uint64_t id = seen.next;
        out[cnt].row.event_ns = (int64_t)id;
        out[cnt].id = id, out[cnt].key = id % KEYS;
        out[cnt++].twin = id % KEYS * 7;
    }
    return (int32_t)cnt;
}

static void seek(void *ctx, uint32_t partition, uint64_t row)
{
    (void)ctx, (void)partition;
    seen.next = row;
    seen.start_ns = tm_clock_mono_ns() - (int64_t)row / ROWS_A_MS * TM_NS_PER_MS;
}

/* ---- the process function: rows of its key so far, by four states --------------------------- */

enum { VALUE, LIST, MAP, BLOB };
#define LONG_NS INT64_C(1000000000)
static const tm_state_spec_t states[] = {
    [VALUE] = {.name = "value", .kind = TM_STATE_VALUE, .value_sz = 8, .ttl_ns = LONG_NS},
    [LIST] = {.name = "list", .kind = TM_STATE_LIST, .ttl_ns = 2 * KEYS + 1},
    [MAP] = {.name = "map", .kind = TM_STATE_MAP, .ttl_ns = 3 * KEYS + 1},
    [BLOB] = {.name = "blob", .kind = TM_STATE_VALUE},
};

static void on_row(tm_process_t *p, const void *row)
{
    const tick_t *t = row;
    const uint64_t *known = tm_value_get(p, VALUE, NULL);
    const uint64_t before = known ? *known : 0, now = before + 1;
    tm_state_iter_t list = {.state = LIST}, map = {.state = MAP};
    uint64_t in_list = 0, in_map = 0;
    size_t blob_sz = 0;
    const void *value, *blob = tm_value_get(p, BLOB, &blob_sz);
    tm_map_entry_t entry;
    while (tm_list_next(p, &list, &value, NULL)) in_list++;
    while (tm_map_next(p, &map, &entry)) in_map++;
    /* The clock is the watermark, which may lag: what must have expired by it may be there still,
       what cannot have expired must be. */
    const uint64_t round = t->id / KEYS;
    wrong_if(in_list < (round < 2 ? round : 2) || in_list > round);
    wrong_if(in_map < (round < 3 ? round : 3) || in_map > round);
    wrong_if((blob ? blob_sz : 0) != 300 * before % 4096);
    uint8_t bytes[4096] = {0};
    const tm_map_entry_t add = {&t->id, sizeof t->id, &now, sizeof now};
    tm_assert_eq(tm_value_set(p, VALUE, &now, sizeof now), 0);
    tm_assert_eq(tm_list_add(p, LIST, &t->id, sizeof t->id), 0);
    tm_assert_eq(tm_map_put(p, MAP, &add), 0);
    tm_assert_eq(tm_value_set(p, BLOB, bytes, 300 * now % 4096), 0);
    tick_t *out = tm_process_emit(p);
    out->id = t->id, out->key = t->key, out->twin = t->twin, out->before = before;
}

/* ---- a sink that shows rows once they are committed -------------------------------------- */

typedef struct my_sink {
    tm_sink_t sink;
    uint32_t kind, row_sz, cnt, prepared;
    uint8_t *rows;
} my_sink_t;

static uint64_t number(const uint8_t *row, uint16_t off)
{
    uint64_t v;
    memcpy(&v, row + off, sizeof v);
    return v;
}

static void show(uint32_t kind, const uint8_t *row)
{
    const uint64_t key = number(row, seen.key_off[kind]);
    if (kind == OF_PROCESS) {
        const tick_t *t = (const void *)row;
        seen.ids[t->id]++;
        wrong_if(t->before != t->id / KEYS || t->twin != t->key * 7);
    } else if (kind == OF_TUMBLING) {
        seen.windows[number(row, seen.start_off[kind]) / WINDOW_NS * KEYS + key]++;
        wrong_if(number(row, seen.count_off[kind]) != WINDOW_NS / KEYS);
    } else if (kind == OF_SESSIONS) {
        seen.sessions[key]++;
        wrong_if(number(row, seen.count_off[kind]) != ROUNDS);
        wrong_if(number(row, seen.ids_off) != ROUNDS);
    } else if (kind == OF_SLIDING) {
        const int64_t end = (int64_t)number(row, seen.start_off[kind]) + WINDOW_NS;
        int64_t *rows = &seen.sliding[(size_t)(end / SLIDE_NS - 1) * KEYS + key];
        wrong_if(*rows != 0);
        *rows = (int64_t)number(row, seen.count_off[kind]);
    } else {
        seen.totals[number(row, seen.start_off[kind]) / WINDOW_NS]++;
        wrong_if(number(row, seen.count_off[kind]) != KEYS);
    }
}

static my_sink_t *of(tm_sink_t *sink)
{
    return (my_sink_t *)(void *)sink;
}

static int my_write(tm_sink_t *sink, const void *rows, uint32_t cnt)
{
    my_sink_t *s = of(sink);
    tm_assert(s->cnt + cnt <= STORE_MAX);
    memcpy(s->rows + (size_t)s->cnt * s->row_sz, rows, (size_t)cnt * s->row_sz);
    s->cnt += cnt;
    return 0;
}

static int my_tick(tm_sink_t *sink, int64_t real_ns)
{
    (void)sink, (void)real_ns;
    return 0;
}

static int my_prepare(tm_sink_t *sink, uint64_t txn_id)
{
    (void)txn_id;
    of(sink)->prepared = of(sink)->cnt;
    return 0;
}

/* One checkpoint at a time: what is prepared is what is committed. */
static int my_commit(tm_sink_t *sink, uint64_t txn_id)
{
    my_sink_t *s = of(sink);
    (void)txn_id;
    for (uint32_t i = 0; i < s->prepared; i++) show(s->kind, s->rows + (size_t)i * s->row_sz);
    s->cnt -= s->prepared;
    memmove(s->rows, s->rows + (size_t)s->prepared * s->row_sz, (size_t)s->cnt * s->row_sz);
    s->prepared = 0;
    return 0;
}

static int my_abort(tm_sink_t *sink)
{
    (void)sink;
    return 0;
}

/* Every run before has ended in order, so nothing is left to commit. */
static int my_recover(tm_sink_t *sink, uint64_t txn_id)
{
    (void)sink, (void)txn_id;
    return 0;
}

static void my_close(tm_sink_t *sink)
{
    free(of(sink)->rows);
    free(sink);
}

static const tm_sink_ops_t my_ops = {.write = my_write,
                                     .tick = my_tick,
                                     .prepare = my_prepare,
                                     .commit = my_commit,
                                     .abort = my_abort,
                                     .recover = my_recover,
                                     .close = my_close};

static uint32_t kinds[SINKS] = {OF_PROCESS, OF_TUMBLING, OF_SESSIONS, OF_SLIDING, OF_TOTALS};

static int my_open(void *ctx, const tm_sink_at_t *at, tm_sink_t **out)
{
    my_sink_t *s = calloc(1, sizeof *s);
    tm_assert(s != NULL);
    *s = (my_sink_t){.sink.ops = &my_ops,
                     .kind = *(uint32_t *)ctx,
                     .row_sz = at->schema->row_sz,
                     .rows = malloc((size_t)STORE_MAX * at->schema->row_sz)};
    tm_assert(s->rows != NULL);
    *out = &s->sink;
    return 0;
}

static void sink(tm_stream_t *s, uint32_t kind)
{
    static const char *const names[] = {"process", "tumbling", "sessions", "sliding", "totals"};
    tm_sink_two_phase(s,
                      &(tm_sink_spec_t){.name = names[kind], .open = my_open, .ctx = &kinds[kind]});
}

static int build(tm_job_t *job)
{
    static const char *const fields[] = {"key", "twin", NULL};
    static const tm_agg_spec_t counts[] = {{.as = "rows", .fn = TM_AGG_COUNT},
                                           {.as = "ids", .fn = TM_AGG_DISTINCT, .field = "id"}};
    static const tm_agg_spec_t all[] = {{.as = "bars", .fn = TM_AGG_COUNT}};
    const tm_window_spec_t tumbling = tm_tumbling(WINDOW_NS), session = tm_session(KEYS + 100);
    const tm_window_spec_t sliding = tm_sliding(WINDOW_NS, SLIDE_NS);
    tm_stream_t *s = tm_source_generator(
        job, &(tm_generator_spec_t){.type = &tick_type, .next = next, .seek = seek});
    s = tm_key_by_fields(tm_watermarks(s, &(tm_watermark_spec_t){.bound_ns = 1}), fields);
    tm_stream_t *counted = tm_process(s, &(tm_process_spec_t){.name = "count",
                                                              .out = &tick_type,
                                                              .fns = {.on_row = on_row},
                                                              .states = states,
                                                              .state_cnt = 4});
    tm_stream_t *bars = tm_window_aggregate(s, "bars", &tumbling, counts, 1);
    tm_stream_t *runs = tm_window_aggregate(s, "runs", &session, counts, 2);
    tm_stream_t *slid = tm_window_aggregate(s, "slid", &sliding, counts, 1);
    tm_stream_t *totals = tm_window_aggregate(tm_key_by(bars, "rows"), "totals", &tumbling, all, 1);
    seen.key_off[OF_SLIDING] = tm_field_off(slid, "key", TM_TYPE_U64);
    seen.key_off[OF_TOTALS] = tm_field_off(totals, "rows", TM_TYPE_I64);
    seen.start_off[OF_SLIDING] = tm_field_off(slid, "window_start", TM_TYPE_TIME_NS);
    seen.start_off[OF_TOTALS] = tm_field_off(totals, "window_start", TM_TYPE_TIME_NS);
    seen.count_off[OF_SLIDING] = tm_field_off(slid, "rows", TM_TYPE_I64);
    seen.count_off[OF_TOTALS] = tm_field_off(totals, "bars", TM_TYPE_I64);
    seen.key_off[OF_PROCESS] = offsetof(tick_t, key);
    seen.key_off[OF_TUMBLING] = tm_field_off(bars, "key", TM_TYPE_U64);
    seen.key_off[OF_SESSIONS] = tm_field_off(runs, "key", TM_TYPE_U64);
    seen.start_off[OF_TUMBLING] = tm_field_off(bars, "window_start", TM_TYPE_TIME_NS);
    seen.count_off[OF_TUMBLING] = tm_field_off(bars, "rows", TM_TYPE_I64);
    seen.count_off[OF_SESSIONS] = tm_field_off(runs, "rows", TM_TYPE_I64);
    seen.ids_off = tm_field_off(runs, "ids", TM_TYPE_I64);
    sink(counted, OF_PROCESS);
    sink(bars, OF_TUMBLING);
    sink(runs, OF_SESSIONS);
    sink(slid, OF_SLIDING);
    sink(totals, OF_TOTALS);
    return 0;
}

static int run(char *dir, const char *cores, const char *duration)
{
    char where[16], how_long[16];
    snprintf(where, sizeof where, "%s", cores);
    snprintf(how_long, sizeof how_long, "%s", duration);
    char *argv[] = {(char[]){"job"},
                    (char[]){"--quiet"},
                    (char[]){"--worker-cores"},
                    where,
                    (char[]){"--state-memory"},
                    (char[]){"16M"},
                    (char[]){"--checkpoints"},
                    dir,
                    (char[]){"--checkpoint-interval"},
                    (char[]){"20ms"},
                    (char[]){"--duration"},
                    how_long,
                    NULL};
    seen.start_ns = tm_clock_mono_ns();
    return tm_main(12, argv, build);
}

/* Rows of a key before a time: it has one each KEYS nanoseconds. */
static int64_t rows_before(int64_t key, int64_t ns)
{
    if (ns > ROWS) ns = ROWS;
    return ns <= key ? 0 : (ns - key + KEYS - 1) / KEYS;
}

static int64_t rows_of(int64_t key, int64_t end_ns)
{
    return rows_before(key, end_ns) - rows_before(key, end_ns - WINDOW_NS);
}

Test(rescale, keys_states_and_windows_follow_their_key_groups)
{
    static const char *const cores[] = {"0", "0,0", "0,0,0", "0", "0,0,0", "0,0"};
    char dir[] = "/tmp/tm-rescale-XXXXXX", command[64];
    uint64_t lost = 0, doubled = 0;
    tm_assert(mkdtemp(dir) != NULL);
    uint32_t interrupted = 0;
    for (size_t i = 0; i < 5; i++) {
        tm_assert_eq(run(dir, cores[i], "110ms"), 0);
        interrupted += seen.next < ROWS;
    }
    tm_assert(interrupted >= 2);
    tm_assert_eq(run(dir, cores[5], "600s"), 0);
    for (uint32_t i = 0; i < ROWS; i++) lost += seen.ids[i] == 0, doubled += seen.ids[i] > 1;
    for (uint32_t i = 0; i < WINDOWS * KEYS; i++)
        lost += seen.windows[i] == 0, doubled += seen.windows[i] > 1;
    for (uint32_t i = 0; i < WINDOWS; i++)
        lost += seen.totals[i] == 0, doubled += seen.totals[i] > 1;
    for (int64_t i = 0; i < SLIDES * KEYS; i++)
        tm_assert_eq(seen.sliding[i], rows_of(i % KEYS, (i / KEYS + 1) * SLIDE_NS));
    for (uint32_t i = 0; i < KEYS; i++)
        lost += seen.sessions[i] == 0, doubled += seen.sessions[i] > 1;
    tm_assert_eq(lost, 0u);
    tm_assert_eq(doubled, 0u);
    tm_assert_eq(atomic_load_explicit(&seen.wrong, memory_order_relaxed), 0u);
    snprintf(command, sizeof command, "rm -r %s", dir);
    tm_assert_eq(system(command), 0);
}
