/* engine/runtime/journal_source.h - a recorded journal as a source of frames, in its recorded pace.
   Flow     journal (state) -> [journal source] -> parser; stands where a feed or a capture stands
   Pacing   open loop, as net/replay.h: a frame is due at start + (its time - first time) / speed
            whatever the consumer does. Only differences of recorded times are used
   Units    speed: 1 = recorded pace, 0 = as fast as the consumer takes frames
   Memory   one window of the journal and TM_JOURNAL_SOURCE_BURST records
   Threads  one ingest thread
   Errors   open: TM_E_MISSING where there is no journal; damage is logged with file and offset,
            counted (journal_damage), and what is behind it is read on
   Tests    tests/engine/test_run.c */
#ifndef TM_ENGINE_JOURNAL_SOURCE_H
#define TM_ENGINE_JOURNAL_SOURCE_H

#include "base/counter.h"
#include "net/source.h"

enum { TM_JOURNAL_SOURCE_BURST = 256 };

typedef struct tm_journal_source_cfg {
    const char *path; /* a journal's folder, or one segment */
    double speed;
    tm_counter_set_t *counters; /* of the ingest thread; not owned */
} tm_journal_source_cfg_t;

int tm_journal_source_open(tm_source_t **out, const tm_journal_source_cfg_t *cfg) TM_MUST_CHECK;

/* Whether `path` is a journal: a folder, or a file that begins like a segment. */
bool tm_journal_source_is(const char *path);

#endif
