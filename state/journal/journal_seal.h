/* state/journal/journal_seal.h - what a segment says about itself at its end: counts, times and the
   sparse index.
   Flow     writer, recovery: every record -> [seal] -> seal record and trailer -> file
   Units    off: bytes in the segment; *_ns: Unix time
   Memory   about 100 KiB, no pointers; the caller owns it
   Threads  one owner
   Errors   none
   Limits   TM_JOURNAL_INDEX_MAX marks; when they are used up every other one goes and the gap
            doubles
   Tests    tests/state/test_journal_writer.c, tests/state/test_journal_golden.c */
#ifndef TM_STATE_JOURNAL_SEAL_H
#define TM_STATE_JOURNAL_SEAL_H

#include "state/journal/journal_format.h"

typedef struct tm_journal_tally {
    tm_journal_seal_t seal;
    uint64_t gap_sz, next_mark_off;
    tm_journal_mark_t marks[TM_JOURNAL_INDEX_MAX];
} tm_journal_tally_t;

enum {
    TM_JOURNAL_SEAL_SZ_MAX = (int)(sizeof(tm_journal_rec_t) + sizeof(tm_journal_seal_t) +
                                   TM_JOURNAL_INDEX_MAX * sizeof(tm_journal_mark_t) +
                                   sizeof(tm_journal_trailer_t))
};

void tm_journal_tally_init(tm_journal_tally_t *tally, int64_t prior_max_ns);

void tm_journal_tally_mark(tm_journal_tally_t *tally, uint64_t off, uint64_t idx);

/* Counts the record at `off`, in order. */
static inline void tm_journal_tally_add(tm_journal_tally_t *tally, const tm_journal_rec_t *rec,
                                        uint64_t off)
{
    tm_journal_seal_t *s = &tally->seal;
    if (TM_UNLIKELY(off >= tally->next_mark_off)) tm_journal_tally_mark(tally, off, rec->idx);
    if (s->record_cnt == 0) s->first_ns = rec->recv_ns;
    s->record_cnt = (uint64_t)rec->idx + 1;
    s->frame_cnt += tm_journal_is_message(rec->kind);
    s->payload_sz += rec->sz;
    s->last_ns = rec->recv_ns;
    if (rec->recv_ns > s->max_ns) s->max_ns = rec->recv_ns;
}

/* Writes seal record and trailer for a segment whose records end at end_off (multiple of 8) into
   `out` (TM_JOURNAL_SEAL_SZ_MAX bytes). real_ns, mono_ns and flags of tally->seal are the caller's.
   Returns the bytes; the file ends at end_off plus them. */
size_t tm_journal_seal_write(uint8_t *out, const tm_journal_tally_t *tally, uint32_t seed,
                             uint64_t end_off);

#endif
