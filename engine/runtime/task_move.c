/* A worker's operators, as they were on other workers or in another job: their keys go to the tasks
   that own them now. What an operator has heard of event time is the same on all workers at a
   barrier, so valves are those of the first. */
#include "base/error.h"
#include "engine/runtime/task_state.h"

#include <string.h>

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
        if (old->first) TM_TRY(tm_task_instance_take(inst, mark, at, old->match));
    }
    if (mark->op_sz == 0) return 0;
    if (!ops[0] || !ops[0]->ops->move) return tm_task_bad_blob();
    const tm_operator_old_t op_old = {.pages = old->pages,
                                      .bytes = at + mark->valve_sz,
                                      .sz = mark->op_sz,
                                      .first = old->first,
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
