/* state/parquet/parquet_meta.h - what a Parquet footer says, as structs: the same for writer and
   reader.
   Flow     parquet_writer -> [meta] -> footer bytes -> [meta] -> parquet_reader, inspect
   Units    *_off: bytes from the start of the file; *_sz: bytes; *_cnt: rows, values, items
   Memory   arrays on the heap, freed by tm_parquet_meta_free. Names and texts: a writer's are
            borrowed from its caller; a reader's lie in `text` of the meta
   Errors   read: TM_E_CORRUPT, TM_E_UNSUPPORTED (nested columns), TM_E_LIMIT, -ENOMEM, with a text
   Limits   state/parquet/parquet_format.h; statistics longer than TM_PARQUET_STAT_SZ_MAX are
            dropped
   Tests    tests/state/test_parquet_file.c, tests/fuzz/fuzz_parquet.c */
#ifndef TM_STATE_PARQUET_META_H
#define TM_STATE_PARQUET_META_H

#include "state/buffer.h"
#include "state/parquet/parquet_format.h"

typedef struct tm_parquet_stats {
    bool known; /* minimum and maximum are there */
    uint8_t min_sz, max_sz;
    int64_t null_cnt; /* -1 = not stated */
    uint8_t min[TM_PARQUET_STAT_SZ_MAX], max[TM_PARQUET_STAT_SZ_MAX];
} tm_parquet_stats_t;

/* One leaf of the schema. */
typedef struct tm_parquet_col {
    const char *name;
    const char *list; /* name of the list whose elements have it; NULL = a column of its own */
    tm_parquet_type_t type;
    int32_t type_sz; /* bytes of a FIXED value */
    tm_parquet_repetition_t repetition;
    int32_t converted; /* TM_PARQUET_CONVERTED_* or another ConvertedType; -1 = none */
    tm_parquet_logical_t logical;
    int32_t scale, precision;                   /* decimals */
    int64_t unit_ns;                            /* timestamps */
    uint8_t int_bits, int_signed, utc_adjusted; /* integers; timestamps */
} tm_parquet_col_t;

/* One column of one row group. */
typedef struct tm_parquet_chunk {
    uint32_t encodings; /* bit set of tm_parquet_encoding_t */
    tm_parquet_codec_t codec;
    int64_t value_cnt; /* nulls included */
    int64_t raw_sz;    /* before compression, page headers included */
    int64_t file_sz;   /* in the file, page headers included */
    int64_t data_off;  /* first data page */
    int64_t dict_off;  /* dictionary page; 0 = none */
    uint32_t data_page_cnt;
    tm_parquet_encoding_t data_encoding;        /* of the data pages, where we wrote them */
    int64_t offset_index_off, column_index_off; /* 0 = none */
    int32_t offset_index_sz, column_index_sz;
    int64_t bloom_off; /* Bloom filter with its header; 0 = none */
    int32_t bloom_sz;
    tm_parquet_stats_t stats;
} tm_parquet_chunk_t;

typedef struct tm_parquet_group {
    int64_t row_cnt;
    int64_t raw_sz, file_sz;
    int64_t off;                /* first byte of its first chunk */
    int32_t sort_col;           /* column the rows are ordered by; -1 = none */
    tm_parquet_chunk_t *chunks; /* one a column */
} tm_parquet_group_t;

/* One entry of a file's key-value metadata. */
typedef struct tm_parquet_kv {
    const char *key, *value;
} tm_parquet_kv_t;

typedef struct tm_parquet_meta {
    int32_t version;
    int64_t row_cnt;
    const char *schema_name, *created_by;
    uint32_t col_cnt, group_cnt, group_cap, kv_cnt;
    bool column_orders; /* stated, so minimum and maximum may be trusted */
    tm_parquet_col_t *cols;
    tm_parquet_group_t *groups;
    tm_parquet_kv_t *kv;
    char *text; /* of a reader: all names and texts, each ending in NUL */
    size_t text_sz;
} tm_parquet_meta_t;

/* Room for `col_cnt` columns, all zero. */
int tm_parquet_meta_init(tm_parquet_meta_t *meta, uint32_t col_cnt) TM_MUST_CHECK;
void tm_parquet_meta_free(tm_parquet_meta_t *meta);

/* Appends a row group with zeroed chunks; it counts once the caller raises group_cnt, so a group
   whose writing failed leaves nothing behind. Its chunks are reused by the next call. */
int tm_parquet_meta_group(tm_parquet_meta_t *meta, tm_parquet_group_t **group) TM_MUST_CHECK;

/* Appends the footer's Thrift bytes (without length and magic). */
int tm_parquet_meta_write(const tm_parquet_meta_t *meta, tm_buffer_t *out) TM_MUST_CHECK;

/* Fills an uninitialised meta from a footer's bytes. Offsets are checked against file_sz. */
int tm_parquet_meta_read(tm_parquet_meta_t *meta, const void *footer, size_t sz,
                         int64_t file_sz) TM_MUST_CHECK;

/* Names for people. */
const char *tm_parquet_type_name(tm_parquet_type_t type);
const char *tm_parquet_encoding_name(tm_parquet_encoding_t encoding);
const char *tm_parquet_codec_name(tm_parquet_codec_t codec);

#endif
