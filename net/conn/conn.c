#include "net/conn/conn.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "net/conn/conn_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* Indexed by phase. */
static const struct {
    const char *name;
    int64_t time_ns;
    const char *what; /* to do where the time has passed */
} phases[TM_CONN_PHASE_CNT] = {
    [TM_CONN_RESOLVE] = {"resolve", 5 * TM_NS_PER_S, "check the network and /etc/resolv.conf"},
    [TM_CONN_CONNECT] = {"connect", 5 * TM_NS_PER_S, "check host, port and firewall"},
    [TM_CONN_PROXY] = {"proxy", 5 * TM_NS_PER_S, "is it an HTTP proxy?"},
    [TM_CONN_TLS] = {"TLS handshake", 5 * TM_NS_PER_S,
                     "is it a TLS port? A plain one is spoken to with ws://"},
    [TM_CONN_FETCH] = {"request", 10 * TM_NS_PER_S, "the port is open, but nothing answers"},
    [TM_CONN_UPGRADE] = {"upgrade", 5 * TM_NS_PER_S,
                         "the port is open, but no WebSocket server answers"},
    [TM_CONN_SUBSCRIBE] = {"subscribe", 10 * TM_NS_PER_S,
                           "the server does not answer SUBSCRIBE; check the path of the address"},
    [TM_CONN_STREAM] = {"stream", INT64_MAX, ""},
    [TM_CONN_CLOSE] = {"close", TM_NS_PER_S, "cut"},
    [TM_CONN_ENDED] = {"ended", INT64_MAX, ""},
};

/* The C library does not say when it has the addresses, so it is asked. */
static const int64_t resolve_look_ns = 2 * TM_NS_PER_MS;

int tm_conn_open(tm_conn_t **out, const tm_conn_cfg_t *cfg)
{
    *out = NULL;
    TM_CHECK(!cfg->url->tls || cfg->tls_ctx, "wss needs a TLS context");
    tm_conn_t *c = calloc(1, sizeof *c);
    if (!c) return tm_error_set(-ENOMEM, "no memory for a connection");
    c->cfg = *cfg;
    c->url = *cfg->url;
    c->cfg.url = &c->url;
    for (int i = 0; i < TM_CONN_PHASE_CNT; i++)
        if (c->cfg.phase_ns[i] <= 0) c->cfg.phase_ns[i] = phases[i].time_ns;
    c->owner = (tm_uring_owner_t){.slot = cfg->slot, .gen = cfg->gen};
    c->retry_after_s = -1;
    c->beat_ns = INT64_MAX;
    TM_CHECK(cfg->send_max <= TM_CONN_SEND_MAX, "%u messages", cfg->send_max);
    tm_quota_init(&c->sent, c->sent_at_ns, cfg->send_max, cfg->send_span_ns);
    c->early_last = &c->early;
    snprintf(c->name, sizeof c->name, "%s%s://%s%.80s%s", cfg->fetch ? "http" : "ws",
             c->url.tls ? "s" : "", c->url.authority, c->url.target,
             strlen(c->url.target) > 80 ? "..." : "");
    *out = c;
    return 0;
}

void tm_conn_enter(tm_conn_t *c, tm_conn_phase_t phase)
{
    int64_t time_ns = c->cfg.phase_ns[phase];
    c->phase = phase;
    c->deadline_ns = time_ns == INT64_MAX ? INT64_MAX : tm_clock_mono_ns() + time_ns;
}

tm_conn_phase_t tm_conn_phase_of_talk(const tm_conn_t *c)
{
    return c->cfg.fetch ? TM_CONN_FETCH : TM_CONN_UPGRADE;
}

tm_conn_note_t tm_conn_note_take(tm_conn_t *c)
{
    tm_conn_note_t note = c->note;
    c->note = (tm_conn_note_t){0};
    return note;
}

int64_t tm_conn_heard_ns(const tm_conn_t *c)
{
    return c->heard_ns;
}

tm_conn_phase_t tm_conn_phase(const tm_conn_t *c)
{
    return c->phase;
}

uint32_t tm_conn_gen(const tm_conn_t *c)
{
    uint32_t tried = tm_race_gen(&c->race);
    return tried > c->owner.gen ? tried : c->owner.gen;
}

tm_conn_outcome_t tm_conn_outcome(const tm_conn_t *c)
{
    const tm_tls_t *tls = c->link ? tm_link_tls(c->link) : NULL;
    return (tm_conn_outcome_t){.cut = c->link && tm_link_is_ended(c->link),
                               .untrusted = tls && tm_tls_is_untrusted(tls),
                               .close_code = c->ws ? tm_ws_peer_code(c->ws) : 0,
                               .http_status = c->http_status,
                               .retry_after_s = c->retry_after_s,
                               .tried_cnt = c->race.next,
                               .failed_cnt = c->race.failed_cnt,
                               .outrun_cnt = c->race.outrun_cnt};
}

const char *tm_conn_phase_name(tm_conn_phase_t phase)
{
    return phases[phase].name;
}

const char *tm_conn_name(const tm_conn_t *c)
{
    return c->name;
}

int64_t tm_conn_deadline_ns(const tm_conn_t *c)
{
    if (c->phase == TM_CONN_CONNECT) {
        int64_t next_ns = tm_race_due_ns(&c->race);
        return next_ns < c->deadline_ns ? next_ns : c->deadline_ns;
    }
    if (c->phase == TM_CONN_RESOLVE) return tm_clock_mono_ns() + resolve_look_ns;
    if (c->phase == TM_CONN_STREAM && tm_ws_has_reply(c->ws)) {
        int64_t ready_ns = tm_quota_ready_ns(&c->sent);
        if (ready_ns > tm_clock_mono_ns()) return ready_ns; /* else it waits for the socket */
    }
    if (c->phase == TM_CONN_STREAM) {
        int64_t again_ns = tm_conn_again_ns(c);
        return again_ns < c->beat_ns ? again_ns : c->beat_ns;
    }
    bool paced = c->phase == TM_CONN_SUBSCRIBE && c->request_ns > tm_clock_mono_ns();
    return paced && c->request_ns < c->deadline_ns ? c->request_ns : c->deadline_ns;
}

int tm_conn_on_event(tm_conn_t *c, const tm_uring_event_t *ev)
{
    bool stale = c->link && ev->owner.gen != c->owner.gen;
    if (ev->buf_idx != TM_URING_BUF_NONE && (stale || !c->link))
        tm_uring_buf_put(c->cfg.ring, ev->buf_idx);
    if (stale) return 0;
    int rc = 0;
    if (c->link) {
        rc = tm_link_on_event(c->link, ev);
        if (c->phase == TM_CONN_ENDED) tm_link_drop(c->link);
    } else if (c->phase == TM_CONN_CONNECT) {
        rc = tm_conn_connect_event(c, ev);
    }
    return rc < 0 ? tm_error_context(rc, "%s: %s", c->name, phases[c->phase].name) : 0;
}

/* Goes on with the handshake; what it returns as plaintext is too early to be anything. */
static int tls_step(tm_conn_t *c)
{
    int rc = tm_conn_chunk(c);
    if (tm_tls_state(tm_link_tls(c->link)) == TM_TLS_OPEN) {
        TM_LOG_D("net", "%s: %s", c->name, tm_tls_describe(tm_link_tls(c->link)));
        tm_conn_enter(c, tm_conn_phase_of_talk(c));
        return 0;
    }
    return rc < 0 ? rc : 0;
}

static int upgrade_send(tm_conn_t *c)
{
    char text[TM_URL_TARGET_MAX + 1024];
    const tm_deflate_cfg_t *deflate = c->cfg.transport ? c->cfg.transport->deflate : NULL;
    c->upgrade = (tm_http_upgrade_cfg_t){.host = c->url.authority, .target = c->url.target};
    if (deflate) {
        TM_TRY(tm_deflate_offer_write(deflate, c->offer));
        c->upgrade.extensions = c->offer;
    }
    if (getrandom(c->upgrade.nonce, sizeof c->upgrade.nonce, 0) != sizeof c->upgrade.nonce)
        return tm_error_set(-errno, "no random bytes: %s", strerror(errno));
    int sz = tm_http_request_write(&c->upgrade, text, sizeof text);
    if (sz < 0) return sz;
    tm_http_head_init(&c->head, TM_HTTP_RESPONSE);
    int n = tm_link_write(c->link, (const uint8_t *)text, (size_t)sz);
    return n < 0 ? n : tm_link_flush(c->link);
}

static int upgrade_step(tm_conn_t *c)
{
    if (!c->upgrade.host) TM_TRY(upgrade_send(c));
    for (;;) {
        tm_conn_release(c); /* the head has copied them, and an answer may come byte by byte */
        int rc = tm_conn_chunk(c);
        if (rc == TM_E_CLOSED)
            return tm_error_set(rc, "the server ended the connection instead of answering");
        if (rc <= 0) return rc;
        size_t used_sz = 0;
        rc = tm_http_head_feed(&c->head, c->chunk.data + c->chunk_pos, c->chunk.sz - c->chunk_pos,
                               &used_sz);
        c->chunk_pos += used_sz;
        if (rc < 0) return rc;
        if (rc > 0) break;
    }
    tm_http_answer_t answer;
    int rc = tm_http_response_check(&c->head, &c->upgrade, &answer);
    if (rc == TM_E_HTTP) {
        c->http_status = answer.status;
        c->retry_after_s = answer.retry_after_s;
    }
    if (rc < 0) return rc;
    tm_ws_cfg_t cfg = {.role = TM_WS_CLIENT, .message_sz_max = c->cfg.frame_sz_max};
    if (c->upgrade.extensions)
        TM_TRY(tm_deflate_answer_read(c->cfg.transport->deflate, answer.extensions, &cfg.deflate));
    TM_TRY(tm_ws_open(&c->ws, &cfg));
    tm_conn_enter(c, c->cfg.session ? TM_CONN_SUBSCRIBE : TM_CONN_STREAM);
    return 0;
}

/* After our close frame: reads and drops until the peer's, then waits for the end of the bytes. */
static int close_step(tm_conn_t *c)
{
    int rc;
    do {
        tm_ws_message_t msg;
        if (c->ws && !tm_ws_is_done(c->ws)) {
            rc = tm_conn_message_alone(c, &msg);
        } else {
            rc = tm_conn_chunk(c);
            c->chunk_pos = c->chunk.sz;
            tm_conn_release(c);
        }
    } while (rc > 0);
    if (c->ws && tm_ws_is_done(c->ws)) tm_link_finish(c->link);
    if (rc < 0) {
        tm_link_finish(c->link);
        c->phase = TM_CONN_ENDED;
    }
    return 0;
}

static int phase_step(tm_conn_t *c, int64_t now_ns)
{
    switch (c->phase) {
    case TM_CONN_RESOLVE:
        return tm_conn_resolve_step(c);
    case TM_CONN_CONNECT:
        return tm_race_step(&c->race, now_ns);
    case TM_CONN_PROXY:
        return tm_conn_proxy_step(c);
    case TM_CONN_TLS:
        return tls_step(c);
    case TM_CONN_FETCH:
        return tm_conn_fetch_step(c);
    case TM_CONN_UPGRADE:
        return upgrade_step(c);
    case TM_CONN_SUBSCRIBE:
        return tm_conn_subscribe_step(c, now_ns);
    case TM_CONN_CLOSE:
        return c->link ? close_step(c) : 0;
    case TM_CONN_STREAM:
    case TM_CONN_ENDED:
    case TM_CONN_PHASE_CNT:
        break;
    }
    return 0;
}

int tm_conn_step(tm_conn_t *c, int64_t now_ns)
{
    tm_conn_phase_t before;
    int rc;
    do {
        before = c->phase;
        rc = phase_step(c, now_ns);
    } while (rc == 0 && c->phase != before);
    if (rc == 0 && now_ns >= c->deadline_ns)
        rc = tm_error_set(TM_E_TIMEOUT, "no answer within %.1f s; %s",
                          (double)c->cfg.phase_ns[before] / 1e9, phases[before].what);
    /* One buffer at a time until it streams: see the header. */
    if (rc == 0 && c->link && c->phase < TM_CONN_STREAM) rc = tm_link_listen(c->link, false);
    if (rc == 0 && c->link && c->phase == TM_CONN_CLOSE) rc = tm_link_listen(c->link, true);
    return rc < 0 ? tm_error_context(rc, "%s: %s", c->name, phases[before].name) : 0;
}

int tm_conn_listen(tm_conn_t *c)
{
    if (c->phase != TM_CONN_STREAM) return 0;
    if (tm_ws_has_reply(c->ws)) TM_TRY(tm_conn_reply(c));
    if (c->beat_ns != INT64_MAX) TM_TRY(tm_conn_beat(c, tm_clock_mono_ns()));
    if (tm_conn_again_ns(c) != INT64_MAX) TM_TRY(tm_conn_again(c, tm_clock_mono_ns()));
    return tm_link_listen(c->link, true);
}

bool tm_conn_is_pending(const tm_conn_t *c)
{
    if (c->early || c->end) return true;
    return c->link && (c->chunk_pos < c->chunk.sz || tm_link_is_pending(c->link));
}

void tm_conn_close(tm_conn_t *c)
{
    if (c->phase >= TM_CONN_CLOSE) return;
    tm_conn_enter(c, TM_CONN_CLOSE);
    if (!c->link) {
        tm_race_close(&c->race);
        c->phase = TM_CONN_ENDED;
        return;
    }
    tm_conn_release(c);
    if (!c->ws) {
        tm_link_finish(c->link);
        return;
    }
    tm_ws_close(c->ws, TM_WS_CODE_NORMAL, NULL);
    if (tm_conn_reply(c) < 0) tm_link_finish(c->link);
}

void tm_conn_abort(tm_conn_t *c)
{
    if (c->link)
        tm_link_abort(c->link);
    else
        tm_race_close(&c->race);
    c->phase = TM_CONN_ENDED;
}

bool tm_conn_is_gone(const tm_conn_t *c)
{
    if (!c->link) return c->phase == TM_CONN_ENDED || c->phase == TM_CONN_RESOLVE;
    return c->phase == TM_CONN_ENDED && tm_link_is_idle(c->link);
}

void tm_conn_free(tm_conn_t *c)
{
    if (!c) return;
    tm_race_close(&c->race);
    tm_resolve_close(c->resolve);
    tm_link_free(c->link);
    tm_ws_free(c->ws);
    tm_conn_early_free(c->early);
    tm_conn_early_free(c->given);
    tm_session_close(c->cfg.session);
    free(c->fetch.bytes);
    free(c);
}
