#include "engine/harness/harness_graph.h"

#include "base/error.h"
#include "engine/harness/harness_keep.h"
#include "engine/job/graph.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { WIRE_MAX = 256, HARNESS_SINK = TM_JOB_NODE_MAX };

/* From an output of a node to an input of another, or to the harness. */
typedef struct wire {
    uint32_t from, output, to, input;
    int64_t wm_ns; /* that came through */
} wire_t;

typedef struct port {
    tm_harness_graph_t *graph;
    uint32_t node_idx, output;
} port_t;

struct tm_harness_graph {
    tm_harness_graph_cfg_t cfg;
    tm_job_t *job;
    uint32_t source, out;
    tm_schema_t out_schema;
    tm_operator_t *ops[TM_JOB_NODE_MAX];
    void *mems[TM_JOB_NODE_MAX];
    tm_harness_blob_t kept[TM_JOB_NODE_MAX];
    port_t ports[TM_JOB_NODE_MAX][TM_OPERATOR_OUTPUT_MAX];
    wire_t wires[WIRE_MAX];
    uint32_t wire_cnt;
    const uint32_t *no_partition;
    int64_t blocked_ns;
};

/* ---- rows and time through the wires --------------------------------------------------------- */

static void port_rows(void *ctx, const void *rows, uint32_t cnt, uint32_t stride)
{
    const port_t *port = ctx;
    tm_harness_graph_t *g = port->graph;
    for (uint32_t i = 0; i < g->wire_cnt; i++) {
        const wire_t *w = &g->wires[i];
        if (w->from != port->node_idx || w->output != port->output) continue;
        if (w->to == HARNESS_SINK)
            tm_emit_rows(w->input == 0 ? &g->cfg.out : &g->cfg.late, rows, cnt, stride);
        else
            tm_operator_input(g->ops[w->to], w->input, rows, cnt, stride);
    }
}

/* The lowest watermark of all that an operator, or the harness, reads. */
static int64_t lowest(const tm_harness_graph_t *g, uint32_t to)
{
    int64_t low = INT64_MAX;
    for (uint32_t i = 0; i < g->wire_cnt; i++)
        if (g->wires[i].to == to && g->wires[i].wm_ns < low) low = g->wires[i].wm_ns;
    return low;
}

/* A watermark of a node's main output is that of its side outputs too. */
static void node_watermark(tm_harness_graph_t *g, uint32_t node_idx, int64_t wm_ns)
{
    for (uint32_t i = 0; i < g->wire_cnt; i++) {
        wire_t *w = &g->wires[i];
        if (w->from != node_idx || w->wm_ns >= wm_ns) continue;
        int64_t before = lowest(g, w->to);
        w->wm_ns = wm_ns;
        int64_t now = lowest(g, w->to);
        if (now == before) continue;
        if (w->to == HARNESS_SINK)
            tm_emit_watermark(&g->cfg.out, now);
        else
            tm_operator_watermark(g->ops[w->to], now);
    }
}

static void port_watermark(void *ctx, int64_t wm_ns)
{
    const port_t *port = ctx;
    node_watermark(port->graph, port->node_idx, wm_ns);
}

static void settle(tm_harness_graph_t *g)
{
    bool more = true;
    while (more) {
        more = false;
        for (uint32_t i = 0; i < g->job->node_cnt; i++)
            while (g->ops[i] && tm_operator_work(g->ops[i]) > 0) more = true;
    }
}

void tm_harness_graph_rows(tm_harness_graph_t *graph, const void *rows, uint32_t cnt,
                           uint32_t stride)
{
    port_rows(&graph->ports[graph->source][0], rows, cnt, stride);
    settle(graph);
}

void tm_harness_graph_watermark(tm_harness_graph_t *graph, int64_t wm_ns)
{
    node_watermark(graph, graph->source, wm_ns);
    settle(graph);
}

void tm_harness_graph_clock(tm_harness_graph_t *graph, int64_t now_ns)
{
    for (uint32_t i = 0; i < graph->job->node_cnt; i++)
        if (graph->ops[i]) tm_operator_time(graph->ops[i], now_ns);
    settle(graph);
}

const tm_schema_t *tm_harness_graph_in(const tm_harness_graph_t *graph)
{
    return &graph->job->nodes[graph->source].schema;
}

const tm_schema_t *tm_harness_graph_out(const tm_harness_graph_t *graph)
{
    return &graph->out_schema;
}

/* ---- opening --------------------------------------------------------------------------------- */

static int wire_add(tm_harness_graph_t *g, const wire_t *wire)
{
    if (g->wire_cnt == WIRE_MAX)
        return tm_error_set(TM_E_LIMIT, "harness: more than %d edges", WIRE_MAX);
    g->wires[g->wire_cnt++] = *wire;
    return 0;
}

/* Wires up all that runs above a stream: nodes that only say how rows travel are seen through. */
static int wires_add(tm_harness_graph_t *g, const struct tm_stream *from, uint32_t output,
                     const wire_t *wire)
{
    wire_t mine = *wire;
    switch (from->ops->role) {
    case TM_ROLE_SOURCE:
    case TM_ROLE_OPERATOR:
        mine.from = from->node_idx;
        mine.output = output;
        return wire_add(g, &mine);
    case TM_ROLE_SIDE:
        return wires_add(g, &g->job->nodes[from->ins[0]], from->side_idx, wire);
    case TM_ROLE_KEY_BY:
    case TM_ROLE_BROADCAST:
    case TM_ROLE_UNION:
        for (uint32_t i = 0; i < from->in_cnt; i++)
            TM_TRY(wires_add(g, &g->job->nodes[from->ins[i]], output, wire));
        return 0;
    case TM_ROLE_SINK:
        break;
    }
    return tm_error_set(TM_E_CONFIG, "harness: %s is a sink", from->name);
}

/* There is one source, so nobody is waited for while it is idle. */
static void idle_seen(void *ctx, bool idle)
{
    (void)ctx, (void)idle;
}

static int operator_open(tm_harness_graph_t *g, const struct tm_stream *node)
{
    tm_operator_env_t env = {.pages = g->cfg.pages,
                             .counters = g->cfg.counters,
                             .subtask_cnt = 1,
                             .partition_cnt = 1,
                             .partitions = 1,
                             .partition_idx = g->no_partition,
                             .blocked_ns = &g->blocked_ns,
                             .idle = idle_seen};
    uint32_t idx = node->node_idx;
    for (uint32_t o = 0; o < TM_OPERATOR_OUTPUT_MAX; o++) {
        g->ports[idx][o] = (port_t){g, idx, o};
        env.outs[o] = (tm_emitter_t){.rows = port_rows, .ctx = &g->ports[idx][o]};
    }
    env.outs[0].watermark = port_watermark;
    size_t sz = node->ops->footprint(node, &env);
    if (sz == 0) return TM_E_CONFIG; /* the trail names the parameter */
    g->mems[idx] = aligned_alloc(TM_FALSE_SHARE, tm_align_up(sz, TM_FALSE_SHARE));
    if (!g->mems[idx]) return tm_error_set(-ENOMEM, "harness: out of memory");
    g->ops[idx] = node->ops->init(g->mems[idx], node, &env);
    return g->ops[idx] ? 0 : tm_error_set(-ENOMEM, "harness: %s has no room", node->name);
}

static int nodes_open(tm_harness_graph_t *g, const struct tm_stream *out)
{
    wire_t to_harness = {.to = HARNESS_SINK, .wm_ns = TM_TIME_NONE};
    for (uint32_t i = 0; i < g->job->node_cnt; i++) {
        const struct tm_stream *node = &g->job->nodes[i];
        if (node->ops->role != TM_ROLE_OPERATOR) continue;
        TM_TRY(operator_open(g, node));
        for (uint32_t k = 0; k < node->in_cnt; k++) {
            wire_t wire = {.to = i, .input = k, .wm_ns = TM_TIME_NONE};
            TM_TRY(wires_add(g, &g->job->nodes[node->ins[k]], 0, &wire));
        }
    }
    TM_TRY(wires_add(g, out, 0, &to_harness));
    for (uint32_t s = 0; s < out->side_cnt; s++) {
        if (strcmp(out->sides[s].name, "late") != 0) continue;
        wire_t late = {.to = HARNESS_SINK, .input = 1, .wm_ns = INT64_MAX};
        TM_TRY(wires_add(g, out, s + 1, &late));
    }
    g->out_schema = out->schema;
    return 0;
}

static int graph_build(tm_harness_graph_t *g)
{
    static const tm_row_t nothing;
    const tm_options_t opts = {.watermark_bound_ns = -1};
    g->job = calloc(1, sizeof *g->job);
    if (!g->job) return tm_error_set(-ENOMEM, "harness: out of memory");
    tm_job_init(g->job, &opts);
    tm_stream_t *in = tm_source_array(
        g->job,
        &(tm_array_spec_t){.name = "in", .type = g->cfg.rows, .rows = &nothing, .partitions = 1});
    const struct tm_stream *out = g->job->err ? NULL : g->cfg.build(g->cfg.ctx, in);
    if (g->job->err) return tm_error_set(g->job->err, "%s", g->job->err_text);
    g->source = in->node_idx;
    g->ports[g->source][0] = (port_t){g, g->source, 0};
    return nodes_open(g, out);
}

int tm_harness_graph_open(tm_harness_graph_t **graph, const tm_harness_graph_cfg_t *cfg)
{
    static const uint32_t first = 0;
    tm_harness_graph_t *g = calloc(1, sizeof *g);
    if (!g) return tm_error_set(-ENOMEM, "harness: out of memory");
    g->cfg = *cfg;
    g->no_partition = &first;
    int err = graph_build(g);
    if (err < 0)
        tm_harness_graph_close(g);
    else
        *graph = g;
    return err;
}

void tm_harness_graph_end(tm_harness_graph_t *graph)
{
    for (uint32_t i = 0; i < TM_JOB_NODE_MAX; i++) {
        tm_operator_fini(graph->ops[i]);
        free(graph->mems[i]);
        graph->ops[i] = NULL;
        graph->mems[i] = NULL;
    }
}

int tm_harness_graph_save(tm_harness_graph_t *graph)
{
    for (uint32_t i = 0; i < graph->job->node_cnt; i++)
        if (graph->ops[i]) TM_TRY(tm_harness_blob_save(&graph->kept[i], graph->ops[i]));
    return 0;
}

int tm_harness_graph_begin(tm_harness_graph_t *graph, tm_counter_set_t *counters)
{
    graph->cfg.counters = counters;
    for (uint32_t i = 0; i < graph->job->node_cnt; i++) {
        const struct tm_stream *node = &graph->job->nodes[i];
        if (node->ops->role != TM_ROLE_OPERATOR) continue;
        TM_TRY(operator_open(graph, node));
        TM_TRY(tm_harness_blob_restore(&graph->kept[i], graph->ops[i]));
    }
    return 0;
}

void tm_harness_graph_close(tm_harness_graph_t *graph)
{
    if (!graph) return;
    tm_harness_graph_end(graph);
    for (uint32_t i = 0; i < TM_JOB_NODE_MAX; i++) free(graph->kept[i].bytes);
    if (graph->job) tm_job_fini(graph->job);
    free(graph->job);
    free(graph);
}
