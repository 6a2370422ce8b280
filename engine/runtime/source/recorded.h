/* engine/runtime/source/recorded.h - whatever was recorded as a source of frames: a journal, or a
   text capture.
   Flow     path -> [recording] -> journal_source.c | net/replay/replay.c -> ingest, tidemark replay
   Pacing   open loop: a frame is due at start + (its time - first time) / speed whatever the
            consumer does. Only differences of recorded times are used, so a receive clock that was
            wrong does no harm
   Range    a run without holes: from the first message received at or after from_ns, up to the
            first one at or after to_ns. Inside it the streams choose (net/replay/stream_filter.h)
   Units    *_ns: Unix time; speed: 1 = recorded pace, 0 = as fast as the consumer takes frames
   Memory   path and streams stay the caller's and outlive the source
   Threads  one ingest thread
   Errors   those of net/replay/replay.h and journal_source.h
   Tests    tests/engine/test_recording.c, tests/e2e/three_ways.py */
#ifndef TM_ENGINE_RECORDED_H
#define TM_ENGINE_RECORDED_H

#include "base/counter.h"
#include "net/source.h"

typedef struct tm_recording_cfg {
    const char *path; /* a journal's folder, one segment, or a capture */
    double speed;
    uint32_t conn_idx;      /* of a capture's frames; those of a journal keep their own */
    int64_t from_ns, to_ns; /* 0 = from the start, to the end */
    uint64_t from_pos;      /* of tm_source_position, when it was open before; 0 = the start */
    /* For who tells copies by their ids: rows of connections that came and went, and the copies
       themselves, of a journal that knows its lanes. Else what is marked as copy is left out. */
    bool lanes;
    /* What was known at from_pos: which connections streamed (TM_ARBITER_CONN_MAX; NULL = nothing
       is known), and which opening of its writer the journal was read in. */
    const bool *streaming;
    uint64_t epoch;
    bool run_up; /* of a journal: what lies before the range, from one segment before it on */
    const char *const *streams;
    uint32_t stream_cnt;        /* 0 = all */
    tm_counter_set_t *counters; /* of the ingest thread, not owned; NULL = not counted */
} tm_recording_cfg_t;

int tm_recording_open(tm_source_t **out, const tm_recording_cfg_t *cfg) TM_MUST_CHECK;

#endif
