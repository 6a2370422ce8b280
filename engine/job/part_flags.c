#include "engine/job/part_flags.h"

#include "base/error.h"
#include "engine/job/flags.h"

#include <string.h>

/* Index of the text, or -1. */
static int find(const char *const *names, size_t cnt, const char *text)
{
    for (size_t i = 0; i < cnt; i++)
        if (strcmp(names[i], text) == 0) return (int)i;
    return -1;
}

static int take_format(tm_part_flags_t *flags, const char *text)
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
    static const char *const names[] = {"none", "zstd", "lz4", "mixed"};
    const int idx = find(names, TM_ARRAY_CNT(names), text);
    if (idx < 0)
        return tm_error_set(TM_E_CONFIG, "compression '%s': choose zstd, lz4, mixed or none", text);
    *out = (tm_compression_t)idx;
    return 0;
}

static int take_compression(tm_part_flags_t *flags, const char *text)
{
    tm_compression_t compression;
    int err = tm_part_compression_parse(text, &compression);
    if (err < 0) return tm_error_context(err, "--compression");
    flags->compression = text;
    return 0;
}

static int take_time(const char *name, const char *text, int64_t *out_ns)
{
    int err = tm_duration_parse(text, out_ns);
    return err < 0 ? tm_error_context(err, "--%s", name) : 0;
}

int tm_part_flags_take(tm_part_flags_t *flags, tm_part_flag_t flag, const char *arg)
{
    switch (flag) {
    case TM_PART_FLAG_FORMAT:
        return take_format(flags, arg);
    case TM_PART_FLAG_COMPRESSION:
        return take_compression(flags, arg);
    case TM_PART_FLAG_BYTE_NS:
        return tm_number_parse("byte-ns", arg, 1, TM_PART_BYTE_NS_MAX, &flags->byte_ns);
    case TM_PART_FLAG_BOOK_LISTS:
        flags->book_lists = true;
        return 0;
    case TM_PART_FLAG_BLOOM:
        flags->bloom_fields = arg;
        return 0;
    case TM_PART_FLAG_BUCKET:
        flags->bucket = arg;
        return 0;
    case TM_PART_FLAG_ROLL_INTERVAL:
        return take_time("roll-interval", arg, &flags->roll_interval_ns);
    case TM_PART_FLAG_ROLL_IDLE:
        return take_time("roll-idle", arg, &flags->roll_idle_ns);
    case TM_PART_FLAG_ROLL_SIZE:
        return tm_size_parse("roll-size", arg, &flags->roll_sz);
    case TM_PART_FLAG_COMPACT_CHECKPOINTS:
        return tm_number_parse("compact-checkpoints", arg, 1, UINT32_MAX,
                               &flags->compact_checkpoints);
    case TM_PART_FLAG_COMPACT_SIZE:
        return tm_size_parse("compact-size", arg, &flags->compact_sz);
    }
    return 0;
}
