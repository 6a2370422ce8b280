/* state/parquet/parquet_bloom.h - the Bloom filter of a column chunk, as it goes to the file.
   Flow     parquet_chunk (a chunk just built) -> [parquet bloom] -> behind the row group
   Memory   appends to the caller's buffer: about 1.2 to 2.4 bytes a distinct value; where they were
            not numbered every value counts as one
   Threads  no state
   Errors   -ENOMEM
   Tests    tests/state/test_parquet_file.c, tests/readers */
#ifndef TM_STATE_PARQUET_BLOOM_H
#define TM_STATE_PARQUET_BLOOM_H

#include "state/parquet/parquet_chunk.h"

/* Whether a column can have one: not where values equal to a reader differ in their bytes (doubles)
   or there are only two. */
bool tm_parquet_bloom_fits(const tm_parquet_col_t *col);

/* Appends header and bits for the chunk that was built last, from `src`; notes where they start in
   `out` and how long they are. */
int tm_parquet_bloom_build(const tm_parquet_chunker_t *chunker, const tm_parquet_src_t *src,
                           tm_parquet_chunk_t *chunk, tm_buffer_t *out) TM_MUST_CHECK;

#endif
