/* parse/bytes.h - eight bytes at a time: loads and tests of text in plain 64-bit words.
   Units    lanes: byte 0 of a word is the first byte of the text
   Threads  no state
   Limits   little-endian machines */
#ifndef TM_PARSE_BYTES_H
#define TM_PARSE_BYTES_H

#include "base/types.h"

#include <assert.h>
#include <string.h>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "words are read as little-endian text");

#define TM_BYTES_EACH(byte) (0x0101010101010101ull * (uint8_t)(byte))

static inline uint64_t tm_bytes_load(const uint8_t *p)
{
    uint64_t w;
    memcpy(&w, p, sizeof w);
    return w;
}

static inline uint32_t tm_bytes_load4(const uint8_t *p)
{
    uint32_t w;
    memcpy(&w, p, sizeof w);
    return w;
}

/* The lowest `cnt` (0..8) bytes set. */
static inline uint64_t tm_bytes_low(uint32_t cnt)
{
    return cnt >= 8 ? ~0ull : (1ull << (8 * cnt)) - 1;
}

/* High bit of every lane that is zero. Exact in every lane: no borrow crosses lanes. */
static inline uint64_t tm_bytes_zero(uint64_t w)
{
    uint64_t low7 = TM_BYTES_EACH(0x7f);
    return ~(((w & low7) + low7) | w | low7);
}

/* High bit of every lane that is no ASCII digit. */
static inline uint64_t tm_bytes_not_digit(uint64_t w)
{
    uint64_t x = w ^ TM_BYTES_EACH('0'); /* digits become 0..9 */
    return (((x & TM_BYTES_EACH(0x7f)) + TM_BYTES_EACH(0x76)) | x) & TM_BYTES_EACH(0x80);
}

/* High bit of every lane below 0x20 or above 0x7f, or a backslash. */
static inline uint64_t tm_bytes_odd(uint64_t w)
{
    uint64_t above_ctrl = ((w & TM_BYTES_EACH(0x7f)) + TM_BYTES_EACH(0x60)) & TM_BYTES_EACH(0x80);
    return (w | ~above_ctrl | tm_bytes_zero(w ^ TM_BYTES_EACH('\\'))) & TM_BYTES_EACH(0x80);
}

/* The high bits of the lanes as an 8-bit mask. */
static inline uint32_t tm_bytes_mask(uint64_t high_bits)
{
    return (uint32_t)((high_bits >> 7) * 0x0102040810204080ull >> 56);
}

#endif
