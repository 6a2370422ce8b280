/* state/checkpoint/checkpoint_manifest.h - what a complete checkpoint is made of: names of page
   files, and named blobs. Its rename is what completes a checkpoint.
   Flow     checkpoint store -> [manifest] -> <dir>/manifest-<id>.tmc; back at a restart
   Memory   one buffer on the heap: the entries as they are in the file
   Threads  one owner
   Errors   -errno with the path; read: TM_E_CORRUPT with the path and what is wrong; TM_E_LIMIT
   Limits   checkpoint_format.h.  Tests tests/state/test_checkpoint.c */
#ifndef TM_STATE_CHECKPOINT_MANIFEST_H
#define TM_STATE_CHECKPOINT_MANIFEST_H

#include "state/buffer.h"
#include "state/checkpoint/checkpoint_format.h"
#include "state/checkpoint/checkpoint_pages.h"

typedef struct tm_manifest {
    tm_checkpoint_manifest_head_t head; /* id, created_ns and entry_cnt count */
    tm_buffer_t body;
} tm_manifest_t;

/* One entry, as tm_manifest_next gives it; the pointers are into the manifest. */
typedef struct tm_manifest_entry {
    tm_checkpoint_entry_head_t head;
    const char *name; /* head.name_sz bytes, no NUL */
    const uint8_t *data;
} tm_manifest_entry_t;

void tm_manifest_start(tm_manifest_t *m, uint64_t id, int64_t created_ns);
void tm_manifest_free(tm_manifest_t *m);

/* head: all but name_sz. data: NULL for page files. */
int tm_manifest_add(tm_manifest_t *m, const tm_checkpoint_entry_head_t *head, const char *name,
                    const void *data) TM_MUST_CHECK;

/* Walks the entries; *at starts at 0. */
bool tm_manifest_next(const tm_manifest_t *m, size_t *at, tm_manifest_entry_t *entry);

/* The entry of that kind and name; false where there is none. */
bool tm_manifest_find(const tm_manifest_t *m, tm_checkpoint_kind_t kind, const char *name,
                      tm_manifest_entry_t *entry);

/* Written under its hidden name, fsynced, renamed, the folder fsynced. *renamed tells whether the
   checkpoint may be in force although this failed. */
int tm_manifest_write(tm_manifest_t *m, const char *dir, bool *renamed) TM_MUST_CHECK;
int tm_manifest_read(tm_manifest_t *m, const char *path) TM_MUST_CHECK;

/* Paths of the files of a checkpoint folder. */
void tm_manifest_path(char out[TM_CHECKPOINT_PATH_MAX], const char *dir, uint64_t id);
void tm_manifest_path_hidden(char out[TM_CHECKPOINT_PATH_MAX], const char *dir, uint64_t id);

#endif
