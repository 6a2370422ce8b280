#include "state/part_file.h"

#include "base/error.h"
#include "base/row.h"
#include "state/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

int tm_part_file_new(tm_part_file_t **out, const char *dir, const char *name, tm_row_pool_t *pool,
                     uint32_t group_rows)
{
    tm_part_file_t *part = calloc(1, sizeof *part);
    if (!part) return tm_error_set(-ENOMEM, "out of memory for part file %s", name);
    part->fd = -1;
    part->opened_ns = TM_TIME_NONE;
    snprintf(part->name, sizeof part->name, "%s", name);
    tm_part_path_hidden(part->hidden, dir, name);
    tm_row_group_init(&part->group, pool, group_rows);
    *out = part;
    return 0;
}

void tm_part_file_free(tm_part_file_t *part)
{
    if (!part) return;
    tm_row_group_clear(&part->group);
    tm_parquet_file_free(&part->file);
    tm_file_close(part->fd);
    free(part);
}

/* The log knows of the file before it exists, so no crash leaves one that nobody knows. */
static int begin(tm_part_file_t *part, tm_parquet_writer_t *writer, tm_part_log_t *log)
{
    char folder[TM_PART_PATH_MAX];
    int err = 0;
    tm_part_path_folder(folder, log->dir, part->name);
    TM_TRY(tm_file_mkdirs(folder));
    if (tm_part_log_find(log, part->name) < 0) TM_TRY(tm_part_log_begin(log, part->name));
    int fd = tm_file_open(part->hidden, O_RDWR | O_CREAT | O_TRUNC);
    if (fd < 0) return fd;
    TM_GOTO(err, tm_parquet_file_begin(writer, &part->file, fd, part->hidden), failed);
    part->fd = fd;
    part->begun = true;
    return 0;
failed:
    tm_parquet_file_free(&part->file);
    tm_file_close(fd);
    return err;
}

int tm_part_file_flush(tm_part_file_t *part, tm_parquet_writer_t *writer, tm_part_log_t *log)
{
    if (part->group.row_cnt == 0) return 0;
    if (!part->begun) TM_TRY(begin(part, writer, log));
    TM_TRY(tm_parquet_file_append(writer, &part->file, &part->group));
    tm_row_group_clear(&part->group);
    return 0;
}

int tm_part_file_complete(tm_part_file_t *part, tm_parquet_writer_t *writer, tm_part_log_t *log,
                          const tm_parquet_kv_t *kv, uint32_t kv_cnt)
{
    if (part->phase == TM_PART_COMPLETE) return 0;
    if (part->lost)
        return tm_error_set(-EIO,
                            "%s: an fsync failed, so its %lld rows cannot be trusted to be on "
                            "disk: check the disk, then restart from before them",
                            part->hidden, (long long)part->row_cnt);
    part->phase = TM_PART_CLOSING;
    TM_TRY(tm_part_file_flush(part, writer, log));
    TM_TRY(tm_parquet_file_finish(writer, &part->file, kv, kv_cnt));
    int err = tm_file_sync(part->fd, part->hidden);
    part->lost = err < 0;
    if (err < 0) return err;
    tm_file_close(part->fd);
    part->fd = -1;
    part->phase = TM_PART_COMPLETE;
    return 0;
}

int tm_part_file_drop(tm_part_file_t *part, tm_part_log_t *log)
{
    if (!part->begun) return 0;
    TM_TRY(tm_file_unlink(part->hidden));
    return tm_part_log_forget(log, part->name);
}
