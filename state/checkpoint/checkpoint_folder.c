/* What lies in a checkpoint folder: finding the newest checkpoint that can be used, and removing
   what no checkpoint needs. Names that are not of the forms of docs/checkpoints.md are never
   touched. */
#include "base/error.h"
#include "state/checkpoint/checkpoint_private.h"
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

typedef enum name_kind { NAME_OTHER, NAME_MANIFEST, NAME_HIDDEN, NAME_PAGES } name_kind_t;

/* The number of `digits` digits at *at, which moves behind it; false where there is none. */
static bool number(const char **at, uint32_t digits, uint64_t *value)
{
    *value = 0;
    for (uint32_t i = 0; i < digits; i++, (*at)++) {
        if (**at < '0' || **at > '9') return false;
        *value = *value * 10 + (uint64_t)(**at - '0');
    }
    return true;
}

static name_kind_t name_parse(const char *name, uint64_t *id)
{
    uint64_t worker;
    bool hidden = name[0] == '.';
    const char *at = name + hidden;
    if (strncmp(at, "manifest-", 9) == 0) {
        at += 9;
        if (!number(&at, 20, id) || strcmp(at, ".tmc") != 0) return NAME_OTHER;
        return hidden ? NAME_HIDDEN : NAME_MANIFEST;
    }
    if (hidden || (strncmp(at, "pages-", 6) != 0 && strncmp(at, "base-", 5) != 0))
        return NAME_OTHER;
    at = strchr(at, '-') + 1;
    if (!number(&at, 20, id) || *at++ != '-' || !number(&at, 3, &worker)) return NAME_OTHER;
    return strcmp(at, ".tmp1") == 0 ? NAME_PAGES : NAME_OTHER;
}

/* ---- Keeping and removing -------------------------------------------------------------------- */

void tm_checkpoint_keep(tm_checkpoint_store_t *store, tm_manifest_t *manifest)
{
    uint32_t retain = store->cfg.retain;
    if (store->kept_cnt == retain) tm_manifest_free(&store->kept[--store->kept_cnt]);
    memmove(&store->kept[1], &store->kept[0], store->kept_cnt * sizeof store->kept[0]);
    store->kept[0] = *manifest;
    store->kept_cnt++;
}

static bool is_needed(const tm_checkpoint_store_t *store, name_kind_t kind, const char *name,
                      uint64_t id)
{
    tm_manifest_entry_t entry;
    for (uint32_t i = 0; i < store->kept_cnt; i++) {
        if (kind == NAME_MANIFEST && store->kept[i].head.id == id) return true;
        if (kind == NAME_PAGES &&
            tm_manifest_find(&store->kept[i], TM_CHECKPOINT_PAGES, name, &entry))
            return true;
    }
    /* Merged files wait for the next manifest. */
    for (uint32_t worker = 0; kind == NAME_PAGES && worker < TM_CHECKPOINT_WORKER_MAX; worker++)
        for (uint32_t i = 0; i < store->chains[worker].cnt; i++)
            if (strcmp(store->chains[worker].files[i].name, name) == 0) return true;
    return false;
}

/* Manifests go before the files that they name, so that none is ever found without its files. */
static int tidy_pass(tm_checkpoint_store_t *store, bool manifests, uint32_t *removed)
{
    DIR *d = opendir(store->dir);
    int err = d ? 0 : tm_error_set(-errno, "list %s: %s", store->dir, tm_error_name(-errno));
    for (struct dirent *e; d && err == 0 && (e = readdir(d)) != NULL;) {
        uint64_t id;
        char path[TM_CHECKPOINT_PATH_MAX];
        name_kind_t kind = name_parse(e->d_name, &id);
        if (kind == NAME_OTHER || (kind == NAME_PAGES) == manifests ||
            is_needed(store, kind, e->d_name, id))
            continue;
        tm_checkpoint_path(path, store, e->d_name);
        err = tm_file_unlink(path);
        ++*removed;
    }
    if (d) closedir(d);
    return err;
}

int tm_checkpoint_tidy(tm_checkpoint_store_t *store)
{
    uint32_t removed = 0;
    if (store->damaged) return 0;
    TM_TRY(tidy_pass(store, true, &removed));
    if (removed > 0) TM_TRY(tm_file_sync_dir(store->dir));
    return tidy_pass(store, false, &removed);
}

/* ---- Opening --------------------------------------------------------------------------------- */

/* Whether the files that a manifest names are there, of the right size and with their headers. */
static int files_check(const tm_checkpoint_store_t *store, const tm_manifest_t *m)
{
    tm_manifest_entry_t e;
    for (size_t at = 0; tm_manifest_next(m, &at, &e);) {
        char name[TM_CHECKPOINT_NAME_MAX + 1], path[TM_CHECKPOINT_PATH_MAX];
        struct stat st;
        uint64_t id;
        if (e.head.kind != TM_CHECKPOINT_PAGES) continue;
        snprintf(name, sizeof name, "%.*s", (int)e.head.name_sz, e.name);
        if (name_parse(name, &id) != NAME_PAGES || strlen(name) >= TM_CHAIN_NAME_MAX)
            return tm_error_set(TM_E_CORRUPT, "it names '%s', which is no page file", name);
        tm_checkpoint_path(path, store, name);
        if (stat(path, &st) != 0)
            return tm_error_set(-errno, "%s: %s", path, tm_error_name(-errno));
        if ((uint64_t)st.st_size != e.head.data_sz)
            return tm_error_set(TM_E_CORRUPT, "%s: it has %lld bytes, not %" PRIu64, path,
                                (long long)st.st_size, e.head.data_sz);
        tm_pages_reader_t r;
        int err = tm_pages_reader_open(&r, path);
        if (err == 0 && (r.head.crc != e.head.file_crc || r.head.worker != e.head.worker))
            err = tm_error_set(TM_E_CORRUPT, "%s: it is another file of this name", path);
        tm_pages_reader_close(&r);
        TM_TRY(err);
    }
    return 0;
}

static int by_id_down(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x > y ? -1 : x < y;
}

static int ids_list(const char *dir, uint64_t **ids, uint32_t *cnt)
{
    uint32_t cap = 0;
    DIR *d = opendir(dir);
    if (!d) return tm_error_set(-errno, "list %s: %s", dir, tm_error_name(-errno));
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        uint64_t id;
        if (name_parse(e->d_name, &id) != NAME_MANIFEST) continue;
        if (*cnt == cap) {
            cap = cap ? 2 * cap : 16;
            uint64_t *more = realloc(*ids, cap * sizeof *more);
            if (!more) {
                closedir(d);
                return tm_error_set(-ENOMEM, "list %s: out of memory", dir);
            }
            *ids = more;
        }
        (*ids)[(*cnt)++] = id;
    }
    closedir(d);
    if (*cnt > 0) qsort(*ids, *cnt, sizeof **ids, by_id_down);
    return 0;
}

static void damage(tm_checkpoint_store_t *store, uint64_t id)
{
    char text[TM_ERROR_TEXT_MAX];
    snprintf(text, sizeof text, "checkpoint %" PRIu64 " cannot be used: %.800s", id,
             tm_error_text());
    store->damaged = true;
    if (store->cfg.on_damage) store->cfg.on_damage(store->cfg.ctx, text);
}

static bool is_of_kernel(int code)
{
    return code < 0 && code > -4096;
}

static int manifests_read(tm_checkpoint_store_t *store)
{
    uint64_t *ids = NULL;
    uint32_t cnt = 0;
    int err = ids_list(store->dir, &ids, &cnt);
    if (err == 0 && cnt > 0) store->id_max = ids[0];
    for (uint32_t i = 0; err == 0 && i < cnt && store->kept_cnt < store->cfg.retain; i++) {
        char path[TM_CHECKPOINT_PATH_MAX];
        tm_manifest_t m;
        tm_manifest_path(path, store->dir, ids[i]);
        int bad = tm_manifest_read(&m, path);
        if (bad == 0) bad = files_check(store, &m);
        /* One that cannot be read now may be readable at the next start. By then it would be of
           another past than what was built on the one before it. */
        if (is_of_kernel(bad) && bad != -ENOENT)
            err = tm_error_context(
                bad, "checkpoint %" PRIu64 " can be neither used nor passed over", ids[i]);
        else if (bad < 0)
            damage(store, ids[i]);
        if (bad < 0)
            tm_manifest_free(&m);
        else
            store->kept[store->kept_cnt++] = m;
    }
    free(ids);
    return err;
}

/* The files of the newest checkpoint are what the next one adds to. */
static int chains_read(tm_checkpoint_store_t *store)
{
    tm_manifest_entry_t e;
    if (store->kept_cnt == 0) return 0;
    for (size_t at = 0; tm_manifest_next(&store->kept[0], &at, &e);) {
        if (e.head.kind != TM_CHECKPOINT_PAGES) continue;
        tm_chain_t *chain = &store->chains[e.head.worker];
        TM_TRY(tm_chain_reserve(chain));
        tm_chain_file_t file = {
            .id = e.head.file_id, .sz = (int64_t)e.head.data_sz, .crc = e.head.file_crc};
        memcpy(file.name, e.name, e.head.name_sz);
        chain->files[chain->cnt++] = file;
    }
    return 0;
}

static int folder_lock(tm_checkpoint_store_t *store)
{
    char path[TM_CHECKPOINT_PATH_MAX];
    tm_checkpoint_path(path, store, ".lock");
    store->lock_fd = tm_file_open(path, store->cfg.only_read ? O_RDONLY : O_RDWR | O_CREAT);
    /* Nobody writes into a savepoint, so it has no lock, and may lie where nobody can make one. */
    if (store->lock_fd == -ENOENT && store->cfg.only_read) return tm_error_clear(), 0;
    if (store->lock_fd < 0) return store->lock_fd;
    const int how = store->cfg.only_read ? LOCK_SH : LOCK_EX;
    if (flock(store->lock_fd, how | LOCK_NB) == 0) return 0;
    return tm_error_set(-EBUSY, "%s: another process writes checkpoints here", store->dir);
}

static int store_start(tm_checkpoint_store_t *store)
{
    if (!store->cfg.only_read) TM_TRY(tm_file_mkdirs(store->dir));
    TM_TRY(folder_lock(store));
    /* The process before may have died between the rename of a manifest and the fsync behind it:
       nothing is built on a name that a power cut could still take back. */
    if (!store->cfg.only_read) TM_TRY(tm_file_sync_dir(store->dir));
    TM_TRY(manifests_read(store));
    TM_TRY(chains_read(store));
    return store->cfg.only_read ? 0 : tm_checkpoint_tidy(store);
}

int tm_checkpoint_store_open(tm_checkpoint_store_t **out, const tm_checkpoint_cfg_t *cfg)
{
    *out = NULL;
    if (cfg->retain > TM_CHECKPOINT_RETAIN_MAX)
        return tm_error_set(TM_E_CONFIG, "checkpoints: at most %d can be kept",
                            TM_CHECKPOINT_RETAIN_MAX);
    tm_checkpoint_store_t *store = calloc(1, sizeof *store);
    if (!store) return tm_error_set(-ENOMEM, "checkpoints: out of memory");
    store->cfg = *cfg;
    store->lock_fd = -1;
    if (store->cfg.retain == 0) store->cfg.retain = 2;
    if (store->cfg.delta_max == 0) store->cfg.delta_max = TM_CHECKPOINT_DELTA_MAX;
    int err = snprintf(store->dir, sizeof store->dir, "%s", cfg->dir) >= TM_CHECKPOINT_DIR_MAX
                  ? tm_error_set(-ENAMETOOLONG, "%.200s...: the path is too long", cfg->dir)
                  : store_start(store);
    if (err < 0) {
        tm_checkpoint_store_close(store);
        return err;
    }
    *out = store;
    return 0;
}

void tm_checkpoint_store_close(tm_checkpoint_store_t *store)
{
    if (!store) return;
    tm_checkpoint_abort(store);
    for (uint32_t i = 0; i < store->kept_cnt; i++) tm_manifest_free(&store->kept[i]);
    for (uint32_t worker = 0; worker < TM_CHECKPOINT_WORKER_MAX; worker++)
        tm_chain_free(&store->chains[worker]);
    tm_manifest_free(&store->next);
    if (store->lock_fd >= 0) tm_file_close(store->lock_fd);
    free(store);
}
