#include "parse/kernels.h"
#include "parse/swar.h"

/* Eight ASCII digits, the first in the lowest lane, to their value: pairs, then fours, then all. */
static uint32_t eight(uint64_t w)
{
    w = (w & TM_SWAR_EACH(0x0f)) * (10 * 256 + 1) >> 8;
    w = (w & 0x00ff00ff00ff00ffull) * (100 * 65536 + 1) >> 16;
    return (uint32_t)((w & 0x0000ffff0000ffffull) * (10000 * (1ull << 32) + 1) >> 32);
}

/* The text of `cnt` (1..8) digits at p, pushed up so that leading lanes are '0'. */
static uint64_t leading(const uint8_t *p, uint32_t cnt)
{
    uint64_t zeros = TM_SWAR_EACH('0');
    if (cnt >= 8) return tm_swar_load(p);
    return tm_swar_load(p) << (8 * (8 - cnt)) | (zeros & tm_swar_low(8 - cnt));
}

static uint32_t digit_run(const uint8_t *p)
{
    uint64_t stop = tm_swar_not_digit(tm_swar_load(p));
    if (stop) return (uint32_t)__builtin_ctzll(stop) >> 3;
    stop = tm_swar_not_digit(tm_swar_load(p + 8));
    return stop ? 8 + ((uint32_t)__builtin_ctzll(stop) >> 3) : 16;
}

static bool integer(const uint8_t *p, uint32_t sz, uint64_t *out)
{
    if (sz - 1 > 15 || digit_run(p) < sz || (*p == '0' && sz > 1)) return false;
    if (sz <= 8) {
        *out = eight(leading(p, sz));
        return true;
    }
    *out = eight(leading(p, sz - 8)) * 100000000ull + eight(tm_swar_load(p + sz - 8));
    return true;
}

/* Up to 7 digits before the point and 8 behind it, as in the SIMD kernels. */
static bool decimal(const uint8_t *p, uint32_t sz, uint64_t *out)
{
    uint32_t whole = digit_run(p);
    if (whole > sz) whole = sz;
    if (whole - 1 > 6 || (*p == '0' && whole > 1)) return false;
    *out = eight(leading(p, whole)) * 100000000ull;
    if (whole == sz) return true;
    uint32_t fraction = sz - whole - 1;
    if (p[whole] != '.' || fraction - 1 > 7) return false;
    uint64_t keep = tm_swar_low(fraction);
    uint64_t w = (tm_swar_load(p + whole + 1) & keep) | (TM_SWAR_EACH('0') & ~keep);
    if (tm_swar_not_digit(w)) return false;
    *out += eight(w);
    return true;
}

uint32_t tm_numerals_scalar(const uint8_t *bytes, const tm_numerals_t *numerals,
                            uint64_t *magnitudes)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < numerals->cnt; i++) {
        const uint8_t *p = bytes + numerals->from[i];
        uint32_t sz = tm_numerals_sz(numerals, i);
        bool is_integer = numerals->integers >> i & 1;
        bool done = is_integer ? integer(p, sz, &magnitudes[i]) : decimal(p, sz, &magnitudes[i]);
        left |= (uint32_t)!done << i;
    }
    return left;
}
