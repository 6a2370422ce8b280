#include "state/part/part_recover.h"

#include "base/error.h"
#include "base/log.h"
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
    tm_part_path_hidden(hidden, log->dir, e->name, e->id);
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

/* A part that was renamed by a run that died then does not wait for others any more. */
static bool is_hidden(const tm_part_log_t *log, const tm_part_entry_t *e)
{
    char hidden[TM_PART_PATH_MAX];
    struct stat st;
    tm_part_path_hidden(hidden, log->dir, e->name, e->id);
    return stat(hidden, &st) == 0;
}

/* Points that a newer one up to txn_id takes the place of. */
static uint64_t outdate(tm_part_entry_t *e, uint64_t txn_id)
{
    const int newest = tm_part_entry_point(e, txn_id);
    if (newest <= 0) return 0;
    memmove(e->points, e->points + newest, (e->point_cnt - (uint32_t)newest) * sizeof *e->points);
    e->point_cnt -= (uint32_t)newest;
    return (uint64_t)newest;
}

int tm_part_recover_finish(tm_part_log_t *log, int idx, tm_part_done_t *done)
{
    tm_part_entry_t *e = &log->entries[idx];
    char folder[TM_PART_PATH_MAX];
    TM_TRY(reveal(log, e));
    e->visible = true;
    tm_part_path_folder(folder, log->dir, e->name); /* durable itself since prepare */
    TM_TRY(tm_file_sync_dir(folder));
    const tm_part_entry_t finished = *e; /* from here on, whatever the log can still take */
    TM_TRY(tm_part_log_forget(log, finished.name));
    done->part_cnt++;
    done->point_cnt += finished.point_cnt;
    done->row_cnt += finished.row_cnt;
    done->file_sz += finished.file_sz;
    return 0;
}

int tm_part_recover_admits(const tm_part_log_t *log, uint64_t txn_id)
{
    if (txn_id == 0 || txn_id >= log->committed) return 0;
    return tm_error_set(TM_E_CONFIG,
                        "%s: results up to checkpoint %llu are committed, and behind checkpoint "
                        "%llu they would come again: restore from %llu or a newer one, or give "
                        "--out and --checkpoints that are empty",
                        log->path, (unsigned long long)log->committed, (unsigned long long)txn_id,
                        (unsigned long long)log->committed);
}

int tm_part_recover_decide(tm_part_log_t *log, uint64_t txn_id)
{
    for (uint32_t i = 0; i < log->entry_cnt; i++) {
        const tm_part_entry_t *e = &log->entries[i];
        const int point = tm_part_entry_point(e, txn_id);
        if ((e->state == TM_PART_READY && e->txn_id <= txn_id) ||
            (point >= 0 && e->points[point].txn_id > log->committed))
            return tm_part_log_commit(log, txn_id);
    }
    return 0;
}

int tm_part_recover_commit(tm_part_log_t *log, uint64_t txn_id, int64_t hold_sz,
                           const tm_part_patience_t *patience, tm_part_done_t *done)
{
    int first = 0;
    for (uint32_t i = 0; i < log->entry_cnt;) {
        tm_part_entry_t *e = &log->entries[i];
        if (e->state != TM_PART_READY || e->txn_id > txn_id) {
            done->point_cnt += outdate(e, txn_id);
            i++;
            continue;
        }
        if (e->file_sz < hold_sz && !e->shown && is_hidden(log, e)) {
            i++;
            continue;
        }
        const int64_t sealed_ns = e->sealed_ns;
        int err = tm_part_recover_finish(log, (int)i, done);
        if (err == 0) continue;
        i++;
        if (patience && patience->limit_ns > 0 &&
            patience->now_ns - sealed_ns >= patience->limit_ns) {
            done->given_up_cnt++;
            TM_LOG_W("state", "%s (given up for now: its transaction is too old)", tm_error_text());
        } else if (first == 0) {
            first = err;
        }
    }
    return first;
}

int tm_part_recover_left(const char *dir, uint64_t txn_id, tm_part_done_t *done)
{
    tm_part_log_t log;
    struct stat st;
    *done = (tm_part_done_t){0};
    if (stat(dir, &st) < 0) return 0;
    TM_TRY(tm_part_log_open(&log, dir, 0, 1));
    int err = tm_part_recover_admits(&log, txn_id);
    if (err == 0) err = tm_part_recover_decide(&log, txn_id);
    if (err == 0) err = tm_part_recover_commit(&log, txn_id, 0, NULL, done);
    tm_part_log_close(&log);
    return err;
}

int tm_part_recover_remove(tm_part_log_t *log, uint64_t txn_id, bool keep)
{
    int first = 0;
    for (uint32_t i = 0; i < log->entry_cnt;) {
        const tm_part_entry_t *e = &log->entries[i];
        if (tm_part_entry_point(e, txn_id) >= 0 ||
            (e->state == TM_PART_READY && e->txn_id <= txn_id)) {
            i++;
            continue;
        }
        const bool stays = keep && e->state != TM_PART_MERGED;
        int err = stays ? tm_part_log_forget(log, e->name) : tm_part_log_remove(log, (int)i);
        if (err == 0) continue;
        if (first == 0) first = err;
        i++;
    }
    return first;
}
