#include "tests/state/late_snapshot.h"

#include "tests/tm_test.h"

#include <stdlib.h>
#include <string.h>

static size_t all_of(const tm_page_arena_t *arena)
{
    return (size_t)tm_page_arena_total(arena) << TM_PAGE_SHIFT;
}

void late_open(late_t *late, tm_page_arena_t *arena)
{
    const uint32_t spare_cnt = 1024;
    *late = (late_t){.arena = arena, .truth = malloc(all_of(arena))};
    if (arena->track) return;
    size_t sz = tm_align_up(tm_page_track_footprint(arena, spare_cnt), TM_FALSE_SHARE);
    late->track_mem = aligned_alloc(TM_FALSE_SHARE, sz);
    tm_page_track_init(late->track_mem, arena, spare_cnt);
}

void late_flip(late_t *late)
{
    tm_assert(!late->flipped);
    /* Pages that were handed out, and the links behind all of them. */
    const size_t fresh = (size_t)late->arena->fresh << TM_PAGE_SHIFT;
    const size_t links = ((size_t)late->arena->page_cnt + 1) << TM_PAGE_SHIFT;
    memcpy(late->truth, late->arena->base, fresh);
    memcpy(late->truth + links, late->arena->base + links, all_of(late->arena) - links);
    while (tm_page_track_work(late->arena->track) > 0) {
    }
    tm_assert_eq(tm_page_track_flip(late->arena->track), 0);
    late->flipped = true;
}

void late_check(late_t *late)
{
    static uint8_t copy[TM_PAGE_SZ] __attribute__((aligned(64)));
    uint32_t page, cnt;
    int code;
    if (!late->flipped) return;
    tm_assert(tm_page_snap_begin(late->arena->track, &cnt));
    for (; (code = tm_page_snap_next(late->arena->track, copy, &page)) == 1; late->pages++, cnt--)
        tm_assert(memcmp(copy, late->truth + ((size_t)page << TM_PAGE_SHIFT), TM_PAGE_SZ) == 0);
    tm_assert(code == 0 && cnt == 0);
    tm_page_snap_end(late->arena->track, false);
    while (tm_page_track_work(late->arena->track) > 0) {
    }
    late->logged = tm_page_track_counts(late->arena->track).logged;
    late->flipped = false;
}

void late_close(late_t *late)
{
    late_check(late);
    free(late->truth);
    free(late->track_mem);
}
