/* state/parquet/bit_pack.h - integers of w bits each, laid end to end, least significant bit first.
   Flow     parquet_encode -> [bit_pack] -> page
   Units    width: bits a value, 0..64 (0..32 for indexes); cnt: values
   Threads  no state; the kernel table is picked once from the cpu (base/cpu.h)
   Limits   packs write exactly cnt * width / 8 bytes, but may touch TM_BIT_PACK_SLACK more
   Tests    tests/state/test_bit_pack.c: every kernel and width against a bit-by-bit reference */
#ifndef TM_STATE_BIT_PACK_H
#define TM_STATE_BIT_PACK_H

#include "base/cpu.h"
#include "base/types.h"

enum {
    TM_BIT_PACK_SLACK = 64,   /* bytes behind the output that a kernel may overwrite */
    TM_DELTA_BLOCK_CNT = 128, /* values a DELTA_BINARY_PACKED block */
    TM_DELTA_MINI_CNT = 32,   /* values a miniblock */
    TM_DELTA_MINIS = TM_DELTA_BLOCK_CNT / TM_DELTA_MINI_CNT,
};

typedef struct tm_bit_pack_kernel {
    /* Packs 32 values below 2^width into 4 * width bytes. */
    void (*pack)(uint8_t *out, const uint64_t in[32], uint32_t width);
    /* Differences of a whole block: in[0..127] against in[-1..126], all wrapped at 64 bits. Writes
       each minus the smallest (signed) one, returns that, and the or of each miniblock's. */
    int64_t (*delta)(const int64_t *in, uint64_t out[TM_DELTA_BLOCK_CNT],
                     uint64_t mini_or[TM_DELTA_MINIS]);
    /* Smallest and largest of cnt > 0 values in signed order after `flip` was xored in: with the
       sign bit as flip that is unsigned order. Both are returned flipped back. */
    void (*range)(const int64_t *in, uint32_t cnt, uint64_t flip, int64_t *min, int64_t *max);
} tm_bit_pack_kernel_t;

/* The best kernel up to `isa`; never NULL. */
const tm_bit_pack_kernel_t *tm_bit_pack_kernel(tm_isa_t isa);

/* Packs `cnt` (a multiple of 8) dictionary indexes of `width` bits; returns the end. */
uint8_t *tm_bit_pack_idx(uint8_t *out, const uint32_t *in, uint32_t cnt, uint32_t width);

/* Reads value number `idx` of a packed run that has at least (idx + 1) * width bits. */
uint64_t tm_bit_unpack(const uint8_t *in, size_t in_sz, uint64_t idx, uint32_t width);

static inline uint32_t tm_bit_width(uint64_t v)
{
    return v == 0 ? 0 : 64 - (uint32_t)__builtin_clzll(v);
}

#endif
