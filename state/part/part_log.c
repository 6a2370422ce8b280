#include "state/part/part_log.h"

#include "base/error.h"
#include "state/file.h"
#include "state/part/part_log_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <zlib.h>

/* "crc8 verb fields\n": the checksum is over everything between its space and the newline. */
static int add_line(tm_part_log_t *log, const char *text)
{
    char line[TM_PART_LINE_MAX + 16];
    uLong crc = crc32(0, (const Bytef *)text, (uInt)strlen(text));
    int sz = snprintf(line, sizeof line, "%08lx %s\n", crc, text);
    return tm_buffer_append(&log->line, line, (size_t)sz);
}

static int add_open(tm_part_log_t *log, const tm_part_entry_t *e)
{
    char text[TM_PART_LINE_MAX];
    snprintf(text, sizeof text, "open %llu %u %s", (unsigned long long)e->id, e->tag, e->name);
    return add_line(log, text);
}

static const char *reach_verb(tm_part_state_t state)
{
    static const char *const verbs[] = {
        [TM_PART_OPEN] = "point", [TM_PART_READY] = "ready", [TM_PART_MERGED] = "merged"};
    return verbs[state];
}

static int add_reach(tm_part_log_t *log, const char *verb, const char *name,
                     const tm_part_point_t *at)
{
    char text[TM_PART_LINE_MAX];
    snprintf(text, sizeof text, "%s %llu %lld %lld %s", verb, (unsigned long long)at->txn_id,
             (long long)at->file_sz, (long long)at->row_cnt, name);
    return add_line(log, text);
}

static int add_sealed(tm_part_log_t *log, uint64_t txn_id, uint32_t line_cnt, int64_t now_ns)
{
    char text[TM_PART_LINE_MAX];
    const int64_t known_ns = now_ns > 0 ? now_ns : 0;
    snprintf(text, sizeof text, "sealed %llu %u %lld", (unsigned long long)txn_id, line_cnt,
             (long long)known_ns);
    return add_line(log, text);
}

static int add_commit(tm_part_log_t *log, uint64_t txn_id)
{
    char text[64];
    snprintf(text, sizeof text, "commit %llu", (unsigned long long)txn_id);
    return add_line(log, text);
}

static int add_show(tm_part_log_t *log, const tm_part_entry_t *e)
{
    char text[TM_PART_LINE_MAX];
    snprintf(text, sizeof text, "show %s", e->name);
    return add_line(log, text);
}

int tm_part_log_find(const tm_part_log_t *log, const char *name)
{
    for (uint32_t i = 0; i < log->entry_cnt; i++)
        if (strcmp(log->entries[i].name, name) == 0) return (int)i;
    return -1;
}

int tm_part_entry_point(const tm_part_entry_t *e, uint64_t txn_id)
{
    int found = -1;
    for (uint32_t i = 0; i < e->point_cnt; i++)
        if (e->points[i].txn_id <= txn_id) found = (int)i;
    return found;
}

int tm_part_log_point_add(tm_part_entry_t *e, const tm_part_point_t *at)
{
    if (e->point_cnt == e->point_cap) {
        uint32_t cap = e->point_cap ? e->point_cap * 2 : 4;
        tm_part_point_t *points = realloc(e->points, cap * sizeof *points);
        if (!points)
            return tm_error_set(-ENOMEM, "out of memory for %u points of %s", cap, e->name);
        e->points = points;
        e->point_cap = cap;
    }
    e->points[e->point_cnt++] = *at;
    return 0;
}

int tm_part_log_entry_add(tm_part_log_t *log, const tm_part_entry_t *part)
{
    const char *slash = strrchr(part->name, '/'), *base = slash ? slash + 1 : part->name;
    uint64_t counter = 0;
    if (log->entry_cnt == log->entry_cap) {
        uint32_t cap = log->entry_cap ? log->entry_cap * 2 : 64;
        tm_part_entry_t *entries = realloc(log->entries, cap * sizeof *entries);
        if (!entries) return tm_error_set(-ENOMEM, "out of memory for %u part files", cap);
        log->entries = entries;
        log->entry_cap = cap;
    }
    tm_part_entry_t *e = &log->entries[log->entry_cnt++];
    *e = (tm_part_entry_t){.state = TM_PART_OPEN, .id = part->id, .tag = part->tag};
    memcpy(e->name, part->name, sizeof e->name);
    /* The counter stands behind the last dash, whatever the prefix. */
    const char *dash = strrchr(base, '-');
    if (dash && tm_part_number_read(dash + 1, &counter) && counter >= log->next_counter &&
        counter < UINT64_MAX)
        log->next_counter = counter + 1;
    return 0;
}

void tm_part_log_entry_drop(tm_part_log_t *log, int idx)
{
    if (idx < 0) return;
    uint32_t after = log->entry_cnt - (uint32_t)idx - 1;
    free(log->entries[idx].points);
    memmove(&log->entries[idx], &log->entries[idx + 1], after * sizeof log->entries[0]);
    log->entry_cnt--;
}

static int add_entry_lines(tm_part_log_t *log, const tm_part_entry_t *e)
{
    TM_TRY(add_open(log, e));
    for (uint32_t i = 0; i < e->point_cnt; i++) {
        TM_TRY(add_reach(log, "point", e->name, &e->points[i]));
        TM_TRY(add_sealed(log, e->points[i].txn_id, 1, e->sealed_ns));
    }
    if (e->state == TM_PART_OPEN) return 0;
    const tm_part_point_t whole = {e->txn_id, e->file_sz, e->row_cnt};
    TM_TRY(add_reach(log, reach_verb(e->state), e->name, &whole));
    TM_TRY(add_sealed(log, e->txn_id, 1, e->sealed_ns));
    return e->shown ? add_show(log, e) : 0;
}

int tm_part_log_rewrite(tm_part_log_t *log)
{
    char temp[TM_PART_PATH_MAX], next[64];
    int err = 0;
    if ((size_t)snprintf(temp, sizeof temp, "%s.new", log->path) >= sizeof temp)
        return tm_error_set(TM_E_CONFIG, "folder %s: its path is too long", log->dir);
    tm_buffer_clear(&log->line);
    TM_TRY(tm_buffer_append(&log->line, TM_PART_LOG_MAGIC, strlen(TM_PART_LOG_MAGIC)));
    snprintf(next, sizeof next, "next %llu", (unsigned long long)log->next_counter);
    TM_TRY(add_line(log, next));
    if (log->committed > 0) TM_TRY(add_commit(log, log->committed));
    for (uint32_t i = 0; i < log->entry_cnt; i++) TM_TRY(add_entry_lines(log, &log->entries[i]));
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
    if (log->broken || log->off > TM_PART_LOG_SZ_MAX) TM_TRY(tm_part_log_rewrite(log));
    tm_buffer_clear(&log->line);
    return 0;
}

int tm_part_log_begin(tm_part_log_t *log, const tm_part_entry_t *part)
{
    TM_TRY(prepare_line(log));
    TM_TRY(add_open(log, part));
    TM_TRY(append(log, true));
    return tm_part_log_entry_add(log, part);
}

int tm_part_log_add(tm_part_log_t *log, const char *name, tm_part_state_t state,
                    const tm_part_point_t *at)
{
    const int idx = tm_part_log_find(log, name);
    TM_CHECK(idx >= 0, "%s was not begun", name);
    tm_part_entry_t *e = &log->entries[idx];
    TM_TRY(tm_part_log_point_add(e, at)); /* it counts once it is sealed */
    e->point_cnt--;
    e->sealing_state = state;
    e->sealing = true;
    return 0;
}

static int add_sealing(tm_part_log_t *log, uint64_t txn_id, int64_t now_ns)
{
    uint32_t line_cnt = 0;
    for (uint32_t i = 0; i < log->entry_cnt; i++) {
        const tm_part_entry_t *e = &log->entries[i];
        if (!e->sealing) continue;
        tm_part_point_t at = e->points[e->point_cnt];
        at.txn_id = txn_id;
        TM_TRY(add_reach(log, reach_verb(e->sealing_state), e->name, &at));
        line_cnt++;
    }
    return add_sealed(log, txn_id, line_cnt, now_ns);
}

/* What was added counts from here on. A part that is READY keeps its points: a restart at an older
   transaction goes back to them. */
static void apply_sealing(tm_part_entry_t *e, uint64_t txn_id, int64_t now_ns)
{
    tm_part_point_t *at = &e->points[e->point_cnt];
    at->txn_id = e->txn_id = txn_id;
    e->state = e->sealing_state;
    e->sealed_ns = now_ns;
    e->file_sz = at->file_sz;
    e->row_cnt = at->row_cnt;
    if (e->state == TM_PART_OPEN) e->point_cnt++;
}

int tm_part_log_seal(tm_part_log_t *log, uint64_t txn_id, int64_t now_ns)
{
    int err = prepare_line(log);
    if (err == 0) err = add_sealing(log, txn_id, now_ns);
    if (err == 0) err = append(log, true);
    for (uint32_t i = 0; i < log->entry_cnt; i++) {
        tm_part_entry_t *e = &log->entries[i];
        if (e->sealing && err == 0) apply_sealing(e, txn_id, now_ns);
        e->sealing = false;
    }
    return err;
}

int tm_part_log_commit(tm_part_log_t *log, uint64_t txn_id)
{
    if (txn_id <= log->committed) return 0;
    TM_TRY(prepare_line(log));
    TM_TRY(add_commit(log, txn_id));
    TM_TRY(append(log, true));
    log->committed = txn_id;
    return 0;
}

int tm_part_log_show(tm_part_log_t *log, int idx)
{
    TM_TRY(prepare_line(log));
    TM_TRY(add_show(log, &log->entries[idx]));
    TM_TRY(append(log, true));
    log->entries[idx].shown = true;
    return 0;
}

void tm_part_log_rewind(tm_part_log_t *log, int idx, uint32_t point_idx)
{
    tm_part_entry_t *e = &log->entries[idx];
    e->state = TM_PART_OPEN;
    e->sealing = false;
    e->point_cnt = point_idx + 1;
}

int tm_part_log_forget(tm_part_log_t *log, const char *name)
{
    char text[TM_PART_LINE_MAX];
    TM_TRY(prepare_line(log));
    snprintf(text, sizeof text, "done %s", name);
    TM_TRY(add_line(log, text));
    TM_TRY(append(log, false));
    tm_part_log_entry_drop(log, tm_part_log_find(log, name));
    return 0;
}

int tm_part_log_remove(tm_part_log_t *log, int idx)
{
    const tm_part_entry_t *e = &log->entries[idx];
    char path[TM_PART_PATH_MAX];
    tm_part_path_hidden(path, log->dir, e->name, e->id);
    TM_TRY(tm_file_unlink(path));
    tm_part_path_folder(path, log->dir, e->name);
    const int err = tm_file_sync_dir(path);
    if (err < 0 && err != -ENOENT) return err; /* the folder may never have been made */
    return tm_part_log_forget(log, e->name);
}

int tm_part_log_lock(const char *dir, uint64_t subtask_idx)
{
    char path[TM_PART_PATH_MAX];
    if ((size_t)snprintf(path, sizeof path, "%s/.parts-%llu.lock", dir,
                         (unsigned long long)subtask_idx) >= sizeof path)
        return tm_error_set(TM_E_CONFIG, "folder %s: its path is too long", dir);
    int fd = tm_file_open(path, O_RDWR | O_CREAT);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
    const int code = -errno;
    tm_file_close(fd);
    if (code == -EWOULDBLOCK)
        return tm_error_set(-EBUSY,
                            "folder %s: another process writes part files there as subtask %llu; "
                            "choose another folder",
                            dir, (unsigned long long)subtask_idx);
    return tm_error_set(code, "lock %s: %s", path, tm_error_name(code));
}

int tm_part_log_open(tm_part_log_t *log, const char *dir, uint32_t subtask_idx,
                     uint32_t subtask_cnt)
{
    int err;
    *log = (tm_part_log_t){.fd = -1, .lock_fd = -1};
    snprintf(log->dir, sizeof log->dir, "%s", dir);
    int sz = snprintf(log->path, sizeof log->path, "%s/.parts-%u.log", dir, subtask_idx);
    if (sz + TM_PART_NAME_MAX >= TM_PART_PATH_MAX)
        return tm_error_set(TM_E_CONFIG, "folder %s: its path is too long", dir);
    log->lock_fd = tm_part_log_lock(dir, subtask_idx);
    if (log->lock_fd < 0) TM_GOTO(err, log->lock_fd, failed);
    log->fd = tm_file_open(log->path, O_RDWR);
    if (log->fd < 0 && log->fd != -ENOENT) TM_GOTO(err, log->fd, failed);
    if (log->fd >= 0) TM_GOTO(err, tm_part_log_load(log, log->fd, log->path), failed);
    TM_GOTO(err, tm_part_log_rewrite(log), failed);
    if (subtask_cnt > 0) TM_GOTO(err, tm_part_log_adopt(log, subtask_idx, subtask_cnt), failed);
    return 0;
failed:
    tm_part_log_close(log);
    return err;
}

void tm_part_log_close(tm_part_log_t *log)
{
    tm_file_close(log->fd);
    tm_file_close(log->lock_fd); /* gives the lock back */
    for (uint32_t i = 0; i < log->entry_cnt; i++) free(log->entries[i].points);
    free(log->entries);
    tm_buffer_free(&log->line);
    *log = (tm_part_log_t){.fd = -1, .lock_fd = -1};
}
