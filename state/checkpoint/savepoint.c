#include "state/checkpoint/savepoint.h"

#include "base/error.h"
#include "state/file.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TRIES_MAX = 10, BASE_NAME_MAX = 48 };

/* ---- the checkpoint that is read ------------------------------------------------------------- */

/* The highest id of a manifest in the folder that is below `below`; 0 = there is none. */
static int id_below(const char *dir, uint64_t below, uint64_t *id)
{
    *id = 0;
    DIR *d = opendir(dir);
    if (!d) return tm_error_set(-errno, "%s: %s", dir, tm_error_name(-errno));
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        char *end;
        if (strncmp(e->d_name, "manifest-", 9) != 0 || strlen(e->d_name) != 33) continue;
        uint64_t found = strtoull(e->d_name + 9, &end, 10);
        if (strcmp(end, ".tmc") == 0 && found < below && found > *id) *id = found;
    }
    closedir(d);
    return 0;
}

static int manifest_find(tm_manifest_t *m, const char *dir, uint64_t id)
{
    char path[TM_CHECKPOINT_PATH_MAX];
    if (id != 0) {
        tm_manifest_path(path, dir, id);
        return tm_manifest_read(m, path);
    }
    int err = 0;
    for (uint64_t below = UINT64_MAX; err == 0; below = id) {
        TM_TRY(id_below(dir, below, &id));
        if (id == 0) return tm_error_set(TM_E_MISSING, "%s: there is no complete checkpoint", dir);
        tm_manifest_path(path, dir, id);
        if (tm_manifest_read(m, path) == 0) return 0;
        tm_manifest_free(m);
    }
    return err;
}

/* ---- pages ----------------------------------------------------------------------------------- */

/* The page files of a worker, in the order of the manifest: the older first. */
typedef struct chain {
    char names[TM_CHECKPOINT_ENTRY_MAX][BASE_NAME_MAX];
    uint32_t cnt;
} chain_t;

static int chain_read(chain_t *chain, const tm_manifest_t *m, uint32_t worker)
{
    tm_manifest_entry_t e;
    chain->cnt = 0;
    for (size_t at = 0; tm_manifest_next(m, &at, &e);) {
        if (e.head.kind != TM_CHECKPOINT_PAGES || e.head.worker != worker) continue;
        if (e.head.name_sz >= BASE_NAME_MAX || memchr(e.name, '/', e.head.name_sz))
            return tm_error_set(TM_E_CORRUPT, "the manifest names '%.*s', which is no page file",
                                (int)e.head.name_sz, e.name);
        snprintf(chain->names[chain->cnt++], BASE_NAME_MAX, "%.*s", (int)e.head.name_sz, e.name);
    }
    return 0;
}

static int file_open(tm_pages_reader_t *r, const char *dir, const char *name)
{
    char path[TM_CHECKPOINT_PATH_MAX];
    snprintf(path, sizeof path, "%.*s/%s", TM_CHECKPOINT_DIR_MAX, dir, name);
    return tm_pages_reader_open(r, path);
}

/* Newest first: a page that a later file has is that file's. */
static int chain_merge(const chain_t *chain, const char *from, tm_pages_writer_t *w, uint8_t *seen)
{
    int err = 0;
    for (uint32_t i = chain->cnt; i-- > 0 && err >= 0;) {
        tm_pages_reader_t r;
        tm_checkpoint_record_t record;
        const void *stored;
        err = file_open(&r, from, chain->names[i]);
        if (err == 0 && r.head.page_cnt != w->head.page_cnt)
            err = tm_error_set(TM_E_CORRUPT, "%s: pages of an arena of another size", r.path);
        while (err >= 0 && (err = tm_pages_reader_next(&r, &record, &stored)) == 1) {
            if (seen[record.page]) continue;
            seen[record.page] = 1;
            err = tm_pages_writer_copy(w, &record, stored);
        }
        tm_pages_reader_close(&r);
    }
    return err;
}

static int base_write(const chain_t *chain, const char *from, const char *to,
                      tm_checkpoint_pages_head_t *head, tm_savepoint_t *out, tm_manifest_t *m)
{
    char name[BASE_NAME_MAX], path[TM_CHECKPOINT_PATH_MAX];
    tm_pages_writer_t w;
    int64_t sz = 0;
    uint8_t *seen = calloc(1, head->page_cnt);
    if (!seen) return tm_error_set(-ENOMEM, "savepoint: out of memory");
    snprintf(name, sizeof name, "base-%020" PRIu64 "-%03u.tmp1", head->id, head->worker);
    snprintf(path, sizeof path, "%.*s/%s", TM_CHECKPOINT_DIR_MAX, to, name);
    int err = tm_pages_writer_open(&w, path, head, TM_PARQUET_CODEC_LZ4_RAW);
    if (err == 0) err = chain_merge(chain, from, &w, seen);
    if (err == 0) err = tm_pages_writer_finish(&w, &sz);
    const tm_checkpoint_entry_head_t entry = {.kind = TM_CHECKPOINT_PAGES,
                                              .data_sz = (uint64_t)sz,
                                              .file_id = head->id,
                                              .worker = head->worker,
                                              .file_crc = w.head.crc};
    tm_pages_writer_close(&w);
    out->page_bytes += (uint64_t)sz;
    for (uint32_t i = 0; i < head->page_cnt; i++) out->page_cnt += seen[i];
    free(seen);
    return err < 0 ? err : tm_manifest_add(m, &entry, name, NULL);
}

static int workers_copy(const tm_manifest_t *from, const char *dir, const char *to,
                        tm_savepoint_t *out, tm_manifest_t *m)
{
    chain_t *chain = malloc(sizeof *chain);
    if (!chain) return tm_error_set(-ENOMEM, "savepoint: out of memory");
    int err = 0;
    for (uint32_t w = 0; w < TM_CHECKPOINT_WORKER_MAX && err == 0; w++) {
        tm_pages_reader_t r;
        err = chain_read(chain, from, w);
        if (err < 0 || chain->cnt == 0) continue;
        err = file_open(&r, dir, chain->names[0]);
        tm_checkpoint_pages_head_t head = {.id = from->head.id,
                                           .worker = w,
                                           .page_cnt = r.head.page_cnt,
                                           .flags = TM_CHECKPOINT_FLAG_BASE};
        tm_pages_reader_close(&r);
        if (err == 0) err = base_write(chain, dir, to, &head, out, m);
    }
    free(chain);
    return err;
}

/* ---- the new folder -------------------------------------------------------------------------- */

static int blobs_copy(const tm_manifest_t *from, const char *name, tm_manifest_t *m)
{
    tm_manifest_entry_t e;
    for (size_t at = 0; tm_manifest_next(from, &at, &e);) {
        char text[TM_CHECKPOINT_NAME_MAX + 1];
        if (e.head.kind != TM_CHECKPOINT_BLOB) continue;
        snprintf(text, sizeof text, "%.*s", (int)e.head.name_sz, e.name);
        if (strcmp(text, TM_BLOB_SAVEPOINT) == 0) continue; /* one of a savepoint */
        const tm_checkpoint_entry_head_t head = {.kind = TM_CHECKPOINT_BLOB,
                                                 .data_sz = e.head.data_sz};
        TM_TRY(tm_manifest_add(m, &head, text, e.data));
    }
    const tm_checkpoint_entry_head_t head = {.kind = TM_CHECKPOINT_BLOB, .data_sz = strlen(name)};
    return tm_manifest_add(m, &head, TM_BLOB_SAVEPOINT, name);
}

static int folder_fill(const char *from, uint64_t id, const char *to, const char *name,
                       tm_savepoint_t *out)
{
    tm_manifest_t old = {0}, m = {0};
    bool renamed;
    *out = (tm_savepoint_t){0};
    int err = manifest_find(&old, from, id);
    if (err == 0) {
        out->id = old.head.id;
        tm_manifest_start(&m, old.head.id, old.head.created_ns);
        err = workers_copy(&old, from, to, out, &m);
    }
    if (err == 0) err = blobs_copy(&old, name, &m);
    if (err == 0) err = tm_manifest_write(&m, to, &renamed);
    tm_manifest_free(&old);
    tm_manifest_free(&m);
    return err;
}

/* What an attempt that was cut short has left, or this one. */
static void folder_drop(const char *dir)
{
    DIR *d = opendir(dir);
    if (!d) return;
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            (void)unlinkat(dirfd(d), e->d_name, 0);
    closedir(d);
    (void)rmdir(dir);
}

/* A copy that a checkpoint of the running job overtakes, so that files of it are gone, begins anew
   with the newer one. */
static int folder_make(const char *from, uint64_t id, const char *work, const char *name,
                       tm_savepoint_t *out)
{
    int err = 0;
    for (uint32_t i = 0; i < TRIES_MAX; i++) {
        folder_drop(work);
        TM_TRY(tm_file_mkdirs(work));
        err = folder_fill(from, id, work, name, out);
        if (err != -ENOENT || id != 0) break;
    }
    return err;
}

int tm_savepoint_write(tm_savepoint_t *out, const char *from, uint64_t id, const char *to)
{
    char path[TM_CHECKPOINT_DIR_MAX - 32], parent[sizeof path], work[TM_CHECKPOINT_DIR_MAX];
    struct stat st;
    size_t sz = strlen(to);
    while (sz > 1 && to[sz - 1] == '/') sz--;
    if (sz == 0 || sz >= sizeof path)
        return tm_error_set(sz ? -ENAMETOOLONG : -EINVAL, "savepoint '%.200s': not a path", to);
    memcpy(path, to, sz);
    path[sz] = '\0';
    if (lstat(path, &st) == 0)
        return tm_error_set(-EEXIST, "savepoint %s: something of that name is there already", path);
    char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    snprintf(parent, sizeof parent, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
    if (slash == path) snprintf(parent, sizeof parent, "/");
    if (snprintf(work, sizeof work, "%s/.%s.inprogress", parent, name) >= (int)sizeof work)
        return tm_error_set(-ENAMETOOLONG, "savepoint %.200s: the path is too long", path);
    TM_TRY(tm_file_mkdirs(parent));
    int err = folder_make(from, id, work, name, out);
    if (err == 0) err = tm_file_rename(work, path);
    if (err == 0) return tm_file_sync_dir(parent);
    char text[TM_ERROR_TEXT_MAX];
    snprintf(text, sizeof text, "%s", tm_error_text());
    folder_drop(work);
    return tm_error_set(err, "%s", text);
}
