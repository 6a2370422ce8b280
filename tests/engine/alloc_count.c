#include "tests/engine/alloc_count.h"

#include <stdatomic.h>
#include <stdlib.h>

void *__real_malloc(size_t sz);
void *__real_calloc(size_t cnt, size_t sz);
void *__real_realloc(void *at, size_t sz);
void *__real_aligned_alloc(size_t align, size_t sz);

static _Atomic uint64_t calls;

static void count(void)
{
    atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed); /* a counter */
}

uint64_t alloc_count(void)
{
    return atomic_load_explicit(&calls, memory_order_relaxed); /* a counter */
}

void *__wrap_malloc(size_t sz)
{
    count();
    return __real_malloc(sz);
}

void *__wrap_calloc(size_t cnt, size_t sz)
{
    count();
    return __real_calloc(cnt, sz);
}

void *__wrap_realloc(void *at, size_t sz)
{
    count();
    return __real_realloc(at, sz);
}

void *__wrap_aligned_alloc(size_t align, size_t sz)
{
    count();
    return __real_aligned_alloc(align, sz);
}
