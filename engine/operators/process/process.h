/* engine/operators/process/process.h - a user's function over the rows of each key, with state and
   timers.
   Flow     worker -> rows of one input or two, watermarks, wall clock -> [process] -> rows
   Rules    Flink's. Timers fire in order of (time, key, name); all that are due at a watermark fire
            before it is handed on, those set meanwhile at or below it too. A timer that on_row sets
            at or below the watermark waits for the next. Timers of processing time fire when the
            worker tells the time, and are forgotten at the end of the input. While an event-time
            timer runs, its time is the clock of event-time state, which never goes back
   Method   rows are called one by one; the lookups of the rows behind are under way meanwhile. Due
            timers are fired by work() in pieces; rows that come before all are done have them done
            first
   Units    *_ns: event time, or Unix time where it is processing time
   Memory   tm_process_footprint bytes; state and timers in pages of the arena
   Threads  the worker's
   Errors   footprint: 0 with a text that names the parameter. Writes that find no room fail, and
            are counted
   Counters process_rows, process_timers (fired), process_expired (values taken away by sweeps),
            process_full (writes that found no room)
   Limits   TM_STATE_CNT_MAX states, TM_PROCESS_SIDE_MAX side outputs
   Tests    tests/engine/test_process.c, test_process_random.c */
#ifndef TM_ENGINE_PROCESS_H
#define TM_ENGINE_PROCESS_H

#include "engine/operators/operator.h"
#include "engine/operators/process/keyed_state.h"
#include "state/table/timer_queue.h"

/* Raised where its roots or records lie differently (beside TM_PAGES_LAYOUT). */
enum { TM_PROCESS_LAYOUT = 1 };

typedef struct tm_process_cfg {
    const char *name;
    tm_process_fns_t fns;
    void *user;
    const tm_state_spec_t *states; /* copied, the names must live on */
    size_t state_cnt;
    int64_t timer_grain_ns; /* times of timers are rounded up to multiples of it; 0 = as given */

    uint32_t in_cnt;
    const tm_schema_t *in[2];
    const char *key_fields[2][TM_KEY_FIELD_MAX]; /* by input, up to the first NULL; of like types */

    const tm_schema_t *out;
    const tm_schema_t *sides[TM_PROCESS_SIDE_MAX];
    uint32_t side_cnt;

    uint32_t budget; /* timers that one call of work() fires; 0 = 256 */
} tm_process_cfg_t;

size_t tm_process_footprint(const tm_process_cfg_t *cfg);
tm_operator_t *tm_process_init(void *mem, const tm_process_cfg_t *cfg,
                               const tm_operator_env_t *env);

#endif
