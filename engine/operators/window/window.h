/* engine/operators/window/window.h - windows over keyed rows, with Flink's semantics.
   Flow     worker -> rows and watermarks -> [window] -> result rows -> sink ring or next operator
   Rules    windows are [start, end), aligned to offset, negative times floored; they fire when
            watermark >= end - 1 and are dropped when watermark >= end - 1 + lateness (saturating).
            A row for a fired window that is not dropped yet fires it again at once. A row whose
            windows are all dropped is late: counted, and sent to the side output where there is
            one. A row without a time is an error: counted and dropped
   Method   two operators share assigners, aggregates and output. Where windows are cut by event
            time alone and hold nothing but accumulators, they are made of slices
            (window_sliced.c); sessions, global and count windows, triggers, evictors, functions of
            the user and the clock's windows take one record a key and window (window_general.c).
            window_plan.c tells which
   Output   the key's fields, window_start, window_end, then the aggregates in the order given.
            event_ns of the row is end - 1; symbol is the key where the key is a symbol; recv_ns
            that of the last row seen
   Units    *_ns: event time; the arithmetic holds for any unit
   Memory   tm_window_footprint bytes and pages of the arena. Slices: an entry (8 + accumulators,
            rounded up) and about 13 bytes of index a (key, slice) until its windows have fired and
            no row can reach them; sliding ones from their first firing on a slot instead (8 +
            accumulators; beside the entry where there is lateness), and 32 + accumulators and index
            a key. General: 30 bytes a key, 88 and the accumulators a (key, window), 16 and the row
            for each row that is kept
   Threads  the worker's
   Errors   footprint: 0 with a text that names the parameter. Rows that find no page are counted
            (window_full) and dropped; a result whose sum overflowed is counted and not put out
   Counters window_rows, window_late, window_no_time, window_time_range, window_gap,
            window_bad_gap, window_full, window_fired (results), window_refired (results of late
            rows), agg_overflow
   Limits   TM_WINDOW_SLICE_MAX slices open.  Tests tests/engine/test_window*.c */
#ifndef TM_ENGINE_WINDOW_H
#define TM_ENGINE_WINDOW_H

#include "base/counter.h"
#include "engine/operators/aggregate/aggregate.h"
#include "engine/operators/key.h"
#include "engine/operators/operator.h"
#include "engine/tidemark.h"
#include "state/table/page_arena.h"

#include <stdio.h>

enum {
    TM_WINDOW_SLICE_MAX = 1 << 17,
    TM_WINDOW_LAYOUT = 4, /* raised where roots or records lie differently, as TM_PAGES_LAYOUT */
};

typedef struct tm_window_cfg {
    tm_windowing_t what;

    const tm_schema_t *in; /* of the rows; not owned */
    const char
        *key_fields[TM_KEY_FIELD_MAX]; /* up to the first NULL; none = one key for all rows */

    const char *out_name; /* of the output schema */
    uint16_t out_id;
    uint32_t time_unit_ns; /* what readers get for window_start and window_end; 0 = 1000000 */

    bool unsliced; /* keeps windows one by one even where slices would do: tests compare both */

    /* Entries that one call of work() handles, a timer that comes due being as much as four; 0 =
       512: about 100 us where memory has to be waited for. */
    uint32_t budget;

    tm_emitter_t out;
    tm_emitter_t late; /* late rows as they came; zero = only counted */

    tm_page_arena_t *pages;     /* of the worker; not owned */
    tm_counter_set_t *counters; /* of the worker; not owned */
} tm_window_cfg_t;

/* The output schema of a configuration; needs what, in, key_fields, out_* only. */
int tm_window_schema_build(const tm_window_cfg_t *cfg, tm_schema_t *out) TM_MUST_CHECK;

/* What an instance keeps, in lines (docs/checkpoints.md). */
void tm_window_schema_print(const tm_window_cfg_t *cfg, FILE *out);

size_t tm_window_footprint(const tm_window_cfg_t *cfg);

tm_operator_t *tm_window_init(void *mem, const tm_window_cfg_t *cfg);

#endif
