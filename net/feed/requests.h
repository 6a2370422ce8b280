/* net/feed/requests.h - how often this process has asked a server for documents lately.
   Flow     feed_books.c asks before each request -> [requests]
   Why      Binance weighs requests by the minute and bans an address that goes on after a refusal,
            so the limit is one of the process: feeds of several ingest threads share it
   Units    *_ns: nanoseconds, mono
   Memory   static: TM_REQUESTS_HOST_MAX windows
   Threads  any; one lock, held for a look-up on the control path
   Limits   TM_REQUESTS_MAX in a span; TM_REQUESTS_HOST_MAX servers: a further one takes the place
            of the one that was asked longest ago, once its span is over
   Tests    tests/net/test_retry.c, tests/engine/test_feed_books.c */
#ifndef TM_NET_REQUESTS_H
#define TM_NET_REQUESTS_H

#include "base/types.h"

enum { TM_REQUESTS_MAX = 128, TM_REQUESTS_HOST_MAX = 16 };

/* What a venue allows. */
typedef struct tm_requests_limit {
    uint32_t max;    /* requests, up to TM_REQUESTS_MAX */
    int64_t span_ns; /* in any span of this length */
} tm_requests_limit_t;

/* Counts a request to host:port where it may be made now. Returns now_ns, or the later time to ask
   again; nothing is counted then. */
int64_t tm_requests_take(const char *host, uint16_t port, const tm_requests_limit_t *limit,
                         int64_t now_ns);

/* The server wants to be left alone until then. */
void tm_requests_hold(const char *host, uint16_t port, const tm_requests_limit_t *limit,
                      int64_t until_ns);

#endif
