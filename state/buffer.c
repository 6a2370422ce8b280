#include "state/buffer.h"

#include "base/error.h"

#include <errno.h>
#include <stdlib.h>

int tm_buffer_reserve(tm_buffer_t *bytes, size_t more_sz)
{
    if (bytes->cap_sz - bytes->sz >= more_sz) return 0;
    size_t cap_sz = bytes->cap_sz ? bytes->cap_sz : 256;
    while (cap_sz - bytes->sz < more_sz) {
        if (cap_sz > SIZE_MAX / 4) return tm_error_set(-ENOMEM, "buffer of %zu bytes", more_sz);
        cap_sz *= 2;
    }
    uint8_t *data = realloc(bytes->data, cap_sz);
    if (!data) return tm_error_set(-ENOMEM, "out of memory for a buffer of %zu bytes", cap_sz);
    bytes->data = data;
    bytes->cap_sz = cap_sz;
    return 0;
}

int tm_buffer_append(tm_buffer_t *bytes, const void *src, size_t sz)
{
    TM_TRY(tm_buffer_reserve(bytes, sz));
    tm_buffer_put(bytes, src, sz);
    return 0;
}

void tm_buffer_free(tm_buffer_t *bytes)
{
    free(bytes->data);
    *bytes = (tm_buffer_t){0};
}
