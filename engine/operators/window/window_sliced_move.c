/* Tumbling windows on their way to another number of workers: entries of their slices, each to the
   instance that owns the key now. An instance that was in the middle of putting out a window gives
   only what it had not put out yet: to the new ones no window has fired. */
#include "base/error.h"
#include "engine/operators/window/window_state.h"
#include "engine/runtime/route.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The slice of that range, made where it is new. */
static tm_slice_t *slice_get(tm_window_t *w, const tm_slice_t *like)
{
    const uint32_t at = tm_window_slice_lower(w, like->range.start);
    if (at < w->slice_cnt && w->slices[at]->range.start == like->range.start) return w->slices[at];
    return tm_window_slice_insert(w, like->range, like->first, like->last);
}

static int entry_move(tm_operator_t *const *to, uint32_t to_cnt, const tm_window_t *from,
                      const tm_slice_t *old, void *entry)
{
    uint8_t bytes[TM_KEY_SZ_MAX];
    uint64_t key;
    tm_key_number_bytes(&from->key, tm_keyed_key(entry), bytes);
    const uint32_t owner = tm_route_owner(tm_key_hash_bytes(&from->key, bytes), to_cnt);
    tm_window_t *w = (tm_window_t *)to[owner];
    tm_slice_t *slice = slice_get(w, old);
    if (!slice || !tm_key_number(&w->key, bytes, &key)) return TM_E_LIMIT;
    void *copy = tm_window_entry(w, slice, key);
    if (!copy) return TM_E_LIMIT;
    memcpy(tm_window_entry_acc(copy), tm_window_entry_acc(entry), w->agg.acc_sz);
    return 0;
}

static int slices_move(tm_operator_t *const *to, uint32_t to_cnt, const tm_window_t *from)
{
    const bool all = from->spec.lateness_ns > 0;
    for (uint32_t i = all ? 0 : from->closed; i < from->slice_cnt; i++) {
        const tm_slice_t *slice = from->slices[i];
        tm_keyed_cursor_t cursor = tm_keyed_scan(&slice->table);
        void *run;
        if (from->phase == WINDOW_EMIT && slice == from->source) cursor = from->cursor;
        for (uint32_t cnt; (cnt = tm_keyed_next(&slice->table, &cursor, UINT32_MAX, &run)) > 0;)
            for (uint32_t k = 0; k < cnt; k++)
                TM_TRY(entry_move(to, to_cnt, from, slice,
                                  (uint8_t *)run + (size_t)k * from->entry_sz));
    }
    return 0;
}

/* All old instances have seen the same watermark; the slowest in what it made due counts. */
static void clocks_move(tm_operator_t *const *to, uint32_t to_cnt, const tm_window_t *from,
                        bool first)
{
    for (uint32_t i = 0; i < to_cnt; i++) {
        tm_window_t *w = (tm_window_t *)to[i];
        w->wm = from->wm;
        if (first || from->wm_out < w->wm_out) w->wm_out = from->wm_out;
        if (from->recv_ns > w->recv_ns) w->recv_ns = from->recv_ns;
        w->closed = 0;
        while (from->spec.lateness_ns > 0 && w->closed < w->slice_cnt &&
               tm_window_is_due(w, w->slices[w->closed]->first.end))
            w->closed++;
    }
    ((tm_window_t *)to[0])->counters = from->counters; /* from began with those of to[0] */
}

static int refuse(const tm_window_t *w)
{
    if (w->panes_used)
        return tm_error_set(TM_E_CONFIG, "window: sliding and cumulative ones stay on as many "
                                         "workers as they were on");
    if (w->wm_out != w->wm && w->spec.lateness_ns > 0)
        return tm_error_set(TM_E_CONFIG,
                            "window: the checkpoint lies in the middle of results that "
                            "late rows may change: take another one");
    return 0;
}

int tm_window_sliced_move(tm_operator_t *const *to, uint32_t to_cnt, const tm_operator_old_t *old)
{
    const tm_window_t *like = (const tm_window_t *)to[0];
    tm_window_t *from = malloc(sizeof *from);
    tm_slice_t **slices = malloc(TM_WINDOW_SLICE_MAX * sizeof *slices);
    if (!from || !slices) {
        free(slices);
        free(from);
        return tm_error_set(-ENOMEM, "window: out of memory");
    }
    *from = *like;
    from->pages = old->pages;
    from->slices = slices;
    from->slice_cnt = from->closed = 0;
    tm_keyed_init(&from->panes, old->pages, like->panes.entry_sz);
    tm_key_attach(&from->key, old->pages);
    int err = tm_window_sliced_restore(&from->op, old->bytes, old->sz);
    if (err == 0) err = refuse(from);
    /* Nothing is due on the way, so that no slice counts as closed. */
    for (uint32_t i = 0; i < to_cnt && err == 0; i++) ((tm_window_t *)to[i])->wm = TM_TIME_NONE;
    if (err == 0) err = slices_move(to, to_cnt, from);
    if (err == TM_E_LIMIT)
        err = tm_error_set(err, "window: --state-memory is too small for its state on %u workers",
                           to_cnt);
    if (err == 0) clocks_move(to, to_cnt, from, old->first);
    free(slices);
    free(from);
    return err;
}
