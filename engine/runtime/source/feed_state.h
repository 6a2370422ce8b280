/* engine/runtime/source/feed_state.h - the inside of feeds, shared by frame_reader.c (what the
   feeds of a thread share), feed_source.c (one source of frames), feed_inputs.c (which ones there
   are) and feed_mark.c (what a checkpoint keeps of one). Nobody else includes it.
   Threads  one ingest thread */
#ifndef TM_ENGINE_FEED_STATE_H
#define TM_ENGINE_FEED_STATE_H

#include "engine/job/nodes.h"
#include "engine/runtime/source/arbiter.h"
#include "engine/runtime/source/book_check.h"
#include "engine/runtime/source/recorder.h"
#include "engine/runtime/source/row_source.h"
#include "net/feed/feed.h"
#include "parse/json/json_rows.h"
#include "parse/parser.h"

enum {
    FRAME_BURST = 256, /* frames a poll: long enough to amortise, short against a ring */
    BATCH_ROWS = 256,
    TARGET_MAX = 8, /* feeds of a graph */
    BOOK_SCHEMAS = 1 << TM_SCHEMA_ID_DEPTH | 1 << TM_SCHEMA_ID_LEVEL,
    FEED_ROW_BURST = 512, /* more than all connections can say in one poll */
};

/* Rows for one feed of the graph. */
typedef struct target {
    const struct tm_stream *node;
    uint32_t cnt, row_sz;
    uint8_t *rows;        /* BATCH_ROWS */
    tm_json_rows_t *json; /* NULL = rows of the exchange's messages */
} target_t;

struct tm_frame_reader {
    tm_frame_reader_cfg_t cfg;
    tm_parser_t *parser;          /* NULL = no feed wants messages of an exchange */
    tm_recorder_t *recorder;      /* NULL = frames are not recorded */
    tm_journal_writer_t *journal; /* where to; not owned */
    char *journal_dir;
    bool wants_books;            /* some feed takes rows of books */
    tm_book_checksum_t checksum; /* by which the venue proves its books, or NONE */
    target_t targets[TARGET_MAX];
    uint32_t target_cnt;
    tm_journal_writer_t *dead; /* NULL = dead letters are only kept in memory; not owned */
    tm_counter_t *rows_in, *rows_other, *dead_lost;
    tm_market_row_t *rows; /* of one frame: TM_PARSER_ROW_MAX lines, touched as they are needed */
    tm_frame_t frames[FRAME_BURST];
};

/* One source of frames: a set of connections, or a file. */
typedef struct feed_source {
    tm_row_source_t src;
    tm_frame_reader_t *reader;
    const char *path; /* replay; NULL = live */
    uint32_t replay_idx;
    const char *urls[TM_OPTION_LIST_MAX];
    uint32_t url_cnt;
    tm_transport_t transport;                /* of live connections */
    uint32_t group_cnt;                      /* connections but for copies; a file is one */
    uint32_t first[TARGET_MAX];              /* partition of a target's first */
    uint8_t part_of[TM_FEED_LINE_MAX];       /* group: its partition, from a target's first on */
    tm_feed_group_t feeds[TM_FEED_LINE_MAX]; /* groups of live connections */
    uint64_t asks[TARGET_MAX];               /* addresses whose rows it takes, a bit each */
    uint64_t wants[TARGET_MAX];              /* the same by group */
    uint64_t market, json; /* groups that carry messages of an exchange, or declared ones */
    tm_source_t *source;
    bool recorded;          /* frames come from a recording now: a replay, or the backlog */
    bool runs_up;           /* and lie before its range: nothing of them goes on */
    tm_arbiter_t *arbiter;  /* of a live feed, and of recordings that know their lanes; else NULL */
    int64_t recorded_ns;    /* time of the last recorded frame */
    tm_book_check_t *books; /* of one whose books only a checksum proves, else NULL */
    uint16_t groups[TM_ARBITER_CONN_MAX]; /* of connections */
    uint32_t feed_row_cnt;
    tm_feed_row_t feed_rows[FEED_ROW_BURST];

    uint32_t group; /* of the batches under way */
    int64_t ingress_ns;

    uint64_t from_pos;                   /* of a source that is restored; 0 = from the start */
    bool restored;                       /* and what had come until then is known */
    bool streaming[TM_ARBITER_CONN_MAX]; /* connections that did then */
    uint64_t epoch; /* of the journal's writer then; of a source that was closed, at its end */
    /* Of a live feed that was not polled since it opened: what happened to its connections is in
       the journal from here on, and nobody was told. */
    bool unpolled;
    uint64_t opened_seq;
    bool backlog; /* of a live feed: what the journal has behind the checkpoint comes first */
    uint64_t backlog_cnt;
    int64_t backlog_ns; /* when the last of it was received */
} feed_source_t;

extern const tm_row_source_ops_t tm_feed_source_ops;

/* feed_source.c: what decides which rows are new, where there is none yet. */
int tm_feed_arbiter_open(feed_source_t *f) TM_MUST_CHECK;
int tm_feed_books_open(feed_source_t *f) TM_MUST_CHECK;

/* feed_mark.c: tm_row_source_ops_t's; where the source stands, and in which opening of the
   journal. */
uint64_t tm_feed_position(const feed_source_t *f);
uint64_t tm_feed_epoch(const feed_source_t *f);
uint64_t tm_feed_recorded(const tm_row_source_t *src);
int tm_feed_save(const tm_row_source_t *src, tm_buffer_t *blob) TM_MUST_CHECK;
int tm_feed_restore(tm_row_source_t *src, const void *bytes, size_t sz) TM_MUST_CHECK;

/* What live connections are opened with. */
tm_feed_cfg_t tm_feed_cfg_of(feed_source_t *f);

/* "trades=FILE" is for the feed of that name alone. Returns what follows. */
const char *tm_frame_reader_strip(const tm_frame_reader_t *r, const char *text, int *only);

#endif
