/* What windows that are kept one by one know outside of their pages. */
#include "base/error.h"
#include "engine/operators/window/window_general_state.h"

#include <string.h>

/* Pointers within are meaningless and set anew by restore. */
typedef struct general_roots {
    tm_window_mark_t mark;
    tm_keyed_table_t keys, wide_keys;
    tm_pool_t records, rows, timers;
    tm_slab_t slab;
    tm_radix_heap_t queues[2];
    int64_t clock[2], wm_out, recv_ns, offset_ns;
    bool firing[2];
    bool staggered;
    uint64_t tallies[TM_WINDOW_TALLY_CNT];
} general_roots_t;

size_t tm_window_general_save(const tm_operator_t *op, void *bytes, size_t max)
{
    const tm_window_general_t *g = (const tm_window_general_t *)op;
    if (max < sizeof(general_roots_t)) return sizeof(general_roots_t);
    general_roots_t *roots = bytes;
    memset(roots, 0, sizeof *roots);
    roots->mark = g->mark;
    roots->keys = g->keys;
    roots->wide_keys = g->key.wide;
    roots->records = g->records, roots->rows = g->rows, roots->timers = g->timers;
    roots->slab = g->slab;
    for (int d = 0; d < 2; d++) {
        roots->queues[d] = g->queues[d];
        roots->clock[d] = g->clock[d];
        roots->firing[d] = g->firing[d];
    }
    roots->wm_out = g->wm_out, roots->recv_ns = g->recv_ns;
    roots->offset_ns = g->what.window.offset_ns;
    roots->staggered = g->staggered;
    tm_window_counters_save(&g->counters, roots->tallies);
    return sizeof *roots;
}

static void pool_take(tm_pool_t *to, const tm_pool_t *from)
{
    tm_page_arena_t *arena = to->arena;
    *to = *from;
    to->arena = arena;
}

int tm_window_general_restore(tm_operator_t *op, const void *bytes, size_t sz)
{
    tm_window_general_t *g = (tm_window_general_t *)op;
    general_roots_t roots;
    if (sz < sizeof roots.mark) return tm_error_set(TM_E_CORRUPT, "window: roots of %zu bytes", sz);
    memcpy(&roots.mark, bytes, sizeof roots.mark);
    TM_TRY(tm_window_mark_check(&roots.mark, &g->mark));
    if (sz != sizeof roots)
        return tm_error_set(TM_E_CORRUPT, "window: roots of %zu bytes instead of %zu", sz,
                            sizeof roots);
    memcpy(&roots, bytes, sizeof roots);
    tm_window_table_take(&g->keys, &roots.keys);
    tm_window_table_take(&g->key.wide, &roots.wide_keys);
    pool_take(&g->records, &roots.records);
    pool_take(&g->rows, &roots.rows);
    pool_take(&g->timers, &roots.timers);
    g->slab = roots.slab;
    g->slab.arena = g->pages;
    for (int d = 0; d < 2; d++) {
        g->queues[d] = roots.queues[d];
        g->queues[d].chunks.arena = g->pages;
        g->clock[d] = roots.clock[d];
        g->firing[d] = roots.firing[d];
    }
    g->wm_out = roots.wm_out, g->recv_ns = roots.recv_ns;
    g->what.window.offset_ns = roots.offset_ns;
    g->staggered = roots.staggered;
    tm_window_counters_restore(&g->counters, roots.tallies);
    return 0;
}
