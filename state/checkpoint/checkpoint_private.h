/* state/checkpoint/checkpoint_private.h - the inside of the checkpoint store, shared by
   checkpoint_store.c (taking and loading), checkpoint_folder.c (what lies in the folder) and
   checkpoint_merge.c. Nobody else includes it. */
#ifndef TM_STATE_CHECKPOINT_PRIVATE_H
#define TM_STATE_CHECKPOINT_PRIVATE_H

#include "state/checkpoint/checkpoint_store.h"

enum { TM_CHAIN_NAME_MAX = 48 };

typedef struct tm_chain_file {
    char name[TM_CHAIN_NAME_MAX];
    uint64_t id;
    int64_t sz;
    uint32_t crc;
} tm_chain_file_t;

/* The page files of a worker, as the next manifest names them. */
typedef struct tm_chain {
    tm_chain_file_t *files;
    uint32_t cnt, cap;
} tm_chain_t;

struct tm_checkpoint_store {
    char dir[TM_CHECKPOINT_DIR_MAX];
    tm_checkpoint_cfg_t cfg;
    int lock_fd;
    bool under_way, broken;
    bool damaged; /* a manifest cannot be used: nothing is removed */
    tm_manifest_t kept[TM_CHECKPOINT_RETAIN_MAX]; /* newest first */
    uint32_t kept_cnt;
    uint64_t id_max;    /* of manifests found, usable or not */
    tm_manifest_t next; /* of the checkpoint under way */
    tm_chain_t chains[TM_CHECKPOINT_WORKER_MAX];
    tm_pages_writer_t *writers[TM_CHECKPOINT_WORKER_MAX]; /* those of the checkpoint under way */
    tm_checkpoint_counts_t counts;
};

void tm_chain_free(tm_chain_t *chain);
/* Room for one more file. */
int tm_chain_reserve(tm_chain_t *chain) TM_MUST_CHECK;

/* Removes a file that no manifest names. */
void tm_checkpoint_drop(const char *path);
void tm_checkpoint_path(char out[TM_CHECKPOINT_PATH_MAX], const tm_checkpoint_store_t *store,
                        const char *name);

/* Takes over a manifest as the newest; the oldest goes where there are too many. */
void tm_checkpoint_keep(tm_checkpoint_store_t *store, tm_manifest_t *manifest);

/* Removes what no kept manifest names. */
int tm_checkpoint_tidy(tm_checkpoint_store_t *store) TM_MUST_CHECK;

#endif
