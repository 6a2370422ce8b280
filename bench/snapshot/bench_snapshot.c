/* What a checkpoint every second costs a worker that updates 1 GiB of keyed state at full speed,
   and how long it takes to be durable and to be restored. Beside it, as Redis does it, a fork whose
   child writes the same pages, and Redis itself (redis_peer.h).

   The worker adds one to a value of a random key, in batches of 64 whose lookups overlap; each
   batch is timed, so that a pause shows, in processor time of the worker, so that other programs on
   its core do not. Checkpoints are taken by a second thread into a folder
   below TMPDIR (default /tmp), which is removed at the end. "uniform" changes every page between
   two checkpoints, the worst there is; "1 % of keys" is a working set. With and without take turns,
   so that drift of the machine hits both alike. */
#include "base/arena.h"
#include "base/error.h"
#include "base/histogram.h"
#include "bench/bench.h"
#include "bench/snapshot/redis_peer.h"
#include "state/checkpoint/checkpoint_store.h"
#include "state/table/keyed_table.h"
#include "state/table/page_track.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    BATCH = 64,
    ENTRY_SZ = 64,
    KEYS = 1 << 24,
    SPARE = 1 << 17,
    STATE_PAGES = 90000,
    SECONDS = 3,
    ROUNDS = 3
};

typedef enum how { HOW_NONE, HOW_TRACK, HOW_FORK } how_t;

typedef struct world {
    tm_page_arena_t pages;
    tm_keyed_table_t table;
    tm_page_track_t *track;
    tm_checkpoint_store_t *store;
    char dir[256];
    _Atomic bool stop;
    uint32_t other_cpu;

    /* Of the snapshot thread; read after it has ended. */
    uint64_t taken, pages_written, given_up;
    double busy_s;
} world_t;

typedef enum figure {
    UPDATES,
    P999,
    LONGEST,
    ABOVE_MS,
    BARRIER,
    SNAPSHOTS,
    PUT_OFF,
    GIVEN_UP,
    COPIED,
    LOGGED,
    CHANGED,
    WRITTEN,
    DURABLE,
    FIGURE_CNT
} figure_t;

static const struct {
    const char *what, *unit;
} figures[FIGURE_CNT] = {
    [UPDATES] = {"updates", "M/s"},
    [P999] = {"64 updates, p99.9", "us"},
    [LONGEST] = {"64 updates, longest", "us"},
    [ABOVE_MS] = {"64 updates, above 1 ms", "1"},
    [BARRIER] = {"the barrier itself, longest", "us"},
    [SNAPSHOTS] = {"snapshots", "1"},
    [PUT_OFF] = {"barriers put off by 10 ms", "1"},
    [GIVEN_UP] = {"given up for want of frames", "1"},
    [COPIED] = {"pages the worker copied, a snapshot", "1"},
    [LOGGED] = {"lines the worker logged, a snapshot", "1"},
    [CHANGED] = {"changed, a snapshot", "MiB"},
    [WRITTEN] = {"written, a snapshot", "MiB"},
    [DURABLE] = {"until durable", "ms"},
};

static tm_arena_t arena;

static uint64_t mix(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    return z ^ (z >> 31);
}

/* Away from the worker's core, whose affinity threads and children inherit. */
static void leave_core(const world_t *w)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(w->other_cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0) abort();
}

/* Processor time of the worker: other programs on its core do not count. */
static double cpu_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void fail(const char *what)
{
    fprintf(stderr, "bench_snapshot: %s: %s\n", what, tm_error_text());
    exit(1);
}

static void folder_remove(const char *dir)
{
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d)) != NULL;) {
        char path[600];
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        unlink(path);
    }
    if (d) closedir(d);
    rmdir(dir);
}

/* ---- The worker ------------------------------------------------------------------------------ */

static void update(world_t *w, uint64_t *rng, uint32_t keys)
{
    uint64_t at[BATCH];
    uint32_t tags[BATCH];
    uint8_t *entries[BATCH];
    for (uint32_t i = 0; i < BATCH; i++) {
        at[i] = (mix(rng) >> 32) * keys >> 32;
        tags[i] = tm_keyed_tag(at[i]);
        __builtin_prefetch(tm_keyed_home(&w->table, tags[i]));
    }
    for (uint32_t i = 0; i < BATCH; i++) {
        entries[i] = tm_keyed_guess(&w->table, tm_keyed_home(&w->table, tags[i]), tags[i]);
        __builtin_prefetch(entries[i], 1);
    }
    for (uint32_t i = 0; i < BATCH; i++) {
        uint8_t *e = entries[i];
        if (!e || tm_keyed_key(e) != at[i]) e = tm_keyed_find(&w->table, at[i], tags[i]);
        tm_span_touch(&w->pages, e + 8, 8);
        ++*(uint64_t *)(void *)(e + 8);
    }
}

/* As Redis does it: the child has the pages as they were, and writes them. */
static pid_t fork_snapshot(const world_t *w)
{
    pid_t pid = fork();
    if (pid != 0) return pid;
    leave_core(w);
    char path[300];
    snprintf(path, sizeof path, "%s/fork", w->dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    const size_t piece = 1 << 20, all = (size_t)w->pages.fresh << TM_PAGE_SHIFT;
    for (size_t off = 0; off < all; off += piece)
        if (write(fd, w->pages.base + off, piece < all - off ? piece : all - off) < 0) _exit(1);
    _exit(fdatasync(fd) != 0);
}

static void run_worker(world_t *w, how_t how, uint32_t keys, double f[FIGURE_CNT])
{
    static tm_histogram_t pauses;
    uint64_t rng = 7, updates = 0;
    pid_t child = 0;
    tm_histogram_init(&pauses);
    double start = cpu_now(), before = start, wall = tm_bench_now(), next = wall + 0.5;
    for (double end = wall + SECONDS; wall < end; wall = tm_bench_now()) {
        update(w, &rng, keys);
        updates += BATCH;
        if (how == HOW_TRACK) tm_page_track_work(w->track);
        if (how != HOW_NONE && wall >= next) {
            double at = cpu_now();
            bool done = false;
            if (how == HOW_TRACK) done = tm_page_track_flip(w->track) == 0;
            if (how == HOW_FORK && (child == 0 || waitpid(child, NULL, WNOHANG) == child))
                child = fork_snapshot(w), done = true, f[SNAPSHOTS]++;
            f[PUT_OFF] += !done;
            double took = (cpu_now() - at) * 1e6;
            if (done && took > f[BARRIER]) f[BARRIER] = took;
            next += done ? 1 : 0.01;
        }
        double now = cpu_now();
        tm_histogram_record(&pauses, (int64_t)((now - before) * 1e9), 1);
        f[ABOVE_MS] += now - before > 1e-3;
        before = now;
    }
    if (child > 0) waitpid(child, NULL, 0);
    f[UPDATES] = (double)updates / (before - start) * 1e-6;
    f[P999] = (double)tm_histogram_quantile(&pauses, 0.999) * 1e-3;
    f[LONGEST] = (double)tm_histogram_quantile(&pauses, 1.0) * 1e-3;
}

/* ---- The snapshot thread --------------------------------------------------------------------- */

static void snapshot_take(world_t *w, uint32_t page_cnt)
{
    static uint8_t copy[TM_PAGE_SZ] __attribute__((aligned(64)));
    uint32_t page, total = tm_page_arena_total(&w->pages);
    static uint64_t id;
    double start = tm_bench_now();
    int code;
    if (tm_checkpoint_begin(w->store, ++id) < 0) fail("begin");
    while ((code = tm_page_snap_next(w->track, copy, &page)) != 0) {
        if (code == -EAGAIN) {
            sched_yield();
            continue;
        }
        if (code < 0) break;
        if (tm_checkpoint_put(w->store, 0, total, page, copy) < 0) fail("put");
    }
    if (code == 0 && tm_checkpoint_commit(w->store, 0) < 0) fail("commit");
    if (code < 0) tm_checkpoint_abort(w->store);
    tm_page_snap_end(w->track, code == 0);
    w->taken += code == 0;
    w->given_up += code < 0;
    w->pages_written += code == 0 ? page_cnt : 0;
    w->busy_s += tm_bench_now() - start;
}

static void *snapshot_body(void *ctx)
{
    world_t *w = ctx;
    uint32_t page_cnt;
    leave_core(w);
    while (!atomic_load_explicit(&w->stop, memory_order_acquire)) {
        if (tm_page_snap_begin(w->track, &page_cnt))
            snapshot_take(w, page_cnt);
        else
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    return NULL;
}

/* ---- Cases ----------------------------------------------------------------------------------- */

static void world_open(world_t *w)
{
    const char *tmp = getenv("TMPDIR");
    const uint32_t cnt = STATE_PAGES;
    snprintf(w->dir, sizeof w->dir, "%s/tm-bench-snapshot-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(w->dir)) fail(w->dir);
    tm_page_arena_init(&w->pages, tm_arena_alloc(&arena, tm_page_arena_footprint(cnt), 2 << 20),
                       cnt);
    size_t sz = tm_page_track_footprint(&w->pages, SPARE);
    /* As workers of the engine have it: touched only as far as it is needed. */
    void *mem = mmap(NULL, sz, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                     -1, 0);
    if (mem == MAP_FAILED) fail("memory");
    w->track = tm_page_track_init(mem, &w->pages, SPARE);
    tm_keyed_init(&w->table, &w->pages, ENTRY_SZ);
    for (uint64_t key = 0; key < KEYS; key++) {
        bool added;
        if (!tm_keyed_get(&w->table, key, tm_keyed_tag(key), &added)) abort();
    }
    const tm_checkpoint_cfg_t cfg = {.dir = w->dir, .codec = TM_PARQUET_CODEC_LZ4_RAW, .retain = 1};
    if (tm_checkpoint_store_open(&w->store, &cfg) < 0) fail("open");
}

static void report(tm_bench_t *bench, const char *name, const char *what, const char *unit,
                   double v)
{
    char text[128];
    snprintf(text, sizeof text, "%s: %s", name, what);
    tm_bench_report(bench, text, unit, &v, 1);
}

static void measure(world_t *w, how_t how, uint32_t keys, double f[FIGURE_CNT])
{
    pthread_t thread;
    tm_page_track_counts_t before = tm_page_track_counts(w->track);
    uint64_t bytes = tm_checkpoint_counts(w->store).page_bytes;
    memset(f, 0, FIGURE_CNT * sizeof *f);
    w->taken = w->pages_written = w->given_up = 0;
    w->busy_s = 0;
    atomic_store_explicit(&w->stop, false, memory_order_release);
    if (how == HOW_TRACK && pthread_create(&thread, NULL, snapshot_body, w) != 0) abort();
    run_worker(w, how, keys, f);
    atomic_store_explicit(&w->stop, true, memory_order_release);
    if (how != HOW_TRACK) return;
    pthread_join(thread, NULL);
    while (tm_page_track_work(w->track) > 0) {
    }
    tm_page_track_counts_t after = tm_page_track_counts(w->track);
    const double taken = w->taken ? (double)w->taken : 1;
    bytes = tm_checkpoint_counts(w->store).page_bytes - bytes;
    f[SNAPSHOTS] = (double)w->taken;
    f[GIVEN_UP] = (double)w->given_up;
    f[COPIED] = (double)(after.copied - before.copied) / taken;
    f[LOGGED] = (double)(after.logged - before.logged) / taken;
    f[CHANGED] = (double)w->pages_written * TM_PAGE_SZ / taken / 0x1p20;
    f[WRITTEN] = (double)bytes / taken / 0x1p20;
    f[DURABLE] = w->busy_s / taken * 1e3;
}

static void figures_report(tm_bench_t *bench, const char *name, figure_t last,
                           double runs[ROUNDS][FIGURE_CNT])
{
    for (uint32_t i = 0; i <= last; i++) {
        char text[128];
        double of[ROUNDS];
        for (uint32_t round = 0; round < ROUNDS; round++) of[round] = runs[round][i];
        snprintf(text, sizeof text, "%s: %s", name, figures[i].what);
        tm_bench_report(bench, text, figures[i].unit, of, ROUNDS);
    }
}

/* Without and with in turn. */
static void compare(tm_bench_t *bench, world_t *w, const char *name, uint32_t keys)
{
    static double none[ROUNDS][FIGURE_CNT], with[ROUNDS][FIGURE_CNT];
    double kept[ROUNDS], added[ROUNDS];
    char text[128];
    if (!tm_bench_wants(bench, name)) return;
    measure(w, HOW_TRACK, keys, with[0]); /* takes the pages of what was before */
    for (uint32_t round = 0; round < ROUNDS; round++) {
        measure(w, HOW_NONE, keys, none[round]);
        measure(w, HOW_TRACK, keys, with[round]);
        kept[round] = 100 * with[round][UPDATES] / none[round][UPDATES];
        added[round] = with[round][P999] - none[round][P999];
    }
    snprintf(text, sizeof text, "%s, none", name);
    figures_report(bench, text, ABOVE_MS, none);
    snprintf(text, sizeof text, "%s, every second", name);
    figures_report(bench, text, DURABLE, with);
    snprintf(text, sizeof text, "%s, every second: of the updates without", name);
    tm_bench_report(bench, text, "%", kept, ROUNDS);
    snprintf(text, sizeof text, "%s, every second: added at p99.9", name);
    tm_bench_report(bench, text, "us", added, ROUNDS);
}

/* At the end, for what is written while a child lives is moved to small pages, and stays there:
   all that comes after is slower. */
static void forks(tm_bench_t *bench, world_t *w, const char *name, uint32_t keys)
{
    static double runs[ROUNDS][FIGURE_CNT];
    if (!tm_bench_wants(bench, name)) return;
    for (uint32_t round = 0; round < ROUNDS; round++) measure(w, HOW_FORK, keys, runs[round]);
    figures_report(bench, name, SNAPSHOTS, runs);
}

static void redis(tm_bench_t *bench, const world_t *w)
{
    const uint32_t cpus[2] = {tm_bench_cpu(bench, 0), tm_bench_cpu(bench, 1)};
    const char *why;
    if (!tm_bench_wants(bench, "Redis")) return;
    leave_core(w);
    tm_redis_t *peer = tm_redis_open(w->dir, cpus, &why);
    if (!peer) {
        printf("Redis: left out: %s\n", why);
        return;
    }
    for (int save = 0; save < 2; save++) {
        tm_redis_figures_t f;
        const char *name = save ? "Redis, BGSAVE every second" : "Redis, none";
        if (!tm_redis_run(peer, SECONDS, save, &f)) break;
        report(bench, name, "updates", "M/s", f.mupdate_s);
        report(bench, name, "64 updates, p99.9", "us", f.p999_us);
        report(bench, name, "64 updates, longest", "us", f.longest_us);
        if (!save) continue;
        report(bench, name, "fork", "us", f.fork_us);
        report(bench, name, "snapshots", "1", f.snapshots);
        report(bench, name, "until saved", "ms", f.busy_ms);
        report(bench, name, "memory in use", "GiB", f.gib);
    }
    tm_redis_close(peer);
}

static void restore(tm_bench_t *bench, world_t *w)
{
    size_t sz = (size_t)tm_page_arena_total(&w->pages) << TM_PAGE_SHIFT;
    void *mem = aligned_alloc(2 << 20, tm_align_up(sz, 2 << 20));
    if (!mem || !tm_checkpoint_manifest(w->store)) return;
    memset(mem, 0, sz);
    double start = tm_bench_now();
    if (tm_checkpoint_load(w->store, 0, mem, tm_page_arena_total(&w->pages)) < 0) fail("load");
    double took = tm_bench_now() - start;
    report(bench, "restore", "pages of the newest checkpoint", "s/GiB",
           took / ((double)w->pages.used_cnt * TM_PAGE_SZ / 0x1p30));
    free(mem);
}

int main(int argc, char **argv)
{
    static world_t w;
    tm_bench_t *bench = tm_bench_open("snapshot", argc, argv);
    if (tm_arena_open(&arena, (size_t)6 << 28) < 0) fail("memory");
    w.other_cpu = tm_bench_cpu(bench, 1);
    world_open(&w);
    compare(bench, &w, "uniform", KEYS);
    compare(bench, &w, "1 % of keys", KEYS / 100);
    restore(bench, &w);
    forks(bench, &w, "1 % of keys, fork every second", KEYS / 100);
    forks(bench, &w, "uniform, fork every second", KEYS);
    redis(bench, &w);
    tm_checkpoint_store_close(w.store);
    folder_remove(w.dir);
    tm_arena_close(&arena);
    return tm_bench_close(bench);
}
