#include "parse/term.h"

#include <string.h>

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

static bool word_is(const uint8_t *text, uint32_t sz, const char *word)
{
    uint32_t i = 0;
    while (i < sz && word[i] && lower(text[i]) == (uint8_t)word[i]) i++;
    return i == sz && !word[i];
}

uint8_t tm_term_side(const uint8_t *text, uint32_t sz)
{
    static const char *const buys[] = {"buy", "b", "bid"};
    static const char *const sells[] = {"sell", "s", "offer", "ask", "a"};
    for (uint32_t i = 0; i < TM_ARRAY_CNT(buys); i++)
        if (word_is(text, sz, buys[i])) return TM_SIDE_BUY;
    for (uint32_t i = 0; i < TM_ARRAY_CNT(sells); i++)
        if (word_is(text, sz, sells[i])) return TM_SIDE_SELL;
    return TM_SIDE_UNKNOWN;
}

bool tm_term_interval(const uint8_t *text, uint32_t sz, int64_t *out_ns)
{
    int64_t cnt = 0, unit_s = 60;
    uint32_t i = 0;
    for (; i < sz && i < 6 && (uint8_t)(text[i] - '0') <= 9; i++) cnt = cnt * 10 + (text[i] - '0');
    if (i == 0) cnt = 1;
    if (sz == 0 || sz > i + 1) return false;
    if (sz == i + 1) {
        switch (text[i]) {
        case 's':
            unit_s = 1;
            break;
        case 'm':
            break;
        case 'h':
        case 'H':
            unit_s = 3600;
            break;
        case 'd':
        case 'D':
            unit_s = 86400;
            break;
        case 'w':
        case 'W':
            unit_s = 7 * 86400;
            break;
        default:
            return false;
        }
    }
    *out_ns = cnt * unit_s * TM_NS_PER_S;
    return true;
}

static int32_t hex(uint8_t c)
{
    if ((uint8_t)(c - '0') <= 9) return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

tm_reason_t tm_term_trade_id(const uint8_t *text, uint32_t sz, uint64_t *out)
{
    tm_numeral_t n;
    if (sz != 36 || text[8] != '-') {
        tm_reason_t reason = tm_numeral_read(text, sz, 0, false, &n);
        *out = n.magnitude;
        return reason ? reason : n.negative ? TM_REASON_RANGE : TM_REASON_NONE;
    }
    *out = 0;
    for (uint32_t i = 0; i < sz; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash != (text[i] == '-') || (!dash && hex(text[i]) < 0)) return TM_REASON_NUMBER;
        if (!dash && i < 18) *out = *out << 4 | (uint64_t)hex(text[i]);
    }
    return TM_REASON_NONE;
}

uint32_t tm_term_stream_symbol(const uint8_t *text, uint32_t sz, uint8_t *room, uint32_t room_sz)
{
    const uint8_t *at = memchr(text, '@', sz);
    uint32_t n = at ? (uint32_t)(at - text) : 0;
    if (n > room_sz) return 0;
    for (uint32_t i = 0; i < n; i++)
        room[i] = text[i] >= 'a' && text[i] <= 'z' ? (uint8_t)(text[i] - 0x20) : text[i];
    return n;
}

bool tm_term_stream_is_partial(const uint8_t *text, uint32_t sz)
{
    static const char key[] = "@depth";
    enum { KEY_SZ = sizeof key - 1 };
    const uint8_t *at = memchr(text, '@', sz), *end = text + sz;
    for (; at && end - at > KEY_SZ; at = memchr(at + 1, '@', (size_t)(end - at - 1)))
        if (memcmp(at, key, KEY_SZ) == 0) return (uint8_t)(at[KEY_SZ] - '0') <= 9;
    return false;
}

uint32_t tm_term_tail(const uint8_t *text, uint32_t sz)
{
    const uint8_t *point = memrchr(text, '.', sz);
    return point ? (uint32_t)(point - text) + 1 : 0;
}

/* v * 10^cnt; false where it leaves 38 digits by far. */
static bool scale_up(tm_u128_t *v, int32_t cnt)
{
    const tm_u128_t most = (((tm_u128_t)1 << 127) - 1) / 10;
    for (; cnt > 0 && *v != 0; cnt--) {
        if (*v > most) return false;
        *v *= 10;
    }
    return true;
}

/* Reads what has the form of a number but more than 64 bits of value. Zeros count only once a digit
   that is none follows them. */
static bool wide_read(const uint8_t *text, uint32_t sz, tm_u128_t *v)
{
    int32_t zeros = 0, fraction = 0, exponent = 0;
    bool behind = false, minus;
    uint32_t i = text[0] == '-';
    *v = 0;
    for (; i < sz && (text[i] | 0x20) != 'e'; i++) {
        fraction += behind;
        if (text[i] == '.') {
            behind = true;
        } else if (text[i] == '0') {
            zeros++;
        } else {
            if (!scale_up(v, zeros + 1)) return false;
            *v += (uint32_t)(text[i] - '0');
            zeros = 0;
        }
    }
    minus = i + 1 < sz && text[i + 1] == '-';
    bool sign = minus || (i + 1 < sz && text[i + 1] == '+');
    for (i += sign ? 2 : 1; i < sz; i++)
        if (exponent < 9999) exponent = exponent * 10 + (text[i] - '0');
    const tm_u128_t most = (tm_u128_t)9999999999999999999u * 10000000000000000000u +
                           9999999999999999999u;
    int32_t shift = TM_NUMERAL_SCALE + zeros - fraction + (minus ? -exponent : exponent);
    return (shift >= 0 || *v == 0) && scale_up(v, shift) && *v <= most;
}

tm_reason_t tm_term_wide(const uint8_t *text, uint32_t sz, bool json, tm_i128_t *out)
{
    tm_numeral_t n;
    tm_reason_t reason = tm_numeral_read(text, sz, TM_NUMERAL_SCALE, json, &n);
    tm_u128_t v = n.magnitude;
    if (reason == TM_REASON_RANGE && wide_read(text, sz, &v)) reason = TM_REASON_NONE;
    *out = text[0] == '-' ? -(tm_i128_t)v : (tm_i128_t)v;
    return reason;
}

uint32_t tm_term_fraction_digits(const uint8_t *text, uint32_t sz)
{
    const uint8_t *point = memchr(text, '.', sz);
    if (!point) return 0;
    uint32_t n = 0;
    for (const uint8_t *p = point + 1; p < text + sz && (uint8_t)(*p - '0') <= 9; p++) n++;
    return n;
}
