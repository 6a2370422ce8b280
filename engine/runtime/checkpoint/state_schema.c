#include "engine/runtime/checkpoint/state_schema.h"

#include "engine/runtime/task.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { SCHEMA_LINE_MAX = 1 << 16 };

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && __SIZEOF_POINTER__ == 8
static const char machine[] = "little-endian 64-bit";
#else
#    error "what operators keep is laid out for little-endian machines of 64 bits"
#endif

/* ---- writing --------------------------------------------------------------------------------- */

static void operator_write(const tm_plan_t *plan, uint32_t node_idx, FILE *out)
{
    const struct tm_stream *node = &plan->job->nodes[node_idx];
    if (!plan->nodes[node_idx].runs) return;
    fprintf(out, "operator %s layout %u at %s node %u id %s\n", node->ops->kind, node->ops->layout,
            plan->nodes[node_idx].place == TM_AT_SOURCE ? "source" : "worker", node_idx, node->id);
    if (node->ops->schema) node->ops->schema(node, out);
}

char *tm_state_schema_text(const tm_topology_t *topo)
{
    char *text = NULL;
    size_t sz;
    FILE *out = open_memstream(&text, &sz);
    if (!out) return NULL;
    fprintf(out, "tidemark schema %d\nmachine %s\nlayout pages %d threads %d\ningest %u\n",
            TM_STATE_SCHEMA_VERSION, machine, TM_PAGES_LAYOUT, TM_TASK_LAYOUT, topo->ingest_cnt);
    for (uint32_t i = 0; i < topo->job->node_cnt; i++) operator_write(&topo->plan, i, out);
    if (fclose(out) == 0) return text;
    free(text);
    return NULL;
}

/* ---- reading --------------------------------------------------------------------------------- */

static int bad_line(uint32_t line_idx, const char *line)
{
    return tm_error_set(TM_E_CORRUPT, "schema of the checkpoint, line %u: '%.80s'", line_idx + 1,
                        line);
}

/* Reads a line piece by piece: each returns what follows, NULL where it is something else. */
static const char *take_text(const char *at, const char *text)
{
    const size_t sz = strlen(text);
    return at && strncmp(at, text, sz) == 0 ? at + sz : NULL;
}

static const char *take_word(const char *at, char word[TM_STATE_SCHEMA_WORD])
{
    const size_t sz = at ? strcspn(at, " ") : 0;
    if (sz == 0 || sz >= TM_STATE_SCHEMA_WORD) return NULL;
    memcpy(word, at, sz);
    word[sz] = '\0';
    return at + sz;
}

static const char *take_number(const char *at, uint64_t max, uint64_t *number)
{
    *number = 0;
    if (!at || *at < '0' || *at > '9') return NULL;
    for (; *at >= '0' && *at <= '9'; at++) {
        const uint64_t digit = (uint64_t)(*at - '0');
        if (*number > (max - digit) / 10) return NULL;
        *number = *number * 10 + digit;
    }
    return at;
}

/* A literal, then a number of 32 bits. */
static const char *take_u32(const char *at, const char *text, uint32_t *number)
{
    uint64_t v;
    at = take_number(take_text(at, text), UINT32_MAX, &v);
    *number = (uint32_t)v;
    return at;
}

/* The rest of a line, behind a literal: a name. */
static const char *take_rest(const char *at, const char *text)
{
    at = take_text(at, text);
    return at && *at ? at : NULL;
}

static bool operator_read(const char *line, tm_schema_operator_t *op)
{
    const char *at = take_word(take_text(line, "operator "), op->kind);
    at = take_u32(at, " layout ", &op->layout);
    at = take_word(take_text(at, " at "), op->place);
    at = take_u32(at, " node ", &op->node_idx);
    op->id = take_rest(at, " id ");
    return op->id != NULL;
}

static int head_read(tm_state_schema_t *s, uint32_t line_cnt)
{
    uint32_t version;
    if (line_cnt < 1 || !take_u32(s->lines[0], "tidemark schema ", &version))
        return bad_line(0, line_cnt ? s->lines[0] : "");
    if (version != TM_STATE_SCHEMA_VERSION)
        return tm_error_set(TM_E_UNSUPPORTED,
                            "its schema has version %u, and this build reads %d: use the build "
                            "that wrote it",
                            version, TM_STATE_SCHEMA_VERSION);
    s->machine = line_cnt < 4 ? NULL : take_rest(s->lines[1], "machine ");
    if (!s->machine) return bad_line(1, "machine");
    const char *at = take_u32(s->lines[2], "layout pages ", &s->pages_layout);
    if (!take_u32(at, " threads ", &s->threads_layout)) return bad_line(2, s->lines[2]);
    if (!take_u32(s->lines[3], "ingest ", &s->ingest_cnt)) return bad_line(3, s->lines[3]);
    return 0;
}

static int operators_read(tm_state_schema_t *s, uint32_t line_cnt)
{
    for (uint32_t i = 4; i < line_cnt; i++) {
        if (s->lines[i][0] == ' ' && s->op_cnt > 0) {
            s->ops[s->op_cnt - 1].line_cnt++;
            continue;
        }
        if (s->op_cnt == TM_JOB_NODE_MAX || !operator_read(s->lines[i], &s->ops[s->op_cnt]) ||
            s->ops[s->op_cnt].node_idx >= TM_JOB_NODE_MAX)
            return bad_line(i, s->lines[i]);
        s->ops[s->op_cnt++].lines = &s->lines[i + 1];
    }
    return 0;
}

int tm_state_schema_parse(tm_state_schema_t *schema, const char *text, size_t sz)
{
    uint32_t cnt = 0;
    memset(schema, 0, sizeof *schema);
    for (size_t i = 0; i < sz; i++) cnt += text[i] == '\n';
    if (cnt > SCHEMA_LINE_MAX || memchr(text, '\0', sz) || (sz > 0 && text[sz - 1] != '\n'))
        return tm_error_set(TM_E_CORRUPT, "the schema of the checkpoint is no text");
    schema->text = malloc(sz + 1);
    schema->lines = calloc(cnt + 1, sizeof *schema->lines);
    if (!schema->text || !schema->lines) return tm_error_set(-ENOMEM, "schema: out of memory");
    memcpy(schema->text, text, sz);
    schema->text[sz] = '\0';
    char *at = schema->text;
    for (uint32_t i = 0; i < cnt; i++) {
        schema->lines[i] = at;
        at = strchr(at, '\n');
        *at++ = '\0';
    }
    TM_TRY(head_read(schema, cnt));
    return operators_read(schema, cnt);
}

void tm_state_schema_free(tm_state_schema_t *schema)
{
    free(schema->text);
    free(schema->lines);
    *schema = (tm_state_schema_t){0};
}

const tm_schema_operator_t *tm_state_schema_find(const tm_state_schema_t *schema, const char *id)
{
    for (uint32_t i = 0; i < schema->op_cnt; i++)
        if (strcmp(schema->ops[i].id, id) == 0) return &schema->ops[i];
    return NULL;
}

/* ---- states of process functions ------------------------------------------------------------- */

bool tm_schema_field_read(const char *line, tm_schema_field_t *out)
{
    const char *at = take_word(take_text(line, "    field "), out->type);
    at = take_u32(at, " of ", &out->sz);
    at = take_u32(at, " at ", &out->off);
    out->name = take_rest(at, " ");
    return out->name != NULL;
}

static bool state_read(const char *line, tm_schema_state_t *out)
{
    uint64_t ttl_ns;
    const char *at = take_word(take_text(line, "  state "), out->kind);
    at = take_u32(at, " value ", &out->value_sz);
    at = take_u32(at, " key ", &out->key_sz);
    at = take_number(take_text(at, " ttl "), INT64_MAX, &ttl_ns);
    out->ttl_ns = (int64_t)ttl_ns;
    at = take_word(take_text(at, " "), out->time);
    out->name = take_rest(at, " ");
    return out->name != NULL;
}

bool tm_schema_state_next(const tm_schema_operator_t *op, uint32_t *line_idx,
                          tm_schema_state_t *out)
{
    for (; *line_idx < op->line_cnt; ++*line_idx) {
        if (!state_read(op->lines[*line_idx], out)) continue;
        out->fields = &op->lines[++*line_idx];
        out->field_cnt = 0;
        while (*line_idx < op->line_cnt && strncmp(op->lines[*line_idx], "    ", 4) == 0)
            out->field_cnt++, ++*line_idx;
        return true;
    }
    return false;
}
