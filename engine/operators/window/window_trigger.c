/* Triggers. The ready-made ones are written with what a custom one has: a few bytes of state and
   timers, so there is one way in which windows fire. */
#include "base/check.h"
#include "engine/operators/window/window_general_state.h"

#include <string.h>

/* ---- timers ---------------------------------------------------------------------------------- */

/* The link to the list's timer of that time; NULL where there is none. */
static tm_ref_t *timer_find(tm_window_general_t *g, window_record_t *w, tm_time_domain_t domain,
                            int64_t at)
{
    for (tm_ref_t *link = &w->timers; *link;) {
        window_timer_t *t = tm_ref_ptr(g->pages, *link);
        if (t->domain == (uint32_t)domain && t->at == at) return link;
        link = &t->next;
    }
    return NULL;
}

void tm_trigger_timer_set(tm_trigger_call_t *call, tm_time_domain_t time, int64_t at_ns)
{
    tm_window_general_t *g = call->g;
    window_record_t *w = tm_window_edit(g, call->window);
    if (at_ns == TM_TIME_NONE || w->timer[time] == at_ns || timer_find(g, w, time, at_ns)) return;
    if (w->timer[time] == TM_TIME_NONE) {
        w->timer[time] = at_ns;
    } else {
        tm_ref_t ref = tm_pool_get(&g->timers);
        if (!ref) {
            tm_window_count(&g->counters.full, 1);
            return;
        }
        window_timer_t *t = tm_window_edit(g, ref);
        *t = (window_timer_t){.next = w->timers, .domain = time, .at = at_ns};
        w->timers = ref;
    }
    tm_window_enqueue(g, call->window, time, at_ns);
}

void tm_trigger_timer_delete(tm_trigger_call_t *call, tm_time_domain_t time, int64_t at_ns)
{
    tm_window_general_t *g = call->g;
    window_record_t *w = tm_window_edit(g, call->window);
    if (w->timer[time] == at_ns) {
        w->timer[time] = TM_TIME_NONE;
        return;
    }
    tm_ref_t *link = timer_find(g, w, time, at_ns);
    if (!link) return;
    tm_ref_t gone = *link;
    tm_ptr_touch(g->pages, link);
    *link = ((const window_timer_t *)tm_ref_ptr(g->pages, gone))->next;
    tm_pool_put(&g->timers, gone);
}

void tm_window_timers_clear(tm_window_general_t *g, window_record_t *window)
{
    window->timer[0] = window->timer[1] = TM_TIME_NONE;
    while (window->timers) {
        tm_ref_t gone = window->timers;
        window->timers = ((const window_timer_t *)tm_ref_ptr(g->pages, gone))->next;
        tm_pool_put(&g->timers, gone);
    }
}

bool tm_window_due(const tm_window_general_t *g, const window_record_t *window,
                   tm_time_domain_t domain, int64_t *at)
{
    int64_t first = window->timer[domain];
    bool any = first != TM_TIME_NONE;
    for (tm_ref_t ref = window->timers; ref;) {
        const window_timer_t *t = tm_ref_ptr(g->pages, ref);
        if (t->domain == (uint32_t)domain && (!any || t->at < first)) {
            first = t->at;
            any = true;
        }
        ref = t->next;
    }
    if (window->cleanup && domain == tm_window_domain(g)) {
        int64_t cleanup = tm_window_cleanup(g, tm_window_max(g, window));
        if (!any || cleanup < first) first = cleanup;
        any = true;
    }
    *at = first;
    return any;
}

/* ---- what a trigger may ask ------------------------------------------------------------------ */

int64_t tm_trigger_watermark(const tm_trigger_call_t *call)
{
    return call->g->clock[TM_EVENT_TIME];
}

int64_t tm_trigger_clock(const tm_trigger_call_t *call)
{
    return call->g->clock[TM_PROCESSING_TIME];
}

int64_t tm_trigger_window_start(const tm_trigger_call_t *call)
{
    return tm_window_record(call->g, call->window)->start;
}

int64_t tm_trigger_window_max(const tm_trigger_call_t *call)
{
    return tm_window_max(call->g, tm_window_record(call->g, call->window));
}

void *tm_trigger_state(tm_trigger_call_t *call)
{
    return tm_window_trigger_state(call->g, tm_window_edit(call->g, call->window));
}

/* ---- event time, processing time ------------------------------------------------------------- */

static tm_trigger_result_t event_row(tm_trigger_call_t *call, void *ctx, const void *row)
{
    (void)ctx, (void)row;
    int64_t max = tm_trigger_window_max(call);
    if (max <= tm_trigger_watermark(call)) return TM_TRIGGER_FIRE;
    tm_trigger_timer_set(call, TM_EVENT_TIME, max);
    return TM_TRIGGER_CONTINUE;
}

static tm_trigger_result_t event_timer(tm_trigger_call_t *call, void *ctx, tm_time_domain_t time,
                                       int64_t at_ns)
{
    (void)ctx;
    bool end = time == TM_EVENT_TIME && at_ns == tm_trigger_window_max(call);
    return end ? TM_TRIGGER_FIRE : TM_TRIGGER_CONTINUE;
}

static void event_merged(tm_trigger_call_t *call, void *ctx)
{
    (void)ctx;
    int64_t max = tm_trigger_window_max(call);
    if (max > tm_trigger_watermark(call)) tm_trigger_timer_set(call, TM_EVENT_TIME, max);
}

static const tm_trigger_ops_t event_ops = {
    .on_row = event_row, .on_timer = event_timer, .on_merge = event_merged};

static tm_trigger_result_t clock_row(tm_trigger_call_t *call, void *ctx, const void *row)
{
    (void)ctx, (void)row;
    tm_trigger_timer_set(call, TM_PROCESSING_TIME, tm_trigger_window_max(call));
    return TM_TRIGGER_CONTINUE;
}

static tm_trigger_result_t clock_timer(tm_trigger_call_t *call, void *ctx, tm_time_domain_t time,
                                       int64_t at_ns)
{
    (void)call, (void)ctx, (void)at_ns;
    return time == TM_PROCESSING_TIME ? TM_TRIGGER_FIRE : TM_TRIGGER_CONTINUE;
}

static void clock_merged(tm_trigger_call_t *call, void *ctx)
{
    (void)ctx;
    int64_t max = tm_trigger_window_max(call);
    if (max > tm_trigger_clock(call)) tm_trigger_timer_set(call, TM_PROCESSING_TIME, max);
}

static const tm_trigger_ops_t clock_ops = {
    .on_row = clock_row, .on_timer = clock_timer, .on_merge = clock_merged};

/* ---- count, never ---------------------------------------------------------------------------- */

static tm_trigger_result_t count_row(tm_trigger_call_t *call, void *ctx, const void *row)
{
    const tm_trigger_t *spec = ctx;
    int64_t *cnt = tm_trigger_state(call);
    (void)row;
    if (++*cnt < spec->count) return TM_TRIGGER_CONTINUE;
    *cnt = 0;
    return TM_TRIGGER_FIRE;
}

static void count_merge(tm_trigger_call_t *call, void *ctx, const void *state)
{
    (void)ctx;
    *(int64_t *)tm_trigger_state(call) += *(const int64_t *)state;
}

static const tm_trigger_ops_t count_ops = {
    .state_sz = sizeof(int64_t), .on_row = count_row, .merge = count_merge};

static tm_trigger_result_t never_row(tm_trigger_call_t *call, void *ctx, const void *row)
{
    (void)call, (void)ctx, (void)row;
    return TM_TRIGGER_CONTINUE;
}

static const tm_trigger_ops_t never_ops = {.on_row = never_row};

/* ---- every interval -------------------------------------------------------------------------- */

typedef struct next_firing {
    int64_t at;
    bool set;
} next_firing_t;

/* The end of the interval that starts at `from`, or the window's, which comes first. */
static void next_set(tm_trigger_call_t *call, tm_time_domain_t time, int64_t from)
{
    const tm_trigger_t *spec = &call->g->what.trigger;
    next_firing_t *next = tm_trigger_state(call);
    int64_t at = tm_window_plus(from, spec->interval_ns), max = tm_trigger_window_max(call);
    /* At the end of the input it fires once more, not at every interval of the future. */
    if (time == TM_EVENT_TIME && tm_trigger_watermark(call) == INT64_MAX) at = max;
    *next = (next_firing_t){.at = at < max ? at : max, .set = true};
    tm_trigger_timer_set(call, time, next->at);
}

static void next_start(tm_trigger_call_t *call, tm_time_domain_t time, int64_t now)
{
    const next_firing_t *next = tm_trigger_state(call);
    int64_t start;
    if (next->set) return;
    if (tm_window_floor(now, 0, call->g->what.trigger.interval_ns, &start))
        next_set(call, time, start);
}

/* Timers go with the windows that were merged; the earliest of them stays. */
static void next_merge(tm_trigger_call_t *call, void *ctx, const void *state)
{
    (void)ctx;
    next_firing_t *next = tm_trigger_state(call);
    const next_firing_t *other = state;
    if (other->set && (!next->set || other->at < next->at)) *next = *other;
}

static bool next_due(tm_trigger_call_t *call, tm_time_domain_t time, int64_t at_ns)
{
    next_firing_t *next = tm_trigger_state(call);
    if (!next->set || next->at != at_ns) return false;
    next->set = false;
    if (at_ns < tm_trigger_window_max(call)) next_set(call, time, at_ns);
    return true;
}

static tm_trigger_result_t every_event_row(tm_trigger_call_t *call, void *ctx, const void *row)
{
    if (event_row(call, ctx, row) == TM_TRIGGER_FIRE) return TM_TRIGGER_FIRE;
    const tm_row_t *head = row;
    if (head->event_ns != TM_TIME_NONE) next_start(call, TM_EVENT_TIME, head->event_ns);
    return TM_TRIGGER_CONTINUE;
}

static tm_trigger_result_t every_event_timer(tm_trigger_call_t *call, void *ctx,
                                             tm_time_domain_t time, int64_t at_ns)
{
    (void)ctx;
    if (time != TM_EVENT_TIME) return TM_TRIGGER_CONTINUE;
    if (at_ns == tm_trigger_window_max(call)) return TM_TRIGGER_FIRE;
    return next_due(call, time, at_ns) ? TM_TRIGGER_FIRE : TM_TRIGGER_CONTINUE;
}

static void every_event_merged(tm_trigger_call_t *call, void *ctx)
{
    (void)ctx;
    const next_firing_t *next = tm_trigger_state(call);
    if (next->set) tm_trigger_timer_set(call, TM_EVENT_TIME, next->at);
}

static const tm_trigger_ops_t every_event_ops = {.state_sz = sizeof(next_firing_t),
                                                 .on_row = every_event_row,
                                                 .on_timer = every_event_timer,
                                                 .merge = next_merge,
                                                 .on_merge = every_event_merged};

static tm_trigger_result_t every_clock_row(tm_trigger_call_t *call, void *ctx, const void *row)
{
    (void)ctx, (void)row;
    next_start(call, TM_PROCESSING_TIME, tm_trigger_clock(call));
    return TM_TRIGGER_CONTINUE;
}

static tm_trigger_result_t every_clock_timer(tm_trigger_call_t *call, void *ctx,
                                             tm_time_domain_t time, int64_t at_ns)
{
    (void)ctx;
    bool due = time == TM_PROCESSING_TIME && next_due(call, time, at_ns);
    return due ? TM_TRIGGER_FIRE : TM_TRIGGER_CONTINUE;
}

static void every_clock_merged(tm_trigger_call_t *call, void *ctx)
{
    (void)ctx;
    const next_firing_t *next = tm_trigger_state(call);
    if (next->set) tm_trigger_timer_set(call, TM_PROCESSING_TIME, next->at);
}

static const tm_trigger_ops_t every_clock_ops = {.state_sz = sizeof(next_firing_t),
                                                 .on_row = every_clock_row,
                                                 .on_timer = every_clock_timer,
                                                 .merge = next_merge,
                                                 .on_merge = every_clock_merged};

/* ---- delta ----------------------------------------------------------------------------------- */

static double number_load(const tm_field_t *field, const void *row)
{
    const uint8_t *at = (const uint8_t *)row + field->off;
    int32_t narrow;
    int64_t wide;
    double real;
    if (field->type == TM_TYPE_I32) {
        memcpy(&narrow, at, sizeof narrow);
        return narrow;
    }
    if (field->type == TM_TYPE_F64) {
        memcpy(&real, at, sizeof real);
        return real;
    }
    memcpy(&wide, at, sizeof wide);
    if (field->type == TM_TYPE_U64) return (double)(uint64_t)wide;
    real = (double)wide;
    for (uint32_t i = 0; i < field->scale; i++) real /= 10;
    return real;
}

double tm_window_delta(const window_delta_t *delta, const void *a, const void *b)
{
    if (delta->fn) return delta->fn(a, b);
    return number_load(&delta->field, b) - number_load(&delta->field, a);
}

typedef struct delta_state {
    uint64_t set;
    uint8_t row[]; /* that of the last firing */
} delta_state_t;

static tm_trigger_result_t delta_row(tm_trigger_call_t *call, void *ctx, const void *row)
{
    const tm_window_general_t *g = call->g;
    delta_state_t *last = tm_trigger_state(call);
    (void)ctx;
    bool fire = last->set &&
                tm_window_delta(&g->trigger_delta, last->row, row) > g->trigger_delta.threshold;
    if (fire || !last->set) memcpy(last->row, row, g->row_sz);
    last->set = 1;
    return fire ? TM_TRIGGER_FIRE : TM_TRIGGER_CONTINUE;
}

static const tm_trigger_ops_t delta_ops = {.on_row = delta_row};

static void delta_open(window_delta_t *to, const tm_schema_t *in, const char *field,
                       tm_delta_fn *fn)
{
    to->fn = fn;
    if (!fn) to->field = in->fields[tm_schema_find(in, field)];
}

void tm_window_trigger_open(tm_window_general_t *g, const tm_schema_t *in)
{
    tm_trigger_t *spec = &g->what.trigger;
    static const tm_trigger_ops_t *const ops[] = {
        [TM_TRIGGER_EVENT_TIME] = &event_ops,
        [TM_TRIGGER_PROCESSING_TIME] = &clock_ops,
        [TM_TRIGGER_COUNT] = &count_ops,
        [TM_TRIGGER_CONTINUOUS_EVENT_TIME] = &every_event_ops,
        [TM_TRIGGER_CONTINUOUS_PROCESSING_TIME] = &every_clock_ops,
        [TM_TRIGGER_DELTA] = &delta_ops,
        [TM_TRIGGER_NEVER] = &never_ops,
    };
    bool custom = spec->kind == TM_TRIGGER_CUSTOM;
    g->ops = custom ? spec->ops : ops[spec->kind];
    g->ops_ctx = custom ? spec->ctx : spec;
    g->state_sz = g->ops->state_sz;
    if (spec->kind == TM_TRIGGER_DELTA) {
        g->state_sz = (uint32_t)sizeof(delta_state_t) + g->row_sz;
        delta_open(&g->trigger_delta, in, spec->field, spec->delta);
        g->trigger_delta.threshold = spec->threshold;
    }
    const tm_evictor_t *evictor = &g->what.evictor;
    if (evictor->kind == TM_EVICT_DELTA) {
        delta_open(&g->evictor_delta, in, evictor->field, evictor->delta);
        g->evictor_delta.threshold = evictor->threshold;
    }
}
