/* tidemark_json_source.h - messages of any JSON as rows of a struct of yours; a part of tidemark.h.

   Paths say where each field of the row stands in a message (docs/json.md):

       typedef struct reading { tm_row_t row; int64_t celsius_e3; } reading_t;
       static const tm_struct_field_t reading_fields[] = {
           TM_HEADER_SYMBOL("sensor"),
           TM_HEADER_TIME("at"),
           TM_DECIMAL(reading_t, celsius_e3, "celsius", 3),
       };
       static const tm_struct_t reading = TM_STRUCT(reading_t, "reading", reading_fields);
       static const tm_json_path_t paths[] = {
           {.path = "/station/name", .field = "sensor", .required = true},
           {.path = "/readings/-/at", .field = "at", .required = true},
           {.path = "/readings/-/celsius", .field = "celsius", .required = true},
       };
       tm_stream_t *readings = tm_source_json(job, &(tm_json_source_spec_t){
           .type = &reading, .paths = paths, .path_cnt = 3});

   Rows     one a message, or, where paths have the key "-", one for each element of that array;
            values from outside of the array are in all of its rows, wherever they stand
   Values   exact or an error. bool, i32, i64, u64, decimal64 (numbers, bare or in strings), times
            (RFC 3339, or numbers of a unit), symbols (texts of up to 63 bytes, 65,536 in all)
   Time     a row's event time is the field TM_HEADER_TIME; where it has no path, the time of
            receipt
   Errors   a message that is no JSON, or whose values do not fit, gives no row but a counter and a
            dead letter (--dead-letters, --dead-letter-journal). What `where` does not choose is
            counted as messages_other
   Limits   8 MiB of rows a message, 63 paths, one array */
#ifndef TIDEMARK_JSON_SOURCE_H
#define TIDEMARK_JSON_SOURCE_H

#include "tidemark_flow.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tm_json_path {
    const char *path;  /* JSON Pointer (RFC 6901); "-": each element of the array */
    const char *field; /* of the row */
    bool required;     /* a message without it, or with null, is at fault */
    int64_t unit_ns;   /* times as numbers: they count 1, 1000, 1000000 or 1000000000 ns */
} tm_json_path_t;

typedef struct tm_json_source_spec {
    const char *name; /* shown in logs and metrics; NULL = "json" */
    const tm_struct_t *type;
    const tm_json_path_t *paths; /* one a field */
    size_t path_cnt;
    const char *where, *is; /* only messages with this text at this path; NULL = all */
    size_t nulls_off; /* of an uint64_t in the struct that tells absent values; 0 = they read as 0.
                         Absent times and symbols are null either way */
    const char *url;  /* as in tm_feed_spec_t */
} tm_json_source_spec_t;

/* Live connections or captured files, as the command line says: what tm_source_feed does for
   exchanges. Several sources of one graph may take their rows from the same messages. Copies that
   several connections bring are all taken. */
TM_API tm_stream_t *tm_source_json(tm_job_t *job, const tm_json_source_spec_t *spec);

#ifdef __cplusplus
}
#endif
#endif
