/* state/parquet/parquet_choice.h - how a chunk is written: chosen by trying samples of its pages.
   Flow     parquet_chunk (prepared pages) -> [choice] -> form of the pages
   Why      a byte less in the file is worth some time and no more. Each way to write the samples
            has a size, measured, and a time, which a table knows: nothing is clocked, so the same
            rows give the same bytes on every machine. The cheapest way wins, a byte counting
            byte_ns. It holds for the column's next chunks
   Units    *_sz: bytes; byte_ns: ns of a core that are given for a byte less
   Threads  one owner a chunker
   Errors   -ENOMEM
   Tests    tests/state/test_parquet_choice.c */
#ifndef TM_STATE_PARQUET_CHOICE_H
#define TM_STATE_PARQUET_CHOICE_H

#include "state/parquet/parquet_chunk.h"

enum { TM_PARQUET_BYTE_NS = 7 }; /* what is given where nothing else is asked for */

/* The form of a chunk whose pages are prepared: what was chosen before, while it holds. */
int tm_parquet_choice_form(tm_parquet_chunker_t *chunker, const tm_parquet_src_t *src,
                           tm_parquet_choice_t *choice, tm_parquet_form_t *form) TM_MUST_CHECK;

#endif
