#include "engine/operators/window/window_plan.h"

#include "base/check.h"
#include "base/error.h"
#include "engine/operators/window/window_assign.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { TRIGGER_STATE_MAX = 64 };

static int refuse(const char *what, const char *rule)
{
    return tm_error_set(TM_E_CONFIG, "window %s: %s", what, rule);
}

/* Count windows and default triggers become what they stand for. */
static void resolve(tm_windowing_t *w)
{
    if (w->window.kind == TM_WINDOW_COUNT) {
        int64_t size = w->window.count, slide = w->window.count_slide;
        w->window.kind = TM_WINDOW_GLOBAL;
        w->trigger = (tm_trigger_t){.kind = TM_TRIGGER_COUNT,
                                    .count = slide ? slide : size,
                                    .purge = slide == 0 || slide == size};
        if (!w->trigger.purge) w->evictor = (tm_evictor_t){.kind = TM_EVICT_COUNT, .count = size};
    }
    if (w->trigger.kind != TM_TRIGGER_DEFAULT) return;
    if (w->window.kind == TM_WINDOW_GLOBAL)
        w->trigger.kind = TM_TRIGGER_NEVER;
    else
        w->trigger.kind = w->window.time == TM_EVENT_TIME ? TM_TRIGGER_EVENT_TIME
                                                          : TM_TRIGGER_PROCESSING_TIME;
}

/* A field that distances are measured in. */
static int delta_check(const tm_schema_t *in, const char *name, tm_delta_fn *fn, const char *of)
{
    if (fn) return 0;
    int at = name ? tm_schema_find(in, name) : -1;
    if (at < 0)
        return tm_error_set(TM_E_CONFIG, "window %s: %s rows have no field %s", of, in->name,
                            name ? name : "(none)");
    tm_type_t type = in->fields[at].type;
    if (type == TM_TYPE_I32 || type == TM_TYPE_I64 || type == TM_TYPE_U64 || type == TM_TYPE_F64 ||
        type == TM_TYPE_DECIMAL64 || type == TM_TYPE_TIME_NS)
        return 0;
    return tm_error_set(TM_E_CONFIG, "window %s: field %s of type %s is no number", of, name,
                        tm_type_name(type));
}

static int trigger_check(const tm_windowing_t *w, const tm_schema_t *in)
{
    const tm_trigger_t *t = &w->trigger;
    bool merges = w->window.kind == TM_WINDOW_SESSION;
    switch (t->kind) {
    case TM_TRIGGER_COUNT:
        return t->count > 0 ? 0 : refuse("trigger", "count must be more than 0");
    case TM_TRIGGER_CONTINUOUS_EVENT_TIME:
    case TM_TRIGGER_CONTINUOUS_PROCESSING_TIME:
        return t->interval_ns > 0 ? 0 : refuse("trigger", "interval must be more than 0");
    case TM_TRIGGER_DELTA:
        if (merges) return refuse("trigger", "a delta trigger cannot merge sessions");
        return delta_check(in, t->field, t->delta, "trigger");
    case TM_TRIGGER_CUSTOM:
        if (!t->ops || !t->ops->on_row) return refuse("trigger", "custom ones need on_row");
        if (t->ops->state_sz > TRIGGER_STATE_MAX)
            return refuse("trigger", "state_sz must be at most 64");
        if (merges && !t->ops->on_merge && !t->ops->merge)
            return refuse("trigger", "sessions need merge or on_merge of a custom trigger");
        return 0;
    case TM_TRIGGER_DEFAULT:
    case TM_TRIGGER_EVENT_TIME:
    case TM_TRIGGER_PROCESSING_TIME:
    case TM_TRIGGER_NEVER:
        return 0;
    }
    return refuse("trigger", "no such kind");
}

static int evictor_check(const tm_evictor_t *e, const tm_schema_t *in)
{
    switch (e->kind) {
    case TM_EVICT_NONE:
        return 0;
    case TM_EVICT_COUNT:
        return e->count >= 0 ? 0 : refuse("evictor", "count must not be negative");
    case TM_EVICT_TIME:
        return e->keep_ns >= 0 ? 0 : refuse("evictor", "keep must not be negative");
    case TM_EVICT_DELTA:
        return delta_check(in, e->field, e->delta, "evictor");
    }
    return refuse("evictor", "no such kind");
}

static int gap_field_check(const tm_window_spec_t *spec, const tm_schema_t *in)
{
    if (spec->kind != TM_WINDOW_SESSION || !spec->gap_field) return 0;
    int at = tm_schema_find(in, spec->gap_field);
    if (at >= 0 && in->fields[at].type == TM_TYPE_I64 && !in->fields[at].nullable) return 0;
    return tm_error_set(TM_E_CONFIG, "window gap: %s rows have no int64 field %s", in->name,
                        spec->gap_field);
}

/* The user's own result fields. */
static int fields_add(const tm_windowing_t *w, tm_schema_t *out)
{
    for (size_t i = 0; i < w->field_cnt; i++) {
        const tm_result_field_t *f = &w->fields[i];
        tm_field_t like = {.type = f->type == TM_RESULT_INT64    ? TM_TYPE_I64
                                   : f->type == TM_RESULT_DOUBLE ? TM_TYPE_F64
                                                                 : TM_TYPE_DECIMAL64,
                           .scale = (uint8_t)f->scale};
        if (!f->name || f->scale > 18) return refuse("field", "needs a name and a scale up to 18");
        snprintf(like.name, sizeof like.name, "%s", f->name);
        TM_TRY(tm_schema_add(out, &like));
    }
    return 0;
}

/* Key, window_start, window_end. */
static int head_build(const tm_window_cfg_t *cfg, tm_window_plan_t *plan)
{
    tm_schema_init(&plan->out, cfg->out_name, cfg->out_id);
    TM_TRY(tm_key_schema(&plan->key, cfg->in, &plan->out));
    tm_field_t time = {.type = TM_TYPE_TIME_NS,
                       .unit_ns = cfg->time_unit_ns ? cfg->time_unit_ns : TM_NS_PER_MS};
    snprintf(time.name, sizeof time.name, "window_start");
    TM_TRY(tm_schema_add(&plan->out, &time));
    snprintf(time.name, sizeof time.name, "window_end");
    TM_TRY(tm_schema_add(&plan->out, &time));
    plan->field_at = plan->out.field_cnt;
    return 0;
}

static int result_build(const tm_window_cfg_t *cfg, tm_window_plan_t *plan)
{
    const tm_windowing_t *w = &plan->what;
    uint32_t ways = (uint32_t)(w->aggs != NULL) + (w->reduce != NULL) + (w->user != NULL) +
                    (w->process != NULL);
    if (ways != 1) return refuse("result", "give one of aggs, reduce, user and process");
    if (w->reduce) {
        plan->mode = TM_WINDOW_REDUCED;
        plan->out = *cfg->in;
        snprintf(plan->out.name, sizeof plan->out.name, "%s", cfg->out_name);
        plan->out.id = cfg->out_id;
        return 0;
    }
    TM_TRY(head_build(cfg, plan));
    if (w->aggs) {
        plan->mode = TM_WINDOW_AGGREGATES;
        TM_TRY(tm_agg_compile(&plan->agg, cfg->in, w->aggs, (uint32_t)w->agg_cnt));
        return tm_agg_schema(&plan->agg, &plan->out);
    }
    plan->mode = w->user ? TM_WINDOW_USER : TM_WINDOW_PROCESSED;
    if (w->user && (w->user->acc_sz == 0 || w->user->acc_sz > TM_AGG_ACC_SZ_MAX))
        return refuse("aggregate", "acc_sz must be 1 .. 2048");
    if (w->user && (!w->user->init || !w->user->add || !w->user->result))
        return refuse("aggregate", "needs init, add and result");
    if (w->user && w->window.kind == TM_WINDOW_SESSION && !w->user->merge)
        return refuse("aggregate", "sessions need merge");
    return fields_add(w, &plan->out);
}

int tm_window_plan(tm_window_plan_t *plan, const tm_window_cfg_t *cfg)
{
    *plan = (tm_window_plan_t){.what = cfg->what};
    tm_windowing_t *w = &plan->what;
    TM_TRY(tm_window_spec_check(&w->window));
    TM_TRY(gap_field_check(&w->window, cfg->in));
    resolve(w);
    TM_TRY(trigger_check(w, cfg->in));
    TM_TRY(evictor_check(&w->evictor, cfg->in));
    int err = tm_key_compile(&plan->key, cfg->in, cfg->key_fields);
    if (err < 0) return tm_error_context(err, "window");
    TM_TRY(result_build(cfg, plan));

    bool grid = w->window.kind == TM_WINDOW_TUMBLING || w->window.kind == TM_WINDOW_SLIDING ||
                w->window.kind == TM_WINDOW_CUMULATIVE;
    plan->keeps_rows = plan->mode == TM_WINDOW_PROCESSED || w->evictor.kind != TM_EVICT_NONE;
    plan->sliced = grid && !cfg->unsliced && !plan->agg.owns_memory &&
                   plan->mode == TM_WINDOW_AGGREGATES && !plan->keeps_rows &&
                   w->window.time == TM_EVENT_TIME && w->window.stagger == TM_STAGGER_ALIGNED &&
                   w->trigger.kind == TM_TRIGGER_EVENT_TIME;
    return 0;
}

int tm_window_schema_build(const tm_window_cfg_t *cfg, tm_schema_t *out)
{
    tm_window_plan_t plan;
    TM_TRY(tm_window_plan(&plan, cfg));
    *out = plan.out;
    return 0;
}

size_t tm_window_footprint(const tm_window_cfg_t *cfg)
{
    tm_window_plan_t plan;
    if (tm_window_plan(&plan, cfg) < 0) return 0;
    return plan.sliced ? tm_window_sliced_footprint(&plan) : tm_window_general_footprint(&plan);
}

tm_operator_t *tm_window_init(void *mem, const tm_window_cfg_t *cfg)
{
    tm_window_plan_t plan;
    TM_CHECK((uintptr_t)mem % TM_CACHE_LINE == 0, "window memory");
    TM_CHECK(tm_window_plan(&plan, cfg) == 0, "window: %s", tm_error_text());
    return plan.sliced ? tm_window_sliced_init(mem, cfg, &plan)
                       : tm_window_general_init(mem, cfg, &plan);
}
