/* base/siphash.h - a hash that nobody can aim at without knowing its key.
   Flow     tables whose keys a peer chooses: base/symbol.c
   Method   SipHash-2-4 (Aumasson and Bernstein, 2012): names made to collide would need the key,
            which is drawn at start and never shown
   Threads  no state
   Tests    tests/base/test_siphash.c */
#ifndef TM_BASE_SIPHASH_H
#define TM_BASE_SIPHASH_H

#include "base/types.h"

/* 128 secret bits. */
typedef struct tm_siphash_key {
    uint64_t word[2];
} tm_siphash_key_t;

/* A key out of the kernel's random numbers. Returns 0 or -errno. */
int tm_siphash_key_draw(tm_siphash_key_t *key) TM_MUST_CHECK;

uint64_t tm_siphash(const tm_siphash_key_t *key, const void *bytes, size_t sz);

#endif
