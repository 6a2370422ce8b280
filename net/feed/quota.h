/* net/feed/quota.h - at most so many events in any span of time, by construction.
   Flow     conn_stream.c (messages a second), attempts.c (connections in five minutes) -> [quota]
   Method   an exact sliding window: the time of each of the last `max` events is kept, and the next
            one may come when the oldest of them has left the span. A bucket of tokens would let
            twice as many through around its refill
   Units    *_ns: nanoseconds, mono
   Memory   the caller owns the struct and its `max` stamps; allocates nothing
   Threads  one owner
   Tests    tests/net/test_retry.c */
#ifndef TM_NET_QUOTA_H
#define TM_NET_QUOTA_H

#include "base/types.h"

typedef struct tm_quota {
    int64_t *at_ns; /* a ring of max stamps; next is the oldest once it is full */
    uint32_t max, cnt, next;
    int64_t span_ns;
} tm_quota_t;

/* NOLINTNEXTLINE(readability-non-const-parameter): the stamps are written through the quota */
static inline void tm_quota_init(tm_quota_t *quota, int64_t *at_ns, uint32_t max, int64_t span_ns)
{
    *quota = (tm_quota_t){.at_ns = at_ns, .max = max, .span_ns = span_ns};
}

/* When the next event may come at the earliest; INT64_MIN = at any time. max 0 = no limit. */
static inline int64_t tm_quota_ready_ns(const tm_quota_t *quota)
{
    if (quota->max == 0 || quota->cnt < quota->max) return INT64_MIN;
    return quota->at_ns[quota->next] + quota->span_ns;
}

/* Counts an event. Stamps must not go back. */
static inline void tm_quota_note(tm_quota_t *quota, int64_t now_ns)
{
    if (quota->max == 0) return;
    quota->at_ns[quota->next] = now_ns;
    quota->next = (quota->next + 1) % quota->max;
    if (quota->cnt < quota->max) quota->cnt++;
}

#endif
