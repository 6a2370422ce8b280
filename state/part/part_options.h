/* state/part/part_options.h - what a user may choose about part files: format, compression,
   folders.
   Flow     job, command line -> [options] -> part_sink
   Units    *_ns: Unix time
   Threads  a function that names folders runs on the file thread
   Limits   folders of TM_PART_FOLDER_MAX - 1 bytes
   Tests    tests/state/test_part_rows.c */
#ifndef TM_STATE_PART_OPTIONS_H
#define TM_STATE_PART_OPTIONS_H

#include "base/types.h"
#include "state/part/part_roll.h"

enum { TM_PART_FOLDER_MAX = 128, TM_PART_BYTE_NS_MAX = 1000000 };

typedef enum tm_compression {
    TM_COMPRESS_NONE,
    TM_COMPRESS_ZSTD,
    TM_COMPRESS_LZ4,
    TM_COMPRESS_MIXED /* each chunk zstd or LZ4, whichever suits it */
} tm_compression_t;

typedef enum tm_part_format { TM_PART_PARQUET, TM_PART_CSV, TM_PART_JSON } tm_part_format_t;

/* Writes the folder of a row, "" for none; now_ns: the clock, or TM_TIME_NONE. Negative ends the
   job as failed. */
typedef int tm_part_folder_fn(void *ctx, const void *row, int64_t now_ns, char *out, size_t out_sz);

/* Which folder a row goes to; docs/part-files.md. */
typedef struct tm_part_bucket_cfg {
    const char *field;         /* time field; NULL = the row's event time */
    const char *pattern;       /* strftime and {field}; NULL = "%Y-%m-%d--%H"; "" = no folder */
    const char *zone;          /* of the pattern's time: NULL = UTC, or "+08:00" */
    bool by_clock;             /* the time is that of writing, not one of the row's */
    tm_part_folder_fn *folder; /* in place of all this; NULL = none */
    void *ctx;
} tm_part_bucket_cfg_t;

/* Small Parquet parts are merged before they become visible; off while checkpoints is 0. */
typedef struct tm_part_compact_cfg {
    uint32_t checkpoints; /* that a part waits for others of its bucket, at most */
    uint64_t
        max_sz; /* larger parts do not wait, and parts that sum up to it no longer; 0 = 128 MiB */
} tm_part_compact_cfg_t;

#endif
