/* From slices to windows that share them.

   Cumulative windows: a pane is the running sum of its key from the start of the longest window.

   Sliding windows: a pane is the key's queue of slices with an aggregate over it, kept as two
   stacks (Tangwongsan, Hirzel, Schneider and Wu, 2015). New slices go on the back stack and into
   one sum; the front stack holds, in the place of every slice, the sum of it and all newer ones in
   front. A window is then front + back: one merge, however many slices it has. When the front is
   used up, the back is turned over: each slice is merged once on its way through. Nothing has to be
   invertible, so min, max, first and last work as sums do. Both stacks are one log of slots, a
   border in it tells them apart, and turning over moves nothing.

   A row for a slice that lies in the back is added to it and to the sum; for one in front, to it
   and to all older ones. */
#include "engine/operators/window/window_state.h"

#include <string.h>

enum { FOLD_BATCH = 16 };

static bool is_sliding(const tm_window_t *w)
{
    return w->spec.kind == TM_WINDOW_SLIDING;
}

void *tm_window_entry(tm_window_t *w, tm_slice_t *slice, uint64_t key)
{
    bool added;
    tm_ptr_touch(w->pages, slice); /* the table is part of it */
    void *entry = tm_keyed_get(&slice->table, key, tm_keyed_tag(key), &added);
    if (!entry) {
        tm_window_count(&w->counters.full, 1);
        return NULL;
    }
    if (added) tm_agg_init(&w->agg, tm_window_entry_acc(entry));
    return entry;
}

window_pane_t *tm_window_pane(tm_window_t *w, uint64_t key, uint32_t tag)
{
    bool added;
    window_pane_t *pane = tm_keyed_get(&w->panes, key, tag, &added);
    if (!pane) {
        tm_window_count(&w->counters.full, 1);
        return NULL;
    }
    tm_span_touch(w->pages, pane, w->panes.entry_sz);
    if (added) {
        *pane = (window_pane_t){.key = key};
        tm_agg_init(&w->agg, tm_window_pane_acc(pane));
    }
    return pane;
}

/* Without room for it a slice is lost to its key: it is counted. */
static void pane_fold(tm_window_t *w, window_pane_t *pane, int64_t start, const void *acc)
{
    if (is_sliding(w)) {
        window_slot_t *slot = tm_window_log_room(w, pane);
        if (!slot) {
            tm_window_count(&w->counters.full, 1);
            if (pane->cnt == 0) tm_keyed_erase(&w->panes, pane);
            return;
        }
        slot->start = start;
        memcpy(tm_window_slot_acc(slot), acc, w->agg.acc_sz);
        tm_window_log_push(pane);
    }
    tm_agg_merge(&w->agg, tm_window_pane_acc(pane), acc);
}

void tm_window_pane_fold(tm_window_t *w, const tm_slice_t *slice, void *entries, uint32_t cnt)
{
    uint32_t tags[FOLD_BATCH];
    const uint8_t *guesses[FOLD_BATCH];
    for (uint32_t done = 0; done < cnt; done += FOLD_BATCH) {
        uint32_t n = cnt - done < FOLD_BATCH ? cnt - done : FOLD_BATCH;
        uint8_t *at = (uint8_t *)entries + (size_t)done * w->entry_sz;
        for (uint32_t i = 0; i < n; i++) {
            tags[i] = tm_keyed_tag(tm_keyed_key(at + (size_t)i * w->entry_sz));
            guesses[i] = NULL;
            if (w->panes.buckets) __builtin_prefetch(tm_keyed_home(&w->panes, tags[i]));
        }
        for (uint32_t i = 0; i < n && w->panes.buckets; i++) {
            guesses[i] = tm_keyed_guess(&w->panes, tm_keyed_home(&w->panes, tags[i]), tags[i]);
            for (uint32_t off = 0; guesses[i] && off < w->panes.entry_sz; off += TM_CACHE_LINE)
                __builtin_prefetch(guesses[i] + off, 1);
        }
        for (uint32_t i = 0; i < n && is_sliding(w); i++)
            if (guesses[i]) tm_window_log_fetch_room(w, (const void *)guesses[i]);
        for (uint32_t i = 0; i < n; i++, at += w->entry_sz) {
            window_pane_t *pane = tm_window_pane(w, tm_keyed_key(at), tags[i]);
            if (pane) pane_fold(w, pane, slice->range.start, tm_window_entry_acc(at));
        }
    }
}

void tm_window_pane_fetch(const tm_window_t *w, const void *pane)
{
    if (is_sliding(w)) tm_window_log_fetch_sum(w, pane);
}

const void *tm_window_pane_sum(tm_window_t *w, void *of, uint32_t max)
{
    window_pane_t *pane = of;
    if (!is_sliding(w)) return tm_window_pane_acc(pane);
    tm_span_touch(w->pages, pane, w->panes.entry_sz);
    if (pane->front == 0 && !tm_window_log_turn(w, pane, max)) return NULL;
    const void *front = tm_window_slot_acc(tm_window_log_oldest(w, pane));
    if (pane->front == pane->cnt) return front;
    memcpy(w->scratch, front, w->agg.acc_sz);
    tm_agg_merge(&w->agg, w->scratch, tm_window_pane_acc(pane));
    return w->scratch;
}

bool tm_window_pane_advance(tm_window_t *w, void *of, uint32_t max)
{
    window_pane_t *pane = of;
    if (!is_sliding(w)) return true;
    tm_span_touch(w->pages, pane, w->panes.entry_sz);
    while (pane->cnt > 0) {
        int64_t start = tm_window_log_oldest(w, pane)->start;
        if (start >= w->next.start) break;
        if (pane->front == 0 && !tm_window_log_turn(w, pane, max)) return false;
        tm_window_log_pop(w, pane);
        if (start == w->leaving) break; /* spares a look at the one behind it */
    }
    return true;
}

void tm_window_pane_late(tm_window_t *w, const tm_slice_t *slice, uint64_t key, const void *row,
                         uint32_t stride)
{
    bool first = w->panes.cnt == 0;
    window_pane_t *pane = tm_window_pane(w, key, tm_keyed_tag(key));
    if (!pane) return;
    if (first && !tm_window_after(&w->spec, w->wm, &w->next))
        w->next = (tm_range_t){INT64_MAX, INT64_MAX};
    if (first) w->leaving = INT64_MIN;

    if (is_sliding(w)) {
        if (tm_window_log_late(w, pane, slice->range.start, row, stride)) return;
        tm_window_count(&w->counters.full, 1);
        if (pane->cnt == 0) tm_keyed_erase(&w->panes, pane);
        return;
    }
    void *acc = tm_window_pane_acc(pane);
    tm_agg_add(&w->agg, &acc, row, 1, stride);
}
