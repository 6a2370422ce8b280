#include "engine/job/part_flags.h"

#include "base/error.h"

#include <string.h>

/* Index of the text, or -1. */
static int find(const char *const *names, size_t cnt, const char *text)
{
    for (size_t i = 0; i < cnt; i++)
        if (strcmp(names[i], text) == 0) return (int)i;
    return -1;
}

int tm_part_flags_format(tm_part_flags_t *flags, const char *text)
{
    static const char *const names[] = {"parquet", "csv", "jsonl"};
    const int idx = find(names, TM_ARRAY_CNT(names), text);
    if (idx < 0)
        return tm_error_set(TM_E_CONFIG, "--format '%s': choose parquet, csv or jsonl", text);
    flags->has_format = true;
    flags->format = (tm_part_format_t)idx;
    return 0;
}

int tm_part_compression_parse(const char *text, tm_compression_t *out)
{
    static const char *const names[] = {"none", "zstd", "lz4"};
    const int idx = find(names, TM_ARRAY_CNT(names), text);
    if (idx < 0)
        return tm_error_set(TM_E_CONFIG, "compression '%s': choose zstd, lz4 or none", text);
    *out = (tm_compression_t)idx;
    return 0;
}

int tm_part_flags_compression(tm_part_flags_t *flags, const char *text)
{
    tm_compression_t compression;
    int err = tm_part_compression_parse(text, &compression);
    if (err < 0) return tm_error_context(err, "--compression");
    flags->compression = text;
    return 0;
}
