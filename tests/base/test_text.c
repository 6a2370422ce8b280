#include "base/cpu.h"
#include "base/decimal.h"
#include "base/error.h"
#include "base/schema.h"
#include "tests/tm_test.h"

#include <string.h>

static const char *dec(tm_i128_t v, uint32_t scale)
{
    static char buf[TM_DECIMAL_TEXT_MAX];
    tm_decimal_format(buf, v, scale);
    return buf;
}

Test(decimal, text_is_exact_at_every_scale)
{
    tm_assert_str(dec(-1234000000, 8), "-12.34000000");
    tm_assert_str(dec(5, 8), "0.00000005");
    tm_assert_str(dec(0, 8), "0.00000000");
    tm_assert_str(dec(42, 0), "42");
    tm_assert_str(dec(INT64_MIN, 0), "-9223372036854775808");
    tm_assert_str(dec((tm_i128_t)1 << 126, 16), "8507059173023461586584.3651857942052864");
}

Test(time, text_has_the_units_digits_and_floors_negatives)
{
    char buf[TM_TIME_TEXT_MAX];
    tm_time_format(buf, 1723161254087896568LL, 1);
    tm_assert_str(buf, "2024-08-08T23:54:14.087896568Z");
    tm_time_format(buf, 1723161254087896568LL, TM_NS_PER_MS);
    tm_assert_str(buf, "2024-08-08T23:54:14.087Z");
    tm_time_format(buf, -1, TM_NS_PER_S);
    tm_assert_str(buf, "1969-12-31T23:59:59Z");
}

Test(cpu, lists_take_numbers_and_ranges_and_refuse_the_rest)
{
    uint32_t c[4];
    tm_assert_eq(tm_cpu_list_parse("0,2-3", c, 4), 3);
    tm_assert_eq(c[2], 3u);
    const char *bad[] = {"", "a", "1,", "3-1", "0-9", "1-", "-1", "0 1", "99999"};
    for (size_t i = 0; i < TM_ARRAY_CNT(bad); i++) tm_assert(tm_cpu_list_parse(bad[i], c, 4) < 0);
}

Test(error, context_goes_in_front_and_names_cover_all_codes)
{
    int code = tm_error_set(-2, "open %s", "x");
    code = tm_error_context(code, "sink");
    tm_assert_eq(code, -2);
    tm_assert_str(tm_error_text(), "sink: open x");
    tm_assert_str(tm_error_name(TM_E_UNSUPPORTED), "not supported here");
    tm_assert_str(tm_error_name(TM_E_PROTOCOL), "protocol error");
    tm_assert(strstr(tm_error_name(-28), "ENOSPC") != NULL);
}

Test(schema, fields_are_aligned_and_names_unique)
{
    tm_schema_t s;
    tm_schema_init(&s, "t", 16);
    tm_assert_eq(tm_schema_add(&s, &(tm_field_t){.name = "a", .type = TM_TYPE_BOOL}), 0);
    tm_assert_eq(tm_schema_add(&s, &(tm_field_t){.name = "b", .type = TM_TYPE_DECIMAL128}), 1);
    tm_assert_eq(s.fields[0].off, 24);
    tm_assert_eq(s.fields[1].off, 32);
    tm_assert_eq(s.row_sz, 48);
    tm_assert(tm_schema_add(&s, &(tm_field_t){.name = "a", .type = TM_TYPE_I64}) < 0);
}

Test(error, what_a_peer_sent_cannot_speak_to_the_terminal)
{
    static const struct {
        const char *text, *shown;
    } cases[] = {{"a\nb\r\tc", "a?b??c"},
                 {"\033]0;title\007 \177", "?]0;title? ?"},
                 {"Gr\xc3\xbc\xc3\x9f \xe2\x82\xac", "Gr\xc3\xbc\xc3\x9f \xe2\x82\xac"},
                 {"\xc2\x9b"
                  "31m \xc2\xa0",
                  "??31m \xc2\xa0"},
                 {"cut \xc2", "cut \xc2"}};
    for (size_t i = 0; i < TM_ARRAY_CNT(cases); i++) {
        tm_assert_eq(tm_error_set(TM_E_CLOSED, "%s", cases[i].text), (int)TM_E_CLOSED);
        tm_assert_str(tm_error_text(), cases[i].shown);
    }
    tm_assert_eq(tm_error_context(-1, "of %s", "\033c"), -1);
    tm_assert_str(tm_error_text(), "of ?c: cut \xc2");
}
