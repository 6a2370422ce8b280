#include "parse/scan/kernels.h"
#include "parse/scan/vectors.h"

#include <immintrin.h>

/* Four numbers at a time, one a 16-byte lane. A number is loaded left-aligned and shuffled so that
   its whole digits end at byte 8 and its fraction starts there (decimals), or its digits end at
   byte 16 (integers); unused bytes become zero. Either way the value is high 8 digits * 1e8 + low 8
   digits, and one multiply-add chain serves both.

   Byte vectors below hold the same figure in all 16 bytes of a lane. */

static inline __m512i constant(uint32_t which)
{
    return _mm512_load_si512(tm_vectors[which]);
}

static uint32_t four(const uint8_t *bytes, const uint32_t *from, uint32_t cnt, uint32_t sz4,
                     uint32_t integers, uint64_t *magnitudes)
{
    const __m512i zero = _mm512_setzero_si512();
    const __m512i place = constant(TM_VECTOR_LANE_PLACES);
    __m512i text = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)(bytes + from[0])));
    text = _mm512_inserti64x2(text, _mm_loadu_si128((const __m128i *)(bytes + from[1])), 1);
    text = _mm512_inserti64x2(text, _mm_loadu_si128((const __m128i *)(bytes + from[2])), 2);
    text = _mm512_inserti64x2(text, _mm_loadu_si128((const __m128i *)(bytes + from[3])), 3);
    __m512i sz = _mm512_shuffle_epi8(_mm512_set1_epi32((int)sz4), constant(TM_VECTOR_LANE_IDX));
    __mmask64 whole_only = _pdep_u64(integers, 0x0001000100010001ull) * 0xffff;

    __mmask64 inside = _mm512_cmplt_epu8_mask(place, sz);
    __m512i digit = _mm512_maskz_sub_epi8(inside, text, constant(TM_VECTOR_DIGIT_0));
    /* At most one point a lane is valid, so a sum over the lane gives its place + 1; with two the
       shuffle leaves one of them among the digits, or the sizes below do not fit. */
    __mmask64 points = _mm512_mask_cmpeq_epi8_mask(inside & ~whole_only, text,
                                                   constant(TM_VECTOR_POINT));
    __m512i after = _mm512_sad_epu8(_mm512_maskz_add_epi8(points, place, constant(TM_VECTOR_ONE)),
                                    zero);
    after = _mm512_shuffle_epi8(after, zero);
    __mmask64 pointed = _mm512_test_epi8_mask(after, after);
    __m512i whole = _mm512_mask_sub_epi8(sz, pointed, after, constant(TM_VECTOR_ONE));
    __m512i fraction = _mm512_sub_epi8(sz, after);

    /* Source index of each byte: negative ones give zero, those past the text find zero. */
    __m512i shift = _mm512_sub_epi8(place, constant(TM_VECTOR_EIGHT));
    shift = _mm512_mask_add_epi8(shift, 0xff00ff00ff00ff00ull, shift, constant(TM_VECTOR_ONE));
    shift = _mm512_mask_sub_epi8(shift, whole_only, place, constant(TM_VECTOR_SIXTEEN));
    __m512i row = _mm512_shuffle_epi8(digit, _mm512_add_epi8(whole, shift));

    __m512i one = constant(TM_VECTOR_ONE);
    __m512i whole_max = _mm512_mask_mov_epi8(constant(TM_VECTOR_SEVEN), whole_only,
                                             constant(TM_VECTOR_SIXTEEN));
    __mmask64 bad = _mm512_cmpgt_epu8_mask(row, constant(TM_VECTOR_NINE));
    bad |= _mm512_cmpge_epu8_mask(_mm512_sub_epi8(whole, one), whole_max);
    bad |= _mm512_mask_cmpgt_epu8_mask(pointed, _mm512_sub_epi8(fraction, one),
                                       constant(TM_VECTOR_SEVEN));
    /* A leading zero is read by tm_numeral_read, which knows where it is allowed. */
    bad |= _mm512_mask_testn_epi8_mask(_mm512_cmpgt_epu8_mask(whole, one) & 0x0001000100010001ull,
                                       digit, digit);

    __m512i pairs = _mm512_maddubs_epi16(row, constant(TM_VECTOR_TENS));
    __m512i fours = _mm512_madd_epi16(pairs, constant(TM_VECTOR_HUNDREDS));
    fours = _mm512_packus_epi32(fours, fours);
    __m512i eights = _mm512_madd_epi16(fours, constant(TM_VECTOR_MYRIADS));
    __m512i value = _mm512_add_epi64(_mm512_mul_epu32(eights, constant(TM_VECTOR_E8)),
                                     _mm512_srli_epi64(eights, 32));
    _mm256_storeu_si256((__m256i *)magnitudes,
                        _mm512_castsi512_si256(_mm512_maskz_compress_epi64(0x55, value)));
    bad &= _bzhi_u64(~0ull, 16 * cnt);
    if (TM_LIKELY(bad == 0)) return 0;
    uint32_t left = 0;
    for (uint32_t i = 0; i < 4; i++) left |= (uint32_t)((bad >> (16 * i) & 0xffff) != 0) << i;
    return left;
}

uint32_t tm_numerals_avx512(const uint8_t *bytes, const tm_numerals_t *numerals,
                            uint64_t *magnitudes)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < numerals->cnt; i += 4) {
        uint32_t cnt = numerals->cnt - i < 4 ? numerals->cnt - i : 4;
        uint32_t sz4 = (uint32_t)(numerals->sz[i / 8] >> (8 * (i % 8)));
        left |=
            four(bytes, numerals->from + i, cnt, sz4, numerals->integers >> i & 15u, magnitudes + i)
            << i;
    }
    return left;
}
