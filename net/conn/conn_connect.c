/* From a name to a connected descriptor, which the first of the name's addresses gives that
   answers, and through a proxy where there is one. */
#include "base/clock.h"
#include "base/error.h"
#include "net/conn/conn_private.h"
#include "net/conn/resolve.h"

#include <unistd.h>

static const tm_proxy_t *proxy_of(const tm_conn_t *c)
{
    return c->cfg.transport ? c->cfg.transport->proxy : NULL;
}

int tm_conn_start(tm_conn_t *c)
{
    const tm_proxy_t *proxy = proxy_of(c);
    tm_conn_enter(c, TM_CONN_RESOLVE);
    int rc = tm_resolve_open(&c->resolve, proxy ? proxy->host : c->url.host,
                             proxy ? proxy->port : c->url.port);
    return rc < 0 ? tm_error_context(rc, "%s: resolve", c->name) : 0;
}

int tm_conn_resolve_step(tm_conn_t *c)
{
    struct addrinfo *addrs;
    int rc = tm_resolve_poll(c->resolve, &addrs);
    if (rc <= 0) return rc;
    tm_resolve_close(c->resolve);
    c->resolve = NULL;
    tm_conn_enter(c, TM_CONN_CONNECT);
    const tm_race_cfg_t cfg = {.ring = c->cfg.ring,
                               .slot = c->cfg.slot,
                               .gen = c->owner.gen,
                               .addrs = addrs,
                               .tcp = c->cfg.transport ? &c->cfg.transport->tcp : NULL};
    return tm_race_open(&c->race, &cfg, tm_clock_mono_ns());
}

/* The descriptor becomes a link, with TLS where the address says wss; behind a proxy later. */
static int link_open(tm_conn_t *c, int fd)
{
    tm_tls_t *tls = NULL;
    bool tunnel = proxy_of(c) != NULL;
    int rc = c->url.tls && !tunnel ? tm_tls_open(&tls, c->cfg.tls_ctx, c->url.host) : 0;
    if (rc < 0) {
        close(fd);
        return rc;
    }
    const tm_link_cfg_t cfg = {.ring = c->cfg.ring,
                               .owner = c->owner,
                               .fd = fd,
                               .tls = tls,
                               .delay = c->cfg.transport && c->cfg.transport->tcp.delay};
    TM_TRY(tm_link_open(&c->link, &cfg));
    tm_conn_enter(c, tunnel ? TM_CONN_PROXY : tls ? TM_CONN_TLS : tm_conn_phase_of_talk(c));
    return tm_link_flush(c->link);
}

static int tunnel_ask(tm_conn_t *c)
{
    char text[2 * TM_URL_HOST_MAX + 512];
    int sz = tm_proxy_request_write(proxy_of(c), &c->url, text, sizeof text);
    if (sz < 0) return tm_error_set(sz, "the request to the proxy is too long");
    tm_http_head_init(&c->head, TM_HTTP_RESPONSE);
    c->tunnel_asked = true;
    int n = tm_link_write(c->link, (const uint8_t *)text, (size_t)sz);
    return n < 0 ? n : tm_link_flush(c->link);
}

int tm_conn_proxy_step(tm_conn_t *c)
{
    int rc = c->tunnel_asked ? 0 : tunnel_ask(c);
    while (rc == 0) {
        size_t used_sz = 0;
        tm_conn_release(c); /* as for the upgrade */
        rc = tm_conn_chunk(c);
        if (rc == TM_E_CLOSED)
            return tm_error_set(rc, "the proxy ended the connection instead of answering");
        if (rc <= 0) return rc;
        rc = tm_http_head_feed(&c->head, c->chunk.data + c->chunk_pos, c->chunk.sz - c->chunk_pos,
                               &used_sz);
        c->chunk_pos += used_sz;
    }
    if (rc < 0) return rc;
    rc = tm_proxy_answer_check(proxy_of(c), &c->head);
    if (rc == TM_E_HTTP) c->http_status = c->head.status;
    TM_TRY(rc);
    /* The peer speaks second, in TLS as in HTTP: nothing of it can be here yet. */
    if (c->chunk_pos < c->chunk.sz || tm_link_is_pending(c->link))
        return tm_error_set(TM_E_PROTOCOL, "bytes follow the proxy's answer that nobody sent");
    if (!c->url.tls) {
        tm_conn_enter(c, tm_conn_phase_of_talk(c));
        return 0;
    }
    tm_tls_t *tls;
    TM_TRY(tm_tls_open(&tls, c->cfg.tls_ctx, c->url.host));
    c->chunk = (tm_link_chunk_t){0};
    c->chunk_pos = 0;
    tm_conn_enter(c, TM_CONN_TLS);
    return tm_link_start_tls(c->link, tls);
}

int tm_conn_connect_event(tm_conn_t *c, const tm_uring_event_t *ev)
{
    int fd = -1;
    int rc = tm_race_on_event(&c->race, ev, &fd, &c->owner);
    return rc > 0 ? link_open(c, fd) : rc;
}
