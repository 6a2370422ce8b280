#include "engine/runtime/worker.h"

#include "base/clock.h"
#include "engine/runtime/idle.h"

#include <errno.h>
#include <stdlib.h>

struct tm_worker {
    tm_thread_t thread;
    tm_task_t *task;
    const _Atomic bool *abort;
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

static int worker_body(void *arg)
{
    tm_worker_t *w = arg;
    TM_TRY(tm_thread_pin(&w->thread));
    tm_thread_is_running(&w->thread);
    while (!tm_task_is_over(w->task)) {
        int64_t now_ns = tm_clock_mono_ns();
        uint64_t work_cnt = tm_task_poll(w->task);
        work_cnt += tm_task_work(w->task, now_ns);
        tm_thread_cycle(&w->thread, tm_clock_mono_ns(), work_cnt == 0);
        if (work_cnt == 0 && atomic_load_explicit(w->abort, memory_order_acquire)) /* A1 */
            break;
        tm_idle_round(&w->idle, work_cnt);
    }
    tm_task_end(w->task);
    return 0;
}

int tm_worker_open(tm_worker_t **out, const tm_worker_cfg_t *cfg)
{
    tm_worker_t *w = calloc(1, sizeof *w);
    if (!w) return tm_error_set(-ENOMEM, "worker: out of memory");
    *out = w;
    w->abort = cfg->abort;
    const tm_thread_plan_t *plan = &cfg->topo->workers[cfg->worker_idx];
    w->idle.kind = plan->idle;
    TM_TRY(tm_thread_init(&w->thread, plan, worker_body, w));
    const tm_task_cfg_t task = {.topo = cfg->topo,
                                .place = TM_AT_WORKER,
                                .subtask_idx = cfg->worker_idx,
                                .x_rings = cfg->x_rings,
                                .out_rings = cfg->out_rings,
                                .abort = cfg->abort,
                                .idle = plan->idle,
                                .counters = w->thread.counters,
                                .alignment = cfg->alignment};
    return tm_task_open(&w->task, &task);
}

void tm_worker_close(tm_worker_t *worker)
{
    if (!worker) return;
    tm_task_close(worker->task);
    tm_thread_fini(&worker->thread);
    free(worker);
}
