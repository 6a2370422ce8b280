/* bench_e2e - the whole main job, as a user runs it: bars --replay --speed max, rows a second
   from the file's first byte to the last part file's rename.
   Cases    trades: a generated capture of plain lines (read, parse, route, window, write); the gzip
            captures of $TM_SHARED/captures where they are (decompression included)
   Peer     none: no other engine runs this job; the number is for comparing versions of this one */
#include "base/types.h"
#include "bench/bench.h"

#include <math.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TRADE_CNT = 2000000, SYMBOL_CNT = 50, PATH_SZ = 4096 };

extern char **environ;

typedef struct run {
    const char *bars;
    char capture[PATH_SZ];
    char out_dir[PATH_SZ];
    const char *worker_cores;
} run_t;

/* 64-bit LCG (Knuth's MMIX constants): the file must be the same every time. */
static uint64_t rnd(uint64_t *state)
{
    *state = *state * 6364136223846793005ull + 1442695040888963407ull;
    return *state >> 33;
}

/* Trades of SYMBOL_CNT symbols, about 20,000 a second of event time, in the combined-stream wrapper
   and the key order of the exchange. */
static bool capture_write(const char *path)
{
    FILE *f = fopen(path, "w");
    if (!f) return false;
    uint64_t seed = 42;
    int64_t time_us = 1700000000000000;
    int64_t price[SYMBOL_CNT], id[SYMBOL_CNT];
    for (int i = 0; i < SYMBOL_CNT; i++) {
        price[i] = 1000000 + (int64_t)(rnd(&seed) % 5000000);
        id[i] = 1000000 * (i + 1);
    }
    for (int i = 0; i < TRADE_CNT; i++) {
        int s = (int)(rnd(&seed) % SYMBOL_CNT);
        time_us += (int64_t)(rnd(&seed) % 100);
        price[s] += (int64_t)(rnd(&seed) % 21) - 10;
        int64_t ms = time_us / 1000, qty = (int64_t)(rnd(&seed) % 100000) + 1;
        fprintf(f,
                "%lld000 {\"stream\":\"sym%02dusdt@trade\",\"data\":{\"e\":\"trade\",\"E\":%lld,"
                "\"s\":\"SYM%02dUSDT\",\"t\":%lld,\"p\":\"%lld.%02d000000\",\"q\":\"%lld.%05d000\","
                "\"T\":%lld,\"m\":%s,\"M\":true}}\n",
                (long long)time_us, s, (long long)ms, s, (long long)id[s]++,
                (long long)(price[s] / 100), (int)(price[s] % 100), (long long)(qty / 100000),
                (int)(qty % 100000), (long long)ms - 1, rnd(&seed) & 1 ? "true" : "false");
    }
    return fclose(f) == 0;
}

static double json_number(const char *json, const char *key)
{
    char want[64];
    snprintf(want, sizeof want, "\"%s\":", key);
    const char *p = strstr(json, want);
    return p ? strtod(p + strlen(want), NULL) : (double)NAN;
}

/* Runs the program and returns its standard output's last bytes in `out`. */
static bool program_run(char *const argv[], char *out, size_t out_sz)
{
    int fds[2];
    pid_t pid;
    if (pipe(fds) != 0) return false;
    posix_spawn_file_actions_t fa;
    posix_spawn_file_actions_init(&fa);
    posix_spawn_file_actions_adddup2(&fa, fds[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&fa, fds[0]);
    int err = posix_spawn(&pid, argv[0], &fa, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&fa);
    close(fds[1]);
    size_t got = 0;
    for (ssize_t n; err == 0 && (n = read(fds[0], out + got, out_sz - 1 - got)) > 0;)
        got += (size_t)n;
    close(fds[0]);
    out[got] = '\0';
    int status = 1;
    return err == 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

static double rows_per_s(void *ctx)
{
    run_t *r = ctx;
    static char json[1 << 16];
    char cmd[2 * PATH_SZ];
    snprintf(cmd, sizeof cmd, "rm -rf '%s'", r->out_dir);
    if (system(cmd) != 0) return (double)NAN;
    const char *const words[] = {
        r->bars,  "--replay", r->capture,       "--out", r->out_dir,       "--speed",       "max",
        "--json", "--quiet",  "--ingest-cores", "0",     "--worker-cores", r->worker_cores, NULL};
    char *argv[TM_ARRAY_CNT(words)];
    for (size_t i = 0; i < TM_ARRAY_CNT(words); i++) argv[i] = words[i] ? strdup(words[i]) : NULL;
    bool ok = program_run(argv, json, sizeof json);
    for (size_t i = 0; argv[i]; i++) free(argv[i]);
    return ok ? json_number(json, "rows_in") / json_number(json, "elapsed_s") / 1e6 : (double)NAN;
}

static void case_run(tm_bench_t *bench, const char *name, run_t *run)
{
    const tm_bench_case_t c = {.name = name,
                               .unit = "Mrow/s",
                               .variant_cnt = 1,
                               .variants = {{"tidemark", rows_per_s, run}}};
    tm_bench_run(bench, &c);
}

int main(int argc, char **argv)
{
    static const char *const captures[] = {"spot_btcusdt_20240808", "usdm_btcusdt_20240808"};
    char self[PATH_SZ] = "";
    if (readlink("/proc/self/exe", self, sizeof self - 1) < 0) return 1;
    *strrchr(self, '/') = '\0'; /* build/bench */
    char bars[PATH_SZ + 32];
    snprintf(bars, sizeof bars, "%s/../examples/bars", self);
    if (access(bars, X_OK) != 0) {
        fprintf(stderr, "bench_e2e: %s is not there; build the examples\n", bars);
        return 1;
    }

    static run_t run;
    run.bars = bars;
    snprintf(run.out_dir, sizeof run.out_dir, "%.4000s/e2e-out", self);
    snprintf(run.capture, sizeof run.capture, "%.4000s/e2e-trades.txt", self);
    tm_bench_t *bench = tm_bench_open("e2e", argc, argv);
    struct stat st;
    if (stat(run.capture, &st) != 0 && !capture_write(run.capture)) {
        perror(run.capture);
        return 1;
    }
    run.worker_cores = "1";
    case_run(bench, "2 M trades, plain lines, 1 worker", &run);
    run.worker_cores = "0,1";
    case_run(bench, "2 M trades, plain lines, 2 workers", &run);
    run.worker_cores = "1";
    const char *shared = getenv("TM_SHARED");
    for (size_t i = 0; i < TM_ARRAY_CNT(captures); i++) {
        snprintf(run.capture, sizeof run.capture, "%s/captures/%s.gz",
                 shared ? shared : "../shared", captures[i]);
        char name[128];
        snprintf(name, sizeof name, "%s.gz, 1 worker", captures[i]);
        if (access(run.capture, R_OK) == 0) case_run(bench, name, &run);
    }
    return tm_bench_close(bench);
}
