#include "state/table/slab.h"
#include "tests/state/pages_bed.h"

#include <stdio.h>
#include <string.h>

enum { BLOCKS = 4000 };

typedef struct block {
    tm_ref_t ref;
    uint32_t sz;
    uint8_t fill;
} block_t;

static bool is_filled(const tm_page_arena_t *arena, const block_t *b)
{
    const uint8_t *at = tm_ref_ptr(arena, b->ref);
    for (uint32_t i = 0; i < b->sz; i++)
        if (at[i] != b->fill) return false;
    return true;
}

Test(slab, keeps_what_is_written_into_blocks_of_random_sizes)
{
    static block_t blocks[BLOCKS];
    tm_page_arena_t arena;
    tm_slab_t slab;
    uint64_t seed = 11;
    void *mem = pages_bed_open(&arena, 2000);
    tm_slab_init(&slab, &arena);
    for (uint32_t step = 0; step < 200000; step++) {
        block_t *b = &blocks[pages_bed_random(&seed) % BLOCKS];
        if (b->ref != 0) {
            tm_assert(is_filled(&arena, b));
            tm_slab_free(&slab, b->ref);
            *b = (block_t){0};
            continue;
        }
        uint64_t r = pages_bed_random(&seed);
        b->sz = (uint32_t)(r % 64 == 0 ? r % (TM_SLAB_SZ_MAX + 1) : r % 300);
        b->fill = (uint8_t)(r >> 32);
        b->ref = tm_slab_alloc(&slab, b->sz);
        tm_assert(b->ref != 0 && tm_slab_room(&slab, b->ref) >= b->sz);
        memset(tm_ref_ptr(&arena, b->ref), b->fill, b->sz);
    }
    for (uint32_t i = 0; i < BLOCKS; i++)
        if (blocks[i].ref) {
            tm_assert(is_filled(&arena, &blocks[i]));
            tm_slab_free(&slab, blocks[i].ref);
        }
    /* One page a class may stay. */
    tm_assert(arena.used_cnt <= TM_SLAB_CLASSES);
    tm_slab_clear(&slab);
    tm_assert_eq(arena.used_cnt, 0u);
    free(mem);
}

Test(slab, fits_every_size_and_wastes_little)
{
    tm_page_arena_t arena;
    tm_slab_t slab;
    void *mem = pages_bed_open(&arena, 100);
    tm_slab_init(&slab, &arena);
    for (uint32_t sz = 0; sz <= TM_SLAB_SZ_MAX; sz++) {
        tm_ref_t ref = tm_slab_alloc(&slab, sz);
        uint32_t room = tm_slab_room(&slab, ref);
        tm_assert(room >= sz && (sz > 4080 || room - sz <= 16 || room - sz <= room / 3));
        tm_slab_free(&slab, ref);
    }
    tm_assert_eq(tm_slab_alloc(&slab, TM_SLAB_SZ_MAX + 1), 0u);
    tm_slab_clear(&slab);
    free(mem);
}

Test(slab, says_no_when_the_arena_is_full_and_works_again_after_a_free)
{
    tm_page_arena_t arena;
    tm_slab_t slab;
    void *mem = pages_bed_open(&arena, 4);
    tm_slab_init(&slab, &arena);
    tm_ref_t last = 0, ref, cnt = 0;
    while ((ref = tm_slab_alloc(&slab, 8000)) != 0) last = ref, cnt++;
    tm_assert_eq(cnt, 8u);
    tm_assert_eq(tm_slab_alloc(&slab, 16), 0u);
    tm_slab_free(&slab, last);
    tm_assert_eq(tm_slab_alloc(&slab, 8000), last);
    tm_slab_clear(&slab);
    tm_assert_eq(arena.used_cnt, 0u);
    free(mem);
}
