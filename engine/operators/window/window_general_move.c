/* Windows that are kept one by one on their way to another number of workers: each key's list, with
   what the windows hold, to the instance that owns the key now. */
#include "base/error.h"
#include "engine/operators/window/window_general_state.h"
#include "engine/runtime/route.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What a window holds, and what its trigger knows. */
static int contents_move(tm_window_general_t *to, window_record_t *w, tm_window_general_t *from,
                         window_record_t *old)
{
    memcpy(tm_window_trigger_state(to, w), tm_window_trigger_state(from, old), to->state_sz);
    for (tm_ref_t at = old->first; at; at = tm_window_row(from, at)->next)
        if (!tm_window_add(to, w, tm_window_row_bytes(tm_window_row(from, at)), -1))
            return TM_E_LIMIT;
    w->row_cnt = old->row_cnt;
    w->cleanup = old->cleanup;
    if (to->keeps_rows) return 0;
    if (to->mode == TM_WINDOW_AGGREGATES)
        tm_agg_copy(&to->agg, tm_window_acc(to, w), &from->agg, tm_window_acc(from, old));
    else
        memcpy(tm_window_acc(to, w), tm_window_acc(from, old), to->records.object_sz - to->acc_off);
    return 0;
}

static void timers_move(tm_window_general_t *to, tm_ref_t ref, const tm_window_general_t *from,
                        const window_record_t *old)
{
    tm_trigger_call_t call = {to, ref};
    for (int d = 0; d < 2; d++) {
        int64_t at;
        tm_trigger_timer_set(&call, (tm_time_domain_t)d, old->timer[d]);
        if (tm_window_due(to, tm_window_record(to, ref), (tm_time_domain_t)d, &at))
            tm_window_enqueue(to, ref, (tm_time_domain_t)d, at);
    }
    for (tm_ref_t more = old->timers; more;) {
        const window_timer_t *t = tm_ref_ptr(from->pages, more);
        tm_trigger_timer_set(&call, (tm_time_domain_t)t->domain, t->at);
        more = t->next;
    }
}

static int key_move(tm_window_general_t *to, tm_window_general_t *from, const window_key_t *old,
                    const uint8_t *bytes)
{
    uint64_t key;
    bool added;
    if (!tm_key_number(&to->key, bytes, &key)) return TM_E_LIMIT;
    window_key_t *entry = tm_keyed_get(&to->keys, key, tm_keyed_tag(key), &added);
    if (!entry) return TM_E_LIMIT;
    entry->windows = 0;
    tm_ref_t *link = &entry->windows;
    for (tm_ref_t at = old->windows; at; at = tm_window_record(from, at)->next) {
        window_record_t *w = tm_window_record(from, at);
        tm_ref_t ref = tm_window_make(to, link, key, (tm_range_t){w->start, w->end});
        if (!ref) return TM_E_LIMIT;
        TM_TRY(contents_move(to, tm_window_edit(to, ref), from, w));
        timers_move(to, ref, from, w);
        link = &tm_window_record(to, ref)->next;
    }
    return 0;
}

static int keys_move(tm_operator_t *const *to, uint32_t to_cnt, tm_window_general_t *from)
{
    tm_keyed_cursor_t cursor = tm_keyed_scan(&from->keys);
    void *run;
    for (uint32_t cnt; (cnt = tm_keyed_next(&from->keys, &cursor, UINT32_MAX, &run)) > 0;) {
        const window_key_t *keys = run;
        for (uint32_t i = 0; i < cnt; i++) {
            uint8_t bytes[TM_KEY_SZ_MAX];
            tm_key_number_bytes(&from->key, keys[i].key, bytes);
            const uint32_t owner = tm_route_owner(tm_key_hash_bytes(&from->key, bytes), to_cnt);
            TM_TRY(key_move((tm_window_general_t *)to[owner], from, &keys[i], bytes));
        }
    }
    return 0;
}

/* All old instances have seen the same clocks; the slowest in what they made due counts. */
static void clocks_move(tm_operator_t *const *to, uint32_t to_cnt, const tm_window_general_t *from,
                        bool first)
{
    for (uint32_t i = 0; i < to_cnt; i++) {
        tm_window_general_t *g = (tm_window_general_t *)to[i];
        for (int d = 0; d < 2; d++) {
            if (first || from->clock[d] < g->clock[d]) g->clock[d] = from->clock[d];
            g->firing[d] |= from->firing[d];
        }
        if (first || from->wm_out < g->wm_out) g->wm_out = from->wm_out;
        if (from->recv_ns > g->recv_ns) g->recv_ns = from->recv_ns;
    }
    ((tm_window_general_t *)to[0])->counters = from->counters; /* from began with those of to[0] */
}

/* Staggered windows keep the bounds they have, and an instance the shift it had; one that is new
   finds its own with its first row. */
static void stagger_move(tm_window_general_t *to, const tm_window_general_t *from)
{
    if (from->what.window.stagger == TM_STAGGER_ALIGNED || !from->staggered) return;
    to->what.window.offset_ns = from->what.window.offset_ns;
    to->staggered = true;
}

int tm_window_general_move(tm_operator_t *const *to, uint32_t to_cnt, const tm_operator_old_t *old)
{
    const tm_window_general_t *like = (const tm_window_general_t *)to[0];
    tm_window_general_t *from = malloc(sizeof *from);
    if (!from) return tm_error_set(-ENOMEM, "window: out of memory");
    *from = *like;
    from->pages = old->pages;
    tm_window_general_state_open(from, like->records.object_sz - like->acc_off);
    int err = tm_window_general_restore(&from->op, old->bytes, old->sz);
    if (err == 0) err = keys_move(to, to_cnt, from);
    if (err == TM_E_LIMIT)
        err = tm_error_set(err, "window: --state-memory is too small for its state on %u workers",
                           to_cnt);
    if (err == 0) clocks_move(to, to_cnt, from, old->idx == 0);
    if (err == 0 && old->idx < to_cnt) stagger_move((tm_window_general_t *)to[old->idx], from);
    free(from);
    return err;
}
