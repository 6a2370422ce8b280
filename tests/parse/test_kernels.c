#include "parse/scan/kernels.h"
#include "tests/parse/exact_frame.h"
#include "tests/tm_test.h"

#include <stdio.h>

static uint64_t seed = 42;

static uint32_t draw(uint32_t below)
{
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)((seed >> 33) % below);
}

/* The slow reference: one byte at a time. */
static uint32_t quotes_slowly(const uint8_t *p, uint32_t sz, tm_scan_t *scan, uint16_t *at)
{
    uint32_t n = 0;
    scan->odd = false;
    for (uint32_t i = 0; i < sz; i++) {
        bool escaped = scan->escaping;
        scan->escaping = p[i] == '\\' && !escaped;
        scan->odd |= p[i] == '\\' || p[i] < 0x20 || p[i] > 0x7f;
        if (p[i] == '"' && !escaped) at[n++] = (uint16_t)i;
    }
    return n;
}

/* Likewise for marks. */
static uint32_t marks_slowly(const uint8_t *p, uint32_t sz, tm_scan_t *scan, uint16_t *at)
{
    uint32_t n = 0;
    scan->odd = false;
    for (uint32_t i = 0; i < sz; i++) {
        bool escaped = scan->escaping;
        scan->escaping = p[i] == '\\' && !escaped;
        scan->odd |= p[i] == '\\' || p[i] < 0x20 || p[i] > 0x7f;
        bool quote = p[i] == '"' && !escaped;
        if (quote) scan->inside = !scan->inside;
        bool other = !scan->inside && p[i] != 0 && strchr("{}[]:,", p[i]);
        if (quote || other) at[n++] = (uint16_t)i;
    }
    return n;
}

static void marks_equal(const uint8_t *p, uint32_t sz, bool escaping, bool inside)
{
    static uint16_t want[TM_SCAN_QUOTE_MAX], have[TM_SCAN_QUOTE_MAX];
    tm_scan_t slow = {.escaping = escaping, .inside = inside};
    uint32_t cnt = marks_slowly(p, sz, &slow, want);
    for (int isa = TM_ISA_SCALAR; isa <= TM_ISA_AVX512; isa++) {
        const tm_kernels_t *k = tm_kernels_get((tm_isa_t)isa);
        tm_scan_t scan = {.escaping = escaping, .inside = inside};
        uint32_t n = k->marks(p, sz, &scan, have);
        bool same = n == cnt && memcmp(want, have, n * sizeof have[0]) == 0 &&
                    scan.odd == slow.odd && (sz % 64 != 0 || scan.escaping == slow.escaping) &&
                    (sz % 64 != 0 || scan.inside == slow.inside);
        if (!same) fprintf(stderr, "# %s, %u bytes: %u marks, not %u\n", k->name, sz, n, cnt);
        tm_assert(same);
    }
}

static void quotes_equal(const uint8_t *p, uint32_t sz, bool escaping)
{
    static uint16_t want[TM_SCAN_QUOTE_MAX], have[TM_SCAN_QUOTE_MAX];
    tm_scan_t slow = {.escaping = escaping};
    uint32_t cnt = quotes_slowly(p, sz, &slow, want);
    for (int isa = TM_ISA_SCALAR; isa <= TM_ISA_AVX512; isa++) {
        const tm_kernels_t *k = tm_kernels_get((tm_isa_t)isa);
        tm_scan_t scan = {.escaping = escaping};
        uint32_t n = k->quotes(p, sz, &scan, have);
        bool same = n == cnt && memcmp(want, have, n * sizeof have[0]) == 0 &&
                    scan.odd == slow.odd && (sz % 64 != 0 || scan.escaping == slow.escaping);
        if (!same) fprintf(stderr, "# %s, %u bytes: %u quotes, not %u\n", k->name, sz, n, cnt);
        tm_assert(same);
    }
}

Test(kernels, all_list_the_quotes_of_random_text_at_every_length_and_place)
{
    static const char alphabet[] = "\"\"\\a1{:, \n\x80";
    exact_t e;
    exact_open(&e);
    for (uint32_t sz = 0; sz <= 300; sz++) {
        for (uint32_t round = 0; round < 12; round++) {
            uint8_t text[300];
            uint32_t letters = round % 3 == 0 ? 2 : (uint32_t)sizeof alphabet - 1;
            for (uint32_t i = 0; i < sz; i++)
                text[i] = (uint8_t)(round < 6 || draw(8) == 0 ? alphabet[draw(letters)] : 'x');
            tm_frame_t f = exact_at_end(&e, text, sz, '"');
            quotes_equal(f.data, sz, round % 2);
            f = exact_at_start(&e, text, sz, '\\');
            quotes_equal(f.data, sz, false);
        }
    }
    exact_close(&e);
}

Test(kernels, all_list_the_marks_of_random_text_at_every_length_and_place)
{
    static const char alphabet[] = "\"\\{}[]:,a;z\x1b\x7b\x3a\x1a\xfb\x80\n";
    exact_t e;
    exact_open(&e);
    for (uint32_t sz = 0; sz <= 300; sz++) {
        for (uint32_t round = 0; round < 12; round++) {
            uint8_t text[300];
            for (uint32_t i = 0; i < sz; i++)
                text[i] = round < 6 ? (uint8_t)alphabet[draw(sizeof alphabet - 1)]
                                    : (uint8_t)draw(256);
            tm_frame_t f = exact_at_end(&e, text, sz, ',');
            marks_equal(f.data, sz, round % 2, round % 4 < 2);
            f = exact_at_start(&e, text, sz, '{');
            marks_equal(f.data, sz, false, false);
        }
    }
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint8_t text[192];
        memset(text, (int)byte, sizeof text);
        marks_equal(text, 64, false, false);
        marks_equal(text, 128, false, true);
    }
    exact_close(&e);
}

Test(kernels, all_find_the_same_escapes_across_words_and_blocks)
{
    exact_t e;
    uint8_t text[256];
    exact_open(&e);
    for (uint32_t start = 0; start < 140; start++) {
        for (uint32_t run = 1; run < 70; run++) {
            memset(text, 'x', sizeof text);
            memset(text + start, '\\', run);
            text[start + run] = '"';
            tm_frame_t f = exact_at_end(&e, text, start + run + 1, 0);
            quotes_equal(f.data, f.sz, false);
            quotes_equal(f.data, f.sz, true);
        }
    }
    exact_close(&e);
}

Test(kernels, all_take_a_window_of_nothing_but_quotes)
{
    static uint8_t text[TM_SCAN_WINDOW + TM_FRAME_PAD];
    memset(text, '"', sizeof text);
    quotes_equal(text, TM_SCAN_WINDOW, false);
    quotes_equal(text, TM_SCAN_WINDOW, true);
    memset(text, ',', sizeof text);
    marks_equal(text, TM_SCAN_WINDOW, false, false);
}

/* One random number of some form, often not a number at all. */
static uint32_t number(char *out)
{
    static const char junk[] = "0123456789.-+eE:/ x";
    uint32_t n = 0, form = draw(10);
    if (form == 0) {
        uint32_t sz = draw(20);
        while (n < sz) out[n++] = junk[draw(sizeof junk - 1)];
        return n;
    }
    if (form == 1) out[n++] = '-';
    uint32_t whole = draw(form < 3 ? 20 : 8) + (form != 4), fraction = draw(11);
    for (uint32_t i = 0; i < whole; i++) out[n++] = (char)('0' + draw(10));
    if (form % 2 == 0 || form > 6) {
        out[n++] = '.';
        for (uint32_t i = 0; i < fraction; i++) out[n++] = (char)('0' + draw(10));
        if (form == 6) out[n++] = '.';
    }
    return n;
}

Test(kernels, numbers_are_converted_as_the_exact_reader_does_or_left)
{
    exact_t e;
    uint64_t taken = 0, left = 0;
    exact_open(&e);
    for (uint32_t round = 0; round < 60000; round++) {
        char text[400];
        uint32_t used = 0;
        tm_numerals_t n = {.cnt = 1 + draw(TM_NUMERAL_CNT_MAX)};
        n.integers = (uint16_t)draw(65536);
        for (uint32_t i = 0; i < n.cnt; i++) {
            n.from[i] = used;
            uint32_t sz = number(text + used);
            n.sz[i / 8] |= (uint64_t)sz << (8 * (i % 8));
            used += sz;
            if (draw(2)) text[used++] = "\",}:"[draw(4)];
        }
        tm_frame_t f = exact_at_end(&e, text, used, '7');
        for (int isa = TM_ISA_SCALAR; isa <= TM_ISA_AVX512; isa++) {
            const tm_kernels_t *k = tm_kernels_get((tm_isa_t)isa);
            uint64_t have[TM_NUMERAL_CNT_MAX] = {0};
            uint32_t rest = k->numerals(f.data, &n, have);
            tm_assert_eq(rest >> n.cnt, 0u);
            for (uint32_t i = 0; i < n.cnt; i++) {
                tm_numeral_t want = {0};
                uint32_t sz = tm_numerals_sz(&n, i);
                uint32_t scale = n.integers >> i & 1 ? 0 : TM_NUMERAL_SCALE;
                tm_reason_t reason = tm_numeral_read(f.data + n.from[i], sz, scale, true, &want);
                if (rest >> i & 1) {
                    left++;
                    continue;
                }
                bool right = !reason && !want.negative && have[i] == want.magnitude;
                if (!right)
                    fprintf(stderr, "# %s: '%.*s' gives %llu\n", k->name, (int)sz,
                            (const char *)f.data + n.from[i], have[i] + 0ull);
                tm_assert(right);
                taken++;
            }
        }
    }
    exact_close(&e);
    /* Both outcomes must have been seen often, or the test tests nothing. */
    tm_assert(taken > 100000 && left > 100000);
}

Test(kernels, the_common_forms_are_never_left)
{
    static const char *const decimals[] = {
        "0", "7", "61837.63", "0.00000001", "1234567", "1234567.1234567", "35.0", "2683.80000000"};
    static const char *const integers[] = {"0", "5", "1723161255342", "1723161255342123",
                                           "50093239212"};
    for (int isa = TM_ISA_SCALAR; isa <= TM_ISA_AVX512; isa++) {
        const tm_kernels_t *k = tm_kernels_get((tm_isa_t)isa);
        for (size_t i = 0; i < TM_ARRAY_CNT(decimals) + TM_ARRAY_CNT(integers); i++) {
            bool decimal = i < TM_ARRAY_CNT(decimals);
            const char *text = decimal ? decimals[i] : integers[i - TM_ARRAY_CNT(decimals)];
            uint8_t room[128] = {0};
            uint64_t have[TM_NUMERAL_CNT_MAX];
            tm_numerals_t n = {.cnt = 1, .integers = !decimal, .sz = {strlen(text)}};
            memcpy(room, text, strlen(text));
            tm_assert_eq(k->numerals(room, &n, have), 0u);
        }
    }
}
