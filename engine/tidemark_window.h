/* tidemark_window.h - the public interface of windows; a part of tidemark.h, which includes it.

   A window operator is put together from four things: which windows a row belongs to
   (tm_window_spec_t), when a window yields a result (tm_trigger_t), which rows are left out of it
   (tm_evictor_t), and what the result is: aggregates, a reduction, callbacks of your own, or a
   function that sees all rows. Whatever is left zero is the usual choice.

   Units    *_ns: nanoseconds; event times are Unix time, UTC
   Rules    windows are [start, end); negative times are floored. A window in event time fires when
            the watermark reaches end - 1 and is forgotten at end - 1 + lateness. A row whose
            windows are all forgotten is late: counted, and on the late output
   Memory   specs and strings may be gone after the call that takes them; ctx and functions may not
   Threads  callbacks run on the worker that owns the key, several workers at once: ctx is shared */
#ifndef TIDEMARK_WINDOW_H
#define TIDEMARK_WINDOW_H

#include "tidemark_aggregate.h"
#include "tidemark_types.h"

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Which windows a row belongs to ---------------------------------------------------------- */

typedef enum tm_window_kind {
    TM_WINDOW_TUMBLING,   /* size */
    TM_WINDOW_SLIDING,    /* size every slide; slide > size leaves gaps, whose rows are counted */
    TM_WINDOW_CUMULATIVE, /* growing by slide up to size, then anew; slide divides size */
    TM_WINDOW_SESSION,    /* ends when no row came for a gap; sessions that touch become one */
    TM_WINDOW_GLOBAL,     /* one for all time; needs a trigger to yield anything before the end */
    TM_WINDOW_COUNT,      /* the last `count` rows, every `count_slide` rows (0 = count) */
} tm_window_kind_t;

/* Spreads the firing of tumbling windows of different workers. */
typedef enum tm_stagger {
    TM_STAGGER_ALIGNED, /* not at all */
    TM_STAGGER_RANDOM,  /* each worker shifts its windows by a random part of the size */
    TM_STAGGER_NATURAL, /* each worker starts its windows at the clock time of its first row */
} tm_stagger_t;

typedef struct tm_window_spec {
    tm_window_kind_t kind;
    int64_t size_ns;       /* windows are [start, start + size) */
    int64_t slide_ns;      /* 0 for tumbling */
    int64_t offset_ns;     /* shifts every start; |offset| < size, or < slide */
    int64_t lateness_ns;   /* a late row within it updates its window and fires it again; later ones
                            are counted as late and dropped. Event time only */
    int64_t gap_ns;        /* sessions: a row's session is [time, time + gap) */
    const char *gap_field; /* sessions: an int64 field that holds each row's own gap, NULL = gap_ns;
                              0 makes the row a point that joins a session but starts none */
    int64_t count, count_slide;
    tm_time_domain_t time;
    tm_stagger_t stagger;
} tm_window_spec_t;

static inline tm_window_spec_t tm_window_of(tm_window_kind_t kind, int64_t size_ns,
                                            int64_t slide_ns)
{
    tm_window_spec_t spec = {kind, size_ns,       slide_ns,          0, 0, 0, NULL, 0,
                             0,    TM_EVENT_TIME, TM_STAGGER_ALIGNED};
    return spec;
}

static inline tm_window_spec_t tm_tumbling(int64_t size_ns)
{
    return tm_window_of(TM_WINDOW_TUMBLING, size_ns, 0);
}

static inline tm_window_spec_t tm_sliding(int64_t size_ns, int64_t slide_ns)
{
    return tm_window_of(TM_WINDOW_SLIDING, size_ns, slide_ns);
}

static inline tm_window_spec_t tm_cumulative(int64_t size_ns, int64_t step_ns)
{
    return tm_window_of(TM_WINDOW_CUMULATIVE, size_ns, step_ns);
}

static inline tm_window_spec_t tm_session(int64_t gap_ns)
{
    tm_window_spec_t spec = tm_window_of(TM_WINDOW_SESSION, 0, 0);
    spec.gap_ns = gap_ns;
    return spec;
}

static inline tm_window_spec_t tm_session_by(const char *gap_field)
{
    tm_window_spec_t spec = tm_window_of(TM_WINDOW_SESSION, 0, 0);
    spec.gap_field = gap_field;
    return spec;
}

static inline tm_window_spec_t tm_global(void)
{
    return tm_window_of(TM_WINDOW_GLOBAL, 0, 0);
}

static inline tm_window_spec_t tm_count_window(int64_t count, int64_t slide)
{
    tm_window_spec_t spec = tm_window_of(TM_WINDOW_COUNT, 0, 0);
    spec.count = count;
    spec.count_slide = slide;
    return spec;
}

/* All windows that contain a time, latest start first (cumulative: longest first), up to `max`.
   Returns their number: 0 in a gap, or negative where the spec is not valid (tm_main's log says
   why) or the windows do not fit int64. Sessions: the row's own, before it meets others. */
TM_API int tm_window_list(const tm_window_spec_t *spec, int64_t time_ns, int64_t (*windows)[2],
                          int max);

/* The slice that a time is in: windows on a grid are runs of whole slices, and a row is added up in
   one of them, once. 1, or 0 in a gap, or negative as above. */
TM_API int tm_window_slice_at(const tm_window_spec_t *spec, int64_t time_ns, int64_t slice[2]);

/* ---- When a window yields a result ----------------------------------------------------------- */

typedef enum tm_trigger_kind {
    TM_TRIGGER_DEFAULT,         /* when the window's time is over, in its time domain */
    TM_TRIGGER_EVENT_TIME,      /* when the watermark reaches end - 1; at once for late rows */
    TM_TRIGGER_PROCESSING_TIME, /* when the clock reaches end - 1 */
    TM_TRIGGER_COUNT,           /* every `count` rows */
    TM_TRIGGER_CONTINUOUS_EVENT_TIME,      /* every interval of event time, and at the end */
    TM_TRIGGER_CONTINUOUS_PROCESSING_TIME, /* every interval of the clock */
    TM_TRIGGER_DELTA, /* when a row differs from that of the last firing by more than threshold */
    TM_TRIGGER_NEVER,
    TM_TRIGGER_CUSTOM,
} tm_trigger_kind_t;

typedef enum tm_trigger_result {
    TM_TRIGGER_CONTINUE = 0,
    TM_TRIGGER_FIRE = 1,
    TM_TRIGGER_PURGE = 2, /* forget the rows, keep the window */
    TM_TRIGGER_FIRE_AND_PURGE = 3,
} tm_trigger_result_t;

/* One window of one key, as a trigger's callback sees it. */
typedef struct tm_trigger_call tm_trigger_call_t;

TM_API int64_t tm_trigger_watermark(const tm_trigger_call_t *call);
TM_API int64_t tm_trigger_clock(const tm_trigger_call_t *call);
TM_API int64_t tm_trigger_window_start(const tm_trigger_call_t *call);
TM_API int64_t tm_trigger_window_max(const tm_trigger_call_t *call); /* end - 1 */
/* Timers are a set: one at the same time is the same timer. */
TM_API void tm_trigger_timer_set(tm_trigger_call_t *call, tm_time_domain_t time, int64_t at_ns);
TM_API void tm_trigger_timer_delete(tm_trigger_call_t *call, tm_time_domain_t time, int64_t at_ns);
/* state_sz bytes of the window, zero at first; kept until the window is forgotten. */
TM_API void *tm_trigger_state(tm_trigger_call_t *call);

/* A trigger of your own. Only on_row is needed; sessions need merge too. */
typedef struct tm_trigger_ops {
    uint32_t state_sz; /* up to 64 */
    tm_trigger_result_t (*on_row)(tm_trigger_call_t *call, void *ctx, const void *row);
    tm_trigger_result_t (*on_timer)(tm_trigger_call_t *call, void *ctx, tm_time_domain_t time,
                                    int64_t at_ns);
    /* Windows have become one, whose state this is: adds what one of them knew. */
    void (*merge)(tm_trigger_call_t *call, void *ctx, const void *state);
    /* After all of them: sets the timers of the window they have become. */
    void (*on_merge)(tm_trigger_call_t *call, void *ctx);
} tm_trigger_ops_t;

/* How far apart two rows are; NULL where it is asked for: b's field - a's field. */
typedef double tm_delta_fn(const void *a, const void *b);

typedef struct tm_trigger {
    tm_trigger_kind_t kind;
    bool purge; /* a firing empties the window */
    int64_t count;
    int64_t interval_ns;
    const char *field; /* DELTA: of what is measured */
    double threshold;
    tm_delta_fn *delta;
    const tm_trigger_ops_t *ops; /* CUSTOM */
    void *ctx;
} tm_trigger_t;

/* ---- Which rows are left out ----------------------------------------------------------------- */

typedef enum tm_evictor_kind {
    TM_EVICT_NONE,
    TM_EVICT_COUNT, /* keeps the last `count` rows */
    TM_EVICT_TIME,  /* keeps rows younger than the window's newest - keep_ns */
    TM_EVICT_DELTA, /* keeps rows that are less than threshold apart from the last one */
} tm_evictor_kind_t;

/* An evictor makes a window keep its rows, and its result anew at each firing. */
typedef struct tm_evictor {
    tm_evictor_kind_t kind;
    bool after; /* after the result instead of before it */
    int64_t count;
    int64_t keep_ns;
    const char *field;
    double threshold;
    tm_delta_fn *delta;
} tm_evictor_t;

/* ---- Windows ------------------------------------------------------------------------------------ */

/* One result row per key and window that saw a row: the key's fields, `window_start`, `window_end`
   (timestamps, milliseconds), then the aggregates in order. A result's event time is window_end -
   1 ns. Sums are exact; a result with one that leaves 38 digits is counted (agg_overflow) and left
   out, as no number of it would be true. */
TM_API tm_stream_t *tm_window_aggregate(tm_stream_t *keyed, const char *name,
                                        const tm_window_spec_t *window, const tm_agg_spec_t *aggs,
                                        size_t agg_cnt);

/* Exactly one of aggs, reduce, user and process is given. The results of reduce are rows as they
   came in, with the window's end - 1 as event time. */
typedef struct tm_windowing {
    tm_window_spec_t window;
    tm_trigger_t trigger;
    tm_evictor_t evictor;
    const tm_agg_spec_t *aggs;
    size_t agg_cnt;
    tm_reduce_fn *reduce;
    const tm_user_agg_t *user;
    tm_window_fn *process;
    const tm_result_field_t *fields; /* of user and process */
    size_t field_cnt;
    void *ctx; /* of reduce, user and process */
} tm_windowing_t;

/* A window of any kind. Without a key before it, all rows are of one key, on one worker. */
TM_API tm_stream_t *tm_window(tm_stream_t *in, const char *name, const tm_windowing_t *windowing);

#ifdef __cplusplus
}
#endif
#endif
