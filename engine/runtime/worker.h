/* engine/runtime/worker.h - a pinned thread that owns key groups and runs the operators behind the
   first exchange.
   Flow     rings -> [worker: task] -> rings to other workers, sink rings -> file thread
   Memory   that of its task (engine/runtime/task.h)
   Threads  open, close: control thread. The body runs on its own thread
   Errors   only what cannot be opened; rows never fail a worker, they are counted */
#ifndef TM_ENGINE_WORKER_H
#define TM_ENGINE_WORKER_H

#include "engine/runtime/task.h"
#include "engine/runtime/thread.h"

typedef struct tm_worker tm_worker_t;
struct tm_restore;

typedef struct tm_worker_cfg {
    const tm_topology_t *topo;
    uint32_t worker_idx;
    tm_ring_t *const *const *x_rings; /* [exchange][producer * workers + consumer] */
    tm_ring_t *const *out_rings;      /* [sink * workers + worker] */
    const _Atomic bool *abort;
    tm_alignment_t *alignment;
    tm_coordinator_t *coordinator; /* NULL = no checkpoints */
} tm_worker_cfg_t;

int tm_worker_open(tm_worker_t **out, const tm_worker_cfg_t *cfg) TM_MUST_CHECK;
void tm_worker_close(tm_worker_t *worker);

tm_thread_t *tm_worker_thread(tm_worker_t *worker);
const tm_task_t *tm_worker_task(const tm_worker_t *worker);

/* Before the thread starts. */
tm_task_t *tm_worker_task_open(tm_worker_t *worker);

/* Before the thread starts: takes the state of a checkpoint back, if there is one, and tracks
   changes from here on. */
int tm_worker_restore(tm_worker_t *worker, struct tm_restore *restore) TM_MUST_CHECK;

#endif
