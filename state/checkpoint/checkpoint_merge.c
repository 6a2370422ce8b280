/* Merging the page files of a worker: records of the newest file first, and of the older ones those
   of pages not met yet. Nothing is expanded; each record's checksum is checked on the way and made
   anew, as it is bound to its file. */
#include "base/check.h"
#include "base/error.h"
#include "state/checkpoint/checkpoint_private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Files behind the first that a worker may have: all workers share half of a manifest's entries. */
static uint32_t files_max(const tm_checkpoint_store_t *store)
{
    uint32_t worker_cnt = 0;
    for (uint32_t worker = 0; worker < TM_CHECKPOINT_WORKER_MAX; worker++)
        worker_cnt += store->chains[worker].cnt > 0;
    const uint32_t share = TM_CHECKPOINT_ENTRY_MAX / 2 / (worker_cnt ? worker_cnt : 1) - 1;
    return store->cfg.delta_max < share ? store->cfg.delta_max : share;
}

static bool needs_merge(const tm_chain_t *chain, uint32_t max)
{
    int64_t behind = 0;
    for (uint32_t i = 1; i < chain->cnt; i++) behind += chain->files[i].sz;
    return chain->cnt > 1 && (behind > chain->files[0].sz || chain->cnt - 1 > max);
}

/* Takes over from one file what no newer one has. */
static int file_take(tm_pages_writer_t *w, tm_pages_reader_t *r, uint8_t *seen)
{
    tm_checkpoint_record_t record;
    const void *stored;
    int err;
    while ((err = tm_pages_reader_next(r, &record, &stored)) == 1) {
        if (seen[record.page]) continue;
        seen[record.page] = 1;
        TM_TRY(tm_pages_writer_copy(w, &record, stored));
    }
    return err;
}

static int chain_take(tm_checkpoint_store_t *store, const tm_chain_t *chain, tm_pages_writer_t *w,
                      uint32_t page_cnt)
{
    uint8_t *seen = calloc(1, page_cnt);
    if (!seen) return tm_error_set(-ENOMEM, "checkpoint: out of memory");
    int err = 0;
    for (uint32_t i = chain->cnt; i-- > 0 && err == 0;) {
        char path[TM_CHECKPOINT_PATH_MAX];
        tm_pages_reader_t r;
        tm_checkpoint_path(path, store, chain->files[i].name);
        err = tm_pages_reader_open(&r, path);
        if (err == 0 && r.head.page_cnt != page_cnt)
            err = tm_error_set(TM_E_CORRUPT, "%s: pages of an arena of another size", path);
        if (err == 0) err = file_take(w, &r, seen);
        tm_pages_reader_close(&r);
    }
    free(seen);
    return err;
}

static int page_cnt_of(const tm_checkpoint_store_t *store, const tm_chain_file_t *file,
                       uint32_t *page_cnt)
{
    char path[TM_CHECKPOINT_PATH_MAX];
    tm_pages_reader_t r;
    tm_checkpoint_path(path, store, file->name);
    int err = tm_pages_reader_open(&r, path);
    *page_cnt = r.head.page_cnt;
    tm_pages_reader_close(&r);
    return err;
}

static int chain_merge(tm_checkpoint_store_t *store, uint32_t worker)
{
    tm_chain_t *chain = &store->chains[worker];
    tm_chain_file_t base = {.id = chain->files[chain->cnt - 1].id};
    tm_pages_writer_t w;
    char path[TM_CHECKPOINT_PATH_MAX];
    uint32_t page_cnt;
    TM_TRY(page_cnt_of(store, &chain->files[0], &page_cnt));
    snprintf(base.name, sizeof base.name, "base-%020" PRIu64 "-%03u.tmp1", base.id, worker);
    tm_checkpoint_path(path, store, base.name);
    const tm_checkpoint_pages_head_t head = {
        .id = base.id, .worker = worker, .page_cnt = page_cnt, .flags = TM_CHECKPOINT_FLAG_BASE};
    int err = tm_pages_writer_open(&w, path, &head, store->cfg.codec);
    if (err == 0) err = chain_take(store, chain, &w, page_cnt);
    if (err == 0) err = tm_pages_writer_finish(&w, &base.sz);
    base.crc = w.head.crc;
    tm_pages_writer_close(&w);
    if (err < 0) {
        tm_checkpoint_drop(path);
        return err;
    }
    chain->files[0] = base;
    chain->cnt = 1;
    store->counts.merged++;
    return 1;
}

int tm_checkpoint_compact(tm_checkpoint_store_t *store)
{
    TM_CHECK(!store->under_way, "checkpoint: one is under way");
    const uint32_t max = files_max(store);
    for (uint32_t worker = 0; worker < TM_CHECKPOINT_WORKER_MAX; worker++)
        if (needs_merge(&store->chains[worker], max)) return chain_merge(store, worker);
    return 0;
}
