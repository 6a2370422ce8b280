/* tidemark.h - the public interface: describe a job as a graph of streams, hand it to tm_main().

   A job is a small C program. It declares where rows come from, how they are keyed and
   aggregated, and where results go; tm_main() gives it a command line, threads, rings, files and
   an orderly end:

       static int build(tm_job_t *job)
       {
           tm_stream_t *trades = tm_source_feed(job, &(tm_feed_spec_t){.rows = TM_ROWS_TRADE});
           ...
           return 0;
       }
       int main(int argc, char **argv) { return tm_main(argc, argv, build); }

   Units    *_ns: nanoseconds; event times are Unix time, UTC
   Memory   streams belong to the job and live until tm_main returns; every spec and every string
            may be gone after the call that takes it
   Errors   builders never return NULL. The first mistake is kept in the job, later calls on it do
            nothing, and tm_main reports it with the operator, the field and the remedy, exit
            status 2
   Threads  build runs once, on the main thread, before any other thread exists
   Limits   TM_JOB_NODE_MAX operators a job, TM_JOB_AGG_MAX aggregates a window */
#ifndef TIDEMARK_H
#define TIDEMARK_H

#include "tidemark_flow.h"
#include "tidemark_process.h"
#include "tidemark_types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Declares the job's graph. Returns 0, or any negative number to refuse to run. */
typedef int tm_build_fn(tm_job_t *job);

/* Runs a whole job: parses the command line (--help lists it), builds the graph, runs it until its
   input ends, --duration passes or SIGINT/SIGTERM asks it to stop, drains every stage, and prints a
   summary. Returns the process's exit status: 0 done, 1 failed while running, 2 bad options or
   graph. */
TM_API int tm_main(int argc, char **argv, tm_build_fn *build);

/* ---- Sources --------------------------------------------------------------------------------- */

/* Which market rows a feed yields. */
typedef enum tm_rows {
    TM_ROWS_TRADE = 1, /* symbol, event_time, recv_time, trade_id, price, qty, publish_time, side */
    TM_ROWS_QUOTE =
        2, /* symbol, event_time, recv_time, update_id, bid_price, bid_qty, ask_price, ask_qty */
} tm_rows_t;

typedef struct tm_feed_spec {
    const char *name; /* shown in logs and metrics; NULL = "feed" */
    tm_rows_t rows;
    const char
        *url; /* where to connect when the command line names neither --connect nor --replay */
} tm_feed_spec_t;

/* An exchange feed: --connect (live connections) or --replay (captured files) of the command line
   choose where it comes from. Messages that yield other rows are counted and left out. */
TM_API tm_stream_t *tm_source_feed(tm_job_t *job, const tm_feed_spec_t *spec);

/* ---- Event time ------------------------------------------------------------------------------ */

/* The watermark that a row carries, TM_TIME_NONE for none; lower ones than before are ignored. */
typedef int64_t tm_punctuate_fn(void *ctx, const void *row);

typedef struct tm_watermark_spec {
    int64_t bound_ns; /* rows may be this much out of order; --watermark-bound overrides it */
    tm_punctuate_fn *punctuate; /* watermarks come from rows; bound_ns is not used */
    void *ctx;
    int64_t idle_ns; /* a partition without rows for so long (wall clock) is left out of the minimum
                        until the next one comes; 0 = never, but 5 s for live connections. Time in
                        which the job held the partition back does not count */
    const char *align_group; /* partitions of one group wait for each other; NULL = for nobody */
    int64_t align_drift_ns; /* how far a partition's watermark may be ahead of the group's lowest */
} tm_watermark_spec_t;

/* How event time moves behind a source: bounded out-of-orderness (watermark = max event time -
   bound - 1 ns) or punctuated. Each partition (a file, a connection, a partition of an array or
   generator) has a watermark of its own; the lowest of the active ones is handed on, and it never
   goes back. Right behind a source or behind map and filter; further down each worker's part of the
   stream counts as one partition. */
TM_API tm_stream_t *tm_watermarks(tm_stream_t *in, const tm_watermark_spec_t *spec);

/* ---- Keys ------------------------------------------------------------------------------------ */

/* Partitions the stream: all rows of a key, and all state of it, live on one worker. */
TM_API tm_stream_t *tm_key_by(tm_stream_t *in, const char *field);

/* ---- Windows --------------------------------------------------------------------------------- */

typedef enum tm_window_kind {
    TM_WINDOW_TUMBLING,   /* size */
    TM_WINDOW_SLIDING,    /* size every slide; slide > size leaves gaps, whose rows are counted */
    TM_WINDOW_CUMULATIVE, /* growing by slide up to size, then anew; slide divides size */
} tm_window_kind_t;

typedef struct tm_window_spec {
    tm_window_kind_t kind;
    int64_t size_ns;   /* windows are [start, start + size) */
    int64_t slide_ns;  /* 0 for tumbling */
    int64_t offset_ns; /* shifts every start; |offset| < size, or < slide */
    int64_t
        lateness_ns; /* a late row within it updates its window and fires it again; later ones are
                            counted as late and dropped */
} tm_window_spec_t;

static inline tm_window_spec_t tm_tumbling(int64_t size_ns)
{
    tm_window_spec_t spec = {TM_WINDOW_TUMBLING, size_ns, 0, 0, 0};
    return spec;
}

static inline tm_window_spec_t tm_sliding(int64_t size_ns, int64_t slide_ns)
{
    tm_window_spec_t spec = {TM_WINDOW_SLIDING, size_ns, slide_ns, 0, 0};
    return spec;
}

static inline tm_window_spec_t tm_cumulative(int64_t size_ns, int64_t step_ns)
{
    tm_window_spec_t spec = {TM_WINDOW_CUMULATIVE, size_ns, step_ns, 0, 0};
    return spec;
}

typedef enum tm_agg_fn {
    TM_AGG_COUNT = 1, /* rows; int64 */
    TM_AGG_SUM,       /* exact; decimal(38, scale of the field), int64 fields too */
    TM_AGG_MIN,
    TM_AGG_MAX,
    TM_AGG_FIRST,   /* value of the row with the smallest (event time, `by`) */
    TM_AGG_LAST,    /* value of the row with the largest (event time, `by`) */
    TM_AGG_SUM_MUL, /* sum of field * by, exact; decimal(38, sum of both scales) */
} tm_agg_fn_t;

typedef struct tm_agg_spec {
    const char *as; /* name of the result field */
    tm_agg_fn_t fn;
    const char *field; /* input; NULL for TM_AGG_COUNT */
    const char *by; /* FIRST, LAST: breaks ties of event time, so that the result does not depend on
                          arrival order; SUM_MUL: the second factor */
} tm_agg_spec_t;

/* One result row per key and window that saw a row: the key's field, `window_start`, `window_end`
   (timestamps, milliseconds), then the aggregates in order. A result's event time is window_end -
   1 ns. Sums are exact; a result with one that leaves 38 digits is counted (agg_overflow) and left
   out, as no number of it would be true. */
TM_API tm_stream_t *tm_window_aggregate(tm_stream_t *keyed, const char *name,
                                        const tm_window_spec_t *window, const tm_agg_spec_t *aggs,
                                        size_t agg_cnt);

/* ---- Sinks ----------------------------------------------------------------------------------- */

typedef struct tm_parts_spec {
    const char *name;          /* folder below --out; NULL = directly in it */
    const char *bucket_field;  /* time field that names the bucket; NULL = event time */
    const char *bucket_format; /* strftime of UTC time; NULL = "%Y-%m-%d--%H" */
    int64_t roll_interval_ns;  /* age at which a part is finished; 0 = 60 s */
} tm_parts_spec_t;

/* Parquet part files in bucket folders below --out: <bucket>/part-<subtask>-<counter>.parquet,
   hidden while in progress, visible once they are whole and durable. */
TM_API void tm_sink_parts(tm_stream_t *in, const tm_parts_spec_t *spec);

#ifdef __cplusplus
}
#endif
#endif
