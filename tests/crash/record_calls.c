/* record_calls - a library to be preloaded: writes down, in order and with their data, all calls
   that change files below $TM_RECORD_ROOT, for power_disk.py, which tells what a power cut may
   leave of them.

   $TM_RECORD_ROOT=D   absolute path of a folder, without links in it
   $TM_RECORD_TO=F     the record: entries of a head_t and two runs of bytes
   $TM_RECORD_STOP=N   kills the process, as kill -9 does, behind the Nth entry

   The calls are those of state/file.c, and the writes and fsyncs that the journal leaves to the
   kernel (state/journal/journal_op.c). A call and its entry are made under one lock, so entries
   are in the order of their effects. An fsync has two entries: only what ended before its begin is
   durable at its end. So has a write behind the caller's back; it ends when the caller is told.
   Lines on standard error that begin with "acked " are entries as well: what the program has
   promised. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FD_CNT = 4096, FLIGHT_CNT = 16, ACK_SZ_MAX = 64 };

typedef struct head {
    uint8_t kind;
    uint8_t zero[3];
    int32_t fd;
    int64_t a, b;
    uint32_t sz, more_sz; /* bytes that follow: a path or data, another path */
} head_t;

/* What the kernel does behind the caller's back. */
typedef struct flight {
    uint64_t mark; /* the caller's */
    int64_t id;
    uint8_t end_kind;
} flight_t;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* for all that follows */
static const char *root;
static size_t root_sz;
static int record_fd = -1;
static long entry_cnt, stop_at;
static int64_t last_id;
static bool tracked[FD_CNT];
static flight_t flights[FLIGHT_CNT];
static int flight_cnt;
static long (*real_syscall)(long, ...);

static void *next_of(const char *name)
{
    void *at = dlsym(RTLD_NEXT, name);
    if (!at) abort();
    return at;
}

static void syscall_find(void)
{
    void *at = next_of("syscall");
    memcpy(&real_syscall, &at, sizeof real_syscall);
}

__attribute__((constructor)) static void begin(void)
{
    syscall_find();
    const char *to = getenv("TM_RECORD_TO"), *stop = getenv("TM_RECORD_STOP");
    root = getenv("TM_RECORD_ROOT");
    if (!root || !to) return;
    root_sz = strlen(root);
    stop_at = stop ? atol(stop) : 0;
    const long fd = real_syscall(SYS_openat, AT_FDCWD, to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
                                 0644);
    if (fd < 0) abort();
    record_fd = (int)fd;
}

static void put(const void *bytes, size_t sz)
{
    for (const char *at = bytes; sz > 0;) {
        const long n = real_syscall(SYS_write, record_fd, at, sz);
        if (n <= 0) abort(); /* a record with a hole would be believed */
        at += n;
        sz -= (size_t)n;
    }
}

static void entry(const head_t *head, const void *bytes, const void *more)
{
    put(head, sizeof *head);
    put(bytes, head->sz);
    put(more, head->more_sz);
    if (++entry_cnt != stop_at) return;
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

static void enter(void)
{
    pthread_mutex_lock(&lock);
}

static int leave(int rc)
{
    const int err = errno;
    pthread_mutex_unlock(&lock);
    errno = err;
    return rc;
}

static bool is_tracked(int fd)
{
    return fd >= 0 && fd < FD_CNT && tracked[fd];
}

/* The path below the root, or NULL where it lies elsewhere. */
static const char *below(const char *path)
{
    if (record_fd < 0 || strncmp(path, root, root_sz) != 0) return NULL;
    if (path[root_sz] == '\0') return path + root_sz;
    return path[root_sz] == '/' ? path + root_sz + 1 : NULL;
}

static void path_entry(uint8_t kind, const char *path, const char *to)
{
    const head_t head = {
        .kind = kind, .sz = (uint32_t)strlen(path), .more_sz = to ? (uint32_t)strlen(to) : 0};
    entry(&head, path, to);
}

#define SEEN __attribute__((visibility("default")))

/* real_NAME: the function that this one stands before. */
/* NOLINTBEGIN(bugprone-macro-parentheses): a list of parameters takes none */
#define REAL(ret, name, params)                                                                    \
    static ret(*real_##name) params;                                                               \
    if (!real_##name) {                                                                            \
        void *at_##name = next_of(#name);                                                          \
        memcpy(&real_##name, &at_##name, sizeof real_##name);                                      \
    }
/* NOLINTEND(bugprone-macro-parentheses) */

SEEN int open64(const char *path, int flags, ...)
{
    REAL(int, open64, (const char *, int, ...))
    mode_t mode = 0;
    if ((flags & O_CREAT) != 0) {
        va_list ap;
        va_start(ap, flags);
        mode = (mode_t)va_arg(ap, int);
        va_end(ap);
    }
    const char *name = below(path);
    enter();
    const int fd = real_open64(path, flags, mode);
    if (fd >= 0 && fd < FD_CNT) tracked[fd] = name != NULL;
    if (fd >= FD_CNT && name) abort();
    if (fd >= 0 && name) {
        const head_t head = {.kind = 'O', .fd = fd, .a = flags, .sz = (uint32_t)strlen(name)};
        entry(&head, name, NULL);
    }
    return leave(fd);
}

SEEN int close(int fd)
{
    REAL(int, close, (int))
    enter();
    if (fd >= 0 && fd < FD_CNT) tracked[fd] = false;
    return leave(real_close(fd));
}

SEEN ssize_t pwrite64(int fd, const void *bytes, size_t sz, off64_t off)
{
    REAL(ssize_t, pwrite64, (int, const void *, size_t, off64_t))
    enter();
    const ssize_t n = real_pwrite64(fd, bytes, sz, off);
    if (n > 0 && is_tracked(fd)) {
        const head_t head = {.kind = 'W', .fd = fd, .a = off, .sz = (uint32_t)n};
        entry(&head, bytes, NULL);
    }
    leave(0);
    return n;
}

SEEN ssize_t write(int fd, const void *bytes, size_t sz)
{
    REAL(ssize_t, write, (int, const void *, size_t))
    const bool ack = record_fd >= 0 && fd == STDERR_FILENO && sz > 6 && sz < ACK_SZ_MAX &&
                     memcmp(bytes, "acked ", 6) == 0;
    const head_t head = {.kind = ack ? 'N' : '?', .fd = fd, .sz = ack ? (uint32_t)sz : 0};
    enter();
    if (ack || is_tracked(fd)) entry(&head, bytes, NULL);
    leave(0);
    return real_write(fd, bytes, sz);
}

SEEN int ftruncate64(int fd, off64_t sz)
{
    REAL(int, ftruncate64, (int, off64_t))
    enter();
    const int rc = real_ftruncate64(fd, sz);
    if (rc == 0 && is_tracked(fd)) {
        const head_t head = {.kind = 'T', .fd = fd, .a = sz};
        entry(&head, NULL, NULL);
    }
    return leave(rc);
}

SEEN int fallocate64(int fd, int mode, off64_t off, off64_t sz)
{
    REAL(int, fallocate64, (int, int, off64_t, off64_t))
    enter();
    const int rc = real_fallocate64(fd, mode, off, sz);
    if (rc == 0 && is_tracked(fd)) {
        const head_t head = {.kind = mode == 0 ? 'A' : '?', .fd = fd, .a = off + sz};
        entry(&head, NULL, NULL);
    }
    return leave(rc);
}

/* What other threads write meanwhile is not covered, so the lock is open. */
static int sync_with(int (*real)(int), int fd)
{
    enter();
    const bool mine = is_tracked(fd);
    head_t head = {.kind = 'S', .fd = fd, .a = ++last_id};
    if (mine) entry(&head, NULL, NULL);
    leave(0);
    const int rc = real(fd);
    if (rc != 0 || !mine) return rc;
    enter();
    head.kind = 'E';
    entry(&head, NULL, NULL);
    return leave(0);
}

SEEN int fsync(int fd)
{
    REAL(int, fsync, (int))
    return sync_with(real_fsync, fd);
}

SEEN int fdatasync(int fd)
{
    REAL(int, fdatasync, (int))
    return sync_with(real_fdatasync, fd);
}

SEEN int rename(const char *from, const char *to)
{
    REAL(int, rename, (const char *, const char *))
    const char *name = below(from), *new_name = below(to);
    enter();
    const int rc = real_rename(from, to);
    if (rc == 0 && (name || new_name))
        path_entry(name && new_name ? 'R' : '?', name ? name : "", new_name);
    return leave(rc);
}

SEEN int unlink(const char *path)
{
    REAL(int, unlink, (const char *))
    const char *name = below(path);
    enter();
    const int rc = real_unlink(path);
    if (rc == 0 && name) path_entry('U', name, NULL);
    return leave(rc);
}

SEEN int mkdir(const char *path, mode_t mode)
{
    REAL(int, mkdir, (const char *, mode_t))
    const char *name = below(path);
    enter();
    const int rc = real_mkdir(path, mode);
    if (rc == 0 && name) path_entry('M', name, NULL);
    return leave(rc);
}

/* ---- behind the caller's back ---------------------------------------------------------------- */

static void flight_begin(const struct iocb *call)
{
    const bool writes = call->aio_lio_opcode == IOCB_CMD_PWRITE;
    const bool syncs = call->aio_lio_opcode == IOCB_CMD_FSYNC ||
                       call->aio_lio_opcode == IOCB_CMD_FDSYNC;
    head_t head = {.fd = (int)call->aio_fildes};
    if (!is_tracked(head.fd)) return;
    if (flight_cnt == FLIGHT_CNT) abort();
    flights[flight_cnt++] = (flight_t){call->aio_data, ++last_id, writes ? 'e' : 'E'};
    head.kind = writes ? 'w' : syncs ? 'S' : '?';
    head.a = writes ? call->aio_offset : last_id;
    head.b = last_id;
    head.sz = writes ? (uint32_t)call->aio_nbytes : 0;
    entry(&head, (const void *)(uintptr_t)call->aio_buf,
          NULL); /* NOLINT(performance-no-int-to-ptr) */
}

/* A write that failed or came back short is made again in place; a failed fsync made nothing
   durable. */
static void flight_end(const struct io_event *event)
{
    for (int i = 0; i < flight_cnt; i++) {
        if (flights[i].mark != event->data) continue;
        const head_t head = {.kind = flights[i].end_kind, .a = flights[i].id};
        flights[i] = flights[--flight_cnt];
        if (event->res >= 0) entry(&head, NULL, NULL);
        return;
    }
}

SEEN long syscall(long number, ...)
{
    long args[6];
    va_list ap;
    va_start(ap, number);
    for (int i = 0; i < 6; i++) args[i] = va_arg(ap, long);
    va_end(ap);
    if (!real_syscall) syscall_find();
    const bool submits = number == SYS_io_submit;
    if (submits) enter();
    const long rc = real_syscall(number, args[0], args[1], args[2], args[3], args[4], args[5]);
    if (submits) {
        struct iocb *const *calls = (struct iocb **)args[2]; /* NOLINT(performance-no-int-to-ptr) */
        for (long i = 0; i < rc; i++) flight_begin(calls[i]);
        leave(0);
    } else if (number == SYS_io_getevents && rc > 0) {
        const struct io_event *events = (struct io_event *)
            args[3]; /* NOLINT(performance-no-int-to-ptr) */
        enter();
        for (long i = 0; i < rc; i++) flight_end(&events[i]);
        leave(0);
    }
    return rc;
}
