#include "state/part_log.h"

#include "base/error.h"
#include "state/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define LOG_MAGIC "tidemark parts 1\n"

enum { LINE_MAX_SZ = TM_PART_NAME_MAX + 128, CRC_TEXT_SZ = 9, LOG_READ_MAX = 64 << 20 };

/* "crc8 verb fields\n": the checksum is over everything between its space and the newline. */
static int add_line(tm_part_log_t *log, const char *text)
{
    char line[LINE_MAX_SZ];
    uLong crc = crc32(0, (const Bytef *)text, (uInt)strlen(text));
    int sz = snprintf(line, sizeof line, "%08lx %s\n", crc, text);
    return tm_buffer_append(&log->line, line, (size_t)sz);
}

static int add_open(tm_part_log_t *log, const char *name)
{
    char text[LINE_MAX_SZ];
    snprintf(text, sizeof text, "open %s", name);
    return add_line(log, text);
}

static int add_ready(tm_part_log_t *log, const tm_part_entry_t *e, uint64_t txn_id)
{
    char text[LINE_MAX_SZ];
    snprintf(text, sizeof text, "ready %llu %lld %lld %s", (unsigned long long)txn_id,
             (long long)e->file_sz, (long long)e->row_cnt, e->name);
    return add_line(log, text);
}

static int add_sealed(tm_part_log_t *log, uint64_t txn_id, uint32_t part_cnt)
{
    char text[LINE_MAX_SZ];
    snprintf(text, sizeof text, "sealed %llu %u", (unsigned long long)txn_id, part_cnt);
    return add_line(log, text);
}

int tm_part_log_find(const tm_part_log_t *log, const char *name)
{
    for (uint32_t i = 0; i < log->entry_cnt; i++)
        if (strcmp(log->entries[i].name, name) == 0) return (int)i;
    return -1;
}

static int add_entry(tm_part_log_t *log, const char *name)
{
    if (log->entry_cnt == log->entry_cap) {
        uint32_t cap = log->entry_cap ? log->entry_cap * 2 : 64;
        tm_part_entry_t *entries = realloc(log->entries, cap * sizeof *entries);
        if (!entries) return tm_error_set(-ENOMEM, "out of memory for %u part files", cap);
        log->entries = entries;
        log->entry_cap = cap;
    }
    tm_part_entry_t *e = &log->entries[log->entry_cnt++];
    *e = (tm_part_entry_t){.state = TM_PART_OPEN};
    snprintf(e->name, sizeof e->name, "%s", name);
    return 0;
}

static void drop_entry(tm_part_log_t *log, int idx)
{
    if (idx < 0) return;
    uint32_t after = log->entry_cnt - (uint32_t)idx - 1;
    memmove(&log->entries[idx], &log->entries[idx + 1], after * sizeof log->entries[0]);
    log->entry_cnt--;
}

/* A fresh file with the live entries only, in place of the old one. */
static int rewrite(tm_part_log_t *log)
{
    char temp[TM_PART_PATH_MAX];
    int err = 0;
    if ((size_t)snprintf(temp, sizeof temp, "%s.new", log->path) >= sizeof temp)
        return tm_error_set(TM_E_CONFIG, "folder %s: its path is too long", log->dir);
    tm_buffer_clear(&log->line);
    TM_TRY(tm_buffer_append(&log->line, LOG_MAGIC, strlen(LOG_MAGIC)));
    for (uint32_t i = 0; i < log->entry_cnt; i++) {
        const tm_part_entry_t *e = &log->entries[i];
        TM_TRY(add_open(log, e->name));
        if (e->state != TM_PART_READY) continue;
        TM_TRY(add_ready(log, e, e->txn_id));
        TM_TRY(add_sealed(log, e->txn_id, 1));
    }
    int fd = tm_file_open(temp, O_RDWR | O_CREAT | O_TRUNC);
    if (fd < 0) return fd;
    TM_GOTO(err, tm_file_write(fd, temp, log->line.data, log->line.sz, 0), failed);
    TM_GOTO(err, tm_file_sync(fd, temp), failed);
    TM_GOTO(err, tm_file_rename(temp, log->path), failed);
    tm_file_close(log->fd);
    log->fd = fd;
    log->off = (int64_t)log->line.sz;
    log->broken = true; /* until the new name is durable */
    TM_TRY(tm_file_sync_dir(log->dir));
    log->broken = false;
    return 0;
failed:
    tm_file_close(fd);
    return err;
}

/* Puts the collected lines behind the others. */
static int append(tm_part_log_t *log, bool durable)
{
    int err = 0;
    TM_GOTO(err, tm_file_write(log->fd, log->path, log->line.data, log->line.sz, log->off), failed);
    if (durable) TM_GOTO(err, tm_file_sync(log->fd, log->path), failed);
    log->off += (int64_t)log->line.sz;
    return 0;
failed:
    log->broken = true;
    return err;
}

/* Called before a change: a broken or long log is replaced first. */
static int prepare_line(tm_part_log_t *log)
{
    if (log->broken || log->off > TM_PART_LOG_SZ_MAX) TM_TRY(rewrite(log));
    tm_buffer_clear(&log->line);
    return 0;
}

int tm_part_log_begin(tm_part_log_t *log, const char *name)
{
    TM_TRY(prepare_line(log));
    TM_TRY(add_open(log, name));
    TM_TRY(append(log, true));
    return add_entry(log, name);
}

int tm_part_log_ready(tm_part_log_t *log, const tm_part_entry_t *parts, uint32_t part_cnt,
                      uint64_t txn_id)
{
    TM_TRY(prepare_line(log));
    for (uint32_t i = 0; i < part_cnt; i++) {
        TM_CHECK(tm_part_log_find(log, parts[i].name) >= 0, "%s was not begun", parts[i].name);
        TM_TRY(add_ready(log, &parts[i], txn_id));
    }
    TM_TRY(add_sealed(log, txn_id, part_cnt));
    TM_TRY(append(log, true));
    for (uint32_t i = 0; i < part_cnt; i++) {
        tm_part_entry_t *e = &log->entries[tm_part_log_find(log, parts[i].name)];
        e->state = TM_PART_READY;
        e->txn_id = txn_id;
        e->file_sz = parts[i].file_sz;
        e->row_cnt = parts[i].row_cnt;
    }
    return 0;
}

int tm_part_log_forget(tm_part_log_t *log, const char *name)
{
    char text[LINE_MAX_SZ];
    TM_TRY(prepare_line(log));
    snprintf(text, sizeof text, "done %s", name);
    TM_TRY(add_line(log, text));
    TM_TRY(append(log, false));
    drop_entry(log, tm_part_log_find(log, name));
    return 0;
}

/* The last `part_cnt` ready lines count only once their sealed line is there. */
static bool replay_sealed(tm_part_log_t *log, const tm_part_entry_t *ready, uint32_t ready_cnt,
                          uint64_t txn_id)
{
    for (uint32_t i = 0; i < ready_cnt; i++) {
        int idx = tm_part_log_find(log, ready[i].name);
        if (idx < 0) return false;
        log->entries[idx] = ready[i];
        log->entries[idx].txn_id = txn_id;
    }
    return true;
}

typedef struct replay {
    tm_part_entry_t *ready;
    uint32_t cnt, cap;
} replay_t;

static int replay_ready(replay_t *r, const tm_part_entry_t *e)
{
    if (r->cnt == r->cap) {
        uint32_t cap = r->cap ? r->cap * 2 : 16;
        tm_part_entry_t *grown = realloc(r->ready, cap * sizeof *grown);
        if (!grown) return tm_error_set(-ENOMEM, "out of memory for %u part files", cap);
        r->ready = grown;
        r->cap = cap;
    }
    r->ready[r->cnt++] = *e;
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

/* One record. Returns 1, 0 where it is not well formed, or -ENOMEM. */
static int replay_line(tm_part_log_t *log, replay_t *r, const char *text)
{
    tm_part_entry_t e = {.state = TM_PART_READY};
    uint64_t sz, rows, cnt;
    const char *at = after(text, "open ");
    if (at) {
        if (!read_name(at, e.name)) return 0;
        int err = tm_part_log_find(log, e.name) < 0 ? add_entry(log, e.name) : 0;
        return err < 0 ? err : 1;
    }
    at = after(text, "done ");
    if (at) {
        if (!read_name(at, e.name)) return 0;
        drop_entry(log, tm_part_log_find(log, e.name));
        return 1;
    }
    at = after(text, "ready ");
    if (at) {
        at = read_number(read_number(read_number(at, &e.txn_id), &sz), &rows);
        if (!read_name(at, e.name) || sz > INT64_MAX || rows > INT64_MAX) return 0;
        e.file_sz = (int64_t)sz;
        e.row_cnt = (int64_t)rows;
        int err = replay_ready(r, &e);
        return err < 0 ? err : 1;
    }
    at = read_number(read_number(after(text, "sealed "), &e.txn_id), &cnt);
    if (!at || *at != '\0') return 0;
    const bool fine = cnt == r->cnt && replay_sealed(log, r->ready, r->cnt, e.txn_id);
    r->cnt = 0;
    return fine;
}

/* Reads records up to the first that is torn: a crash cuts the tail, and what was durable before it
   is all that counts. */
static int replay(tm_part_log_t *log, char *text, size_t sz)
{
    replay_t r = {0};
    int rc = 1;
    char *at = text + strlen(LOG_MAGIC), *end = text + sz;
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
        rc = replay_line(log, &r, tail + 1);
        at = newline + 1;
    }
    free(r.ready);
    return rc < 0 ? rc : 0;
}

static int load(tm_part_log_t *log)
{
    struct stat st;
    if (fstat(log->fd, &st) != 0 || st.st_size == 0) return 0;
    if (st.st_size > LOG_READ_MAX)
        return tm_error_set(TM_E_CORRUPT, "%s: %lld bytes are too many for a log of part files",
                            log->path, (long long)st.st_size);
    size_t sz = (size_t)st.st_size;
    char *text = malloc(sz + 1);
    if (!text) return tm_error_set(-ENOMEM, "out of memory for %s", log->path);
    ssize_t got = pread(log->fd, text, sz, 0);
    int err = 0;
    text[sz] = '\0';
    if (got != (ssize_t)sz) {
        err = tm_error_set(-EIO, "read %s: %zd of %zu bytes", log->path, got, sz);
    } else if (sz < strlen(LOG_MAGIC) || memcmp(text, LOG_MAGIC, strlen(LOG_MAGIC)) != 0) {
        err = tm_error_set(TM_E_CORRUPT,
                           "%s does not start as a log of part files: move it away, then look at "
                           "the hidden files beside it",
                           log->path);
    } else {
        err = replay(log, text, sz);
    }
    free(text);
    return err;
}

static int take_lock(tm_part_log_t *log, uint32_t subtask_idx)
{
    char path[TM_PART_PATH_MAX];
    if ((size_t)snprintf(path, sizeof path, "%s/.parts-%u.lock", log->dir, subtask_idx) >=
        sizeof path)
        return tm_error_set(TM_E_CONFIG, "folder %s: its path is too long", log->dir);
    log->lock_fd = tm_file_open(path, O_RDWR | O_CREAT);
    if (log->lock_fd < 0) return log->lock_fd;
    if (flock(log->lock_fd, LOCK_EX | LOCK_NB) == 0) return 0;
    if (errno == EWOULDBLOCK)
        return tm_error_set(-EBUSY,
                            "folder %s: another process writes part files there as subtask %u; "
                            "choose another folder",
                            log->dir, subtask_idx);
    const int code = -errno;
    return tm_error_set(code, "lock %s: %s", path, tm_error_name(code));
}

int tm_part_log_open(tm_part_log_t *log, const char *dir, uint32_t subtask_idx)
{
    int err;
    *log = (tm_part_log_t){.fd = -1, .lock_fd = -1};
    snprintf(log->dir, sizeof log->dir, "%s", dir);
    int sz = snprintf(log->path, sizeof log->path, "%s/.parts-%u.log", dir, subtask_idx);
    if (sz + TM_PART_NAME_MAX >= TM_PART_PATH_MAX)
        return tm_error_set(TM_E_CONFIG, "folder %s: its path is too long", dir);
    TM_GOTO(err, take_lock(log, subtask_idx), failed);
    log->fd = tm_file_open(log->path, O_RDWR);
    if (log->fd < 0 && log->fd != -ENOENT) TM_GOTO(err, log->fd, failed);
    if (log->fd >= 0) TM_GOTO(err, load(log), failed);
    TM_GOTO(err, rewrite(log), failed);
    return 0;
failed:
    tm_part_log_close(log);
    return err;
}

void tm_part_log_close(tm_part_log_t *log)
{
    tm_file_close(log->fd);
    tm_file_close(log->lock_fd); /* gives the lock back */
    free(log->entries);
    tm_buffer_free(&log->line);
    *log = (tm_part_log_t){.fd = -1, .lock_fd = -1};
}
