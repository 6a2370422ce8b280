/* engine/runtime/topology.h - the wiring diagram: every thread with its core, every ring with its
   ends.
   Flow     graph + options -> [topology] -> runtime starts exactly this, prints it first
   Threads  built on the main thread, immutable afterwards
   Errors   TM_E_CONFIG with a text
   Limits   TM_TOPOLOGY_INGEST_MAX ingest threads, TM_TOPOLOGY_WORKER_MAX workers,
            TM_TOPOLOGY_SINK_MAX sinks a job */
#ifndef TM_ENGINE_TOPOLOGY_H
#define TM_ENGINE_TOPOLOGY_H

#include "engine/job/plan.h"

#include <stdio.h>

enum { TM_TOPOLOGY_INGEST_MAX = 16, TM_TOPOLOGY_WORKER_MAX = 32, TM_TOPOLOGY_SINK_MAX = 16 };

#define TM_CPU_ANY UINT32_MAX

typedef struct tm_thread_plan {
    char name[24];
    uint32_t cpu_idx; /* TM_CPU_ANY = not pinned */
    tm_idle_kind_t idle;
} tm_thread_plan_t;

typedef struct tm_topology {
    const tm_job_t *job;
    tm_thread_plan_t ingests[TM_TOPOLOGY_INGEST_MAX];
    tm_thread_plan_t workers[TM_TOPOLOGY_WORKER_MAX];
    tm_thread_plan_t file;
    tm_thread_plan_t snapshot; /* where checkpoints are taken */
    uint32_t ingest_cnt, worker_cnt;
    uint32_t ring_depth; /* rows, of every ring */
    tm_plan_t plan;
    const struct tm_stream *sinks[TM_TOPOLOGY_SINK_MAX];
    uint32_t sink_strides[TM_TOPOLOGY_SINK_MAX]; /* bytes a row takes in a worker x sink ring */
    uint32_t sink_cnt;
} tm_topology_t;

/* Threads that put rows into an exchange; each has a ring to every worker. */
uint32_t tm_topology_producers(const tm_topology_t *topo, const tm_exchange_t *x);

/* Which sink a node is; UINT32_MAX where it is none. */
uint32_t tm_topology_sink(const tm_topology_t *topo, uint32_t node_idx);

/* Inputs of the job: the feeds' addresses or files, then the partitions of other sources, in the
   order of the graph. Input i belongs to ingest thread i modulo their number. */
uint32_t tm_topology_inputs(const tm_job_t *job);

int tm_topology_plan(tm_topology_t *topo, const tm_job_t *job) TM_MUST_CHECK;

/* The graph, the threads and the rings as a page of text. */
void tm_topology_print(const tm_topology_t *topo, FILE *out);

#endif
