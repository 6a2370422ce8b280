/* net/feed_private.h - what the files of a feed share: feed.c (the source), feed_slot.c (the life of
   one of its connections). Nobody else includes it.
   Flow     feed.c steps slots and reads from those that stream
   Units    *_ns: nanoseconds, mono
   Memory   one block a feed; a slot owns its connection
   Threads  the feed's */
#ifndef TM_NET_FEED_PRIVATE_H
#define TM_NET_FEED_PRIVATE_H

#include "base/error.h"
#include "net/conn.h"
#include "net/feed.h"

typedef enum tm_slot_state {
    TM_SLOT_WAITS, /* for its next attempt; the connection before winds down meanwhile */
    TM_SLOT_OPENS,
    TM_SLOT_STREAMS,
    TM_SLOT_ENDED, /* for good; the connection winds down */
} tm_slot_state_t;

/* One address: a connection at a time, again and again. */
typedef struct tm_slot {
    tm_url_t url;
    tm_slot_state_t state;
    tm_conn_t *conn; /* NULL = none */
    uint32_t gen;    /* of the connection before */
    tm_retry_t retry;
    int64_t due_ns;   /* WAITS: the next attempt */
    int64_t leave_ns; /* WAITS, ENDED: what is left of the connection is cut then */
    int64_t heard_ns; /* STREAMS: the last byte */
    int64_t lost_ns;  /* when the last stream ended */
    bool proven;      /* it has streamed before */
    bool cut;         /* what is left of the connection was cut: its last events are to come */
    bool held;        /* the next attempt waits for the address' quota */
    int end;          /* why the last connection ended, with its text; 0 = none has */
    char end_text[TM_ERROR_TEXT_MAX];
} tm_slot_t;

typedef struct tm_feed {
    tm_source_t source; /* first */
    tm_feed_cfg_t cfg;
    tm_uring_t *ring;
    tm_tls_ctx_t *tls_ctx; /* NULL where no address is wss */
    char **streams;        /* cfg.stream_cnt names */
    tm_slot_t slots[TM_FEED_CONN_MAX];
    uint32_t slot_cnt;
    uint32_t
        turn; /* which connection reads first, so that a busy one does not keep others waiting */
    int64_t polled_ns;
    int over; /* why the whole feed has ended; 0 = it goes on */
    char over_text[TM_ERROR_TEXT_MAX];
    tm_counter_t *frames, *bytes, *attempts, *failures, *disconnects, *reconnects, *idle_cuts;
    tm_counter_t unread[7]; /* counts where the caller gave no set */
} tm_feed_t;

/* Does what is due: handshakes, deadlines, attempts, winding down. */
void tm_slot_step(tm_feed_t *feed, uint32_t idx, int64_t now_ns);

/* When tm_slot_step wants to be called at the latest; INT64_MAX = no such time. */
int64_t tm_slot_due_ns(const tm_feed_t *feed, uint32_t idx);

/* The connection failed or ended with this code and the trail's text: decides what comes next. */
void tm_slot_lost(tm_feed_t *feed, uint32_t idx, int code);

#endif
