/* Builders of what runs nowhere: how rows travel from one operator to the next. */
#include "base/check.h"
#include "engine/job/graph.h"

#include <string.h>

static void key_print(const struct tm_stream *node, FILE *out)
{
    for (uint32_t i = 0; node->key_fields[i]; i++)
        fprintf(out, "%s%s", i ? ", " : "  ", node->key_fields[i]);
}

void tm_node_key_print(const tm_schema_t *in, const char *const *fields, FILE *out)
{
    char type[TM_TYPE_TEXT_MAX];
    for (uint32_t i = 0; i < TM_KEY_FIELD_MAX && fields[i]; i++) {
        tm_type_text(type, &in->fields[tm_schema_find(in, fields[i])]);
        fprintf(out, "  key %s %s\n", type, fields[i]);
    }
}

static const tm_node_ops_t key_by_node = {
    .kind = "key_by", .role = TM_ROLE_KEY_BY, .print = key_print};
static const tm_node_ops_t broadcast_node = {.kind = "broadcast", .role = TM_ROLE_BROADCAST};
static const tm_node_ops_t union_node = {.kind = "union", .role = TM_ROLE_UNION};
static const tm_node_ops_t side_node = {.kind = "side_output", .role = TM_ROLE_SIDE};

tm_stream_t *tm_key_by_fields(tm_stream_t *in, const char *const *fields)
{
    tm_job_t *job = in->job;
    uint32_t cnt = 0;
    while (cnt <= TM_KEY_FIELD_MAX && fields[cnt]) cnt++;
    struct tm_stream *node = tm_job_add(job, &key_by_node, cnt ? fields[0] : NULL, &in, 1);
    if (!node) return &job->broken;
    if (cnt == 0 || cnt > TM_KEY_FIELD_MAX)
        return tm_job_fail(job, "key_by: give 1 to %d fields", TM_KEY_FIELD_MAX);
    for (uint32_t i = 0; i < cnt; i++) node->key_fields[i] = tm_job_text(job, fields[i]);
    tm_key_t key;
    if (tm_key_compile(&key, &in->schema, node->key_fields) < 0)
        return tm_job_fail(job, "key_by: %s", tm_error_text());
    return node;
}

tm_stream_t *tm_key_by(tm_stream_t *in, const char *field)
{
    const char *const fields[] = {field, NULL};
    return tm_key_by_fields(in, fields);
}

tm_stream_t *tm_broadcast(tm_stream_t *in)
{
    struct tm_stream *node = tm_job_add(in->job, &broadcast_node, NULL, &in, 1);
    return node ? node : &in->job->broken;
}

/* Equal but for the id: rows of one may stand for rows of the other. */
static bool same_rows(const tm_schema_t *a, const tm_schema_t *b)
{
    if (a->row_sz != b->row_sz || a->field_cnt != b->field_cnt || a->null_off != b->null_off)
        return false;
    for (uint32_t i = 0; i < a->field_cnt; i++) {
        const tm_field_t *x = &a->fields[i], *y = &b->fields[i];
        if (strcmp(x->name, y->name) != 0 || x->type != y->type || x->off != y->off ||
            x->scale != y->scale)
            return false;
    }
    return true;
}

tm_stream_t *tm_union(tm_stream_t *const *ins, size_t in_cnt)
{
    TM_CHECK(in_cnt > 0, "a union of nothing belongs to no job");
    tm_job_t *job = ins[0]->job;
    struct tm_stream *node = tm_job_add(job, &union_node, NULL, ins,
                                        in_cnt > UINT32_MAX ? UINT32_MAX : (uint32_t)in_cnt);
    if (!node) return &job->broken;
    for (size_t i = 1; i < in_cnt; i++)
        if (!same_rows(&ins[0]->schema, &ins[i]->schema))
            return tm_job_fail(job, "union: rows of %s (%s) are not those of %s (%s)", ins[i]->name,
                               ins[i]->schema.name, ins[0]->name, ins[0]->schema.name);
    return node;
}

tm_stream_t *tm_side_output(tm_stream_t *s, const char *name)
{
    tm_job_t *job = s->job;
    struct tm_stream *node = tm_job_add(job, &side_node, name, &s, 1);
    if (!node) return &job->broken;
    for (uint32_t i = 0; i < s->side_cnt; i++) {
        if (strcmp(s->sides[i].name, name) != 0) continue;
        node->side_idx = i + 1;
        node->schema = s->sides[i].schema;
        return node;
    }
    return tm_job_fail(job, "side_output: %s %s has no side output '%s'", s->ops->kind, s->name,
                       name);
}
