/* engine/runtime/source/journal_source.h - a recorded journal as a source of frames, in its
   recorded pace.
   Flow     journal (state) -> [journal source] -> parser; stands where a feed or a capture stands
   Pacing   as engine/runtime/source/recorded.h
   Memory   one window of the journal and TM_JOURNAL_SOURCE_BURST records
   Threads  one ingest thread
   Errors   open: TM_E_MISSING where there is no journal; damage is logged with file and offset,
            counted (journal_damage), and what is behind it is read on
   Tests    tests/engine/test_recording.c, tests/engine/test_run.c */
#ifndef TM_ENGINE_JOURNAL_SOURCE_H
#define TM_ENGINE_JOURNAL_SOURCE_H

#include "engine/runtime/source/recorded.h"

enum { TM_JOURNAL_SOURCE_BURST = 256 };

int tm_journal_source_open(tm_source_t **out, const tm_recording_cfg_t *cfg) TM_MUST_CHECK;

/* Which opening of its writer the source stands in; 0 where none was read, or where the source is
   no journal's. */
uint64_t tm_journal_source_epoch(const tm_source_t *source);

/* Whether `path` is a journal: a folder, or a file that begins like a segment. */
bool tm_journal_source_is(const char *path);

#endif
