/* net/conn/race.h - one connected socket out of several addresses, as RFC 8305 ("happy eyeballs").
   Flow     resolve.c's addresses -> [race] -> a descriptor for conn_connect.c
   Method   families take turns, the one of the first address first. Each attempt has delay_ns
            before the next one begins beside it; one that fails is followed at once. The first to
            connect wins and the others are closed. Deadlines are the caller's business
   Units    *_ns: nanoseconds, mono
   Memory   the caller owns the struct; addresses are the race's until it ends
   Threads  one owner
   Errors   once no address is left: what the last one to fail said, with what to do
   Limits   TM_RACE_ADDR_MAX addresses; further ones are not tried
   Tests    tests/net/test_race.c */
#ifndef TM_NET_RACE_H
#define TM_NET_RACE_H

#include "net/conn/transport.h"
#include "net/conn/uring.h"

struct addrinfo;

enum { TM_RACE_ADDR_MAX = 16 };

/* RFC 8305, section 8: the recommended Connection Attempt Delay. */
#define TM_RACE_DELAY_NS (250 * TM_NS_PER_MS)

typedef struct tm_race_cfg {
    tm_uring_t *ring;
    uint16_t slot;
    uint32_t gen;                /* the last one used in the slot: each attempt takes the next */
    struct addrinfo *addrs;      /* the race's from then on */
    const tm_tcp_options_t *tcp; /* NULL = the usual */
    int64_t delay_ns;            /* 0 = TM_RACE_DELAY_NS */
} tm_race_cfg_t;

typedef struct tm_race_try {
    const struct addrinfo *addr;
    int fd; /* -1 = not begun, failed or given away */
    uint32_t gen;
} tm_race_try_t;

typedef struct tm_race {
    tm_race_cfg_t cfg;
    tm_race_try_t tries[TM_RACE_ADDR_MAX]; /* in the order in which they begin */
    uint32_t cnt, next;                    /* tries, and the first that has not begun */
    int64_t next_ns;                       /* when it may begin; INT64_MIN = now */
    int err;                               /* of the last one that failed */
    uint32_t failed_cnt, outrun_cnt;       /* outrun: closed because another one had connected */
} tm_race_t;

/* Begins with the first address. Returns 0 or as tm_race_step. */
int tm_race_open(tm_race_t *race, const tm_race_cfg_t *cfg, int64_t now_ns) TM_MUST_CHECK;

/* Begins what is due. Returns 0, or an error once every address has failed. */
int tm_race_step(tm_race_t *race, int64_t now_ns) TM_MUST_CHECK;

/* When tm_race_step wants to be called at the latest; INT64_MAX = only events matter. */
int64_t tm_race_due_ns(const tm_race_t *race);

/* Takes an event of the slot. Returns 1 and the connected descriptor with its owner, which are the
   caller's: the race is over then. 0 = it goes on; or as tm_race_step. */
int tm_race_on_event(tm_race_t *race, const tm_uring_event_t *ev, int *fd,
                     tm_uring_owner_t *owner) TM_MUST_CHECK;

/* Closes what is under way. Its events are told by their generations when they come. May be called
   again, and for one that was never opened (all zero). */
void tm_race_close(tm_race_t *race);

/* The last generation that was used. */
static inline uint32_t tm_race_gen(const tm_race_t *race)
{
    return race->cfg.gen;
}

#endif
