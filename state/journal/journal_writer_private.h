/* state/journal/journal_writer_private.h - the writer's two halves: what the receive thread touches
   and what the file thread touches, and the words between them.
   Flow     journal_writer.c (receive thread, open, close), journal_flush.c (file thread: records),
            journal_segment.c (file thread: segments)
   Units    pos: free-running byte position in the ring; off: in the segment file.
            off = TM_JOURNAL_HEADER_SZ + pos - seg_pos, and both are equal modulo a page
   Order    as journal_writer.h */
#ifndef TM_STATE_JOURNAL_WRITER_PRIVATE_H
#define TM_STATE_JOURNAL_WRITER_PRIVATE_H

#include "base/error.h"
#include "state/journal/journal_op.h"
#include "state/journal/journal_seal.h"
#include "state/journal/journal_writer.h"

#include <assert.h>
#include <stdatomic.h>

enum {
    /* Kept free in the ring for the step to a new segment: an end mark and the rest of a page. */
    TM_JOURNAL_ROLL_SLACK = 2 * TM_JOURNAL_PAGE_SZ,
    TM_JOURNAL_WRITE_MAX = 8, /* under way at once */
};

typedef struct tm_journal_write {
    tm_journal_op_t op;
    uint64_t tail_pos; /* the ring before it is free once it has ended, and all before it have */
} tm_journal_write_t;

/* The file of the next segment, made ahead: space reserved, under a temporary name. */
typedef struct tm_journal_next {
    enum { TM_JOURNAL_NEXT_NONE, TM_JOURNAL_NEXT_OPEN, TM_JOURNAL_NEXT_SYNCING } step;
    int fd;       /* -1 where there is none */
    bool refused; /* making it ahead failed: once more when it is needed */
    tm_journal_op_t op;
    char path[TM_JOURNAL_PATH_MAX];
} tm_journal_next_t;

/* From one segment to the next, while records go into the next already. None of those counts as
   durable before the turn is over. */
typedef struct tm_journal_turn {
    enum {
        TM_JOURNAL_TURN_NONE,
        TM_JOURNAL_TURN_WRITING, /* the rest and the seal of the old one, the header of the new */
        TM_JOURNAL_TURN_SYNCING, /* both */
        TM_JOURNAL_TURN_NAMING,
        TM_JOURNAL_TURN_LISTING, /* the folder */
    } step;
    int old_fd;         /* -1 where there is none */
    uint64_t old_sz;    /* it is cut to */
    uint64_t write_cnt; /* writes that have to end first, counted as in begun_cnt */
    tm_journal_op_t old_sync, new_sync;
    const char *old_path;
} tm_journal_turn_t;

typedef struct tm_journal_file_side {
    uint64_t scan_pos; /* records before it have their checksums */
    uint64_t sent_pos; /* whole pages before it are in the file, or on their way */
    uint64_t seg_pos;  /* ring position of the segment's first record */
    uint64_t seg_seq;  /* its sequence */
    uint64_t next_seq; /* of the record at scan_pos */
    uint64_t dirty_sz; /* bytes of records that no fsync covers */
    int64_t dirty_ns;  /* mono: when the oldest of them was seen */
    int64_t seg_ns;    /* mono: when the segment was made */
    int64_t retain_ns; /* mono: when retention looked last */
    uint64_t sync_seq; /* durable once `sync` has ended */
    uint64_t epoch, seg_ordinal;
    int64_t max_ns;  /* receive time, over all sealed segments */
    int fd, lock_fd; /* lock_fd: the folder */
    uint32_t seed;
    bool rolling; /* an end mark was met at scan_pos */
    bool direct;
    bool calm;          /* no record waits behind those that were scanned */
    bool fatal;         /* the error under way is one that ends the writer */
    uint8_t *rest_page; /* the newest records, where they do not fill a page */
    uint8_t *head_page;
    uint8_t *seal_pages; /* a page and the largest seal */
    uint8_t journal_id[TM_JOURNAL_ID_SZ];
    const char *path; /* one of these in turn: writes under way still name the old one */
    char paths[2][TM_JOURNAL_PATH_MAX];
    char why[TM_ERROR_TEXT_MAX]; /* of `failed` */
    tm_counter_t *records, *bytes, *fsyncs, *segments, *retired;
    tm_counter_t uncounted[6]; /* where the caller gave no set */
    tm_journal_tally_t tally;
    tm_journal_ops_t ops;
    uint64_t begun_cnt, ended_cnt; /* of writes; number n is in writes[n % TM_JOURNAL_WRITE_MAX] */
    tm_journal_write_t writes[TM_JOURNAL_WRITE_MAX];
    tm_journal_op_t sync;
    tm_journal_next_t next;
    tm_journal_turn_t turn;
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

/* Begins a call behind the back of this thread where there is more to do meanwhile. Else it is made
   in place, which spares the way through a thread of the kernel: that one may wait for a core. */
static inline void tm_journal_begin(tm_journal_file_side_t *f, tm_journal_op_t *op)
{
    op->state = TM_JOURNAL_OP_IN_PLACE;
    if (!f->calm) tm_journal_op_begin(&f->ops, op);
}

/* ---- journal_flush.c ---- */

static inline uint8_t *tm_journal_ring_at(const tm_journal_writer_t *w, uint64_t pos)
{
    return w->ring + (pos & (w->ring_sz - 1));
}

static inline int64_t tm_journal_file_off(const tm_journal_file_side_t *f, uint64_t pos)
{
    return (int64_t)(TM_JOURNAL_HEADER_SZ + pos - f->seg_pos);
}

/* Waits until `cnt` writes can begin, at most TM_JOURNAL_WRITE_MAX. */
int tm_journal_writes_room(tm_journal_writer_t *w, uint32_t cnt) TM_MUST_CHECK;

/* Begins a write where there is room for it. fd, path, src, sz and off of the op are the caller's.
 */
void tm_journal_write_begin(tm_journal_writer_t *w, const tm_journal_write_t *write);

/* Frees the ring behind writes that have ended. Returns how many did, or an error. */
int tm_journal_writes_settle(tm_journal_writer_t *w) TM_MUST_CHECK;

/* ---- journal_segment.c ---- */

/* Makes the first segment. */
int tm_journal_segment_first(tm_journal_writer_t *w) TM_MUST_CHECK;

/* At an end mark: the file of the next segment takes over, at once where it was made ahead. All
   whole pages of the old one were sent. */
int tm_journal_segment_turn(tm_journal_writer_t *w) TM_MUST_CHECK;

/* Goes on with what is under way behind the records. Returns how many steps, or an error. */
int tm_journal_segment_work(tm_journal_writer_t *w, int64_t now_ns) TM_MUST_CHECK;

/* Seals the open segment, or removes it where it holds no record. All was synced. */
int tm_journal_segment_last(tm_journal_writer_t *w) TM_MUST_CHECK;

#endif
