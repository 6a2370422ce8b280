#include "parse/scan/kernels.h"
#include "parse/scan/swar.h"

/* Bytes of a word that are brackets, braces, colons or commas. The bit that tells [ from { and ]
   from } is set first; no other byte becomes one of them by that. */
static uint64_t is_mark(uint64_t w)
{
    uint64_t brace = w | TM_SWAR_EACH(0x20);
    return tm_swar_zero(brace ^ TM_SWAR_EACH('{')) | tm_swar_zero(brace ^ TM_SWAR_EACH('}')) |
           tm_swar_zero(w ^ TM_SWAR_EACH(':')) | tm_swar_zero(w ^ TM_SWAR_EACH(','));
}

/* Eight words make a block, so that escapes are resolved exactly as in the SIMD kernels. */
static inline uint32_t scan_blocks(const uint8_t *bytes, uint32_t sz, tm_scan_t *scan, uint16_t *at,
                                   bool all_marks)
{
    uint16_t *out = at;
    uint64_t odd_any = 0;
    for (uint32_t off = 0; off < sz; off += 64) {
        uint32_t left = sz - off;
        uint32_t end = left < 64 ? left : 64;
        uint64_t quotes = 0, slashes = 0, marks = 0;
        for (uint32_t i = 0; i < end; i += 8) {
            uint64_t w = tm_swar_load(bytes + off + i);
            uint64_t keep = tm_swar_low(end - i);
            uint64_t odd = tm_swar_odd(w) & keep;
            quotes |= (uint64_t)tm_swar_mask(tm_swar_zero(w ^ TM_SWAR_EACH('"')) & keep) << i;
            if (all_marks) marks |= (uint64_t)tm_swar_mask(is_mark(w) & keep) << i;
            if (odd) {
                slashes |= (uint64_t)tm_swar_mask(tm_swar_zero(w ^ TM_SWAR_EACH('\\')) & keep) << i;
            }
            odd_any |= odd;
        }
        if (TM_UNLIKELY(slashes != 0 || scan->escaping))
            quotes &= ~tm_scan_escaped(slashes, &scan->escaping);
        if (all_marks) quotes |= marks & ~tm_scan_inside(quotes, &scan->inside);
        for (; quotes; quotes &= quotes - 1)
            *out++ = (uint16_t)(off + (uint32_t)__builtin_ctzll(quotes));
    }
    scan->odd = odd_any != 0;
    return (uint32_t)(out - at);
}

uint32_t tm_quotes_scalar(const uint8_t *bytes, uint32_t sz, tm_scan_t *scan, uint16_t *at)
{
    return scan_blocks(bytes, sz, scan, at, false);
}

uint32_t tm_marks_scalar(const uint8_t *bytes, uint32_t sz, tm_scan_t *scan, uint16_t *at)
{
    return scan_blocks(bytes, sz, scan, at, true);
}
