/* Windows made of slices on changing numbers of workers, at any moment: random rows, late ones
   among them, watermarks that are worked off in pieces, and moves in between. One operator that
   ran undisturbed is the witness. */
#include "engine/runtime/route.h"
#include "tests/engine/window_bed.h"
#include "tests/tm_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORKERS = 4, PAGES = 400, JOBS = 120, STEPS = 40, KEYS = 23, LATE_MAX = 30 };

static const tm_agg_spec_t aggs[] = {
    {.as = "n", .fn = TM_AGG_COUNT},
    {.as = "first", .fn = TM_AGG_FIRST, .field = "qty", .by = "trade_id"},
    {.as = "high", .fn = TM_AGG_MAX, .field = "qty"},
    {.as = "volume", .fn = TM_AGG_SUM, .field = "qty"}};

static const char *const counters[] = {"window_rows", "window_late", "window_fired",
                                       "window_refired", "window_full"};
enum { COUNTERS = 5, FULL = 4 };

/* Rows that came out, over all workers. */
typedef struct bag {
    uint8_t *rows;
    size_t cnt, late;
    uint64_t counted[COUNTERS];
} bag_t;

typedef struct job {
    tm_window_cfg_t cfg;
    tm_key_t key;
    bed_t *beds[WORKERS];
    uint32_t workers;
    bag_t bag;
} job_t;

static uint64_t below(uint64_t *rng, uint64_t n)
{
    return bed_random(rng) % n;
}

static tm_window_cfg_t cfg_of(uint64_t *rng)
{
    const int64_t slide = 1 + (int64_t)below(rng, 12);
    tm_window_spec_t windows[] = {tm_tumbling(1 + (int64_t)below(rng, 30)),
                                  tm_sliding(1 + (int64_t)below(rng, 60), slide),
                                  tm_cumulative(slide * (1 + (int64_t)below(rng, 5)), slide)};
    tm_window_spec_t window = windows[below(rng, 3)];
    if (below(rng, 2)) window.lateness_ns = (int64_t)below(rng, LATE_MAX);
    const bool wide = below(rng, 2);
    return (tm_window_cfg_t){.what = {.window = window, .aggs = aggs, .agg_cnt = 4},
                             .in = tm_schema_trade(),
                             .key_fields = {"symbol", wide ? "price" : NULL},
                             .out_name = "bars",
                             .out_id = TM_SCHEMA_ID_USER,
                             .budget = 1 + (uint32_t)below(rng, 9)};
}

static bed_t *bed_new(tm_window_cfg_t *cfg)
{
    bed_t *bed = malloc(sizeof *bed);
    tm_assert(bed != NULL);
    bed_open(bed, cfg, PAGES, true);
    return bed;
}

static void job_open(job_t *job, const tm_window_cfg_t *cfg, uint32_t workers)
{
    *job = (job_t){.cfg = *cfg, .workers = workers};
    tm_assert_eq(tm_key_compile(&job->key, cfg->in, cfg->key_fields), 0);
    for (uint32_t w = 0; w < workers; w++) job->beds[w] = bed_new(&job->cfg);
}

static void gather(job_t *job)
{
    bag_t *bag = &job->bag;
    const size_t sz = job->beds[0]->schema.row_sz;
    for (uint32_t w = 0; w < job->workers; w++) {
        const bed_t *bed = job->beds[w];
        bag->rows = realloc(bag->rows, (bag->cnt + bed->row_cnt) * sz + 1);
        tm_assert(bag->rows != NULL);
        if (bed->row_cnt) memcpy(bag->rows + bag->cnt * sz, bed->rows, bed->row_cnt * sz);
        bag->cnt += bed->row_cnt;
        bag->late += bed->late_cnt;
    }
}

/* What operators count is state: it moves with them, and only the last ones are asked. */
static void job_close(job_t *job)
{
    gather(job);
    for (uint32_t w = 0; w < job->workers; w++) {
        for (int c = 0; c < COUNTERS; c++)
            job->bag.counted[c] += bed_counter(job->beds[w], counters[c]);
        bed_close(job->beds[w]);
        free(job->beds[w]);
    }
}

/* As a restore does it: each old one from a copy of its pages and its roots. */
static void job_move(job_t *job, uint32_t workers)
{
    static uint8_t roots[1 << 14];
    job_t next = {.cfg = job->cfg, .key = job->key, .workers = workers};
    tm_operator_t *ops[WORKERS];
    for (uint32_t w = 0; w < workers; w++) {
        next.beds[w] = bed_new(&next.cfg);
        ops[w] = next.beds[w]->op;
    }
    gather(job);
    next.bag = job->bag;
    const size_t mem_sz = tm_align_up(tm_page_arena_footprint(PAGES), TM_CACHE_LINE);
    uint8_t *mem = aligned_alloc(TM_CACHE_LINE, mem_sz);
    for (uint32_t w = 0; w < job->workers; w++) {
        bed_t *bed = job->beds[w];
        tm_page_arena_t pages;
        const tm_page_roots_t page_roots = tm_page_arena_save(&bed->pages);
        const size_t sz = bed->op->ops->save(bed->op, roots, sizeof roots);
        memcpy(mem, bed->page_mem, mem_sz);
        tm_page_arena_init(&pages, mem, PAGES);
        tm_assert(sz <= sizeof roots && tm_page_arena_restore(&pages, &page_roots));
        const tm_operator_old_t old = {.pages = &pages, .bytes = roots, .sz = sz, .idx = w};
        tm_assert_eq(ops[0]->ops->move(ops, workers, &old), 0);
        bed_close(bed);
        free(bed);
    }
    free(mem);
    *job = next;
}

static void row_in(job_t *job, const tm_trade_t *row)
{
    const uint32_t owner = tm_route_owner(tm_key_hash(&job->key, row), job->workers);
    tm_operator_rows(job->beds[owner]->op, row, 1, sizeof *row);
}

static size_t row_sz;

static int by_bytes(const void *a, const void *b)
{
    return memcmp(a, b, row_sz);
}

static void compare(job_t *quiet, job_t *moved, uint64_t seed)
{
    bool same = quiet->bag.cnt == moved->bag.cnt && quiet->bag.late == moved->bag.late;
    for (int c = 0; c < COUNTERS; c++)
        same = same && quiet->bag.counted[c] == moved->bag.counted[c];
    if (same) {
        qsort(quiet->bag.rows, quiet->bag.cnt, row_sz, by_bytes);
        qsort(moved->bag.rows, moved->bag.cnt, row_sz, by_bytes);
        same = memcmp(quiet->bag.rows, moved->bag.rows, quiet->bag.cnt * row_sz) == 0;
    }
    if (!same) {
        const tm_window_spec_t *s = &quiet->cfg.what.window;
        printf("# seed %llu: kind %d size %lld slide %lld lateness %lld: %zu results, %zu late; "
               "moved %zu, %zu; counted",
               (unsigned long long)seed, (int)s->kind, (long long)s->size_ns,
               (long long)s->slide_ns, (long long)s->lateness_ns, quiet->bag.cnt, quiet->bag.late,
               moved->bag.cnt, moved->bag.late);
        for (int c = 0; c < COUNTERS; c++)
            printf(" %llu/%llu", (unsigned long long)quiet->bag.counted[c],
                   (unsigned long long)moved->bag.counted[c]);
        printf("\n");
    }
    tm_assert(same);
    tm_assert_eq(quiet->bag.counted[FULL], 0u);
    free(quiet->bag.rows);
    free(moved->bag.rows);
}

/* Returns how many moves found results that were due and not out. */
static uint32_t run(uint64_t seed, size_t *results)
{
    uint64_t rng = seed;
    uint32_t busy = 0;
    const tm_window_cfg_t cfg = cfg_of(&rng);
    job_t quiet, moved;
    int64_t wm = 0, now = 40;
    uint64_t id = 0;
    job_open(&quiet, &cfg, 1);
    job_open(&moved, &cfg, 1 + (uint32_t)below(&rng, WORKERS));
    for (int step = 0; step < STEPS; step++) {
        for (uint64_t n = below(&rng, 30); n > 0; n--) {
            const uint32_t symbol = (uint32_t)below(&rng, KEYS);
            const tm_trade_t row = {
                .row = {.symbol = symbol, .event_ns = now - 60 + (int64_t)below(&rng, 70)},
                .trade_id = ++id,
                .price_e8 = symbol * INT64_C(7), /* a part of wide keys */
                .qty_e8 = (int64_t)below(&rng, 1000)};
            row_in(&quiet, &row);
            row_in(&moved, &row);
        }
        now += (int64_t)below(&rng, 12);
        if (now - 20 > wm) {
            wm = now - 20;
            tm_operator_watermark(quiet.beds[0]->op, wm);
            for (uint32_t w = 0; w < moved.workers; w++)
                tm_operator_watermark(moved.beds[w]->op, wm);
        }
        bed_drain(quiet.beds[0]);
        for (uint32_t w = 0; w < moved.workers; w++)
            for (uint64_t n = below(&rng, 8); n > 0; n--) tm_operator_work(moved.beds[w]->op);
        if (below(&rng, 4)) continue;
        bool is_busy = false;
        for (uint32_t w = 0; w < moved.workers; w++)
            is_busy |= wm > 0 && moved.beds[w]->wm != wm && moved.beds[w]->wm_cnt > 0;
        busy += is_busy;
        job_move(&moved, 1 + (uint32_t)below(&rng, WORKERS));
    }
    for (uint32_t w = 0; w < moved.workers; w++) {
        tm_operator_watermark(moved.beds[w]->op, INT64_MAX - 1);
        bed_drain(moved.beds[w]);
        tm_assert_eq(moved.beds[w]->wm, INT64_MAX - 1);
    }
    tm_operator_watermark(quiet.beds[0]->op, INT64_MAX - 1);
    bed_drain(quiet.beds[0]);
    *results += quiet.beds[0]->row_cnt;
    row_sz = quiet.beds[0]->schema.row_sz;
    job_close(&quiet);
    job_close(&moved);
    compare(&quiet, &moved, seed);
    return busy;
}

Test(window_move, of_slices_and_panes_at_any_moment_changes_nothing_that_comes_out)
{
    const char *text = getenv("TM_SEED");
    const uint64_t seed = text ? strtoull(text, NULL, 10) : 1;
    uint32_t busy = 0;
    size_t results = 0;
    for (int i = 0; i < JOBS; i++) busy += run(seed + (uint64_t)i, &results);
    printf("# TM_SEED=%llu: %d jobs, %zu results, %u moves in the middle of results\n",
           (unsigned long long)seed, JOBS, results, busy);
    tm_assert(busy > JOBS / 2);
    tm_assert(results > (size_t)JOBS * 100);
}

/* Worker 0 starts its windows at 30, worker 1 at 70; a third one that is new at 50. */
Test(window_move, of_staggered_windows_keeps_their_bounds_and_each_worker_its_shift)
{
    enum { SIZE = 100, ROWS = 2000, END = 1000 };
    static const int64_t shifts[] = {30, 70, 50};
    tm_window_spec_t window = tm_tumbling(SIZE);
    window.stagger = TM_STAGGER_NATURAL;
    const tm_window_cfg_t cfg = {.what = {.window = window, .aggs = aggs, .agg_cnt = 4},
                                 .in = tm_schema_trade(),
                                 .key_fields = {"symbol"},
                                 .out_name = "bars",
                                 .out_id = TM_SCHEMA_ID_USER};
    job_t job;
    int64_t rows = 0, by_shift[SIZE] = {0};
    job_open(&job, &cfg, 2);
    for (uint32_t i = 0; i < ROWS; i++) {
        tm_trade_t row = {.row = {.symbol = i % KEYS, .event_ns = i % (END / 2)}, .trade_id = i};
        if (i == ROWS / 2) {
            job_move(&job, 3);
            tm_operator_time(job.beds[2]->op, SIZE + shifts[2]);
        }
        if (i >= ROWS / 2) row.row.event_ns += END / 2;
        row.row.recv_ns = shifts[tm_route_owner(tm_key_hash(&job.key, &row), job.workers)];
        row_in(&job, &row);
    }
    for (uint32_t w = 0; w < job.workers; w++) {
        bed_t *bed = job.beds[w];
        tm_operator_watermark(bed->op, INT64_MAX - 1);
        bed_drain(bed);
        for (size_t i = 0; i < bed->row_cnt; i++) {
            const int64_t start = bed_int(bed, i, "window_start");
            tm_assert_eq(bed_int(bed, i, "window_end"), start + SIZE);
            rows += bed_int(bed, i, "n");
            by_shift[(start % SIZE + SIZE) % SIZE] += bed_int(bed, i, "n");
            /* Windows of rows before the move may be anybody's, the others are its own. */
            if (start >= END / 2) tm_assert_eq((start % SIZE + SIZE) % SIZE, shifts[w]);
        }
    }
    tm_assert_eq(rows, (int64_t)ROWS);
    tm_assert_eq(by_shift[30] + by_shift[70] + by_shift[50], (int64_t)ROWS);
    tm_assert(by_shift[50] > 0);
    job_close(&job);
    free(job.bag.rows);
}
