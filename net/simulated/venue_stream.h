/* net/simulated/venue_stream.h - who of the venue's clients wants which stream.
   Flow     venue_client.c subscribes -> [venue_stream] -> venue.c asks for every message
   Memory   a table of TM_VENUE_STREAM_BUCKETS heads and one block a stream that somebody wants
   Threads  one owner
   Errors   NULL where memory is short
   Limits   TM_VENUE_CLIENT_MAX clients, TM_VENUE_SUBSCRIPTION_MAX streams each
   Tests    tests/net/test_venue.c */
#ifndef TM_NET_VENUE_STREAM_H
#define TM_NET_VENUE_STREAM_H

#include "base/types.h"

enum {
    TM_VENUE_CLIENT_MAX = 64, /* one bit of a mask each */
    TM_VENUE_SUBSCRIPTION_MAX = 1024,
    TM_VENUE_STREAM_SZ_MAX = 200,
    TM_VENUE_STREAM_BUCKETS = 1 << 14,
};

typedef struct tm_venue_stream {
    struct tm_venue_stream *next; /* in the bucket */
    uint64_t mask;                /* bit i: client i wants it */
    uint32_t hash;
    uint32_t sz;
    char name[];
} tm_venue_stream_t;

typedef struct tm_venue_streams tm_venue_streams_t;

int tm_venue_streams_open(tm_venue_streams_t **out) TM_MUST_CHECK;
void tm_venue_streams_close(tm_venue_streams_t *streams);

/* The clients that want the stream, as a mask. */
uint64_t tm_venue_streams_mask(const tm_venue_streams_t *streams, const char *name, size_t sz);

/* Adds a client to a stream, which is made where it is new. */
tm_venue_stream_t *tm_venue_streams_add(tm_venue_streams_t *streams, const char *name, size_t sz,
                                        uint32_t client_idx);

/* Takes a client off a stream, which is freed where nobody wants it any more. */
void tm_venue_streams_drop(tm_venue_streams_t *streams, tm_venue_stream_t *stream,
                           uint32_t client_idx);

#endif
