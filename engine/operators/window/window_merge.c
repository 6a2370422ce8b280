/* Sessions. Those of a key never touch one another, so the ones that a row's session meets are
   neighbours in the list, which is ordered by start. They become one: the latest of them stays and
   takes over what the others know. */
#include "engine/operators/window/window_general_state.h"

/* [start, end] on both sides: sessions that touch are one. */
static bool touches(const window_record_t *w, tm_range_t range)
{
    return w->start <= range.end && w->end >= range.start;
}

/* Makes `ref` span the range and all windows behind it that this touches. */
static void grow(tm_window_general_t *g, tm_ref_t ref, tm_range_t range)
{
    window_record_t *w = tm_window_edit(g, ref);
    tm_trigger_call_t call = {g, ref};
    while (w->next && touches(tm_window_record(g, w->next), range)) {
        tm_ref_t gone = w->next;
        window_record_t *other = tm_window_edit(g, gone);
        w->next = other->next;
        if (other->start < w->start) w->start = other->start;
        if (other->end > w->end) w->end = other->end;
        tm_window_absorb(g, w, other);
        if (g->ops->merge) g->ops->merge(&call, g->ops_ctx, tm_window_trigger_state(g, other));
        tm_window_free(g, gone);
    }
    if (range.start < w->start) w->start = range.start;
    if (range.end > w->end) w->end = range.end;
    /* A window that has become another one starts without timers. */
    tm_window_timers_clear(g, w);
    w->cleanup = false;
    if (g->ops->on_merge) g->ops->on_merge(&call, g->ops_ctx);
}

tm_ref_t tm_window_session(tm_window_general_t *g, window_key_t **entry, uint64_t key,
                           tm_range_t range, bool *late)
{
    tm_ref_t *link = NULL, ref = 0;
    *late = false;
    if (*entry) {
        link = &(*entry)->windows;
        while (*link && tm_window_record(g, *link)->start > range.end)
            link = &tm_window_record(g, *link)->next;
        ref = *link;
    }
    if (ref && touches(tm_window_record(g, ref), range)) {
        const window_record_t *w = tm_window_record(g, ref);
        bool inside = w->start <= range.start && w->end >= range.end;
        bool alone = !w->next || !touches(tm_window_record(g, w->next), range);
        if (!inside || !alone) grow(g, ref, range);
        return ref;
    }
    *late = tm_window_is_late(g, range.end - 1);
    if (*late) return 0;
    if (!*entry) {
        bool added;
        *entry = tm_keyed_get(&g->keys, key, tm_keyed_tag(key), &added);
        if (!*entry) {
            tm_window_count(&g->counters.full, 1);
            return 0;
        }
        (*entry)->windows = 0;
        link = &(*entry)->windows;
    }
    ref = tm_window_make(g, link, key, range);
    if (!(*entry)->windows) {
        tm_keyed_erase(&g->keys, *entry);
        *entry = NULL;
    }
    return ref;
}
