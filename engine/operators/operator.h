/* engine/operators/operator.h - one step of a job inside a thread: what all operators have in
   common.
   Flow     ring -> task -> [operator] -> emitter -> next operator, or ring to the next stage
   Calls    on_rows(batch)*, on_watermark(rising)*, on_time(rising)*, on_control*, work() between
            them, on_end() once, fini() once. One indirect call a batch, never one a row
   Units    cnt: rows; stride: bytes from one row to the next (at least the schema's row_sz);
            wm_ns: event time; now_ns: wall clock, Unix time
   Memory   init in the memory given (footprint bytes, 64-aligned), keyed state in the page arena;
            nothing is allocated after init. Rows passed in or emitted belong to the caller of the
            callback and are valid until it returns
   Threads  all calls from the thread that owns the operator
   Order    an operator hands on a watermark itself, on its main output, after every result that the
            watermark caused; the task carries it to the readers of the side outputs as well.
            Idleness is no operator's business: the task hands it past the operator once work()
            says that nothing is due. While an operator emits, the task may run operators of later
            stages (a full ring makes it), never this one
   Errors   bad rows are events: counted and dropped or sent to the side output */
#ifndef TM_ENGINE_OPERATOR_H
#define TM_ENGINE_OPERATOR_H

#include "base/counter.h"
#include "base/row.h"
#include "state/table/page_arena.h"

enum {
    TM_OPERATOR_INPUT_MAX = 8,  /* of one operator */
    TM_OPERATOR_OUTPUT_MAX = 8, /* the main output and its side outputs */
};

typedef struct tm_operator tm_operator_t;

/* Where an operator puts its results. A zero emitter (no functions) discards them. */
typedef struct tm_emitter {
    void (*rows)(void *ctx, const void *rows, uint32_t cnt, uint32_t stride);
    void (*watermark)(void *ctx, int64_t wm_ns); /* NULL for side outputs */
    void *ctx;
} tm_emitter_t;

/* What an operator gets from the task that runs it. */
typedef struct tm_operator_env {
    tm_emitter_t outs[TM_OPERATOR_OUTPUT_MAX]; /* 0: main, then side outputs as declared */
    tm_page_arena_t *pages;                    /* all keyed state; not owned */
    tm_counter_set_t *counters;                /* of the thread; not owned */
    uint32_t subtask_idx, subtask_cnt;         /* this instance among those of the operator */

    /* For operators that make event time (engine/operators/watermark_op.h). */
    const uint32_t *partition_idx; /* which partition of the thread the rows at hand come from */
    uint32_t partition_cnt;
    uint64_t partitions;                /* a bit each: those whose rows reach this operator */
    const int64_t *blocked_ns;          /* how long the thread has waited for full rings so far */
    void (*idle)(void *ctx, bool idle); /* all partitions are idle, or one is active again */
    void *idle_ctx;
    struct tm_alignment *alignment; /* of the job */
} tm_operator_env_t;

/* The state of an instance that is gone, its pages in an arena of their own. */
typedef struct tm_operator_old {
    tm_page_arena_t *pages; /* as they were; may be changed */
    const void *bytes;      /* of its save */
    size_t sz;
    uint32_t idx; /* which of the instances it was; they are given one after the other */
    const struct tm_state_move *states; /* where each of its states goes; NULL = where it was */
} tm_operator_old_t;

typedef struct tm_operator_ops {
    const char *kind; /* "window", for logs and --explain */

    /* Data rows only (insert, updates, delete), in arrival order, of one input (0 where there is
       only one). */
    void (*on_rows)(tm_operator_t *op, uint32_t input, const void *rows, uint32_t cnt,
                    uint32_t stride);

    /* No later row of any input is expected to have an event time at or below wm_ns; lower values
       than before are ignored. What it sets due may be more than one call should do: the rest is
       done by work(), and the watermark is handed on when all is done. */
    void (*on_watermark)(tm_operator_t *op, int64_t wm_ns);

    /* The wall clock, between batches, about every millisecond; never falls. NULL where processing
       time does not matter. */
    void (*on_time)(tm_operator_t *op, int64_t now_ns);

    /* A GAP or FEED row (base/row.h) at its place among the data: messages are missing, a
       connection came or went. NULL where that does not matter. Valid until the call returns. */
    void (*on_control)(tm_operator_t *op, const tm_row_t *row);

    /* Does a bounded piece of what is due (well below a millisecond). Returns what it did, in rows;
       0 = nothing is due. The task calls it between batches. */
    uint32_t (*work)(tm_operator_t *op);

    /* All inputs have ended (a source that ends sends watermark INT64_MAX before): does all that is
       due, hands on what it holds. */
    void (*on_end)(tm_operator_t *op);

    void (*fini)(tm_operator_t *op);

    /* At a barrier, between batches: what the operator knows outside of its pages, into up to `max`
       bytes. Returns the bytes it needs; where that is more than max, nothing was written. NULL =
       it has nothing to keep. */
    size_t (*save)(const tm_operator_t *op, void *bytes, size_t max);

    /* Right after init, the pages being what they were at the barrier: takes it back. Fails, naming
       the difference, where the operator is not what it was. */
    int (*restore)(tm_operator_t *op, const void *bytes, size_t sz);

    /* Instead of restore, where the number of workers or the job has changed: gives what an old
       instance knows to those there are now, each key to its owner (engine/runtime/route.h). Called
       once for each old instance. NULL = this cannot be done. */
    int (*move)(tm_operator_t *const *to, uint32_t to_cnt, const tm_operator_old_t *old);
} tm_operator_ops_t;

/* Implementations embed this as their first member. */
struct tm_operator {
    const tm_operator_ops_t *ops;
};

static inline void tm_operator_input(tm_operator_t *op, uint32_t input, const void *rows,
                                     uint32_t cnt, uint32_t stride)
{
    op->ops->on_rows(op, input, rows, cnt, stride);
}

/* For operators of one input. */
static inline void tm_operator_rows(tm_operator_t *op, const void *rows, uint32_t cnt,
                                    uint32_t stride)
{
    tm_operator_input(op, 0, rows, cnt, stride);
}

static inline void tm_operator_watermark(tm_operator_t *op, int64_t wm_ns)
{
    op->ops->on_watermark(op, wm_ns);
}

static inline void tm_operator_time(tm_operator_t *op, int64_t now_ns)
{
    if (op->ops->on_time) op->ops->on_time(op, now_ns);
}

static inline void tm_operator_control(tm_operator_t *op, const tm_row_t *row)
{
    if (op->ops->on_control) op->ops->on_control(op, row);
}

static inline uint32_t tm_operator_work(tm_operator_t *op)
{
    return op->ops->work(op);
}

static inline void tm_operator_end(tm_operator_t *op)
{
    op->ops->on_end(op);
}

static inline void tm_operator_fini(tm_operator_t *op)
{
    if (op) op->ops->fini(op);
}

static inline void tm_emit_rows(const tm_emitter_t *out, const void *rows, uint32_t cnt,
                                uint32_t stride)
{
    if (out->rows && cnt) out->rows(out->ctx, rows, cnt, stride);
}

static inline void tm_emit_watermark(const tm_emitter_t *out, int64_t wm_ns)
{
    if (out->watermark) out->watermark(out->ctx, wm_ns);
}

#endif
