/* net/feed.h - live connections of one ingest thread as a source of frames.
   Flow     exchange -> TLS -> WebSocket -> [feed] -> parse
   Units    *_ns: nanoseconds; *_sz: bytes
   Memory   one io_uring, one registered buffer ring and one message buffer a connection; all sized
            at open, message buffers grow to frame_sz_max and no further
   Threads  open, poll, close: the ingest thread that opened it
   Errors   a text that names the host, the phase and what to do. poll: a connection that ends is
            logged, and counted in `disconnects` where it did not end in order; the others go on.
            When none is left: TM_E_CLOSED where all ended in order, else the first other error
   Counters frames, frame_bytes, disconnects
   Limits   TM_FEED_CONN_MAX connections, TM_FEED_STREAM_MAX streams */
#ifndef TM_NET_FEED_H
#define TM_NET_FEED_H

#include "base/counter.h"
#include "net/source.h"

enum { TM_FEED_CONN_MAX = 64, TM_FEED_STREAM_MAX = 1024 };

typedef struct tm_feed_cfg {
    const char *const *urls; /* wss:// or ws://, one connection each; the path may name streams */
    uint32_t url_cnt;
    const char *const *streams; /* further streams to SUBSCRIBE to on the first connection */
    uint32_t stream_cnt;
    const char *ca_file;        /* PEM bundle to trust instead of the system's; NULL = system */
    uint32_t frame_sz_max;      /* 0 = TM_FRAME_SZ_MAX_DEFAULT */
    tm_counter_set_t *counters; /* of the ingest thread; not owned */
    uint32_t deadline_ms;       /* of each phase before streaming; 0 = 5 s, subscribe 10 s */
    uint32_t uring_off;         /* TM_URING_OFF_*: features to do without, for tests */
    /* Opening ends with -EINTR within 100 ms of true; NULL = not asked. */
    const _Atomic bool *stop;
} tm_feed_cfg_t;

/* Resolves, connects, shakes hands; returns when every connection streams, or with the first error
   (-EINTR where a signal came or *stop is true). Fails closed: an untrusted, expired or misnamed
   certificate is TM_E_TLS. An address without a path gets "/stream". */
int tm_feed_open(tm_source_t **out, const tm_feed_cfg_t *cfg) TM_MUST_CHECK;

#endif
