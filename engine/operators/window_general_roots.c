/* What windows kept one by one know outside of their pages: roots of tables, pools and queues, and
   the clocks. What is due goes on where it was. */
#include "engine/operators/window_general_state.h"

#include "base/error.h"

#include <string.h>

enum { ROOTS_VERSION = 1 };

/* Addresses within are meaningless and set anew by restore. */
typedef struct general_roots {
    uint32_t version, roots_sz;
    uint32_t record_sz, row_sz, key_sz;
    uint32_t mode;
    int64_t clock[2];
    int64_t wm_out, recv_ns;
    int64_t offset_ns; /* of staggered windows */
    bool firing[2], staggered;
    tm_keyed_table_t keys, wide_keys;
    tm_pool_t records, rows, timers;
    tm_slab_t slab;
    tm_radix_heap_t queues[2];
} general_roots_t;

size_t tm_window_general_save(const tm_operator_t *op, void *bytes, size_t max)
{
    const tm_window_general_t *g = (const tm_window_general_t *)op;
    if (max < sizeof(general_roots_t)) return sizeof(general_roots_t);
    general_roots_t *roots = bytes;
    memset(roots, 0, sizeof *roots);
    roots->version = ROOTS_VERSION, roots->roots_sz = sizeof *roots;
    roots->record_sz = g->records.object_sz, roots->row_sz = g->row_sz;
    roots->key_sz = g->key.sz, roots->mode = g->mode;
    for (int d = 0; d < 2; d++) {
        roots->clock[d] = g->clock[d], roots->firing[d] = g->firing[d];
        roots->queues[d] = g->queues[d];
    }
    roots->wm_out = g->wm_out, roots->recv_ns = g->recv_ns;
    roots->offset_ns = g->what.window.offset_ns, roots->staggered = g->staggered;
    roots->keys = g->keys, roots->wide_keys = g->key.wide;
    roots->records = g->records, roots->rows = g->rows, roots->timers = g->timers;
    roots->slab = g->slab;
    return sizeof *roots;
}

static int roots_check(const tm_window_general_t *g, const general_roots_t *was)
{
    if (was->version != ROOTS_VERSION || was->roots_sz != sizeof *was)
        return tm_error_set(TM_E_UNSUPPORTED, "window: its state was written by another version");
    if (was->mode != g->mode || was->record_sz != g->records.object_sz || was->row_sz != g->row_sz)
        return tm_error_set(TM_E_CONFIG,
                            "window: records had %u bytes and now have %u, rows %u and %u: another "
                            "trigger, other aggregates or rows",
                            was->record_sz, g->records.object_sz, was->row_sz, g->row_sz);
    if (was->key_sz != g->key.sz)
        return tm_error_set(TM_E_CONFIG, "window: its key had %u bytes and now has %u", was->key_sz,
                            g->key.sz);
    return 0;
}

static void table_take(tm_keyed_table_t *to, const tm_keyed_table_t *from, tm_page_arena_t *arena)
{
    *to = *from;
    to->arena = arena;
}

static void pool_take(tm_pool_t *to, const tm_pool_t *from, tm_page_arena_t *arena)
{
    *to = *from;
    to->arena = arena;
}

int tm_window_general_restore(tm_operator_t *op, const void *bytes, size_t sz)
{
    tm_window_general_t *g = (tm_window_general_t *)op;
    general_roots_t roots;
    if (sz != sizeof roots)
        return tm_error_set(TM_E_CORRUPT, "window: roots of %zu bytes instead of %zu", sz,
                            sizeof roots);
    memcpy(&roots, bytes, sizeof roots);
    TM_TRY(roots_check(g, &roots));
    for (int d = 0; d < 2; d++) {
        g->clock[d] = roots.clock[d], g->firing[d] = roots.firing[d];
        g->queues[d] = roots.queues[d];
        g->queues[d].chunks.arena = g->pages;
    }
    g->wm_out = roots.wm_out, g->recv_ns = roots.recv_ns;
    g->what.window.offset_ns = roots.offset_ns, g->staggered = roots.staggered;
    table_take(&g->keys, &roots.keys, g->pages);
    if (g->key.form == TM_KEY_WIDE) table_take(&g->key.wide, &roots.wide_keys, g->pages);
    pool_take(&g->records, &roots.records, g->pages);
    pool_take(&g->rows, &roots.rows, g->pages);
    pool_take(&g->timers, &roots.timers, g->pages);
    g->slab = roots.slab;
    g->slab.arena = g->pages;
    return 0;
}
