#include "parse/scan/quoted.h"

#include "parse/scan/swar.h"

static int32_t hex4(const uint8_t *p)
{
    int32_t v = 0;
    for (int i = 0; i < 4; i++) {
        uint8_t c = p[i], lower = c | 0x20;
        if ((uint8_t)(c - '0') <= 9)
            v = v * 16 + (c - '0');
        else if ((uint8_t)(lower - 'a') <= 5)
            v = v * 16 + (lower - 'a' + 10);
        else
            return -1;
    }
    return v;
}

uint32_t tm_quoted_utf8(const uint8_t *p, uint32_t left)
{
    uint8_t c = p[0];
    if (c < 0x80) return 1;
    uint32_t sz = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
    if (c < 0xc2 || c > 0xf4 || sz > left) return 0;
    for (uint32_t i = 1; i < sz; i++)
        if ((p[i] & 0xc0) != 0x80) return 0;
    /* Overlong forms, surrogates and code points above U+10FFFF show in the second byte. */
    if ((c == 0xe0 && p[1] < 0xa0) || (c == 0xed && p[1] > 0x9f)) return 0;
    if ((c == 0xf0 && p[1] < 0x90) || (c == 0xf4 && p[1] > 0x8f)) return 0;
    return sz;
}

/* Size of the escape at p, which starts with a backslash; 0 where it is none. */
static uint32_t escape_sz(const uint8_t *p, uint32_t left)
{
    if (left < 2) return 0;
    if (p[1] == 'u') return left >= 6 && hex4(p + 2) >= 0 ? 6 : 0;
    return p[1] != 0 && strchr("\"\\/bfnrt", p[1]) ? 2 : 0;
}

tm_reason_t tm_quoted_check(const uint8_t *body, uint32_t sz, uint32_t *bad_off)
{
    uint32_t i = 0;
    while (i < sz) {
        uint64_t odd = tm_swar_odd(tm_swar_load(body + i));
        if (odd == 0) {
            i += 8;
            continue;
        }
        i += (uint32_t)__builtin_ctzll(odd) >> 3;
        if (i >= sz) break;
        *bad_off = i;
        bool is_utf8 = body[i] >= 0x80;
        uint32_t step = is_utf8           ? tm_quoted_utf8(body + i, sz - i)
                        : body[i] == '\\' ? escape_sz(body + i, sz - i)
                                          : 0;
        if (step == 0) return is_utf8 ? TM_REASON_UTF8 : TM_REASON_SYNTAX;
        i += step;
    }
    return TM_REASON_NONE;
}

static uint32_t utf8_put(uint8_t out[4], uint32_t code)
{
    if (code < 0x80) {
        out[0] = (uint8_t)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (uint8_t)(0xc0 | code >> 6);
        out[1] = (uint8_t)(0x80 | (code & 0x3f));
        return 2;
    }
    uint32_t sz = code < 0x10000 ? 3 : 4;
    out[0] = (uint8_t)(sz == 3 ? 0xe0 | code >> 12 : 0xf0 | code >> 18);
    for (uint32_t i = 1; i < sz; i++)
        out[i] = (uint8_t)(0x80 | (code >> (6 * (sz - 1 - i)) & 0x3f));
    return sz;
}

/* The code point of the escape at p and its size; -1 for a lone surrogate. */
static int32_t unescape(const uint8_t *p, uint32_t left, uint32_t *sz)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    *sz = 2;
    const char *named = strchr(from, p[1]);
    if (named) return to[named - from];
    if (p[1] != 'u') return p[1];
    *sz = 6;
    int32_t code = hex4(p + 2);
    if (code < 0xd800 || code > 0xdfff) return code;
    if (code > 0xdbff || left < 12 || p[6] != '\\' || p[7] != 'u') return -1;
    int32_t low = hex4(p + 8);
    if (low < 0xdc00 || low > 0xdfff) return -1;
    *sz = 12;
    return 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
}

int32_t tm_quoted_decode(const uint8_t *body, uint32_t sz, uint8_t *out, uint32_t out_max)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < sz;) {
        uint8_t piece[4] = {body[i]};
        uint32_t step = 1, piece_sz = 1;
        if (body[i] == '\\') {
            int32_t code = unescape(body + i, sz - i, &step);
            if (code < 0) return -1;
            piece_sz = utf8_put(piece, (uint32_t)code);
        }
        if (n + piece_sz > out_max) return -1;
        memcpy(out + n, piece, piece_sz);
        n += piece_sz;
        i += step;
    }
    return (int32_t)n;
}
