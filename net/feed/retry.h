/* net/feed/retry.h - whether and when a connection that failed is opened again: policy without I/O.
   Flow     how a connection ended -> [retry] -> feed_slot.c
   Delay    min(first * 2^n, cap) after failure n (from 0), times a factor drawn evenly from
            0.8 to 1.2. That spreads a crowd which lost its server at once over 40 % of the delay;
            full jitter (0 to 1) would spread it wider, but could spend all attempts within a few
            seconds, and the sum of the delays is what a user is promised: 303 s +-20 % by default
   Count    failures in a row; the first good message of a stream sets it back
   Units    *_ns: nanoseconds; *_s: seconds
   Memory   the caller owns the struct; allocates nothing
   Threads  one owner
   Tests    tests/net/test_retry.c */
#ifndef TM_NET_RETRY_H
#define TM_NET_RETRY_H

#include "base/types.h"

/* For attempts without end. */
#define TM_RETRY_FOREVER UINT32_MAX

enum {
    TM_RETRY_JITTER_PERCENT = 20,
    TM_RETRY_AFTER_MAX_S = 24 * 3600, /* what a server may ask for in Retry-After */
};

typedef struct tm_retry_cfg {
    uint32_t max;             /* failures in a row that are followed by another attempt */
    int64_t first_ns, cap_ns; /* 0 = 1 s, 60 s */
    uint64_t seed;
} tm_retry_cfg_t;

typedef struct tm_retry {
    tm_retry_cfg_t cfg;
    uint64_t random; /* state */
    uint32_t failure_cnt;
} tm_retry_t;

void tm_retry_init(tm_retry_t *retry, const tm_retry_cfg_t *cfg);

/* Counts a failure. Returns the delay before the next attempt, at least floor_ns. It also answers
   where the attempts are spent: who owns the connection decides whether that is the end. */
int64_t tm_retry_next(tm_retry_t *retry, int64_t floor_ns);

/* True where more failures followed each other than the configuration allows. */
bool tm_retry_is_spent(const tm_retry_t *retry);

/* A good message came. */
void tm_retry_reset(tm_retry_t *retry);

typedef enum tm_retry_verdict {
    TM_RETRY_AGAIN,
    TM_RETRY_END,   /* over, in order */
    TM_RETRY_FATAL, /* no retry can mend it */
} tm_retry_verdict_t;

/* How a connection ended. */
typedef struct tm_retry_event {
    int code;
    bool streamed;       /* it had reached its stream; else it failed on the way */
    bool proven;         /* the address has streamed before: it is right, and so is what we ask */
    bool cut;            /* the peer ended the bytes */
    bool untrusted;      /* the certificate was refused */
    int http_status;     /* of an upgrade that was refused; else 0 */
    uint16_t close_code; /* of the peer's close frame; else 0 */
    bool close_is_end;   /* what the user wants a close 1000 to be */
} tm_retry_event_t;

tm_retry_verdict_t tm_retry_judge(const tm_retry_event_t *event);

#endif
