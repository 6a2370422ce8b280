#include "engine/runtime/worker.h"

#include "base/arena.h"
#include "base/check.h"
#include "base/clock.h"
#include "engine/operators/watermark.h"
#include "engine/operators/window.h"
#include "engine/runtime/idle.h"
#include "state/page_arena.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    BURST_MAX = 256, /* rows of one input in a turn: no input starves the others */
};

typedef struct out_port {
    tm_worker_t *worker;
    tm_ring_t *ring;
    uint16_t row_sz;
} out_port_t;

/* Who reads the output of a node: operators of this worker, rings of this worker. */
typedef struct fanout {
    tm_worker_t *worker;
    tm_operator_t *ops[TM_JOB_NODE_MAX];
    out_port_t *ports[TM_TOPOLOGY_SINK_MAX];
    uint32_t op_cnt, port_cnt;
} fanout_t;

typedef struct input {
    tm_ring_t *ring;
    int64_t ingress_ns; /* of the rows that follow the last MARK; 0 = unknown */
    bool ended;
} input_t;

struct tm_worker {
    tm_thread_t thread;
    tm_worker_cfg_t cfg;
    input_t inputs[TM_TOPOLOGY_INGEST_MAX];
    uint32_t input_cnt;
    tm_valve_t *valve;
    tm_arena_t arena;
    tm_page_arena_t pages;
    tm_operator_t *ops[TM_JOB_NODE_MAX]; /* by node; NULL where a node runs elsewhere */
    fanout_t fanouts[TM_JOB_NODE_MAX];   /* by node */
    fanout_t root;                       /* of the keyed rows */
    out_port_t ports[TM_TOPOLOGY_SINK_MAX];
    tm_idle_t idle;
    tm_counter_t *rows, *sink_ring_full;
    alignas(TM_FALSE_SHARE) _Atomic int64_t watermark_ns; /* read by the live line */
    alignas(TM_FALSE_SHARE) tm_histogram_t latency;
};

tm_thread_t *tm_worker_thread(tm_worker_t *worker)
{
    return &worker->thread;
}

const tm_histogram_t *tm_worker_latency(const tm_worker_t *worker)
{
    return &worker->latency;
}

int64_t tm_worker_watermark(const tm_worker_t *worker)
{
    return atomic_load_explicit(&worker->watermark_ns, memory_order_relaxed); /* statistics only */
}

/* ---- results --------------------------------------------------------------------------------- */

/* A slot of the sink's ring, waiting for the file thread where it is full; NULL once aborted. */
static void *port_claim(out_port_t *port)
{
    void *slot = tm_ring_claim(port->ring);
    if (TM_LIKELY(slot != NULL)) return slot;
    tm_worker_t *w = port->worker;
    tm_counter_add(w->sink_ring_full, 1);
    tm_idle_t idle = {.kind = w->idle.kind};
    while (!(slot = tm_ring_claim(port->ring))) {
        if (atomic_load_explicit(w->cfg.abort, memory_order_acquire)) return NULL; /* A1 */
        tm_idle_round(&idle, 0);
    }
    return slot;
}

static void port_send(out_port_t *port, const tm_row_t *row, size_t row_sz)
{
    uint8_t *slot = port_claim(port);
    if (!slot) return; /* an aborted run drops what is under way */
    memcpy(slot + 8, (const uint8_t *)row + 8, row_sz - 8);
    tm_ring_publish(port->ring, (tm_row_kind_t)row->kind, row->schema_id, row->symbol);
}

static void fanout_rows(void *ctx, const void *rows, uint32_t cnt, uint32_t stride)
{
    fanout_t *f = ctx;
    for (uint32_t i = 0; i < f->op_cnt; i++) tm_operator_rows(f->ops[i], rows, cnt, stride);
    for (uint32_t p = 0; p < f->port_cnt; p++)
        for (uint32_t i = 0; i < cnt; i++)
            port_send(f->ports[p], (const tm_row_t *)((const uint8_t *)rows + (size_t)i * stride),
                      f->ports[p]->row_sz);
}

/* Sinks bucket by the rows' own times and need no watermark. */
static void fanout_watermark(void *ctx, int64_t watermark_ns)
{
    fanout_t *f = ctx;
    for (uint32_t i = 0; i < f->op_cnt; i++) tm_operator_watermark(f->ops[i], watermark_ns);
}

/* ---- inputs ---------------------------------------------------------------------------------- */

static void valve_apply(tm_worker_t *w, uint32_t changed)
{
    if (!(changed & TM_VALVE_WATERMARK)) return;
    int64_t now_ns = tm_valve_now(w->valve);
    fanout_watermark(&w->root, now_ns);
    atomic_store_explicit(&w->watermark_ns, now_ns, memory_order_relaxed); /* statistics only */
}

static void control_take(tm_worker_t *w, uint32_t input_idx, const tm_row_t *row)
{
    input_t *input = &w->inputs[input_idx];
    switch ((tm_row_kind_t)row->kind) {
    case TM_ROW_MARK:
        input->ingress_ns = row->event_ns;
        break;
    case TM_ROW_WATERMARK:
        valve_apply(w, tm_valve_watermark(w->valve, input_idx, row->event_ns));
        break;
    case TM_ROW_IDLE:
        valve_apply(w, tm_valve_idle(w->valve, input_idx));
        break;
    case TM_ROW_ACTIVE:
        valve_apply(w, tm_valve_active(w->valve, input_idx));
        break;
    case TM_ROW_END:
        input->ended = true;
        break;
    case TM_ROW_GAP:
    case TM_ROW_FEED:
        for (uint32_t i = 0; i < w->root.op_cnt; i++) tm_operator_control(w->root.ops[i], row);
        break;
    case TM_ROW_BARRIER:
    case TM_ROW_INSERT:
    case TM_ROW_UPDATE_BEFORE:
    case TM_ROW_UPDATE_AFTER:
    case TM_ROW_DELETE:
        TM_CHECK(false, "row kind %u where a control row belongs", row->kind);
    }
}

static void data_take(tm_worker_t *w, const input_t *input, const void *rows, uint32_t cnt)
{
    fanout_rows(&w->root, rows, cnt, w->cfg.topo->row_stride);
    tm_counter_add(w->rows, cnt);
    if (input->ingress_ns != 0)
        tm_histogram_record(&w->latency, tm_clock_mono_ns() - input->ingress_ns, cnt);
}

/* Runs of data rows go to the operators as one batch; control rows stand between them. */
static uint32_t input_drain(tm_worker_t *w, uint32_t input_idx)
{
    input_t *input = &w->inputs[input_idx];
    const uint32_t stride = w->cfg.topo->row_stride;
    const void *rows;
    uint32_t cnt = tm_ring_peek(input->ring, &rows, BURST_MAX);
    const uint8_t *base = rows;
    for (uint32_t i = 0; i < cnt;) {
        uint32_t end = i;
        while (end < cnt && !tm_row_is_control((const tm_row_t *)(base + (size_t)end * stride)))
            end++;
        if (end > i) data_take(w, input, base + (size_t)i * stride, end - i);
        if (end < cnt)
            control_take(w, input_idx, (const tm_row_t *)(base + (size_t)end++ * stride));
        i = end;
    }
    if (cnt > 0) tm_ring_release(input->ring, cnt);
    return cnt;
}

static uint64_t operators_work(tm_worker_t *w)
{
    uint64_t done = 0;
    for (uint32_t i = 0; i < w->cfg.topo->job->node_cnt; i++)
        if (w->ops[i]) done += tm_operator_work(w->ops[i]);
    return done;
}

static void outputs_end(tm_worker_t *w)
{
    const tm_row_t end = {.kind = TM_ROW_END, .symbol = TM_SYMBOL_NONE, .event_ns = TM_TIME_NONE};
    /* Nodes are numbered in the order of the flow, so an operator ends after all it reads. */
    for (uint32_t i = 0; i < w->cfg.topo->job->node_cnt; i++)
        if (w->ops[i]) tm_operator_end(w->ops[i]);
    for (uint32_t s = 0; s < w->cfg.topo->sink_cnt; s++) port_send(&w->ports[s], &end, sizeof end);
}

static int worker_body(void *arg)
{
    tm_worker_t *w = arg;
    TM_TRY(tm_thread_pin(&w->thread));
    tm_thread_is_running(&w->thread);
    uint32_t ended_cnt = 0;
    while (ended_cnt < w->input_cnt) {
        uint64_t work_cnt = 0;
        ended_cnt = 0;
        for (uint32_t i = 0; i < w->input_cnt; i++) {
            if (!w->inputs[i].ended) work_cnt += input_drain(w, i);
            ended_cnt += w->inputs[i].ended;
        }
        work_cnt += operators_work(w);
        tm_thread_cycle(&w->thread, tm_clock_mono_ns(), work_cnt == 0);
        if (work_cnt == 0 && atomic_load_explicit(w->cfg.abort, memory_order_acquire)) /* A1 */
            break;
        tm_idle_round(&w->idle, work_cnt);
    }
    outputs_end(w);
    return 0;
}

/* ---- opening --------------------------------------------------------------------------------- */

static tm_window_cfg_t window_cfg(tm_worker_t *w, const struct tm_stream *node)
{
    const tm_job_t *job = node->job;
    const struct tm_stream *key = tm_job_upstream(job, node, TM_NODE_KEY_BY);
    return (tm_window_cfg_t){
        .what = {.window = node->window.spec,
                 .aggs = node->window.aggs,
                 .agg_cnt = node->window.agg_cnt},
        .in = &job->nodes[node->in_idx].schema,
        .key_fields = {key->schema.fields[key->key_by.field_idx].name},
        .out_name = node->name,
        .out_id = node->schema.id,
        .out = {.rows = fanout_rows,
                .watermark = fanout_watermark,
                .ctx = &w->fanouts[node->node_idx]},
        .pages = &w->pages,
        .counters = w->thread.counters,
    };
}

/* Who reads `node`: its own readers, and behind nodes that run elsewhere the readers of those. */
static fanout_t *reader_of(tm_worker_t *w, const struct tm_stream *node)
{
    const struct tm_stream *in = &node->job->nodes[node->in_idx];
    return in->kind == TM_NODE_WINDOW ? &w->fanouts[in->node_idx] : &w->root;
}

static int memory_open(tm_worker_t *w)
{
    const tm_job_t *job = w->cfg.topo->job;
    uint32_t page_cnt = (uint32_t)(job->opts.state_memory_sz / TM_PAGE_SZ);
    size_t sz = tm_align_up(tm_page_arena_footprint(page_cnt), TM_FALSE_SHARE) +
                tm_align_up(tm_valve_footprint(w->input_cnt), TM_FALSE_SHARE);
    for (uint32_t i = 0; i < job->node_cnt; i++) {
        if (job->nodes[i].kind != TM_NODE_WINDOW) continue;
        const tm_window_cfg_t cfg = window_cfg(w, &job->nodes[i]);
        size_t op_sz = tm_window_footprint(&cfg);
        if (op_sz == 0) return TM_E_CONFIG; /* the trail names the parameter */
        sz += tm_align_up(op_sz, TM_FALSE_SHARE);
    }
    TM_TRY(tm_arena_open(&w->arena, sz));
    tm_page_arena_init(
        &w->pages, tm_arena_alloc(&w->arena, tm_page_arena_footprint(page_cnt), 2 << 20), page_cnt);
    w->valve = tm_valve_init(
        tm_arena_alloc(&w->arena, tm_valve_footprint(w->input_cnt), TM_FALSE_SHARE), w->input_cnt);
    return 0;
}

static int operators_open(tm_worker_t *w)
{
    const tm_topology_t *t = w->cfg.topo;
    uint32_t sink_idx = 0;
    for (uint32_t i = 0; i < t->job->node_cnt; i++) {
        const struct tm_stream *node = &t->job->nodes[i];
        w->fanouts[i].worker = w;
        if (node->kind == TM_NODE_WINDOW) {
            const tm_window_cfg_t cfg = window_cfg(w, node);
            void *mem = tm_arena_alloc(&w->arena, tm_window_footprint(&cfg), TM_FALSE_SHARE);
            w->ops[i] = mem ? tm_window_init(mem, &cfg) : NULL;
            if (!w->ops[i])
                return tm_error_set(-ENOMEM, "window %s: --state-memory is too small", node->name);
            fanout_t *f = reader_of(w, node);
            f->ops[f->op_cnt++] = w->ops[i];
        } else if (node->kind == TM_NODE_PARTS) {
            out_port_t *port = &w->ports[sink_idx];
            *port = (out_port_t){
                .worker = w,
                .ring = w->cfg.out_rings[sink_idx * t->worker_cnt + w->cfg.worker_idx],
                .row_sz = node->schema.row_sz};
            fanout_t *f = reader_of(w, node);
            f->ports[f->port_cnt++] = port;
            sink_idx++;
        }
    }
    return 0;
}

int tm_worker_open(tm_worker_t **out, const tm_worker_cfg_t *cfg)
{
    tm_worker_t *w = aligned_alloc(TM_FALSE_SHARE, tm_align_up(sizeof *w, TM_FALSE_SHARE));
    if (!w) return tm_error_set(-ENOMEM, "worker: out of memory");
    memset(w, 0, sizeof *w);
    *out = w;
    w->cfg = *cfg;
    const tm_topology_t *t = cfg->topo;
    const tm_thread_plan_t *plan = &t->workers[cfg->worker_idx];
    w->idle.kind = plan->idle;
    w->root.worker = w;
    w->input_cnt = t->ingest_cnt;
    for (uint32_t i = 0; i < t->ingest_cnt; i++)
        w->inputs[i].ring = cfg->row_rings[i * t->worker_cnt + cfg->worker_idx];
    tm_histogram_init(&w->latency);
    atomic_store_explicit(&w->watermark_ns, TM_TIME_NONE, memory_order_relaxed); /* no reader yet */
    TM_TRY(tm_thread_init(&w->thread, plan, worker_body, w));
    w->rows = tm_counter_get(w->thread.counters, "worker_rows");
    w->sink_ring_full = tm_counter_get(w->thread.counters, "sink_ring_full");
    TM_TRY(memory_open(w));
    return operators_open(w);
}

void tm_worker_close(tm_worker_t *worker)
{
    if (!worker) return;
    for (uint32_t i = 0; i < TM_JOB_NODE_MAX; i++) tm_operator_fini(worker->ops[i]);
    tm_arena_close(&worker->arena);
    tm_thread_fini(&worker->thread);
    free(worker);
}
