#include "engine/operators/window/window_assign.h"

#include "base/error.h"

#include <errno.h>

static int refuse(const char *what, int64_t value, const char *rule)
{
    return tm_error_set(-EINVAL, "window %s %lld: expected %s", what, (long long)value, rule);
}

static bool within(int64_t offset, int64_t bound)
{
    return offset < bound && offset > -bound;
}

int tm_window_spec_check(const tm_window_spec_t *spec)
{
    bool grid = spec->kind == TM_WINDOW_TUMBLING || spec->kind == TM_WINDOW_SLIDING ||
                spec->kind == TM_WINDOW_CUMULATIVE;
    if (grid && spec->size_ns <= 0) return refuse("size", spec->size_ns, "more than 0");
    if (spec->lateness_ns < 0) return refuse("lateness", spec->lateness_ns, "0 or more");
    if (spec->stagger != TM_STAGGER_ALIGNED && spec->kind != TM_WINDOW_TUMBLING)
        return refuse("stagger", spec->stagger, "none, but for tumbling windows");
    switch (spec->kind) {
    case TM_WINDOW_TUMBLING:
        if (!within(spec->offset_ns, spec->size_ns))
            return refuse("offset", spec->offset_ns, "less than the size, in either direction");
        return 0;
    case TM_WINDOW_SLIDING:
        if (spec->slide_ns <= 0) return refuse("slide", spec->slide_ns, "more than 0");
        if (!within(spec->offset_ns, spec->slide_ns))
            return refuse("offset", spec->offset_ns, "less than the slide, in either direction");
        return 0;
    case TM_WINDOW_CUMULATIVE:
        if (spec->slide_ns <= 0) return refuse("step", spec->slide_ns, "more than 0");
        if (spec->size_ns % spec->slide_ns != 0)
            return refuse("step", spec->slide_ns, "a divisor of the size");
        if (!within(spec->offset_ns, spec->size_ns))
            return refuse("offset", spec->offset_ns, "less than the size, in either direction");
        return 0;
    case TM_WINDOW_SESSION:
        if (!spec->gap_field && spec->gap_ns <= 0)
            return refuse("gap", spec->gap_ns, "more than 0");
        return 0;
    case TM_WINDOW_COUNT:
        if (spec->count <= 0) return refuse("count", spec->count, "more than 0");
        if (spec->count_slide < 0) return refuse("count_slide", spec->count_slide, "0 or more");
        return 0;
    case TM_WINDOW_GLOBAL:
        return 0;
    }
    return refuse("kind", (int64_t)spec->kind, "one of tm_window_kind_t");
}

/* Division that rounds down, also below zero. */
static tm_i128_t floor_to(tm_i128_t t, tm_i128_t offset, tm_i128_t size)
{
    tm_i128_t rest = (t - offset) % size;
    return t - (rest < 0 ? rest + size : rest);
}

static bool range_set(tm_range_t *range, tm_i128_t start, tm_i128_t end)
{
    if (start <= INT64_MIN || end > INT64_MAX) return false;
    *range = (tm_range_t){(int64_t)start, (int64_t)end};
    return true;
}

bool tm_window_floor(int64_t t, int64_t offset, int64_t size, int64_t *start)
{
    tm_range_t range;
    tm_i128_t at = floor_to(t, offset, size);
    if (!range_set(&range, at, at + size)) return false;
    *start = range.start;
    return true;
}

bool tm_window_slice(const tm_window_spec_t *spec, int64_t t, tm_range_t *slice, bool *gap)
{
    *gap = false;
    if (spec->kind == TM_WINDOW_TUMBLING) {
        tm_i128_t at = floor_to(t, spec->offset_ns, spec->size_ns);
        return range_set(slice, at, at + spec->size_ns);
    }
    tm_i128_t slide = spec->slide_ns;
    tm_i128_t at = floor_to(t, spec->offset_ns, slide);
    tm_i128_t rest = spec->size_ns % slide; /* ends lie this far behind starts */
    if (spec->kind == TM_WINDOW_CUMULATIVE || rest == 0) return range_set(slice, at, at + slide);
    *gap = spec->size_ns < slide && t >= at + rest;
    return t < at + rest ? range_set(slice, at, at + rest)
                         : range_set(slice, at + rest, at + slide);
}

bool tm_window_span(const tm_window_spec_t *spec, tm_range_t slice, tm_range_t *first,
                    tm_range_t *last)
{
    tm_i128_t size = spec->size_ns, slide = spec->slide_ns;
    switch (spec->kind) {
    case TM_WINDOW_TUMBLING:
        *first = *last = slice;
        return true;
    case TM_WINDOW_CUMULATIVE: {
        tm_i128_t base = floor_to(slice.start, spec->offset_ns, size);
        return range_set(first, base, slice.end) && range_set(last, base, base + size);
    }
    case TM_WINDOW_SLIDING: {
        /* The last starts at or before the slice; the first is the earliest that reaches its end.
           */
        tm_i128_t start = floor_to(slice.start, spec->offset_ns, slide);
        tm_i128_t early = floor_to((tm_i128_t)slice.end - size - 1, spec->offset_ns, slide) + slide;
        return range_set(first, early, early + size) && range_set(last, start, start + size);
    }
    case TM_WINDOW_SESSION:
    case TM_WINDOW_GLOBAL:
    case TM_WINDOW_COUNT:
        break;
    }
    return false;
}

bool tm_window_next(const tm_window_spec_t *spec, tm_range_t window, tm_range_t *next)
{
    tm_i128_t start = window.start, end = window.end, size = spec->size_ns;
    switch (spec->kind) {
    case TM_WINDOW_TUMBLING:
        return range_set(next, end, end + size);
    case TM_WINDOW_SLIDING:
        return range_set(next, start + spec->slide_ns, end + spec->slide_ns);
    case TM_WINDOW_CUMULATIVE:
        if (end == start + size) start = end;
        return range_set(next, start, end + spec->slide_ns);
    case TM_WINDOW_SESSION:
    case TM_WINDOW_GLOBAL:
    case TM_WINDOW_COUNT:
        break;
    }
    return false;
}

bool tm_window_after(const tm_window_spec_t *spec, int64_t wm, tm_range_t *window)
{
    tm_i128_t size = spec->size_ns, past = (tm_i128_t)wm + 1; /* ends must be above this */
    switch (spec->kind) {
    case TM_WINDOW_TUMBLING: {
        tm_i128_t start = floor_to(past, spec->offset_ns, size);
        return range_set(window, start, start + size);
    }
    case TM_WINDOW_SLIDING: {
        tm_i128_t start = floor_to(past - size, spec->offset_ns, spec->slide_ns) + spec->slide_ns;
        return range_set(window, start, start + size);
    }
    case TM_WINDOW_CUMULATIVE: {
        tm_i128_t step = floor_to(past, spec->offset_ns, spec->slide_ns);
        return range_set(window, floor_to(step, spec->offset_ns, size), step + spec->slide_ns);
    }
    case TM_WINDOW_SESSION:
    case TM_WINDOW_GLOBAL:
    case TM_WINDOW_COUNT:
        break;
    }
    return false;
}

uint32_t tm_window_assign(const tm_window_spec_t *spec, int64_t t, tm_range_t *windows,
                          uint32_t max)
{
    tm_range_t slice, first, last;
    bool gap;
    if (t == INT64_MIN || !tm_window_slice(spec, t, &slice, &gap) || gap) return 0;
    if (!tm_window_span(spec, slice, &first, &last)) return 0;
    uint32_t n = 0;
    for (tm_range_t w = last; n < max; n++) {
        windows[n] = w;
        if (w.start == first.start && w.end == first.end) return n + 1;
        tm_window_back(spec, &w);
    }
    return n;
}

/* The windows of a time that are not on a grid: a session of its own, or all time. */
static int list_other(const tm_window_spec_t *spec, int64_t t, int64_t (*windows)[2], int max)
{
    int64_t start = INT64_MIN, end = INT64_MAX;
    if (max < 1) return 0;
    if (spec->kind == TM_WINDOW_SESSION) {
        start = t;
        if (t == INT64_MIN || __builtin_add_overflow(t, spec->gap_ns, &end)) return -ERANGE;
    }
    windows[0][0] = start;
    windows[0][1] = end;
    return 1;
}

int tm_window_list(const tm_window_spec_t *spec, int64_t time_ns, int64_t (*windows)[2], int max)
{
    tm_range_t slice, first, last;
    bool gap;
    int err = tm_window_spec_check(spec);
    if (err < 0) return err;
    if (spec->kind > TM_WINDOW_CUMULATIVE) return list_other(spec, time_ns, windows, max);
    if (time_ns == INT64_MIN || !tm_window_slice(spec, time_ns, &slice, &gap)) return -ERANGE;
    if (gap) return 0;
    if (!tm_window_span(spec, slice, &first, &last)) return -ERANGE;
    int n = 0;
    for (tm_range_t w = last; n < max;) {
        windows[n][0] = w.start;
        windows[n++][1] = w.end;
        if (w.start == first.start && w.end == first.end) break;
        tm_window_back(spec, &w);
    }
    return n;
}

int tm_window_slice_at(const tm_window_spec_t *spec, int64_t time_ns, int64_t slice[2])
{
    tm_range_t range;
    bool gap;
    int err = tm_window_spec_check(spec);
    if (err < 0) return err;
    if (spec->kind > TM_WINDOW_CUMULATIVE) return -EINVAL;
    if (time_ns == INT64_MIN || !tm_window_slice(spec, time_ns, &range, &gap)) return -ERANGE;
    slice[0] = range.start;
    slice[1] = range.end;
    return gap ? 0 : 1;
}
