/* net/replay/replay.h - a captured feed as a source of frames, on its original schedule or as fast
   as it is read.
   Flow     capture file -> [replay] -> parse
   Form     text lines of net/replay/capture_line.h, told by the first of them; plain, gzip or xz,
            told by their first bytes. What a client sent is left out
   Range    a run without holes: from the first message received at or after from_ns, up to the
            first one at or after to_ns. Inside it the streams choose
   Pacing   open loop: a frame is due at start + (its time - first time) / speed whatever the
            consumer does, so a slow consumer shows as latency. Only differences of recorded times
            are used
   Units    speed: 1 = recorded pace, 0 = as fast as the consumer takes frames
   Memory   decompresses in blocks; one block and one line are held
   Threads  one ingest thread
   Errors   open: -errno or TM_E_SYNTAX with file; poll: TM_E_SYNTAX with file:line, TM_E_CORRUPT
            for a damaged or cut archive, after all good lines before it were given
   Counters frames, frame_bytes
   Limits   lines up to frame_sz_max
   Tests    tests/net/test_replay.c */
#ifndef TM_NET_REPLAY_H
#define TM_NET_REPLAY_H

#include "base/counter.h"
#include "net/source.h"

typedef struct tm_replay_cfg {
    const char *path;
    double speed;
    uint32_t frame_sz_max;      /* 0 = TM_FRAME_SZ_MAX_DEFAULT */
    uint32_t conn_idx;          /* put into every frame */
    int64_t from_ns, to_ns;     /* Unix time; 0 = from the start, to the end */
    uint64_t from_pos;          /* lines that were given before; 0 = none */
    const char *const *streams; /* only these (net/replay/stream_filter.h); not copied */
    uint32_t stream_cnt;        /* 0 = all */
    tm_counter_set_t *counters; /* of the ingest thread; not owned */
} tm_replay_cfg_t;

int tm_replay_open(tm_source_t **out, const tm_replay_cfg_t *cfg) TM_MUST_CHECK;

/* When the next frame of a paced replay is due, mono, as the last poll saw it; INT64_MIN where a
   poll may give something at once. For callers that have more to wait for than this file. */
int64_t tm_replay_due_ns(const tm_source_t *replay);

#endif
