/* state/parquet/parquet_page.h - one data page: definition levels, encoded values, smallest and
   largest.
   Flow     parquet_chunk (a gathered column) -> [page] -> page body, not yet compressed
   Units    *_cnt: rows or values; *_sz: bytes
   Memory   appends to the caller's buffer; compacts the caller's values in place where some are
            absent
   Threads  no state
   Errors   -ENOMEM
   Tests    tests/state/test_parquet_file.c */
#ifndef TM_STATE_PARQUET_PAGE_H
#define TM_STATE_PARQUET_PAGE_H

#include "state/buffer.h"
#include "state/parquet/parquet_levels.h"
#include "state/parquet/parquet_meta.h"
#include "state/parquet/row_group.h"

/* Sorted texts that a column's indexes point to. */
typedef struct tm_parquet_dict {
    uint32_t cnt;
    const char **text;
    uint8_t *text_sz;
} tm_parquet_dict_t;

/* A column of a row group, in the order in which it goes to the file. */
typedef struct tm_parquet_src {
    const tm_parquet_col_t *col;
    const tm_store_col_t *store;
    const tm_parquet_dict_t *dict; /* values are uint32_t indexes into it; NULL = plain values */
    void *values;                  /* cnt of them; those of absent entries mean nothing */
    tm_parquet_levels_t levels;
    uint32_t cnt; /* entries: rows, or elements of lists */
} tm_parquet_src_t;

/* Smallest and largest value. Integers of any kind and dictionary indexes fit an int128. */
typedef struct tm_parquet_range {
    bool known;
    tm_i128_t min, max;
    double min_f, max_f;
} tm_parquet_range_t;

typedef struct tm_parquet_page {
    const void *values;            /* those that are there, in the file's unit */
    size_t raw_sz;                 /* body before compression */
    size_t file_off, file_sz;      /* header and compressed body, from the start of the chunk */
    uint32_t first, cnt, null_cnt; /* entries of the chunk */
    uint32_t first_row;            /* of the row group */
    tm_parquet_range_t range;
} tm_parquet_page_t;

/* How the pages of a chunk are written: chosen a chunk, by trying samples. */
typedef struct tm_parquet_form {
    tm_parquet_codec_t codec;
    bool bytes;          /* see tm_codec_t */
    bool whole_bytes;    /* see tm_parquet_delta_form_t */
    const uint32_t *idx; /* numbers of the values, each entry's, instead of them; NULL = none */
    uint32_t dict_cnt;   /* values that the numbers stand for */
} tm_parquet_form_t;

/* The encoding that a column's data pages get. */
tm_parquet_encoding_t tm_parquet_page_encoding(const tm_parquet_src_t *src,
                                               const tm_parquet_form_t *form);

/* Readies the values of entries first .. first + cnt - 1, once: absent ones are closed up, times
   brought to their unit, the range found. */
void tm_parquet_page_prepare(const tm_parquet_src_t *src, tm_parquet_page_t *page);

/* Appends the body: levels, then values. */
int tm_parquet_page_encode(const tm_parquet_src_t *src, tm_parquet_page_t *page,
                           const tm_parquet_form_t *form, tm_buffer_t *out) TM_MUST_CHECK;

/* Appends the first `cnt` values alone, to try how they compress. */
int tm_parquet_page_sample(const tm_parquet_src_t *src, const tm_parquet_page_t *page, uint32_t cnt,
                           const tm_parquet_form_t *form, tm_buffer_t *out) TM_MUST_CHECK;

/* Widens `all` by a page's range. */
void tm_parquet_range_merge(tm_parquet_range_t *all, const tm_parquet_range_t *page);

/* The bytes of the smallest (or largest) value as statistics hold them; 0 = too long to keep. */
uint32_t tm_parquet_range_bytes(const tm_parquet_src_t *src, const tm_parquet_range_t *range,
                                bool largest, uint8_t out[TM_PARQUET_STAT_SZ_MAX]);

#endif
