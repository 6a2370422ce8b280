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
   Threads  build runs on the main thread while no other thread exists: once, and once more for each
            restart of a job that failed (--restart), where it has to describe the same job
   Limits   TM_JOB_NODE_MAX operators a job, TM_JOB_AGG_MAX aggregates a window */
#ifndef TIDEMARK_H
#define TIDEMARK_H

#include "tidemark_flow.h"
#include "tidemark_harness.h"
#include "tidemark_json_source.h"
#include "tidemark_process.h"
#include "tidemark_sink.h"
#include "tidemark_types.h"
#include "tidemark_window.h"

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

/* Which market rows a feed yields; their fields are in docs/rows.md. Symbol, event_time and
   recv_time are part of all of them. */
typedef enum tm_rows {
    TM_ROWS_TRADE = 1,       /* trade_id, price, qty, publish_time, side */
    TM_ROWS_QUOTE = 2,       /* update_id, bid_price, bid_qty, ask_price, ask_qty */
    TM_ROWS_AGG_TRADE = 3,   /* agg_id, price, qty, first_trade_id, trade_count, side */
    TM_ROWS_DEPTH = 4,       /* batches of book levels: first_id, last_id, prev_id, ... */
    TM_ROWS_LEVEL = 5,       /* the levels: price, qty, side, first_id, last_id, snapshot, ... */
    TM_ROWS_MARK = 6,        /* mark_price, index_price, funding_rate, ... */
    TM_ROWS_LIQUIDATION = 7, /* price, average_price, qty, filled_qty, side */
    TM_ROWS_NOTICE = 8,      /* replies, errors, heartbeats: id, code, seq, what */
    TM_ROWS_BAR = 9,         /* the venue's own bars: open_time, interval_ns, open, high, ... */
    TM_ROWS_TICKER = 10,     /* last_price, bid_price, ask_price, volume, ... */
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

/* ---- Ids ------------------------------------------------------------------------------------- */

/* Names the state of a source or operator for good: a checkpoint or savepoint of this job, changed
   since, finds it by this id. Without one it is "kind/name", as in "window/bars". Sinks have no
   other id than their name. Returns `s`. */
TM_API tm_stream_t *tm_operator_id(tm_stream_t *s, const char *id);

/* ---- Keys ------------------------------------------------------------------------------------ */

/* Partitions the stream: all rows of a key, and all state of it, live on one worker. */
TM_API tm_stream_t *tm_key_by(tm_stream_t *in, const char *field);

#ifdef __cplusplus
}
#endif
#endif
