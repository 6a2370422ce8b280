/* net/venues/binance_session.h - Binance's SUBSCRIBE requests and what it answers: spot, USD-M and
   COIN-M futures.
   Flow     streams of the feed's configuration -> [binance_session] -> conn.c
   Source   Binance spot API documentation, web-socket-streams: method, params and id; five incoming
            messages a second and 1024 streams a connection; a connection lives 24 hours; a ping
            every 20 s; serverShutdown, with and without the wrapper. Errors are documented flat and
            come nested in "error"; both are read, and both are matched to their request by id.
            developers.binance.com, futures: ten messages a second, a ping every three minutes;
            USD-M serves books under /public and everything else under /market
   Memory   that of net/feed/session.h
   Errors   open: TM_E_CONFIG, TM_E_LIMIT; judge: TM_E_PROTOCOL with the venue's own message
   Limits   TM_BINANCE_STREAM_MAX streams
   Tests    tests/net/test_binance_session.c, tests/net/test_sessions.c */
#ifndef TM_NET_BINANCE_SESSION_H
#define TM_NET_BINANCE_SESSION_H

#include "net/feed/session.h"

enum {
    TM_BINANCE_STREAM_MAX = 1024,
    /* The venue closes on longer messages (seen, not documented). */
    TM_BINANCE_REQUEST_SZ_MAX = TM_SESSION_REQUEST_SZ_MAX,
};

int tm_binance_session_open(tm_session_t **out, const char *const *streams,
                            uint32_t stream_cnt) TM_MUST_CHECK;

#endif
