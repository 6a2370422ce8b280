/* engine/runtime/source/recorder.h - what a receiving thread puts into its journal: frames under
   their streams, and what happened to the connections between them.
   Flow     feed -> ingest or tidemark capture -> [recorder] -> journal writer
   Streams  a combined message ({"stream":"btcusdt@trade",...) carries its stream's number; the
            first message of a stream comes behind the event that gives the number its name. Every
            other message has stream 0
   Events   connects, disconnects with their reason, steps of the wall clock by more than
            TM_RECORDER_STEP_NS; lanes (engine/runtime/source/lane.h), again at the head of each
            segment
   Units    *_ns: Unix time unless named mono
   Memory   one heap block; names are copied into it
   Threads  the receive thread of the journal
   Errors   those of tm_journal_append but -EAGAIN: where the file thread is behind, the recorder
            waits, and so does the peer. -EINTR where the run was aborted meanwhile
   Limits   TM_RECORDER_STREAM_MAX streams and TM_RECORDER_TEXT_SZ bytes of their names: messages of
            further ones have stream 0
   Tests    tests/engine/test_recording.c, bench/journal */
#ifndef TM_ENGINE_RECORDER_H
#define TM_ENGINE_RECORDER_H

#include "engine/runtime/idle.h"
#include "net/feed/feed.h"
#include "state/journal/journal_event.h"

#include <stdatomic.h>

#define TM_RECORDER_STEP_NS (1 * TM_NS_PER_MS)

enum {
    TM_RECORDER_STREAM_MAX = 16384,
    TM_RECORDER_STREAM_SZ_MAX = 200, /* bytes of a name */
    TM_RECORDER_TEXT_SZ = 1 << 20,
};

typedef struct tm_recorder tm_recorder_t;

typedef struct tm_recorder_cfg {
    tm_journal_writer_t *journal; /* not owned */
    tm_idle_kind_t idle;          /* how to wait */
    bool live;                    /* frames come off the wire: watch the wall clock */
    const _Atomic bool *abort;    /* nobody empties the ring any more; NULL = never */
} tm_recorder_cfg_t;

int tm_recorder_open(tm_recorder_t **out, const tm_recorder_cfg_t *cfg) TM_MUST_CHECK;
void tm_recorder_close(tm_recorder_t *r);

/* flags: of the record. */
int tm_recorder_frame(tm_recorder_t *r, const tm_frame_t *frame, uint8_t flags) TM_MUST_CHECK;

/* A connection began or ceased to stream: on_link of a feed.
   Its errors come with the next frame. */
void tm_recorder_link(void *recorder, const tm_feed_link_t *link);

#endif
