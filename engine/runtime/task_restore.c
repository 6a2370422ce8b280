/* A thread's operators go back to where they were at a checkpoint. Where the job has changed since,
   each is found by its id (graph_match.h), and the nodes around it may be others. */
#include "base/error.h"
#include "engine/operators/watermark_op.h"
#include "engine/runtime/task_state.h"

#include <string.h>

/* A valve that reads something else now knows of each input what has surely come from it: the
   watermark that went through. Idleness is found out anew, as who told of it may be gone. */
static bool valve_take(task_instance_t *inst, const instance_mark_t *mark, const uint8_t *valve,
                       bool changed)
{
    const uint32_t edge_cnt = tm_plan_inputs(&inst->task->cfg.topo->plan, inst->node->node_idx);
    const bool same = (!changed || edge_cnt == 1) &&
                      tm_valve_restore(inst->valve, valve, mark->valve_sz);
    if (!same && !changed) return false;
    inst->wm_ns = mark->wm_ns;
    inst->idle = mark->idle && !changed, inst->idle_told = mark->idle_told && !changed;
    for (uint32_t i = 0; changed && i < inst->valve_cnt; i++)
        if (same)
            (void)tm_valve_active(inst->valve, i);
        else if (mark->wm_ns != TM_TIME_NONE)
            (void)tm_valve_watermark(inst->valve, i, mark->wm_ns);
    return true;
}

int tm_task_instance_mark(const uint8_t *at, size_t sz, instance_mark_t *mark)
{
    if (sz < sizeof *mark) return tm_task_bad_blob();
    memcpy(mark, at, sizeof *mark);
    sz -= sizeof *mark;
    if (mark->node_idx >= TM_JOB_NODE_MAX || mark->valve_sz > sz ||
        mark->op_sz > sz - mark->valve_sz)
        return tm_task_bad_blob();
    return 0;
}

task_instance_t *tm_task_instance_was(tm_task_t *task, const tm_graph_match_t *match,
                                      const instance_mark_t *mark)
{
    const int idx = match->nodes[mark->node_idx];
    if (idx < 0 || (uint32_t)idx >= task->cfg.topo->plan.job->node_cnt) return NULL;
    task_instance_t *inst = &task->instances[idx];
    return task_instance_is_kept(inst) ? inst : NULL;
}

int tm_task_instance_take(task_instance_t *inst, const instance_mark_t *mark, const uint8_t *valve,
                          const tm_graph_match_t *match)
{
    return valve_take(inst, mark, valve, match->changed) ? 0 : tm_task_bad_blob();
}

int64_t tm_task_blob_sz(const void *bytes, size_t sz)
{
    task_mark_t task;
    tm_page_roots_t roots;
    TM_TRY(tm_task_old_pages(bytes, sz, &roots));
    memcpy(&task, bytes, sizeof task);
    size_t at = sizeof task;
    for (uint32_t i = 0; i < task.instance_cnt; i++) {
        instance_mark_t mark = {0};
        TM_TRY(tm_task_instance_mark((const uint8_t *)bytes + at, sz - at, &mark));
        at += sizeof mark + mark.valve_sz + mark.op_sz;
    }
    return (int64_t)at;
}

static int64_t instance_restore(tm_task_t *task, const tm_graph_match_t *match, const uint8_t *at,
                                size_t sz)
{
    instance_mark_t mark = {0};
    TM_TRY(tm_task_instance_mark(at, sz, &mark));
    const int64_t used = (int64_t)(sizeof mark + mark.valve_sz + mark.op_sz);
    at += sizeof mark;
    task_instance_t *inst = tm_task_instance_was(task, match, &mark);
    if (!inst) return match->changed ? used : tm_task_bad_blob();
    TM_TRY(tm_task_instance_take(inst, &mark, at, match));
    if (mark.op_sz > 0) {
        if (!inst->op || !inst->op->ops->restore) return tm_task_bad_blob();
        int err = inst->op->ops->restore(inst->op, at + mark.valve_sz, mark.op_sz);
        if (err < 0) return tm_error_context(err, "restore of %s", inst->node->name);
    }
    return used;
}

void tm_task_partitions_were(tm_task_t *task, const uint8_t *partition_was)
{
    for (uint32_t i = 0; i < task->cfg.topo->plan.job->node_cnt; i++) {
        task_instance_t *inst = &task->instances[i];
        if (inst->op && inst->makes_time) tm_watermark_op_partitions_were(inst->op, partition_was);
    }
}

int64_t tm_task_restore(tm_task_t *task, const tm_graph_match_t *match, const void *bytes,
                        size_t sz)
{
    const uint8_t *at = bytes;
    task_mark_t mark;
    if (sz < sizeof mark) return tm_task_bad_blob();
    memcpy(&mark, at, sizeof mark);
    if (mark.version != TM_TASK_LAYOUT)
        return tm_error_set(TM_E_UNSUPPORTED, "the checkpoint was written by another version");
    if (task->cfg.place == TM_AT_WORKER && !tm_page_arena_restore(&task->pages, &mark.pages))
        return tm_error_set(TM_E_CONFIG, "the checkpoint has other pages: restore with the same "
                                         "--state-memory");
    size_t done = sizeof mark;
    for (uint32_t i = 0; i < mark.instance_cnt; i++) {
        int64_t n = instance_restore(task, match, at + done, sz - done);
        if (n < 0) return n;
        done += (size_t)n;
    }
    return (int64_t)done;
}
