/* engine/runtime/worker.h - a pinned thread that owns key groups and runs the operators behind
   key_by.
   Flow     ingest rings -> [worker: watermark valve, operators] -> sink rings -> file thread
   Memory   one arena a worker: operators, and the page arena that holds all keyed state; sized by
            --state-memory, pre-faulted
   Threads  open, close: control thread. The body runs on its own thread. latency and watermark: any
            thread, statistics
   Waits    a full sink ring holds the worker, which holds its inputs: later stages never wait for
            earlier ones, so exchanges cannot deadlock
   Errors   only what cannot be opened; rows never fail a worker, they are counted */
#ifndef TM_ENGINE_WORKER_H
#define TM_ENGINE_WORKER_H

#include "base/histogram.h"
#include "engine/runtime/ring.h"
#include "engine/runtime/thread.h"

typedef struct tm_worker tm_worker_t;

typedef struct tm_worker_cfg {
    const tm_topology_t *topo;
    uint32_t worker_idx;
    tm_ring_t *const *row_rings; /* [ingest][worker] */
    tm_ring_t *const *out_rings; /* [sink][worker] */
    const _Atomic bool *abort;
} tm_worker_cfg_t;

int tm_worker_open(tm_worker_t **out, const tm_worker_cfg_t *cfg) TM_MUST_CHECK;
void tm_worker_close(tm_worker_t *worker);

tm_thread_t *tm_worker_thread(tm_worker_t *worker);

/* From receive (frame ingress) to the update of the window, one record a row. */
const tm_histogram_t *tm_worker_latency(const tm_worker_t *worker);

/* Combined watermark of the worker's inputs; TM_TIME_NONE before the first, INT64_MAX at the end.
   */
int64_t tm_worker_watermark(const tm_worker_t *worker);

#endif
