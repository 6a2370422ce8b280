#include "base/error.h"
#include "base/stamp.h"
#include "tests/tm_test.h"

#include <string.h>

/* What date -u -d TEXT +%s%N says. */
static const struct {
    const char *text;
    int64_t ns;
} stamps[] = {
    {"2024-08-08T23:54:14.0247230Z", 1723161254024723000},
    {"2024-08-08T23:54:14Z", 1723161254000000000},
    {"2024-08-08 23:54:14.5", 1723161254500000000},
    {"2024-08-08T23:54", 1723161240000000000},
    {"2024-08-08T23", 1723158000000000000},
    {"2024-08-08", 1723075200000000000},
    {"2024-02-29T12:00:00Z", 1709208000000000000},
    {"1970-01-01T00:00:00.000000001Z", 1},
    {"1723161254024723000", 1723161254024723000},
    {"@1618677785.4827468", 1618677785482746800},
    {"@1618677785", 1618677785000000000},
};

Test(stamp, reads_every_way_to_write_a_time)
{
    for (size_t i = 0; i < TM_ARRAY_CNT(stamps); i++) {
        int64_t ns = -1;
        tm_assert_eq(tm_stamp_parse(stamps[i].text, &ns), 0);
        tm_assert_eq(ns, stamps[i].ns);
    }
}

Test(stamp, refuses_what_is_no_time_and_shows_it)
{
    static const char *const bad[] = {"",
                                      "noon",
                                      "2024-08",
                                      "2024-08-08T",
                                      "2024-08-08T2",
                                      "17231612540",
                                      "@",
                                      "@x",
                                      "@1.5s",
                                      "99999999999999999999",
                                      "2024-02-30",
                                      "2023-02-29",
                                      "2024-13-01",
                                      "2024-08-08T24:00",
                                      "2024-00-10",
                                      "2024-08-08T23:54:14X"};
    for (size_t i = 0; i < TM_ARRAY_CNT(bad); i++) {
        int64_t ns;
        tm_assert_eq(tm_stamp_parse(bad[i], &ns), TM_E_CONFIG);
        tm_assert(strstr(tm_error_text(), bad[i]) != NULL);
    }
}

Test(stamp, text_of_a_time_reads_back_to_the_nanosecond)
{
    static const int64_t times[] = {1, 999999999, 1723161254024723001, 4102444800000000000};
    char text[32];
    for (size_t i = 0; i < TM_ARRAY_CNT(times); i++) {
        int64_t ns = 0;
        tm_stamp_text(text, times[i]);
        tm_assert_eq(tm_stamp_iso(text, strlen(text), &ns), strlen(text));
        tm_assert_eq(ns, times[i]);
    }
    tm_stamp_text(text, -1);
    tm_assert_str(text, "1969-12-31T23:59:59.999999999Z");
    tm_stamp_text(text, INT64_MIN);
    tm_assert_str(text, "-");
}

Test(stamp, digits_behind_the_ninth_are_dropped_and_none_is_rounded)
{
    int64_t ns;
    const char *text = "1618677785.9999999999";
    tm_assert_eq(tm_stamp_seconds(text, strlen(text), &ns), strlen(text));
    tm_assert_eq(ns, 1618677785999999999);
}
