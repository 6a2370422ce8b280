/* Rows a second through the window operator on one core, and where the time of a row goes.

   Rows come in pieces of 4,096 (a ring's worth, in the second-level cache as if just written by
   another core); making them is not timed. Event time moves by the row, in order but for a jitter
   of 100 ms, and the watermark follows 1 s behind, every 10 ms of event time. Results are handed to
   a sink that reads one field. The longest step shows how long a row may have to wait for firing:
   rounds do the same work step by step, so the shortest time of each step is the work itself, and
   the rest is the hypervisor and caches that another program has emptied. Times are processor time
   of the thread, so that other programs on the core do not count themselves.

   --all adds loads of gigabytes whose time goes into results: a sliding window yields size / slide
   of them for each row of a rare key. --peers runs Apache Flink beside it (window_peer.h). */
#include "base/error.h"
#include "bench/bench.h"
#include "bench/window/window_load.h"
#include "bench/window/window_peer.h"
#include "state/table/keyed_table.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* One measured run: rows a second and its parts, ns a row. */
typedef struct figures {
    double mrow_s, in_ns, fire_ns, results;
} figures_t;

/* The shortest time of each step of firing over the rounds of a load, us. */
typedef struct steps {
    float *us;
    size_t cnt, cap, at;
} steps_t;

static tm_arena_t arena;
static uint64_t sink_sum, sink_cnt;

static double cpu_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void sink_rows(void *ctx, const void *rows, uint32_t cnt, uint32_t stride)
{
    (void)ctx;
    for (uint32_t i = 0; i < cnt; i++)
        sink_sum += (uint64_t)((const tm_row_t *)(const void *)((const uint8_t *)rows +
                                                                (size_t)i * stride))
                        ->event_ns;
    sink_cnt += cnt;
}

static void step_took(steps_t *steps, double us)
{
    if (steps->at == steps->cap) {
        steps->cap = steps->cap ? 2 * steps->cap : 4096;
        steps->us = realloc(steps->us, steps->cap * sizeof *steps->us);
        if (!steps->us) abort();
    }
    float *at = &steps->us[steps->at++];
    if (steps->at > steps->cnt || us < (double)*at) *at = (float)us;
    if (steps->at > steps->cnt) steps->cnt = steps->at;
}

static double steps_longest(const steps_t *steps)
{
    float longest = 0;
    for (size_t i = 0; i < steps->cnt; i++) longest = fmaxf(longest, steps->us[i]);
    return (double)longest;
}

static void fire_all(tm_operator_t *op, int64_t wm, steps_t *steps)
{
    double before = cpu_now(), now;
    bool more = true;
    tm_operator_watermark(op, wm);
    for (bool first = true; more; first = false) {
        if (!first) more = tm_operator_work(op) > 0;
        now = cpu_now();
        step_took(steps, (now - before) * 1e6);
        before = now;
    }
}

static figures_t run(const tm_load_t *load, steps_t *steps)
{
    static tm_trade_t rows[TM_LOAD_PIECE] __attribute__((aligned(64)));
    figures_t f = {0};
    tm_load_op_t under;
    tm_load_maker_t maker = {.load = load};
    if (!tm_load_open(&under, load, &arena, (tm_emitter_t){sink_rows, NULL, NULL})) abort();
    tm_operator_t *op = under.op;

    /* Warm-up: until windows have come and gone. */
    uint64_t warm = (uint64_t)((double)load->rows_s * ((double)load->window.size_ns * 1e-9 + 1));
    int64_t wm_next = 0;
    double in = 0, fire = 0;
    for (uint64_t done = 0; done < warm + load->rows; done += TM_LOAD_PIECE) {
        tm_load_rows(&maker, rows, TM_LOAD_PIECE);
        if (done >= warm && done < warm + TM_LOAD_PIECE) in = fire = 0, sink_cnt = 0;
        double t0 = cpu_now();
        tm_operator_rows(op, rows, TM_LOAD_PIECE, sizeof rows[0]);
        double t1 = cpu_now();
        int64_t wm = rows[TM_LOAD_PIECE - 1].row.event_ns - TM_NS_PER_S - 1;
        if (wm >= wm_next) {
            fire_all(op, wm, steps);
            wm_next = wm + 10 * TM_NS_PER_MS;
        }
        double t2 = cpu_now();
        in += t1 - t0;
        fire += t2 - t1;
    }
    tm_load_close(&under);
    f.mrow_s = (double)load->rows / (in + fire) * 1e-6;
    f.in_ns = in * 1e9 / (double)load->rows;
    f.fire_ns = fire * 1e9 / (double)load->rows;
    f.results = (double)sink_cnt / (double)load->rows;
    return f;
}

/* The parts of on_rows on their own: hashing and probing a table of that many keys, and adding to
   the accumulators that were found. */
static void parts(const tm_load_t *load, double *probe_ns, double *add_ns)
{
    static tm_trade_t rows[TM_LOAD_PIECE] __attribute__((aligned(64)));
    tm_page_arena_t pages;
    tm_agg_t agg;
    tm_keyed_table_t table;
    tm_load_maker_t maker = {.load = load};
    if (tm_agg_compile(&agg, tm_schema_trade(), tm_load_bar, TM_LOAD_AGGS) < 0) abort();
    if (!tm_load_pages(&pages, &arena)) abort();
    tm_keyed_init(&table, &pages, 128);
    for (uint32_t key = 0; key < load->keys; key++) {
        bool added;
        uint8_t *entry = tm_keyed_get(&table, key, tm_keyed_tag(key), &added);
        if (!entry) abort();
        tm_agg_init(&agg, entry + 8);
    }
    double probe = 0, add = 0;
    uint64_t total = load->rows / 4;
    for (uint64_t done = 0; done < total; done += TM_LOAD_PIECE) {
        void *accs[TM_LOAD_PIECE];
        tm_load_rows(&maker, rows, TM_LOAD_PIECE);
        double t0 = cpu_now();
        for (uint32_t b = 0; b < TM_LOAD_PIECE; b += TM_AGG_BATCH_MAX) {
            uint32_t tags[TM_AGG_BATCH_MAX];
            for (uint32_t i = 0; i < TM_AGG_BATCH_MAX; i++) {
                tags[i] = tm_keyed_tag(rows[b + i].row.symbol);
                __builtin_prefetch(tm_keyed_home(&table, tags[i]));
            }
            for (uint32_t i = 0; i < TM_AGG_BATCH_MAX; i++) {
                uint8_t *e = tm_keyed_guess(&table, tm_keyed_home(&table, tags[i]), tags[i]);
                __builtin_prefetch(e, 1);
                __builtin_prefetch(e + 64, 1);
                accs[b + i] = e;
            }
            for (uint32_t i = 0; i < TM_AGG_BATCH_MAX; i++) {
                uint8_t *e = accs[b + i];
                uint64_t key = rows[b + i].row.symbol;
                if (!e || tm_keyed_key(e) != key) e = tm_keyed_find(&table, key, tags[i]);
                accs[b + i] = e + 8;
            }
        }
        double t1 = cpu_now();
        for (uint32_t b = 0; b < TM_LOAD_PIECE; b += TM_AGG_BATCH_MAX)
            tm_agg_add(&agg, accs + b, rows + b, TM_AGG_BATCH_MAX, sizeof rows[0]);
        double t2 = cpu_now();
        probe += t1 - t0;
        add += t2 - t1;
    }
    *probe_ns = probe * 1e9 / (double)total;
    *add_ns = add * 1e9 / (double)total;
}

static void measure(tm_bench_t *bench, const tm_load_t *load, uint32_t rounds)
{
    char name[96];
    double v[4][TM_BENCH_ROUND_MAX], longest;
    steps_t steps = {0};
    if (!tm_bench_wants(bench, load->name)) return;
    if (load->zipf && !tm_load_zipf(load->keys)) abort();
    for (uint32_t r = 0; r < rounds; r++) {
        steps.at = 0;
        figures_t f = run(load, &steps);
        v[0][r] = f.mrow_s, v[1][r] = f.in_ns, v[2][r] = f.fire_ns, v[3][r] = f.results;
    }
    tm_bench_report(bench, load->name, "Mrow/s", v[0], rounds);
    static const char *const what[] = {"", "rows in", "firing"};
    for (int i = 1; i <= 2; i++) {
        snprintf(name, sizeof name, "%s: %s", load->name, what[i]);
        tm_bench_report(bench, name, "ns/row", v[i], rounds);
    }
    snprintf(name, sizeof name, "%s: results a row", load->name);
    tm_bench_report(bench, name, "1", v[3], rounds);
    snprintf(name, sizeof name, "%s: longest firing step", load->name);
    longest = steps_longest(&steps);
    free(steps.us);
    tm_bench_report(bench, name, "us", &longest, 1);
    if (load->window.kind != TM_WINDOW_TUMBLING) return;
    for (uint32_t r = 0; r < rounds; r++) parts(load, &v[0][r], &v[1][r]);
    snprintf(name, sizeof name, "%s: hash and probe alone", load->name);
    tm_bench_report(bench, name, "ns/row", v[0], rounds);
    snprintf(name, sizeof name, "%s: update alone", load->name);
    tm_bench_report(bench, name, "ns/row", v[1], rounds);
}

/* The longest time that adding a key takes while a table grows to ten million, us: what a row may
   wait for a split of the index. Rounds do the same work insert by insert, so the shortest of each
   is the work itself, and the rest is other programs and the hypervisor. */
static void growth(tm_bench_t *bench, uint32_t rounds)
{
    enum { KEYS = 10000000 };
    static const char name[] = "table growing to 10M keys: longest insert";
    if (!tm_bench_wants(bench, name)) return;
    float *shortest = calloc(KEYS, sizeof *shortest);
    double longest = 0;
    if (!shortest) abort();
    for (uint32_t r = 0; r < rounds; r++) {
        tm_page_arena_t pages;
        tm_keyed_table_t table;
        if (!tm_load_pages(&pages, &arena)) abort();
        tm_keyed_init(&table, &pages, 128);
        double before = tm_bench_now();
        for (uint64_t key = 0; key < KEYS; key++) {
            bool added;
            if (!tm_keyed_get(&table, key, tm_keyed_tag(key), &added)) abort();
            double now = tm_bench_now();
            float us = (float)((now - before) * 1e6);
            shortest[key] = r == 0 || us < shortest[key] ? us : shortest[key];
            before = now;
        }
    }
    for (uint64_t key = 0; key < KEYS; key++) longest = fmax(longest, (double)shortest[key]);
    free(shortest);
    tm_bench_report(bench, name, "us", &longest, 1);
}

#define SECOND TM_NS_PER_S
#define TUMBLING(size)                                                                             \
    {                                                                                              \
        .kind = TM_WINDOW_TUMBLING, .size_ns = size                                                \
    }
#define SLIDING(size, slide)                                                                       \
    {                                                                                              \
        .kind = TM_WINDOW_SLIDING, .size_ns = size, .slide_ns = slide                              \
    }
#define CUMULATIVE(size, slide)                                                                    \
    {                                                                                              \
        .kind = TM_WINDOW_CUMULATIVE, .size_ns = size, .slide_ns = slide                           \
    }

#define SESSION(gap)                                                                               \
    {                                                                                              \
        .kind = TM_WINDOW_SESSION, .gap_ns = gap                                                   \
    }

/* Windows of a minute are measured for longer than one, so that every key has turned its slices
   over. */
static const tm_load_t loads[] = {
    {"tumbling 1s, 1k keys", TUMBLING(SECOND), 1000, false, 1000000, 8000000, false},
    {"tumbling 1s, 1k keys, zipf", TUMBLING(SECOND), 1000, true, 1000000, 8000000, false},
    {"tumbling 1s, 100k keys", TUMBLING(SECOND), 100000, false, 1000000, 8000000, false},
    {"tumbling 1s, 100k keys, zipf", TUMBLING(SECOND), 100000, true, 1000000, 8000000, false},
    {"tumbling 1s, 10M keys", TUMBLING(SECOND), 10000000, false, 10000000, 20000000, false},
    {"tumbling 1s, 10M keys, zipf", TUMBLING(SECOND), 10000000, true, 10000000, 20000000, false},
    {"sliding 60s/1s, 1k keys", SLIDING(60 * SECOND, SECOND), 1000, false, 500000, 32000000, false},
    {"sliding 60s/1s, 1k keys, zipf", SLIDING(60 * SECOND, SECOND), 1000, true, 500000, 32000000,
     false},
    {"sliding 60s/100ms, 1k keys", SLIDING(60 * SECOND, SECOND / 10), 1000, false, 500000, 32000000,
     false},
    {"sliding 60s/100ms, 1k keys, zipf", SLIDING(60 * SECOND, SECOND / 10), 1000, true, 500000,
     32000000, false},
    {"sliding 60s/1s, 100k keys", SLIDING(60 * SECOND, SECOND), 100000, false, 500000, 32000000,
     false},
    {"sliding 60s/1s, 100k keys, zipf", SLIDING(60 * SECOND, SECOND), 100000, true, 500000,
     32000000, false},
    {"sliding 60s/100ms, 100k keys", SLIDING(60 * SECOND, SECOND / 10), 100000, false, 100000,
     7000000, true},
    {"sliding 60s/100ms, 100k keys, zipf", SLIDING(60 * SECOND, SECOND / 10), 100000, true, 100000,
     7000000, true},
    {"sliding 60s/1s, 10M keys", SLIDING(60 * SECOND, SECOND), 10000000, false, 100000, 1000000,
     true},
    {"sliding 60s/1s, 10M keys, zipf", SLIDING(60 * SECOND, SECOND), 10000000, true, 100000,
     1000000, true},
    {"session 1s, 1k keys", SESSION(SECOND), 1000, false, 1000000, 8000000, false},
    {"session 1s, 1k keys, zipf", SESSION(SECOND), 1000, true, 1000000, 8000000, false},
    {"session 1s, 100k keys", SESSION(SECOND), 100000, false, 1000000, 8000000, false},
    {"session 1s, 100k keys, zipf", SESSION(SECOND), 100000, true, 1000000, 8000000, false},
    {"session 1s, 10M keys", SESSION(SECOND), 10000000, false, 10000000, 20000000, false},
    {"session 1s, 10M keys, zipf", SESSION(SECOND), 10000000, true, 10000000, 20000000, false},
    {"cumulative 60s/1s, 1k keys", CUMULATIVE(60 * SECOND, SECOND), 1000, false, 500000, 32000000,
     false},
};

/* Takes an option of our own out of the command line. */
static bool option_take(int *argc, char **argv, const char *name)
{
    for (int i = 1; i < *argc; i++) {
        if (strcmp(argv[i], name) != 0) continue;
        memmove(argv + i, argv + i + 1, (size_t)(*argc - i) * sizeof *argv);
        (*argc)--;
        return true;
    }
    return false;
}

int main(int argc, char **argv)
{
    bool all = option_take(&argc, argv, "--all"), peers = option_take(&argc, argv, "--peers");
    tm_bench_t *bench = tm_bench_open("window", argc, argv);
    const char *gib = getenv("TM_BENCH_GIB");
    size_t sz = (gib ? strtoull(gib, NULL, 10) : 6) << 30;
    if (tm_arena_open(&arena, sz) < 0) {
        fprintf(stderr, "%s\n", tm_error_text());
        return 1;
    }
    for (size_t i = 0; i < TM_ARRAY_CNT(loads); i++)
        if (all || !loads[i].large) measure(bench, &loads[i], tm_bench_rounds(bench));
    growth(bench, tm_bench_rounds(bench));
    if (peers) tm_window_peers(bench, &arena);
    tm_arena_close(&arena);
    return tm_bench_close(bench);
}
