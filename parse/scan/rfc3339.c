#include "parse/scan/rfc3339.h"

#include "parse/scan/swar.h"

enum { DATE_TIME_SZ = 19, DAY_S = 86400 };

/* Words of "dddd-dd-", "ddTdd:dd", ":dd": where digits must stand, and the other bytes. */
#define DIGITS_0 0x00ffff00ffffffffull
#define OTHERS_0 0x2d00002d00000000ull /* - - */
#define DIGITS_1 0xffff00ffff00ffffull
#define OTHERS_1 0x00003a0000000000ull /* : ; the byte between date and time has several forms */
#define DIGITS_2 0x0000000000ffff00ull
#define OTHERS_2 0x000000000000003aull /* : */

static bool form_is(uint64_t word, uint64_t digits, uint64_t others, uint64_t free)
{
    uint64_t wrong = tm_swar_not_digit(word) & digits;
    return (wrong | ((word ^ others) & ~digits & ~free)) == 0;
}

/* The two digits whose first is byte i of a word. */
static uint32_t pair(uint64_t word, uint32_t i)
{
    uint32_t tens = (uint32_t)(word >> (8 * i)) & 15, ones = (uint32_t)(word >> (8 * i + 8)) & 15;
    return 10 * tens + ones;
}

static uint32_t month_days(uint32_t year, uint32_t month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (uint32_t)(month == 2 && leap);
}

/* Days since 1970-01-01. Years start in March here, so that the leap day is their last. */
static int64_t days_since_1970(uint32_t year, uint32_t month, uint32_t day)
{
    int64_t y = (int64_t)year - (month <= 2);
    int64_t m = month > 2 ? month - 3 : month + 9;
    int64_t leaps = y / 4 - y / 100 + y / 400 - (y < 0);
    return y * 365 + leaps + (m * 153 + 2) / 5 + day - 1 - 719468;
}

/* .digits at *p: nanoseconds. */
static tm_reason_t fraction(const uint8_t **p, const uint8_t *end, int64_t *ns)
{
    uint32_t cnt = 0;
    bool beyond = false;
    *ns = 0;
    if (*p == end || **p != '.') return TM_REASON_NONE;
    for (++*p; *p < end && (uint8_t)(**p - '0') <= 9; ++*p, cnt++) {
        if (cnt < 9)
            *ns = *ns * 10 + (**p - '0');
        else
            beyond |= **p != '0';
    }
    for (uint32_t i = cnt; i < 9; i++) *ns *= 10;
    return cnt == 0 ? TM_REASON_NUMBER : beyond ? TM_REASON_RANGE : TM_REASON_NONE;
}

/* Z or +hh:mm, to the end: seconds east of Greenwich. */
static bool offset(const uint8_t *p, const uint8_t *end, int64_t *east_s)
{
    *east_s = 0;
    if (end - p == 1) return (*p | 0x20) == 'z';
    if (end - p != 6 || (*p != '+' && *p != '-')) return false;
    uint64_t word = tm_swar_load(end - 8) >> 24; /* nothing behind the end is read */
    if (!form_is(word, 0xffff00ffffull, 0x3a0000ull, ~tm_swar_low(5))) return false;
    uint32_t hour = pair(word, 0), minute = pair(word, 3);
    *east_s = (int64_t)(hour * 3600 + minute * 60) * (*p == '-' ? -1 : 1);
    return hour <= 23 && minute <= 59;
}

tm_reason_t tm_rfc3339_read(const uint8_t *text, uint32_t sz, int64_t *out)
{
    if (sz < DATE_TIME_SZ + 1) return TM_REASON_NUMBER;
    uint64_t w0 = tm_swar_load(text), w1 = tm_swar_load(text + 8), w2 = tm_swar_load(text + 16);
    uint8_t between = text[10];
    bool fine = form_is(w0, DIGITS_0, OTHERS_0, 0) && form_is(w1, DIGITS_1, OTHERS_1, 0xff0000) &&
                form_is(w2, DIGITS_2, OTHERS_2, ~tm_swar_low(3));
    if (!fine || ((between | 0x20) != 't' && between != ' ')) return TM_REASON_NUMBER;
    uint32_t year = pair(w0, 0) * 100 + pair(w0, 2), month = pair(w0, 5), day = pair(w1, 0);
    uint32_t hour = pair(w1, 3), minute = pair(w1, 6), second = pair(w2, 1);
    if (month - 1 > 11 || day - 1 >= month_days(year, month)) return TM_REASON_NUMBER;
    if (hour > 23 || minute > 59 || second > 60) return TM_REASON_NUMBER;

    const uint8_t *p = text + DATE_TIME_SZ, *end = text + sz;
    int64_t ns, east_s;
    tm_reason_t reason = fraction(&p, end, &ns);
    if (reason == TM_REASON_NUMBER || !offset(p, end, &east_s)) return TM_REASON_NUMBER;
    int64_t days = days_since_1970(year, month, day);
    int64_t utc_s = days * DAY_S + hour * 3600 + minute * 60 + second - east_s;
    if (second == 60) {
        /* The second behind it must be the first of a month, seen from Greenwich; whether that is
           so shows a day before and behind the text's own. */
        bool midnight = utc_s % DAY_S == 0;
        int64_t next_day = utc_s / DAY_S - days; /* 0, 1 or 2 */
        bool month_ends = midnight &&
                          (next_day == 0 ? day == 1
                                         : day + next_day == month_days(year, month) + 1);
        if (!month_ends) return TM_REASON_NUMBER;
    }
    /* Before 1970 the seconds may leave the range where the nanoseconds bring them back. */
    bool before = utc_s < 0 && ns > 0;
    int64_t total;
    if (before) utc_s++, ns -= (int64_t)TM_NS_PER_S;
    if (__builtin_mul_overflow(utc_s, (int64_t)TM_NS_PER_S, &total) ||
        __builtin_add_overflow(total, ns, &total))
        return TM_REASON_RANGE;
    *out = total;
    return reason;
}
