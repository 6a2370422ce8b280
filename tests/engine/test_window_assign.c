#include "base/error.h"
#include "engine/operators/window/window_assign.h"
#include "tests/tm_json.h"
#include "tests/tm_test.h"

#include <stdio.h>
#include <string.h>

enum { WINDOWS_MAX = 64 };

/* Times of the vectors are milliseconds; the geometry holds for any unit. */
static bool spec_read(const char *kind, const tm_json_t *params, tm_window_spec_t *spec)
{
    *spec = (tm_window_spec_t){.size_ns = tm_json_int(params, "size", 0),
                               .slide_ns = tm_json_int(params, "slide", 0),
                               .offset_ns = tm_json_int(params, "offset", 0)};
    if (strcmp(kind, "tumbling") == 0) {
        spec->kind = TM_WINDOW_TUMBLING;
    } else if (strcmp(kind, "sliding") == 0) {
        spec->kind = TM_WINDOW_SLIDING;
    } else if (strcmp(kind, "cumulative") == 0) {
        spec->kind = TM_WINDOW_CUMULATIVE;
        spec->size_ns = tm_json_int(params, "max_size", 0);
        spec->slide_ns = tm_json_int(params, "step", 0);
    } else {
        return false;
    }
    return true;
}

static bool same_sets(const tm_json_t *want, const tm_range_t *got, uint32_t cnt)
{
    if (tm_json_cnt(want) != cnt) return false;
    for (const tm_json_t *w = tm_json_at(want, 0); w; w = w->next) {
        uint32_t found = 0;
        for (uint32_t i = 0; i < cnt; i++)
            found += got[i].start == tm_json_at(w, 0)->number &&
                     got[i].end == tm_json_at(w, 1)->number;
        if (found != 1) return false;
    }
    return true;
}

static uint32_t assign_holds(const tm_json_t *list, const tm_window_spec_t *spec)
{
    uint32_t cnt = 0;
    for (const tm_json_t *a = tm_json_at(list, 0); a; a = a->next, cnt++) {
        tm_range_t got[WINDOWS_MAX];
        uint32_t n = tm_window_assign(spec, tm_json_int(a, "ts", 0), got, WINDOWS_MAX);
        tm_assert(same_sets(tm_json_get(a, "windows"), got, n));
    }
    return cnt;
}

Test(window_assign, puts_times_into_the_windows_of_the_vectors)
{
    const char *path = tm_json_shared("vectors/01_window_assigners.json");
    if (!path) tm_skip("shared vectors are not here");
    tm_json_t *doc = tm_json_load(path);
    tm_assert(doc != NULL);
    uint32_t cnt = 0;
    tm_window_spec_t spec;
    for (const tm_json_t *c = tm_json_at(tm_json_get(doc, "cases"), 0); c; c = c->next) {
        const tm_json_t *params = tm_json_get(c, "params");
        if (!spec_read(tm_json_text(c, "kind", ""), params, &spec)) continue;
        if (tm_json_get(params, "stagger"))
            spec.offset_ns = tm_json_int(params, "first_processing_time", 0) % spec.size_ns;
        tm_assert_eq(tm_window_spec_check(&spec), 0);
        cnt += assign_holds(tm_json_get(c, "assign"), &spec);
    }
    for (const tm_json_t *d = tm_json_at(tm_json_get(doc, "derived"), 0); d; d = d->next) {
        if (spec_read(tm_json_text(d, "kind", ""), tm_json_get(d, "params"), &spec)) {
            cnt += assign_holds(tm_json_get(d, "assign"), &spec);
            continue;
        }
        for (const tm_json_t *a = tm_json_at(tm_json_get(d, "assign"), 0); a; a = a->next, cnt++) {
            int64_t start;
            tm_assert(tm_window_floor(tm_json_int(a, "ts", 0), tm_json_int(a, "offset", 0),
                                      tm_json_int(a, "size", 0), &start));
            tm_assert_eq(start, tm_json_int(a, "start", 1));
        }
    }
    tm_assert(cnt >= 30);
    tm_json_free(doc);
}

Test(window_assign, refuses_the_parameters_that_the_vectors_call_invalid)
{
    const char *path = tm_json_shared("vectors/01_window_assigners.json");
    if (!path) tm_skip("shared vectors are not here");
    tm_json_t *doc = tm_json_load(path);
    tm_assert(doc != NULL);
    uint32_t cnt = 0;
    const tm_json_t *v = tm_json_at(tm_json_get(doc, "invalid_parameters"), 0);
    for (; v; v = v->next) {
        tm_window_spec_t spec;
        if (!spec_read(tm_json_text(v, "kind", ""), tm_json_get(v, "params"), &spec)) continue;
        tm_error_clear();
        tm_assert(tm_window_spec_check(&spec) < 0);
        tm_assert(tm_error_text()[0] != '\0');
        cnt++;
    }
    tm_assert(cnt >= 8);
    tm_json_free(doc);
}

Test(window_assign, cuts_cumulative_windows_into_the_panes_of_the_vectors)
{
    const char *path = tm_json_shared("vectors/01_window_assigners.json");
    if (!path) tm_skip("shared vectors are not here");
    tm_json_t *doc = tm_json_load(path);
    tm_assert(doc != NULL);
    const tm_json_t *panes = tm_json_get(doc, "cumulative_panes");
    tm_window_spec_t spec;
    tm_assert(spec_read("cumulative", tm_json_get(panes, "params"), &spec));
    tm_range_t slice, first, last;
    bool gap;
    for (const tm_json_t *p = tm_json_at(tm_json_get(panes, "pane_of"), 0); p; p = p->next) {
        tm_assert(tm_window_slice(&spec, tm_json_int(p, "ts", 0), &slice, &gap) && !gap);
        tm_assert_eq(slice.start, tm_json_at(tm_json_get(p, "pane"), 0)->number);
        tm_assert_eq(slice.end, tm_json_at(tm_json_get(p, "pane"), 1)->number);
    }
    const tm_json_t *p = tm_json_at(tm_json_get(panes, "last_window_of_pane"), 0);
    for (; p; p = p->next) {
        slice.start = tm_json_at(tm_json_get(p, "pane"), 0)->number;
        slice.end = tm_json_at(tm_json_get(p, "pane"), 1)->number;
        tm_assert(tm_window_span(&spec, slice, &first, &last));
        tm_assert_eq(last.start, tm_json_at(tm_json_get(p, "last"), 0)->number);
        tm_assert_eq(last.end, tm_json_at(tm_json_get(p, "last"), 1)->number);
    }
    tm_json_free(doc);
}

/* By definition: every k for which [offset + k * slide, + size) contains t. */
static uint32_t assign_slowly(const tm_window_spec_t *s, int64_t t, tm_range_t *out)
{
    uint32_t n = 0;
    for (int64_t k = -200; k <= 200; k++) {
        if (s->kind == TM_WINDOW_CUMULATIVE) {
            int64_t base = s->offset_ns + k * s->size_ns;
            for (int64_t end = base + s->slide_ns; end <= base + s->size_ns; end += s->slide_ns)
                if (base <= t && t < end) out[n++] = (tm_range_t){base, end};
            continue;
        }
        int64_t step = s->kind == TM_WINDOW_SLIDING ? s->slide_ns : s->size_ns;
        int64_t start = s->offset_ns + k * step;
        if (start <= t && t < start + s->size_ns)
            out[n++] = (tm_range_t){start, start + s->size_ns};
    }
    return n;
}

Test(window_assign, agrees_with_the_definition_for_small_windows_of_every_shape)
{
    for (int64_t size = 1; size <= 12; size++) {
        for (int64_t slide = 1; slide <= 14; slide++) {
            for (int64_t offset = -3; offset <= 3; offset++) {
                for (int kind = 0; kind < 3; kind++) {
                    tm_window_spec_t s = {(tm_window_kind_t)(TM_WINDOW_TUMBLING + kind), size,
                                          slide, offset, 0};
                    if (tm_window_spec_check(&s) != 0) continue;
                    for (int64_t t = -30; t <= 30; t++) {
                        tm_range_t got[WINDOWS_MAX], want[WINDOWS_MAX];
                        uint32_t n = tm_window_assign(&s, t, got, WINDOWS_MAX);
                        uint32_t m = assign_slowly(&s, t, want);
                        tm_assert_eq(n, m);
                        for (uint32_t i = 0; i < n; i++) {
                            uint32_t found = 0;
                            for (uint32_t j = 0; j < m; j++)
                                found += got[i].start == want[j].start && got[i].end == want[j].end;
                            tm_assert_eq(found, 1u);
                        }
                        /* All times of a slice are in the same windows. */
                        tm_range_t slice, again;
                        bool gap, gap_again;
                        tm_assert(tm_window_slice(&s, t, &slice, &gap));
                        tm_assert(slice.start <= t && t < slice.end);
                        tm_assert_eq(gap, n == 0);
                        for (int64_t u = slice.start; u < slice.end; u++) {
                            tm_assert(tm_window_slice(&s, u, &again, &gap_again));
                            tm_assert(again.start == slice.start && again.end == slice.end);
                            tm_assert_eq(assign_slowly(&s, u, want), m);
                        }
                        /* The window after a watermark is the first that ends above it + 1. */
                        tm_range_t after;
                        tm_assert(tm_window_after(&s, t, &after));
                        tm_assert(after.end - 1 > t);
                        int64_t step = kind == 0 ? size : slide;
                        tm_assert(after.end - step - 1 <= t);
                    }
                }
            }
        }
    }
}

Test(window_assign, says_no_where_a_bound_does_not_fit)
{
    tm_window_spec_t s = {TM_WINDOW_TUMBLING, 1000, 0, 0, 0};
    tm_range_t slice, windows[4];
    bool gap;
    int64_t start;
    tm_assert(!tm_window_floor(INT64_MAX, 0, 1000, &start));
    tm_assert(!tm_window_floor(INT64_MIN, 0, 1000, &start));
    tm_assert(tm_window_floor(INT64_MAX - 2000, 0, 1000, &start));
    tm_assert(!tm_window_slice(&s, INT64_MAX - 5, &slice, &gap));
    tm_assert_eq(tm_window_assign(&s, INT64_MIN, windows, 4), 0u);
    tm_assert_eq(tm_window_assign(&s, INT64_MIN + 3, windows, 4), 0u);
    s = (tm_window_spec_t){TM_WINDOW_SLIDING, INT64_MAX, 1, 0, 0};
    tm_assert_eq(tm_window_assign(&s, INT64_MAX / 2, windows, 4), 0u);
}
