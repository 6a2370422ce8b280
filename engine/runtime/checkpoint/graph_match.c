#include "engine/runtime/checkpoint/graph_match.h"

#include "base/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ALLOW "to go on without it, give --allow-dropped-state"

void tm_graph_match_same(tm_graph_match_t *match)
{
    memset(match, 0, sizeof *match);
    for (uint32_t i = 0; i < TM_JOB_NODE_MAX; i++) match->nodes[i] = (int16_t)i;
}

void tm_graph_match_free(tm_graph_match_t *match)
{
    for (uint32_t i = 0; i < TM_JOB_NODE_MAX; i++) free(match->states[i]);
    memset(match, 0, sizeof *match);
}

/* ---- layouts --------------------------------------------------------------------------------- */

static int layout_check(const char *what, uint32_t was, uint32_t is)
{
    if (was == is) return 0;
    return tm_error_set(TM_E_UNSUPPORTED,
                        "%s: laid out in version %u, and this build has version %u: go on with "
                        "the build that wrote it",
                        what, was, is);
}

static int builds_check(const tm_state_schema_t *was, const tm_state_schema_t *is)
{
    if (strcmp(was->machine, is->machine) != 0)
        return tm_error_set(TM_E_UNSUPPORTED, "it was written on a %s machine, this one is %s",
                            was->machine, is->machine);
    TM_TRY(layout_check("pages of state", was->pages_layout, is->pages_layout));
    TM_TRY(layout_check("state of threads", was->threads_layout, is->threads_layout));
    if (was->ingest_cnt == is->ingest_cnt) return 0;
    return tm_error_set(TM_E_CONFIG,
                        "it had %u ingest threads, now there are %u: give as many "
                        "--ingest-cores",
                        was->ingest_cnt, is->ingest_cnt);
}

/* ---- states of process functions ------------------------------------------------------------- */

/* The state of a name among those of an operator; -1 = none. */
static int state_find(const tm_schema_operator_t *op, const char *name, tm_schema_state_t *out)
{
    uint32_t line = 0;
    for (int i = 0; tm_schema_state_next(op, &line, out); i++)
        if (strcmp(out->name, name) == 0) return i;
    return -1;
}

static bool field_find(const tm_schema_state_t *state, const char *name, tm_schema_field_t *out)
{
    for (uint32_t i = 0; i < state->field_cnt; i++)
        if (tm_schema_field_read(state->fields[i], out) && strcmp(out->name, name) == 0)
            return true;
    return false;
}

static bool fields_are_equal(const tm_schema_state_t *a, const tm_schema_state_t *b)
{
    if (a->value_sz != b->value_sz || a->field_cnt != b->field_cnt) return false;
    for (uint32_t i = 0; i < a->field_cnt; i++)
        if (strcmp(a->fields[i], b->fields[i]) != 0) return false;
    return true;
}

/* Values of both sides are described: those fields stay that have name and type in common. */
static int fields_match(const char *id, const tm_schema_state_t *was, const tm_schema_state_t *is,
                        tm_state_move_t *move)
{
    move->converts = true;
    move->value_sz = is->value_sz;
    for (uint32_t i = 0; i < was->field_cnt; i++) {
        tm_schema_field_t a, b;
        if (!tm_schema_field_read(was->fields[i], &a) || a.sz > was->value_sz ||
            a.off > was->value_sz - a.sz || i >= TM_STATE_COPY_MAX)
            return tm_error_set(TM_E_CORRUPT, "%s: state '%s': a field that is none", id,
                                was->name);
        if (!field_find(is, a.name, &b)) continue;
        if (strcmp(a.type, b.type) != 0 || a.sz != b.sz)
            return tm_error_set(TM_E_CONFIG, "%s: state '%s': field '%s' was %s, is %s", id,
                                was->name, a.name, a.type, b.type);
        move->copies[move->copy_cnt++] = (tm_state_copy_t){a.off, b.off, a.sz};
    }
    return 0;
}

static int state_match(const char *id, const tm_schema_state_t *was, const tm_schema_state_t *is,
                       tm_state_move_t *move)
{
    if (strcmp(was->kind, is->kind) != 0)
        return tm_error_set(TM_E_CONFIG, "%s: state '%s' was a %s, is a %s", id, was->name,
                            was->kind, is->kind);
    if (was->key_sz != is->key_sz)
        return tm_error_set(TM_E_CONFIG, "%s: state '%s': keys had %u bytes, have %u", id,
                            was->name, was->key_sz, is->key_sz);
    if (strcmp(was->time, is->time) != 0)
        return tm_error_set(TM_E_CONFIG,
                            "%s: state '%s': values expired by '%s', now by '%s': give it another "
                            "name",
                            id, was->name, was->time, is->time);
    if (was->field_cnt > 0 && is->field_cnt > 0)
        return fields_are_equal(was, is) ? 0 : fields_match(id, was, is, move);
    if (was->value_sz == is->value_sz) return 0;
    return tm_error_set(TM_E_CONFIG,
                        "%s: state '%s': values had %u bytes, have %u (a change of fields needs a "
                        "state whose struct was declared before and after it)",
                        id, was->name, was->value_sz, is->value_sz);
}

static bool is_state_line(const char *line)
{
    return strncmp(line, "  state ", 8) == 0 || strncmp(line, "    ", 4) == 0;
}

static bool has_states(const tm_schema_operator_t *op)
{
    for (uint32_t i = 0; i < op->line_cnt; i++)
        if (is_state_line(op->lines[i])) return true;
    return false;
}

/* Descriptors by name; *moved: some lie elsewhere than they did. */
static int states_match(const tm_graph_match_t *m, const tm_schema_operator_t *was,
                        const tm_schema_operator_t *is, tm_state_move_t *moves, bool *moved)
{
    tm_schema_state_t a, b;
    uint32_t line = 0;
    int idx = 0;
    for (; tm_schema_state_next(was, &line, &a); idx++) {
        if (idx == TM_STATE_CNT_MAX) return tm_error_set(TM_E_CORRUPT, "%s: states", was->id);
        tm_state_move_t *move = &moves[idx];
        move->to = state_find(is, a.name, &b);
        if (move->to < 0 && !m->allow_dropped)
            return tm_error_set(TM_E_CONFIG, "%s: state '%s' is gone; " ALLOW, was->id, a.name);
        if (move->to >= 0) TM_TRY(state_match(was->id, &a, &b, move));
        *moved |= move->to != idx || move->converts;
    }
    for (line = 0; tm_schema_state_next(is, &line, &b);) idx--;
    *moved |= idx != 0; /* some are new */
    return 0;
}

/* ---- operators ------------------------------------------------------------------------------- */

/* The next line that is none of a state. */
static const char *plain_next(const tm_schema_operator_t *op, uint32_t *at)
{
    while (*at < op->line_cnt && is_state_line(op->lines[*at])) ++*at;
    return *at < op->line_cnt ? op->lines[(*at)++] : NULL;
}

/* Keys are told by their types: a field may have another name. */
static bool line_is_equal(const char *a, const char *b)
{
    if (strncmp(a, "  key ", 6) != 0 || strncmp(b, "  key ", 6) != 0) return strcmp(a, b) == 0;
    const size_t sz = strcspn(a + 6, " ");
    return strcspn(b + 6, " ") == sz && memcmp(a + 6, b + 6, sz) == 0;
}

/* They tell of the same: size_ns of size_ns, and not of another aggregate. */
static bool words_are_equal(const char *a, const char *b)
{
    const size_t sz = 2 + strcspn(a + 2, " ");
    return strncmp(a, b, sz) == 0 && (b[sz] == ' ' || b[sz] == '\0');
}

static bool has_line(const tm_schema_operator_t *op, const char *line)
{
    for (uint32_t i = 0; i < op->line_cnt; i++)
        if (line_is_equal(op->lines[i], line)) return true;
    return false;
}

static int lines_match(const tm_schema_operator_t *was, const tm_schema_operator_t *is)
{
    uint32_t at = 0, now = 0;
    for (;;) {
        const char *a = plain_next(was, &at), *b = plain_next(is, &now);
        if (!a && !b) return 0;
        if (a && b && line_is_equal(a, b)) continue;
        const char *hint = "give the operator another id to begin anew";
        if (a && b && words_are_equal(a, b) && !has_line(is, a) && !has_line(was, b))
            return tm_error_set(TM_E_CONFIG, "%s: '%s' was '%s'; %s", was->id, b + 2, a + 2, hint);
        if (b && (!a || !has_line(was, b)))
            return tm_error_set(TM_E_CONFIG, "%s: '%s' is new in it; %s", was->id, b + 2, hint);
        return tm_error_set(TM_E_CONFIG, "%s: '%s' is %s; %s", was->id, a + 2,
                            has_line(is, a) ? "at another place" : "gone from it", hint);
    }
}

static int operator_match(tm_graph_match_t *m, const tm_schema_operator_t *was,
                          const tm_schema_operator_t *is)
{
    if (strcmp(was->kind, is->kind) != 0)
        return tm_error_set(TM_E_CONFIG, "%s: it was a %s, is a %s: give it another id", was->id,
                            was->kind, is->kind);
    TM_TRY(layout_check(was->id, was->layout, is->layout));
    if (strcmp(was->place, is->place) != 0)
        return tm_error_set(TM_E_CONFIG, "%s: it ran on the %s threads and now runs on the %s ones",
                            was->id, was->place, is->place);
    TM_TRY(lines_match(was, is));
    if (!has_states(was) && !has_states(is)) return 0;
    bool moved = false;
    tm_state_move_t *moves = calloc(TM_STATE_CNT_MAX, sizeof *moves);
    if (!moves) return tm_error_set(-ENOMEM, "restore: out of memory");
    m->states[was->node_idx] = moves;
    TM_TRY(states_match(m, was, is, moves, &moved));
    m->moves |= moved;
    return 0;
}

int tm_graph_match(tm_graph_match_t *match, const tm_state_schema_t *was,
                   const tm_state_schema_t *is, bool allow_dropped)
{
    memset(match, 0, sizeof *match);
    match->changed = true;
    match->allow_dropped = allow_dropped;
    for (uint32_t i = 0; i < TM_JOB_NODE_MAX; i++) match->nodes[i] = -1;
    TM_TRY(builds_check(was, is));
    for (uint32_t i = 0; i < was->op_cnt; i++) {
        const tm_schema_operator_t *a = &was->ops[i], *b = tm_state_schema_find(is, a->id);
        if (b) match->nodes[a->node_idx] = (int16_t)b->node_idx;
        if (b && a->layout > 0) TM_TRY(operator_match(match, a, b));
        if (b || a->layout == 0) continue;
        if (!allow_dropped)
            return tm_error_set(TM_E_CONFIG,
                                "%s: it has state there, and the job has no such "
                                "operator any more; " ALLOW,
                                a->id);
        match->dropped[match->dropped_cnt++] = a;
        match->moves |= strcmp(a->place, "worker") == 0 && strncmp(a->kind, "sink_", 5) != 0;
    }
    return 0;
}
