/* Keyed state and timers of process functions: rows a second through a function that adds one to a
   value of its key (a read and a write a row), and timers set and fired a second with many waiting.
   Rows come in pieces of 4,096 that are made outside of the measured time; the peers do the same
   work in plain loops without rows. */
#include "base/arena.h"
#include "bench/bench.h"
#include "bench/state/state_load.h"
#include "engine/operators/process/process.h"

#include <stdio.h>
#include <stdlib.h>

enum { PIECE = 4096 };

static tm_arena_t arena;

static void pages_start(tm_page_arena_t *pages)
{
    uint32_t cnt = (uint32_t)(arena.cap_sz / (TM_PAGE_SZ + 16));
    arena.used_sz = 0;
    tm_page_arena_init(pages, tm_arena_alloc(&arena, tm_page_arena_footprint(cnt), 2 << 20), cnt);
}

/* ---- Values ---------------------------------------------------------------------------------- */

static void add_one(tm_process_t *p, const void *row)
{
    (void)row;
    const int64_t *was = tm_value_get(p, 0, NULL);
    int64_t now = was ? *was + 1 : 1;
    if (tm_value_set(p, 0, &now, sizeof now) < 0) abort();
}

static tm_operator_t *function_open(tm_page_arena_t *pages, tm_counter_set_t *counters, void **mem)
{
    static const tm_state_spec_t states[] = {
        {.name = "count", .kind = TM_STATE_VALUE, .value_sz = sizeof(int64_t)}};
    const tm_process_cfg_t cfg = {.name = "bench",
                                  .fns = {.on_row = add_one},
                                  .states = states,
                                  .state_cnt = 1,
                                  .in_cnt = 1,
                                  .in = {tm_schema_trade()},
                                  .key_fields = {{"symbol"}},
                                  .out = tm_schema_trade()};
    const tm_operator_env_t env = {.pages = pages, .counters = counters, .subtask_cnt = 1};
    *mem = aligned_alloc(TM_CACHE_LINE, tm_align_up(tm_process_footprint(&cfg), TM_CACHE_LINE));
    if (!*mem) abort();
    return tm_process_init(*mem, &cfg, &env);
}

static double value_run(void *ctx)
{
    static tm_trade_t rows[PIECE] __attribute__((aligned(64)));
    const state_load_t *load = ctx;
    tm_page_arena_t pages;
    tm_counter_set_t *counters = tm_counter_set_new("bench");
    void *mem;
    uint64_t rng = 1;
    double spent = 0;
    pages_start(&pages);
    tm_operator_t *op = function_open(&pages, counters, &mem);
    for (uint64_t done = 0; done < load->keys + load->steps; done += PIECE) {
        bool warm = done < load->keys;
        for (uint64_t i = 0; i < PIECE; i++) {
            uint64_t key = warm ? done + i : state_below(state_random(&rng), load->keys);
            rows[i] = (tm_trade_t){.row = {.symbol = (uint32_t)(key % load->keys)}};
        }
        double start = tm_bench_now();
        tm_operator_rows(op, rows, PIECE, sizeof rows[0]);
        if (!warm) spent += tm_bench_now() - start;
    }
    tm_operator_fini(op);
    tm_counter_set_free(counters);
    free(mem);
    return (double)load->steps / spent * 1e-6;
}

/* ---- Timers ---------------------------------------------------------------------------------- */

static double timer_run(void *ctx)
{
    const state_load_t *load = ctx;
    tm_page_arena_t pages;
    tm_slab_t slab;
    tm_timer_queue_t queue;
    pages_start(&pages);
    tm_slab_init(&slab, &pages);
    tm_timer_queue_init(&queue, &slab);
    int64_t *last = malloc(load->keys * sizeof *last);
    if (!last) abort();
    for (uint32_t i = 0; i < load->keys; i++) last[i] = -1;
    uint64_t rng = 1, fired = 0;
    double start = 0;
    for (uint64_t i = 0; i < load->steps + 2 * load->pending; i++) {
        if (i == 2 * load->pending) start = tm_bench_now();
        uint64_t key = state_random(&rng) % load->keys;
        int64_t time_ns = (int64_t)i + state_ahead(load, state_random(&rng));
        tm_timer_t timer;
        if (load->again) {
            if (last[key] >= 0) (void)tm_timer_remove(&queue, last[key], key, 0);
            last[key] = time_ns;
        }
        if (tm_timer_add(&queue, time_ns, key, 0) < 0) abort();
        while (tm_timer_pop(&queue, (int64_t)i, &timer)) fired++;
    }
    free(last);
    tm_bench_keep(fired);
    return (double)load->steps / (tm_bench_now() - start) * 1e-6;
}

static void measure(tm_bench_t *bench, const char *name, state_load_t *load, bool timers)
{
    tm_bench_case_t c = {.name = name, .unit = timers ? "Mtimer/s" : "Mrow/s", .variant_cnt = 1};
    c.variants[0] = (tm_bench_variant_t){"tidemark", timers ? timer_run : value_run, load};
#ifdef HAVE_CPP
    c.variants[c.variant_cnt++] = timers ? (tm_bench_variant_t){"heap + hash set", peer_timer_run,
                                                                load}
                                         : (tm_bench_variant_t){"std::unordered_map",
                                                                peer_value_run, load};
#endif
    tm_bench_run(bench, &c);
}

int main(int argc, char **argv)
{
    tm_bench_t *bench = tm_bench_open("state", argc, argv);
    if (tm_arena_open(&arena, (size_t)2 << 30) < 0) return 1;
    static state_load_t values[] = {{.keys = 1000, .steps = 4000000},
                                    {.keys = 100000, .steps = 4000000},
                                    {.keys = 10000000, .steps = 4000000}};
    static const char *const value_names[] = {"value += 1, 1k keys", "value += 1, 100k keys",
                                              "value += 1, 10M keys"};
    for (uint32_t i = 0; i < TM_ARRAY_CNT(values); i++)
        measure(bench, value_names[i], &values[i], false);
    static state_load_t timers[] = {
        {.keys = 1000, .pending = 1000, .steps = 4000000},
        {.keys = 1000000, .pending = 1000000, .steps = 4000000},
        {.keys = 1000000, .pending = 1000000, .ordered = 1, .steps = 4000000},
        {.keys = 1000000, .pending = 1000000, .ordered = 1, .again = 1, .steps = 4000000}};
    static const char *const timer_names[] = {
        "set and fire, 1k waiting", "set and fire, 1M waiting",
        "set and fire, 1M waiting, in order", "delete, set and fire, 1M waiting, in order"};
    for (uint32_t i = 0; i < TM_ARRAY_CNT(timers); i++)
        measure(bench, timer_names[i], &timers[i], true);
    tm_arena_close(&arena);
    return tm_bench_close(bench);
}
