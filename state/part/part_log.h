/* state/part/part_log.h - the life of part files on disk, so that a restart knows instead of
   guessing.
   Flow     part_sink -> [part log] -> <dir>/.parts-<subtask>.log
   Form     text, one record a line, each with a CRC-32; docs/part-files.md
   Entries  OPEN: a hidden file may exist; its points tell up to where which transaction reaches.
            READY: it is complete and fsynced and belongs to a transaction. MERGED: its rows are in
            a part that became READY in the same record, so it is to be removed. An entry leaves
            the log when its file is finished or removed
   Memory   entries on the heap; their number is bounded by open parts and pending transactions
   Threads  one owner; a lock file keeps a second process out of the same folder and subtask
   Errors   -errno with the path; -EBUSY where another process holds the lock. After a failed write
            or fsync the whole log is rewritten to a new file by the next call
   Limits   rewritten when it grows past TM_PART_LOG_SZ_MAX
   Tests    tests/state/test_part_log.c */
#ifndef TM_STATE_PART_LOG_H
#define TM_STATE_PART_LOG_H

#include "state/buffer.h"
#include "state/part/part_name.h"

#define TM_PART_LOG_MAGIC "tidemark parts 4\n"

enum { TM_PART_LOG_SZ_MAX = 1 << 20, TM_PART_LINE_MAX = TM_PART_NAME_MAX + 128 };

typedef enum tm_part_state { TM_PART_OPEN, TM_PART_READY, TM_PART_MERGED } tm_part_state_t;

/* Up to where a file reaches that goes on after a transaction. */
typedef struct tm_part_point {
    uint64_t txn_id;
    int64_t file_sz, row_cnt;
} tm_part_point_t;

typedef struct tm_part_entry {
    tm_part_state_t state;
    uint32_t tag;      /* what wrote it: only the same may go on with it */
    uint64_t id;       /* in the hidden name */
    uint64_t txn_id;   /* of a READY one; 0 = published without a checkpoint */
    int64_t sealed_ns; /* Unix time of its last transaction */
    int64_t file_sz;   /* of a READY one */
    int64_t row_cnt;
    tm_part_point_t *points; /* by transaction, oldest first */
    uint32_t point_cnt, point_cap;
    bool shown;                    /* READY, and decided to be renamed: it waits for no others */
    bool visible;                  /* renamed by this run; what follows may have failed */
    bool sealing;                  /* its line waits for tm_part_log_seal */
    tm_part_state_t sealing_state; /* that it has from there on */
    char name[TM_PART_NAME_MAX];   /* below dir: bucket and file */
} tm_part_entry_t;

typedef struct tm_part_log {
    char dir[TM_PART_PATH_MAX], path[TM_PART_PATH_MAX];
    int fd, lock_fd;
    int64_t off;
    bool broken; /* the file must be rewritten before it is used */
    tm_part_entry_t *entries;
    uint32_t entry_cnt, entry_cap;
    uint64_t next_counter; /* behind every counter that was ever begun */
    uint64_t committed;    /* newest transaction whose rows may be visible; 0 = none */
    tm_buffer_t line;
} tm_part_log_t;

/* Locks the folder for this subtask and reads what the last run left. The folder exists. Logs of
   subtasks from subtask_cnt on, which a run with more of them left, are taken over by subtask
   (their number modulo subtask_cnt); subtask_cnt 0 = by nobody. */
int tm_part_log_open(tm_part_log_t *log, const char *dir, uint32_t subtask_idx,
                     uint32_t subtask_cnt) TM_MUST_CHECK;
void tm_part_log_close(tm_part_log_t *log);

/* Records, durably, that a hidden file is about to be made: name, id and tag of `part`. */
int tm_part_log_begin(tm_part_log_t *log, const tm_part_entry_t *part) TM_MUST_CHECK;

/* Collects what a transaction holds: a READY or MERGED part with size and rows, or a point of an
   OPEN one.
   Nothing counts before tm_part_log_seal, which records all of them together, durably. */
int tm_part_log_add(tm_part_log_t *log, const char *name, tm_part_state_t state,
                    const tm_part_point_t *at) TM_MUST_CHECK;
int tm_part_log_seal(tm_part_log_t *log, uint64_t txn_id, int64_t now_ns) TM_MUST_CHECK;

/* Records, durably, that transactions up to this one are committed: before any row of them becomes
   visible. Does nothing where that is known. */
int tm_part_log_commit(tm_part_log_t *log, uint64_t txn_id) TM_MUST_CHECK;

/* Records, durably, that a READY part that may have waited for others is about to be renamed: a
   power cut may take the rename back after a reader saw the part, and the next start repeats it. */
int tm_part_log_show(tm_part_log_t *log, int idx) TM_MUST_CHECK;

/* Makes an entry OPEN again, as it was at its point `point_idx`; newer points are forgotten. For
   the next rewrite. */
void tm_part_log_rewind(tm_part_log_t *log, int idx, uint32_t point_idx);

/* Forgets an entry: its file is finished or removed. Not durable at once: doing it again is
   harmless. */
int tm_part_log_forget(tm_part_log_t *log, const char *name) TM_MUST_CHECK;

/* Removes the hidden file of an entry and forgets it, in this order on the disk as well: a file
   that a power cut brought back would be known to nobody. */
int tm_part_log_remove(tm_part_log_t *log, int idx) TM_MUST_CHECK;

/* A fresh file with the live entries only, in place of the old one, durable. */
int tm_part_log_rewrite(tm_part_log_t *log) TM_MUST_CHECK;

/* Index of the entry, or -1. */
int tm_part_log_find(const tm_part_log_t *log, const char *name);

/* The newest point of a transaction up to txn_id; -1 = none. */
int tm_part_entry_point(const tm_part_entry_t *e, uint64_t txn_id);

#endif
