#include "parse/scan/quoted.h"
#include "tests/tm_test.h"

#include <stdio.h>
#include <string.h>

static tm_reason_t check(const char *text, size_t sz, uint32_t *off)
{
    uint8_t room[256] = {0};
    memcpy(room, text, sz);
    memset(room + sz, 0xff, 16); /* must not be looked at */
    return tm_quoted_check(room, (uint32_t)sz, off);
}

Test(quoted, well_formed_bodies_pass)
{
    static const char *const good[] = {"",
                                       "plain",
                                       "a longer plain text of more than eight bytes",
                                       "\\\"\\\\\\/\\b\\f\\n\\r\\t",
                                       "\\u00e9\\uD83D\\uDE00",
                                       "\\ud800 lone, but the grammar lets it",
                                       "\x7f",
                                       "h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80",
                                       "\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf"};
    for (size_t i = 0; i < TM_ARRAY_CNT(good); i++) {
        uint32_t off = 0;
        tm_assert(check(good[i], strlen(good[i]), &off) == TM_REASON_NONE);
    }
}

Test(quoted, broken_bodies_name_the_place)
{
    static const struct {
        const char *text;
        uint32_t off;
        tm_reason_t reason;
    } bad[] = {
        {"a\nb", 1, TM_REASON_SYNTAX},
        {"0123456789\x01", 10, TM_REASON_SYNTAX},
        {"\\x", 0, TM_REASON_SYNTAX},
        {"\\u12", 0, TM_REASON_SYNTAX},
        {"\\u12g4", 0, TM_REASON_SYNTAX},
        {"abc\\", 3, TM_REASON_SYNTAX},
        {"\x80", 0, TM_REASON_UTF8},
        {"ab\xc3", 2, TM_REASON_UTF8},
        {"\xc0\xaf", 0, TM_REASON_UTF8},
        {"\xe0\x80\xaf", 0, TM_REASON_UTF8},
        {"\xed\xa0\x80", 0, TM_REASON_UTF8},
        {"\xf0\x80\x80\x80", 0, TM_REASON_UTF8},
        {"\xf4\x90\x80\x80", 0, TM_REASON_UTF8},
        {"\xf5\x80\x80\x80", 0, TM_REASON_UTF8},
        {"\xfe", 0, TM_REASON_UTF8},
        {"ok \xe2\x82", 3, TM_REASON_UTF8},
        {"\xe2\x28\xa1", 0, TM_REASON_UTF8},
    };
    for (size_t i = 0; i < TM_ARRAY_CNT(bad); i++) {
        uint32_t off = 99;
        tm_assert(check(bad[i].text, strlen(bad[i].text), &off) == bad[i].reason);
        tm_assert_eq(off, bad[i].off);
    }
}

/* RFC 3629 by ranges of code points: every one is encoded by hand, and every encoding one off is
   looked at. */
Test(quoted, every_code_point_is_taken_and_no_surrogate)
{
    for (uint32_t c = 0; c < 0x110000; c++) {
        uint8_t p[4];
        uint32_t sz;
        if (c < 0x80) {
            p[0] = (uint8_t)c;
            sz = 1;
        } else if (c < 0x800) {
            p[0] = (uint8_t)(0xc0 + c / 64);
            p[1] = (uint8_t)(0x80 + c % 64);
            sz = 2;
        } else if (c < 0x10000) {
            p[0] = (uint8_t)(0xe0 + c / 4096);
            p[1] = (uint8_t)(0x80 + c / 64 % 64);
            p[2] = (uint8_t)(0x80 + c % 64);
            sz = 3;
        } else {
            p[0] = (uint8_t)(0xf0 + c / 262144);
            p[1] = (uint8_t)(0x80 + c / 4096 % 64);
            p[2] = (uint8_t)(0x80 + c / 64 % 64);
            p[3] = (uint8_t)(0x80 + c % 64);
            sz = 4;
        }
        bool surrogate = c >= 0xd800 && c < 0xe000;
        if (tm_quoted_utf8(p, sz) != (surrogate ? 0 : sz)) tm_assert_eq(c, UINT32_MAX);
        if (sz > 1 && tm_quoted_utf8(p, sz - 1) != 0) tm_assert_eq(c, UINT32_MAX);
    }
}

Test(quoted, escapes_decode_to_utf8)
{
    static const struct {
        const char *body, *text; /* NULL: refused */
    } examples[] = {
        {"BTC\\u0055SDT", "BTCUSDT"},
        {"\\\"\\\\\\/\\b\\f\\n\\r\\t", "\"\\/\b\f\n\r\t"},
        {"\\u00e9\\u20ac\\ud83d\\ude00", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
        {"\\ud800", NULL},
        {"\\ud800\\u0041", NULL},
        {"\\udc00", NULL},
        {"\\ud83d\\ud83d", NULL},
        {"\\uDBFF\\uDFFF", "\xf4\x8f\xbf\xbf"},
        {"0123456789abcdef0", NULL}, /* one more than fits */
        {"0123456789abcdef", "0123456789abcdef"},
    };
    for (size_t i = 0; i < TM_ARRAY_CNT(examples); i++) {
        uint8_t out[17] = {0};
        const char *body = examples[i].body, *text = examples[i].text;
        int32_t n = tm_quoted_decode((const uint8_t *)body, (uint32_t)strlen(body), out, 16);
        tm_assert_eq(n, text ? (int32_t)strlen(text) : -1);
        if (text) tm_assert(memcmp(out, text, strlen(text)) == 0);
    }
}
