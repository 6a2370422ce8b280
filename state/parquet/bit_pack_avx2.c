#include "state/parquet/bit_pack_isa.h"

#ifdef TM_HAVE_BIT_PACK_ISA

#    include <immintrin.h>

/* AVX2 has no 64-bit minimum: compare and blend. */
int64_t tm_bit_delta_avx2(const int64_t *in, uint64_t out[TM_DELTA_BLOCK_CNT],
                          uint64_t mini_or[TM_DELTA_MINIS])
{
    enum { LANES = 4, PER_MINI = TM_DELTA_MINI_CNT / LANES };
    __m256i low = _mm256_set1_epi64x(INT64_MAX);
    for (int i = 0; i < TM_DELTA_BLOCK_CNT; i += LANES) {
        __m256i cur = _mm256_loadu_si256((const __m256i *)(const void *)(in + i));
        __m256i prev = _mm256_loadu_si256((const __m256i *)(const void *)(in + i - 1));
        __m256i delta = _mm256_sub_epi64(cur, prev);
        _mm256_storeu_si256((__m256i *)(void *)(out + i), delta);
        low = _mm256_blendv_epi8(low, delta, _mm256_cmpgt_epi64(low, delta));
    }
    int64_t lanes[LANES];
    _mm256_storeu_si256((__m256i *)(void *)lanes, low);
    int64_t min = lanes[0];
    for (int i = 1; i < LANES; i++) min = lanes[i] < min ? lanes[i] : min;
    __m256i base = _mm256_set1_epi64x(min);
    for (int m = 0; m < TM_DELTA_MINIS; m++) {
        __m256i all = _mm256_setzero_si256();
        for (int i = m * PER_MINI; i < (m + 1) * PER_MINI; i++) {
            __m256i *at = (__m256i *)(void *)(out + i * LANES);
            __m256i rest = _mm256_sub_epi64(_mm256_loadu_si256(at), base);
            _mm256_storeu_si256(at, rest);
            all = _mm256_or_si256(all, rest);
        }
        _mm256_storeu_si256((__m256i *)(void *)lanes, all);
        mini_or[m] = (uint64_t)(lanes[0] | lanes[1] | lanes[2] | lanes[3]);
    }
    return min;
}

#endif
