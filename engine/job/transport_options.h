/* engine/job/transport_options.h - --proxy, --deflate and --tcp: how live connections travel.
   Flow     command line -> options.c -> [transport_options] -> ingest.c -> feed
   Units    busy-poll: microseconds; rcvbuf: bytes
   Memory   in the options; what tm_transport_of() gives points into them
   Threads  written by one, then read-only
   Errors   TM_E_CONFIG, TM_E_SYNTAX with a text that names the option and what it takes
   Limits   busy-poll 1 s, rcvbuf 1 GiB
   Tests    tests/engine/test_options.c */
#ifndef TM_ENGINE_TRANSPORT_OPTIONS_H
#define TM_ENGINE_TRANSPORT_OPTIONS_H

#include "net/conn/transport.h"

typedef struct tm_transport_options {
    tm_proxy_t proxy;
    tm_deflate_cfg_t deflate;
    tm_tcp_options_t tcp;
    bool proxy_on, deflate_on;
} tm_transport_options_t;

/* http://[user:password@]host[:port] */
int tm_transport_take_proxy(tm_transport_options_t *options, const char *text) TM_MUST_CHECK;

/* off, takeover (the server keeps its window from message to message) or no-takeover */
int tm_transport_take_deflate(tm_transport_options_t *options, const char *text) TM_MUST_CHECK;

/* A comma list: delay, quickack, busy-poll=MICROSECONDS, rcvbuf=SIZE */
int tm_transport_take_tcp(tm_transport_options_t *options, const char *text) TM_MUST_CHECK;

tm_transport_t tm_transport_of(const tm_transport_options_t *options);

#endif
