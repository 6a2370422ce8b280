/* parse/scan/swar.h - eight bytes at a time: loads and tests of text in plain 64-bit words.
   Units    lanes: byte 0 of a word is the first byte of the text
   Threads  no state
   Limits   little-endian machines */
#ifndef TM_PARSE_SWAR_H
#define TM_PARSE_SWAR_H

#include "base/types.h"

#include <assert.h>
#include <string.h>
#ifdef __SSE2__
#    include <emmintrin.h>
#endif

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "words are read as little-endian text");

#define TM_SWAR_EACH(byte) (0x0101010101010101ull * (uint8_t)(byte))

static inline uint64_t tm_swar_load(const uint8_t *p)
{
    uint64_t w;
    memcpy(&w, p, sizeof w);
    return w;
}

static inline uint32_t tm_swar_load4(const uint8_t *p)
{
    uint32_t w;
    memcpy(&w, p, sizeof w);
    return w;
}

/* The lowest `cnt` (0..8) bytes set. */
static inline uint64_t tm_swar_low(uint32_t cnt)
{
    return cnt >= 8 ? ~0ull : (1ull << (8 * cnt)) - 1;
}

/* High bit of every lane that is zero. Exact in every lane: no borrow crosses lanes. */
static inline uint64_t tm_swar_zero(uint64_t w)
{
    uint64_t low7 = TM_SWAR_EACH(0x7f);
    return ~(((w & low7) + low7) | w | low7);
}

/* High bit of every lane that is no ASCII digit. */
static inline uint64_t tm_swar_not_digit(uint64_t w)
{
    uint64_t x = w ^ TM_SWAR_EACH('0'); /* digits become 0..9 */
    return (((x & TM_SWAR_EACH(0x7f)) + TM_SWAR_EACH(0x76)) | x) & TM_SWAR_EACH(0x80);
}

/* High bit of every lane below 0x20 or above 0x7f, or a backslash. */
static inline uint64_t tm_swar_odd(uint64_t w)
{
    uint64_t above_ctrl = ((w & TM_SWAR_EACH(0x7f)) + TM_SWAR_EACH(0x60)) & TM_SWAR_EACH(0x80);
    return (w | ~above_ctrl | tm_swar_zero(w ^ TM_SWAR_EACH('\\'))) & TM_SWAR_EACH(0x80);
}

/* The high bits of the lanes as an 8-bit mask. */
static inline uint32_t tm_swar_mask(uint64_t high_bits)
{
    return (uint32_t)((high_bits >> 7) * 0x0102040810204080ull >> 56);
}

/* Eight ASCII digits, the first in the lowest lane, to their value: pairs, then fours, then all. */
static inline uint32_t tm_swar_eight(uint64_t w)
{
    w = (w & TM_SWAR_EACH(0x0f)) * (10 * 256 + 1) >> 8;
    w = (w & 0x00ff00ff00ff00ffull) * (100 * 65536 + 1) >> 16;
    return (uint32_t)((w & 0x0000ffff0000ffffull) * (10000 * (1ull << 32) + 1) >> 32);
}

/* The text of `cnt` (1..8) digits at p, pushed up so that leading lanes are '0'. */
static inline uint64_t tm_swar_leading(const uint8_t *p, uint32_t cnt)
{
    uint64_t zeros = TM_SWAR_EACH('0');
    if (cnt >= 8) return tm_swar_load(p);
    return tm_swar_load(p) << (8 * (8 - cnt)) | (zeros & tm_swar_low(8 - cnt));
}

/* Which of the 16 bytes at p are quotes, as a mask. */
static inline uint32_t tm_swar_quotes16(const uint8_t *p)
{
#ifdef __SSE2__
    __m128i x = _mm_loadu_si128((const __m128i *)p);
    return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(x, _mm_set1_epi8('"')));
#else
    uint64_t each = TM_SWAR_EACH('"');
    return tm_swar_mask(tm_swar_zero(tm_swar_load(p) ^ each)) |
           tm_swar_mask(tm_swar_zero(tm_swar_load(p + 8) ^ each)) << 8;
#endif
}

/* Which of the 16 bytes at p are ASCII digits, as a mask. */
static inline uint32_t tm_swar_digits16(const uint8_t *p)
{
#ifdef __SSE2__
    __m128i x = _mm_sub_epi8(_mm_loadu_si128((const __m128i *)p), _mm_set1_epi8('0'));
    return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(x, _mm_set1_epi8(9)), x));
#else
    return 0xffff & ~(tm_swar_mask(tm_swar_not_digit(tm_swar_load(p))) |
                      tm_swar_mask(tm_swar_not_digit(tm_swar_load(p + 8))) << 8);
#endif
}

#endif
