#include "state/checkpoint/checkpoint_private.h"

#include "base/check.h"
#include "base/error.h"
#include "state/file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const tm_manifest_t *tm_checkpoint_manifest(const tm_checkpoint_store_t *store)
{
    return store->kept_cnt ? &store->kept[0] : NULL;
}

uint64_t tm_checkpoint_id_max(const tm_checkpoint_store_t *store)
{
    return store->id_max;
}

tm_checkpoint_counts_t tm_checkpoint_counts(const tm_checkpoint_store_t *store)
{
    return store->counts;
}

/* ---- Page files of workers ------------------------------------------------------------------- */

void tm_chain_free(tm_chain_t *chain)
{
    free(chain->files);
    *chain = (tm_chain_t){0};
}

int tm_chain_reserve(tm_chain_t *chain)
{
    if (chain->cnt < chain->cap) return 0;
    uint32_t cap = chain->cap ? 2 * chain->cap : 8;
    tm_chain_file_t *files = realloc(chain->files, cap * sizeof *files);
    if (!files) return tm_error_set(-ENOMEM, "checkpoint: out of memory");
    chain->files = files;
    chain->cap = cap;
    return 0;
}

void tm_checkpoint_drop(const char *path)
{
    /* One that cannot be removed is removed by the next open: no manifest names it. */
    int err = tm_file_unlink(path);
    if (err < 0) tm_error_clear();
}

void tm_checkpoint_path(char out[TM_CHECKPOINT_PATH_MAX], const tm_checkpoint_store_t *store,
                        const char *name)
{
    snprintf(out, TM_CHECKPOINT_PATH_MAX, "%s/%s", store->dir, name);
}

int tm_checkpoint_load(tm_checkpoint_store_t *store, uint32_t worker, void *base, uint32_t page_cnt)
{
    tm_chain_t *chain = &store->chains[worker];
    uint8_t *seen = calloc(1, page_cnt);
    if (!seen) return tm_error_set(-ENOMEM, "checkpoint: out of memory");
    int err = 0;
    /* Newest first: a page that a later file has is not expanded again. */
    for (uint32_t i = chain->cnt; i-- > 0 && err >= 0;) {
        char path[TM_CHECKPOINT_PATH_MAX];
        tm_pages_reader_t r;
        tm_checkpoint_record_t record;
        const void *stored;
        tm_checkpoint_path(path, store, chain->files[i].name);
        err = tm_pages_reader_open(&r, path);
        if (err == 0 && r.head.page_cnt != page_cnt)
            err = tm_error_set(TM_E_CONFIG,
                               "%s: pages of an arena of %u pages, this one has %u;"
                               " restore with the same --state-memory",
                               path, r.head.page_cnt, page_cnt);
        while (err >= 0 && (err = tm_pages_reader_next(&r, &record, &stored)) == 1) {
            if (seen[record.page]) continue;
            seen[record.page] = 1;
            err = tm_pages_reader_expand(&r, &record, stored,
                                         (uint8_t *)base + ((size_t)record.page << TM_PAGE_SHIFT));
        }
        tm_pages_reader_close(&r);
    }
    free(seen);
    return err;
}

void tm_checkpoint_detach(tm_checkpoint_store_t *store)
{
    for (uint32_t worker = 0; worker < TM_CHECKPOINT_WORKER_MAX; worker++)
        store->chains[worker].cnt = 0;
}

/* ---- Taking a checkpoint --------------------------------------------------------------------- */

int tm_checkpoint_begin(tm_checkpoint_store_t *store, uint64_t id)
{
    TM_CHECK(!store->under_way, "checkpoint %" PRIu64 " is under way", store->next.head.id);
    TM_CHECK(store->kept_cnt == 0 || id > store->kept[0].head.id, "checkpoint ids count up");
    if (store->broken)
        return tm_error_set(-EIO,
                            "checkpoint %s: it is not known which checkpoint is in force;"
                            " restart the job",
                            store->dir);
    tm_manifest_start(&store->next, id, 0);
    store->under_way = true;
    return 0;
}

static int writer_open(tm_checkpoint_store_t *store, uint32_t worker, uint32_t page_cnt)
{
    char name[TM_CHAIN_NAME_MAX], path[TM_CHECKPOINT_PATH_MAX];
    TM_CHECK(worker < TM_CHECKPOINT_WORKER_MAX, "checkpoint: worker %u", worker);
    tm_pages_writer_t *w = calloc(1, sizeof *w);
    if (!w) return tm_error_set(-ENOMEM, "checkpoint: out of memory");
    store->writers[worker] = w;
    snprintf(name, sizeof name, "pages-%020" PRIu64 "-%03u.tmp1", store->next.head.id, worker);
    tm_checkpoint_path(path, store, name);
    const tm_checkpoint_pages_head_t head = {
        .id = store->next.head.id, .worker = worker, .page_cnt = page_cnt};
    return tm_pages_writer_open(w, path, &head, store->cfg.codec);
}

int tm_checkpoint_put(tm_checkpoint_store_t *store, uint32_t worker, uint32_t page_cnt,
                      uint32_t page, const void *bytes)
{
    if (!store->writers[worker]) TM_TRY(writer_open(store, worker, page_cnt));
    store->counts.pages++;
    return tm_pages_writer_put(store->writers[worker], page, bytes);
}

int tm_checkpoint_blob(tm_checkpoint_store_t *store, const char *name, const void *bytes, size_t sz)
{
    const tm_checkpoint_entry_head_t head = {.kind = TM_CHECKPOINT_BLOB, .data_sz = sz};
    return tm_manifest_add(&store->next, &head, name, sz ? bytes : "");
}

static void writer_drop(tm_checkpoint_store_t *store, uint32_t worker)
{
    if (!store->writers[worker]) return;
    tm_pages_writer_close(store->writers[worker]);
    free(store->writers[worker]);
    store->writers[worker] = NULL;
}

void tm_checkpoint_abort(tm_checkpoint_store_t *store)
{
    char hidden[TM_CHECKPOINT_PATH_MAX];
    if (!store->under_way) return;
    for (uint32_t worker = 0; worker < TM_CHECKPOINT_WORKER_MAX; worker++) {
        if (!store->writers[worker]) continue;
        char path[TM_CHECKPOINT_PATH_MAX];
        snprintf(path, sizeof path, "%s", store->writers[worker]->path);
        writer_drop(store, worker);
        if (!store->broken) tm_checkpoint_drop(path);
    }
    tm_manifest_path_hidden(hidden, store->dir, store->next.head.id);
    if (!store->broken) tm_checkpoint_drop(hidden);
    store->under_way = false;
    store->counts.aborted++;
}

/* Ends the files of this checkpoint and names all files of all workers. */
static int files_name(tm_checkpoint_store_t *store, tm_chain_file_t *fresh)
{
    for (uint32_t worker = 0; worker < TM_CHECKPOINT_WORKER_MAX; worker++) {
        const tm_chain_t *chain = &store->chains[worker];
        tm_pages_writer_t *w = store->writers[worker];
        fresh[worker] = (tm_chain_file_t){0};
        for (uint32_t i = 0; i < chain->cnt; i++) {
            const tm_chain_file_t *f = &chain->files[i];
            const tm_checkpoint_entry_head_t head = {.kind = TM_CHECKPOINT_PAGES,
                                                     .data_sz = (uint64_t)f->sz,
                                                     .file_id = f->id,
                                                     .worker = worker,
                                                     .file_crc = f->crc};
            TM_TRY(tm_manifest_add(&store->next, &head, f->name, NULL));
        }
        if (!w) continue;
        TM_TRY(tm_chain_reserve(&store->chains[worker]));
        tm_chain_file_t *f = &fresh[worker];
        TM_TRY(tm_pages_writer_finish(w, &f->sz));
        snprintf(f->name, sizeof f->name, "%s", strrchr(w->path, '/') + 1);
        f->id = w->head.id;
        f->crc = w->head.crc;
        const tm_checkpoint_entry_head_t head = {.kind = TM_CHECKPOINT_PAGES,
                                                 .data_sz = (uint64_t)f->sz,
                                                 .file_id = f->id,
                                                 .worker = worker,
                                                 .file_crc = f->crc};
        TM_TRY(tm_manifest_add(&store->next, &head, f->name, NULL));
    }
    return 0;
}

int tm_checkpoint_commit(tm_checkpoint_store_t *store, int64_t now_ns)
{
    tm_chain_file_t fresh[TM_CHECKPOINT_WORKER_MAX];
    bool renamed = false;
    TM_CHECK(store->under_way, "checkpoint: none is under way");
    store->next.head.created_ns = now_ns;
    TM_TRY(files_name(store, fresh));
    TM_TRY(tm_file_sync_dir(store->dir));
    int err = tm_manifest_write(&store->next, store->dir, &renamed);
    store->broken = err < 0 && renamed;
    if (err < 0) return err;
    for (uint32_t worker = 0; worker < TM_CHECKPOINT_WORKER_MAX; worker++) {
        if (fresh[worker].sz == 0) continue;
        store->counts.page_bytes += (uint64_t)fresh[worker].sz;
        writer_drop(store, worker);
        store->chains[worker].files[store->chains[worker].cnt++] = fresh[worker];
    }
    store->under_way = false;
    store->counts.taken++;
    tm_checkpoint_keep(store, &store->next);
    store->next = (tm_manifest_t){0};
    /* What stays behind for now is removed with the next. */
    int err_tidy = tm_checkpoint_tidy(store);
    if (err_tidy < 0) tm_error_clear();
    return 0;
}
