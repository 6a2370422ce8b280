/* state/parquet/parquet_format.h - the numbers of the Parquet format that we write or read.
   Flow     included by the writer (parquet_chunk, parquet_writer) and the reader (parquet_decode)
   Limits   what a file may make a reader allocate is bounded here. docs/parquet.md says how the
            format is used */
#ifndef TM_STATE_PARQUET_FORMAT_H
#define TM_STATE_PARQUET_FORMAT_H

#include "base/types.h"

#define TM_PARQUET_MAGIC "PAR1"

enum {
    TM_PARQUET_MAGIC_SZ = 4,
    TM_PARQUET_TAIL_SZ = 8,                /* footer length and magic */
    TM_PARQUET_COL_MAX = 1024,             /* columns a reader accepts */
    TM_PARQUET_GROUP_MAX = 32767,          /* row groups a file; their ordinal is an i16 */
    TM_PARQUET_GROUP_ROWS_MAX = 16 << 20,  /* rows a row group */
    TM_PARQUET_FOOTER_SZ_MAX = 64 << 20,   /* bytes of a footer */
    TM_PARQUET_PAGE_SZ_MAX = 256 << 20,    /* bytes of a page, inflated */
    TM_PARQUET_CHUNK_SZ_MAX = 1024 << 20,  /* bytes of a column chunk */
    TM_PARQUET_PAGE_HEADER_SZ_MAX = 65536, /* bytes of a page header, statistics included */
    TM_PARQUET_STAT_SZ_MAX = 64,           /* bytes of a minimum or maximum that we keep */
};

typedef enum tm_parquet_type {
    TM_PARQUET_BOOLEAN = 0,
    TM_PARQUET_INT32 = 1,
    TM_PARQUET_INT64 = 2,
    TM_PARQUET_INT96 = 3,
    TM_PARQUET_FLOAT = 4,
    TM_PARQUET_DOUBLE = 5,
    TM_PARQUET_BYTE_ARRAY = 6,
    TM_PARQUET_FIXED = 7, /* FIXED_LEN_BYTE_ARRAY */
} tm_parquet_type_t;

typedef enum tm_parquet_repetition {
    TM_PARQUET_REQUIRED = 0,
    TM_PARQUET_OPTIONAL = 1,
    TM_PARQUET_REPEATED = 2,
} tm_parquet_repetition_t;

typedef enum tm_parquet_encoding {
    TM_PARQUET_PLAIN = 0,
    TM_PARQUET_PLAIN_DICTIONARY = 2, /* the old name of RLE_DICTIONARY in data pages; read only */
    TM_PARQUET_RLE = 3,
    TM_PARQUET_BIT_PACKED = 4,
    TM_PARQUET_DELTA_BINARY_PACKED = 5,
    TM_PARQUET_DELTA_LENGTH_BYTE_ARRAY = 6,
    TM_PARQUET_DELTA_BYTE_ARRAY = 7,
    TM_PARQUET_RLE_DICTIONARY = 8,
    TM_PARQUET_BYTE_STREAM_SPLIT = 9,
} tm_parquet_encoding_t;

typedef enum tm_parquet_codec {
    TM_PARQUET_CODEC_NONE = 0,
    TM_PARQUET_CODEC_SNAPPY = 1,
    TM_PARQUET_CODEC_GZIP = 2,
    TM_PARQUET_CODEC_LZO = 3,
    TM_PARQUET_CODEC_BROTLI = 4,
    TM_PARQUET_CODEC_LZ4 = 5, /* framed in Hadoop's way: never written */
    TM_PARQUET_CODEC_ZSTD = 6,
    TM_PARQUET_CODEC_LZ4_RAW = 7,
} tm_parquet_codec_t;

typedef enum tm_parquet_page_type {
    TM_PARQUET_DATA_PAGE = 0,
    TM_PARQUET_INDEX_PAGE = 1,
    TM_PARQUET_DICTIONARY_PAGE = 2,
    TM_PARQUET_DATA_PAGE_V2 = 3,
} tm_parquet_page_type_t;

/* ConvertedType: what logical types were called before 2.4; -1 where there is none. */
enum {
    TM_PARQUET_CONVERTED_NONE = -1,
    TM_PARQUET_CONVERTED_UTF8 = 0,
    TM_PARQUET_CONVERTED_LIST = 3,
    TM_PARQUET_CONVERTED_DECIMAL = 5,
    TM_PARQUET_CONVERTED_TIMESTAMP_MILLIS = 9,
    TM_PARQUET_CONVERTED_TIMESTAMP_MICROS = 10,
    TM_PARQUET_CONVERTED_UINT_64 = 14,
    TM_PARQUET_CONVERTED_INT_32 = 17,
    TM_PARQUET_CONVERTED_INT_64 = 18,
};

/* Names that the specification gives to the nodes below a list. */
#define TM_PARQUET_LIST_NODE    "list"
#define TM_PARQUET_ELEMENT_NODE "element"

/* Field ids of the LogicalType union. */
typedef enum tm_parquet_logical {
    TM_PARQUET_LOGICAL_NONE = 0,
    TM_PARQUET_LOGICAL_STRING = 1,
    TM_PARQUET_LOGICAL_LIST = 3,
    TM_PARQUET_LOGICAL_DECIMAL = 5,
    TM_PARQUET_LOGICAL_TIMESTAMP = 8,
    TM_PARQUET_LOGICAL_INTEGER = 10,
} tm_parquet_logical_t;

#endif
