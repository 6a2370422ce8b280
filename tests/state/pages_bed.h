/* tests/state/pages_bed.h - a page arena of a test's own, and seeded random numbers. */
#ifndef TM_TESTS_PAGES_BED_H
#define TM_TESTS_PAGES_BED_H

#include "state/table/page_arena.h"
#include "tests/tm_test.h"

#include <stdlib.h>

static inline void *pages_bed_open(tm_page_arena_t *arena, uint32_t page_cnt)
{
    size_t sz = tm_align_up(tm_page_arena_footprint(page_cnt), TM_CACHE_LINE);
    void *mem = aligned_alloc(TM_CACHE_LINE, sz);
    tm_assert(mem != NULL);
    tm_page_arena_init(arena, mem, page_cnt);
    return mem;
}

static inline uint64_t pages_bed_random(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

#endif
