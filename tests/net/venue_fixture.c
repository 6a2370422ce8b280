#include "tests/net/venue_fixture.h"

#include "base/error.h"
#include "tests/tm_test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct venue_fixture {
    tm_venue_cfg_t cfg;
    tm_venue_ports_t ports;
    _Atomic int state; /* 0 = starting, 1 = listens, 2 = has ended */
    _Atomic bool stop;
    int result;
    char error[512];
    pthread_t thread;
    char dir[64], ca[96];
};

static void on_listen(void *ctx, const tm_venue_ports_t *ports)
{
    venue_fixture_t *f = ctx;
    f->ports = *ports;
    atomic_store(&f->state, 1);
}

static void *run(void *arg)
{
    venue_fixture_t *f = arg;
    f->result = tm_venue_run(&f->cfg, &f->stop);
    snprintf(f->error, sizeof f->error, "%s", tm_error_text());
    atomic_store(&f->state, 2);
    return NULL;
}

venue_fixture_t *venue_fixture_open(const tm_venue_cfg_t *cfg)
{
    venue_fixture_t *f = calloc(1, sizeof *f);
    f->cfg = *cfg;
    snprintf(f->dir, sizeof f->dir, "/tmp/tm-venue-XXXXXX");
    tm_assert(mkdtemp(f->dir) != NULL);
    snprintf(f->ca, sizeof f->ca, "%s/ca.pem", f->dir);
    f->cfg.state_dir = f->dir;
    f->cfg.counters = tm_counter_set_new("venue");
    f->cfg.on_listen = on_listen;
    f->cfg.ctx = f;
    pthread_create(&f->thread, NULL, run, f);
    while (atomic_load(&f->state) == 0) usleep(1000);
    if (f->ports.tls == 0 && f->ports.plain == 0) printf("# venue: %s\n", f->error);
    tm_assert(f->ports.tls != 0 || f->ports.plain != 0);
    return f;
}

int venue_fixture_close(venue_fixture_t *f)
{
    atomic_store(&f->stop, true);
    pthread_join(f->thread, NULL);
    int result = f->result;
    if (result < 0) printf("# venue: %s\n", f->error);
    static const char *const prefixes[] = {"", "bad-name-", "bad-expired-", "bad-authority-"};
    static const char *const files[] = {"ca.pem", "cert.pem", "key.pem"};
    for (size_t i = 0; i < TM_ARRAY_CNT(prefixes) * TM_ARRAY_CNT(files); i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s%s", f->dir, prefixes[i / 3], files[i % 3]);
        unlink(path);
    }
    rmdir(f->dir);
    tm_counter_set_free(f->cfg.counters);
    free(f);
    return result;
}

int venue_fixture_wait(venue_fixture_t *f)
{
    for (int ms = 0; ms < 10000 && atomic_load(&f->state) != 2; ms++) usleep(1000);
    tm_assert_eq(atomic_load(&f->state), 2);
    return venue_fixture_close(f);
}

const tm_venue_ports_t *venue_fixture_ports(const venue_fixture_t *f)
{
    return &f->ports;
}

const char *venue_fixture_ca(const venue_fixture_t *f)
{
    return f->ca;
}

uint64_t venue_fixture_count(const venue_fixture_t *f, const char *name)
{
    return tm_counter_read(tm_counter_get(f->cfg.counters, name));
}

uint64_t venue_fixture_settle(const venue_fixture_t *f)
{
    uint64_t before = 0, now = 0;
    for (int i = 0; i < 100; i++, before = now) {
        usleep(100000);
        now = venue_fixture_count(f, "messages");
        if (now > 0 && now == before) return now;
    }
    bool settles = false;
    tm_assert(settles);
    return now;
}

const char *venue_fixture_url(const venue_fixture_t *f, bool tls, const char *target, char out[512])
{
    snprintf(out, 512, "%s:%u%s", tls ? "wss://localhost" : "ws://127.0.0.1",
             tls ? f->ports.tls : f->ports.plain, target);
    return out;
}
