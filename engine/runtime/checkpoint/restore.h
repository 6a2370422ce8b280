/* engine/runtime/checkpoint/restore.h - what a checkpoint of a job consists of beside pages, and
   the way back from it.
   Flow     checkpoint store -> [restore] -> symbols, tasks, sources, sinks, before threads start
   Blobs    graph: the plan as text; schema: what is kept of its operators (state_schema.h), by
            which a job that has changed finds it again (graph_match.h); out: the folder of results;
            workers: how many there were; symbols: names in order of their numbers, each behind a
            byte of size; ingest.N, worker.N: what their threads handed over; finished: the job has
            nothing left to do
   Options  --restore latest (default): the newest checkpoint that holds in --checkpoints, those
            that do not are named; none: begin anew; a folder: the newest in there, once
   Threads  the control thread
   Errors   TM_E_CONFIG where the job does not fit, or the folder's checkpoint is older than that in
            --checkpoints; TM_E_MISSING where the folder has no checkpoint; those of the store
   Tests    tests/e2e/restart.py, tests/e2e/evolve.py */
#ifndef TM_ENGINE_RESTORE_H
#define TM_ENGINE_RESTORE_H

#include "base/symbol.h"
#include "engine/runtime/checkpoint/graph_match.h"
#include "engine/runtime/topology.h"
#include "state/checkpoint/checkpoint_store.h"

#define TM_BLOB_GRAPH    "graph"
#define TM_BLOB_SCHEMA   "schema"
#define TM_BLOB_OUT      "out"
#define TM_BLOB_SYMBOLS  "symbols"
#define TM_BLOB_WORKERS  "workers"
#define TM_BLOB_INGEST   "ingest"
#define TM_BLOB_WORKER   "worker"
#define TM_BLOB_FINISHED "finished"

typedef struct tm_restore {
    tm_checkpoint_store_t *store; /* where new checkpoints go; NULL = none are taken */
    tm_checkpoint_store_t *other; /* restored from, where that is another folder */
    uint64_t last_id;             /* the highest there is in `store` or `other` */
    uint64_t id;                  /* restored from; 0 = none */
    bool finished;
    bool rescale;                  /* entries are handed over: workers, memory or states changed */
    tm_state_schema_t was;         /* what the checkpoint holds */
    tm_graph_match_t match;        /* and what has become of it */
    uint32_t worker_cnt;           /* at the time */
    const tm_manifest_t *manifest; /* restored from, or NULL */
} tm_restore_t;

/* Opens the folders that the options name. Does nothing where there is none. own_from: checkpoints
   above it are this run's own, and come before what --restore says. */
int tm_restore_open(tm_restore_t *restore, const tm_topology_t *topo,
                    uint64_t own_from) TM_MUST_CHECK;

/* Closes what was opened; the coordinator has taken `store` where `keep` says so. */
void tm_restore_close(tm_restore_t *restore, bool keep);

/* Finds the job in the checkpoint and takes the symbols back. */
int tm_restore_begin(tm_restore_t *restore, const tm_topology_t *topo,
                     tm_symbols_t *symbols) TM_MUST_CHECK;

/* What a thread handed over. */
int tm_restore_blob(const tm_restore_t *restore, const char *kind, uint32_t idx, const void **bytes,
                    size_t *sz) TM_MUST_CHECK;

/* Pages of a worker's arena. */
int tm_restore_pages(tm_restore_t *restore, uint32_t worker, void *base,
                     uint32_t page_cnt) TM_MUST_CHECK;

/* Whether the pages are in `store`, so that they need not be written again. */
static inline bool tm_restore_is_own(const tm_restore_t *restore)
{
    return restore->other == NULL;
}

/* Behind everything else: sinks of part files that the job has no more show what the checkpoint
   decided, as those rows are results. */
int tm_restore_left(const tm_restore_t *restore, const char *out_dir) TM_MUST_CHECK;

/* "2 workers of 256 MiB": what may be another at a restart, with a rescale. */
void tm_restore_workers(const tm_topology_t *topo, char out[64]);

/* The graph as text, to be freed; NULL = out of memory. */
char *tm_restore_graph(const tm_topology_t *topo);

#endif
