#include "parse/scan/numeral.h"

enum { EXPONENT_MAX = 9999 };

const uint64_t tm_powers_of_ten[20] = {1ull,
                                       10ull,
                                       100ull,
                                       1000ull,
                                       10000ull,
                                       100000ull,
                                       1000000ull,
                                       10000000ull,
                                       100000000ull,
                                       1000000000ull,
                                       10000000000ull,
                                       100000000000ull,
                                       1000000000000ull,
                                       10000000000000ull,
                                       100000000000000ull,
                                       1000000000000000ull,
                                       10000000000000000ull,
                                       100000000000000000ull,
                                       1000000000000000000ull,
                                       10000000000000000000ull};

static bool is_digit(uint8_t c)
{
    return (uint8_t)(c - '0') <= 9;
}

/* magnitude = magnitude * 10^zeros + digit; false where that leaves 64 bits. */
static bool append(uint64_t *magnitude, uint32_t zeros, uint32_t digit)
{
    uint64_t m = *magnitude;
    for (; zeros > 0 && m != 0; zeros--)
        if (__builtin_mul_overflow(m, 10u, &m)) return false;
    if (__builtin_add_overflow(m, digit, &m)) return false;
    *magnitude = m;
    return true;
}

/* A run of digits. Zeros are held back until a digit other than zero follows, so that any number of
   trailing zeros is harmless. `pending` counts those held back. */
static const uint8_t *digits(const uint8_t *p, const uint8_t *end, tm_numeral_t *out,
                             uint32_t *pending, bool *fits)
{
    for (; p < end && is_digit(*p); p++) {
        if (*p == '0') {
            (*pending)++;
            continue;
        }
        if (*fits) *fits = append(&out->magnitude, *pending + 1, *p - '0');
        *pending = 0;
    }
    return p;
}

/* e, sign, digits; NULL where it is malformed. */
static const uint8_t *exponent(const uint8_t *p, const uint8_t *end, int32_t *out)
{
    bool minus = false;
    int32_t e = 0;
    p++;
    if (p < end && (*p == '+' || *p == '-')) minus = *p++ == '-';
    if (p == end || !is_digit(*p)) return NULL;
    for (; p < end && is_digit(*p); p++) e = e < EXPONENT_MAX ? e * 10 + (*p - '0') : EXPONENT_MAX;
    if (e > EXPONENT_MAX) e = EXPONENT_MAX;
    *out = minus ? -e : e;
    return p;
}

/* The common form: no sign, no exponent, so few digits that nothing can overflow, and none that the
   scale has no place for. False for all others. */
static bool read_common(const uint8_t *text, uint32_t sz, uint32_t scale, bool json, uint64_t *out)
{
    static const uint64_t powers[] = {1,      10,      100,      1000,      10000,
                                      100000, 1000000, 10000000, 100000000, 1000000000};
    uint32_t whole = 0;
    uint64_t v = 0;
    if (sz == 0 || sz > 18 || scale >= TM_ARRAY_CNT(powers)) return false;
    for (; whole < sz && is_digit(text[whole]); whole++) v = v * 10 + (text[whole] - '0');
    if (whole == 0 || (json && text[0] == '0' && whole > 1)) return false;
    if (whole < sz) {
        if (text[whole] != '.' || whole + 1 == sz) return false;
        uint32_t i = whole + 1;
        for (; i < sz && is_digit(text[i]); i++) v = v * 10 + (text[i] - '0');
        if (i < sz) return false;
    }
    uint32_t fraction = whole < sz ? sz - whole - 1 : 0;
    return fraction <= scale && !__builtin_mul_overflow(v, powers[scale - fraction], out);
}

tm_reason_t tm_numeral_read(const uint8_t *text, uint32_t sz, uint32_t scale, bool json,
                            tm_numeral_t *out)
{
    uint64_t common;
    if (read_common(text, sz, scale, json, &common)) {
        *out = (tm_numeral_t){common, false};
        return TM_REASON_NONE;
    }
    const uint8_t *p = text, *end = text + sz;
    tm_numeral_t n = {0};
    uint32_t pending = 0;
    bool fits = true;
    int32_t exp10 = 0;
    if (p < end && *p == '-') p++, n.negative = true;
    const uint8_t *first = p;
    p = digits(p, end, &n, &pending, &fits);
    if (p == first || (json && *first == '0' && p - first > 1)) return TM_REASON_NUMBER;
    int64_t fraction_cnt = 0;
    if (p < end && *p == '.') {
        const uint8_t *dot = p++;
        p = digits(p, end, &n, &pending, &fits);
        fraction_cnt = p - dot - 1;
        if (fraction_cnt == 0) return TM_REASON_NUMBER;
    }
    if (p < end && (*p == 'e' || *p == 'E')) p = exponent(p, end, &exp10);
    if (p != end) return TM_REASON_NUMBER;
    /* The value is magnitude * 10^power. */
    int64_t power = (int64_t)exp10 - fraction_cnt + scale + pending;
    if (n.magnitude == 0 && fits)
        n.negative = false;
    else if (!fits || power < 0 || power > 20 || !append(&n.magnitude, (uint32_t)power, 0))
        return TM_REASON_RANGE;
    *out = n;
    return TM_REASON_NONE;
}
