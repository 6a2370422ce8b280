/* net/simulated/venue_client.h - one client of the simulated exchange: upgrade, requests, pings,
   its queue.
   Flow     uring events -> [venue_client] -> requests;  venue.c -> send -> [venue_client] -> link
   Rules    as Binance has them: a ping every 20 s with the time in ms, 60 s to answer one with its
            payload, five incoming messages a second, 1024 streams; streams nobody knows are
            acknowledged and stay silent. A GET for a whole book is answered instead of an upgrade
   Units    *_ns: nanoseconds (mono); *_sz: bytes
   Memory   a queue of WebSocket frames of queue_sz bytes (it grows only for one larger message), so
            that many small ones leave in one TLS record
   Threads  one owner
   Errors   step: why the client is over, with a text; its streams are dropped then
   Tests    tests/net/test_venue.c */
#ifndef TM_NET_VENUE_CLIENT_H
#define TM_NET_VENUE_CLIENT_H

#include "base/counter.h"
#include "net/conn/tls.h"
#include "net/conn/uring.h"
#include "net/simulated/fault_plan.h"
#include "net/simulated/venue_generator.h"
#include "net/simulated/venue_request.h"
#include "net/simulated/venue_rest.h"
#include "net/simulated/venue_stream.h"
#include "net/ws/http_extension.h"

enum {
    TM_VENUE_QUEUE_SZ = 1 << 20,   /* default */
    TM_VENUE_REQUEST_RATE_MAX = 5, /* incoming messages a second */
    TM_VENUE_REQUEST_SZ_MAX = 64 << 10,
};

/* What the clients of a venue share. */
struct tm_venue_faults;

typedef struct tm_venue_shared {
    tm_uring_t *ring;
    tm_venue_streams_t *streams;
    uint32_t queue_sz;
    uint32_t record_cnt;             /* messages of a TLS record; 0 = as many as fit */
    const tm_deflate_cfg_t *deflate; /* NULL = offers are not taken */
    int64_t ping_ns, pong_ns;        /* between pings; to answer one */
    int64_t handshake_ns;            /* for TLS and upgrade */
    int64_t close_ns;                /* without progress, while closing */
    tm_venue_request_t request;      /* of the client that is stepped */
    struct tm_venue_faults *faults;  /* NULL = all goes well */
    tm_venue_rest_t rest;
    tm_counter_t *sent, *sent_bytes, *requests, *timeouts, *books, *books_refused;
} tm_venue_shared_t;

typedef struct tm_venue_client tm_venue_client_t;

/* Takes over descriptor and TLS (NULL = plain), also where it fails. */
int tm_venue_client_open(tm_venue_client_t **out, tm_venue_shared_t *shared, tm_uring_owner_t owner,
                         int fd, tm_tls_t *tls) TM_MUST_CHECK;
/* Lets this one be served as the plan says, as the n-th connection; rule is what happens to it at
   accept (ALERT, GARBAGE and SILENT; those come without TLS), NULL = nothing. */
int tm_venue_client_spoil(tm_venue_client_t *client, uint32_t conn_nr,
                          const tm_fault_rule_t *rule) TM_MUST_CHECK;
void tm_venue_client_free(tm_venue_client_t *client);

int tm_venue_client_on_event(tm_venue_client_t *client, const tm_uring_event_t *ev) TM_MUST_CHECK;

/* Reads requests, pings, judges time and sends what waits. Returns 0, or why it is over. */
int tm_venue_client_step(tm_venue_client_t *client, int64_t now_ns) TM_MUST_CHECK;

/* True where a step has something to do at that time. */
bool tm_venue_client_is_due(const tm_venue_client_t *client, int64_t now_ns);

/* True where the message fits into the queue now. */
bool tm_venue_client_has_room(tm_venue_client_t *client, const tm_venue_message_t *message);

/* Queues a message: with or without the wrapper, as the client wants. It must have room. */
void tm_venue_client_send(tm_venue_client_t *client, const tm_venue_message_t *message);

/* Hands as much of the queue to the link as fits. */
int tm_venue_client_pump(tm_venue_client_t *client) TM_MUST_CHECK;

bool tm_venue_client_is_open(const tm_venue_client_t *client);
uint32_t tm_venue_client_stream_cnt(const tm_venue_client_t *client);

/* Lets a close frame follow what is queued. */
void tm_venue_client_finish(tm_venue_client_t *client, uint16_t code, const char *reason,
                            int64_t now_ns);

/* Ends it now: its streams are dropped, pending operations complete. Free it once idle. */
void tm_venue_client_abort(tm_venue_client_t *client);
bool tm_venue_client_is_over(const tm_venue_client_t *client);
bool tm_venue_client_is_idle(const tm_venue_client_t *client);

/* "client 3 (wss)" */
const char *tm_venue_client_name(const tm_venue_client_t *client);

#endif
