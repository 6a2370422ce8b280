/* state/file.h - the system calls of the commit path, with errors that name the path and a remedy.
   Flow     part_file, part_log -> [file] -> kernel
   Why      one table holds the calls, so that a test can make each of them fail in turn
   Units    *_sz, off: bytes
   Threads  calls: any thread on its own files. ops_set: before other threads start, for tests
   Errors   -errno, with a text such as "write /data/x: ENOSPC: No space left on device; free space
            there ..."; EINTR is retried, short writes are continued
   Tests    tests/state/test_part_fault.c */
#ifndef TM_STATE_FILE_H
#define TM_STATE_FILE_H

#include "base/types.h"

#include <sys/types.h>

/* As the calls of the same name: -1 and errno where they fail. */
typedef struct tm_file_ops {
    int (*open)(const char *path, int flags, mode_t mode);
    int (*close)(int fd);
    ssize_t (*pwrite)(int fd, const void *src, size_t sz, off_t off);
    int (*fsync)(int fd);
    int (*ftruncate)(int fd, off_t sz);
    int (*rename)(const char *from, const char *to);
    int (*unlink)(const char *path);
    int (*mkdir)(const char *path, mode_t mode);
    int (*fdatasync)(int fd);
    int (*fallocate)(int fd, int mode, off_t off, off_t sz);
    ssize_t (*pread)(int fd, void *dst, size_t sz, off_t off);
} tm_file_ops_t;

/* NULL brings the kernel's calls back. Returns what was set before. */
const tm_file_ops_t *tm_file_ops_set(const tm_file_ops_t *ops);
const tm_file_ops_t *tm_file_ops_kernel(void);
bool tm_file_ops_is_kernel(void); /* whether they are in force */

/* Opens with O_CLOEXEC added; the descriptor, or an error. */
int tm_file_open(const char *path, int flags) TM_MUST_CHECK;
void tm_file_close(int fd);

/* Writes all bytes at `off`. */
int tm_file_write(int fd, const char *path, const void *src, size_t sz, int64_t off) TM_MUST_CHECK;
int tm_file_truncate(int fd, const char *path, int64_t sz) TM_MUST_CHECK;

/* After a failed fsync the kernel may have dropped the data and a second call may lie: do not trust
   the file again. */
int tm_file_sync(int fd, const char *path) TM_MUST_CHECK;
int tm_file_sync_dir(const char *path) TM_MUST_CHECK;

/* As tm_file_sync, but leaves times alone: for data inside a size that was synced before. */
int tm_file_sync_data(int fd, const char *path) TM_MUST_CHECK;

/* Reserves [0, sz) and sets the size; the new bytes read as zeros. Where the file system cannot
   reserve, only the size is set. */
int tm_file_reserve(int fd, const char *path, int64_t sz) TM_MUST_CHECK;

/* Reads up to sz bytes at `off`. Returns bytes read, fewer only at the end of the file. */
int64_t tm_file_read(int fd, const char *path, void *dst, size_t sz, int64_t off) TM_MUST_CHECK;

int tm_file_rename(const char *from, const char *to) TM_MUST_CHECK;

/* A file that is not there is fine. */
int tm_file_unlink(const char *path) TM_MUST_CHECK;

/* Makes the folder and its missing parents. All of them are durable afterwards, those too that a
   process had made which died before they were. */
int tm_file_mkdirs(const char *path) TM_MUST_CHECK;

/* As tm_file_mkdirs, but the names are not durable before their folders are fsynced. */
int tm_file_mkdirs_soft(const char *path) TM_MUST_CHECK;

/* How many fsync calls succeeded in this thread, for a counter. */
uint64_t tm_file_sync_cnt(void);

#endif
