#include "state/parquet/bit_pack.h"

#include "state/parquet/bit_pack_isa.h"

#include <string.h>

/* With a constant width the loop unrolls into loads, shifts and ors without a branch: about one
   cycle a value, so packing is never the expensive part. */
static inline __attribute__((always_inline)) void pack_width(uint8_t *out, const uint64_t *in,
                                                             const uint32_t width)
{
    uint64_t word = 0;
    uint32_t fill = 0;
#pragma GCC unroll 32
    for (uint32_t i = 0; i < TM_DELTA_MINI_CNT; i++) {
        word |= in[i] << fill;
        fill += width;
        if (fill >= 64) {
            memcpy(out, &word, 8);
            out += 8;
            fill -= 64;
            word = fill > 0 ? in[i] >> (width - fill) : 0;
        }
    }
    if (fill > 0) memcpy(out, &word, 4); /* 32 values end on a multiple of four bytes */
}

#define PACK(w)                                                                                    \
    case w:                                                                                        \
        pack_width(out, in, w);                                                                    \
        return;
#define PACK8(w)                                                                                   \
    PACK((w) + 1)                                                                                  \
    PACK((w) + 2)                                                                                  \
    PACK((w) + 3) PACK((w) + 4) PACK((w) + 5) PACK((w) + 6) PACK((w) + 7) PACK((w) + 8)

void tm_bit_pack_scalar(uint8_t *out, const uint64_t in[32], uint32_t width)
{
    switch (width) {
        PACK8(0)
        PACK8(8)
        PACK8(16)
        PACK8(24)
        PACK8(32)
        PACK8(40)
        PACK8(48)
        PACK8(56)
    default: /* width 0 takes no bytes */
        return;
    }
}

static int64_t delta_scalar(const int64_t *in, uint64_t out[TM_DELTA_BLOCK_CNT],
                            uint64_t mini_or[TM_DELTA_MINIS])
{
    int64_t min = INT64_MAX;
    for (uint32_t i = 0; i < TM_DELTA_BLOCK_CNT; i++) {
        out[i] = (uint64_t)in[i] - (uint64_t)in[(int64_t)i - 1];
        if ((int64_t)out[i] < min) min = (int64_t)out[i];
    }
    for (uint32_t m = 0; m < TM_DELTA_MINIS; m++) {
        uint64_t all = 0;
        for (uint32_t i = m * TM_DELTA_MINI_CNT; i < (m + 1) * TM_DELTA_MINI_CNT; i++) {
            out[i] -= (uint64_t)min;
            all |= out[i];
        }
        mini_or[m] = all;
    }
    return min;
}

void tm_bit_range_scalar(const int64_t *in, uint32_t cnt, uint64_t flip, int64_t *min, int64_t *max)
{
    int64_t low = INT64_MAX, high = INT64_MIN;
    for (uint32_t i = 0; i < cnt; i++) {
        const int64_t v = (int64_t)((uint64_t)in[i] ^ flip);
        low = v < low ? v : low;
        high = v > high ? v : high;
    }
    *min = (int64_t)((uint64_t)low ^ flip);
    *max = (int64_t)((uint64_t)high ^ flip);
}

const tm_bit_pack_kernel_t *tm_bit_pack_kernel(tm_isa_t isa)
{
    static const tm_bit_pack_kernel_t scalar = {tm_bit_pack_scalar, delta_scalar,
                                                tm_bit_range_scalar};
#ifdef TM_HAVE_BIT_PACK_ISA
    static const tm_bit_pack_kernel_t avx512 = {tm_bit_pack_scalar, tm_bit_delta_avx512,
                                                tm_bit_range_avx512};
    static const tm_bit_pack_kernel_t avx2 = {tm_bit_pack_scalar, tm_bit_delta_avx2,
                                              tm_bit_range_scalar};
    if (isa >= TM_ISA_AVX512) return &avx512;
    if (isa >= TM_ISA_AVX2) return &avx2;
#else
    (void)isa;
#endif
    return &scalar;
}

/* Eight values of w bits are w bytes, so groups of eight start on a byte each. */
static inline __attribute__((always_inline)) uint8_t *
pack_idx_narrow(uint8_t *out, const uint32_t *in, uint32_t cnt, const uint32_t width)
{
    for (uint32_t i = 0; i < cnt; i += 8, out += width) {
        uint64_t word = 0;
#pragma GCC unroll 8
        for (uint32_t k = 0; k < 8; k++) word |= (uint64_t)in[i + k] << (k * width);
        memcpy(out, &word, 8);
    }
    return out;
}

static uint8_t *pack_idx_wide(uint8_t *out, const uint32_t *in, uint32_t cnt, uint32_t width)
{
    uint64_t word = 0;
    uint32_t fill = 0;
    for (uint32_t i = 0; i < cnt; i++) {
        word |= (uint64_t)in[i] << fill;
        fill += width;
        if (fill >= 32) {
            memcpy(out, &word, 4);
            out += 4;
            word >>= 32;
            fill -= 32;
        }
    }
    memcpy(out, &word, 8);
    return out + fill / 8;
}

uint8_t *tm_bit_pack_idx(uint8_t *out, const uint32_t *in, uint32_t cnt, uint32_t width)
{
    switch (width) {
    case 0:
        return out;
    case 1:
        return pack_idx_narrow(out, in, cnt, 1);
    case 2:
        return pack_idx_narrow(out, in, cnt, 2);
    case 3:
        return pack_idx_narrow(out, in, cnt, 3);
    case 4:
        return pack_idx_narrow(out, in, cnt, 4);
    case 5:
        return pack_idx_narrow(out, in, cnt, 5);
    case 6:
        return pack_idx_narrow(out, in, cnt, 6);
    case 7:
        return pack_idx_narrow(out, in, cnt, 7);
    case 8:
        return pack_idx_narrow(out, in, cnt, 8);
    default:
        return pack_idx_wide(out, in, cnt, width);
    }
}

uint64_t tm_bit_unpack(const uint8_t *in, size_t in_sz, uint64_t idx, uint32_t width)
{
    if (width == 0) return 0;
    uint64_t bit = idx * width;
    size_t at = (size_t)(bit / 8);
    uint8_t raw[16] = {0}; /* nine bytes hold 64 bits at any bit offset */
    size_t sz = at < in_sz ? in_sz - at : 0;
    memcpy(raw, in + (sz ? at : 0), sz < 9 ? sz : 9);
    uint64_t lo, hi = raw[8];
    memcpy(&lo, raw, 8);
    uint32_t shift = (uint32_t)(bit % 8);
    uint64_t v = lo >> shift;
    if (shift > 0) v |= hi << (64 - shift);
    return width == 64 ? v : v & ((1ull << width) - 1);
}
