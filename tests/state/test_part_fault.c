/* Every system call of the commit path fails once, in every way it can; and the process dies at
   each of them. What was prepared and committed is there afterwards, exactly once, and nothing
   else. */
#include "base/error.h"
#include "state/file.h"
#include "tests/state/part_fixture.h"
#include "tests/tm_test.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* A transaction is two writes of a row group each: the second one flushes the first. */
enum { GROUP = 60, BATCH = 2 * GROUP, TXNS = 3, SKIP = 77 };

#define ALL ((1u << TXNS) - 1)

typedef enum fault {
    FAULT_NONE,
    FAULT_ENOSPC,
    FAULT_EIO,
    FAULT_EINTR,
    FAULT_SHORT,
    FAULT_DIE_BEFORE,
    FAULT_DIE_AFTER,
} fault_t;

/* CSV instead of Parquet: small parts that are rolled within transactions and go on over them. */
static bool by_row;

/* Checkpoints that small parts wait for each other, to be merged; 0 = they do not. */
static uint32_t merge_every;

static uint32_t calls, fail_at;
static fault_t fault;
static bool hit_sync;

/* True where this call is the chosen one and has failed. */
static bool fails(bool may_be_interrupted)
{
    if (++calls != fail_at) return false;
    switch (fault) {
    case FAULT_ENOSPC:
        errno = ENOSPC;
        return true;
    case FAULT_EIO:
        errno = EIO;
        return true;
    case FAULT_EINTR:
        errno = EINTR;
        return may_be_interrupted;
    case FAULT_DIE_BEFORE:
        _exit(9);
    case FAULT_DIE_AFTER:
    case FAULT_SHORT:
    case FAULT_NONE:
        return false;
    }
    return false;
}

static void after(void)
{
    if (calls == fail_at && fault == FAULT_DIE_AFTER) _exit(9);
}

static int f_open(const char *path, int flags, mode_t mode)
{
    if (fails(true)) return -1;
    int fd = tm_file_ops_kernel()->open(path, flags, mode);
    after();
    return fd;
}

static int f_close(int fd)
{
    return tm_file_ops_kernel()->close(fd);
}

static ssize_t f_pwrite(int fd, const void *src, size_t sz, off_t off)
{
    if (fails(true)) return -1;
    if (calls == fail_at && fault == FAULT_SHORT && sz > 1) sz /= 2;
    if (calls == fail_at && fault == FAULT_DIE_AFTER) sz = sz / 2 + 1; /* torn */
    ssize_t n = tm_file_ops_kernel()->pwrite(fd, src, sz, off);
    after();
    return n;
}

static ssize_t f_pread(int fd, void *dst, size_t sz, off_t off)
{
    if (fails(true)) return -1;
    ssize_t n = tm_file_ops_kernel()->pread(fd, dst, sz, off);
    after();
    return n;
}

static int f_fsync(int fd)
{
    if (fails(true)) {
        hit_sync = errno != EINTR;
        return -1;
    }
    int rc = tm_file_ops_kernel()->fsync(fd);
    after();
    return rc;
}

static int f_ftruncate(int fd, off_t sz)
{
    if (fails(true)) return -1;
    int rc = tm_file_ops_kernel()->ftruncate(fd, sz);
    after();
    return rc;
}

static int f_rename(const char *from, const char *to)
{
    if (fails(false)) return -1;
    int rc = tm_file_ops_kernel()->rename(from, to);
    after();
    return rc;
}

static int f_unlink(const char *path)
{
    if (fails(false)) return -1;
    int rc = tm_file_ops_kernel()->unlink(path);
    after();
    return rc;
}

static int f_mkdir(const char *path, mode_t mode)
{
    if (fails(false)) return -1;
    int rc = tm_file_ops_kernel()->mkdir(path, mode);
    after();
    return rc;
}

static const tm_file_ops_t faulty = {
    .open = f_open,
    .close = f_close,
    .pwrite = f_pwrite,
    .fsync = f_fsync,
    .ftruncate = f_ftruncate,
    .rename = f_rename,
    .unlink = f_unlink,
    .mkdir = f_mkdir,
    .pread = f_pread,
};

static void arm(fault_t kind, uint32_t at)
{
    calls = 0;
    fail_at = at;
    fault = kind;
    hit_sync = false;
    tm_file_ops_set(&faulty);
}

static void disarm(void)
{
    tm_file_ops_set(NULL);
}

typedef struct world {
    char dir[256], parts[300];
    tm_fixture_t fx;
    tm_part_sink_cfg_t cfg;
} world_t;

static void world_open(world_t *w)
{
    *w = (world_t){0};
    tm_fixture_dir(w->dir);
    snprintf(w->parts, sizeof w->parts, "%s/out/parts", w->dir);
    tm_fixture_trades(&w->fx, 5, BATCH * TXNS, 3);
    w->cfg = (tm_part_sink_cfg_t){.dir = w->parts,
                                  .schema = &w->fx.schema,
                                  .symbols = w->fx.symbols,
                                  .compression = TM_COMPRESS_ZSTD,
                                  .group_rows = GROUP,
                                  .checkpointed = true};
    w->cfg.compact.checkpoints = merge_every;
    if (!by_row) return;
    w->cfg.format = TM_PART_CSV;
    w->cfg.buffer_sz = 2000;
    w->cfg.roll.max_sz = 9000;
}

static void world_close(world_t *w)
{
    tm_fixture_remove(w->dir);
    tm_fixture_free(&w->fx);
}

/* A transient error: the text names the folder, and the call succeeds once the cause is gone. */
#define RETRY(call)                                                                                \
    do {                                                                                           \
        int err_ = (call);                                                                         \
        if (err_ == 0) break;                                                                      \
        tm_assert(strstr(tm_error_text(), w->dir) != NULL);                                        \
        disarm();                                                                                  \
        err_ = (call);                                                                             \
        if (err_ != 0) fprintf(stderr, "# retry: %s\n", tm_error_text());                          \
        tm_assert_eq(err_, 0);                                                                     \
    } while (0)

/* Ticks enough to merge what is due. */
static int merge_due(tm_sink_t *s)
{
    int err = 0;
    for (int i = 0; merge_every > 0 && err == 0 && i < 3; i++) err = s->ops->tick(s, i);
    return err;
}

/* Returns the batches that were committed, a bit each. */
static uint32_t scenario(world_t *w)
{
    tm_sink_t *s;
    uint32_t committed = 0;
    RETRY(tm_part_sink_open(&s, &w->cfg));
    for (uint32_t n = 0; n < TXNS; n++) {
        RETRY(s->ops->write(s, tm_fixture_row(&w->fx, n * BATCH), GROUP));
        RETRY(s->ops->write(s, tm_fixture_row(&w->fx, n * BATCH + GROUP), GROUP));
        int err = s->ops->prepare(s, n + 1);
        if (err != 0) {
            tm_assert(strstr(tm_error_text(), w->dir) != NULL);
            bool sync = hit_sync;
            disarm();
            err = s->ops->prepare(s, n + 1);
            if (err != 0) { /* only a failed fsync of the part itself is final */
                tm_assert(sync);
                tm_assert(strstr(tm_error_text(), "cannot be trusted") != NULL);
                tm_assert_eq(s->ops->abort(s), 0);
                continue;
            }
        }
        RETRY(s->ops->commit(s, n + 1));
        RETRY(merge_due(s));
        committed |= 1u << n;
    }
    s->ops->close(s);
    return committed;
}

/* Rows of committed batches are there once, in files that go on too, and no other row is. */
static void check_rows(const world_t *w, uint32_t committed)
{
    uint32_t times[BATCH * TXNS];
    tm_fixture_count_t c = tm_fixture_csv(&w->fx, w->parts, times);
    tm_assert(!c.broken);
    for (uint32_t i = 0; i < BATCH * TXNS; i++)
        tm_assert_eq(times[i], committed >> (i / BATCH) & 1);
}

static void check(world_t *w, uint32_t committed, uint64_t txn_id)
{
    tm_sink_t *s;
    disarm();
    int err = tm_part_sink_open(&s, &w->cfg);
    if (err == 0) err = s->ops->recover(s, txn_id);
    if (err == 0 && merge_every > 0) { /* what waits comes out at the end */
        if (s->ops->end(s) != 0 || s->ops->prepare(s, TXNS + 1) != 0) err = -1;
        if (err == 0) err = s->ops->commit(s, TXNS + 1);
    }
    if (err != 0) fprintf(stderr, "# recovery: %s\n", tm_error_text());
    tm_assert_eq(err, 0);
    if (by_row) {
        check_rows(w, committed);
    } else {
        tm_fixture_count_t c = tm_fixture_count(w->parts);
        tm_assert(!c.broken);
        tm_assert_eq(c.hidden, 0u);
        tm_assert_eq(c.rows, (uint64_t)__builtin_popcount(committed) * BATCH);
    }
    s->ops->close(s);
}

/* One run for each call of the scenario; returns how many calls there were. */
static uint32_t sweep(fault_t kind)
{
    for (uint32_t at = 1;; at++) {
        world_t w;
        world_open(&w);
        arm(kind, at);
        uint32_t committed = scenario(&w);
        bool last = tm_file_ops_set(&faulty) == &faulty && calls < at;
        check(&w, committed, TXNS);
        world_close(&w);
        if (last) return at - 1;
        tm_assert(at < 500);
    }
}

/* Of Parquet, of text, of Parquet whose parts are merged. */
static void set_mode(int mode)
{
    by_row = mode == 1;
    merge_every = mode == 2 ? 2 : 0;
}

static void sweep_modes(fault_t kind)
{
    for (int mode = 0; mode < 3; mode++) {
        set_mode(mode);
        const uint32_t cnt = sweep(kind);
        fprintf(stderr, "# mode %d: %u calls failed in turn\n", mode, cnt);
        tm_assert(cnt > 30);
    }
}

Test(part_fault, a_full_disk_at_any_call_loses_nothing_that_a_retry_cannot_bring)
{
    sweep_modes(FAULT_ENOSPC);
}

Test(part_fault, a_device_error_at_any_call_leaves_no_broken_part)
{
    sweep_modes(FAULT_EIO);
}

static void survive(fault_t kind)
{
    for (uint32_t at = 1; at < 60; at++) {
        world_t w;
        world_open(&w);
        arm(kind, at);
        tm_assert_eq(scenario(&w), ALL);
        check(&w, ALL, TXNS);
        world_close(&w);
    }
}

Test(part_fault, an_interrupted_call_is_repeated)
{
    by_row = false;
    survive(FAULT_EINTR);
    by_row = true;
    survive(FAULT_EINTR);
}

Test(part_fault, a_short_write_is_continued)
{
    by_row = false;
    survive(FAULT_SHORT);
    by_row = true;
    survive(FAULT_SHORT);
}

/* One call of a recovery fails; the next attempt makes up for it. Returns false where there were
   fewer calls. */
static bool recover_once(fault_t kind, uint32_t at)
{
    world_t world, *w = &world;
    tm_sink_t *s;
    world_open(w);
    tm_assert_eq(tm_part_sink_open(&s, &w->cfg), 0);
    for (uint32_t n = 0; n < TXNS; n++) {
        tm_assert_eq(s->ops->write(s, tm_fixture_row(&w->fx, n * BATCH), GROUP), 0);
        tm_assert_eq(s->ops->write(s, tm_fixture_row(&w->fx, n * BATCH + GROUP), GROUP), 0);
        if (n < 2) tm_assert_eq(s->ops->prepare(s, n + 1), 0);
    }
    s->ops->close(s);
    arm(kind, at);
    RETRY(tm_part_sink_open(&s, &w->cfg));
    RETRY(s->ops->recover(s, 2));
    const bool hit = calls >= at;
    disarm();
    s->ops->close(s);
    check(w, 3, 2);
    world_close(w);
    return hit;
}

Test(part_fault, a_recovery_that_fails_at_any_call_is_repeated)
{
    for (by_row = false;; by_row = true) {
        uint32_t at = 1;
        while (recover_once(FAULT_EIO, at)) at++;
        tm_assert(at > 10);
        if (by_row) return;
    }
}

/* The child tells through shared memory which transaction was decided (its root written) before it
   called commit. Returns false once the child outlived the scenario. */
static bool die_once(fault_t kind, uint32_t at)
{
    world_t w;
    world_open(&w);
    uint64_t *decided = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    tm_assert(decided != MAP_FAILED);
    pid_t pid = fork();
    if (pid == 0) {
        tm_sink_t *s;
        arm(kind, at);
        if (tm_part_sink_open(&s, &w.cfg) != 0) _exit(3);
        for (uint32_t n = 0; n < TXNS; n++) {
            if (s->ops->write(s, tm_fixture_row(&w.fx, n * BATCH), GROUP) != 0) _exit(4);
            if (s->ops->write(s, tm_fixture_row(&w.fx, n * BATCH + GROUP), GROUP) != 0) _exit(4);
            if (s->ops->prepare(s, n + 1) != 0) _exit(5);
            *decided = n + 1;
            if (s->ops->commit(s, n + 1) != 0 || merge_due(s) != 0) _exit(6);
        }
        _exit(0);
    }
    int status = 0;
    tm_assert_eq(waitpid(pid, &status, 0), pid);
    tm_assert(WIFEXITED(status));
    tm_assert(WEXITSTATUS(status) == 9 || WEXITSTATUS(status) == 0);
    tm_assert(by_row || tm_fixture_count(w.parts).rows <= *decided * BATCH);
    check(&w, (1u << *decided) - 1, *decided);
    munmap(decided, 4096);
    world_close(&w);
    return WEXITSTATUS(status) == 9;
}

static void die_everywhere(fault_t kind)
{
    for (int mode = 0; mode < 3; mode++) {
        uint32_t at = 1;
        set_mode(mode);
        while (die_once(kind, at)) at++;
        fprintf(stderr, "# mode %d: died at each of %u calls\n", mode, at - 1);
        tm_assert(at > 30);
    }
}

Test(part_fault, a_death_before_any_call_keeps_exactly_the_decided_transactions)
{
    die_everywhere(FAULT_DIE_BEFORE);
}

Test(part_fault, a_death_after_any_call_keeps_exactly_the_decided_transactions)
{
    die_everywhere(FAULT_DIE_AFTER);
}

/* A file system of 256 KiB of our own, in a mount namespace that goes with the process. */
static bool mount_small(const char *dir)
{
    if (unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return false;
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) return false;
    return mount("tm", dir, "tmpfs", 0, "size=256k") == 0;
}

static int fill_disk(world_t *w)
{
    tm_sink_t *s;
    if (!mount_small(w->dir)) return SKIP;
    w->cfg.group_rows = 0;
    if (tm_part_sink_open(&s, &w->cfg) != 0) return 1;
    uint32_t committed = 0;
    int err = 0;
    for (uint32_t n = 1; err == 0 && n < 1000; n++) {
        for (uint32_t i = 0; err == 0 && i < 20; i++)
            err = s->ops->write(s, tm_fixture_row(&w->fx, 0), BATCH * TXNS);
        if (err == 0) err = s->ops->prepare(s, n);
        if (err == 0) err = s->ops->commit(s, n);
        if (err == 0) committed = n;
    }
    if (err != -ENOSPC || committed == 0) return 2;
    if (!strstr(tm_error_text(), w->parts) || !strstr(tm_error_text(), "free space")) return 3;
    tm_fixture_count_t c = tm_fixture_count(w->parts);
    if (c.broken || c.rows != committed * 20ull * BATCH * TXNS) return 4;
    /* Room is made: what could not be written goes out after all. */
    if (mount("tm", w->dir, "tmpfs", MS_REMOUNT, "size=4m") != 0) return 5;
    if (s->ops->prepare(s, committed + 1) != 0 || s->ops->commit(s, committed + 1) != 0) return 6;
    c = tm_fixture_count(w->parts);
    if (c.broken || c.hidden != 0 || c.rows != (committed + 1) * 20ull * BATCH * TXNS) return 7;
    s->ops->close(s);
    return 0;
}

Test(part_fault, a_full_file_system_is_told_and_nothing_finished_is_lost)
{
    world_t w;
    int status = 0;
    world_open(&w);
    pid_t pid = fork();
    if (pid == 0) _exit(fill_disk(&w));
    tm_assert_eq(waitpid(pid, &status, 0), pid);
    world_close(&w);
    tm_assert(WIFEXITED(status));
    if (WEXITSTATUS(status) == SKIP) tm_skip("this system lets us mount no tmpfs");
    tm_assert_eq(WEXITSTATUS(status), 0);
}
