/* engine/operators/window/window_out.h - results of windows on their way out, a batch at a time.
   Flow     window_sliced.c, window_general.c -> [window out] -> emitter
   Memory   tm_window_out_footprint bytes of the caller
   Threads  the worker's
   Tests    tests/engine/test_window*.c */
#ifndef TM_ENGINE_WINDOW_OUT_H
#define TM_ENGINE_WINDOW_OUT_H

#include "engine/operators/window/window_assign.h"
#include "engine/operators/window/window_plan.h"

typedef struct tm_window_out {
    tm_emitter_t to;
    tm_key_t *key; /* writes the key's fields */
    uint8_t *rows;
    uint32_t cnt, stride;
    uint32_t most;     /* rows handed on at once */
    uint64_t last_key; /* of the row written last */
    uint16_t start_off, end_off, id;
    bool key_is_symbol; /* alone, in the header of results */
} tm_window_out_t;

size_t tm_window_out_footprint(const tm_window_plan_t *plan);

/* key: the operator's own, with offsets of the output. */
void tm_window_out_init(tm_window_out_t *out, void *mem, const tm_window_plan_t *plan,
                        tm_key_t *key);

/* Memory of the next result row. */
static inline uint8_t *tm_window_out_row(const tm_window_out_t *out)
{
    return out->rows + (size_t)out->cnt * out->stride;
}

/* Fills in header, key and window of that row. */
void tm_window_out_head(tm_window_out_t *out, uint64_t key, tm_range_t window, tm_row_t head);

/* Counts the row in. */
void tm_window_out_commit(tm_window_out_t *out);
void tm_window_out_flush(tm_window_out_t *out);

#endif
