/* engine/runtime/task.h - the operators of one thread, wired as the plan says: what comes in from
   rings and sources goes through them, what leaves goes to rings.
   Flow     source or exchange rings -> [task: valves, operators] -> exchange rings, sink rings
   Calls    an ingest thread gives rows of its sources (tm_task_rows), a worker takes them from its
            rings (tm_task_poll); both call tm_task_work between batches
   Event time  each operator has a valve over all that it reads: a call, or a ring of an exchange. A
            watermark reaches it when the lowest of them rises, and leaves it when it has put out
            all that the watermark caused. An input that has ended no longer counts; idleness passes
            an operator when all its inputs are idle and nothing is due
   Memory   one arena a task: operators, valves and, on workers, the page arena of all keyed state
            (--state-memory), pre-faulted. Nothing is allocated after open
   Threads  open, close: control thread. The rest: the thread that runs the task. Watermark and
            latency: any thread, statistics
   Waits    for room in a ring, going on meanwhile with rings of later stages (engine/job/plan.h),
            or until the run is aborted (A1). Time spent so is known to those who watch for idleness
   Counters ring_full (waits for an exchange), sink_ring_full, worker_rows, watermark_input (ring
            whose watermark is the lowest, of the operator that reads most of them)
   Tests    tests/engine/test_dataflow.c */
#ifndef TM_ENGINE_TASK_H
#define TM_ENGINE_TASK_H

#include "base/histogram.h"
#include "engine/operators/alignment.h"
#include "engine/runtime/checkpoint/coordinator.h"
#include "engine/runtime/ring.h"
#include "engine/runtime/topology.h"

/* Raised where the blob of a thread lies differently: tasks, instances, valves, positions. */
enum { TM_TASK_LAYOUT = 2 };

typedef struct tm_task tm_task_t;
struct tm_graph_match; /* checkpoint/graph_match.h */

typedef struct tm_task_cfg {
    const tm_topology_t *topo;
    tm_place_t place;
    uint32_t subtask_idx;             /* ingest thread or worker */
    tm_ring_t *const *const *x_rings; /* [exchange][producer * workers + consumer] */
    tm_ring_t *const *out_rings;      /* [sink * workers + worker] */
    const _Atomic bool *abort;
    tm_idle_kind_t idle;
    tm_counter_set_t *counters; /* of the thread; not owned */
    tm_alignment_t *alignment;
    tm_coordinator_t *coordinator; /* of checkpoints; NULL = none are taken */
    tm_checkpoint_slot_t *slot;    /* of this thread */

    /* Ingest threads: their partitions, and for each node the partitions that it is the source
       of. */
    uint32_t partition_cnt;
    const uint64_t *partitions; /* [node] */
} tm_task_cfg_t;

int tm_task_open(tm_task_t **out, const tm_task_cfg_t *cfg) TM_MUST_CHECK;
void tm_task_close(tm_task_t *task);

/* Rows of a source, of one partition. */
void tm_task_rows(tm_task_t *task, uint32_t node_idx, uint32_t partition_idx, const void *rows,
                  uint32_t cnt, uint32_t stride);

/* A GAP or FEED row of a source, at its place among its rows: it is shown to the operators of this
   thread behind the source, then to those that its exchanges feed, and goes no further. */
void tm_task_feed_row(tm_task_t *task, uint32_t node_idx, const tm_row_t *row);

/* When the rows that follow came in (mono ns): latencies are measured from there. 0 = unknown. */
void tm_task_ingress(tm_task_t *task, int64_t ingress_ns);

/* A partition has ended, then, with the last one, its source. */
void tm_task_partition_end(tm_task_t *task, uint32_t partition_idx);
void tm_task_source_end(tm_task_t *task, uint32_t node_idx);

/* True where alignment says that the partition must wait. */
bool tm_task_is_held(tm_task_t *task, uint32_t partition_idx);

/* Takes a burst from each ring, later stages first. Returns rows taken. */
uint64_t tm_task_poll(tm_task_t *task);

/* Lets operators do a piece of what is due and, about every millisecond, look at the clock. Returns
   what was done. */
uint64_t tm_task_work(tm_task_t *task, int64_t mono_ns);

/* True once everything has ended and said so. */
bool tm_task_is_over(const tm_task_t *task);

/* Ends whatever has not: of an aborted run. */
void tm_task_end(tm_task_t *task);

/* ---- Checkpoints ----------------------------------------------------------------------------- */

/* Appends the state of its operators, but for pages. */
int tm_task_save(tm_task_t *task, tm_buffer_t *blob) TM_MUST_CHECK;

/* An ingest thread: puts the barrier behind all that was sent so far. */
void tm_task_barrier(tm_task_t *task, uint64_t id);

/* A worker, between polls: takes the checkpoint where all its rings have delivered the barrier.
   Operators stand still from the first barrier sent on to the last one received. */
int tm_task_checkpoint(tm_task_t *task) TM_MUST_CHECK;

/* Before the thread starts: what tm_task_save, or a worker's checkpoint, kept. Pages are there
   already. Returns the bytes that belong to it. */
int64_t tm_task_restore(tm_task_t *task, const struct tm_graph_match *match, const void *bytes,
                        size_t sz) TM_MUST_CHECK;

/* The bytes of such a blob that are of operators; what follows is the thread's own. */
int64_t tm_task_blob_sz(const void *bytes, size_t sz) TM_MUST_CHECK;

/* Where operators that make event time find the partitions of the checkpoint, by partition of this
   thread; before tm_task_restore. */
void tm_task_partitions_were(tm_task_t *task, const uint8_t *partition_was);

/* A worker as it was among another number of them: the blob of its checkpoint and its pages. */
typedef struct tm_task_old {
    const void *bytes;
    size_t sz;
    tm_page_arena_t *pages;
    uint32_t worker_cnt, idx; /* of those that there were; given in this order */
    const struct tm_graph_match *match;
} tm_task_old_t;

/* What the arena of its pages has to know. */
int tm_task_old_pages(const void *bytes, size_t sz, tm_page_roots_t *roots) TM_MUST_CHECK;

/* Before threads start: each key of the old worker goes to the task that owns it now. `to`: of all
   workers, in their order. */
int tm_task_move(tm_task_t *const *to, uint32_t to_cnt, const tm_task_old_t *old) TM_MUST_CHECK;

/* A worker's pages, for a restore; behind it, tm_task_track: from here on changes are tracked.
   all: the first checkpoint writes every page in use. */
tm_page_arena_t *tm_task_pages(tm_task_t *task);
int tm_task_track(tm_task_t *task, bool all) TM_MUST_CHECK;

/* From receive (frame ingress) to what the first exchange feeds, one record a row. */
const tm_histogram_t *tm_task_latency(const tm_task_t *task);

/* The lowest watermark that has reached a sink here; TM_TIME_NONE before the first, INT64_MAX at
   the end. */
int64_t tm_task_watermark(const tm_task_t *task);

#endif
