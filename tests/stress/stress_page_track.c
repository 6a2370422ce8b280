/* A worker that writes and flips as fast as it can, and a snapshot thread that copies beside it.
   Each snapshot is compared with what the worker saw at the flip. Seed: TM_SEED or the clock,
   printed. */
#include "tests/state/page_track_rig.h"
#include "tests/tm_test.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static _Atomic bool stop;

static void *snapshots(void *ctx)
{
    rig_t *rig = ctx;
    while (!atomic_load_explicit(&stop, memory_order_acquire))
        if (rig_snap_step(rig, 500) == 0) sched_yield();
    return NULL;
}

static void run(uint32_t spare_cnt, uint64_t seed)
{
    rig_t rig;
    pthread_t thread;
    rig_open(&rig, 100, spare_cnt, seed);
    atomic_store_explicit(&stop, false, memory_order_release);
    tm_assert_eq(pthread_create(&thread, NULL, snapshots, &rig), 0);
    struct timespec start, now;
    clock_gettime(CLOCK_MONOTONIC, &start);
    do {
        for (uint32_t i = 0; i < 100; i++) rig_worker_step(&rig, i == 50);
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (now.tv_sec - start.tv_sec < 3);
    atomic_store_explicit(&stop, true, memory_order_release);
    pthread_join(thread, NULL);
    tm_page_track_counts_t counts = tm_page_track_counts(rig.track);
    printf("# %u spare frames: %llu writes, %llu snapshots of %llu pages good, %llu given up, %llu"
           " failed, %llu pages copied by the worker\n",
           spare_cnt, (unsigned long long)rig.writes, (unsigned long long)rig.good,
           (unsigned long long)rig.pages, (unsigned long long)rig.given_up,
           (unsigned long long)rig.failed, (unsigned long long)counts.copied);
    tm_assert(!rig.differs);
    tm_assert(rig.good > 5);
    rig_close(&rig);
}

Test(stress_page_track, snapshots_taken_beside_a_writing_worker_are_whole, .timeout = 120)
{
    const char *env = getenv("TM_SEED");
    uint64_t seed = env ? strtoull(env, NULL, 10) : (uint64_t)time(NULL);
    printf("# TM_SEED=%llu\n", (unsigned long long)seed);
    run(128, seed);
    run(16, seed);
}
