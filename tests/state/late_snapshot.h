/* tests/state/late_snapshot.h - a snapshot that is taken long after its barrier, while what it is
   of goes on: each of its pages must be what it was at the barrier. Finds the write that was not
   announced, or not all of it.
   Use      late_open once, then late_flip and late_check in turn. The pages stay part of the next
            snapshot
   Threads  one */
#ifndef TM_TESTS_LATE_SNAPSHOT_H
#define TM_TESTS_LATE_SNAPSHOT_H

#include "state/table/page_track.h"

typedef struct late {
    tm_page_arena_t *arena;
    void *track_mem; /* NULL where the arena was tracked before */
    uint8_t *truth;  /* what the pages held at the barrier */
    bool flipped;
    uint64_t pages, logged;
} late_t;

/* Tracks the arena where nobody does yet. */
void late_open(late_t *late, tm_page_arena_t *arena);
void late_flip(late_t *late);
void late_check(late_t *late);
void late_close(late_t *late);

#endif
