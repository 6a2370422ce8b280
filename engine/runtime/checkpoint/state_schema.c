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

/* The rest of a line behind what was read: a name. NULL where there is none. */
static const char *rest(const char *line, int at)
{
    return at > 0 && line[at] ? line + at : NULL;
}

static bool operator_read(const char *line, tm_schema_operator_t *op)
{
    int at = 0;
    return sscanf(line, "operator %31s layout %" SCNu32 " at %31s node %" SCNu32 " id %n", op->kind,
                  &op->layout, op->place, &op->node_idx, &at) == 4 &&
           (op->id = rest(line, at)) != NULL;
}

static int head_read(tm_state_schema_t *s, uint32_t line_cnt)
{
    uint32_t version;
    if (line_cnt < 1 || sscanf(s->lines[0], "tidemark schema %" SCNu32, &version) != 1)
        return bad_line(0, line_cnt ? s->lines[0] : "");
    if (version != TM_STATE_SCHEMA_VERSION)
        return tm_error_set(TM_E_UNSUPPORTED,
                            "its schema has version %u, and this build reads %d: use the build "
                            "that wrote it",
                            version, TM_STATE_SCHEMA_VERSION);
    if (line_cnt < 4 || strncmp(s->lines[1], "machine ", 8) != 0) return bad_line(1, "machine");
    s->machine = s->lines[1] + 8;
    if (sscanf(s->lines[2], "layout pages %" SCNu32 " threads %" SCNu32, &s->pages_layout,
               &s->threads_layout) != 2)
        return bad_line(2, s->lines[2]);
    if (sscanf(s->lines[3], "ingest %" SCNu32, &s->ingest_cnt) != 1)
        return bad_line(3, s->lines[3]);
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
    int at = 0;
    return sscanf(line, "    field %31s of %" SCNu32 " at %" SCNu32 " %n", out->type, &out->sz,
                  &out->off, &at) == 3 &&
           (out->name = rest(line, at)) != NULL;
}

bool tm_schema_state_next(const tm_schema_operator_t *op, uint32_t *line_idx,
                          tm_schema_state_t *out)
{
    for (; *line_idx < op->line_cnt; ++*line_idx) {
        const char *line = op->lines[*line_idx];
        int at = 0;
        if (sscanf(line, "  state %31s value %" SCNu32 " key %" SCNu32 " ttl %" SCNd64 " %31s %n",
                   out->kind, &out->value_sz, &out->key_sz, &out->ttl_ns, out->time, &at) != 5 ||
            (out->name = rest(line, at)) == NULL)
            continue;
        out->fields = &op->lines[++*line_idx];
        out->field_cnt = 0;
        while (*line_idx < op->line_cnt && strncmp(op->lines[*line_idx], "    ", 4) == 0)
            out->field_cnt++, ++*line_idx;
        return true;
    }
    return false;
}
