#include "state/part/part_file.h"

#include "base/error.h"
#include "base/row.h"
#include "state/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

/* Above so many open parts descriptors are not kept. */
enum { PARK_CNT = 256 };

static tm_part_file_t *new_part(tm_part_encoder_t *enc, tm_part_log_t *log,
                                const tm_part_entry_t *entry)
{
    tm_part_file_t *part = calloc(1, sizeof *part);
    if (!part) return NULL;
    part->enc = enc;
    part->log = log;
    part->fd = -1;
    part->id = entry->id;
    part->opened_ns = part->written_ns = TM_TIME_NONE;
    memcpy(part->name, entry->name, sizeof part->name);
    tm_part_path_hidden(part->hidden, log->dir, part->name, part->id);
    return part;
}

static int no_memory(const char *name)
{
    return tm_error_set(-ENOMEM, "out of memory for part file %s", name);
}

int tm_part_file_new(tm_part_file_t **out, tm_part_encoder_t *enc, tm_part_log_t *log,
                     const char *name)
{
    tm_part_entry_t entry = {.id = tm_part_id_make()};
    snprintf(entry.name, sizeof entry.name, "%s", name);
    *out = new_part(enc, log, &entry);
    return *out ? 0 : no_memory(name);
}

void tm_part_file_free(tm_part_file_t *part)
{
    if (!part) return;
    part->enc->ops->clear(part->enc, part);
    tm_file_close(part->fd);
    free(part);
}

/* Parts that are many give their descriptors back between writes: a process has few. */
static int open_again(tm_part_file_t *part)
{
    if (part->fd >= 0) return 0;
    const int fd = tm_file_open(part->hidden, O_RDWR);
    if (fd < 0) return fd;
    part->fd = part->file.fd = fd;
    return 0;
}

static void park(tm_part_file_t *part)
{
    if (part->log->entry_cnt < PARK_CNT) return;
    tm_file_close(part->fd);
    part->fd = -1;
}

static int cut(tm_part_file_t *part, const tm_part_point_t *at)
{
    struct stat st = {0};
    TM_TRY(open_again(part));
    if (fstat(part->fd, &st) != 0 || st.st_size < at->file_sz)
        return tm_error_set(TM_E_CORRUPT,
                            "%s has %lld bytes, but %lld were written and fsynced: somebody "
                            "changed it or the disk lost data",
                            part->hidden, (long long)st.st_size, (long long)at->file_sz);
    TM_TRY(tm_file_truncate(part->fd, part->hidden, at->file_sz));
    part->off = at->file_sz;
    part->row_cnt = at->row_cnt;
    part->phase = TM_PART_FILLING;
    part->lost = false;
    return 0;
}

int tm_part_file_resume(tm_part_file_t **out, tm_part_encoder_t *enc, tm_part_log_t *log,
                        const tm_part_entry_t *entry, const tm_part_point_t *at)
{
    tm_part_file_t *part = new_part(enc, log, entry);
    if (!part) return no_memory(entry->name);
    part->begun = part->named = true;
    int err = cut(part, at);
    if (err < 0) {
        tm_part_file_free(part);
        if (err != -ENOENT) return err;
        return tm_error_set(TM_E_CORRUPT,
                            "%s of transaction %llu is gone: its %lld rows were durable and "
                            "somebody removed them",
                            entry->name, (unsigned long long)at->txn_id, (long long)at->row_cnt);
    }
    *out = part;
    return 0;
}

/* The log knows of the file before it exists, so no crash leaves one that nobody knows. */
static int begin(tm_part_file_t *part)
{
    char folder[TM_PART_PATH_MAX];
    tm_part_path_folder(folder, part->log->dir, part->name);
    TM_TRY(tm_file_mkdirs_soft(folder));
    if (tm_part_log_find(part->log, part->name) < 0) {
        tm_part_entry_t entry = {.id = part->id, .tag = part->enc->tag};
        memcpy(entry.name, part->name, sizeof entry.name);
        TM_TRY(tm_part_log_begin(part->log, &entry));
    }
    int fd = tm_file_open(part->hidden, O_RDWR | O_CREAT | O_TRUNC);
    if (fd < 0) return fd;
    part->fd = fd;
    int err = part->enc->ops->begin(part->enc, part);
    part->begun = err == 0;
    if (err < 0) {
        tm_file_close(fd);
        part->fd = -1;
    }
    return err;
}

int tm_part_file_flush(tm_part_file_t *part)
{
    if (part->held_sz == 0) return 0;
    if (part->begun)
        TM_TRY(open_again(part));
    else
        TM_TRY(begin(part));
    TM_TRY(part->enc->ops->flush(part->enc, part));
    park(part);
    return 0;
}

static int check_lost(const tm_part_file_t *part)
{
    if (!part->lost) return 0;
    return tm_error_set(-EIO,
                        "%s: an fsync failed, so its %lld rows cannot be trusted to be on "
                        "disk: check the disk, then restart from before them",
                        part->hidden, (long long)part->row_cnt);
}

static int sync_file(tm_part_file_t *part)
{
    int err = tm_file_sync(part->fd, part->hidden);
    part->lost = err < 0;
    return err;
}

/* The hidden name itself must survive as well, and so must the folders between it and the sink's
   own, whoever made them: a process may have died before they were durable. */
static int sync_name(tm_part_file_t *part)
{
    char folder[TM_PART_PATH_MAX];
    if (part->named) return 0;
    tm_part_path_folder(folder, part->log->dir, part->name);
    for (;;) {
        TM_TRY(tm_file_sync_dir(folder));
        if (strcmp(folder, part->log->dir) == 0) break;
        *strrchr(folder, '/') = '\0';
    }
    part->named = true;
    return 0;
}

int tm_part_file_point(tm_part_file_t *part, tm_part_point_t *at)
{
    TM_TRY(check_lost(part));
    TM_TRY(tm_part_file_flush(part));
    TM_TRY(open_again(part));
    TM_TRY(sync_file(part));
    park(part);
    *at = (tm_part_point_t){.file_sz = part->off, .row_cnt = part->row_cnt};
    return sync_name(part);
}

int tm_part_file_complete(tm_part_file_t *part)
{
    TM_TRY(check_lost(part));
    if (part->phase != TM_PART_COMPLETE) {
        part->phase = TM_PART_CLOSING;
        TM_TRY(tm_part_file_flush(part));
        TM_TRY(open_again(part));
        TM_TRY(part->enc->ops->finish(part->enc, part));
        TM_TRY(sync_file(part));
        tm_file_close(part->fd);
        part->fd = -1;
        part->phase = TM_PART_COMPLETE;
    }
    return sync_name(part);
}

int tm_part_file_drop(tm_part_file_t *part)
{
    const int idx = tm_part_log_find(part->log, part->name);
    return idx < 0 ? 0 : tm_part_log_remove(part->log, idx);
}

int tm_part_file_rewind(tm_part_file_t *part)
{
    const int idx = tm_part_log_find(part->log, part->name);
    const tm_part_entry_t *e = idx < 0 ? NULL : &part->log->entries[idx];
    if (!e || e->point_cnt == 0) return 1;
    part->enc->ops->clear(part->enc, part);
    return cut(part, &e->points[e->point_cnt - 1]);
}

tm_part_info_t tm_part_file_info(const tm_part_file_t *part, const char *bucket)
{
    const size_t held_sz = part->enc->by_row ? part->held_sz : 0;
    return (tm_part_info_t){
        .bucket = bucket,
        .file_sz = (uint64_t)part->off + held_sz,
        .row_cnt = part->row_cnt,
        .opened_ns = part->opened_ns,
        .written_ns = part->written_ns,
    };
}
