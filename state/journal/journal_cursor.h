/* state/journal/journal_cursor.h - reads one segment record by record, past any damage.
   Flow     window -> [cursor] -> reader, recovery, pack
   Form     docs/journal.md, "Reading": both checksums of every record are checked; behind damage
            the cursor looks for the next valid record
   Units    seq: of the journal; off: bytes in the plain segment; *_ns: Unix time
   Memory   the window's; views stay valid until the next read or seek
   Threads  one owner
   Errors   -errno with a text where reading is impossible; damage goes to the callback and is never
            an error here
   Limits   as the format.  Tests tests/state/test_journal_damage.c, tests/fuzz/fuzz_journal.c */
#ifndef TM_STATE_JOURNAL_CURSOR_H
#define TM_STATE_JOURNAL_CURSOR_H

#include "base/frame.h"
#include "state/journal/journal_damage.h"
#include "state/journal/journal_format.h"

/* A record as its reader sees it. frame is what a source hands to a parser, but for ingress_ns,
   which is 0 here: whoever paces the replay sets it. */
typedef struct tm_journal_view {
    tm_frame_t frame;
    uint64_t seq;
    uint64_t off;
    uint16_t stream;
    uint8_t kind, flags;
} tm_journal_view_t;

typedef struct tm_journal_cursor tm_journal_cursor_t;

typedef struct tm_journal_cursor_cfg {
    const char *path;  /* outlives the cursor */
    uint64_t name_seq; /* first sequence by the file's name */
    const uint8_t
        *journal_id; /* from a neighbour, for a segment with a broken header; NULL = none */
    bool last;       /* of its journal: may end without a seal */
    bool stop;       /* a read that met damage returns TM_E_CORRUPT before it goes on */
    tm_journal_damage_fn_t on_damage; /* NULL = counted only */
    void *on_damage_ctx;
} tm_journal_cursor_cfg_t;

/* TM_E_CORRUPT where the header is broken and no journal_id is given (reported as damage, too),
   TM_E_UNSUPPORTED for another version. */
int tm_journal_cursor_open(tm_journal_cursor_t **out,
                           const tm_journal_cursor_cfg_t *cfg) TM_MUST_CHECK;
void tm_journal_cursor_close(tm_journal_cursor_t *c);

/* Gives up to `cap` records. Stops short of damage, so that what follows a damage comes with a
   later call. Returns records, 0 = the segment has ended, or an error (of TM_E_CORRUPT: no text).
   */
int tm_journal_cursor_read(tm_journal_cursor_t *c, tm_journal_view_t *views,
                           uint32_t cap) TM_MUST_CHECK;

/* Moves to the last index entry at or before a sequence, or before a time, or stays at the start: a
   place from which reading on meets the target. Only before the first read. */
int tm_journal_cursor_seek_seq(tm_journal_cursor_t *c, uint64_t seq) TM_MUST_CHECK;
int tm_journal_cursor_seek_ns(tm_journal_cursor_t *c, int64_t recv_ns) TM_MUST_CHECK;

const tm_journal_head_t *tm_journal_cursor_head(const tm_journal_cursor_t *c);

/* Of a sealed segment whose seal is sound, else NULL. */
const tm_journal_seal_t *tm_journal_cursor_seal(const tm_journal_cursor_t *c);

/* The sequence behind the last record given; after the end: where the next segment has to start. */
uint64_t tm_journal_cursor_next_seq(const tm_journal_cursor_t *c);

/* After the end: offset behind the last record, and the bytes of a torn tail behind it. */
uint64_t tm_journal_cursor_end_off(const tm_journal_cursor_t *c);
uint64_t tm_journal_cursor_torn_sz(const tm_journal_cursor_t *c);

/* Whether seal and trailer stand at the very end, as in a segment that was closed in order. */
bool tm_journal_cursor_closed(const tm_journal_cursor_t *c);
uint64_t tm_journal_cursor_damage_cnt(const tm_journal_cursor_t *c);

#endif
