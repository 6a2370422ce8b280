/* What a log of part files says: replay of its records, and logs that no subtask owns any more. */
#include "base/error.h"
#include "state/file.h"
#include "state/part/part_log_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <zlib.h>

enum { CRC_TEXT_SZ = 9, LOG_READ_MAX = 64 << 20 };

/* A line that counts only once its sealed line is there. */
typedef struct reach {
    tm_part_state_t state;
    tm_part_point_t at;
    char name[TM_PART_NAME_MAX];
} reach_t;

typedef struct replay {
    tm_part_log_t *log;
    reach_t *reaches;
    uint32_t cnt, cap;
} replay_t;

static int add_reach(replay_t *r, const reach_t *reach)
{
    if (r->cnt == r->cap) {
        uint32_t cap = r->cap ? r->cap * 2 : 16;
        reach_t *grown = realloc(r->reaches, cap * sizeof *grown);
        if (!grown) return tm_error_set(-ENOMEM, "out of memory for %u part files", cap);
        r->reaches = grown;
        r->cap = cap;
    }
    r->reaches[r->cnt++] = *reach;
    return 0;
}

/* Fields of a record: numbers, each followed by a space or the end; then a name to the end. */
static const char *read_number(const char *at, uint64_t *v)
{
    at = at ? tm_part_number_read(at, v) : NULL;
    if (!at || (*at != ' ' && *at != '\0')) return NULL;
    return *at == ' ' ? at + 1 : at;
}

static bool read_name(const char *at, char name[TM_PART_NAME_MAX])
{
    if (!at || *at == '\0' || strchr(at, ' ') || strlen(at) >= TM_PART_NAME_MAX) return false;
    memcpy(name, at, strlen(at) + 1);
    return true;
}

/* What follows the verb and its space; NULL where it is another verb. */
static const char *after(const char *text, const char *verb)
{
    const size_t sz = strlen(verb);
    return strncmp(text, verb, sz) == 0 ? text + sz : NULL;
}

/* Each returns 1, 0 where the record is not well formed, or -ENOMEM. */
static int take_open(replay_t *r, const char *at)
{
    tm_part_entry_t e = {0};
    uint64_t tag;
    at = read_number(read_number(at, &e.id), &tag);
    if (!read_name(at, e.name) || tag > UINT32_MAX) return 0;
    e.tag = (uint32_t)tag;
    int err = tm_part_log_find(r->log, e.name) < 0 ? tm_part_log_entry_add(r->log, &e) : 0;
    return err < 0 ? err : 1;
}

static int take_done(replay_t *r, const char *at)
{
    char name[TM_PART_NAME_MAX];
    if (!read_name(at, name)) return 0;
    tm_part_log_entry_drop(r->log, tm_part_log_find(r->log, name));
    return 1;
}

static int take_show(const replay_t *r, const char *at)
{
    char name[TM_PART_NAME_MAX];
    if (!read_name(at, name)) return 0;
    const int idx = tm_part_log_find(r->log, name);
    if (idx >= 0) r->log->entries[idx].shown = true;
    return 1;
}

static int take_reach(replay_t *r, const char *at, tm_part_state_t state)
{
    reach_t reach = {.state = state};
    uint64_t sz, rows;
    at = read_number(read_number(read_number(at, &reach.at.txn_id), &sz), &rows);
    if (!read_name(at, reach.name) || sz > INT64_MAX || rows > INT64_MAX) return 0;
    reach.at.file_sz = (int64_t)sz;
    reach.at.row_cnt = (int64_t)rows;
    int err = add_reach(r, &reach);
    return err < 0 ? err : 1;
}

/* All lines since the last sealed one count, or the record is not well formed. A part that is
   written to again was not ready after all: a restart had gone back behind that. */
static int take_sealed(replay_t *r, const char *at)
{
    uint64_t txn_id, cnt, time_ns;
    const uint32_t reach_cnt = r->cnt;
    at = read_number(read_number(read_number(at, &txn_id), &cnt), &time_ns);
    r->cnt = 0;
    if (!at || *at != '\0' || cnt != reach_cnt || time_ns > INT64_MAX) return 0;
    for (uint32_t i = 0; i < reach_cnt; i++) {
        int idx = tm_part_log_find(r->log, r->reaches[i].name);
        if (idx < 0) return 0;
        tm_part_entry_t *e = &r->log->entries[idx];
        tm_part_point_t point = r->reaches[i].at;
        point.txn_id = e->txn_id = txn_id;
        e->state = r->reaches[i].state;
        e->file_sz = point.file_sz;
        e->row_cnt = point.row_cnt;
        e->sealed_ns = (int64_t)time_ns;
        while (e->point_cnt > 0 && e->points[e->point_cnt - 1].txn_id >= txn_id) e->point_cnt--;
        if (e->state == TM_PART_OPEN) TM_TRY(tm_part_log_point_add(e, &point));
    }
    return 1;
}

static int take_next(replay_t *r, const char *at)
{
    uint64_t next;
    at = read_number(at, &next);
    if (!at || *at != '\0') return 0;
    if (next > r->log->next_counter) r->log->next_counter = next;
    return 1;
}

static int take_commit(replay_t *r, const char *at)
{
    uint64_t txn_id;
    at = read_number(at, &txn_id);
    if (!at || *at != '\0') return 0;
    if (txn_id > r->log->committed) r->log->committed = txn_id;
    return 1;
}

static int take_line(replay_t *r, const char *text)
{
    const char *at;
    if ((at = after(text, "open "))) return take_open(r, at);
    if ((at = after(text, "done "))) return take_done(r, at);
    if ((at = after(text, "show "))) return take_show(r, at);
    if ((at = after(text, "ready "))) return take_reach(r, at, TM_PART_READY);
    if ((at = after(text, "merged "))) return take_reach(r, at, TM_PART_MERGED);
    if ((at = after(text, "point "))) return take_reach(r, at, TM_PART_OPEN);
    if ((at = after(text, "next "))) return take_next(r, at);
    if ((at = after(text, "commit "))) return take_commit(r, at);
    return take_sealed(r, after(text, "sealed "));
}

/* Reads records up to the first that is torn: a crash cuts the tail, and what was durable before it
   is all that counts. */
static int replay(tm_part_log_t *log, char *text, size_t sz)
{
    replay_t r = {.log = log};
    int rc = 1;
    char *at = text + strlen(TM_PART_LOG_MAGIC), *end = text + sz;
    while (rc == 1 && at < end) {
        char *newline = memchr(at, '\n', (size_t)(end - at));
        if (!newline) break;
        *newline = '\0';
        char *tail;
        unsigned long crc = strtoul(at, &tail, 16);
        size_t len = (size_t)(newline - at);
        if (tail != at + CRC_TEXT_SZ - 1 || *tail != ' ' || strlen(at) != len ||
            crc != crc32(0, (const Bytef *)tail + 1, (uInt)(len - CRC_TEXT_SZ)))
            break;
        rc = take_line(&r, tail + 1);
        at = newline + 1;
    }
    free(r.reaches);
    return rc < 0 ? rc : 0;
}

/* This version and those before it: 3 without "show", 2 without "commit" as well. */
static bool is_log(const char *text, size_t sz)
{
    static const char *const known[] = {TM_PART_LOG_MAGIC, "tidemark parts 3\n",
                                        "tidemark parts 2\n"};
    const size_t magic_sz = strlen(TM_PART_LOG_MAGIC);
    for (size_t i = 0; sz >= magic_sz && i < TM_ARRAY_CNT(known); i++)
        if (memcmp(text, known[i], magic_sz) == 0) return true;
    return false;
}

int tm_part_log_load(tm_part_log_t *log, int fd, const char *path)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || st.st_size == 0) return 0;
    if (st.st_size > LOG_READ_MAX)
        return tm_error_set(TM_E_CORRUPT, "%s: %lld bytes are too many for a log of part files",
                            path, (long long)st.st_size);
    size_t sz = (size_t)st.st_size;
    char *text = malloc(sz + 1);
    if (!text) return tm_error_set(-ENOMEM, "out of memory for %s", path);
    const int64_t got = tm_file_read(fd, path, text, sz, 0);
    int err = got < 0 ? (int)got : 0;
    text[sz] = '\0';
    if (err == 0 && (got != (int64_t)sz || !is_log(text, sz)))
        err = tm_error_set(TM_E_CORRUPT,
                           "%s does not start as a log of part files: move it away, then look at "
                           "the hidden files beside it",
                           path);
    if (err == 0) err = replay(log, text, sz);
    free(text);
    return err;
}

/* Copies what the other log knows behind our entries; points change hands. */
static int take_entries(tm_part_log_t *log, tm_part_log_t *other)
{
    if (other->committed > log->committed) log->committed = other->committed;
    for (uint32_t i = 0; i < other->entry_cnt; i++) {
        tm_part_entry_t *from = &other->entries[i];
        if (tm_part_log_find(log, from->name) >= 0) continue; /* an adoption that was interrupted */
        TM_TRY(tm_part_log_entry_add(log, from));
        log->entries[log->entry_cnt - 1] = *from;
        from->points = NULL;
        from->point_cnt = from->point_cap = 0;
    }
    return 0;
}

/* The other log goes only after ours holds its entries durably, and before they are acted upon. */
static int adopt_one(tm_part_log_t *log, uint64_t other_idx)
{
    char lock[TM_PART_PATH_MAX + 64], path[TM_PART_PATH_MAX + 64];
    tm_part_log_t other = {.fd = -1, .lock_fd = -1};
    int err = 0;
    snprintf(path, sizeof path, "%s/.parts-%llu.log", log->dir, (unsigned long long)other_idx);
    snprintf(lock, sizeof lock, "%s/.parts-%llu.lock", log->dir, (unsigned long long)other_idx);
    other.lock_fd = tm_part_log_lock(log->dir, other_idx);
    if (other.lock_fd < 0) TM_GOTO(err, other.lock_fd, out);
    other.fd = tm_file_open(path, O_RDWR);
    if (other.fd < 0) TM_GOTO(err, other.fd, out);
    TM_GOTO(err, tm_part_log_load(&other, other.fd, path), out);
    TM_GOTO(err, take_entries(log, &other), out);
    TM_GOTO(err, tm_part_log_rewrite(log), out);
    TM_GOTO(err, tm_file_unlink(path), out);
    TM_GOTO(err, tm_file_unlink(lock), out);
    TM_GOTO(err, tm_file_sync_dir(log->dir), out);
out:
    tm_part_log_close(&other);
    return err;
}

int tm_part_log_adopt(tm_part_log_t *log, uint32_t subtask_idx, uint32_t subtask_cnt)
{
    int err = 0;
    DIR *d = opendir(log->dir);
    if (!d) {
        const int code = -errno;
        return tm_error_set(code, "read folder %s: %s", log->dir, tm_error_name(code));
    }
    for (struct dirent *e = readdir(d); e && err == 0; e = readdir(d)) {
        uint64_t idx;
        const char *at = after(e->d_name, ".parts-");
        at = at ? tm_part_number_read(at, &idx) : NULL;
        if (!at || strcmp(at, ".log") != 0 || idx < subtask_cnt || idx % subtask_cnt != subtask_idx)
            continue;
        err = adopt_one(log, idx);
    }
    closedir(d);
    return err;
}
