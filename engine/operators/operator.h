/* engine/operators/operator.h - one step of a job inside a worker: what all operators have in
   common. Flow     ring -> worker -> [operator] -> emitter -> next operator, or ring to the next
   stage Calls    on_rows(batch)*, on_watermark(rising)*, work() between them, on_end() once, fini()
   once.
            One indirect call a batch, never one a row
   Units    cnt: rows; stride: bytes from one row to the next (at least the schema's row_sz);
            *_ns: event time
   Memory   init in the memory given (tm_<kind>_footprint bytes, 64-aligned), keyed state in the
            page arena; nothing is allocated after init. Rows passed in or emitted belong to the
            caller of the callback and are valid until it returns
   Threads  all calls from the worker that owns the operator
   Order    an operator hands on a watermark itself, after every result that the watermark caused
   Errors   bad rows are events: counted and dropped or sent to the side output */
#ifndef TM_ENGINE_OPERATOR_H
#define TM_ENGINE_OPERATOR_H

#include "base/row.h"

typedef struct tm_operator tm_operator_t;

/* Where an operator puts its results. A zero emitter (no functions) discards them. */
typedef struct tm_emitter {
    void (*rows)(void *ctx, const void *rows, uint32_t cnt, uint32_t stride);
    void (*watermark)(void *ctx, int64_t wm_ns);
    void *ctx;
} tm_emitter_t;

typedef struct tm_operator_ops {
    const char *kind; /* "window", for logs and --explain */

    /* Data rows only (insert, updates, delete), in arrival order. */
    void (*on_rows)(tm_operator_t *op, const void *rows, uint32_t cnt, uint32_t stride);

    /* No later row is expected to have an event time at or below wm_ns; lower values than before
       are ignored. What it sets due may be more than one call should do: the rest is done by
       work(), and the watermark is handed on when all is done. */
    void (*on_watermark)(tm_operator_t *op, int64_t wm_ns);

    /* Does a bounded piece of what is due (well below a millisecond). Returns what it did, in rows;
       0 = nothing is due. The worker calls it between batches. */
    uint32_t (*work)(tm_operator_t *op);

    /* The input has ended (a source that ends sends watermark INT64_MAX before): does all that is
       due, hands on what it holds. */
    void (*on_end)(tm_operator_t *op);

    void (*fini)(tm_operator_t *op);
} tm_operator_ops_t;

/* Implementations embed this as their first member. */
struct tm_operator {
    const tm_operator_ops_t *ops;
};

static inline void tm_operator_rows(tm_operator_t *op, const void *rows, uint32_t cnt,
                                    uint32_t stride)
{
    op->ops->on_rows(op, rows, cnt, stride);
}

static inline void tm_operator_watermark(tm_operator_t *op, int64_t wm_ns)
{
    op->ops->on_watermark(op, wm_ns);
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
