/* state/parquet/parquet_encode.h - values to the bytes of Parquet's encodings.
   Flow     parquet_chunk (one page of a column) -> [encode] -> page body
   Units    cnt: values; *_sz: bytes; width: bits a value
   Memory   output goes to a tm_buffer_t, which grows as needed
   Threads  no state
   Errors   -ENOMEM only: any values can be encoded
   Tests    tests/state/test_parquet_encode.c: decoded by slow references and closed forms */
#ifndef TM_STATE_PARQUET_ENCODE_H
#define TM_STATE_PARQUET_ENCODE_H

#include "state/buffer.h"
#include "state/parquet/bit_pack.h"

/* How differences are packed. */
typedef struct tm_parquet_delta_form {
    bool int32;       /* wrap at 32 bits, as INT32 columns need; the values fit an int32_t */
    bool whole_bytes; /* widths above 8 bits are rounded up to whole bytes: larger as it stands, but
                         what repeats lies on byte boundaries, where a compressor finds it */
} tm_parquet_delta_form_t;

/* DELTA_BINARY_PACKED: blocks of 128, miniblocks of 32. */
int tm_parquet_encode_delta(tm_buffer_t *out, const int64_t *values, uint32_t cnt,
                            tm_parquet_delta_form_t form) TM_MUST_CHECK;

/* The RLE / bit-packed hybrid without a length in front: runs of eight and more equal values become
   RLE, the rest bit-packed groups of eight, padded with zeros at the end. */
int tm_parquet_encode_rle(tm_buffer_t *out, const uint32_t *values, uint32_t cnt,
                          uint32_t width) TM_MUST_CHECK;

/* One run of the hybrid: `cnt` times the same value. */
int tm_parquet_encode_run(tm_buffer_t *out, uint32_t value, uint32_t cnt,
                          uint32_t width) TM_MUST_CHECK;

/* PLAIN booleans: one bit each, eight a byte. `values` are 0 or 1. */
int tm_parquet_encode_bool(tm_buffer_t *out, const uint8_t *values, uint32_t cnt) TM_MUST_CHECK;

/* PLAIN DECIMAL in FIXED_LEN_BYTE_ARRAY(16): two's complement, most significant byte first. */
int tm_parquet_encode_decimal128(tm_buffer_t *out, const tm_i128_t *values,
                                 uint32_t cnt) TM_MUST_CHECK;

/* The same for one value. */
void tm_parquet_put_decimal128(uint8_t out[16], tm_i128_t value);

/* PLAIN BYTE_ARRAY: length (4 bytes, little endian), bytes. */
int tm_parquet_encode_string(tm_buffer_t *out, const void *text, size_t sz) TM_MUST_CHECK;

#endif
