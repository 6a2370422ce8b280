/* The slices of a key, oldest first: a list of chunks that lie in blocks of a slab. Slots come at
   its newest end and go at its oldest, so all chunks between the two ends are full. A chunk has
   room for as many slots as the key had when it was made, within limits: a key that is seen once
   takes the memory of one slot. */
#include "base/check.h"
#include "engine/operators/window/window_state.h"

#include <string.h>

enum { SAME_ROW_MAX = 64 };

typedef struct chunk {
    tm_ref_t older, newer;
    uint32_t cap; /* slots that follow */
    uint32_t unused;
} chunk_t;
static_assert(SAME_ROW_MAX <= (int)TM_AGG_BATCH_MAX, "a row is added to so many accumulators");

static chunk_t *chunk_at(const tm_window_t *w, tm_ref_t ref)
{
    return tm_ref_ptr(w->pages, ref);
}

static window_slot_t *slot_of(const tm_window_t *w, tm_ref_t chunk, uint32_t idx)
{
    uint8_t *slots = (uint8_t *)tm_ref_ptr(w->pages, chunk) + sizeof(chunk_t);
    return (window_slot_t *)(void *)(slots + (size_t)idx * w->slot_sz);
}

/* The same, about to be written: only the head of the chunk, only that slot. */
static chunk_t *chunk_edit(const tm_window_t *w, tm_ref_t ref)
{
    chunk_t *chunk = chunk_at(w, ref);
    tm_span_touch(w->pages, chunk, sizeof *chunk);
    return chunk;
}

static window_slot_t *slot_edit(const tm_window_t *w, tm_ref_t chunk, uint32_t idx)
{
    window_slot_t *slot = slot_of(w, chunk, idx);
    tm_span_touch(w->pages, slot, w->slot_sz);
    return slot;
}

static void slot_fetch(const tm_window_t *w, tm_ref_t chunk, uint32_t idx)
{
    const uint8_t *slot = (const void *)slot_of(w, chunk, idx);
    for (uint32_t off = 0; off < w->slot_sz; off += TM_CACHE_LINE)
        __builtin_prefetch(slot + off, 1);
    __builtin_prefetch(slot + w->slot_sz - 1, 1);
}

/* A chunk at the newest end. */
static bool chunk_push(tm_window_t *w, window_pane_t *pane)
{
    uint32_t want = pane->cnt < w->chunk_slots ? pane->cnt : w->chunk_slots;
    uint32_t sz = (uint32_t)sizeof(chunk_t) + (want ? want : 1) * w->slot_sz;
    tm_ref_t ref = tm_slab_alloc(&w->slab, sz);
    if (!ref) return false;
    chunk_t *chunk = chunk_at(w, ref);
    uint32_t cap = (tm_slab_room(&w->slab, ref) - (uint32_t)sizeof *chunk) / w->slot_sz;
    *chunk = (chunk_t){.older = pane->newest, .cap = cap};
    if (pane->newest) {
        chunk_edit(w, pane->newest)->newer = ref;
    } else {
        pane->oldest = ref;
        pane->first = 0;
        pane->first_cap = (uint16_t)cap;
    }
    pane->newest = ref;
    pane->cap = (uint16_t)cap;
    pane->fill = 0;
    return true;
}

window_slot_t *tm_window_log_room(tm_window_t *w, window_pane_t *pane)
{
    if (pane->fill == pane->cap && !chunk_push(w, pane)) return NULL;
    return slot_edit(w, pane->newest, pane->fill);
}

void tm_window_log_push(window_pane_t *pane)
{
    pane->fill++;
    pane->cnt++;
}

void tm_window_log_fetch_room(const tm_window_t *w, const window_pane_t *pane)
{
    if (pane->fill < pane->cap) slot_fetch(w, pane->newest, pane->fill);
}

void tm_window_log_fetch_sum(const tm_window_t *w, const window_pane_t *pane)
{
    if (pane->front > 0) {
        slot_fetch(w, pane->oldest, pane->first);
        return;
    }
    __builtin_prefetch(chunk_at(w, pane->newest), 1);
    for (uint32_t i = pane->fill; i > 0 && i + 4 > pane->fill; i--)
        slot_fetch(w, pane->newest, i - 1);
}

window_slot_t *tm_window_log_oldest(const tm_window_t *w, const window_pane_t *pane)
{
    return slot_of(w, pane->oldest, pane->first);
}

void tm_window_log_pop(tm_window_t *w, window_pane_t *pane)
{
    tm_ref_t ref = pane->oldest;
    pane->cnt--;
    pane->front--;
    if (++pane->first < pane->first_cap && pane->cnt > 0) return;
    pane->first = 0;
    pane->oldest = pane->cnt > 0 ? chunk_at(w, ref)->newer : 0;
    if (pane->oldest) {
        chunk_t *chunk = chunk_edit(w, pane->oldest);
        chunk->older = 0;
        pane->first_cap = (uint16_t)chunk->cap;
    } else {
        pane->newest = 0;
        pane->fill = pane->cap = 0;
    }
    tm_slab_free(&w->slab, ref);
}

/* The sum of all slots that are newer than one; NULL where there is none. */
static const void *sum_newer(const tm_window_t *w, const window_pane_t *pane, tm_ref_t ref,
                             uint32_t end)
{
    const chunk_t *chunk = chunk_at(w, ref);
    if (end < (ref == pane->newest ? pane->fill : chunk->cap))
        return tm_window_slot_acc(slot_of(w, ref, end));
    return chunk->newer ? tm_window_slot_acc(slot_of(w, chunk->newer, 0)) : NULL;
}

bool tm_window_log_turn(tm_window_t *w, window_pane_t *pane, uint32_t max)
{
    tm_ref_t ref = w->turning ? w->turning : pane->newest;
    uint32_t end = w->turning ? w->turning_end : pane->fill;
    const void *newer = sum_newer(w, pane, ref, end);
    for (uint32_t done = 0; ref && done < max;) {
        tm_ref_t older = chunk_at(w, ref)->older;
        uint32_t begin = ref == pane->oldest ? pane->first : 0;
        bool whole = end - begin <= max - done;
        uint32_t from = whole ? begin : end - (max - done);
        tm_span_touch(w->pages, slot_of(w, ref, from), (end - from) * w->slot_sz);
        if (older) __builtin_prefetch(chunk_at(w, older), 1);
        for (uint32_t i = end; i-- > from;) {
            void *acc = tm_window_slot_acc(slot_of(w, ref, i));
            if (older) slot_fetch(w, older, i);
            if (newer) tm_agg_merge(&w->agg, acc, newer);
            newer = acc;
        }
        done += end - from;
        w->turned += end - from;
        end = from;
        if (!whole) break;
        ref = older;
        if (ref) end = chunk_at(w, ref)->cap;
    }
    w->turning = ref;
    w->turning_end = end;
    if (ref) return false;
    pane->front = pane->cnt;
    tm_agg_init(&w->agg, tm_window_pane_acc(pane));
    return true;
}

bool tm_window_log_copy(tm_window_t *w, window_pane_t *pane, const tm_window_t *from,
                        const window_pane_t *old)
{
    for (tm_ref_t ref = old->oldest; ref; ref = chunk_at(from, ref)->newer) {
        const uint32_t begin = ref == old->oldest ? old->first : 0;
        const uint32_t end = ref == old->newest ? old->fill : chunk_at(from, ref)->cap;
        for (uint32_t i = begin; i < end; i++) {
            window_slot_t *slot = tm_window_log_room(w, pane);
            if (!slot) return false;
            memcpy(slot, slot_of(from, ref, i), w->slot_sz);
            tm_window_log_push(pane);
        }
    }
    pane->front = old->front;
    return true;
}

/* ---- late rows ------------------------------------------------------------------------------- */

/* A slot and the number of those before it. */
typedef struct spot {
    tm_ref_t chunk;
    uint32_t at, idx;
} spot_t;

static window_slot_t *spot_slot(const tm_window_t *w, spot_t spot)
{
    return slot_of(w, spot.chunk, spot.at);
}

/* The slot before; there is one. */
static spot_t spot_older(const tm_window_t *w, spot_t spot)
{
    if (spot.at > 0) return (spot_t){spot.chunk, spot.at - 1, spot.idx - 1};
    tm_ref_t older = chunk_at(w, spot.chunk)->older;
    return (spot_t){older, chunk_at(w, older)->cap - 1, spot.idx - 1};
}

/* A slot that starts then, at its place: the newer ones move on by one. In front it begins with the
   sum of those behind it. */
static bool spot_make(tm_window_t *w, window_pane_t *pane, int64_t start, spot_t *spot)
{
    uint32_t before = pane->cnt;
    if (!tm_window_log_room(w, pane)) return false;
    tm_window_log_push(pane);
    *spot = (spot_t){pane->newest, pane->fill - 1u, before};
    while (spot->idx > 0) {
        spot_t older = spot_older(w, *spot);
        const window_slot_t *slot = spot_slot(w, older);
        if (slot->start < start) break;
        memcpy(slot_edit(w, spot->chunk, spot->at), slot, w->slot_sz);
        *spot = older;
    }
    window_slot_t *slot = slot_edit(w, spot->chunk, spot->at);
    slot->start = start;
    if (spot->idx < pane->front)
        pane->front++; /* what lay here has moved on, and its sum is what this one begins with */
    else
        tm_agg_init(&w->agg, tm_window_slot_acc(slot));
    return true;
}

/* Adds a row to a slot in front, and to the older ones, whose sums contain it. */
static void front_add(tm_window_t *w, spot_t spot, const void *row)
{
    void *accs[SAME_ROW_MAX];
    for (bool more = true; more;) {
        uint32_t n = 0;
        while (more && n < SAME_ROW_MAX) {
            accs[n++] = tm_window_slot_acc(slot_edit(w, spot.chunk, spot.at));
            more = spot.idx > 0;
            if (more) spot = spot_older(w, spot);
        }
        tm_agg_add(&w->agg, accs, row, n, 0);
    }
}

bool tm_window_log_late(tm_window_t *w, window_pane_t *pane, int64_t start, const void *row,
                        uint32_t stride)
{
    spot_t spot = {pane->newest, pane->fill - 1u, pane->cnt - 1};
    bool found = false;
    if (pane->cnt > 0) {
        while (spot.idx > 0 && spot_slot(w, spot)->start > start) spot = spot_older(w, spot);
        found = spot_slot(w, spot)->start == start;
    }
    if (!found && !spot_make(w, pane, start, &spot)) return false;
    if (spot.idx < pane->front) {
        front_add(w, spot, row);
        return true;
    }
    window_slot_t *slot = slot_edit(w, spot.chunk, spot.at);
    void *accs[2] = {tm_window_slot_acc(slot), tm_window_pane_acc(pane)};
    for (uint32_t i = 0; i < 2; i++) tm_agg_add(&w->agg, &accs[i], row, 1, stride);
    return true;
}
