#include "state/journal/journal_async.h"

#include "state/file.h"

#include <errno.h>

bool tm_journal_async_open(tm_journal_async_t *a)
{
    a->open = io_uring_queue_init(2, &a->ring, 0) == 0;
    return a->open;
}

bool tm_journal_async_start(tm_journal_async_t *a, int fd, const void *src, size_t sz, int64_t off)
{
    if (!a->open || !tm_file_ops_is_kernel()) return false;
    struct io_uring_sqe *sqe = io_uring_get_sqe(&a->ring);
    if (!sqe) return false;
    io_uring_prep_write(sqe, fd, src, (unsigned)sz, (uint64_t)off);
    a->busy = io_uring_submit(&a->ring) == 1;
    if (a->busy) return true;
    io_uring_queue_exit(&a->ring); /* with the entry that was not taken */
    a->open = false;
    return false;
}

int64_t tm_journal_async_wait(tm_journal_async_t *a)
{
    struct io_uring_cqe *cqe;
    int code;
    do code = io_uring_wait_cqe(&a->ring, &cqe);
    while (code == -EINTR);
    a->busy = false;
    if (code < 0) return code;
    const int64_t res = cqe->res;
    io_uring_cqe_seen(&a->ring, cqe);
    return res;
}

void tm_journal_async_close(tm_journal_async_t *a)
{
    if (a->busy) (void)tm_journal_async_wait(a);
    if (a->open) io_uring_queue_exit(&a->ring);
    a->open = false;
}
