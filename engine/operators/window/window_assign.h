/* engine/operators/window/window_assign.h - the geometry of windows: which windows and slices a
   time is in.
   Flow     window.c asks it once a slice, never once a row
   Rules    tumbling, cumulative: aligned to offset + k * size; sliding: to offset + k * slide.
            Windows are [start, end); times below the offset are floored, not truncated
   Slices   the pieces between all starts and ends of windows: size (tumbling), slide (cumulative),
            slide or, where it does not divide the size, two a slide (Krishnamurthy, Wu and
            Franklin's paired windows, 2006), so their number does not hang on a common divisor
   Units    event time; the arithmetic holds for any unit and is done in 128 bits
   Errors   false: a bound does not fit int64 (or is INT64_MIN, which means "no time")
   Tests    tests/engine/test_window_assign.c */
#ifndef TM_ENGINE_WINDOW_ASSIGN_H
#define TM_ENGINE_WINDOW_ASSIGN_H

#include "base/types.h"
#include "engine/tidemark.h"

typedef struct tm_range {
    int64_t start, end; /* [start, end) */
} tm_range_t;

/* Checks a window: size > 0, lateness >= 0; |offset| < size; sliding: slide > 0, |offset| < slide;
   cumulative: slide > 0 and divides size. -EINVAL with a text. */
int tm_window_spec_check(const tm_window_spec_t *spec) TM_MUST_CHECK;

/* t floored to offset + k * size. False where that or the next one does not fit. */
bool tm_window_floor(int64_t t, int64_t offset, int64_t size, int64_t *start);

/* The slice that t is in. *gap: no window contains it (sliding with slide > size). */
bool tm_window_slice(const tm_window_spec_t *spec, int64_t t, tm_range_t *slice, bool *gap);

/* The first and the last window that contain a slice (not a gap); between them they start one step
   (slide, or for cumulative windows: end one step) apart. */
bool tm_window_span(const tm_window_spec_t *spec, tm_range_t slice, tm_range_t *first,
                    tm_range_t *last);

/* The window that fires next after `window`: a step later. False where it does not fit. */
bool tm_window_next(const tm_window_spec_t *spec, tm_range_t window, tm_range_t *next);

/* The earliest window that has not fired at a watermark: the first with end - 1 above it. */
bool tm_window_after(const tm_window_spec_t *spec, int64_t wm, tm_range_t *window);

/* The window one step before, which contains a slice too unless `window` is its first. */
static inline void tm_window_back(const tm_window_spec_t *spec, tm_range_t *window)
{
    if (spec->kind != TM_WINDOW_CUMULATIVE) window->start -= spec->slide_ns;
    window->end -= spec->slide_ns;
}

/* All windows that contain t, latest start first (cumulative: longest first), up to `max`. Returns
   their number, 0 for a gap or a time out of range. */
uint32_t tm_window_assign(const tm_window_spec_t *spec, int64_t t, tm_range_t *windows,
                          uint32_t max);

#endif
