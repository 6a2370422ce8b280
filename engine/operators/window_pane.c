/* From slices to windows that share them.

   Cumulative windows: a pane is the running sum of its key from the start of the longest window.

   Sliding windows: a pane is the key's queue of slices with an aggregate over it, kept as two
   stacks (Tangwongsan, Hirzel, Schneider and Wu, 2015). New slices go on the back stack and into
   one sum; the front stack holds, with every slice, the sum of it and all newer ones in front. A
   window is then front + back: one merge, however many slices it has. When the front is used up,
   the back is turned over: each slice is merged once on its way through. Nothing has to be
   invertible, so min, max, first and last work as sums do. The stacks are chains through the
   slices' own entries.

   The slices of a key lie far apart, so whoever walks down the back stack would wait for memory at
   each. Every entry therefore knows one that lies a few steps further down, and it is asked for
   while those between are worked on.

   A row for a slice that lies in the back is added to its sum; one in the front marks the pane, and
   the sums in front are made again when the next window needs them. */
#include "engine/operators/window_state.h"

#include <string.h>

enum { FOLD_BATCH = 64 };

/* About to be written, in most cases: whoever only looks pays a comparison. */
static window_entry_t *entry_at(const tm_window_t *w, tm_ref_t ref)
{
    window_entry_t *entry = tm_ref_ptr(w->pages, ref);
    tm_span_touch(w->pages, entry, w->entry_sz);
    return entry;
}

static void *own_acc(const tm_window_t *w, void *entry)
{
    return (uint8_t *)entry + w->acc_off;
}

static void *suffix_acc(const tm_window_t *w, void *entry)
{
    return (uint8_t *)entry + w->suffix_off;
}

static void *pane_acc(const tm_window_t *w, void *pane)
{
    return (uint8_t *)pane + w->pane_acc_off;
}

static bool is_sliding(const tm_window_t *w)
{
    return w->spec.kind == TM_WINDOW_SLIDING;
}

void *tm_window_entry(tm_window_t *w, tm_slice_t *slice, uint64_t key, bool *added)
{
    tm_ptr_touch(w->pages, slice); /* the table is part of it */
    uint8_t *entry = tm_keyed_get(&slice->table, key, tm_keyed_tag(key), added);
    if (!entry) {
        tm_window_count(&w->counters.full, 1);
        return NULL;
    }
    if (*added) {
        if (is_sliding(w)) {
            ((window_entry_t *)(void *)entry)->start = slice->range.start;
            ((window_entry_t *)(void *)entry)->next = 0;
            ((window_entry_t *)(void *)entry)->older = 0;
        }
        tm_agg_init(&w->agg, own_acc(w, entry));
    }
    return entry;
}

/* The pane of a key, empty where it is new; NULL = no room (counted). */
static window_pane_t *pane_get(tm_window_t *w, uint64_t key, uint32_t tag)
{
    bool added;
    window_pane_t *pane = tm_keyed_get(&w->panes, key, tag, &added);
    if (!pane) {
        tm_window_count(&w->counters.full, 1);
        return NULL;
    }
    tm_span_touch(w->pages, pane, w->panes.entry_sz);
    if (added) {
        *pane = (window_pane_t){.key = key, .split = INT64_MIN};
        tm_agg_init(&w->agg, pane_acc(w, pane));
    }
    return pane;
}

static void back_push(tm_window_t *w, window_pane_t *pane, window_entry_t *entry)
{
    entry->next = pane->back;
    entry->older = pane->newest[WINDOW_AHEAD - 1];
    pane->back = tm_ptr_ref(w->pages, entry);
    memmove(pane->newest + 1, pane->newest, (WINDOW_AHEAD - 1) * sizeof pane->newest[0]);
    pane->newest[0] = pane->back;
}

static void entry_fetch(const tm_window_t *w, tm_ref_t ref)
{
    const uint8_t *at = tm_ref_ptr(w->pages, ref);
    for (uint32_t off = 0; ref && off < w->entry_sz; off += TM_CACHE_LINE)
        __builtin_prefetch(at + off, 1);
}

void tm_window_pane_fold(tm_window_t *w, void *entries, uint32_t cnt)
{
    uint32_t tags[FOLD_BATCH];
    for (uint32_t done = 0; done < cnt; done += FOLD_BATCH) {
        uint32_t n = cnt - done < FOLD_BATCH ? cnt - done : FOLD_BATCH;
        uint8_t *at = (uint8_t *)entries + (size_t)done * w->entry_sz;
        for (uint32_t i = 0; i < n; i++) {
            tags[i] = tm_keyed_tag(tm_keyed_key(at + (size_t)i * w->entry_sz));
            if (w->panes.buckets) __builtin_prefetch(tm_keyed_home(&w->panes, tags[i]));
        }
        for (uint32_t i = 0; i < n && w->panes.buckets; i++) {
            uint8_t *guess = tm_keyed_guess(&w->panes, tm_keyed_home(&w->panes, tags[i]), tags[i]);
            for (uint32_t off = 0; guess && off < w->panes.entry_sz; off += TM_CACHE_LINE)
                __builtin_prefetch(guess + off, 1);
        }
        for (uint32_t i = 0; i < n; i++, at += w->entry_sz) {
            window_pane_t *pane = pane_get(w, tm_keyed_key(at), tags[i]);
            if (!pane) continue;
            tm_agg_merge(&w->agg, pane_acc(w, pane), own_acc(w, at));
            if (!is_sliding(w)) continue;
            tm_span_touch(w->pages, at, w->entry_sz);
            back_push(w, pane, (void *)at);
        }
    }
}

/* Turns the back stack over: its newest slice becomes the last of the front. */
static void pane_turn(tm_window_t *w, window_pane_t *pane)
{
    tm_ref_t newer = 0;
    for (uint32_t i = 0; i < WINDOW_AHEAD; i++) entry_fetch(w, pane->newest[i]);
    memset(pane->newest, 0, sizeof pane->newest);
    if (pane->back) pane->split = entry_at(w, pane->back)->start;
    for (tm_ref_t at = pane->back; at;) {
        window_entry_t *e = entry_at(w, at);
        tm_ref_t older = e->next;
        entry_fetch(w, e->older);
        memcpy(suffix_acc(w, e), own_acc(w, e), w->agg.acc_sz);
        if (newer) tm_agg_merge(&w->agg, suffix_acc(w, e), suffix_acc(w, entry_at(w, newer)));
        e->next = newer;
        newer = at;
        at = older;
        w->turned++;
    }
    pane->front = newer;
    pane->back = 0;
    pane->stale = false;
    tm_agg_init(&w->agg, pane_acc(w, pane));
}

/* Makes the sums in front again: turned to newest first, they are a back stack to be turned over.
   */
static void pane_renew(tm_window_t *w, window_pane_t *pane)
{
    tm_ref_t back = pane->back, older = 0;
    memcpy(w->scratch, pane_acc(w, pane), w->agg.acc_sz);
    for (tm_ref_t at = pane->front; at;) {
        window_entry_t *e = entry_at(w, at);
        tm_ref_t newer = e->next;
        e->next = older;
        older = at;
        at = newer;
    }
    pane->back = older;
    pane_turn(w, pane);
    pane->back = back;
    memcpy(pane_acc(w, pane), w->scratch, w->agg.acc_sz);
}

const void *tm_window_pane_sum(tm_window_t *w, void *of)
{
    window_pane_t *pane = of;
    tm_span_touch(w->pages, pane, w->panes.entry_sz);
    if (!is_sliding(w)) return pane_acc(w, pane);
    if (!pane->front)
        pane_turn(w, pane);
    else if (pane->stale)
        pane_renew(w, pane);
    const void *front = suffix_acc(w, entry_at(w, pane->front));
    if (!pane->back) return front;
    memcpy(w->scratch, front, w->agg.acc_sz);
    tm_agg_merge(&w->agg, w->scratch, pane_acc(w, pane));
    return w->scratch;
}

bool tm_window_pane_advance(tm_window_t *w, void *of, tm_range_t next)
{
    window_pane_t *pane = of;
    if (!is_sliding(w)) return false;
    for (;;) {
        while (pane->front) {
            const window_entry_t *oldest = entry_at(w, pane->front);
            if (oldest->start >= next.start) break;
            pane->front = oldest->next;
            if (oldest->start == w->leaving) break; /* spares a look at the one behind it */
        }
        if (pane->front) return false;
        if (!pane->back) return true;
        pane_turn(w, pane);
    }
}

/* Puts a new entry at its place in the front (oldest first) or in the back (newest first). */
static void chain_insert(tm_window_t *w, tm_ref_t *link, window_entry_t *entry, bool newest_first)
{
    while (*link && (entry_at(w, *link)->start < entry->start) != newest_first)
        link = &entry_at(w, *link)->next;
    entry->next = *link;
    *link = tm_ptr_ref(w->pages, entry);
}

void tm_window_pane_late(tm_window_t *w, void *of, bool added, const void *row, uint32_t stride)
{
    window_entry_t *entry = of;
    bool first = w->panes.cnt == 0;
    window_pane_t *pane = pane_get(w, entry->key, tm_keyed_tag(entry->key));
    if (!pane) return;
    if (first && !tm_window_after(&w->spec, w->wm, &w->next))
        w->next = (tm_range_t){INT64_MAX, INT64_MAX};
    if (first) w->leaving = INT64_MIN;

    void *acc = pane_acc(w, pane);
    if (is_sliding(w)) {
        bool in_front = pane->front && entry->start <= pane->split;
        if (added) chain_insert(w, in_front ? &pane->front : &pane->back, entry, !in_front);
        if (in_front) {
            pane->stale = true;
            return;
        }
    }
    tm_agg_add(&w->agg, &acc, row, 1, stride);
}
