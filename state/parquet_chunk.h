/* state/parquet_chunk.h - a column chunk: pages of one column of one row group, ready for the file.
   Flow     parquet_writer (gathered column) -> [chunk] -> bytes, metadata, page index
   Why      whether compression pays is decided a chunk: packed differences of random data do not
            shrink, and zstd is nine tenths of the time of writing
   Units    *_sz: bytes; page_rows: rows a page
   Memory   buffers of the builder grow to the largest chunk and are reused
   Threads  one owner a builder
   Errors   -ENOMEM
   Tests    tests/state/test_parquet_file.c */
#ifndef TM_STATE_PARQUET_CHUNK_H
#define TM_STATE_PARQUET_CHUNK_H

#include "state/codec.h"
#include "state/parquet_page.h"

typedef struct tm_parquet_chunker {
    tm_codec_t *codec;
    tm_parquet_codec_t kind; /* used where it pays */
    uint32_t page_rows;
    tm_buffer_t raw;  /* page bodies before compression */
    tm_buffer_t file; /* the chunk as it goes to the file */
    tm_buffer_t temp; /* a sample, a dictionary body */
    int64_t saved_sz; /* by compression, in the chunk at hand */
    tm_parquet_page_t *pages;
    uint32_t page_cnt, page_cap;
} tm_parquet_chunker_t;

void tm_parquet_chunker_free(tm_parquet_chunker_t *chunker);

/* Builds the chunk in chunker->file. Offsets in `chunk` count from `off`, where it will lie. */
int tm_parquet_chunk_build(tm_parquet_chunker_t *chunker, const tm_parquet_src_t *src, int64_t off,
                           tm_parquet_chunk_t *chunk) TM_MUST_CHECK;

/* Appends column index and offset index of the chunk just built. Their offsets in `chunk` count
   from the start of `index`; a chunk whose pages lack statistics gets no column index. */
int tm_parquet_chunk_index(const tm_parquet_chunker_t *chunker, const tm_parquet_src_t *src,
                           tm_parquet_chunk_t *chunk, tm_buffer_t *index) TM_MUST_CHECK;

#endif
