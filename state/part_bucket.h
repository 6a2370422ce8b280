/* state/part_bucket.h - which bucket folder a row belongs to, by a time of its own.
   Flow     part_sink (row) -> [part bucket] -> folder name
   Units    *_ns: Unix time; key: number of the span of time that the format can tell apart
   Method   strftime is slow, so a format is probed once for its finest unit (day, hour, minute or
            second); rows of the same unit share a key and a name
   Threads  one owner
   Errors   open: TM_E_CONFIG with a text that names field or format
   Limits   names of TM_PART_BUCKET_NAME_MAX - 1 bytes
   Tests    tests/state/test_part_sink.c */
#ifndef TM_STATE_PART_BUCKET_H
#define TM_STATE_PART_BUCKET_H

#include "base/schema.h"

enum { TM_PART_BUCKET_NAME_MAX = 128 };

/* Key of rows that have no time; their folder is "undated". */
#define TM_PART_BUCKET_UNDATED INT64_MIN

typedef struct tm_part_bucketer {
    char format[TM_PART_BUCKET_NAME_MAX];
    uint32_t time_off;           /* of the time in a row */
    int64_t span_ns;             /* 0 = one bucket for all */
    int64_t from_ns, to_ns, key; /* the span of the last row */
} tm_part_bucketer_t;

/* field NULL = the row's event time; format NULL = "%Y-%m-%d--%H", "" = no folder. */
int tm_part_bucketer_open(tm_part_bucketer_t *bucketer, const tm_schema_t *schema,
                          const char *field, const char *format) TM_MUST_CHECK;

int64_t tm_part_bucketer_key(tm_part_bucketer_t *bucketer, const void *row);

/* The folder of a key; "" where there are none. */
void tm_part_bucketer_name(const tm_part_bucketer_t *bucketer, int64_t key,
                           char out[TM_PART_BUCKET_NAME_MAX]);

#endif
