/* state/part/part_roll.h - when a part is finished and the next one begins.
   Flow     part_sink (before a row, at a checkpoint, as time passes) -> [part roll] -> yes or no
   Rules    before a row: the part is larger than max_sz, so it may exceed it by one row; at a
            checkpoint: likewise, or always; as time passes: it is age_ns old, or nothing was
            written to it for idle_ns
   Units    *_ns: nanoseconds of the sink's clock; *_sz: bytes
   Callbacks take the place of a rule; they may ask the rule itself. They run on the file thread
   Threads  no state
   Tests    tests/state/test_part_rows.c, tests/vectors */
#ifndef TM_STATE_PART_ROLL_H
#define TM_STATE_PART_ROLL_H

#include "base/types.h"

/* An open part, as a rule sees it. */
typedef struct tm_part_info {
    const char *bucket;
    uint64_t file_sz; /* bytes so far, those still in memory included; of Parquet, those written */
    int64_t row_cnt;
    int64_t opened_ns, written_ns; /* of the first and the last row; TM_TIME_NONE: not known yet */
} tm_part_info_t;

typedef struct tm_part_roll tm_part_roll_t;

struct tm_part_roll {
    uint64_t max_sz;           /* 0 = 128 MiB */
    int64_t age_ns;            /* 0 = 60 s; negative = never */
    int64_t idle_ns;           /* 0 = 60 s; negative = never */
    int64_t check_interval_ns; /* time is looked at so often; 0 = at every tick */
    bool on_checkpoint;        /* at every checkpoint, whatever the size; Parquet always does */
    bool (*before_row)(const tm_part_roll_t *roll, const tm_part_info_t *part);
    bool (*at_checkpoint)(const tm_part_roll_t *roll, const tm_part_info_t *part);
    bool (*at_time)(const tm_part_roll_t *roll, const tm_part_info_t *part, int64_t now_ns);
    void *ctx; /* of the callbacks */
};

/* Puts the defaults in for zeros. */
void tm_part_roll_init(tm_part_roll_t *roll);

/* The rules. */
bool tm_part_roll_before_row(const tm_part_roll_t *roll, const tm_part_info_t *part);
bool tm_part_roll_at_checkpoint(const tm_part_roll_t *roll, const tm_part_info_t *part);
bool tm_part_roll_at_time(const tm_part_roll_t *roll, const tm_part_info_t *part, int64_t now_ns);

#endif
