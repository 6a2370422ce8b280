/* state/checkpoint/checkpoint_store.h - a folder of incremental checkpoints: takes the next one,
   keeps the last few, merges their files, and gives the newest back.
   Flow     page track, operators, sources, sinks -> [checkpoint store] -> files; back at a restart
   Use      open; for a restart: manifest, blob, load. For each checkpoint: begin, then pages and
            blobs in any order, then commit or abort; compact when there is time
   Rules    docs/checkpoints.md: a checkpoint is complete once its manifest is renamed
   Units    id: counts up, the caller's; worker: 0..TM_CHECKPOINT_WORKER_MAX - 1
   Memory   heap: a buffer of 1 MiB for each worker of the checkpoint under way, the manifests kept
   Threads  one owner (the engine's snapshot thread)
   Errors   -errno with the path, -EBUSY where another process holds the folder. A failed checkpoint
            is aborted by the caller and leaves the one before in force; commit that fails after the
            rename leaves it open which is in force: the store then refuses all but close, and the
            job restarts from what the folder holds
   Tests    tests/state/test_checkpoint.c, test_checkpoint_fault.c */
#ifndef TM_STATE_CHECKPOINT_STORE_H
#define TM_STATE_CHECKPOINT_STORE_H

#include "state/checkpoint/checkpoint_manifest.h"

enum { TM_CHECKPOINT_RETAIN_MAX = 64, TM_CHECKPOINT_DELTA_MAX = 64 };

typedef struct tm_checkpoint_store tm_checkpoint_store_t;

typedef struct tm_checkpoint_cfg {
    const char *dir;
    uint32_t retain;          /* complete checkpoints kept; 0 = 2 */
    uint32_t delta_max;       /* files of changes behind the first before a merge; 0 = 64 */
    tm_parquet_codec_t codec; /* NONE, LZ4_RAW or ZSTD */
    bool only_read;           /* the folder stays as it is: it must be there, nothing is removed */

    /* Told, with a sentence, of each checkpoint that cannot be used; may be NULL. */
    void (*on_damage)(void *ctx, const char *text);
    void *ctx;
} tm_checkpoint_cfg_t;

typedef struct tm_checkpoint_counts {
    uint64_t taken, aborted, merged;
    uint64_t pages, page_bytes; /* written, merges not counted; bytes as stored */
} tm_checkpoint_counts_t;

/* Makes the folder where it is missing, locks it, reads what is there and clears up; only_read:
   locks and reads. */
int tm_checkpoint_store_open(tm_checkpoint_store_t **out,
                             const tm_checkpoint_cfg_t *cfg) TM_MUST_CHECK;
void tm_checkpoint_store_close(tm_checkpoint_store_t *store);

/* The newest complete checkpoint; NULL where there is none. */
const tm_manifest_t *tm_checkpoint_manifest(const tm_checkpoint_store_t *store);

/* The highest number that a manifest in the folder had when it was opened, whether or not it can be
   used; 0 = there was none. */
uint64_t tm_checkpoint_id_max(const tm_checkpoint_store_t *store);

/* Its pages of a worker, to base + page * TM_PAGE_SZ; pages that no file has are left alone, and
   are zero in a fresh arena. page_cnt: of the arena, which must be the same as it was. */
int tm_checkpoint_load(tm_checkpoint_store_t *store, uint32_t worker, void *base,
                       uint32_t page_cnt) TM_MUST_CHECK;

/* The next checkpoint stands alone: no page of those before it counts. */
void tm_checkpoint_detach(tm_checkpoint_store_t *store);

/* id: above all before. */
int tm_checkpoint_begin(tm_checkpoint_store_t *store, uint64_t id) TM_MUST_CHECK;

/* A page that changed. page_cnt: of the worker's arena. */
int tm_checkpoint_put(tm_checkpoint_store_t *store, uint32_t worker, uint32_t page_cnt,
                      uint32_t page, const void *bytes) TM_MUST_CHECK;
int tm_checkpoint_blob(tm_checkpoint_store_t *store, const char *name, const void *bytes,
                       size_t sz) TM_MUST_CHECK;

/* Makes it complete, then removes what nobody needs any more. */
int tm_checkpoint_commit(tm_checkpoint_store_t *store, int64_t now_ns) TM_MUST_CHECK;
void tm_checkpoint_abort(tm_checkpoint_store_t *store);

/* Merges the files of one worker that needs it; 1 = merged one, 0 = none needs it. Not while a
   checkpoint is under way. */
int tm_checkpoint_compact(tm_checkpoint_store_t *store) TM_MUST_CHECK;

tm_checkpoint_counts_t tm_checkpoint_counts(const tm_checkpoint_store_t *store);

#endif
