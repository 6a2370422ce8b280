/* state/parquet/thrift.h - Thrift's compact protocol, as far as Parquet's metadata needs it.
   Flow     parquet_meta, parquet_page -> [thrift] -> footer and page headers, and back
   Use      writer: begin a struct, put fields in any order of ids, end it. Reader: loop over
            tm_thrift_next(), take the value that the id asks for or skip it
   Memory   the writer appends to a tm_buffer_t; the reader borrows the input
   Errors   both are sticky: after the first error calls do nothing and `err` keeps it
   Limits   TM_THRIFT_DEPTH_MAX structs deep; lists never longer than the bytes left
   Tests    tests/state/test_thrift.c */
#ifndef TM_STATE_THRIFT_H
#define TM_STATE_THRIFT_H

#include "state/buffer.h"

enum { TM_THRIFT_DEPTH_MAX = 16 };

typedef enum tm_thrift_type {
    TM_THRIFT_STOP = 0,
    TM_THRIFT_TRUE = 1,
    TM_THRIFT_FALSE = 2,
    TM_THRIFT_I8 = 3,
    TM_THRIFT_I16 = 4,
    TM_THRIFT_I32 = 5,
    TM_THRIFT_I64 = 6,
    TM_THRIFT_DOUBLE = 7,
    TM_THRIFT_BINARY = 8,
    TM_THRIFT_LIST = 9,
    TM_THRIFT_SET = 10,
    TM_THRIFT_MAP = 11,
    TM_THRIFT_STRUCT = 12,
} tm_thrift_type_t;

typedef struct tm_thrift_out {
    tm_buffer_t *bytes;
    int err;
    uint32_t depth;
    int16_t last_id[TM_THRIFT_DEPTH_MAX];
} tm_thrift_out_t;

void tm_thrift_out_init(tm_thrift_out_t *out, tm_buffer_t *bytes);

/* A struct at top level or inside a list. */
void tm_thrift_struct(tm_thrift_out_t *out);
/* A struct that is field `id` of the open one. */
void tm_thrift_field_struct(tm_thrift_out_t *out, int16_t id);
void tm_thrift_end(tm_thrift_out_t *out);

void tm_thrift_field_bool(tm_thrift_out_t *out, int16_t id, bool v);
void tm_thrift_field_i8(tm_thrift_out_t *out, int16_t id, int8_t v);
void tm_thrift_field_i16(tm_thrift_out_t *out, int16_t id, int16_t v);
void tm_thrift_field_i32(tm_thrift_out_t *out, int16_t id, int32_t v);
void tm_thrift_field_i64(tm_thrift_out_t *out, int16_t id, int64_t v);
void tm_thrift_field_binary(tm_thrift_out_t *out, int16_t id, const void *src, size_t sz);
/* The caller puts exactly `cnt` items of `item` behind it. */
void tm_thrift_field_list(tm_thrift_out_t *out, int16_t id, tm_thrift_type_t item, uint32_t cnt);

/* Items of a list. */
void tm_thrift_item_bool(tm_thrift_out_t *out, bool v);
void tm_thrift_item_int(tm_thrift_out_t *out, int64_t v);
void tm_thrift_item_binary(tm_thrift_out_t *out, const void *src, size_t sz);

typedef struct tm_thrift_in {
    const uint8_t *at, *end;
    int err; /* 0 or TM_E_CORRUPT */
    uint32_t depth;
    int16_t last_id[TM_THRIFT_DEPTH_MAX];
} tm_thrift_in_t;

typedef struct tm_thrift_field {
    int16_t id;
    tm_thrift_type_t type;
} tm_thrift_field_t;

void tm_thrift_in_init(tm_thrift_in_t *in, const void *src, size_t sz);

/* Enters the struct that comes next (top level, list item, or the field just announced). */
void tm_thrift_enter(tm_thrift_in_t *in);

/* The next field of the open struct; false at its end (which leaves it) or on an error. */
bool tm_thrift_next(tm_thrift_in_t *in, tm_thrift_field_t *field);

/* The value of the announced field; a type that does not match is an error. */
bool tm_thrift_bool(tm_thrift_in_t *in, const tm_thrift_field_t *field);
int64_t tm_thrift_int(tm_thrift_in_t *in, const tm_thrift_field_t *field);
const uint8_t *tm_thrift_binary(tm_thrift_in_t *in, const tm_thrift_field_t *field, size_t *sz);
/* Number of items; each takes at least one byte, so it is bounded by the input. */
uint32_t tm_thrift_list(tm_thrift_in_t *in, const tm_thrift_field_t *field, tm_thrift_type_t item);

/* Items of a list are read by giving the item's type as a field. */
void tm_thrift_skip(tm_thrift_in_t *in, const tm_thrift_field_t *field);

#endif
