/* base/arena.h - one block of memory for one thread, sized at start, handed out front to back.
   Flow     engine sizes it from the footprints of what the thread will own, prints it, carves it
   Units    *_sz: bytes
   Memory   anonymous mapping: 2 MiB huge pages where the kernel has them reserved, else transparent
            huge pages are asked for; pre-faulted, so the hot path never takes a page fault
   Threads  one owner; no locks
   Errors   open: -errno; alloc: NULL when full (counts as a sizing bug of the caller)
   Limits   as the machine's memory */
#ifndef TM_BASE_ARENA_H
#define TM_BASE_ARENA_H

#include "base/types.h"

typedef struct tm_arena {
    uint8_t *base;
    size_t cap_sz;
    size_t used_sz;
    bool huge; /* backed by reserved huge pages (not merely transparent ones) */
} tm_arena_t;

/* Maps and pre-faults at least sz bytes. Returns 0, -EINVAL (sz 0) or -ENOMEM with a text. */
int tm_arena_open(tm_arena_t *arena, size_t sz) TM_MUST_CHECK;
void tm_arena_close(tm_arena_t *arena);

/* Zeroed memory, aligned to `align` (a power of two up to 2 MiB). Never freed on its own. */
void *tm_arena_alloc(tm_arena_t *arena, size_t sz, size_t align);

#endif
