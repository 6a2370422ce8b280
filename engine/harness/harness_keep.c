#include "engine/harness/harness_keep.h"

#include "base/check.h"
#include "base/error.h"
#include "state/table/page_track.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SPARE_FRAMES = 16 }; /* none is used: nothing is written while pages are kept */

static size_t mem_sz(const tm_harness_pages_t *pages)
{
    return tm_align_up(tm_page_arena_footprint(pages->page_cnt), TM_FALSE_SHARE);
}

/* Fresh memory, tracked. */
static int memory_take(tm_harness_pages_t *pages)
{
    pages->mem = aligned_alloc(TM_FALSE_SHARE, mem_sz(pages));
    if (!pages->mem) return tm_error_set(-ENOMEM, "harness: out of memory");
    tm_page_arena_init(&pages->arena, pages->mem, pages->page_cnt);
    size_t sz = tm_align_up(tm_page_track_footprint(&pages->arena, SPARE_FRAMES), TM_FALSE_SHARE);
    pages->track_mem = aligned_alloc(TM_FALSE_SHARE, sz);
    if (!pages->track_mem) return tm_error_set(-ENOMEM, "harness: out of memory");
    tm_page_track_init(pages->track_mem, &pages->arena, SPARE_FRAMES);
    return 0;
}

static void memory_free(tm_harness_pages_t *pages)
{
    free(pages->mem);
    free(pages->track_mem);
    pages->mem = pages->track_mem = NULL;
}

int tm_harness_pages_open(tm_harness_pages_t *pages, uint64_t state_sz)
{
    *pages = (tm_harness_pages_t){.page_cnt = (uint32_t)(state_sz / TM_PAGE_SZ)};
    if (tm_page_arena_footprint(pages->page_cnt) == 0)
        return tm_error_set(-EINVAL, "harness: state_sz of %zu bytes", (size_t)state_sz);
    return memory_take(pages);
}

void tm_harness_pages_close(tm_harness_pages_t *pages)
{
    memory_free(pages);
    free(pages->kept);
}

int tm_harness_pages_keep(tm_harness_pages_t *pages)
{
    static uint8_t copy[TM_PAGE_SZ] __attribute__((aligned(64)));
    tm_page_track_t *track = pages->arena.track;
    uint32_t page, cnt;
    int more;
    if (!pages->kept) pages->kept = calloc(tm_page_arena_total(&pages->arena), TM_PAGE_SZ);
    if (!pages->kept) return tm_error_set(-ENOMEM, "harness: out of memory");
    pages->roots = tm_page_arena_save(&pages->arena);
    TM_TRY(tm_page_track_flip(track));
    TM_CHECK(tm_page_snap_begin(track, &cnt), "harness: a snapshot is under way");
    while ((more = tm_page_snap_next(track, copy, &page)) == 1)
        memcpy(pages->kept + ((size_t)page << TM_PAGE_SHIFT), copy, TM_PAGE_SZ);
    TM_CHECK(more == 0, "harness: a page was lost");
    tm_page_snap_end(track, true);
    while (tm_page_track_work(track) > 0) {
    }
    return 0;
}

int tm_harness_pages_move(tm_harness_pages_t *pages)
{
    tm_harness_pages_t old = *pages;
    uint32_t total = tm_page_arena_total(&pages->arena), used = pages->roots.fresh;
    memset(old.mem, 0xee, (size_t)used << TM_PAGE_SHIFT);
    int err = memory_take(pages); /* before the old memory goes: at another place */
    memory_free(&old);
    TM_TRY(err);
    /* Pages that were handed out, and the links behind all of them. */
    size_t links = (size_t)(pages->page_cnt + 1) << TM_PAGE_SHIFT;
    memcpy(pages->arena.base, pages->kept, (size_t)used << TM_PAGE_SHIFT);
    memcpy(pages->arena.base + links, pages->kept + links,
           ((size_t)total << TM_PAGE_SHIFT) - links);
    TM_CHECK(tm_page_arena_restore(&pages->arena, &pages->roots), "harness: %u pages", total);
    return 0;
}

int tm_harness_blob_save(tm_harness_blob_t *blob, const tm_operator_t *op)
{
    *blob = (tm_harness_blob_t){0};
    if (!op->ops->save) return 0;
    blob->sz = op->ops->save(op, NULL, 0);
    blob->bytes = malloc(blob->sz);
    if (!blob->bytes) return tm_error_set(-ENOMEM, "harness: out of memory");
    TM_CHECK(op->ops->save(op, blob->bytes, blob->sz) == blob->sz, "%s: save", op->ops->kind);
    return 0;
}

int tm_harness_blob_restore(tm_harness_blob_t *blob, tm_operator_t *op)
{
    int err = blob->bytes ? op->ops->restore(op, blob->bytes, blob->sz) : 0;
    free(blob->bytes);
    *blob = (tm_harness_blob_t){0};
    return err;
}
