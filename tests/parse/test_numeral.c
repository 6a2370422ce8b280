#include "parse/scan/kernels.h"
#include "tests/tm_test.h"

#include <stdio.h>
#include <string.h>

typedef struct example {
    const char *text;
    uint32_t scale;
    bool json;
    tm_reason_t reason;
    const char *value; /* sign and magnitude */
} example_t;

static const example_t examples[] = {
    {"61837.63000000", 8, false, TM_REASON_NONE, "6183763000000"},
    {"0.02000000", 8, false, TM_REASON_NONE, "2000000"},
    {"0", 8, false, TM_REASON_NONE, "0"},
    {"-0", 8, false, TM_REASON_NONE, "0"},
    {"-0.0", 8, false, TM_REASON_NONE, "0"},
    {"35", 8, false, TM_REASON_NONE, "3500000000"},
    {"-37.63000000", 8, false, TM_REASON_NONE, "-3763000000"},
    {"0.00000001", 8, false, TM_REASON_NONE, "1"},
    {"0.000000001", 8, false, TM_REASON_RANGE, NULL},
    {"0.0000000010", 8, false, TM_REASON_RANGE, NULL},
    {"1.0000000000000000000000000000", 8, false, TM_REASON_NONE, "100000000"},
    {"1.123456780000000000", 8, false, TM_REASON_NONE, "112345678"},
    {"1.123456789", 8, false, TM_REASON_RANGE, NULL},
    {"92233720368.54775807", 8, false, TM_REASON_NONE, "9223372036854775807"},
    {"184467440737.09551615", 8, false, TM_REASON_NONE, "18446744073709551615"},
    {"184467440737.09551616", 8, false, TM_REASON_RANGE, NULL},
    {"1e3", 8, false, TM_REASON_NONE, "100000000000"},
    {"1E+3", 8, false, TM_REASON_NONE, "100000000000"},
    {"1.5e-8", 8, false, TM_REASON_RANGE, NULL},
    {"15e-9", 8, false, TM_REASON_RANGE, NULL},
    {"150e-9", 8, false, TM_REASON_NONE, "15"},
    {"1e-8", 8, false, TM_REASON_NONE, "1"},
    {"0e99999999999999999999", 8, false, TM_REASON_NONE, "0"},
    {"1e99999999999999999999", 8, false, TM_REASON_RANGE, NULL},
    {"1e-99999999999999999999", 8, false, TM_REASON_RANGE, NULL},
    {"0.00000000000000000000000000000000000000000000001e47", 8, false, TM_REASON_NONE, "100000000"},
    {"100000000000000000000000000000000000000000000000e-47", 8, false, TM_REASON_NONE, "100000000"},
    {"007.5", 8, false, TM_REASON_NONE, "750000000"},
    {"007.5", 8, true, TM_REASON_NUMBER, NULL},
    {"00", 8, true, TM_REASON_NUMBER, NULL},
    {"0.5", 8, true, TM_REASON_NONE, "50000000"},
    {"18446744073709551615", 0, true, TM_REASON_NONE, "18446744073709551615"},
    {"18446744073709551616", 0, true, TM_REASON_RANGE, NULL},
    {"36893488147419103232", 0, true, TM_REASON_RANGE, NULL},
    {"1.0", 0, true, TM_REASON_NONE, "1"},
    {"1.5", 0, true, TM_REASON_RANGE, NULL},
    {"12e2", 0, true, TM_REASON_NONE, "1200"},
    {"", 8, false, TM_REASON_NUMBER, NULL},
    {"-", 8, false, TM_REASON_NUMBER, NULL},
    {"+1", 8, false, TM_REASON_NUMBER, NULL},
    {".5", 8, false, TM_REASON_NUMBER, NULL},
    {"5.", 8, false, TM_REASON_NUMBER, NULL},
    {"1..5", 8, false, TM_REASON_NUMBER, NULL},
    {"1.5.5", 8, false, TM_REASON_NUMBER, NULL},
    {"1,5", 8, false, TM_REASON_NUMBER, NULL},
    {"1e", 8, false, TM_REASON_NUMBER, NULL},
    {"1e+", 8, false, TM_REASON_NUMBER, NULL},
    {"1e5x", 8, false, TM_REASON_NUMBER, NULL},
    {" 1", 8, false, TM_REASON_NUMBER, NULL},
    {"1 ", 8, false, TM_REASON_NUMBER, NULL},
    {"NaN", 8, false, TM_REASON_NUMBER, NULL},
    {"Infinity", 8, false, TM_REASON_NUMBER, NULL},
    {"0x10", 8, false, TM_REASON_NUMBER, NULL},
    {"--1", 8, false, TM_REASON_NUMBER, NULL},
};

Test(numeral, every_form_is_read_exactly_or_refused_with_its_reason)
{
    for (size_t i = 0; i < TM_ARRAY_CNT(examples); i++) {
        const example_t *e = &examples[i];
        tm_numeral_t n = {0};
        char value[32] = "";
        tm_reason_t reason = tm_numeral_read((const uint8_t *)e->text, (uint32_t)strlen(e->text),
                                             e->scale, e->json, &n);
        if (!reason)
            snprintf(value, sizeof value, "%s%llu", n.negative ? "-" : "", n.magnitude + 0ull);
        bool right = reason == e->reason && (reason || strcmp(value, e->value) == 0);
        if (!right) fprintf(stderr, "# %s: %s %s\n", e->text, tm_reason_name(reason), value);
        tm_assert(right);
    }
}

Test(numeral, signed_values_fill_int64_and_no_more)
{
    int64_t v = 0;
    tm_numeral_t n = {(uint64_t)INT64_MAX, false};
    tm_assert(tm_numeral_signed(&n, &v) == TM_REASON_NONE);
    tm_assert_eq(v, INT64_MAX);
    n.magnitude++;
    tm_assert(tm_numeral_signed(&n, &v) == TM_REASON_RANGE);
    n.negative = true;
    tm_assert(tm_numeral_signed(&n, &v) == TM_REASON_NONE);
    tm_assert_eq(v, INT64_MIN);
    n.magnitude++;
    tm_assert(tm_numeral_signed(&n, &v) == TM_REASON_RANGE);
}

Test(numeral, times_are_told_apart_by_their_size)
{
    static const struct {
        uint64_t text;
        int64_t ns; /* 0: out of range */
    } times[] = {
        {1723161255342, 1723161255342000000},
        {1723161255342123, 1723161255342123000},
        {99999999999999, 0},
        {9223372036854, 9223372036854000000},
        {9223372036855, 0},
        {9223372036854775, 9223372036854775000},
        {9223372036854776, 0},
        {100000000000000, 100000000000000000},
        {1, 1000000},
        {UINT64_MAX, 0},
    };
    for (size_t i = 0; i < TM_ARRAY_CNT(times); i++) {
        int64_t ns = 0;
        tm_numeral_t n = {times[i].text, false};
        tm_reason_t want = times[i].ns ? TM_REASON_NONE : TM_REASON_RANGE;
        tm_assert(tm_numeral_time_ns(&n, &ns) == want);
        if (!want) tm_assert_eq(ns, times[i].ns);
    }
    int64_t ns;
    tm_assert(tm_numeral_time_ns(&(tm_numeral_t){1, true}, &ns) == TM_REASON_RANGE);
}
