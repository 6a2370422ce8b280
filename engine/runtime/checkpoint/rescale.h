/* engine/runtime/checkpoint/rescale.h - a checkpoint on other workers than it was taken with, or
   with states that lie elsewhere now.
   Flow     restore: pages and blobs of each old worker -> [rescale] -> operators of the workers now
   Method   one old worker after the other is brought back into an arena of its own, as it was; its
            operators' entries (keys with their states, timers) go to the workers that own them now
            (engine/runtime/route.h), in time proportional to the state. The first checkpoint behind
            it stands alone
   Memory   the arena of one old worker, while it is read
   Threads  the control thread, before the workers start
   Errors   TM_E_CONFIG where an operator cannot do it, by name, before anything is opened; those of
            the checkpoint; TM_E_LIMIT where --state-memory is too small for fewer workers
   Limits   operators that say so (tm_node_ops_t.moves), and those without state.
            Tests tests/crash/rescale.py, tests/engine/test_rescale.c,
            tests/e2e/evolve.py */
#ifndef TM_ENGINE_RESCALE_H
#define TM_ENGINE_RESCALE_H

#include "engine/runtime/checkpoint/restore.h"
#include "engine/runtime/worker.h"

/* Whether the job could go on with other workers than `was`, "2 workers of 256 MiB". */
int tm_rescale_check(const tm_topology_t *topo, const char *was) TM_MUST_CHECK;

/* The workers are open and know nothing yet. */
int tm_rescale(tm_worker_t *const *workers, uint32_t worker_cnt,
               tm_restore_t *restore) TM_MUST_CHECK;

#endif
