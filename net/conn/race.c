#include "net/conn/race.h"

#include "base/error.h"

#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The next address from *at on that is of the family, or is not. */
static const struct addrinfo *find(const struct addrinfo *at, int family, bool same)
{
    while (at && (at->ai_family == family) != same) at = at->ai_next;
    return at;
}

/* Families take turns, each in the order that RFC 6724 has given it; what is left of the longer one
   follows. All that are not of the first address' family are the other one. */
static void order(tm_race_t *r)
{
    int family = r->cfg.addrs->ai_family;
    const struct addrinfo *lists[] = {r->cfg.addrs, find(r->cfg.addrs, family, false)};
    for (int turn = 0; r->cnt < TM_RACE_ADDR_MAX && (lists[0] || lists[1]); turn = !turn) {
        if (!lists[turn]) continue;
        r->tries[r->cnt++] = (tm_race_try_t){.addr = lists[turn], .fd = -1};
        lists[turn] = find(lists[turn]->ai_next, family, turn == 0);
    }
}

static int nobody_left(const tm_race_t *r)
{
    const char *what = "check host, port and firewall";
    if (r->err == -ECONNREFUSED) what = "is the server running, and is the port right?";
    if (r->err == -ENETUNREACH || r->err == -EHOSTUNREACH) what = "check the network";
    return tm_error_set(r->err, "%s; %s", strerror(-r->err), what);
}

/* Returns 0, or why this address cannot even be tried. */
static int begin(tm_race_t *r, tm_race_try_t *t)
{
    t->fd = socket(t->addr->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (t->fd < 0) return -errno;
    if (r->cfg.tcp) tm_tcp_options_apply(r->cfg.tcp, t->fd);
    t->gen = ++r->cfg.gen;
    const tm_uring_owner_t owner = {.slot = r->cfg.slot, .gen = t->gen};
    return tm_uring_connect(r->cfg.ring, owner, t->fd, t->addr->ai_addr, t->addr->ai_addrlen);
}

static void failed(tm_race_t *r, tm_race_try_t *t, int err)
{
    if (t->fd >= 0) close(t->fd);
    t->fd = -1;
    r->err = err;
    r->failed_cnt++;
    r->next_ns = INT64_MIN;
}

static bool is_running(const tm_race_t *r)
{
    for (uint32_t i = 0; i < r->next; i++)
        if (r->tries[i].fd >= 0) return true;
    return false;
}

int tm_race_step(tm_race_t *r, int64_t now_ns)
{
    while (r->next < r->cnt && now_ns >= r->next_ns) {
        tm_race_try_t *t = &r->tries[r->next++];
        r->next_ns = now_ns + (r->cfg.delay_ns > 0 ? r->cfg.delay_ns : TM_RACE_DELAY_NS);
        int err = begin(r, t);
        if (err < 0) failed(r, t, err);
    }
    return r->next == r->cnt && !is_running(r) ? nobody_left(r) : 0;
}

int tm_race_open(tm_race_t *r, const tm_race_cfg_t *cfg, int64_t now_ns)
{
    *r = (tm_race_t){.cfg = *cfg, .next_ns = INT64_MIN};
    order(r);
    return tm_race_step(r, now_ns);
}

int64_t tm_race_due_ns(const tm_race_t *r)
{
    return r->next < r->cnt ? r->next_ns : INT64_MAX;
}

int tm_race_on_event(tm_race_t *r, const tm_uring_event_t *ev, int *fd, tm_uring_owner_t *owner)
{
    if (ev->op != TM_URING_CONNECT) return 0;
    for (uint32_t i = 0; i < r->next; i++) {
        tm_race_try_t *t = &r->tries[i];
        if (t->fd < 0 || t->gen != ev->owner.gen) continue;
        if (ev->res < 0) {
            failed(r, t, ev->res);
            return tm_race_step(r, ev->mono_ns);
        }
        *fd = t->fd;
        *owner = ev->owner;
        t->fd = -1;
        tm_race_close(r);
        return 1;
    }
    return 0;
}

void tm_race_close(tm_race_t *r)
{
    bool cancelled = false;
    for (uint32_t i = 0; i < r->next; i++) {
        const tm_uring_owner_t owner = {.slot = r->cfg.slot, .gen = r->tries[i].gen};
        if (r->tries[i].fd < 0) continue;
        cancelled |= tm_uring_cancel(r->cfg.ring, TM_URING_CONNECT, owner) == 0;
        r->outrun_cnt++;
    }
    /* The kernel reads an address when it takes the operation: before the list is freed. */
    if (cancelled && tm_uring_submit(r->cfg.ring) < 0) r->err = -EIO;
    for (uint32_t i = 0; i < r->next; i++) {
        if (r->tries[i].fd >= 0) close(r->tries[i].fd);
        r->tries[i].fd = -1;
    }
    r->cnt = r->next; /* nobody else begins */
    if (r->cfg.addrs) freeaddrinfo(r->cfg.addrs);
    r->cfg.addrs = NULL;
}
