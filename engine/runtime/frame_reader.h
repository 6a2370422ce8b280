/* engine/runtime/frame_reader.h - what the sources of frames of one ingest thread share: parser and
   JSON readers, where rows gather, where frames are recorded.
   Flow     frame -> feed_source.c -> [frame reader: parser, JSON readers, batches] -> task
   Memory   heap, opened with the thread's sources; rows of a message are touched as they are needed
   Threads  those of engine/runtime/row_source.h, which declares the calls
   Errors   open: a negative code with a text
   Limits   TM_FRAME_TARGET_MAX feeds of a graph */
#ifndef TM_ENGINE_FRAME_READER_H
#define TM_ENGINE_FRAME_READER_H

#include "engine/runtime/recorder.h"
#include "engine/runtime/row_source.h"
#include "parse/json_rows.h"
#include "parse/parser.h"

enum {
    TM_FRAME_BURST = 256, /* frames a poll: long enough to amortise, short against a ring */
    TM_FRAME_BATCH_ROWS = 256,
    TM_FRAME_TARGET_MAX = 8,
};

/* Rows for one feed of the graph. */
typedef struct tm_frame_target {
    const struct tm_stream *node;
    uint32_t cnt, row_sz;
    uint8_t *rows;        /* TM_FRAME_BATCH_ROWS */
    tm_json_rows_t *json; /* NULL = rows of the exchange's messages */
} tm_frame_target_t;

struct tm_frame_reader {
    tm_frame_reader_cfg_t cfg;
    tm_parser_t *parser;          /* NULL = no feed wants messages of an exchange */
    tm_recorder_t *recorder;      /* NULL = frames are not recorded */
    tm_journal_writer_t *journal; /* where to; not owned */
    char *journal_dir;
    tm_frame_target_t targets[TM_FRAME_TARGET_MAX];
    uint32_t target_cnt;
    tm_journal_writer_t *dead; /* NULL = dead letters are only kept in memory; not owned */
    tm_counter_t *rows_in, *rows_other, *dead_lost;
    tm_market_row_t *rows; /* of one frame: TM_PARSER_ROW_MAX lines, touched as they are needed */
    tm_frame_t frames[TM_FRAME_BURST];
};

/* "trades=FILE" is for the feed of that name alone: its place goes to *only, -1 where it is for
   all. Returns what follows the name. */
const char *tm_frame_reader_strip(const tm_frame_reader_t *reader, const char *text, int *only);

#endif
