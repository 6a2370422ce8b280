#include "parse/scan/rfc3339.h"

#include "tests/tm_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static uint64_t seed;

static uint32_t draw(uint32_t below)
{
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)((seed >> 33) % below);
}

static tm_reason_t read_text(const char *text, int64_t *out)
{
    /* Reading beyond what is promised shows under AddressSanitizer. */
    size_t sz = strlen(text), room = sz < TM_RFC3339_REACH ? TM_RFC3339_REACH : sz;
    uint8_t *copy = malloc(room);
    memset(copy, '9', room);
    memcpy(copy, text, sz);
    tm_reason_t reason = tm_rfc3339_read(copy, (uint32_t)sz, out);
    free(copy);
    return reason;
}

Test(rfc3339, random_times_are_what_the_c_library_says)
{
    const char *env = getenv("TM_SEED");
    seed = env ? strtoull(env, NULL, 10) : 20240808;
    printf("# seed %llu\n", seed + 0ull);
    for (uint32_t round = 0; round < 20000; round++) {
        struct tm t = {.tm_year = 1678 - 1900 + (int)draw(2262 - 1678),
                       .tm_mon = (int)draw(12),
                       .tm_mday = (int)(1 + draw(28)),
                       .tm_hour = (int)draw(24),
                       .tm_min = (int)draw(60),
                       .tm_sec = (int)draw(60)};
        uint32_t ns = draw(1000000000), cut = draw(10), east = draw(24 * 60);
        char fraction[16] = "", zone[32] = "Z", text[96];
        snprintf(fraction, sizeof fraction, ".%09u", ns);
        fraction[cut == 0 ? 0 : cut + 1] = '\0';
        for (uint32_t i = 9; i > cut; i--) ns = ns / 10;
        for (uint32_t i = cut; i < 9; i++) ns *= 10;
        bool minus = draw(2);
        if (draw(2))
            snprintf(zone, sizeof zone, "%c%02u:%02u", minus ? '-' : '+', east / 60, east % 60);
        else
            east = 0;
        snprintf(text, sizeof text, "%04d-%02d-%02d%c%02d:%02d:%02d%s%s", t.tm_year + 1900,
                 t.tm_mon + 1, t.tm_mday, "Tt "[draw(3)], t.tm_hour, t.tm_min, t.tm_sec, fraction,
                 zone);
        int64_t want = timegm(&t) - (int64_t)east * 60 * (minus ? -1 : 1), have = 0;
        tm_reason_t reason = read_text(text, &have);
        bool right = !reason && have == want * TM_NS_PER_S + ns;
        if (!right) fprintf(stderr, "# %s gives %lld\n", text, (long long)have);
        tm_assert(right);
    }
}

Test(rfc3339, every_day_of_four_centuries_follows_the_one_before)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t before = 0, now;
    for (int y = 1700; y < 2200; y++) {
        for (int m = 1; m <= 12; m++) {
            bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
            int last = days[m - 1] + (m == 2 && leap);
            for (int d = 1; d <= 32; d++) {
                char text[64];
                snprintf(text, sizeof text, "%04d-%02d-%02dT00:00:00Z", y, m, d);
                tm_reason_t reason = read_text(text, &now);
                tm_assert_eq(reason == TM_REASON_NONE, d <= last);
                if (reason) continue;
                tm_assert(before == 0 || now - before == 86400 * TM_NS_PER_S);
                before = now;
            }
        }
    }
}

Test(rfc3339, forms_limits_and_leap_seconds)
{
    static const struct {
        const char *text;
        tm_reason_t reason;
        int64_t ns;
    } cases[] = {
        {"1970-01-01T00:00:00Z", TM_REASON_NONE, 0},
        {"1970-01-01T00:00:00z", TM_REASON_NONE, 0},
        {"1970-01-01T00:00:00.000000001Z", TM_REASON_NONE, 1},
        {"1969-12-31T23:59:59.999999999Z", TM_REASON_NONE, -1},
        {"1970-01-01T01:00:00.5+01:00", TM_REASON_NONE, 500000000},
        {"1969-12-31T23:30:00-00:30", TM_REASON_NONE, 0},
        {"1970-01-01T00:00:00-00:00", TM_REASON_NONE, 0},
        {"1970-01-01T00:00:01.1000000000000000000000Z", TM_REASON_NONE, 1100000000},
        {"1970-01-01T00:00:01.1234567891Z", TM_REASON_RANGE, 0},
        /* The ends of 64 bits. */
        {"2262-04-11T23:47:16.854775807Z", TM_REASON_NONE, INT64_MAX},
        {"2262-04-11T23:47:16.854775808Z", TM_REASON_RANGE, 0},
        {"1677-09-21T00:12:43.145224192Z", TM_REASON_NONE, INT64_MIN},
        {"1677-09-21T00:12:43.145224191Z", TM_REASON_RANGE, 0},
        {"0000-01-01T00:00:00Z", TM_REASON_RANGE, 0},
        {"9999-12-31T23:59:59Z", TM_REASON_RANGE, 0},
        /* Leap seconds: that of 2016, and in other places of the world. */
        {"2016-12-31T23:59:60Z", TM_REASON_NONE, 1483228800000000000},
        {"2016-12-31T23:59:60.25Z", TM_REASON_NONE, 1483228800250000000},
        {"2016-12-31T15:59:60-08:00", TM_REASON_NONE, 1483228800000000000},
        {"2017-01-01T08:59:60+09:00", TM_REASON_NONE, 1483228800000000000},
        {"2016-12-30T23:59:60Z", TM_REASON_NUMBER, 0},
        {"2016-12-31T23:58:60Z", TM_REASON_NUMBER, 0},
        {"2016-12-31T23:59:60+09:00", TM_REASON_NUMBER, 0},
        {"2016-12-31T23:59:61Z", TM_REASON_NUMBER, 0},
        /* No such day or time. */
        {"2023-02-29T00:00:00Z", TM_REASON_NUMBER, 0},
        {"2024-02-29T00:00:00Z", TM_REASON_NONE, 1709164800000000000},
        {"2024-00-01T00:00:00Z", TM_REASON_NUMBER, 0},
        {"2024-13-01T00:00:00Z", TM_REASON_NUMBER, 0},
        {"2024-01-00T00:00:00Z", TM_REASON_NUMBER, 0},
        {"2024-01-01T24:00:00Z", TM_REASON_NUMBER, 0},
        {"2024-01-01T00:60:00Z", TM_REASON_NUMBER, 0},
        {"2024-01-01T00:00:00+24:00", TM_REASON_NUMBER, 0},
        {"2024-01-01T00:00:00+00:60", TM_REASON_NUMBER, 0},
        /* Not the form. */
        {"2024-01-01T00:00:00", TM_REASON_NUMBER, 0},
        {"2024-01-01T00:00:00.Z", TM_REASON_NUMBER, 0},
        {"2024-01-01T00:00:00,5Z", TM_REASON_NUMBER, 0},
        {"2024-01-01T00:00:00Z ", TM_REASON_NUMBER, 0},
        {"2024-01-01T00:00:00ZZ", TM_REASON_NUMBER, 0},
        {"2024-01-01T00:00:00+0000", TM_REASON_NUMBER, 0},
        {"2024-01-01T00:00:00+00:0a", TM_REASON_NUMBER, 0},
        {"2024-01-01x00:00:00Z", TM_REASON_NUMBER, 0},
        {"2024/01/01T00:00:00Z", TM_REASON_NUMBER, 0},
        {"2024-1-01T00:00:00ZZ", TM_REASON_NUMBER, 0},
        {"20240101T000000Z", TM_REASON_NUMBER, 0},
        {"-024-01-01T00:00:00Z", TM_REASON_NUMBER, 0},
        {"2024-01-01", TM_REASON_NUMBER, 0},
        {"", TM_REASON_NUMBER, 0},
    };
    for (size_t i = 0; i < TM_ARRAY_CNT(cases); i++) {
        int64_t have = 0;
        tm_reason_t reason = read_text(cases[i].text, &have);
        bool right = reason == cases[i].reason && (reason || have == cases[i].ns);
        if (!right)
            fprintf(stderr, "# %s: %s %lld\n", cases[i].text, tm_reason_name(reason),
                    (long long)have);
        tm_assert(right);
    }
}
