/* engine/runtime/source/id_set.h - which ids of a contiguous count have come: exact, in little
   memory.
   Flow     arbiter.c asks for every trade -> [id_set]
   Method   all ids from base to last have come, but for the holes, which are kept as ranges in
            order. In a feed that loses nothing there is no hole, and one addition decides
   Units    ids; *_ns: mono
   Memory   the caller owns the struct; allocates nothing
   Threads  one owner
   Limits   TM_ID_HOLE_MAX holes: beyond that the lowest one is given up, and of the ids up to its
            end nobody knows any more which have come
   Tests    tests/engine/test_arbiter.c */
#ifndef TM_ENGINE_ID_SET_H
#define TM_ENGINE_ID_SET_H

#include "base/types.h"

enum { TM_ID_HOLE_MAX = 128 };

typedef struct tm_id_hole {
    uint64_t from, to; /* both are missing, and all between */
    int64_t since_ns;  /* when the first id beyond it came */
    bool told;         /* somebody knows of it */
} tm_id_hole_t;

typedef struct tm_id_set {
    uint64_t base, last;
    uint64_t forgotten; /* end of the highest hole given up; 0 = none was */
    uint32_t hole_cnt, untold_cnt;
    bool started;
    tm_id_hole_t holes[TM_ID_HOLE_MAX]; /* ascending */
} tm_id_set_t;

typedef enum tm_id_verdict {
    TM_ID_NEXT,   /* the first one, or the one behind the last */
    TM_ID_JUMP,   /* further on: there is a new hole before it */
    TM_ID_FILL,   /* out of a hole */
    TM_ID_LATE,   /* out of a hole that was told */
    TM_ID_LOW,    /* below all that have come; what lies between is a new hole */
    TM_ID_SEEN,   /* it has come before */
    TM_ID_UNSURE, /* at or below a hole that was given up, and in no other: it may have come */
} tm_id_verdict_t;

/* Adds an id. Where a hole had to be given up that was not told, *lost is that hole, else its
   `from` is 0. Ids begin at 1. */
tm_id_verdict_t tm_id_set_add(tm_id_set_t *set, uint64_t id, int64_t now_ns, tm_id_hole_t *lost);

/* Forgets everything. */
void tm_id_set_clear(tm_id_set_t *set);

#endif
