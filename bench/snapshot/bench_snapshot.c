/* What a checkpoint every second costs a worker that updates 1 GiB of keyed state at full speed,
   and how long it takes to be durable and to be restored. Beside it, as Redis does it, a fork whose
   child writes the same pages.

   The worker adds one to a value of a random key, in batches of 64 whose lookups overlap; each
   batch is timed, so that a pause shows, in processor time of the worker, so that other programs on
   its core do not. Checkpoints are taken by a second thread into a folder
   below TMPDIR (default /tmp), which is removed at the end. "uniform" changes every page between
   two checkpoints, the worst there is; "1 % of keys" is a working set. */
#include "base/arena.h"
#include "base/error.h"
#include "base/histogram.h"
#include "bench/bench.h"
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
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    BATCH = 64,
    ENTRY_SZ = 64,
    KEYS = 1 << 24,
    SPARE = 1 << 16,
    STATE_PAGES = 90000,
    SECONDS = 5
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

typedef struct figures {
    double mupdate_s, p999_us, longest_us, barrier_us, taken, seconds, mib, copied, deferred;
} figures_t;

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

static figures_t run_worker(world_t *w, how_t how, uint32_t keys)
{
    figures_t f = {0};
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
                child = fork_snapshot(w), done = true, f.taken++;
            f.deferred += !done;
            double took = (cpu_now() - at) * 1e6;
            if (done && took > f.barrier_us) f.barrier_us = took;
            next += done ? 1 : 0.01;
        }
        double now = cpu_now();
        tm_histogram_record(&pauses, (int64_t)((now - before) * 1e9), 1);
        before = now;
    }
    if (child > 0) waitpid(child, NULL, 0);
    f.mupdate_s = (double)updates / (before - start) * 1e-6;
    f.p999_us = (double)tm_histogram_quantile(&pauses, 0.999) * 1e-3;
    f.longest_us = (double)tm_histogram_quantile(&pauses, 1.0) * 1e-3;
    return f;
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
    w->track = tm_page_track_init(tm_arena_alloc(&arena, sz, 2 << 20), &w->pages, SPARE);
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

static void measure(tm_bench_t *bench, world_t *w, how_t how, const char *name, uint32_t keys)
{
    pthread_t thread;
    if (!tm_bench_wants(bench, name)) return;
    tm_page_track_counts_t before = tm_page_track_counts(w->track);
    uint64_t bytes = tm_checkpoint_counts(w->store).page_bytes;
    w->taken = w->pages_written = w->given_up = 0;
    w->busy_s = 0;
    atomic_store_explicit(&w->stop, false, memory_order_release);
    if (how == HOW_TRACK && pthread_create(&thread, NULL, snapshot_body, w) != 0) abort();
    figures_t f = run_worker(w, how, keys);
    atomic_store_explicit(&w->stop, true, memory_order_release);
    if (how == HOW_TRACK) pthread_join(thread, NULL);
    while (how == HOW_TRACK && tm_page_track_work(w->track) > 0) {
    }
    report(bench, name, "updates", "M/s", f.mupdate_s);
    report(bench, name, "64 updates, p99.9", "us", f.p999_us);
    report(bench, name, "64 updates, longest", "us", f.longest_us);
    if (how == HOW_NONE) return;
    report(bench, name, "the barrier itself, longest", "us", f.barrier_us);
    report(bench, name, "snapshots", "1", how == HOW_FORK ? f.taken : (double)w->taken);
    if (how == HOW_FORK) return;
    double taken = w->taken ? (double)w->taken : 1;
    bytes = tm_checkpoint_counts(w->store).page_bytes - bytes;
    report(bench, name, "barriers put off by 10 ms", "1", f.deferred);
    report(bench, name, "given up for want of frames", "1", (double)w->given_up);
    report(bench, name, "pages a snapshot", "1", (double)w->pages_written / taken);
    report(bench, name, "of them copied by the worker", "%",
           100.0 * (double)(tm_page_track_counts(w->track).copied - before.copied) /
               (double)(w->pages_written ? w->pages_written : 1));
    report(bench, name, "lines it kept instead", "1",
           (double)(tm_page_track_counts(w->track).logged - before.logged) / taken);
    report(bench, name, "bytes written a snapshot", "MiB", (double)bytes / taken / 0x1p20);
    report(bench, name, "until durable", "ms", w->busy_s / taken * 1e3);
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
    if (tm_arena_open(&arena, (size_t)18 << 28) < 0) fail("memory");
    w.other_cpu = tm_bench_cpu(bench, 1);
    world_open(&w);
    measure(bench, &w, HOW_NONE, "uniform, none", KEYS);
    measure(bench, &w, HOW_TRACK, "uniform, every second", KEYS);
    measure(bench, &w, HOW_FORK, "uniform, fork every second", KEYS);
    measure(bench, &w, HOW_NONE, "1 % of keys, none", KEYS / 100);
    measure(bench, &w, HOW_TRACK, "1 % of keys, every second", KEYS / 100);
    measure(bench, &w, HOW_FORK, "1 % of keys, fork every second", KEYS / 100);
    restore(bench, &w);
    tm_checkpoint_store_close(w.store);
    folder_remove(w.dir);
    tm_arena_close(&arena);
    return tm_bench_close(bench);
}
