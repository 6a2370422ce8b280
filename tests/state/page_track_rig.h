/* tests/state/page_track_rig.h - both sides of page tracking over a small arena: a worker that
   writes at random and remembers what the arena held at each flip, and a snapshot side that keeps
   an image of it and compares.
   Threads  rig_worker_*: one thread; rig_snap_*: one other, or the same */
#ifndef TM_TESTS_PAGE_TRACK_RIG_H
#define TM_TESTS_PAGE_TRACK_RIG_H

#include "state/table/page_track.h"

typedef struct rig {
    tm_page_arena_t arena;
    tm_page_track_t *track;
    void *page_mem, *track_mem;
    uint32_t page_cnt;
    uint64_t worker_rng, snap_rng;
    uint64_t writes;

    /* What the arena held at the flip under way: written by the worker before it, read by the
       other side until the end. */
    uint8_t *truth;

    /* The snapshot side's. */
    uint8_t *image;    /* after the last good snapshot */
    uint8_t *fresh;    /* pages of the one under way */
    uint8_t *is_fresh; /* by page */
    bool open;
    uint32_t due, got; /* pages */
    uint64_t good, given_up, failed, pages;
    bool differs;
} rig_t;

/* fail_one_in: how often a snapshot that was taken whole ends as failed; 0 = never. */
void rig_open(rig_t *rig, uint32_t page_cnt, uint32_t spare_cnt, uint64_t seed);
void rig_close(rig_t *rig);

/* A few writes to random pages; now and then a flip. True where it flipped. */
bool rig_worker_step(rig_t *rig, bool may_flip);

/* One step of a snapshot, where there is one. Returns what it did; 0 = nothing to do. */
uint32_t rig_snap_step(rig_t *rig, uint32_t fail_one_in);

#endif
