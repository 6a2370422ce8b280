/* net/simulated/venue_rest.h - what the venue answers to a GET: whole books, as Binance.
   Flow     venue_client.c -> [venue_rest] -> an HTTP response
   Paths    /api/v3/depth of spot, /fapi/v1/depth of USD-M, /dapi/v1/depth of COIN-M, each with
            symbol= and limit=, the book being the generated one
   Limit    requests are weighed by the minute, 50 each; past TM_VENUE_WEIGHT_MAX the answer is 429
            with Retry-After and, to who goes on all the same, 418
   Source   Binance's REST documentation, "Order book" and "IP limits"
   Units    *_ns: nanoseconds, mono; *_sz: bytes
   Memory   the caller's
   Threads  one owner
   Tests    tests/net/test_venue.c, tests/engine/test_feed_books.c */
#ifndef TM_NET_VENUE_REST_H
#define TM_NET_VENUE_REST_H

#include "net/simulated/venue_book.h"
#include "net/simulated/venue_generator.h"
#include "net/ws/http_head.h"

enum {
    TM_VENUE_WEIGHT_MAX = 6000,
    TM_VENUE_REST_SZ_MAX = TM_VENUE_BOOK_ALL_SZ + 512,
};

typedef struct tm_venue_rest {
    const tm_venue_generator_t *generator; /* NULL = there are no books */
    int64_t minute_ns;                     /* when the weighing began anew */
    uint32_t weight, refused_cnt;          /* since then */
} tm_venue_rest_t;

/* True where the target is one that is answered here. */
bool tm_venue_rest_is(tm_http_slice_t target);

/* Writes the whole response. Returns its bytes; *status is what it says. */
size_t tm_venue_rest_answer(tm_venue_rest_t *rest, tm_http_slice_t target, int64_t now_ns,
                            int *status, char out[TM_VENUE_REST_SZ_MAX]);

#endif
