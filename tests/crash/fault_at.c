/* fault_at - a library to be preloaded: one call to the kernel on the job's files fails, or is the
   last thing that the process does.

   $TM_FAULT_UNDER=DIR  calls on files below DIR are counted, from 1; needed for all that follows
   $TM_FAULT=WHAT       what happens at one of them:
                          ENOSPC, EIO, EINTR   it fails so; an fsync that fails takes with it what
                                               was written since the last one: those bytes become
                                               zeros, as where the kernel drops pages that the
                                               device would not take
                          short                half is written; counts calls of pwrite only
                          kill-before, kill-behind   SIGKILL
   $TM_FAULT_AT=N       at the Nth
   $TM_FAULT_KILL=K     where the process outlives that: SIGKILL before the Kth call behind it
   $TM_FAULT_LOG=F      appends to F what happened where: "fsync /out/.parts-0.log"
   $TM_FAULT_TRACE=F    appends every call

   The calls are those of state/file.c, which are all that checkpoints and part files are written
   with: open, pread, pwrite, ftruncate, fallocate, fsync, fdatasync, rename, unlink, mkdir. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEEN __attribute__((visibility("default")))

enum { FD_MAX = 1024, PATH_SZ = 4096, WIPE_SZ = 4096 };

/* What was written to a descriptor since its last fsync. */
typedef struct unsynced {
    off64_t from, to;
} unsynced_t;

typedef enum fault { NONE, FAIL, SHORT, KILL_BEFORE, KILL_BEHIND } fault_t;

static struct {
    ssize_t (*pwrite64)(int, const void *, size_t, off64_t);
    ssize_t (*pread64)(int, void *, size_t, off64_t);
    int (*ftruncate64)(int, off64_t);
    int (*fallocate64)(int, int, off64_t, off64_t);
    int (*fsync)(int);
    int (*fdatasync)(int);
    int (*rename)(const char *, const char *);
    int (*unlink)(const char *);
    int (*mkdir)(const char *, mode_t);
    int (*open64)(const char *, int, ...);
} real;

static _Atomic long calls; /* counts only: which call is the Nth may differ from run to run */
static unsynced_t written[FD_MAX]; /* a descriptor is one thread's */
static const char *under, *what, *log_path, *trace_path;
static size_t under_sz;
static long fault_at = -1, kill_at = -1;
static int fault_errno;
static fault_t fault;

static void *next_of(const char *name)
{
    void *at = dlsym(RTLD_NEXT, name);
    if (!at) abort();
    return at;
}

static void find(void *to, const char *name)
{
    void *at = next_of(name);
    memcpy(to, &at, sizeof at);
}

static void choose(void)
{
    static const struct {
        const char *name;
        fault_t fault;
        int code;
    } known[] = {{"ENOSPC", FAIL, ENOSPC},        {"EIO", FAIL, EIO},
                 {"EINTR", FAIL, EINTR},          {"short", SHORT, 0},
                 {"kill-before", KILL_BEFORE, 0}, {"kill-behind", KILL_BEHIND, 0}};
    for (size_t i = 0; what && i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(what, known[i].name) != 0) continue;
        fault = known[i].fault;
        fault_errno = known[i].code;
    }
    if (what && fault == NONE) abort(); /* a test that would test nothing */
}

__attribute__((constructor)) static void begin(void)
{
    const char *at = getenv("TM_FAULT_AT"), *behind = getenv("TM_FAULT_KILL");
    find(&real.pwrite64, "pwrite64"), find(&real.pread64, "pread64");
    find(&real.ftruncate64, "ftruncate64"), find(&real.fallocate64, "fallocate64");
    find(&real.fsync, "fsync"), find(&real.fdatasync, "fdatasync");
    find(&real.rename, "rename"), find(&real.unlink, "unlink"), find(&real.mkdir, "mkdir");
    find(&real.open64, "open64");
    under = getenv("TM_FAULT_UNDER");
    under_sz = under ? strlen(under) : 0;
    what = getenv("TM_FAULT");
    log_path = getenv("TM_FAULT_LOG");
    trace_path = getenv("TM_FAULT_TRACE");
    if (at) fault_at = atol(at);
    if (at && behind) kill_at = fault_at + atol(behind);
    choose();
}

static void note(const char *file, const char *call, const char *path)
{
    char line[PATH_SZ + 64];
    if (!file) return;
    const int sz = snprintf(line, sizeof line, "%s %s\n", call, path + under_sz);
    const int fd = real.open64(file, O_WRONLY | O_CREAT | O_APPEND, 0644);
    if (fd < 0 || sz < 0 || write(fd, line, (size_t)sz) != sz) abort();
    close(fd);
}

static void die(void)
{
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

/* Zeros where nobody may rely on what was written. */
static void wipe(int fd)
{
    static const char zeros[WIPE_SZ];
    const unsynced_t *w = &written[fd];
    for (off64_t at = w->from; at < w->to; at += WIPE_SZ) {
        const off64_t left = w->to - at;
        if (real.pwrite64(fd, zeros, (size_t)(left < WIPE_SZ ? left : WIPE_SZ), at) < 0) abort();
    }
}

static bool is_ours(const char *path)
{
    return under && strncmp(path, under, under_sz) == 0 && path[under_sz] == '/';
}

/* What is to happen at this call. A kill before it happens here. */
static fault_t meet(const char *call, const char *path)
{
    if (!is_ours(path)) return NONE;
    if (fault == SHORT && strcmp(call, "pwrite") != 0) return NONE;
    const long no = atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed) + 1;
    note(trace_path, call, path);
    if (no == kill_at) die();
    if (no != fault_at) return NONE;
    note(log_path, call, path);
    if (fault == KILL_BEFORE) die();
    errno = fault_errno;
    return fault;
}

static fault_t meet_fd(const char *call, int fd, char name[PATH_SZ])
{
    char entry[64];
    snprintf(entry, sizeof entry, "/proc/self/fd/%d", fd);
    const ssize_t sz = readlink(entry, name, PATH_SZ - 1);
    if (sz < 0) return NONE;
    name[sz] = '\0';
    return meet(call, name);
}

static void behind(fault_t met)
{
    if (met == KILL_BEHIND) die();
}

SEEN ssize_t pwrite64(int fd, const void *bytes, size_t sz, off64_t off)
{
    char path[PATH_SZ];
    const fault_t met = meet_fd("pwrite", fd, path);
    if (met == FAIL) return -1;
    const ssize_t n = real.pwrite64(fd, bytes, met == SHORT && sz > 1 ? sz / 2 : sz, off);
    if (n > 0 && fd < FD_MAX) {
        unsynced_t *w = &written[fd];
        if (w->to == 0 || off < w->from) w->from = off;
        if (off + n > w->to) w->to = off + n;
    }
    behind(met);
    return n;
}

SEEN ssize_t pread64(int fd, void *bytes, size_t sz, off64_t off)
{
    char path[PATH_SZ];
    const fault_t met = meet_fd("pread", fd, path);
    if (met == FAIL) return -1;
    const ssize_t n = real.pread64(fd, bytes, sz, off);
    behind(met);
    return n;
}

static int sync_of(const char *call, int (*sync)(int), int fd)
{
    char path[PATH_SZ];
    const fault_t met = meet_fd(call, fd, path);
    const int code = errno;
    if (met == FAIL && fd < FD_MAX && code != EINTR) wipe(fd);
    const int rc = met == FAIL ? -1 : sync(fd);
    if (fd < FD_MAX && (met != FAIL || code != EINTR)) written[fd] = (unsynced_t){0};
    if (met == FAIL) errno = code;
    behind(met);
    return rc;
}

SEEN int fsync(int fd)
{
    return sync_of("fsync", real.fsync, fd);
}

SEEN int fdatasync(int fd)
{
    return sync_of("fdatasync", real.fdatasync, fd);
}

SEEN int ftruncate64(int fd, off64_t sz)
{
    char path[PATH_SZ];
    const fault_t met = meet_fd("ftruncate", fd, path);
    const int rc = met == FAIL ? -1 : real.ftruncate64(fd, sz);
    behind(met);
    return rc;
}

SEEN int fallocate64(int fd, int mode, off64_t off, off64_t sz)
{
    char path[PATH_SZ];
    const fault_t met = meet_fd("fallocate", fd, path);
    const int rc = met == FAIL ? -1 : real.fallocate64(fd, mode, off, sz);
    behind(met);
    return rc;
}

SEEN int rename(const char *from, const char *to)
{
    const fault_t met = meet("rename", from);
    const int rc = met == FAIL ? -1 : real.rename(from, to);
    behind(met);
    return rc;
}

SEEN int unlink(const char *path)
{
    const fault_t met = meet("unlink", path);
    const int rc = met == FAIL ? -1 : real.unlink(path);
    behind(met);
    return rc;
}

SEEN int mkdir(const char *path, mode_t mode)
{
    const fault_t met = meet("mkdir", path);
    const int rc = met == FAIL ? -1 : real.mkdir(path, mode);
    behind(met);
    return rc;
}

SEEN int open64(const char *path, int flags, ...)
{
    mode_t mode = 0;
    if ((flags & O_CREAT) != 0) {
        va_list ap;
        va_start(ap, flags);
        mode = (mode_t)va_arg(ap, int);
        va_end(ap);
    }
    const fault_t met = meet("open", path);
    const int fd = met == FAIL ? -1 : real.open64(path, flags, mode);
    if (fd >= 0 && fd < FD_MAX) written[fd] = (unsynced_t){0};
    behind(met);
    return fd;
}
