#include "base/row.h"
#include "parse/kernels.h"

#include <immintrin.h>

/* A level at a time: its price and its quantity stand in the two lanes of one vector and are
   converted as in numeral_avx2.c, decimals only. The price is the last word of the row's first
   half and the quantity the first of its second, so two blends make the row. */

static inline __m128i text_at(const uint8_t *bytes, uint32_t quote)
{
    return _mm_loadu_si128((const __m128i *)(bytes + quote + 1));
}

/* Converts two decimals; the results are in the even words. *bad: not zero where one is left. */
static inline __m256i decimals(__m256i text, __m256i sz, __m256i *bad)
{
    const __m256i zero = _mm256_setzero_si256(), one = _mm256_set1_epi8(1);
    const __m256i place = _mm256_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0,
                                           1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    __m256i inside = _mm256_cmpgt_epi8(sz, place);
    __m256i digit = _mm256_and_si256(inside, _mm256_sub_epi8(text, _mm256_set1_epi8('0')));
    __m256i points = _mm256_and_si256(inside, _mm256_cmpeq_epi8(text, _mm256_set1_epi8('.')));
    __m256i after = _mm256_sad_epu8(_mm256_and_si256(points, _mm256_add_epi8(place, one)), zero);
    after = _mm256_shuffle_epi8(after, zero);
    __m256i pointless = _mm256_cmpeq_epi8(after, zero);
    __m256i whole1 = _mm256_sub_epi8(_mm256_blendv_epi8(_mm256_sub_epi8(after, one), sz, pointless),
                                     one);
    __m256i fraction1 = _mm256_sub_epi8(_mm256_sub_epi8(sz, after), one);

    /* Byte i < 8 comes from place whole - 8 + i, those of the fraction from one further: the point
       lies between. */
    __m256i low_half = _mm256_cmpgt_epi8(_mm256_set1_epi8(8), place);
    __m256i from = _mm256_add_epi8(_mm256_sub_epi8(place, _mm256_set1_epi8(6)), low_half);
    __m256i row = _mm256_shuffle_epi8(digit, _mm256_add_epi8(whole1, from));

    /* Nothing is left of what is in bounds when the bounds are taken away, saturating. */
    __m256i wrong = _mm256_or_si256(_mm256_subs_epu8(row, _mm256_set1_epi8(9)),
                                    _mm256_subs_epu8(whole1, _mm256_set1_epi8(6)));
    __m256i long_fraction = _mm256_andnot_si256(pointless,
                                                _mm256_subs_epu8(fraction1, _mm256_set1_epi8(7)));
    __m256i first = _mm256_cmpeq_epi8(place, zero);
    __m256i leading_zero = _mm256_and_si256(_mm256_and_si256(first, _mm256_cmpeq_epi8(digit, zero)),
                                            whole1);
    *bad = _mm256_or_si256(_mm256_or_si256(wrong, long_fraction), leading_zero);

    __m256i pairs = _mm256_maddubs_epi16(row, _mm256_set1_epi16(0x010a));
    __m256i fours = _mm256_madd_epi16(pairs, _mm256_set1_epi32(0x00010064));
    fours = _mm256_packus_epi32(fours, fours);
    __m256i eights = _mm256_madd_epi16(fours, _mm256_set1_epi32(0x00012710));
    return _mm256_add_epi64(_mm256_mul_epu32(eights, _mm256_set1_epi64x(100000000)),
                            _mm256_srli_epi64(eights, 32));
}

uint32_t tm_levels_avx2(const uint8_t *bytes, const uint16_t *at, uint32_t stride, uint32_t cnt,
                        const tm_market_row_t *blank, tm_market_row_t *rows)
{
    static_assert(offsetof(tm_level_t, price_e8) == 24, "the last word of the first half");
    static_assert(offsetof(tm_level_t, qty_e8) == 32, "the first word of the second half");
    const __m256i *common = (const __m256i *)blank;
    const __m256i head = _mm256_load_si256(common), tail = _mm256_load_si256(common + 1);
    for (uint32_t i = 0; i < cnt; i++, at += stride) {
        uint32_t price_sz = at[1] - at[0] - 1u, qty_sz = at[3] - at[2] - 1u;
        if (TM_UNLIKELY((price_sz | qty_sz) > 127)) return i;
        __m256i text = _mm256_inserti128_si256(_mm256_castsi128_si256(text_at(bytes, at[0])),
                                               text_at(bytes, at[2]), 1);
        __m256i sz = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_set1_epi8((char)price_sz)),
                                             _mm_set1_epi8((char)qty_sz), 1);
        __m256i bad, v = decimals(text, sz, &bad);
        if (TM_UNLIKELY(!_mm256_testz_si256(bad, bad))) return i;
        __m256i *row = (__m256i *)&rows[i];
        _mm256_store_si256(row, _mm256_blend_epi32(head, _mm256_permute4x64_epi64(v, 0x00), 0xc0));
        _mm256_store_si256(row + 1,
                           _mm256_blend_epi32(tail, _mm256_permute4x64_epi64(v, 0x02), 0x03));
    }
    return cnt;
}
