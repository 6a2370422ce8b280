/* bench/snapshot/redis_peer.h - Redis under the load of bench_snapshot: SETs of random keys over
   1 GiB of memory, in pipelines of 64, with and without a BGSAVE every second.
   Flow     bench_snapshot -> [redis peer] -> redis-server on a Unix socket in a folder of ours
   Method   the server runs on the worker's core, the client and the child that saves on the other.
            Two pipelines are under way at a time; times are those from one to the next
   Errors   open: a sentence why Redis cannot run here */
#ifndef TM_BENCH_REDIS_PEER_H
#define TM_BENCH_REDIS_PEER_H

#include <stdbool.h>
#include <stdint.h>

typedef struct tm_redis tm_redis_t;

typedef struct tm_redis_figures {
    double mupdate_s, p999_us, longest_us;
    double fork_us;            /* the last one */
    double snapshots, busy_ms; /* BGSAVEs that ended, and how long one took */
    double gib;                /* of memory in use */
} tm_redis_figures_t;

/* dir: for its socket and dumps. cpus: the server's and the other. NULL: *why says why. */
tm_redis_t *tm_redis_open(const char *dir, const uint32_t cpus[2], const char **why);
void tm_redis_close(tm_redis_t *redis);

/* Loads it for some seconds. False where the server has gone. */
bool tm_redis_run(tm_redis_t *redis, uint32_t seconds, bool save, tm_redis_figures_t *out);

#endif
