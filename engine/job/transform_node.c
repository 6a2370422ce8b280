/* Builders of filter, map, flat_map and connect. */
#include "engine/job/graph.h"
#include "engine/operators/transform.h"

static size_t footprint(const struct tm_stream *node, const tm_operator_env_t *env)
{
    (void)env;
    return tm_transform_footprint(node->spec);
}

static tm_operator_t *init(void *mem, const struct tm_stream *node, const tm_operator_env_t *env)
{
    return tm_transform_init(mem, node->spec, env);
}

#define TRANSFORM_NODE(name)                                                                       \
    {                                                                                              \
        .kind = (name), .role = TM_ROLE_OPERATOR, .at_source = true, .footprint = footprint,       \
        .init = init, .moves = true                                                                \
    }

static const tm_node_ops_t filter_node = TRANSFORM_NODE("filter");
static const tm_node_ops_t map_node = TRANSFORM_NODE("map");
static const tm_node_ops_t flat_map_node = TRANSFORM_NODE("flat_map");
static const tm_node_ops_t connect_node = TRANSFORM_NODE("connect");

static tm_transform_cfg_t *transform_add(const tm_node_ops_t *ops, const char *name,
                                         tm_stream_t *const *ins, uint32_t in_cnt,
                                         struct tm_stream **out)
{
    tm_job_t *job = ins[0]->job;
    struct tm_stream *node = tm_job_add(job, ops, name, ins, in_cnt);
    tm_transform_cfg_t *cfg = node ? tm_job_alloc(job, sizeof *cfg) : NULL;
    if (!cfg) return NULL;
    node->spec = cfg;
    cfg->outs[0] = &node->schema;
    cfg->out_cnt = 1;
    *out = node;
    return cfg;
}

/* The main output's rows and the side outputs. */
static bool outputs_add(struct tm_stream *node, const tm_struct_t *out, const tm_side_spec_t *sides,
                        size_t side_cnt)
{
    tm_job_t *job = node->job;
    tm_transform_cfg_t *cfg = node->spec;
    if (!tm_job_struct(job, node, out, tm_node_schema_id(node, 0), &node->schema)) return false;
    for (size_t i = 0; i < side_cnt; i++) {
        tm_schema_t schema;
        if (!tm_job_struct(job, node, sides[i].type, tm_node_schema_id(node, cfg->out_cnt),
                           &schema) ||
            !tm_job_side_add(node, sides[i].name, &schema))
            return false;
        cfg->outs[cfg->out_cnt++] = &node->sides[i].schema;
    }
    return true;
}

tm_stream_t *tm_filter(tm_stream_t *in, const char *name, tm_filter_fn *fn, void *ctx)
{
    struct tm_stream *node;
    tm_transform_cfg_t *cfg = transform_add(&filter_node, name, &in, 1, &node);
    if (!cfg) return &in->job->broken;
    if (!fn) return tm_job_fail(in->job, "filter %s: give a function", node->name);
    cfg->kind = TM_TRANSFORM_FILTER;
    cfg->filter = fn;
    cfg->ctx = ctx;
    return node;
}

tm_stream_t *tm_map(tm_stream_t *in, const char *name, const tm_struct_t *out, tm_map_fn *fn,
                    void *ctx)
{
    struct tm_stream *node;
    tm_transform_cfg_t *cfg = transform_add(&map_node, name, &in, 1, &node);
    if (!cfg) return &in->job->broken;
    if (!fn) return tm_job_fail(in->job, "map %s: give a function", node->name);
    cfg->kind = TM_TRANSFORM_MAP;
    cfg->map = fn;
    cfg->ctx = ctx;
    return outputs_add(node, out, NULL, 0) ? node : &in->job->broken;
}

tm_stream_t *tm_flat_map(tm_stream_t *in, const tm_flat_map_spec_t *spec)
{
    struct tm_stream *node;
    tm_transform_cfg_t *cfg = transform_add(&flat_map_node, spec->name, &in, 1, &node);
    if (!cfg) return &in->job->broken;
    if (!spec->fn) return tm_job_fail(in->job, "flat_map %s: give a function", node->name);
    cfg->kind = TM_TRANSFORM_FLAT_MAP;
    cfg->flat_map[0] = spec->fn;
    cfg->ctx = spec->ctx;
    return outputs_add(node, spec->out, spec->sides, spec->side_cnt) ? node : &in->job->broken;
}

tm_stream_t *tm_connect(tm_stream_t *a, tm_stream_t *b, const tm_connect_spec_t *spec)
{
    struct tm_stream *node;
    tm_stream_t *const ins[] = {a, b};
    tm_transform_cfg_t *cfg = transform_add(&connect_node, spec->name, ins, 2, &node);
    if (!cfg) return &a->job->broken;
    if (!spec->on_a || !spec->on_b)
        return tm_job_fail(a->job, "connect %s: give on_a and on_b", node->name);
    if (!tm_stream_keys_match(a, b))
        return tm_job_fail(a->job,
                           "connect %s: both inputs are keyed, but by fields of other types or in "
                           "another number: rows of a key would not meet",
                           node->name);
    cfg->kind = TM_TRANSFORM_FLAT_MAP;
    cfg->flat_map[0] = spec->on_a;
    cfg->flat_map[1] = spec->on_b;
    cfg->ctx = spec->ctx;
    return outputs_add(node, spec->out, spec->sides, spec->side_cnt) ? node : &a->job->broken;
}
