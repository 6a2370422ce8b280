/* Folders are durable once they are made, whoever made them. */
#include "state/file.h"
#include "tests/state/journal_make.h"
#include "tests/tm_test.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char synced[16][PATH_MAX];
static int synced_cnt;

static int fsync_noted(int fd)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if (synced_cnt == 16) abort();
    const ssize_t sz = readlink(link, synced[synced_cnt], PATH_MAX - 1);
    if (sz < 0) abort();
    synced[synced_cnt++][sz] = '\0';
    return fsync(fd);
}

static bool was_synced(const char *path)
{
    char real[PATH_MAX];
    if (!realpath(path, real)) abort();
    for (int i = 0; i < synced_cnt; i++)
        if (strcmp(synced[i], real) == 0) return true;
    return false;
}

static void make_noted(const char *path)
{
    tm_file_ops_t ops = *tm_file_ops_kernel();
    ops.fsync = fsync_noted;
    synced_cnt = 0;
    tm_file_ops_set(&ops);
    tm_assert_eq(tm_file_mkdirs(path), 0);
    tm_file_ops_set(NULL);
}

Test(file, folders_that_a_dead_process_made_become_durable)
{
    char dir[256], outer[300], inner[300];
    tm_make_dir(dir, "file");
    snprintf(outer, sizeof outer, "%s/outer", dir);
    snprintf(inner, sizeof inner, "%s/outer/inner", dir);
    for (int round = 0; round < 2; round++) { /* made here, then found */
        make_noted(inner);
        tm_assert(was_synced(dir));
        tm_assert(was_synced(outer));
        tm_assert(!was_synced(inner));
    }
    rmdir(inner);
    rmdir(outer);
    tm_make_dir_remove(dir);
}

Test(file, a_file_in_the_way_of_a_folder_is_told)
{
    char dir[256], path[300];
    tm_make_dir(dir, "file");
    snprintf(path, sizeof path, "%s/x", dir);
    tm_make_store(path, "", 0);
    snprintf(path, sizeof path, "%s/x/y", dir);
    tm_assert(tm_file_mkdirs(path) < 0);
    tm_assert(tm_file_mkdirs_soft(path) < 0);
    tm_make_dir_remove(dir);
}
