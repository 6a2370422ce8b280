#include "engine/job/flags.h"

#include "base/check.h"
#include "base/error.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_ID = 256 }; /* above every character, so that getopt's own answers stay apart */

int tm_flags_parse(const tm_flag_t *flags, uint32_t flag_cnt, int argc, char **argv,
                   tm_flag_fn_t fn, void *ctx)
{
    struct option longs[TM_FLAG_MAX + 1] = {0};
    TM_CHECK(flag_cnt <= TM_FLAG_MAX, "%u flags", flag_cnt);
    for (uint32_t i = 0; i < flag_cnt; i++) {
        longs[i] = (struct option){flags[i].name, flags[i].arg ? required_argument : no_argument,
                                   NULL, FIRST_ID + (int)i};
    }
    opterr = 0;
    optind = 1;
    for (int id; (id = getopt_long(argc, argv, ":", longs, NULL)) != -1;) {
        const char *word = argv[optind - 1];
        if (id == ':') return tm_error_set(TM_E_CONFIG, "%s needs a value; see --help", word);
        if (id == '?') return tm_error_set(TM_E_CONFIG, "unknown option %s; see --help", word);
        int err = fn(ctx, (uint32_t)(id - FIRST_ID), optarg);
        if (err != 0) return err < 0 ? err : 0;
    }
    return optind;
}

void tm_flags_help(FILE *out, const tm_flag_t *flags, uint32_t flag_cnt)
{
    for (uint32_t i = 0; i < flag_cnt; i++) {
        char left[48];
        snprintf(left, sizeof left, "--%s%s%s", flags[i].name, flags[i].arg ? " " : "",
                 flags[i].arg ? flags[i].arg : "");
        fprintf(out, "  %-26s %s\n", left, flags[i].help);
    }
}

int tm_duration_parse(const char *text, int64_t *out_ns)
{
    static const struct {
        const char *suffix;
        double ns;
    } units[] = {{"ns", 1}, {"us", 1e3}, {"ms", 1e6},   {"s", 1e9},
                 {"", 1e9}, {"m", 60e9}, {"h", 3600e9}, {"d", 86400e9}};
    char *end;
    double value = strtod(text, &end);
    if (end != text && isfinite(value) && value >= 0) {
        for (size_t i = 0; i < TM_ARRAY_CNT(units); i++) {
            if (strcmp(end, units[i].suffix) != 0 || value * units[i].ns > 9e18) continue;
            *out_ns = (int64_t)(value * units[i].ns);
            return 0;
        }
    }
    return tm_error_set(TM_E_CONFIG, "'%s' is not a time: write 500ms, 1s, 2m or 1h", text);
}

int tm_speed_parse(const char *text, double *out_speed)
{
    *out_speed = 0;
    if (strcmp(text, "max") == 0) return 0;
    char *end;
    double v = strtod(text, &end);
    if (end == text || (strcmp(end, "x") != 0 && *end != '\0') || !isfinite(v) || v <= 0)
        return tm_error_set(TM_E_CONFIG, "--speed '%s': write max, 1x or 10x", text);
    *out_speed = v;
    return 0;
}

int tm_number_parse(const char *what, const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
    char *end;
    errno = 0;
    unsigned long long v = strtoull(text, &end, 10);
    if (end == text || *end || *text == '-' || errno || v < min || v > max)
        return tm_error_set(TM_E_CONFIG, "--%s '%s': a number from %" PRIu64 " to %" PRIu64, what,
                            text, min, max);
    *out = v;
    return 0;
}

int tm_size_parse(const char *what, const char *text, uint64_t *out_sz)
{
    static const char units[] = "KMG";
    char *end;
    const double v = strtod(text, &end);
    const char *unit = *end ? strchr(units, *end) : NULL;
    if (end != text && unit && end[1] == '\0' && v > 0 && v < 1e6) {
        *out_sz = (uint64_t)(v * (double)(UINT64_C(1024) << 10 * (unit - units)));
        if (*out_sz >= 1024) return 0;
    }
    return tm_error_set(TM_E_CONFIG, "--%s '%s': a size is written 64K, 256M or 4G", what, text);
}

int tm_limit_parse(const char *what, const char *text, uint64_t *out_sz, int64_t *out_ns)
{
    const char last = text[0] ? text[strlen(text) - 1] : '\0';
    if (last == 'K' || last == 'M' || last == 'G') return tm_size_parse(what, text, out_sz);
    const int err = tm_duration_parse(text, out_ns);
    return err < 0 ? tm_error_context(err, "--%s", what) : 0;
}
