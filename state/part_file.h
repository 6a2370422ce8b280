/* state/part_file.h - one part file from its first row to its last byte on disk.
   Flow     part_sink (rows) -> [part file] -> hidden file, complete and fsynced
   States   filling: rows are taken; closing: no more rows, the footer is not yet durable;
            complete: fsynced, waits for a transaction. A failed fsync makes it lost: its content is
            not trusted
   Units    *_ns: nanoseconds; *_sz: bytes; *_cnt: rows
   Memory   one heap block; rows lie in the sink's pool
   Threads  one owner
   Errors   -errno with the path. Flush and complete may be repeated, except after a failed fsync
   Tests    tests/state/test_part_sink.c, tests/state/test_part_fault.c */
#ifndef TM_STATE_PART_FILE_H
#define TM_STATE_PART_FILE_H

#include "state/parquet_writer.h"
#include "state/part_log.h"

typedef enum tm_part_phase { TM_PART_FILLING, TM_PART_CLOSING, TM_PART_COMPLETE } tm_part_phase_t;

typedef struct tm_part_file {
    struct tm_part_file *next;
    tm_part_phase_t phase;
    bool begun; /* the hidden file exists and is in the log */
    bool lost;
    int fd;
    int64_t opened_ns; /* of its first row; TM_TIME_NONE until a tick says the time */
    int64_t row_cnt;   /* taken */
    tm_row_group_t group;
    tm_parquet_file_t file;
    char name[TM_PART_NAME_MAX];
    char hidden[TM_PART_PATH_MAX];
} tm_part_file_t;

/* A part without a file: that is made by the first flush. */
int tm_part_file_new(tm_part_file_t **out, const char *dir, const char *name, tm_row_pool_t *pool,
                     uint32_t group_rows) TM_MUST_CHECK;
void tm_part_file_free(tm_part_file_t *part);

/* Writes the rows held as a row group. */
int tm_part_file_flush(tm_part_file_t *part, tm_parquet_writer_t *writer,
                       tm_part_log_t *log) TM_MUST_CHECK;

/* Flushes, writes the footer, fsyncs the file. */
int tm_part_file_complete(tm_part_file_t *part, tm_parquet_writer_t *writer, tm_part_log_t *log,
                          const tm_parquet_kv_t *kv, uint32_t kv_cnt) TM_MUST_CHECK;

/* Removes the hidden file and forgets it in the log. */
int tm_part_file_drop(tm_part_file_t *part, tm_part_log_t *log) TM_MUST_CHECK;

#endif
