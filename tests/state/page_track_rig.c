#include "tests/state/page_track_rig.h"

#include "tests/state/pages_bed.h"

#include <errno.h>
#include <string.h>

void rig_open(rig_t *rig, uint32_t page_cnt, uint32_t spare_cnt, uint64_t seed)
{
    *rig = (rig_t){.page_cnt = page_cnt, .worker_rng = seed, .snap_rng = ~seed};
    rig->page_mem = pages_bed_open(&rig->arena, page_cnt);
    for (uint32_t i = 0; i < page_cnt; i++) (void)tm_page_take(&rig->arena);
    memset(rig->arena.base, 0, ((size_t)page_cnt + 1) << TM_PAGE_SHIFT);
    size_t sz = tm_page_track_footprint(&rig->arena, spare_cnt);
    tm_assert(sz > 0);
    rig->track_mem = aligned_alloc(TM_FALSE_SHARE, tm_align_up(sz, TM_FALSE_SHARE));
    rig->track = tm_page_track_init(rig->track_mem, &rig->arena, spare_cnt);
    size_t all = ((size_t)page_cnt + 1) << TM_PAGE_SHIFT;
    rig->truth = calloc(1, all);
    rig->image = calloc(1, all);
    rig->fresh = aligned_alloc(TM_CACHE_LINE, all);
    rig->is_fresh = calloc(1, page_cnt + 1);
}

void rig_close(rig_t *rig)
{
    free(rig->page_mem);
    free(rig->track_mem);
    free(rig->truth);
    free(rig->image);
    free(rig->fresh);
    free(rig->is_fresh);
}

/* Writes all over the page. */
static void page_write(rig_t *rig, uint32_t page, uint64_t r)
{
    uint64_t *words = tm_page_ptr(&rig->arena, page);
    tm_page_touch(&rig->arena, page);
    for (uint32_t i = 0; i < TM_PAGE_SZ / sizeof *words; i += 1 + (uint32_t)(r >> 8) % 64)
        words[i] = r + i;
}

/* Writes a few spans of up to 200 bytes, all of a span or its ends, some of them twice. */
static void spans_write(rig_t *rig, uint32_t page, uint64_t r)
{
    uint8_t *bytes = tm_page_ptr(&rig->arena, page);
    for (uint32_t i = 0; i < 1 + (r >> 16) % 24; i++) {
        uint64_t at = r * (2 * i + 1) >> 20;
        uint32_t off = (uint32_t)(at % TM_PAGE_SZ), sz = 1 + (uint32_t)(at >> 20) % 200;
        if (sz > TM_PAGE_SZ - off) sz = TM_PAGE_SZ - off;
        tm_span_touch(&rig->arena, bytes + off, sz);
        if (at >> 40 & 1) {
            memset(bytes + off, (int)(at >> 32), sz);
        } else {
            bytes[off]++;
            bytes[off + sz - 1]++;
        }
    }
}

bool rig_worker_step(rig_t *rig, bool may_flip)
{
    uint64_t r = pages_bed_random(&rig->worker_rng);
    tm_page_track_work(rig->track);
    /* Half of the writes go to a few pages. */
    uint32_t page = 1 + (uint32_t)(r >> 32) % (r & 1 ? rig->page_cnt : rig->page_cnt / 8 + 1);
    if (r >> 6 & 1)
        spans_write(rig, page, r);
    else
        page_write(rig, page, r);
    rig->writes++;
    if (!may_flip || !tm_page_track_is_idle(rig->track)) return false;
    memcpy(rig->truth, rig->arena.base, ((size_t)rig->page_cnt + 1) << TM_PAGE_SHIFT);
    return tm_page_track_flip(rig->track) == 0;
}

static void snap_finish(rig_t *rig, bool ok)
{
    size_t all = ((size_t)rig->page_cnt + 1) << TM_PAGE_SHIFT;
    for (uint32_t page = 0; ok && page <= rig->page_cnt; page++)
        if (rig->is_fresh[page])
            memcpy(rig->image + ((size_t)page << TM_PAGE_SHIFT),
                   rig->fresh + ((size_t)page << TM_PAGE_SHIFT), TM_PAGE_SZ);
    if (ok && memcmp(rig->image, rig->truth, all) != 0) rig->differs = true;
    rig->good += ok;
    rig->open = false;
    memset(rig->is_fresh, 0, rig->page_cnt + 1);
    tm_page_snap_end(rig->track, ok);
}

uint32_t rig_snap_step(rig_t *rig, uint32_t fail_one_in)
{
    uint32_t page;
    uint8_t copy[TM_PAGE_SZ] __attribute__((aligned(64)));
    if (!rig->open) {
        rig->open = tm_page_snap_begin(rig->track, &rig->due);
        rig->got = 0;
        return rig->open;
    }
    int code = tm_page_snap_next(rig->track, copy, &page);
    bool fail = fail_one_in && pages_bed_random(&rig->snap_rng) % fail_one_in == 0;
    if (code == -EAGAIN) return 0;
    if (code == -ECANCELED || (code == 1 && fail && rig->got > rig->due / 2)) {
        rig->given_up += code < 0;
        rig->failed += code > 0;
        snap_finish(rig, false);
    } else if (code == 0) {
        if (rig->got != rig->due) rig->differs = true;
        snap_finish(rig, true);
    } else {
        if (page > rig->page_cnt || rig->is_fresh[page]) {
            rig->differs = true; /* a page twice */
            return 1;
        }
        rig->got++;
        rig->pages++;
        rig->is_fresh[page] = 1;
        memcpy(rig->fresh + ((size_t)page << TM_PAGE_SHIFT), copy, TM_PAGE_SZ);
    }
    return 1;
}
