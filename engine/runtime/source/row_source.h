/* engine/runtime/source/row_source.h - anything that puts rows into the graph: feeds, arrays,
   generators.
   Flow     frames or memory -> [row source] -> task of the ingest thread
   Life     made before its thread starts, opened, polled and closed on it, freed after it
   Threads  one ingest thread owns a source
   Errors   open: a negative code with a text. poll: rows or frames taken (0 = none now),
            TM_E_CLOSED once the source has ended and all of it was given, any other negative code
            where it cannot go on
   Limits   TM_ROW_SOURCE_PARTITION_MAX partitions an ingest thread */
#ifndef TM_ENGINE_ROW_SOURCE_H
#define TM_ENGINE_ROW_SOURCE_H

#include "engine/runtime/task.h"
#include "state/buffer.h"

enum { TM_ROW_SOURCE_PARTITION_MAX = 64 };

typedef struct tm_row_source tm_row_source_t;

typedef struct tm_row_source_ops {
    int (*open)(tm_row_source_t *src);
    /* May sleep up to wait_ns for the first row; 0 never sleeps. */
    int (*poll)(tm_row_source_t *src, int64_t wait_ns);
    void (*close)(tm_row_source_t *src);
    void (*free)(tm_row_source_t *src);
    /* Between polls: appends where it is, for a restart. */
    int (*save)(const tm_row_source_t *src, tm_buffer_t *blob);
    /* Before open: what save has written; the source goes on from there. */
    int (*restore)(tm_row_source_t *src, const void *bytes, size_t sz);
    /* Between polls: where a live feed that is recorded stands in its journal, which it may still
       read after a restart. NULL, or UINT64_MAX = it does not depend on the journal. */
    uint64_t (*recorded)(const tm_row_source_t *src);
    bool sleeps; /* poll waits by itself: its thread need not */
} tm_row_source_ops_t;

/* Implementations embed this as their first member. */
struct tm_row_source {
    const tm_row_source_ops_t *ops;
    tm_task_t *task;
    uint64_t partitions; /* a bit each, of its thread */
    uint64_t nodes;      /* a bit each: the source nodes that it feeds */
    uint32_t input_idx;  /* which partition of its node, or which input of the job's feeds */
    bool opened, ended;
};

/* ---- Frames: live connections and replays ---------------------------------------------------- */

struct tm_journal_writer;
typedef struct tm_frame_reader tm_frame_reader_t; /* what feeds of a thread share */

typedef struct tm_frame_reader_cfg {
    const tm_topology_t *topo;
    uint32_t ingest_idx;
    struct tm_symbols *symbols;
    tm_counter_set_t *counters;
    tm_idle_kind_t idle;
    const _Atomic bool *stop; /* connecting */
    const _Atomic bool *abort;
} tm_frame_reader_cfg_t;

int tm_frame_reader_open(tm_frame_reader_t **out, const tm_frame_reader_cfg_t *cfg) TM_MUST_CHECK;
void tm_frame_reader_close(tm_frame_reader_t *reader);

/* Before the thread starts: every frame goes into the journal, in folder `dir`, before its rows
   count. A live feed that is restored reads the journal first, from the position it had. */
int tm_frame_reader_record(tm_frame_reader_t *reader, struct tm_journal_writer *journal,
                           const char *dir) TM_MUST_CHECK;
/* Likewise: dead letters go into a journal of their own. */
void tm_frame_reader_bury(tm_frame_reader_t *reader, struct tm_journal_writer *journal);
int tm_frame_reader_dead_letters(const tm_frame_reader_t *reader, FILE *out) TM_MUST_CHECK;

/* The feeds of the reader's thread. partitions: [node] masks, to which theirs are added from
   *partition_cnt on. Returns how many sources were made, or a negative code. */
int tm_feed_sources_make(tm_frame_reader_t *reader, tm_row_source_t **list, uint32_t cap,
                         uint32_t *partition_cnt, uint64_t *partitions) TM_MUST_CHECK;

/* ---- Memory ---------------------------------------------------------------------------------- */

/* One partition of an array or generator. */
int tm_memory_source_make(tm_row_source_t **out, const struct tm_stream *node, uint32_t partition,
                          uint32_t partition_idx, tm_counter_set_t *counters) TM_MUST_CHECK;

#endif
