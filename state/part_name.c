#include "state/part_name.h"

#include "base/error.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

int tm_part_name_make(char out[TM_PART_NAME_MAX], const char *bucket, uint32_t subtask_idx,
                      uint64_t counter)
{
    int sz = snprintf(out, TM_PART_NAME_MAX, "%s%spart-%u-%llu.parquet", bucket, *bucket ? "/" : "",
                      subtask_idx, (unsigned long long)counter);
    if (sz < TM_PART_NAME_MAX) return 0;
    return tm_error_set(TM_E_CONFIG, "bucket %s: its name is longer than %d bytes", bucket,
                        TM_PART_NAME_MAX);
}

void tm_part_path_finished(char out[TM_PART_PATH_MAX], const char *dir, const char *name)
{
    snprintf(out, TM_PART_PATH_MAX, "%s/%s", dir, name);
}

/* Where the file's own name starts. */
static const char *base_of(const char *name)
{
    const char *slash = strrchr(name, '/');
    return slash ? slash + 1 : name;
}

void tm_part_path_hidden(char out[TM_PART_PATH_MAX], const char *dir, const char *name)
{
    const char *base = base_of(name);
    snprintf(out, TM_PART_PATH_MAX, "%s/%.*s.%s.inprogress", dir, (int)(base - name), name, base);
}

void tm_part_path_folder(char out[TM_PART_PATH_MAX], const char *dir, const char *name)
{
    const char *base = base_of(name);
    if (base == name)
        snprintf(out, TM_PART_PATH_MAX, "%s", dir);
    else
        snprintf(out, TM_PART_PATH_MAX, "%s/%.*s", dir, (int)(base - name - 1), name);
}

const char *tm_part_number_read(const char *at, uint64_t *v)
{
    *v = 0;
    if (*at < '0' || *at > '9') return NULL;
    for (; *at >= '0' && *at <= '9'; at++)
        if (__builtin_mul_overflow(*v, 10u, v) || __builtin_add_overflow(*v, *at - '0', v))
            return NULL;
    return at;
}

static const char *skip(const char *at, const char *text)
{
    const size_t sz = strlen(text);
    return at && strncmp(at, text, sz) == 0 ? at + sz : NULL;
}

/* Reads the counter out of a part file's name. */
static bool parse(const char *name, uint64_t *counter)
{
    const bool hidden = *name == '.';
    uint64_t subtask_idx;
    const char *at = skip(name + hidden, "part-");
    if (at) at = tm_part_number_read(at, &subtask_idx);
    at = skip(at, "-");
    if (at) at = tm_part_number_read(at, counter);
    at = skip(at, hidden ? ".parquet.inprogress" : ".parquet");
    return at && *at == '\0';
}

static int scan(const char *dir, uint32_t depth, uint64_t *next)
{
    int rc = 0;
    DIR *d = opendir(dir);
    if (!d) {
        const int code = -errno;
        return tm_error_set(code, "read folder %s: %s", dir, tm_error_name(code));
    }
    for (struct dirent *e = readdir(d); e && rc == 0; e = readdir(d)) {
        char path[TM_PART_PATH_MAX];
        uint64_t counter = 0;
        struct stat st;
        if (parse(e->d_name, &counter)) {
            if (counter >= *next) *next = counter + 1;
            continue;
        }
        if (e->d_name[0] == '.' || depth == TM_PART_DEPTH_MAX) continue;
        int sz = snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        if (sz >= (int)sizeof path || stat(path, &st) != 0 || !S_ISDIR(st.st_mode)) continue;
        rc = scan(path, depth + 1, next);
        if (rc == -ENOENT) rc = 0; /* somebody removed it meanwhile */
    }
    closedir(d);
    return rc;
}

int tm_part_counter_scan(const char *dir, uint64_t *next)
{
    *next = 0;
    return scan(dir, 0, next);
}
