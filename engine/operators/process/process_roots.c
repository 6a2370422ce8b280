/* What a process function knows outside of its pages: roots of its tables and queues, clocks, and a
   description of its states, so that pages are never read with another layout than they were
   written with. */
#include "engine/operators/process/process_private.h"

#include "base/error.h"

#include <stdio.h>
#include <string.h>

enum { NAME_SZ = 64 };

/* A state as the pages were written with. */
typedef struct state_mark {
    char name[NAME_SZ];
    uint32_t kind, value_sz, key_sz;
    uint32_t has_ttl;
} state_mark_t;

/* Pointers within are meaningless and set anew by restore. */
typedef struct process_roots {
    uint32_t version, roots_sz;
    uint32_t key_sz, state_cnt;
    state_mark_t states[TM_STATE_CNT_MAX];
    tm_slab_t slab;
    tm_keyed_table_t records, items, wide_keys;
    tm_timer_queue_t timers[2];
    int64_t wm_ns, wm_out_ns, now_ns, recv_ns;
    bool firing;
} process_roots_t;

static void marks_fill(const tm_process_t *p, process_roots_t *roots)
{
    roots->version = TM_PROCESS_LAYOUT;
    roots->roots_sz = sizeof *roots;
    roots->key_sz = p->keys[0].sz;
    roots->state_cnt = p->state.slot_cnt;
    for (uint32_t i = 0; i < p->state.slot_cnt; i++) {
        const tm_state_spec_t *spec = &p->state.slots[i].spec;
        state_mark_t *mark = &roots->states[i];
        snprintf(mark->name, sizeof mark->name, "%s", spec->name);
        mark->kind = spec->kind;
        mark->value_sz = spec->value_sz;
        mark->key_sz = spec->key_sz;
        mark->has_ttl = spec->ttl_ns > 0;
    }
}

size_t tm_process_save(const tm_process_t *p, void *bytes, size_t max)
{
    if (max < sizeof(process_roots_t)) return sizeof(process_roots_t);
    process_roots_t *roots = bytes;
    memset(roots, 0, sizeof *roots);
    marks_fill(p, roots);
    roots->slab = p->state.slab;
    roots->records = p->state.records;
    roots->items = p->state.items;
    roots->wide_keys = p->state.dict.table;
    roots->timers[0] = p->timers[0], roots->timers[1] = p->timers[1];
    roots->wm_ns = p->wm_ns, roots->wm_out_ns = p->wm_out_ns;
    roots->now_ns = p->now_ns, roots->recv_ns = p->recv_ns;
    roots->firing = p->firing;
    return sizeof *roots;
}

static int version_check(const tm_process_t *p, const process_roots_t *was)
{
    if (was->version == TM_PROCESS_LAYOUT && was->roots_sz == sizeof *was &&
        was->state_cnt <= TM_STATE_CNT_MAX)
        return 0;
    return tm_error_set(TM_E_UNSUPPORTED, "process %s: its state was written by another version",
                        p->name);
}

/* Values are carried as they are: what combines them is never called. */
static void no_reduce(void *value, const void *input)
{
    (void)value, (void)input;
}

static void no_result(const void *acc, void *out)
{
    (void)acc, (void)out;
}

int tm_process_saved_states(const tm_process_t *p, const void *bytes, size_t sz,
                            tm_state_spec_t specs[TM_STATE_CNT_MAX])
{
    process_roots_t head;
    if (sz != sizeof head)
        return tm_error_set(TM_E_CORRUPT, "process %s: roots of %zu bytes instead of %zu", p->name,
                            sz, sizeof head);
    memcpy(&head, bytes, sizeof head);
    TM_TRY(version_check(p, &head));
    for (uint32_t i = 0; i < head.state_cnt; i++) {
        const state_mark_t *mark = &head.states[i];
        specs[i] = (tm_state_spec_t){
            .name = (const char *)bytes + offsetof(process_roots_t, states) + i * sizeof *mark,
            .kind = (tm_state_kind_t)mark->kind,
            .value_sz = mark->value_sz,
            .key_sz = mark->key_sz,
            .ttl_ns = mark->has_ttl, /* there are stamps; nothing expires on the way */
            .reduce = no_reduce,
            .add = no_reduce,
            .result = no_result,
        };
    }
    TM_TRY(tm_keyed_state_check(specs, head.state_cnt));
    return (int)head.state_cnt;
}

static int marks_check(const tm_process_t *p, const process_roots_t *was)
{
    process_roots_t is = {0};
    marks_fill(p, &is);
    TM_TRY(version_check(p, was));
    if (was->key_sz != is.key_sz)
        return tm_error_set(TM_E_CONFIG, "process %s: its key had %u bytes and now has %u", p->name,
                            was->key_sz, is.key_sz);
    for (uint32_t i = 0; i < TM_STATE_CNT_MAX; i++) {
        const state_mark_t *a = &was->states[i], *b = &is.states[i];
        if (memcmp(a, b, sizeof *a) == 0) continue;
        return tm_error_set(
            TM_E_CONFIG,
            "process %s: state %u was '%s' (kind %u, values of %u B, keys of %u B%s)"
            " and now is '%s' (kind %u, values of %u B, keys of %u B%s)",
            p->name, i, a->name, a->kind, a->value_sz, a->key_sz, a->has_ttl ? ", with ttl" : "",
            b->name, b->kind, b->value_sz, b->key_sz, b->has_ttl ? ", with ttl" : "");
    }
    return 0;
}

static void table_take(tm_keyed_table_t *to, const tm_keyed_table_t *from)
{
    tm_page_arena_t *arena = to->arena;
    *to = *from;
    to->arena = arena;
}

int tm_process_restore(tm_process_t *p, const void *bytes, size_t sz)
{
    process_roots_t roots;
    if (sz != sizeof roots)
        return tm_error_set(TM_E_CORRUPT, "process %s: roots of %zu bytes instead of %zu", p->name,
                            sz, sizeof roots);
    memcpy(&roots, bytes, sizeof roots);
    TM_TRY(marks_check(p, &roots));
    tm_page_arena_t *arena = p->state.slab.arena;
    p->state.slab = roots.slab;
    p->state.slab.arena = arena;
    table_take(&p->state.records, &roots.records);
    table_take(&p->state.items, &roots.items);
    table_take(&p->state.dict.table, &roots.wide_keys);
    for (uint32_t i = 0; i < 2; i++) {
        p->timers[i] = roots.timers[i];
        p->timers[i].slab = &p->state.slab;
    }
    p->wm_ns = roots.wm_ns, p->wm_out_ns = roots.wm_out_ns;
    p->now_ns = roots.now_ns, p->recv_ns = roots.recv_ns;
    p->firing = roots.firing;
    p->state.clock_ns[TM_PROCESSING_TIME] = roots.now_ns;
    return 0;
}
