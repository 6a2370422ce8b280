/* state/checkpoint/savepoint.h - a checkpoint as a folder of its own, which nobody removes.
   Flow     folder of checkpoints -> [savepoint] -> folder with one manifest and one file a worker
   Method   what checkpoints share is merged: the newest record of each page goes into one base
            file a worker, its checksum checked on the way; blobs are taken over. All of it is
            written and fsynced under a hidden name beside the new folder, then renamed. The folder
            that is read is left as it is and may be written to meanwhile
   Units    *_ns: Unix time; *_sz: bytes
   Memory   one byte a page, 1 MiB buffers
   Threads  any, one at a time for each new folder
   Errors   -EEXIST where something of that name is there, TM_E_MISSING where there is no such
            checkpoint, TM_E_CORRUPT with the path; nothing visible is left behind
   Tests    tests/state/test_savepoint.c, tests/e2e/savepoint.py */
#ifndef TM_STATE_SAVEPOINT_H
#define TM_STATE_SAVEPOINT_H

#include "state/checkpoint/checkpoint_manifest.h"

/* Marks the manifest of a savepoint; its value is the folder's name. */
#define TM_BLOB_SAVEPOINT "savepoint"

typedef struct tm_savepoint {
    uint64_t id;         /* of the checkpoint that it holds */
    uint64_t page_cnt;   /* that it has */
    uint64_t page_bytes; /* as stored */
} tm_savepoint_t;

/* Copies checkpoint `id` of folder `from` (0 = the newest that can be read) to a new folder. */
int tm_savepoint_write(tm_savepoint_t *out, const char *from, uint64_t id,
                       const char *to) TM_MUST_CHECK;

#endif
