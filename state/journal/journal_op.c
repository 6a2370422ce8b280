#include "state/journal/journal_op.h"

#include "base/error.h"
#include "state/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

void tm_journal_ops_open(tm_journal_ops_t *ops)
{
    if (syscall(SYS_io_setup, TM_JOURNAL_OP_MAX, &ops->context) != 0) ops->context = 0;
}

void tm_journal_ops_close(tm_journal_ops_t *ops)
{
    while (ops->busy_cnt > 0) tm_journal_ops_wait(ops);
    if (ops->context) syscall(SYS_io_destroy, ops->context);
    ops->context = 0;
}

static bool is_sync(const tm_journal_op_t *op)
{
    return op->kind != TM_JOURNAL_OP_WRITE;
}

static void op_back(tm_journal_op_t *op, int64_t res)
{
    const int64_t whole = is_sync(op) ? 0 : (int64_t)op->sz;
    if (res == whole) {
        op->state = TM_JOURNAL_OP_DONE;
    } else if (is_sync(op)) {
        op->state = TM_JOURNAL_OP_FAILED;
        op->err = (int)res;
    } else {
        op->state = TM_JOURNAL_OP_IN_PLACE;
    }
}

/* Takes what has come back, at least `min_cnt`. */
static void reap(tm_journal_ops_t *ops, long min_cnt)
{
    struct io_event events[TM_JOURNAL_OP_MAX];
    struct timespec none = {0};
    long cnt;
    do
        cnt = syscall(SYS_io_getevents, ops->context, min_cnt, (long)TM_JOURNAL_OP_MAX, events,
                      min_cnt > 0 ? NULL : &none);
    while (cnt < 0 && errno == EINTR);
    for (long i = 0; i < cnt; i++) {
        op_back((tm_journal_op_t *)(uintptr_t)events[i].data, events[i].res);
        ops->busy_cnt--;
    }
}

void tm_journal_ops_wait(tm_journal_ops_t *ops)
{
    if (ops->busy_cnt > 0) reap(ops, 1);
}

void tm_journal_op_begin(tm_journal_ops_t *ops, tm_journal_op_t *op)
{
    static const uint16_t codes[] = {[TM_JOURNAL_OP_WRITE] = IOCB_CMD_PWRITE,
                                     [TM_JOURNAL_OP_SYNC] = IOCB_CMD_FSYNC,
                                     [TM_JOURNAL_OP_SYNC_DATA] = IOCB_CMD_FDSYNC};
    op->state = TM_JOURNAL_OP_IN_PLACE;
    if (!ops->context || !tm_file_ops_is_kernel()) return;
    struct iocb call = {.aio_data = (uintptr_t)op,
                        .aio_lio_opcode = codes[op->kind],
                        .aio_fildes = (uint32_t)op->fd};
    if (!is_sync(op)) {
        call.aio_buf = (uintptr_t)op->src;
        call.aio_nbytes = op->sz;
        call.aio_offset = op->off;
    }
    struct iocb *list[] = {&call};
    long taken;
    do taken = syscall(SYS_io_submit, ops->context, 1L, list);
    while (taken < 0 && errno == EINTR);
    if (taken != 1) return;
    op->state = TM_JOURNAL_OP_BUSY;
    ops->busy_cnt++;
}

/* Some file systems take O_DIRECT at open and refuse the write. */
static int write_in_place(const tm_journal_op_t *op)
{
    const int code = tm_file_write(op->fd, op->path, op->src, op->sz, op->off);
    if (code != -EINVAL) return code;
    const int flags = fcntl(op->fd, F_GETFL);
    if (flags < 0 || !(flags & O_DIRECT) || fcntl(op->fd, F_SETFL, flags & ~O_DIRECT) != 0)
        return code;
    return tm_file_write(op->fd, op->path, op->src, op->sz, op->off);
}

static int make_in_place(const tm_journal_op_t *op)
{
    if (op->kind == TM_JOURNAL_OP_WRITE) return write_in_place(op);
    if (op->kind == TM_JOURNAL_OP_SYNC) return tm_file_sync(op->fd, op->path);
    return tm_file_sync_data(op->fd, op->path);
}

int tm_journal_op_end(tm_journal_ops_t *ops, tm_journal_op_t *op)
{
    if (op->state == TM_JOURNAL_OP_BUSY) reap(ops, 0);
    if (op->state == TM_JOURNAL_OP_BUSY) return 1;
    if (op->state == TM_JOURNAL_OP_IN_PLACE) {
        const int code = make_in_place(op);
        if (code < 0 && !is_sync(op)) return code;
        op->state = code < 0 ? TM_JOURNAL_OP_FAILED : TM_JOURNAL_OP_DONE;
        op->err = code;
        return code;
    }
    if (op->state == TM_JOURNAL_OP_DONE) return 0;
    return tm_error_set(op->err, "fsync %s: %s; what was written since the last one may be lost",
                        op->path, tm_error_name(op->err));
}
