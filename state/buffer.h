/* state/buffer.h - a growable run of bytes: what encoders append to before anything reaches a file.
   Units    *_sz: bytes
   Memory   heap, doubled as it grows; kept for reuse by tm_buffer_clear
   Threads  one owner
   Errors   reserve: -ENOMEM with a text; put after a sufficient reserve cannot fail
   Limits   as the machine's memory; callers bound what they reserve */
#ifndef TM_STATE_BUFFER_H
#define TM_STATE_BUFFER_H

#include "base/check.h"
#include "base/types.h"

#include <string.h>

typedef struct tm_buffer {
    uint8_t *data;
    size_t sz, cap_sz;
} tm_buffer_t;

/* Makes room for `more` bytes behind the content. */
int tm_buffer_reserve(tm_buffer_t *bytes, size_t more_sz) TM_MUST_CHECK;

/* reserve + put. */
int tm_buffer_append(tm_buffer_t *bytes, const void *src, size_t sz) TM_MUST_CHECK;

void tm_buffer_free(tm_buffer_t *bytes);

static inline void tm_buffer_clear(tm_buffer_t *bytes)
{
    bytes->sz = 0;
}

/* Room was reserved. */
static inline void tm_buffer_put(tm_buffer_t *bytes, const void *src, size_t sz)
{
    TM_DCHECK(bytes->cap_sz - bytes->sz >= sz, "%zu of %zu", bytes->sz, bytes->cap_sz);
    if (sz != 0) memcpy(bytes->data + bytes->sz, src, sz);
    bytes->sz += sz;
}

#endif
