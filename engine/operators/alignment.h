/* engine/operators/alignment.h - how far each part of the sources has come, for those that wait for
   each other.
   Flow     watermark operators publish -> [alignment] -> watermark operators ask who is too far
            ahead
   Units    *_ns: event time. TM_TIME_NONE: has said nothing yet; INT64_MAX: idle or ended. Neither
            holds anybody
   Memory   one table a job, of the runtime
   Threads  a slot is written by one thread, read by all. Values are relaxed: they steer, and a late
            look holds or frees a source a moment later
   Limits   TM_ALIGNMENT_SLOT_MAX slots */
#ifndef TM_ENGINE_ALIGNMENT_H
#define TM_ENGINE_ALIGNMENT_H

#include "base/check.h"
#include "base/row.h"

#include <stdatomic.h>

enum { TM_ALIGNMENT_SLOT_MAX = 1024 };

typedef struct tm_alignment_slot {
    alignas(TM_FALSE_SHARE) _Atomic int64_t wm_ns;
    _Atomic uint32_t group; /* 0 = free */
} tm_alignment_slot_t;

typedef struct tm_alignment {
    tm_alignment_slot_t slots[TM_ALIGNMENT_SLOT_MAX];
    uint32_t slot_cnt; /* fixed before threads start */
} tm_alignment_t;

/* Before threads start. */
static inline tm_alignment_slot_t *tm_alignment_join(tm_alignment_t *a, uint32_t group)
{
    TM_CHECK(a && a->slot_cnt < TM_ALIGNMENT_SLOT_MAX, "alignment slots");
    tm_alignment_slot_t *slot = &a->slots[a->slot_cnt++];
    atomic_store_explicit(&slot->wm_ns, TM_TIME_NONE, memory_order_relaxed); /* no reader yet */
    atomic_store_explicit(&slot->group, group, memory_order_relaxed);        /* no reader yet */
    return slot;
}

static inline void tm_alignment_put(tm_alignment_slot_t *slot, int64_t wm_ns)
{
    atomic_store_explicit(&slot->wm_ns, wm_ns, memory_order_relaxed); /* steers only */
}

/* The lowest watermark of a group; INT64_MAX where nobody has one. */
static inline int64_t tm_alignment_min(const tm_alignment_t *a, uint32_t group)
{
    int64_t min = INT64_MAX;
    for (uint32_t i = 0; i < a->slot_cnt; i++) {
        const tm_alignment_slot_t *slot = &a->slots[i];
        if (atomic_load_explicit(&slot->group, memory_order_relaxed) != group) continue; /* fixed */
        int64_t wm = atomic_load_explicit(&slot->wm_ns, memory_order_relaxed); /* steers only */
        if (wm != TM_TIME_NONE && wm < min) min = wm;
    }
    return min;
}

#endif
