/* Random graphs of all shapes, run by threads and rings, against the same graph computed on lists,
   one operator after the other. What each sink got is compared as a multiset; watermarks must rise,
   and no row may come behind one that covers it. */
#include "base/types.h"
#include "engine/tidemark.h"
#include "tests/tm_test.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    STREAM_MAX = 24,
    SINK_MAX = 12,
    ROW_MAX = 60000, /* of a stream: graphs multiply rows */
    KEY_CNT = 97,
    SOURCE_ROWS = 3000,
    DISORDER_NS = 500,
    JOBS = 60,
};

/* 56 bytes: not a multiple of a cache line, so that rings and rows differ in stride. */
typedef struct num {
    tm_row_t row;
    int64_t key;
    int64_t a;
    uint64_t id;
    int32_t tag;
    int32_t unused;
} num_t;

static const tm_struct_field_t num_fields[] = {
    TM_HEADER_TIME("time"),
    TM_MEMBER(num_t, key, "key", TM_TYPE_I64),
    TM_MEMBER(num_t, a, "a", TM_TYPE_I64),
    TM_MEMBER(num_t, id, "id", TM_TYPE_U64),
    TM_MEMBER(num_t, tag, "tag", TM_TYPE_I32),
};
static const tm_struct_t num = TM_STRUCT(num_t, "num", num_fields);

/* What an operator does, for the engine and for the lists. */
typedef enum kind { FILTER, MAP, SPLIT, UNION, CONNECT, REKEY, BROADCAST, KIND_CNT } kind_t;

typedef struct step {
    kind_t kind;
    int64_t p;
    _Atomic uintptr_t owners[KEY_CNT]; /* REKEY: the thread that has a key */
    _Atomic uint64_t strays;           /* rows of a key on another thread */
} step_t;

/* A stream and, in lists, its rows. */
typedef struct flow {
    tm_stream_t *s;
    num_t *rows;
    size_t cnt;
    bool read;
} flow_t;

typedef struct sink {
    const flow_t *want;
    num_t *rows;
    size_t cnt;
    int64_t wm_ns;
    uint64_t behind, fallen; /* rows behind a watermark, watermarks that fell */
} sink_t;

static uint64_t rng;
static uint32_t workers;
static flow_t flows[STREAM_MAX];
static step_t steps[STREAM_MAX];
static sink_t sinks[SINK_MAX];
static uint32_t flow_cnt, step_cnt, sink_cnt;

static uint64_t below(uint64_t n)
{
    rng = rng * 6364136223846793005ull + 1442695040888963407ull;
    return (rng >> 33) % n;
}

/* ---- the functions --------------------------------------------------------------------------- */

static bool keep(void *ctx, const void *row)
{
    const step_t *step = ctx;
    return (((const num_t *)row)->a ^ step->p) % 3 != 0;
}

static void change(void *ctx, const void *in, void *out)
{
    const step_t *step = ctx;
    const num_t *from = in;
    num_t *to = out;
    to->key = (from->key * 31 + step->p) % KEY_CNT;
    to->a = from->a + step->p;
    to->id = from->id;
    to->tag = from->tag + 1;
}

static _Thread_local char mark; /* its address is another one on each thread */

static void change_owned(void *ctx, const void *in, void *out)
{
    step_t *step = ctx;
    const num_t *from = in;
    uintptr_t me = (uintptr_t)&mark, none = 0;
    _Atomic uintptr_t *owner = &step->owners[from->key % KEY_CNT];
    if (!atomic_compare_exchange_strong_explicit(owner, &none, me, memory_order_relaxed,
                                                 memory_order_relaxed) && /* an identity */
        none != me)
        atomic_fetch_add_explicit(&step->strays, 1, memory_order_relaxed); /* a counter */
    change(ctx, in, out);
}

/* 0 to 2 rows; odd ones to the side. */
static uint32_t split_list(const step_t *step, const num_t *from, num_t outs[2], bool side[2])
{
    uint32_t cnt = (uint32_t)((uint64_t)(from->a + step->p) % 3);
    for (uint32_t i = 0; i < cnt; i++) {
        outs[i] = *from;
        outs[i].a = from->a * 2 + (int64_t)i;
        outs[i].tag = (int32_t)i;
        side[i] = (from->id + i) % 2;
    }
    return cnt;
}

static void split(void *ctx, const void *in, tm_out_t *out)
{
    num_t outs[2];
    bool side[2];
    uint32_t cnt = split_list(ctx, in, outs, side);
    for (uint32_t i = 0; i < cnt; i++) {
        num_t *to = tm_out_row(out, side[i]);
        to->key = outs[i].key;
        to->a = outs[i].a;
        to->id = outs[i].id;
        to->tag = outs[i].tag;
    }
}

static void join_one(const num_t *from, int64_t add, tm_out_t *out)
{
    num_t *to = tm_out_row(out, 0);
    to->key = from->key;
    to->a = from->a + add;
    to->id = from->id;
}

static void join_a(void *ctx, const void *in, tm_out_t *out)
{
    join_one(in, ((const step_t *)ctx)->p, out);
}

static void join_b(void *ctx, const void *in, tm_out_t *out)
{
    join_one(in, -((const step_t *)ctx)->p, out);
}

/* ---- the same on lists ----------------------------------------------------------------------- */

static flow_t *flow_new(tm_stream_t *s, size_t cap)
{
    flow_t *f = &flows[flow_cnt++];
    *f = (flow_t){.s = s, .rows = malloc((cap + 1) * sizeof(num_t))};
    tm_assert(f->rows != NULL);
    return f;
}

static void flow_add(flow_t *f, num_t row)
{
    f->rows[f->cnt++] = row;
}

static void lists_apply(step_t *step, const flow_t *x, const flow_t *y, flow_t *out, flow_t *side)
{
    for (size_t i = 0; i < x->cnt; i++) {
        num_t row = x->rows[i], to = {.row = row.row}, outs[2];
        bool sides[2];
        uint32_t copies = step->kind == BROADCAST ? workers : 1, n;
        switch (step->kind) {
        case FILTER:
        case BROADCAST:
            for (uint32_t c = 0; c < copies && keep(step, &row); c++) flow_add(out, row);
            break;
        case MAP:
        case REKEY:
            change(step, &row, &to);
            flow_add(out, to);
            break;
        case SPLIT:
            n = split_list(step, &row, outs, sides);
            for (uint32_t k = 0; k < n; k++) flow_add(sides[k] ? side : out, outs[k]);
            break;
        case UNION:
            flow_add(out, row);
            break;
        case CONNECT:
            row.a += step->p;
            row.tag = 0;
            flow_add(out, row);
            break;
        case KIND_CNT:
            break;
        }
    }
    for (size_t i = 0; y && i < y->cnt; i++) {
        num_t row = y->rows[i];
        if (step->kind == CONNECT) {
            row.a -= step->p;
            row.tag = 0;
        }
        flow_add(out, row);
    }
}

/* ---- the graph ------------------------------------------------------------------------------- */

static void source_add(tm_job_t *job)
{
    size_t cnt = 1 + below(SOURCE_ROWS);
    num_t *rows = calloc(cnt, sizeof *rows);
    tm_assert(rows != NULL);
    for (size_t i = 0; i < cnt; i++) {
        int64_t t = 1000000 + (int64_t)i * 1000000 / (int64_t)cnt - (int64_t)below(DISORDER_NS);
        rows[i] = (num_t){.row = {.symbol = TM_SYMBOL_NONE, .event_ns = t},
                          .key = (int64_t)below(KEY_CNT),
                          .a = (int64_t)below(1000000),
                          .id = (uint64_t)flow_cnt << 32 | i};
    }
    tm_array_spec_t spec = {
        .type = &num, .rows = rows, .row_cnt = cnt, .partitions = 1 + (uint32_t)below(3)};
    tm_stream_t *s = tm_source_array(job, &spec);
    s = tm_watermarks(s, &(tm_watermark_spec_t){.bound_ns = 2 * DISORDER_NS});
    flow_t *f = flow_new(s, 0);
    free(f->rows);
    f->rows = rows; /* read by the source until the job has ended */
    f->cnt = cnt;
}

static void step_add(void)
{
    flow_t *x = &flows[below(flow_cnt)], *y = &flows[below(flow_cnt)];
    step_t *step = &steps[step_cnt];
    memset(step, 0, sizeof *step);
    step->kind = (kind_t)below(KIND_CNT);
    step->p = 1 + (int64_t)below(1000);
    size_t cap = 2 * x->cnt + y->cnt + (step->kind == BROADCAST ? workers * x->cnt : 0);
    if (cap > ROW_MAX || flow_cnt + 2 > STREAM_MAX) return;
    step_cnt++;
    static const char *const two_fields[] = {"key", "tag", NULL};
    const tm_side_spec_t sides[] = {{"odd", &num}};
    bool binary = step->kind == UNION || step->kind == CONNECT, wide = below(2);
    tm_stream_t *s = NULL, *odd = NULL;
    switch (step->kind) {
    case FILTER:
        s = tm_filter(x->s, "filter", keep, step);
        break;
    case BROADCAST:
        s = tm_filter(tm_broadcast(x->s), "all", keep, step);
        break;
    case MAP:
        s = tm_map(x->s, "map", &num, change, step);
        break;
    case REKEY:
        s = tm_map(tm_key_by(x->s, "key"), "owned", &num, change_owned, step);
        break;
    case SPLIT:
        s = tm_flat_map(x->s, &(tm_flat_map_spec_t){.name = "split",
                                                    .out = &num,
                                                    .fn = split,
                                                    .ctx = step,
                                                    .sides = sides,
                                                    .side_cnt = 1});
        odd = tm_side_output(s, "odd");
        break;
    case UNION:
        s = tm_union((tm_stream_t *const[]){x->s, y->s}, 2);
        break;
    case CONNECT:
        s = tm_connect(
            wide ? tm_key_by_fields(x->s, two_fields) : tm_key_by(x->s, "a"),
            wide ? tm_key_by_fields(y->s, two_fields) : tm_broadcast(y->s),
            &(tm_connect_spec_t){.out = &num, .on_a = join_a, .on_b = join_b, .ctx = step});
        break;
    case KIND_CNT:
        break;
    }
    x->read = true;
    y->read |= binary;
    flow_t *out = flow_new(s, cap + workers * y->cnt);
    flow_t *side = odd ? flow_new(odd, cap) : NULL;
    lists_apply(step, x, binary ? y : NULL, out, side);
    for (uint32_t c = 1; step->kind == CONNECT && !wide && c < workers; c++) {
        static flow_t empty;
        lists_apply(step, &empty, y, out, NULL); /* broadcast: once a worker */
    }
}

static int take(void *ctx, uint32_t subtask, const void *rows, uint32_t cnt, uint32_t stride)
{
    sink_t *sink = ctx;
    (void)subtask;
    for (uint32_t i = 0; i < cnt; i++) {
        const num_t *row = (const void *)((const uint8_t *)rows + (size_t)i * stride);
        sink->behind += row->row.event_ns <= sink->wm_ns;
        if (sink->cnt <= sink->want->cnt) sink->rows[sink->cnt++] = *row;
    }
    return 0;
}

static void take_watermark(void *ctx, int64_t wm_ns)
{
    sink_t *sink = ctx;
    sink->fallen += wm_ns <= sink->wm_ns;
    sink->wm_ns = wm_ns;
}

static void sink_add(flow_t *f)
{
    sink_t *sink = &sinks[sink_cnt++];
    *sink = (sink_t){
        .want = f, .rows = malloc((f->cnt + 1) * sizeof(num_t)), .wm_ns = TM_TIME_NONE};
    tm_assert(sink->rows != NULL);
    tm_sink_callback(f->s,
                     &(tm_callback_spec_t){
                         .name = "sink", .rows = take, .watermark = take_watermark, .ctx = sink});
    f->read = true;
}

static int build(tm_job_t *job)
{
    flow_cnt = step_cnt = sink_cnt = 0;
    for (uint64_t i = 1 + below(3); i > 0; i--) source_add(job);
    for (uint64_t i = 2 + below(9); i > 0; i--) step_add();
    /* What nobody reads goes to sinks, united where there are too many. */
    for (uint32_t i = 0; i < flow_cnt; i++) {
        if (flows[i].read) continue;
        if (sink_cnt == SINK_MAX) return -1;
        sink_add(&flows[i]);
    }
    return 0;
}

/* ---- one job --------------------------------------------------------------------------------- */

static int by_content(const void *a, const void *b)
{
    const num_t *x = a, *y = b;
    if (x->id != y->id) return x->id < y->id ? -1 : 1;
    if (x->a != y->a) return x->a < y->a ? -1 : 1;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    if (x->tag != y->tag) return x->tag < y->tag ? -1 : 1;
    return (x->row.event_ns > y->row.event_ns) - (x->row.event_ns < y->row.event_ns);
}

static bool sink_holds(const sink_t *sink)
{
    bool holds = sink->cnt == sink->want->cnt && sink->behind == 0 && sink->fallen == 0 &&
                 sink->wm_ns == INT64_MAX;
    num_t *want = malloc((sink->want->cnt + 1) * sizeof *want);
    tm_assert(want != NULL);
    memcpy(want, sink->want->rows, sink->want->cnt * sizeof *want);
    qsort(want, sink->want->cnt, sizeof *want, by_content);
    qsort(sink->rows, sink->cnt, sizeof *want, by_content);
    for (size_t i = 0; holds && i < sink->cnt; i++)
        holds = by_content(&want[i], &sink->rows[i]) == 0;
    if (!holds)
        printf("# sink of %s: %zu rows, wanted %zu; %llu behind their watermark, %llu fell\n",
               "a stream", sink->cnt, sink->want->cnt, (unsigned long long)sink->behind,
               (unsigned long long)sink->fallen);
    free(want);
    return holds;
}

static bool job_holds(uint64_t seed)
{
    rng = seed;
    workers = 1 + (uint32_t)below(3);
    char *argv[] = {"random",         "--quiet",
                    "--state-memory", "1M",
                    "--idle",         "yield",
                    "--ring-depth",   below(2) ? "64" : "1024",
                    "--ingest-cores", below(2) ? "0" : "0,0",
                    "--worker-cores", workers == 1 ? "0" : workers == 2 ? "0,0" : "0,0,0"};
    bool holds = tm_main((int)TM_ARRAY_CNT(argv), argv, build) == 0;
    for (uint32_t i = 0; i < sink_cnt; i++) {
        holds = sink_holds(&sinks[i]) && holds;
        free(sinks[i].rows);
    }
    for (uint32_t i = 0; i < step_cnt; i++)
        holds &= atomic_load_explicit(&steps[i].strays, memory_order_relaxed) == 0; /* joined */
    for (uint32_t i = 0; i < flow_cnt; i++) free(flows[i].rows);
    return holds;
}

/* TM_SEED starts at another job, TM_RANDOM_JOBS runs more of them. */
Test(dataflow, random_graphs_give_what_lists_give)
{
    const char *seed_env = getenv("TM_SEED"), *jobs_env = getenv("TM_RANDOM_JOBS");
    uint64_t seed = seed_env ? strtoull(seed_env, NULL, 10) : 1;
    uint64_t jobs = jobs_env ? strtoull(jobs_env, NULL, 10) : JOBS;
    for (uint64_t i = 0; i < jobs; i++) {
        bool holds = job_holds(seed + i);
        if (!holds) printf("# TM_SEED=%llu\n", (unsigned long long)(seed + i));
        tm_assert(holds);
    }
}
