/* engine/runtime/source/dead_journal.h - messages that gave no row although they should have, on
   disk.
   Flow     parser -> ingest -> [dead journal] -> a journal of its own (state/), which
            `tidemark journal cat` prints and a job can replay
   Form     a note {"reason","offset","size"}, then the message as it came, cut to
            TM_DEAD_JOURNAL_MESSAGE_MAX bytes
   Memory   the journal's ring, TM_DEAD_JOURNAL_RING_SZ
   Threads  put: the ingest thread; the file thread writes and closes
   Errors   open: those of the journal. A letter that finds the ring full is counted
            (dead_letters_lost), never waited for: bad input must not hold the good
   Limits   TM_DEAD_JOURNAL_KEEP_SZ on disk, the oldest segments go first
   Tests    tests/e2e/malformed.py */
#ifndef TM_ENGINE_DEAD_JOURNAL_H
#define TM_ENGINE_DEAD_JOURNAL_H

#include "parse/dead_letter.h"
#include "state/journal/journal_writer.h"

enum {
    TM_DEAD_JOURNAL_MESSAGE_MAX = 1 << 20,
    TM_DEAD_JOURNAL_RING_SZ = 8 << 20,
    TM_DEAD_JOURNAL_SEGMENT_SZ = 8 << 20,
    TM_DEAD_JOURNAL_KEEP_SZ = 64 << 20,
};

/* cfg names folder, label and counters; the rest is filled in. */
int tm_dead_journal_open(tm_journal_writer_t **out, tm_journal_writer_cfg_t *cfg) TM_MUST_CHECK;

void tm_dead_journal_put(tm_journal_writer_t *journal, const tm_dead_letter_t *letter,
                         tm_counter_t *lost);

#endif
