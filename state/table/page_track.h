/* state/table/page_track.h - which pages changed since the last barrier, and what they held at it:
   an epoch that flips in a few nanoseconds, and a second thread that copies while the worker
   writes.
   Flow     worker: touch, flip -> [page track] -> snapshot thread: next -> checkpoint file
   Method   pages stay where they are. A flip freezes the pages of the list of the epoch that ends,
            all at once, by counting the epoch up. The snapshot thread copies a frozen page without
            asking and then marks it. A worker that is quicker says what it is going to write: of a
            span it logs the lines of 64 bytes as they were, which it has at hand anyway, and the
            thread puts them back in its copy, newest first (an undo log); of a whole page, or of
            one whose lines were logged 512 times, it makes a copy in a spare frame and hands that
            over by a ring. Then it writes in place. One exchange of the page's tag decides whose
            copy counts. Nobody waits, ever
   Ahead    where the worker writes pages faster than they are compressed, the thread saves all of
            them in a stash before it gives the first, so that they soon cost the worker nothing.
            docs/checkpoints.md has the numbers
   Cost     a span of one line: 10 to 20 ns, 64 bytes and a link of 8; a page: 2 to 6 us where
            neither it nor the frame is in a cache, which is why spans are worth it
   Torn     the copy that may be torn is made by a loop that ThreadSanitizer is told to leave alone:
            what it reads while the worker writes is thrown away or put right from the log (a
            seqlock's argument). The loads of the copy cannot sink below the exchange, which
            releases; the worker's writes cannot rise above its own, which acquires. A line is in
            the log before it is written: that is the order of stores, which x86 keeps; elsewhere a
            span counts as its page
   Units    epoch: counts up from 1
   Memory   caller owns tm_page_track_footprint bytes: spare frames, as many for the stash, half as
            many again for the log, two lists, two rings. A frame for every page there is means that
            no snapshot is given up; what is not needed is never touched
   Threads  init, flip, work, and the touches of the arena: the worker. snap_*: one other thread
   Order    P1 flip release -> snap_begin acquire (list, pages)
            P2 mark release -> touch acquire (the copy is made before the page changes)
            P3 copy push release -> pop acquire (frame); P4 the way back of frames
            P5 end release -> work acquire (the lists are the worker's again)
            P6 abandon release -> next acquire
            P7 log release -> undo acquire (lines and links)
   Errors   flip: -EAGAIN while the snapshot before is under way: the barrier is to be put off and
            counted. A worker that finds no spare frame gives the snapshot up and goes on: next
            returns -ECANCELED. Pages of a snapshot that was given up or ended as failed are part of
            the next one
   Limits   spare frames: a power of two, 2^4..2^20
   Tests    tests/state/test_page_track.c, tests/stress/stress_page_track.c */
#ifndef TM_STATE_PAGE_TRACK_H
#define TM_STATE_PAGE_TRACK_H

#include "state/table/page_arena.h"

typedef struct tm_page_track tm_page_track_t;

/* What the worker has done, for metrics; read it on the worker. */
typedef struct tm_page_track_counts {
    uint64_t flips;
    uint64_t touched;   /* first writes into a page within an epoch */
    uint64_t copied;    /* pages that the worker had to copy */
    uint64_t logged;    /* lines of 64 bytes that it kept instead */
    uint64_t abandoned; /* snapshots */
} tm_page_track_counts_t;

/* 0 where spare_cnt is out of its limits. Memory must be 128-aligned. */
size_t tm_page_track_footprint(const tm_page_arena_t *arena, uint32_t spare_cnt);

/* From here on pages of the arena are tracked. Pages written before count as unchanged, which is
   right for an arena that is fresh or was just restored. */
tm_page_track_t *tm_page_track_init(void *mem, tm_page_arena_t *arena, uint32_t spare_cnt);

/* The barrier: ends the epoch and freezes its pages. 0, or -EAGAIN. */
int tm_page_track_flip(tm_page_track_t *track) TM_MUST_CHECK;

/* Takes back what the snapshot thread is done with; to be called between batches. Returns pieces of
   work done, 0 = none. */
uint32_t tm_page_track_work(tm_page_track_t *track);

/* Whether a flip would succeed. */
bool tm_page_track_is_idle(const tm_page_track_t *track);

tm_page_track_counts_t tm_page_track_counts(const tm_page_track_t *track);

/* ---- The snapshot thread --------------------------------------------------------------------- */

/* The pages of a new flip, their number in *page_cnt; false where there was none since the last. */
bool tm_page_snap_begin(tm_page_track_t *track, uint32_t *page_cnt);

/* One page as it was at the flip: its number, and its content in `copy` (TM_PAGE_SZ bytes,
   64-aligned). 1 = a page, 0 = that was all, -EAGAIN = the worker is about to hand one over,
   -ECANCELED = the snapshot was given up. */
int tm_page_snap_next(tm_page_track_t *track, void *copy, uint32_t *page) TM_MUST_CHECK;

/* The end of it. ok: the pages are safe and need not be part of the next snapshot. */
void tm_page_snap_end(tm_page_track_t *track, bool ok);

#endif
