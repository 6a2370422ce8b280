/* engine/operators/window/window_general_state.h - the inside of windows that are kept one by one,
   shared by its parts: window_general.c (rows in, time, life), window_record.c (windows of a key:
   state and contents), window_merge.c (sessions), window_trigger.c (when to fire), window_evict.c
   (results of kept rows), window_general_roots.c (what a checkpoint keeps). Nobody else includes
   it.
   State    a table key -> list of windows, latest start first; a record a window; rows kept as a
            list. All of it lies in arena pages: whoever writes asks tm_window_edit for the place
   Time     a record has at most one live item in the queue of each domain, at or before its
            earliest timer. An item that comes due looks at the record and is put back where the
            timer has moved, so a session that grows costs the queue nothing
   Order    what is due for a key is done before a row of that key is looked at, so a row never
            meets a window that the watermark has passed, however late the queue's turn comes */
#ifndef TM_ENGINE_WINDOW_GENERAL_STATE_H
#define TM_ENGINE_WINDOW_GENERAL_STATE_H

#include "engine/operators/window/window_out.h"
#include "engine/operators/window/window_roots.h"
#include "state/table/radix_heap.h"

enum { GENERAL_BUDGET = 512 };

/* An entry of the table of keys. */
typedef struct window_key {
    uint64_t key;
    tm_ref_t windows;
    uint32_t unused;
} window_key_t;

/* A window of a key; the trigger's state and the accumulator follow. */
typedef struct window_record {
    tm_ref_t next; /* of the key, an earlier start; the pool's while it is not in use */
    bool live;     /* survives in memory that was handed back: what is queued may look */
    bool cleanup;  /* is to be forgotten when its time comes */
    uint16_t unused;
    uint64_t key;
    int64_t start, end;
    int64_t queued[2]; /* by domain: the time of its item, TM_TIME_NONE = none */
    int64_t timer[2];  /* one timer of the trigger, TM_TIME_NONE = none; further ones in a list */
    tm_ref_t timers;
    tm_ref_t first, last; /* rows kept, in order of arrival */
    uint32_t unused2;
    uint64_t row_cnt; /* since it was made or purged; 0 = nothing to fire */
} window_record_t;

typedef struct window_timer {
    tm_ref_t next;
    uint32_t domain;
    int64_t at;
} window_timer_t;

/* A kept row; its bytes follow. */
typedef struct window_row {
    tm_ref_t next;
    uint32_t unused[3];
} window_row_t;

/* A distance between rows: the user's function, or the difference of a field. */
typedef struct window_delta {
    tm_delta_fn *fn;
    tm_field_t field;
    double threshold;
} window_delta_t;

typedef struct tm_window_general {
    tm_operator_t op;
    tm_windowing_t what;
    tm_window_mode_t mode;
    bool keeps_rows;
    bool defers;     /* accumulators are brought up to date a batch at a time */
    uint32_t row_sz; /* of rows in */
    uint32_t gap_off;
    uint32_t field_at; /* of the user's fields in `fields` */
    uint32_t budget;
    bool staggered; /* the offset is final */

    const tm_trigger_ops_t *ops;
    void *ops_ctx;
    window_delta_t trigger_delta, evictor_delta;
    uint32_t state_sz, state_off, acc_off;

    int64_t clock[2]; /* by domain: watermark, wall clock */
    bool firing[2];   /* the clock moved, and not all that is due has been done */
    uint32_t served;  /* timers and rows that a step of firing has looked at */
    int64_t wm_out;   /* handed on */
    int64_t recv_ns;  /* of the last row */

    tm_page_arena_t *pages;
    tm_keyed_table_t keys;
    tm_pool_t records, rows, timers;
    tm_slab_t slab; /* of accumulators that grow */
    tm_radix_heap_t queues[2];

    /* Rows of the batch under way whose accumulators are known and not yet updated. */
    const uint8_t *batch;
    uint32_t batch_stride, batch_from, batch_end;
    void *batch_accs[TM_AGG_BATCH_MAX];

    tm_window_out_t out;
    tm_emitter_t late;
    window_counters_t counters;
    tm_window_mark_t mark;
    uint8_t *trash, *scratch; /* accumulators */
    tm_field_t fields[TM_SCHEMA_FIELD_MAX];
    tm_key_t key;
    tm_agg_t agg;
} tm_window_general_t;

struct tm_trigger_call {
    tm_window_general_t *g;
    tm_ref_t window;
};

struct tm_window_call {
    tm_window_general_t *g;
    const window_record_t *window;
    bool begun;
};

/* The one way to state that is about to be written. */
static inline void *tm_window_edit(tm_window_general_t *g, tm_ref_t ref)
{
    tm_ref_touch(g->pages, ref);
    return tm_ref_ptr(g->pages, ref);
}

static inline window_record_t *tm_window_record(const tm_window_general_t *g, tm_ref_t ref)
{
    return tm_ref_ptr(g->pages, ref);
}

static inline window_row_t *tm_window_row(const tm_window_general_t *g, tm_ref_t ref)
{
    return tm_ref_ptr(g->pages, ref);
}

static inline const void *tm_window_row_bytes(const window_row_t *row)
{
    return row + 1;
}

static inline void *tm_window_acc(const tm_window_general_t *g, window_record_t *window)
{
    return (uint8_t *)window + g->acc_off;
}

static inline void *tm_window_trigger_state(const tm_window_general_t *g, window_record_t *window)
{
    return (uint8_t *)window + g->state_off;
}

static inline tm_time_domain_t tm_window_domain(const tm_window_general_t *g)
{
    return g->what.window.time;
}

/* The last time that belongs to a window. */
static inline int64_t tm_window_max(const tm_window_general_t *g, const window_record_t *window)
{
    return g->what.window.kind == TM_WINDOW_GLOBAL ? INT64_MAX : window->end - 1;
}

static inline int64_t tm_window_plus(int64_t time, int64_t more)
{
    int64_t sum;
    if (__builtin_add_overflow(time, more, &sum)) return more > 0 ? INT64_MAX : INT64_MIN;
    return sum;
}

/* When a window whose last time is `max` is forgotten. */
static inline int64_t tm_window_cleanup(const tm_window_general_t *g, int64_t max)
{
    bool event = tm_window_domain(g) == TM_EVENT_TIME;
    return event ? tm_window_plus(max, g->what.window.lateness_ns) : max;
}

/* Whether a window is forgotten already. */
static inline bool tm_window_is_late(const tm_window_general_t *g, int64_t max)
{
    return tm_window_domain(g) == TM_EVENT_TIME && g->what.window.kind != TM_WINDOW_GLOBAL &&
           tm_window_cleanup(g, max) <= g->clock[TM_EVENT_TIME];
}

/* ---- window_record.c */

/* The accumulators of rows that wait are brought up to date. */
void tm_window_batch_flush(tm_window_general_t *g);

/* A new window behind *link, in the list of its key; 0 = no room (counted). */
tm_ref_t tm_window_make(tm_window_general_t *g, tm_ref_t *link, uint64_t key, tm_range_t range);

/* Adds a row; `idx` is its place in the batch. False where there is no room (counted). */
bool tm_window_add(tm_window_general_t *g, window_record_t *window, const void *row, int32_t idx);

/* Adds all that `from`, an earlier window, has seen to `into`, and empties `from`. */
void tm_window_absorb(tm_window_general_t *g, window_record_t *into, window_record_t *from);

/* Forgets what the window has seen. */
void tm_window_purge(tm_window_general_t *g, window_record_t *window);

/* Forgets timers and contents and hands the record back; it is on no list any more. */
void tm_window_free(tm_window_general_t *g, tm_ref_t ref);

/* Takes a window off its key's list and frees it; a key without windows goes too. */
void tm_window_drop(tm_window_general_t *g, tm_ref_t ref);

/* Puts the window into the queue of a domain, if it is not there early enough. */
void tm_window_enqueue(tm_window_general_t *g, tm_ref_t ref, tm_time_domain_t domain, int64_t at);

/* ---- window_general_roots.c: what operator.h says of save and restore */

size_t tm_window_general_save(const tm_operator_t *op, void *bytes, size_t max);
int tm_window_general_restore(tm_operator_t *op, const void *bytes, size_t sz) TM_MUST_CHECK;

/* ---- window_general_move.c: what operator.h says of move. window_general.c: empty tables in
   g->pages, for accumulators of acc_sz bytes */
int tm_window_general_move(tm_operator_t *const *to, uint32_t to_cnt,
                           const tm_operator_old_t *old) TM_MUST_CHECK;
void tm_window_general_state_open(tm_window_general_t *g, uint32_t acc_sz);

/* ---- window_trigger.c */

/* The functions of a trigger and the size of its state. */
void tm_window_trigger_open(tm_window_general_t *g, const tm_schema_t *in);
double tm_window_delta(const window_delta_t *delta, const void *a, const void *b);
void tm_window_timers_clear(tm_window_general_t *g, window_record_t *window);

/* The earliest timer of a domain, the clean-up included. */
bool tm_window_due(const tm_window_general_t *g, const window_record_t *window,
                   tm_time_domain_t domain, int64_t *at);

/* ---- window_merge.c */

/* The session of a row, merged with all that it touches; 0 where the row is late or finds no room
   (*late tells which). */
tm_ref_t tm_window_session(tm_window_general_t *g, window_key_t **entry, uint64_t key,
                           tm_range_t range, bool *late);

/* ---- window_evict.c */

/* Puts out the results of a window that fires. */
void tm_window_fire(tm_window_general_t *g, tm_ref_t ref);

#endif
