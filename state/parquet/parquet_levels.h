/* state/parquet/parquet_levels.h - which values of a column are there, and whose row they are in.
   Flow     parquet_writer (marks of a column) -> [levels] -> front of a page body
   Why      a flat column has one entry a row: a value, or none. A column inside a list has one for
            each element, and one for a list that is empty. Parquet says both with two small numbers
            an entry: the definition level, here 1 = there is a value, and the repetition level,
            here 1 = goes on in the row of the entry before (Dremel; docs/parquet.md)
   Units    entries; first, cnt: of a page
   Threads  no state
   Errors   -ENOMEM
   Tests    tests/state/test_parquet_file.c, tests/readers */
#ifndef TM_STATE_PARQUET_LEVELS_H
#define TM_STATE_PARQUET_LEVELS_H

#include "state/buffer.h"

typedef struct tm_parquet_levels {
    const uint8_t *valid;  /* definition level of each entry; NULL = all are there */
    const uint8_t *repeat; /* repetition level of each entry; NULL = a flat column */
} tm_parquet_levels_t;

/* Entries of a page that starts at `first`, where `left` are left: up to `max`, but whole rows. */
uint32_t tm_parquet_levels_page(const tm_parquet_levels_t *levels, uint32_t first, uint32_t left,
                                uint32_t max);

/* Rows that begin in a page. */
uint32_t tm_parquet_levels_rows(const tm_parquet_levels_t *levels, uint32_t first, uint32_t cnt);

/* Appends the levels of a page of which `there_cnt` entries have values: repetition levels where
   the column is in a list, definition levels. Each is framed as in version 1 pages: length (4
   bytes, little endian), then the hybrid of width 1. */
int tm_parquet_levels_put(const tm_parquet_levels_t *levels, uint32_t first, uint32_t cnt,
                          uint32_t there_cnt, tm_buffer_t *out) TM_MUST_CHECK;

#endif
