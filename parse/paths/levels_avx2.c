#include "base/row.h"
#include "parse/scan/kernels.h"

#include <immintrin.h>

/* Serves the 512-bit set, too. A level at a time: its price and its quantity stand in the two lanes
   of one vector. Where the point stands and where the text ends are looked up in tables, which are
   loads and not the chain of comparisons that numeral_avx512.c makes of it. The price is the last
   word of the row's first half and the quantity the first of its second, so two blends make the
   row. Levels do not depend on one another, so several of them are under way at once. */

enum { SZ_MAX = 16, WHOLE_MAX = 8, FRACTION_MAX = 8 };

/* Where each of eight whole digits and eight behind the point comes from, by the number of whole
   ones; 0x80 and above: from nowhere, it is zero. */
#define FROM(w)                                                                                    \
    {                                                                                              \
        (w) - 8, (w)-7, (w)-6, (w)-5, (w)-4, (w)-3, (w)-2, (w)-1, (w) + 1, (w) + 2, (w) + 3,       \
            (w) + 4, (w) + 5, (w) + 6, (w) + 7, (w) == WHOLE_MAX ? -1 : (w) + 8                    \
    }
static const alignas(16) int8_t froms[SZ_MAX + 1][16] = {
    {0}, FROM(1), FROM(2), FROM(3), FROM(4), FROM(5), FROM(6), FROM(7), FROM(8)};

/* Sixteen bytes from SZ_MAX - sz on are all bits set in the first sz of them. */
static const uint8_t insides[2 * SZ_MAX] = {255, 255, 255, 255, 255, 255, 255, 255,
                                            255, 255, 255, 255, 255, 255, 255, 255};

/* Bit sz: a text of that size whose point is at `whole` (or which ends there) is taken: no point,
   or 1..8 digits behind it. */
#define SIZES(w) ((1u << (w) | 0x3fcu << (w)) & ((2u << SZ_MAX) - 1))
static const uint32_t sizes[SZ_MAX + 1] = {0,        SIZES(1), SIZES(2), SIZES(3), SIZES(4),
                                           SIZES(5), SIZES(6), SIZES(7), SIZES(8)};

static inline __m128i load(const void *p)
{
    return _mm_loadu_si128((const __m128i *)p);
}

static inline __m256i pair(const void *low, const void *high)
{
    return _mm256_inserti128_si256(_mm256_castsi128_si256(load(low)), load(high), 1);
}

/* Converts the texts of two quotes and their sizes, at most SZ_MAX; the results are in the even
   words. False where one is left. */
static inline bool two(const uint8_t *bytes, const uint16_t *quotes, __m256i *values)
{
    uint32_t a_sz = quotes[1] - quotes[0] - 1u, b_sz = quotes[3] - quotes[2] - 1u;
    if (TM_UNLIKELY((a_sz > SZ_MAX) | (b_sz > SZ_MAX))) return false;
    __m256i text = pair(bytes + quotes[0] + 1, bytes + quotes[2] + 1);
    __m256i inside = pair(insides + SZ_MAX - a_sz, insides + SZ_MAX - b_sz);
    uint32_t points = (uint32_t)_mm256_movemask_epi8(
        _mm256_cmpeq_epi8(text, _mm256_set1_epi8('.')));
    /* The first point, or the end. */
    uint32_t a_whole = _tzcnt_u32(points | 1u << a_sz),
             b_whole = _tzcnt_u32(points >> 16 | 1u << b_sz);
    uint32_t fine = sizes[a_whole] >> a_sz & sizes[b_whole] >> b_sz & 1;
    __m256i digits = _mm256_and_si256(_mm256_sub_epi8(text, _mm256_set1_epi8('0')), inside);
    digits = _mm256_shuffle_epi8(digits, pair(froms[a_whole], froms[b_whole]));
    __m256i bad = _mm256_subs_epu8(digits, _mm256_set1_epi8(9));

    __m256i pairs = _mm256_maddubs_epi16(digits, _mm256_set1_epi16(0x010a));
    __m256i fours = _mm256_madd_epi16(pairs, _mm256_set1_epi32(0x00010064));
    fours = _mm256_packus_epi32(fours, fours);
    __m256i eights = _mm256_madd_epi16(fours, _mm256_set1_epi32(0x00012710));
    *values = _mm256_add_epi64(_mm256_mul_epu32(eights, _mm256_set1_epi64x(100000000)),
                               _mm256_srli_epi64(eights, 32));
    return fine & (uint32_t)_mm256_testz_si256(bad, bad);
}

uint32_t tm_levels_avx2(const uint8_t *bytes, const uint16_t *at, uint32_t stride, uint32_t cnt,
                        const tm_market_row_t *blank, tm_market_row_t *rows)
{
    static_assert(offsetof(tm_level_t, price_e8) == 24, "the last word of the first half");
    static_assert(offsetof(tm_level_t, qty_e8) == 32, "the first word of the second half");
    const __m256i *common = (const __m256i *)blank;
    const __m256i head = _mm256_load_si256(common), tail = _mm256_load_si256(common + 1);
    for (uint32_t i = 0; i < cnt; i++, at += stride) {
        __m256i v;
        if (TM_UNLIKELY(!two(bytes, at, &v))) return i;
        __m256i *row = (__m256i *)&rows[i];
        _mm256_store_si256(row, _mm256_blend_epi32(head, _mm256_permute4x64_epi64(v, 0x00), 0xc0));
        _mm256_store_si256(row + 1,
                           _mm256_blend_epi32(tail, _mm256_permute4x64_epi64(v, 0x02), 0x03));
    }
    return cnt;
}
