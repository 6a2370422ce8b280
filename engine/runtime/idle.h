/* engine/runtime/idle.h - what a thread does when its loop found no work.
   Kinds    spin: pause instructions only. yield: spin, then sched_yield. park: spin, yield, then
            sleep 50 us at a time. auto is resolved to one of them by the topology
   Threads  one per thread, not shared */
#ifndef TM_ENGINE_IDLE_H
#define TM_ENGINE_IDLE_H

#include "engine/job/options.h"

typedef struct tm_idle {
    tm_idle_kind_t kind;
    uint32_t empty_cnt; /* rounds without work in a row */
} tm_idle_t;

enum { TM_IDLE_PARK_NS = 50000 };

/* Call once a round with the number of things done in it. */
void tm_idle_round(tm_idle_t *idle, uint64_t work_cnt);

const char *tm_idle_kind_name(tm_idle_kind_t kind);

#endif
