/* state/part/part_bucket.h - which bucket folder a row belongs to.
   Flow     part_sink (row) -> [part bucket] -> folder name
   Pattern  strftime of a time of the row, or of the clock, in a zone; {field} stands for a value of
            the row: "symbol={symbol}/%Y-%m-%d". Characters that have no place in a folder's name
            become %XX, an absent value __HIVE_DEFAULT_PARTITION__, as Hive has it
   Units    *_ns: Unix time
   Method   strftime is slow, so a pattern is probed once for its finest unit (day, hour, minute or
            second): rows of the same unit and the same values share a key and a name
   Threads  one owner
   Errors   open: TM_E_CONFIG with a text that names field, pattern or zone; name: TM_E_CONFIG where
            a folder of the user's function cannot be one, or is too long
   Limits   names of TM_PART_BUCKET_NAME_MAX - 1 bytes; TM_PART_BUCKET_FIELD_MAX fields
   Tests    tests/state/test_part_sink.c, tests/state/test_part_rows.c */
#ifndef TM_STATE_PART_BUCKET_H
#define TM_STATE_PART_BUCKET_H

#include "base/schema.h"
#include "base/symbol.h"
#include "state/part/part_sink.h"

enum { TM_PART_BUCKET_NAME_MAX = TM_PART_FOLDER_MAX, TM_PART_BUCKET_FIELD_MAX = 2 };

/* What rows of one bucket have in common. A bucket may have several: days of a month. */
typedef struct tm_part_bucket_key {
    int64_t span; /* number of the span of time */
    uint64_t values[TM_PART_BUCKET_FIELD_MAX];
    uint64_t flags; /* bit i: value i is absent; bit 8: the time is */
} tm_part_bucket_key_t;

typedef struct tm_part_bucketer {
    tm_part_bucket_cfg_t cfg;
    const tm_schema_t *schema; /* not owned, as the symbols */
    const tm_symbols_t *symbols;
    char pattern[TM_PART_BUCKET_NAME_MAX];
    const tm_field_t *fields[TM_PART_BUCKET_FIELD_MAX]; /* in the order of the pattern */
    uint32_t field_cnt;
    uint32_t time_off;                   /* of the time in a row */
    int64_t zone_ns;                     /* added to UTC */
    int64_t span_ns;                     /* 0 = no time in the pattern */
    int64_t from_ns, to_ns, span;        /* the span of the last row */
    char named[TM_PART_BUCKET_NAME_MAX]; /* what the user's function said last */
} tm_part_bucketer_t;

int tm_part_bucketer_open(tm_part_bucketer_t *bucketer, const tm_schema_t *schema,
                          const tm_symbols_t *symbols,
                          const tm_part_bucket_cfg_t *cfg) TM_MUST_CHECK;

/* now_ns: the clock, or TM_TIME_NONE. */
int tm_part_bucketer_key(tm_part_bucketer_t *bucketer, const void *row, int64_t now_ns,
                         tm_part_bucket_key_t *key) TM_MUST_CHECK;

/* The folder of a key that was just made; "" where there are none. */
int tm_part_bucketer_name(const tm_part_bucketer_t *bucketer, const tm_part_bucket_key_t *key,
                          char out[TM_PART_BUCKET_NAME_MAX]) TM_MUST_CHECK;

#endif
