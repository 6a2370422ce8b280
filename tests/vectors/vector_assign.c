/* Which windows rows belong to. Cases are run through a window operator: each row has a key of its
   own, and at the end every window that it was put into yields a result. Where the assignment does
   not hang on a clock, tm_window_list must say the same. */
#include "tests/vectors/vector.h"

#include <stdio.h>
#include <string.h>

static const char *const key[] = {"key", NULL};
static const tm_agg_spec_t counted[] = {{.as = "n", .fn = TM_AGG_COUNT}};

static tm_harness_t *counting_open(const tm_window_spec_t *window)
{
    tm_harness_t *h;
    tm_windowing_t what = {.window = *window, .aggs = counted, .agg_cnt = 1};
    /* Global windows would never say anything of themselves. */
    if (window->kind == TM_WINDOW_GLOBAL) what.trigger.kind = TM_TRIGGER_EVENT_TIME;
    tm_harness_spec_t spec = {.rows = vector_schema(), .key = key, .window = &what};
    if (tm_harness_open(&h, &spec) == 0) return h;
    vector_say("%s", tm_harness_error());
    return NULL;
}

static int64_t first_of(const tm_json_t *at, const char *const *names, int64_t otherwise)
{
    const tm_json_t *found = vector_any(at, names);
    return found && found->type == TM_JSON_INT ? found->number : otherwise;
}

#define FIRST_OF(at, otherwise, ...)                                                               \
    first_of(at, (const char *const[]){__VA_ARGS__, NULL}, otherwise)

/* Whether a window is listed; marks it. */
static bool listed(const tm_json_t *windows, int64_t start, int64_t end, uint8_t *used)
{
    size_t i = 0;
    for (const tm_json_t *w = tm_json_at(windows, 0); w; w = w->next, i++) {
        const tm_json_t *from = tm_json_at(w, 0), *to = tm_json_at(w, 1);
        bool global = w->type == TM_JSON_STRING || (from && from->type == TM_JSON_STRING);
        bool same = global ? start == INT64_MIN && end == INT64_MAX
                           : from && to && from->number == start && to->number == end;
        if (!same || used[i]) continue;
        used[i] = 1;
        return true;
    }
    return false;
}

/* What tm_window_list says. */
static bool list_holds(const tm_window_spec_t *spec, int64_t t, const tm_json_t *windows)
{
    static int64_t list[VECTOR_WINDOW_MAX][2];
    uint8_t used[VECTOR_WINDOW_MAX] = {0};
    size_t cnt = tm_json_cnt(windows);
    int n = tm_window_list(spec, t, list, VECTOR_WINDOW_MAX);
    bool same = n >= 0 && (size_t)n == cnt;
    for (int i = 0; i < n && same; i++) same = listed(windows, list[i][0], list[i][1], used);
    if (!same) vector_say("tm_window_list at %lld: %d windows", (long long)t, n);
    return same;
}

/* Results of one key are the windows of one row. */
static bool results_hold(tm_harness_t *h, const tm_json_t *assign)
{
    static uint8_t used[256][VECTOR_WINDOW_MAX];
    size_t cnts[256] = {0}, rows = tm_json_cnt(assign);
    memset(used, 0, sizeof used);
    tm_harness_watermark(h, 0, INT64_MAX);
    tm_harness_clock(h, INT64_MAX);
    for (const tm_harness_event_t *e; (e = tm_harness_next(h));) {
        int64_t idx, start, end;
        if (e->kind != TM_HARNESS_ROW) continue;
        if (!tm_harness_int64(h, e->row, "key", &idx) || (size_t)idx >= rows) return false;
        tm_harness_int64(h, e->row, "window_start", &start);
        tm_harness_int64(h, e->row, "window_end", &end);
        const tm_json_t *windows = tm_json_get(tm_json_at(assign, (size_t)idx), "windows");
        if (!listed(windows, start, end, used[idx])) {
            vector_say("row %lld: window [%lld, %lld) is not listed", (long long)idx,
                       (long long)start, (long long)end);
            return false;
        }
        cnts[idx]++;
    }
    for (size_t i = 0; i < rows; i++)
        if (cnts[i] != tm_json_cnt(tm_json_get(tm_json_at(assign, i), "windows"))) {
            vector_say("row %zu is in %zu windows", i, cnts[i]);
            return false;
        }
    return true;
}

/* Rows that name parameters and the start of their window themselves. */
static vector_verdict_t starts_hold(const tm_json_t *c)
{
    for (const tm_json_t *a = tm_json_at(tm_json_get(c, "assign"), 0); a; a = a->next) {
        tm_window_spec_t spec = tm_tumbling(tm_json_int(a, "size", 0));
        int64_t window[1][2], start = tm_json_int(a, "start", 0);
        spec.offset_ns = tm_json_int(a, "offset", 0);
        if (tm_json_get(a, "slide")) {
            spec.kind = TM_WINDOW_SLIDING;
            spec.slide_ns = tm_json_int(a, "slide", 0);
        }
        int n = tm_window_list(&spec, tm_json_int(a, "ts", 0), window, 1);
        if (n == 1 && window[0][0] == start && window[0][1] == start + spec.size_ns) continue;
        vector_say("time %lld starts at %lld", (long long)tm_json_int(a, "ts", 0),
                   n == 1 ? (long long)window[0][0] : -1);
        return VECTOR_FAILED;
    }
    return VECTOR_PASSED;
}

vector_verdict_t vector_assign(const tm_json_t *c)
{
    tm_window_spec_t spec;
    const tm_json_t *assign = tm_json_get(c, "assign"), *params = tm_json_get(c, "params");
    if (!tm_json_get(c, "kind")) return starts_hold(c);
    if (!vector_window_read(c, c, &spec) || tm_json_cnt(assign) > 256) return VECTOR_UNKNOWN;
    bool clocked = spec.time == TM_PROCESSING_TIME;
    tm_harness_t *h = counting_open(&spec);
    if (!h) return VECTOR_FAILED;
    int64_t now = FIRST_OF(params, 0, "first_processing_time", "processing_time");
    tm_harness_clock(h, FIRST_OF(c, now, "first_processing_time", "processing_time"));

    uint64_t no = 0;
    bool holds = true;
    for (const tm_json_t *a = tm_json_at(assign, 0); a; a = a->next, no++) {
        int64_t ts = tm_json_int(a, "ts", TM_TIME_NONE);
        if (clocked)
            tm_harness_clock(h, FIRST_OF(a, ts, "now", "proc_time", "processing_time", "t"));
        vector_element_t row = {.row.event_ns = ts, .key = no};
        row.gap = FIRST_OF(a, spec.gap_ns, "gap");
        tm_harness_row(h, &row);
        if (!clocked && spec.stagger == TM_STAGGER_ALIGNED && !spec.gap_field)
            holds = holds && list_holds(&spec, ts, tm_json_get(a, "windows"));
    }
    holds = results_hold(h, assign) && holds;
    tm_harness_close(h);
    return holds ? VECTOR_PASSED : VECTOR_FAILED;
}

vector_verdict_t vector_invalid(const tm_json_t *c)
{
    tm_window_spec_t spec;
    if (!vector_window_read(c, c, &spec)) return VECTOR_UNKNOWN;
    tm_windowing_t what = {.window = spec, .aggs = counted, .agg_cnt = 1};
    tm_harness_spec_t harness = {.rows = vector_schema(), .key = key, .window = &what};
    tm_harness_t *h;
    if (tm_harness_open(&h, &harness) < 0) {
        vector_say("%s", tm_harness_error());
        return VECTOR_PASSED;
    }
    vector_say("it was accepted");
    tm_harness_close(h);
    return VECTOR_FAILED;
}

/* ---- sessions that become one ---------------------------------------------------------------- */

static const tm_result_field_t merged_fields[] = {{.name = "no", .type = TM_RESULT_INT64},
                                                  {.name = "cnt", .type = TM_RESULT_INT64}};

/* A result a row of the session: which window of the case it was. */
static void merged(void *ctx, tm_window_call_t *call)
{
    (void)ctx;
    for (const void *row = NULL; (row = tm_window_call_next(call, row));) {
        tm_window_call_begin(call);
        tm_window_call_int64(call, 0, ((const vector_element_t *)row)->value);
        tm_window_call_int64(call, 1, (int64_t)tm_window_call_row_cnt(call));
    }
}

/* The call whose result a window is; its members are in "merged". */
static const tm_json_t *merge_of(const tm_json_t *calls, int64_t start, int64_t end)
{
    for (const tm_json_t *m = tm_json_at(calls, 0); m; m = m->next) {
        const tm_json_t *r = tm_json_get(m, "result");
        if (tm_json_at(r, 0)->number == start && tm_json_at(r, 1)->number == end) return m;
    }
    return NULL;
}

/* A window [start, end) is a row at start whose own gap is end - start. */
vector_verdict_t vector_merge(const tm_json_t *c)
{
    tm_harness_t *h;
    tm_windowing_t what = {
        .window = tm_session_by("gap"), .process = merged, .fields = merged_fields, .field_cnt = 2};
    tm_harness_spec_t spec = {.rows = vector_schema(), .key = key, .window = &what};
    if (tm_harness_open(&h, &spec) < 0) {
        vector_say("%s", tm_harness_error());
        return VECTOR_FAILED;
    }
    const tm_json_t *windows = tm_json_get(c, "windows"), *calls = tm_json_get(c, "merge_calls");
    int64_t no = 0;
    for (const tm_json_t *w = tm_json_at(windows, 0); w; w = w->next) {
        int64_t start = tm_json_at(w, 0)->number, end = tm_json_at(w, 1)->number;
        vector_element_t row = {.row.event_ns = start, .value = no++, .gap = end - start};
        tm_harness_row(h, &row);
    }
    tm_harness_watermark(h, 0, INT64_MAX);

    uint8_t used[VECTOR_WINDOW_MAX] = {0};
    int64_t in_calls = 0, rows = 0;
    bool holds = true;
    for (const tm_harness_event_t *e; (e = tm_harness_next(h));) {
        int64_t at, cnt, start, end;
        if (e->kind != TM_HARNESS_ROW) continue;
        tm_harness_int64(h, e->row, "no", &at);
        tm_harness_int64(h, e->row, "cnt", &cnt);
        tm_harness_int64(h, e->row, "window_start", &start);
        tm_harness_int64(h, e->row, "window_end", &end);
        rows++;
        const tm_json_t *w = tm_json_at(windows, (size_t)at), *call = merge_of(calls, start, end);
        if (cnt == 1) {
            holds = holds && !call;
            continue;
        }
        in_calls++;
        holds = holds && call && (size_t)cnt == tm_json_cnt(tm_json_get(call, "merged")) &&
                listed(tm_json_get(call, "merged"), tm_json_at(w, 0)->number,
                       tm_json_at(w, 1)->number, used);
        memset(used, 0, sizeof used);
    }
    for (const tm_json_t *m = tm_json_at(calls, 0); m; m = m->next)
        in_calls -= (int64_t)tm_json_cnt(tm_json_get(m, "merged"));
    if (in_calls != 0 || rows != no) holds = false;
    if (!holds) vector_say("other sessions became one");
    tm_harness_close(h);
    return holds ? VECTOR_PASSED : VECTOR_FAILED;
}

/* ---- slices ---------------------------------------------------------------------------------- */

static bool is_range(const tm_json_t *want, const int64_t *range)
{
    const tm_json_t *start = tm_json_at(want, 0), *end = tm_json_at(want, 1);
    return start && end && start->number == range[0] && end->number == range[1];
}

static bool split_holds(const tm_window_spec_t *spec, const tm_json_t *s)
{
    const tm_json_t *window = tm_json_get(s, "window"),
                    *pane = tm_json_at(tm_json_get(s, "panes"), 0);
    int64_t slice[2] = {0, tm_json_at(window, 0)->number}, end = tm_json_at(window, 1)->number;
    for (; slice[1] < end; pane = pane ? pane->next : NULL)
        if (tm_window_slice_at(spec, slice[1], slice) != 1 || !is_range(pane, slice)) return false;
    return !pane && slice[1] == end;
}

vector_verdict_t vector_panes(const tm_json_t *c, const char *kind)
{
    tm_window_spec_t spec;
    int64_t slice[2], window[1][2];
    /* Where the case does not name its kind, its section does. */
    tm_json_t word = {.type = TM_JSON_STRING, .key = "kind", .text = kind, .next = c->kid};
    tm_json_t with = *c;
    with.kid = &word;
    if (!vector_window_read(&with, c, &spec)) return VECTOR_UNKNOWN;
    for (const tm_json_t *p = tm_json_at(tm_json_get(c, "pane_of"), 0); p; p = p->next)
        if (tm_window_slice_at(&spec, tm_json_int(p, "ts", 0), slice) != 1 ||
            !is_range(tm_json_get(p, "pane"), slice)) {
            vector_say("time %lld is in another slice", (long long)tm_json_int(p, "ts", 0));
            return VECTOR_FAILED;
        }
    for (const tm_json_t *s = tm_json_at(tm_json_get(c, "split"), 0); s; s = s->next)
        if (!split_holds(&spec, s)) {
            vector_say("a window is made of other slices");
            return VECTOR_FAILED;
        }
    const tm_json_t *l = tm_json_at(tm_json_get(c, "last_window_of_pane"), 0);
    for (; l; l = l->next)
        if (tm_window_list(&spec, tm_json_at(tm_json_get(l, "pane"), 0)->number, window, 1) != 1 ||
            !is_range(tm_json_get(l, "last"), window[0])) {
            vector_say("another window is the last of a slice");
            return VECTOR_FAILED;
        }
    return VECTOR_PASSED;
}
