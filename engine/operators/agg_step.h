/* engine/operators/agg_step.h - what compiled aggregates are made of: shared by the compiler
   (aggregate.c) and the interpreter (agg_run.c), by nobody else.
   Units    accumulators hold loaded columns (tm_agg_load_t), sums the exact int128
   Memory   parts of an accumulator are 8-aligned and copied as plain bytes
   Limits   sums: AGG_DIGITS_MAX digits */
#ifndef TM_ENGINE_AGG_STEP_H
#define TM_ENGINE_AGG_STEP_H

#include "engine/operators/aggregate.h"

enum { AGG_DIGITS_MAX = 38 };

typedef enum agg_op {
    AGG_OP_COUNT,   /* int64_t */
    AGG_OP_SUM,     /* agg_sum_t */
    AGG_OP_SUM_U64, /* agg_sum_t */
    AGG_OP_SUM_MUL, /* agg_sum_t */
    AGG_OP_MIN,     /* int64_t */
    AGG_OP_MAX,     /* int64_t */
    AGG_OP_FIRST,   /* agg_timed_t */
    AGG_OP_LAST,    /* agg_timed_t */
    AGG_OP_OHLC,    /* agg_ohlc_t */
} agg_op_t;

/* An int128 that needs only 8-byte alignment. The lowest value stands for "has overflowed". */
typedef struct agg_sum {
    uint64_t low;
    int64_t high;
} agg_sum_t;

/* The value of the row that is first or last so far. */
typedef struct agg_timed {
    int64_t time;
    int64_t tie;
    int64_t value;
} agg_timed_t;

/* All four values of a bar. */
typedef struct agg_ohlc {
    agg_timed_t first, last;
    int64_t min, max;
} agg_ohlc_t;

#define AGG_FIRST_EMPTY ((agg_timed_t){INT64_MAX, INT64_MAX, INT64_MAX})
#define AGG_LAST_EMPTY  ((agg_timed_t){INT64_MIN, INT64_MIN, INT64_MIN})
#define AGG_OHLC_EMPTY                                                                             \
    {                                                                                              \
        AGG_FIRST_EMPTY, AGG_LAST_EMPTY, INT64_MAX, INT64_MIN                                      \
    }

/* Offset of a function's value in agg_ohlc_t. */
static inline size_t agg_ohlc_off(tm_agg_fn_t fn)
{
    if (fn == TM_AGG_FIRST) return offsetof(agg_ohlc_t, first.value);
    if (fn == TM_AGG_LAST) return offsetof(agg_ohlc_t, last.value);
    return fn == TM_AGG_MIN ? offsetof(agg_ohlc_t, min) : offsetof(agg_ohlc_t, max);
}

#endif
