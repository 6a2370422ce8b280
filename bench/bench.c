/* Medians and quartiles instead of means: on a shared machine the noise is one-sided and heavy. */
#include "bench/bench.h"

#include "base/clock.h"
#include "base/cpu.h"
#include "base/error.h"

#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS_DEFAULT = 7, DESCRIBE_MAX = 160 };

struct tm_bench {
    const char *name;
    const char *filter;
    FILE *json;
    uint32_t rounds;
    uint32_t cpus[2];
    uint32_t (*probe)(void *ctx);
    void *probe_ctx;
    const char *class_names[TM_BENCH_CLASS_MAX];
    uint32_t class_cnt;
};

typedef struct stats {
    double median, spread;
    uint32_t cnt;
} stats_t;

/* The figures of one case, by class and variant. */
typedef struct series {
    double values[TM_BENCH_CLASS_MAX][TM_BENCH_VARIANT_MAX][TM_BENCH_ROUND_MAX];
    uint32_t cnt[TM_BENCH_CLASS_MAX];
} series_t;

static void usage(const char *name, FILE *out)
{
    fprintf(out,
            "usage: bench_%s [--json FILE] [--rounds N] [--filter SUBSTR]\n"
            "  --json FILE      also write one JSON object a line to FILE\n"
            "  --rounds N       measured rounds a case (1..%d, default %d)\n"
            "  --filter SUBSTR  only cases whose name contains SUBSTR\n"
            "cores: TM_BENCH_CPU and TM_BENCH_CPU2 (default 0 and 1)\n",
            name, TM_BENCH_ROUND_MAX, ROUNDS_DEFAULT);
}

static uint32_t cpu_from_env(const char *var, uint32_t otherwise)
{
    const char *text = getenv(var);
    uint32_t cpu = otherwise;
    if (text && tm_cpu_list_parse(text, &cpu, 1) != 1) {
        fprintf(stderr, "%s: %s\n", var, tm_error_text());
        exit(2);
    }
    return cpu;
}

static void options_read(tm_bench_t *bench, int argc, char **argv)
{
    static const struct option options[] = {{"json", required_argument, NULL, 'j'},
                                            {"rounds", required_argument, NULL, 'r'},
                                            {"filter", required_argument, NULL, 'f'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    int opt;
    while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (opt) {
        case 'j':
            bench->json = fopen(optarg, "w");
            if (!bench->json) {
                perror(optarg);
                exit(1);
            }
            break;
        case 'r':
            bench->rounds = (uint32_t)strtoul(optarg, NULL, 10);
            if (bench->rounds >= 1 && bench->rounds <= TM_BENCH_ROUND_MAX) break;
            fprintf(stderr, "--rounds %s: expected 1..%d\n", optarg, TM_BENCH_ROUND_MAX);
            exit(2);
        case 'f':
            bench->filter = optarg;
            break;
        case 'h':
            usage(bench->name, stdout);
            exit(0);
        default:
            usage(bench->name, stderr);
            exit(2);
        }
    }
}

tm_bench_t *tm_bench_open(const char *name, int argc, char **argv)
{
    tm_bench_t *bench = calloc(1, sizeof *bench);
    if (!bench) abort();
    bench->name = name;
    bench->rounds = ROUNDS_DEFAULT;
    options_read(bench, argc, argv);
    bench->cpus[0] = cpu_from_env("TM_BENCH_CPU", 0);
    bench->cpus[1] = cpu_from_env("TM_BENCH_CPU2", tm_cpu_cnt() > 1 ? 1 : 0);
    tm_clock_init();
    char machine[DESCRIBE_MAX];
    tm_cpu_describe(machine, sizeof machine); /* before pinning: it counts the cores we may use */
    if (tm_cpu_pin(bench->cpus[0]) < 0) fprintf(stderr, "warning: %s\n", tm_error_text());

    printf("%s: %s; cores %u and %u, %u rounds, medians, spread is p75 - p25\n", name, machine,
           bench->cpus[0], bench->cpus[1], bench->rounds);
    printf("%-44s %10s %7s %-8s %-22s %10s %7s %6s\n", "case", "ours", "spread", "unit", "peer",
           "peer's", "spread", "ratio");
    return bench;
}

int tm_bench_close(tm_bench_t *bench)
{
    int code = 0;
    if (bench->json && fclose(bench->json) != 0) {
        perror("--json");
        code = 1;
    }
    free(bench);
    return code;
}

uint32_t tm_bench_cpu(const tm_bench_t *bench, uint32_t which)
{
    return bench->cpus[which & 1];
}

void tm_bench_probe(tm_bench_t *bench, uint32_t (*probe)(void *ctx), void *ctx,
                    const char *const *class_names, uint32_t class_cnt)
{
    bench->probe = probe;
    bench->probe_ctx = ctx;
    bench->class_cnt = class_cnt < TM_BENCH_CLASS_MAX ? class_cnt : TM_BENCH_CLASS_MAX;
    for (uint32_t i = 0; i < bench->class_cnt; i++) bench->class_names[i] = class_names[i];
}

bool tm_bench_wants(const tm_bench_t *bench, const char *case_name)
{
    return !bench->filter || strstr(case_name, bench->filter) != NULL;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Linear interpolation between the closest ranks. */
static double quantile(const double *sorted, uint32_t cnt, double q)
{
    double at = q * (double)(cnt - 1);
    uint32_t i = (uint32_t)at;
    double low = sorted[i], high = sorted[i + 1 < cnt ? i + 1 : i];
    return low + (high - low) * (at - (double)i);
}

static stats_t stats_of(const double *values, uint32_t cnt)
{
    double sorted[TM_BENCH_ROUND_MAX];
    uint32_t n = 0;
    for (uint32_t i = 0; i < cnt && n < TM_BENCH_ROUND_MAX; i++)
        if (!isnan(values[i])) sorted[n++] = values[i];
    if (n == 0) return (stats_t){(double)NAN, (double)NAN, 0};
    qsort(sorted, n, sizeof sorted[0], by_value);
    return (stats_t){quantile(sorted, n, 0.5),
                     quantile(sorted, n, 0.75) - quantile(sorted, n, 0.25), n};
}

static void json_text(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') fputc('\\', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

/* One line of the table; peer NULL where there is none. */
typedef struct line {
    const char *name, *unit, *peer;
    stats_t ours, theirs;
    double ratio;
} line_t;

static void line_write(tm_bench_t *bench, const line_t *l)
{
    printf("%-44s %10.2f %7.2f %-8s", l->name, l->ours.median, l->ours.spread, l->unit);
    if (l->peer)
        printf(" %-22s %10.2f %7.2f %5.2fx", l->peer, l->theirs.median, l->theirs.spread, l->ratio);
    putchar('\n');
    fflush(stdout);
    if (!bench->json) return;
    fprintf(bench->json, "{\"bench\":\"%s\",\"case\":", bench->name);
    json_text(bench->json, l->name);
    fputs(",\"unit\":", bench->json);
    json_text(bench->json, l->unit);
    fprintf(bench->json, ",\"value\":%.6g,\"spread\":%.6g,\"peer\":", l->ours.median,
            l->ours.spread);
    if (l->peer) {
        json_text(bench->json, l->peer);
        fprintf(bench->json, ",\"peer_value\":%.6g,\"ratio\":%.4g}\n", l->theirs.median, l->ratio);
    } else {
        fputs("null,\"peer_value\":null,\"ratio\":null}\n", bench->json);
    }
}

static uint32_t class_now(tm_bench_t *bench)
{
    uint32_t c = bench->probe ? bench->probe(bench->probe_ctx) : 0;
    return c < TM_BENCH_CLASS_MAX ? c : TM_BENCH_CLASS_MAX - 1;
}

/* One pass over the variants, starting at another one each round. */
static void round_run(const tm_bench_case_t *c, uint32_t round, double *values)
{
    for (uint32_t i = 0; i < c->variant_cnt; i++) {
        uint32_t v = (i + round) % c->variant_cnt;
        values[v] = c->variants[v].fn(c->variants[v].ctx);
    }
}

static void series_report(tm_bench_t *bench, const tm_bench_case_t *c, const series_t *series)
{
    for (uint32_t k = 0; k < TM_BENCH_CLASS_MAX; k++) {
        if (series->cnt[k] == 0) continue;
        char name[128];
        if (bench->class_cnt)
            snprintf(name, sizeof name, "%s (%s)", c->name, bench->class_names[k]);
        else
            snprintf(name, sizeof name, "%s", c->name);
        stats_t ours = stats_of(series->values[k][0], series->cnt[k]);
        if (ours.cnt == 0) continue;
        uint32_t peers = 0;
        for (uint32_t v = 1; v < c->variant_cnt; v++) {
            stats_t theirs = stats_of(series->values[k][v], series->cnt[k]);
            if (theirs.cnt == 0) continue;
            double ratio = c->lower_is_better ? theirs.median / ours.median
                                              : ours.median / theirs.median;
            line_write(bench, &(line_t){name, c->unit, c->variants[v].name, ours, theirs, ratio});
            peers++;
        }
        if (!peers) line_write(bench, &(line_t){.name = name, .unit = c->unit, .ours = ours});
    }
}

void tm_bench_run(tm_bench_t *bench, const tm_bench_case_t *c)
{
    if (!tm_bench_wants(bench, c->name)) return;
    series_t *series = calloc(1, sizeof *series);
    if (!series) abort();
    double values[TM_BENCH_VARIANT_MAX];
    round_run(c, 0, values);

    /* A round during which the class changed is thrown away and tried again, within reason. */
    uint32_t done = 0;
    for (uint32_t tries = 0; done < bench->rounds && tries < 3 * bench->rounds; tries++) {
        uint32_t before = class_now(bench);
        round_run(c, tries, values);
        uint32_t after = class_now(bench);
        if (before != after) continue;
        for (uint32_t v = 0; v < c->variant_cnt; v++)
            series->values[before][v][series->cnt[before]] = values[v];
        series->cnt[before]++;
        done++;
    }
    series_report(bench, c, series);
    free(series);
}

void tm_bench_report(tm_bench_t *bench, const char *case_name, const char *unit,
                     const double *values, uint32_t value_cnt)
{
    if (!tm_bench_wants(bench, case_name)) return;
    stats_t ours = stats_of(values, value_cnt);
    if (ours.cnt) line_write(bench, &(line_t){.name = case_name, .unit = unit, .ours = ours});
}

uint32_t tm_bench_rounds(const tm_bench_t *bench)
{
    return bench->rounds;
}

double tm_bench_now(void)
{
    return (double)tm_clock_mono_ns() * 1e-9;
}
