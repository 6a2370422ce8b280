/* From a name to a connected descriptor: every address the name has is tried in order, each with
   its share of the time that is left, so that one dead address does not use up the others' time. */
#include "base/clock.h"
#include "base/error.h"
#include "net/conn_private.h"
#include "net/resolve.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int tm_conn_start(tm_conn_t *c)
{
    tm_conn_enter(c, TM_CONN_RESOLVE);
    int rc = tm_resolve(&c->addrs, c->url.host, c->url.port, c->cfg.phase_ns[TM_CONN_RESOLVE]);
    if (rc < 0) return tm_error_context(rc, "%s: resolve", c->name);
    tm_conn_enter(c, TM_CONN_CONNECT);
    c->addr = c->addrs;
    rc = tm_conn_connect_next(c);
    return rc < 0 ? tm_error_context(rc, "%s: connect", c->name) : 0;
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

/* The descriptor becomes a link, with TLS where the address says wss. */
static int link_open(tm_conn_t *c)
{
    tm_tls_t *tls = NULL;
    if (c->url.tls) TM_TRY(tm_tls_open(&tls, c->cfg.tls_ctx, c->url.host));
    const tm_link_cfg_t cfg = {.ring = c->cfg.ring, .owner = c->owner, .fd = c->fd, .tls = tls};
    c->fd = -1;
    TM_TRY(tm_link_open(&c->link, &cfg));
    freeaddrinfo(c->addrs);
    c->addrs = c->addr = NULL;
    tm_conn_enter(c, tls ? TM_CONN_TLS : TM_CONN_UPGRADE);
    return tm_link_flush(c->link);
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
