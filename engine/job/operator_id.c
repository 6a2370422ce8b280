/* Ids of operators: what a checkpoint's state is found by when the graph around it has changed. */
#include "engine/job/graph.h"

#include <string.h>

tm_stream_t *tm_operator_id(tm_stream_t *s, const char *id)
{
    tm_job_t *job = s->job;
    if (job->err) return s;
    const tm_node_role_t role = s->ops->role;
    if (role != TM_ROLE_SOURCE && role != TM_ROLE_OPERATOR)
        return tm_job_fail(job, "operator_id: %s %s runs nowhere; name the operator that it is of",
                           s->ops->kind, s->name);
    const size_t sz = id ? strlen(id) : 0;
    if (sz == 0 || sz >= sizeof s->id)
        return tm_job_fail(job, "operator_id of %s %s: an id has 1 to %zu bytes", s->ops->kind,
                           s->name, sizeof s->id - 1);
    for (size_t i = 0; i < sz; i++)
        if ((uint8_t)id[i] <= ' ')
            return tm_job_fail(job, "operator_id '%s': an id has no blanks in it", id);
    memcpy(s->id, id, sz + 1);
    return s;
}

/* Appends what still fits; a text that was cut is seen by its length. */
static void append(char *to, size_t cap, const char *text)
{
    const size_t at = strlen(to);
    snprintf(to + at, cap - at, "%s", text);
}

/* Ids of the nearest operators with state that a node reads: those between may come and go. */
static void upstream_append(const tm_job_t *job, const struct tm_stream *node, char *to, size_t cap)
{
    for (uint32_t i = 0; i < node->in_cnt; i++) {
        const struct tm_stream *in = &job->nodes[node->ins[i]];
        if (i > 0) append(to, cap, "+");
        if (in->ops->layout > 0)
            append(to, cap, in->id);
        else
            upstream_append(job, in, to, cap);
    }
}

static uint64_t text_print(const char *text)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (; *text; text++) h = (h ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
    return h;
}

static void id_derive(const tm_job_t *job, struct tm_stream *node)
{
    char text[8 * TM_OPERATOR_ID_MAX] = "";
    append(text, sizeof text, node->ops->kind);
    append(text, sizeof text, "/");
    if (strcmp(node->name, node->ops->kind) == 0 && node->in_cnt > 0)
        upstream_append(job, node, text, sizeof text);
    else
        append(text, sizeof text, node->name);
    for (char *at = text; *at; at++)
        if ((uint8_t)*at <= ' ') *at = '_';
    const size_t sz = strlen(text);
    if (sz < sizeof node->id)
        memcpy(node->id, text, sz + 1);
    else
        snprintf(node->id, sizeof node->id, "%s/#%016llx", node->ops->kind,
                 (unsigned long long)text_print(text));
}

static const struct tm_stream *id_find(const tm_job_t *job, uint32_t before, const char *id)
{
    for (uint32_t i = 0; i < before; i++)
        if (strcmp(job->nodes[i].id, id) == 0) return &job->nodes[i];
    return NULL;
}

static void id_check(tm_job_t *job, struct tm_stream *node, bool given)
{
    const struct tm_stream *other = id_find(job, node->node_idx, node->id);
    if (!other) return;
    if (given || (node->ops->layout > 0 && job->opts.checkpoint.dir)) {
        tm_job_fail(job,
                    "%s %s has the id '%s', and so has %s %s: a checkpoint could not tell them "
                    "apart; give each its own name, or one with tm_operator_id()",
                    node->ops->kind, node->name, node->id, other->ops->kind, other->name);
        return;
    }
    char base[TM_OPERATOR_ID_MAX]; /* nothing is kept of it that could be taken for another's */
    snprintf(base, sizeof base, "%.*s", TM_OPERATOR_ID_MAX - 8, node->id);
    for (uint32_t n = 2; id_find(job, node->node_idx, node->id); n++)
        snprintf(node->id, sizeof node->id, "%.*s#%u", TM_OPERATOR_ID_MAX - 8, base, n);
}

void tm_job_ids(tm_job_t *job)
{
    for (uint32_t i = 0; i < job->node_cnt && job->err == 0; i++) {
        struct tm_stream *node = &job->nodes[i];
        const tm_node_role_t role = node->ops->role;
        if (role != TM_ROLE_SOURCE && role != TM_ROLE_OPERATOR && role != TM_ROLE_SINK) continue;
        const bool given = node->id[0] != '\0';
        if (!given) id_derive(job, node);
        id_check(job, node, given);
    }
}
