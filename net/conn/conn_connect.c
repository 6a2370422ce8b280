/* From a name to a connected descriptor: every address the name has is tried in order, each with
   its share of the time that is left, so that one dead address does not use up the others' time. */
#include "base/clock.h"
#include "base/error.h"
#include "net/conn/conn_private.h"
#include "net/conn/resolve.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
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
    int rc = tm_resolve_poll(c->resolve, &c->addrs);
    if (rc <= 0) return rc;
    tm_resolve_close(c->resolve);
    c->resolve = NULL;
    tm_conn_enter(c, TM_CONN_CONNECT);
    c->addr = c->addrs;
    return tm_conn_connect_next(c);
}

static int no_address_left(tm_conn_t *c)
{
    int err = c->connect_err;
    const char *what = "check host, port and firewall";
    if (err == -ECONNREFUSED) what = "is the server running, and is the port right?";
    if (err == -ENETUNREACH || err == -EHOSTUNREACH) what = "check the network";
    if (err == -ETIMEDOUT)
        return tm_error_set(TM_E_TIMEOUT, "no answer within %.1f s; %s",
                            (double)c->cfg.phase_ns[TM_CONN_CONNECT] / 1e9, what);
    return tm_error_set(err, "%s; %s", strerror(-err), what);
}

int tm_conn_connect_next(tm_conn_t *c)
{
    int64_t now_ns = tm_clock_mono_ns();
    for (; c->addr; c->addr = c->addr->ai_next) {
        int64_t left = 0;
        for (const struct addrinfo *a = c->addr; a; a = a->ai_next) left++;
        c->try_end_ns = now_ns + (c->deadline_ns - now_ns) / left;
        c->fd = socket(c->addr->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (c->fd < 0) {
            c->connect_err = -errno;
            continue;
        }
        if (c->cfg.transport) tm_tcp_options_apply(&c->cfg.transport->tcp, c->fd);
        c->owner.gen++;
        TM_TRY(
            tm_uring_connect(c->cfg.ring, c->owner, c->fd, c->addr->ai_addr, c->addr->ai_addrlen));
        c->connecting = true;
        return 0;
    }
    return no_address_left(c);
}

/* Gives the address up. The operation's event is told by its generation when it comes. */
void tm_conn_connect_drop(tm_conn_t *c)
{
    if (c->connecting && tm_uring_cancel(c->cfg.ring, TM_URING_CONNECT, c->owner) == 0) {
        /* The kernel reads the address when it takes the operation: before the list is freed. */
        if (tm_uring_submit(c->cfg.ring) < 0) c->connect_err = -EIO;
    }
    c->connecting = false;
    c->owner.gen++;
    if (c->fd >= 0) close(c->fd);
    c->fd = -1;
}

/* The descriptor becomes a link, with TLS where the address says wss; behind a proxy later. */
static int link_open(tm_conn_t *c)
{
    tm_tls_t *tls = NULL;
    bool tunnel = proxy_of(c) != NULL;
    if (c->url.tls && !tunnel) TM_TRY(tm_tls_open(&tls, c->cfg.tls_ctx, c->url.host));
    const tm_link_cfg_t cfg = {.ring = c->cfg.ring,
                               .owner = c->owner,
                               .fd = c->fd,
                               .tls = tls,
                               .delay = c->cfg.transport && c->cfg.transport->tcp.delay};
    c->fd = -1;
    TM_TRY(tm_link_open(&c->link, &cfg));
    freeaddrinfo(c->addrs);
    c->addrs = c->addr = NULL;
    tm_conn_enter(c, tunnel ? TM_CONN_PROXY : tls ? TM_CONN_TLS : TM_CONN_UPGRADE);
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
        tm_conn_enter(c, TM_CONN_UPGRADE);
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
    if (ev->op != TM_URING_CONNECT || !c->connecting) return 0;
    c->connecting = false;
    if (ev->res == 0) return link_open(c);
    c->connect_err = ev->res;
    tm_conn_connect_drop(c);
    c->addr = c->addr->ai_next;
    return tm_conn_connect_next(c);
}

int tm_conn_connect_step(tm_conn_t *c, int64_t now_ns)
{
    if (now_ns < c->try_end_ns) return 0;
    c->connect_err = -ETIMEDOUT;
    tm_conn_connect_drop(c);
    c->addr = c->addr->ai_next;
    return tm_conn_connect_next(c);
}
