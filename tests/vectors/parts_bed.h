/* tests/vectors/parts_bed.h - the real part sink, driven by the lines of a case.
   Flow     vector_parts.c, vector_parts_state.c, vector_txn.c -> [bed] -> state/part/part_sink.h
   Rows     one column of text, as headless CSV without quotes: a line is its text and a newline;
            the bucket is named by the row's symbol, through a function
   Names    without a suffix; hidden files of rows that will come again are kept, as the cases ask
   Units    times as they are in the case; one unit is one nanosecond of the sink's clock
   Errors   what cannot be set up ends the program: that is no verdict about a case */
#ifndef TM_TESTS_PARTS_BED_H
#define TM_TESTS_PARTS_BED_H

#include "state/part/part_sink.h"
#include "tests/vectors/vector.h"

enum { PARTS_BED_SINK_MAX = 4 };

typedef struct parts_bed {
    char dir[128];
    tm_schema_t schema;
    tm_symbols_t *symbols;
    int64_t now;
    tm_part_sink_cfg_t cfg; /* of the next open */
    tm_sink_t *sinks[PARTS_BED_SINK_MAX];
    int64_t asked[3], rolled[3]; /* at a checkpoint, before a row, as time passes */
} parts_bed_t;

void parts_bed_open(parts_bed_t *bed);
void parts_bed_close(parts_bed_t *bed);

/* "default", "on_checkpoint", or an object of limits; false where it is something else. */
bool parts_bed_policy(parts_bed_t *bed, const tm_json_t *policy);

/* Each returns 0 or the sink's error, whose text vector_say has then. */
int parts_bed_start(parts_bed_t *bed, uint32_t subtask_idx);
int parts_bed_write(parts_bed_t *bed, uint32_t subtask_idx, const char *bucket, const char *line);
int parts_bed_time(parts_bed_t *bed, uint32_t subtask_idx, int64_t now);
int parts_bed_snapshot(parts_bed_t *bed, uint32_t subtask_idx, uint64_t id);
int parts_bed_notify(parts_bed_t *bed, uint32_t subtask_idx, uint64_t id);
int parts_bed_recover(parts_bed_t *bed, uint32_t subtask_idx, uint64_t id);
/* As a death would leave it. */
void parts_bed_stop(parts_bed_t *bed, uint32_t subtask_idx);

tm_part_sink_state_t parts_bed_state(const parts_bed_t *bed, const char *bucket);

/* Calls `fn` for each part file below the folder, finished or hidden. */
typedef struct parts_bed_file {
    char bucket[128], name[256], path[512];
    bool hidden;
} parts_bed_file_t;
typedef void parts_bed_file_fn(void *ctx, const parts_bed_file_t *file);
void parts_bed_files(const parts_bed_t *bed, parts_bed_file_fn *fn, void *ctx);

/* The whole text of a file, on the heap. */
char *parts_bed_text(const char *path);

/* What follows a word and its blank; NULL where the text begins with another word. */
const char *parts_bed_after(const char *text, const char *word);

#endif
