/* The list of slices is a sorted array: there are few (as many as the bound of disorder and the
   lateness hold), nearly all changes are at its ends, and it is looked into only when a row is not
   of the same slice as the one before. */
#include "engine/operators/window/window_state.h"

#include <string.h>

uint32_t tm_window_slice_lower(const tm_window_t *w, int64_t start)
{
    uint32_t low = 0, high = w->slice_cnt;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (w->slices[mid]->range.start < start)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* Memory for a slice: a free one, or those of a new page. */
static tm_slice_t *slice_take(tm_window_t *w)
{
    if (!w->unused) {
        uint32_t page = tm_page_push(w->pages, &w->slice_pages);
        if (page == TM_PAGE_NONE) return NULL;
        tm_slice_t *fresh = tm_page_ptr(w->pages, page);
        for (size_t i = 0; i < TM_PAGE_SZ / sizeof *fresh; i++) {
            fresh[i].younger = w->unused;
            w->unused = tm_ptr_ref(w->pages, &fresh[i]);
        }
    }
    tm_slice_t *slice = tm_ref_ptr(w->pages, w->unused);
    tm_ptr_touch(w->pages, slice);
    w->unused = slice->younger;
    return slice;
}

tm_slice_t *tm_window_slice_insert(tm_window_t *w, tm_range_t range, tm_range_t first,
                                   tm_range_t last)
{
    tm_slice_t *slice = w->slice_cnt < TM_WINDOW_SLICE_MAX ? slice_take(w) : NULL;
    if (!slice) return NULL;
    *slice = (tm_slice_t){.range = range, .first = first, .last = last};
    tm_keyed_init(&slice->table, w->pages, w->entry_sz);
    tm_keyed_expect(&slice->table, w->usual_keys);
    uint32_t at = tm_window_slice_lower(w, range.start);
    memmove(&w->slices[at + 1], &w->slices[at], (w->slice_cnt - at) * sizeof w->slices[0]);
    w->slices[at] = slice;
    if (at < w->slice_cnt) slice->younger = tm_ptr_ref(w->pages, w->slices[at + 1]);
    if (at > 0) {
        tm_ptr_touch(w->pages, w->slices[at - 1]);
        w->slices[at - 1]->younger = tm_ptr_ref(w->pages, slice);
    }
    w->slice_cnt++;
    if (tm_window_is_due(w, first.end)) w->closed++;
    return slice;
}

static void late_row(tm_window_t *w, const tm_row_t *row, uint32_t stride)
{
    tm_window_count(&w->counters.late, 1);
    tm_emit_rows(&w->late, row, 1, stride);
}

/* The slice of a time that has none yet. */
static tm_slice_t *slice_new(tm_window_t *w, const tm_row_t *row, uint32_t stride)
{
    tm_range_t range, first, last;
    bool gap;
    int64_t t = row->event_ns;
    if (!tm_window_slice(&w->spec, t, &range, &gap)) {
        tm_window_count(&w->counters.time_range, 1);
        return NULL;
    }
    if (gap) {
        /* A row between windows is late by its own time, as one whose windows are over. */
        if (tm_window_is_over(w, t + 1))
            late_row(w, row, stride);
        else
            tm_window_count(&w->counters.gap, 1);
        return NULL;
    }
    if (!tm_window_span(&w->spec, range, &first, &last)) {
        tm_window_count(&w->counters.time_range, 1);
        return NULL;
    }
    if (tm_window_is_over(w, last.end)) {
        late_row(w, row, stride);
        return NULL;
    }
    if (tm_window_is_due(w, first.end)) tm_window_drain(w); /* keeps `closed` a prefix */
    tm_slice_t *slice = tm_window_slice_insert(w, range, first, last);
    if (!slice) tm_window_count(&w->counters.full, 1);
    return slice;
}

tm_slice_t *tm_window_slice_of(tm_window_t *w, const tm_row_t *row, uint32_t stride, bool *closed)
{
    int64_t t = row->event_ns;
    *closed = false;
    if (t == TM_TIME_NONE) {
        tm_window_count(&w->counters.no_time, 1);
        return NULL;
    }
    tm_slice_t *slice = NULL;
    uint32_t at = tm_window_slice_lower(w, t);
    if (at < w->slice_cnt && w->slices[at]->range.start == t)
        slice = w->slices[at];
    else if (at > 0 && t < w->slices[at - 1]->range.end)
        slice = w->slices[at - 1];
    if (slice && tm_window_is_over(w, slice->last.end)) {
        late_row(w, row, stride); /* over, but not yet handed back */
        return NULL;
    }
    if (!slice) slice = slice_new(w, row, stride);
    if (!slice) return NULL;

    *closed = tm_window_is_due(w, slice->first.end);
    if (*closed) {
        tm_window_drain(w); /* it is not over, so it outlives this */
    } else {
        uint32_t i = w->hot_next;
        w->hot_next ^= 1;
        w->hot[i] = slice;
        w->hot_start[i] = slice->range.start;
        w->hot_len[i] = (uint64_t)slice->range.end - (uint64_t)slice->range.start;
    }
    return slice;
}

uint32_t tm_window_slice_expire(tm_window_t *w, uint32_t max)
{
    uint32_t n = 0;
    while (n < max && n < w->slice_cnt && tm_window_is_over(w, w->slices[n]->last.end)) {
        tm_slice_t *slice = w->slices[n++];
        tm_ptr_touch(w->pages, slice);
        tm_keyed_clear(&slice->table);
        slice->younger = w->unused;
        w->unused = tm_ptr_ref(w->pages, slice);
    }
    if (n == 0) return 0;
    w->slice_cnt -= n;
    w->closed -= n < w->closed ? n : w->closed;
    memmove(w->slices, w->slices + n, w->slice_cnt * sizeof w->slices[0]);
    return n;
}
