/* net/feed/feed.h - live connections of one ingest thread as a source of frames.
   Flow     exchange -> TLS -> WebSocket -> [feed] -> parse
   Groups   each address is a feed of its own. It may be several addresses of the same messages,
            separated by commas (A/B): then all of them are connected, and copies come as often as
            they are sent. Telling copies apart takes rows, so it is done behind the parser
            (engine/runtime/source/arbiter.h); frames and control rows say which connection they are
            of
   Units    *_ns: nanoseconds; *_sz: bytes
   Memory   one io_uring, one registered buffer ring and one message buffer a connection; all sized
            at open, message buffers grow to frame_sz_max and no further
   Threads  open, poll, close: the ingest thread that opened it
   Retries  a connection that fails or is cut is opened again after the delays of net/feed/retry.h,
            driven by poll: nobody sleeps, the other connections go on. An error that no retry can
            mend (net/feed/retry.c says which) ends the connection at once. One that has streamed
            before is tried on past retry_max while another one lives
   Rotation before the venue ends a connection (its 24 hours, a shutdown that it announces) another
            one is opened beside it; both stream for overlap_ns, then the old one is closed. It
            stays for longer where it brings messages and the new one does not keep up, and where
            it is read late: until all that had come on it is read, 30 s at most
   Errors   a text that names the host, the phase and what to do. poll: a connection that ends for
            good is logged, the others go on. When none is left: TM_E_CLOSED where all ended in
            order, else what one of the others said. A connection that never came to stream ends
            the whole feed with its error, unless another one of its group streams
   Books    tm_source_resync leaves the stream of one symbol's book and asks for it anew; the same
            one again after resync_ns at the earliest, then after twice as long, and so on up to
            TM_FEED_RESYNC_MAX_S; a connection asks for one at a time. Never a storm
            Where a venue has whole books elsewhere (Binance), they are asked for there
            (feed_books.c): all of them when the feed begins, one after a gap in it. They come as
            messages of the stream of their changes
   Rows     tm_source_rows gives a tm_feed_row_t for each event of a connection (base/row.h)
   Counters frames, frame_bytes; attempts to connect, connect_failures among them; addresses_tried
            in these attempts, addresses_failed and addresses_outrun (net/conn/race.h); disconnects:
            streams that did not end in order, idle_cut among them; reconnects; rotations;
            streams_silent: those that have not spoken in stream_ns; feed_missed: messages that are
            missing by the connection's own count; venue_errors: complaints while streaming;
            resyncs: books whose stream was asked for anew; books_asked: requests for whole books,
            of which books_fetched came and books_failed did not
   Limits   TM_FEED_CONN_MAX addresses, TM_FEED_LINE_MAX connections (and one more each while it is
            rotated), TM_FEED_STREAM_MAX streams; those of net/feed/attempts.h and
            net/feed/feed_venue.h
   Tests    tests/net/test_feed.c, test_feed_bad.c, test_feed_refused.c, test_feed_retry.c,
            test_feed_rotate.c, test_feed_resync.c; tests/engine/test_feed_books.c */
#ifndef TM_NET_FEED_H
#define TM_NET_FEED_H

#include "base/counter.h"
#include "net/conn/transport.h"
#include "net/feed/retry.h"
#include "net/source.h"

enum {
    TM_FEED_CONN_MAX = 64,
    TM_FEED_LINE_MAX = 64,
    TM_FEED_ENDPOINT_MAX = 4, /* addresses of a group */
    TM_FEED_STREAM_MAX = 16384,
    TM_FEED_RESYNC_MAX_S = 300, /* between two times that a book is asked for anew */
    TM_FEED_GROUP_TEXT_MAX = 120,
};

/* For idle_ns: what the venue's own pings or heartbeats suggest. */
#define TM_FEED_IDLE_VENUE INT64_C(-1)

/* A connection began to stream, or a stream ended. */
typedef struct tm_feed_link {
    uint32_t conn_idx;
    bool up;
    int code;                 /* of the end; TM_E_CLOSED = in order */
    int64_t real_ns;          /* Unix time */
    const char *text;         /* its URL, or why it ended; the callee copies it */
    const tm_feed_row_t *row; /* of one that began: what copies are told by; NULL = not known */
} tm_feed_link_t;

typedef void (*tm_feed_link_fn_t)(void *ctx, const tm_feed_link_t *link);

typedef struct tm_feed_cfg {
    const char *const *urls; /* wss:// or ws://, a group each: URL or URL,URL; the path may name
                                streams */
    uint32_t url_cnt;
    const char *venue; /* net/feed/feed_venue.h; NULL = the one whose host the address names */
    /* Further streams to SUBSCRIBE to on the first group, each NAME or NAME,NAME; copied. They are
       spread over as many connections as the venue's limit asks for. */
    const char *const *streams;
    uint32_t stream_cnt;
    const char *ca_file;        /* PEM bundle to trust instead of the system's; NULL = system */
    uint32_t frame_sz_max;      /* 0 = TM_FRAME_SZ_MAX_DEFAULT */
    tm_counter_set_t *counters; /* of the ingest thread; not owned */
    uint32_t deadline_ms;       /* of each phase before streaming; 0 = 5 s, subscribe 10 s */
    uint32_t uring_off;         /* TM_URING_OFF_*: features to do without, for tests */
    /* Opening ends with -EINTR within 100 ms of true; NULL = not asked. */
    const _Atomic bool *stop;
    /* Failures of a connection in a row that are followed by another attempt; 0 = every end is
       final; TM_RETRY_FOREVER. The first good message begins a new count. */
    uint32_t retry_max;
    int64_t retry_first_ns, retry_cap_ns; /* 0 = 1 s, 60 s */
    uint64_t seed;                        /* of the jitter; 0 = any */
    /* A connection that brings no byte for so long is cut; 0 = never; TM_FEED_IDLE_VENUE. */
    int64_t idle_ns;
    const tm_transport_t *transport; /* proxy, deflate, sockets; not owned; NULL = the usual */
    bool reconnect_on_close;         /* also where the peer closes with 1000 */
    int64_t life_ns;           /* a connection is replaced at this age; 0 = as its venue asks */
    int64_t overlap_ns;        /* how long the old one goes on beside the new one: 0 = 2 s; at most
                                half of life_ns */
    int64_t stream_ns;         /* a stream that has not spoken by then is told; 0 = 60 s */
    bool books;                /* whole books are wanted where streams do not bring them */
    int64_t resync_ns;         /* after which a book may be asked for anew again: 0 = 10 s */
    tm_feed_link_fn_t on_link; /* called from open and poll; NULL = nobody asks */
    void *on_link_ctx;
} tm_feed_cfg_t;

typedef struct tm_feed_group {
    uint8_t entry; /* the number of its address */
    /* What it brings, not where from: "binance: 2 streams, btcusdt@trade first (c0ffee00)". Texts
       of other venues or streams are others. */
    char text[TM_FEED_GROUP_TEXT_MAX];
} tm_feed_group_t;

/* How many groups the configuration asks for, without opening anything: each brings messages that
   no other one does, and its number is that in feed rows. A negative code where feed_open would
   fail at once. */
int tm_feed_groups(const tm_feed_cfg_t *cfg,
                   tm_feed_group_t groups[TM_FEED_LINE_MAX]) TM_MUST_CHECK;

/* Resolves, connects, shakes hands; returns when every connection streams or, where one does, the
   others wait for their next attempt; or with the error that ends the feed (-EINTR where a signal
   came or *stop is true). Fails closed: an untrusted, expired or misnamed
   certificate is TM_E_TLS. An address without a path gets the venue's. */
int tm_feed_open(tm_source_t **out, const tm_feed_cfg_t *cfg) TM_MUST_CHECK;

#endif
