/* tidemark_harness.h - the public interface of the test harness: operators of a job, driven by
   hand. A part of tidemark.h, which includes it.

   Give it rows, watermarks and the time of the clock; read what came out, in order. Everything that
   a call sets due is done when it returns, on the calling thread, so a test says exactly what
   happens between two results:

       tm_harness_row(h, &tick);
       tm_harness_watermark(h, 0, 2 * TM_SECOND - 1);
       while ((event = tm_harness_next(h))) ...

   Units    times as the operator sees them: any unit will do, if all times are in it
   Memory   rows are copied; events are valid until the next call that drives the operator
   Threads  one harness, one thread
   Errors   open: negative, with a text in tm_harness_error() */
#ifndef TIDEMARK_HARNESS_H
#define TIDEMARK_HARNESS_H

#include "tidemark_flow.h"
#include "tidemark_window.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tm_harness tm_harness_t;

/* Describes what is to be driven, with the builders of a job: operators on top of `in`. Returns the
   stream whose rows are to be read. */
typedef tm_stream_t *tm_harness_build_fn(void *ctx, tm_stream_t *in);

/* Either `type` and `build`: any part of a job; or `rows` and `window`: one window operator; or
   neither: watermarks alone. */
typedef struct tm_harness_spec {
    const tm_struct_t *type; /* of the rows that build's stream brings */
    tm_harness_build_fn *build;
    void *ctx;
    const tm_schema_t *rows;      /* what rows in look like */
    const char *const *key;       /* fields of the key, ends with NULL; NULL = no key */
    const tm_windowing_t *window; /* NULL = no operator: watermarks alone */
    uint32_t input_cnt;           /* watermarks of so many inputs are combined; 0 = 1 */
    bool watermarks;              /* made from the rows' times by tm_harness_emit_watermark */
    int64_t bound_ns;             /* how much those may be out of order */
    uint64_t state_sz;            /* bytes for state; 0 = 64 MiB */
    bool unsliced; /* windows that slices could do are kept one by one all the same */
} tm_harness_spec_t;

/* The clock starts at 0. */
TM_API int tm_harness_open(tm_harness_t **harness, const tm_harness_spec_t *spec);
TM_API void tm_harness_close(tm_harness_t *harness);

/* As after a crash: takes a checkpoint, throws the operators and all of their memory away and makes
   them anew from what was kept. What came out and was not read stays. What spec points to must
   still be there. After an error the harness can only be closed. */
TM_API int tm_harness_restart(tm_harness_t *harness);

/* Why the last open or restart of this thread failed. */
TM_API const char *tm_harness_error(void);

/* One row, or several at once. */
TM_API void tm_harness_row(tm_harness_t *harness, const void *row);
TM_API void tm_harness_rows(tm_harness_t *harness, const void *rows, uint32_t cnt, uint32_t stride);

/* An input's watermark, and whether it takes part in the minimum. */
TM_API void tm_harness_watermark(tm_harness_t *harness, uint32_t input, int64_t time_ns);
TM_API void tm_harness_idle(tm_harness_t *harness, uint32_t input);
TM_API void tm_harness_active(tm_harness_t *harness, uint32_t input);

/* The watermark that the rows so far allow, as one of input 0. Returns it; INT64_MIN = none yet. */
TM_API int64_t tm_harness_emit_watermark(tm_harness_t *harness);

/* The wall clock reaches a time. */
TM_API void tm_harness_clock(tm_harness_t *harness, int64_t now_ns);

typedef enum tm_harness_kind {
    TM_HARNESS_ROW,
    TM_HARNESS_LATE, /* a row on the late output */
    TM_HARNESS_WATERMARK,
    TM_HARNESS_IDLE,
    TM_HARNESS_ACTIVE,
} tm_harness_kind_t;

typedef struct tm_harness_event {
    tm_harness_kind_t kind;
    int64_t time_ns; /* of a watermark, or the event time of a row */
    const void *row; /* laid out as tm_harness_rows_out says, or as it came in */
} tm_harness_event_t;

/* The next of what came out; NULL when all has been read. */
TM_API const tm_harness_event_t *tm_harness_next(tm_harness_t *harness);

/* What results look like. */
TM_API const tm_schema_t *tm_harness_rows_out(const tm_harness_t *harness);

/* A field of a result: integers and decimals as they are stored, false where there is none, it is
   null or does not fit. */
TM_API bool tm_harness_int64(const tm_harness_t *harness, const void *row, const char *field,
                             int64_t *value);
TM_API bool tm_harness_double(const tm_harness_t *harness, const void *row, const char *field,
                              double *value);

/* A counter of the operator, such as "window_late". */
TM_API uint64_t tm_harness_counter(const tm_harness_t *harness, const char *name);

#ifdef __cplusplus
}
#endif
#endif
