/* engine/runtime/runtime.h - a job while it runs: opens everything, starts the threads, watches,
   drains.
   Flow     topology -> [runtime] -> ingest threads -> rings -> workers -> rings -> file thread
   Life     open: memory, rings, sinks; run: sources connect, rows flow; stop (signal, --duration,
            end of input): sources close, every stage drains in order, sinks commit; close. An
            attempt that failed may be followed by another one (engine/job/job_attempts.h)
   Threads  all calls: the control thread, which runs the loop of tm_runtime_run
   Order    R1 stop release -> acquire: sources end. A1 abort release -> acquire: nobody waits for
            a full ring any more
   Errors   a source that cannot be opened ends all of them; one that fails later ends alone. All
            that came in is drained and kept, and the run reports the failure. A sink that fails
            aborts: finished parts stay */
#ifndef TM_ENGINE_RUNTIME_H
#define TM_ENGINE_RUNTIME_H

#include "base/arena.h"
#include "base/symbol.h"
#include "engine/runtime/checkpoint/coordinator.h"
#include "engine/runtime/sink/file_thread.h"
#include "engine/runtime/source/ingest.h"
#include "engine/runtime/worker.h"

/* What the attempts to run a job leave behind for the next one. */
typedef struct tm_attempt {
    uint32_t cnt;     /* so far */
    int64_t start_ns; /* mono, of the first; 0 = it never ran */
    uint64_t last_id; /* the highest checkpoint id that there was before the first */
} tm_attempt_t;

typedef struct tm_runtime {
    const tm_job_t *job;
    tm_attempt_t past;
    tm_topology_t topo;
    tm_symbols_t *symbols;
    tm_arena_t ring_arena; /* all rings; read and written from several threads */
    tm_ring_t **x_rings[TM_PLAN_EXCHANGE_MAX]; /* [exchange][producer * workers + worker] */
    tm_ring_t **rings;                         /* what x_rings points into */
    tm_ring_t *out_rings[TM_TOPOLOGY_SINK_MAX * TM_TOPOLOGY_WORKER_MAX]; /* [sink][worker] */
    tm_alignment_t *alignment;
    tm_ingest_t *ingests[TM_TOPOLOGY_INGEST_MAX];
    tm_worker_t *workers[TM_TOPOLOGY_WORKER_MAX];
    tm_file_thread_t *file;
    tm_coordinator_t *coordinator; /* of checkpoints; NULL = none are taken */
    bool told_to_stop;
    bool finished;                             /* by a run before this one */
    alignas(TM_FALSE_SHARE) _Atomic bool stop; /* written by the control thread */
    _Atomic bool leaving;                      /* likewise: nothing is to be connected any more */
    _Atomic bool abort;
    int64_t start_ns;   /* mono, of the job */
    int64_t attempt_ns; /* mono, of this attempt */
    int64_t end_ns;
} tm_runtime_t;

/* past: all zero for the first attempt. */
int tm_runtime_open(tm_runtime_t *rt, const tm_job_t *job, const tm_attempt_t *past) TM_MUST_CHECK;

/* Blocks until the job has ended and drained. 0, or the first error (with its text). */
int tm_runtime_run(tm_runtime_t *rt) TM_MUST_CHECK;

void tm_runtime_close(tm_runtime_t *rt);

/* After an attempt: what the next one has to know. */
tm_attempt_t tm_runtime_past(const tm_runtime_t *rt);

/* After an attempt that failed with err: false for a job that was told to stop, for options and
   graphs that make no sense, and where the first attempt could not open its inputs. */
bool tm_runtime_is_worth_a_restart(const tm_runtime_t *rt, int err);

/* Any time: a signal has asked for the end. */
bool tm_runtime_is_signalled(void);

#endif
