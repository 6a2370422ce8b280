#include "engine/operators/window/window_held.h"

#include <string.h>

/* The row follows. */
typedef struct held_row {
    tm_ref_t next;
    uint32_t hash;
    uint64_t unused;
} held_row_t;

static held_row_t *row_at(const tm_window_held_t *held, tm_ref_t ref)
{
    return tm_ref_ptr(held->rows.arena, ref);
}

void tm_window_held_init(tm_window_held_t *held, tm_page_arena_t *arena, uint32_t stride)
{
    *held = (tm_window_held_t){0};
    tm_pool_init(&held->rows, arena, (uint32_t)sizeof(held_row_t) + stride);
}

bool tm_window_held_add(tm_window_held_t *held, uint32_t hash, const void *row)
{
    const tm_ref_t ref = tm_pool_get(&held->rows);
    if (!ref) return false;
    held_row_t *h = row_at(held, ref);
    tm_ref_touch(held->rows.arena, ref);
    *h = (held_row_t){.hash = hash};
    memcpy(h + 1, row, held->rows.object_sz - sizeof *h);
    if (held->last) {
        tm_ref_touch(held->rows.arena, held->last);
        row_at(held, held->last)->next = ref;
    } else {
        held->first = ref;
    }
    held->last = ref;
    return true;
}

const void *tm_window_held_first(const tm_window_held_t *held, uint32_t *hash)
{
    if (!held->first) return NULL;
    const held_row_t *h = row_at(held, held->first);
    *hash = h->hash;
    return h + 1;
}

void tm_window_held_pop(tm_window_held_t *held)
{
    const tm_ref_t gone = held->first;
    held->first = row_at(held, gone)->next;
    if (held->first) {
        tm_pool_put(&held->rows, gone);
        return;
    }
    held->last = 0;
    tm_pool_clear(&held->rows);
}

uint32_t tm_window_held_emit(tm_window_held_t *held, const tm_emitter_t *to, uint32_t max)
{
    const uint32_t stride = held->rows.object_sz - (uint32_t)sizeof(held_row_t);
    const void *row;
    uint32_t hash, cnt = 0;
    while (cnt < max && (row = tm_window_held_first(held, &hash)) != NULL) {
        tm_emit_rows(to, row, 1, stride);
        tm_window_held_pop(held);
        cnt++;
    }
    return cnt;
}

void tm_window_held_take(tm_window_held_t *to, const tm_window_held_t *from)
{
    tm_page_arena_t *arena = to->rows.arena;
    *to = *from;
    to->rows.arena = arena;
}
