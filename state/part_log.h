/* state/part_log.h - the life of part files on disk, so that a restart knows instead of guessing.
   Flow     part_sink -> [part log] -> <dir>/.parts-<subtask>.log
   Form     text, one record a line, each with a CRC-32; docs/part-files.md
   Entries  OPEN: a hidden file may exist; it is removed by a restart. READY: it is complete and
            fsynced and belongs to a transaction; a restart finishes it where that was committed.
            An entry leaves the log when its file is finished or removed
   Memory   entries on the heap; their number is bounded by open parts and pending transactions
   Threads  one owner; a lock file keeps a second process out of the same folder and subtask
   Errors   -errno with the path; -EBUSY where another process holds the lock. After a failed write
            or fsync the whole log is rewritten to a new file by the next call
   Limits   rewritten when it grows past TM_PART_LOG_SZ_MAX
   Tests    tests/state/test_part_log.c */
#ifndef TM_STATE_PART_LOG_H
#define TM_STATE_PART_LOG_H

#include "state/buffer.h"
#include "state/part_name.h"

enum { TM_PART_LOG_SZ_MAX = 1 << 20 };

typedef enum tm_part_state { TM_PART_OPEN, TM_PART_READY } tm_part_state_t;

typedef struct tm_part_entry {
    tm_part_state_t state;
    uint64_t txn_id; /* of a READY one; 0 = published without a checkpoint */
    int64_t file_sz;
    int64_t row_cnt;
    char name[TM_PART_NAME_MAX]; /* below dir: bucket and file */
} tm_part_entry_t;

typedef struct tm_part_log {
    char dir[TM_PART_PATH_MAX], path[TM_PART_PATH_MAX];
    int fd, lock_fd;
    int64_t off;
    bool broken; /* the file must be rewritten before it is used */
    tm_part_entry_t *entries;
    uint32_t entry_cnt, entry_cap;
    tm_buffer_t line;
} tm_part_log_t;

/* Locks the folder for this subtask and reads what the last run left. The folder exists. */
int tm_part_log_open(tm_part_log_t *log, const char *dir, uint32_t subtask_idx) TM_MUST_CHECK;
void tm_part_log_close(tm_part_log_t *log);

/* Records, durably, that a hidden file is about to be made. */
int tm_part_log_begin(tm_part_log_t *log, const char *name) TM_MUST_CHECK;

/* Records, durably and all together, that the named OPEN parts are complete. */
int tm_part_log_ready(tm_part_log_t *log, const tm_part_entry_t *parts, uint32_t part_cnt,
                      uint64_t txn_id) TM_MUST_CHECK;

/* Forgets an entry: its file is finished or removed. Not durable at once: doing it again is
   harmless. */
int tm_part_log_forget(tm_part_log_t *log, const char *name) TM_MUST_CHECK;

/* Index of the entry, or -1. */
int tm_part_log_find(const tm_part_log_t *log, const char *name);

#endif
