/* engine/runtime/checkpoint/coordinator.h - checkpoints of a running job: says when, gathers what
   every thread hands over, makes it one whole on disk, and lets the sinks commit.
   Flow     [coordinator] -> trigger -> ingest threads -> barriers in rings -> workers -> barriers
            in sink rings -> file thread; all of them -> slots, pages -> [coordinator] -> checkpoint
            store, then "commit" -> file thread
   Order of a checkpoint n
            1. each ingest thread, between two polls of its sources, saves positions and operators
               and puts barrier n into its rings
            2. each worker aligns (barrier.h), saves its operators, flips its pages
            3. the file thread prepares each sink at its barrier
            4. pages as they were are copied while the workers go on; then the journals are waited
               for up to the positions recorded
            5. the manifest: from here on the checkpoint counts
            6. the sinks commit. What a crash leaves undone behind 5 is done by the next start
   End      all inputs have ended: a last checkpoint, marked "finished", commits the rest. A job
            that is told to stop takes a checkpoint behind which no source reads on, and ends
            without firing what is not due: the next run goes on from there
   Failures a checkpoint that fails or takes longer than its timeout is given up and counted; more
            in a row than tolerated end the job. One whose copies ran out of memory (deferred) is
            tried again and does not count as failed
   Units    *_ns: mono
   Memory   what slots hold grows to its size once; copies of pages: as much as the state itself at
            most, mapped at open, touched as it is needed
   Threads  one thread of its own runs the body. Slots belong to their threads up to their ack
   Order    K1 trigger release -> acquire (stop_id). K2 ack release -> acquire (the slot). K3 ended
            release -> acquire (the slot, for good). K4 aborted: relaxed, steers. K5 prepared, K6
            commit, K7 committed release -> acquire between file thread and coordinator. K8 halt.
            K9 journal_seq release -> acquire (a trigger that it goes beyond)
   Limits   as topology.h.  Tests tests/engine/test_coordinator.c, tests/crash */
#ifndef TM_ENGINE_COORDINATOR_H
#define TM_ENGINE_COORDINATOR_H

#include "base/symbol.h"
#include "engine/runtime/thread.h"
#include "state/checkpoint/checkpoint_store.h"
#include "state/journal/journal_writer.h"
#include "state/table/page_track.h"

/* What a thread hands over. */
typedef struct tm_checkpoint_state {
    tm_buffer_t blob; /* operators outside of their pages; positions of sources */
    /* K9. Of an ingest thread that records: where a restart reads on */
    _Atomic uint64_t journal_seq;
} tm_checkpoint_state_t;

typedef struct tm_checkpoint_slot {
    tm_checkpoint_state_t at_barrier;
    tm_checkpoint_state_t at_end; /* of an ingest thread; a barrier before may not be done with */
    int64_t align_ns;             /* of a worker: from its first barrier to its last */
    int64_t pause_ns;             /* how long rows waited meanwhile for the thread itself */
    tm_page_track_t *track;       /* of a worker; set before threads start */
    uint32_t page_cnt;
    alignas(TM_FALSE_SHARE) _Atomic uint64_t acked_id; /* K2 */
    _Atomic bool ended;                                /* K3 */
} tm_checkpoint_slot_t;

typedef struct tm_coordinator tm_coordinator_t;

typedef struct tm_coordinator_cfg {
    const tm_topology_t *topo;
    const tm_symbols_t *symbols;
    const _Atomic bool *abort;
    tm_checkpoint_store_t *store; /* becomes the coordinator's */
    uint64_t last_id;             /* the highest id given out so far; 0 = none */
} tm_coordinator_cfg_t;

int tm_coordinator_open(tm_coordinator_t **out, const tm_coordinator_cfg_t *cfg) TM_MUST_CHECK;
void tm_coordinator_close(tm_coordinator_t *c);

tm_thread_t *tm_coordinator_thread(tm_coordinator_t *c);
tm_checkpoint_slot_t *tm_coordinator_ingest(tm_coordinator_t *c, uint32_t ingest_idx);
tm_checkpoint_slot_t *tm_coordinator_worker(tm_coordinator_t *c, uint32_t worker_idx);

/* Before threads start: checkpoints wait for this journal. Not owned. */
void tm_coordinator_record(tm_coordinator_t *c, uint32_t ingest_idx, tm_journal_writer_t *journal);

/* Control thread: the job is to end, with a checkpoint. Returns at once. */
void tm_coordinator_stop(tm_coordinator_t *c);

/* ---- Any thread ------------------------------------------------------------------------------ */

/* The job ends behind its last checkpoint: nothing is to be drained. */
bool tm_coordinator_halted(const tm_coordinator_t *c);

/* ---- Ingest threads and workers -------------------------------------------------------------- */

/* The checkpoint whose barrier is to be sent, 0 = none so far; *last: nothing may be read behind
   it. */
uint64_t tm_coordinator_triggered(const tm_coordinator_t *c, bool *last);

/* Whether a checkpoint was given up. */
bool tm_coordinator_gave_up(const tm_coordinator_t *c, uint64_t id);

/* The slot is filled for a checkpoint; or for good: its thread has sent the end of all. */
void tm_checkpoint_ack(tm_checkpoint_slot_t *slot, uint64_t id);
void tm_checkpoint_end(tm_checkpoint_slot_t *slot);

/* ---- The file thread ------------------------------------------------------------------------- */

/* All sinks have prepared a checkpoint; have committed it. */
void tm_coordinator_prepared(tm_coordinator_t *c, uint64_t id);
void tm_coordinator_committed(tm_coordinator_t *c, uint64_t id);

/* The newest checkpoint that sinks may commit; 0 = none. */
uint64_t tm_coordinator_commit(const tm_coordinator_t *c);

/* The id of the last checkpoint, for sinks whose input has ended; 0 = not yet. */
uint64_t tm_coordinator_final(const tm_coordinator_t *c);

/* Up to where an ingest thread's journal was read at the barrier of this checkpoint, which the
   caller has seen. False where the checkpoint was given up and nobody knows any more. */
bool tm_coordinator_journal_seq(const tm_coordinator_t *c, uint32_t ingest_idx, uint64_t id,
                                uint64_t *seq);

#endif
