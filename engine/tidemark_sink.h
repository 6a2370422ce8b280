/* tidemark_sink.h - where results go: part files, and sinks of the user's own with two phases; a
   part of tidemark.h. Functions and standard output: tidemark_flow.h.

   Units    *_ns: nanoseconds; *_sz: bytes
   Memory   specs and strings are copied; what `ctx` points to must live until tm_main returns
   Threads  everything here runs on the file thread, one call at a time
   Errors   the first mistake is kept and reported by tm_main; a sink that fails ends the
            job, or has it restarted (--restart) */
#ifndef TIDEMARK_SINK_H
#define TIDEMARK_SINK_H

#include "state/part/part_options.h"
#include "state/sink.h"
#include "tidemark_types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Zeros are good defaults: Parquet in a folder an hour of event time, a new part every 60 s. The
   command line's --format, --compression, --bucket and --roll-* come before what is said here. */
typedef struct tm_parts_spec {
    const char *name;          /* folder below --out; NULL = directly in it */
    const char *bucket_field;  /* time field that names the bucket; NULL = event time */
    const char *bucket_format; /* strftime, and {field} for a value; NULL = "%Y-%m-%d--%H" */
    int64_t roll_interval_ns;  /* age at which a part is finished; 0 = 60 s */
    tm_part_format_t format;   /* TM_PART_PARQUET, TM_PART_CSV, TM_PART_JSON */
    const char *compression;   /* of Parquet: "zstd", "lz4", "mixed", "none"; NULL = "zstd" */
    const char *bloom_fields;  /* of Parquet: fields that get a Bloom filter, "symbol,trade_id" */
    const char *prefix;        /* of names; NULL = "part" */
    const char *suffix;        /* NULL = ".parquet", ".csv", ".jsonl" */
    const char *bucket_zone;   /* of the bucket's time: NULL = UTC, or "+08:00" */
    bool bucket_by_clock;      /* the bucket's time is that of writing */
    tm_part_folder_fn *folder; /* names the bucket's folder instead; NULL = none */
    void *folder_ctx;
    tm_part_compact_cfg_t compact; /* merges small Parquet parts; takes --checkpoints */
    tm_part_roll_t roll;           /* size, idleness, check interval, functions of yours */
    uint32_t bucket_max;           /* open at once; 0 = 64, or 1024 where fields name them */
    bool names_by_id;              /* an id of the run in names instead of the worker's number */
    bool book_lists;               /* of Parquet: levels of books as lists, a row a message */
    uint32_t byte_ns;              /* of Parquet: ns that a byte less may cost; 0 = 7 */
} tm_parts_spec_t;

/* Part files in bucket folders below --out: <bucket>/part-<subtask>-<counter>.parquet,
   hidden while in progress, visible once they are whole and durable. */
TM_API void tm_sink_parts(tm_stream_t *in, const tm_parts_spec_t *spec);

/* One subtask of a sink: there is one a worker. */
typedef struct tm_sink_at {
    uint32_t subtask_idx, subtask_cnt;
    const tm_schema_t *schema; /* of the rows; row_sz is how far they lie apart */
    /* Text of a symbol's number, valid as long as the job. */
    const char *(*symbol_name)(const void *symbols, uint32_t symbol);
    const void *symbols;
} tm_sink_at_t;

/* A sink with two phases: `open` makes an object that begins with a tm_sink_t, and leaves it in
   *out. state/sink.h says what each of its functions promises; all but `end` must be there. A
   negative return value, of open too, ends the job as failed; -errno is told by name. */
typedef struct tm_sink_spec {
    const char *name;
    int (*open)(void *ctx, const tm_sink_at_t *at, tm_sink_t **out);
    void *ctx;
} tm_sink_spec_t;
TM_API void tm_sink_two_phase(tm_stream_t *in, const tm_sink_spec_t *spec);

#ifdef __cplusplus
}
#endif
#endif
