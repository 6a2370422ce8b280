/* Compiled aggregates against plain loops, in any order of arrival and in any grouping. */
#include "base/error.h"
#include "engine/operators/aggregate/aggregate.h"
#include "tests/engine/window_bed.h"
#include "tests/tm_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 300, ACC_MAX = TM_AGG_ACC_SZ_MAX };

/* One field of every type an aggregate takes. */
typedef struct sample {
    tm_row_t row;
    uint64_t u64;
    int64_t i64, dec;
    alignas(8) int32_t i32; /* schemas start every field at a multiple of 8 */
    alignas(8) uint8_t side;
} sample_t;

static const tm_schema_t *sample_schema(void)
{
    static tm_schema_t s;
    tm_schema_init(&s, "sample", TM_SCHEMA_ID_USER);
    static const tm_field_t fields[] = {{.name = "u64", .type = TM_TYPE_U64},
                                        {.name = "i64", .type = TM_TYPE_I64},
                                        {.name = "dec", .type = TM_TYPE_DECIMAL64, .scale = 8},
                                        {.name = "i32", .type = TM_TYPE_I32},
                                        {.name = "side", .type = TM_TYPE_SIDE}};
    for (size_t i = 0; i < TM_ARRAY_CNT(fields); i++) tm_assert(tm_schema_add(&s, &fields[i]) >= 0);
    tm_assert_eq(s.row_sz, sizeof(sample_t));
    return &s;
}

/* Small ranges make ties, large ones reach the ends of the types. */
static void samples_make(sample_t *rows, uint64_t *rng)
{
    bool small = bed_random(rng) % 2;
    for (uint32_t i = 0; i < ROWS; i++) {
        uint64_t r = bed_random(rng);
        rows[i] = (sample_t){.row.event_ns = small ? (int64_t)(r % 5)
                                                   : (int64_t)(bed_random(rng) >> 1),
                             .u64 = small ? (r >> 8) % 4 : bed_random(rng),
                             .i64 = small ? (int64_t)((r >> 16) % 9) - 4 : (int64_t)bed_random(rng),
                             .dec = small ? (int64_t)((r >> 24) % 9) - 4 : (int64_t)bed_random(rng),
                             .i32 = (int32_t)(bed_random(rng) >> 32),
                             .side = (uint8_t)(r >> 60)};
    }
    rows[7].u64 = UINT64_MAX;
    rows[8].u64 = 0;
    rows[9].i64 = INT64_MIN;
    rows[10].i64 = INT64_MAX;
}

static const tm_agg_spec_t specs[] = {
    {"n", TM_AGG_COUNT, NULL, NULL},        {"sum_u", TM_AGG_SUM, "u64", NULL},
    {"sum_i", TM_AGG_SUM, "i64", NULL},     {"sum_32", TM_AGG_SUM, "i32", NULL},
    {"mul", TM_AGG_SUM_MUL, "i64", "i32"},  {"min_u", TM_AGG_MIN, "u64", NULL},
    {"max_u", TM_AGG_MAX, "u64", NULL},     {"min_32", TM_AGG_MIN, "i32", NULL},
    {"max_side", TM_AGG_MAX, "side", NULL}, {"first_i", TM_AGG_FIRST, "i64", "u64"},
    {"last_i", TM_AGG_LAST, "i64", "u64"},  {"first_alone", TM_AGG_FIRST, "i32", NULL},
    {"open", TM_AGG_FIRST, "dec", "u64"},   {"high", TM_AGG_MAX, "dec", NULL},
    {"low", TM_AGG_MIN, "dec", NULL},       {"close", TM_AGG_LAST, "dec", "u64"},
    {"last_u", TM_AGG_LAST, "u64", "i64"},
};

/* -1, 0, 1 by (time, tie); the tie compared as what it is. */
static int order(const sample_t *a, const sample_t *b, bool by_u64, bool by_i64)
{
    if (a->row.event_ns != b->row.event_ns) return a->row.event_ns < b->row.event_ns ? -1 : 1;
    if (by_u64 && a->u64 != b->u64) return a->u64 < b->u64 ? -1 : 1;
    if (by_i64 && a->i64 != b->i64) return a->i64 < b->i64 ? -1 : 1;
    return 0;
}

typedef struct expected {
    int64_t n, first_i, last_i, open, high, low, close;
    uint64_t min_u, max_u, last_u;
    int32_t min_32, first_alone;
    uint8_t max_side;
    tm_i128_t sum_u, sum_i, sum_32, mul;
} expected_t;

/* In full ties the smallest value is first and the largest is last. */
#define TAKE_FIRST(to, field, by_u, by_i)                                                          \
    do {                                                                                           \
        const sample_t *best = &rows[0];                                                           \
        for (uint32_t k = 1; k < ROWS; k++) {                                                      \
            int o = order(&rows[k], best, by_u, by_i);                                             \
            if (o < 0 || (o == 0 && rows[k].field < best->field)) best = &rows[k];                 \
        }                                                                                          \
        (to) = best->field;                                                                        \
    } while (0)
#define TAKE_LAST(to, field, by_u, by_i)                                                           \
    do {                                                                                           \
        const sample_t *best = &rows[0];                                                           \
        for (uint32_t k = 1; k < ROWS; k++) {                                                      \
            int o = order(&rows[k], best, by_u, by_i);                                             \
            if (o > 0 || (o == 0 && rows[k].field > best->field)) best = &rows[k];                 \
        }                                                                                          \
        (to) = best->field;                                                                        \
    } while (0)

static expected_t expect(const sample_t *rows)
{
    expected_t e = {
        .n = ROWS, .high = INT64_MIN, .low = INT64_MAX, .min_u = UINT64_MAX, .min_32 = INT32_MAX};
    for (uint32_t i = 0; i < ROWS; i++) {
        const sample_t *r = &rows[i];
        e.sum_u += r->u64;
        e.sum_i += r->i64;
        e.sum_32 += r->i32;
        e.mul += (tm_i128_t)r->i64 * r->i32;
        if (r->u64 < e.min_u) e.min_u = r->u64;
        if (r->u64 > e.max_u) e.max_u = r->u64;
        if (r->i32 < e.min_32) e.min_32 = r->i32;
        if (r->side > e.max_side) e.max_side = r->side;
        if (r->dec > e.high) e.high = r->dec;
        if (r->dec < e.low) e.low = r->dec;
    }
    TAKE_FIRST(e.first_i, i64, true, false);
    TAKE_LAST(e.last_i, i64, true, false);
    TAKE_FIRST(e.first_alone, i32, false, false);
    TAKE_FIRST(e.open, dec, true, false);
    TAKE_LAST(e.close, dec, true, false);
    TAKE_LAST(e.last_u, u64, false, true);
    return e;
}

#define FIELD_IS(type, name)                                                                       \
    do {                                                                                           \
        type got_;                                                                                 \
        memcpy(&got_, row + out->fields[tm_schema_find(out, #name)].off, sizeof got_);             \
        tm_assert(got_ == e.name);                                                                 \
    } while (0)

static void row_holds(const tm_schema_t *out, const uint8_t *row, expected_t e)
{
    FIELD_IS(int64_t, n);
    FIELD_IS(tm_i128_t, sum_u);
    FIELD_IS(tm_i128_t, sum_i);
    FIELD_IS(tm_i128_t, sum_32);
    FIELD_IS(tm_i128_t, mul);
    FIELD_IS(uint64_t, min_u);
    FIELD_IS(uint64_t, max_u);
    FIELD_IS(int32_t, min_32);
    FIELD_IS(uint8_t, max_side);
    FIELD_IS(int64_t, first_i);
    FIELD_IS(int64_t, last_i);
    FIELD_IS(int32_t, first_alone);
    FIELD_IS(int64_t, open);
    FIELD_IS(int64_t, high);
    FIELD_IS(int64_t, low);
    FIELD_IS(int64_t, close);
    FIELD_IS(uint64_t, last_u);
}

/* Adds all rows in random order to random accumulators, merges these in random order. */
static void add_and_merge(const tm_agg_t *agg, const sample_t *rows, void *into, uint64_t *rng)
{
    enum { PARTS = 5 };
    static alignas(16) uint8_t parts[PARTS][ACC_MAX];
    sample_t shuffled[ROWS];
    memcpy(shuffled, rows, sizeof shuffled);
    for (uint32_t i = ROWS; i-- > 1;) {
        uint64_t j = bed_random(rng) % (i + 1);
        sample_t swap = shuffled[i];
        shuffled[i] = shuffled[j];
        shuffled[j] = swap;
    }
    for (int p = 0; p < PARTS; p++) tm_agg_init(agg, parts[p]);
    for (uint32_t i = 0; i < ROWS;) {
        void *accs[TM_AGG_BATCH_MAX];
        uint32_t n = 1 + (uint32_t)(bed_random(rng) % TM_AGG_BATCH_MAX);
        if (n > ROWS - i) n = ROWS - i;
        for (uint32_t k = 0; k < n; k++) accs[k] = parts[bed_random(rng) % PARTS];
        tm_agg_add(agg, accs, &shuffled[i], n, sizeof shuffled[0]);
        i += n;
    }
    tm_agg_init(agg, into);
    for (int p = 0; p < PARTS; p++) tm_agg_merge(agg, into, parts[(p + 3) % PARTS]);
}

Test(aggregate, agrees_with_plain_loops_in_any_order_and_grouping)
{
    const char *env = getenv("TM_SEED");
    uint64_t rng = env ? strtoull(env, NULL, 10) : 11;
    printf("# TM_SEED=%llu\n", (unsigned long long)rng);
    tm_agg_t agg;
    tm_schema_t out;
    static alignas(16) uint8_t acc[ACC_MAX], row[TM_ROW_SZ_MAX];
    tm_assert_eq(tm_agg_compile(&agg, sample_schema(), specs, TM_ARRAY_CNT(specs)), 0);
    tm_schema_init(&out, "out", TM_SCHEMA_ID_USER + 1);
    tm_assert_eq(tm_agg_schema(&agg, &out), 0);
    for (int job = 0; job < 60; job++) {
        sample_t rows[ROWS];
        samples_make(rows, &rng);
        expected_t e = expect(rows);
        for (int again = 0; again < 4; again++) {
            add_and_merge(&agg, rows, acc, &rng);
            tm_assert(tm_agg_write(&agg, acc, row));
            row_holds(&out, row, e);
        }
    }
}

Test(aggregate, bar_of_one_field_is_one_step)
{
    static const tm_agg_spec_t bar[] = {{"o", TM_AGG_FIRST, "dec", "u64"},
                                        {"h", TM_AGG_MAX, "dec", NULL},
                                        {"l", TM_AGG_MIN, "dec", NULL},
                                        {"c", TM_AGG_LAST, "dec", "u64"}};
    tm_agg_t agg;
    tm_assert_eq(tm_agg_compile(&agg, sample_schema(), bar, 4), 0);
    tm_assert_eq(agg.step_cnt, 1u);
    tm_assert_eq(agg.acc_sz, 64u);
    tm_agg_spec_t mixed[4];
    memcpy(mixed, bar, sizeof mixed);
    mixed[3].by = NULL; /* another order: no common step */
    tm_assert_eq(tm_agg_compile(&agg, sample_schema(), mixed, 4), 0);
    tm_assert_eq(agg.step_cnt, 4u);
}

Test(aggregate, overflow_is_for_good_and_survives_merging)
{
    static const tm_agg_spec_t mul[] = {{"x", TM_AGG_SUM_MUL, "i64", "dec"}};
    tm_agg_t agg;
    tm_schema_t out;
    alignas(16) uint8_t a[64], b[64], row[128];
    void *acc = a;
    tm_schema_init(&out, "out", TM_SCHEMA_ID_USER + 1);
    tm_assert_eq(tm_agg_compile(&agg, sample_schema(), mul, 1), 0);
    tm_assert_eq(tm_agg_schema(&agg, &out), 0);
    tm_agg_init(&agg, a);
    tm_agg_init(&agg, b);
    sample_t up = {.i64 = INT64_MIN, .dec = INT64_MIN}, down = {.i64 = INT64_MIN, .dec = INT64_MAX};
    tm_agg_add(&agg, &acc, &up, 1, sizeof up); /* 2^126 has 38 digits */
    tm_assert(tm_agg_write(&agg, a, row));
    tm_agg_add(&agg, &acc, &up, 1, sizeof up); /* 2^127 does not fit */
    tm_assert(!tm_agg_write(&agg, a, row));
    for (int i = 0; i < 4; i++) tm_agg_add(&agg, &acc, &down, 1, sizeof down);
    tm_assert(!tm_agg_write(&agg, a, row));
    tm_agg_merge(&agg, b, a);
    tm_assert(!tm_agg_write(&agg, b, row));
    tm_agg_init(&agg, b);
    tm_agg_merge(&agg, a, b);
    tm_assert(!tm_agg_write(&agg, a, row));
}

Test(aggregate, mistakes_are_named)
{
    static const struct {
        tm_agg_spec_t spec;
        const char *word;
    } bad[] = {{{"x", TM_AGG_SUM, "nope", NULL}, "nope"},
               {{"x", TM_AGG_SUM, NULL, NULL}, "needs a field"},
               {{"x", TM_AGG_SUM, "side", NULL}, "side"},
               {{"x", TM_AGG_SUM_MUL, "dec", NULL}, "needs a field"},
               {{"x", TM_AGG_SUM_MUL, "dec", "u64"}, "uint64"},
               {{"x", TM_AGG_LAST, "dec", "nope"}, "nope"},
               {{"x", (tm_agg_fn_t)99, "dec", NULL}, "99"},
               {{NULL, TM_AGG_COUNT, NULL, NULL}, "no name"}};
    tm_agg_t agg;
    for (size_t i = 0; i < TM_ARRAY_CNT(bad); i++) {
        tm_error_clear();
        tm_assert(tm_agg_compile(&agg, sample_schema(), &bad[i].spec, 1) < 0);
        tm_assert(strstr(tm_error_text(), bad[i].word) != NULL);
    }
    tm_assert(tm_agg_compile(&agg, sample_schema(), specs, 0) < 0);
    tm_assert(tm_agg_compile(&agg, sample_schema(), specs, TM_JOB_AGG_MAX + 1) < 0);
}
