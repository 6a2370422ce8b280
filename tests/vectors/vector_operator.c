/* Steps of a window operator. Every case is run with its result made in each way that there is:
   aggregates, with slices and without, a reduction, an aggregate of callbacks and a function that
   sees all rows. All of them must yield what the case lists. */
#include "tests/vectors/vector.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum way { BY_AGGREGATE, BY_RECORD, BY_REDUCE, BY_CALLBACKS, BY_FUNCTION, WAY_CNT } way_t;

static const char *const way_names[] = {"aggregate", "aggregate without slices", "reduce",
                                        "user aggregate", "window function"};

typedef struct subject {
    tm_harness_t *h;
    tm_window_spec_t window;
    const tm_json_t *gaps;
    bool has_bounds; /* results say which window they are of */
    vector_element_t rows[VECTOR_WINDOW_MAX], late[VECTOR_WINDOW_MAX];
    int64_t bounds[VECTOR_WINDOW_MAX][2];
    int64_t watermarks[VECTOR_WINDOW_MAX];
    uint32_t row_cnt, late_cnt, watermark_cnt;
} subject_t;

/* ---- the sum of values, in five ways --------------------------------------------------------- */

static void sum_reduce(void *ctx, void *into, const void *row)
{
    (void)ctx;
    ((vector_element_t *)into)->value += ((const vector_element_t *)row)->value;
}

static void sum_init(void *ctx, void *acc)
{
    (void)ctx;
    *(int64_t *)acc = 0;
}

static void sum_add(void *ctx, void *acc, const void *row)
{
    (void)ctx;
    *(int64_t *)acc += ((const vector_element_t *)row)->value;
}

static void sum_merge(void *ctx, void *into, const void *from)
{
    (void)ctx;
    *(int64_t *)into += *(const int64_t *)from;
}

static void sum_result(void *ctx, tm_window_call_t *call, const void *acc)
{
    (void)ctx;
    tm_window_call_int64(call, 0, *(const int64_t *)acc);
}

static void sum_rows(void *ctx, tm_window_call_t *call)
{
    (void)ctx;
    int64_t sum = 0;
    for (const void *row = NULL; (row = tm_window_call_next(call, row));)
        sum += ((const vector_element_t *)row)->value;
    tm_window_call_begin(call);
    tm_window_call_int64(call, 0, sum);
}

static const tm_user_agg_t sum_user = {.acc_sz = sizeof(int64_t),
                                       .init = sum_init,
                                       .add = sum_add,
                                       .merge = sum_merge,
                                       .result = sum_result};
static const tm_result_field_t value_field[] = {{.name = "value", .type = TM_RESULT_INT64}};

/* Which aggregate a word asks for; 0 = none that is known. */
static tm_agg_fn_t agg_of(const char *word)
{
    static const struct {
        const char *word;
        tm_agg_fn_t fn;
    } fns[] = {{"sum", TM_AGG_SUM},  {"reduce", TM_AGG_SUM}, {"count", TM_AGG_COUNT},
               {"min", TM_AGG_MIN},  {"max", TM_AGG_MAX},    {"first", TM_AGG_FIRST},
               {"last", TM_AGG_LAST}};
    for (size_t i = 0; i < sizeof fns / sizeof fns[0]; i++)
        if (strstr(word, fns[i].word)) return fns[i].fn;
    return 0;
}

static void way_set(tm_windowing_t *what, way_t way, tm_agg_spec_t *agg)
{
    agg->as = "value";
    agg->field = agg->fn == TM_AGG_COUNT ? NULL : "value";
    if (way == BY_AGGREGATE || way == BY_RECORD) {
        what->aggs = agg;
        what->agg_cnt = 1;
    } else if (way == BY_REDUCE) {
        what->reduce = sum_reduce;
    } else {
        what->user = way == BY_CALLBACKS ? &sum_user : NULL;
        what->process = way == BY_FUNCTION ? sum_rows : NULL;
        what->fields = value_field;
        what->field_cnt = 1;
    }
}

/* ---- steps ----------------------------------------------------------------------------------- */

static bool is_pattern(const tm_json_t *value, const tm_json_t *want)
{
    if (value->type == TM_JSON_STRING)
        return want && want->type == TM_JSON_STRING && strcmp(value->text, want->text) == 0;
    return want && want->number == value->number;
}

/* The gap of an element: its own, or that of the first pattern that it fits. */
static int64_t gap_of(const subject_t *s, const tm_json_t *element)
{
    const tm_json_t *own = tm_json_get(element, "gap");
    if (own) return own->number;
    for (const tm_json_t *g = tm_json_at(s->gaps, 0); g; g = g->next) {
        bool fits = true;
        for (const tm_json_t *m = g->kid; m; m = m->next)
            if (strcmp(m->key, "gap") != 0 && fits) {
                const tm_json_t *value = tm_json_get(element, m->key);
                fits = value && is_pattern(value, m);
            }
        if (fits) return tm_json_int(g, "gap", 0);
    }
    return s->window.gap_ns;
}

static int64_t window_max_of(const subject_t *s, int64_t ts)
{
    int64_t windows[1][2];
    return tm_window_list(&s->window, ts, windows, 1) == 1 ? windows[0][1] - 1 : INT64_MIN;
}

static int64_t ts_read(const subject_t *s, const tm_json_t *row)
{
    static const char of[] = "window_max_of:";
    const tm_json_t *ts = tm_json_get(row, "ts");
    if (!ts || ts->type == TM_JSON_NULL) return TM_TIME_NONE;
    if (ts->type != TM_JSON_STRING) return ts->number;
    if (strncmp(ts->text, of, sizeof of - 1) != 0) return TM_TIME_NONE;
    return window_max_of(s, strtoll(ts->text + sizeof of - 1, NULL, 10));
}

/* Moves what came out into the lists of the subject. */
static void collect(subject_t *s)
{
    for (const tm_harness_event_t *e; (e = tm_harness_next(s->h));) {
        if (s->row_cnt == VECTOR_WINDOW_MAX || s->late_cnt == VECTOR_WINDOW_MAX ||
            s->watermark_cnt == VECTOR_WINDOW_MAX)
            abort();
        if (e->kind == TM_HARNESS_LATE) {
            s->late[s->late_cnt++] = *(const vector_element_t *)e->row;
        } else if (e->kind == TM_HARNESS_WATERMARK) {
            s->watermarks[s->watermark_cnt++] = e->time_ns;
        } else if (e->kind == TM_HARNESS_ROW) {
            vector_element_t *row = &s->rows[s->row_cnt];
            int64_t key = 0, *bounds = s->bounds[s->row_cnt++];
            *row = (vector_element_t){.row.event_ns = e->time_ns};
            tm_harness_int64(s->h, e->row, "key", &key);
            row->key = (uint64_t)key;
            tm_harness_int64(s->h, e->row, "value", &row->value);
            s->has_bounds = tm_harness_int64(s->h, e->row, "window_start", &bounds[0]) &&
                            tm_harness_int64(s->h, e->row, "window_end", &bounds[1]);
        }
    }
}

static bool same_row(const subject_t *s, const vector_element_t *row, const tm_json_t *want)
{
    return row->key == vector_key(want) && row->value == tm_json_int(want, "value", 0) &&
           row->row.event_ns == ts_read(s, want);
}

static bool same_window(const subject_t *s, uint32_t i, const tm_json_t *want)
{
    const tm_json_t *window = tm_json_get(want, "window");
    if (!window || !s->has_bounds) return true;
    const tm_json_t *start = tm_json_at(window, 0), *end = tm_json_at(window, 1);
    return start && end && s->bounds[i][0] == start->number && s->bounds[i][1] == end->number;
}

/* Rows of one list against those of a step, in any order or in the given one. */
static bool rows_hold(subject_t *s, const tm_json_t *want, bool late, bool ordered)
{
    const vector_element_t *rows = late ? s->late : s->rows;
    uint32_t cnt = late ? s->late_cnt : s->row_cnt, next = 0, listed = 0, marks = 0;
    uint8_t used[VECTOR_WINDOW_MAX] = {0};
    for (const tm_json_t *w = tm_json_at(want, 0); w; w = w->next) {
        if (tm_json_get(w, "watermark")) {
            bool same = marks < s->watermark_cnt &&
                        s->watermarks[marks] == tm_json_int(w, "watermark", 0);
            marks++;
            if (!same) return false;
            continue;
        }
        uint32_t i = ordered ? next++ : 0;
        for (; i < cnt; i++) {
            if (!used[i] && same_row(s, &rows[i], w) && (late || same_window(s, i, w))) break;
            if (ordered) return false;
        }
        if (i >= cnt) return false;
        used[i] = 1;
        listed++;
    }
    return listed == cnt;
}

static vector_verdict_t expect(subject_t *s, const tm_json_t *step, int no, way_t way)
{
    const tm_json_t *out = tm_json_get(step, "out"), *side = tm_json_get(step, "side");
    bool any = strcmp(tm_json_text(step, "order", "any"), "any") == 0;
    collect(s);
    if (out && !rows_hold(s, out, false, !any)) {
        vector_say("step %d, %s: %u results, expected %zu", no, way_names[way], s->row_cnt,
                   tm_json_cnt(out));
        for (uint32_t i = 0; i < s->row_cnt && i < 1; i++)
            vector_say("first: key %llu value %lld ts %lld", (unsigned long long)s->rows[i].key,
                       (long long)s->rows[i].value, (long long)s->rows[i].row.event_ns);
        return VECTOR_FAILED;
    }
    if (out) s->row_cnt = s->watermark_cnt = 0;
    if (side && !rows_hold(s, side, true, false)) {
        vector_say("step %d, %s: %u late rows, expected %zu", no, way_names[way], s->late_cnt,
                   tm_json_cnt(side));
        return VECTOR_FAILED;
    }
    if (side) s->late_cnt = 0;
    return VECTOR_PASSED;
}

static vector_verdict_t step_run(subject_t *s, const tm_json_t *step, int no, way_t way)
{
    const char *op = tm_json_text(step, "op", "");
    int64_t ts = tm_json_int(step, "ts", tm_json_int(step, "t", 0));
    if (strcmp(op, "element") == 0) {
        vector_element_t row = {.row.event_ns = ts_read(s, step), .key = vector_key(step)};
        row.value = tm_json_int(step, "value", 0);
        row.gap = gap_of(s, step);
        tm_harness_row(s->h, &row);
    } else if (strcmp(op, "watermark") == 0) {
        tm_harness_watermark(s->h, 0, ts_read(s, step));
    } else if (strcmp(op, "watermark_at_window_max_of") == 0) {
        tm_harness_watermark(s->h, 0, window_max_of(s, ts));
    } else if (strcmp(op, "proc_time") == 0 || strcmp(op, "processing_time") == 0) {
        tm_harness_clock(s->h, tm_json_int(step, "t", ts));
    } else if (strcmp(op, "expect") == 0) {
        return expect(s, step, no, way);
    } else if (strcmp(op, "snapshot_close_restore") == 0) {
        if (tm_harness_restart(s->h) < 0) {
            vector_say("step %d, %s: %s", no, way_names[way], tm_harness_error());
            return VECTOR_FAILED;
        }
    } else {
        vector_say("step %d: op '%s' is not known", no, op);
        return VECTOR_UNKNOWN;
    }
    return VECTOR_PASSED;
}

static vector_verdict_t way_run(subject_t *s, const tm_json_t *c, way_t way)
{
    vector_verdict_t verdict = VECTOR_PASSED;
    int no = 0;
    const tm_json_t *step = tm_json_at(tm_json_get(c, "steps"), 0);
    for (; step && verdict == VECTOR_PASSED; step = step->next)
        verdict = step_run(s, step, no++, way);
    return verdict;
}

vector_verdict_t vector_operator(const tm_json_t *c, const tm_json_t *doc)
{
    static const char *const key[] = {"key", NULL};
    static subject_t s;
    tm_windowing_t what = {0};
    const tm_json_t *window = tm_json_get(c, "window");
    const char *agg_word = tm_json_text(c, "agg", tm_json_text(doc, "agg", "sum"));
    tm_agg_spec_t agg = {.fn = agg_of(agg_word)};
    vector_verdict_t verdict = VECTOR_PASSED;
    if (!agg.fn) {
        vector_say("aggregate '%s' is not known", agg_word);
        return VECTOR_UNKNOWN;
    }
    if (!vector_window_read(window, c, &what.window) || !vector_trigger_read(c, &what.trigger) ||
        !vector_evictor_read(c, &what.evictor))
        return VECTOR_UNKNOWN;
    for (int way = 0; way < WAY_CNT && verdict == VECTOR_PASSED; way++) {
        if (agg.fn != TM_AGG_SUM && way > BY_RECORD) break;
        s = (subject_t){.window = what.window, .gaps = tm_json_get(window, "gaps")};
        tm_windowing_t mine = what;
        way_set(&mine, (way_t)way, &agg);
        tm_harness_spec_t spec = {
            .rows = vector_schema(), .key = key, .window = &mine, .unsliced = way == BY_RECORD};
        if (tm_harness_open(&s.h, &spec) < 0) {
            vector_say("%s", tm_harness_error());
            return VECTOR_FAILED;
        }
        verdict = way_run(&s, c, (way_t)way);
        tm_harness_close(s.h);
    }
    return verdict;
}
