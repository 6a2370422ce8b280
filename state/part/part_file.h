/* state/part/part_file.h - one part file from its first row to its last byte on disk.
   Flow     part_sink (rows) -> [part file] -> hidden file, complete and fsynced
   States   filling: rows are taken; closing: no more rows, the end is not yet durable; complete:
            fsynced, waits for a transaction. A failed fsync makes it lost: what lies behind its
            last point is not trusted
   Encoding what turns rows into bytes: part_parquet.c (bulk: the file is readable once it is
            complete) or part_text.c (rows: the file may be gone on with behind any of them)
   Units    *_ns: nanoseconds; *_sz, off: bytes; *_cnt: rows
   Memory   one heap block a part; rows that are held belong to the encoder's budget
   Threads  one owner
   Errors   -errno with the path. Flush, point and complete may be repeated, except after a failed
            fsync
   Tests    tests/state/test_part_sink.c, tests/state/test_part_fault.c */
#ifndef TM_STATE_PART_FILE_H
#define TM_STATE_PART_FILE_H

#include "state/parquet/parquet_writer.h"
#include "state/part/part_log.h"
#include "state/part/part_roll.h"

typedef enum tm_part_phase { TM_PART_FILLING, TM_PART_CLOSING, TM_PART_COMPLETE } tm_part_phase_t;

typedef struct tm_part_file tm_part_file_t;
typedef struct tm_part_encoder tm_part_encoder_t;

typedef struct tm_part_encoder_ops {
    /* Makes room for cnt rows of this part, so that take() cannot fail. */
    int (*reserve)(tm_part_encoder_t *enc, tm_part_file_t *part, uint32_t cnt);
    void (*take)(tm_part_encoder_t *enc, tm_part_file_t *part, const void *rows, uint32_t cnt);
    /* The file is there and empty. */
    int (*begin)(tm_part_encoder_t *enc, tm_part_file_t *part);
    /* All rows that are held go to the file. */
    int (*flush)(tm_part_encoder_t *enc, tm_part_file_t *part);
    /* Whatever ends a file, after the last flush. */
    int (*finish)(tm_part_encoder_t *enc, tm_part_file_t *part);
    /* Forgets rows that are held, and memory. */
    void (*clear)(tm_part_encoder_t *enc, tm_part_file_t *part);
    /* Whether so many more rows, over so many parts, fit the encoder's budget. */
    bool (*fits)(const tm_part_encoder_t *enc, uint32_t cnt, uint32_t part_cnt);
    void (*close)(tm_part_encoder_t *enc);
} tm_part_encoder_ops_t;

/* Encoders embed this as their first member. */
struct tm_part_encoder {
    const tm_part_encoder_ops_t *ops;
    const char *suffix; /* ".parquet" */
    uint32_t tag;       /* of what it writes: only the same may go on with a file */
    uint32_t slice_max; /* rows that are taken at a time */
    bool by_row;        /* files may be gone on with, and rolled at any row */
};

struct tm_part_file {
    tm_part_file_t *next;
    tm_part_encoder_t *enc; /* not owned, as the log */
    tm_part_log_t *log;
    tm_part_phase_t phase;
    bool begun; /* the hidden file exists and is in the log */
    bool named; /* its name is durable */
    bool lost;
    int fd;
    uint64_t id;
    int64_t opened_ns, written_ns; /* of its first and last row; TM_TIME_NONE until it is known */
    int64_t row_cnt;               /* taken */
    int64_t off;                   /* bytes in the file */
    size_t held_sz;                /* bytes of rows in memory */
    tm_row_group_t group;          /* of Parquet */
    tm_parquet_file_t file;
    const tm_parquet_kv_t *kv; /* of this file; NULL = as the encoder was told */
    uint32_t kv_cnt;
    tm_buffer_t text; /* of rows as text */
    char name[TM_PART_NAME_MAX];
    char hidden[TM_PART_PATH_MAX];
};

/* A part without a file: that is made by the first flush. */
int tm_part_file_new(tm_part_file_t **out, tm_part_encoder_t *enc, tm_part_log_t *log,
                     const char *name) TM_MUST_CHECK;
void tm_part_file_free(tm_part_file_t *part);

/* A part as it was at a point of its entry: the file is cut there. */
int tm_part_file_resume(tm_part_file_t **out, tm_part_encoder_t *enc, tm_part_log_t *log,
                        const tm_part_entry_t *entry, const tm_part_point_t *at) TM_MUST_CHECK;

/* Writes the rows that are held. */
int tm_part_file_flush(tm_part_file_t *part) TM_MUST_CHECK;

/* Flushes and fsyncs: `at` tells up to where the file reaches. More rows may follow. */
int tm_part_file_point(tm_part_file_t *part, tm_part_point_t *at) TM_MUST_CHECK;

/* Flushes, ends the file, fsyncs it. */
int tm_part_file_complete(tm_part_file_t *part) TM_MUST_CHECK;

/* Removes the hidden file and forgets it in the log. */
int tm_part_file_drop(tm_part_file_t *part) TM_MUST_CHECK;

/* Goes back to the newest point; what was taken since is forgotten. Returns 1 where there is
   none: the part is to be dropped. */
int tm_part_file_rewind(tm_part_file_t *part) TM_MUST_CHECK;

/* As rules see it. */
tm_part_info_t tm_part_file_info(const tm_part_file_t *part, const char *bucket);

#endif
