/* state/journal/journal_async.h - one write in flight, so that the next checksums are made while
   the disk works.
   Flow     journal_flush.c -> [async] -> kernel
   Why      checksum and write in turn leave the disk idle for a third of the time at 1 GB/s
   Units    *_sz, off: bytes
   Memory   an io_uring of two entries
   Threads  one owner
   Errors   open, start: false where the kernel, or a container around it, gives no io_uring, and
            where tests hook the calls of state/file.h: write in place instead. wait: what the write
            returned; whoever gets fewer bytes than it gave writes them again, in place, and so
            learns why
   Tests    tests/state/test_journal_writer.c, tests/crash/test_journal_crash.c */
#ifndef TM_STATE_JOURNAL_ASYNC_H
#define TM_STATE_JOURNAL_ASYNC_H

#include "base/types.h"

#include <liburing.h>

typedef struct tm_journal_async {
    struct io_uring ring;
    bool open;
    bool busy; /* a write is in flight: its bytes must not change */
} tm_journal_async_t;

/* From a zeroed struct. */
bool tm_journal_async_open(tm_journal_async_t *async);

/* Waits for the write in flight. */
void tm_journal_async_close(tm_journal_async_t *async);

bool tm_journal_async_start(tm_journal_async_t *async, int fd, const void *src, size_t sz,
                            int64_t off);

/* Bytes written, or -errno. */
int64_t tm_journal_async_wait(tm_journal_async_t *async);

#endif
