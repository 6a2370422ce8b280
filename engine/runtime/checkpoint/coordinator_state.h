/* engine/runtime/checkpoint/coordinator_state.h - the inside of the coordinator, shared by
   coordinator.c (what happens when) and coordinator_open.c (its life, what goes into a checkpoint).
   Nobody else includes it. */
#ifndef TM_ENGINE_COORDINATOR_STATE_H
#define TM_ENGINE_COORDINATOR_STATE_H

#include "engine/runtime/checkpoint/coordinator.h"

typedef enum coordinator_phase {
    PHASE_IDLE,
    PHASE_GATHER,   /* triggered, not all is in */
    PHASE_COMMIT,   /* in force; the sinks are to commit */
    PHASE_FINISH,   /* the last one: the sinks are to prepare */
    PHASE_FINISHED, /* the last one is in force */
} coordinator_phase_t;

typedef enum coordinator_step { STEP_NONE, STEP_WRITING, STEP_WRITTEN } coordinator_step_t;

struct tm_coordinator {
    tm_thread_t thread;
    const tm_topology_t *topo;
    const tm_symbols_t *symbols;
    const _Atomic bool *abort;
    tm_checkpoint_store_t *store;
    tm_journal_writer_t *journals[TM_TOPOLOGY_INGEST_MAX]; /* NULL = none; not owned */

    coordinator_phase_t phase;
    uint64_t id; /* under way or last */
    coordinator_step_t steps[TM_TOPOLOGY_WORKER_MAX];
    uint64_t seen[TM_TOPOLOGY_WORKER_MAX]; /* the last ack of a worker that was dealt with */
    int64_t started_ns, done_ns;
    uint64_t pages, bytes_before;
    uint32_t failures; /* in a row */
    uint64_t kept_cnt; /* completed by this run; where journals are read from for the newest */
    uint64_t kept_seqs[TM_TOPOLOGY_INGEST_MAX][TM_CHECKPOINT_RETAIN_MAX];
    tm_buffer_t text;
    tm_counter_t *taken, *failed, *deferred, *last, *sz, *ns, *align_max, *pause_max, *page_cnt;

    alignas(TM_FALSE_SHARE) _Atomic uint64_t trigger_id;  /* K1 */
    _Atomic uint64_t stop_id;                             /* set before its trigger */
    _Atomic uint64_t aborted_id;                          /* K4 */
    _Atomic uint64_t commit_id, final_id;                 /* K6 */
    _Atomic bool halt;                                    /* K8 */
    alignas(TM_FALSE_SHARE) _Atomic uint64_t prepared_id; /* K5 */
    _Atomic uint64_t committed_id;                        /* K7 */
    alignas(TM_FALSE_SHARE) _Atomic bool stopping;        /* the control thread's */

    tm_checkpoint_slot_t ingests[TM_TOPOLOGY_INGEST_MAX];
    tm_checkpoint_slot_t workers[TM_TOPOLOGY_WORKER_MAX];
    alignas(TM_CACHE_LINE) uint8_t copy[TM_PAGE_SZ];
};

int tm_coordinator_body(void *coordinator);

const tm_checkpoint_state_t *tm_coordinator_state(const tm_coordinator_t *c,
                                                  const tm_checkpoint_slot_t *slot);

/* Blobs of the checkpoint under way. finished: there is nothing to go on with. */
int tm_coordinator_blobs(tm_coordinator_t *c, bool finished) TM_MUST_CHECK;

/* What the checkpoint that was completed took. */
void tm_coordinator_measure(tm_coordinator_t *c, int64_t now_ns);

#endif
