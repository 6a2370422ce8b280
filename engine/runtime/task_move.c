/* A worker's operators, as they were on other workers or in another job: their keys go to the tasks
   that own them now.

   Event time: a barrier is behind all that came before it, so nothing is on its way, and what an
   operator has heard is what those before it have said. A producer of an exchange between workers
   has keys of any old one now, so it has promised what all of them had: the lowest watermark. Old
   consumers of an exchange have heard the same, so the lowest output of their valves is the output
   of each, and no row is early or late that would not have been. */
#include "base/error.h"
#include "engine/runtime/task_state.h"

#include <string.h>

/* What an old instance had heard, input by input. */
static bool valve_move(task_instance_t *inst, const uint8_t *valve, size_t valve_sz,
                       uint32_t was_workers)
{
    const tm_topology_t *topo = inst->task->cfg.topo;
    const tm_plan_t *plan = &topo->plan;
    uint32_t at = 0, was_at = 0;
    for (uint32_t e = 0; e < plan->edge_cnt; e++) {
        const tm_plan_edge_t *edge = &plan->edges[e];
        if (edge->to != inst->node->node_idx) continue;
        const tm_exchange_t *x = edge->exchange_idx < 0 ? NULL
                                                        : &plan->exchanges[edge->exchange_idx];
        const bool dealt = x && plan->nodes[x->from].place == TM_AT_WORKER;
        const uint32_t cnt = x ? tm_topology_producers(topo, x) : 1;
        const uint32_t was_cnt = dealt ? was_workers : cnt;
        for (uint32_t i = 0; i < cnt; i++)
            for (uint32_t k = dealt ? 0 : i; k < (dealt ? was_cnt : i + 1); k++)
                if (!tm_valve_take(inst->valve, at + i, valve, valve_sz, was_at + k)) return false;
        at += cnt, was_at += was_cnt;
    }
    return true;
}

static int time_move(task_instance_t *inst, const instance_mark_t *mark, const uint8_t *at,
                     const tm_task_old_t *old)
{
    if (old->match->changed && old->idx == 0)
        return tm_task_instance_take(inst, mark, at, old->match);
    if (old->idx == 0 || mark->wm_ns < inst->wm_ns) inst->wm_ns = mark->wm_ns;
    if (old->match->changed) return 0;
    if (!valve_move(inst, at, mark->valve_sz, old->worker_cnt)) return tm_task_bad_blob();
    inst->idle = mark->idle && (old->idx == 0 || inst->idle);
    inst->idle_told = mark->idle_told && (old->idx == 0 || inst->idle_told);
    return 0;
}

static int instance_move(tm_task_t *const *to, uint32_t to_cnt, const instance_mark_t *mark,
                         const uint8_t *at, const tm_task_old_t *old)
{
    tm_operator_t *ops[TM_TOPOLOGY_WORKER_MAX] = {NULL};
    const char *name = "";
    for (uint32_t i = 0; i < to_cnt; i++) {
        task_instance_t *inst = tm_task_instance_was(to[i], old->match, mark);
        if (!inst) return old->match->changed ? 0 : tm_task_bad_blob();
        name = inst->node->name;
        ops[i] = inst->op;
        TM_TRY(time_move(inst, mark, at, old));
    }
    if (mark->op_sz == 0) return 0;
    if (!ops[0] || !ops[0]->ops->move)
        return tm_error_set(TM_E_CONFIG, "%s: it cannot hand its state over, and has to", name);
    const tm_operator_old_t op_old = {.pages = old->pages,
                                      .bytes = at + mark->valve_sz,
                                      .sz = mark->op_sz,
                                      .idx = old->idx,
                                      .states = old->match->states[mark->node_idx]};
    int err = ops[0]->ops->move(ops, to_cnt, &op_old);
    return err < 0 ? tm_error_context(err, "restore of %s", name) : 0;
}

int tm_task_old_pages(const void *bytes, size_t sz, tm_page_roots_t *roots)
{
    task_mark_t mark;
    if (sz < sizeof mark) return tm_task_bad_blob();
    memcpy(&mark, bytes, sizeof mark);
    if (mark.version != TM_TASK_LAYOUT)
        return tm_error_set(TM_E_UNSUPPORTED, "the checkpoint was written by another version");
    *roots = mark.pages;
    return 0;
}

int tm_task_move(tm_task_t *const *to, uint32_t to_cnt, const tm_task_old_t *old)
{
    const uint8_t *at = (const uint8_t *)old->bytes + sizeof(task_mark_t);
    size_t left = old->sz - sizeof(task_mark_t);
    task_mark_t task;
    memcpy(&task, old->bytes, sizeof task);
    for (uint32_t i = 0; i < task.instance_cnt; i++) {
        instance_mark_t mark;
        TM_TRY(tm_task_instance_mark(at, left, &mark));
        at += sizeof mark, left -= sizeof mark;
        TM_TRY(instance_move(to, to_cnt, &mark, at, old));
        at += mark.valve_sz + mark.op_sz, left -= mark.valve_sz + mark.op_sz;
    }
    return left == 0 ? 0 : tm_task_bad_blob();
}
