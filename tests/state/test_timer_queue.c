/* Compared with a sorted array that is kept by insertion. */
#include "base/error.h"
#include "state/table/timer_queue.h"
#include "tests/state/pages_bed.h"

#include <stdio.h>
#include <string.h>

enum { LIST_MAX = 20000 };

static tm_timer_t list[LIST_MAX];
static uint32_t list_cnt;

static int compare(const tm_timer_t *a, const tm_timer_t *b)
{
    if (a->time_ns != b->time_ns) return a->time_ns < b->time_ns ? -1 : 1;
    if (a->key != b->key) return a->key < b->key ? -1 : 1;
    return a->name < b->name ? -1 : a->name > b->name;
}

/* The place of a timer in the list; *there: whether it is in it. */
static uint32_t list_at(const tm_timer_t *x, bool *there)
{
    uint32_t low = 0, high = list_cnt;
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        if (compare(&list[mid], x) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    *there = low < list_cnt && compare(&list[low], x) == 0;
    return low;
}

static void list_remove(uint32_t at)
{
    memmove(&list[at], &list[at + 1], (--list_cnt - at) * sizeof list[0]);
}

/* Random adds, removals and firings; shape: how times are drawn. */
static void run(uint32_t shape, uint64_t seed)
{
    tm_page_arena_t arena;
    tm_slab_t slab;
    tm_timer_queue_t q;
    void *mem = pages_bed_open(&arena, 400);
    printf("# shape %u seed %llu\n", shape, (unsigned long long)seed);
    tm_slab_init(&slab, &arena);
    tm_timer_queue_init(&q, &slab);
    list_cnt = 0;
    int64_t now = 0;
    for (uint32_t step = 0; step < 120000; step++) {
        uint64_t r = pages_bed_random(&seed);
        int64_t spread = shape == 0 ? (int64_t)(r % 50) : (int64_t)(r >> 8) % 1000000;
        tm_timer_t x = {.time_ns = shape == 2 ? now + 1000 : spread - 1000 + now / 2,
                        .key = (r >> 40) % 97,
                        .name = (uint32_t)(r >> 32) % 2};
        bool there;
        uint32_t at = list_at(&x, &there);
        uint32_t what = (uint32_t)(pages_bed_random(&seed) % 100);
        now += 3;
        if (what < 55 && list_cnt < LIST_MAX) {
            tm_assert_eq(tm_timer_add(&q, x.time_ns, x.key, x.name), (int)!there);
            if (there) continue;
            memmove(&list[at + 1], &list[at], (list_cnt++ - at) * sizeof list[0]);
            list[at] = x;
        } else if (what < 75) {
            if (list_cnt && what < 70) x = list[at = (uint32_t)(r % list_cnt)], there = true;
            tm_assert_eq(tm_timer_remove(&q, x.time_ns, x.key, x.name), there);
            if (there) list_remove(at);
        } else {
            tm_timer_t got;
            int64_t upto = list_cnt && what < 99 ? list[0].time_ns : now;
            for (int n = 0; n < (what == 99 ? 500 : 2); n++) {
                bool due = list_cnt > 0 && list[0].time_ns <= upto;
                tm_assert_eq(tm_timer_pop(&q, upto, &got), due);
                if (!due) break;
                tm_assert_eq(compare(&got, &list[0]), 0);
                list_remove(0);
            }
        }
        tm_assert_eq(q.cnt, (uint64_t)list_cnt);
        const tm_timer_t *first = tm_timer_first(&q);
        tm_assert(first ? compare(first, &list[0]) == 0 : list_cnt == 0);
    }
    tm_timer_t got;
    for (uint32_t i = 0; i < list_cnt; i++) {
        tm_assert(tm_timer_pop(&q, INT64_MAX, &got));
        tm_assert_eq(compare(&got, &list[i]), 0);
    }
    tm_assert(!tm_timer_pop(&q, INT64_MAX, &got));
    tm_assert(q.root == 0 && arena.used_cnt <= 1);
    tm_slab_clear(&slab);
    free(mem);
}

Test(timer_queue, agrees_with_a_sorted_list_over_random_operations)
{
    for (uint32_t shape = 0; shape < 3; shape++)
        for (uint64_t seed = 1; seed <= 3; seed++) run(shape, seed);
}

Test(timer_queue, keeps_what_it_has_when_the_arena_is_full)
{
    tm_page_arena_t arena;
    tm_slab_t slab;
    tm_timer_queue_t q;
    void *mem = pages_bed_open(&arena, 8);
    uint64_t seed = 5, added = 0;
    tm_slab_init(&slab, &arena);
    tm_timer_queue_init(&q, &slab);
    int err = 0, refused = 0;
    for (int i = 0; i < 20000; i++) {
        err = tm_timer_add(&q, (int64_t)(pages_bed_random(&seed) >> 1), 1, 0);
        tm_assert(err == 1 || err == TM_E_LIMIT);
        added += err == 1;
        refused += err == TM_E_LIMIT;
    }
    tm_assert(refused > 0 && added > 2000);
    tm_assert_eq(q.cnt, added);
    tm_timer_t got;
    int64_t last = INT64_MIN;
    uint64_t popped = 0;
    for (; tm_timer_pop(&q, INT64_MAX, &got); last = got.time_ns, popped++)
        tm_assert(got.time_ns > last);
    tm_assert_eq(popped, added);
    tm_slab_clear(&slab);
    tm_assert_eq(arena.used_cnt, 0u);
    free(mem);
}

Test(timer_queue, fills_its_nodes_when_timers_come_in_order)
{
    tm_page_arena_t arena;
    tm_slab_t slab;
    tm_timer_queue_t q;
    void *mem = pages_bed_open(&arena, 2000);
    tm_slab_init(&slab, &arena);
    tm_timer_queue_init(&q, &slab);
    for (int64_t i = 0; i < 400000; i++) tm_assert_eq(tm_timer_add(&q, i, 7, 0), 1);
    /* 16 nodes of 41 timers a page, and 2 % of inner nodes. */
    tm_assert(arena.used_cnt < 400000 / (16 * 41) * 11 / 10);
    tm_slab_clear(&slab);
    free(mem);
}
