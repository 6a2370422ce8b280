/* state/parquet/parquet_decode.h - the bytes of Parquet's encodings back to values; trusts nothing.
   Flow     parquet_reader (page body) -> [decode] -> values of a chunk
   Units    cnt: values; *_sz, off: bytes
   Memory   values grow on the heap, bounded by the row count that the footer states
   Threads  no state
   Errors   TM_E_CORRUPT where bytes end early or contradict themselves, TM_E_UNSUPPORTED for an
            encoding that is not listed here, -ENOMEM; with a text
   Limits   state/parquet/parquet_format.h
   Tests    tests/state/test_parquet_file.c, tests/fuzz/fuzz_parquet.c */
#ifndef TM_STATE_PARQUET_DECODE_H
#define TM_STATE_PARQUET_DECODE_H

#include "state/buffer.h"
#include "state/parquet/parquet_format.h"

/* A BYTE_ARRAY or FIXED value: where it lies in `text` of its values. */
typedef struct tm_parquet_slice {
    uint32_t off, sz;
} tm_parquet_slice_t;

/* Values of one chunk, one a row. Numbers are widened: BOOLEAN, INT32, INT64 to int64_t; FLOAT and
   DOUBLE to the bits of a double. */
typedef struct tm_parquet_values {
    uint32_t cnt, cap;
    uint8_t *valid;             /* 1 = there */
    int64_t *num;               /* numbers */
    tm_parquet_slice_t *slices; /* BYTE_ARRAY and FIXED */
    tm_buffer_t text;
} tm_parquet_values_t;

/* Room for row_cnt values of the type. */
int tm_parquet_values_init(tm_parquet_values_t *values, tm_parquet_type_t type,
                           uint32_t row_cnt) TM_MUST_CHECK;
void tm_parquet_values_free(tm_parquet_values_t *values);

/* Appends `cnt` PLAIN values of the type behind values->cnt; all of them are there. */
int tm_parquet_decode_plain(tm_parquet_values_t *values, tm_parquet_type_t type, int32_t type_sz,
                            uint32_t cnt, const uint8_t *src, size_t sz) TM_MUST_CHECK;

/* DELTA_BINARY_PACKED into num[0..cnt-1]; `int32` wraps at 32 bits. */
int tm_parquet_decode_delta(int64_t *num, uint32_t cnt, bool int32, const uint8_t *src,
                            size_t sz) TM_MUST_CHECK;

/* The RLE / bit-packed hybrid: exactly cnt values. */
int tm_parquet_decode_rle(uint32_t *out, uint32_t cnt, uint32_t width, const uint8_t *src,
                          size_t sz) TM_MUST_CHECK;

#endif
