/* state/part_sink.h - bucketed Parquet part files, written exactly once.
   Flow     file thread -> [part sink] -> <dir>/<bucket>/part-<subtask>-<counter>.parquet
   Names    in progress: <bucket>/.part-<subtask>-<counter>.parquet.inprogress; finished: renamed after
            fsync of the file, followed by fsync of the folder
   Units    *_ns: nanoseconds; *_sz: bytes
   Threads  one file thread
   Limits   one open part a bucket; TM_PART_BUCKET_MAX buckets open at once */
#ifndef TM_STATE_PART_SINK_H
#define TM_STATE_PART_SINK_H

#include "base/counter.h"
#include "base/symbol.h"
#include "state/sink.h"

enum { TM_PART_BUCKET_MAX = 64 };

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
    tm_counter_set_t *counters; /* of the file thread; not owned */
} tm_part_sink_cfg_t;

/* Fails with a text that names the folder where it cannot be made or written. */
int tm_part_sink_open(tm_sink_t **out, const tm_part_sink_cfg_t *cfg) TM_MUST_CHECK;

#endif
