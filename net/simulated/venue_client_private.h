/* net/simulated/venue_client_private.h - what the files of a venue's client share: venue_client.c
   (bytes and times), venue_client_request.c (what it asks for). Nobody else includes it. */
#ifndef TM_NET_VENUE_CLIENT_PRIVATE_H
#define TM_NET_VENUE_CLIENT_PRIVATE_H

#include "net/conn/link.h"
#include "net/simulated/venue_client.h"
#include "net/simulated/venue_fault.h"
#include "net/ws/http_upgrade.h"
#include "net/ws/ws.h"

typedef enum tm_venue_client_phase {
    TM_VENUE_CLIENT_UPGRADE, /* TLS and HTTP */
    TM_VENUE_CLIENT_OPEN,
    TM_VENUE_CLIENT_CLOSING, /* a close frame or a refusal waits, or was sent */
    TM_VENUE_CLIENT_OVER,
} tm_venue_client_phase_t;

enum { TM_VENUE_PING_CNT = 4 }; /* pings that may be unanswered: 60 s / 20 s and one more */

struct tm_venue_client {
    tm_venue_shared_t *shared;
    tm_uring_owner_t owner;
    tm_link_t *link;
    tm_ws_t *ws;
    tm_http_head_t *head;    /* until the upgrade is done */
    tm_venue_fault_t *fault; /* NULL = it is served well */
    tm_venue_client_phase_t phase;
    int64_t deadline_ns; /* of UPGRADE and CLOSING */
    tm_link_chunk_t chunk;
    size_t chunk_pos;

    uint8_t *queue; /* whole frames, [queue_pos, queue_end) not handed on yet */
    size_t queue_sz, queue_pos, queue_end;

    bool combined; /* messages with the wrapper that names the stream */
    uint32_t stream_cnt;
    tm_venue_stream_t *streams[TM_VENUE_SUBSCRIPTION_MAX];

    int64_t ping_due_ns;
    int64_t ping_sent_ns[TM_VENUE_PING_CNT]; /* unanswered ones, mono; 0 = none */
    int64_t ping_payload[TM_VENUE_PING_CNT];
    int64_t window_ns; /* of the incoming limit */
    uint32_t window_cnt;
    char name[32];
};

/* venue_client.c: room in the queue for sz bytes, made by moving what is left to its front. */
bool tm_venue_client_make_room(tm_venue_client_t *client, size_t sz, size_t reserve);

/* venue_client.c: queues a text frame; -ENOBUFS where the queue has no room. */
int tm_venue_client_reply(tm_venue_client_t *client, const char *text, size_t sz) TM_MUST_CHECK;

/* venue_client_request.c: subscribes to what the path of the upgrade names. 0, or an HTTP status.
   */
int tm_venue_client_target(tm_venue_client_t *client, const char *target, size_t sz);

/* venue_client_request.c: does what a message asks for and queues the reply. */
int tm_venue_client_request(tm_venue_client_t *client, const char *text, size_t sz) TM_MUST_CHECK;

void tm_venue_client_streams_drop(tm_venue_client_t *client);

#endif
