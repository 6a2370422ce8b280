/* engine/runtime/source/arbiter_private.h - the inside of an arbiter, shared by arbiter.c (what
   decides) and arbiter_state.c (what a checkpoint keeps of it). Nobody else includes it.
   Memory   one block; tracks are used from the first on, and never given back
   Threads  one ingest thread */
#ifndef TM_ENGINE_ARBITER_PRIVATE_H
#define TM_ENGINE_ARBITER_PRIVATE_H

#include "engine/runtime/source/arbiter.h"
#include "engine/runtime/source/id_set.h"

enum { TM_ARBITER_TABLE_CNT = 2 * TM_ARBITER_TRACK_MAX };

#define TM_ARBITER_NO_TRACK UINT32_MAX

typedef struct recent {
    uint64_t last;
    uint32_t cnt, next;
    uint64_t ids[TM_ARBITER_RECENT];
} recent_t;

typedef struct chain {
    uint64_t last;
    uint64_t run_first, run_prev; /* where what has come without a gap begins, and ends before */
    bool started;
    bool waits; /* for what lies before a message that was left out */
    int64_t since_ns;
} chain_t;

/* The ids of one symbol and kind in one feed. */
typedef struct track {
    uint32_t symbol;
    uint16_t group, schema;
    tm_id_rule_t rule;
    bool pending;
    uint32_t next_pending;
    uint64_t
        lane_last[TM_ARBITER_LANE_MAX]; /* highest id a lane brought since it is up; 0 = none */
    union {
        tm_id_set_t set;
        recent_t recent;
        chain_t chain;
    };
} track_t;

typedef struct group {
    uint32_t live;   /* one bit a lane */
    uint32_t up_cnt; /* connections that have come up, or will, at most 2 */
    uint8_t trade_rule, quote_rule;
} group_t;

typedef struct conn {
    bool known;
    uint16_t group;
    uint8_t lane;
} conn_t;

struct tm_arbiter {
    tm_arbiter_cfg_t cfg;
    conn_t conns[TM_ARBITER_CONN_MAX];
    group_t groups[TM_ARBITER_GROUP_MAX];
    int64_t now_ns;    /* of the last call */
    uint32_t conn_idx; /* of the frame */
    bool asked;        /* likewise */
    /* What became of the last message of this frame that came in several rows. */
    track_t *memo;
    uint64_t memo_last;
    bool memo_taken;
    bool book_taken;  /* the last head of a batch of levels */
    uint32_t pending; /* first track with an untold hole, TM_ARBITER_NO_TRACK = no such */
    tm_counter_t *copies, *stale, *gaps, *missing, *filled, *held, *restarts, *full, *repeats,
        *unsure;
    uint32_t track_cnt;
    uint32_t table[TM_ARBITER_TABLE_CNT]; /* 1 + track, 0 = free */
    track_t tracks[TM_ARBITER_TRACK_MAX];
};

/* arbiter.c: a new track, where `at` is a free place of the table; there is room for it. */
track_t *tm_arbiter_track_add(tm_arbiter_t *a, uint32_t at, uint32_t symbol, uint16_t group,
                              uint16_t schema);

/* arbiter.c: the place of a symbol and kind in the table: of its track, or a free one. */
uint32_t tm_arbiter_place(const tm_arbiter_t *a, uint32_t symbol, uint16_t group, uint16_t schema);

/* arbiter.c: the track has holes that were not told; they are looked at from now on. */
void tm_arbiter_watch(tm_arbiter_t *a, track_t *t);

#endif
