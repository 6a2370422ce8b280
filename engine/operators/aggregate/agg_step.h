/* engine/operators/aggregate/agg_step.h - what compiled aggregates are made of: shared by the
   compiler (aggregate.c) and the interpreter (agg_run.c), by nobody else.
   Units    accumulators hold loaded columns (tm_agg_load_t), sums the exact int128
   Memory   parts of an accumulator are 8-aligned and copied as plain bytes
   Limits   sums: AGG_DIGITS_MAX digits */
#ifndef TM_ENGINE_AGG_STEP_H
#define TM_ENGINE_AGG_STEP_H

#include "engine/operators/aggregate/aggregate.h"

enum { AGG_DIGITS_MAX = 38, AVG_DIGITS = 6 };

typedef enum agg_op {
    AGG_OP_COUNT,       /* int64_t */
    AGG_OP_SUM,         /* agg_sum_t */
    AGG_OP_SUM_U64,     /* agg_sum_t */
    AGG_OP_SUM_MUL,     /* agg_sum_t */
    AGG_OP_SUM_F64,     /* agg_real_t */
    AGG_OP_SUM_MUL_F64, /* agg_real_t */
    AGG_OP_MIN,         /* int64_t */
    AGG_OP_MAX,         /* int64_t */
    AGG_OP_FIRST,       /* agg_timed_t */
    AGG_OP_LAST,        /* agg_timed_t */
    AGG_OP_OHLC,        /* agg_ohlc_t */
    AGG_OP_MOMENTS,     /* agg_moments_t */
    AGG_OP_HLL,         /* AGG_HLL_SZ bytes */
    AGG_OP_RANK,        /* agg_rank_t */
    AGG_OP_DISTINCT,    /* agg_tree_t: values; memory of its own */
    AGG_OP_QUANTILE,    /* agg_tree_t: counts by size; memory of its own */
} agg_op_t;

/* An int128 that needs only 8-byte alignment. The lowest value stands for "has overflowed". */
typedef struct agg_sum {
    uint64_t low;
    int64_t high;
} agg_sum_t;

/* The lowest 128-bit value, which no sum of 38 digits takes. */
#define AGG_OVERFLOW ((tm_i128_t)((tm_u128_t)1 << 127))

static inline tm_i128_t agg_sum_load(const agg_sum_t *s)
{
    return (tm_i128_t)((tm_u128_t)(uint64_t)s->high << 64 | s->low);
}

/* Doubles in the order of signed integers; its own inverse. */
static inline int64_t agg_f64_order(int64_t bits)
{
    return bits ^ ((bits >> 63) & INT64_MAX);
}

/* A sum of doubles and what rounding lost of it (Neumaier, 1974). */
typedef struct agg_real {
    double sum, lost;
} agg_real_t;

/* Mean and squared distance from it (Welford, 1962; merging: Chan, Golub and LeVeque, 1983). */
typedef struct agg_moments {
    int64_t cnt;
    double mean, m2;
} agg_moments_t;

/* The best k rows so far, best first. */
typedef struct agg_ranked {
    int64_t by, then, value; /* lower is better; ties by the next */
} agg_ranked_t;

typedef struct agg_rank {
    uint32_t cnt, unused;
    agg_ranked_t rows[];
} agg_rank_t;

/* Values or counts in slab blocks (agg_tree.c). */
typedef struct agg_tree {
    tm_ref_t root;
    bool lost; /* there was no room for a value: no result would be true */
    uint64_t cnt;
} agg_tree_t;

enum { AGG_HLL_BITS = 10, AGG_HLL_SZ = 1 << AGG_HLL_BITS, AGG_RANK_MAX = 32 };

/* The columns of a step's rows. */
typedef struct agg_input {
    const int64_t *time, *value, *value2;
    uint32_t cnt;
} agg_input_t;

/* agg_stat.c: doubles, moments, HyperLogLog, ranked rows. */
void tm_agg_stat_run(const tm_agg_step_t *step, void *const *accs, const agg_input_t *in);
void tm_agg_stat_merge(const tm_agg_step_t *step, void *into, const void *from);
double tm_agg_hll_estimate(const uint8_t *registers);

/* agg_tree.c: what needs memory of its own. */
void tm_agg_tree_run(const tm_agg_t *agg, const tm_agg_step_t *step, void *const *accs,
                     const agg_input_t *in);
void tm_agg_tree_merge(const tm_agg_t *agg, const tm_agg_step_t *step, agg_tree_t *into,
                       const agg_tree_t *from);
void tm_agg_tree_copy(const tm_agg_t *to, agg_tree_t *into, const tm_agg_t *of,
                      const tm_agg_step_t *step, const agg_tree_t *from);
void tm_agg_tree_clear(const tm_agg_t *agg, const tm_agg_step_t *step, agg_tree_t *tree);
double tm_agg_tree_quantile(const tm_agg_t *agg, const agg_tree_t *tree, double p);

/* A loaded value as a number. */
double tm_agg_number(const tm_agg_step_t *step, int64_t value);

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
