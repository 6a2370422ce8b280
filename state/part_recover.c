#include "state/part_recover.h"

#include "base/error.h"
#include "state/file.h"

#include <errno.h>
#include <sys/stat.h>

static int check_size(const char *path, int64_t found_sz, int64_t file_sz)
{
    if (found_sz == file_sz) return 0;
    return tm_error_set(TM_E_CORRUPT,
                        "%s has %lld bytes, but %lld were written and fsynced: somebody changed it "
                        "or the disk lost data",
                        path, (long long)found_sz, (long long)file_sz);
}

/* Renames one part; fine where an earlier attempt did already. */
static int reveal(const tm_part_log_t *log, const tm_part_entry_t *e)
{
    char hidden[TM_PART_PATH_MAX], finished[TM_PART_PATH_MAX];
    struct stat st;
    tm_part_path_hidden(hidden, log->dir, e->name);
    tm_part_path_finished(finished, log->dir, e->name);
    if (stat(hidden, &st) == 0) {
        TM_TRY(check_size(hidden, st.st_size, e->file_sz));
        return tm_file_rename(hidden, finished);
    }
    if (errno == ENOENT && stat(finished, &st) == 0)
        return check_size(finished, st.st_size, e->file_sz);
    return tm_error_set(TM_E_CORRUPT,
                        "%s of transaction %llu is gone, and so is %s: its %lld rows were durable "
                        "and somebody removed them",
                        finished, (unsigned long long)e->txn_id, hidden, (long long)e->row_cnt);
}

/* fsyncs the part's folder and those between it and the sink's own: a folder that a crashed run
   made may not be durable yet. */
static int sync_folders(const tm_part_log_t *log, const char *name)
{
    char folder[TM_PART_PATH_MAX];
    tm_part_path_folder(folder, log->dir, name);
    for (;;) {
        TM_TRY(tm_file_sync_dir(folder));
        if (strcmp(folder, log->dir) == 0) return 0;
        *strrchr(folder, '/') = '\0';
    }
}

int tm_part_recover_commit(tm_part_log_t *log, uint64_t txn_id, tm_part_done_t *done)
{
    int first = 0;
    for (uint32_t i = 0; i < log->entry_cnt;) {
        const tm_part_entry_t e = log->entries[i];
        if (e.state != TM_PART_READY || e.txn_id > txn_id) {
            i++;
            continue;
        }
        int err = reveal(log, &e);
        if (err == 0) err = sync_folders(log, e.name);
        if (err == 0) { /* finished from here on, whatever the log can still take */
            err = tm_part_log_forget(log, e.name);
            if (err == 0) {
                done->part_cnt++;
                done->row_cnt += e.row_cnt;
                done->file_sz += e.file_sz;
                continue;
            }
        }
        if (first == 0) first = err;
        i++;
    }
    return first;
}

int tm_part_recover_abort(tm_part_log_t *log)
{
    int first = 0;
    for (uint32_t i = 0; i < log->entry_cnt;) {
        char hidden[TM_PART_PATH_MAX];
        const tm_part_entry_t e = log->entries[i];
        tm_part_path_hidden(hidden, log->dir, e.name);
        int err = tm_file_unlink(hidden);
        if (err == 0) err = tm_part_log_forget(log, e.name);
        if (err == 0) continue;
        if (first == 0) first = err;
        i++;
    }
    return first;
}
