/* engine/harness/harness_keep.h - what outlives a restart of the harness: the pages of a checkpoint
   and the blobs of operators.
   Flow     tm_harness_restart -> operators -> [blob]; pages -> [kept pages] -> pages elsewhere
   Rules    only pages that somebody said he would write are copied, as in a checkpoint of a running
            job, so a restart shows every write that was not announced
   Memory   of the heap; pages twice once there was a restart
   Threads  one
   Errors   negative, with a text
   Tests    tests/engine/test_window_restore.c */
#ifndef TM_ENGINE_HARNESS_KEEP_H
#define TM_ENGINE_HARNESS_KEEP_H

#include "engine/operators/operator.h"

typedef struct tm_harness_pages {
    tm_page_arena_t arena;
    uint32_t page_cnt;
    void *mem, *track_mem;
    uint8_t *kept; /* as of the last barrier; NULL before the first */
    tm_page_roots_t roots;
} tm_harness_pages_t;

int tm_harness_pages_open(tm_harness_pages_t *pages, uint64_t state_sz) TM_MUST_CHECK;
void tm_harness_pages_close(tm_harness_pages_t *pages);

/* The barrier: takes what was written since the last one. */
int tm_harness_pages_keep(tm_harness_pages_t *pages) TM_MUST_CHECK;

/* What was kept, in memory at another place; the old memory is overwritten and gone. */
int tm_harness_pages_move(tm_harness_pages_t *pages) TM_MUST_CHECK;

/* What an operator knows outside of its pages; empty where it has nothing to keep. */
typedef struct tm_harness_blob {
    void *bytes;
    size_t sz;
} tm_harness_blob_t;

int tm_harness_blob_save(tm_harness_blob_t *blob, const tm_operator_t *op) TM_MUST_CHECK;

/* Gives the bytes to an operator just initialized, and frees them. */
int tm_harness_blob_restore(tm_harness_blob_t *blob, tm_operator_t *op) TM_MUST_CHECK;

#endif
