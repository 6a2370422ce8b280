#include "base/stamp.h"

#include "base/error.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

size_t tm_stamp_digit_cnt(const char *p, size_t sz)
{
    size_t n = 0;
    while (n < sz && p[n] >= '0' && p[n] <= '9') n++;
    return n;
}

int64_t tm_stamp_digits(const char *p, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++) v = v * 10 + (uint64_t)(p[i] - '0');
    return v <= INT64_MAX ? (int64_t)v : -1;
}

/* ".5", ".024723": digits behind the ninth are dropped. Returns the bytes taken. */
static size_t fraction(const char *p, size_t sz, int64_t *ns)
{
    *ns = 0;
    if (sz == 0 || p[0] != '.') return 0;
    const size_t n = tm_stamp_digit_cnt(p + 1, sz - 1);
    int64_t unit = TM_NS_PER_S / 10;
    for (size_t i = 0; i < n && unit > 0; i++, unit /= 10) *ns += (p[1 + i] - '0') * unit;
    return n ? n + 1 : 0;
}

size_t tm_stamp_seconds(const char *p, size_t sz, int64_t *ns)
{
    const size_t whole = tm_stamp_digit_cnt(p, sz);
    if (whole == 0 || whole > 10) return 0;
    int64_t frac;
    const size_t rest = fraction(p + whole, sz - whole, &frac);
    const int64_t s = tm_stamp_digits(p, whole);
    if (s > INT64_MAX / TM_NS_PER_S - 1) return 0;
    *ns = s * TM_NS_PER_S + frac;
    return whole + rest;
}

size_t tm_stamp_iso(const char *p, size_t sz, int64_t *ns)
{
    struct tm tm = {.tm_mday = 1};
    static const char shape[] = "dddd-dd-ddTdd:dd:dd";
    size_t n = 0;
    while (n < sz && n < sizeof shape - 1) {
        const bool digit = p[n] >= '0' && p[n] <= '9';
        if (shape[n] == 'd' ? !digit : p[n] != shape[n] && !(shape[n] == 'T' && p[n] == ' ')) break;
        n++;
    }
    if (n < 10 || (n != 10 && n != 13 && n != 16 && n != 19)) return 0;
    tm.tm_year = (int)tm_stamp_digits(p, 4) - 1900;
    tm.tm_mon = (int)tm_stamp_digits(p + 5, 2) - 1;
    tm.tm_mday = (int)tm_stamp_digits(p + 8, 2);
    if (n >= 13) tm.tm_hour = (int)tm_stamp_digits(p + 11, 2);
    if (n >= 16) tm.tm_min = (int)tm_stamp_digits(p + 14, 2);
    if (n >= 19) tm.tm_sec = (int)tm_stamp_digits(p + 17, 2);
    int64_t frac = 0;
    if (n == 19) n += fraction(p + n, sz - n, &frac);
    if (n < sz && p[n] == 'Z') n++;
    const struct tm said = tm;
    const int64_t s = timegm(&tm); /* brings the 31st of June to July, which nobody meant */
    if (tm.tm_mon != said.tm_mon || tm.tm_mday != said.tm_mday || tm.tm_hour != said.tm_hour ||
        tm.tm_min != said.tm_min || tm.tm_sec != said.tm_sec)
        return 0;
    if (s < 0 || s > INT64_MAX / TM_NS_PER_S - 1) return 0;
    *ns = s * TM_NS_PER_S + frac;
    return n;
}

int tm_stamp_parse(const char *text, int64_t *out_ns)
{
    const size_t sz = strlen(text);
    if (tm_stamp_digit_cnt(text, sz) == sz && sz == 19) {
        *out_ns = tm_stamp_digits(text, sz);
        if (*out_ns > 0) return 0;
    } else if (text[0] == '@') {
        if (tm_stamp_seconds(text + 1, sz - 1, out_ns) == sz - 1 && sz > 1) return 0;
    } else if (sz > 0 && tm_stamp_iso(text, sz, out_ns) == sz) {
        return 0;
    }
    return tm_error_set(TM_E_CONFIG,
                        "'%s' is not a time: write 2024-08-08T23:54:14.5Z, 19 digits of ns, or "
                        "@<Unix seconds>",
                        text);
}

void tm_stamp_text(char *out, int64_t ns)
{
    if (ns == INT64_MIN) {
        snprintf(out, 32, "-");
        return;
    }
    int64_t s = ns / TM_NS_PER_S, frac = ns % TM_NS_PER_S;
    if (frac < 0) {
        s--;
        frac += TM_NS_PER_S;
    }
    struct tm tm;
    const time_t t = s;
    char date[24];
    gmtime_r(&t, &tm);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out, 32, "%.20s.%09dZ", date, (int)frac);
}
