/* state/part_sink.h - bucketed Parquet part files, written exactly once.
   Flow     file thread -> [part sink] -> <dir>/<bucket>/part-<subtask>-<counter>.parquet
   Names    in progress: <bucket>/.part-<subtask>-<counter>.parquet.inprogress; finished: renamed
            after fsync of the file, followed by fsync of the folder; docs/part-files.md
   Write    rows are taken in slices of TM_PART_SLICE_MAX (or a row group, if that is less); a slice
            is taken whole or, on an error, not at all, so a write of up to that many rows may be
            repeated once the cause is gone
   Units    *_ns: nanoseconds; *_sz: bytes
   Memory   one pool of columns for all open parts, about 64 MiB, and the writer's scratch, sized at
            open and touched as it is used
   Threads  one file thread
   Errors   a text that names the path and what to do; counter part_errors. What was prepared
            stays; rows that were taken but not yet written stay in memory and go out with the next
            call that succeeds. After a failed fsync of a part, its rows cannot be trusted: every
            later prepare fails until abort() drops the part
   Counters parts_finished, part_rows, part_bytes (of finished parts), fsyncs, part_errors
   Limits   one open part a bucket; TM_PART_BUCKET_MAX buckets open at once: the one written least
            recently is rolled to make room
   Tests    tests/state/test_part_sink.c, tests/state/test_part_fault.c */
#ifndef TM_STATE_PART_SINK_H
#define TM_STATE_PART_SINK_H

#include "base/counter.h"
#include "base/symbol.h"
#include "state/sink.h"

enum { TM_PART_BUCKET_MAX = 64, TM_PART_SLICE_MAX = 4096 };

typedef enum tm_compression {
    TM_COMPRESS_NONE,
    TM_COMPRESS_ZSTD,
    TM_COMPRESS_LZ4
} tm_compression_t;

typedef struct tm_part_sink_cfg {
    const char *dir; /* made where it is missing; not owned */
    uint32_t subtask_idx;
    const tm_schema_t *schema; /* of the rows; not owned, outlives the sink */
    const tm_symbols_t *symbols;
    const char *bucket_field;  /* time field that names the bucket; NULL = the row's event time */
    const char *bucket_format; /* strftime, UTC; NULL = "%Y-%m-%d--%H"; "" = no bucket folder */
    const char *cluster_field; /* rows of a row group are sorted by it; NULL = "symbol" if there */
    tm_compression_t compression;
    int64_t roll_interval_ns;   /* age at which a part is finished; 0 = 60 s */
    uint64_t roll_sz;           /* size at which a part is finished; 0 = 128 MiB */
    tm_counter_set_t *counters; /* of the file thread; not owned; may be NULL */
    /* false: parts that are due become visible in tick() and write(), and open() finishes what a
       crash left complete. true: only commit() and recover() make parts visible. */
    bool checkpointed;
    uint32_t group_rows;            /* rows a row group; 0 = as many as fit 64 MiB, at most 1 Mi */
    const struct tm_parquet_kv *kv; /* key-value metadata of each file; not owned */
    uint32_t kv_cnt;
} tm_part_sink_cfg_t;

/* Fails with a text that names the folder where it cannot be made or written. */
int tm_part_sink_open(tm_sink_t **out, const tm_part_sink_cfg_t *cfg) TM_MUST_CHECK;

#endif
