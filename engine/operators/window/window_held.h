/* engine/operators/window/window_held.h - results that wait for their operator: those that were due
   when a job went on with another number of workers. They are made while state moves, when nothing
   can be put out yet, and put out before anything else.
   Flow     window_sliced_move.c -> [held results] -> window_fire.c -> emitter
   Memory   16 bytes and the row for each, in pages of the arena: state, as all that is due is
   Threads  the worker's, or the one that restores
   Errors   add: false where the arena has no page left
   Tests    tests/engine/test_rescale.c, tests/crash/rescale.py */
#ifndef TM_ENGINE_WINDOW_HELD_H
#define TM_ENGINE_WINDOW_HELD_H

#include "engine/operators/operator.h"
#include "state/table/pool.h"

typedef struct tm_window_held {
    tm_pool_t rows;
    tm_ref_t first, last; /* in the order in which they were made */
} tm_window_held_t;

/* stride: bytes of a row, as emitted. */
void tm_window_held_init(tm_window_held_t *held, tm_page_arena_t *arena, uint32_t stride);

/* hash: of the row's key, which tells its owner (engine/runtime/route.h). */
bool tm_window_held_add(tm_window_held_t *held, uint32_t hash, const void *row) TM_MUST_CHECK;

/* The oldest row; NULL where there is none. pop: forgets it. */
const void *tm_window_held_first(const tm_window_held_t *held, uint32_t *hash);
void tm_window_held_pop(tm_window_held_t *held);

/* Puts out up to `max`; returns how many. */
uint32_t tm_window_held_emit(tm_window_held_t *held, const tm_emitter_t *to, uint32_t max);

/* What `from` was, in the arena that `to` is of. */
void tm_window_held_take(tm_window_held_t *to, const tm_window_held_t *from);

#endif
