/* Watermarks of several inputs, and those made from times. */
#include "tests/vectors/vector.h"

#include <string.h>

/* Whether one thing that came out is what a case lists. */
static bool is_event(const tm_harness_event_t *e, const tm_json_t *want)
{
    if (want->type == TM_JSON_STRING) {
        tm_harness_kind_t kind = strcmp(want->text, "IDLE") == 0 ? TM_HARNESS_IDLE
                                                                 : TM_HARNESS_ACTIVE;
        return e->kind == kind;
    }
    if (want->type == TM_JSON_OBJECT) want = tm_json_get(want, "ts");
    return e->kind == TM_HARNESS_WATERMARK && want && want->number == e->time_ns;
}

static bool came_out(tm_harness_t *h, const tm_json_t *want)
{
    const tm_harness_event_t *e;
    const tm_json_t *w = tm_json_at(want, 0);
    bool same = true;
    for (; (e = tm_harness_next(h)); w = w ? w->next : NULL) same = same && w && is_event(e, w);
    return same && !w;
}

static bool step(tm_harness_t *h, const tm_json_t *s)
{
    const char *op = tm_json_text(s, "op", "");
    uint32_t input = (uint32_t)tm_json_int(s, "channel", 0);
    if (strcmp(op, "watermark") == 0)
        tm_harness_watermark(h, input, tm_json_int(s, "ts", 0));
    else if (strcmp(op, "idle") == 0)
        tm_harness_idle(h, input);
    else if (strcmp(op, "active") == 0)
        tm_harness_active(h, input);
    else
        return false;
    return true;
}

vector_verdict_t vector_valve(const tm_json_t *c)
{
    tm_harness_t *h;
    tm_harness_spec_t spec = {.input_cnt = (uint32_t)tm_json_int(c, "channels", 1)};
    vector_verdict_t verdict = VECTOR_PASSED;
    if (tm_harness_open(&h, &spec) < 0) {
        vector_say("%s", tm_harness_error());
        return VECTOR_FAILED;
    }
    int no = 0;
    const tm_json_t *s = tm_json_at(tm_json_get(c, "steps"), 0);
    for (; s && verdict == VECTOR_PASSED; s = s->next, no++) {
        if (!step(h, s)) {
            vector_say("step %d: op '%s' is not known", no, tm_json_text(s, "op", ""));
            verdict = VECTOR_UNKNOWN;
        } else if (tm_json_get(s, "expect") && !came_out(h, tm_json_get(s, "expect"))) {
            vector_say("step %d: something else came out", no);
            verdict = VECTOR_FAILED;
        }
    }
    tm_harness_close(h);
    return verdict;
}

vector_verdict_t vector_bounded(const tm_json_t *c)
{
    tm_harness_t *h;
    tm_harness_spec_t spec = {
        .rows = vector_schema(), .watermarks = true, .bound_ns = tm_json_int(c, "bound", 0)};
    const tm_json_t *want = tm_json_get(c, "periodic_emit");
    if (!want || (want->type != TM_JSON_INT && want->type != TM_JSON_NULL)) return VECTOR_UNKNOWN;
    if (tm_harness_open(&h, &spec) < 0) {
        vector_say("%s", tm_harness_error());
        return VECTOR_FAILED;
    }
    for (const tm_json_t *e = tm_json_at(tm_json_get(c, "events"), 0); e; e = e->next) {
        vector_element_t row = {.row.event_ns = e->number};
        if (e->type == TM_JSON_OBJECT) row.row.event_ns = tm_json_int(e, "ts", TM_TIME_NONE);
        tm_harness_row(h, &row);
    }
    while (tm_harness_next(h)) {
    }
    int64_t now = tm_harness_emit_watermark(h);
    int64_t expected = want->type == TM_JSON_INT ? want->number : TM_TIME_NONE;
    const tm_harness_event_t *e = tm_harness_next(h);
    bool same = now == expected &&
                (expected == TM_TIME_NONE
                     ? !e
                     : e && e->kind == TM_HARNESS_WATERMARK && e->time_ns == expected);
    /* Asked again, it says the same, and there is nothing new to hand on. */
    while (tm_harness_next(h)) {
    }
    same = same && tm_harness_emit_watermark(h) == expected && !tm_harness_next(h);
    if (!same) vector_say("watermark %lld instead", (long long)now);
    tm_harness_close(h);
    return same ? VECTOR_PASSED : VECTOR_FAILED;
}
