/* engine/runtime/checkpoint/barrier.h - which inputs wait at a checkpoint: aligned barriers at one
   gate, without rings or threads.
   Flow     barriers, ends and cancellations of channels -> [gate] -> which channels are not to be
            read, and when the checkpoint may be taken
   Rules    Flink's. A channel that has delivered barrier n is not read until all others have, so
            that nothing from behind the barrier counts before the checkpoint. A channel that has
            ended counts as aligned. A barrier of a newer checkpoint gives the pending one up, a
            late one of a checkpoint that is complete or given up is passed over
   Use      what a call changed is returned. Once all are aligned, the channels stay blocked until
            tm_gate_release: the owner takes the checkpoint in between
   Units    id: of a checkpoint, from 1 on, rising
   Memory   tm_gate_footprint bytes of the caller
   Threads  one owner
   Limits   TM_GATE_CHANNEL_MAX channels.  Tests tests/engine/test_barrier.c, tests/vectors */
#ifndef TM_ENGINE_BARRIER_H
#define TM_ENGINE_BARRIER_H

#include "base/types.h"

enum { TM_GATE_CHANNEL_MAX = 1 << 16 };

typedef struct tm_gate tm_gate_t;

/* Ids of checkpoints; 0 = none. */
typedef struct tm_gate_event {
    uint64_t aborted; /* given up: its channels are read again */
    uint64_t aligned; /* may be taken now: all channels wait for tm_gate_release */
} tm_gate_event_t;

/* 0 where channel_cnt is above its limit; no channel at all is fine. */
size_t tm_gate_footprint(uint32_t channel_cnt);
tm_gate_t *tm_gate_init(void *mem, uint32_t channel_cnt);

tm_gate_event_t tm_gate_barrier(tm_gate_t *gate, uint32_t channel, uint64_t id);

/* Nothing comes from the channel any more. */
tm_gate_event_t tm_gate_end(tm_gate_t *gate, uint32_t channel);

/* The checkpoint is given up, whoever says so: its barriers are passed over from now on. */
tm_gate_event_t tm_gate_cancel(tm_gate_t *gate, uint64_t id);

/* The aligned checkpoint was taken: all channels are read again. */
void tm_gate_release(tm_gate_t *gate);

/* The checkpoint whose barriers are being gathered or that waits to be taken; 0 = none. */
uint64_t tm_gate_pending(const tm_gate_t *gate);

bool tm_gate_is_blocked(const tm_gate_t *gate, uint32_t channel);

/* Whether all channels from `first` on have ended or delivered the pending barrier. */
bool tm_gate_is_aligned_from(const tm_gate_t *gate, uint32_t first);

#endif
