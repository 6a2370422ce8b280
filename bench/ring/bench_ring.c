/* Rows a second and the round trip between two cores, beside two well-known queues. The distance of
   the cores is probed around every round, because a hypervisor may move them apart for minutes. */
#include "bench/bench.h"
#include "bench/ring/queue.h"

#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { PROBE_TRIPS = 5000, FAR_NS = 200 };

typedef struct run {
    const tm_bench_t *bench;
    const queue_ops_t *ops;
    void *there, *back;
    uint64_t cnt;
    uint32_t batch; /* 0 = round trip */
    atomic_bool ready;
    uint64_t sum;
} run_t;

/* Starts a thread on the second core. It must not start on the first, where it would wait for the
   caller, who spins, to be preempted. */
static pthread_t second_start(const tm_bench_t *bench, void *(*fn)(void *), void *arg)
{
    pthread_t thread;
    pthread_attr_t attr;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(tm_bench_cpu(bench, 1), &set);
    pthread_attr_init(&attr);
    if (pthread_attr_setaffinity_np(&attr, sizeof set, &set) != 0 ||
        pthread_create(&thread, &attr, fn, arg) != 0) {
        fprintf(stderr, "cannot start a thread on core %u\n", tm_bench_cpu(bench, 1));
        exit(1);
    }
    pthread_attr_destroy(&attr);
    return thread;
}

static void *other_side(void *arg)
{
    run_t *run = arg;
    atomic_store_explicit(&run->ready, true, memory_order_release); /* pairs with run_measure */
    if (run->batch)
        run->sum = run->ops->consume(run->there, run->cnt, run->batch);
    else
        run->ops->pong(run->there, run->back, run->cnt);
    return NULL;
}

/* Million rows a second, or nanoseconds a round trip. */
static double run_measure(void *ctx)
{
    run_t *run = ctx;
    if (!run->ops) return (double)NAN;
    run->there = run->ops->open();
    run->back = run->ops->open();
    atomic_store_explicit(&run->ready, false, memory_order_relaxed); /* before the thread exists */
    pthread_t thread = second_start(run->bench, other_side, run);
    while (!atomic_load_explicit(&run->ready, memory_order_acquire)) queue_relax();

    double start = tm_bench_now();
    if (run->batch)
        run->ops->produce(run->there, run->cnt, run->batch);
    else
        run->ops->ping(run->there, run->back, run->cnt);
    pthread_join(thread, NULL);
    double elapsed = tm_bench_now() - start;

    if (run->batch && run->sum != run->cnt * (run->cnt - 1) / 2) abort();
    run->ops->close(run->there);
    run->ops->close(run->back);
    double cnt = (double)run->cnt;
    return run->batch ? cnt / elapsed * 1e-6 : elapsed / cnt * 1e9;
}

typedef struct probe {
    const tm_bench_t *bench;
    _Alignas(128) _Atomic uint64_t line;
} probe_t;

static void *probe_other(void *arg)
{
    probe_t *p = arg;
    for (uint64_t i = 1; i <= PROBE_TRIPS; i++) {
        while (atomic_load_explicit(&p->line, memory_order_acquire) != 2 * i - 1) queue_relax();
        atomic_store_explicit(&p->line, 2 * i, memory_order_release); /* the bare line, back */
    }
    return NULL;
}

static double probe_ns(probe_t *p)
{
    double start = 0;
    atomic_store_explicit(&p->line, 0, memory_order_relaxed); /* before the thread exists */
    pthread_t thread = second_start(p->bench, probe_other, p);
    for (uint64_t i = 1; i <= PROBE_TRIPS; i++) {
        if (i == PROBE_TRIPS / 2) start = tm_bench_now();
        atomic_store_explicit(&p->line, 2 * i - 1, memory_order_release); /* the bare line, there */
        while (atomic_load_explicit(&p->line, memory_order_acquire) != 2 * i) queue_relax();
    }
    uint64_t timed = PROBE_TRIPS - PROBE_TRIPS / 2 + 1;
    double ns = (tm_bench_now() - start) * 1e9 / (double)timed;
    pthread_join(thread, NULL);
    return ns;
}

static uint32_t probe_class(void *ctx)
{
    return probe_ns(ctx) >= FAR_NS;
}

static void measure(tm_bench_t *bench, const char *name, uint32_t batch, uint64_t cnt)
{
    const queue_ops_t *queues[] = {queue_tidemark(), queue_boost(), queue_ck()};
    run_t runs[3];
    tm_bench_case_t c = {.name = name,
                         .unit = batch ? "Mrow/s" : "ns",
                         .lower_is_better = batch == 0,
                         .variant_cnt = 3};
    for (uint32_t i = 0; i < 3; i++) {
        runs[i] = (run_t){.bench = bench, .ops = queues[i], .cnt = cnt, .batch = batch};
        const char *peer = queues[i] ? queues[i]->name : "not built";
        c.variants[i] = (tm_bench_variant_t){peer, run_measure, &runs[i]};
    }
    tm_bench_run(bench, &c);
}

int main(int argc, char **argv)
{
    static const char *const classes[] = {"cores near", "cores far"};
    tm_bench_t *bench = tm_bench_open("ring", argc, argv);
    probe_t probe = {.bench = bench};
    if (tm_bench_cpu(bench, 0) != tm_bench_cpu(bench, 1))
        tm_bench_probe(bench, probe_class, &probe, classes, 2);
    printf("distance of the cores: %.0f ns a round trip of one line\n", probe_ns(&probe));
    measure(bench, "one row at a time", 1, 4000000);
    measure(bench, "batches of 64", 64, 8000000);
    measure(bench, "round trip", 0, 50000);
    return tm_bench_close(bench);
}
