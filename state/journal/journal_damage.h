/* state/journal/journal_damage.h - a region of a journal that could not be read, and what it cost.
   Flow     cursor -> [damage] -> verify, replay, recovery report
   Units    off, sz: bytes in the file named; seq: first sequence that may be missing
   Memory   path belongs to the reader and lives as long as it
   Threads  no state
   Limits   none.  Tests tests/state/test_journal_damage.c */
#ifndef TM_STATE_JOURNAL_DAMAGE_H
#define TM_STATE_JOURNAL_DAMAGE_H

#include "base/types.h"

typedef enum tm_journal_damage_kind {
    TM_JOURNAL_BAD_HEADER_COPY, /* one of two: nothing is lost */
    TM_JOURNAL_BAD_HEADER,      /* both; readable still where a neighbour tells the journal's id */
    TM_JOURNAL_BAD_BYTES,       /* no record could be recognised here */
    TM_JOURNAL_BAD_PAYLOAD,     /* one record whose place and sequence are known */
    TM_JOURNAL_BAD_BLOCK,       /* of a cold segment */
    TM_JOURNAL_BAD_SEAL,        /* nothing is lost but the index */
    TM_JOURNAL_BAD_TRAILER,
    TM_JOURNAL_TORN_TAIL,  /* bytes behind the last record of an open segment: never acknowledged */
    TM_JOURNAL_NOT_SEALED, /* a segment that is not the last one ends without a seal: it was cut */
    TM_JOURNAL_MISSING,    /* sequences that no file holds */
    TM_JOURNAL_UNREADABLE, /* the device failed to give these bytes */
} tm_journal_damage_kind_t;

typedef struct tm_journal_damage {
    tm_journal_damage_kind_t kind;
    const char *path;
    uint64_t off, sz;
    uint64_t seq, lost_cnt; /* lost_cnt 0: none, or as many as the next damage of the file tells */
} tm_journal_damage_t;

typedef void (*tm_journal_damage_fn_t)(void *ctx, const tm_journal_damage_t *damage);

/* "bad payload", "torn tail". */
const char *tm_journal_damage_name(tm_journal_damage_kind_t kind);

/* "<path>: offset 4096: bad payload, 232 bytes, sequence 17 lost": one line, no newline. */
void tm_journal_damage_text(char *out, size_t out_sz, const tm_journal_damage_t *damage);

#endif
