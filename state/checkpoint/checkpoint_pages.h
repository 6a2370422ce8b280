/* state/checkpoint/checkpoint_pages.h - one file of pages of a checkpoint: written page by page,
   read back.
   Flow     page track -> [page file writer] -> disk -> [page file reader] -> pages of an arena
   Method   records are gathered in 1 MiB and written as a whole; a page is compressed unless that
            saves less than an eighth. docs/checkpoints.md has the bytes
   Units    *_sz: bytes
   Memory   1 MiB and a compressor each, on the heap while open
   Threads  one owner
   Errors   -errno with the path; reader: TM_E_CORRUPT with path, offset and what is wrong. A writer
            that has failed is closed and its file removed by the caller
   Tests    tests/state/test_checkpoint.c, test_checkpoint_fault.c */
#ifndef TM_STATE_CHECKPOINT_PAGES_H
#define TM_STATE_CHECKPOINT_PAGES_H

#include "state/buffer.h"
#include "state/checkpoint/checkpoint_format.h"
#include "state/codec.h"
#include "state/table/page_arena.h"

enum { TM_CHECKPOINT_DIR_MAX = 1000, TM_CHECKPOINT_PATH_MAX = 1280 };

typedef struct tm_pages_writer {
    char path[TM_CHECKPOINT_PATH_MAX];
    int fd;
    int64_t off; /* of what is in the buffer */
    uint32_t seed, record_cnt;
    tm_checkpoint_pages_head_t head;
    tm_parquet_codec_t kind;
    tm_codec_t codec;
    tm_buffer_t buf;
} tm_pages_writer_t;

/* Makes the file. head: id, worker, page_cnt and flags; the rest is filled in. */
int tm_pages_writer_open(tm_pages_writer_t *w, const char *path,
                         const tm_checkpoint_pages_head_t *head,
                         tm_parquet_codec_t kind) TM_MUST_CHECK;

/* A page of TM_PAGE_SZ bytes. */
int tm_pages_writer_put(tm_pages_writer_t *w, uint32_t page, const void *bytes) TM_MUST_CHECK;

/* A record as another file has it, whose checksum was checked. */
int tm_pages_writer_copy(tm_pages_writer_t *w, const tm_checkpoint_record_t *record,
                         const void *stored) TM_MUST_CHECK;

/* Trailer, fsync; the file's size in *sz. */
int tm_pages_writer_finish(tm_pages_writer_t *w, int64_t *sz) TM_MUST_CHECK;

/* Closes the file; safe after any failure, and twice. */
void tm_pages_writer_close(tm_pages_writer_t *w);

typedef struct tm_pages_reader {
    char path[TM_CHECKPOINT_PATH_MAX];
    int fd;
    int64_t off; /* behind what is in the buffer */
    uint32_t seed, record_cnt;
    size_t at; /* next record within the buffer */
    tm_checkpoint_pages_head_t head;
    tm_codec_t codec;
    tm_buffer_t buf;
} tm_pages_reader_t;

/* Checks the header. */
int tm_pages_reader_open(tm_pages_reader_t *r, const char *path) TM_MUST_CHECK;

/* The next record with its stored bytes, checked; they are valid until the next call. 1, or 0 after
   the last one, when the trailer was found in order and nothing behind it. */
int tm_pages_reader_next(tm_pages_reader_t *r, tm_checkpoint_record_t *record,
                         const void **stored) TM_MUST_CHECK;

/* The page of a record, into TM_PAGE_SZ bytes. */
int tm_pages_reader_expand(tm_pages_reader_t *r, const tm_checkpoint_record_t *record,
                           const void *stored, void *page) TM_MUST_CHECK;

void tm_pages_reader_close(tm_pages_reader_t *r);

#endif
