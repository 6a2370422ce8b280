/* kill_at - a library to be preloaded: ends the process, as kill -9 does, at one call to the kernel
   that changes files.

   $TM_KILL_AT=N    kills before the Nth such call is made; with $TM_KILL_AFTER=1 right behind it
   $TM_KILL_LOG=F   writes into F how many there were, if the process lives to its end

   The calls are those of state/file.c: open, pwrite, ftruncate, fsync, fdatasync, fallocate,
   rename, unlink, mkdir. */
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static _Atomic long calls;
static long kill_at = -1, kill_after;

__attribute__((constructor)) static void begin(void)
{
    const char *at = getenv("TM_KILL_AT"), *after = getenv("TM_KILL_AFTER");
    if (at) kill_at = atol(at);
    kill_after = after && *after == '1';
}

__attribute__((destructor)) static void end(void)
{
    const char *log = getenv("TM_KILL_LOG");
    FILE *out = log ? fopen(log, "w") : NULL;
    if (!out) return;
    fprintf(out, "%ld\n",
            atomic_load_explicit(&calls, memory_order_relaxed)); /* threads are gone */
    fclose(out);
}

static void *next_of(const char *name)
{
    void *at = dlsym(RTLD_NEXT, name);
    if (!at) abort();
    return at;
}

static void die(void)
{
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

/* Whether this is the call; dies where it is not to be made. */
static int count(void)
{
    /* Counts only: which call is the Nth may differ from run to run. */
    long no = atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed) + 1;
    if (no != kill_at) return 0;
    if (!kill_after) die();
    return 1;
}

#define SEEN __attribute__((visibility("default")))

/* NOLINTBEGIN(bugprone-macro-parentheses): a list of parameters takes none */
#define WRAP(ret, name, params, args)                                                              \
    SEEN ret name params                                                                           \
    {                                                                                              \
        static ret(*real) params;                                                                  \
        if (!real) {                                                                               \
            void *at = next_of(#name);                                                             \
            memcpy(&real, &at, sizeof real);                                                       \
        }                                                                                          \
        int last = count();                                                                        \
        ret rc = real args;                                                                        \
        if (last) die();                                                                           \
        return rc;                                                                                 \
    }
/* NOLINTEND(bugprone-macro-parentheses) */

WRAP(ssize_t, pwrite64, (int fd, const void *bytes, size_t sz, off64_t off), (fd, bytes, sz, off))
WRAP(int, ftruncate64, (int fd, off64_t sz), (fd, sz))
WRAP(int, fallocate64, (int fd, int mode, off64_t off, off64_t sz), (fd, mode, off, sz))
WRAP(int, fsync, (int fd), (fd))
WRAP(int, fdatasync, (int fd), (fd))
WRAP(int, rename, (const char *from, const char *to), (from, to))
WRAP(int, unlink, (const char *path), (path))
WRAP(int, mkdir, (const char *path, mode_t mode), (path, mode))

SEEN int open64(const char *path, int flags, ...)
{
    static int (*real)(const char *, int, ...);
    if (!real) {
        void *at = next_of("open64");
        memcpy(&real, &at, sizeof real);
    }
    mode_t mode = 0;
    if ((flags & O_CREAT) != 0) {
        va_list ap;
        va_start(ap, flags);
        mode = (mode_t)va_arg(ap, int);
        va_end(ap);
    }
    int last = (flags & O_CREAT) != 0 && count();
    int fd = real(path, flags, mode);
    if (last) die();
    return fd;
}
