/* The snapshot thread's side of page tracking: saves frozen pages, a group at a time, and undoes in
   its copies what the worker has written since the flip. */
#include "base/check.h"
#include "state/table/page_track_private.h"

#include <errno.h>
#include <string.h>

bool tm_page_snap_begin(tm_page_track_t *track, uint32_t *page_cnt)
{
    tm_page_track_t *t = track;
    uint32_t flipped = atomic_load_explicit(&t->flipped, memory_order_acquire); /* P1 */
    if (flipped == t->snap_epoch) return false;
    t->snap_epoch = flipped;
    t->snap_at = t->snap_given = 0;
    t->stash_at = t->stash_cnt = 0;
    /* The worker does not touch the list of an epoch that has ended before P5. */
    *page_cnt = t->snap_cnt = t->list_cnt[flipped & 1];
    return true;
}

/* Pages saved together, with the number of the next record to undo of each. */
typedef struct group {
    uint32_t first, cnt; /* within the stash */
    uint32_t logs[TM_TRACK_GROUP];
    uint32_t logged; /* pages of which lines were logged */
} group_t;

static uint8_t *stash_page(const tm_page_track_t *t, uint32_t i)
{
    return t->stash + ((size_t)i << TM_PAGE_SHIFT);
}

static uint8_t *group_next(const tm_page_track_t *t, const group_t *g)
{
    return stash_page(t, g->first + g->cnt);
}

static void group_add(tm_page_track_t *t, group_t *g, uint32_t page, bool logged)
{
    /* P7: what the worker wrote before this page was saved is in its log. */
    uint64_t log = logged ? atomic_load_explicit(&t->logs[page], memory_order_acquire) : 0;
    t->stash_list[g->first + g->cnt] = page;
    g->logs[g->cnt++] = (uint32_t)log;
    g->logged += logged;
}

/* Takes the next of the copies that the worker has handed over for this snapshot; g NULL drops all
   there are. */
static bool copy_take(tm_page_track_t *t, group_t *g)
{
    uint32_t head = atomic_load_explicit(&t->copies_head, memory_order_acquire); /* P3 */
    bool taken = false;
    while (head != t->copies_tail && !taken) {
        uint64_t word = t->copies[t->copies_tail++ & (t->spare_cnt - 1)];
        uint32_t frame = (uint32_t)word & 0xfffff;
        taken = g && word >> 44 == (t->snap_epoch & 0xfffff);
        if (taken) {
            memcpy(group_next(t, g), tm_track_frame(t, frame), TM_PAGE_SZ);
            group_add(t, g, (uint32_t)(word >> 20) & 0xffffff, true);
        }
        /* Own value; only this thread pushes. */
        uint32_t at = atomic_load_explicit(&t->returns_head, memory_order_relaxed);
        t->returns[at & (t->spare_cnt - 1)] = frame;
        atomic_store_explicit(&t->returns_head, at + 1, memory_order_release); /* P4 */
    }
    return taken;
}

/* A copy that is put right afterwards, or thrown away, where the worker wrote meanwhile: see Torn
   in the header. No library call, for those are watched. */
__attribute__((no_sanitize("thread"), noinline)) static void copy_racing(void *copy,
                                                                         const void *page)
{
    typedef uint64_t word_t __attribute__((vector_size(64), may_alias));
    word_t *to = copy;
    const word_t *from = page;
    for (uint32_t i = 0; i < TM_PAGE_SZ / sizeof *to; i++) to[i] = from[i];
}

/* Saves a page unless the worker has. A copy made while the page went from frozen to LOGGED is as
   good: all that was written into it is in the log. */
static void page_save(tm_page_track_t *t, group_t *g, uint32_t page)
{
    _Atomic uint32_t *tag = &t->arena->tags[page];
    /* A hint only: the exchange decides. */
    uint32_t was = atomic_load_explicit(tag, memory_order_relaxed);
    if (was != t->snap_epoch && was != TM_TRACK_LOGGED) return;
    copy_racing(group_next(t, g), tm_page_ptr(t->arena, page));
    if (was == t->snap_epoch &&
        atomic_compare_exchange_strong_explicit(tag, &was, TM_TRACK_CLEAN, memory_order_acq_rel,
                                                memory_order_acquire)) { /* P2 */
        group_add(t, g, page, false);
    } else if (was == TM_TRACK_LOGGED && atomic_compare_exchange_strong_explicit(
                                             tag, &was, t->snap_epoch + 1, memory_order_acq_rel,
                                             memory_order_relaxed)) { /* P2 */
        group_add(t, g, page, true);
    }
}

/* Puts back what lines held, newest record first, so that the oldest has the last word. All pages
   of the group in turn: records of one page lie far apart, and each names only the one before. */
static void group_undo(const tm_page_track_t *t, group_t *g)
{
    for (bool more = true; more;) {
        more = false;
        for (uint32_t i = 0; i < g->cnt; i++) {
            uint32_t record = g->logs[i];
            if (record == 0) continue;
            const tm_track_link_t *link = &t->log_links[record - 1];
            memcpy(stash_page(t, g->first + i) + (size_t)link->line * TM_TRACK_LINE,
                   tm_track_line(t, record), TM_TRACK_LINE);
            g->logs[i] = link->before;
            if (link->before == 0) continue;
            __builtin_prefetch(&t->log_links[link->before - 1]);
            __builtin_prefetch(tm_track_line(t, link->before));
            more = true;
        }
    }
}

/* Saves the next pages. Where the worker has written an eighth of them meanwhile, it is busy with
   them all, and the next time all there are are saved at once, before they cost it more. */
static void stash_fill(tm_page_track_t *t)
{
    const uint32_t *list = t->lists[t->snap_epoch & 1];
    const uint32_t max = t->ahead ? t->spare_cnt : TM_TRACK_GROUP;
    uint32_t logged = 0, done = TM_TRACK_GROUP;
    t->stash_at = t->stash_cnt = 0;
    while (done > 0 && t->stash_cnt + TM_TRACK_GROUP <= max) {
        group_t g = {.first = t->stash_cnt};
        /* Copies first, so that the worker does not run out of frames. */
        while (g.cnt < TM_TRACK_GROUP && copy_take(t, &g)) {
        }
        while (g.cnt < TM_TRACK_GROUP && t->snap_at < t->snap_cnt)
            page_save(t, &g, list[t->snap_at++]);
        group_undo(t, &g);
        done = g.cnt;
        logged += g.logged;
        t->stash_cnt += done;
    }
    if (t->stash_cnt > 0) t->ahead = logged > t->stash_cnt / 8;
}

int tm_page_snap_next(tm_page_track_t *track, void *copy, uint32_t *page)
{
    tm_page_track_t *t = track;
    if (t->stash_at == t->stash_cnt) stash_fill(t);
    if (t->stash_at < t->stash_cnt) {
        *page = t->stash_list[t->stash_at];
        memcpy(copy, stash_page(t, t->stash_at++), TM_PAGE_SZ);
        t->snap_given++;
        return 1;
    }
    if (t->snap_given == t->snap_cnt) return 0;
    if (atomic_load_explicit(&t->abandoned, memory_order_acquire) == t->snap_epoch) /* P6 */
        return -ECANCELED;
    return -EAGAIN;
}

void tm_page_snap_end(tm_page_track_t *track, bool ok)
{
    tm_page_track_t *t = track;
    /* What the worker has handed over and nobody took, after a failure, goes back to it. */
    (void)copy_take(t, NULL);
    atomic_store_explicit(&t->ended, (uint64_t)t->snap_epoch << 1 | ok,
                          memory_order_release); /* P5 */
}
