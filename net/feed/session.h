/* net/feed/session.h - one conversation with a venue: what it wants to hear, what its answers mean.
   Flow     feed.c makes one for each connection -> conn.c asks it what to send and shows it what
            comes -> messages that are market data go on as frames
   Files    venues/ has one file a venue, which fills the ops below; docs/venues.md says how to add
            one. Nearly all of what a session remembers is the same everywhere and stands here
   Units    *_sz: bytes
   Memory   one block a session; the stream names stay the caller's
   Threads  the feed's
   Errors   a refusal by the venue is a negative code with its own words in the text
   Limits   names of TM_SESSION_STREAM_SZ_MAX bytes
   Tests    tests/net/test_sessions.c, tests/net/test_binance_session.c */
#ifndef TM_NET_SESSION_H
#define TM_NET_SESSION_H

#include "base/types.h"

enum { TM_SESSION_STREAM_SZ_MAX = 200, TM_SESSION_REQUEST_SZ_MAX = 4000 };

/* What a message was. */
typedef enum tm_session_reply {
    TM_SESSION_DATA = 0,  /* for the parser */
    TM_SESSION_REPLY = 1, /* an answer, a heartbeat, a greeting: the parser does not see it */
    TM_SESSION_LEAVE = 2, /* the venue will end this connection: another one is wanted now */
    TM_SESSION_GAP = 3,   /* for the parser, but messages before it are missing: gap_from, gap_to */
    TM_SESSION_ERROR = 4, /* the venue complains about something that it has accepted before */
} tm_session_reply_t;

typedef struct tm_session tm_session_t;

typedef struct tm_session_ops {
    /* Writes the next request, JSON text. Returns bytes, 0 = none is left, -ENOBUFS. out_sz is at
       least TM_SESSION_REQUEST_SZ_MAX. */
    int (*request)(tm_session_t *session, char *out, size_t out_sz);
    /* Judges a message that came before all requests were answered: a tm_session_reply_t, or a
       negative code where the venue refuses. */
    int (*judge)(tm_session_t *session, const char *text, size_t sz);
    /* The same once it streams, for every message: data must be known by their first bytes. */
    tm_session_reply_t (*sift)(tm_session_t *session, const char *text, size_t sz);
    /* Writes the text that keeps a connection alive; NULL = the protocol's own pings are enough. */
    int (*beat)(tm_session_t *session, char *out, size_t out_sz);
    /* The stream a message belongs to, by the name that subscribed to it. Returns its bytes, 0
       where the message does not say. */
    size_t (*stream_of)(const char *text, size_t sz, char name[TM_SESSION_STREAM_SZ_MAX]);
} tm_session_ops_t;

struct tm_session {
    const tm_session_ops_t *ops;
    const char *const *streams;
    uint32_t stream_cnt;
    uint32_t next;       /* the first stream that was not asked for yet */
    uint32_t sent_cnt;   /* requests; the id of one is its number from 1 */
    uint32_t wanted_cnt; /* answers to them */
    uint32_t answer_cnt; /* those that have come */
    uint32_t again;      /* 1 + a stream that is to be left and asked for anew; 0 = none */
    bool again_left;     /* it was left */
    bool extra_sent;     /* a request that no stream stands for (heartbeats, say) */
    bool seq_known;
    uint64_t seq; /* the last number of the connection's own count */
    uint64_t gap_from, gap_to;
};

/* Makes one that has asked for nothing yet. Names go into JSON as they are, so TM_E_CONFIG is
   returned for one that would need escapes. */
int tm_session_open(tm_session_t **out, const tm_session_ops_t *ops, const char *const *streams,
                    uint32_t stream_cnt) TM_MUST_CHECK;
void tm_session_close(tm_session_t *session); /* NULL is fine */

/* True once every request was sent and answered. */
bool tm_session_is_ready(const tm_session_t *session);

/* As an op's `request`: for the stream `again`, first what leaves it, then what asks for it. */
int tm_session_again(tm_session_t *session, char *out, size_t out_sz);

/* ---- for the files in venues/ ---------------------------------------------------------------- */

/* TM_E_PROTOCOL with the venue's words. */
int tm_session_refused(const char *text, size_t sz);

/* Appends a formatted text at *n; what does not fit is cut, *n never passes out_sz - 1. */
void tm_session_put(char *out, size_t out_sz, size_t *n, const char *fmt, ...) TM_PRINTF(4, 5);

/* "channel:symbol" taken apart: bytes of the channel; the symbol is what follows the first colon.
   The whole name where there is none. */
size_t tm_session_channel_sz(const char *stream);

/* True where two streams differ in their symbol alone, so that one request can ask for both. */
bool tm_session_same_channel(const char *a, const char *b);

/* A whole number that fills the value, quotes around it allowed. */
bool tm_session_number(const char *value, size_t sz, uint64_t *out);

/* A name "channel:symbol" from two JSON strings. Returns its bytes, 0 where one is none or they are
   too long. */
size_t tm_session_name(char name[TM_SESSION_STREAM_SZ_MAX], const char *channel, size_t channel_sz,
                       const char *symbol, size_t symbol_sz);

#endif
