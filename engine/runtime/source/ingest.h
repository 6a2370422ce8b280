/* engine/runtime/source/ingest.h - a pinned thread that owns sources and the operators in front of
   the first exchange.
   Flow     row sources (feeds, arrays, generators) -> [ingest: task] -> rings -> workers
   Sends    rows as the exchanges say; a MARK before rows whose ingress time differs from the last
            one sent to that worker; watermarks after each burst; END to all, last
   Memory   opaque, heap; the rings belong to the runtime
   Threads  open, close: control thread. The body runs on its own thread
   Pressure a full ring holds the sources back: files wait, a live peer is held by TCP. Waits are
            counted (ring_full). So does alignment, partition by partition (partitions_held)
   Errors   a source that fails ends the input: END follows all that came in, then the thread
            reports */
#ifndef TM_ENGINE_INGEST_H
#define TM_ENGINE_INGEST_H

#include "base/symbol.h"
#include "engine/runtime/task.h"
#include "engine/runtime/thread.h"
#include "state/journal/journal_writer.h"

typedef struct tm_ingest tm_ingest_t;

typedef struct tm_ingest_cfg {
    const tm_topology_t *topo;
    uint32_t ingest_idx;
    tm_ring_t *const *const *x_rings; /* [exchange][producer * workers + consumer] */
    tm_symbols_t *symbols;
    const _Atomic bool *stop;
    const _Atomic bool *leaving; /* the job is to end: sources that still connect let go */
    const _Atomic bool *abort;
    tm_alignment_t *alignment;
    tm_coordinator_t *coordinator; /* NULL = no checkpoints */
} tm_ingest_cfg_t;

struct tm_restore;

int tm_ingest_open(tm_ingest_t **out, const tm_ingest_cfg_t *cfg) TM_MUST_CHECK;
void tm_ingest_close(tm_ingest_t *ingest);

tm_thread_t *tm_ingest_thread(tm_ingest_t *ingest);

/* Before the thread starts: every frame goes into the journal before its rows are sent
   (engine/runtime/source/recorder.h). The ingest thread becomes the journal's receive thread; the
   caller owns the journal, whose folder is `dir`. */
int tm_ingest_record(tm_ingest_t *ingest, tm_journal_writer_t *journal,
                     const char *dir) TM_MUST_CHECK;

/* Before the thread starts: operators and sources go on from a checkpoint. */
int tm_ingest_restore(tm_ingest_t *ingest, struct tm_restore *restore) TM_MUST_CHECK;

/* Before the thread starts: the first record of the journal that its rows will come from. */
uint64_t tm_ingest_journal_seq(const tm_ingest_t *ingest);

/* Before the thread starts: puts dead letters into a journal of their own, likewise. */
void tm_ingest_bury(tm_ingest_t *ingest, tm_journal_writer_t *journal);

/* Writes the kept dead letters as JSON lines; after the thread has ended. */
int tm_ingest_dead_letters_write(const tm_ingest_t *ingest, FILE *out) TM_MUST_CHECK;

#endif
