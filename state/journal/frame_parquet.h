/* state/journal/frame_parquet.h - records of a journal as a Parquet file, and back.
   Flow     journal reader -> [frame parquet] -> file -> [frame parquet] -> journal writer
   Form     one row a record: seq, recv_time (timestamp, ns, UTC), conn, stream, kind, flags
            (INT64); message (string): payloads that are UTF-8 text; payload (bytes): all others.
            DELTA_BINARY_PACKED numbers, PLAIN payloads, zstd (docs/journal.md, "Parquet")
   Units    *_sz: bytes
   Memory   one row group: payloads of GROUP_SZ (32 MiB), or one record, and as much packed
   Threads  one owner
   Errors   -errno with the path. The file gets its name when it is whole; before that it is
            <path>.tmp. read: TM_E_CORRUPT, TM_E_UNSUPPORTED, TM_E_LIMIT as parquet_reader.h;
            TM_E_SYNTAX where the columns are missing
   Limits   payloads of TM_FRAME_PARQUET_PAYLOAD_MAX
   Tests    tests/state/test_frame_parquet.c, tests/e2e/journal_tool.py */
#ifndef TM_STATE_FRAME_PARQUET_H
#define TM_STATE_FRAME_PARQUET_H

#include "state/journal/journal_cursor.h"
#include "state/journal/journal_writer.h"

enum { TM_FRAME_PARQUET_PAYLOAD_MAX = 128 << 20 };

typedef struct tm_frame_parquet tm_frame_parquet_t;

int tm_frame_parquet_open(tm_frame_parquet_t **out, const char *path) TM_MUST_CHECK;

/* is_text: the payload is UTF-8. */
int tm_frame_parquet_add(tm_frame_parquet_t *file, const tm_journal_view_t *view,
                         bool is_text) TM_MUST_CHECK;

/* Finishes the file; where `code` is an error, removes it and returns that. */
int tm_frame_parquet_close(tm_frame_parquet_t *file, int code) TM_MUST_CHECK;

/* Called for each row in order; the entry's data is good until it returns. Anything but 0 stops and
   is returned. */
typedef int (*tm_frame_parquet_fn_t)(void *ctx, const tm_journal_entry_t *entry);

/* Reads a file of that form. Only recv_time and one of message and payload have to be there. */
int tm_frame_parquet_read(const char *path, tm_frame_parquet_fn_t fn, void *ctx) TM_MUST_CHECK;

#endif
