/* engine/runtime/source/arbiter.h - of several connections with the same messages, the first copy
   of each.
   Flow     parse -> [arbiter] -> watermark, rings; feed events -> [arbiter]; gaps -> rings
   Why here copies are told by the ids of rows, which net cannot see, and rows of all connections of
            a feed meet in one ingest thread
   Rules    for each (feed, symbol, kind of row), by what the venue promises of its ids
            (tm_id_rule_t):
            dense   every id once, whoever brings it, in any order. What is missing becomes a gap
                    once every live connection has passed it, or after patience_ns; one that comes
                    later is a row all the same
            sparse  every id once, told by the last TM_ARBITER_RECENT ones; no gaps can be seen
            range, chain  messages that build on each other, so they go on in order only. One that
                    does not follow is left out while another live connection may still bring
                    what lies between; when none can any more, a gap is told and it goes on
   Alone    a row is left out only where another connection may have brought it: until a second one
            comes up (a rotation, the next attempt) every row of a feed with one address goes on
   Restart  a venue that begins its ids anew, far below, is believed where its first message comes
            on the only live connection; a low id otherwise is stale
   Units    *_ns: Unix time of receipt, so that a replay decides as the live feed did; a clock that
            is set back lets what waits wait anew. ids: the venue's
   Memory   opaque, one block for TM_ARBITER_TRACK_MAX tracks, of which the kernel gives pages as
            symbols are first seen
   Threads  one ingest thread
   Counters copies_dropped: rows that another connection, or this one, had brought before;
            stale_ids, left out as well; gaps and gap_messages told; gap_filled: messages that came
            after their gap was told; held_back: messages left out because what lies before them may
            come yet; id_restarts; id_repeats: rows of a lone connection that look like copies, and
            ids_unsure: rows of which nobody knows any more whether they had come; both went on;
            arbiter_full
   State    what has come, what is missing, who streams: save and restore take it through a
            checkpoint (docs/checkpoints.md). It grows with symbols, by TM_ARBITER_TRACK_SZ_MAX each
   Limits   TM_ARBITER_TRACK_MAX symbols and kinds (rows of further ones all pass, counted),
            TM_ARBITER_LANE_MAX connections of a feed, holes as in id_set.h
   Tests    tests/engine/test_arbiter.c, tests/engine/test_arbiter_state.c */
#ifndef TM_ENGINE_ARBITER_H
#define TM_ENGINE_ARBITER_H

#include "base/counter.h"
#include "base/feed_row.h"
#include "state/buffer.h"

enum {
    TM_ARBITER_TRACK_MAX = 1 << 15,
    TM_ARBITER_LANE_MAX = 8,
    TM_ARBITER_GROUP_MAX = 64,
    TM_ARBITER_CONN_MAX = 128,
    TM_ARBITER_RECENT = 64,
    TM_ARBITER_TRACK_SZ_MAX = 4216, /* bytes of a symbol and kind in a checkpoint: 128 holes */
};

/* What is known of the ids of a row's message. */
typedef struct tm_arbiter_ids {
    uint64_t first, last; /* equal but for ranges */
    uint64_t prev;        /* the last id of the message before, where the venue says so */
    bool snapshot;        /* begins anew: nothing before it matters */
} tm_arbiter_ids_t;

typedef struct tm_arbiter_cfg {
    tm_counter_set_t *counters;
    int64_t patience_ns; /* 0 = 2 s */
    /* Takes a gap as soon as it is told, before the row that follows it. */
    void (*gap)(void *ctx, const tm_gap_t *gap);
    void *ctx;
} tm_arbiter_cfg_t;

typedef struct tm_arbiter tm_arbiter_t;

int tm_arbiter_open(tm_arbiter_t **out, const tm_arbiter_cfg_t *cfg) TM_MUST_CHECK;
void tm_arbiter_close(tm_arbiter_t *arbiter); /* NULL is fine */

/* A connection came or went. Others than UP and DOWN change nothing. */
void tm_arbiter_feed(tm_arbiter_t *arbiter, const tm_feed_row_t *row, int64_t now_ns);

/* The rows of a frame follow: those of one message in it share their fate. asked: it answers a
   request, as in tm_frame_t: a whole book in it that ends before the changes begin is a gap. */
void tm_arbiter_frame(tm_arbiter_t *arbiter, uint32_t conn_idx, bool asked);

/* True where the row is the first copy and goes on. Rows of connections that nobody has announced
   (a replay's) all pass. */
bool tm_arbiter_take(tm_arbiter_t *arbiter, const tm_row_t *row, int64_t now_ns);

/* The same by ids, for rows whose schema is not known here. */
bool tm_arbiter_take_ids(tm_arbiter_t *arbiter, const tm_row_t *row, const tm_arbiter_ids_t *ids,
                         tm_id_rule_t rule, int64_t now_ns);

/* Whether the connection was announced, and its end was not. */
bool tm_arbiter_streams(const tm_arbiter_t *arbiter, uint32_t conn_idx);

/* Another life of the process begins: all connections of the one before have ended. */
void tm_arbiter_cut(tm_arbiter_t *arbiter, int64_t now_ns);

/* arbiter_state.c: appends all that decisions to come depend on. */
int tm_arbiter_save(const tm_arbiter_t *arbiter, tm_buffer_t *out) TM_MUST_CHECK;

/* arbiter_state.c: into one that is new: what save has written. TM_E_CONFIG where it is of another
   version, TM_E_CORRUPT where it is no state of an arbiter. */
int tm_arbiter_restore(tm_arbiter_t *arbiter, const void *bytes, size_t sz) TM_MUST_CHECK;

/* Tells gaps whose patience is over; between polls. */
void tm_arbiter_tick(tm_arbiter_t *arbiter, int64_t now_ns);

#endif
