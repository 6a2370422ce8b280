#include "engine/operators/process/process_private.h"

#include "base/check.h"
#include "base/error.h"

#include <string.h>

enum { SWEEP = 4, AHEAD = 8 };

/* ---- Output ---------------------------------------------------------------------------------- */

void tm_process_port_flush(process_port_t *port)
{
    uint32_t cnt = port->cnt;
    port->cnt = 0;
    tm_emit_rows(&port->to, port->rows, cnt, port->stride);
}

static void flush(tm_process_t *p)
{
    for (uint32_t i = 0; i <= p->side_cnt; i++) tm_process_port_flush(&p->ports[i]);
}

/* ---- Timers ---------------------------------------------------------------------------------- */

/* A timer set behind the last watermark does not turn the clock of state back. */
static int64_t event_clock(const tm_process_t *p, int64_t time_ns)
{
    return time_ns > p->wm_out_ns ? time_ns : p->wm_out_ns;
}

static void timer_fire(tm_process_t *p, tm_time_domain_t domain, const tm_timer_t *timer)
{
    bool event = domain == TM_EVENT_TIME;
    tm_keyed_state_begin_key(&p->state, timer->key);
    tm_keyed_state_timer_gone(&p->state);
    p->time_ns = event ? timer->time_ns : TM_TIME_NONE;
    p->state.stamp_ns = p->time_ns;
    p->state.clock_ns[TM_EVENT_TIME] = event ? event_clock(p, timer->time_ns) : p->wm_ns;
    p->in_key = true;
    if (p->fns.on_timer) p->fns.on_timer(p, domain, timer->time_ns, timer->name);
    p->in_key = false;
    tm_keyed_state_end(&p->state);
    tm_counter_add(p->fired, 1);
}

/* Fires up to `max` timers of a domain; fewer: none is left that is due. */
static uint32_t timers_fire(tm_process_t *p, tm_time_domain_t domain, int64_t upto_ns, uint32_t max)
{
    tm_timer_t timer;
    uint32_t cnt = 0;
    for (; cnt < max && tm_timer_pop(&p->timers[domain], upto_ns, &timer); cnt++)
        timer_fire(p, domain, &timer);
    return cnt;
}

/* One piece of the watermark's timers; hands the watermark on after the last. */
static uint32_t watermark_work(tm_process_t *p)
{
    uint32_t cnt = timers_fire(p, TM_EVENT_TIME, p->wm_ns, p->budget);
    if (cnt < p->budget) {
        p->firing = false;
        p->wm_out_ns = p->wm_ns;
        flush(p);
        tm_emit_watermark(&p->ports[0].to, p->wm_out_ns);
    }
    return cnt + 1;
}

static void drain(tm_process_t *p)
{
    while (p->firing) watermark_work(p);
}

/* ---- Input ----------------------------------------------------------------------------------- */

static void row_call(tm_process_t *p, const tm_key_t *key, bool second, const tm_row_t *row)
{
    p->time_ns = row->event_ns;
    p->recv_ns = row->recv_ns;
    p->state.stamp_ns = row->event_ns;
    p->in_key = true;
    tm_keyed_state_begin_row(&p->state, key, row, p->key_bytes);
    if (second)
        p->fns.on_second(p, row);
    else
        p->fns.on_row(p, row);
    p->in_key = false;
    tm_keyed_state_end(&p->state);
}

static void process_rows(tm_operator_t *op, uint32_t input, const void *rows, uint32_t cnt,
                         uint32_t stride)
{
    tm_process_t *p = (tm_process_t *)op;
    const uint8_t *at = rows;
    const tm_key_t *key = &p->keys[input];
    TM_CHECK(input < p->in_cnt, "process %s: input %u", p->name, input);
    drain(p);
    p->state.clock_ns[TM_EVENT_TIME] = p->wm_ns;
    for (uint32_t i = 0; i < cnt; i++, at += stride) {
        if (i + 2 * AHEAD < cnt)
            tm_keyed_state_prefetch(&p->state, key, at + (size_t)2 * AHEAD * stride, true);
        if (i + AHEAD < cnt)
            tm_keyed_state_prefetch(&p->state, key, at + (size_t)AHEAD * stride, false);
        row_call(p, key, input == 1, (const tm_row_t *)(const void *)at);
    }
    tm_counter_add(p->rows, cnt);
    flush(p);
}

static void process_watermark(tm_operator_t *op, int64_t wm_ns)
{
    tm_process_t *p = (tm_process_t *)op;
    if (wm_ns <= p->wm_ns) return;
    drain(p);
    p->wm_ns = wm_ns;
    p->firing = true;
    watermark_work(p);
}

static void process_time(tm_operator_t *op, int64_t now_ns)
{
    tm_process_t *p = (tm_process_t *)op;
    if (now_ns <= p->now_ns) return;
    p->now_ns = now_ns;
    p->state.clock_ns[TM_PROCESSING_TIME] = now_ns;
}

static uint32_t process_work(tm_operator_t *op)
{
    tm_process_t *p = (tm_process_t *)op;
    if (p->firing) return watermark_work(p);
    uint32_t cnt = timers_fire(p, TM_PROCESSING_TIME, p->now_ns, p->budget);
    if (cnt > 0) flush(p);
    /* Nothing expires by the last watermark, which says that the input has ended. */
    p->state.clock_ns[TM_EVENT_TIME] = p->wm_ns == INT64_MAX ? TM_TIME_NONE : p->wm_ns;
    uint32_t gone = tm_keyed_state_sweep(&p->state, SWEEP);
    if (gone > 0) tm_counter_add(p->expired, gone);
    return cnt + gone;
}

static void process_end(tm_operator_t *op)
{
    tm_process_t *p = (tm_process_t *)op;
    drain(p);
    if (p->fns.close) p->fns.close(p);
    flush(p);
}

static void process_fini(tm_operator_t *op)
{
    tm_process_t *p = (tm_process_t *)op;
    tm_keyed_state_clear(&p->state);
}

static size_t process_save(const tm_operator_t *op, void *bytes, size_t max)
{
    return tm_process_save((const tm_process_t *)op, bytes, max);
}

static int process_restore(tm_operator_t *op, const void *bytes, size_t sz)
{
    return tm_process_restore((tm_process_t *)op, bytes, sz);
}

/* ---- Opening --------------------------------------------------------------------------------- */

static const tm_field_t *key_field(const tm_schema_t *in, const tm_key_t *key, uint32_t idx)
{
    uint32_t i = 0;
    while (in->fields[i].off != key->fields[idx].off) i++;
    return &in->fields[i];
}

static bool keys_alike(const tm_process_cfg_t *cfg, const tm_key_t keys[2])
{
    if (keys[0].field_cnt != keys[1].field_cnt) return false;
    for (uint32_t i = 0; i < keys[0].field_cnt; i++)
        if (key_field(cfg->in[0], &keys[0], i)->type != key_field(cfg->in[1], &keys[1], i)->type)
            return false;
    return true;
}

static int symbol_at(const tm_schema_t *in, const tm_key_t *key)
{
    for (uint32_t i = 0; i < key->field_cnt; i++)
        if (key_field(in, key, i)->type == TM_TYPE_SYMBOL) return key->fields[i].at;
    return -1;
}

static int cfg_check(const tm_process_cfg_t *cfg, tm_key_t keys[2])
{
    const char *name = cfg->name;
    if (!cfg->fns.on_row || (cfg->in_cnt == 2) != (cfg->fns.on_second != NULL))
        return tm_error_set(TM_E_CONFIG, "process %s: give on_row, and on_second for two inputs",
                            name);
    if (cfg->side_cnt > TM_PROCESS_SIDE_MAX)
        return tm_error_set(TM_E_CONFIG, "process %s: at most %d side outputs", name,
                            TM_PROCESS_SIDE_MAX);
    if (cfg->timer_grain_ns < 0)
        return tm_error_set(TM_E_CONFIG, "process %s: timer_grain_ns must not be negative", name);
    for (uint32_t i = 0; i < cfg->in_cnt; i++) {
        int err = tm_key_compile(&keys[i], cfg->in[i], cfg->key_fields[i]);
        if (err < 0) return tm_error_context(err, "process %s", name);
    }
    if (cfg->in_cnt == 2 && !keys_alike(cfg, keys))
        return tm_error_set(TM_E_CONFIG, "process %s: the keys of its inputs differ in type", name);
    int err = tm_keyed_state_check(cfg->states, cfg->state_cnt);
    return err < 0 ? tm_error_context(err, "process %s", name) : 0;
}

static size_t port_sz(const tm_schema_t *schema)
{
    return tm_align_up(schema->row_sz, TM_CACHE_LINE) * PROCESS_OUT_ROWS;
}

size_t tm_process_footprint(const tm_process_cfg_t *cfg)
{
    tm_key_t keys[2];
    if (cfg_check(cfg, keys) < 0) return 0;
    size_t sz = tm_align_up(sizeof(tm_process_t), TM_CACHE_LINE) + port_sz(cfg->out);
    for (uint32_t i = 0; i < cfg->side_cnt; i++) sz += port_sz(cfg->sides[i]);
    return sz;
}

static uint8_t *port_open(process_port_t *port, uint8_t *mem, const tm_schema_t *schema,
                          tm_emitter_t to)
{
    *port = (process_port_t){.to = to,
                             .rows = mem,
                             .stride = (uint32_t)tm_align_up(schema->row_sz, TM_CACHE_LINE),
                             .schema_id = schema->id};
    return mem + port_sz(schema);
}

tm_operator_t *tm_process_init(void *mem, const tm_process_cfg_t *cfg, const tm_operator_env_t *env)
{
    static const tm_operator_ops_t ops = {.kind = "process",
                                          .on_rows = process_rows,
                                          .on_watermark = process_watermark,
                                          .on_time = process_time,
                                          .work = process_work,
                                          .on_end = process_end,
                                          .fini = process_fini,
                                          .save = process_save,
                                          .restore = process_restore,
                                          .move = tm_process_move};
    tm_process_t *p = mem;
    *p = (tm_process_t){.op = {&ops},
                        .fns = cfg->fns,
                        .user = cfg->user,
                        .name = cfg->name,
                        .timer_grain_ns = cfg->timer_grain_ns,
                        .budget = cfg->budget ? cfg->budget : PROCESS_BUDGET,
                        .side_cnt = cfg->side_cnt,
                        .in_cnt = cfg->in_cnt,
                        .subtask_idx = env->subtask_idx,
                        .subtask_cnt = env->subtask_cnt,
                        .wm_ns = TM_TIME_NONE,
                        .wm_out_ns = TM_TIME_NONE,
                        .now_ns = TM_TIME_NONE,
                        .time_ns = TM_TIME_NONE};
    TM_CHECK(cfg_check(cfg, p->keys) == 0, "process %s: checked by its footprint", cfg->name);
    p->symbol_at = symbol_at(cfg->in[0], &p->keys[0]);
    tm_keyed_state_init(&p->state, env->pages, &p->keys[0], cfg->states, cfg->state_cnt);
    for (uint32_t i = 0; i < 2; i++) tm_timer_queue_init(&p->timers[i], &p->state.slab);
    p->rows = tm_counter_get(env->counters, "process_rows");
    p->fired = tm_counter_get(env->counters, "process_timers");
    p->expired = tm_counter_get(env->counters, "process_expired");
    p->full = tm_counter_get(env->counters, "process_full");
    uint8_t *at = (uint8_t *)mem + tm_align_up(sizeof *p, TM_CACHE_LINE);
    at = port_open(&p->ports[0], at, cfg->out, env->outs[0]);
    for (uint32_t i = 0; i < cfg->side_cnt; i++)
        at = port_open(&p->ports[1 + i], at, cfg->sides[i], env->outs[1 + i]);
    if (p->fns.open) p->fns.open(p);
    return &p->op;
}
