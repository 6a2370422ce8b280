/* Messages of a connection: pongs and closes are answered here, replies of the venue are told from
   its data, and what remains becomes frames without a copy. */
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "net/conn/conn_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { REPLY_SZ = 2 * (TM_WS_HEADER_MAX + TM_WS_CONTROL_MAX) };

int tm_conn_chunk(tm_conn_t *c)
{
    if (c->chunk_pos < c->chunk.sz) return 1;
    c->chunk = (tm_link_chunk_t){0};
    c->chunk_pos = 0;
    return tm_link_read(c->link, &c->chunk);
}

/* Four bytes that a page cannot guess (RFC 6455, section 10.3). */
static int mask_key_make(uint8_t key[4])
{
    if (getrandom(key, 4, 0) == 4) return 0;
    return tm_error_set(-errno, "no random bytes: %s", strerror(errno));
}

int tm_conn_reply(tm_conn_t *c)
{
    uint8_t key[4], out[REPLY_SZ];
    while (tm_ws_has_reply(c->ws) && tm_link_has_room(c->link, sizeof out)) {
        int64_t now_ns = tm_clock_mono_ns();
        if (tm_quota_ready_ns(&c->sent) > now_ns && !tm_ws_close_waits(c->ws)) break;
        TM_TRY(mask_key_make(key));
        int n = tm_ws_reply(c->ws, key, out, sizeof out);
        if (n < 0) return n;
        n = tm_link_write(c->link, out, (size_t)n);
        if (n < 0) return n;
        tm_quota_note(&c->sent, now_ns);
    }
    return tm_link_flush(c->link);
}

int tm_conn_message(tm_conn_t *c, tm_ws_message_t *msg)
{
    for (;;) {
        int rc = tm_conn_chunk(c);
        if (rc <= 0) return rc;
        size_t used_sz = 0;
        rc = tm_ws_read(c->ws, c->chunk.data + c->chunk_pos, c->chunk.sz - c->chunk_pos, &used_sz,
                        msg);
        c->chunk_pos += used_sz;
        if (rc > TM_WS_MORE) c->heard_ns = c->chunk.mono_ns;
        if (rc == TM_WS_MESSAGE) return rc;
        if (rc == TM_WS_MORE || rc == TM_WS_PONGED) continue;
        /* A ping, a close or an offence: each has left an answer that goes out. Where it cannot,
           the stream's own end tells more. */
        int sent = tm_conn_reply(c);
        if (rc != TM_WS_PINGED) return rc;
        TM_TRY(sent);
    }
}

int tm_conn_message_alone(tm_conn_t *c, tm_ws_message_t *msg)
{
    for (;;) {
        tm_conn_release(c);
        int rc = tm_conn_message(c, msg);
        if (rc != TM_WS_MORE || !tm_link_is_full(c->link)) return rc;
    }
}

static int early_keep(tm_conn_t *c, const tm_ws_message_t *msg)
{
    c->early_sz += msg->sz;
    if (++c->early_cnt > TM_CONN_EARLY_MAX || c->early_sz > TM_CONN_EARLY_SZ_MAX)
        return tm_error_set(TM_E_LIMIT, "%u messages came before the answer to SUBSCRIBE",
                            c->early_cnt);
    tm_conn_early_t *early = malloc(sizeof *early + msg->sz + TM_FRAME_PAD);
    if (!early) return tm_error_set(-ENOMEM, "no memory for a message");
    early->next = NULL;
    early->sz = (uint32_t)msg->sz;
    early->mono_ns = c->chunk.mono_ns;
    memcpy(early->data, msg->data, msg->sz);
    memset(early->data + msg->sz, 0, TM_FRAME_PAD);
    *c->early_last = early;
    c->early_last = &early->next;
    return 0;
}

void tm_conn_early_free(tm_conn_early_t *early)
{
    while (early) {
        tm_conn_early_t *next = early->next;
        free(early);
        early = next;
    }
}

/* Sends what the session writes: its next request or its heartbeat. Returns 1, or 0 where it had
   nothing to say. */
static int session_send(tm_conn_t *c, int (*write)(tm_session_t *, char *, size_t), int64_t now_ns)
{
    const size_t cap = TM_SESSION_REQUEST_SZ_MAX;
    uint8_t text[TM_SESSION_REQUEST_SZ_MAX], key[4], out[sizeof text + TM_WS_HEADER_MAX];
    int n = write(c->cfg.session, (char *)text, cap);
    if (n <= 0) return n;
    const tm_ws_message_t msg = {.data = text, .sz = (size_t)n, .op = TM_WS_TEXT};
    TM_TRY(mask_key_make(key));
    int sz = tm_ws_write(c->ws, &msg, key, out, sizeof out);
    if (sz < 0) return sz;
    n = tm_link_write(c->link, out, (size_t)sz);
    if (n < 0) return n;
    if (n < sz) return tm_error_set(TM_E_LIMIT, "the peer reads no requests");
    tm_quota_note(&c->sent, now_ns);
    TM_TRY(tm_link_flush(c->link));
    return 1;
}

/* Sends the next request where one is left and its time has come. */
static int request_send(tm_conn_t *c, int (*write)(tm_session_t *, char *, size_t), int64_t now_ns)
{
    int64_t ready_ns = tm_quota_ready_ns(&c->sent);
    if (c->request_ns < ready_ns) c->request_ns = ready_ns;
    if (now_ns < c->request_ns) return 0;
    int n = session_send(c, write, now_ns);
    if (n > 0) c->request_ns = now_ns + c->cfg.request_gap_ns;
    return n < 0 ? n : 0;
}

int tm_conn_beat(tm_conn_t *c, int64_t now_ns)
{
    if (now_ns < c->beat_ns || tm_quota_ready_ns(&c->sent) > now_ns) return 0;
    int n = session_send(c, c->cfg.session->ops->beat, now_ns);
    c->beat_ns = now_ns + c->cfg.beat_ns;
    return n < 0 ? n : 0;
}

bool tm_conn_resubscribe(tm_conn_t *c, uint32_t idx)
{
    tm_session_t *s = c->cfg.session;
    if (c->phase != TM_CONN_STREAM || !s || s->again > 0 || idx >= s->stream_cnt) return false;
    s->again = idx + 1;
    return true;
}

int tm_conn_again(tm_conn_t *c, int64_t now_ns)
{
    const tm_session_t *s = c->cfg.session;
    return s && s->again > 0 ? request_send(c, tm_session_again, now_ns) : 0;
}

int64_t tm_conn_again_ns(const tm_conn_t *c)
{
    if (!c->cfg.session || c->cfg.session->again == 0) return INT64_MAX;
    int64_t ready_ns = tm_quota_ready_ns(&c->sent);
    return c->request_ns > ready_ns ? c->request_ns : ready_ns;
}

/* Keeps what a message says about the connection. Returns true where it is for the parser. */
static bool is_data(tm_conn_t *c, int reply, const tm_ws_message_t *msg)
{
    const tm_session_t *s = c->cfg.session;
    switch ((tm_session_reply_t)reply) {
    case TM_SESSION_DATA:
        return true;
    case TM_SESSION_GAP:
        c->note.missed_cnt += s->gap_to - s->gap_from + 1;
        c->note.from_id = s->gap_from;
        c->note.to_id = s->gap_to;
        TM_LOG_W("net", "%s: messages %llu to %llu are missing", c->name,
                 (unsigned long long)s->gap_from, (unsigned long long)s->gap_to);
        return true;
    case TM_SESSION_LEAVE:
        c->note.leaves = true;
        TM_LOG_I("net", "%s: the venue will end this connection", c->name);
        return false;
    case TM_SESSION_ERROR:
        c->note.error_cnt++;
        TM_LOG_W("net", "%s: the venue complains: %.*s", c->name,
                 msg->sz < 300 ? (int)msg->sz : 300, (const char *)msg->data);
        return false;
    case TM_SESSION_REPLY:
        return false;
    }
    return true;
}

int tm_conn_subscribe_step(tm_conn_t *c, int64_t now_ns)
{
    tm_session_t *s = c->cfg.session;
    if (tm_ws_has_reply(c->ws)) TM_TRY(tm_conn_reply(c));
    TM_TRY(request_send(c, s->ops->request, now_ns));
    while (!tm_session_is_ready(s)) {
        tm_ws_message_t msg;
        int rc = tm_conn_message_alone(c, &msg);
        if (rc < 0) return rc;
        if (rc == TM_WS_MORE) return 0;
        if (rc == TM_WS_CLOSED)
            return tm_error_set(TM_E_CLOSED, "the peer closed with %u %s", tm_ws_peer_code(c->ws),
                                tm_ws_peer_reason(c->ws));
        rc = s->ops->judge(s, (const char *)msg.data, msg.sz);
        if (rc >= 0 && is_data(c, rc, &msg)) rc = early_keep(c, &msg);
        if (rc < 0) return rc;
    }
    if (s->ops->beat && c->cfg.beat_ns > 0) c->beat_ns = now_ns + c->cfg.beat_ns;
    tm_conn_enter(c, TM_CONN_STREAM);
    return 0;
}

void tm_conn_release(tm_conn_t *c)
{
    tm_conn_early_free(c->given);
    c->given = NULL;
    if (!c->link) return;
    if (c->ws) tm_ws_release(c->ws);
    tm_link_release(c->link, c->chunk_pos < c->chunk.sz);
}

/* Keeps how the stream ended, for the poll after the one that gave its last frames. */
static int ended(tm_conn_t *c, int code)
{
    c->end = code;
    snprintf(c->end_text, sizeof c->end_text, "%s: stream: %s", c->name, tm_error_text());
    c->phase = TM_CONN_ENDED;
    c->deadline_ns = INT64_MAX;
    tm_link_finish(c->link);
    return tm_error_set(code, "%s", c->end_text);
}

static int end_by_close(tm_conn_t *c)
{
    uint16_t code = tm_ws_peer_code(c->ws);
    bool in_order = code == TM_WS_CODE_NORMAL || code == TM_WS_CODE_GOING_AWAY ||
                    code == TM_WS_CODE_NONE;
    tm_error_set(0, "the peer closed it: %u %s%s%s", code, tm_ws_close_code_name(code),
                 tm_ws_peer_reason(c->ws)[0] ? ": " : "", tm_ws_peer_reason(c->ws));
    return ended(c, in_order ? TM_E_CLOSED : TM_E_PROTOCOL);
}

/* The bytes ended although no close frame came. */
static int end_by_cut(tm_conn_t *c, int code)
{
    if (code == TM_E_CLOSED || (code == TM_E_TLS && tm_link_is_ended(c->link)))
        code = tm_error_set(-ECONNRESET, "cut without a close frame: messages may be missing");
    return ended(c, code);
}

/* One frame of the messages that came early; false where none is left. */
static bool early_take(tm_conn_t *c, tm_frame_t *frame)
{
    tm_conn_early_t *early = c->early;
    if (!early) return false;
    c->early = early->next;
    if (!c->early) c->early_last = &c->early;
    *frame = (tm_frame_t){.data = early->data,
                          .sz = early->sz,
                          .conn_idx = c->cfg.conn_idx,
                          .recv_ns = tm_clock_mono_to_real_ns(early->mono_ns),
                          .ingress_ns = early->mono_ns};
    early->next = c->given;
    c->given = early;
    return true;
}

int tm_conn_read(tm_conn_t *c, tm_frame_t *frames, uint32_t cap)
{
    uint32_t n = 0;
    size_t sz = 0;
    while (n < cap && early_take(c, &frames[n])) n++;
    if (c->end) return n ? (int)n : tm_error_set(c->end, "%s", c->end_text);
    if (c->phase != TM_CONN_STREAM) return (int)n;
    while (n < cap && sz < TM_CONN_READ_SZ_MAX) {
        tm_ws_message_t msg;
        int rc = tm_conn_message(c, &msg);
        if (rc == TM_WS_MESSAGE) {
            sz += msg.sz;
            tm_session_t *s = c->cfg.session;
            int reply = s ? (int)s->ops->sift(s, (const char *)msg.data, msg.sz) : TM_SESSION_DATA;
            if (TM_UNLIKELY(reply != TM_SESSION_DATA) && !is_data(c, reply, &msg)) continue;
            frames[n++] = (tm_frame_t){.data = msg.data,
                                       .sz = (uint32_t)msg.sz,
                                       .conn_idx = c->cfg.conn_idx,
                                       .recv_ns = tm_clock_mono_to_real_ns(c->chunk.mono_ns),
                                       .ingress_ns = c->chunk.mono_ns};
            continue;
        }
        if (rc == TM_WS_MORE && n == 0 && tm_link_is_full(c->link)) {
            /* All of the arena went into one unfinished message: nobody looks at it. */
            tm_link_release(c->link, false);
            continue;
        }
        if (rc == TM_WS_MORE) break;
        if (rc == TM_WS_CLOSED)
            rc = end_by_close(c);
        else
            rc = end_by_cut(c, rc);
        return n ? (int)n : rc;
    }
    return (int)n;
}
