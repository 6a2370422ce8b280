/* engine/operators/window/window_plan.h - what both window operators work out from a configuration.
   Flow     window.h's configuration -> [plan] -> window_sliced.c or window_general.c
   Rules    count windows are global ones: tumbling, a purging count trigger; sliding, a count
            trigger and an evictor that keeps the last rows. The default trigger is that of the
            window's time domain, and none for global windows
   Memory   a plan is plain memory of the caller, about 20 KiB
   Errors   TM_E_CONFIG or -EINVAL with a text that names the parameter
   Tests    tests/engine/test_window*.c */
#ifndef TM_ENGINE_WINDOW_PLAN_H
#define TM_ENGINE_WINDOW_PLAN_H

#include "engine/operators/window/window.h"

/* How a window holds what it has seen. */
typedef enum tm_window_mode {
    TM_WINDOW_AGGREGATES, /* compiled accumulators */
    TM_WINDOW_REDUCED,    /* one row */
    TM_WINDOW_USER,       /* the user's accumulator */
    TM_WINDOW_PROCESSED,  /* its rows */
} tm_window_mode_t;

typedef struct tm_window_plan {
    tm_windowing_t what; /* with count windows and default triggers resolved */
    tm_window_mode_t mode;
    bool sliced;     /* slices can do it */
    bool keeps_rows; /* the result is made of rows at each firing */
    tm_key_t key;
    tm_agg_t agg;
    tm_schema_t out;
    uint32_t field_at; /* index of the first of the user's fields in `out` */
} tm_window_plan_t;

int tm_window_plan(tm_window_plan_t *plan, const tm_window_cfg_t *cfg) TM_MUST_CHECK;

/* The two operators. */
size_t tm_window_sliced_footprint(const tm_window_plan_t *plan);
tm_operator_t *tm_window_sliced_init(void *mem, const tm_window_cfg_t *cfg,
                                     const tm_window_plan_t *plan);
size_t tm_window_general_footprint(const tm_window_plan_t *plan);
tm_operator_t *tm_window_general_init(void *mem, const tm_window_cfg_t *cfg,
                                      const tm_window_plan_t *plan);

#endif
