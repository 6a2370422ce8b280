#include "base/siphash.h"
#include "tests/tm_test.h"

/* Results that the authors of SipHash publish: the key is 00..0f, the message 00, 01, 02 ... */
Test(siphash, results_equal_those_that_its_authors_publish)
{
    static const struct {
        size_t sz;
        uint64_t hash;
    } known[] = {
        {0, 0x726fdb47dd0e0e31ull}, {1, 0x74f839c593dc67fdull},  {7, 0xab0200f58b01d137ull},
        {8, 0x93f5f5799a932462ull}, {15, 0xa129ca6149be45e5ull},
    };
    const tm_siphash_key_t key = {{0x0706050403020100ull, 0x0f0e0d0c0b0a0908ull}};
    uint8_t text[16];
    for (uint32_t i = 0; i < sizeof text; i++) text[i] = (uint8_t)i;
    for (uint32_t i = 0; i < TM_ARRAY_CNT(known); i++)
        tm_assert_eq(tm_siphash(&key, text, known[i].sz), known[i].hash);
}

Test(siphash, two_keys_differ)
{
    tm_siphash_key_t a, b;
    tm_assert_eq(tm_siphash_key_draw(&a), 0);
    tm_assert_eq(tm_siphash_key_draw(&b), 0);
    tm_assert(a.word[0] != b.word[0] && a.word[1] != b.word[1]);
}
