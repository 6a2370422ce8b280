/* Two threads, one ring, random bursts and pauses: every row must come out once, whole and in
   order. Seed: TM_SEED or the clock, printed. Rows: TM_STRESS_ROWS a depth (default short). */
#include "base/cpu.h"
#include "engine/runtime/ring.h"
#include "tests/tm_test.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { BURST_MAX = 97 };

typedef struct stress {
    tm_ring_t *ring;
    uint32_t stride;
    uint64_t cnt;
    uint64_t seed;
    uint64_t bad; /* position + 1 of the first wrong row, 0 = none */
} stress_t;

static uint64_t rng_next(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Every 8 bytes of row `seq` are a function of seq and place, so that a torn or stale row shows. */
static uint64_t word_of(uint64_t seq, uint32_t i)
{
    uint64_t state = seq * 1024 + i;
    return rng_next(&state);
}

static void row_fill(uint64_t *row, uint64_t seq, uint32_t words)
{
    for (uint32_t i = 0; i < words; i++) row[i] = word_of(seq, i);
}

static bool row_holds(const uint64_t *row, uint64_t seq, uint32_t words)
{
    if ((row[0] ^ word_of(seq, 0)) >> 8) return false; /* byte 0 is the ring's */
    for (uint32_t i = 1; i < words; i++)
        if (row[i] != word_of(seq, i)) return false;
    return true;
}

static void pause_at_random(uint64_t *rng)
{
    uint64_t r = rng_next(rng) % 4096;
    if (r == 0) sched_yield();
    for (uint64_t i = 0; r < 64 && i < r * 8; i++) tm_cpu_relax();
}

static void produce_in_place(stress_t *s, uint64_t seq, uint64_t *row, uint32_t words)
{
    uint8_t *slot;
    while (!(slot = tm_ring_claim(s->ring))) sched_yield();
    row_fill(row, seq, words);
    memcpy(slot + 8, row + 1, s->stride - 8);
    tm_ring_publish(s->ring, (tm_row_kind_t)(row[0] >> 8 & 0xff), (uint16_t)(row[0] >> 16),
                    (uint32_t)(row[0] >> 32));
}

static void *producer(void *arg)
{
    stress_t *s = arg;
    uint64_t rng = s->seed ^ 1;
    uint32_t words = s->stride / 8;
    uint64_t *rows = calloc(BURST_MAX, s->stride);
    for (uint64_t seq = 0; seq < s->cnt;) {
        uint64_t n = 1 + rng_next(&rng) % BURST_MAX;
        if (n > s->cnt - seq) n = s->cnt - seq;
        uint64_t how = rng_next(&rng) % 3;
        if (how == 0) {
            for (uint64_t i = 0; i < n; i++) produce_in_place(s, seq + i, rows, words);
        } else if (how == 1) {
            for (uint64_t i = 0; i < n; i++) {
                row_fill(rows, seq + i, words);
                while (!tm_ring_push(s->ring, rows)) sched_yield();
            }
        } else {
            for (uint64_t i = 0; i < n; i++) row_fill(rows + i * words, seq + i, words);
            for (uint64_t done = 0; done < n;) {
                uint32_t moved = tm_ring_push_burst(s->ring, rows + done * words,
                                                    (uint32_t)(n - done));
                if (!moved) sched_yield();
                done += moved;
            }
        }
        seq += n;
        pause_at_random(&rng);
    }
    free(rows);
    return NULL;
}

static void consume(stress_t *s)
{
    uint64_t rng = s->seed ^ 2;
    uint32_t words = s->stride / 8;
    for (uint64_t seq = 0; seq < s->cnt;) {
        const void *at;
        uint32_t n = tm_ring_peek(s->ring, &at, 1 + (uint32_t)(rng_next(&rng) % BURST_MAX));
        if (n == 0) {
            sched_yield();
            continue;
        }
        const uint64_t *rows = at;
        for (uint32_t i = 0; i < n; i++)
            if (!row_holds(rows + (size_t)i * words, seq + i, words) && !s->bad)
                s->bad = seq + i + 1;
        /* Giving back only a part must leave the rest in place. */
        uint32_t back = (uint32_t)(1 + rng_next(&rng) % n);
        tm_ring_release(s->ring, back);
        seq += back;
        pause_at_random(&rng);
    }
}

static void stress_run(uint32_t depth, uint32_t stride)
{
    const char *rows_env = getenv("TM_STRESS_ROWS"), *seed_env = getenv("TM_SEED");
    tm_ring_cfg_t cfg = {.depth = depth, .stride = stride};
    void *mem = aligned_alloc(TM_FALSE_SHARE, tm_ring_footprint(&cfg));
    stress_t s = {.ring = tm_ring_init(mem, &cfg),
                  .stride = stride,
                  .cnt = rows_env ? strtoull(rows_env, NULL, 10) : 200000,
                  .seed = seed_env ? strtoull(seed_env, NULL, 10) : (uint64_t)time(NULL)};
    printf("# depth %u, stride %u, %llu rows: TM_SEED=%llu\n", depth, stride,
           (unsigned long long)s.cnt, (unsigned long long)s.seed);
    pthread_t thread;
    tm_assert_eq(pthread_create(&thread, NULL, producer, &s), 0);
    consume(&s);
    pthread_join(thread, NULL);
    tm_assert_eq(s.bad, 0u);
    const void *at;
    tm_assert_eq(tm_ring_peek(s.ring, &at, 1), 0u);
    tm_assert_eq(tm_ring_lag(s.ring), 0u);
    free(mem);
}

Test(ring_stress, every_row_comes_out_once_whole_and_in_order_at_depth_64)
{
    stress_run(64, 64);
}

Test(ring_stress, every_row_comes_out_once_whole_and_in_order_at_depth_1024_of_wide_rows)
{
    stress_run(1024, 192);
}

Test(ring_stress, every_row_comes_out_once_whole_and_in_order_at_depth_65536)
{
    stress_run(1 << 16, 64);
}
