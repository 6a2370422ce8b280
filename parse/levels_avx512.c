#include "base/row.h"
#include "parse/kernels.h"
#include "parse/vectors.h"

#include <immintrin.h>

/* Two levels at a time: their two prices and two quantities stand in the four lanes of one vector
   and are converted as in numeral_avx512.c, and each row is written by one store, its two numbers
   blended into what all levels of the batch have in common. Levels do not depend on one another, so
   several of these chains are under way at once. */

/* Truth table of a|b|c. */
enum { OR_OF_3 = 0xfe };

static inline __m512i constant(uint32_t which)
{
    return _mm512_load_si512(tm_vectors[which]);
}

static inline __m128i text_at(const uint8_t *bytes, uint32_t quote)
{
    return _mm_loadu_si128((const __m128i *)(bytes + quote + 1));
}

/* Converts four decimals of the sizes in sz4; the results are in the even words. *bad: not zero
   where one is left. */
static inline __m512i decimals(__m512i text, uint32_t sz4, __m512i *bad)
{
    const __m512i zero = _mm512_setzero_si512(), one = constant(TM_VECTOR_ONE);
    const __m512i place = constant(TM_VECTOR_LANE_PLACES);
    __m512i sz = _mm512_shuffle_epi8(_mm512_set1_epi32((int)sz4), constant(TM_VECTOR_LANE_IDX));
    __mmask64 inside = _mm512_cmplt_epu8_mask(place, sz);
    __m512i digit = _mm512_maskz_sub_epi8(inside, text, constant(TM_VECTOR_DIGIT_0));
    __mmask64 points = _mm512_mask_cmpeq_epi8_mask(inside, text, constant(TM_VECTOR_POINT));
    __m512i after = _mm512_sad_epu8(_mm512_maskz_add_epi8(points, place, one), zero);
    after = _mm512_shuffle_epi8(after, zero);
    __mmask64 pointed = _mm512_test_epi8_mask(after, after);
    __m512i whole = _mm512_mask_sub_epi8(sz, pointed, after, one);
    __m512i fraction1 = _mm512_sub_epi8(_mm512_sub_epi8(sz, after), one);

    __m512i shift = _mm512_sub_epi8(place, constant(TM_VECTOR_EIGHT));
    shift = _mm512_mask_add_epi8(shift, 0xff00ff00ff00ff00ull, shift, one);
    __m512i row = _mm512_shuffle_epi8(digit, _mm512_add_epi8(whole, shift));

    /* Nothing is left of what is in bounds when the bounds are taken away, saturating. */
    __m512i whole1 = _mm512_sub_epi8(whole, one);
    __m512i wrong = _mm512_or_si512(_mm512_subs_epu8(row, constant(TM_VECTOR_NINE)),
                                    _mm512_subs_epu8(whole1, constant(TM_VECTOR_SIX)));
    __m512i long_fraction = _mm512_maskz_subs_epu8(pointed, fraction1, constant(TM_VECTOR_SEVEN));
    __m512i leading_zero = _mm512_maskz_mov_epi8(
        _mm512_mask_testn_epi8_mask(0x0001000100010001ull, digit, digit), whole1);
    *bad = _mm512_ternarylogic_epi64(wrong, long_fraction, leading_zero, OR_OF_3);

    __m512i pairs = _mm512_maddubs_epi16(row, constant(TM_VECTOR_TENS));
    __m512i fours = _mm512_madd_epi16(pairs, constant(TM_VECTOR_HUNDREDS));
    fours = _mm512_packus_epi32(fours, fours);
    __m512i eights = _mm512_madd_epi16(fours, constant(TM_VECTOR_MYRIADS));
    return _mm512_add_epi64(_mm512_mul_epu32(eights, constant(TM_VECTOR_E8)),
                            _mm512_srli_epi64(eights, 32));
}

uint32_t tm_levels_avx512(const uint8_t *bytes, const uint16_t *at, uint32_t stride, uint32_t cnt,
                          const tm_market_row_t *blank, tm_market_row_t *rows)
{
    static_assert(offsetof(tm_level_t, price_e8) == 24, "word 3 of the row");
    static_assert(offsetof(tm_level_t, qty_e8) == 32, "word 4 of the row");
    const __m512i common = _mm512_load_si512(blank);
    const __m512i first = _mm512_set_epi64(0, 0, 0, 2, 0, 0, 0, 0);
    const __m512i second = _mm512_set_epi64(0, 0, 0, 6, 4, 0, 0, 0);
    const uint16_t *a = at;
    for (uint32_t i = 0; i < cnt; i += 2, a += 2 * (size_t)stride) {
        const uint16_t *b = i + 1 < cnt ? a + stride : a;
        uint32_t a_price = a[1] - a[0] - 1u, a_qty = a[3] - a[2] - 1u;
        uint32_t b_price = b[1] - b[0] - 1u, b_qty = b[3] - b[2] - 1u;
        if (TM_UNLIKELY((a_price | a_qty | b_price | b_qty) > 127)) return i;
        uint32_t sz4 = a_price | a_qty << 8 | b_price << 16 | b_qty << 24;
        __m256i low = _mm256_inserti128_si256(_mm256_castsi128_si256(text_at(bytes, a[0])),
                                              text_at(bytes, a[2]), 1);
        __m256i high = _mm256_inserti128_si256(_mm256_castsi128_si256(text_at(bytes, b[0])),
                                               text_at(bytes, b[2]), 1);
        __m512i bad;
        __m512i v = decimals(_mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1), sz4, &bad);
        if (TM_UNLIKELY(_mm512_test_epi64_mask(bad, bad))) return i;
        _mm512_store_si512(&rows[i], _mm512_mask_permutexvar_epi64(common, 0x18, first, v));
        if (i + 1 < cnt)
            _mm512_store_si512(&rows[i + 1],
                               _mm512_mask_permutexvar_epi64(common, 0x18, second, v));
    }
    return cnt;
}
