/* One thread appends, one flushes, one watches: run it under ThreadSanitizer. Every record must
   come back whole, and the durable sequence must never fall or pass what was appended.
   TM_STRESS_RECORDS sets how many (default 200,000). */
#include "base/error.h"
#include "tests/state/journal_make.h"
#include "tests/tm_test.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

static const tm_make_t make = {.seed = 3, .payload_sz_max = 600};

typedef struct stress {
    tm_journal_writer_t *w;
    uint64_t cnt;
    _Atomic uint64_t appended;
    _Atomic bool appending, flushing;
    uint64_t full_cnt, watch_cnt;
    bool fell, passed;
} stress_t;

static void *receive(void *ctx)
{
    stress_t *s = ctx;
    uint8_t buf[TM_MAKE_PAYLOAD_MAX];
    for (uint64_t seq = 0; seq < s->cnt;) {
        tm_journal_entry_t e;
        tm_make_entry(&make, seq, &e, buf);
        atomic_store_explicit(&s->appended, seq + 1, memory_order_release);
        if (tm_journal_append(s->w, &e) == -EAGAIN) {
            s->full_cnt++;
            sched_yield();
        } else {
            seq++;
        }
    }
    atomic_store_explicit(&s->appending, false, memory_order_release);
    return NULL;
}

static void *watch(void *ctx)
{
    stress_t *s = ctx;
    uint64_t before = 0;
    while (atomic_load_explicit(&s->flushing, memory_order_acquire)) {
        const uint64_t durable = tm_journal_durable_seq(s->w);
        const uint64_t appended = atomic_load_explicit(&s->appended, memory_order_acquire);
        s->fell |= durable < before;
        s->passed |= durable > appended;
        before = durable;
        s->watch_cnt += tm_journal_lag_sz(s->w) <= (128u << 10);
        tm_journal_keep_from(s->w, durable);
        sched_yield();
    }
    return NULL;
}

Test(journal_stress, appending_flushing_and_watching_threads_agree_on_every_record, .timeout = 300)
{
    char dir[256];
    const char *env = getenv("TM_STRESS_RECORDS");
    stress_t s = {.cnt = env ? strtoull(env, NULL, 10) : 200000};
    pthread_t threads[2];
    tm_make_dir(dir, "stress");
    const tm_journal_writer_cfg_t cfg = {.dir = dir,
                                         .buffer_sz = 128 << 10,
                                         .roll_sz = 1 << 20,
                                         .roll_age_ns = 20 * TM_NS_PER_MS,
                                         .sync_interval_ns = 5 * TM_NS_PER_MS,
                                         .keep_for_checkpoints = true};
    tm_assert_eq(tm_journal_writer_open(&s.w, &cfg, NULL), 0);
    atomic_init(&s.appending, true);
    atomic_init(&s.flushing, true);
    pthread_create(&threads[0], NULL, receive, &s);
    pthread_create(&threads[1], NULL, watch, &s);
    while (atomic_load_explicit(&s.appending, memory_order_acquire)) {
        const int work = tm_journal_flush_work(s.w);
        if (work < 0) fprintf(stderr, "# %s\n", tm_error_text());
        tm_assert(work >= 0);
        if (work == 0) sched_yield();
    }
    tm_assert_eq(tm_journal_sync(s.w), 0);
    tm_assert_eq(tm_journal_durable_seq(s.w), s.cnt);
    atomic_store_explicit(&s.flushing, false, memory_order_release);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    tm_assert(!s.fell && !s.passed);
    tm_assert_eq(tm_journal_writer_close(s.w), 0);

    tm_journal_reader_t *r;
    tm_journal_view_t views[256];
    uint64_t seq = 0;
    int cnt;
    tm_assert_eq(tm_journal_reader_open(&r, &(tm_journal_reader_cfg_t){.path = dir}), 0);
    while ((cnt = tm_journal_reader_read(r, views, 256)) > 0)
        for (int i = 0; i < cnt; i++, seq++)
            tm_assert(views[i].seq == seq && tm_make_same(&make, &views[i]));
    tm_assert_eq(seq, s.cnt);
    tm_assert_eq(tm_journal_reader_damage_cnt(r), 0u);
    tm_journal_reader_close(r);
    printf("# full %llu times\n", (unsigned long long)s.full_cnt);
    tm_make_dir_remove(dir);
}
