/* state/part_recover.h - hidden files to visible ones, in steady state and after a restart alike.
   Flow     part_sink (commit, recover) -> [part recover] -> rename, fsync of the folder
   Rules    docs/part-files.md: READY parts of committed transactions are renamed; all others that
            the log knows are removed; what the log does not know is never touched
   Threads  one owner
   Errors   -errno with the path; TM_E_CORRUPT where a READY part is missing under both names or has
            another size. Every step may be repeated
   Tests    tests/state/test_part_sink.c, tests/state/test_part_fault.c */
#ifndef TM_STATE_PART_RECOVER_H
#define TM_STATE_PART_RECOVER_H

#include "state/part_log.h"

typedef struct tm_part_done {
    uint64_t part_cnt;
    int64_t row_cnt, file_sz;
} tm_part_done_t;

/* Makes the READY parts of transactions up to txn_id visible. One that fails stays in the log; the
   others are done all the same; the first error is returned. */
int tm_part_recover_commit(tm_part_log_t *log, uint64_t txn_id, tm_part_done_t *done) TM_MUST_CHECK;

/* Removes the hidden files of all entries that are left. */
int tm_part_recover_abort(tm_part_log_t *log) TM_MUST_CHECK;

#endif
