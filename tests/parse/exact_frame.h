/* tests/parse/exact_frame.h - messages placed so that reading too far or too early faults.
   Method   a copy ends exactly TM_FRAME_PAD bytes before a page that cannot be touched, or starts
            right behind one; the padding is filled with a byte of the test's choice
   Memory   one mapping, reused by the next copy; open/close
   Limits   messages up to EXACT_SZ_MAX bytes */
#ifndef TM_TESTS_PARSE_EXACT_FRAME_H
#define TM_TESTS_PARSE_EXACT_FRAME_H

#include "base/frame.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { EXACT_PAGE = 4096, EXACT_SZ_MAX = 256 * 1024 };

typedef struct exact {
    uint8_t *map;
    size_t map_sz;
} exact_t;

static inline void exact_open(exact_t *e)
{
    e->map_sz = EXACT_SZ_MAX + 4 * EXACT_PAGE;
    e->map = mmap(NULL, e->map_sz, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (e->map == MAP_FAILED) abort();
    if (mprotect(e->map, EXACT_PAGE, PROT_NONE) != 0) abort();
    if (mprotect(e->map + e->map_sz - EXACT_PAGE, EXACT_PAGE, PROT_NONE) != 0) abort();
}

static inline void exact_close(exact_t *e)
{
    munmap(e->map, e->map_sz);
}

/* A copy whose padding ends where the accessible memory does. */
static inline tm_frame_t exact_at_end(exact_t *e, const void *bytes, size_t sz, uint8_t pad)
{
    uint8_t *end = e->map + e->map_sz - EXACT_PAGE, *to = end - TM_FRAME_PAD - sz;
    if (sz > 0) memcpy(to, bytes, sz);
    memset(end - TM_FRAME_PAD, pad, TM_FRAME_PAD);
    return (tm_frame_t){.data = to, .sz = (uint32_t)sz, .recv_ns = 1700000000000000000ll};
}

/* A copy that starts where the accessible memory does. */
static inline tm_frame_t exact_at_start(exact_t *e, const void *bytes, size_t sz, uint8_t pad)
{
    uint8_t *to = e->map + EXACT_PAGE;
    if (sz > 0) memcpy(to, bytes, sz);
    memset(to + sz, pad, TM_FRAME_PAD);
    return (tm_frame_t){.data = to, .sz = (uint32_t)sz, .recv_ns = 1700000000000000000ll};
}

#endif
