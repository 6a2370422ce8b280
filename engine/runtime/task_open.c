/* The wiring of a task. Counts come from the plan first, then memory, then pointers. */
#include "base/check.h"
#include "base/error.h"
#include "engine/job/nodes.h"
#include "engine/runtime/task_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static bool is_here(const tm_task_t *task, uint32_t node_idx)
{
    const tm_plan_node_t *p = &task->cfg.topo->plan.nodes[node_idx];
    return p->runs && p->place == (uint8_t)task->cfg.place;
}

/* ---- instances and their inputs -------------------------------------------------------------- */

static void instances_open(tm_task_t *task)
{
    const tm_job_t *job = task->cfg.topo->plan.job;
    for (uint32_t i = 0; i < job->node_cnt; i++) {
        task_instance_t *inst = &task->instances[i];
        if (!is_here(task, i)) continue;
        const struct tm_stream *node = &job->nodes[i];
        *inst = (task_instance_t){.task = task,
                                  .node = node,
                                  .sink_idx = tm_topology_sink(task->cfg.topo, i),
                                  .wm_ns = TM_TIME_NONE,
                                  .makes_time = node->ops == &tm_watermark_node,
                                  .out_cnt = 1 + node->side_cnt};
        for (uint32_t o = 0; o < inst->out_cnt; o++) inst->outs[o].owner = inst;
        task->open_cnt++;
    }
}

/* Gives each edge into an operator of this thread its inputs of the operator's valve: one for a
   call, one a producer for an exchange. */
static void inputs_count(tm_task_t *task, uint32_t *valve_idx)
{
    const tm_plan_t *plan = &task->cfg.topo->plan;
    for (uint32_t e = 0; e < plan->edge_cnt; e++) {
        const tm_plan_edge_t *edge = &plan->edges[e];
        if (!is_here(task, edge->to)) continue;
        task_instance_t *to = &task->instances[edge->to];
        valve_idx[e] = to->valve_cnt;
        to->valve_cnt += edge->exchange_idx < 0
                             ? 1
                             : tm_topology_producers(task->cfg.topo,
                                                     &plan->exchanges[edge->exchange_idx]);
        to->open_cnt = to->valve_cnt;
        if (!to->op && (!task->widest || to->valve_cnt > task->widest->valve_cnt))
            task->widest = to;
    }
}

/* ---- readers --------------------------------------------------------------------------------- */

static task_reader_t *reader_add(tm_task_t *task, task_reader_t **list, uint32_t *cnt)
{
    task_reader_t *r = &task->readers[task->reader_cnt++];
    if (*cnt == 0) *list = r;
    TM_CHECK(*list + *cnt == r, "readers of one list follow each other");
    (*cnt)++;
    return r;
}

/* Readers of an output: calls, and one port an exchange. */
static void fanout_open(tm_task_t *task, task_fanout_t *f, uint32_t output,
                        const uint32_t *valve_idx)
{
    const tm_plan_t *plan = &task->cfg.topo->plan;
    uint32_t node_idx = f->owner->node->node_idx;
    for (uint32_t e = 0; e < plan->edge_cnt; e++) {
        const tm_plan_edge_t *edge = &plan->edges[e];
        if (edge->from != node_idx || edge->output != output || edge->exchange_idx >= 0) continue;
        *reader_add(task, &f->readers, &f->cnt) = (task_reader_t){
            .to = &task->instances[edge->to], .valve_idx = valve_idx[e], .input = edge->input};
    }
    for (uint32_t i = 0; i < plan->exchange_cnt; i++) {
        const tm_exchange_t *x = &plan->exchanges[i];
        if (x->from != node_idx || x->output != output) continue;
        task_port_t *port = &task->ports[task->port_cnt++];
        *port = (task_port_t){
            .task = task,
            .x = x,
            .rings = &task->cfg.x_rings[i][(size_t)task->cfg.subtask_idx * task->worker_cnt],
            .next = task->cfg.subtask_idx};
        reader_add(task, &f->readers, &f->cnt)->port = port;
    }
}

/* The rings of an exchange into this worker. */
static void channels_open(tm_task_t *task, uint32_t x_idx, const uint32_t *valve_idx)
{
    const tm_plan_t *plan = &task->cfg.topo->plan;
    const tm_exchange_t *x = &plan->exchanges[x_idx];
    task_reader_t *readers = NULL;
    uint32_t reader_cnt = 0, producers = tm_topology_producers(task->cfg.topo, x);
    for (uint32_t e = 0; e < plan->edge_cnt; e++) {
        const tm_plan_edge_t *edge = &plan->edges[e];
        if (edge->exchange_idx != (int)x_idx) continue;
        *reader_add(task, &readers, &reader_cnt) = (task_reader_t){
            .to = &task->instances[edge->to], .valve_idx = valve_idx[e], .input = edge->input};
    }
    for (uint32_t p = 0; p < producers; p++)
        task->channels[task->channel_cnt++] = (task_channel_t){
            .ring = task->cfg.x_rings[x_idx][(size_t)p * task->worker_cnt + task->cfg.subtask_idx],
            .readers = readers,
            .reader_cnt = reader_cnt,
            .producer = p,
            .stage = x->stage};
}

static int later_first(const void *a, const void *b)
{
    const task_channel_t *x = a, *y = b;
    return (x->stage < y->stage) - (x->stage > y->stage);
}

/* Channels keep their places from here on. */
static int gate_open(tm_task_t *task)
{
    if (!task->cfg.coordinator || task->cfg.place != TM_AT_WORKER) return 0;
    size_t sz = tm_gate_footprint(task->channel_cnt);
    void *mem = sz ? aligned_alloc(TM_CACHE_LINE, sz) : NULL;
    if (!mem) return tm_error_set(-ENOMEM, "a gate over %u rings", task->channel_cnt);
    task->gate = tm_gate_init(mem, task->channel_cnt);
    return 0;
}

static int wires_open(tm_task_t *task)
{
    const tm_topology_t *t = task->cfg.topo;
    const tm_plan_t *plan = &t->plan;
    uint32_t valve_idx[TM_PLAN_EDGE_MAX] = {0}, channels = 0;
    for (uint32_t i = 0; i < plan->exchange_cnt; i++)
        channels += tm_topology_producers(t, &plan->exchanges[i]);
    task->channels = calloc(channels + 1, sizeof *task->channels);
    task->ports = calloc(plan->exchange_cnt + 1, sizeof *task->ports);
    task->readers = calloc(2 * (size_t)plan->edge_cnt + plan->exchange_cnt + 1,
                           sizeof *task->readers);
    if (!task->channels || !task->ports || !task->readers)
        return tm_error_set(-ENOMEM, "operators: out of memory");
    instances_open(task);
    inputs_count(task, valve_idx);
    for (uint32_t i = 0; i < plan->job->node_cnt; i++) {
        task_instance_t *inst = &task->instances[i];
        for (uint32_t o = 0; inst->node && o < inst->out_cnt; o++)
            fanout_open(task, &inst->outs[o], o, valve_idx);
    }
    for (uint32_t i = 0; i < plan->exchange_cnt && task->cfg.place == TM_AT_WORKER; i++)
        channels_open(task, i, valve_idx);
    qsort(task->channels, task->channel_cnt, sizeof *task->channels, later_first);
    for (uint32_t s = 0; s < t->sink_cnt && task->cfg.place == TM_AT_WORKER; s++) {
        task->sink_rings[s] = task->cfg.out_rings[s * t->worker_cnt + task->cfg.subtask_idx];
        if (t->sinks[s]->ops != &tm_callback_node) continue;
        const tm_callback_node_spec_t *spec = t->sinks[s]->spec;
        task->sink_timed[s] = spec->callback.watermark != NULL;
    }
    return gate_open(task);
}

/* ---- operators ------------------------------------------------------------------------------- */

static void env_fill(tm_task_t *task, task_instance_t *inst)
{
    const tm_topology_t *t = task->cfg.topo;
    bool at_source = task->cfg.place == TM_AT_SOURCE;
    tm_operator_env_t *env = &inst->env;
    *env = (tm_operator_env_t){
        .pages = at_source ? NULL : &task->pages,
        .counters = task->cfg.counters,
        .subtask_idx = task->cfg.subtask_idx,
        .subtask_cnt = at_source ? t->ingest_cnt : t->worker_cnt,
        .partition_idx = at_source ? &task->partition_idx : NULL,
        .partition_cnt = at_source ? task->cfg.partition_cnt : 0,
        .blocked_ns = &task->blocked_ns,
        .idle = tm_task_out_idle,
        .idle_ctx = inst,
        .alignment = task->cfg.alignment,
    };
    for (uint32_t o = 0; o < inst->out_cnt; o++)
        if (inst->outs[o].cnt > 0)
            env->outs[o] = (tm_emitter_t){.rows = tm_task_out_rows, .ctx = &inst->outs[o]};
    /* Readers of side outputs hear of watermarks through the main one, read or not. */
    env->outs[0].watermark = tm_task_out_watermark;
    env->outs[0].ctx = &inst->outs[0];
}

/* The partitions whose rows come to a node of an ingest thread. */
static void partitions_find(tm_task_t *task)
{
    const tm_plan_t *plan = &task->cfg.topo->plan;
    for (uint32_t i = 0; i < plan->job->node_cnt && task->cfg.place == TM_AT_SOURCE; i++) {
        task_instance_t *inst = &task->instances[i];
        if (!inst->node) continue;
        inst->env.partitions = task->cfg.partitions[i];
        for (uint32_t e = 0; e < plan->edge_cnt; e++)
            if (plan->edges[e].to == i)
                inst->env.partitions |= task->instances[plan->edges[e].from].env.partitions;
    }
}

static int memory_open(tm_task_t *task)
{
    const tm_job_t *job = task->cfg.topo->plan.job;
    bool state = task->cfg.place == TM_AT_WORKER;
    uint32_t page_cnt = (uint32_t)(job->opts.state_memory_sz / TM_PAGE_SZ);
    size_t sz = state ? tm_align_up(tm_page_arena_footprint(page_cnt), TM_FALSE_SHARE) : 0;
    for (uint32_t i = 0; i < job->node_cnt; i++) {
        task_instance_t *inst = &task->instances[i];
        if (!inst->node) continue;
        env_fill(task, inst);
        if (inst->valve_cnt > 0) {
            size_t valve_sz = tm_valve_footprint(inst->valve_cnt);
            if (valve_sz == 0) return tm_error_context(TM_E_CONFIG, "%s", inst->node->name);
            sz += tm_align_up(valve_sz, TM_FALSE_SHARE);
        }
        if (!inst->node->ops->footprint) continue;
        size_t op_sz = inst->node->ops->footprint(inst->node, &inst->env);
        if (op_sz == 0) return TM_E_CONFIG; /* the trail names the parameter */
        sz += tm_align_up(op_sz, TM_FALSE_SHARE);
    }
    TM_TRY(tm_arena_open(&task->arena, sz + TM_FALSE_SHARE));
    if (state)
        tm_page_arena_init(&task->pages,
                           tm_arena_alloc(&task->arena, tm_page_arena_footprint(page_cnt), 2 << 20),
                           page_cnt);
    return 0;
}

static int operators_open(tm_task_t *task)
{
    const tm_job_t *job = task->cfg.topo->plan.job;
    partitions_find(task);
    for (uint32_t i = 0; i < job->node_cnt; i++) {
        task_instance_t *inst = &task->instances[i];
        if (!inst->node) continue;
        if (inst->valve_cnt > 0)
            inst->valve = tm_valve_init(
                tm_arena_alloc(&task->arena, tm_valve_footprint(inst->valve_cnt), TM_FALSE_SHARE),
                inst->valve_cnt);
        if (!inst->node->ops->footprint) continue;
        size_t op_sz = inst->node->ops->footprint(inst->node, &inst->env);
        void *mem = tm_arena_alloc(&task->arena, op_sz, TM_FALSE_SHARE);
        inst->op = mem ? inst->node->ops->init(mem, inst->node, &inst->env) : NULL;
        if (!inst->op)
            return tm_error_set(-ENOMEM, "%s %s: --state-memory is too small",
                                inst->node->ops->kind, inst->node->name);
    }
    return 0;
}

int tm_task_open(tm_task_t **out, const tm_task_cfg_t *cfg)
{
    uint32_t node_cnt = cfg->topo->plan.job->node_cnt;
    tm_task_t *task = aligned_alloc(TM_FALSE_SHARE, tm_align_up(sizeof *task, TM_FALSE_SHARE));
    if (!task) return tm_error_set(-ENOMEM, "operators: out of memory");
    memset(task, 0, sizeof *task);
    *out = task;
    task->cfg = *cfg;
    task->worker_cnt = cfg->topo->worker_cnt;
    tm_histogram_init(&task->latency);
    atomic_store_explicit(&task->watermark_ns, TM_TIME_NONE, memory_order_relaxed); /* no reader */
    task->rows = tm_counter_get(cfg->counters, "worker_rows");
    task->ring_full = tm_counter_get(cfg->counters, "ring_full");
    task->sink_ring_full = tm_counter_get(cfg->counters, "sink_ring_full");
    task->holder = tm_counter_get(cfg->counters, "watermark_input");
    task->deferred = tm_counter_get(cfg->counters, "checkpoint_waits");
    task->instances = calloc(node_cnt, sizeof *task->instances);
    if (!task->instances) return tm_error_set(-ENOMEM, "operators: out of memory");
    TM_TRY(wires_open(task));
    TM_TRY(memory_open(task));
    return operators_open(task);
}

void tm_task_close(tm_task_t *task)
{
    if (!task) return;
    for (uint32_t i = 0; task->instances && i < task->cfg.topo->plan.job->node_cnt; i++)
        tm_operator_fini(task->instances[i].op);
    tm_arena_close(&task->arena);
    if (task->track_mem) munmap(task->track_mem, task->track_sz);
    free(task->gate);
    free(task->instances);
    free(task->channels);
    free(task->ports);
    free(task->readers);
    free(task);
}
