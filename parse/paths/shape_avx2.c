#include "parse/paths/shape.h"
#include "parse/scan/kernels.h"

#include <immintrin.h>

/* Serves the 512-bit set, too: a message is a handful of blocks, and 256-bit loads that cross no
   cache line more often than needed are as fast. */

static inline __m256i load(const uint8_t *p)
{
    return _mm256_loadu_si256((const __m256i *)p);
}

static inline uint64_t quotes64(const uint8_t *p)
{
    const __m256i quote = _mm256_set1_epi8('"');
    uint32_t lo = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(load(p), quote));
    uint32_t hi = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(load(p + 32), quote));
    return lo | (uint64_t)hi << 32;
}

static inline uint64_t key_of(const uint8_t *bytes, uint32_t sz)
{
    uint64_t quotes[3] = {quotes64(bytes), 0, 0};
    if (TM_UNLIKELY(sz < 64)) {
        quotes[0] = _bzhi_u64(quotes[0], sz);
    } else {
        quotes[1] = quotes64(bytes + 64);
        if (sz < 128) quotes[1] = _bzhi_u64(quotes[1], sz - 64);
        quotes[2] = quotes64(bytes + sz - 64);
    }
    return tm_shape_key(quotes, sz);
}

uint64_t tm_shape_key_avx2(const uint8_t *bytes, uint32_t sz)
{
    return key_of(bytes, sz);
}

static inline bool in_range(const tm_shape_t *s, const uint8_t *bytes)
{
    __m256i above = _mm256_setzero_si256();
    for (uint32_t i = 0; i < s->block_cnt; i++) {
        __m256i least = _mm256_load_si256((const __m256i *)s->ranges[i][0]);
        __m256i span = _mm256_load_si256((const __m256i *)s->ranges[i][1]);
        __m256i over = _mm256_sub_epi8(load(bytes + (size_t)i * TM_SHAPE_BLOCK), least);
        above = _mm256_or_si256(above, _mm256_subs_epu8(over, span));
    }
    return _mm256_testz_si256(above, above);
}

/* Two numbers, sixteen digits each, by multiply-add: pairs, fours, eights. */
static inline void two(const tm_shape_lane_t *l, const uint8_t *bytes, uint8_t *result)
{
    __m256i text = _mm256_inserti128_si256(
        _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(bytes + l[0].from))),
        _mm_loadu_si128((const __m128i *)(bytes + l[1].from)), 1);
    __m256i shuffle = _mm256_inserti128_si256(
        _mm256_castsi128_si256(_mm_load_si128((const __m128i *)l[0].shuffle)),
        _mm_load_si128((const __m128i *)l[1].shuffle), 1);
    __m256i digits = _mm256_shuffle_epi8(_mm256_sub_epi8(text, _mm256_set1_epi8('0')), shuffle);
    __m256i pairs = _mm256_maddubs_epi16(digits, _mm256_set1_epi16(0x010a));
    __m256i fours = _mm256_madd_epi16(pairs, _mm256_set1_epi32(0x00010064));
    fours = _mm256_packus_epi32(fours, fours);
    __m256i eights = _mm256_madd_epi16(fours, _mm256_set1_epi32(0x00012710));
    __m256i value = _mm256_add_epi64(_mm256_mul_epu32(eights, _mm256_set1_epi64x(100000000)),
                                     _mm256_srli_epi64(eights, 32));
    int64_t first = _mm_cvtsi128_si64(_mm256_castsi256_si128(value)) * l[0].factor;
    int64_t second = _mm_cvtsi128_si64(_mm256_extracti128_si256(value, 1)) * l[1].factor;
    memcpy(result + l[0].off, &first, sizeof first);
    memcpy(result + l[1].off, &second, sizeof second);
}

const tm_shape_t *tm_shape_take_avx2(const tm_shapes_t *shapes, const uint8_t *bytes, uint32_t sz,
                                     void *result)
{
    const tm_shape_t *s = tm_shapes_slot(shapes, key_of(bytes, sz));
    if (TM_UNLIKELY(!s || !in_range(s, bytes))) return NULL;
    const uint8_t *image = tm_shapes_image(shapes, s);
    uint8_t *to = result;
    for (uint32_t i = 0; i < shapes->image_sz; i += 64) {
        __m256i lo = load(image + i), hi = load(image + i + 32);
        _mm256_storeu_si256((__m256i *)(to + i), lo);
        _mm256_storeu_si256((__m256i *)(to + i + 32), hi);
    }
    for (uint32_t i = 0; i < s->lane_cnt; i += 2) two(&s->lanes[i], bytes, to);
    return s;
}
