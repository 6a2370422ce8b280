/* Windows made of slices on their way to another number of workers: slices and panes, key by key,
   to the instances that own them now. Old instances may each be somewhere else in what their
   watermark has set due, and one instance has one such place. So what is due is done here, by the
   old instance itself, and its results are held until there is somebody to put them out
   (window_held.h): all that is left are slices and panes between two watermarks. */
#include "base/error.h"
#include "engine/operators/window/window_state.h"
#include "engine/runtime/route.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef struct move {
    tm_operator_t *const *to;
    uint32_t to_cnt;
    tm_window_t *from;
    int err; /* of results on their way */
} move_t;

static tm_window_t *instance_of(const move_t *m, uint32_t hash)
{
    return (tm_window_t *)m->to[tm_route_owner(hash, m->to_cnt)];
}

/* The instance that owns a key now, and its number there; NULL = no room. */
static tm_window_t *owner_of(const move_t *m, uint64_t old_key, uint64_t *key)
{
    uint8_t bytes[TM_KEY_SZ_MAX];
    tm_key_number_bytes(&m->from->key, old_key, bytes);
    tm_window_t *w = instance_of(m, tm_key_hash_bytes(&m->from->key, bytes));
    return tm_key_number(&w->key, bytes, key) ? w : NULL;
}

/* ---- results that are due -------------------------------------------------------------------- */

/* One at a time: the key of the row is the one written last. */
static void result_hold(void *ctx, const void *rows, uint32_t cnt, uint32_t stride)
{
    move_t *m = ctx;
    uint8_t bytes[TM_KEY_SZ_MAX];
    (void)cnt, (void)stride;
    tm_key_number_bytes(&m->from->key, m->from->out.last_key, bytes);
    const uint32_t hash = tm_key_hash_bytes(&m->from->key, bytes);
    if (!tm_window_held_add(&instance_of(m, hash)->held, hash, rows)) m->err = TM_E_LIMIT;
}

static int results_move(move_t *m)
{
    tm_window_t *from = m->from;
    const void *row;
    uint32_t hash;
    while ((row = tm_window_held_first(&from->held, &hash)) != NULL) {
        if (!tm_window_held_add(&instance_of(m, hash)->held, hash, row)) return TM_E_LIMIT;
        tm_window_held_pop(&from->held);
    }
    from->out.most = 1;
    from->out.key = &from->key;
    from->out.to = (tm_emitter_t){.rows = result_hold, .ctx = m};
    while (m->err == 0 && tm_window_work(from) > 0) {
    }
    return m->err;
}

/* ---- slices and panes ------------------------------------------------------------------------ */

/* The slice of that range, made where it is new. */
static tm_slice_t *slice_get(tm_window_t *w, const tm_slice_t *like)
{
    const uint32_t at = tm_window_slice_lower(w, like->range.start);
    if (at < w->slice_cnt && w->slices[at]->range.start == like->range.start) return w->slices[at];
    return tm_window_slice_insert(w, like->range, like->first, like->last);
}

static int entry_move(const move_t *m, const tm_slice_t *old, void *entry)
{
    uint64_t key;
    tm_window_t *w = owner_of(m, tm_keyed_key(entry), &key);
    tm_slice_t *slice = w ? slice_get(w, old) : NULL;
    void *copy = slice ? tm_window_entry(w, slice, key) : NULL;
    if (!copy) return TM_E_LIMIT;
    memcpy(tm_window_entry_acc(copy), tm_window_entry_acc(entry), w->agg.acc_sz);
    return 0;
}

static int pane_move(const move_t *m, const window_pane_t *old)
{
    uint64_t key;
    tm_window_t *w = owner_of(m, old->key, &key);
    window_pane_t *pane = w ? tm_window_pane(w, key, tm_keyed_tag(key)) : NULL;
    if (!pane || !tm_window_log_copy(w, pane, m->from, old)) return TM_E_LIMIT;
    memcpy(tm_window_pane_acc(pane), (const uint8_t *)old + sizeof *old, w->agg.acc_sz);
    w->next = m->from->next;
    w->leaving = m->from->leaving;
    return 0;
}

static int slice_move(const move_t *m, const tm_slice_t *slice)
{
    tm_keyed_cursor_t cursor = tm_keyed_scan(&slice->table);
    void *run;
    for (uint32_t cnt; (cnt = tm_keyed_next(&slice->table, &cursor, UINT32_MAX, &run)) > 0;)
        for (uint32_t i = 0; i < cnt; i++)
            TM_TRY(entry_move(m, slice, (uint8_t *)run + (size_t)i * m->from->entry_sz));
    return 0;
}

static int panes_move(const move_t *m)
{
    const tm_keyed_table_t *panes = &m->from->panes;
    tm_keyed_cursor_t cursor = tm_keyed_scan(panes);
    void *run;
    for (uint32_t cnt; (cnt = tm_keyed_next(panes, &cursor, UINT32_MAX, &run)) > 0;)
        for (uint32_t i = 0; i < cnt; i++)
            TM_TRY(pane_move(m, (const void *)((uint8_t *)run + (size_t)i * panes->entry_sz)));
    return 0;
}

/* ---- all of it ------------------------------------------------------------------------------- */

/* The slowest of the old instances counts, in what it has heard and in what it has handed on. They
   have heard the same, unless a window before them on the same workers was putting out results. */
static int clocks_move(const move_t *m, bool first)
{
    const tm_window_t *from = m->from, *like = (const tm_window_t *)m->to[0];
    const bool again = from->panes_used || from->spec.lateness_ns > 0;
    if (!first && from->wm != like->wm && again)
        return tm_error_set(TM_E_CONFIG,
                            "window: the checkpoint lies in the middle of results of a window "
                            "before it: take another one");
    for (uint32_t i = 0; i < m->to_cnt; i++) {
        tm_window_t *w = (tm_window_t *)m->to[i];
        if (first || from->wm < w->wm) w->wm = from->wm;
        if (first || from->wm_out < w->wm_out) w->wm_out = from->wm_out;
        if (from->recv_ns > w->recv_ns) w->recv_ns = from->recv_ns;
    }
    return 0;
}

static int state_move(move_t *m, const tm_operator_old_t *old)
{
    tm_window_t *from = m->from;
    TM_TRY(tm_window_sliced_restore(&from->op, old->bytes, old->sz));
    TM_TRY(clocks_move(m, old->idx == 0));
    TM_TRY(results_move(m));
    for (uint32_t i = 0; i < from->slice_cnt; i++) TM_TRY(slice_move(m, from->slices[i]));
    TM_TRY(panes_move(m));
    ((tm_window_t *)m->to[0])->counters = from->counters; /* from began with those of to[0] */
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
    tm_window_held_init(&from->held, old->pages, like->out.stride);
    tm_key_attach(&from->key, old->pages);
    move_t m = {.to = to, .to_cnt = to_cnt, .from = from};
    int err = state_move(&m, old);
    if (err == TM_E_LIMIT)
        err = tm_error_set(err, "window: --state-memory is too small for its state on %u workers",
                           to_cnt);
    free(slices);
    free(from);
    return err;
}
