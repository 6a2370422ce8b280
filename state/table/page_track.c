#include "state/table/page_track.h"

#include "base/check.h"

#include <errno.h>
#include <string.h>

enum { TAG_CLEAN = 0, SPARE_MIN = 1 << 4, SPARE_MAX = 1 << 20, RELIST_STEP = 4096 };

struct tm_page_track {
    /* The worker's. */
    tm_page_arena_t *arena;
    uint8_t *frames;
    uint32_t spare_cnt;
    uint32_t free_cnt;
    uint32_t *free_frames; /* a stack */
    uint32_t *lists[2];    /* pages of the epoch, by its lowest bit */
    uint32_t list_cnt[2];
    uint32_t frozen;    /* the epoch whose pages may not be written unsaved; 0 = none */
    bool under_way;     /* a snapshot, given up or not */
    bool relisting;     /* its pages are put into the epoch under way */
    uint32_t relist_at; /* next of them */
    tm_page_track_counts_t counts;
    uint64_t *copies;  /* ring to the snapshot thread: see copy_word */
    uint32_t *returns; /* ring back: frame */
    uint32_t returns_tail;
    uint32_t copies_seq;

    alignas(TM_FALSE_SHARE) _Atomic uint32_t flipped; /* P1: the last epoch that ended */
    _Atomic uint32_t copies_head;                     /* P3 */
    _Atomic uint32_t abandoned;                       /* P6: epoch */

    /* The snapshot thread's. */
    alignas(TM_FALSE_SHARE) _Atomic uint32_t returns_head; /* P4 */
    _Atomic uint64_t ended;                                /* P5: epoch << 1 | whether it is safe */
    uint32_t snap_epoch;                                   /* under way or last */
    uint32_t snap_at, snap_cnt, snap_given;
    uint32_t copies_tail;
};

/* ---- Memory ---------------------------------------------------------------------------------- */

static size_t list_sz(const tm_page_arena_t *arena)
{
    return tm_align_up(sizeof(uint32_t) * tm_page_arena_total(arena), TM_FALSE_SHARE);
}

size_t tm_page_track_footprint(const tm_page_arena_t *arena, uint32_t spare_cnt)
{
    if (spare_cnt < SPARE_MIN || spare_cnt > SPARE_MAX || !tm_is_pow2(spare_cnt)) return 0;
    return tm_align_up(sizeof(tm_page_track_t), TM_FALSE_SHARE) + 2 * list_sz(arena) +
           spare_cnt * (sizeof(uint64_t) + 2 * sizeof(uint32_t)) +
           ((size_t)spare_cnt << TM_PAGE_SHIFT);
}

tm_page_track_t *tm_page_track_init(void *mem, tm_page_arena_t *arena, uint32_t spare_cnt)
{
    TM_CHECK(tm_page_track_footprint(arena, spare_cnt) != 0, "%u spare frames", spare_cnt);
    tm_page_track_t *t = mem;
    *t = (tm_page_track_t){.arena = arena, .spare_cnt = spare_cnt, .free_cnt = spare_cnt};
    uint8_t *at = (uint8_t *)mem + tm_align_up(sizeof *t, TM_FALSE_SHARE);
    t->frames = at, at += (size_t)spare_cnt << TM_PAGE_SHIFT;
    for (uint32_t i = 0; i < 2; i++, at += list_sz(arena)) t->lists[i] = (uint32_t *)(void *)at;
    t->copies = (uint64_t *)(void *)at, at += spare_cnt * sizeof *t->copies;
    t->returns = (uint32_t *)(void *)at, at += spare_cnt * sizeof *t->returns;
    t->free_frames = (uint32_t *)(void *)at;
    for (uint32_t i = 0; i < spare_cnt; i++) t->free_frames[i] = i;
    for (uint32_t i = 0; i < tm_page_arena_total(arena); i++)
        atomic_store_explicit(&arena->tags[i], TAG_CLEAN, memory_order_relaxed); /* no reader yet */
    arena->track = t;
    arena->epoch = 1;
    return t;
}

/* A copy on its way: the epoch, so that one of a snapshot that has failed is not taken for one of
   the next, page and frame. */
static uint64_t copy_word(uint32_t epoch, uint32_t page, uint32_t frame)
{
    return (uint64_t)(epoch & 0xfffff) << 44 | (uint64_t)page << 20 | frame;
}

/* ---- The worker ------------------------------------------------------------------------------ */

static void *frame_at(const tm_page_track_t *t, uint32_t frame)
{
    return t->frames + ((size_t)frame << TM_PAGE_SHIFT);
}

static uint32_t frames_take_back(tm_page_track_t *t)
{
    uint32_t head = atomic_load_explicit(&t->returns_head, memory_order_acquire); /* P4 */
    uint32_t cnt = head - t->returns_tail;
    for (; t->returns_tail != head; t->returns_tail++)
        t->free_frames[t->free_cnt++] = t->returns[t->returns_tail & (t->spare_cnt - 1)];
    return cnt;
}

/* Nothing is frozen any more; the snapshot thread finds out. */
static void abandon(tm_page_track_t *t)
{
    atomic_store_explicit(&t->abandoned, t->frozen, memory_order_release); /* P6 */
    t->frozen = 0;
    t->counts.abandoned++;
}

/* Saves a frozen page before it is written. */
static void preserve(tm_page_track_t *t, uint32_t page)
{
    _Atomic uint32_t *tag = &t->arena->tags[page];
    uint32_t epoch = t->arena->epoch, expected = t->frozen;
    if (t->free_cnt == 0 && frames_take_back(t) == 0) {
        abandon(t);
        atomic_store_explicit(tag, epoch, memory_order_relaxed); /* what it held is given up */
        return;
    }
    uint32_t frame = t->free_frames[t->free_cnt - 1];
    memcpy(frame_at(t, frame), tm_page_ptr(t->arena, page), TM_PAGE_SZ);
    /* P2: where the thread was quicker, its copy was made before the writes that follow. */
    if (!atomic_compare_exchange_strong_explicit(tag, &expected, epoch, memory_order_acq_rel,
                                                 memory_order_acquire)) {
        atomic_store_explicit(tag, epoch, memory_order_relaxed); /* nobody else writes it now */
        return;
    }
    t->free_cnt--;
    t->counts.copied++;
    t->copies[t->copies_seq & (t->spare_cnt - 1)] = copy_word(epoch - 1, page, frame);
    atomic_store_explicit(&t->copies_head, ++t->copies_seq, memory_order_release); /* P3 */
}

void tm_page_touch_first(tm_page_arena_t *arena, uint32_t page)
{
    tm_page_track_t *t = arena->track;
    uint32_t tag = atomic_load_explicit(&arena->tags[page], memory_order_acquire); /* P2 */
    if (tag == t->frozen && tag != TAG_CLEAN)
        preserve(t, page);
    else
        atomic_store_explicit(&arena->tags[page], arena->epoch,
                              memory_order_relaxed); /* as above */
    uint32_t which = arena->epoch & 1;
    t->lists[which][t->list_cnt[which]++] = page;
    t->counts.touched++;
}

bool tm_page_track_is_idle(const tm_page_track_t *track)
{
    return !track->under_way && !track->relisting;
}

int tm_page_track_flip(tm_page_track_t *track)
{
    tm_page_track_t *t = track;
    while (t->under_way && tm_page_track_work(t) > 0) {
    }
    if (!tm_page_track_is_idle(t)) return -EAGAIN;
    t->frozen = t->arena->epoch++;
    t->list_cnt[t->arena->epoch & 1] = 0;
    t->under_way = true;
    t->counts.flips++;
    atomic_store_explicit(&t->flipped, t->frozen, memory_order_release); /* P1 */
    return 0;
}

/* Puts a piece of the last snapshot's pages into the epoch under way. */
static uint32_t relist(tm_page_track_t *t)
{
    uint32_t epoch = t->arena->epoch, now = epoch & 1, was = now ^ 1, cnt = 0;
    for (; cnt < RELIST_STEP && t->relist_at < t->list_cnt[was]; cnt++) {
        uint32_t page = t->lists[was][t->relist_at++];
        /* The snapshot has ended: only the worker reads and writes tags. */
        if (atomic_load_explicit(&t->arena->tags[page], memory_order_relaxed) == epoch) continue;
        atomic_store_explicit(&t->arena->tags[page], epoch, memory_order_relaxed);
        t->lists[now][t->list_cnt[now]++] = page;
    }
    t->relisting = t->relist_at < t->list_cnt[was];
    return cnt + 1;
}

uint32_t tm_page_track_work(tm_page_track_t *track)
{
    tm_page_track_t *t = track;
    if (t->relisting) return relist(t);
    uint32_t done = frames_take_back(t);
    if (!t->under_way) return done;
    uint64_t ended = atomic_load_explicit(&t->ended, memory_order_acquire); /* P5 */
    if (ended >> 1 != t->arena->epoch - 1) return done;
    t->frozen = 0;
    t->under_way = false;
    t->relisting = !(ended & 1);
    t->relist_at = 0;
    return done + 1;
}

tm_page_track_counts_t tm_page_track_counts(const tm_page_track_t *track)
{
    return track->counts;
}

/* ---- The snapshot thread --------------------------------------------------------------------- */

bool tm_page_snap_begin(tm_page_track_t *track, uint32_t *page_cnt)
{
    tm_page_track_t *t = track;
    uint32_t flipped = atomic_load_explicit(&t->flipped, memory_order_acquire); /* P1 */
    if (flipped == t->snap_epoch) return false;
    t->snap_epoch = flipped;
    t->snap_at = t->snap_given = 0;
    /* The worker does not touch the list of an epoch that has ended before P5. */
    *page_cnt = t->snap_cnt = t->list_cnt[flipped & 1];
    return true;
}

/* A copy that is thrown away where the worker wrote meanwhile: see Torn in the header. No library
   call, for those are watched. */
__attribute__((no_sanitize("thread"), noinline)) static void copy_racing(void *copy,
                                                                         const void *page)
{
    typedef uint64_t word_t __attribute__((vector_size(64), may_alias));
    word_t *to = copy;
    const word_t *from = page;
    for (uint32_t i = 0; i < TM_PAGE_SZ / sizeof *to; i++) to[i] = from[i];
}

/* The next copy of this snapshot that the worker has handed over; copy NULL drops all there are. */
static bool copy_take(tm_page_track_t *t, void *copy, uint32_t *page)
{
    uint32_t head = atomic_load_explicit(&t->copies_head, memory_order_acquire); /* P3 */
    bool taken = false;
    while (head != t->copies_tail && !taken) {
        uint64_t word = t->copies[t->copies_tail++ & (t->spare_cnt - 1)];
        uint32_t frame = (uint32_t)word & 0xfffff;
        *page = (uint32_t)(word >> 20) & 0xffffff;
        taken = copy && word >> 44 == (t->snap_epoch & 0xfffff);
        if (taken) memcpy(copy, frame_at(t, frame), TM_PAGE_SZ);
        /* Own value; only this thread pushes. */
        uint32_t at = atomic_load_explicit(&t->returns_head, memory_order_relaxed);
        t->returns[at & (t->spare_cnt - 1)] = frame;
        atomic_store_explicit(&t->returns_head, at + 1, memory_order_release); /* P4 */
    }
    return taken;
}

int tm_page_snap_next(tm_page_track_t *track, void *copy, uint32_t *page)
{
    tm_page_track_t *t = track;
    /* Copies first, so that the worker does not run out of frames. */
    if (copy_take(t, copy, page)) return t->snap_given++, 1;
    const uint32_t *list = t->lists[t->snap_epoch & 1];
    while (t->snap_at < t->snap_cnt) {
        *page = list[t->snap_at++];
        _Atomic uint32_t *tag = &t->arena->tags[*page];
        uint32_t expected = t->snap_epoch;
        /* A hint only: the exchange decides. */
        if (atomic_load_explicit(tag, memory_order_relaxed) != expected) continue;
        copy_racing(copy, tm_page_ptr(t->arena, *page));
        if (atomic_compare_exchange_strong_explicit(tag, &expected, TAG_CLEAN, memory_order_acq_rel,
                                                    memory_order_relaxed)) /* P2 */
            return t->snap_given++, 1;
    }
    if (t->snap_given == t->snap_cnt) return 0;
    if (atomic_load_explicit(&t->abandoned, memory_order_acquire) == t->snap_epoch) /* P6 */
        return -ECANCELED;
    return -EAGAIN;
}

void tm_page_snap_end(tm_page_track_t *track, bool ok)
{
    tm_page_track_t *t = track;
    uint32_t page;
    /* What the worker has handed over and nobody took, after a failure, goes back to it. */
    (void)copy_take(t, NULL, &page);
    atomic_store_explicit(&t->ended, (uint64_t)t->snap_epoch << 1 | ok,
                          memory_order_release); /* P5 */
}
