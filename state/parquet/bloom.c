#include "state/parquet/bloom.h"

#include <string.h>

/* The five primes of XXH64. */
#define P1 0x9e3779b185ebca87ull
#define P2 0xc2b2ae3d27d4eb4full
#define P3 0x165667b19e3779f9ull
#define P4 0x85ebca77c2b2ae63ull
#define P5 0x27d4eb2f165667c5ull

enum { BLOCK_SZ = 32, BLOCK_WORDS = 8, STRIPE_SZ = 32, LANES = 4 };

static uint64_t rotate(uint64_t v, uint32_t by)
{
    return v << by | v >> (64 - by);
}

static uint64_t read8(const uint8_t *at)
{
    uint64_t v;
    memcpy(&v, at, 8);
    return v;
}

static uint64_t round_of(uint64_t sum, uint64_t v)
{
    return rotate(sum + v * P2, 31) * P1;
}

/* Four sums over stripes of 32 bytes, then folded into one. */
static uint64_t long_start(const uint8_t **at, const uint8_t *end)
{
    uint64_t sum[LANES] = {P1 + P2, P2, 0, 0 - P1};
    for (; end - *at >= STRIPE_SZ; *at += STRIPE_SZ)
        for (int i = 0; i < LANES; i++) sum[i] = round_of(sum[i], read8(*at + i * 8));
    uint64_t h = rotate(sum[0], 1) + rotate(sum[1], 7) + rotate(sum[2], 12) + rotate(sum[3], 18);
    for (int i = 0; i < LANES; i++) h = (h ^ round_of(0, sum[i])) * P1 + P4;
    return h;
}

uint64_t tm_xxh64(const void *src, size_t sz)
{
    const uint8_t *at = src, *end = at + sz;
    uint64_t h = (sz >= STRIPE_SZ ? long_start(&at, end) : P5) + sz;
    for (; end - at >= 8; at += 8) h = rotate(h ^ round_of(0, read8(at)), 27) * P1 + P4;
    if (end - at >= 4) {
        uint32_t v;
        memcpy(&v, at, 4);
        h = rotate(h ^ v * P1, 23) * P2 + P3;
        at += 4;
    }
    for (; at < end; at++) h = rotate(h ^ *at * P5, 11) * P1;
    h = (h ^ h >> 33) * P2;
    h = (h ^ h >> 29) * P3;
    return h ^ h >> 32;
}

/* 9.7 bits a value answer wrongly for one absent value in a hundred. Some readers want a power of
   two. */
uint32_t tm_bloom_sz(uint64_t distinct_cnt)
{
    uint64_t sz = TM_BLOOM_SZ_MIN;
    while (sz < TM_BLOOM_SZ_MAX && sz * 80 < distinct_cnt * 97) sz *= 2;
    return (uint32_t)sz;
}

/* The high half of the hash picks a block; the low half, multiplied by eight odd numbers that the
   format gives, one bit in each of its words. */
static size_t block_off(uint32_t sz, uint64_t hash)
{
    return (size_t)((hash >> 32) * (sz / BLOCK_SZ) >> 32) * BLOCK_SZ;
}

static void bits_of(uint64_t hash, uint32_t bits[BLOCK_WORDS])
{
    static const uint32_t salt[BLOCK_WORDS] = {0x47b6137b, 0x44974d91, 0x8824ad5b, 0xa2b7289d,
                                               0x705495c7, 0x2df1424b, 0x9efc4947, 0x5c6bfb31};
    for (int i = 0; i < BLOCK_WORDS; i++) bits[i] = 1u << ((uint32_t)hash * salt[i] >> 27);
}

void tm_bloom_add(uint8_t *filter, uint32_t sz, uint64_t hash)
{
    uint32_t bits[BLOCK_WORDS], words[BLOCK_WORDS];
    uint8_t *block = filter + block_off(sz, hash);
    bits_of(hash, bits);
    memcpy(words, block, BLOCK_SZ);
    for (int i = 0; i < BLOCK_WORDS; i++) words[i] |= bits[i];
    memcpy(block, words, BLOCK_SZ);
}

bool tm_bloom_has(const uint8_t *filter, uint32_t sz, uint64_t hash)
{
    uint32_t bits[BLOCK_WORDS], words[BLOCK_WORDS], missing = 0;
    bits_of(hash, bits);
    memcpy(words, filter + block_off(sz, hash), BLOCK_SZ);
    for (int i = 0; i < BLOCK_WORDS; i++) missing |= bits[i] & ~words[i];
    return missing == 0;
}
