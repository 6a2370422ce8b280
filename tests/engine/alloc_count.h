/* tests/engine/alloc_count.h - counts the allocations of a test and of the library in it.
   Method   the linker sends malloc, calloc, realloc and aligned_alloc of the whole program through
            counters (--wrap, in tests/engine/meson.build)
   Threads  any */
#ifndef TM_TESTS_ALLOC_COUNT_H
#define TM_TESTS_ALLOC_COUNT_H

#include <stdint.h>

/* Since the start of the program. */
uint64_t alloc_count(void);

#endif
