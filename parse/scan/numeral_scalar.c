#include "parse/scan/kernels.h"
#include "parse/scan/swar.h"

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
        *out = tm_swar_eight(tm_swar_leading(p, sz));
        return true;
    }
    *out = tm_swar_eight(tm_swar_leading(p, sz - 8)) * 100000000ull +
           tm_swar_eight(tm_swar_load(p + sz - 8));
    return true;
}

/* Up to 7 digits before the point and 8 behind it, as in the SIMD kernels. */
static bool decimal(const uint8_t *p, uint32_t sz, uint64_t *out)
{
    uint32_t whole = digit_run(p);
    if (whole > sz) whole = sz;
    if (whole - 1 > 6 || (*p == '0' && whole > 1)) return false;
    *out = tm_swar_eight(tm_swar_leading(p, whole)) * 100000000ull;
    if (whole == sz) return true;
    uint32_t fraction = sz - whole - 1;
    if (p[whole] != '.' || fraction - 1 > 7) return false;
    uint64_t keep = tm_swar_low(fraction);
    uint64_t w = (tm_swar_load(p + whole + 1) & keep) | (TM_SWAR_EACH('0') & ~keep);
    if (tm_swar_not_digit(w)) return false;
    *out += tm_swar_eight(w);
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
