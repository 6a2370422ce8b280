/* state/part/part_sink.h - bucketed part files, written exactly once: Parquet, CSV or JSON lines.
   Flow     file thread -> [part sink] -> <dir>/<bucket>/<prefix>-<subtask>-<counter><suffix>
   Names    in progress: hidden; finished: renamed after fsync of the file, followed by fsync of the
            folder; docs/part-files.md
   Bulk     Parquet: a part is finished by every prepare, since its footer is written then
   Rows     CSV, JSON: a part goes on over transactions; each records up to where the file reaches,
            and a restart cuts it there and goes on
   Write    rows are taken in slices of TM_PART_SLICE_MAX (or a row group, if that is less; 256 rows
            of text); a slice is taken whole or, on an error, not at all, so a write of up to that
            many rows may be repeated once the cause is gone. Only where memory for the next part
            is refused in the midst of a slice of text does every later prepare fail until abort()
   Units    *_ns: nanoseconds; *_sz: bytes
   Memory   rows of all open parts share about 64 MiB; writer's scratch; touched as it is used
   Threads  one file thread
   Errors   a text that names the path and what to do; counter part_errors. What was prepared
            stays; rows that were taken but not yet written stay in memory and go out with the next
            call that succeeds. After a failed fsync of a part, its rows cannot be trusted: every
            later prepare fails until abort() drops the part or goes back to its last point
   Counters parts_finished, part_rows, part_bytes (of finished parts), fsyncs, part_errors
   Limits   one open part a bucket; bucket_max buckets open at once: the one written least recently
            is rolled to make room
   Tests    tests/state/test_part_sink.c, tests/state/test_part_rows.c,
            tests/state/test_part_fault.c, tests/vectors */
#ifndef TM_STATE_PART_SINK_H
#define TM_STATE_PART_SINK_H

#include "base/counter.h"
#include "base/symbol.h"
#include "state/part/part_options.h"
#include "state/sink.h"

enum { TM_PART_BUCKET_MAX = 4096, TM_PART_SLICE_MAX = 4096 };

typedef struct tm_part_sink_cfg {
    const char *dir; /* made where it is missing; not owned, as all texts here */
    uint32_t subtask_idx;
    uint32_t subtask_cnt; /* what a run with more subtasks left is shared out; 0 = left alone */
    const tm_schema_t *schema; /* of the rows; not owned, outlives the sink */
    const tm_symbols_t *symbols;
    tm_part_format_t format;
    const char *prefix, *suffix; /* of names; NULL = "part", and by the format */
    bool names_by_id;            /* an id of this run instead of the subtask's number */
    tm_part_bucket_cfg_t bucket;
    uint32_t bucket_max;           /* open at once; 0 = 64, or 1024 where a {field} names buckets */
    tm_part_compact_cfg_t compact; /* of Parquet, with checkpoints only */
    tm_part_roll_t roll;           /* zeros = 128 MiB, 60 s, 60 s idle */
    const char *cluster_field; /* rows of a row group are sorted by it; NULL = "symbol" if there */
    tm_compression_t compression; /* of Parquet */
    uint32_t byte_ns;             /* ns that a byte less may cost; 0 = 7 (docs/parquet.md) */
    bool book_lists;              /* of Parquet: levels of books as lists, a row a message */
    const char *bloom_fields;     /* of Parquet: names with commas between; NULL = none */
    size_t buffer_sz;             /* text that a part holds in memory; 0 = 64 KiB */
    bool headless;                /* CSV without a line of names */
    tm_counter_set_t *counters;   /* of the file thread; not owned; may be NULL */
    /* false: parts that are due become visible in tick() and write(), and open() finishes what a
       crash left complete. true: only commit() and recover() make parts visible. */
    bool checkpointed;
    bool no_resume;         /* recover() finishes parts in progress where they were, at once */
    bool keep_orphans;      /* recover() leaves hidden files of rows that will come again, and
                               gives their numbers away anew, as Flink's sink does */
    int64_t txn_timeout_ns; /* recover() warns, and goes on, where a transaction so old cannot be
                               committed; 0 = it fails */
    int64_t (*clock)(void *ctx); /* Unix time of rows; NULL = that of the last tick */
    void *clock_ctx;
    uint32_t group_rows;            /* rows a row group; 0 = 128 Ki, or as many as fit 64 MiB */
    const struct tm_parquet_kv *kv; /* key-value metadata, as it is when a file is finished; not
                                       owned */
    uint32_t kv_cnt;
} tm_part_sink_cfg_t;

/* Fails with a text that names the folder where it cannot be made or written. */
int tm_part_sink_open(tm_sink_t **out, const tm_part_sink_cfg_t *cfg) TM_MUST_CHECK;

/* What a sink is at: for gauges and tests. */
typedef struct tm_part_sink_state {
    uint32_t bucket_cnt;      /* with an open part */
    uint32_t in_progress_cnt; /* open parts */
    uint32_t pending_cnt;     /* rolled, or prepared and not yet committed */
    uint32_t txn_cnt;         /* prepared and not yet committed */
    uint32_t resumed_cnt;     /* parts that recover() goes on with */
    uint32_t finished_cnt;    /* parts that recover() finished */
    uint64_t outdated_cnt;    /* points that commits took the place of */
    struct {
        uint32_t ready_cnt, point_cnt;
        uint32_t superseded_cnt; /* points that will be outdated by it */
    } prepared;                  /* by the last prepare */
} tm_part_sink_state_t;

/* bucket: only its parts; NULL = all. */
void tm_part_sink_state(const tm_sink_t *sink, const char *bucket, tm_part_sink_state_t *out);

#endif
