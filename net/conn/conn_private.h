/* net/conn/conn_private.h - what the files of a connection share: conn.c (phases), conn_connect.c
   (name to descriptor), conn_stream.c (messages). Nobody else includes it. */
#ifndef TM_NET_CONN_PRIVATE_H
#define TM_NET_CONN_PRIVATE_H

#include "net/conn/conn.h"
#include "net/conn/link.h"
#include "net/conn/race.h"
#include "net/conn/resolve.h"
#include "net/feed/quota.h"
#include "net/ws/http_body.h"
#include "net/ws/http_upgrade.h"
#include "net/ws/ws.h"

/* A message that came before the stream was ready. */
typedef struct tm_conn_early {
    struct tm_conn_early *next;
    uint32_t sz;
    int64_t mono_ns;
    uint8_t data[]; /* sz + TM_FRAME_PAD */
} tm_conn_early_t;

/* A document that is asked for. */
typedef struct tm_fetch {
    bool asked, headed, whole;
    tm_http_body_t body;
    uint8_t *bytes;
    size_t sz, cap;
    int64_t mono_ns; /* when it was whole */
} tm_fetch_t;

struct tm_conn {
    tm_conn_cfg_t cfg;
    tm_url_t url;
    char name[TM_CONN_NAME_MAX];
    tm_conn_phase_t phase;
    int64_t deadline_ns; /* of the phase */

    tm_uring_owner_t owner; /* of the descriptor */
    tm_resolve_t *resolve;  /* while the host is looked up */
    tm_race_t race;         /* while its addresses are tried */

    tm_link_t *link;
    tm_link_chunk_t chunk; /* being read, from chunk_pos on */
    size_t chunk_pos;
    tm_http_upgrade_cfg_t upgrade;
    char offer[TM_HTTP_EXTENSION_MAX]; /* of extensions; "" = none */
    bool tunnel_asked;
    tm_fetch_t fetch;
    tm_http_head_t head;
    tm_ws_t *ws;
    int64_t request_ns; /* when the next request may be sent */
    int64_t heard_ns;   /* when the last message or control frame came; 0 = none */
    int64_t beat_ns;    /* when the next heartbeat is due; INT64_MAX = never */
    tm_conn_note_t note;
    tm_quota_t sent;
    int64_t sent_at_ns[TM_CONN_SEND_MAX];
    int http_status; /* of a refused upgrade */
    int64_t retry_after_s;

    tm_conn_early_t *early, **early_last;
    tm_conn_early_t *given; /* early messages that are frames now, kept until release */
    uint32_t early_cnt;
    uint64_t early_sz;
    int end; /* how the stream ended, kept for later reads */
    char end_text[512];
};

/* conn.c: the way to the server stands: TLS or not, and what follows it. */
tm_conn_phase_t tm_conn_phase_of_talk(const tm_conn_t *conn);

/* conn.c: enters a phase and sets its deadline. */
void tm_conn_enter(tm_conn_t *conn, tm_conn_phase_t phase);

/* conn_connect.c: looks whether the addresses are there, and begins to try them. */
int tm_conn_resolve_step(tm_conn_t *conn) TM_MUST_CHECK;

/* conn_connect.c: asks the proxy for a tunnel, and goes on once it stands. */
int tm_conn_proxy_step(tm_conn_t *conn) TM_MUST_CHECK;

/* conn_connect.c: an address has answered, or refuses to. */
int tm_conn_connect_event(tm_conn_t *conn, const tm_uring_event_t *ev) TM_MUST_CHECK;

/* conn_fetch.c: asks, and reads the answer. */
int tm_conn_fetch_step(tm_conn_t *conn) TM_MUST_CHECK;

/* conn_stream.c: makes sure that unread bytes are in conn->chunk. 1, 0 = none now, or an error. */
int tm_conn_chunk(tm_conn_t *conn) TM_MUST_CHECK;

/* conn_stream.c: reads one event; replies are sent. As tm_ws_read, MORE = nothing now. */
int tm_conn_message(tm_conn_t *conn, tm_ws_message_t *msg) TM_MUST_CHECK;

/* conn_stream.c: the same where no earlier message is looked at any more. */
int tm_conn_message_alone(tm_conn_t *conn, tm_ws_message_t *msg) TM_MUST_CHECK;

/* conn_stream.c: sends pong and close frames that wait. */
int tm_conn_reply(tm_conn_t *conn) TM_MUST_CHECK;

/* conn_stream.c: one step of SUBSCRIBE. */
int tm_conn_subscribe_step(tm_conn_t *conn, int64_t now_ns) TM_MUST_CHECK;

/* conn_stream.c: sends the session's heartbeat where it is due. */
int tm_conn_beat(tm_conn_t *conn, int64_t now_ns) TM_MUST_CHECK;

/* conn_stream.c: goes on with a stream that is asked for anew. */
int tm_conn_again(tm_conn_t *conn, int64_t now_ns) TM_MUST_CHECK;

void tm_conn_early_free(tm_conn_early_t *early);

#endif
