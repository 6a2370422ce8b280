/* state/parquet/parquet_writer.h - row groups to a Parquet file.
   Flow     part_file (rows as columns) -> [writer] -> file
   Use      one writer a sink, shared by all its open files: it holds the scratch memory.
            file_begin, file_append..., file_finish; then fsync and rename are the caller's
   Units    *_sz, off: bytes; *_rows: rows
   Memory   sized at open for the largest row group: tm_parquet_writer_sz()
   Threads  one owner
   Errors   -errno with the path, TM_E_CONFIG for a schema that Parquet cannot hold. A failed append
            leaves rows and file as they were: it may be repeated once the cause is gone
   Limits   TM_PARQUET_GROUP_ROWS_MAX rows a row group, TM_PARQUET_GROUP_MAX row groups a file
   Tests    tests/state/test_parquet_file.c, tests/readers */
#ifndef TM_STATE_PARQUET_WRITER_H
#define TM_STATE_PARQUET_WRITER_H

#include "base/symbol.h"
#include "state/parquet/parquet_chunk.h"
#include "state/parquet/row_group.h"
#include "state/parquet/symbol_rank.h"
#include "state/part/part_sink.h"

typedef struct tm_parquet_writer_cfg {
    const tm_schema_t *schema; /* not owned; outlives the writer */
    const tm_symbols_t *symbols;
    const char *cluster_field; /* a symbol field; NULL = "symbol" where there is one, "" = none */
    tm_compression_t compression;
    const char *bloom_fields; /* that get a Bloom filter: names with commas between; NULL = none */
    int zstd_level;           /* 0 = 1; above it the smallest form is taken, whatever its time */
    uint32_t byte_ns;         /* ns that a byte less may cost (parquet_choice.h); 0 = 7 */
    bool book_lists;          /* levels of books become lists, a row a message (book_lists.h) */
    uint32_t group_rows;      /* 0 = 128 Ki, or as many as fit 64 MiB */
    uint32_t page_rows;       /* 0 = 32 Ki */
} tm_parquet_writer_cfg_t;

typedef struct tm_parquet_writer tm_parquet_writer_t;

int tm_parquet_writer_open(tm_parquet_writer_t **out,
                           const tm_parquet_writer_cfg_t *cfg) TM_MUST_CHECK;
void tm_parquet_writer_close(tm_parquet_writer_t *writer);

/* Rows that a row group of this writer holds at most. */
uint32_t tm_parquet_writer_group_rows(const tm_parquet_writer_t *writer);

/* One file being written. fd and path are the caller's. */
typedef struct tm_parquet_file {
    int fd;
    const char *path;
    int64_t off;     /* where the next row group goes */
    int64_t touched; /* end of what was ever written: a failed append may lie behind off */
    tm_parquet_meta_t meta;
    tm_buffer_t index; /* column and offset indexes, written in front of the footer */
} tm_parquet_file_t;

/* Starts a file that is empty: nothing is written before the first row group. */
int tm_parquet_file_begin(tm_parquet_writer_t *writer, tm_parquet_file_t *file, int fd,
                          const char *path) TM_MUST_CHECK;

/* Encodes and writes the rows as one row group. The group is left as it is. */
int tm_parquet_file_append(tm_parquet_writer_t *writer, tm_parquet_file_t *file,
                           const tm_row_group_t *group) TM_MUST_CHECK;

/* Writes indexes and footer; `kv` goes to its key-value metadata. file->off is then the size of the
   file. May be repeated after an error. */
int tm_parquet_file_finish(tm_parquet_writer_t *writer, tm_parquet_file_t *file,
                           const tm_parquet_kv_t *kv, uint32_t kv_cnt) TM_MUST_CHECK;

/* Frees what the file holds in memory; the descriptor stays the caller's. */
void tm_parquet_file_free(tm_parquet_file_t *file);

#endif
