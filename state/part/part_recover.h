/* state/part/part_recover.h - hidden files to visible ones, in steady state and after a restart
   alike.
   Flow     part_sink (commit, recover) -> [part recover] -> rename, fsync of the folder
   Rules    docs/part-files.md: READY parts of committed transactions are renamed; of all others
            that the log knows, those with a committed point are cut there and gone on with, the
            rest is removed; what the log does not know is never touched
   Threads  one owner
   Errors   -errno with the path; TM_E_CORRUPT where a READY part is missing under both names or has
            another size. Every step may be repeated
   Tests    tests/state/test_part_sink.c, tests/state/test_part_fault.c */
#ifndef TM_STATE_PART_RECOVER_H
#define TM_STATE_PART_RECOVER_H

#include "state/part/part_log.h"

typedef struct tm_part_done {
    uint64_t part_cnt, point_cnt; /* points: those that were outdated */
    int64_t row_cnt, file_sz;
    uint64_t given_up_cnt;
} tm_part_done_t;

/* When a transaction that cannot be committed is left alone for now. */
typedef struct tm_part_patience {
    int64_t now_ns;
    int64_t limit_ns; /* age of the transaction; 0 = never */
} tm_part_patience_t;

/* Whether recovery may go on from txn_id (0 = anew): not from before a transaction that is
   committed, or its rows would come twice. TM_E_CONFIG with what to do. */
int tm_part_recover_admits(const tm_part_log_t *log, uint64_t txn_id) TM_MUST_CHECK;

/* Records that transactions up to txn_id are committed, where parts of any of them wait. Comes
   before tm_part_recover_commit, so that no visible row is of a transaction that a restart could
   take for undecided. */
int tm_part_recover_decide(tm_part_log_t *log, uint64_t txn_id) TM_MUST_CHECK;

/* Makes the READY parts of transactions up to txn_id visible, and forgets points that newer ones
   have outdated. A part that fails stays in the log; the others are done all the same; the first
   error is returned, but for those of transactions for which patience has an end: they are warned
   of, counted, and tried again by the next start. patience NULL = without end. Parts below hold_sz
   stay hidden (part_compact.h). */
int tm_part_recover_commit(tm_part_log_t *log, uint64_t txn_id, int64_t hold_sz,
                           const tm_part_patience_t *patience, tm_part_done_t *done) TM_MUST_CHECK;

/* A folder whose sink the job has no more, after a restart from txn_id: parts of transactions up to
   it become visible, all else stays as it is. Nothing to do where the folder is not there. */
int tm_part_recover_left(const char *dir, uint64_t txn_id, tm_part_done_t *done) TM_MUST_CHECK;

/* Makes one READY part visible and forgets it. */
int tm_part_recover_finish(tm_part_log_t *log, int idx, tm_part_done_t *done) TM_MUST_CHECK;

/* Removes what no transaction up to txn_id knows; `keep` leaves the hidden files where they are.
   What is left has a point. */
int tm_part_recover_remove(tm_part_log_t *log, uint64_t txn_id, bool keep) TM_MUST_CHECK;

#endif
