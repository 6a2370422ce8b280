#include "state/parquet/bit_pack_isa.h"

#ifdef TM_HAVE_BIT_PACK_ISA

#    include <immintrin.h>

/* Sixteen vectors of eight: the differences stay in registers between the two passes where the
   compiler has enough of them, else in the output, which is in the first-level cache. */
int64_t tm_bit_delta_avx512(const int64_t *in, uint64_t out[TM_DELTA_BLOCK_CNT],
                            uint64_t mini_or[TM_DELTA_MINIS])
{
    enum { LANES = 8, VECTORS = TM_DELTA_BLOCK_CNT / LANES, PER_MINI = TM_DELTA_MINI_CNT / LANES };
    __m512i delta[VECTORS];
    __m512i low = _mm512_set1_epi64(INT64_MAX);
#    pragma GCC unroll 16
    for (int i = 0; i < VECTORS; i++) {
        __m512i cur = _mm512_loadu_si512(in + i * LANES);
        __m512i prev = _mm512_loadu_si512(in + i * LANES - 1);
        delta[i] = _mm512_sub_epi64(cur, prev);
        low = _mm512_min_epi64(low, delta[i]);
    }
    int64_t min = _mm512_reduce_min_epi64(low);
    __m512i base = _mm512_set1_epi64(min);
    for (int m = 0; m < TM_DELTA_MINIS; m++) {
        __m512i all = _mm512_setzero_si512();
#    pragma GCC unroll 4
        for (int i = m * PER_MINI; i < (m + 1) * PER_MINI; i++) {
            __m512i rest = _mm512_sub_epi64(delta[i], base);
            _mm512_storeu_si512(out + i * LANES, rest);
            all = _mm512_or_si512(all, rest);
        }
        mini_or[m] = (uint64_t)_mm512_reduce_or_epi64(all);
    }
    return min;
}

void tm_bit_range_avx512(const int64_t *in, uint32_t cnt, uint64_t flip, int64_t *min, int64_t *max)
{
    const __m512i mask = _mm512_set1_epi64((int64_t)flip);
    __m512i low = _mm512_set1_epi64(INT64_MAX), high = _mm512_set1_epi64(INT64_MIN);
    for (uint32_t i = 0; i < cnt; i += 8) {
        const uint32_t left = cnt - i;
        const __mmask8 lanes = (__mmask8)(left >= 8 ? 0xffu : (1u << left) - 1);
        __m512i v = _mm512_xor_si512(_mm512_maskz_loadu_epi64(lanes, in + i), mask);
        low = _mm512_mask_min_epi64(low, lanes, low, v);
        high = _mm512_mask_max_epi64(high, lanes, high, v);
    }
    *min = (int64_t)((uint64_t)_mm512_reduce_min_epi64(low) ^ flip);
    *max = (int64_t)((uint64_t)_mm512_reduce_max_epi64(high) ^ flip);
}

#endif
