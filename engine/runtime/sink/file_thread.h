/* engine/runtime/sink/file_thread.h - the thread that owns all sinks, off the hot cores.
   Flow     worker rings -> [file thread] -> sinks (state/); journals of the ingest threads ->
            segments
   Memory   rings and sinks are opened by the runtime before the threads start
   Threads  body: one thread; the rest: the control thread
   Errors   a sink that fails stops the job: what is finished stays finished, the error names the
            path
   Limits   TM_TOPOLOGY_SINK_MAX sinks x TM_TOPOLOGY_WORKER_MAX workers */
#ifndef TM_ENGINE_FILE_THREAD_H
#define TM_ENGINE_FILE_THREAD_H

#include "base/symbol.h"
#include "engine/operators/watermark.h"
#include "engine/runtime/checkpoint/coordinator.h"
#include "engine/runtime/idle.h"
#include "engine/runtime/ring.h"
#include "engine/runtime/sink/part_origin.h"
#include "engine/runtime/thread.h"
#include "state/journal/journal_writer.h"
#include "state/sink.h"

/* One subtask of one sink: the output of one worker. */
typedef struct tm_sink_port {
    tm_ring_t *ring;          /* not owned */
    tm_sink_t *sink;          /* owned */
    tm_part_origin_t *origin; /* of part files, else NULL; owned */
    tm_schema_t schema;       /* of the rows as they lie in the ring */
    uint32_t sink_idx, worker_idx;
    uint64_t barrier_id; /* the last checkpoint that it was prepared for */
    bool ended;
} tm_sink_port_t;

typedef struct tm_file_thread {
    tm_thread_t thread;
    const tm_topology_t *topo;
    const _Atomic bool *abort;
    tm_sink_port_t ports[TM_TOPOLOGY_SINK_MAX * TM_TOPOLOGY_WORKER_MAX];
    uint32_t port_cnt;
    tm_valve_t *valves[TM_TOPOLOGY_SINK_MAX]; /* of sinks that want watermarks, over the workers */
    tm_journal_writer_t *journals[2 * TM_TOPOLOGY_INGEST_MAX]; /* owned */
    uint32_t journal_cnt;
    tm_coordinator_t *coordinator; /* of checkpoints; NULL = none are taken */
    uint64_t prepared_id, committed_id;
    tm_counter_t *rows_out;
    tm_idle_t idle;
} tm_file_thread_t;

typedef struct tm_file_thread_cfg {
    const tm_topology_t *topo;
    tm_ring_t *const *rings; /* [sink_idx * worker_cnt + worker_idx] */
    const tm_symbols_t *symbols;
    const _Atomic bool *abort;
    tm_coordinator_t *coordinator; /* NULL = no checkpoints */
    uint64_t restored_id;          /* the checkpoint that sinks go on from; 0 = none */
} tm_file_thread_cfg_t;

/* Opens the sinks of every (sink, worker) pair; with checkpoints, they finish or take back what the
   last run left. */
int tm_file_thread_init(tm_file_thread_t *f, const tm_file_thread_cfg_t *cfg) TM_MUST_CHECK;

/* Before the thread starts: it becomes the journal's file thread and its owner. */
void tm_file_thread_record(tm_file_thread_t *f, tm_journal_writer_t *journal);

/* Before the thread starts: the first record of an ingest thread's journal that part files of this
   run stand on. */
void tm_file_thread_from(tm_file_thread_t *f, uint32_t ingest_idx, uint64_t seq);

/* Instead of the thread, where the job had come to its end before it was opened: the commit of its
   last checkpoint may not have, and sinks may still hold rows back that nothing else shows. */
int tm_file_thread_finish(tm_file_thread_t *f) TM_MUST_CHECK;

void tm_file_thread_fini(tm_file_thread_t *f);

#endif
