/* bench/ingest/bench_ingest.c - the receive core over TLS: from the socket to rows in a ring.
   Set-up   the simulated exchange serves one stream of trades on the other core, as fast as its
            client reads, with 1 or 16 messages a TLS record; TLS 1.3, AES-128-GCM
   Cases    messages of 150, 250 and 1000 bytes (the longer ones carry a member that nobody asked
            for). M messages/s: from the first message to the last. ns/message: what the receiving
            thread (of a peer: its process) spends on its core, waiting left out; then by stage
   Peers    clients that receive and drop each message: they neither parse it nor hand it on */
#include "bench/bench.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "bench/ingest/receiver.h"
#include "net/simulated/venue.h"

#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OWN_CNT = 1000000, PEER_CNT = 100000, PEER_MAX = 3 };

/* One kind of traffic and what is known about it so far. */
typedef struct traffic {
    uint32_t message_sz, record_cnt;
    uint32_t cpu; /* of the venue */
    char state_dir[64], ca_file[80];
    double *stage[6]; /* thread, kernel, TLS, WebSocket, parse, ring; a round each */
    uint32_t round;
} traffic_t;

/* A client of another make. */
typedef struct peer {
    traffic_t *traffic;
    const char *const *argv; /* without port and CA */
    char name[64];
    double ns[TM_BENCH_ROUND_MAX + 1];
    uint32_t cnt;
} peer_t;

typedef struct venue {
    tm_venue_cfg_t cfg;
    _Atomic int port; /* 0 = not yet; -1 = it failed */
    _Atomic bool stop;
    uint32_t cpu;
    pthread_t thread;
} venue_t;

/* ---- The venue ------------------------------------------------------------------------------- */

static void on_listen(void *ctx, const tm_venue_ports_t *ports)
{
    venue_t *v = ctx;
    atomic_store_explicit(&v->port, ports->tls, memory_order_release); /* V1 */
}

static void *venue_body(void *arg)
{
    venue_t *v = arg;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(v->cpu, &set);
    (void)pthread_setaffinity_np(pthread_self(), sizeof set, &set);
    if (tm_venue_run(&v->cfg, &v->stop) < 0) {
        fprintf(stderr, "bench_ingest: %s\n", tm_error_text());
        atomic_store_explicit(&v->port, -1, memory_order_release); /* V1 */
    }
    return NULL;
}

/* Returns the port, below 1 where it does not run. */
static int venue_start(venue_t *v, const traffic_t *t, uint64_t message_cnt)
{
    *v = (venue_t){.cpu = t->cpu};
    v->cfg = (tm_venue_cfg_t){.plain_off = true,
                              .state_dir = t->state_dir,
                              .wait_client_cnt = 1,
                              .record_cnt = t->record_cnt,
                              .on_listen = on_listen,
                              .ctx = v,
                              .source.generator = {.seed = 1,
                                                   .symbol_cnt = 1,
                                                   .trade_percent = 100,
                                                   .message_cnt = message_cnt,
                                                   .message_sz = t->message_sz}};
    if (pthread_create(&v->thread, NULL, venue_body, v) != 0) return -1;
    int port;
    while ((port = atomic_load_explicit(&v->port, memory_order_acquire)) == 0) usleep(100); /* V1 */
    return port;
}

static void venue_stop(venue_t *v)
{
    atomic_store_explicit(&v->stop, true, memory_order_relaxed); /* a flag that orders nothing */
    pthread_join(v->thread, NULL);
}

/* ---- The clients ----------------------------------------------------------------------------- */

static double run_own(void *ctx)
{
    traffic_t *t = ctx;
    venue_t v;
    receiver_result_t whole = {0}, stages = {0};
    int port = venue_start(&v, t, OWN_CNT);
    bool fine = port > 0 && receiver_whole((uint16_t)port, t->ca_file, &whole);
    venue_stop(&v);
    if (fine) {
        port = venue_start(&v, t, OWN_CNT);
        fine = port > 0 && receiver_stages((uint16_t)port, t->ca_file, &stages);
        venue_stop(&v);
    }
    if (!fine || whole.messages != OWN_CNT || whole.rows != OWN_CNT || stages.rows != OWN_CNT) {
        fprintf(stderr, "bench_ingest: %llu messages, %llu rows of %d\n",
                (unsigned long long)whole.messages, (unsigned long long)whole.rows, OWN_CNT);
        return (double)NAN;
    }
    const double figures[] = {whole.thread_ns, stages.kernel_ns, stages.tls_ns,
                              stages.ws_ns,    stages.parse_ns,  stages.ring_ns};
    for (size_t i = 0; i < TM_ARRAY_CNT(figures); i++) t->stage[i][t->round] = figures[i];
    t->round++;
    return (double)whole.messages / whole.seconds / 1e6;
}

static double run_peer(void *ctx)
{
    peer_t *p = ctx;
    venue_t v;
    char command[1024], line[256] = "";
    int port = venue_start(&v, p->traffic, PEER_CNT);
    size_t n = 0;
    for (const char *const *arg = p->argv; *arg; arg++)
        n += (size_t)snprintf(command + n, sizeof command - n, "'%s' ", *arg);
    snprintf(command + n, sizeof command - n, "%d '%s'", port, p->traffic->ca_file);
    FILE *out = port > 0 ? popen(command, "re") : NULL;
    if (out && !fgets(line, sizeof line, out)) line[0] = '\0';
    int status = out ? pclose(out) : -1;
    venue_stop(&v);
    unsigned long long cnt;
    double seconds, ns;
    if (status != 0 || sscanf(line, "%llu %lf %lf", &cnt, &seconds, &ns) != 3 || cnt != PEER_CNT)
        return (double)NAN;
    p->ns[p->cnt++] = ns;
    return (double)cnt / seconds / 1e6;
}

/* ---- A case ---------------------------------------------------------------------------------- */

static void report(tm_bench_t *bench, const traffic_t *t, const peer_t *peers)
{
    static const char *const names[] = {"whole", "kernel", "TLS", "WebSocket", "parse", "ring"};
    char name[128];
    for (size_t i = 0; i < TM_ARRAY_CNT(names) && t->round > 1; i++) {
        snprintf(name, sizeof name, "%u_bytes_x%u %s", t->message_sz, t->record_cnt, names[i]);
        tm_bench_report(bench, name, "ns/message", t->stage[i] + 1, t->round - 1);
    }
    double after[TM_BENCH_ROUND_MAX + 1];
    for (uint32_t k = 0; k < t->round; k++)
        after[k] = t->stage[3][k] + t->stage[4][k] + t->stage[5][k];
    snprintf(name, sizeof name, "%u_bytes_x%u behind TLS", t->message_sz, t->record_cnt);
    if (t->round > 1) tm_bench_report(bench, name, "ns/message", after + 1, t->round - 1);
    for (int i = 0; i < PEER_MAX; i++) {
        if (peers[i].cnt < 2) continue;
        snprintf(name, sizeof name, "%u_bytes_x%u %s", t->message_sz, t->record_cnt, peers[i].name);
        tm_bench_report(bench, name, "ns/message", peers[i].ns + 1, peers[i].cnt - 1);
    }
}

static void run_case(tm_bench_t *bench, traffic_t *t, peer_t *peers)
{
    char name[64];
    snprintf(name, sizeof name, "%u_bytes_x%u", t->message_sz, t->record_cnt);
    if (!tm_bench_wants(bench, name)) return;
    t->round = 0;
    tm_bench_case_t c = {.name = name,
                         .unit = "M messages/s",
                         .variant_cnt = 1 + PEER_MAX,
                         .variants = {{"tidemark", run_own, t}}};
    for (int i = 0; i < PEER_MAX; i++) {
        peers[i].cnt = 0;
        c.variants[1 + i] = (tm_bench_variant_t){peers[i].name, run_peer, &peers[i]};
    }
    tm_bench_run(bench, &c);
    report(bench, t, peers);
}

static void state_drop(const traffic_t *t)
{
    static const char *const files[] = {"ca.pem", "cert.pem", "key.pem"};
    char path[128];
    for (size_t i = 0; i < TM_ARRAY_CNT(files); i++) {
        snprintf(path, sizeof path, "%s/%s", t->state_dir, files[i]);
        unlink(path);
    }
    rmdir(t->state_dir);
}

int main(int argc, char **argv)
{
    static const uint32_t sizes[] = {150, 250, 1000}, records[] = {1, 16};
    static const char *const python[] = {
        "/usr/bin/python3", TM_BENCH_SOURCE_ROOT "/bench/ingest/peer_websockets.py", NULL};
    static const char *const node[] = {"node", TM_BENCH_SOURCE_ROOT "/bench/ingest/peer_ws.mjs",
                                       NULL};
    static const char *const lws[] = {TM_BENCH_BUILD_ROOT "/bench/ingest/ingest_peer_lws", NULL};
    static traffic_t t = {.state_dir = "/tmp/tm-bench-ingest-XXXXXX"};
    static double stages[6][TM_BENCH_ROUND_MAX + 1];
    static peer_t peers[PEER_MAX] = {{.traffic = &t, .argv = lws, .name = "libwebsockets"},
                                     {.traffic = &t, .argv = node, .name = "npm ws"},
                                     {.traffic = &t, .argv = python, .name = "python websockets"}};
    tm_bench_t *bench = tm_bench_open("ingest", argc, argv);
    tm_clock_init();
    tm_log_level_set(TM_LOG_WARN);
    if (!mkdtemp(t.state_dir)) return 1;
    snprintf(t.ca_file, sizeof t.ca_file, "%s/ca.pem", t.state_dir);
    t.cpu = tm_bench_cpu(bench, 1);
    for (size_t i = 0; i < TM_ARRAY_CNT(stages); i++) t.stage[i] = stages[i];
    for (size_t i = 0; i < TM_ARRAY_CNT(sizes); i++)
        for (size_t k = 0; k < TM_ARRAY_CNT(records); k++) {
            t.message_sz = sizes[i];
            t.record_cnt = records[k];
            run_case(bench, &t, peers);
        }
    state_drop(&t);
    return tm_bench_close(bench);
}
