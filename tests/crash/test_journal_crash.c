/* The process that captures is killed (SIGKILL) at seeded instants, again and again over one
   journal. What it had acknowledged is in shared memory, which survives it; what the journal then
   holds is compared with that and with the formula of the records. TM_CRASH_ROUNDS sets how often
   (default 60), TM_SEED where the instants come from. */
#include "base/clock.h"
#include "base/error.h"
#include "tests/state/journal_make.h"
#include "tests/tm_test.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const tm_make_t make = {.seed = 4711, .payload_sz_max = 1200, .plain_kinds = true};

/* What outlives the child. */
typedef struct board {
    _Atomic uint64_t durable_seq; /* the last one the child saw acknowledged */
    _Atomic uint64_t next_seq;    /* no record from here on was ever appended */
    _Atomic bool opened;
} board_t;

typedef struct capture {
    tm_journal_writer_t *w;
    board_t *board;
} capture_t;

/* Appends at full speed, for ever. */
static void *receive(void *ctx)
{
    capture_t *k = ctx;
    static uint8_t buf[TM_MAKE_PAYLOAD_MAX];
    tm_journal_entry_t e;
    for (uint64_t seq = tm_journal_next_seq(k->w);; seq++) {
        tm_make_entry(&make, seq, &e, buf);
        atomic_store_explicit(&k->board->next_seq, seq + 1, memory_order_release);
        int64_t got;
        while ((got = tm_journal_append(k->w, &e)) == -EAGAIN)
            nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
        if (got != (int64_t)seq) _exit(3);
    }
    return NULL;
}

static void child(const char *dir, board_t *board)
{
    pthread_t thread;
    capture_t k = {.board = board};
    const tm_journal_writer_cfg_t cfg = {.dir = dir,
                                         .buffer_sz = 1 << 20,
                                         .roll_sz = 1 << 20,
                                         .sync_interval_ns = 3 * TM_NS_PER_MS,
                                         .retain_sz = 24 << 20};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (tm_journal_writer_open(&k.w, &cfg, NULL) < 0) {
        fprintf(stderr, "# child: %s\n", tm_error_text());
        _exit(2);
    }
    atomic_store_explicit(&board->opened, true, memory_order_release);
    pthread_create(&thread, NULL, receive, &k);
    for (;;) {
        if (tm_journal_flush_work(k.w) < 0) {
            fprintf(stderr, "# child: %s\n", tm_error_text());
            _exit(4);
        }
        atomic_store_explicit(&board->durable_seq, tm_journal_durable_seq(k.w),
                              memory_order_release);
    }
}

static void damage_print(void *ctx, const tm_journal_damage_t *damage)
{
    char text[600];
    tm_journal_damage_text(text, sizeof text, damage);
    printf("# %s%s\n", (const char *)ctx, text);
}

/* Checks what is there. Returns the sequence behind the last record. */
static uint64_t journal_check(const char *dir, uint64_t durable, uint64_t next,
                              uint64_t *damage_cnt)
{
    tm_journal_reader_t *r;
    tm_journal_view_t views[256];
    uint64_t seq = UINT64_MAX;
    int cnt;
    *damage_cnt = 0;
    char how[] = "read: ";
    const tm_journal_reader_cfg_t cfg = {
        .path = dir, .on_damage = getenv("TM_VERBOSE") ? damage_print : NULL, .on_damage_ctx = how};
    const int code = tm_journal_reader_open(&r, &cfg);
    if (code == TM_E_MISSING) {
        tm_assert_eq(durable, 0u);
        return 0;
    }
    tm_assert_eq(code, 0);
    while ((cnt = tm_journal_reader_read(r, views, 256)) > 0) {
        for (int i = 0; i < cnt; i++) {
            if (seq == UINT64_MAX) seq = views[0].seq; /* older ones are retired */
            tm_assert_eq(views[i].seq, seq);
            tm_assert(tm_make_same(&make, &views[i]));
            seq++;
        }
    }
    tm_assert_eq(cnt, 0);
    *damage_cnt = tm_journal_reader_damage_cnt(r);
    tm_journal_reader_close(r);
    if (seq == UINT64_MAX) seq = 0;
    tm_assert(seq >= durable);
    tm_assert(seq <= next);
    return seq;
}

Test(journal_crash, killed_at_any_instant_it_opens_and_keeps_every_acknowledged_record,
     .timeout = 1800)
{
    const char *rounds_env = getenv("TM_CRASH_ROUNDS"), *seed_env = getenv("TM_SEED");
    const int rounds = rounds_env ? atoi(rounds_env) : 60;
    const uint64_t seed = seed_env ? strtoull(seed_env, NULL, 10) : 1234567;
    char dir[256];
    uint64_t total = 0, torn = 0, torn_cnt = 0, lost = 0;
    printf("# TM_SEED=%llu, %d rounds\n", (unsigned long long)seed, rounds);
    tm_make_dir(dir, "kill");
    board_t *board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                          -1, 0);
    tm_assert(board != MAP_FAILED);
    for (int round = 0; round < rounds; round++) {
        atomic_store(&board->opened, false);
        fflush(NULL);
        const pid_t pid = fork();
        tm_assert(pid >= 0);
        if (pid == 0) child(dir, board);
        const int64_t us = (int64_t)(tm_make_mix(seed + (uint64_t)round) % 40000);
        while (round % 4 != 0 && !atomic_load_explicit(&board->opened, memory_order_acquire) &&
               waitpid(pid, NULL, WNOHANG) == 0)
            nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
        nanosleep(&(struct timespec){.tv_nsec = us * 1000}, NULL);
        kill(pid, SIGKILL);
        int status = 0;
        tm_assert_eq(waitpid(pid, &status, 0), pid);
        tm_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);

        const uint64_t durable = atomic_load_explicit(&board->durable_seq, memory_order_acquire);
        const uint64_t next = atomic_load_explicit(&board->next_seq, memory_order_acquire);
        uint64_t damages;
        const uint64_t end = journal_check(dir, durable, next, &damages);

        tm_journal_writer_t *w;
        tm_journal_recovery_t rec;
        const tm_journal_writer_cfg_t cfg = {.dir = dir, .buffer_sz = 64 << 10};
        const int code = tm_journal_writer_open(&w, &cfg, &rec);
        if (code < 0) fprintf(stderr, "# %s\n", tm_error_text());
        tm_assert_eq(code, 0);
        tm_assert_eq(rec.next_seq, end);
        tm_assert_eq(rec.damage_cnt, 0u);
        tm_assert(rec.torn_sz > 0 || damages == 0);
        tm_assert_eq(tm_journal_writer_close(w), 0);
        tm_assert_eq(journal_check(dir, durable, next, &damages), end);
        tm_assert_eq(damages, 0u);
        atomic_store(&board->next_seq, end); /* sequences behind it are given anew */
        atomic_store(&board->durable_seq, end);
        total = end;
        torn += rec.torn_sz;
        torn_cnt += rec.torn_sz > 0;
        lost += next - end;
    }
    printf("# %llu records kept, %llu unacknowledged ones lost, %llu torn tails, %llu bytes\n",
           (unsigned long long)total, (unsigned long long)lost, (unsigned long long)torn_cnt,
           (unsigned long long)torn);
    tm_assert(rounds < 20 || total > 1000); /* it was really capturing */
    munmap(board, sizeof *board);
    tm_make_dir_remove(dir);
}
