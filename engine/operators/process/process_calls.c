/* What the callbacks of a process function may call: the public names, which check that a key is
   under way and that the state is of the kind the call is for, and count what finds no room. */
#include "engine/operators/process/process_private.h"

#include "base/check.h"

#include <string.h>

static tm_keyed_state_t *state_of(tm_process_t *p, uint32_t state, uint32_t kinds)
{
    TM_CHECK(p->in_key, "process %s: state belongs to a key; there is none in open and close",
             p->name);
    TM_CHECK(state < p->state.slot_cnt, "process %s: it has no state %u", p->name, state);
    const tm_state_spec_t *spec = &p->state.slots[state].spec;
    TM_CHECK(kinds >> spec->kind & 1, "process %s: state %s is of another kind", p->name,
             spec->name);
    return &p->state;
}

static int counted(tm_process_t *p, int err)
{
    if (TM_UNLIKELY(err < 0)) tm_counter_add(p->full, 1);
    return err;
}

enum {
    VALUE = 1 << TM_STATE_VALUE,
    LIST = 1 << TM_STATE_LIST,
    MAP = 1 << TM_STATE_MAP,
    ADDING = 1 << TM_STATE_REDUCING | 1 << TM_STATE_AGGREGATING,
};

const void *tm_value_get(tm_process_t *p, uint32_t state, size_t *sz)
{
    return tm_keyed_value_get(state_of(p, state, VALUE | ADDING), state, sz);
}

int tm_value_set(tm_process_t *p, uint32_t state, const void *value, size_t sz)
{
    return counted(p, tm_keyed_value_set(state_of(p, state, VALUE | ADDING), state, value, sz));
}

int tm_value_add(tm_process_t *p, uint32_t state, const void *input)
{
    return counted(p, tm_keyed_value_add(state_of(p, state, ADDING), state, input));
}

int tm_value_result(tm_process_t *p, uint32_t state, void *out)
{
    tm_keyed_state_t *ks = state_of(p, state, 1 << TM_STATE_AGGREGATING);
    const void *acc = tm_keyed_value_get(ks, state, NULL);
    if (acc) ks->slots[state].spec.result(acc, out);
    return acc != NULL;
}

void tm_state_clear(tm_process_t *p, uint32_t state)
{
    tm_keyed_clear_state(state_of(p, state, VALUE | ADDING | LIST | MAP), state);
}

int tm_list_add(tm_process_t *p, uint32_t state, const void *value, size_t sz)
{
    return counted(p, tm_keyed_list_add(state_of(p, state, LIST), state, value, sz));
}

int tm_list_next(tm_process_t *p, tm_state_iter_t *at, const void **value, size_t *sz)
{
    return tm_keyed_list_next(state_of(p, at->state, LIST), at, value, sz);
}

const void *tm_map_get(tm_process_t *p, uint32_t state, const void *key, size_t key_sz, size_t *sz)
{
    return tm_keyed_map_get(state_of(p, state, MAP), state, key, key_sz, sz);
}

int tm_map_put(tm_process_t *p, uint32_t state, const tm_map_entry_t *entry)
{
    return counted(p, tm_keyed_map_put(state_of(p, state, MAP), state, entry));
}

int tm_map_remove(tm_process_t *p, uint32_t state, const void *key, size_t key_sz)
{
    return tm_keyed_map_remove(state_of(p, state, MAP), state, key, key_sz);
}

int tm_map_next(tm_process_t *p, tm_state_iter_t *at, tm_map_entry_t *entry)
{
    return tm_keyed_map_next(state_of(p, at->state, MAP), at, entry);
}

/* Up to a multiple of the grain, so that timers of about one time become one. */
static int64_t coarse(const tm_process_t *p, int64_t time_ns)
{
    int64_t grain = p->timer_grain_ns, rest, up;
    if (grain == 0) return time_ns;
    rest = time_ns % grain;
    if (rest == 0) return time_ns;
    return __builtin_add_overflow(time_ns - rest, rest > 0 ? grain : 0, &up) ? INT64_MAX : up;
}

int tm_timer_set(tm_process_t *p, tm_time_domain_t domain, int64_t time_ns, uint32_t name)
{
    TM_CHECK(p->in_key, "process %s: timers belong to a key; there is none in open and close",
             p->name);
    int err = tm_keyed_state_timer_added(&p->state);
    if (err < 0) return counted(p, err);
    err = tm_timer_add(&p->timers[domain], coarse(p, time_ns), p->state.key, name);
    if (err != 1) tm_keyed_state_timer_gone(&p->state);
    return err < 0 ? counted(p, err) : 0;
}

int tm_timer_delete(tm_process_t *p, tm_time_domain_t domain, int64_t time_ns, uint32_t name)
{
    TM_CHECK(p->in_key, "process %s: timers belong to a key; there is none in open and close",
             p->name);
    bool there = tm_timer_remove(&p->timers[domain], coarse(p, time_ns), p->state.key, name);
    if (there) tm_keyed_state_timer_gone(&p->state);
    return there;
}

const void *tm_process_key(tm_process_t *p, uint32_t field_idx, size_t *sz)
{
    const tm_key_t *key = &p->keys[0];
    TM_CHECK(p->in_key && field_idx < key->field_cnt, "process %s: no key field %u", p->name,
             field_idx);
    if (sz) *sz = key->fields[field_idx].sz;
    return tm_keyed_state_key(&p->state) + key->fields[field_idx].at;
}

int64_t tm_process_time(const tm_process_t *p)
{
    return p->time_ns;
}

int64_t tm_process_watermark(const tm_process_t *p)
{
    return p->wm_ns;
}

int64_t tm_process_now(const tm_process_t *p)
{
    return p->now_ns;
}

void *tm_process_user(const tm_process_t *p)
{
    return p->user;
}

uint32_t tm_process_subtask(const tm_process_t *p, uint32_t *subtask_cnt)
{
    if (subtask_cnt) *subtask_cnt = p->subtask_cnt;
    return p->subtask_idx;
}

static void *port_row(tm_process_t *p, process_port_t *port)
{
    if (port->cnt == PROCESS_OUT_ROWS) tm_process_port_flush(port);
    uint8_t *at = port->rows + (size_t)port->cnt++ * port->stride;
    memset(at, 0, port->stride);
    uint32_t symbol = TM_SYMBOL_NONE;
    if (p->in_key && p->symbol_at >= 0)
        memcpy(&symbol, tm_keyed_state_key(&p->state) + p->symbol_at, sizeof symbol);
    const tm_row_t head = {.schema_id = port->schema_id,
                           .symbol = symbol,
                           .event_ns = p->in_key ? p->time_ns : p->wm_ns,
                           .recv_ns = p->recv_ns};
    memcpy(at, &head, sizeof head);
    return at;
}

void *tm_process_emit(tm_process_t *p)
{
    return port_row(p, &p->ports[0]);
}

void *tm_process_emit_side(tm_process_t *p, uint32_t side_idx)
{
    TM_CHECK(side_idx < p->side_cnt, "process %s: it has no side output %u", p->name, side_idx);
    return port_row(p, &p->ports[1 + side_idx]);
}
