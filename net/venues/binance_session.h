/* net/venues/binance_session.h - Binance's SUBSCRIBE requests and what it answers.
   Flow     streams of the feed's configuration -> [binance_session] -> conn.c
   Source   Binance spot API documentation, web-socket-streams: method, params and id; five incoming
            messages a second and 1024 streams a connection. Errors are documented flat and come
            nested in "error"; both are read
   Memory   one block; the stream names stay the caller's
   Errors   open: TM_E_CONFIG, TM_E_LIMIT; judge: TM_E_PROTOCOL with the venue's own message
   Limits   TM_BINANCE_STREAM_MAX streams, names of TM_BINANCE_STREAM_SZ_MAX bytes
   Tests    tests/net/test_binance_session.c */
#ifndef TM_NET_BINANCE_SESSION_H
#define TM_NET_BINANCE_SESSION_H

#include "net/session.h"

enum {
    TM_BINANCE_STREAM_MAX = 1024,
    TM_BINANCE_STREAM_SZ_MAX = 200,
    TM_BINANCE_REQUEST_SZ_MAX =
        4000, /* the venue closes on longer messages (seen, not documented) */
};

/* What the venue takes in a second on one connection, requests, pings and pongs together. The span
   is a little longer than its second, because messages may come closer together than they were
   sent. */
enum { TM_BINANCE_SEND_MAX = 5, TM_BINANCE_SEND_SPAN_MS = 1100 };

/* Where a connection that names no stream in its address goes: the wrapper says which stream a
   message belongs to, which partial books do not say themselves. */
#define TM_BINANCE_TARGET_DEFAULT "/stream"

int tm_binance_session_open(tm_session_t **out, const char *const *streams,
                            uint32_t stream_cnt) TM_MUST_CHECK;

#endif
