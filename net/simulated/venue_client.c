#include "net/simulated/venue_client.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "net/simulated/venue_client_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CONTROL_RESERVE = 8 << 10, /* bytes of the queue that market data leave to replies and pings */
    WS_CODE_POLICY = 1008,
    REFUSE_NS = 1000 * 1000000, /* for a refusal to leave */
};

static const char garbage[] = "\x7f\x45\x4c\x46 220 mail.example ESMTP ready\r\n";

int tm_venue_client_open(tm_venue_client_t **out, tm_venue_shared_t *shared, tm_uring_owner_t owner,
                         int fd, tm_tls_t *tls)
{
    const tm_link_cfg_t link_cfg = {.ring = shared->ring, .owner = owner, .fd = fd, .tls = tls};
    tm_link_t *link;
    *out = NULL;
    TM_TRY(tm_link_open(&link, &link_cfg));
    tm_venue_client_t *c = calloc(1, sizeof *c);
    if (c) {
        c->head = malloc(sizeof *c->head);
        c->queue = malloc(shared->queue_sz);
    }
    if (!c || !c->head || !c->queue) {
        tm_link_free(link);
        if (c) tm_venue_client_free(c);
        return tm_error_set(-ENOMEM, "no memory for a client");
    }
    c->shared = shared;
    c->owner = owner;
    c->link = link;
    c->queue_sz = shared->queue_sz;
    c->deadline_ns = tm_clock_mono_ns() + shared->handshake_ns;
    tm_http_head_init(c->head, TM_HTTP_REQUEST);
    snprintf(c->name, sizeof c->name, "client %u (%s)", owner.slot, tls ? "wss" : "ws");
    *out = c;
    return tm_link_listen(link, true);
}

/* Bytes in place of what was asked for, and the end. */
static int answer_raw(tm_venue_client_t *c, const char *bytes, size_t sz)
{
    int n = tm_link_write(c->link, (const uint8_t *)bytes, sz);
    if (n < 0) return n;
    tm_venue_client_streams_drop(c);
    c->phase = TM_VENUE_CLIENT_CLOSING;
    c->deadline_ns = tm_clock_mono_ns() + REFUSE_NS;
    tm_link_finish(c->link);
    return 0;
}

int tm_venue_client_spoil(tm_venue_client_t *c, uint32_t conn_nr, const tm_fault_rule_t *rule)
{
    static const char alert[] = {0x15, 3, 3, 0, 2, 2, 40}; /* fatal, handshake_failure */
    c->fault = tm_venue_fault_open(c->shared->faults, conn_nr);
    if (!c->fault) return tm_error_set(-ENOMEM, "no memory for a fault");
    snprintf(c->name, sizeof c->name, "connection %u", conn_nr);
    tm_venue_fault_watch(c->fault, c);
    if (!rule || rule->what == TM_FAULT_BAD_CERT) return 0;
    if (rule->what == TM_FAULT_ALERT) return answer_raw(c, alert, sizeof alert);
    if (rule->what == TM_FAULT_GARBAGE) return answer_raw(c, garbage, sizeof garbage - 1);
    tm_venue_fault_silence(c->fault);
    return 0;
}

void tm_venue_client_free(tm_venue_client_t *c)
{
    if (!c) return;
    tm_venue_client_streams_drop(c);
    tm_venue_fault_close(c->fault);
    tm_link_free(c->link);
    tm_ws_free(c->ws);
    free(c->head);
    free(c->queue);
    free(c);
}

bool tm_venue_client_make_room(tm_venue_client_t *c, size_t sz, size_t reserve)
{
    size_t need = sz + reserve;
    if (c->queue_pos == c->queue_end) c->queue_pos = c->queue_end = 0;
    if (need <= c->queue_sz - c->queue_end) return true;
    size_t left = c->queue_end - c->queue_pos;
    /* Moving less than half a queue at a time keeps the copying below one byte a byte sent. */
    if (c->queue_pos >= c->queue_sz / 2 && need <= c->queue_sz - left) {
        memmove(c->queue, c->queue + c->queue_pos, left);
        c->queue_pos = 0;
        c->queue_end = left;
        return true;
    }
    if (left > 0 || need <= c->queue_sz) return false;
    uint8_t *queue = realloc(c->queue, need);
    if (!queue) return false;
    c->queue = queue;
    c->queue_sz = need;
    return true;
}

int tm_venue_client_reply(tm_venue_client_t *c, const char *text, size_t sz)
{
    const tm_ws_message_t msg = {.data = (const uint8_t *)text, .sz = sz, .op = TM_WS_TEXT};
    if (!tm_venue_client_make_room(c, tm_ws_frame_sz(c->ws, sz), 0))
        return tm_error_set(-ENOBUFS, "it asks faster than it reads");
    int n = tm_ws_write(c->ws, &msg, NULL, c->queue + c->queue_end, c->queue_sz - c->queue_end);
    if (n > 0) c->queue_end += (size_t)n;
    return n < 0 && n != TM_E_CLOSED ? n : 0;
}

bool tm_venue_client_has_room(tm_venue_client_t *c, const tm_venue_message_t *m)
{
    size_t sz = c->combined ? m->sz : m->data_sz;
    size_t frame_sz = tm_ws_frame_sz(c->ws, sz);
    if (c->fault) frame_sz = tm_venue_fault_room(c->fault, frame_sz);
    return tm_venue_client_make_room(c, frame_sz, CONTROL_RESERVE);
}

void tm_venue_client_send(tm_venue_client_t *c, const tm_venue_message_t *m)
{
    if (c->fault) {
        tm_venue_fault_send(c->fault, c, m);
        return;
    }
    const char *text = c->combined ? m->text : m->data;
    const tm_ws_message_t msg = {
        .data = (const uint8_t *)text, .sz = c->combined ? m->sz : m->data_sz, .op = TM_WS_TEXT};
    int n = tm_ws_write(c->ws, &msg, NULL, c->queue + c->queue_end, c->queue_sz - c->queue_end);
    TM_CHECK(n > 0, "%s: no room was made", c->name);
    c->queue_end += (size_t)n;
    tm_counter_add(c->shared->sent, 1);
    tm_counter_add(c->shared->sent_bytes, msg.sz);
}

/* Bytes of the first `cnt` whole frames of ours, which have no mask. */
static size_t frames_sz(const uint8_t *bytes, size_t sz, uint32_t cnt)
{
    size_t at = 0;
    for (; cnt > 0 && at < sz; cnt--) {
        size_t len = bytes[at + 1], head = 2;
        if (len == 126) {
            head = 4;
            len = (size_t)bytes[at + 2] << 8 | bytes[at + 3];
        } else if (len == 127) {
            head = 10;
            len = 0;
            for (size_t i = 2; i < 10; i++) len = len << 8 | bytes[at + i];
        }
        if (len > sz - at || at + head + len > sz) return sz;
        at += head + len;
    }
    return at;
}

int tm_venue_client_pump(tm_venue_client_t *c)
{
    if (c->fault && tm_venue_fault_is_quiet(c->fault)) return 0;
    size_t begin = c->queue_pos;
    while (c->queue_pos < c->queue_end) {
        size_t n = c->queue_end - c->queue_pos;
        if (n > TM_LINK_WRITE_MAX) n = TM_LINK_WRITE_MAX;
        if (c->shared->record_cnt) n = frames_sz(c->queue + c->queue_pos, n, c->shared->record_cnt);
        if (!tm_link_has_room(c->link, n)) break;
        int taken = tm_link_write(c->link, c->queue + c->queue_pos, n);
        if (taken < 0) return taken;
        c->queue_pos += (size_t)taken;
        if ((size_t)taken < n) break;
    }
    if (c->phase == TM_VENUE_CLIENT_CLOSING && c->queue_pos != begin)
        c->deadline_ns = tm_clock_mono_ns() + c->shared->close_ns; /* it still reads */
    return tm_link_flush(c->link);
}

/* Answers with an HTTP status other than 101 and ends. */
static int refuse(tm_venue_client_t *c, int status, const char *fields)
{
    char text[512];
    int sz = tm_http_reject_write(status, fields, text, sizeof text);
    if (sz < 0) return sz;
    int n = tm_link_write(c->link, (const uint8_t *)text, (size_t)sz);
    if (n < 0) return n;
    TM_LOG_I("venue", "%s: upgrade refused with %d %s", c->name, status, tm_http_reason(status));
    tm_venue_client_streams_drop(c);
    c->phase = TM_VENUE_CLIENT_CLOSING;
    c->deadline_ns = tm_clock_mono_ns() + REFUSE_NS;
    tm_link_finish(c->link);
    return 0;
}

/* Answers the upgrade badly. */
static int refuse_badly(tm_venue_client_t *c, const tm_fault_rule_t *rule)
{
    static const char bad_accept[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                                     "Connection: Upgrade\r\n"
                                     "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n";
    char fields[64];
    if (rule->what == TM_FAULT_BAD_ACCEPT) return answer_raw(c, bad_accept, sizeof bad_accept - 1);
    if (rule->what == TM_FAULT_GARBAGE) return answer_raw(c, garbage, sizeof garbage - 1);
    if (rule->what == TM_FAULT_STATUS) {
        snprintf(fields, sizeof fields, "Retry-After: %u\r\n", rule->after);
        return refuse(c, (int)rule->arg, rule->after == UINT32_MAX ? NULL : fields);
    }
    tm_venue_fault_silence(c->fault);
    return 0;
}

/* Answers a request that is no upgrade, and ends. */
static int answer_get(tm_venue_client_t *c, int64_t now_ns)
{
    char text[TM_VENUE_REST_SZ_MAX];
    int status;
    const tm_fault_rule_t *rule = c->fault ? tm_venue_fault_upgrade(c->fault) : NULL;
    if (rule) return refuse_badly(c, rule);
    size_t sz = tm_venue_rest_answer(&c->shared->rest, c->head->target, now_ns, &status, text);
    tm_counter_add(status == 200 ? c->shared->books : c->shared->books_refused, 1);
    return answer_raw(c, text, sz);
}

static int accept_upgrade(tm_venue_client_t *c, int64_t now_ns)
{
    tm_http_request_t request;
    char text[512];
    int status = 400;
    bool is_get = tm_http_head_cnt(c->head, "Upgrade") == 0;
    if (is_get && tm_venue_rest_is(c->head->target)) return answer_get(c, now_ns);
    if (tm_http_request_check(c->head, &request, &status) < 0) return refuse(c, status, NULL);
    const tm_fault_rule_t *rule = c->fault ? tm_venue_fault_upgrade(c->fault) : NULL;
    if (rule) return refuse_badly(c, rule);
    status = tm_venue_client_target(c, request.target.s, request.target.sz);
    if (status) return refuse(c, status, NULL);
    tm_ws_cfg_t cfg = {.role = TM_WS_SERVER, .message_sz_max = TM_VENUE_REQUEST_SZ_MAX};
    char extension[TM_HTTP_EXTENSION_MAX] = "";
    if (c->shared->deflate &&
        tm_deflate_offers_choose(c->shared->deflate, c->head, &cfg.deflate, extension) < 0)
        return refuse(c, 400, NULL);
    int sz = tm_http_response_write(&request, NULL, extension[0] ? extension : NULL, text,
                                    sizeof text);
    if (sz < 0) return sz;
    int n = tm_link_write(c->link, (const uint8_t *)text, (size_t)sz);
    if (n < 0) return n;
    TM_TRY(tm_ws_open(&c->ws, &cfg));
    free(c->head);
    c->head = NULL;
    c->phase = TM_VENUE_CLIENT_OPEN;
    c->ping_due_ns = now_ns + c->shared->ping_ns;
    if (c->fault) tm_venue_fault_begin(c->fault, now_ns);
    TM_LOG_D("venue", "%s: open with %u streams", c->name, c->stream_cnt);
    return tm_link_flush(c->link);
}

/* Makes sure that unread bytes are in c->chunk. 1, 0 = none now, or why there will be none. */
static int chunk_fill(tm_venue_client_t *c)
{
    if (c->chunk_pos < c->chunk.sz) return 1;
    tm_link_release(c->link, false);
    c->chunk = (tm_link_chunk_t){0};
    c->chunk_pos = 0;
    return tm_link_read(c->link, &c->chunk);
}

static int upgrade_step(tm_venue_client_t *c, int64_t now_ns)
{
    int rc;
    while ((rc = chunk_fill(c)) > 0) {
        size_t used_sz = 0;
        rc = tm_http_head_feed(c->head, c->chunk.data + c->chunk_pos, c->chunk.sz - c->chunk_pos,
                               &used_sz);
        c->chunk_pos += used_sz;
        if (rc < 0) return refuse(c, rc == TM_E_LIMIT ? 431 : 400, NULL);
        if (rc > 0) return accept_upgrade(c, now_ns);
    }
    return rc;
}

/* A pong counts where it repeats a ping that has none yet. */
static void on_pong(tm_venue_client_t *c, const tm_ws_message_t *msg)
{
    char payload[24];
    for (int i = 0; i < TM_VENUE_PING_CNT; i++) {
        if (c->ping_sent_ns[i] == 0) continue;
        int sz = snprintf(payload, sizeof payload, "%lld", (long long)c->ping_payload[i]);
        if ((size_t)sz != msg->sz || memcmp(payload, msg->data, msg->sz) != 0) continue;
        memset(c->ping_sent_ns, 0, sizeof c->ping_sent_ns); /* it lives: older ones are forgotten */
        return;
    }
}

/* Five messages in any second that starts with one. */
static bool too_many(tm_venue_client_t *c, int64_t now_ns)
{
    if (now_ns - c->window_ns >= TM_NS_PER_S) {
        c->window_ns = now_ns;
        c->window_cnt = 0;
    }
    return ++c->window_cnt > TM_VENUE_REQUEST_RATE_MAX;
}

static int reply_control(tm_venue_client_t *c)
{
    while (tm_ws_has_reply(c->ws)) {
        size_t most = TM_WS_HEADER_MAX + TM_WS_CONTROL_MAX;
        if (!tm_venue_client_make_room(c, 2 * most, 0)) return 0;
        int n = tm_ws_reply(c->ws, NULL, c->queue + c->queue_end, c->queue_sz - c->queue_end);
        if (n < 0) return n;
        c->queue_end += (size_t)n;
    }
    return 0;
}

void tm_venue_client_finish(tm_venue_client_t *c, uint16_t code, const char *reason, int64_t now_ns)
{
    bool quiet = c->fault && tm_venue_fault_is_quiet(c->fault);
    if (c->phase == TM_VENUE_CLIENT_UPGRADE || quiet) tm_venue_client_abort(c);
    if (c->phase != TM_VENUE_CLIENT_OPEN) return;
    tm_ws_close(c->ws, code, reason);
    tm_venue_client_streams_drop(c);
    c->phase = TM_VENUE_CLIENT_CLOSING;
    c->deadline_ns = now_ns + c->shared->close_ns;
}

static int message_step(tm_venue_client_t *c, int64_t now_ns)
{
    int rc;
    while ((rc = chunk_fill(c)) > 0) {
        size_t used_sz = 0;
        tm_ws_message_t msg;
        rc = tm_ws_read(c->ws, c->chunk.data + c->chunk_pos, c->chunk.sz - c->chunk_pos, &used_sz,
                        &msg);
        c->chunk_pos += used_sz;
        if (rc == TM_WS_MORE) continue;
        if (rc < 0 || rc == TM_WS_CLOSED) {
            /* The close frame that answers waits in the WebSocket; reading is over. */
            if (rc < 0) TM_LOG_I("venue", "%s: %s", c->name, tm_error_text());
            tm_venue_client_streams_drop(c);
            if (c->phase == TM_VENUE_CLIENT_OPEN) c->deadline_ns = now_ns + c->shared->close_ns;
            c->phase = TM_VENUE_CLIENT_CLOSING;
            return 0;
        }
        if (c->phase != TM_VENUE_CLIENT_OPEN) {
            tm_ws_release(c->ws);
            continue;
        }
        if (too_many(c, now_ns)) {
            tm_venue_client_finish(c, WS_CODE_POLICY, "Too many requests", now_ns);
        } else if (rc == TM_WS_PONGED) {
            on_pong(c, &msg);
        } else if (rc == TM_WS_MESSAGE) {
            TM_TRY(tm_venue_client_request(c, (const char *)msg.data, msg.sz));
        }
        tm_ws_release(c->ws);
    }
    return rc;
}

static int ping_step(tm_venue_client_t *c, int64_t now_ns)
{
    for (int i = 0; i < TM_VENUE_PING_CNT; i++) {
        if (c->ping_sent_ns[i] == 0 || now_ns - c->ping_sent_ns[i] < c->shared->pong_ns) continue;
        tm_counter_add(c->shared->timeouts, 1);
        TM_LOG_I("venue", "%s: no pong within %.1f s", c->name, (double)c->shared->pong_ns / 1e9);
        tm_venue_client_finish(c, WS_CODE_POLICY, "Pong timeout", now_ns);
        return 0;
    }
    if (now_ns < c->ping_due_ns) return 0;
    int slot = 0;
    while (slot < TM_VENUE_PING_CNT - 1 && c->ping_sent_ns[slot] != 0) slot++;
    char payload[24];
    int64_t real_ms = tm_clock_real_ns() / TM_NS_PER_MS;
    int sz = snprintf(payload, sizeof payload, "%lld", (long long)real_ms);
    const tm_ws_message_t ping = {(const uint8_t *)payload, (size_t)sz, TM_WS_PING};
    c->ping_due_ns = now_ns + c->shared->ping_ns;
    if (c->ping_sent_ns[slot] == 0) {
        c->ping_sent_ns[slot] = now_ns;
        c->ping_payload[slot] = real_ms;
    }
    /* Without room the time runs all the same: a client that reads nothing answers nothing. */
    if (!tm_venue_client_make_room(c, tm_ws_frame_sz(c->ws, ping.sz), 0)) return 0;
    int n = tm_ws_write(c->ws, &ping, NULL, c->queue + c->queue_end, c->queue_sz - c->queue_end);
    if (n > 0) c->queue_end += (size_t)n;
    return n < 0 ? n : 0;
}

static int closing_step(tm_venue_client_t *c, int64_t now_ns)
{
    if (c->ws && !tm_ws_has_reply(c->ws) && tm_ws_is_done(c->ws) && c->queue_pos == c->queue_end)
        tm_link_finish(c->link);
    /* What still comes in is read, or the kernel would answer it with a reset that destroys what
       the client has not read yet. */
    int rc = 0;
    if (!c->ws || tm_ws_is_done(c->ws)) {
        while ((rc = chunk_fill(c)) > 0) c->chunk_pos = c->chunk.sz;
        if (rc < 0) return tm_error_set(TM_E_CLOSED, "closed");
    }
    if (now_ns < c->deadline_ns) return 0;
    return tm_error_set(TM_E_TIMEOUT, "did not close within its time");
}

int tm_venue_client_step(tm_venue_client_t *c, int64_t now_ns)
{
    if (c->fault) {
        TM_TRY(tm_venue_fault_step(c->fault, c, now_ns));
        if (tm_venue_fault_is_quiet(c->fault)) return 0;
    }
    if (c->phase == TM_VENUE_CLIENT_UPGRADE) {
        TM_TRY(upgrade_step(c, now_ns));
        if (c->phase == TM_VENUE_CLIENT_UPGRADE && now_ns >= c->deadline_ns)
            return tm_error_set(TM_E_TIMEOUT, "no upgrade request within its time");
    }
    if (c->ws && !tm_ws_is_done(c->ws)) TM_TRY(message_step(c, now_ns));
    if (c->phase == TM_VENUE_CLIENT_OPEN) TM_TRY(ping_step(c, now_ns));
    if (c->ws) TM_TRY(reply_control(c));
    TM_TRY(tm_venue_client_pump(c));
    if (c->phase == TM_VENUE_CLIENT_CLOSING) TM_TRY(closing_step(c, now_ns));
    return c->phase == TM_VENUE_CLIENT_OVER ? 0 : tm_link_listen(c->link, true);
}

bool tm_venue_client_is_due(const tm_venue_client_t *c, int64_t now_ns)
{
    if (c->phase == TM_VENUE_CLIENT_OVER) return false;
    if (c->phase != TM_VENUE_CLIENT_OPEN || tm_link_is_pending(c->link)) return true;
    if (now_ns >= c->ping_due_ns || tm_ws_has_reply(c->ws)) return true;
    if (c->fault && tm_venue_fault_is_due(c->fault, c, now_ns)) return true;
    for (int i = 0; i < TM_VENUE_PING_CNT; i++)
        if (c->ping_sent_ns[i] && now_ns - c->ping_sent_ns[i] >= c->shared->pong_ns) return true;
    return false;
}

int tm_venue_client_on_event(tm_venue_client_t *c, const tm_uring_event_t *ev)
{
    int rc = tm_link_on_event(c->link, ev);
    if (c->phase == TM_VENUE_CLIENT_OVER) tm_link_drop(c->link);
    return rc;
}

void tm_venue_client_abort(tm_venue_client_t *c)
{
    tm_venue_client_streams_drop(c);
    tm_link_abort(c->link);
    c->phase = TM_VENUE_CLIENT_OVER;
}

bool tm_venue_client_is_open(const tm_venue_client_t *c)
{
    return c->phase == TM_VENUE_CLIENT_OPEN;
}

bool tm_venue_client_is_over(const tm_venue_client_t *c)
{
    return c->phase == TM_VENUE_CLIENT_OVER;
}

bool tm_venue_client_is_idle(const tm_venue_client_t *c)
{
    return tm_link_is_idle(c->link);
}

uint32_t tm_venue_client_stream_cnt(const tm_venue_client_t *c)
{
    return c->stream_cnt;
}

const char *tm_venue_client_name(const tm_venue_client_t *c)
{
    return c->name;
}
