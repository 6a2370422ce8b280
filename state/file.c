#include "state/file.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int kernel_open(const char *path, int flags, mode_t mode)
{
    return open(path, flags, mode);
}

static const tm_file_ops_t kernel = {
    .open = kernel_open,
    .close = close,
    .pwrite = pwrite,
    .fsync = fsync,
    .ftruncate = ftruncate,
    .rename = rename,
    .unlink = unlink,
    .mkdir = mkdir,
    .fdatasync = fdatasync,
    .fallocate = fallocate,
    .pread = pread,
};

static const tm_file_ops_t *ops = &kernel;
static _Thread_local uint64_t sync_cnt;

const tm_file_ops_t *tm_file_ops_set(const tm_file_ops_t *set)
{
    const tm_file_ops_t *old = ops;
    ops = set ? set : &kernel;
    return old;
}

const tm_file_ops_t *tm_file_ops_kernel(void)
{
    return &kernel;
}

bool tm_file_ops_is_kernel(void)
{
    return ops == &kernel;
}

uint64_t tm_file_sync_cnt(void)
{
    return sync_cnt;
}

static const char *remedy(int code)
{
    switch (code) {
    case -ENOSPC:
    case -EDQUOT:
        return "; free space there or choose another folder";
    case -EACCES:
    case -EPERM:
        return "; give this user write permission or choose another folder";
    case -EROFS:
        return "; the file system is mounted read-only";
    case -EIO:
        return "; the device failed: check the kernel's log, then the disk";
    case -EMFILE:
    case -ENFILE:
        return "; raise the limit of open files (ulimit -n)";
    default:
        return "";
    }
}

static int failed(const char *call, const char *path)
{
    const int code = -errno;
    return tm_error_set(code, "%s %s: %s%s", call, path, tm_error_name(code), remedy(code));
}

int tm_file_open(const char *path, int flags)
{
    int fd;
    do fd = ops->open(path, flags | O_CLOEXEC, 0644);
    while (fd < 0 && errno == EINTR);
    return fd >= 0 ? fd : failed("open", path);
}

void tm_file_close(int fd)
{
    if (fd >= 0) ops->close(fd); /* what had to be durable was fsynced before */
}

int tm_file_write(int fd, const char *path, const void *src, size_t sz, int64_t off)
{
    const uint8_t *at = src;
    while (sz > 0) {
        ssize_t n = ops->pwrite(fd, at, sz, off);
        if (n < 0 && errno == EINTR) continue;
        if (n == 0) errno = EIO; /* a regular file that takes nothing */
        if (n <= 0) return failed("write", path);
        at += n;
        off += n;
        sz -= (size_t)n;
    }
    return 0;
}

int tm_file_truncate(int fd, const char *path, int64_t sz)
{
    int rc;
    do rc = ops->ftruncate(fd, sz);
    while (rc < 0 && errno == EINTR);
    return rc == 0 ? 0 : failed("truncate", path);
}

int tm_file_sync(int fd, const char *path)
{
    int rc;
    do rc = ops->fsync(fd);
    while (rc < 0 && errno == EINTR);
    if (rc != 0) return failed("fsync", path);
    sync_cnt++;
    return 0;
}

int tm_file_sync_data(int fd, const char *path)
{
    int rc;
    do rc = ops->fdatasync(fd);
    while (rc < 0 && errno == EINTR);
    if (rc != 0) return failed("fdatasync", path);
    sync_cnt++;
    return 0;
}

int tm_file_reserve(int fd, const char *path, int64_t sz)
{
    int rc;
    do rc = ops->fallocate(fd, 0, 0, sz);
    while (rc < 0 && errno == EINTR);
    if (rc == 0) return 0;
    if (errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL)
        return failed("reserve space in", path);
    return tm_file_truncate(fd, path, sz);
}

int64_t tm_file_read(int fd, const char *path, void *dst, size_t sz, int64_t off)
{
    uint8_t *to = dst;
    size_t have = 0;
    while (have < sz) {
        ssize_t n = ops->pread(fd, to + have, sz - have, off + (int64_t)have);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return failed("read", path);
        if (n == 0) break;
        have += (size_t)n;
    }
    return (int64_t)have;
}

int tm_file_sync_dir(const char *path)
{
    int fd = tm_file_open(path, O_RDONLY | O_DIRECTORY);
    if (fd < 0) return fd;
    int rc = tm_file_sync(fd, path);
    tm_file_close(fd);
    return rc;
}

int tm_file_rename(const char *from, const char *to)
{
    if (ops->rename(from, to) == 0) return 0;
    return tm_error_context(failed("rename", from), "to %s", to);
}

int tm_file_unlink(const char *path)
{
    if (ops->unlink(path) == 0 || errno == ENOENT) return 0;
    return failed("remove", path);
}

/* The name of a folder, in the one above it. */
static int sync_parent(const char *path)
{
    char parent[PATH_MAX];
    snprintf(parent, sizeof parent, "%s", path);
    char *slash = strrchr(parent, '/');
    if (!slash) return tm_file_sync_dir(".");
    slash[slash == parent] = '\0'; /* "/x" lies in "/" */
    return tm_file_sync_dir(parent);
}

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int make_one(const char *path, bool durable)
{
    bool made = false;
    if (!is_folder(path)) {
        made = ops->mkdir(path, 0755) == 0;
        const int err = errno;
        if (!made && !is_folder(path)) {
            errno = err == EEXIST ? ENOTDIR : err;
            return failed("make folder", path);
        }
    }
    if (!durable) return 0;
    /* One that was there may have been made by a process that died before its name was durable;
       those further up may be nobody's to open. */
    const int err = sync_parent(path);
    if (err < 0 && (made || err == -EIO)) return err;
    if (err < 0) tm_error_clear();
    return 0;
}

static int make_all(const char *path, bool durable)
{
    char part[PATH_MAX];
    size_t sz = strlen(path);
    if (sz == 0 || sz >= sizeof part) {
        errno = sz == 0 ? ENOENT : ENAMETOOLONG;
        return failed("make folder", path);
    }
    memcpy(part, path, sz + 1);
    for (size_t i = 1; i <= sz; i++) {
        if (part[i] != '/' && part[i] != '\0') continue;
        const char keep = part[i];
        part[i] = '\0';
        TM_TRY(make_one(part, durable));
        part[i] = keep;
    }
    return 0;
}

int tm_file_mkdirs(const char *path)
{
    return make_all(path, true);
}

int tm_file_mkdirs_soft(const char *path)
{
    return is_folder(path) ? 0 : make_all(path, false);
}
