/* net/feed/feed_venue.h - the exchanges that can be connected to: where they are, what they allow.
   Flow     feed_plan.c finds the one of an address -> [feed_venue] -> limits for conn.c, a session
   Adding   one file in venues/ and one line in feed_venue.c; docs/venues.md
   Source   each file of venues/ names the documents its numbers come from
   Units    *_ns: nanoseconds
   Threads  immutable
   Tests    tests/net/test_sessions.c */
#ifndef TM_NET_FEED_VENUE_H
#define TM_NET_FEED_VENUE_H

#include "base/feed_row.h"
#include "net/feed/requests.h"
#include "net/feed/session.h"

/* Where whole books are asked for that no stream begins with. */
typedef struct tm_feed_books {
    /* Hosts of streams, and all below them, and who has their books; unused ones NULL. Any other
       host is asked itself, under the port of its streams. */
    const char *host[3][2];
    const char *target;        /* the symbol, in capitals, follows */
    tm_requests_limit_t limit; /* what we ask at most; the venue's own limit is higher */
    /* Bytes of the symbol at the beginning of a stream's name; 0 = it is no stream of a book's
       changes. */
    size_t (*symbol_sz)(const char *stream, size_t sz);
} tm_feed_books_t;

typedef struct tm_feed_venue {
    const char *name;    /* as --venue takes it */
    const char *host[4]; /* its hosts, and all below them; unused ones NULL */
    const char *target;  /* where an address without a path goes */
    const tm_session_ops_t *session;
    /* The path that serves a stream where a venue has several; NULL = all on `target`. */
    const char *(*target_of)(const char *stream);
    /* How streams of books begin whose first message is the whole book; NULL = there are none. They
       end with ":SYMBOL" or ".SYMBOL". */
    const char *book;
    const tm_feed_books_t *books; /* where there are none: who is asked; NULL = nobody */
    uint32_t stream_max;          /* of a connection */
    /* Messages that a connection may send in a span, pongs included. */
    uint32_t send_max;
    int64_t send_span_ns;
    int64_t request_gap_ns; /* between two requests */
    int64_t life_ns;        /* the venue ends every connection after it; 0 = it does not */
    int64_t idle_ns;        /* silence that means a dead connection */
    int64_t beat_ns;        /* between two heartbeats of ours; 0 = none are wanted */
    tm_id_rule_t trade_rule, quote_rule; /* books say themselves how they follow each other */
} tm_feed_venue_t;

/* NULL where there is none of that name. */
const tm_feed_venue_t *tm_feed_venue_find(const char *name);

/* The exchange whose host this is; where it is nobody's, Binance spot, whose protocol the simulated
   exchange speaks. */
const tm_feed_venue_t *tm_feed_venue_of_host(const char *host);

/* True where host is the name itself or ends in ".name". */
bool tm_feed_host_is_below(const char *host, const char *name);

/* "binance, bybit, ...", for messages. */
const char *tm_feed_venue_names(void);

/* One a file of venues/. */
extern const tm_feed_venue_t tm_feed_venue_binance, tm_feed_venue_binance_usdm,
    tm_feed_venue_binance_coinm, tm_feed_venue_bybit, tm_feed_venue_okx, tm_feed_venue_coinbase,
    tm_feed_venue_kraken;

#endif
