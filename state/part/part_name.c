#include "state/part/part_name.h"

#include "base/clock.h"
#include "base/error.h"

#include <dirent.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool tm_part_name_is_piece(const char *text, bool begins)
{
    if (begins && (*text == '.' || *text == '_' || *text == '\0')) return false;
    for (; *text; text++)
        if ((unsigned char)*text <= ' ' || *text == 0x7f || *text == '/') return false;
    return true;
}

int tm_part_name_make(char out[TM_PART_NAME_MAX], const char *bucket,
                      const tm_part_naming_t *naming, uint64_t counter)
{
    int sz = snprintf(out, TM_PART_NAME_MAX, "%s%s%s-%s-%llu%s", bucket, *bucket ? "/" : "",
                      naming->prefix, naming->writer, (unsigned long long)counter, naming->suffix);
    if (sz < TM_PART_NAME_MAX) return 0;
    return tm_error_set(TM_E_CONFIG, "bucket %s: its name is longer than %d bytes", bucket,
                        TM_PART_NAME_MAX);
}

/* Time and process tell processes apart, the count the calls; splitmix64 (Steele, Lea and Flood
   2014) spreads them, so that ids do not look alike. */
uint64_t tm_part_id_make(void)
{
    static _Atomic uint64_t call_cnt;
    const uint64_t call = atomic_fetch_add_explicit(&call_cnt, 1, memory_order_relaxed);
    uint64_t z = (uint64_t)tm_clock_real_ns() + ((uint64_t)getpid() << 40) +
                 (call + 1) * 0x9e3779b97f4a7c15ull;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
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

void tm_part_path_hidden(char out[TM_PART_PATH_MAX], const char *dir, const char *name, uint64_t id)
{
    const char *base = base_of(name);
    snprintf(out, TM_PART_PATH_MAX, "%s/%.*s.%s.inprogress.%016llx", dir, (int)(base - name), name,
             base, (unsigned long long)id);
}

void tm_part_name_bucket(char out[TM_PART_NAME_MAX], const char *name)
{
    const char *base = base_of(name);
    snprintf(out, TM_PART_NAME_MAX, "%.*s", base == name ? 0 : (int)(base - name - 1), name);
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

bool tm_part_name_parse(const char *name, const char *prefix, uint64_t *subtask_idx,
                        uint64_t *counter)
{
    const size_t sz = strlen(prefix);
    if (strncmp(name, prefix, sz) != 0 || name[sz] != '-') return false;
    const char *at = tm_part_number_read(name + sz + 1, subtask_idx);
    if (!at || *at != '-') return false;
    return tm_part_number_read(at + 1, counter) != NULL;
}

typedef struct scan {
    const char *prefix;
    uint32_t subtask_idx;
    uint64_t *next;
} scan_t;

static int scan_dir(const scan_t *s, const char *dir, uint32_t depth)
{
    int rc = 0;
    DIR *d = opendir(dir);
    if (!d) {
        const int code = -errno;
        return tm_error_set(code, "read folder %s: %s", dir, tm_error_name(code));
    }
    for (struct dirent *e = readdir(d); e && rc == 0; e = readdir(d)) {
        char path[TM_PART_PATH_MAX];
        uint64_t counter, subtask_idx;
        struct stat st;
        const bool hidden = e->d_name[0] == '.';
        if (tm_part_name_parse(e->d_name + hidden, s->prefix, &subtask_idx, &counter)) {
            if (hidden && subtask_idx == s->subtask_idx) continue;
            if (counter >= *s->next && counter < UINT64_MAX) *s->next = counter + 1;
            continue;
        }
        if (hidden || depth == TM_PART_DEPTH_MAX) continue;
        int sz = snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        if (sz >= (int)sizeof path || stat(path, &st) != 0 || !S_ISDIR(st.st_mode)) continue;
        rc = scan_dir(s, path, depth + 1);
        if (rc == -ENOENT) rc = 0; /* somebody removed it meanwhile */
    }
    closedir(d);
    return rc;
}

int tm_part_counter_scan(const char *dir, const char *prefix, uint32_t subtask_idx, uint64_t *next)
{
    return scan_dir(&(scan_t){prefix, subtask_idx, next}, dir, 0);
}
