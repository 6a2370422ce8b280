/* tidemark_flow.h - streams of typed rows: schemas from C structs, sources in memory, map, filter,
   flat_map, union, connect, exchanges, side outputs, sinks in C; a part of tidemark.h.

   A row is a C struct that starts with tm_row_t (base/row.h) and has no pointers. A table of its
   fields makes it a schema:

       typedef struct tick { tm_row_t row; int64_t price_e8; uint64_t id; } tick_t;
       static const tm_struct_field_t tick_fields[] = {
           TM_HEADER_SYMBOL("symbol"),
           TM_DECIMAL(tick_t, price_e8, "price", 8),
           TM_MEMBER(tick_t, id, "id", TM_TYPE_U64),
       };
       static const tm_struct_t tick = TM_STRUCT(tick_t, "tick", tick_fields);

   Units    *_ns: nanoseconds; row->event_ns: Unix time, TM_TIME_NONE = the row has no time
   Memory   tm_struct_t and its table are copied; `ctx` must live until tm_main returns
   Threads  a function of the user runs on the thread of its operator, one call at a time there; an
            operator before the first key_by has one instance an ingest thread, one behind it one a
            worker. What `ctx` points to is therefore shared: read it, or let each instance write a
            part of its own. Sinks run on the file thread only
   Errors   the first mistake is kept and reported by tm_main (tidemark.h)
   Limits   rows of TM_ROW_SZ_MAX bytes, TM_SIDE_MAX side outputs an operator */
#ifndef TIDEMARK_FLOW_H
#define TIDEMARK_FLOW_H

#include "base/row.h"
#include "base/schema.h"
#include "tidemark_process.h"
#include "tidemark_types.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { TM_SIDE_MAX = 7 };

/* ---- Schemas --------------------------------------------------------------------------------- */

typedef struct tm_struct_field {
    const char *name;
    tm_type_t type;
    uint16_t off;
    uint16_t sz;      /* of the member: checked against the type */
    uint8_t scale;    /* decimals: digits after the point */
    uint32_t unit_ns; /* times: the unit that readers get; 0 = 1 ns */
} tm_struct_field_t;

typedef struct tm_struct {
    const char *name;
    size_t row_sz;
    const tm_struct_field_t *fields;
    size_t field_cnt;
} tm_struct_t;

#define TM_MEMBER(struct_t, member, name, type)                                                    \
    {                                                                                              \
        (name), (type), (uint16_t)offsetof(struct_t, member),                                      \
            (uint16_t)sizeof(((struct_t *)0)->member), 0, 0                                        \
    }
#define TM_DECIMAL(struct_t, member, name, scale)                                                  \
    {                                                                                              \
        (name), sizeof(((struct_t *)0)->member) == 8 ? TM_TYPE_DECIMAL64 : TM_TYPE_DECIMAL128,     \
            (uint16_t)offsetof(struct_t, member), (uint16_t)sizeof(((struct_t *)0)->member),       \
            (scale), 0                                                                             \
    }
#define TM_HEADER_SYMBOL(name)                                                                     \
    {                                                                                              \
        (name), TM_TYPE_SYMBOL, (uint16_t)offsetof(tm_row_t, symbol), 4, 0, 0                      \
    }
#define TM_HEADER_TIME(name)                                                                       \
    {                                                                                              \
        (name), TM_TYPE_TIME_NS, (uint16_t)offsetof(tm_row_t, event_ns), 8, 0, 1                   \
    }
#define TM_STRUCT(struct_t, name, fields)                                                          \
    {                                                                                              \
        (name), sizeof(struct_t), (fields), sizeof(fields) / sizeof((fields)[0])                   \
    }

/* Offset of a field in the rows of a stream, for functions that read rows of an operator without a
   struct of their own (a window's results). The job breaks where there is none, or it is of another
   type; the offset is then 0. */
TM_API uint16_t tm_field_off(tm_stream_t *s, const char *field, tm_type_t type);

/* The schema of a stream's rows; lives as long as the job. */
TM_API const tm_schema_t *tm_stream_schema(const tm_stream_t *s);

/* ---- Sources --------------------------------------------------------------------------------- */

/* Rows of an array, in order; it must live until tm_main returns. Partition p of n yields rows p,
   p + n, p + 2n, ... Ends after the last one. */
typedef struct tm_array_spec {
    const char *name;
    const tm_struct_t *type;
    const void *rows; /* type->row_sz apart */
    size_t row_cnt;
    uint32_t partitions; /* 0 = 1 */
} tm_array_spec_t;

TM_API tm_stream_t *tm_source_array(tm_job_t *job, const tm_array_spec_t *spec);

/* Fills up to `max` zeroed rows, row_sz apart, and returns how many; 0 = none right now;
   TM_SOURCE_END = the partition has ended. Must not block. */
#define TM_SOURCE_END INT32_C(-1)
typedef int32_t tm_generate_fn(void *ctx, uint32_t partition, void *rows, uint32_t max);

/* Sets a generator: the next call of `next` gives row number `row` of the partition, the first one
   being 0. Called before the first `next` of each attempt to run the job (--restart), on its
   thread. */
typedef void tm_seek_fn(void *ctx, uint32_t partition, uint64_t row);

typedef struct tm_generator_spec {
    const char *name;
    const tm_struct_t *type;
    tm_generate_fn *next;
    void *ctx;
    uint32_t partitions; /* 0 = 1; each belongs to one thread */
    tm_seek_fn *seek;    /* NULL: asked for all rows again, and the job cannot be restarted in
                            process */
} tm_generator_spec_t;

TM_API tm_stream_t *tm_source_generator(tm_job_t *job, const tm_generator_spec_t *spec);

/* ---- Rows to rows ---------------------------------------------------------------------------- */

/* For any function that runs on the thread of an operator (filter, map, process, ...): the job
   cannot go on. The function still returns, and may be called for what else is at hand; none of it
   counts. The job ends as failed with this sentence, or is restarted from its last checkpoint
   (--restart). */
TM_API void tm_fail(const char *fmt, ...) TM_PRINTF(1, 2);

/* Keeps rows for which `fn` is true. */
typedef bool tm_filter_fn(void *ctx, const void *row);
TM_API tm_stream_t *tm_filter(tm_stream_t *in, const char *name, tm_filter_fn *fn, void *ctx);

/* One row for each: `out` is zero but for the header, which is that of `in`. */
typedef void tm_map_fn(void *ctx, const void *in, void *out);
TM_API tm_stream_t *tm_map(tm_stream_t *in, const char *name, const tm_struct_t *out, tm_map_fn *fn,
                           void *ctx);

/* Any number of rows for each, on the main output (0) or side outputs (1..., as declared). */
typedef struct tm_out tm_out_t;
/* A new row of that output, zero but for the header, which is that of the row at hand. Valid until
   the function returns or asks for the next one. */
TM_API void *tm_out_row(tm_out_t *out, uint32_t output);

typedef struct tm_side_spec {
    const char *name;
    const tm_struct_t *type;
} tm_side_spec_t;

typedef void tm_flat_map_fn(void *ctx, const void *in, tm_out_t *out);
typedef struct tm_flat_map_spec {
    const char *name;
    const tm_struct_t *out;
    tm_flat_map_fn *fn;
    void *ctx;
    const tm_side_spec_t *sides;
    size_t side_cnt;
} tm_flat_map_spec_t;
TM_API tm_stream_t *tm_flat_map(tm_stream_t *in, const tm_flat_map_spec_t *spec);

/* Two inputs, one operator: rows of `a` go to on_a, those of `b` to on_b. Each may be keyed,
   broadcast or neither; keyed by the same fields, rows of a key meet on one worker. */
typedef struct tm_connect_spec {
    const char *name;
    const tm_struct_t *out;
    tm_flat_map_fn *on_a, *on_b;
    void *ctx;
    const tm_side_spec_t *sides;
    size_t side_cnt;
} tm_connect_spec_t;
TM_API tm_stream_t *tm_connect(tm_stream_t *a, tm_stream_t *b, const tm_connect_spec_t *spec);

/* All rows of streams of one type. */
TM_API tm_stream_t *tm_union(tm_stream_t *const *ins, size_t in_cnt);

/* A side output of the operator, by name. */
TM_API tm_stream_t *tm_side_output(tm_stream_t *s, const char *name);

/* ---- Exchanges ------------------------------------------------------------------------------- */

/* Partitions by several fields; `fields` ends with NULL. */
TM_API tm_stream_t *tm_key_by_fields(tm_stream_t *in, const char *const *fields);

/* Every row goes to every worker. */
TM_API tm_stream_t *tm_broadcast(tm_stream_t *in);

/* ---- Process functions (tidemark_process.h) -------------------------------------------------- */

typedef struct tm_process_spec {
    const char *name;
    const tm_struct_t *out; /* rows of tm_process_emit */
    tm_process_fns_t fns;
    void *user;
    const tm_state_spec_t *states; /* callbacks name a state by its place here */
    size_t state_cnt;
    const tm_side_spec_t *sides;
    size_t side_cnt;
    int64_t timer_grain_ns; /* timers are rounded up to multiples of it; 0 = as given */
} tm_process_spec_t;

TM_API tm_stream_t *tm_process(tm_stream_t *keyed, const tm_process_spec_t *spec);

/* Of two inputs, keyed by fields of the same types: rows of a key meet in one state. */
TM_API tm_stream_t *tm_process_two(tm_stream_t *first, tm_stream_t *second,
                                   const tm_process_spec_t *spec);

/* ---- Sinks in C ------------------------------------------------------------------------------ */

typedef struct tm_callback_spec {
    const char *name;
    /* `cnt` rows, `stride` bytes apart, of worker `subtask`. Negative ends the job as failed. */
    int (*rows)(void *ctx, uint32_t subtask, const void *rows, uint32_t cnt, uint32_t stride);
    /* The lowest watermark of all workers, after the rows it caused; NULL = not wanted. */
    void (*watermark)(void *ctx, int64_t watermark_ns);
    void *ctx;
} tm_callback_spec_t;
TM_API void tm_sink_callback(tm_stream_t *in, const tm_callback_spec_t *spec);

/* One JSON object a line on standard output. */
TM_API void tm_sink_print(tm_stream_t *in, const char *name);

#ifdef __cplusplus
}
#endif
#endif
