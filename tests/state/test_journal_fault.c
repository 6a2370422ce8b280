/* Disks that are full, fail or lose power. The power cut is a model of its own: what was written
   since the last fsync survives sector by sector, or not, as a seeded coin says. */
#include "base/error.h"
#include "state/file.h"
#include "tests/state/journal_make.h"
#include "tests/tm_test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECTOR_SZ = 512, UNDO_MAX = 4096 };

static const tm_make_t make = {.seed = 99, .payload_sz_max = 1500};

/* What the hooks do; one test at a time. */
static struct {
    int write_err, sync_err, reserve_err; /* errno to fail with; 0 = none */
    int64_t room_sz;                      /* bytes until the disk is full; < 0 = endless */
    bool halves;                          /* writes take half of what they are given */
    bool dead;                            /* the machine is off: nothing succeeds */
    bool logging;
    int64_t read_bad_off; /* reads of this sector fail; < 0 = none */
    uint32_t undo_cnt;
    struct {
        int fd;
        off_t off;
        size_t sz;
        uint8_t *old;
    } undo[UNDO_MAX];
    int fd; /* of the newest file that was opened for writing */
} sim;

static void undo_forget(int fd)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < sim.undo_cnt; i++) {
        if (sim.undo[i].fd == fd)
            free(sim.undo[i].old);
        else
            sim.undo[kept++] = sim.undo[i];
    }
    sim.undo_cnt = kept;
}

static ssize_t sim_pwrite(int fd, const void *src, size_t sz, off_t off)
{
    const int err = sim.dead ? EIO : sim.write_err;
    if (err) {
        errno = err;
        return -1;
    }
    if (sim.room_sz >= 0) {
        if ((int64_t)(sz & ~(size_t)4095) > sim.room_sz) sz = (size_t)sim.room_sz & ~(size_t)4095;
        if (sz == 0) {
            errno = ENOSPC;
            return -1;
        }
        sim.room_sz -= (int64_t)sz;
    }
    if (sim.halves && sz > 4096) sz = sz / 2 & ~(size_t)4095;
    if (sim.logging && sim.undo_cnt < UNDO_MAX) {
        uint8_t *old = calloc(1, sz);
        (void)!tm_file_ops_kernel()->pread(fd, old, sz, off);
        sim.undo[sim.undo_cnt].fd = fd;
        sim.undo[sim.undo_cnt].off = off;
        sim.undo[sim.undo_cnt].sz = sz;
        sim.undo[sim.undo_cnt++].old = old;
    }
    return tm_file_ops_kernel()->pwrite(fd, src, sz, off);
}

static int sim_sync(int fd)
{
    const int err = sim.dead ? EIO : sim.sync_err;
    if (err) {
        errno = err;
        return -1;
    }
    undo_forget(fd); /* the model keeps it; the real disk is not needed */
    return 0;
}

static int sim_reserve(int fd, int mode, off_t off, off_t sz)
{
    if (sim.dead || sim.reserve_err) {
        errno = sim.dead ? EIO : sim.reserve_err;
        return -1;
    }
    return tm_file_ops_kernel()->fallocate(fd, mode, off, sz);
}

static int sim_ftruncate(int fd, off_t sz)
{
    if (sim.dead) {
        errno = EIO;
        return -1;
    }
    return ftruncate(fd, sz);
}

static int sim_unlink(const char *path)
{
    if (sim.dead) {
        errno = EIO;
        return -1;
    }
    return unlink(path);
}

static ssize_t sim_pread(int fd, void *dst, size_t sz, off_t off)
{
    if (sim.read_bad_off >= 0 && off < sim.read_bad_off + 4096 &&
        off + (off_t)sz > sim.read_bad_off) {
        errno = EIO;
        return -1;
    }
    return tm_file_ops_kernel()->pread(fd, dst, sz, off);
}

static void sim_start(void)
{
    static tm_file_ops_t ops;
    ops = *tm_file_ops_kernel();
    ops.pwrite = sim_pwrite;
    ops.fsync = sim_sync;
    ops.fdatasync = sim_sync;
    ops.fallocate = sim_reserve;
    ops.ftruncate = sim_ftruncate;
    ops.unlink = sim_unlink;
    ops.pread = sim_pread;
    memset(&sim, 0, sizeof sim);
    sim.room_sz = sim.read_bad_off = -1;
    tm_file_ops_set(&ops);
}

static void sim_stop(void)
{
    tm_file_ops_set(NULL);
    for (uint32_t i = 0; i < sim.undo_cnt; i++) free(sim.undo[i].old);
    sim.undo_cnt = 0;
}

static tm_journal_writer_t *open_writer(const char *dir, tm_journal_recovery_t *rec)
{
    tm_journal_writer_t *w = NULL;
    const tm_journal_writer_cfg_t cfg = {.dir = dir,
                                         .buffer_sz = 128 << 10,
                                         .roll_sz = 200 << 10,
                                         .sync_interval_ns = -1,
                                         .buffered = true};
    const int code = tm_journal_writer_open(&w, &cfg, rec);
    if (code < 0) fprintf(stderr, "# %s\n", tm_error_text());
    tm_assert_eq(code, 0);
    return w;
}

static uint64_t count(const char *dir)
{
    tm_journal_reader_t *r;
    tm_journal_view_t views[64];
    uint64_t seq = 0;
    int cnt;
    tm_assert_eq(tm_journal_reader_open(&r, &(tm_journal_reader_cfg_t){.path = dir}), 0);
    while ((cnt = tm_journal_reader_read(r, views, 64)) > 0)
        for (int i = 0; i < cnt; i++, seq++)
            tm_assert(views[i].seq == seq && tm_make_same(&make, &views[i]));
    tm_assert_eq(cnt, 0);
    tm_assert_eq(tm_journal_reader_damage_cnt(r), 0u);
    tm_journal_reader_close(r);
    return seq;
}

Test(journal_fault, a_write_that_takes_less_than_it_was_given_is_continued)
{
    char dir[256];
    tm_make_dir(dir, "short");
    sim_start();
    sim.halves = true;
    tm_journal_writer_t *w = open_writer(dir, NULL);
    tm_make_append(w, &make, 0, 2000);
    tm_assert_eq(tm_journal_writer_close(w), 0);
    sim_stop();
    tm_assert_eq(count(dir), 2000u);
    tm_make_dir_remove(dir);
}

Test(journal_fault, a_full_disk_keeps_records_in_memory_until_there_is_room_and_loses_none)
{
    char dir[256];
    tm_make_dir(dir, "enospc");
    sim_start();
    tm_journal_writer_t *w = open_writer(dir, NULL);
    tm_make_append(w, &make, 0, 100);
    tm_assert_eq(tm_journal_sync(w), 0);
    sim.room_sz = 0;
    uint64_t seq = 100;
    uint8_t buf[TM_MAKE_PAYLOAD_MAX];
    int64_t got;
    for (int i = 0; i < 3; i++) {
        tm_journal_entry_t e;
        while (tm_make_entry(&make, seq, &e, buf), (got = tm_journal_append(w, &e)) >= 0) seq++;
        tm_assert_eq(got, -EAGAIN);
        int code = tm_journal_sync(w);
        tm_assert_eq(code, -ENOSPC);
        tm_assert(strstr(tm_error_text(), dir) != NULL);
        tm_assert(strstr(tm_error_text(), "free space") != NULL);
        tm_assert_eq(tm_journal_durable_seq(w), 100u);
    }
    sim.room_sz = -1;
    tm_assert_eq(tm_journal_sync(w), 0);
    tm_assert_eq(tm_journal_durable_seq(w), seq);
    tm_assert_eq(tm_journal_writer_close(w), 0);
    sim_stop();
    tm_assert_eq(count(dir), seq);
    tm_make_dir_remove(dir);
}

Test(journal_fault, a_disk_without_room_for_a_reserve_is_filled_to_the_last_page)
{
    char dir[256];
    tm_make_dir(dir, "reserve");
    sim_start();
    sim.reserve_err = ENOSPC;
    tm_journal_writer_t *w = open_writer(dir, NULL);
    tm_make_append(w, &make, 0, 1000);
    tm_assert_eq(tm_journal_writer_close(w), 0);
    sim_stop();
    tm_assert_eq(count(dir), 1000u);
    tm_make_dir_remove(dir);
}

static void fatal_holds(int write_err, int sync_err)
{
    char dir[256];
    tm_make_dir(dir, "eio");
    sim_start();
    tm_journal_writer_t *w = open_writer(dir, NULL);
    tm_make_append(w, &make, 0, 50);
    tm_assert_eq(tm_journal_sync(w), 0);
    sim.write_err = write_err;
    sim.sync_err = sync_err;
    tm_make_append(w, &make, 50, 60);
    tm_assert_eq(tm_journal_sync(w), -EIO);
    tm_assert(strstr(tm_error_text(), dir) != NULL);
    tm_assert(strstr(tm_error_text(), "sequences below 50") != NULL);
    sim.write_err = sim.sync_err = 0; /* the disk answers again, but what did it keep? */
    tm_assert_eq(tm_journal_flush_work(w), -EIO);
    tm_assert_eq(tm_journal_durable_seq(w), 50u);
    tm_journal_entry_t e;
    uint8_t buf[TM_MAKE_PAYLOAD_MAX];
    int64_t got;
    for (uint64_t seq = 60;
         tm_make_entry(&make, seq, &e, buf), (got = tm_journal_append(w, &e)) >= 0;)
        seq++;
    tm_assert_eq(got, -EIO);
    tm_assert_eq(tm_journal_writer_close(w), -EIO);
    tm_journal_recovery_t rec;
    w = open_writer(dir, &rec);
    tm_assert(rec.next_seq >= 50 && rec.next_seq <= 60);
    tm_assert_eq(tm_journal_writer_close(w), 0);
    sim_stop();
    tm_assert_eq(count(dir), rec.next_seq);
    tm_make_dir_remove(dir);
}

Test(journal_fault, after_a_failed_fsync_nothing_is_acknowledged_until_the_journal_is_opened_again)
{
    fatal_holds(0, EIO);
}

Test(journal_fault, after_a_failed_write_nothing_is_acknowledged_until_the_journal_is_opened_again)
{
    fatal_holds(EIO, 0);
}

Test(journal_fault, a_folder_that_cannot_be_written_is_named_with_a_remedy)
{
    tm_journal_writer_t *w;
    const char *path = "/proc/tidemark-journal";
    tm_assert(tm_journal_writer_open(&w, &(tm_journal_writer_cfg_t){.dir = path}, NULL) < 0);
    tm_assert(strstr(tm_error_text(), path) != NULL);
    if (geteuid() == 0) return; /* root may write anywhere */
    tm_assert_eq(tm_journal_writer_open(&w, &(tm_journal_writer_cfg_t){.dir = "/usr/tm"}, NULL),
                 -EACCES);
}

Test(journal_fault, a_sector_that_cannot_be_read_costs_the_records_in_it)
{
    char dir[256];
    tm_make_dir(dir, "badsector");
    tm_journal_writer_t *w = open_writer(dir, NULL);
    tm_make_append(w, &make, 0, 500);
    tm_assert_eq(tm_journal_writer_close(w), 0);
    sim_start();
    sim.read_bad_off = 20480;
    tm_journal_reader_t *r;
    tm_journal_view_t views[64];
    static tm_make_damages_t damages;
    bool seen[500] = {0};
    uint64_t off_of_seen_min = UINT64_MAX;
    const tm_journal_reader_cfg_t cfg = {
        .path = dir, .on_damage = tm_make_damage_note, .on_damage_ctx = &damages};
    tm_assert_eq(tm_journal_reader_open(&r, &cfg), 0);
    int cnt, total = 0;
    while ((cnt = tm_journal_reader_read(r, views, 64)) > 0) {
        for (int i = 0; i < cnt; i++, total++) {
            tm_assert(tm_make_same(&make, &views[i]));
            seen[views[i].seq] = true;
            const uint64_t end = views[i].off + tm_journal_span(views[i].frame.sz);
            if (views[i].seq < 100) tm_assert(end <= 20480 || views[i].off >= 24576);
            if (views[i].off < off_of_seen_min) off_of_seen_min = views[i].off;
        }
    }
    tm_assert_eq(cnt, 0);
    tm_assert(total < 500 && total > 450);
    tm_assert(seen[0] && seen[499]);
    tm_assert(damages.list[0].kind == TM_JOURNAL_UNREADABLE);
    tm_assert_eq(damages.list[0].off, 20480u);
    tm_journal_reader_close(r);
    sim_stop();
    tm_make_dir_remove(dir);
}

/* Undoes a random choice of the sectors that no fsync covered, newest write first. */
static uint32_t power_cut(uint64_t *rng)
{
    uint32_t lost = 0;
    for (uint32_t i = sim.undo_cnt; i-- > 0;) {
        const int mode = (int)(*rng >> 60) %
                         3; /* per write: all kept, all lost, or sector by sector */
        for (size_t at = 0; at < sim.undo[i].sz; at += SECTOR_SZ) {
            *rng = tm_make_mix(*rng);
            if (mode == 0 || (mode == 2 && *rng & 1)) continue;
            const size_t left = sim.undo[i].sz - at;
            const size_t sz = left < SECTOR_SZ ? left : SECTOR_SZ;
            (void)!pwrite(sim.undo[i].fd, sim.undo[i].old + at, sz, sim.undo[i].off + (off_t)at);
            lost++;
        }
        *rng = tm_make_mix(*rng);
    }
    return lost;
}

static void cut_round(const char *dir, uint64_t *rng, uint64_t *torn)
{
    tm_journal_recovery_t rec;
    sim_start();
    sim.logging = true;
    tm_journal_writer_t *w = open_writer(dir, &rec);
    tm_assert_eq(rec.next_seq, 0u);
    const uint64_t steps = 1 + tm_make_mix(*rng) % 40;
    for (uint64_t i = 0; i < steps; i++) {
        *rng = tm_make_mix(*rng);
        tm_make_append(w, &make, tm_journal_next_seq(w), tm_journal_next_seq(w) + *rng % 60);
        const int code = *rng >> 32 & 15 ? tm_journal_flush_work(w) : tm_journal_sync(w);
        tm_assert(code >= 0);
    }
    const uint64_t durable = tm_journal_durable_seq(w), next = tm_journal_next_seq(w);
    power_cut(rng);
    sim.dead = true;
    tm_assert(next == durable || tm_journal_writer_close(w) < 0);
    if (next == durable) (void)!tm_journal_writer_close(w);
    sim_stop();

    w = open_writer(dir, &rec);
    if (rec.next_seq < durable || rec.next_seq > next)
        fprintf(stderr, "# durable %llu next %llu recovered %llu\n", (unsigned long long)durable,
                (unsigned long long)next, (unsigned long long)rec.next_seq);
    tm_assert(rec.next_seq >= durable && rec.next_seq <= next);
    *torn += rec.torn_sz;
    tm_assert_eq(tm_journal_writer_close(w), 0);

    if (rec.next_seq == 0) return; /* nothing was promised and nothing survived */
    tm_journal_reader_t *r;
    tm_journal_view_t views[64];
    uint64_t expect = 0;
    int cnt;
    tm_assert_eq(tm_journal_reader_open(&r, &(tm_journal_reader_cfg_t){.path = dir}), 0);
    while ((cnt = tm_journal_reader_read(r, views, 64)) > 0) {
        for (int i = 0; i < cnt; i++) {
            tm_assert(tm_make_same(&make, &views[i]));
            if (views[i].seq != expect)
                tm_assert(expect >= durable); /* holes only behind the promise */
            expect = views[i].seq + 1;
        }
    }
    tm_assert_eq(cnt, 0);
    tm_assert_eq(expect, rec.next_seq);
    tm_journal_reader_close(r);
}

Test(journal_fault, a_power_cut_at_any_time_never_loses_an_acknowledged_record, .timeout = 600)
{
    const char *env = getenv("TM_CRASH_ROUNDS"), *seed = getenv("TM_SEED");
    const int rounds = env ? atoi(env) : 60;
    uint64_t rng = seed ? strtoull(seed, NULL, 10) : 20240808, torn = 0;
    printf("# TM_SEED=%llu, %d rounds\n", (unsigned long long)rng, rounds);
    for (int i = 0; i < rounds; i++) {
        char dir[256];
        tm_make_dir(dir, "power");
        cut_round(dir, &rng, &torn);
        tm_make_dir_remove(dir);
    }
    printf("# torn tails: %llu bytes\n", (unsigned long long)torn);
    tm_assert(rounds < 20 || torn > 0); /* the model did tear something */
}
