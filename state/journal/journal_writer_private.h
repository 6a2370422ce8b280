/* state/journal/journal_writer_private.h - the writer's two halves: what the receive thread touches
   and what the file thread touches, and the words between them.
   Flow     journal_writer.c (receive thread, open, close), journal_flush.c (file thread)
   Units    pos: free-running byte position in the ring; off: in the segment file.
            off = TM_JOURNAL_HEADER_SZ + pos - seg_pos, and both are equal modulo a page
   Order    as journal_writer.h */
#ifndef TM_STATE_JOURNAL_WRITER_PRIVATE_H
#define TM_STATE_JOURNAL_WRITER_PRIVATE_H

#include "base/error.h"
#include "state/journal/journal_async.h"
#include "state/journal/journal_seal.h"
#include "state/journal/journal_writer.h"

#include <assert.h>
#include <stdatomic.h>

enum {
    /* Kept free in the ring for the step to a new segment: an end mark and the rest of a page. */
    TM_JOURNAL_ROLL_SLACK = 2 * TM_JOURNAL_PAGE_SZ
};

typedef struct tm_journal_file_side {
    uint64_t scan_pos;  /* records before it have their checksums */
    uint64_t write_pos; /* whole pages before it are in the file */
    uint64_t sent_pos;  /* and those before it are on their way */
    uint64_t seg_pos;   /* ring position of the segment's first record */
    uint64_t seg_seq;   /* its sequence */
    uint64_t next_seq;  /* of the record at scan_pos */
    uint64_t dirty_sz;  /* bytes of records that no fsync covers */
    int64_t dirty_ns;   /* mono: when the oldest of them was seen */
    int64_t seg_ns;     /* mono: when the segment was made */
    int64_t retain_ns;  /* mono: when retention looked last */
    uint64_t epoch, seg_ordinal;
    int64_t max_ns;  /* receive time, over all sealed segments */
    int fd, lock_fd; /* fd: -1 between segments */
    uint32_t seed;
    bool rolling; /* an end mark was met at scan_pos */
    bool direct;
    bool fatal;    /* the error under way is one that ends the writer */
    uint8_t *page; /* one page and the largest seal, page-aligned */
    uint8_t journal_id[TM_JOURNAL_ID_SZ];
    char path[TM_JOURNAL_PATH_MAX];
    char why[TM_ERROR_TEXT_MAX]; /* of `failed` */
    tm_counter_t *records, *bytes, *fsyncs, *segments, *retired;
    tm_counter_t uncounted[6]; /* where the caller gave no set */
    tm_journal_tally_t tally;
    tm_journal_async_t async;
} tm_journal_file_side_t;

struct tm_journal_writer {
    /* Set at open. */
    uint8_t *ring;
    uint64_t ring_sz, roll_sz;
    uint32_t payload_sz_max;
    tm_journal_writer_cfg_t cfg;
    char dir[TM_JOURNAL_PATH_MAX];
    char label[TM_JOURNAL_LABEL_SZ];

    /* Written by the receive thread. */
    alignas(TM_FALSE_SHARE) _Atomic uint64_t head; /* J1: behind the last record */
    uint64_t tail_seen;
    uint64_t next_seq, seg_seq;
    uint64_t seg_off;     /* where the next record goes in its segment */
    uint64_t seg_ordinal; /* segments since open */
    tm_counter_t *full;

    /* Written by the file thread, often. */
    alignas(TM_FALSE_SHARE) _Atomic uint64_t tail; /* J2: the ring before it may be reused */
    _Atomic uint64_t durable_seq;                  /* J3 */

    /* Written by the file thread, seldom; read at every append. */
    alignas(TM_FALSE_SHARE) _Atomic uint64_t
        roll_ordinal;   /* the segment that has lived long enough */
    _Atomic int failed; /* J5 */

    /* Written by whoever completes checkpoints. */
    alignas(TM_FALSE_SHARE) _Atomic uint64_t keep_seq; /* J4 */

    alignas(TM_FALSE_SHARE) tm_journal_file_side_t file;
};

static_assert(offsetof(tm_journal_writer_t, tail) - offsetof(tm_journal_writer_t, head) >=
                  TM_FALSE_SHARE,
              "the threads' words share no line");

/* Makes the next segment where none is open. */
int tm_journal_flush_start(tm_journal_writer_t *w);

/* Seals the open segment, or removes it where it holds no record. */
int tm_journal_flush_end(tm_journal_writer_t *w);

#endif
