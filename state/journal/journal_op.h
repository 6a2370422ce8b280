/* state/journal/journal_op.h - writes and fsyncs made behind the back of the file thread: the disk
   always has the next write at hand, and an fsync holds nobody up.
   Flow     journal_flush.c, journal_segment.c -> [op] -> kernel
   Why      with one write after the other the disk idles between them for a fifth of the time at
            1.5 GB/s, and an fsync takes milliseconds where others use the disk as well.
            The kernel's older interface (io_submit) and not io_uring: it hands direct writes to the
            disk in the order in which they begin, before it returns, and a process that is killed
            leaves no later one behind without those before it. io_uring passes them to threads,
            of which some are never started then. Containers seldom forbid it, too
   Units    sz, off: bytes
   Memory   ops are the caller's and stay where they are while they are under way
   Threads  one at a time
   Errors   where the kernel refuses, and where tests hook the calls of state/file.h, an op is made
            in place when its end is asked for. So is a write that came back with an error or short:
            that is how its text is learnt, and asking again tries again. An fsync is never repeated
            after it failed, as the second one may lie
   Limits   TM_JOURNAL_OP_MAX under way
   Tests    tests/state/test_journal_writer.c, tests/state/test_journal_fault.c,
            tests/crash/test_journal_crash.c */
#ifndef TM_STATE_JOURNAL_OP_H
#define TM_STATE_JOURNAL_OP_H

#include "base/types.h"

#include <linux/aio_abi.h>

enum { TM_JOURNAL_OP_MAX = 16 };

typedef struct tm_journal_ops {
    aio_context_t context; /* 0 = none: all is made in place */
    uint32_t busy_cnt;
} tm_journal_ops_t;

typedef enum tm_journal_op_kind {
    TM_JOURNAL_OP_WRITE,
    TM_JOURNAL_OP_SYNC,      /* of a file, or a folder */
    TM_JOURNAL_OP_SYNC_DATA, /* inside a size that was synced before */
} tm_journal_op_kind_t;

typedef enum tm_journal_op_state {
    TM_JOURNAL_OP_DONE, /* or never begun */
    TM_JOURNAL_OP_BUSY,
    TM_JOURNAL_OP_IN_PLACE, /* to be made by whoever asks for its end */
    TM_JOURNAL_OP_FAILED,   /* for good: an fsync */
} tm_journal_op_state_t;

typedef struct tm_journal_op {
    tm_journal_op_kind_t kind;
    tm_journal_op_state_t state;
    int fd;
    const char *path; /* for errors; not owned */
    const void *src;
    uint64_t sz;
    int64_t off;
    int err;
} tm_journal_op_t;

/* From a zeroed struct. */
void tm_journal_ops_open(tm_journal_ops_t *ops);

/* Waits for all that is under way. */
void tm_journal_ops_close(tm_journal_ops_t *ops);

void tm_journal_op_begin(tm_journal_ops_t *ops, tm_journal_op_t *op);

/* 0 where the op is done (or was never begun), 1 where it is still under way, or its error. */
int tm_journal_op_end(tm_journal_ops_t *ops, tm_journal_op_t *op) TM_MUST_CHECK;

/* Sleeps until one more op has come back; returns at once where none is under way. */
void tm_journal_ops_wait(tm_journal_ops_t *ops);

#endif
