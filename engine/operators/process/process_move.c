/* The state of a process function on its way to other workers or other descriptors: read from the
   pages of an instance that is gone, with the descriptors that they were written with, key by key
   and timer by timer, and given to the instance that owns the key now. Stamps of a time to live go
   with their values. */
#include "base/error.h"
#include "engine/operators/process/keyed_state_private.h"
#include "engine/operators/process/process_private.h"
#include "engine/operators/state_move.h"
#include "engine/runtime/route.h"

#include <string.h>

typedef struct move {
    tm_process_t *from;
    tm_operator_t *const *to;
    uint32_t to_cnt;
    const tm_state_move_t *states; /* NULL: each goes where it was */
    uint8_t room[TM_STATE_SZ_MAX]; /* for a value that is made anew */
} move_t;

/* One state of a key, on both sides. */
typedef struct state_pair {
    tm_keyed_state_t *from, *to;
    uint32_t was, is;
    const tm_state_move_t *move;
    uint8_t *room;
} state_pair_t;

/* What a value of a state counts from, on both sides: nothing expires on the way. */
static void clock_set(tm_keyed_state_t *ks, int64_t ns)
{
    ks->clock_ns[0] = ks->clock_ns[1] = ns;
    ks->stamp_ns = TM_TIME_NONE;
}

/* Sets the key under way of `from`, and of the instance that owns it. */
static tm_process_t *owner_begin(const move_t *m, uint64_t key)
{
    tm_keyed_state_t *from = &m->from->state;
    tm_keyed_state_begin_key(from, key);
    const uint8_t *bytes = tm_keyed_state_key(from);
    const uint32_t hash = tm_key_hash_bytes(&from->layout, bytes);
    tm_process_t *p = (tm_process_t *)m->to[tm_route_owner(hash, m->to_cnt)];
    tm_keyed_state_begin_bytes(&p->state, bytes);
    return p;
}

static int list_move(const state_pair_t *s)
{
    tm_state_iter_t at = {.state = s->was};
    const void *value;
    size_t sz;
    while (tm_keyed_list_next(s->from, &at, &value, &sz)) {
        clock_set(s->to, tm_keyed_list_stamp(s->from, s->was, value));
        value = tm_state_move_value(s->move, value, &sz, s->room);
        TM_TRY(tm_keyed_list_add(s->to, s->is, value, sz));
    }
    return 0;
}

static int map_move(const state_pair_t *s)
{
    tm_state_iter_t at = {.state = s->was};
    tm_map_entry_t entry;
    while (tm_keyed_map_next(s->from, &at, &entry)) {
        clock_set(s->to, tm_keyed_map_stamp(&entry));
        entry.value = tm_state_move_value(s->move, entry.value, &entry.value_sz, s->room);
        TM_TRY(tm_keyed_map_put(s->to, s->is, &entry));
    }
    return 0;
}

static int value_move(const state_pair_t *s)
{
    size_t sz;
    clock_set(s->to, tm_keyed_value_stamp(s->from, s->was));
    const void *value = tm_keyed_value_get(s->from, s->was, &sz);
    value = tm_state_move_value(s->move, value, &sz, s->room);
    return tm_keyed_value_set(s->to, s->is, value, sz);
}

static int record_move(move_t *m, const state_record_t *record)
{
    tm_process_t *p = owner_begin(m, record->key);
    tm_keyed_state_t *to = &p->state, *from = &m->from->state;
    int err = 0;
    for (uint32_t bits = record->present; bits && err == 0; bits &= bits - 1) {
        const uint32_t state = (uint32_t)__builtin_ctz(bits);
        const tm_state_kind_t kind = from->slots[state].spec.kind;
        state_pair_t s = {.from = from, .to = to, .was = state, .is = state, .room = m->room};
        if (m->states) s.move = &m->states[state];
        if (s.move && s.move->to < 0) continue; /* dropped, as the user allowed */
        if (s.move) s.is = (uint32_t)s.move->to;
        if (kind == TM_STATE_LIST)
            err = list_move(&s);
        else if (kind == TM_STATE_MAP)
            err = map_move(&s);
        else
            err = value_move(&s);
    }
    to->record = NULL; /* its timers are still to come: it stays, even if it holds nothing */
    return err;
}

static int records_move(move_t *m)
{
    const tm_keyed_table_t *records = &m->from->state.records;
    tm_keyed_cursor_t cursor = tm_keyed_scan(records);
    void *run;
    for (uint32_t cnt; (cnt = tm_keyed_next(records, &cursor, UINT32_MAX, &run)) > 0;)
        for (uint32_t i = 0; i < cnt; i++)
            TM_TRY(record_move(
                m, (const state_record_t *)(const void *)((const uint8_t *)run +
                                                          (size_t)i * records->entry_sz)));
    return 0;
}

static int timers_move(const move_t *m, tm_time_domain_t domain)
{
    tm_timer_t timer;
    while (tm_timer_pop(&m->from->timers[domain], INT64_MAX, &timer)) {
        tm_process_t *p = owner_begin(m, timer.key);
        int err = tm_keyed_state_timer_added(&p->state);
        if (err == 0)
            err = tm_timer_add(&p->timers[domain], timer.time_ns, p->state.key, timer.name);
        p->state.record = NULL;
        if (err < 0) return err;
    }
    return 0;
}

/* Clocks: the instances that are gone have seen the same watermarks; how far each had come with
   what they made due may differ, and the slowest one counts. */
static void clocks_move(const move_t *m, bool first)
{
    const tm_process_t *from = m->from;
    for (uint32_t i = 0; i < m->to_cnt; i++) {
        tm_process_t *p = (tm_process_t *)m->to[i];
        p->wm_ns = first || from->wm_ns < p->wm_ns ? from->wm_ns : p->wm_ns;
        p->wm_out_ns = first || from->wm_out_ns < p->wm_out_ns ? from->wm_out_ns : p->wm_out_ns;
        p->now_ns = first || from->now_ns < p->now_ns ? from->now_ns : p->now_ns;
        p->recv_ns = from->recv_ns > p->recv_ns ? from->recv_ns : p->recv_ns;
        p->firing |= from->firing;
        p->state.clock_ns[TM_EVENT_TIME] = TM_TIME_NONE;
        p->state.clock_ns[TM_PROCESSING_TIME] = p->now_ns;
        p->state.stamp_ns = TM_TIME_NONE;
    }
}

int tm_process_move(tm_operator_t *const *to, uint32_t to_cnt, const tm_operator_old_t *old)
{
    tm_process_t from = *(const tm_process_t *)to[0];
    tm_state_spec_t specs[TM_STATE_CNT_MAX];
    move_t m = {.from = &from, .to = to, .to_cnt = to_cnt, .states = old->states};
    int cnt = tm_process_saved_states(&from, old->bytes, old->sz, specs);
    if (cnt < 0) return cnt;
    tm_keyed_state_init(&from.state, old->pages, &from.keys[0], specs, (size_t)cnt);
    TM_TRY(tm_process_restore(&from, old->bytes, old->sz));
    clock_set(&from.state, TM_TIME_NONE);
    int err = records_move(&m);
    if (err == 0) err = timers_move(&m, TM_EVENT_TIME);
    if (err == 0) err = timers_move(&m, TM_PROCESSING_TIME);
    if (err < 0)
        return tm_error_set(err,
                            "process %s: --state-memory is too small for its state on %u "
                            "workers",
                            from.name, to_cnt);
    clocks_move(&m, old->idx == 0);
    return 0;
}
