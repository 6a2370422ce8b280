/* net/feed/attempts.h - how often this process has connected to an address lately.
   Flow     feed_slot.c asks before each attempt -> [attempts]
   Why      Binance bans an address that connects more than 300 times in five minutes, so the limit
            is one of the process, not of a feed: feeds of several ingest threads share it
   Units    *_ns: nanoseconds, mono
   Memory   static: TM_ATTEMPTS_ADDR_MAX windows
   Threads  any; one lock, held for a look-up on the control path
   Limits   TM_ATTEMPTS_MAX attempts in TM_ATTEMPTS_SPAN_S seconds to one host and port.
            TM_ATTEMPTS_ADDR_MAX addresses within the span: a further one waits for a place
   Tests    tests/net/test_retry.c */
#ifndef TM_NET_ATTEMPTS_H
#define TM_NET_ATTEMPTS_H

#include "base/types.h"

enum { TM_ATTEMPTS_MAX = 300, TM_ATTEMPTS_SPAN_S = 300, TM_ATTEMPTS_ADDR_MAX = 128 };

/* Counts an attempt to reach host:port where it may be made now. Returns now_ns, or the later time
   to ask again; nothing is counted then. */
int64_t tm_attempts_take(const char *host, uint16_t port, int64_t now_ns);

#endif
