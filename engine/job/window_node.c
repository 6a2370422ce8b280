/* Builders of windows. */
#include "engine/job/nodes.h"
#include "engine/operators/window/window.h"

static size_t footprint(const struct tm_stream *node, const tm_operator_env_t *env)
{
    (void)env;
    return tm_window_footprint(node->spec);
}

static tm_operator_t *init(void *mem, const struct tm_stream *node, const tm_operator_env_t *env)
{
    tm_window_cfg_t cfg = *(const tm_window_cfg_t *)node->spec;
    cfg.out = env->outs[0];
    cfg.late = env->outs[1];
    cfg.pages = env->pages;
    cfg.counters = env->counters;
    return tm_window_init(mem, &cfg);
}

static void print(const struct tm_stream *node, FILE *out)
{
    static const char *const names[] = {"tumbling", "sliding", "cumulative",
                                        "session",  "global",  "count"};
    const tm_window_cfg_t *cfg = node->spec;
    const tm_window_spec_t *w = &cfg->what.window;
    fprintf(out, "  %s", names[w->kind]);
    if (w->size_ns) fprintf(out, " %.3f s", (double)w->size_ns / 1e9);
    if (w->slide_ns) fprintf(out, " every %.3f s", (double)w->slide_ns / 1e9);
    if (w->gap_ns) fprintf(out, " gap %.3f s", (double)w->gap_ns / 1e9);
    if (w->count) fprintf(out, " of %lld", (long long)w->count);
    if (w->time == TM_PROCESSING_TIME) fprintf(out, " by the clock");
    if (cfg->what.aggs) fprintf(out, ", %zu aggregates", cfg->what.agg_cnt);
    fprintf(out, ", rows of %u B", node->schema.row_sz);
}

static void schema(const struct tm_stream *node, FILE *out)
{
    const tm_window_cfg_t *cfg = node->spec;
    tm_node_key_print(cfg->in, cfg->key_fields, out);
    tm_window_schema_print(cfg, out);
}

#define WINDOW_NODE(is_single)                                                                     \
    {                                                                                              \
        .kind = "window", .role = TM_ROLE_OPERATOR, .single = (is_single), .footprint = footprint, \
        .init = init, .print = print, .moves = true, .layout = TM_WINDOW_LAYOUT, .schema = schema  \
    }

static const tm_node_ops_t keyed_window_node = WINDOW_NODE(false);
static const tm_node_ops_t single_window_node = WINDOW_NODE(true);

/* The caller's strings and tables may be gone after the call. */
static void what_copy(tm_job_t *job, tm_windowing_t *to, const tm_windowing_t *from)
{
    *to = *from;
    to->window.gap_field = tm_job_text(job, from->window.gap_field);
    to->trigger.field = tm_job_text(job, from->trigger.field);
    to->evictor.field = tm_job_text(job, from->evictor.field);
    tm_agg_spec_t *aggs = from->aggs ? tm_job_alloc(job, from->agg_cnt * sizeof *aggs) : NULL;
    for (size_t i = 0; aggs && i < from->agg_cnt; i++) {
        aggs[i] = from->aggs[i];
        aggs[i].as = tm_job_text(job, aggs[i].as);
        aggs[i].field = tm_job_text(job, aggs[i].field);
        aggs[i].by = tm_job_text(job, aggs[i].by);
    }
    to->aggs = aggs;
    tm_result_field_t *fields = from->field_cnt
                                    ? tm_job_alloc(job, from->field_cnt * sizeof *fields)
                                    : NULL;
    for (size_t i = 0; fields && i < from->field_cnt; i++) {
        fields[i] = from->fields[i];
        fields[i].name = tm_job_text(job, from->fields[i].name);
    }
    to->fields = fields;
    if (from->user) {
        tm_user_agg_t *user = tm_job_alloc(job, sizeof *user);
        if (user) *user = *from->user;
        to->user = user;
    }
    if (from->trigger.ops) {
        tm_trigger_ops_t *ops = tm_job_alloc(job, sizeof *ops);
        if (ops) *ops = *from->trigger.ops;
        to->trigger.ops = ops;
    }
}

/* Whether a window yields nothing without watermarks. */
static bool needs_watermarks(const tm_windowing_t *what)
{
    return what->window.kind < TM_WINDOW_GLOBAL && what->window.time == TM_EVENT_TIME;
}

tm_stream_t *tm_window(tm_stream_t *in, const char *name, const tm_windowing_t *windowing)
{
    tm_job_t *job = in->job;
    const char *const *key = tm_stream_key(in);
    struct tm_stream *node = tm_job_add(job, key ? &keyed_window_node : &single_window_node, name,
                                        &in, 1);
    tm_window_cfg_t *cfg = node ? tm_job_alloc(job, sizeof *cfg) : NULL;
    if (!cfg) return &job->broken;
    node->spec = cfg;
    if (windowing->agg_cnt > TM_JOB_AGG_MAX || (windowing->aggs && windowing->agg_cnt == 0))
        return tm_job_fail(job, "window %s: give 1 to %d aggregates", name, TM_JOB_AGG_MAX);
    if (needs_watermarks(windowing) && !tm_stream_is_timed(in))
        return tm_job_fail(
            job, "window %s: put watermarks between the source and it, or it never fires", name);
    what_copy(job, &cfg->what, windowing);
    cfg->in = &in->schema;
    cfg->out_name = node->name;
    cfg->out_id = tm_node_schema_id(node, 0);
    for (uint32_t i = 0; key && i < TM_KEY_FIELD_MAX; i++) cfg->key_fields[i] = key[i];
    if (job->err) return &job->broken;
    if (tm_window_schema_build(cfg, &node->schema) < 0)
        return tm_job_fail(job, "window %s: %s", name, tm_error_text());
    if (!tm_job_side_add(node, "late", &in->schema)) return &job->broken;
    return node;
}

tm_stream_t *tm_window_aggregate(tm_stream_t *keyed, const char *name,
                                 const tm_window_spec_t *window, const tm_agg_spec_t *aggs,
                                 size_t agg_cnt)
{
    if (!tm_stream_key(keyed) && keyed->job->err == 0)
        return tm_job_fail(keyed->job, "window %s: put key_by before it", name);
    return tm_window(keyed, name,
                     &(tm_windowing_t){.window = *window,
                                       .aggs = aggs ? aggs : &(tm_agg_spec_t){0},
                                       .agg_cnt = agg_cnt});
}
