/* tidemark_process.h - the public interface of keyed state and process functions; a part of
   tidemark.h, which includes it.

   A process function sees the rows of a keyed stream one by one, remembers what it likes for each
   key, and asks to be called at a time. Its state is declared by a table of descriptors; callbacks
   name a state by its place in it. A pointer that a read returns holds until the state it came from
   is written, and no longer than the callback.

   Threads  callbacks run on the worker that owns the key, several workers at once */
#ifndef TIDEMARK_PROCESS_H
#define TIDEMARK_PROCESS_H

#include "tidemark_types.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { TM_STATE_CNT_MAX = 32, TM_STATE_SZ_MAX = 16000, TM_PROCESS_SIDE_MAX = 7 };

typedef struct tm_process tm_process_t; /* what callbacks are given */

typedef enum tm_ttl_update { TM_TTL_ON_WRITE, TM_TTL_ON_READ_AND_WRITE } tm_ttl_update_t;

typedef enum tm_state_kind {
    TM_STATE_VALUE = 1,   /* one value */
    TM_STATE_LIST,        /* values in the order of adding */
    TM_STATE_MAP,         /* values by a key of their own, in the order of first adding */
    TM_STATE_REDUCING,    /* one value, combined with each one added */
    TM_STATE_AGGREGATING, /* one accumulator, whose result is of another type */
} tm_state_kind_t;

struct tm_struct; /* tidemark_flow.h: TM_STRUCT of any struct */

typedef struct tm_state_spec {
    const char *name;
    tm_state_kind_t kind;
    uint32_t value_sz;          /* bytes of a value or accumulator; 0 = each has its own size */
    uint32_t key_sz;            /* maps: of their keys; 0 = each has its own size */
    int64_t ttl_ns;             /* a value is gone this long after its last update; 0 = never */
    tm_time_domain_t ttl_time;  /* whose clock that is: watermark or wall clock */
    tm_ttl_update_t ttl_update; /* what counts as an update */
    void (*reduce)(void *value, const void *input); /* REDUCING: value += input */
    void (*init)(void *acc);                        /* AGGREGATING: may be NULL for zeros */
    void (*add)(void *acc, const void *input);      /* AGGREGATING */
    void (*result)(const void *acc, void *out);     /* AGGREGATING */

    /* The fields of a value or accumulator, if it is to be changed one day: a job that goes on from
       a checkpoint finds them by name and type, new ones are zero, and bytes of none are lost. NULL
       = bytes, whose number must stay. Not for values of their own sizes */
    const struct tm_struct *type;
} tm_state_spec_t;

/* Writes return 0, or a negative code where memory for state is used up or a value is larger than
   TM_STATE_SZ_MAX: the state is as it was, and it is counted (process_full). Reads return NULL for
   what is not there or expired; sz may be NULL. */
TM_API const void *tm_value_get(tm_process_t *p, uint32_t state, size_t *sz);
TM_API int tm_value_set(tm_process_t *p, uint32_t state, const void *value, size_t sz);

/* Reducing and aggregating state; tm_value_get reads the value or accumulator, tm_value_result the
   result (0 where there is none: `out` is left alone). */
TM_API int tm_value_add(tm_process_t *p, uint32_t state, const void *input);
TM_API int tm_value_result(tm_process_t *p, uint32_t state, void *out);

/* Forgets the current key's state, of any kind. */
TM_API void tm_state_clear(tm_process_t *p, uint32_t state);

/* A walk over a list or map: `tm_state_iter_t at = {.state = PRICES}; while (tm_list_next(...))`.
   What was given last may be removed or changed on the way, nothing else. */
typedef struct tm_state_iter {
    uint32_t state;
    uint32_t started, ref, off, left; /* private */
} tm_state_iter_t;

TM_API int tm_list_add(tm_process_t *p, uint32_t state, const void *value, size_t sz);
TM_API int tm_list_next(tm_process_t *p, tm_state_iter_t *at, const void **value, size_t *sz);

typedef struct tm_map_entry {
    const void *key;
    size_t key_sz;
    const void *value;
    size_t value_sz;
} tm_map_entry_t;

TM_API const void *tm_map_get(tm_process_t *p, uint32_t state, const void *key, size_t key_sz,
                              size_t *sz);
TM_API int tm_map_put(tm_process_t *p, uint32_t state, const tm_map_entry_t *entry);
TM_API int tm_map_remove(tm_process_t *p, uint32_t state, const void *key, size_t key_sz);
TM_API int tm_map_next(tm_process_t *p, tm_state_iter_t *at, tm_map_entry_t *entry);

/* Timers of the current key, which on_timer is called with once its domain's clock has reached
   their time: a watermark at or above it, or the wall clock. A timer is set once, however often it
   is asked for; `name` tells timers of one key and time apart. One set by on_timer at or below the
   watermark fires in the same advance, one set by on_row with the next. */
TM_API int tm_timer_set(tm_process_t *p, tm_time_domain_t domain, int64_t time_ns, uint32_t name);
TM_API int tm_timer_delete(tm_process_t *p, tm_time_domain_t domain, int64_t time_ns,
                           uint32_t name); /* 1 = was set */

/* The value of the key's field idx, in the order of key_by. */
TM_API const void *tm_process_key(tm_process_t *p, uint32_t field_idx, size_t *sz);
TM_API int64_t tm_process_time(const tm_process_t *p);      /* of the row or timer under way */
TM_API int64_t tm_process_watermark(const tm_process_t *p); /* INT64_MIN before the first */
TM_API int64_t tm_process_now(const tm_process_t *p);       /* wall clock, Unix ns */
TM_API void *tm_process_user(const tm_process_t *p);        /* spec.user */

/* Which of the function's parallel instances this is; each has keys of its own. */
TM_API uint32_t tm_process_subtask(const tm_process_t *p, uint32_t *subtask_cnt);

/* A fresh row of the output, or of side output idx: zeros behind a header that carries the time
   under way (none in a processing-time timer) and the key's symbol. Fill it before the next call
   of these two or the end of the callback, which hand it on. Never NULL. */
TM_API void *tm_process_emit(tm_process_t *p);
TM_API void *tm_process_emit_side(tm_process_t *p, uint32_t side_idx);

typedef struct tm_process_fns {
    void (*open)(tm_process_t *p); /* once a worker, before all else; no key */
    void (*on_row)(tm_process_t *p, const void *row);
    void (*on_second)(tm_process_t *p, const void *row); /* a row of the second input, if any */
    void (*on_timer)(tm_process_t *p, tm_time_domain_t domain, int64_t time_ns, uint32_t name);
    void (*close)(tm_process_t *p); /* once, after all else; no key */
} tm_process_fns_t;

#ifdef __cplusplus
}
#endif
#endif
