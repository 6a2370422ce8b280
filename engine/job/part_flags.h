/* engine/job/part_flags.h - options of the command line about part files.
   Flow     options -> [part flags] -> sink_node
   Units    *_ns: nanoseconds; *_sz: bytes; 0 = what the job says
   Memory   strings point into argv
   Errors   TM_E_CONFIG with a text that names the option and what it takes
   Tests    tests/engine/test_options.c */
#ifndef TM_ENGINE_PART_FLAGS_H
#define TM_ENGINE_PART_FLAGS_H

#include "state/part/part_options.h"

typedef struct tm_part_flags {
    bool has_format, book_lists;
    tm_part_format_t format;
    const char *compression, *bloom_fields, *bucket; /* NULL = what the job says */
    int64_t roll_interval_ns, roll_idle_ns;
    uint64_t byte_ns, roll_sz, compact_checkpoints, compact_sz;
} tm_part_flags_t;

/* In the order of the options' table. */
typedef enum tm_part_flag {
    TM_PART_FLAG_FORMAT,
    TM_PART_FLAG_COMPRESSION,
    TM_PART_FLAG_BYTE_NS,
    TM_PART_FLAG_BOOK_LISTS,
    TM_PART_FLAG_BLOOM,
    TM_PART_FLAG_BUCKET,
    TM_PART_FLAG_ROLL_INTERVAL,
    TM_PART_FLAG_ROLL_IDLE,
    TM_PART_FLAG_ROLL_SIZE,
    TM_PART_FLAG_COMPACT_CHECKPOINTS,
    TM_PART_FLAG_COMPACT_SIZE,
} tm_part_flag_t;

int tm_part_flags_take(tm_part_flags_t *flags, tm_part_flag_t flag, const char *arg) TM_MUST_CHECK;

/* "zstd", "lz4", "mixed", "none". */
int tm_part_compression_parse(const char *text, tm_compression_t *out) TM_MUST_CHECK;

#endif
