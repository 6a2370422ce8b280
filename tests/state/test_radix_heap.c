#include "state/table/radix_heap.h"
#include "tests/tm_test.h"

#include <stdio.h>
#include <stdlib.h>

enum { ITEMS = 20000 };

static tm_page_arena_t arena;
static void *arena_mem;

static void arena_start(uint32_t pages)
{
    arena_mem = aligned_alloc(TM_CACHE_LINE,
                              tm_align_up(tm_page_arena_footprint(pages), TM_CACHE_LINE));
    tm_assert(arena_mem != NULL);
    tm_page_arena_init(&arena, arena_mem, pages);
}

static uint64_t rng_next(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint64_t seed_pick(void)
{
    const char *text = getenv("TM_SEED");
    uint64_t seed = text ? strtoull(text, NULL, 0) : 20261121;
    printf("# TM_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

/* The model is a flag and a time an item: what is due is found by looking at all. */
static int64_t times[ITEMS];
static bool waits[ITEMS];

static void take_all(tm_radix_heap_t *q, int64_t until, uint32_t cnt)
{
    tm_radix_item_t items[97];
    uint32_t n;
    while (tm_radix_heap_take(q, until, 97, items, &n) > 0)
        for (uint32_t i = 0; i < n; i++) {
            tm_assert(items[i].ref < cnt && waits[items[i].ref]);
            tm_assert(items[i].time == times[items[i].ref] && items[i].time <= until);
            waits[items[i].ref] = false;
        }
    for (uint32_t i = 0; i < cnt; i++) tm_assert(!waits[i] || times[i] > until);
}

Test(radix_heap, gives_what_is_due_and_nothing_else_at_every_scale_of_time)
{
    uint64_t rng = seed_pick();
    arena_start(200);
    for (uint32_t shift = 0; shift < 62; shift += 6) {
        tm_radix_heap_t q;
        tm_radix_heap_init(&q, &arena);
        int64_t now = shift % 4 ? -1000 : INT64_MIN;
        for (uint32_t cnt = 0; cnt < ITEMS;) {
            for (uint32_t i = (uint32_t)(rng_next(&rng) % 700); i > 0 && cnt < ITEMS; i--, cnt++) {
                int64_t ahead = (int64_t)(rng_next(&rng) >> 3 >> (61 - shift));
                if (__builtin_add_overflow(now, ahead, &times[cnt])) times[cnt] = INT64_MAX;
                waits[cnt] = true;
                tm_assert(tm_radix_heap_push(&q, times[cnt], cnt));
            }
            int64_t step = (int64_t)(rng_next(&rng) >> 3 >> (63 - shift / 2));
            if (!__builtin_add_overflow(now, step, &now))
                take_all(&q, now, cnt);
            else
                now = INT64_MAX;
        }
        take_all(&q, INT64_MAX, ITEMS);
        tm_assert_eq(q.cnt, UINT64_C(0));
        tm_radix_heap_clear(&q);
        tm_assert_eq(arena.used_cnt, 0u);
    }
    free(arena_mem);
}

Test(radix_heap, gives_a_time_that_has_passed_at_once)
{
    tm_radix_heap_t q;
    tm_radix_item_t item;
    uint32_t n;
    arena_start(16);
    tm_radix_heap_init(&q, &arena);
    tm_assert(tm_radix_heap_push(&q, 100, 1));
    tm_assert_eq(tm_radix_heap_take(&q, 99, 1, &item, &n), 0u);
    tm_assert_eq(tm_radix_heap_take(&q, 100, 1, &item, &n), 1u);
    tm_assert(n == 1 && item.ref == 1);
    tm_assert(tm_radix_heap_push(&q, 7, 2));
    tm_assert_eq(tm_radix_heap_take(&q, 100, 1, &item, &n), 1u);
    tm_assert(n == 1 && item.ref == 2 && item.time == 7);
    free(arena_mem);
}

Test(radix_heap, refuses_an_item_when_pages_are_used_up_and_loses_none)
{
    tm_radix_heap_t q;
    uint32_t cnt = 0;
    arena_start(6);
    tm_radix_heap_init(&q, &arena);
    while (cnt < ITEMS && tm_radix_heap_push(&q, times[cnt] = (int64_t)cnt * 977 % 5003, cnt))
        waits[cnt++] = true;
    tm_assert(cnt > 0 && cnt < ITEMS);
    for (int64_t now = 0; now < 5003; now += 100) take_all(&q, now, cnt);
    take_all(&q, INT64_MAX, cnt);
    free(arena_mem);
}

Test(pool, hands_out_every_object_of_its_pages_once)
{
    enum { SZ = 176 };
    tm_pool_t pool;
    tm_ref_t refs[4 * TM_PAGE_SZ / SZ];
    uint32_t cnt = 0;
    arena_start(3);
    tm_pool_init(&pool, &arena, SZ);
    for (tm_ref_t ref; (ref = tm_pool_get(&pool)) != 0;) {
        uint8_t *at = tm_ref_ptr(&arena, ref);
        for (uint32_t i = 0; i < SZ; i++) at[i] = (uint8_t)cnt;
        refs[cnt++] = ref;
    }
    tm_assert_eq(cnt, 3u * (TM_PAGE_SZ / SZ));
    for (uint32_t k = 0; k < cnt; k++) {
        const uint8_t *at = tm_ref_ptr(&arena, refs[k]);
        for (uint32_t i = 0; i < SZ; i++) tm_assert(at[i] == (uint8_t)k);
    }
    for (uint32_t k = 0; k < cnt; k += 2) tm_pool_put(&pool, refs[k]);
    for (uint32_t k = 0; k < cnt; k += 2) tm_assert(tm_pool_get(&pool) != 0);
    tm_assert(tm_pool_get(&pool) == 0);
    tm_pool_clear(&pool);
    tm_assert_eq(arena.used_cnt, 0u);
    free(arena_mem);
}
