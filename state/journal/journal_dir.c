#include "state/journal/journal_dir.h"

#include "base/error.h"
#include "state/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

static const char prefix[] = "journal-";
enum { PREFIX_SZ = sizeof prefix - 1, DIGITS = 20, EXT_SZ = 4 };

int tm_journal_path(char path[TM_JOURNAL_PATH_MAX], const char *dir, uint64_t first_seq, bool cold)
{
    int n = snprintf(path, TM_JOURNAL_PATH_MAX, "%s/%s%020" PRIu64 "%s", dir, prefix, first_seq,
                     cold ? ".tmz" : ".tmj");
    if (n < TM_JOURNAL_PATH_MAX) return 0;
    return tm_error_set(-ENAMETOOLONG,
                        "journal folder '%.200s...': the path is longer than %d bytes", dir,
                        TM_JOURNAL_PATH_MAX);
}

/* Whether the name is that of a segment. */
static bool name_parse(const char *name, uint64_t *first_seq, bool *cold)
{
    if (strlen(name) != PREFIX_SZ + DIGITS + EXT_SZ || memcmp(name, prefix, PREFIX_SZ) != 0)
        return false;
    const char *ext = name + PREFIX_SZ + DIGITS;
    if (strcmp(ext, ".tmj") != 0 && strcmp(ext, ".tmz") != 0) return false;
    *cold = ext[3] == 'z';
    uint64_t v = 0;
    for (const char *p = name + PREFIX_SZ; p < ext; p++) {
        if (*p < '0' || *p > '9') return false;
        if (__builtin_mul_overflow(v, 10u, &v) ||
            __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
            return false;
    }
    *first_seq = v;
    return true;
}

static int by_seq(const void *a, const void *b)
{
    const tm_journal_file_t *x = a, *y = b;
    if (x->first_seq != y->first_seq) return x->first_seq < y->first_seq ? -1 : 1;
    return (int)x->cold - (int)y->cold;
}

static int list_add(tm_journal_list_t *list, uint32_t *cap, const tm_journal_file_t *file)
{
    if (list->cnt == *cap) {
        const uint32_t more = *cap ? *cap * 2 : 64;
        tm_journal_file_t *files = realloc(list->files, more * sizeof *files);
        if (!files) return tm_error_set(-ENOMEM, "journal: no memory to list %u segments", more);
        list->files = files;
        *cap = more;
    }
    list->files[list->cnt++] = *file;
    return 0;
}

static int list_one(tm_journal_list_t *list, const char *path, uint64_t sz)
{
    tm_journal_file_t file = {.sz = sz};
    uint32_t cap = 0;
    const char *name = strrchr(path, '/');
    name = name ? name + 1 : path;
    if (!name_parse(name, &file.first_seq, &file.cold))
        return tm_error_set(
            TM_E_CONFIG, "%s: not a segment of a journal (journal-<20 digits>.tmj or .tmz)", path);
    if (snprintf(file.path, sizeof file.path, "%s", path) >= (int)sizeof file.path)
        return tm_error_set(-ENAMETOOLONG, "%.200s...: the path is too long", path);
    return list_add(list, &cap, &file);
}

static int list_dir(tm_journal_list_t *list, DIR *d, const char *dir)
{
    uint32_t cap = 0;
    for (struct dirent *e; (errno = 0, e = readdir(d)) != NULL;) {
        tm_journal_file_t file = {0};
        struct stat st;
        if (!name_parse(e->d_name, &file.first_seq, &file.cold)) continue;
        TM_TRY(tm_journal_path(file.path, dir, file.first_seq, file.cold));
        if (stat(file.path, &st) != 0) continue; /* removed by retention in between */
        file.sz = (uint64_t)st.st_size;
        TM_TRY(list_add(list, &cap, &file));
    }
    if (errno) return tm_error_set(-errno, "list %s: %s", dir, tm_error_name(-errno));
    if (list->cnt == 0) return 0;
    qsort(list->files, list->cnt, sizeof *list->files, by_seq);
    uint32_t kept = 1;
    for (uint32_t i = 1; i < list->cnt; i++) {
        if (list->files[i].first_seq == list->files[kept - 1].first_seq)
            continue; /* the .tmj counts */
        list->files[kept++] = list->files[i];
    }
    list->cnt = kept;
    return 0;
}

int tm_journal_list(tm_journal_list_t *list, const char *path)
{
    struct stat st;
    *list = (tm_journal_list_t){0};
    if (stat(path, &st) != 0)
        return tm_error_set(-errno, "journal %s: %s", path, tm_error_name(-errno));
    int code;
    if (S_ISREG(st.st_mode)) {
        code = list_one(list, path, (uint64_t)st.st_size);
    } else {
        DIR *d = opendir(path);
        if (!d) return tm_error_set(-errno, "open folder %s: %s", path, tm_error_name(-errno));
        code = list_dir(list, d, path);
        closedir(d);
    }
    if (code < 0) tm_journal_list_free(list);
    return code;
}

void tm_journal_list_free(tm_journal_list_t *list)
{
    free(list->files);
    *list = (tm_journal_list_t){0};
}

static bool is_left_over(const char *dir, const char *name)
{
    const size_t sz = strlen(name);
    uint64_t first_seq;
    bool cold;
    char other[TM_JOURNAL_PATH_MAX];
    struct stat st;
    if (strncmp(name, ".journal-", 9) == 0 && sz > 4 && strcmp(name + sz - 4, ".tmp") == 0)
        return true;
    if (!name_parse(name, &first_seq, &cold) || !cold) return false;
    return tm_journal_path(other, dir, first_seq, false) == 0 && stat(other, &st) == 0;
}

int tm_journal_dir_clean(const char *dir)
{
    DIR *d = opendir(dir);
    if (!d) return tm_error_set(-errno, "open folder %s: %s", dir, tm_error_name(-errno));
    int cnt = 0, code = 0;
    for (struct dirent *e; code == 0 && (e = readdir(d)) != NULL;) {
        char path[TM_JOURNAL_PATH_MAX];
        if (!is_left_over(dir, e->d_name)) continue;
        if (snprintf(path, sizeof path, "%s/%s", dir, e->d_name) >= (int)sizeof path) continue;
        code = tm_file_unlink(path);
        cnt++;
    }
    closedir(d);
    return code < 0 ? code : cnt;
}

int tm_journal_dir_lock(const char *dir)
{
    int fd = tm_file_open(dir, O_RDONLY | O_DIRECTORY);
    if (fd < 0) return fd;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
    const int code = errno == EWOULDBLOCK ? -EBUSY : -errno;
    tm_file_close(fd);
    if (code == -EBUSY)
        return tm_error_set(
            code, "journal %s: another process writes to it; stop it or choose another folder",
            dir);
    return tm_error_set(code, "lock %s: %s", dir, tm_error_name(code));
}

/* The newest receive time in a sealed segment; false where it is open or cannot be read. */
static bool newest_ns(const tm_journal_file_t *file, int64_t *out)
{
    uint8_t page[TM_JOURNAL_HEADER_SZ];
    tm_journal_head_t head;
    tm_journal_trailer_t trailer;
    struct {
        tm_journal_rec_t rec;
        tm_journal_seal_t seal;
    } end;
    bool bad[2];
    int fd = tm_file_open(file->path, O_RDONLY);
    if (fd < 0) return false;
    bool ok = file->sz >= sizeof page + sizeof end + sizeof trailer &&
              tm_file_read(fd, file->path, page, sizeof page, 0) == sizeof page &&
              tm_journal_head_read(&head, page, bad) == 0 &&
              tm_file_read(fd, file->path, &trailer, sizeof trailer,
                           (int64_t)(file->sz - sizeof trailer)) == sizeof trailer;
    const uint32_t seed = ok ? tm_journal_seed(head.journal_id, head.first_seq) : 0;
    ok = ok && tm_journal_trailer_ok(&trailer, seed) && trailer.file_sz == file->sz;
    if (ok && head.flags & TM_JOURNAL_COLD) {
        struct stat
            st; /* packed later than its records: keeps it a little longer, never too short */
        ok = stat(file->path, &st) == 0;
        *out = ok ? st.st_mtim.tv_sec * TM_NS_PER_S + st.st_mtim.tv_nsec : 0;
    } else if (ok) {
        ok = trailer.seal_off <= file->sz - sizeof trailer - sizeof end &&
             tm_file_read(fd, file->path, &end, sizeof end, (int64_t)trailer.seal_off) ==
                 sizeof end &&
             end.rec.head_crc == tm_journal_rec_head_crc(seed, &end.rec) &&
             end.rec.kind == TM_JOURNAL_SEAL;
        *out = ok ? end.seal.max_ns : 0;
    }
    tm_file_close(fd);
    return ok;
}

int tm_journal_retain(const char *dir, const tm_journal_retention_t *rules)
{
    tm_journal_list_t list;
    TM_TRY(tm_journal_list(&list, dir));
    uint64_t total = 0;
    for (uint32_t i = 0; i + 1 < list.cnt; i++) total += list.files[i].sz;
    int gone = 0, code = 0;
    for (uint32_t i = 0; i + 1 < list.cnt; i++) {
        const tm_journal_file_t *f = &list.files[i];
        int64_t newest;
        if (list.files[i + 1].first_seq > rules->keep_seq) break;
        bool go = rules->sz != 0 && total > rules->sz;
        if (!go && rules->age_ns != 0 && newest_ns(f, &newest))
            go = newest < rules->now_ns - rules->age_ns;
        if (!go) break; /* oldest first, without holes */
        if ((code = tm_file_unlink(f->path)) < 0) break;
        total -= f->sz;
        gone++;
    }
    tm_journal_list_free(&list);
    if (code == 0 && gone > 0) code = tm_file_sync_dir(dir);
    return code < 0 ? code : gone;
}
