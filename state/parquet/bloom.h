/* state/parquet/bloom.h - Parquet's split block Bloom filter: is a value surely not in this chunk?
   Flow     parquet_bloom (values of a chunk) -> [bloom] -> file
   Why      statistics bound a value from below and above; a filter finds one order number among
            millions without reading pages
   Units    *_sz: bytes, a power of two from TM_BLOOM_SZ_MIN
   Memory   the caller's, zeroed before the first value
   Threads  no state
   Errors   none. An answer of "there" is wrong for at most one absent value in a hundred
   Limits   TM_BLOOM_SZ_MAX
   Tests    tests/state/test_parquet_encode.c, tests/readers (DuckDB's probe) */
#ifndef TM_STATE_BLOOM_H
#define TM_STATE_BLOOM_H

#include "base/types.h"

enum { TM_BLOOM_SZ_MIN = 32, TM_BLOOM_SZ_MAX = 1 << 24 };

/* XXH64 with seed 0 of a value as PLAIN encoding has it, strings without their length. */
uint64_t tm_xxh64(const void *src, size_t sz);

/* Bytes for so many distinct values. */
uint32_t tm_bloom_sz(uint64_t distinct_cnt);

void tm_bloom_add(uint8_t *filter, uint32_t sz, uint64_t hash);
bool tm_bloom_has(const uint8_t *filter, uint32_t sz, uint64_t hash);

#endif
