/* What windows made of slices know outside of their pages. The slices themselves lie in pages, but
   are written to with every new key: they are kept here, one by one, and go back to where they
   were. A window that is being fired goes on where it was. */
#include "engine/operators/window_state.h"

#include "base/error.h"

#include <string.h>

enum { ROOTS_VERSION = 1, NO_SLICE = UINT32_MAX };

/* Addresses within are meaningless and set anew by restore. */
typedef struct sliced_roots {
    uint32_t version, roots_sz;
    uint32_t entry_sz, acc_sz, key_sz;
    uint32_t slice_cnt, closed;
    uint32_t source; /* its place in the list */
    uint32_t phase, turned;
    tm_page_list_t slice_pages;
    int64_t wm, wm_out, recv_ns;
    tm_range_t firing, next;
    tm_keyed_cursor_t cursor;
    tm_keyed_table_t panes, wide_keys;
} sliced_roots_t;

typedef struct slice_root {
    uint64_t off; /* in the arena: slices are not aligned as references are */
    tm_slice_t slice;
} slice_root_t;

size_t tm_window_sliced_save(const tm_operator_t *op, void *bytes, size_t max)
{
    const tm_window_t *w = (const tm_window_t *)op;
    size_t sz = sizeof(sliced_roots_t) + w->slice_cnt * sizeof(slice_root_t);
    if (sz > max) return sz;
    sliced_roots_t roots;
    memset(&roots, 0, sizeof roots);
    roots.version = ROOTS_VERSION, roots.roots_sz = sizeof roots;
    roots.entry_sz = w->entry_sz, roots.acc_sz = w->agg.acc_sz, roots.key_sz = w->key.sz;
    roots.slice_cnt = w->slice_cnt, roots.closed = w->closed;
    roots.phase = w->phase, roots.turned = w->turned;
    roots.slice_pages = w->slice_pages;
    roots.wm = w->wm, roots.wm_out = w->wm_out, roots.recv_ns = w->recv_ns;
    roots.firing = w->firing, roots.next = w->next;
    roots.cursor = w->cursor;
    roots.panes = w->panes, roots.wide_keys = w->key.wide;
    roots.source = NO_SLICE;
    uint8_t *at = (uint8_t *)bytes + sizeof roots;
    for (uint32_t i = 0; i < w->slice_cnt; i++, at += sizeof(slice_root_t)) {
        slice_root_t slice = {.off = (uint64_t)((const uint8_t *)w->slices[i] - w->pages->base),
                              .slice = *w->slices[i]};
        if (w->slices[i] == w->source) roots.source = i;
        memcpy(at, &slice, sizeof slice);
    }
    memcpy(bytes, &roots, sizeof roots);
    return sz;
}

static int roots_check(const tm_window_t *w, const sliced_roots_t *was, size_t sz)
{
    if (was->version != ROOTS_VERSION || was->roots_sz != sizeof *was)
        return tm_error_set(TM_E_UNSUPPORTED, "window: its state was written by another version");
    if (was->entry_sz != w->entry_sz || was->acc_sz != w->agg.acc_sz)
        return tm_error_set(TM_E_CONFIG,
                            "window: accumulators had %u bytes and now have %u: other aggregates",
                            was->acc_sz, w->agg.acc_sz);
    if (was->key_sz != w->key.sz)
        return tm_error_set(TM_E_CONFIG, "window: its key had %u bytes and now has %u", was->key_sz,
                            w->key.sz);
    if (was->slice_cnt > TM_WINDOW_SLICE_MAX ||
        sz != sizeof *was + was->slice_cnt * sizeof(slice_root_t))
        return tm_error_set(TM_E_CORRUPT, "window: roots of %zu bytes with %u slices", sz,
                            was->slice_cnt);
    return 0;
}

static void table_take(tm_keyed_table_t *to, const tm_keyed_table_t *from, tm_page_arena_t *arena)
{
    *to = *from;
    to->arena = arena;
}

/* All places for slices that no slice has. */
static void unused_find(tm_window_t *w)
{
    const uint32_t cnt = TM_PAGE_SZ / sizeof(tm_slice_t);
    w->unused = NULL;
    for (uint32_t page = w->slice_pages.head, i = 0; i < w->slice_pages.cnt; i++) {
        tm_slice_t *slices = tm_page_ptr(w->pages, page);
        for (uint32_t k = 0; k < cnt; k++) slices[k].unused = &slices[k]; /* nobody's so far */
        page = tm_page_below(w->pages, page);
    }
    for (uint32_t i = 0; i < w->slice_cnt; i++) w->slices[i]->unused = NULL;
    for (uint32_t page = w->slice_pages.head, i = 0; i < w->slice_pages.cnt; i++) {
        tm_slice_t *slices = tm_page_ptr(w->pages, page);
        for (uint32_t k = 0; k < cnt; k++) {
            if (slices[k].unused != &slices[k]) continue;
            slices[k].unused = w->unused;
            w->unused = &slices[k];
        }
        page = tm_page_below(w->pages, page);
    }
}

int tm_window_sliced_restore(tm_operator_t *op, const void *bytes, size_t sz)
{
    tm_window_t *w = (tm_window_t *)op;
    sliced_roots_t roots = {0};
    if (sz >= sizeof roots) memcpy(&roots, bytes, sizeof roots);
    TM_TRY(roots_check(w, &roots, sz));
    w->slice_cnt = roots.slice_cnt, w->closed = roots.closed;
    w->phase = (window_phase_t)roots.phase, w->turned = roots.turned;
    w->slice_pages = roots.slice_pages;
    w->wm = roots.wm, w->wm_out = roots.wm_out, w->recv_ns = roots.recv_ns;
    w->firing = roots.firing, w->next = roots.next;
    w->cursor = roots.cursor;
    table_take(&w->panes, &roots.panes, w->pages);
    if (w->key.form == TM_KEY_WIDE) table_take(&w->key.wide, &roots.wide_keys, w->pages);
    const uint8_t *at = (const uint8_t *)bytes + sizeof roots;
    for (uint32_t i = 0; i < w->slice_cnt; i++, at += sizeof(slice_root_t)) {
        slice_root_t slice;
        memcpy(&slice, at, sizeof slice);
        w->slices[i] = (tm_slice_t *)(void *)(w->pages->base + slice.off);
        *w->slices[i] = slice.slice;
        w->slices[i]->table.arena = w->pages;
    }
    unused_find(w);
    w->source = roots.source == NO_SLICE ? NULL : w->slices[roots.source];
    w->hot_len[0] = w->hot_len[1] = 0;
    return 0;
}
