#include "net/ws/utf8.h"
#include "tests/tm_test.h"

#include <string.h>

/* The reference: decodes a character to its number and judges the number. */
static size_t decode(const uint8_t *s, size_t sz)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t len = s[0] < 0x80       ? 1
                 : s[0] >> 5 == 6  ? 2
                 : s[0] >> 4 == 14 ? 3
                 : s[0] >> 3 == 30 ? 4
                                   : 0;
    if (len == 0 || len > sz) return 0;
    uint32_t number = len == 1 ? s[0] : s[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if (s[i] >> 6 != 2) return 0;
        number = number << 6 | (s[i] & 0x3f);
    }
    if (number < least[len] || number > 0x10ffff || (number >= 0xd800 && number <= 0xdfff))
        return 0;
    return len;
}

static bool reference(const uint8_t *s, size_t sz)
{
    while (sz > 0) {
        size_t len = decode(s, sz);
        if (len == 0) return false;
        s += len;
        sz -= len;
    }
    return true;
}

Test(utf8, agrees_with_a_decoder_on_every_sequence_of_three_bytes)
{
    uint32_t wrong = 0;
    for (uint32_t n = 0; n < 1u << 24; n++) {
        uint8_t s[3] = {(uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n};
        wrong += tm_utf8_is_valid(s, 3) != reference(s, 3);
    }
    tm_assert_eq(wrong, 0u);
}

Test(utf8, agrees_with_a_decoder_on_four_bytes_with_every_lead_and_second_byte)
{
    static const uint8_t edges[] = {0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f,
                                    0xa0, 0xbf, 0xc0, 0xc2, 0xe0, 0xf4, 0xff};
    uint32_t wrong = 0;
    for (uint32_t n = 0; n < 1u << 16; n++) {
        for (size_t i = 0; i < sizeof edges * sizeof edges; i++) {
            uint8_t s[4] = {(uint8_t)(n >> 8), (uint8_t)n, edges[i / sizeof edges],
                            edges[i % sizeof edges]};
            wrong += tm_utf8_is_valid(s, 4) != reference(s, 4);
        }
    }
    tm_assert_eq(wrong, 0u);
}

Test(utf8, a_bad_byte_is_found_at_every_place_of_a_long_text)
{
    for (size_t sz = 1; sz < 200; sz++) {
        uint8_t text[200];
        memset(text, 'a', sizeof text);
        tm_assert(tm_utf8_is_valid(text, sz));
        for (size_t at = 0; at < sz; at++) {
            text[at] = 0xff;
            tm_assert(!tm_utf8_is_valid(text, sz));
            text[at] = 'a';
        }
    }
}

Test(utf8, a_text_cut_in_two_anywhere_is_judged_as_the_whole)
{
    static const char *const texts[] = {
        "plain text of more than sixteen bytes, then \xce\xba\xe1\xbd\xb9\xcf\x83 and on",
        "\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf\xee\x80\x80",
        "ends inside a character \xe2\x82",
        "surrogate \xed\xa0\x80 inside",
        "overlong \xc0\xaf inside",
        "above the end \xf4\x90\x80\x80 of Unicode",
    };
    for (size_t i = 0; i < TM_ARRAY_CNT(texts); i++) {
        const uint8_t *text = (const uint8_t *)texts[i];
        size_t sz = strlen(texts[i]);
        for (size_t cut = 0; cut <= sz; cut++) {
            tm_utf8_t u;
            tm_utf8_init(&u);
            bool ok = tm_utf8_feed(&u, text, cut) && tm_utf8_feed(&u, text + cut, sz - cut) &&
                      tm_utf8_is_whole(&u);
            tm_assert_eq(ok, reference(text, sz));
        }
    }
}

Test(utf8, the_first_byte_that_cannot_be_mended_is_refused_at_once)
{
    tm_utf8_t u;
    tm_utf8_init(&u);
    tm_assert(tm_utf8_feed(&u, (const uint8_t *)"\xf4", 1));
    tm_assert(!tm_utf8_feed(&u, (const uint8_t *)"\x90", 1));
    tm_utf8_init(&u);
    tm_assert(tm_utf8_feed(&u, (const uint8_t *)"\xed", 1));
    tm_assert(!tm_utf8_feed(&u, (const uint8_t *)"\xa0", 1));
}
