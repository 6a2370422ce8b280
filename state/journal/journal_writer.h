/* state/journal/journal_writer.h - writes every frame behind the back of the thread that receives
   it.
   Flow     receive thread: append -> [ring of bytes] -> file thread: flush_work -> segment files
   Why      append is a copy and one release store: no call to the kernel, no lock, no allocation.
            Checksums, files and fsync are the file thread's
   Form     docs/journal.md
   Units    *_sz: bytes; *_ns: Unix time unless named mono; seq: counts records of the journal from
            0
   Memory   buffer_sz of shared memory mapped twice in a row (a record never wraps), pre-faulted;
            about 350 KiB beside it
   Threads  append, next_seq: the receive thread. flush_work, sync, close: the file thread.
            durable_seq, keep_from, lag: any
   Order    J1 head release -> acquire (records); J2 tail release -> acquire (reuse of the ring); J3
            durable_seq release -> acquire (what it names is on disk); J4 keep_seq release ->
            acquire; J5 failed release -> acquire (why)
   Errors   append: sequence >= 0; -EAGAIN where the ring is full (counter journal_full): wait, or
            drop and say so with a gap event; TM_E_LIMIT above payload_sz_max; the writer's error
            once it failed. flush_work: a full disk is -ENOSPC each time until there is room,
            nothing is lost meanwhile; any other failed write or fsync stops the writer for good:
            open the journal again
   Limits   one receive thread and one file thread; payload_sz_max <= buffer_sz / 4
   Tests    tests/state/test_journal_writer.c, tests/state/test_journal_fault.c,
            tests/stress/stress_journal.c, tests/crash/test_journal_crash.c */
#ifndef TM_STATE_JOURNAL_WRITER_H
#define TM_STATE_JOURNAL_WRITER_H

#include "base/counter.h"
#include "base/frame.h"
#include "state/journal/journal_recover.h"

typedef struct tm_journal_writer tm_journal_writer_t;

typedef struct tm_journal_writer_cfg {
    const char *dir;           /* made where it is missing; copied */
    const char *label;         /* of job or feed, put into headers; NULL = "" */
    uint64_t buffer_sz;        /* ring, a power of two; 0 = 64 MiB */
    uint32_t payload_sz_max;   /* 0 = 16 MiB, or what the ring allows */
    uint64_t roll_sz;          /* a segment's size; 0 = 256 MiB */
    int64_t roll_age_ns;       /* a segment with records ends at this age; 0 = never */
    int64_t sync_interval_ns;  /* group fsync at least so often; 0 = 100 ms, < 0 = not by time */
    uint64_t sync_sz;          /* and after so many bytes; 0 = not by size */
    bool sync_each;            /* and whenever flush_work finds records */
    bool buffered;             /* never O_DIRECT */
    uint64_t retain_sz;        /* remove the oldest segments above this; 0 = keep */
    int64_t retain_age_ns;     /* remove segments older than this; 0 = keep */
    bool keep_for_checkpoints; /* remove nothing from tm_journal_keep_from() on, at first nothing */
    tm_counter_set_t *receive_counters; /* of the receive thread: journal_full; may be NULL */
    tm_counter_set_t *file_counters;    /* of the file thread: journal_records, _bytes, _fsyncs,
                                           _segments, _retired; or NULL */
    tm_journal_damage_fn_t on_damage;   /* what recovery met; may be NULL */
    void *on_damage_ctx;
} tm_journal_writer_cfg_t;

/* Recovers the journal (report in *recovery, may be NULL), locks its folder, makes the first
   segment. */
int tm_journal_writer_open(tm_journal_writer_t **out, const tm_journal_writer_cfg_t *cfg,
                           tm_journal_recovery_t *recovery) TM_MUST_CHECK;

/* Writes and fsyncs what was appended, seals the segment, frees the writer. Returns the first
   error; everything is released in any case. */
int tm_journal_writer_close(tm_journal_writer_t *w) TM_MUST_CHECK;

typedef struct tm_journal_entry {
    const void *data;
    uint32_t sz;
    uint32_t conn_idx;
    int64_t recv_ns;
    uint16_t stream;
    uint8_t kind; /* tm_journal_kind_t, not SEAL */
    uint8_t flags;
} tm_journal_entry_t;

/* ---- receive thread ---- */

int64_t tm_journal_append(tm_journal_writer_t *w, const tm_journal_entry_t *entry) TM_MUST_CHECK;

/* A frame as text, stream 0. */
static inline int64_t tm_journal_append_frame(tm_journal_writer_t *w, const tm_frame_t *frame)
{
    const tm_journal_entry_t entry = {.data = frame->data,
                                      .sz = frame->sz,
                                      .conn_idx = frame->conn_idx,
                                      .recv_ns = frame->recv_ns,
                                      .kind = TM_JOURNAL_TEXT};
    return tm_journal_append(w, &entry);
}

/* How many segments were begun before the one of the last append: what describes the records may be
   said again at the head of each. */
uint64_t tm_journal_segment_idx(const tm_journal_writer_t *w);

/* Which opening of the journal this is, as tm_journal_reader_epoch of its records. */
uint64_t tm_journal_epoch(const tm_journal_writer_t *w);

/* The sequence that the next append gives. */
uint64_t tm_journal_next_seq(const tm_journal_writer_t *w);

/* ---- file thread ---- */

/* Does what is due: checksums, writes, fsync, a new segment, retention. Returns a work count (0 =
   idle), or an error with a text. */
int tm_journal_flush_work(tm_journal_writer_t *w) TM_MUST_CHECK;

/* Writes and fsyncs everything appended so far. */
int tm_journal_sync(tm_journal_writer_t *w) TM_MUST_CHECK;

/* ---- any thread ---- */

/* The first sequence that is not yet safe on disk: all below it survive a power cut. */
uint64_t tm_journal_durable_seq(const tm_journal_writer_t *w);

/* A completed checkpoint needs the journal from this sequence on; older segments may go. */
void tm_journal_keep_from(tm_journal_writer_t *w, uint64_t seq);

/* Bytes in the ring that are not yet written. */
uint64_t tm_journal_lag_sz(const tm_journal_writer_t *w);

#endif
