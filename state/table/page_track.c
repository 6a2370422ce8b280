#include "base/check.h"
#include "state/table/page_track_private.h"

#include <errno.h>
#include <string.h>

enum {
    SPARE_MIN = 1 << 4,
    SPARE_MAX = 1 << 20,
    RELIST_STEP = 4096,

    /* A page of which so many lines were logged costs as much as one that is copied. */
    PAGE_LOG_MAX = 512,

#ifdef __x86_64__
    STORES_IN_ORDER = 1,
#else
    STORES_IN_ORDER = 0,
#endif
};

/* ---- Memory ---------------------------------------------------------------------------------- */

static size_t list_sz(const tm_page_arena_t *arena)
{
    return tm_align_up(sizeof(uint32_t) * tm_page_arena_total(arena), TM_FALSE_SHARE);
}

static size_t log_sz(uint32_t spare_cnt)
{
    return (size_t)spare_cnt * TM_TRACK_LINES * (TM_TRACK_LINE + sizeof(tm_track_link_t));
}

size_t tm_page_track_footprint(const tm_page_arena_t *arena, uint32_t spare_cnt)
{
    if (spare_cnt < SPARE_MIN || spare_cnt > SPARE_MAX || !tm_is_pow2(spare_cnt)) return 0;
    return tm_align_up(sizeof(tm_page_track_t), TM_FALSE_SHARE) + 4 * list_sz(arena) +
           spare_cnt * (sizeof(uint64_t) + 3 * sizeof(uint32_t)) + log_sz(spare_cnt) +
           2 * ((size_t)spare_cnt << TM_PAGE_SHIFT);
}

tm_page_track_t *tm_page_track_init(void *mem, tm_page_arena_t *arena, uint32_t spare_cnt)
{
    TM_CHECK(tm_page_track_footprint(arena, spare_cnt) != 0, "%u spare frames", spare_cnt);
    tm_page_track_t *t = mem;
    *t = (tm_page_track_t){.arena = arena,
                           .spare_cnt = spare_cnt,
                           .free_cnt = spare_cnt,
                           .log_max = spare_cnt * TM_TRACK_LINES};
    uint8_t *at = (uint8_t *)mem + tm_align_up(sizeof *t, TM_FALSE_SHARE);
    t->frames = at, at += (size_t)spare_cnt << TM_PAGE_SHIFT;
    t->stash = at, at += (size_t)spare_cnt << TM_PAGE_SHIFT;
    t->log_lines = at, at += (size_t)t->log_max * TM_TRACK_LINE;
    t->log_links = (void *)at, at += t->log_max * sizeof *t->log_links;
    for (uint32_t i = 0; i < 2; i++, at += list_sz(arena)) t->lists[i] = (uint32_t *)(void *)at;
    t->logs = (_Atomic uint64_t *)(void *)at, at += 2 * list_sz(arena);
    t->copies = (uint64_t *)(void *)at, at += spare_cnt * sizeof *t->copies;
    t->returns = (uint32_t *)(void *)at, at += spare_cnt * sizeof *t->returns;
    t->stash_list = (uint32_t *)(void *)at, at += spare_cnt * sizeof *t->stash_list;
    t->free_frames = (uint32_t *)(void *)at;
    for (uint32_t i = 0; i < spare_cnt; i++) t->free_frames[i] = i;
    for (uint32_t i = 0; i < tm_page_arena_total(arena); i++) /* no reader yet */
        atomic_store_explicit(&arena->tags[i], TM_TRACK_CLEAN, memory_order_relaxed);
    arena->track = t;
    arena->epoch = 1;
    return t;
}

/* ---- Frames ---------------------------------------------------------------------------------- */

static uint32_t frames_take_back(tm_page_track_t *t)
{
    uint32_t head = atomic_load_explicit(&t->returns_head, memory_order_acquire); /* P4 */
    uint32_t cnt = head - t->returns_tail;
    for (; t->returns_tail != head; t->returns_tail++)
        t->free_frames[t->free_cnt++] = t->returns[t->returns_tail & (t->spare_cnt - 1)];
    return cnt;
}

/* ---- First writes ---------------------------------------------------------------------------- */

/* The tag where the snapshot thread has no business with the page (any more). */
static void tag_take(tm_page_track_t *t, uint32_t page)
{
    atomic_store_explicit(&t->arena->tags[page], t->arena->epoch, memory_order_relaxed);
}

static void list_add(tm_page_track_t *t, uint32_t page)
{
    uint32_t which = t->arena->epoch & 1;
    t->lists[which][t->list_cnt[which]++] = page;
    t->counts.touched++;
}

/* Nothing is frozen any more; the snapshot thread finds out. */
static void abandon(tm_page_track_t *t)
{
    atomic_store_explicit(&t->abandoned, t->frozen, memory_order_release); /* P6 */
    t->frozen = 0;
    t->counts.abandoned++;
}

/* Saves a page before it is written; tag: frozen or LOGGED. */
static void preserve(tm_page_track_t *t, uint32_t page, uint32_t tag)
{
    uint32_t epoch = t->arena->epoch;
    if (t->free_cnt == 0 && frames_take_back(t) == 0) {
        abandon(t);
        tag_take(t, page); /* what it held is given up */
        return;
    }
    uint32_t frame = t->free_frames[t->free_cnt - 1];
    memcpy(tm_track_frame(t, frame), tm_page_ptr(t->arena, page), TM_PAGE_SZ);
    /* Nothing is logged of it; read behind P3 only. */
    if (tag == t->frozen) atomic_store_explicit(&t->logs[page], 0, memory_order_relaxed);
    /* P2: where the thread was quicker, its copy was made before the writes that follow. */
    if (!atomic_compare_exchange_strong_explicit(&t->arena->tags[page], &tag, epoch,
                                                 memory_order_acq_rel, memory_order_acquire)) {
        tag_take(t, page); /* nobody else writes it now */
        return;
    }
    t->free_cnt--;
    t->counts.copied++;
    t->copies[t->copies_seq & (t->spare_cnt - 1)] = tm_track_copy_word(epoch - 1, page, frame);
    atomic_store_explicit(&t->copies_head, ++t->copies_seq, memory_order_release); /* P3 */
}

void tm_page_touch_first(tm_page_arena_t *arena, uint32_t page)
{
    tm_page_track_t *t = arena->track;
    uint32_t tag = atomic_load_explicit(&arena->tags[page], memory_order_acquire); /* P2 */
    if (tag == arena->epoch) return; /* LOGGED a moment ago, and saved since: it is in the list */
    if (t->frozen != 0 && (tag == t->frozen || tag == TM_TRACK_LOGGED))
        preserve(t, page, tag);
    else
        tag_take(t, page);
    if (tag != TM_TRACK_LOGGED) list_add(t, page); /* else it is there */
}

/* Puts what the lines of a span hold into the log, of a page whose tag is LOGGED. */
static void span_log(tm_page_track_t *t, uint32_t page, const uint8_t *at, uint32_t sz)
{
    uint32_t off = (uint32_t)((size_t)(at - t->arena->base) % TM_PAGE_SZ);
    uint32_t line = off / TM_TRACK_LINE, last = (off + sz - 1) / TM_TRACK_LINE;
    uint64_t log = atomic_load_explicit(&t->logs[page], memory_order_relaxed); /* own value */
    uint32_t cnt = (uint32_t)(log >> 32) + last - line + 1, record = (uint32_t)log;
    if (cnt > PAGE_LOG_MAX || t->log_max - t->log_cnt <= last - line) {
        preserve(t, page, TM_TRACK_LOGGED);
        return;
    }
    const uint8_t *bytes = tm_page_ptr(t->arena, page);
    t->counts.logged += last - line + 1;
    for (; line <= last; line++) {
        t->log_links[t->log_cnt] = (tm_track_link_t){.before = record, .line = line};
        record = ++t->log_cnt;
        memcpy(tm_track_line(t, record), bytes + (size_t)line * TM_TRACK_LINE, TM_TRACK_LINE);
    }
    atomic_store_explicit(&t->logs[page], (uint64_t)cnt << 32 | record,
                          memory_order_release); /* P7 */
    /* The compiler keeps the caller's writes below. */
    atomic_signal_fence(memory_order_seq_cst);
}

void tm_span_touch_first(tm_page_arena_t *arena, const void *at, uint32_t sz)
{
    tm_page_track_t *t = arena->track;
    uint32_t page = tm_ptr_page(arena, at);
    uint32_t tag = atomic_load_explicit(&arena->tags[page], memory_order_acquire); /* P2 */
    if (!STORES_IN_ORDER || t->frozen == 0 || (tag != t->frozen && tag != TM_TRACK_LOGGED)) {
        tm_page_touch_first(arena, page);
        return;
    }
    if (tag == t->frozen) {
        atomic_store_explicit(&t->logs[page], 0, memory_order_relaxed); /* read behind P2 only */
        list_add(t, page);
        if (!atomic_compare_exchange_strong_explicit(&arena->tags[page], &tag, TM_TRACK_LOGGED,
                                                     memory_order_acq_rel, memory_order_acquire)) {
            tag_take(t, page); /* P2: the thread was quicker */
            return;
        }
    }
    span_log(t, page, at, sz);
}

/* ---- Barriers -------------------------------------------------------------------------------- */

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
    uint32_t epoch = t->arena->epoch, was = (epoch & 1) ^ 1, cnt = 0;
    for (; cnt < RELIST_STEP && t->relist_at < t->list_cnt[was]; cnt++) {
        uint32_t page = t->lists[was][t->relist_at++];
        /* The snapshot has ended: only the worker reads and writes tags. */
        uint32_t tag = atomic_load_explicit(&t->arena->tags[page], memory_order_relaxed);
        if (tag == epoch) continue;
        tag_take(t, page);
        if (tag == TM_TRACK_LOGGED) continue;
        t->lists[epoch & 1][t->list_cnt[epoch & 1]++] = page;
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
    t->log_cnt = 0;
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
