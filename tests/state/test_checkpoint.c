#include "base/error.h"
#include "state/checkpoint/checkpoint_store.h"
#include "state/file.h"
#include "tests/state/pages_bed.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PAGES = 200, WORKERS = 3 };

static uint8_t now[WORKERS][PAGES][TM_PAGE_SZ];
static char said[4096];

static void on_damage(void *ctx, const char *text)
{
    (void)ctx;
    snprintf(said + strlen(said), sizeof said - strlen(said), "%s\n", text);
}

static void dir_make(char dir[64])
{
    snprintf(dir, 64, "/tmp/tm-checkpoint-XXXXXX");
    tm_assert(mkdtemp(dir) != NULL);
    memset(now, 0, sizeof now);
    said[0] = 0;
}

/* Calls fn for each file of the folder; returns how many there are that start with `prefix`. */
static uint32_t dir_walk(const char *dir, const char *prefix,
                         void (*fn)(const char *path, void *ctx), void *ctx)
{
    uint32_t cnt = 0;
    DIR *d = opendir(dir);
    tm_assert(d != NULL);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        char path[1024];
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        if (strncmp(e->d_name, prefix, strlen(prefix)) != 0) continue;
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        if (fn) fn(path, ctx);
        cnt++;
    }
    closedir(d);
    return cnt;
}

static void remove_one(const char *path, void *ctx)
{
    (void)ctx;
    unlink(path);
}

static void dir_remove(const char *dir)
{
    dir_walk(dir, "", remove_one, NULL);
    tm_assert_eq(rmdir(dir), 0);
}

static tm_checkpoint_store_t *store_open(const char *dir, const tm_checkpoint_cfg_t *more)
{
    tm_checkpoint_store_t *s;
    tm_checkpoint_cfg_t cfg = more ? *more
                                   : (tm_checkpoint_cfg_t){.codec = TM_PARQUET_CODEC_LZ4_RAW};
    cfg.dir = dir;
    cfg.on_damage = on_damage;
    int err = tm_checkpoint_store_open(&s, &cfg);
    if (err < 0) printf("# %s\n", tm_error_text());
    tm_assert_eq(err, 0);
    return s;
}

/* Changes some pages of the workers and writes them into the checkpoint under way. */
static void change(tm_checkpoint_store_t *s, uint64_t *seed, uint32_t one_in)
{
    for (uint32_t w = 0; w < WORKERS; w++)
        for (uint32_t page = 1; page < PAGES; page++) {
            if (pages_bed_random(seed) % one_in != 0) continue;
            /* Some pages compress well, some not at all. */
            uint64_t r = pages_bed_random(seed);
            uint64_t *words = (uint64_t *)(void *)now[w][page];
            for (uint32_t i = 0; i < TM_PAGE_SZ / 8; i++)
                words[i] = r % 3 == 0 ? pages_bed_random(seed) : r + i / 64;
            tm_assert_eq(tm_checkpoint_put(s, w, PAGES, page, now[w][page]), 0);
        }
    tm_assert_eq(tm_checkpoint_blob(s, "seed", seed, sizeof *seed), 0);
    tm_assert_eq(tm_checkpoint_blob(s, "empty", NULL, 0), 0);
}

static void expect_loaded(tm_checkpoint_store_t *s, uint64_t seed)
{
    static uint8_t pages[PAGES][TM_PAGE_SZ];
    tm_manifest_entry_t e;
    for (uint32_t w = 0; w < WORKERS; w++) {
        memset(pages, 0, sizeof pages);
        int err = tm_checkpoint_load(s, w, pages, PAGES);
        if (err < 0) printf("# %s\n", tm_error_text());
        tm_assert_eq(err, 0);
        tm_assert_eq(memcmp(pages, now[w], sizeof pages), 0);
    }
    tm_assert(tm_manifest_find(tm_checkpoint_manifest(s), TM_CHECKPOINT_BLOB, "seed", &e));
    tm_assert(e.head.data_sz == sizeof seed && memcmp(e.data, &seed, sizeof seed) == 0);
    tm_assert(tm_manifest_find(tm_checkpoint_manifest(s), TM_CHECKPOINT_BLOB, "empty", &e));
    tm_assert_eq(e.head.data_sz, 0u);
}

static void run(tm_parquet_codec_t codec, uint32_t delta_max)
{
    char dir[64];
    uint64_t seed = codec + 1;
    const tm_checkpoint_cfg_t cfg = {.codec = codec, .retain = 3, .delta_max = delta_max};
    dir_make(dir);
    tm_checkpoint_store_t *s = store_open(dir, &cfg);
    tm_assert(tm_checkpoint_manifest(s) == NULL);
    for (uint64_t id = 1; id <= 40; id++) {
        tm_assert_eq(tm_checkpoint_begin(s, id * 10), 0);
        change(s, &seed, id == 1 ? 1 : 12);
        tm_assert_eq(tm_checkpoint_commit(s, (int64_t)id), 0);
        expect_loaded(s, seed);
        if (id % 2) {
            tm_checkpoint_store_close(s);
            s = store_open(dir, &cfg);
            tm_assert_eq(tm_checkpoint_manifest(s)->head.id, id * 10);
            expect_loaded(s, seed);
        }
        int merged;
        while ((merged = tm_checkpoint_compact(s)) == 1) expect_loaded(s, seed);
        tm_assert_eq(merged, 0);
        tm_assert_eq(dir_walk(dir, "manifest-", NULL, NULL), id < 3 ? (uint32_t)id : 3u);
    }
    tm_assert(dir_walk(dir, "pages-", NULL, NULL) <= WORKERS * (delta_max + 4));
    tm_assert(dir_walk(dir, "base-", NULL, NULL) >= WORKERS);
    tm_assert_str(said, "");
    tm_checkpoint_store_close(s);
    dir_remove(dir);
}

Test(checkpoint, each_gives_back_the_pages_as_they_were_whatever_was_merged_and_removed)
{
    run(TM_PARQUET_CODEC_NONE, 64);
    run(TM_PARQUET_CODEC_LZ4_RAW, 5);
    run(TM_PARQUET_CODEC_ZSTD, 3);
}

Test(checkpoint, writes_only_what_changed)
{
    char dir[64];
    uint64_t seed = 9;
    dir_make(dir);
    tm_checkpoint_store_t *s = store_open(dir, NULL);
    tm_assert_eq(tm_checkpoint_begin(s, 1), 0);
    change(s, &seed, 1);
    tm_assert_eq(tm_checkpoint_commit(s, 0), 0);
    uint64_t all = tm_checkpoint_counts(s).pages;
    tm_assert_eq(all, (uint64_t)WORKERS * (PAGES - 1));
    tm_assert_eq(tm_checkpoint_begin(s, 2), 0);
    tm_assert_eq(tm_checkpoint_put(s, 1, PAGES, 5, now[2][9]), 0);
    memcpy(now[1][5], now[2][9], TM_PAGE_SZ);
    tm_assert_eq(tm_checkpoint_blob(s, "seed", &seed, sizeof seed), 0);
    tm_assert_eq(tm_checkpoint_blob(s, "empty", "", 0), 0);
    tm_assert_eq(tm_checkpoint_commit(s, 0), 0);
    tm_assert_eq(tm_checkpoint_counts(s).pages, all + 1);
    tm_assert_eq(dir_walk(dir, "pages-", NULL, NULL), WORKERS + 1u);
    expect_loaded(s, seed);
    tm_checkpoint_store_close(s);
    dir_remove(dir);
}

/* Few pages change of many, so that only the number of files asks for a merge. */
Test(checkpoint, those_of_many_workers_never_name_more_files_than_a_manifest_holds)
{
    enum { MANY = 32 };
    char dir[64];
    uint64_t seed = 7;
    dir_make(dir);
    tm_checkpoint_store_t *s = store_open(dir, NULL);
    for (uint64_t id = 1; id <= TM_CHECKPOINT_ENTRY_MAX / MANY + 8; id++) {
        tm_assert_eq(tm_checkpoint_begin(s, id), 0);
        for (uint32_t w = 0; w < MANY; w++)
            for (uint32_t page = 1; page < (id == 1 ? PAGES : 2); page++) {
                uint64_t *words = (uint64_t *)(void *)now[0][page];
                for (uint32_t i = 0; i < TM_PAGE_SZ / 8; i++)
                    words[i] = id == 1 ? pages_bed_random(&seed) : id;
                tm_assert_eq(tm_checkpoint_put(s, w, PAGES, page, words), 0);
            }
        tm_assert_eq(tm_checkpoint_commit(s, (int64_t)id), 0);
        int merged;
        while ((merged = tm_checkpoint_compact(s)) == 1) {
        }
        tm_assert_eq(merged, 0);
    }
    tm_checkpoint_store_close(s);
    dir_remove(dir);
}

Test(checkpoint, an_aborted_one_leaves_the_one_before_and_nothing_else)
{
    char dir[64];
    uint64_t seed = 4, kept;
    static uint8_t was[sizeof now];
    dir_make(dir);
    tm_checkpoint_store_t *s = store_open(dir, NULL);
    tm_assert_eq(tm_checkpoint_begin(s, 1), 0);
    change(s, &seed, 2);
    tm_assert_eq(tm_checkpoint_commit(s, 0), 0);
    memcpy(was, now, sizeof now);
    kept = seed;
    tm_assert_eq(tm_checkpoint_begin(s, 2), 0);
    change(s, &seed, 2);
    tm_checkpoint_abort(s);
    tm_assert_eq(dir_walk(dir, "pages-", NULL, NULL), (uint32_t)WORKERS);
    memcpy(now, was, sizeof now);
    expect_loaded(s, kept);
    tm_checkpoint_store_t *other;
    tm_assert_eq(tm_checkpoint_store_open(&other, &(tm_checkpoint_cfg_t){.dir = dir}), -EBUSY);
    tm_checkpoint_store_close(s);
    dir_remove(dir);
}

/* ---- Damage ---------------------------------------------------------------------------------- */

static void two_checkpoints(const char *dir, uint64_t *seed, uint8_t *was)
{
    tm_checkpoint_store_t *s = store_open(dir, NULL);
    for (uint64_t id = 1; id <= 2; id++) {
        tm_assert_eq(tm_checkpoint_begin(s, id), 0);
        change(s, seed, 3);
        tm_assert_eq(tm_checkpoint_commit(s, 0), 0);
        if (id == 1) memcpy(was, now, sizeof now), was[sizeof now] = 0;
    }
    tm_checkpoint_store_close(s);
}

static void flip_byte(const char *path, void *ctx)
{
    uint64_t r = *(uint64_t *)ctx;
    struct stat st;
    uint8_t byte;
    int fd = open(path, O_RDWR);
    tm_assert(fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 0);
    off_t at = (off_t)(r % (uint64_t)st.st_size);
    tm_assert_eq(pread(fd, &byte, 1, at), 1);
    byte ^= (uint8_t)(1u << (r >> 32) % 8);
    tm_assert_eq(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

static void cut(const char *path, void *ctx)
{
    struct stat st;
    tm_assert(stat(path, &st) == 0);
    tm_assert_eq(truncate(path, (off_t)(*(uint64_t *)ctx % (uint64_t)st.st_size)), 0);
}

/* Whether all three workers can be loaded. */
static bool loads(tm_checkpoint_store_t *s)
{
    static uint8_t pages[PAGES][TM_PAGE_SZ];
    for (uint32_t w = 0; w < WORKERS; w++)
        if (tm_checkpoint_load(s, w, pages, PAGES) < 0) return false;
    return true;
}

Test(checkpoint, a_manifest_with_any_bit_changed_is_told_of_and_the_one_before_is_taken)
{
    static uint8_t was[sizeof now + 1];
    char dir[64];
    uint64_t seed = 1, rng = 77;
    for (uint32_t round = 0; round < 60; round++) {
        dir_make(dir);
        two_checkpoints(dir, &seed, was);
        uint64_t r = pages_bed_random(&rng);
        uint32_t pages_before = dir_walk(dir, "pages-", NULL, NULL);
        dir_walk(dir, "manifest-00000000000000000002", round % 2 ? cut : flip_byte, &r);
        tm_checkpoint_store_t *s = store_open(dir, NULL);
        tm_assert_eq(tm_checkpoint_manifest(s)->head.id, 1u);
        tm_assert(strstr(said, "checkpoint 2 cannot be used: ") != NULL);
        tm_assert_eq(dir_walk(dir, "pages-", NULL, NULL), pages_before);
        memcpy(now, was, sizeof now);
        tm_assert(loads(s));
        tm_checkpoint_store_close(s);
        dir_remove(dir);
    }
}

static uint32_t reads, failing_read;

static ssize_t read_fails(int fd, void *dst, size_t sz, off_t off)
{
    if (++reads != failing_read) return tm_file_ops_kernel()->pread(fd, dst, sz, off);
    errno = EIO;
    return -1;
}

/* By the next start it may be readable again, and what was built on the one before it would be of
   another past. */
Test(checkpoint, one_that_cannot_be_read_now_is_an_error_and_not_passed_over)
{
    char dir[64];
    uint64_t seed = 1;
    static uint8_t was[sizeof now + 1];
    tm_file_ops_t ops = *tm_file_ops_kernel();
    tm_checkpoint_store_t *s = NULL;
    dir_make(dir);
    two_checkpoints(dir, &seed, was);
    const tm_checkpoint_cfg_t cfg = {.dir = dir};
    ops.pread = read_fails;
    tm_file_ops_set(&ops);
    for (failing_read = 1;; failing_read++) {
        reads = 0;
        const int err = tm_checkpoint_store_open(&s, &cfg);
        if (reads < failing_read) break;
        tm_assert_eq(err, -EIO);
        tm_assert(strstr(tm_error_text(), "neither used nor passed over"));
    }
    tm_file_ops_set(NULL);
    tm_assert(failing_read > 6);
    tm_checkpoint_store_close(s);
    dir_remove(dir);
}

Test(checkpoint, a_page_file_with_any_bit_changed_is_never_loaded)
{
    static uint8_t was[sizeof now + 1];
    char dir[64];
    uint64_t seed = 1, rng = 5;
    for (uint32_t round = 0; round < 60; round++) {
        dir_make(dir);
        two_checkpoints(dir, &seed, was);
        uint64_t r = pages_bed_random(&rng);
        /* Zeros behind a record are covered by no checksum and carry nothing. */
        dir_walk(dir, "pages-00000000000000000002-001", round % 2 ? cut : flip_byte, &r);
        tm_checkpoint_store_t *s = store_open(dir, NULL);
        if (tm_checkpoint_manifest(s)->head.id == 2) {
            static uint8_t pages[PAGES][TM_PAGE_SZ];
            memset(pages, 0, sizeof pages);
            int err = tm_checkpoint_load(s, 1, pages, PAGES);
            tm_assert(err == TM_E_CORRUPT || memcmp(pages, now[1], sizeof pages) == 0);
            tm_assert(err < 0 || round % 2 == 0);
        } else {
            tm_assert(said[0] != 0);
        }
        tm_checkpoint_store_close(s);
        dir_remove(dir);
    }
}

Test(checkpoint, files_that_no_checkpoint_names_go_and_foreign_ones_stay)
{
    static uint8_t was[sizeof now + 1];
    static const char *const ours[] = {"pages-00000000000000000003-000.tmp1",
                                       "base-00000000000000000002-001.tmp1",
                                       ".manifest-00000000000000000003.tmc"};
    static const char *const foreign[] = {"pages-3-0.tmp1", "notes.txt", "manifest-latest.tmc",
                                          "pages-00000000000000000003-000.tmp1.bak"};
    char dir[64], path[256];
    uint64_t seed = 1;
    dir_make(dir);
    two_checkpoints(dir, &seed, was);
    for (uint32_t i = 0; i < 7; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, i < 3 ? ours[i] : foreign[i - 3]);
        int fd = open(path, O_WRONLY | O_CREAT, 0644);
        tm_assert(fd >= 0 && write(fd, "x", 1) == 1);
        close(fd);
    }
    tm_checkpoint_store_t *s = store_open(dir, NULL);
    for (uint32_t i = 0; i < 7; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, i < 3 ? ours[i] : foreign[i - 3]);
        tm_assert_eq(access(path, F_OK) == 0, i >= 3);
    }
    expect_loaded(s, seed);
    tm_checkpoint_store_close(s);
    dir_remove(dir);
}

/* ---- Golden files ---------------------------------------------------------------------------- */

/* What tests/golden/checkpoint holds: two workers, five pages, the odd ones changed by the second
   checkpoint. The same formula is in tests/reference/checkpoint_reader.py. */
static void golden_page(uint32_t worker, uint32_t page, uint64_t id, uint64_t *words)
{
    for (uint32_t i = 0; i < TM_PAGE_SZ / 8; i++)
        words[i] = worker * 1000 + page * 10 + id + i / 64;
}

static void golden_write(const char *dir)
{
    static uint64_t words[TM_PAGE_SZ / 8];
    tm_checkpoint_store_t *s = store_open(dir, NULL);
    for (uint64_t id = 1; id <= 2; id++) {
        tm_assert_eq(tm_checkpoint_begin(s, id), 0);
        for (uint32_t w = 0; w < 2; w++)
            for (uint32_t page = 1; page <= 5; page++) {
                if (id == 2 && page % 2 == 0) continue;
                golden_page(w, page, id, words);
                tm_assert_eq(tm_checkpoint_put(s, w, 8, page, words), 0);
            }
        tm_assert_eq(tm_checkpoint_blob(s, "name", "value", 5), 0);
        tm_assert_eq(tm_checkpoint_blob(s, "empty", "", 0), 0);
        tm_assert_eq(tm_checkpoint_commit(s, 1700000000000000000 + (int64_t)id), 0);
    }
    tm_checkpoint_store_close(s);
}

static void golden_check(const char *dir)
{
    static uint64_t pages[8][TM_PAGE_SZ / 8], want[TM_PAGE_SZ / 8];
    tm_checkpoint_store_t *s = store_open(dir, NULL);
    const tm_manifest_t *m = tm_checkpoint_manifest(s);
    tm_manifest_entry_t e;
    tm_assert(m != NULL && m->head.id == 2 && m->head.created_ns == 1700000000000000002);
    tm_assert(tm_manifest_find(m, TM_CHECKPOINT_BLOB, "name", &e));
    tm_assert(e.head.data_sz == 5 && memcmp(e.data, "value", 5) == 0);
    for (uint32_t w = 0; w < 2; w++) {
        memset(pages, 0, sizeof pages);
        tm_assert_eq(tm_checkpoint_load(s, w, pages, 8), 0);
        for (uint32_t page = 1; page <= 5; page++) {
            golden_page(w, page, page % 2 ? 2 : 1, want);
            tm_assert_eq(memcmp(pages[page], want, sizeof want), 0);
        }
    }
    tm_checkpoint_store_close(s);
}

static void copy_one(const char *path, void *ctx)
{
    static uint8_t bytes[1 << 20];
    char to[256];
    snprintf(to, sizeof to, "%s/%s", (const char *)ctx, strrchr(path, '/') + 1);
    int in = open(path, O_RDONLY), out = open(to, O_WRONLY | O_CREAT, 0644);
    tm_assert(in >= 0 && out >= 0);
    ssize_t sz = read(in, bytes, sizeof bytes);
    tm_assert(sz >= 0 && write(out, bytes, (size_t)sz) == sz);
    close(in);
    close(out);
}

Test(checkpoint, files_of_version_1_are_read_for_ever)
{
    char dir[64], golden[512], *root = getenv("TM_SOURCE_ROOT");
    if (!root) tm_skip("TM_SOURCE_ROOT is not set");
    snprintf(golden, sizeof golden, "%s/tests/golden/checkpoint/v1", root);
    dir_make(dir);
    tm_assert(dir_walk(golden, "", copy_one, dir) > 0);
    golden_check(dir);
    dir_remove(dir);
}

Test(checkpoint, the_reader_in_python_agrees)
{
    char dir[64], command[700], *root = getenv("TM_SOURCE_ROOT");
    if (!root) tm_skip("TM_SOURCE_ROOT is not set");
    dir_make(dir);
    golden_write(dir);
    golden_check(dir);
    snprintf(command, sizeof command,
             "python3 %s/tests/reference/checkpoint_reader.py --expect-formula %s >/dev/null", root,
             dir);
    tm_assert_eq(system(command), 0);
    dir_remove(dir);
}
