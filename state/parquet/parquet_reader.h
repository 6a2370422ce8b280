/* state/parquet/parquet_reader.h - reads Parquet files: ours, and flat ones of others.
   Flow     file -> [reader] -> inspect, demo, tests
   Reads    V1 pages; PLAIN, RLE_DICTIONARY, DELTA_BINARY_PACKED; none, zstd, lz4_raw
   Units    *_idx: 0-based; *_cnt: rows
   Memory   a chunk at a time, with all its values; bounded by state/parquet/parquet_format.h
   Threads  one owner a reader
   Errors   -errno, TM_E_CORRUPT, TM_E_UNSUPPORTED, TM_E_LIMIT; the text starts with the path.
            Corrupt files are events: every offset, size and count is checked before it is used
   Tests    tests/state/test_parquet_file.c, tests/readers, tests/fuzz/fuzz_parquet.c */
#ifndef TM_STATE_PARQUET_READER_H
#define TM_STATE_PARQUET_READER_H

#include "state/parquet/parquet_decode.h"
#include "state/parquet/parquet_meta.h"

enum { TM_PARQUET_CELL_MAX = 256 };

typedef struct tm_parquet_reader tm_parquet_reader_t;

int tm_parquet_reader_open(tm_parquet_reader_t **out, const char *path) TM_MUST_CHECK;

/* A file that lies in memory (not copied); `name` stands for the path in errors. */
int tm_parquet_reader_open_mem(tm_parquet_reader_t **out, const void *src, size_t sz,
                               const char *name) TM_MUST_CHECK;
void tm_parquet_reader_close(tm_parquet_reader_t *reader);

const tm_parquet_meta_t *tm_parquet_reader_meta(const tm_parquet_reader_t *reader);
int64_t tm_parquet_reader_sz(const tm_parquet_reader_t *reader);

/* All values of a column in a row group; the caller frees them. */
int tm_parquet_reader_values(tm_parquet_reader_t *reader, uint32_t group_idx, uint32_t col_idx,
                             tm_parquet_values_t *values) TM_MUST_CHECK;

/* Called for each row with one text a column, NULL where the value is absent. Anything but 0 stops
   and is returned. */
typedef int (*tm_parquet_row_fn_t)(void *ctx, uint64_t row_idx, const char *const *cells,
                                   uint32_t cell_cnt);

/* Rows first .. first + cnt - 1 of the file as text, in its order; decodes only the row groups that
   they lie in. Fewer where the file ends. */
int tm_parquet_reader_rows(tm_parquet_reader_t *reader, uint64_t first, uint64_t cnt,
                           tm_parquet_row_fn_t fn, void *ctx) TM_MUST_CHECK;

/* A value as a person reads it: decimals exact, times in ISO form, strings with control characters
   escaped, other bytes in hex; cut at TM_PARQUET_CELL_MAX - 1 bytes. NULL where it is absent. */
const char *tm_parquet_value_text(const tm_parquet_col_t *col, const tm_parquet_values_t *values,
                                  uint32_t idx, char out[TM_PARQUET_CELL_MAX]);

/* The same for the bytes of a statistic. */
const char *tm_parquet_stat_text(const tm_parquet_col_t *col, const uint8_t *src, size_t sz,
                                 char out[TM_PARQUET_CELL_MAX]);

#endif
