#include "engine/runtime/worker.h"

#include "base/clock.h"
#include "engine/operators/function_error.h"
#include "engine/runtime/checkpoint/restore.h"
#include "engine/runtime/idle.h"

#include <errno.h>
#include <stdlib.h>

struct tm_worker {
    tm_thread_t thread;
    tm_task_t *task;
    const _Atomic bool *abort;
    tm_coordinator_t *coordinator;
    uint32_t worker_idx;
    tm_idle_t idle;
};

tm_thread_t *tm_worker_thread(tm_worker_t *worker)
{
    return &worker->thread;
}

const tm_task_t *tm_worker_task(const tm_worker_t *worker)
{
    return worker->task;
}

tm_task_t *tm_worker_task_open(tm_worker_t *worker)
{
    return worker->task;
}

static int worker_body(void *arg)
{
    tm_worker_t *w = arg;
    TM_TRY(tm_thread_pin(&w->thread));
    tm_function_error_clear();
    tm_thread_is_running(&w->thread);
    while (!tm_task_is_over(w->task)) {
        int64_t now_ns = tm_clock_mono_ns();
        uint64_t work_cnt = tm_task_poll(w->task);
        work_cnt += tm_task_work(w->task, now_ns);
        TM_TRY(tm_function_error());
        if (w->coordinator) {
            int n = tm_task_checkpoint(w->task);
            if (n < 0) return n;
            work_cnt += (uint64_t)n;
            if (tm_coordinator_halted(w->coordinator)) return 0; /* nothing is to be drained */
        }
        tm_thread_cycle(&w->thread, tm_clock_mono_ns(), work_cnt == 0);
        if (work_cnt == 0 && atomic_load_explicit(w->abort, memory_order_acquire)) /* A1 */
            break;
        tm_idle_round(&w->idle, work_cnt);
    }
    if (w->coordinator && tm_task_is_over(w->task))
        tm_checkpoint_end(tm_coordinator_worker(w->coordinator, w->worker_idx));
    tm_task_end(w->task);
    return 0;
}

int tm_worker_open(tm_worker_t **out, const tm_worker_cfg_t *cfg)
{
    tm_worker_t *w = calloc(1, sizeof *w);
    if (!w) return tm_error_set(-ENOMEM, "worker: out of memory");
    *out = w;
    w->abort = cfg->abort;
    w->coordinator = cfg->coordinator;
    w->worker_idx = cfg->worker_idx;
    const tm_thread_plan_t *plan = &cfg->topo->workers[cfg->worker_idx];
    w->idle.kind = plan->idle;
    TM_TRY(tm_thread_init(&w->thread, plan, worker_body, w));
    tm_checkpoint_slot_t *slot = NULL;
    if (cfg->coordinator) slot = tm_coordinator_worker(cfg->coordinator, cfg->worker_idx);
    const tm_task_cfg_t task = {.topo = cfg->topo,
                                .place = TM_AT_WORKER,
                                .subtask_idx = cfg->worker_idx,
                                .x_rings = cfg->x_rings,
                                .out_rings = cfg->out_rings,
                                .abort = cfg->abort,
                                .idle = plan->idle,
                                .counters = w->thread.counters,
                                .alignment = cfg->alignment,
                                .coordinator = cfg->coordinator,
                                .slot = slot};
    return tm_task_open(&w->task, &task);
}

int tm_worker_restore(tm_worker_t *worker, tm_restore_t *restore)
{
    tm_page_arena_t *pages = tm_task_pages(worker->task);
    const uint32_t total = tm_page_arena_total(pages);
    const void *bytes;
    size_t sz;
    if (restore->manifest) {
        TM_TRY(tm_restore_pages(restore, worker->worker_idx, pages->base, total));
        TM_TRY(tm_restore_blob(restore, TM_BLOB_WORKER, worker->worker_idx, &bytes, &sz));
        int64_t n = tm_task_restore(worker->task, &restore->match, bytes, sz);
        if (n < 0) return (int)n;
    }
    return tm_task_track(worker->task, !tm_restore_is_own(restore));
}

void tm_worker_close(tm_worker_t *worker)
{
    if (!worker) return;
    tm_task_close(worker->task);
    tm_thread_fini(&worker->thread);
    free(worker);
}
