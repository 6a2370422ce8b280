#include "bench/snapshot/redis_peer.h"

#include "base/histogram.h"
#include "bench/bench.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64, KEYS = 7000000, VALUE_SZ = 44, REPLY_SZ = 5, TEXT_MAX = 16384 };

struct tm_redis {
    pid_t pid;
    int fd;
    uint32_t flight; /* batches whose replies are not read */
    uint64_t rng;
    char text[TEXT_MAX]; /* commands, then replies */
};

static void core_take(uint32_t cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0) abort();
}

static bool send_all(tm_redis_t *r, const char *text, size_t sz)
{
    for (ssize_t n; sz > 0; text += n, sz -= (size_t)n)
        if ((n = write(r->fd, text, sz)) <= 0) return false;
    return true;
}

/* One command whose answer comes in one piece, or up to a line "\r\n" at its end. */
static bool ask(tm_redis_t *r, const char *command)
{
    size_t sz = 0;
    if (!send_all(r, command, strlen(command)) || !send_all(r, "\r\n", 2)) return false;
    do {
        ssize_t n = read(r->fd, r->text + sz, sizeof r->text - 1 - sz);
        if (n <= 0) return false;
        sz += (size_t)n;
        r->text[sz] = 0;
    } while (sz < 2 || memcmp(r->text + sz - 2, "\r\n", 2) != 0);
    return r->text[0] != '-';
}

/* A number of the last answer. */
static double number(const tm_redis_t *r, const char *name)
{
    const char *at = strstr(r->text, name);
    return at ? strtod(at + strlen(name), NULL) : 0;
}

static void server_exec(const char *dir, const char *socket_path, uint32_t cpu)
{
    core_take(cpu);
    if (dup2(open("/dev/null", O_WRONLY), 1) < 0) _exit(1);
    /* One thread for commands; nothing saved but by BGSAVE, in the background on the other core. */
    execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", socket_path, "--dir", dir,
           "--save", "", "--appendonly", "no", "--enable-debug-command", "local",
           "--bgsave_cpulist", cpu ? "0" : "1", (char *)NULL);
    _exit(127);
}

tm_redis_t *tm_redis_open(const char *dir, const uint32_t cpus[2], const char **why)
{
    tm_redis_t *r = calloc(1, sizeof *r);
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int len = snprintf(to.sun_path, sizeof to.sun_path, "%s/redis", dir);
    *why = "redis-server cannot be started; ./dev setup bench installs it";
    if (!r || len >= (int)sizeof to.sun_path) return free(r), NULL;
    r->rng = 7;
    r->pid = fork();
    if (r->pid == 0) server_exec(dir, to.sun_path, cpus[0]);
    r->fd = socket(AF_UNIX, SOCK_STREAM, 0);
    bool up = false;
    for (int i = 0; i < 500 && !up && r->pid > 0; i++) {
        if (waitpid(r->pid, NULL, WNOHANG) != 0) r->pid = 0;
        up = connect(r->fd, (struct sockaddr *)&to, sizeof to) == 0;
        if (!up) nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    char fill[64];
    snprintf(fill, sizeof fill, "DEBUG POPULATE %d k %d", KEYS, VALUE_SZ);
    if (up && ask(r, fill)) return r;
    tm_redis_close(r);
    return NULL;
}

void tm_redis_close(tm_redis_t *redis)
{
    close(redis->fd);
    if (redis->pid > 0 && kill(redis->pid, SIGKILL) == 0) waitpid(redis->pid, NULL, 0);
    free(redis);
}

/* Replies of the oldest batch that is under way, "+OK" each. */
static bool replies_read(tm_redis_t *r)
{
    size_t left = (size_t)BATCH * REPLY_SZ;
    for (ssize_t n; left > 0; left -= (size_t)n)
        if ((n = read(r->fd, r->text, left)) <= 0 || r->text[0] == '-') return false;
    r->flight--;
    return true;
}

static bool replies_drain(tm_redis_t *r)
{
    while (r->flight > 0)
        if (!replies_read(r)) return false;
    return true;
}

/* 64 commands; the server works on those before meanwhile. */
static bool batch(tm_redis_t *r)
{
    size_t sz = 0;
    for (uint32_t i = 0; i < BATCH; i++) {
        r->rng = r->rng * UINT64_C(6364136223846793005) + 1;
        sz += (size_t)snprintf(r->text + sz, sizeof r->text - sz, "SET k:%u %0*u\r\n",
                               (uint32_t)((r->rng >> 32) * KEYS >> 32), VALUE_SZ,
                               (uint32_t)(r->rng >> 32));
    }
    if (!send_all(r, r->text, sz)) return false;
    return r->flight++ == 0 || replies_read(r);
}

bool tm_redis_run(tm_redis_t *redis, uint32_t seconds, bool save, tm_redis_figures_t *out)
{
    static tm_histogram_t pauses;
    tm_histogram_init(&pauses);
    *out = (tm_redis_figures_t){0};
    double start = tm_bench_now(), now = start, next = start + 0.5, began = 0, spent = 0;
    uint64_t updates = 0;
    while (now < start + seconds || began > 0) {
        double before = tm_bench_now();
        if (!batch(redis)) return false;
        now = tm_bench_now();
        updates += BATCH;
        tm_histogram_record(&pauses, (int64_t)((now - before) * 1e9), 1);
        if (!save || now < next) continue;
        next = now + 0.01;
        if (!replies_drain(redis) || !ask(redis, "INFO persistence")) return false;
        bool busy = number(redis, "rdb_bgsave_in_progress:") > 0;
        if (began > 0 && !busy) {
            spent += now - began;
            out->snapshots++;
            next = began + 1 > now ? began + 1 : now;
            began = 0;
        } else if (!busy && now < start + seconds) {
            began = now;
            if (!ask(redis, "BGSAVE")) return false;
        }
    }
    out->mupdate_s = (double)updates / (now - start) * 1e-6;
    out->p999_us = (double)tm_histogram_quantile(&pauses, 0.999) * 1e-3;
    out->longest_us = (double)tm_histogram_quantile(&pauses, 1.0) * 1e-3;
    out->busy_ms = out->snapshots > 0 ? spent / out->snapshots * 1e3 : 0;
    if (!replies_drain(redis) || !ask(redis, "INFO memory")) return false;
    out->gib = number(redis, "used_memory:") / 0x1p30;
    if (!ask(redis, "INFO stats")) return false;
    out->fork_us = number(redis, "latest_fork_usec:");
    return true;
}
