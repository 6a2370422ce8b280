/* base/counter.h - counters that one thread writes and any thread reads.
   Flow     each thread opens one set ("ingest.0"); the control thread sums them by name for the
            live line, the summary and the metrics page
   Memory   a set is one 128-byte-aligned block on the heap, kept until tm_counter_set_free
   Threads  add: the set's thread only. sum, each: any thread, monotone but not a snapshot of all
   Order    values are relaxed: a reader may see counter B before an earlier counter A; no decision
            of the engine hangs on them
   Limits   TM_COUNTER_SET_MAX sets, TM_COUNTER_MAX counters a set, names are string literals */
#ifndef TM_BASE_COUNTER_H
#define TM_BASE_COUNTER_H

#include "base/types.h"

#include <stdatomic.h>

enum { TM_COUNTER_MAX = 256, TM_COUNTER_SET_MAX = 256, TM_COUNTER_OWNER_MAX = 32 };

typedef struct tm_counter {
    _Atomic uint64_t value;
} tm_counter_t;

typedef struct tm_counter_set tm_counter_set_t;

/* Owner is copied. NULL when TM_COUNTER_SET_MAX sets are open or memory is short. */
tm_counter_set_t *tm_counter_set_new(const char *owner);
void tm_counter_set_free(tm_counter_set_t *set);

/* The counter of that name in the set, made where it is new. `name` must outlive the set. Never
   NULL: the table's size is a build-time decision, so overflowing it is a bug (TM_CHECK). */
tm_counter_t *tm_counter_get(tm_counter_set_t *set, const char *name);

/* Only the owner adds, so load + store needs no locked instruction. */
static inline void tm_counter_add(tm_counter_t *c, uint64_t n)
{
    uint64_t v = atomic_load_explicit(&c->value, memory_order_relaxed); /* own value */
    atomic_store_explicit(&c->value, v + n, memory_order_relaxed);      /* statistics only */
}

/* For counters that show where something stands. */
static inline void tm_counter_put(tm_counter_t *c, uint64_t value)
{
    atomic_store_explicit(&c->value, value, memory_order_relaxed); /* statistics only */
}

static inline void tm_counter_max(tm_counter_t *c, uint64_t n)
{
    uint64_t v = atomic_load_explicit(&c->value, memory_order_relaxed);   /* own value */
    if (n > v) atomic_store_explicit(&c->value, n, memory_order_relaxed); /* statistics only */
}

static inline uint64_t tm_counter_read(const tm_counter_t *c)
{
    return atomic_load_explicit(&c->value, memory_order_relaxed); /* statistics only */
}

/* Sum over all open sets; 0 where no set has that name. */
uint64_t tm_counter_sum(const char *name);

/* Largest value in any open set: for counters that hold a maximum. 0 where no set has that name. */
uint64_t tm_counter_largest(const char *name);

/* Calls fn once per (owner, name, value) of every open set, in order of opening. */
void tm_counter_each(void (*fn)(void *ctx, const char *owner, const char *name, uint64_t value),
                     void *ctx);

#endif
