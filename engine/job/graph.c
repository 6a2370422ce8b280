#include "engine/job/graph.h"

#include "base/row.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void tm_job_init(tm_job_t *job, const tm_options_t *opts)
{
    memset(job, 0, sizeof *job);
    job->opts = *opts;
    job->broken.job = job;
}

void tm_job_fini(tm_job_t *job)
{
    while (job->blocks) {
        tm_job_block_t *next = job->blocks->next;
        free(job->blocks);
        job->blocks = next;
    }
}

tm_stream_t *tm_job_fail(tm_job_t *job, const char *fmt, ...)
{
    if (job->err == 0) {
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(job->err_text, sizeof job->err_text, fmt, ap);
        va_end(ap);
        job->err = TM_E_CONFIG;
    }
    return &job->broken;
}

void *tm_job_alloc(tm_job_t *job, size_t sz)
{
    tm_job_block_t *block = calloc(1, sizeof *block + sz);
    if (!block) {
        tm_job_fail(job, "out of memory");
        return NULL;
    }
    block->next = job->blocks;
    job->blocks = block;
    return block->bytes;
}

const char *tm_job_text(tm_job_t *job, const char *text)
{
    if (!text) return NULL;
    size_t sz = strlen(text) + 1;
    char *copy = tm_job_alloc(job, sz);
    return copy ? memcpy(copy, text, sz) : "";
}

struct tm_stream *tm_job_add(tm_job_t *job, const tm_node_ops_t *ops, const char *name,
                             tm_stream_t *const *ins, uint32_t in_cnt)
{
    if (job->err) return NULL;
    if (!name) name = ops->kind;
    if (job->node_cnt == TM_JOB_NODE_MAX) {
        tm_job_fail(job, "%s %s: a job has at most %d operators", ops->kind, name, TM_JOB_NODE_MAX);
        return NULL;
    }
    if (in_cnt > TM_OPERATOR_INPUT_MAX) {
        tm_job_fail(job, "%s %s: at most %d inputs", ops->kind, name, TM_OPERATOR_INPUT_MAX);
        return NULL;
    }
    struct tm_stream *node = &job->nodes[job->node_cnt];
    memset(node, 0, sizeof *node);
    for (uint32_t i = 0; i < in_cnt; i++) {
        if (ins[i]->job != job) {
            tm_job_fail(job, "%s %s: input %u belongs to another job", ops->kind, name, i);
            return NULL;
        }
        if (ins[i]->ops->role == TM_ROLE_SINK) {
            tm_job_fail(job, "%s %s: a sink has no output to read", ops->kind, name);
            return NULL;
        }
        node->ins[i] = (uint16_t)ins[i]->node_idx;
    }
    node->job = job;
    node->ops = ops;
    node->node_idx = job->node_cnt++;
    node->in_cnt = in_cnt;
    snprintf(node->name, sizeof node->name, "%s", name);
    if (in_cnt > 0) node->schema = ins[0]->schema;
    return node;
}

uint16_t tm_node_schema_id(const struct tm_stream *node, uint32_t output)
{
    return (uint16_t)(TM_SCHEMA_ID_USER + node->node_idx * TM_OPERATOR_OUTPUT_MAX + output);
}

/* One field of a user's struct. */
static bool struct_field_add(const struct tm_stream *node, const tm_struct_t *type,
                             const tm_struct_field_t *from, tm_schema_t *out)
{
    const char *kind = node->ops->kind;
    tm_job_t *job = node->job;
    if (!from->name || !from->name[0] || strlen(from->name) >= TM_SCHEMA_NAME_MAX)
        return tm_job_fail(job, "%s %s: %s: a field needs a name of up to %d bytes", kind,
                           node->name, type->name, TM_SCHEMA_NAME_MAX - 1),
               false;
    uint32_t sz = tm_type_sz(from->type);
    if (sz == 0 || sz != from->sz)
        return tm_job_fail(job, "%s %s: field '%s' of %s is a %s of %u bytes, its member has %u",
                           kind, node->name, from->name, type->name, tm_type_name(from->type), sz,
                           from->sz),
               false;
    if (from->off + sz > type->row_sz || from->off < offsetof(tm_row_t, symbol))
        return tm_job_fail(job, "%s %s: field '%s' of %s lies outside of its struct", kind,
                           node->name, from->name, type->name),
               false;
    if (tm_schema_find(out, from->name) >= 0)
        return tm_job_fail(job, "%s %s: %s has two fields '%s'", kind, node->name, type->name,
                           from->name),
               false;
    tm_field_t *to = &out->fields[out->field_cnt++];
    *to = (tm_field_t){.type = from->type,
                       .off = from->off,
                       .scale = from->scale,
                       .unit_ns = from->unit_ns ? from->unit_ns : 1};
    snprintf(to->name, sizeof to->name, "%s", from->name);
    return true;
}

bool tm_job_struct(tm_job_t *job, const struct tm_stream *node, const tm_struct_t *type,
                   uint16_t id, tm_schema_t *out)
{
    const char *kind = node->ops->kind;
    if (!type || !type->name || !type->fields)
        return tm_job_fail(job, "%s %s: give the struct of its rows", kind, node->name), false;
    if (type->row_sz < TM_ROW_HEADER_SZ || type->row_sz % 8 != 0 || type->row_sz > TM_ROW_SZ_MAX)
        return tm_job_fail(job,
                           "%s %s: struct %s has %zu bytes: a row starts with tm_row_t and is a "
                           "multiple of 8 up to %d",
                           kind, node->name, type->name, type->row_sz, TM_ROW_SZ_MAX),
               false;
    if (type->field_cnt == 0 || type->field_cnt > TM_SCHEMA_FIELD_MAX)
        return tm_job_fail(job, "%s %s: struct %s: 1 to %d fields", kind, node->name, type->name,
                           TM_SCHEMA_FIELD_MAX),
               false;
    tm_schema_init(out, type->name, id);
    out->row_sz = (uint16_t)type->row_sz;
    for (size_t i = 0; i < type->field_cnt; i++)
        if (!struct_field_add(node, type, &type->fields[i], out)) return false;
    return true;
}

bool tm_job_side_add(struct tm_stream *node, const char *name, const tm_schema_t *schema)
{
    const char *kind = node->ops->kind;
    if (!node->sides) node->sides = tm_job_alloc(node->job, TM_SIDE_MAX * sizeof(tm_node_side_t));
    if (!node->sides) return false;
    if (node->side_cnt == TM_SIDE_MAX)
        return tm_job_fail(node->job, "%s %s: at most %d side outputs", kind, node->name,
                           TM_SIDE_MAX),
               false;
    if (!name || !name[0])
        return tm_job_fail(node->job, "%s %s: a side output needs a name", kind, node->name), false;
    for (uint32_t i = 0; i < node->side_cnt; i++)
        if (strcmp(node->sides[i].name, name) == 0)
            return tm_job_fail(node->job, "%s %s: two side outputs '%s'", kind, node->name, name),
                   false;
    tm_node_side_t *side = &node->sides[node->side_cnt++];
    snprintf(side->name, sizeof side->name, "%s", name);
    side->schema = *schema;
    return true;
}

const char *const *tm_stream_key(const struct tm_stream *s)
{
    return s->ops && s->ops->role == TM_ROLE_KEY_BY ? s->key_fields : NULL;
}

bool tm_stream_keys_match(const struct tm_stream *a, const struct tm_stream *b)
{
    const char *const *x = tm_stream_key(a), *const *y = tm_stream_key(b);
    if (!x || !y) return true;
    for (uint32_t i = 0; x[i] || y[i]; i++) {
        if (!x[i] || !y[i]) return false;
        const tm_field_t *p = &a->schema.fields[tm_schema_find(&a->schema, x[i])];
        const tm_field_t *q = &b->schema.fields[tm_schema_find(&b->schema, y[i])];
        if (p->type != q->type || p->scale != q->scale) return false;
    }
    return true;
}

const tm_schema_t *tm_stream_schema(const tm_stream_t *s)
{
    return &s->schema;
}

uint16_t tm_field_off(tm_stream_t *s, const char *field, tm_type_t type)
{
    if (s->job->err) return 0;
    int idx = tm_schema_find(&s->schema, field);
    if (idx < 0) {
        tm_job_fail(s->job, "%s %s: its rows have no field '%s'", s->ops->kind, s->name, field);
        return 0;
    }
    if (s->schema.fields[idx].type != type) {
        tm_job_fail(s->job, "%s %s: field '%s' is a %s, not a %s", s->ops->kind, s->name, field,
                    tm_type_name(s->schema.fields[idx].type), tm_type_name(type));
        return 0;
    }
    return s->schema.fields[idx].off;
}

const struct tm_stream *tm_job_upstream(const tm_job_t *job, const struct tm_stream *node,
                                        const tm_node_ops_t *ops)
{
    while (node->ops != ops) {
        if (node->in_cnt == 0) return NULL;
        node = &job->nodes[node->ins[0]];
    }
    return node;
}

static bool is_read(const tm_job_t *job, uint32_t node_idx)
{
    for (uint32_t k = node_idx + 1; k < job->node_cnt; k++)
        for (uint32_t i = 0; i < job->nodes[k].in_cnt; i++)
            if (job->nodes[k].ins[i] == node_idx) return true;
    return false;
}

int tm_job_validate(tm_job_t *job)
{
    uint32_t sources = 0, sinks = 0;
    for (uint32_t i = 0; i < job->node_cnt && job->err == 0; i++) {
        const struct tm_stream *node = &job->nodes[i];
        sources += node->ops->role == TM_ROLE_SOURCE;
        sinks += node->ops->role == TM_ROLE_SINK;
        if (node->ops->role != TM_ROLE_SINK && !is_read(job, i))
            tm_job_fail(job, "%s %s: nothing reads its output; end the path in a sink",
                        node->ops->kind, node->name);
    }
    if (job->err == 0 && sources == 0) tm_job_fail(job, "the job has no source");
    if (job->err == 0 && sinks == 0) tm_job_fail(job, "the job has no sink");
    if (job->err == 0) tm_job_ids(job);
    return job->err ? tm_error_set(job->err, "%s", job->err_text) : 0;
}
