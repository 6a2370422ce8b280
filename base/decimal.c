#include "base/decimal.h"

#include "base/check.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

size_t tm_decimal_format(char out[TM_DECIMAL_TEXT_MAX], tm_i128_t value, uint32_t scale)
{
    char rev[TM_DECIMAL_TEXT_MAX];
    size_t n = 0, len = 0;
    TM_CHECK(scale <= 38, "scale %u", scale);
    tm_u128_t left = value < 0 ? -(tm_u128_t)value : (tm_u128_t)value;
    for (uint32_t i = 0; left != 0 || i <= scale; i++) {
        if (scale != 0 && i == scale) rev[n++] = '.';
        rev[n++] = (char)('0' + (int)(left % 10));
        left /= 10;
    }
    if (value < 0) out[len++] = '-';
    while (n > 0) out[len++] = rev[--n];
    out[len] = '\0';
    return len;
}

size_t tm_time_format(char out[TM_TIME_TEXT_MAX], int64_t time_ns, int64_t unit_ns)
{
    int64_t s = time_ns / TM_NS_PER_S;
    int64_t frac_ns = time_ns % TM_NS_PER_S;
    if (frac_ns < 0) {
        frac_ns += TM_NS_PER_S;
        s--;
    }
    const time_t t = (time_t)s;
    struct tm utc;
    gmtime_r(&t, &utc);
    size_t n = strftime(out, TM_TIME_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &utc);
    int digits = unit_ns >= TM_NS_PER_S ? 0 : unit_ns >= TM_NS_PER_MS ? 3 : unit_ns >= 1000 ? 6 : 9;
    if (digits > 0) {
        char frac[16];
        snprintf(frac, sizeof frac, ".%09lld", (long long)frac_ns);
        memcpy(out + n, frac, (size_t)digits + 1);
        n += (size_t)digits + 1;
    }
    out[n++] = 'Z';
    out[n] = '\0';
    return n;
}
