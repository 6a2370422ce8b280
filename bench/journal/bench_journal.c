/* The journal: what it costs the receive thread, what the disk takes, how fast it is read back.
   Peers are the bare means: memcpy, one large direct write after the other, plain reads. Files are
   below 1 GiB and removed afterwards; TM_BENCH_DIR chooses the disk (else the working folder). */
#include "base/clock.h"
#include "base/cpu.h"
#include "base/error.h"
#include "bench/bench.h"
#include "bench/journal/replay_cases.h"
#include "engine/runtime/source/recorder.h"
#include "state/crc32c.h"
#include "state/journal/journal_cold.h"
#include "state/journal/journal_reader.h"
#include "state/journal/journal_writer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

enum {
    MESSAGE_SZ = 200,
    SPAN = 232,
    APPEND_CNT = 200000,   /* 46 MB: fits the ring, so that appending alone is measured */
    CAPTURE_CNT = 3 << 20, /* 730 MB */
    DISK_BLOCK_SZ = 1 << 20,
    FSYNC_CNT = 200
};

typedef struct work {
    tm_bench_t *bench;
    char dir[512];
    tm_journal_writer_t *w;
    uint8_t *ring;
    uint8_t message[MESSAGE_SZ + TM_FRAME_PAD];
    uint8_t combined[MESSAGE_SZ + TM_FRAME_PAD]; /* names a stream */
    tm_recorder_t *recorder;
    uint64_t payload_sz;
    _Atomic bool done;
} work_t;

static void dir_clear(const char *dir)
{
    DIR *d = opendir(dir);
    if (!d) return;
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        char path[1024];
        if (e->d_name[0] == '.' && (e->d_name[1] == '\0' || e->d_name[1] == '.')) continue;
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        unlink(path);
    }
    closedir(d);
    /* What was removed is discarded by the next commit, which must not fall into a measurement. */
    const int fd = open(dir, O_RDONLY | O_DIRECTORY);
    syncfs(fd);
    close(fd);
}

static void must(int code)
{
    if (code >= 0) return;
    fprintf(stderr, "bench_journal: %s\n", tm_error_text());
    exit(1);
}

static tm_journal_writer_t *writer_open(work_t *k, uint64_t roll_sz)
{
    tm_journal_writer_t *w;
    must(tm_journal_writer_open(&w, &(tm_journal_writer_cfg_t){.dir = k->dir, .roll_sz = roll_sz},
                                NULL));
    return w;
}

static tm_frame_t frame_of(const work_t *k)
{
    return (tm_frame_t){.data = k->message, .sz = MESSAGE_SZ, .conn_idx = 1, .recv_ns = 1700000000};
}

/* ---- the receive thread's cost ---- */

static double append_ours(void *ctx)
{
    work_t *k = ctx;
    const tm_frame_t frame = frame_of(k);
    must(tm_journal_sync(k->w));
    const double t0 = tm_bench_now();
    int64_t seq = 0;
    for (int i = 0; i < APPEND_CNT; i++) seq = tm_journal_append_frame(k->w, &frame);
    const double t1 = tm_bench_now();
    if (seq < 0) must((int)seq);
    return (t1 - t0) * 1e9 / APPEND_CNT;
}

/* As above, with the stream of the message looked up: what a recording costs its receive thread. */
static double record_ours(void *ctx)
{
    work_t *k = ctx;
    tm_frame_t frame = frame_of(k);
    frame.data = k->combined;
    must(tm_journal_sync(k->w));
    const double t0 = tm_bench_now();
    int err = 0;
    for (int i = 0; i < APPEND_CNT; i++) err |= tm_recorder_frame(k->recorder, &frame, 0);
    const double t1 = tm_bench_now();
    must(err);
    return (t1 - t0) * 1e9 / APPEND_CNT;
}

/* The same bytes at the same places, without anything else. */
static double append_memcpy(void *ctx)
{
    work_t *k = ctx;
    static uint64_t pos;
    const double t0 = tm_bench_now();
    for (int i = 0; i < APPEND_CNT; i++, pos += SPAN) {
        if ((pos & ((64u << 20) - 1)) > (64u << 20) - SPAN) pos += SPAN;
        memcpy(k->ring + (pos & ((64u << 20) - 1)), k->message, MESSAGE_SZ);
        tm_bench_keep(pos);
    }
    return (tm_bench_now() - t0) * 1e9 / APPEND_CNT;
}

/* ---- capture at full speed ---- */

static void *capture_append(void *ctx)
{
    work_t *k = ctx;
    (void)!tm_cpu_pin(tm_bench_cpu(k->bench, 1));
    const tm_frame_t frame = frame_of(k);
    for (int i = 0; i < CAPTURE_CNT;) {
        const int64_t seq = tm_journal_append_frame(k->w, &frame);
        if (seq >= 0)
            i++;
        else
            nanosleep(&(struct timespec){.tv_nsec = 20000},
                      NULL); /* the ring holds 20 ms of disk */
    }
    atomic_store_explicit(&k->done, true, memory_order_release);
    return NULL;
}

static double capture_run(work_t *k, uint64_t roll_sz)
{
    pthread_t thread;
    dir_clear(k->dir);
    k->w = writer_open(k, roll_sz);
    atomic_store_explicit(&k->done, false, memory_order_relaxed);
    const double t0 = tm_bench_now();
    pthread_create(&thread, NULL, capture_append, k);
    while (!atomic_load_explicit(&k->done, memory_order_acquire)) {
        const int work = tm_journal_flush_work(k->w);
        must(work);
        if (work == 0) nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
    }
    pthread_join(thread, NULL);
    must(tm_journal_sync(k->w));
    const double t1 = tm_bench_now(); /* giving 64 MiB of memory back is not the disk's */
    must(tm_journal_writer_close(k->w));
    k->w = NULL;
    return (double)CAPTURE_CNT * SPAN / (t1 - t0) / 1e9;
}

static double capture_ours(void *ctx)
{
    return capture_run(ctx, 0);
}

/* As above without a change of segments. */
static double capture_one_segment(void *ctx)
{
    return capture_run(ctx, UINT64_C(1) << 30);
}

static double capture_disk(void *ctx)
{
    work_t *k = ctx;
    char path[600];
    dir_clear(k->dir);
    snprintf(path, sizeof path, "%s/disk", k->dir);
    const double t0 = tm_bench_now();
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_DIRECT, 0644);
    if (fd < 0) return (double)NAN;
    const uint64_t sz = (uint64_t)CAPTURE_CNT * SPAN / DISK_BLOCK_SZ * DISK_BLOCK_SZ;
    (void)!fallocate(fd, 0, 0, (off_t)sz);
    for (uint64_t off = 0; off < sz; off += DISK_BLOCK_SZ)
        if (pwrite(fd, k->ring + off % (32 << 20), DISK_BLOCK_SZ, (off_t)off) != DISK_BLOCK_SZ)
            exit(1);
    fdatasync(fd);
    close(fd);
    const double t1 = tm_bench_now();
    unlink(path);
    return (double)sz / (t1 - t0) / 1e9;
}

/* ---- reading back ---- */

static double read_ours(void *ctx)
{
    work_t *k = ctx;
    tm_journal_reader_t *r;
    tm_journal_view_t views[256];
    uint64_t cnt = 0, sum = 0;
    const double t0 = tm_bench_now();
    must(tm_journal_reader_open(&r, &(tm_journal_reader_cfg_t){.path = k->dir}));
    for (int n; (n = tm_journal_reader_read(r, views, 256)) != 0; cnt += (uint64_t)n) {
        must(n);
        for (int i = 0; i < n; i++) sum += views[i].frame.data[0];
    }
    if (tm_journal_reader_damage_cnt(r)) exit(1);
    tm_journal_reader_close(r);
    tm_bench_keep(sum);
    k->payload_sz = cnt;
    return (double)cnt * SPAN / (tm_bench_now() - t0) / 1e9;
}

static double read_plain(void *ctx)
{
    work_t *k = ctx;
    static uint8_t buf[512 << 10];
    tm_journal_list_t list;
    uint64_t sz = 0;
    must(tm_journal_list(&list, k->dir));
    const double t0 = tm_bench_now();
    for (uint32_t i = 0; i < list.cnt; i++) {
        int fd = open(list.files[i].path, O_RDONLY);
        for (ssize_t n; (n = read(fd, buf, sizeof buf)) > 0;) sz += (uint64_t)n;
        close(fd);
    }
    const double t1 = tm_bench_now();
    tm_journal_list_free(&list);
    return (double)sz / (t1 - t0) / 1e9;
}

static double crc_run(tm_crc32c_fn_t fn, const work_t *k, size_t sz)
{
    if (!fn) return (double)NAN;
    uint32_t crc = 0;
    const uint64_t cnt = (64u << 20) / sz;
    const double t0 = tm_bench_now();
    for (uint64_t i = 0; i < cnt; i++) crc ^= fn(7, k->ring + i % 1024 * 200, sz);
    const double t1 = tm_bench_now();
    tm_bench_keep(crc);
    return (double)cnt * (double)sz / (t1 - t0) / 1e9;
}
static double crc_ours(void *ctx)
{
    return crc_run(tm_crc32c_kernel(), ctx, 200);
}
static double crc_sse(void *ctx)
{
    return crc_run(tm_crc32c_kernel_of(TM_CRC32C_SSE42), ctx, 200);
}
static double crc_scalar(void *ctx)
{
    return crc_run(tm_crc32c_scalar, ctx, 200);
}
static double crc_zlib(void *ctx)
{
    work_t *k = ctx;
    unsigned long crc = 0;
    const int cnt = 100000;
    const double t0 = tm_bench_now();
    for (int i = 0; i < cnt; i++) crc ^= crc32(7, k->ring + i % 1024 * 200, 200);
    const double t1 = tm_bench_now();
    tm_bench_keep(crc);
    return cnt * 200.0 / (t1 - t0) / 1e9;
}

/* ---- parts of a whole ---- */

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* A group of 100 messages, written and fsynced. */
static void fsync_report(work_t *k)
{
    double us[FSYNC_CNT];
    dir_clear(k->dir);
    const tm_frame_t frame = frame_of(k);
    k->w = writer_open(k, 0);
    for (int i = 0; i < FSYNC_CNT; i++) {
        for (int j = 0; j < 100; j++)
            if (tm_journal_append_frame(k->w, &frame) < 0) exit(1);
        const double t0 = tm_bench_now();
        must(tm_journal_sync(k->w));
        us[i] = (tm_bench_now() - t0) * 1e6;
    }
    must(tm_journal_writer_close(k->w));
    k->w = NULL;
    qsort(us, FSYNC_CNT, sizeof us[0], by_value);
    tm_bench_report(k->bench, "group fsync p50", "us", &us[FSYNC_CNT / 2], 1);
    tm_bench_report(k->bench, "group fsync p99", "us", &us[FSYNC_CNT * 99 / 100], 1);
}

/* Lines of a capture become records; false where the captures are not there. */
static bool capture_fill(work_t *k)
{
    const char *shared = getenv("TM_SHARED");
    char path[600];
    char *line = malloc(1 << 20);
    snprintf(path, sizeof path, "%s/captures/spot_btcusdt_20240808.gz",
             shared ? shared : "../shared");
    gzFile f = gzopen(path, "rb");
    bool some = false;
    dir_clear(k->dir);
    k->w = writer_open(k, 0);
    while (f && gzgets(f, line, 1 << 20)) {
        const size_t sz = strlen(line);
        const tm_frame_t frame = {.data = (uint8_t *)line + 20,
                                  .sz = (uint32_t)(sz - 21),
                                  .recv_ns = strtoll(line, NULL, 10)};
        while (sz > 21 && tm_journal_append_frame(k->w, &frame) == -EAGAIN)
            must(tm_journal_flush_work(k->w));
        some = true;
    }
    if (f) gzclose(f);
    free(line);
    must(tm_journal_writer_close(k->w));
    k->w = NULL;
    return some;
}

static void cold_report(work_t *k)
{
    tm_journal_list_t list;
    if (!capture_fill(k)) {
        printf("cold segments: no captures found (TM_SHARED), left out\n");
        return;
    }
    must(tm_journal_list(&list, k->dir));
    tm_journal_pack_t pack = {0};
    double t0 = tm_bench_now();
    must(tm_journal_cold_pack(list.files[0].path, &pack));
    const double pack_s = tm_bench_now() - t0;
    tm_journal_list_free(&list);
    double read_mbs[5];
    for (int i = 0; i < 5; i++) {
        tm_journal_reader_t *r;
        tm_journal_view_t views[256];
        t0 = tm_bench_now();
        must(tm_journal_reader_open(&r, &(tm_journal_reader_cfg_t){.path = k->dir}));
        for (int n; (n = tm_journal_reader_read(r, views, 256)) != 0;) must(n);
        tm_journal_reader_close(r);
        read_mbs[i] = (double)pack.raw_sz / (tm_bench_now() - t0) / 1e6;
    }
    const double ratio = (double)pack.raw_sz / (double)pack.cold_sz;
    const double speed = (double)pack.raw_sz / pack_s / 1e6;
    tm_bench_report(k->bench, "cold segment ratio, spot capture", "x", &ratio, 1);
    tm_bench_report(k->bench, "cold segment pack, read back and compare", "MB/s", &speed, 1);
    tm_bench_report(k->bench, "cold segment read and verify", "MB/s", read_mbs, 5);
}

int main(int argc, char **argv)
{
    static const char head[] = "{\"stream\":\"btcusdt@trade\",\"data\":";
    static work_t k;
    k.bench = tm_bench_open("journal", argc, argv);
    const char *base = getenv("TM_BENCH_DIR");
    snprintf(k.dir, sizeof k.dir, "%s/bench-journal-XXXXXX", base ? base : ".");
    if (!mkdtemp(k.dir)) {
        perror(k.dir);
        return 1;
    }
    k.ring = aligned_alloc(4096, 64 << 20);
    memset(k.ring, 'x', 64 << 20);
    memset(k.message, 'm', sizeof k.message);

    if (tm_bench_wants(k.bench, "record 200 B")) {
        k.w = writer_open(&k, 0);
        memcpy(k.combined, k.message, sizeof k.combined);
        memcpy(k.combined, head, sizeof head - 1);
        must(tm_recorder_open(&k.recorder, &(tm_recorder_cfg_t){.journal = k.w, .live = true}));
        const tm_bench_case_t c = {"record 200 B, cost on the receive core",
                                   "ns",
                                   true,
                                   3,
                                   {{"tidemark", record_ours, &k},
                                    {"append alone", append_ours, &k},
                                    {"memcpy", append_memcpy, &k}}};
        tm_bench_run(k.bench, &c);
        tm_recorder_close(k.recorder);
        must(tm_journal_writer_close(k.w));
    }
    if (tm_bench_wants(k.bench, "capture")) {
        const tm_bench_case_t c = {"capture at full speed, 200 B",
                                   "GB/s",
                                   false,
                                   3,
                                   {{"tidemark", capture_ours, &k},
                                    {"O_DIRECT 1 MiB", capture_disk, &k},
                                    {"in one segment", capture_one_segment, &k}}};
        tm_bench_run(k.bench, &c);
    }
    if (tm_bench_wants(k.bench, "read and verify")) {
        capture_ours(&k);
        const tm_bench_case_t c = {"read and verify, 200 B",
                                   "GB/s",
                                   false,
                                   2,
                                   {{"tidemark", read_ours, &k}, {"read(2) only", read_plain, &k}}};
        tm_bench_run(k.bench, &c);
    }
    if (tm_bench_wants(k.bench, "crc32c")) {
        const tm_bench_case_t c = {"crc32c of 200 B",
                                   "GB/s",
                                   false,
                                   4,
                                   {{"tidemark", crc_ours, &k},
                                    {"sse4.2", crc_sse, &k},
                                    {"scalar", crc_scalar, &k},
                                    {"zlib crc32", crc_zlib, &k}}};
        tm_bench_run(k.bench, &c);
    }
    tm_bench_replay(k.bench, k.dir, dir_clear);
    if (tm_bench_wants(k.bench, "group fsync")) fsync_report(&k);
    if (tm_bench_wants(k.bench, "cold segment")) cold_report(&k);
    dir_clear(k.dir);
    rmdir(k.dir);
    return tm_bench_close(k.bench);
}
