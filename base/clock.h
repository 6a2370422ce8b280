/* base/clock.h - nanosecond clocks cheap enough for every completion.
   Flow     every stage stamps with it; net stamps frames the moment a completion is reaped
   Units    *_ns: nanoseconds. real: since the Unix epoch, UTC. mono: since an arbitrary start
   Method   the invariant TSC scaled by a 32.32 fixed-point factor, anchored to CLOCK_MONOTONIC_RAW
            and CLOCK_REALTIME at tm_clock_init(); tm_clock_sync() re-anchors (call it about once a
            second from one thread), so a stepped wall clock shows in real and never in mono
   Fallback without an invariant TSC both calls are clock_gettime()
   Threads  reads: any. init and sync: one thread; readers see one anchor or the next, never a mix
   Order    C1 anchor sequence release -> reader acquire (contents of the anchor) */
#ifndef TM_BASE_CLOCK_H
#define TM_BASE_CLOCK_H

#include "base/types.h"

/* Calibrates for about 10 ms; later calls return at once. */
void tm_clock_init(void);

/* Re-anchors the wall clock. Returns how far (ns) the wall clock moved against ours since the last
   anchor: small values are drift, large ones a step that somebody made. */
int64_t tm_clock_sync(void);

int64_t tm_clock_mono_ns(void);
int64_t tm_clock_real_ns(void);

/* Converts a mono stamp to wall time with the current anchor. */
int64_t tm_clock_mono_to_real_ns(int64_t mono_ns);

/* True where the TSC is used; false where every read is a clock_gettime call. */
bool tm_clock_is_tsc(void);

#endif
