#include "parse/scan/kernels.h"

#include <immintrin.h>

/* The method of numeral_avx512.c, two numbers at a time in the two lanes of a register, with vector
   masks in place of mask registers. */

static __m256i above(__m256i a, __m256i b) /* a > b, unsigned */
{
    return _mm256_xor_si256(_mm256_cmpeq_epi8(_mm256_max_epu8(b, a), b), _mm256_set1_epi8(-1));
}

static uint32_t two(const uint8_t *bytes, const uint32_t *from, uint32_t sz2, uint32_t integers,
                    uint64_t *magnitudes)
{
    const __m256i zero = _mm256_setzero_si256(), one = _mm256_set1_epi8(1);
    const __m256i place = _mm256_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0,
                                           1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m256i low_half = _mm256_cmpgt_epi8(_mm256_set1_epi8(8), place);
    __m256i text = _mm256_inserti128_si256(
        _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(bytes + from[0]))),
        _mm_loadu_si128((const __m128i *)(bytes + from[1])), 1);
    __m256i sz = _mm256_shuffle_epi8(
        _mm256_set1_epi16((short)sz2),
        _mm256_setr_epi64x(0, 0, 0x0101010101010101, 0x0101010101010101));
    __m256i whole_only = _mm256_setr_epi64x(-(long long)(integers & 1), -(long long)(integers & 1),
                                            -(long long)(integers >> 1),
                                            -(long long)(integers >> 1));

    __m256i inside = above(sz, place);
    __m256i digit = _mm256_and_si256(inside, _mm256_sub_epi8(text, _mm256_set1_epi8('0')));
    __m256i points = _mm256_andnot_si256(
        whole_only, _mm256_and_si256(inside, _mm256_cmpeq_epi8(text, _mm256_set1_epi8('.'))));
    __m256i after = _mm256_sad_epu8(_mm256_and_si256(points, _mm256_add_epi8(place, one)), zero);
    after = _mm256_shuffle_epi8(after, zero);
    __m256i pointless = _mm256_cmpeq_epi8(after, zero);
    __m256i whole = _mm256_blendv_epi8(_mm256_sub_epi8(after, one), sz, pointless);
    __m256i fraction = _mm256_sub_epi8(sz, after);

    __m256i shift = _mm256_sub_epi8(
        place, _mm256_add_epi8(_mm256_set1_epi8(7), _mm256_and_si256(low_half, one)));
    shift = _mm256_blendv_epi8(shift, _mm256_sub_epi8(place, _mm256_set1_epi8(16)), whole_only);
    __m256i row = _mm256_shuffle_epi8(digit, _mm256_add_epi8(whole, shift));

    __m256i whole_max = _mm256_blendv_epi8(_mm256_set1_epi8(6), _mm256_set1_epi8(15), whole_only);
    __m256i bad = above(row, _mm256_set1_epi8(9));
    bad = _mm256_or_si256(bad, above(_mm256_sub_epi8(whole, one), whole_max));
    bad = _mm256_or_si256(bad, _mm256_andnot_si256(pointless, above(_mm256_sub_epi8(fraction, one),
                                                                    _mm256_set1_epi8(7))));
    /* A leading zero is read by tm_numeral_read, which knows where it is allowed. */
    __m256i leading = _mm256_and_si256(_mm256_cmpeq_epi8(digit, zero), above(whole, one));
    bad = _mm256_or_si256(bad, _mm256_and_si256(leading, _mm256_cmpeq_epi8(place, zero)));

    __m256i pairs = _mm256_maddubs_epi16(row, _mm256_set1_epi16(0x010a));
    __m256i fours = _mm256_madd_epi16(pairs, _mm256_set1_epi32(0x00010064));
    fours = _mm256_packus_epi32(fours, fours);
    __m256i eights = _mm256_madd_epi16(fours, _mm256_set1_epi32(0x00012710));
    __m256i value = _mm256_add_epi64(_mm256_mul_epu32(eights, _mm256_set1_epi64x(100000000)),
                                     _mm256_srli_epi64(eights, 32));
    _mm_storeu_si128((__m128i *)magnitudes,
                     _mm256_castsi256_si128(_mm256_permute4x64_epi64(value, 0x08)));
    uint32_t left = (uint32_t)_mm256_movemask_epi8(bad);
    return (uint32_t)((left & 0xffff) != 0) | (uint32_t)(left >> 16 != 0) << 1;
}

uint32_t tm_numerals_avx2(const uint8_t *bytes, const tm_numerals_t *numerals, uint64_t *magnitudes)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < numerals->cnt; i += 2) {
        left |= two(bytes, numerals->from + i,
                    (uint32_t)(numerals->sz[i / 8] >> (8 * (i % 8))) & 0xffff,
                    numerals->integers >> i & 3u, magnitudes + i)
                << i;
    }
    return left & ((1u << numerals->cnt) - 1);
}
