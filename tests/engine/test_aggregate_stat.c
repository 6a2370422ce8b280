/* Aggregates of more than one number against their definitions, over rows with nulls, added in two
   halves that are merged. The definitions are worked out in long double or by sorting. */
#include "base/error.h"
#include "engine/operators/aggregate/aggregate.h"
#include "tests/engine/window_bed.h"
#include "tests/tm_test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS_MAX = 4000, PAGES = 600, PRICE = 0, QTY, REAL, FIELDS };

typedef struct sample {
    tm_row_t row;
    int64_t price; /* scale 2 */
    int64_t qty;   /* scale 3 */
    double real;
    uint64_t nulls;
} sample_t;

static const tm_schema_t *sample_schema(void)
{
    static tm_schema_t s;
    static const tm_field_t fields[] = {
        {.name = "price", .type = TM_TYPE_DECIMAL64, .scale = 2, .nullable = 1, .null_bit = PRICE},
        {.name = "qty", .type = TM_TYPE_DECIMAL64, .scale = 3, .nullable = 1, .null_bit = QTY},
        {.name = "real", .type = TM_TYPE_F64, .nullable = 1, .null_bit = REAL}};
    tm_schema_init(&s, "sample", TM_SCHEMA_ID_USER);
    for (size_t i = 0; i < FIELDS; i++) tm_assert(tm_schema_add(&s, &fields[i]) >= 0);
    s.null_off = s.row_sz;
    s.row_sz += 8;
    tm_assert_eq(s.row_sz, sizeof(sample_t));
    return &s;
}

typedef struct bench {
    tm_agg_t agg;
    tm_schema_t out;
    tm_page_arena_t pages;
    tm_slab_t slab;
    void *page_mem;
    uint8_t row[TM_ROW_SZ_MAX];
    bool whole;
} bench_t;

static bool null_of(const sample_t *s, int field)
{
    return (s->nulls >> field & 1) != 0;
}

/* Adds rows in two halves, a part at a time, merges them and writes the result. */
static void bench_run(bench_t *b, const tm_agg_spec_t *specs, uint32_t cnt, const sample_t *rows,
                      uint32_t row_cnt)
{
    alignas(16) static uint8_t accs[2][TM_AGG_ACC_SZ_MAX];
    b->page_mem = aligned_alloc(TM_CACHE_LINE,
                                tm_align_up(tm_page_arena_footprint(PAGES), TM_CACHE_LINE));
    tm_page_arena_init(&b->pages, b->page_mem, PAGES);
    tm_slab_init(&b->slab, &b->pages);
    int err = tm_agg_compile(&b->agg, sample_schema(), specs, cnt);
    if (err < 0) printf("# %s\n", tm_error_text());
    tm_assert_eq(err, 0);
    b->agg.slab = &b->slab;
    tm_schema_init(&b->out, "out", TM_SCHEMA_ID_USER + 1);
    tm_assert_eq(tm_agg_schema(&b->agg, &b->out), 0);
    tm_agg_init(&b->agg, accs[0]);
    tm_agg_init(&b->agg, accs[1]);
    for (uint32_t i = 0; i < row_cnt;) {
        void *to[TM_AGG_BATCH_MAX];
        uint32_t n = row_cnt - i < 37 ? row_cnt - i : 37;
        for (uint32_t k = 0; k < n; k++) to[k] = accs[(i + k) % 3 == 0];
        tm_agg_add(&b->agg, to, &rows[i], n, sizeof rows[0]);
        i += n;
    }
    tm_agg_merge(&b->agg, accs[0], accs[1]);
    memset(b->row, 0xff, sizeof b->row);
    b->whole = tm_agg_write(&b->agg, accs[0], b->row);
    tm_agg_clear(&b->agg, accs[0]);
    tm_agg_clear(&b->agg, accs[1]);
    tm_assert(b->pages.used_cnt <= 3); /* the slab keeps a page of each size that was in use */
    tm_slab_clear(&b->slab);
    tm_assert_eq(b->pages.used_cnt, 0u);
    free(b->page_mem);
}

/* A result; false where it is null. */
static bool result(const bench_t *b, const char *name, void *value)
{
    int at = tm_schema_find(&b->out, name);
    tm_assert(at >= 0);
    const tm_field_t *f = &b->out.fields[at];
    uint64_t nulls = 0;
    if (b->out.null_off) memcpy(&nulls, b->row + b->out.null_off, sizeof nulls);
    memcpy(value, b->row + f->off, tm_type_sz(f->type));
    return !f->nullable || (nulls >> f->null_bit & 1) == 0;
}

static uint32_t samples_make(sample_t *rows, uint64_t *rng)
{
    uint32_t cnt = 1 + (uint32_t)(bed_random(rng) % ROWS_MAX),
             kinds = 1 + (uint32_t)(bed_random(rng) % 900);
    for (uint32_t i = 0; i < cnt; i++) {
        double r = (double)(bed_random(rng) >> 11) * 0x1p-53;
        rows[i] = (sample_t){.row.event_ns = (int64_t)(bed_random(rng) % 500),
                             .price = (int64_t)(bed_random(rng) % kinds) - 20,
                             .qty = (int64_t)(bed_random(rng) % 100000),
                             .real = (r - 0.3) * exp2((double)(bed_random(rng) % 40) - 10),
                             .nulls = bed_random(rng) & bed_random(rng) >> 3 & 7};
    }
    return cnt;
}

static bool near(double a, long double b, double error)
{
    return fabsl((long double)a - b) <= (long double)error * fmaxl(1, fabsl(b));
}

static const tm_agg_spec_t stat_specs[] = {
    {.as = "n", .fn = TM_AGG_COUNT, .field = "price"},
    {.as = "avg", .fn = TM_AGG_AVG, .field = "price"},
    {.as = "vwap", .fn = TM_AGG_VWAP, .field = "price", .by = "qty"},
    {.as = "var", .fn = TM_AGG_VARIANCE, .field = "price"},
    {.as = "dev", .fn = TM_AGG_STDDEV, .field = "real"},
    {.as = "sum", .fn = TM_AGG_SUM, .field = "real"},
    {.as = "min", .fn = TM_AGG_MIN, .field = "real"},
    {.as = "max", .fn = TM_AGG_MAX, .field = "real"},
    {.as = "mean", .fn = TM_AGG_AVG, .field = "real"},
};

static void stat_check(const bench_t *b, const sample_t *rows, uint32_t cnt)
{
    int64_t n = 0, got = 0, sum = 0, pq = 0, q = 0, reals = 0;
    long double mean = 0, m2 = 0, real = 0, rmean, rm2 = 0, low = HUGE_VALL, high = -HUGE_VALL;
    for (uint32_t i = 0; i < cnt; i++) {
        const sample_t *s = &rows[i];
        if (!null_of(s, PRICE)) n++, sum += s->price;
        if (!null_of(s, PRICE) && !null_of(s, QTY)) pq += s->price * s->qty, q += s->qty;
        if (null_of(s, REAL)) continue;
        const long double value = (long double)s->real;
        reals++, real += value;
        low = fminl(low, value), high = fmaxl(high, value);
    }
    mean = n ? (long double)sum / (long double)n : 0;
    rmean = reals ? real / (long double)reals : 0;
    for (uint32_t i = 0; i < cnt; i++) {
        if (!null_of(&rows[i], PRICE)) m2 += (rows[i].price - mean) * (rows[i].price - mean);
        const long double off = (long double)rows[i].real - rmean;
        if (!null_of(&rows[i], REAL)) rm2 += off * off;
    }
    tm_i128_t wide;
    double d;
    tm_assert(b->whole && result(b, "n", &got) && got == n);
    tm_assert_eq(result(b, "avg", &wide), n > 0);
    tm_assert(n == 0 || fabsl((long double)wide - mean * 1e6L) <= 0.5L);
    tm_assert_eq(result(b, "vwap", &got), q != 0);
    tm_assert(q == 0 || fabsl((long double)got - (long double)pq / (long double)q) <= 0.5L);
    tm_assert_eq(result(b, "var", &d), n > 1);
    tm_assert(n < 2 || near(d, m2 / (long double)(n - 1) / 1e4L, 1e-12));
    tm_assert_eq(result(b, "dev", &d), reals > 1);
    tm_assert(reals < 2 || near(d, sqrtl(rm2 / (long double)(reals - 1)), 1e-12));
    tm_assert_eq(result(b, "sum", &d), reals > 0);
    tm_assert(near(d, real, 1e-15));
    tm_assert_eq(result(b, "min", &d), reals > 0);
    tm_assert(reals == 0 || (long double)d == low);
    tm_assert(!result(b, "max", &d) || (long double)d == high);
    tm_assert(!result(b, "mean", &d) || near(d, rmean, 1e-14));
}

Test(aggregate_stat, averages_and_moments_are_those_of_the_definitions)
{
    static sample_t rows[ROWS_MAX];
    static bench_t b;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        uint64_t rng = seed;
        uint32_t cnt = samples_make(rows, &rng);
        if (seed % 5 == 0) cnt = (uint32_t)(seed / 5) % 4;
        bench_run(&b, stat_specs, TM_ARRAY_CNT(stat_specs), rows, cnt);
        stat_check(&b, rows, cnt);
    }
}

static int by_price(const void *a, const void *b)
{
    int64_t x = ((const sample_t *)a)->price, y = ((const sample_t *)b)->price;
    return (x > y) - (x < y);
}

static int by_real(const void *a, const void *b)
{
    double x = ((const sample_t *)a)->real, y = ((const sample_t *)b)->real;
    return (x > y) - (x < y);
}

Test(aggregate_stat, distinct_counts_quantiles_and_the_largest_are_those_of_a_sorted_list)
{
    static sample_t rows[ROWS_MAX], sorted[ROWS_MAX];
    static bench_t b;
    const double ps[] = {0, 0.5, 0.99, 1};
    for (uint64_t seed = 1; seed <= 60; seed++) {
        uint64_t rng = seed;
        uint32_t cnt = samples_make(rows, &rng), n = 0, different = 0;
        const tm_agg_spec_t specs[] = {
            {.as = "exact", .fn = TM_AGG_DISTINCT, .field = "price"},
            {.as = "about", .fn = TM_AGG_DISTINCT_APPROX, .field = "price"},
            {.as = "q", .fn = TM_AGG_QUANTILE, .field = "real", .p = ps[seed % 4]},
            {.as = "top", .fn = TM_AGG_TOP, .field = "price", .k = 5},
        };
        bench_run(&b, specs, TM_ARRAY_CNT(specs), rows, cnt);
        for (uint32_t i = 0; i < cnt; i++)
            if (!null_of(&rows[i], PRICE)) sorted[n++] = rows[i];
        qsort(sorted, n, sizeof sorted[0], by_price);
        for (uint32_t i = 0; i < n; i++)
            different += i == 0 || sorted[i].price != sorted[i - 1].price;
        int64_t got;
        double q;
        tm_assert(b.whole && result(&b, "exact", &got) && got == different);
        tm_assert(result(&b, "about", &got));
        tm_assert(fabs((double)got - different) <= 2 + 5 * 0.0325 * different);
        for (uint32_t i = 0; i < 5; i++) {
            char name[16];
            snprintf(name, sizeof name, "top_%u", i + 1);
            tm_assert_eq(result(&b, name, &got), i < n);
            tm_assert(i >= n || got == sorted[n - 1 - i].price);
        }
        n = 0;
        for (uint32_t i = 0; i < cnt; i++)
            if (!null_of(&rows[i], REAL)) sorted[n++] = rows[i];
        qsort(sorted, n, sizeof sorted[0], by_real);
        tm_assert_eq(result(&b, "q", &q), n > 0);
        if (n == 0) continue;
        double want = sorted[(uint32_t)(ps[seed % 4] * (n - 1))].real;
        tm_assert(fabs(q - want) <= fabs(want) / 100);
    }
}

Test(aggregate_stat, an_approximate_count_stays_within_its_error_up_to_a_million)
{
    static bench_t b;
    static sample_t rows[64];
    const tm_agg_spec_t spec = {.as = "about", .fn = TM_AGG_DISTINCT_APPROX, .field = "price"};
    alignas(16) static uint8_t acc[TM_AGG_ACC_SZ_MAX];
    tm_assert_eq(tm_agg_compile(&b.agg, sample_schema(), &spec, 1), 0);
    tm_schema_init(&b.out, "out", TM_SCHEMA_ID_USER + 1);
    tm_assert_eq(tm_agg_schema(&b.agg, &b.out), 0);
    double worst = 0, squares = 0;
    int rounds = 0;
    for (int64_t base = 0; base < 20; base++) {
        tm_agg_init(&b.agg, acc);
        for (int64_t i = 0; i < 50000; i++) {
            void *to = acc;
            rows[0].price = base << 40 | i;
            tm_agg_add(&b.agg, &to, rows, 1, sizeof rows[0]);
        }
        int64_t got = 0;
        tm_assert(tm_agg_write(&b.agg, acc, b.row) && result(&b, "about", &got));
        double error = (double)got / 50000 - 1;
        worst = fmax(worst, fabs(error));
        squares += error * error;
        rounds++;
    }
    printf("# standard error %.2f %%, worst %.2f %%\n", 100 * sqrt(squares / rounds), 100 * worst);
    tm_assert(worst < 0.12 && sqrt(squares / rounds) < 0.05);
}

Test(aggregate_stat, arrays_are_in_order_of_time_whatever_the_arrival)
{
    static bench_t b;
    sample_t rows[5] = {{.row.event_ns = 30, .price = 3},
                        {.row.event_ns = 10, .price = 1},
                        {.row.event_ns = 20, .price = 9, .nulls = 1},
                        {.row.event_ns = 25, .price = 2}};
    const tm_agg_spec_t spec = {.as = "p", .fn = TM_AGG_ARRAY, .field = "price", .k = 4};
    bench_run(&b, &spec, 1, rows, 4);
    int64_t got;
    for (int i = 1; i <= 3; i++) {
        char name[16];
        snprintf(name, sizeof name, "p_%d", i);
        tm_assert(result(&b, name, &got) && got == i);
    }
    tm_assert(!result(&b, "p_4", &got));
}
