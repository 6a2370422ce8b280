/* state/sink.h - where results go: the two-phase interface that every sink speaks.
   Flow     worker -> ring -> file thread -> [sink] -> files
   Phases   write* -> prepare(n) -> commit(n): prepare makes everything written so far durable but
            not yet visible; commit makes it visible, is idempotent and includes every older
            prepared transaction; abort drops what was never prepared; recover is called once after
            a restart with the last committed id and finishes or removes what the crash left behind
   Begin    the first write behind a prepare, or behind open, begins the next transaction
   End      end() tells that no row will follow: the next prepare holds nothing back for later
   Threads  one file thread owns a sink; calls never overlap
   Errors   -errno or TM_E_* with a text that names the path; after one nothing prepared is lost */
#ifndef TM_STATE_SINK_H
#define TM_STATE_SINK_H

#include "base/row.h"
#include "base/schema.h"

typedef struct tm_sink tm_sink_t;

typedef struct tm_sink_ops {
    /* `cnt` rows, row_sz of the sink's schema apart. */
    int (*write)(tm_sink_t *sink, const void *rows, uint32_t cnt);
    /* Called about every 100 ms with the wall clock: rolls by age and idleness. */
    int (*tick)(tm_sink_t *sink, int64_t real_ns);
    int (*prepare)(tm_sink_t *sink, uint64_t txn_id);
    int (*commit)(tm_sink_t *sink, uint64_t txn_id);
    int (*abort)(tm_sink_t *sink);
    int (*recover)(tm_sink_t *sink, uint64_t txn_id);
    /* Asked before any sink of the job recovers: whether it can go on from there. An error where
       rows that are committed would come twice. NULL = it always can. */
    int (*admits)(tm_sink_t *sink, uint64_t txn_id);
    /* Frees the sink. Unprepared rows are dropped: end a run with end + prepare + commit. */
    void (*close)(tm_sink_t *sink);
    int (*end)(tm_sink_t *sink); /* NULL = nothing is held back */
} tm_sink_ops_t;

/* Implementations embed this as their first member. */
struct tm_sink {
    const tm_sink_ops_t *ops;
};

#endif
