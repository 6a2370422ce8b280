/* engine/operators/aggregate/aggregate.h - aggregate functions over rows, compiled once against a
   schema.
   Flow     window.c -> [aggregate]: one accumulator a (key, slice); result fields of the output row
   Method   the list of functions becomes a short program over columns. A batch is run column by
            column: gather the input fields of up to TM_AGG_BATCH_MAX rows, then one loop per step
            over all their accumulators, so that the interpretation is paid once a batch and not
            once a row
   Null     rows whose field is null do not count; a result of no value is null
   Exact    sums are int128, but of doubles; exact results never depend on the order of arrival
            (first and last order by event time, then by a field, then by value)
   Units    results keep the scale of their input; sum: the same scale in 38 digits; sum of
            products: the sum of both scales
   Memory   tm_agg_t is plain memory of the caller; accumulators are acc_sz bytes, 8-aligned, and
            plain bytes too but for exact distinct counts and quantiles, which keep blocks of a slab
            (owns_memory): a value 8 to 20 bytes, a quantile 272 bytes for each power of two
   Threads  immutable once compiled and given its schema; workers may share it
   Errors   compile: TM_E_CONFIG with a text that names function and field. A sum that leaves 38
            digits makes its accumulator overflow for good: it has no result, which the caller
            counts
   Limits   TM_JOB_AGG_MAX functions.  Tests tests/engine/test_aggregate.c */
#ifndef TM_ENGINE_AGGREGATE_H
#define TM_ENGINE_AGGREGATE_H

#include "base/row.h"
#include "base/schema.h"
#include "engine/tidemark.h"
#include "state/table/slab.h"

enum {
    TM_AGG_COLUMN_MAX = 2 * TM_JOB_AGG_MAX + 1,
    TM_AGG_STEP_MAX = 2 * TM_JOB_AGG_MAX,
    TM_AGG_RESULT_MAX = TM_SCHEMA_FIELD_MAX,
    TM_AGG_BATCH_MAX = 64,
    TM_AGG_ACC_SZ_MAX = 2048
};

/* How a column's bytes become a comparable int64. */
typedef enum tm_agg_load {
    TM_AGG_LOAD_U8,
    TM_AGG_LOAD_I32,
    TM_AGG_LOAD_U32,
    TM_AGG_LOAD_I64,
    TM_AGG_LOAD_U64,       /* as it is: for exact sums of unsigned numbers */
    TM_AGG_LOAD_U64_ORDER, /* top bit flipped, so that signed comparison orders it */
    TM_AGG_LOAD_F64,       /* the double's bits */
    TM_AGG_LOAD_F64_ORDER, /* the same, those of negative ones flipped for signed comparison */
} tm_agg_load_t;

typedef struct tm_agg_column {
    uint16_t off;
    uint8_t load;    /* tm_agg_load_t */
    int8_t null_bit; /* of the row's bitmap; -1: never null */
} tm_agg_column_t;

/* One step of the program; several functions may share one (open, high, low and close do). */
typedef struct tm_agg_step {
    uint8_t op;   /* aggregate.c's own list */
    uint8_t col;  /* input, index into columns */
    uint8_t col2; /* factor or tie-break */
    uint8_t load; /* of col, tm_agg_load_t */
    uint16_t acc_off;
    uint8_t k;       /* ranked rows */
    bool nullable;   /* one of the columns may be null: such rows do not count */
    bool descending; /* ranked rows: the largest first */
    double unit;     /* what a loaded 1 is worth: 10^-scale */
} tm_agg_step_t;

/* Where a result comes from and goes to. */
typedef struct tm_agg_result {
    uint8_t fn;       /* tm_agg_fn_t */
    uint8_t load;     /* of the input: undoes TM_AGG_LOAD_U64_ORDER */
    uint8_t idx;      /* ranked rows: which */
    uint16_t acc_off; /* of the value in the accumulator */
    uint16_t cnt_off; /* of the number of values; 0 = not asked for */
    uint16_t by_off;  /* of the divisor */
    bool plain;       /* eight bytes to be copied as they are */
    double p;
    tm_field_t field; /* off: in the output row, set by tm_agg_schema */
} tm_agg_result_t;

typedef struct tm_agg {
    uint32_t acc_sz;
    uint32_t step_cnt, column_cnt, result_cnt;
    bool owns_memory;  /* accumulators refer to blocks of `slab`: they may not be copied as bytes */
    uint16_t null_off; /* of the bitmap in rows in */
    uint16_t out_null_off; /* in rows out; 0 = nothing is null */
    tm_slab_t *slab;       /* set by the operator where owns_memory; not owned */
    tm_agg_step_t steps[TM_AGG_STEP_MAX];
    tm_agg_column_t columns[TM_AGG_COLUMN_MAX];
    tm_agg_result_t results[TM_AGG_RESULT_MAX];
    uint8_t acc_empty[TM_AGG_ACC_SZ_MAX]; /* an accumulator that has seen no row */
} tm_agg_t;

/* "sum", "top"; "?" for what is none. */
const char *tm_agg_name(tm_agg_fn_t fn);

/* Compiles `cnt` functions against the schema of the input rows. */
int tm_agg_compile(tm_agg_t *agg, const tm_schema_t *in, const tm_agg_spec_t *specs,
                   uint32_t cnt) TM_MUST_CHECK;

/* Appends the result fields to the output schema, in the order of the specs, and remembers where
   they are. */
int tm_agg_schema(tm_agg_t *agg, tm_schema_t *out) TM_MUST_CHECK;

void tm_agg_init(const tm_agg_t *agg, void *acc);

/* Adds row i to accs[i]; the same accumulator may appear many times. cnt <= TM_AGG_BATCH_MAX. */
void tm_agg_add(const tm_agg_t *agg, void *const *accs, const void *rows, uint32_t cnt,
                uint32_t stride);

/* Hands back what an accumulator has of the slab; it is then as good as undefined. */
void tm_agg_clear(const tm_agg_t *agg, void *acc);

/* Adds all that `from` has seen to `into`. */
void tm_agg_merge(const tm_agg_t *agg, void *into, const void *from);

/* Makes `into`, an accumulator of `to`, what `from` is to another slab. */
void tm_agg_copy(const tm_agg_t *to, void *into, const tm_agg_t *of, const void *from);

/* Writes the result fields of an accumulator that has seen at least one row. False where a sum
   overflowed: the row is then not to be used. */
bool tm_agg_write(const tm_agg_t *agg, const void *acc, void *row);

#endif
