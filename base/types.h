/* base/types.h - the words every file uses: integer types, alignment, attributes.
   Flow     included by all; includes only the C library
   Units    none
   Threads  no state */
#ifndef TM_BASE_TYPES_H
#define TM_BASE_TYPES_H

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* 128-bit sums of scaled products; gcc and clang both have the type on every 64-bit target. */
__extension__ typedef __int128 tm_i128_t;
__extension__ typedef unsigned __int128 tm_u128_t;

enum {
    TM_CACHE_LINE = 64,  /* bytes that travel together between cores */
    TM_FALSE_SHARE = 128 /* distance that also defeats the adjacent-line prefetcher */
};

#define TM_NS_PER_US 1000LL
#define TM_NS_PER_MS 1000000LL
#define TM_NS_PER_S  1000000000LL

#ifndef TM_API /* tidemark.h defines it too */
#    define TM_API __attribute__((visibility("default")))
#endif
#define TM_MUST_CHECK                 __attribute__((warn_unused_result))
#define TM_PRINTF(fmt_idx, first_idx) __attribute__((format(printf, fmt_idx, first_idx)))
#define TM_NORETURN                   __attribute__((noreturn))

#define TM_LIKELY(x)   __builtin_expect(!!(x), 1)
#define TM_UNLIKELY(x) __builtin_expect(!!(x), 0)

#define TM_ARRAY_CNT(a) (sizeof(a) / sizeof((a)[0]))

/* Rounds up to a power-of-two multiple. */
static inline size_t tm_align_up(size_t sz, size_t align)
{
    return (sz + align - 1) & ~(align - 1);
}

static inline bool tm_is_pow2(uint64_t x)
{
    return x != 0 && (x & (x - 1)) == 0;
}

#endif
