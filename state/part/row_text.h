/* state/part/row_text.h - rows as lines of text: CSV (RFC 4180) and JSON, one object a line.
   Flow     part_text, callback sink (row) -> [row text] -> bytes
   Values   decimals exact, with all digits of their scale; times as 2026-01-31T12:00:00.123Z with
            the digits of their unit; doubles with 17 digits, enough to read the same number back.
            Absent ones are empty in CSV and null in JSON, as are doubles that are no number in JSON
   Memory   a plan of a few KiB; output is the caller's
   Threads  a plan may be shared
   Errors   open: TM_E_CONFIG; afterwards nothing fails
   Limits   a line takes row_sz_max bytes at most
   Tests    tests/state/test_row_text.c */
#ifndef TM_STATE_ROW_TEXT_H
#define TM_STATE_ROW_TEXT_H

#include "base/schema.h"
#include "base/symbol.h"

typedef enum tm_row_format { TM_ROW_CSV, TM_ROW_JSON } tm_row_format_t;

typedef struct tm_row_text {
    tm_row_format_t format;
    const tm_schema_t *schema; /* not owned; outlives the plan */
    const tm_symbols_t *symbols;
    uint32_t row_sz_max; /* bytes of a line at most, its end included */
    uint32_t lead_sz[TM_SCHEMA_FIELD_MAX];
    char lead[TM_SCHEMA_FIELD_MAX][2 * TM_SCHEMA_NAME_MAX + 8]; /* what stands before a value */
} tm_row_text_t;

int tm_row_text_open(tm_row_text_t *text, tm_row_format_t format, const tm_schema_t *schema,
                     const tm_symbols_t *symbols) TM_MUST_CHECK;

/* Writes the row and a newline; returns the bytes. */
size_t tm_row_text_put(const tm_row_text_t *text, uint8_t *out, const void *row);

/* The line of column names that a CSV file begins with; "" for JSON. At most row_sz_max bytes. */
size_t tm_row_text_head(const tm_row_text_t *text, uint8_t *out);

#endif
