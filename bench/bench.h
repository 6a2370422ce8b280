/* bench/bench.h - the harness of every benchmark: ours and its peers in turn, in one process, on
   pinned cores; medians, spread and ratios as a table and as JSON lines.
   Flow     bench/<name>/bench_<name>.c -> [harness] -> table on standard output, --json FILE
   Method   a round runs ours, then each peer, once; the order rotates from round to round, so that
            drift of the machine hits all alike. One unmeasured round warms up. The first variant of
            a case is ours
   Units    a case names its unit; value: median; spread: p75 - p25, in the same unit; ratio: of the
            medians, above 1 where ours is better (faster, or lower where lower is better)
   Classes  where a probe is set (the distance of two cores), a round is measured only when the
            probe's class is the same before and after it; classes are reported apart, never mixed
   Threads  one; the calling thread is pinned to tm_bench_cpu(bench, 0)
   Limits   TM_BENCH_VARIANT_MAX variants a case, TM_BENCH_ROUND_MAX rounds,
            TM_BENCH_CLASS_MAX classes */
#ifndef TM_BENCH_BENCH_H
#define TM_BENCH_BENCH_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { TM_BENCH_VARIANT_MAX = 12, TM_BENCH_ROUND_MAX = 101, TM_BENCH_CLASS_MAX = 4 };

typedef struct tm_bench tm_bench_t;

/* Runs the work once and returns the figure in the case's unit; NAN where it cannot run here. */
typedef double (*tm_bench_fn_t)(void *ctx);

typedef struct tm_bench_variant {
    const char *name; /* the peer's name and version; of the first one: "tidemark" */
    tm_bench_fn_t fn;
    void *ctx;
} tm_bench_variant_t;

typedef struct tm_bench_case {
    const char *name;
    const char *unit;
    bool lower_is_better; /* times; throughput otherwise */
    uint32_t variant_cnt;
    tm_bench_variant_t variants[TM_BENCH_VARIANT_MAX];
} tm_bench_case_t;

/* Reads the command line (--json FILE, --rounds N, --filter SUBSTR, --help), pins the thread and
   prints the machine. Exits on --help and on a bad option. `name` is a literal. */
tm_bench_t *tm_bench_open(const char *name, int argc, char **argv);

/* Ends the table and the JSON file. Returns the exit code of the program. */
int tm_bench_close(tm_bench_t *bench);

/* The two cores to measure on: TM_BENCH_CPU and TM_BENCH_CPU2, else 0 and 1 (0 twice where there is
   one core). which: 0 or 1. */
uint32_t tm_bench_cpu(const tm_bench_t *bench, uint32_t which);

/* A probe that returns the class (0..class_cnt-1) the machine is in; names label the results. */
void tm_bench_probe(tm_bench_t *bench, uint32_t (*probe)(void *ctx), void *ctx,
                    const char *const *class_names, uint32_t class_cnt);

/* Whether --filter lets the case through: for set-up that is only worth doing if so. */
bool tm_bench_wants(const tm_bench_t *bench, const char *case_name);

/* Measures one case and prints its lines. */
void tm_bench_run(tm_bench_t *bench, const tm_bench_case_t *c);

/* Reports figures taken by the caller, one a round, where alternation makes no sense: parts of
   a whole, counts. No peer. */
void tm_bench_report(tm_bench_t *bench, const char *case_name, const char *unit,
                     const double *values, uint32_t value_cnt);

/* Rounds a case, as the command line asks for. */
uint32_t tm_bench_rounds(const tm_bench_t *bench);

/* Monotonic seconds. */
double tm_bench_now(void);

/* Keeps the compiler from dropping a result. */
static inline void tm_bench_keep(uint64_t value)
{
    __asm__ __volatile__("" : : "r"(value) : "memory");
}

#ifdef __cplusplus
}
#endif
#endif
