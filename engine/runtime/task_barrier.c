/* Checkpoints of a thread. A worker has one gate over all of its rings, whatever their stage: all
   of its operators share pages, so they are kept at one moment. Barriers go on stage by stage: the
   operators of a stage send it on once all rings up to that stage have delivered it, and stand
   still until the worker as a whole has been kept. That cannot deadlock: a barrier waits only for
   barriers of earlier stages, and those that carry them are read until then. */
#include "base/clock.h"
#include "base/error.h"
#include "engine/operators/function_error.h"
#include "engine/runtime/task_state.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

enum { SPARE_MIN = 1 << 4, SPARE_MAX = 1 << 20 };

/* ---- what channels say ----------------------------------------------------------------------- */

static void channels_refresh(tm_task_t *task)
{
    for (uint32_t i = 0; i < task->channel_cnt; i++) {
        task_channel_t *ch = &task->channels[i];
        ch->closed = ch->ended || tm_gate_is_blocked(task->gate, i);
    }
}

static void gate_changed(tm_task_t *task, tm_gate_event_t event)
{
    if (event.aborted) task->sent_stage = 0;
    channels_refresh(task);
}

void tm_task_take_barrier(tm_task_t *task, task_channel_t *ch, uint64_t id)
{
    if (!task->gate || tm_coordinator_gave_up(task->cfg.coordinator, id)) return;
    uint32_t channel = (uint32_t)(ch - task->channels);
    gate_changed(task, tm_gate_barrier(task->gate, channel, id));
    if (task->aligning_id == id || tm_gate_pending(task->gate) != id) return;
    task->aligning_id = id;
    task->aligning_ns = tm_clock_mono_ns();
}

void tm_task_take_end(tm_task_t *task, const task_channel_t *ch)
{
    gate_changed(task, tm_gate_end(task->gate, (uint32_t)(ch - task->channels)));
}

/* ---- state as bytes -------------------------------------------------------------------------- */

static int instance_save(const task_instance_t *inst, tm_buffer_t *blob)
{
    instance_mark_t mark = {.node_idx = inst->node->node_idx,
                            .idle = inst->idle,
                            .idle_told = inst->idle_told,
                            .wm_ns = inst->wm_ns,
                            .valve_sz = tm_valve_save(inst->valve, NULL, 0)};
    const tm_operator_t *op = inst->op;
    if (op && op->ops->save) mark.op_sz = op->ops->save(op, NULL, 0);
    TM_TRY(tm_buffer_reserve(blob, sizeof mark + mark.valve_sz + mark.op_sz));
    tm_buffer_put(blob, &mark, sizeof mark);
    blob->sz += tm_valve_save(inst->valve, blob->data + blob->sz, mark.valve_sz);
    if (mark.op_sz > 0) blob->sz += op->ops->save(op, blob->data + blob->sz, mark.op_sz);
    return 0;
}

int tm_task_save(tm_task_t *task, tm_buffer_t *blob)
{
    const uint32_t node_cnt = task->cfg.topo->plan.job->node_cnt;
    task_mark_t mark = {.version = TM_TASK_LAYOUT};
    for (uint32_t i = 0; i < node_cnt; i++)
        mark.instance_cnt += task_instance_is_kept(&task->instances[i]);
    if (task->cfg.place == TM_AT_WORKER) mark.pages = tm_page_arena_save(&task->pages);
    TM_TRY(tm_buffer_append(blob, &mark, sizeof mark));
    for (uint32_t i = 0; i < node_cnt; i++)
        if (task_instance_is_kept(&task->instances[i]))
            TM_TRY(instance_save(&task->instances[i], blob));
    return 0;
}

int tm_task_bad_blob(void)
{
    return tm_error_set(TM_E_CORRUPT, "the state of a thread in the checkpoint is cut or damaged");
}

/* ---- pages ----------------------------------------------------------------------------------- */

tm_page_arena_t *tm_task_pages(tm_task_t *task)
{
    return &task->pages;
}

/* A copy for every page there is, so that no snapshot has to be given up; mapped, and touched only
   as far as copies are on their way at one time. */
int tm_task_track(tm_task_t *task, bool all)
{
    uint32_t total = tm_page_arena_total(&task->pages), spares = SPARE_MIN;
    while (spares < total && spares < SPARE_MAX) spares *= 2;
    task->track_sz = tm_page_track_footprint(&task->pages, spares);
    task->track_mem = mmap(NULL, task->track_sz, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (task->track_mem == MAP_FAILED) {
        task->track_mem = NULL;
        return tm_error_set(-errno, "checkpoints: %zu MiB for copies of pages: %s",
                            task->track_sz >> 20, strerror(errno));
    }
    task->cfg.slot->track = tm_page_track_init(task->track_mem, &task->pages, spares);
    task->cfg.slot->page_cnt = total;
    for (uint32_t page = 1; all && page < total; page++)
        if (page < task->pages.fresh || page > task->pages.page_cnt)
            tm_page_touch(&task->pages, page);
    return 0;
}

/* ---- barriers on their way ------------------------------------------------------------------- */

/* Operators of a stage that have not ended send the barrier into the exchanges behind them. */
static void barrier_send(tm_task_t *task, uint32_t stage, uint64_t id)
{
    const tm_plan_t *plan = &task->cfg.topo->plan;
    for (uint32_t i = 0; i < task->port_cnt; i++) {
        task_port_t *port = &task->ports[i];
        uint32_t from = port->x->from;
        if (plan->nodes[from].stage != stage || task->instances[from].ended) continue;
        tm_task_port_control(port, TM_ROW_BARRIER, (int64_t)id);
    }
}

void tm_task_barrier(tm_task_t *task, uint64_t id)
{
    barrier_send(task, 0, id);
}

/* The first channel, in the order of later stages first, of this stage or an earlier one. */
static uint32_t first_of_stage(const tm_task_t *task, uint32_t stage)
{
    uint32_t i = 0;
    while (i < task->channel_cnt && task->channels[i].stage > stage) i++;
    return i;
}

/* Sends the barrier on from every stage whose rings have all delivered it. True once that is all of
   them. */
static bool stages_advance(tm_task_t *task, uint64_t id)
{
    uint32_t last = task->channel_cnt ? task->channels[0].stage : 0;
    while (task->sent_stage < last) {
        uint32_t stage = task->sent_stage + 1;
        if (!tm_gate_is_aligned_from(task->gate, first_of_stage(task, stage))) return false;
        if (stage == last) return true;
        /* Set before: what waits for room inside must not let operators work. */
        task->sent_stage = stage;
        barrier_send(task, stage, id);
        if (tm_gate_pending(task->gate) != id) return false; /* given up meanwhile */
    }
    return false;
}

/* Everything of this worker as it is now, then the barrier for its sinks. */
static int checkpoint_take(tm_task_t *task, uint64_t id)
{
    tm_checkpoint_slot_t *slot = task->cfg.slot;
    int64_t now_ns = tm_clock_mono_ns();
    slot->align_ns = now_ns - task->aligning_ns;
    int err = tm_page_track_flip(slot->track);
    if (err == -EAGAIN) { /* the last snapshot's pages are on their way back: a little later */
        if (task->deferred_id != id) tm_counter_add(task->deferred, 1);
        task->deferred_id = id;
        return 0;
    }
    TM_TRY(err);
    tm_buffer_clear(&slot->at_barrier.blob);
    TM_TRY(tm_task_save(task, &slot->at_barrier.blob));
    slot->pause_ns = tm_clock_mono_ns() - now_ns;
    tm_checkpoint_ack(slot, id);
    for (uint32_t i = 0; i < task->cfg.topo->plan.job->node_cnt; i++) {
        const task_instance_t *inst = &task->instances[i];
        if (inst->node && inst->sink_idx != UINT32_MAX && !inst->ended)
            tm_task_sink_control(task, inst->sink_idx, TM_ROW_BARRIER, (int64_t)id);
    }
    tm_gate_release(task->gate);
    task->sent_stage = 0;
    channels_refresh(task);
    return 1;
}

int tm_task_checkpoint(tm_task_t *task)
{
    if (!task->gate) return 0;
    int work = (int)tm_page_track_work(task->cfg.slot->track);
    uint64_t id = tm_gate_pending(task->gate);
    if (id == 0) return work;
    if (tm_coordinator_gave_up(task->cfg.coordinator, id)) {
        gate_changed(task, tm_gate_cancel(task->gate, id));
        return 1;
    }
    if (!stages_advance(task, id)) return work;
    TM_TRY(tm_function_error()); /* rows of later stages that were taken meanwhile */
    int n = checkpoint_take(task, id);
    return n < 0 ? n : work + n;
}
