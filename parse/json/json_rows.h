/* parse/json/json_rows.h - messages of any JSON to the rows of a schema that a job declares.
   Flow     net -> frame -> [json rows] -> row -> ring
   Rows     one a message, or one for each element of an array where paths have "-"; values of
            fields outside of the array are in all of its rows, wherever they stand in the message
   Types    bool, i32, i64, u64, decimal64, time_ns, symbol; the rest of base/schema.h has no JSON
            form that is exact. docs/json.md says which text each takes
   Memory   opaque, heap, sized at open: room for TM_JSON_ROWS_SZ bytes of rows, of which the kernel
            gives pages as they are needed; the kept dead letters
   Threads  one ingest thread; the symbol table is shared
   Errors   a message that is at fault gives no row, but a counter named after its reason and a dead
            letter. One that `where` does not choose is counted, even if its values are of other
            types. Nothing stops the feed
   Counters dead_letters = bad_<reason> for each of parse/reason.h; messages_other
   Limits   those of parse/tidemark_json.h, TM_JSON_ROWS_SZ bytes of rows a message
   Tests    tests/parse/test_json_rows.c, tests/e2e/sensors.py */
#ifndef TM_PARSE_JSON_ROWS_H
#define TM_PARSE_JSON_ROWS_H

#include "base/counter.h"
#include "base/frame.h"
#include "base/schema.h"
#include "base/symbol.h"
#include "parse/dead_letter.h"

enum { TM_JSON_ROWS_SZ = 8 << 20 };

typedef struct tm_json_rows tm_json_rows_t;

typedef struct tm_json_rows_field {
    const char *path;  /* JSON Pointer; "-": each element of an array */
    const char *field; /* of the schema */
    bool required;     /* absent or null is an error */
    int64_t unit_ns;   /* times: numbers count so many ns; 0: text only */
} tm_json_rows_field_t;

typedef struct tm_json_rows_cfg {
    const tm_schema_t *schema; /* not copied. Fields that are nullable tell absent values, times and
                                  symbols anyway; others are then 0 */
    const tm_json_rows_field_t *fields;
    uint32_t field_cnt;
    const char *where, *is; /* only messages whose text at the path `where` is `is`; NULL = all */
    tm_symbols_t *symbols;  /* NULL: only checks whether the rest is right */
    tm_counter_set_t *counters;
    tm_dead_letter_fn *on_dead_letter; /* called with each, beside it being kept; may be NULL */
    void *on_dead_letter_ctx;
} tm_json_rows_cfg_t;

/* A bad configuration is TM_E_CONFIG with a text that names the field. */
int tm_json_rows_open(tm_json_rows_t **out, const tm_json_rows_cfg_t *cfg) TM_MUST_CHECK;
void tm_json_rows_close(tm_json_rows_t *rows); /* NULL is fine */

/* Reads one message: how many rows it gives, schema->row_sz apart from *rows on, valid until the
   next call. Negative where it is no JSON at all, which others who read it need not find again. */
int32_t tm_json_rows_frame(tm_json_rows_t *rows, const tm_frame_t *frame, const void **out);

/* The kept dead letters; parse/dead_letter.h says their form. NULL has none. */
int tm_json_rows_dead_letters_write(const tm_json_rows_t *rows, FILE *out) TM_MUST_CHECK;

#endif
