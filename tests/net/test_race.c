/* Addresses that answer, refuse and swallow, each a real socket of this machine. */
#include "net/conn/race.h"

#include "base/clock.h"
#include "base/error.h"
#include "tests/tm_test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILL_CNT = 8, SLOT = 3 };

/* ---- addresses ------------------------------------------------------------------------------- */

static int bound(int family, struct sockaddr_storage *addr, socklen_t *sz)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    memset(addr, 0, sizeof *addr);
    addr->ss_family = (sa_family_t)family;
    *sz = family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    if (family == AF_INET6)
        ((struct sockaddr_in6 *)addr)->sin6_addr = in6addr_loopback;
    else
        ((struct sockaddr_in *)addr)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd, (struct sockaddr *)addr, *sz) != 0) tm_skip("this machine has no such loopback");
    tm_assert_eq(getsockname(fd, (struct sockaddr *)addr, sz), 0);
    return fd;
}

/* One that a test tries. */
typedef struct place {
    struct sockaddr_storage addr;
    socklen_t sz;
    int fd;
    int fill[FILL_CNT];
} place_t;

static void place_good(place_t *p, int family)
{
    memset(p, 0, sizeof *p);
    p->fd = bound(family, &p->addr, &p->sz);
    tm_assert_eq(listen(p->fd, 16), 0);
}

/* Bound and never listening: every connect is refused. */
static void place_refusing(place_t *p, int family)
{
    memset(p, 0, sizeof *p);
    p->fd = bound(family, &p->addr, &p->sz);
}

/* Listening with a queue that is full: the kernel drops each further SYN, and nothing ever comes
   back, as from a firewall that swallows. */
static void place_swallowing(place_t *p, int family)
{
    memset(p, 0, sizeof *p);
    p->fd = bound(family, &p->addr, &p->sz);
    tm_assert_eq(listen(p->fd, 0), 0);
    for (int i = 0; i < FILL_CNT; i++) {
        p->fill[i] = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)connect(p->fill[i], (struct sockaddr *)&p->addr, p->sz);
    }
    usleep(20000);
}

static void place_drop(place_t *p)
{
    close(p->fd);
    for (int i = 0; i < FILL_CNT; i++)
        if (p->fill[i] > 0) close(p->fill[i]);
}

/* A list as getaddrinfo gives it, which freeaddrinfo takes: its own look-ups of numeric addresses,
   chained. */
static struct addrinfo *list_of(const place_t *const *places, size_t cnt)
{
    struct addrinfo *first = NULL, **end = &first;
    for (size_t i = 0; i < cnt; i++) {
        char host[INET6_ADDRSTRLEN], port[8];
        const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
        tm_assert_eq(getnameinfo((const struct sockaddr *)&places[i]->addr, places[i]->sz, host,
                                 sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV),
                     0);
        tm_assert_eq(getaddrinfo(host, port, &hints, end), 0);
        end = &(*end)->ai_next;
    }
    return first;
}

/* ---- races ----------------------------------------------------------------------------------- */

typedef struct outcome {
    int rc; /* 1 = connected */
    int64_t took_ns;
    struct sockaddr_storage peer;
    tm_race_t race;
} outcome_t;

static uint32_t descriptor_cnt(void)
{
    uint32_t cnt = 0;
    for (int fd = 0; fd < 256; fd++) cnt += fcntl(fd, F_GETFD) >= 0;
    return cnt;
}

static void race_run(outcome_t *o, const place_t *const *places, size_t cnt, int64_t time_ns)
{
    tm_uring_t *ring;
    int fd = -1;
    memset(o, 0, sizeof *o);
    tm_clock_init();
    tm_assert_eq(tm_uring_open(&ring, &(tm_uring_cfg_t){.buf_cnt = 4}), 0);
    uint32_t before = descriptor_cnt();
    int64_t begin_ns = tm_clock_mono_ns(), now_ns = begin_ns;
    const tm_race_cfg_t cfg = {
        .ring = ring, .slot = SLOT, .gen = 41, .addrs = list_of(places, cnt)};
    o->rc = tm_race_open(&o->race, &cfg, begin_ns);
    while (o->rc == 0 && now_ns - begin_ns < time_ns) {
        tm_uring_event_t events[8];
        int64_t due_ns = tm_race_due_ns(&o->race), end_ns = begin_ns + time_ns;
        if (due_ns > end_ns) due_ns = end_ns;
        int n = tm_uring_reap(ring, events, 8, due_ns > now_ns ? due_ns - now_ns : 0);
        for (int i = 0; i < n && o->rc == 0; i++) {
            tm_uring_owner_t owner;
            o->rc = tm_race_on_event(&o->race, &events[i], &fd, &owner);
            if (o->rc == 1) tm_assert_eq((int)owner.slot, SLOT);
            if (o->rc == 1) tm_assert(owner.gen > 41 && owner.gen <= tm_race_gen(&o->race));
        }
        now_ns = tm_clock_mono_ns();
        if (o->rc == 0) o->rc = tm_race_step(&o->race, now_ns);
    }
    o->took_ns = tm_clock_mono_ns() - begin_ns;
    tm_race_close(&o->race);
    if (o->rc == 1) {
        socklen_t sz = sizeof o->peer;
        tm_assert_eq(getpeername(fd, (struct sockaddr *)&o->peer, &sz), 0);
        close(fd);
    }
    tm_assert_eq(descriptor_cnt(), before); /* whoever lost is closed */
    tm_uring_close(ring);
}

static void expect_peer(const outcome_t *o, const place_t *p)
{
    tm_assert_eq(o->rc, 1);
    tm_assert_eq(memcmp(&o->peer, &p->addr, p->sz), 0);
}

Test(race, the_first_address_wins_where_it_answers_and_no_other_is_tried)
{
    place_t a, b;
    outcome_t o;
    place_good(&a, AF_INET);
    place_good(&b, AF_INET);
    race_run(&o, (const place_t *[]){&a, &b}, 2, TM_NS_PER_S);
    expect_peer(&o, &a);
    tm_assert_eq(o.race.next, 1u);
    tm_assert_eq(o.race.failed_cnt + o.race.outrun_cnt, 0u);
    place_drop(&a);
    place_drop(&b);
}

Test(race, behind_an_address_that_swallows_the_next_one_begins_after_a_quarter_of_a_second)
{
    place_t hole, good;
    outcome_t o;
    place_swallowing(&hole, AF_INET);
    place_good(&good, AF_INET);
    race_run(&o, (const place_t *[]){&hole, &good}, 2, 5 * TM_NS_PER_S);
    expect_peer(&o, &good);
    tm_assert(o.took_ns >= 250 * TM_NS_PER_MS);
    tm_assert(o.took_ns < 2 * TM_NS_PER_S);
    tm_assert_eq(o.race.next, 2u);
    tm_assert_eq(o.race.outrun_cnt, 1u);
    tm_assert_eq(o.race.failed_cnt, 0u);
    place_drop(&hole);
    place_drop(&good);
}

Test(race, a_refusal_is_followed_by_the_next_address_at_once)
{
    place_t no, good;
    outcome_t o;
    place_refusing(&no, AF_INET);
    place_good(&good, AF_INET);
    race_run(&o, (const place_t *[]){&no, &no, &no, &good}, 4, 5 * TM_NS_PER_S);
    expect_peer(&o, &good);
    tm_assert(o.took_ns < 250 * TM_NS_PER_MS);
    tm_assert_eq(o.race.failed_cnt, 3u);
    place_drop(&no);
    place_drop(&good);
}

Test(race, a_dead_family_does_not_keep_the_other_one_waiting)
{
    place_t hole, good;
    outcome_t o;
    place_swallowing(&hole, AF_INET6);
    place_good(&good, AF_INET);
    /* Interleaved, the fourth of the list is the second to begin. */
    race_run(&o, (const place_t *[]){&hole, &hole, &hole, &good}, 4, 5 * TM_NS_PER_S);
    expect_peer(&o, &good);
    tm_assert_eq(o.race.next, 2u);
    tm_assert(o.took_ns < 500 * TM_NS_PER_MS);
    place_drop(&hole);
    place_drop(&good);
}

Test(race, where_every_address_refuses_the_error_says_what_to_do)
{
    place_t no;
    outcome_t o;
    place_refusing(&no, AF_INET);
    race_run(&o, (const place_t *[]){&no, &no}, 2, 5 * TM_NS_PER_S);
    tm_assert_eq(o.rc, -ECONNREFUSED);
    tm_assert(strstr(tm_error_text(), "is the server running") != NULL);
    tm_assert_eq(o.race.failed_cnt, 2u);
    place_drop(&no);
}

Test(race, what_is_given_up_is_closed_and_its_memory_freed)
{
    place_t hole;
    outcome_t o;
    place_swallowing(&hole, AF_INET);
    race_run(&o, (const place_t *[]){&hole, &hole, &hole}, 3, 600 * TM_NS_PER_MS);
    tm_assert_eq(o.rc, 0);
    tm_assert_eq(o.race.outrun_cnt, 3u);
    place_drop(&hole);
}

Test(race, no_more_addresses_are_tried_than_the_limit_says)
{
    place_t no, good;
    const place_t *places[TM_RACE_ADDR_MAX + 1];
    outcome_t o;
    place_refusing(&no, AF_INET);
    place_good(&good, AF_INET);
    for (int i = 0; i < TM_RACE_ADDR_MAX; i++) places[i] = &no;
    places[TM_RACE_ADDR_MAX] = &good;
    race_run(&o, places, TM_ARRAY_CNT(places), 5 * TM_NS_PER_S);
    tm_assert_eq(o.rc, -ECONNREFUSED);
    tm_assert_eq(o.race.failed_cnt, (uint32_t)TM_RACE_ADDR_MAX);
    place_drop(&no);
    place_drop(&good);
}
