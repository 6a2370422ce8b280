/* engine/operators/watermark_op.h - makes the watermarks of a stream from its rows, a generator a
   partition.
   Flow     source, map -> [watermark operator] -> rows as they came, watermarks, idleness
   Rules    a partition's watermark: bounded out-of-orderness, or what its rows carry; their minimum
            over active partitions is handed on by work(), a punctuated one right behind its row.
            A partition without rows for idle_ns of wall-clock time is idle; time in which the task
            waited for a full ring, or held the partition back, does not count. Watermarks from
            above are ignored, but for the end of input
   Memory   tm_watermark_op_footprint bytes; allocates nothing
   Threads  the task's; the alignment slots are shared (engine/operators/alignment.h)
   Counters gauges watermark_ns, watermark_holder (partition that holds the minimum; the number of
            partitions = none), partitions_idle, partitions_held (how often one was held back)
   Tests    tests/engine/test_watermark_op.c */
#ifndef TM_ENGINE_WATERMARK_OP_H
#define TM_ENGINE_WATERMARK_OP_H

#include "engine/operators/alignment.h"
#include "engine/operators/operator.h"
#include "engine/operators/watermark.h"
#include "engine/tidemark.h"

enum {
    TM_WATERMARK_LAYOUT = 1,      /* of what is kept of it */
    TM_PARTITION_NEW = UINT8_MAX, /* the checkpoint does not know it */
};

typedef struct tm_watermark_op_cfg {
    int64_t bound_ns;
    tm_punctuate_fn *punctuate; /* NULL = bounded */
    void *ctx;
    int64_t idle_ns; /* 0 = never idle */
    int64_t align_drift_ns;
    uint32_t align_group; /* 0 = not aligned */
    uint32_t node_idx;
    const tm_operator_env_t *env; /* outs, partitions, idle; copied */
} tm_watermark_op_cfg_t;

size_t tm_watermark_op_footprint(const tm_watermark_op_cfg_t *cfg);
tm_operator_t *tm_watermark_op_init(void *mem, const tm_watermark_op_cfg_t *cfg);

/* Before restore, on an ingest thread whose job has changed: which partition of the checkpoint each
   one is. They are active then, and idleness is found out anew. `was` lives until restore. */
void tm_watermark_op_partitions_were(tm_operator_t *op, const uint8_t *was);

/* What a task tells and asks besides, by partition of its thread. */
void tm_watermark_op_partition_end(tm_operator_t *op, uint32_t partition_idx);

/* True where the partition is too far ahead of its group: do not poll it now. */
bool tm_watermark_op_is_held(tm_operator_t *op, uint32_t partition_idx);

#endif
