/* What a watermark sets due is done in pieces, so that ten million results do not keep the next row
   waiting: a window under way is a cursor, and every call moves it on by a budget of entries. */
#include "engine/operators/window/window_state.h"

enum { FETCH_AHEAD = 12 /* panes whose slices are on their way from memory */ };

void tm_window_emit(tm_window_t *w, uint64_t key, tm_range_t window, const void *acc)
{
    if (!tm_agg_write(&w->agg, acc, tm_window_out_row(&w->out))) {
        tm_window_count(&w->counters.overflow, 1);
        return;
    }
    tm_window_out_head(&w->out, key, window,
                       (tm_row_t){.event_ns = window.end - 1, .recv_ns = w->recv_ns});
    tm_window_out_commit(&w->out);
}

/* Picks the next window that is due. */
static bool fire_next(tm_window_t *w)
{
    tm_slice_t *open = w->closed < w->slice_cnt ? w->slices[w->closed] : NULL;
    if (w->panes_used && w->panes.cnt > 0)
        w->firing = w->next;
    else if (open)
        w->firing = open->first;
    else
        return false;
    if (!tm_window_is_due(w, w->firing.end)) return false;
    w->source = NULL;
    w->phase = WINDOW_FOLD;
    if (!w->panes_used) {
        w->source = open;
        w->usual_keys = open->table.cnt;
        w->cursor = tm_keyed_scan(&open->table);
        w->phase = WINDOW_EMIT;
    }
    return true;
}

/* The window after the one under way, and the last slice that it does not contain. */
static void next_find(tm_window_t *w)
{
    tm_range_t slice;
    bool gap;
    w->leaving = INT64_MIN;
    if (!tm_window_next(&w->spec, w->firing, &w->next)) {
        w->next = (tm_range_t){INT64_MAX, INT64_MAX};
        return;
    }
    if (w->next.start > INT64_MIN && tm_window_slice(&w->spec, w->next.start - 1, &slice, &gap) &&
        !gap)
        w->leaving = slice.start;
}

/* Moves slices that the window contains into the panes. */
static uint32_t fold_some(tm_window_t *w, uint32_t max)
{
    void *entries;
    uint32_t n = w->source ? tm_keyed_next(&w->source->table, &w->cursor, max, &entries) : 0;
    if (n > 0) {
        tm_window_pane_fold(w, w->source, entries, n);
        return n;
    }
    if (w->source && !w->keeps_folded) {
        tm_ptr_touch(w->pages, w->source);
        tm_keyed_clear(&w->source->table);
    }
    tm_slice_t *open = w->closed < w->slice_cnt ? w->slices[w->closed] : NULL;
    if (open && open->range.end <= w->firing.end) {
        w->source = open;
        w->usual_keys = open->table.cnt;
        w->cursor = tm_keyed_scan(&open->table);
        w->closed++;
    } else {
        w->source = NULL;
        w->cursor = tm_keyed_scan(&w->panes);
        w->phase = WINDOW_EMIT;
        next_find(w);
    }
    return 1;
}

static void fire_end(tm_window_t *w)
{
    if (!w->panes_used)
        w->closed++;
    else if (w->spec.kind == TM_WINDOW_CUMULATIVE && w->next.start != w->firing.start)
        tm_keyed_clear(&w->panes); /* the longest window is done; the next one starts anew */
    w->source = NULL;
    w->phase = WINDOW_IDLE;
}

/* Puts out the result of a pane and advances it. False where the budget does not reach for that:
   the slices that it turns over are many, and the next step goes on with them. */
static bool emit_pane(tm_window_t *w, window_pane_t *pane, uint32_t max)
{
    const uint32_t before = w->turned;
    if (!w->is_out) {
        const void *sum = tm_window_pane_sum(w, pane, max);
        if (!sum) return false;
        tm_window_emit(w, pane->key, w->firing, sum);
        w->is_out = true;
    }
    const uint32_t used = w->turned - before;
    if (!tm_window_pane_advance(w, pane, used < max ? max - used : 1)) return false;
    w->is_out = false;
    if (w->spec.kind == TM_WINDOW_SLIDING && pane->cnt == 0) tm_keyed_erase(&w->panes, pane);
    return true;
}

/* Puts out a run of panes, or as many as the budget reaches for: a key that turns its slices over
   takes a piece of it for each of them. The rest goes back to the cursor. */
static uint32_t emit_panes(tm_window_t *w, uint8_t *panes, uint32_t cnt, uint32_t max)
{
    const uint32_t sz = w->panes.entry_sz;
    for (uint32_t i = 0; i < FETCH_AHEAD && i < cnt; i++)
        tm_window_pane_fetch(w, panes + (size_t)(cnt - 1 - i) * sz);
    /* From the top down, as erasing during a scan asks for. */
    uint32_t left = cnt;
    w->turned = 0;
    while (left > 0 && cnt - left + w->turned < max) {
        void *pane = panes + (size_t)(left - 1) * sz;
        if (left > FETCH_AHEAD)
            tm_window_pane_fetch(w, panes + (size_t)(left - 1 - FETCH_AHEAD) * sz);
        if (!emit_pane(w, pane, max - (cnt - left + w->turned))) break;
        left--;
    }
    w->cursor.left += left;
    tm_window_count(&w->counters.fired, cnt - left);
    return cnt - left + w->turned;
}

static uint32_t emit_some(tm_window_t *w, uint32_t max)
{
    void *entries;
    tm_keyed_table_t *table = w->panes_used ? &w->panes : &w->source->table;
    uint32_t run = max < WINDOW_OUT_ROWS ? max : WINDOW_OUT_ROWS;
    uint32_t n = tm_keyed_next(table, &w->cursor, run, &entries);
    if (n == 0) {
        fire_end(w);
        return 1;
    }
    if (w->panes_used) return emit_panes(w, entries, n, max);
    uint8_t *at = entries;
    for (uint32_t i = 0; i < n; i++, at += w->entry_sz)
        tm_window_emit(w, tm_keyed_key(at), w->firing, tm_window_entry_acc(at));
    tm_window_count(&w->counters.fired, n);
    return n;
}

/* All that the watermark caused is out: it may follow. */
static uint32_t settle(tm_window_t *w, uint32_t max)
{
    if (w->wm_out == w->wm) return 0;
    uint32_t gone = tm_window_slice_expire(w, max);
    if (gone == max) return gone;
    tm_window_out_flush(&w->out);
    w->wm_out = w->wm;
    tm_emit_watermark(&w->out.to, w->wm);
    return gone + 1;
}

uint32_t tm_window_work(tm_window_t *w)
{
    uint32_t done = 0;
    if (w->wm_out == w->wm) return 0;
    if (w->held.first) return tm_window_held_emit(&w->held, &w->out.to, w->budget);
    while (done < w->budget) {
        if (w->phase == WINDOW_IDLE && !fire_next(w)) {
            done += settle(w, w->budget - done);
            break;
        }
        uint32_t max = w->budget - done;
        done += w->phase == WINDOW_FOLD ? fold_some(w, max) : emit_some(w, max);
    }
    tm_window_out_flush(&w->out);
    return done;
}

void tm_window_drain(tm_window_t *w)
{
    while (tm_window_work(w) > 0) {
    }
}

/* The sum of a key over a fired window, slice by slice: the panes have moved on. */
static const void *sum_again(tm_window_t *w, uint64_t key, tm_range_t window)
{
    uint32_t tag = tm_keyed_tag(key);
    tm_agg_init(&w->agg, w->scratch);
    for (uint32_t i = tm_window_slice_lower(w, window.start);
         i < w->slice_cnt && w->slices[i]->range.start < window.end; i++) {
        void *entry = tm_keyed_find(&w->slices[i]->table, key, tag);
        if (entry) tm_agg_merge(&w->agg, w->scratch, tm_window_entry_acc(entry));
    }
    return w->scratch;
}

void tm_window_add_late(tm_window_t *w, tm_slice_t *slice, uint64_t key, const void *row,
                        uint32_t stride)
{
    if (w->panes_used && !tm_window_is_due(w, slice->last.end))
        tm_window_pane_late(w, slice, key, row, stride);
    if (w->panes_used && !w->keeps_folded) return; /* what has fired is over */
    void *entry = tm_window_entry(w, slice, key);
    if (!entry) return;
    tm_ptr_touch(w->pages, entry);
    void *acc = tm_window_entry_acc(entry);
    tm_agg_add(&w->agg, &acc, row, 1, stride);

    /* Every window of the slice that has fired and is not over fires again, now. */
    tm_range_t window = slice->first;
    for (bool more = true; more && tm_window_is_due(w, window.end);) {
        if (!tm_window_is_over(w, window.end)) {
            const void *sum = w->panes_used ? sum_again(w, key, window) : acc;
            if (w->purge) {
                /* What the window held was purged when it fired: the row stands alone. */
                tm_agg_init(&w->agg, w->scratch);
                void *alone = w->scratch;
                tm_agg_add(&w->agg, &alone, row, 1, stride);
                sum = alone;
            }
            tm_window_emit(w, key, window, sum);
            tm_window_count(&w->counters.refired, 1);
        }
        more = window.end != slice->last.end && tm_window_next(&w->spec, window, &window);
    }
}
