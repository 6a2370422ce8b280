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

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef TM_API
#    define TM_API __attribute__((visibility("default")))
#endif

#define TM_MICROSECOND INT64_C(1000)
#define TM_MILLISECOND INT64_C(1000000)
#define TM_SECOND      INT64_C(1000000000)
#define TM_MINUTE      (60 * TM_SECOND)
#define TM_HOUR        (60 * TM_MINUTE)

enum { TM_JOB_NODE_MAX = 64, TM_JOB_AGG_MAX = 32 };

typedef struct tm_job tm_job_t;       /* a graph under construction; owned by tm_main */
typedef struct tm_stream tm_stream_t; /* the output of one operator; owned by the job */

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

typedef struct tm_watermark_spec {
    int64_t bound_ns; /* rows may be this much out of order; --watermark-bound overrides it */
} tm_watermark_spec_t;

/* Bounded out-of-orderness: watermark = max event time - bound - 1 ns for each input (a file, or
   the connections of one ingest thread), combined by the minimum; it never goes back. */
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

/* ---- Keyed state and process functions ------------------------------------------------------- */

/* A process function sees the rows of a keyed stream one by one, remembers what it likes for each
   key, and asks to be called at a time. Its state is declared by a table of descriptors; callbacks
   name a state by its place in it. A pointer that a read returns holds until the state it came from
   is written, and no longer than the callback. */
enum { TM_STATE_CNT_MAX = 32, TM_STATE_SZ_MAX = 16000, TM_PROCESS_SIDE_MAX = 7 };

typedef struct tm_process tm_process_t; /* what callbacks are given */

typedef enum tm_time_domain { TM_EVENT_TIME, TM_PROCESSING_TIME } tm_time_domain_t;

typedef enum tm_ttl_update { TM_TTL_ON_WRITE, TM_TTL_ON_READ_AND_WRITE } tm_ttl_update_t;

typedef enum tm_state_kind {
    TM_STATE_VALUE = 1,   /* one value */
    TM_STATE_LIST,        /* values in the order of adding */
    TM_STATE_MAP,         /* values by a key of their own, in the order of first adding */
    TM_STATE_REDUCING,    /* one value, combined with each one added */
    TM_STATE_AGGREGATING, /* one accumulator, whose result is of another type */
} tm_state_kind_t;

typedef struct tm_state_spec {
    const char *name;
    tm_state_kind_t kind;
    uint32_t value_sz;          /* bytes of a value or accumulator; 0 = each has its own size */
    uint32_t key_sz;            /* maps: of their keys; 0 = each has its own size */
    int64_t ttl_ns;             /* a value is gone this long after its last update; 0 = never */
    tm_time_domain_t ttl_time;  /* whose clock that is: watermark or wall clock */
    tm_ttl_update_t ttl_update; /* what counts as an update */
    void (*reduce)(void *value, const void *input); /* REDUCING: value += input */
    void (*init)(void *acc);                        /* AGGREGATING: may be NULL for zeros */
    void (*add)(void *acc, const void *input);      /* AGGREGATING */
    void (*result)(const void *acc, void *out);     /* AGGREGATING */
} tm_state_spec_t;

/* Writes return 0, or a negative code where memory for state is used up or a value is larger than
   TM_STATE_SZ_MAX: the state is as it was, and it is counted (process_full). Reads return NULL for
   what is not there or expired; sz may be NULL. */
TM_API const void *tm_value_get(tm_process_t *p, uint32_t state, size_t *sz);
TM_API int tm_value_set(tm_process_t *p, uint32_t state, const void *value, size_t sz);

/* Reducing and aggregating state; tm_value_get reads the value or accumulator, tm_value_result the
   result (0 where there is none: `out` is left alone). */
TM_API int tm_value_add(tm_process_t *p, uint32_t state, const void *input);
TM_API int tm_value_result(tm_process_t *p, uint32_t state, void *out);

/* Forgets the current key's state, of any kind. */
TM_API void tm_state_clear(tm_process_t *p, uint32_t state);

/* A walk over a list or map: `tm_state_iter_t at = {.state = PRICES}; while (tm_list_next(...))`.
   What was given last may be removed or changed on the way, nothing else. */
typedef struct tm_state_iter {
    uint32_t state;
    uint32_t started, ref, off, left; /* private */
} tm_state_iter_t;

TM_API int tm_list_add(tm_process_t *p, uint32_t state, const void *value, size_t sz);
TM_API int tm_list_next(tm_process_t *p, tm_state_iter_t *at, const void **value, size_t *sz);

typedef struct tm_map_entry {
    const void *key;
    size_t key_sz;
    const void *value;
    size_t value_sz;
} tm_map_entry_t;

TM_API const void *tm_map_get(tm_process_t *p, uint32_t state, const void *key, size_t key_sz,
                              size_t *sz);
TM_API int tm_map_put(tm_process_t *p, uint32_t state, const tm_map_entry_t *entry);
TM_API int tm_map_remove(tm_process_t *p, uint32_t state, const void *key, size_t key_sz);
TM_API int tm_map_next(tm_process_t *p, tm_state_iter_t *at, tm_map_entry_t *entry);

/* Timers of the current key, which on_timer is called with once its domain's clock has reached
   their time: a watermark at or above it, or the wall clock. A timer is set once, however often it
   is asked for; `name` tells timers of one key and time apart. One set by on_timer at or below the
   watermark fires in the same advance, one set by on_row with the next. */
TM_API int tm_timer_set(tm_process_t *p, tm_time_domain_t domain, int64_t time_ns, uint32_t name);
TM_API int tm_timer_delete(tm_process_t *p, tm_time_domain_t domain, int64_t time_ns,
                           uint32_t name); /* 1 = was set */

/* The value of the key's field idx, in the order of key_by. */
TM_API const void *tm_process_key(tm_process_t *p, uint32_t field_idx, size_t *sz);
TM_API int64_t tm_process_time(const tm_process_t *p);      /* of the row or timer under way */
TM_API int64_t tm_process_watermark(const tm_process_t *p); /* INT64_MIN before the first */
TM_API int64_t tm_process_now(const tm_process_t *p);       /* wall clock, Unix ns */
TM_API void *tm_process_user(const tm_process_t *p);        /* spec.user */

/* Which of the function's parallel instances this is; each has keys of its own. */
TM_API uint32_t tm_process_subtask(const tm_process_t *p, uint32_t *subtask_cnt);

/* A fresh row of the output, or of side output idx: zeros behind a header that carries the time
   under way (none in a processing-time timer) and the key's symbol. Fill it before the next call
   of these two or the end of the callback, which hand it on. Never NULL. */
TM_API void *tm_process_emit(tm_process_t *p);
TM_API void *tm_process_emit_side(tm_process_t *p, uint32_t side_idx);

typedef struct tm_process_fns {
    void (*open)(tm_process_t *p); /* once a worker, before all else; no key */
    void (*on_row)(tm_process_t *p, const void *row);
    void (*on_second)(tm_process_t *p, const void *row); /* a row of the second input, if any */
    void (*on_timer)(tm_process_t *p, tm_time_domain_t domain, int64_t time_ns, uint32_t name);
    void (*close)(tm_process_t *p); /* once, after all else; no key */
} tm_process_fns_t;

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
