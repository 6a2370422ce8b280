#include "state/table/keyed_table.h"
#include "tests/state/late_snapshot.h"
#include "tests/tm_test.h"

#include <stdio.h>
#include <stdlib.h>

enum { ENTRY_SZ = 32 };

static tm_page_arena_t arena;
static void *arena_mem;

static void arena_start(uint32_t pages)
{
    arena_mem = aligned_alloc(TM_CACHE_LINE,
                              tm_align_up(tm_page_arena_footprint(pages), TM_CACHE_LINE));
    tm_assert(arena_mem != NULL);
    tm_page_arena_init(&arena, arena_mem, pages);
}

static void arena_end(void)
{
    free(arena_mem);
}

static uint64_t rng_next(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

typedef struct entry {
    uint64_t key, value, check, pad;
} entry_t;
static_assert(sizeof(entry_t) == ENTRY_SZ, "as the table is told");

static entry_t *get(tm_keyed_table_t *t, uint64_t key, bool *added)
{
    return tm_keyed_get(t, key, tm_keyed_tag(key), added);
}

static entry_t *find(const tm_keyed_table_t *t, uint64_t key)
{
    return tm_keyed_find(t, key, tm_keyed_tag(key));
}

/* Families of keys that poor hashes mistake for one another. */
static uint64_t key_of(uint32_t family, uint64_t i)
{
    switch (family) {
    case 0:
        return i;
    case 1:
        return i << 32;
    case 2:
        return i * 4096;
    case 3:
        return ~i;
    case 4:
        return (i << 40) | (i & 7);
    default: {
        uint64_t state = i;
        return rng_next(&state);
    }
    }
}

Test(page_arena, gives_every_page_once_and_takes_lists_back_whole)
{
    arena_start(100);
    tm_page_list_t a = {0}, b = {0};
    uint8_t seen[101] = {0};
    for (int i = 0; i < 100; i++) {
        uint32_t page = tm_page_push(&arena, i % 3 ? &a : &b);
        tm_assert(page >= 1 && page <= 100 && !seen[page]);
        seen[page] = 1;
        memset(tm_page_ptr(&arena, page), 0xee, TM_PAGE_SZ);
    }
    tm_assert_eq(tm_page_push(&arena, &a), (uint32_t)TM_PAGE_NONE);
    tm_assert_eq(arena.used_cnt, 100u);
    tm_page_pop(&arena, &a);
    tm_page_list_free(&arena, &b);
    tm_assert_eq(arena.used_cnt, 65u);
    tm_page_list_t c = {0};
    uint32_t got = 0;
    while (tm_page_push(&arena, &c) != TM_PAGE_NONE) got++;
    tm_assert_eq(got, 35u);
    tm_page_list_free(&arena, &a);
    tm_page_list_free(&arena, &c);
    tm_page_list_free(&arena, &c);
    tm_assert_eq(arena.used_cnt, 0u);
    tm_assert_eq(arena.used_max, 100u);
    arena_end();
}

Test(keyed_table, every_key_keeps_its_own_entry_as_the_index_grows)
{
    arena_start(4000);
    for (uint32_t family = 0; family < 6; family++) {
        tm_keyed_table_t t;
        tm_keyed_init(&t, &arena, ENTRY_SZ);
        enum { KEYS = 300000 };
        for (uint64_t i = 0; i < KEYS; i++) {
            bool added;
            entry_t *e = get(&t, key_of(family, i), &added);
            tm_assert(e && added && e->key == key_of(family, i));
            e->value = i;
        }
        tm_assert_eq(t.cnt, (uint32_t)KEYS);
        for (uint64_t i = 0; i < KEYS; i++) {
            bool added;
            entry_t *e = find(&t, key_of(family, i));
            tm_assert(e && e->value == i);
            tm_assert(get(&t, key_of(family, i), &added) == e && !added);
            tm_assert(find(&t, key_of(family, i) ^ UINT64_C(0x5000000000000005)) != e);
        }
        double fill = (double)KEYS / ((double)t.segment_pages.cnt * 2048);
        printf("# family %u: %u segments, %.2f full, depth %u\n", family, t.segment_pages.cnt, fill,
               t.depth);
        tm_assert(fill > 0.4);
        tm_keyed_clear(&t);
        tm_assert_eq(arena.used_cnt, 0u);
    }
    arena_end();
}

Test(keyed_table, a_scan_gives_every_entry_once)
{
    arena_start(1000);
    static const uint32_t counts[] = {0, 1, 511, 512, 513, 5000};
    for (size_t c = 0; c < TM_ARRAY_CNT(counts); c++) {
        tm_keyed_table_t t;
        tm_keyed_init(&t, &arena, ENTRY_SZ);
        uint8_t *seen = calloc(1, counts[c] + 1);
        for (uint64_t i = 0; i < counts[c]; i++) {
            bool added;
            tm_assert(get(&t, i, &added) != NULL);
        }
        tm_keyed_cursor_t cursor = tm_keyed_scan(&t);
        void *at;
        uint32_t n, total = 0;
        while ((n = tm_keyed_next(&t, &cursor, 100, &at)) > 0) {
            tm_assert(n <= 100);
            for (uint32_t i = 0; i < n; i++) tm_assert_eq(seen[((entry_t *)at)[i].key]++, 0);
            total += n;
        }
        tm_assert_eq(total, counts[c]);
        tm_assert_eq(tm_keyed_next(&t, &cursor, 100, &at), 0u);
        free(seen);
        tm_keyed_clear(&t);
    }
    arena_end();
}

/* Against a plain array indexed by key. */
Test(keyed_table, agrees_with_an_array_over_random_adds_and_erasures)
{
    enum { KEYS = 5000, STEPS = 400000 };
    const char *env = getenv("TM_SEED");
    uint64_t rng = env ? strtoull(env, NULL, 10) : 7;
    printf("# TM_SEED=%llu\n", (unsigned long long)rng);
    arena_start(1000);
    tm_keyed_table_t t;
    tm_keyed_init(&t, &arena, ENTRY_SZ);
    uint64_t *model = calloc(KEYS, sizeof *model); /* value, 0 = absent */
    uint32_t cnt = 0;
    late_t late;
    late_open(&late, &arena);
    for (uint64_t step = 1; step <= STEPS; step++) {
        uint64_t key = rng_next(&rng) % KEYS;
        if (step % 5000 == 1000) late_flip(&late);
        if (step % 5000 == 3000) late_check(&late);
        /* Phases of growth and of shrinking. */
        bool grow = rng_next(&rng) % 8 < ((step / 50000) % 2 ? 2 : 6);
        if (grow) {
            bool added;
            entry_t *e = get(&t, key, &added);
            tm_assert(e != NULL);
            tm_assert_eq(added, model[key] == 0);
            if (added) {
                e->value = step;
                e->check = ~step;
                model[key] = step;
                cnt++;
            }
        } else if (model[key]) {
            tm_keyed_erase(&t, find(&t, key));
            model[key] = 0;
            cnt--;
        }
        tm_assert_eq(t.cnt, cnt);
        key = rng_next(&rng) % KEYS;
        const entry_t *e = find(&t, key);
        tm_assert_eq(e != NULL, model[key] != 0);
        if (e) tm_assert(e->value == model[key] && e->check == ~model[key]);
    }
    for (uint64_t key = 0; key < KEYS; key++)
        if (model[key]) tm_keyed_erase(&t, find(&t, key));
    tm_assert_eq(t.cnt, 0u);
    tm_assert_eq(t.entry_pages.cnt, 0u);
    tm_keyed_clear(&t);
    tm_assert_eq(arena.used_cnt, 0u);
    tm_assert(late.pages > 1000 && late.logged > 10000);
    late_close(&late);
    free(model);
    arena_end();
}

Test(keyed_table, erasing_what_a_scan_gives_visits_the_rest_once)
{
    arena_start(1000);
    tm_keyed_table_t t;
    tm_keyed_init(&t, &arena, ENTRY_SZ);
    uint8_t seen[3000] = {0};
    for (uint64_t i = 0; i < 3000; i++) {
        bool added;
        tm_assert(get(&t, i, &added) != NULL);
    }
    tm_keyed_cursor_t cursor = tm_keyed_scan(&t);
    void *at;
    while (tm_keyed_next(&t, &cursor, 1, &at)) {
        uint64_t key = ((entry_t *)at)->key;
        seen[key]++;
        if (key % 3) tm_keyed_erase(&t, at);
    }
    for (uint64_t i = 0; i < 3000; i++) {
        tm_assert_eq(seen[i], 1);
        tm_assert_eq(find(&t, i) != NULL, i % 3 == 0);
    }
    arena_end();
}

Test(keyed_table, erasing_all_that_a_scan_gives_in_runs_empties_the_table)
{
    arena_start(1000);
    tm_keyed_table_t t;
    tm_keyed_init(&t, &arena, ENTRY_SZ);
    uint8_t seen[3000] = {0};
    for (uint64_t i = 0; i < 3000; i++) {
        bool added;
        tm_assert(get(&t, i, &added) != NULL);
    }
    tm_keyed_cursor_t cursor = tm_keyed_scan(&t);
    void *at;
    uint32_t n;
    while ((n = tm_keyed_next(&t, &cursor, 64, &at)) > 0) {
        for (entry_t *e = (entry_t *)at + n; e-- > (entry_t *)at;) {
            seen[e->key]++;
            tm_keyed_erase(&t, e);
        }
    }
    for (uint64_t i = 0; i < 3000; i++) tm_assert_eq(seen[i], 1);
    tm_assert_eq(t.cnt, 0u);
    tm_assert_eq(t.entry_pages.cnt, 0u);
    arena_end();
}

Test(keyed_table, says_no_when_the_pages_are_gone_and_goes_on_when_some_are_back)
{
    arena_start(20);
    tm_keyed_table_t t, other;
    tm_keyed_init(&t, &arena, ENTRY_SZ);
    tm_keyed_init(&other, &arena, ENTRY_SZ);
    bool added;
    for (uint64_t i = 0; i < 600; i++) tm_assert(get(&other, i, &added) != NULL);
    uint64_t n = 0;
    while (get(&t, n, &added)) n++;
    tm_assert(n >= 512 * 8);
    for (int again = 0; again < 3; again++) tm_assert(get(&t, n, &added) == NULL && !added);
    tm_assert_eq(t.cnt, n);
    for (uint64_t i = 0; i < n; i++) tm_assert(find(&t, i) != NULL);
    tm_keyed_clear(&other);
    for (uint64_t i = n; i < n + 500; i++) tm_assert(get(&t, i, &added) != NULL);
    for (uint64_t i = 0; i < n + 500; i++) tm_assert(find(&t, i)->key == i);
    for (uint64_t i = 0; i < n + 500; i++) tm_keyed_erase(&t, find(&t, i));
    arena_end();
}

/* Tags are given by the caller, so that a test can make any number of keys collide. */
Test(keyed_table, keys_of_one_tag_are_told_apart_until_there_is_no_room_in_reach)
{
    arena_start(1000);
    tm_keyed_table_t t;
    tm_keyed_init(&t, &arena, ENTRY_SZ);
    bool added;
    uint64_t n = 0;
    while (n < 1000 && tm_keyed_get(&t, n, 0xdeadbeef, &added)) n++;
    tm_assert_eq(n, (uint64_t)TM_KEYED_REACH * TM_KEYED_WAYS);
    for (uint64_t i = 0; i < n; i++)
        tm_assert(((entry_t *)tm_keyed_find(&t, i, 0xdeadbeef))->key == i);
    tm_assert(tm_keyed_find(&t, n, 0xdeadbeef) == NULL);
    /* Others are not harmed. */
    for (uint64_t i = 0; i < 100000; i++) tm_assert(get(&t, 5000 + i, &added) != NULL);
    for (uint64_t i = 0; i < n; i++)
        tm_assert(((entry_t *)tm_keyed_find(&t, i, 0xdeadbeef))->key == i);
    arena_end();
}

Test(keyed_table, sweeps_reach_every_entry_that_stays_while_others_come_and_go)
{
    enum { STAY = 3000 };
    static uint32_t seen[STAY];
    arena_start(2000);
    tm_keyed_table_t t;
    tm_keyed_init(&t, &arena, ENTRY_SZ);
    uint64_t seed = 3;
    bool added;
    /* Those that stay lie among those that go. */
    for (uint64_t i = 0; i < 4 * STAY; i++) get(&t, i % 4 ? (i << 32) : i / 4, &added);
    for (uint32_t round = 0; round < 40000; round++) {
        void *run;
        uint64_t other = (rng_next(&seed) % (4 * STAY)) << 32;
        entry_t *e = other ? find(&t, other) : NULL;
        if (e)
            tm_keyed_erase(&t, e);
        else if (other && round < 20000)
            get(&t, other, &added);
        uint32_t n = tm_keyed_sweep(&t, 7, &run);
        tm_assert(n >= 1 && n <= 7);
        entry_t *entries = run;
        for (uint32_t i = n; i-- > 0;) {
            if (entries[i].key < STAY)
                seen[entries[i].key]++;
            else if (round % 3 == 0)
                tm_keyed_erase(&t, &entries[i]);
        }
    }
    for (uint32_t i = 0; i < STAY; i++) tm_assert(seen[i] >= 2);
    tm_keyed_clear(&t);
    tm_assert_eq(tm_keyed_sweep(&t, 7, &(void *){NULL}), 0u);
    arena_end();
}

Test(keyed_table, a_table_that_was_told_how_many_keys_to_expect_holds_what_comes_instead)
{
    arena_start(200);
    const uint32_t expected[] = {1, 20, 1000, 100000};
    const uint64_t keys[] = {1, 50, 3000};
    for (size_t e = 0; e < TM_ARRAY_CNT(expected); e++)
        for (size_t k = 0; k < TM_ARRAY_CNT(keys); k++) {
            tm_keyed_table_t t;
            bool added;
            tm_keyed_init(&t, &arena, ENTRY_SZ);
            tm_keyed_expect(&t, expected[e]);
            tm_assert(find(&t, key_of(5, 0)) == NULL);
            for (uint64_t i = 0; i < keys[k]; i++) {
                entry_t *entry = get(&t, key_of(5, i), &added);
                tm_assert(entry && added);
                entry->value = i;
            }
            for (uint64_t i = 0; i < keys[k]; i++) {
                const entry_t *entry = find(&t, key_of(5, i));
                tm_assert(entry && entry->value == i);
            }
            tm_assert(t.cnt == keys[k]);
            tm_keyed_clear(&t);
        }
    tm_assert(arena.used_cnt == 0);
    arena_end();
}
