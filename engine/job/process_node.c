/* Builder of process functions. */
#include "engine/job/graph.h"
#include "engine/operators/process/process.h"

#include <inttypes.h>
#include <string.h>

static size_t footprint(const struct tm_stream *node, const tm_operator_env_t *env)
{
    (void)env;
    return tm_process_footprint(node->spec);
}

static tm_operator_t *init(void *mem, const struct tm_stream *node, const tm_operator_env_t *env)
{
    return tm_process_init(mem, node->spec, env);
}

static void print(const struct tm_stream *node, FILE *out)
{
    static const char *const kinds[] = {"", "value", "list", "map", "reducing", "aggregating"};
    const tm_process_cfg_t *cfg = node->spec;
    fprintf(out, "  rows of %u B, %u side outputs, state:", node->schema.row_sz, cfg->side_cnt);
    for (size_t i = 0; i < cfg->state_cnt; i++) {
        fprintf(out, " %s (%s", cfg->states[i].name, kinds[cfg->states[i].kind]);
        if (cfg->states[i].ttl_ns > 0)
            fprintf(out, ", kept %.3f s", (double)cfg->states[i].ttl_ns / 1e9);
        fprintf(out, ")");
    }
    if (cfg->state_cnt == 0) fprintf(out, " none");
}

/* Keys, then states with the fields that the job declared. */
static void schema(const struct tm_stream *node, FILE *out)
{
    static const char *const kinds[] = {"", "value", "list", "map", "reducing", "aggregating"};
    const tm_process_cfg_t *cfg = node->spec;
    char type[TM_TYPE_TEXT_MAX];
    tm_node_key_print(cfg->in[0], cfg->key_fields[0], out);
    for (size_t i = 0; i < cfg->state_cnt; i++) {
        const tm_state_spec_t *s = &cfg->states[i];
        fprintf(out, "  state %s value %u key %u ttl %" PRId64 " %s %s\n", kinds[s->kind],
                s->value_sz, s->key_sz, s->ttl_ns,
                s->ttl_ns == 0                 ? "never"
                : s->ttl_time == TM_EVENT_TIME ? "event-time"
                                               : "clock",
                s->name);
        for (size_t f = 0; s->type && f < s->type->field_cnt; f++) {
            const tm_struct_field_t *field = &s->type->fields[f];
            tm_type_text(type, &(tm_field_t){.type = field->type, .scale = field->scale});
            fprintf(out, "    field %s of %u at %u %s\n", type, field->sz, field->off, field->name);
        }
    }
}

static const tm_node_ops_t process_node = {.kind = "process",
                                           .role = TM_ROLE_OPERATOR,
                                           .moves = true,
                                           .layout = TM_PROCESS_LAYOUT,
                                           .schema = schema,
                                           .footprint = footprint,
                                           .init = init,
                                           .print = print};

/* One field of a state's struct. */
static bool type_field_check(tm_job_t *job, const tm_state_spec_t *s, size_t idx)
{
    const tm_struct_field_t *f = &s->type->fields[idx];
    bool good = f->name && f->name[0] && !strchr(f->name, '\n') && tm_type_sz(f->type) == f->sz &&
                f->sz > 0 && (size_t)f->off + f->sz <= s->value_sz;
    for (size_t i = 0; good && i < idx; i++) good = strcmp(s->type->fields[i].name, f->name) != 0;
    if (!good)
        tm_job_fail(job,
                    "state %s: field %zu of %s ('%s') needs a name of its own, the size of its "
                    "type and a place within the struct",
                    s->name, idx, s->type->name, f->name ? f->name : "");
    return good;
}

/* The struct of a state, in memory of the job. */
static bool type_copy(tm_job_t *job, tm_state_spec_t *s)
{
    if (!s->type) return true;
    tm_struct_t *to = tm_job_alloc(job, sizeof *to);
    tm_struct_field_t *fields = tm_job_alloc(job, s->type->field_cnt * sizeof *fields);
    if (!to || !fields) return false;
    if (s->type->row_sz != s->value_sz || s->type->field_cnt > TM_SCHEMA_FIELD_MAX)
        return tm_job_fail(job,
                           "state %s: its value_sz is %u, and its struct %s has %zu bytes and %zu "
                           "fields (of at most %d)",
                           s->name, s->value_sz, s->type->name, s->type->row_sz, s->type->field_cnt,
                           TM_SCHEMA_FIELD_MAX),
               false;
    *to = *s->type;
    for (size_t i = 0; i < to->field_cnt; i++) {
        if (!type_field_check(job, s, i)) return false;
        fields[i] = s->type->fields[i];
        fields[i].name = tm_job_text(job, fields[i].name);
    }
    to->name = tm_job_text(job, to->name);
    to->fields = fields;
    s->type = to;
    return true;
}

static bool states_copy(tm_job_t *job, tm_process_cfg_t *cfg, const tm_process_spec_t *spec)
{
    tm_state_spec_t *to = tm_job_alloc(job, (spec->state_cnt + 1) * sizeof *to);
    for (size_t i = 0; to && i < spec->state_cnt; i++) {
        to[i] = spec->states[i];
        to[i].name = tm_job_text(job, spec->states[i].name);
        if (to[i].name && strchr(to[i].name, '\n')) tm_job_fail(job, "a state's name is one line");
        if (!type_copy(job, &to[i])) return false;
    }
    cfg->states = to;
    cfg->state_cnt = spec->state_cnt;
    return job->err == 0;
}

static bool outputs_add(struct tm_stream *node, tm_process_cfg_t *cfg,
                        const tm_process_spec_t *spec)
{
    tm_job_t *job = node->job;
    if (!spec->out) {
        tm_job_fail(job, "process %s: say with `out` what rows it puts out", node->name);
        return false;
    }
    if (!tm_job_struct(job, node, spec->out, tm_node_schema_id(node, 0), &node->schema))
        return false;
    cfg->out = &node->schema;
    for (size_t i = 0; i < spec->side_cnt; i++) {
        tm_schema_t schema;
        if (!tm_job_struct(job, node, spec->sides[i].type,
                           tm_node_schema_id(node, cfg->side_cnt + 1), &schema) ||
            !tm_job_side_add(node, spec->sides[i].name, &schema))
            return false;
        cfg->sides[cfg->side_cnt++] = &node->sides[i].schema;
    }
    return true;
}

static tm_stream_t *process_add(tm_stream_t *const *ins, uint32_t in_cnt,
                                const tm_process_spec_t *spec)
{
    tm_job_t *job = ins[0]->job;
    struct tm_stream *node = tm_job_add(job, &process_node, spec->name, ins, in_cnt);
    tm_process_cfg_t *cfg = node ? tm_job_alloc(job, sizeof *cfg) : NULL;
    if (!cfg) return &job->broken;
    node->spec = cfg;
    *cfg = (tm_process_cfg_t){.name = node->name,
                              .fns = spec->fns,
                              .user = spec->user,
                              .timer_grain_ns = spec->timer_grain_ns,
                              .in_cnt = in_cnt};
    for (uint32_t i = 0; i < in_cnt; i++) {
        const char *const *key = tm_stream_key(ins[i]);
        if (!key)
            return tm_job_fail(job, "process %s: put key_by before input %u", node->name, i + 1);
        for (uint32_t k = 0; k < TM_KEY_FIELD_MAX; k++) cfg->key_fields[i][k] = key[k];
        cfg->in[i] = &ins[i]->schema;
    }
    if (in_cnt == 2 && !tm_stream_keys_match(ins[0], ins[1]))
        return tm_job_fail(job,
                           "process %s: the keys of its inputs differ in number or type of fields",
                           node->name);
    if (!states_copy(job, cfg, spec) || !outputs_add(node, cfg, spec)) return &job->broken;
    if (tm_process_footprint(cfg) == 0) return tm_job_fail(job, "%s", tm_error_text());
    return node;
}

tm_stream_t *tm_process(tm_stream_t *keyed, const tm_process_spec_t *spec)
{
    return process_add(&keyed, 1, spec);
}

tm_stream_t *tm_process_two(tm_stream_t *first, tm_stream_t *second, const tm_process_spec_t *spec)
{
    tm_stream_t *const ins[] = {first, second};
    return process_add(ins, 2, spec);
}
