/* state/parquet/parquet_rows.h - a row group of ours back to the rows that it was written from.
   Flow     part file -> [parquet rows] -> part_compact (rows of small parts into a larger one)
   Units    rows lie schema->row_sz apart
   Memory   the caller's rows; a column at a time beside them
   Threads  one owner; new names go to the symbol table, which any thread may grow
   Errors   as parquet_reader.h; TM_E_CORRUPT where the columns are not those of the schema
   Limits   times come back in their field's unit; fields of the row's header that are no columns
            are zero
   Tests    tests/state/test_part_compact.c */
#ifndef TM_STATE_PARQUET_ROWS_H
#define TM_STATE_PARQUET_ROWS_H

#include "base/schema.h"
#include "base/symbol.h"
#include "state/parquet/parquet_reader.h"

/* Fills zeroed rows, as many as the row group has. */
int tm_parquet_rows_read(tm_parquet_reader_t *reader, uint32_t group_idx, const tm_schema_t *schema,
                         tm_symbols_t *symbols, void *rows) TM_MUST_CHECK;

#endif
