/* state/part/part_sink_private.h - what the halves of the part sink share.
   Flow     part_sink.c (transactions) -> part_slice.c (rows into the parts of their buckets)
   Memory   of the sink
   Threads  one file thread
   Errors   as part_sink.h
   Tests    tests/state/test_part_sink.c */
#ifndef TM_STATE_PART_SINK_PRIVATE_H
#define TM_STATE_PART_SINK_PRIVATE_H

#include "state/part/part_bucket.h"
#include "state/part/part_compact.h"
#include "state/part/part_encoder.h"
#include "state/part/part_recover.h"

enum { TM_PART_KEY_CACHE_CNT = 4096 };

typedef struct tm_part_bucket {
    char name[TM_PART_BUCKET_NAME_MAX];
    uint32_t hash;        /* of the name */
    uint64_t used_seq;    /* of the last slice that wrote to it */
    uint32_t slice_cnt;   /* rows of the slice at hand */
    tm_part_file_t *part; /* filling; never NULL */
} tm_part_bucket_t;

/* Where a key was found last. */
typedef struct tm_part_key_slot {
    tm_part_bucket_key_t key;
    uint64_t era; /* slots of an older one mean nothing: buckets have moved */
    uint32_t idx;
} tm_part_key_slot_t;

typedef struct tm_part_sink {
    tm_sink_t base;
    tm_part_sink_cfg_t cfg;
    char dir[TM_PART_PATH_MAX];
    tm_schema_t schema;
    tm_part_naming_t naming;
    tm_part_encoder_t *enc;
    tm_part_log_t log;
    tm_part_bucketer_t bucketer;
    tm_part_bucket_t *buckets;
    uint32_t bucket_cnt;
    tm_part_key_slot_t *slots;
    uint64_t era, slice_seq, next_counter, sync_seen;
    bool ended;                /* no row will follow */
    bool broken;               /* a slice was taken in part */
    bool anew;                 /* recover() finishes everything: transactions are numbered anew */
    bool recovered;            /* the log's entries are this run's own */
    uint64_t committed_cnt;    /* behind the last transaction that was committed */
    int64_t tick_ns, check_ns; /* of the last tick, of the last look at the time */
    tm_part_merge_t *merge;    /* under way; NULL = none */
    tm_part_file_t *closing;   /* rolled parts that no transaction has yet */
    uint16_t row_bucket[TM_PART_SLICE_MAX];
    tm_part_sink_state_t state; /* what does not follow from the rest */
    tm_counter_t *finished, *rows, *bytes, *syncs, *errors;
} tm_part_sink_t;

/* Counters, names, encoder and buckets, after the configuration. */
int tm_part_sink_setup(tm_part_sink_t *sink) TM_MUST_CHECK;

/* Takes rows into the parts of their buckets; returns how many, at least one, or an error with none
   taken. */
int tm_part_slice_take(tm_part_sink_t *sink, const void *rows, uint32_t cnt) TM_MUST_CHECK;

/* Writes out parts that hold more than they should, as far as that succeeds. */
void tm_part_slice_drain(tm_part_sink_t *sink);

/* Takes a bucket's part out of service: its rows go out with the next transaction. */
void tm_part_slice_roll(tm_part_sink_t *sink, uint32_t idx);

/* Writes out the fullest parts until so many more rows of one part fit. */
int tm_part_slice_make_room(tm_part_sink_t *sink, uint32_t cnt) TM_MUST_CHECK;

/* Puts a part that a restart goes on with into its bucket; where that has one already, or there
   are too many, the part is closed. */
void tm_part_slice_adopt(tm_part_sink_t *sink, tm_part_file_t *part);

#endif
