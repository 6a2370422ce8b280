/* net/session.h - what a venue wants to hear before it streams: the contract of venues/.
   Flow     feed.c makes one -> conn.c asks it what to send and shows it what comes back
   Threads  the feed's
   Errors   a refusal by the venue is a negative code with its own words in the text */
#ifndef TM_NET_SESSION_H
#define TM_NET_SESSION_H

#include "base/types.h"

/* What a message was. */
typedef enum tm_session_reply {
    TM_SESSION_DATA = 0,  /* for the parser */
    TM_SESSION_REPLY = 1, /* an answer to a request; the parser does not see it */
} tm_session_reply_t;

typedef struct tm_session tm_session_t;

typedef struct tm_session_ops {
    /* Writes the next request, JSON text. Returns bytes, 0 = none is left, -ENOBUFS. */
    int (*request)(tm_session_t *session, char *out, size_t out_sz);
    /* Judges a message that came before all requests were answered. */
    int (*judge)(tm_session_t *session, const char *text, size_t sz);
    /* True once every request was sent and answered. */
    bool (*is_ready)(const tm_session_t *session);
    void (*close)(tm_session_t *session);
    int64_t request_gap_ns;  /* time between two requests that the venue's limits ask for */
    uint32_t request_sz_max; /* room a request needs */
} tm_session_ops_t;

/* Implementations embed this as their first member. */
struct tm_session {
    const tm_session_ops_t *ops;
};

#endif
