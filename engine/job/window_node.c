/* Builder of window aggregates. */
#include "engine/job/nodes.h"
#include "engine/operators/window.h"
#include "engine/operators/window_assign.h"

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
    static const char *const names[] = {"tumbling", "sliding", "cumulative"};
    const tm_window_cfg_t *cfg = node->spec;
    fprintf(out, "  %s %.3f s, %u aggregates, rows of %u B", names[cfg->window.kind],
            (double)cfg->window.size_ns / 1e9, cfg->agg_cnt, node->schema.row_sz);
}

static const tm_node_ops_t window_node = {.kind = "window_aggregate",
                                          .role = TM_ROLE_OPERATOR,
                                          .footprint = footprint,
                                          .init = init,
                                          .print = print};

/* Copies the aggregate list, whose strings the caller may free. */
static const tm_agg_spec_t *aggs_copy(tm_job_t *job, const tm_agg_spec_t *aggs, size_t agg_cnt)
{
    tm_agg_spec_t *to = tm_job_alloc(job, agg_cnt * sizeof *to);
    for (size_t i = 0; to && i < agg_cnt; i++) {
        to[i] = aggs[i];
        to[i].as = tm_job_text(job, aggs[i].as);
        to[i].field = tm_job_text(job, aggs[i].field);
        to[i].by = tm_job_text(job, aggs[i].by);
    }
    return to;
}

tm_stream_t *tm_window_aggregate(tm_stream_t *keyed, const char *name,
                                 const tm_window_spec_t *window, const tm_agg_spec_t *aggs,
                                 size_t agg_cnt)
{
    tm_job_t *job = keyed->job;
    struct tm_stream *node = tm_job_add(job, &window_node, name, &keyed, 1);
    tm_window_cfg_t *cfg = node ? tm_job_alloc(job, sizeof *cfg) : NULL;
    if (!cfg) return &job->broken;
    node->spec = cfg;
    const char *const *key = tm_stream_key(keyed);
    if (!key) return tm_job_fail(job, "window %s: put key_by before it", name);
    if (!tm_stream_is_timed(keyed))
        return tm_job_fail(
            job, "window %s: put watermarks between the source and it, or it never fires", name);
    if (agg_cnt == 0 || agg_cnt > TM_JOB_AGG_MAX)
        return tm_job_fail(job, "window %s: give 1 to %d aggregates", name, TM_JOB_AGG_MAX);
    *cfg = (tm_window_cfg_t){
        .window = *window,
        .in = &keyed->schema,
        .aggs = aggs_copy(job, aggs, agg_cnt),
        .agg_cnt = (uint32_t)agg_cnt,
        .out_name = node->name,
        .out_id = tm_node_schema_id(node, 0),
    };
    for (uint32_t i = 0; i < TM_KEY_FIELD_MAX; i++) cfg->key_fields[i] = key[i];
    if (job->err) return &job->broken;
    if (tm_window_spec_check(window) < 0 || tm_window_schema_build(cfg, &node->schema) < 0)
        return tm_job_fail(job, "window %s: %s", name, tm_error_text());
    if (!tm_job_side_add(node, "late", &keyed->schema)) return &job->broken;
    return node;
}
