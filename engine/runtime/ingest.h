/* engine/runtime/ingest.h - a pinned thread that turns frames into rows and routes them.
   Flow     source (net) -> parser (parse) -> arbiter -> [ingest] -> rings -> workers
   Sends    rows to the worker of their key, of a live feed the first copy of each (arbiter.h); a
            MARK before rows whose ingress time differs from the last one sent to that worker; a GAP
            to the worker of its symbol before the row that showed it; a FEED row to all workers
            when a connection comes or goes: UP before its first row, DOWN after its last one;
            watermarks to all workers after each burst; END to all, last
   Records  a frame is recorded before its rows count; one of which every row was a copy is not
   Memory   opaque, one heap block; the rings belong to the runtime
   Threads  open, close: control thread. The body runs on its own thread
   Pressure a full ring holds the source back: files wait, a live peer is held by TCP. Waits are
            counted (ring_full)
   Errors   a source that fails ends the input: END follows all that came in, then the thread
            reports */
#ifndef TM_ENGINE_INGEST_H
#define TM_ENGINE_INGEST_H

#include "base/symbol.h"
#include "engine/runtime/ring.h"
#include "engine/runtime/thread.h"
#include "state/journal_writer.h"

typedef struct tm_ingest tm_ingest_t;

typedef struct tm_ingest_cfg {
    const tm_topology_t *topo;
    uint32_t ingest_idx;
    tm_ring_t *const *rings; /* [worker] */
    tm_symbols_t *symbols;
    const _Atomic bool *stop;
    const _Atomic bool *abort;
} tm_ingest_cfg_t;

int tm_ingest_open(tm_ingest_t **out, const tm_ingest_cfg_t *cfg) TM_MUST_CHECK;
void tm_ingest_close(tm_ingest_t *ingest);

tm_thread_t *tm_ingest_thread(tm_ingest_t *ingest);

/* Before the thread starts: every frame goes into the journal before its rows are sent
   (engine/runtime/recorder.h). The ingest thread becomes the journal's receive thread; the caller
   owns the journal. */
int tm_ingest_record(tm_ingest_t *ingest, tm_journal_writer_t *journal) TM_MUST_CHECK;

/* Before the thread starts: puts dead letters into a journal of their own, likewise. */
void tm_ingest_bury(tm_ingest_t *ingest, tm_journal_writer_t *journal);

/* Writes the kept dead letters as JSON lines; after the thread has ended. */
int tm_ingest_dead_letters_write(const tm_ingest_t *ingest, FILE *out) TM_MUST_CHECK;

#endif
