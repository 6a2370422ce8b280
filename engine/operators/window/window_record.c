/* The windows of keys: what they hold, and how they come and go. */
#include "engine/operators/window/window_general_state.h"

#include <string.h>

void tm_window_batch_flush(tm_window_general_t *g)
{
    uint32_t from = g->batch_from, cnt = g->batch_end - from;
    g->batch_from = g->batch_end;
    if (cnt > 0)
        tm_agg_add(&g->agg, g->batch_accs + from, g->batch + (size_t)from * g->batch_stride, cnt,
                   g->batch_stride);
}

static void contents_init(tm_window_general_t *g, window_record_t *w)
{
    w->row_cnt = 0;
    if (g->keeps_rows) return;
    if (g->mode == TM_WINDOW_AGGREGATES) tm_agg_init(&g->agg, tm_window_acc(g, w));
    if (g->mode == TM_WINDOW_USER) g->what.user->init(g->what.ctx, tm_window_acc(g, w));
}

static void contents_clear(tm_window_general_t *g, window_record_t *w)
{
    for (tm_ref_t at = w->first; at;) {
        tm_ref_t next = tm_window_row(g, at)->next;
        tm_pool_put(&g->rows, at);
        at = next;
    }
    w->first = w->last = 0;
    if (g->mode == TM_WINDOW_AGGREGATES && !g->keeps_rows)
        tm_agg_clear(&g->agg, tm_window_acc(g, w));
    contents_init(g, w);
}

void tm_window_purge(tm_window_general_t *g, window_record_t *window)
{
    tm_window_batch_flush(g);
    contents_clear(g, window);
}

tm_ref_t tm_window_make(tm_window_general_t *g, tm_ref_t *link, uint64_t key, tm_range_t range)
{
    bool room = tm_radix_heap_reserve(&g->queues[0], 2) && tm_radix_heap_reserve(&g->queues[1], 2);
    tm_ref_t ref = room ? tm_pool_get(&g->records) : 0;
    if (!ref) {
        tm_window_count(&g->counters.full, 1);
        return 0;
    }
    window_record_t *w = tm_window_edit(g, ref);
    *w = (window_record_t){.next = *link,
                           .live = true,
                           .key = key,
                           .start = range.start,
                           .end = range.end,
                           .queued = {TM_TIME_NONE, TM_TIME_NONE},
                           .timer = {TM_TIME_NONE, TM_TIME_NONE}};
    memset(tm_window_trigger_state(g, w), 0, g->state_sz);
    contents_init(g, w);
    tm_ptr_touch(g->pages, link);
    *link = ref;
    return ref;
}

static bool row_keep(tm_window_general_t *g, window_record_t *w, const void *row)
{
    tm_ref_t ref = tm_pool_get(&g->rows);
    if (!ref) {
        tm_window_count(&g->counters.full, 1);
        return false;
    }
    window_row_t *kept = tm_window_edit(g, ref);
    kept->next = 0;
    memcpy(kept + 1, row, g->row_sz);
    if (w->last)
        ((window_row_t *)tm_window_edit(g, w->last))->next = ref;
    else
        w->first = ref;
    w->last = ref;
    return true;
}

bool tm_window_add(tm_window_general_t *g, window_record_t *window, const void *row, int32_t idx)
{
    if (g->keeps_rows) {
        if (!row_keep(g, window, row)) return false;
        window->row_cnt++;
        return true;
    }
    void *acc = tm_window_acc(g, window);
    switch (g->mode) {
    case TM_WINDOW_AGGREGATES:
        if (idx >= 0 && g->defers) { /* one window a row */
            g->batch_accs[idx] = acc;
            g->batch_end = (uint32_t)idx + 1;
        } else {
            tm_agg_add(&g->agg, &acc, row, 1, g->row_sz);
        }
        break;
    case TM_WINDOW_REDUCED:
        if (window->row_cnt == 0)
            memcpy(acc, row, g->row_sz);
        else
            g->what.reduce(g->what.ctx, acc, row);
        break;
    case TM_WINDOW_USER:
        g->what.user->add(g->what.ctx, acc, row);
        break;
    case TM_WINDOW_PROCESSED: /* keeps rows */
        break;
    }
    window->row_cnt++;
    return true;
}

/* Rows of the earlier window come first. */
static void rows_absorb(tm_window_general_t *g, window_record_t *into, window_record_t *from)
{
    if (!from->first) return;
    if (into->first)
        ((window_row_t *)tm_window_edit(g, from->last))->next = into->first;
    else
        into->last = from->last;
    into->first = from->first;
    from->first = from->last = 0;
}

void tm_window_absorb(tm_window_general_t *g, window_record_t *into, window_record_t *from)
{
    tm_window_batch_flush(g);
    void *acc = tm_window_acc(g, into);
    const void *more = tm_window_acc(g, from);
    rows_absorb(g, into, from);
    if (from->row_cnt > 0 && !g->keeps_rows) {
        if (g->mode == TM_WINDOW_AGGREGATES)
            tm_agg_merge(&g->agg, acc, more);
        else if (g->mode == TM_WINDOW_USER)
            g->what.user->merge(g->what.ctx, acc, more);
        else if (into->row_cnt == 0)
            memcpy(acc, more, g->row_sz);
        else
            g->what.reduce(g->what.ctx, acc, more);
    }
    into->row_cnt += from->row_cnt;
    from->row_cnt = 0;
}

void tm_window_free(tm_window_general_t *g, tm_ref_t ref)
{
    window_record_t *w = tm_window_edit(g, ref);
    tm_window_batch_flush(g);
    tm_window_timers_clear(g, w);
    contents_clear(g, w);
    w->live = false;
    tm_pool_put(&g->records, ref);
}

void tm_window_drop(tm_window_general_t *g, tm_ref_t ref)
{
    const window_record_t *w = tm_window_record(g, ref);
    window_key_t *entry = tm_keyed_find(&g->keys, w->key, tm_keyed_tag(w->key));
    for (tm_ref_t *link = &entry->windows; *link; link = &tm_window_record(g, *link)->next) {
        if (*link != ref) continue;
        tm_ptr_touch(g->pages, link);
        *link = w->next;
        break;
    }
    tm_window_free(g, ref);
    if (!entry->windows) tm_keyed_erase(&g->keys, entry);
}

void tm_window_enqueue(tm_window_general_t *g, tm_ref_t ref, tm_time_domain_t domain, int64_t at)
{
    window_record_t *w = tm_window_edit(g, ref);
    if (w->queued[domain] != TM_TIME_NONE && w->queued[domain] <= at) return;
    if (tm_radix_heap_push(&g->queues[domain], at, ref))
        w->queued[domain] = at;
    else
        tm_window_count(&g->counters.full, 1);
}
