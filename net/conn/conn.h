/* net/conn/conn.h - one WebSocket connection as a client, from the name to the last message; or one
   request for a document.
   Flow     uring events -> [conn] -> frames -> feed.c
   Phases   resolve -> connect (net/conn/race.h) -> proxy -> TLS -> upgrade -> subscribe -> stream
            -> close, each with a deadline of its own; for a document (fetch): TLS -> request ->
            end. A connection knows no policy: when it ends it says why, and whoever owns it decides
            whether another one is opened
   Sending  at most send_max WebSocket messages in send_span_ns, pongs included: what is too early
            waits (of several pings the last one is answered). A close frame goes out at once
   Reading  until it streams, a connection receives one buffer at a time and reads no more than it
            needs, so several can be opened side by side on one ring
   Units    *_ns: nanoseconds (deadlines: mono); *_sz: bytes
   Memory   one block, the link's buffers and the WebSocket's message buffer. Messages that come
            before a subscription is answered are kept, up to TM_CONN_EARLY_MAX and
            TM_CONN_EARLY_SZ_MAX
   Threads  one owner
   Errors   the text names address, phase and what to do; see tm_conn_read for how a stream ends
   Tests    tests/net/test_feed.c, tests/net/test_feed_bad.c */
#ifndef TM_NET_CONN_H
#define TM_NET_CONN_H

#include "base/frame.h"
#include "net/conn/tls.h"
#include "net/conn/transport.h"
#include "net/conn/uring.h"
#include "net/conn/url.h"
#include "net/feed/session.h"

enum {
    TM_CONN_EARLY_MAX = 4096,
    TM_CONN_EARLY_SZ_MAX = 16 << 20,
    TM_CONN_NAME_MAX = 360,
    TM_CONN_READ_SZ_MAX = 8 << 20, /* bytes of one read, less than a message over */
};
enum { TM_CONN_SEND_MAX = 16 };

typedef enum tm_conn_phase {
    TM_CONN_RESOLVE,
    TM_CONN_CONNECT,
    TM_CONN_PROXY, /* where there is one */
    TM_CONN_TLS,
    TM_CONN_FETCH, /* of a document, instead of what follows */
    TM_CONN_UPGRADE,
    TM_CONN_SUBSCRIBE,
    TM_CONN_STREAM,
    TM_CONN_CLOSE,
    TM_CONN_ENDED,
    TM_CONN_PHASE_CNT,
} tm_conn_phase_t;

typedef struct tm_conn_cfg {
    tm_uring_t *ring;
    uint16_t slot;         /* of this connection on the ring */
    uint32_t gen;          /* tm_conn_gen of the one that had the slot before; 0 = none */
    uint32_t conn_idx;     /* put into every frame */
    const tm_url_t *url;   /* copied */
    tm_tls_ctx_t *tls_ctx; /* needed for wss */
    tm_session_t *session; /* NULL = nothing to subscribe to; the connection's from then on */
    bool fetch;            /* GET the document instead: https, http; no session */
    uint32_t frame_sz_max; /* 0 = TM_FRAME_SZ_MAX_DEFAULT; of what is compressed: inflated */
    const tm_transport_t *transport; /* not owned; NULL = the usual */
    /* How long each phase may take; 0 = the default: 5 s, subscribe 10 s, close 1 s, stream without
       end. */
    int64_t phase_ns[TM_CONN_PHASE_CNT];
    uint32_t send_max; /* up to TM_CONN_SEND_MAX; 0 = no limit */
    int64_t send_span_ns;
    int64_t request_gap_ns; /* between two requests of the session */
    int64_t beat_ns;        /* between two heartbeats of the session; 0 = none */
} tm_conn_cfg_t;

/* What messages have said about the connection itself, since the last look. */
typedef struct tm_conn_note {
    bool leaves; /* the venue will end it */
    uint32_t error_cnt;
    uint64_t missed_cnt; /* messages that its own count says are missing, the last ones of them: */
    uint64_t from_id, to_id;
} tm_conn_note_t;

/* How it ended, for whoever decides what comes next. */
typedef struct tm_conn_outcome {
    bool cut;              /* the peer ended the bytes */
    bool untrusted;        /* its certificate was refused */
    uint16_t close_code;   /* of its close frame; 0 = none came */
    int http_status;       /* of an upgrade that was refused; 0 = none was */
    int64_t retry_after_s; /* what it asked for then; -1 = nothing */
    /* Addresses of its host: tried, of these failed, and closed because another one was faster. */
    uint32_t tried_cnt, failed_cnt, outrun_cnt;
} tm_conn_outcome_t;

typedef struct tm_conn tm_conn_t;

/* Returns 0, -ENOMEM; the session is the connection's only where 0 is returned. */
int tm_conn_open(tm_conn_t **out, const tm_conn_cfg_t *cfg) TM_MUST_CHECK;

/* Begins to look up the host; steps go on from there. */
int tm_conn_start(tm_conn_t *conn) TM_MUST_CHECK;

/* Takes an event of this connection's slot; those of earlier descriptors are dropped here. */
int tm_conn_on_event(tm_conn_t *conn, const tm_uring_event_t *ev) TM_MUST_CHECK;

/* Goes as far as what was received allows, and judges deadlines. Returns 0 or why it failed. */
int tm_conn_step(tm_conn_t *conn, int64_t now_ns) TM_MUST_CHECK;

/* When tm_conn_step wants to be called at the latest; INT64_MAX = no such time. */
int64_t tm_conn_deadline_ns(const tm_conn_t *conn);

tm_conn_outcome_t tm_conn_outcome(const tm_conn_t *conn);

/* The last generation of its descriptors. */
uint32_t tm_conn_gen(const tm_conn_t *conn);

tm_conn_note_t tm_conn_note_take(tm_conn_t *conn);

tm_conn_phase_t tm_conn_phase(const tm_conn_t *conn);
const char *tm_conn_phase_name(tm_conn_phase_t phase);

/* "wss://host:port/path", cut to a readable length. */
const char *tm_conn_name(const tm_conn_t *conn);

/* A document, once it is whole; it stays the connection's. */
typedef struct tm_conn_answer {
    const uint8_t *bytes;
    size_t sz;
    int64_t mono_ns; /* when it was whole */
} tm_conn_answer_t;

bool tm_conn_fetched(const tm_conn_t *conn, tm_conn_answer_t *answer);

/* Says that frames given so far are not looked at any more. */
void tm_conn_release(tm_conn_t *conn);

/* In STREAM: receives on as far as there are buffers. Call it after releases. */
int tm_conn_listen(tm_conn_t *conn) TM_MUST_CHECK;

/* When the last message, ping or pong was whole (mono); 0 = none was. Bytes alone do not count: a
   peer that drips them says nothing. */
int64_t tm_conn_heard_ns(const tm_conn_t *conn);

/* True where tm_conn_read may give something without another event. */
bool tm_conn_is_pending(const tm_conn_t *conn);

/* In STREAM: gives up to `cap` frames, and no further one once they have TM_CONN_READ_SZ_MAX bytes:
   a few received buffers may inflate to a thousand times their size. Returns how many (0 = none
   now); or how the stream ended, after all frames before:
   TM_E_CLOSED   the peer closed it in order (1000, 1001 or no code)
   TM_E_PROTOCOL the peer closed it with another code, or broke the protocol
   -ECONNRESET   it was cut: no close frame; likewise other errors of the socket
   TM_E_TLS, TM_E_LIMIT  as they say. The phase is ENDED then. */
int tm_conn_read(tm_conn_t *conn, tm_frame_t *frames, uint32_t cap) TM_MUST_CHECK;

/* In STREAM: leaves stream `idx` of the session and asks for it anew, so that its book comes whole.
   Paced as all requests. False where another one is under way. */
bool tm_conn_resubscribe(tm_conn_t *conn, uint32_t idx);

/* When that goes on; INT64_MAX = none is under way. */
int64_t tm_conn_again_ns(const tm_conn_t *conn);

/* Begins an orderly end: sends a close frame where there is a WebSocket. Go on with events and
   tm_conn_step until tm_conn_is_gone or the deadline; what arrives is dropped. */
void tm_conn_close(tm_conn_t *conn);

/* Cuts what is left, so that pending operations complete. */
void tm_conn_abort(tm_conn_t *conn);

/* True where nothing is left to wait for. */
bool tm_conn_is_gone(const tm_conn_t *conn);

/* NULL is fine. */
void tm_conn_free(tm_conn_t *conn);

#endif
