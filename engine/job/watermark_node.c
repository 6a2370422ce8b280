/* Builder of watermarks. */
#include "engine/job/nodes.h"

#include <string.h>

enum { LIVE_IDLE_S = 5 };

static tm_watermark_op_cfg_t cfg_of(const struct tm_stream *node, const tm_operator_env_t *env)
{
    const tm_watermark_node_spec_t *spec = node->spec;
    bool live = node->job->opts.replay_cnt == 0 &&
                tm_stream_is_feed(&node->job->nodes[node->ins[0]]);
    return (tm_watermark_op_cfg_t){
        .bound_ns = spec->spec.bound_ns,
        .punctuate = spec->spec.punctuate,
        .ctx = spec->spec.ctx,
        .idle_ns = spec->spec.idle_ns == 0 && live ? LIVE_IDLE_S * TM_NS_PER_S : spec->spec.idle_ns,
        .align_drift_ns = spec->spec.align_drift_ns,
        .align_group = spec->align_group,
        .node_idx = node->node_idx,
        .env = env,
    };
}

static size_t footprint(const struct tm_stream *node, const tm_operator_env_t *env)
{
    const tm_watermark_op_cfg_t cfg = cfg_of(node, env);
    return tm_watermark_op_footprint(&cfg);
}

static tm_operator_t *init(void *mem, const struct tm_stream *node, const tm_operator_env_t *env)
{
    const tm_watermark_op_cfg_t cfg = cfg_of(node, env);
    return tm_watermark_op_init(mem, &cfg);
}

static void print(const struct tm_stream *node, FILE *out)
{
    const tm_watermark_node_spec_t *spec = node->spec;
    if (spec->spec.punctuate)
        fprintf(out, "  punctuated");
    else
        fprintf(out, "  bound %.3f s", (double)spec->spec.bound_ns / 1e9);
    if (spec->spec.idle_ns > 0)
        fprintf(out, ", idle after %.3f s", (double)spec->spec.idle_ns / 1e9);
    if (spec->align_group)
        fprintf(out, ", aligned with '%s' within %.3f s", spec->spec.align_group,
                (double)spec->spec.align_drift_ns / 1e9);
}

const tm_node_ops_t tm_watermark_node = {.kind = "watermarks",
                                         .role = TM_ROLE_OPERATOR,
                                         .at_source = true,
                                         .footprint = footprint,
                                         .init = init,
                                         .print = print,
                                         .layout = TM_WATERMARK_LAYOUT};

/* Groups are numbered by the first node that names them, from 1. */
static uint32_t group_of(const tm_job_t *job, uint32_t node_idx, const char *name)
{
    for (uint32_t i = 0; i < node_idx; i++) {
        if (job->nodes[i].ops != &tm_watermark_node) continue;
        const tm_watermark_node_spec_t *spec = job->nodes[i].spec;
        if (spec->align_group && strcmp(spec->spec.align_group, name) == 0)
            return spec->align_group;
    }
    return node_idx + 1;
}

tm_stream_t *tm_watermarks(tm_stream_t *in, const tm_watermark_spec_t *spec)
{
    tm_job_t *job = in->job;
    struct tm_stream *node = tm_job_add(job, &tm_watermark_node, "watermarks", &in, 1);
    tm_watermark_node_spec_t *to = node ? tm_job_alloc(job, sizeof *to) : NULL;
    if (!to) return &job->broken;
    node->spec = to;
    to->spec = *spec;
    to->spec.align_group = tm_job_text(job, spec->align_group);
    if (job->opts.watermark_bound_ns >= 0) to->spec.bound_ns = job->opts.watermark_bound_ns;
    if (tm_stream_is_timed(in))
        return tm_job_fail(job, "watermarks: the stream has them already; make them once a path");
    if (in->ops->role == TM_ROLE_KEY_BY)
        return tm_job_fail(job, "watermarks: put them before key_by '%s'", in->name);
    if (to->spec.bound_ns < 0) return tm_job_fail(job, "watermarks: bound_ns must not be negative");
    if (to->spec.idle_ns < 0) return tm_job_fail(job, "watermarks: idle_ns must not be negative");
    if (to->spec.align_group) {
        if (to->spec.align_drift_ns <= 0)
            return tm_job_fail(job, "watermarks: align_drift_ns of group '%s' must be positive",
                               spec->align_group);
        to->align_group = group_of(job, node->node_idx, spec->align_group);
    }
    return node;
}

bool tm_stream_is_timed(const struct tm_stream *s)
{
    if (!s->ops || s->in_cnt == 0) return false;
    if (s->ops == &tm_watermark_node) return true;
    for (uint32_t i = 0; i < s->in_cnt; i++)
        if (!tm_stream_is_timed(&s->job->nodes[s->ins[i]])) return false;
    return true;
}
