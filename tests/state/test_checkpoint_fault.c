/* Every system call that changes a checkpoint folder, or reads its files, fails once in every way
   it can; and the process dies at each of them. What was acknowledged is there afterwards, whole,
   and what is there is a checkpoint that was taken. */
#include "base/error.h"
#include "state/checkpoint/checkpoint_store.h"
#include "state/file.h"
#include "tests/state/pages_bed.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGES = 60, WORKERS = 2, IDS = 4, DIED = 9 };

typedef enum fault {
    FAULT_NONE,
    FAULT_ENOSPC,
    FAULT_EIO,
    FAULT_EINTR,
    FAULT_SHORT,
    FAULT_DIE_BEFORE,
    FAULT_DIE_AFTER,
    FAULT_CNT,
} fault_t;

/* What outlives the child. */
typedef struct board {
    uint64_t acked; /* the last checkpoint that was said to be complete */
    uint64_t begun; /* the last one begun */
    uint32_t calls;
} board_t;

static board_t *board;
static uint32_t fail_at;
static fault_t fault;

/* True where this call is the chosen one and has failed. */
static bool fails(bool may_be_interrupted)
{
    if (++board->calls != fail_at) return false;
    if (fault == FAULT_DIE_BEFORE) _exit(DIED);
    errno = fault == FAULT_ENOSPC ? ENOSPC : fault == FAULT_EIO ? EIO : EINTR;
    return fault == FAULT_ENOSPC || fault == FAULT_EIO ||
           (fault == FAULT_EINTR && may_be_interrupted);
}

static int after(int rc)
{
    if (board->calls == fail_at && fault == FAULT_DIE_AFTER) _exit(DIED);
    return rc;
}

static int f_open(const char *path, int flags, mode_t mode)
{
    return fails(true) ? -1 : after(tm_file_ops_kernel()->open(path, flags, mode));
}

static int f_close(int fd)
{
    return tm_file_ops_kernel()->close(fd);
}

static ssize_t f_pwrite(int fd, const void *src, size_t sz, off_t off)
{
    if (fails(true)) return -1;
    bool torn = board->calls == fail_at && (fault == FAULT_SHORT || fault == FAULT_DIE_AFTER);
    return after((int)tm_file_ops_kernel()->pwrite(fd, src, torn && sz > 1 ? sz / 2 : sz, off));
}

static ssize_t f_pread(int fd, void *dst, size_t sz, off_t off)
{
    if (fails(true)) return -1;
    bool cut = board->calls == fail_at && fault == FAULT_SHORT;
    return tm_file_ops_kernel()->pread(fd, dst, cut && sz > 1 ? sz / 2 : sz, off);
}

static int f_fsync(int fd)
{
    return fails(true) ? -1 : after(tm_file_ops_kernel()->fsync(fd));
}

static int f_rename(const char *from, const char *to)
{
    return fails(false) ? -1 : after(tm_file_ops_kernel()->rename(from, to));
}

static int f_unlink(const char *path)
{
    return fails(false) ? -1 : after(tm_file_ops_kernel()->unlink(path));
}

static int f_mkdir(const char *path, mode_t mode)
{
    return fails(false) ? -1 : after(tm_file_ops_kernel()->mkdir(path, mode));
}

static const tm_file_ops_t faulty = {
    .open = f_open,
    .close = f_close,
    .pwrite = f_pwrite,
    .pread = f_pread,
    .fsync = f_fsync,
    .rename = f_rename,
    .unlink = f_unlink,
    .mkdir = f_mkdir,
};

/* ---- What checkpoint `id` holds, by formula -------------------------------------------------- */

static bool changes(uint32_t worker, uint32_t page, uint64_t id)
{
    return id == 1 || (page * 7 + id * 3 + worker) % 4 == 0;
}

static void page_fill(uint32_t worker, uint32_t page, uint64_t id, uint64_t *words)
{
    uint64_t rng = worker * 1000003 + page * 1009 + id;
    bool noisy = page % 3 == 0;
    uint64_t word = pages_bed_random(&rng);
    for (uint32_t i = 0; i < TM_PAGE_SZ / 8; i++)
        words[i] = noisy ? pages_bed_random(&rng) : word + i / 32;
}

/* Page as of checkpoint id: of the last one up to it that changed the page. Failed ones leave their
   changes to the next, which in this test changes the same pages. */
static bool page_is(uint32_t worker, uint32_t page, uint64_t stamp, const void *bytes)
{
    static uint64_t want[TM_PAGE_SZ / 8];
    page_fill(worker, page, stamp, want);
    return memcmp(want, bytes, sizeof want) == 0;
}

/* ---- The child ------------------------------------------------------------------------------- */

static int take(tm_checkpoint_store_t *s, uint64_t id, uint64_t stamps[WORKERS][PAGES])
{
    static uint64_t words[TM_PAGE_SZ / 8];
    board->begun = id;
    TM_TRY(tm_checkpoint_begin(s, id));
    for (uint32_t w = 0; w < WORKERS; w++)
        for (uint32_t page = 1; page < PAGES; page++) {
            /* Also what no complete checkpoint has yet. */
            if (!changes(w, page, id) && stamps[w][page] != 0) continue;
            page_fill(w, page, id, words);
            stamps[w][page] = id;
            TM_TRY(tm_checkpoint_put(s, w, PAGES, page, words));
        }
    size_t sz = sizeof(uint64_t) * WORKERS * PAGES;
    TM_TRY(tm_checkpoint_blob(s, "stamps", stamps, sz));
    return tm_checkpoint_commit(s, (int64_t)id);
}

static int work(const char *dir)
{
    tm_checkpoint_store_t *s;
    uint64_t stamps[WORKERS][PAGES] = {0}, tried[WORKERS][PAGES];
    tm_manifest_entry_t e;
    const tm_checkpoint_cfg_t cfg = {
        .dir = dir, .codec = TM_PARQUET_CODEC_LZ4_RAW, .retain = 2, .delta_max = 1};
    TM_TRY(tm_checkpoint_store_open(&s, &cfg));
    const tm_manifest_t *m = tm_checkpoint_manifest(s);
    uint64_t id = m ? m->head.id : 0;
    if (m && tm_manifest_find(m, TM_CHECKPOINT_BLOB, "stamps", &e))
        memcpy(stamps, e.data, sizeof stamps);
    int err = 0;
    while (err >= 0 && id < IDS) {
        memcpy(tried, stamps, sizeof tried);
        err = take(s, ++id, tried);
        if (err < 0) break;
        memcpy(stamps, tried, sizeof stamps);
        board->acked = id;
        err = tm_checkpoint_compact(s);
    }
    if (err < 0) tm_checkpoint_abort(s);
    if (err < 0 && !tm_error_text()[0]) _exit(3); /* an error without a sentence */
    tm_checkpoint_store_close(s);
    return err;
}

/* 0 = all was well, 1 = it ended with an error, DIED. */
static int child_run(const char *dir, fault_t kind, uint32_t at)
{
    board->calls = 0;
    pid_t pid = fork();
    tm_assert(pid >= 0);
    if (pid == 0) {
        fault = kind;
        fail_at = at;
        tm_file_ops_set(&faulty);
        _exit(work(dir) < 0);
    }
    int status;
    tm_assert_eq(waitpid(pid, &status, 0), pid);
    tm_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* ---- Checks ---------------------------------------------------------------------------------- */

static void check(const char *dir, const char *when)
{
    static uint8_t pages[PAGES][TM_PAGE_SZ];
    static uint64_t stamps[WORKERS][PAGES];
    tm_checkpoint_store_t *s;
    tm_manifest_entry_t e;
    const tm_checkpoint_cfg_t cfg = {.dir = dir, .codec = TM_PARQUET_CODEC_LZ4_RAW};
    int err = tm_checkpoint_store_open(&s, &cfg);
    if (err < 0) printf("# %s: %s\n", when, tm_error_text());
    tm_assert_eq(err, 0);
    const tm_manifest_t *m = tm_checkpoint_manifest(s);
    uint64_t id = m ? m->head.id : 0;
    if (id < board->acked || id > board->begun)
        printf("# %s: checkpoint %llu, acknowledged %llu, begun %llu\n", when,
               (unsigned long long)id, (unsigned long long)board->acked,
               (unsigned long long)board->begun);
    tm_assert(id >= board->acked && id <= board->begun);
    for (uint32_t w = 0; m && w < WORKERS; w++) {
        memset(pages, 0, sizeof pages);
        err = tm_checkpoint_load(s, w, pages, PAGES);
        if (err < 0) printf("# %s: %s\n", when, tm_error_text());
        tm_assert_eq(err, 0);
        tm_assert(tm_manifest_find(m, TM_CHECKPOINT_BLOB, "stamps", &e));
        memcpy(stamps, e.data, sizeof stamps);
        for (uint32_t page = 1; page < PAGES; page++) {
            tm_assert(stamps[w][page] >= 1 && stamps[w][page] <= id);
            tm_assert(page_is(w, page, stamps[w][page], pages[page]));
        }
    }
    tm_checkpoint_store_close(s);
}

static void dir_remove(const char *dir)
{
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d)) != NULL;) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) unlink(path);
    }
    if (d) closedir(d);
    rmdir(dir);
}

static void sweep(fault_t from, fault_t to)
{
    static const char *const names[] = {"",      "ENOSPC",      "EIO",       "EINTR",
                                        "short", "dies before", "dies after"};
    char base[64] = "/tmp/tm-checkpoint-fault-XXXXXX", dir[80], when[96];
    tm_assert(mkdtemp(base) != NULL);
    snprintf(dir, sizeof dir, "%s/c", base);
    board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    tm_assert(board != MAP_FAILED);
    *board = (board_t){0};
    tm_assert_eq(child_run(dir, FAULT_NONE, 0), 0);
    uint32_t calls = board->calls;
    tm_assert_eq(board->acked, (uint64_t)IDS);
    check(dir, "undisturbed");
    dir_remove(dir);
    tm_assert(calls > 60);
    for (fault_t kind = from; kind <= to; kind++)
        for (uint32_t at = 1; at <= calls; at++) {
            *board = (board_t){0};
            snprintf(when, sizeof when, "call %u of %u: %s", at, calls, names[kind]);
            int rc = child_run(dir, kind, at);
            if (rc == 3) printf("# %s: an error without a sentence\n", when);
            tm_assert(rc == 0 || rc == 1 || rc == DIED);
            if (kind == FAULT_EINTR || kind == FAULT_SHORT)
                if (rc != 0) printf("# %s: not continued\n", when);
            tm_assert(rc == 0 || (kind != FAULT_EINTR && kind != FAULT_SHORT));
            check(dir, when);
            /* And the next run goes on from there to the end. */
            tm_assert_eq(child_run(dir, FAULT_NONE, 0), 0);
            board->acked = board->begun = IDS;
            check(dir, when);
            dir_remove(dir);
        }
    printf("# %u calls\n", calls);
    munmap(board, sizeof *board);
    rmdir(base);
}

Test(checkpoint_fault, killed_before_or_after_any_call_what_was_acknowledged_is_there,
     .timeout = 600)
{
    sweep(FAULT_DIE_BEFORE, FAULT_DIE_AFTER);
}

Test(checkpoint_fault, a_call_that_fails_is_an_error_and_what_was_acknowledged_is_there,
     .timeout = 600)
{
    sweep(FAULT_ENOSPC, FAULT_EIO);
}

Test(checkpoint_fault, interrupted_and_short_calls_are_continued, .timeout = 600)
{
    sweep(FAULT_EINTR, FAULT_SHORT);
}
