/* engine/operators/window/window_roots.h - what window operators keep beside their pages at a
   barrier: what they count, and a mark of what the pages were written with.
   Flow     window_plan.h -> [mark] -> roots of window_sliced_roots.c, window_general_roots.c ->
            blob of a checkpoint
   Rules    pages are never read with another layout than they were written with: kind and grid of
            windows, key, rows, accumulators, trigger and evictor must be the same. Lateness and the
            numbers of triggers and evictors may change between runs
   Units    a mark's values: as in the configuration; sizes in bytes
   Memory   structs of the caller
   Threads  the worker's
   Errors   check: TM_E_CONFIG with a text that names what differs
   Tests    tests/engine/test_window_restore.c, tests/reference/window_reference.py */
#ifndef TM_ENGINE_WINDOW_ROOTS_H
#define TM_ENGINE_WINDOW_ROOTS_H

#include "base/counter.h"
#include "engine/operators/window/window_plan.h"

/* A counter of the thread, which windows share, and this operator's part of it, which is state: a
   run that goes on after a crash counts on. */
typedef struct window_tally {
    tm_counter_t *shared;
    uint64_t own;
} window_tally_t;

typedef struct window_counters {
    window_tally_t rows, late, no_time, time_range, gap, bad_gap, full, fired, refired, overflow;
} window_counters_t;

enum { TM_WINDOW_TALLY_CNT = sizeof(window_counters_t) / sizeof(window_tally_t) };

static inline void tm_window_count(window_tally_t *tally, uint64_t n)
{
    tally->own += n;
    tm_counter_add(tally->shared, n);
}

void tm_window_counters_open(window_counters_t *counters, tm_counter_set_t *set);

/* What this operator counted, and its return into counters just opened. */
void tm_window_counters_save(const window_counters_t *counters,
                             uint64_t values[TM_WINDOW_TALLY_CNT]);
void tm_window_counters_restore(window_counters_t *counters,
                                const uint64_t values[TM_WINDOW_TALLY_CNT]);

enum { TM_WINDOW_MARK_CNT = 20 };

typedef struct tm_window_mark {
    int64_t values[TM_WINDOW_MARK_CNT]; /* window_roots.c names them */
} tm_window_mark_t;

/* The program that made the accumulators, in a number. */
uint64_t tm_window_agg_print(const tm_window_plan_t *plan);

/* row_sz: of the rows that are kept, 0 = none are. */
void tm_window_mark(tm_window_mark_t *mark, const tm_window_plan_t *plan, uint32_t row_sz);
int tm_window_mark_check(const tm_window_mark_t *was, const tm_window_mark_t *is) TM_MUST_CHECK;

/* A table as it was, in the arena that `to` is of. */
static inline void tm_window_table_take(tm_keyed_table_t *to, const tm_keyed_table_t *from)
{
    tm_page_arena_t *arena = to->arena;
    *to = *from;
    to->arena = arena;
}

#endif
