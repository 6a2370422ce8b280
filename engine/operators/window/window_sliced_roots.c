/* What windows made of slices know outside of their pages. Slices lie in pages, each with a
   reference to the next younger one, so the oldest is all that need be known of them. */
#include "base/error.h"
#include "engine/operators/window/window_state.h"

#include <string.h>

/* Pointers within tables are meaningless and set anew by restore. */
typedef struct sliced_roots {
    tm_window_mark_t mark;
    tm_keyed_table_t panes, wide_keys;
    tm_slab_t slab;
    tm_window_held_t held;
    tm_page_list_t slice_pages;
    tm_ref_t oldest, unused, source;
    uint32_t slice_cnt, closed;
    int64_t wm, wm_out, recv_ns;
    window_phase_t phase;
    tm_range_t firing, next;
    int64_t leaving;
    tm_keyed_cursor_t cursor;
    tm_ref_t turning;
    uint32_t turning_end;
    bool is_out;
    uint64_t tallies[TM_WINDOW_TALLY_CNT];
} sliced_roots_t;

size_t tm_window_sliced_save(const tm_operator_t *op, void *bytes, size_t max)
{
    const tm_window_t *w = (const tm_window_t *)op;
    if (max < sizeof(sliced_roots_t)) return sizeof(sliced_roots_t);
    sliced_roots_t *roots = bytes;
    memset(roots, 0, sizeof *roots);
    roots->mark = w->mark;
    roots->panes = w->panes;
    roots->wide_keys = w->key.wide;
    roots->slab = w->slab;
    roots->held = w->held;
    roots->slice_pages = w->slice_pages;
    roots->oldest = w->slice_cnt ? tm_ptr_ref(w->pages, w->slices[0]) : 0;
    roots->unused = w->unused;
    roots->source = w->source ? tm_ptr_ref(w->pages, w->source) : 0;
    roots->slice_cnt = w->slice_cnt, roots->closed = w->closed;
    roots->wm = w->wm, roots->wm_out = w->wm_out, roots->recv_ns = w->recv_ns;
    roots->phase = w->phase;
    roots->firing = w->firing, roots->next = w->next;
    roots->leaving = w->leaving;
    roots->cursor = w->cursor;
    roots->turning = w->turning, roots->turning_end = w->turning_end;
    roots->is_out = w->is_out;
    tm_window_counters_save(&w->counters, roots->tallies);
    return sizeof *roots;
}

/* The list of slices, from the oldest on. */
static int slices_take(tm_window_t *w, const sliced_roots_t *roots)
{
    tm_ref_t at = roots->oldest;
    uint32_t page_cnt = tm_page_arena_total(w->pages);
    if (roots->slice_cnt > TM_WINDOW_SLICE_MAX)
        return tm_error_set(TM_E_CORRUPT, "window: %u slices", roots->slice_cnt);
    for (uint32_t i = 0; i < roots->slice_cnt; i++) {
        if (!at || tm_ref_page(at) >= page_cnt)
            return tm_error_set(TM_E_CORRUPT, "window: slice %u of %u is missing", i,
                                roots->slice_cnt);
        tm_slice_t *slice = tm_ref_ptr(w->pages, at);
        tm_ref_touch(w->pages, at);
        slice->table.arena = w->pages;
        w->slices[i] = slice;
        at = slice->younger;
    }
    w->slice_cnt = roots->slice_cnt;
    w->closed = roots->closed;
    return 0;
}

int tm_window_sliced_restore(tm_operator_t *op, const void *bytes, size_t sz)
{
    tm_window_t *w = (tm_window_t *)op;
    sliced_roots_t roots;
    if (sz < sizeof roots.mark) return tm_error_set(TM_E_CORRUPT, "window: roots of %zu bytes", sz);
    memcpy(&roots.mark, bytes, sizeof roots.mark);
    TM_TRY(tm_window_mark_check(&roots.mark, &w->mark));
    if (sz != sizeof roots)
        return tm_error_set(TM_E_CORRUPT, "window: roots of %zu bytes instead of %zu", sz,
                            sizeof roots);
    memcpy(&roots, bytes, sizeof roots);
    TM_TRY(slices_take(w, &roots));
    tm_window_table_take(&w->panes, &roots.panes);
    tm_window_table_take(&w->key.wide, &roots.wide_keys);
    w->slab = roots.slab;
    w->slab.arena = w->pages;
    tm_window_held_take(&w->held, &roots.held);
    w->slice_pages = roots.slice_pages;
    w->unused = roots.unused;
    w->source = roots.source ? tm_ref_ptr(w->pages, roots.source) : NULL;
    w->wm = roots.wm, w->wm_out = roots.wm_out, w->recv_ns = roots.recv_ns;
    w->phase = roots.phase;
    w->firing = roots.firing, w->next = roots.next;
    w->leaving = roots.leaving;
    w->cursor = roots.cursor;
    w->turning = roots.turning, w->turning_end = roots.turning_end;
    w->is_out = roots.is_out;
    tm_window_counters_restore(&w->counters, roots.tallies);
    return 0;
}
