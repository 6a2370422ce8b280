/* engine/runtime/sink/part_origin.h - what a part file says of where it comes from, in its footer.
   Flow     options, coordinator -> [part origin] -> part sink -> key-value metadata of each part
   Keys     tidemark.job, tidemark.version; with --journal tidemark.journal; with --checkpoints
            tidemark.epoch; with both tidemark.journal_range: docs/part-files.md
   Units    from, seq: records of a journal
   Memory   one of each sink of part files and worker; the sink keeps a pointer to kv
   Threads  init, from: the control thread before the others start; epoch: the file thread
   Limits   TM_TOPOLOGY_INGEST_MAX journals
   Tests    tests/e2e/part_origin.py, tests/engine/test_coordinator.c */
#ifndef TM_ENGINE_PART_ORIGIN_H
#define TM_ENGINE_PART_ORIGIN_H

#include "engine/runtime/checkpoint/coordinator.h"
#include "state/parquet/parquet_meta.h"

enum { TM_PART_ORIGIN_KEY_MAX = 5, TM_PART_ORIGIN_RANGE_MAX = 48 };

typedef struct tm_part_origin {
    tm_parquet_kv_t kv[TM_PART_ORIGIN_KEY_MAX];
    uint32_t kv_cnt;
    const tm_coordinator_t *coordinator; /* NULL = no epochs */
    uint32_t journal_cnt;
    uint64_t from[TM_TOPOLOGY_INGEST_MAX];
    char epoch[24];
    char range[TM_TOPOLOGY_INGEST_MAX * TM_PART_ORIGIN_RANGE_MAX];
} tm_part_origin_t;

void tm_part_origin_init(tm_part_origin_t *origin, const tm_topology_t *topo,
                         const tm_coordinator_t *coordinator);

/* The first part begins with this record of an ingest thread's journal. */
void tm_part_origin_from(tm_part_origin_t *origin, uint32_t ingest_idx, uint64_t seq);

/* The parts that are finished next belong to this checkpoint; those after it begin where it ends.
   Called once a checkpoint, before its prepare. */
void tm_part_origin_epoch(tm_part_origin_t *origin, uint64_t id);

#endif
