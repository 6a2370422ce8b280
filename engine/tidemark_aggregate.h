/* tidemark_aggregate.h - the public interface of what windows compute; a part of tidemark.h, which
   includes it.

   Ready-made aggregates over fields, or functions of your own: a reduction of rows to one row, an
   aggregate with its own accumulator, or a function that sees all rows of a window.

   Threads  callbacks run on the worker that owns the key, several workers at once: ctx is shared
   Null     aggregates pass over rows whose field is null; a result of no value at all is null */
#ifndef TIDEMARK_AGGREGATE_H
#define TIDEMARK_AGGREGATE_H

#include "tidemark_types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum tm_agg_fn {
    TM_AGG_COUNT = 1, /* rows, or those whose field is not null; int64 */
    TM_AGG_SUM,       /* exact; decimal(38, scale of the field), int64 fields too; double */
    TM_AGG_MIN,
    TM_AGG_MAX,
    TM_AGG_FIRST,   /* value of the row with the smallest (event time, `by`) */
    TM_AGG_LAST,    /* value of the row with the largest (event time, `by`) */
    TM_AGG_SUM_MUL, /* sum of field * by, exact; decimal(38, sum of both scales) */
    TM_AGG_AVG,     /* sum / count, rounded half away from zero to 6 digits more; double: double */
    TM_AGG_VWAP, /* sum of field * by / sum of by, with the field's scale; null where that is 0 */
    TM_AGG_VARIANCE, /* of the sample (n - 1), null for one row; double, by Welford and Chan */
    TM_AGG_STDDEV,   /* its square root */
    TM_AGG_DISTINCT, /* different values, exact; int64. Keeps the values */
    TM_AGG_DISTINCT_APPROX, /* HyperLogLog, 1024 registers: standard error 3.25 % */
    TM_AGG_QUANTILE,        /* value at rank p, DDSketch: within 1 % of a true one; double */
    TM_AGG_TOP,             /* the k largest (field, or `by` where given): fields as_1 .. as_k */
    TM_AGG_ARRAY,           /* the first k values in order of (event time, arrival): as_1 .. as_k */
} tm_agg_fn_t;

typedef struct tm_agg_spec {
    const char *as; /* name of the result field */
    tm_agg_fn_t fn;
    const char *field; /* input; NULL for TM_AGG_COUNT */
    const char *by; /* FIRST, LAST: breaks ties of event time, so that the result does not depend on
                       arrival order; SUM_MUL, VWAP: the second factor; TOP: what ranks */
    double p;       /* QUANTILE: 0 .. 1 */
    uint32_t k;     /* TOP, ARRAY: 1 .. 32 */
} tm_agg_spec_t;

/* A field that your own functions fill. */
typedef enum tm_result_type {
    TM_RESULT_INT64,
    TM_RESULT_DOUBLE,
    TM_RESULT_DECIMAL
} tm_result_type_t;

typedef struct tm_result_field {
    const char *name;
    tm_result_type_t type;
    uint32_t scale; /* DECIMAL: digits after the point */
} tm_result_field_t;

/* A window that fires, as your functions see it. */
typedef struct tm_window_call tm_window_call_t;

TM_API int64_t tm_window_call_start(const tm_window_call_t *call);
TM_API int64_t tm_window_call_end(const tm_window_call_t *call);
TM_API int64_t tm_window_call_watermark(const tm_window_call_t *call);
TM_API int64_t tm_window_call_clock(const tm_window_call_t *call);
TM_API uint64_t tm_window_call_row_cnt(const tm_window_call_t *call);
/* The rows in order of arrival: NULL starts, NULL ends. For process functions. */
TM_API const void *tm_window_call_next(const tm_window_call_t *call, const void *row);
/* Begins a result row, whose key, window_start and window_end are filled in and whose own fields
   are 0; it goes out when the next begins or the function returns. The result function of a user
   aggregate finds its row begun. */
TM_API void tm_window_call_begin(tm_window_call_t *call);
TM_API void tm_window_call_int64(tm_window_call_t *call, uint32_t field_idx, int64_t value);
TM_API void tm_window_call_double(tm_window_call_t *call, uint32_t field_idx, double value);

/* An aggregate of your own, of acc_sz bytes that may be moved. */
typedef struct tm_user_agg {
    uint32_t acc_sz;
    void (*init)(void *ctx, void *acc);
    void (*add)(void *ctx, void *acc, const void *row);
    void (*merge)(void *ctx, void *into, const void *from); /* sessions need it */
    void (*result)(void *ctx, tm_window_call_t *call, const void *acc);
} tm_user_agg_t;

/* Adds a row to `into`, which began as a copy of the window's first. */
typedef void tm_reduce_fn(void *ctx, void *into, const void *row);

/* Sees all rows of a window that fires, and yields any number of results. */
typedef void tm_window_fn(void *ctx, tm_window_call_t *call);

#ifdef __cplusplus
}
#endif
#endif
