/* state/journal/journal_cursor_private.h - what the two halves of the cursor share: opening and
   reading.
   Flow     journal_cursor_open.c, journal_cursor.c
   Threads  as journal_cursor.h */
#ifndef TM_STATE_JOURNAL_CURSOR_PRIVATE_H
#define TM_STATE_JOURNAL_CURSOR_PRIVATE_H

#include "state/crc32c.h"
#include "state/journal/journal_cursor.h"
#include "state/journal/journal_window.h"

struct tm_journal_cursor {
    tm_journal_window_t w;
    tm_crc32c_fn_t crc;
    uint32_t seed;
    uint32_t expect;   /* idx of the next record */
    uint64_t off;      /* where it should be */
    uint64_t good_off; /* end of the last record that was recognised */
    uint64_t limit;    /* records end here at the latest */
    uint64_t first_seq;
    bool trailed;   /* the trailer is sound: limit is the seal's offset */
    bool sealed;    /* a seal was recognised */
    bool have_seal; /* and its content is sound */
    bool gap_known; /* the jump of idx that follows was reported already */
    bool ended;
    uint64_t torn_sz, damage_cnt;
    tm_journal_cursor_cfg_t cfg;
    tm_journal_seal_t seal;
    tm_journal_mark_t *marks;
    tm_journal_head_t head;
};

/* Passes a damage of [off, end) on; lost_cnt records from the expected one. */
void tm_journal_cursor_report(tm_journal_cursor_t *c, tm_journal_damage_kind_t kind, uint64_t off,
                              uint64_t end, uint64_t lost_cnt);

/* Makes [off, off + need) visible. Returns 1, 0 where the segment has it not, or an error. */
int tm_journal_cursor_see(tm_journal_cursor_t *c, uint64_t off, uint64_t need);

/* Reads seal and index at `off`. Returns 1 where they are sound, 0 where not, or an error. */
int tm_journal_cursor_take_seal(tm_journal_cursor_t *c, uint64_t off);

#endif
