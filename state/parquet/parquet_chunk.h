/* state/parquet/parquet_chunk.h - a column chunk: pages of one column of one row group, ready for
   the file.
   Flow     parquet_writer (gathered column) -> [chunk] -> bytes, metadata, page index
   Units    *_sz: bytes; page_rows: rows a page
   Memory   buffers of the builder grow to the largest chunk and are reused
   Threads  one owner a builder
   Errors   -ENOMEM
   Tests    tests/state/test_parquet_file.c */
#ifndef TM_STATE_PARQUET_CHUNK_H
#define TM_STATE_PARQUET_CHUNK_H

#include "state/codec.h"
#include "state/parquet/parquet_page.h"
#include "state/parquet/value_dict.h"
#include "state/part/part_options.h"

/* What was chosen for a column, and for how many chunks it still holds. */
typedef struct tm_parquet_choice {
    uint32_t left_cnt;
    tm_parquet_codec_t codec;
    bool bytes, whole_bytes, number;
} tm_parquet_choice_t;

typedef struct tm_parquet_chunker {
    tm_codec_t *codec;
    uint32_t *idx; /* scratch for a number a row; the writer's */
    tm_value_dict_t dict;
    tm_compression_t compression; /* what may be used where it pays */
    uint32_t byte_ns;             /* see parquet_choice.h */
    uint32_t page_rows;
    tm_buffer_t raw;  /* a page body before compression */
    tm_buffer_t file; /* the chunk as it goes to the file */
    tm_buffer_t temp; /* a sample, a dictionary body */
    int64_t saved_sz; /* by compression, in the chunk at hand */
    tm_parquet_page_t *pages;
    uint32_t page_cnt, page_cap;
} tm_parquet_chunker_t;

int tm_parquet_chunker_init(tm_parquet_chunker_t *chunker) TM_MUST_CHECK;
void tm_parquet_chunker_free(tm_parquet_chunker_t *chunker);

/* Builds the chunk in chunker->file. Offsets in `chunk` count from `off`, where it will lie. */
int tm_parquet_chunk_build(tm_parquet_chunker_t *chunker, const tm_parquet_src_t *src,
                           tm_parquet_choice_t *choice, int64_t off,
                           tm_parquet_chunk_t *chunk) TM_MUST_CHECK;

/* Appends column index and offset index of the chunk just built. Their offsets in `chunk` count
   from the start of `index`; a chunk whose pages lack statistics gets no column index. */
int tm_parquet_chunk_index(const tm_parquet_chunker_t *chunker, const tm_parquet_src_t *src,
                           tm_parquet_chunk_t *chunk, tm_buffer_t *index) TM_MUST_CHECK;

#endif
