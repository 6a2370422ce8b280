/* net/simulated/venue.h - a simulated exchange that speaks Binance's stream protocol, on the same
   net code.
   Flow     venue_source.c -> [venue] -> many clients over wss and ws
   Paths    /ws/<stream>[/<stream>...] raw; /stream?streams=a/b combined; SUBSCRIBE and the other
            requests on both; GET of whole books (net/simulated/venue_rest.h)
   Pace     a paced source never waits: a client whose queue is full is cut and counted
            (clients_slow). Without a pace the slowest client holds the source back, so nothing is
            lost
   End      when the source ends, what is queued is sent, then a close frame 1000: a client that has
            seen it has seen everything. A capture that cannot be read on ends with 1011
   TLS      a CA and a certificate for localhost are made in state_dir where they are missing:
            clients trust state_dir/ca.pem
   Units    *_ns: nanoseconds; *_sz: bytes
   Memory   about 1.6 MiB a client
   Threads  run: one thread, on which everything happens. stop: any
   Errors   a text that names address or file
   Streams  a captured line says its stream itself, or it follows from its symbol and event
            (net/simulated/venue_line.h)
   Counters clients, clients_refused, clients_slow, clients_timeout, requests, messages (of the
            source), messages_unwanted (for which no client was subscribed), sent, sent_bytes,
            books_shown, books_refused, fault_<name> of every fault of the plan that happened,
            faults_skipped
   Limits   TM_VENUE_CLIENT_MAX clients
   Tests    tests/net/test_venue.c */
#ifndef TM_NET_VENUE_H
#define TM_NET_VENUE_H

#include "base/counter.h"
#include "net/simulated/venue_client.h"
#include "net/simulated/venue_source.h"

/* Where the venue listens; 0 = not. */
typedef struct tm_venue_ports {
    uint16_t tls, plain;
} tm_venue_ports_t;

typedef struct tm_venue_cfg {
    const char *host;    /* address to listen on; NULL = 127.0.0.1 */
    uint16_t tls_port;   /* 0 = any free one */
    uint16_t plain_port; /* 0 = any free one */
    bool tls_off, plain_off;
    const char *state_dir; /* made where it is missing; needed for TLS */
    tm_venue_source_cfg_t source;
    bool snapshots;           /* lines without a stream go to every client; else to nobody */
    uint32_t wait_client_cnt; /* clients with a subscription before the source starts; without a
                                 pace at least one */
    uint32_t queue_sz;        /* of a client; 0 = TM_VENUE_QUEUE_SZ */
    uint32_t record_cnt;      /* messages of a TLS record, to measure with; 0 = as many as fit */
    int64_t ping_ns, pong_ns; /* 0 = 20 s, 60 s */
    int64_t close_ns;         /* 0 = 60 s without progress */
    const tm_fault_plan_t *faults;   /* what goes wrong; NULL = nothing. Not owned */
    const tm_deflate_cfg_t *deflate; /* terms for clients that offer permessage-deflate; NULL = it
                                        is not taken. Not owned */
    tm_counter_set_t *counters;      /* of the calling thread; not owned */
    /* Called once, on the calling thread, when clients can connect; may be NULL. */
    void (*on_listen)(void *ctx, const tm_venue_ports_t *ports);
    void *ctx;
} tm_venue_cfg_t;

/* Listens and serves until the source has ended and its clients are gone, or *stop is true (looked
   at at least every 100 ms, and after every signal; clients get close 1001). Returns 0, or why it
   could not start or go on. */
int tm_venue_run(const tm_venue_cfg_t *cfg, const _Atomic bool *stop) TM_MUST_CHECK;

#endif
