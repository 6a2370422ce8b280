#include "bench/window/window_peer.h"

#include "base/check.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define FLINK  TM_BENCH_SOURCE_ROOT "/bench/window/flink"
#define SECOND TM_NS_PER_S

/* Few rows of event time a second: Flink updates every window of a row, 60 and 600 of them. */
static const tm_load_t loads[] = {
    {"flink: tumbling 1s, 1k keys",
     {.kind = TM_WINDOW_TUMBLING, .size_ns = SECOND},
     1000,
     false,
     100000,
     3000000,
     false},
    {"flink: tumbling 1s, 100k keys",
     {.kind = TM_WINDOW_TUMBLING, .size_ns = SECOND},
     100000,
     false,
     100000,
     3000000,
     false},
    {"flink: sliding 60s/1s, 1k keys",
     {.kind = TM_WINDOW_SLIDING, .size_ns = 60 * SECOND, .slide_ns = SECOND},
     1000,
     false,
     3000,
     200000,
     false},
    {"flink: sliding 60s/100ms, 1k keys",
     {.kind = TM_WINDOW_SLIDING, .size_ns = 60 * SECOND, .slide_ns = SECOND / 10},
     1000,
     false,
     3000,
     20000,
     false},
    {"flink: session 1s, 1k keys",
     {.kind = TM_WINDOW_SESSION, .gap_ns = SECOND},
     1000,
     false,
     1000,
     1000000,
     false},
};

typedef struct total {
    uint64_t results, checksum;
} total_t;

typedef struct peer {
    FILE *to, *from;
    pid_t pid;
    char version[64];
    tm_arena_t *arena;
    const tm_load_t *load;
    tm_load_fields_t fields;
    total_t ours, theirs;
} peer_t;

/* ---- ours ------------------------------------------------------------------------------------ */

static int64_t load64(const uint8_t *row, uint16_t off)
{
    int64_t v;
    memcpy(&v, row + off, sizeof v);
    return v;
}

/* Depends on every field of every result and not on their order. */
static void sum_up(void *ctx, const void *rows, uint32_t cnt, uint32_t stride)
{
    peer_t *p = ctx;
    const tm_load_fields_t *f = &p->fields;
    for (uint32_t i = 0; i < cnt; i++) {
        const uint8_t *row = (const uint8_t *)rows + (size_t)i * stride;
        uint64_t all = (uint64_t)(load64(row, f->end) / TM_NS_PER_MS * 3 +
                                  load64(row, f->open) * 5 + load64(row, f->high) * 7 +
                                  load64(row, f->low) * 11 + load64(row, f->close) * 13 +
                                  load64(row, f->volume) * 17 + load64(row, f->trades) * 19);
        uint64_t key = ((const tm_row_t *)(const void *)row)->symbol;
        p->ours.results++;
        p->ours.checksum += all * (2 * key + 1);
    }
}

/* Thousands of rows a second, the results of all windows included. */
static double run_ours(void *ctx)
{
    static tm_trade_t rows[TM_LOAD_PIECE] __attribute__((aligned(64)));
    peer_t *p = ctx;
    tm_load_op_t op;
    tm_load_maker_t maker = {.load = p->load};
    double busy = 0;
    int64_t wm_next = INT64_MIN;
    p->ours = (total_t){0};
    p->fields = tm_load_fields(p->load);
    TM_CHECK(tm_load_open(&op, p->load, p->arena, (tm_emitter_t){sum_up, NULL, p}), "no memory");
    for (uint64_t done = 0; done < p->load->rows;) {
        uint64_t left = p->load->rows - done;
        uint32_t cnt = left < TM_LOAD_PIECE ? (uint32_t)left : TM_LOAD_PIECE;
        tm_load_rows(&maker, rows, cnt);
        done += cnt;
        double start = tm_bench_now();
        tm_operator_rows(op.op, rows, cnt, sizeof rows[0]);
        int64_t wm = rows[cnt - 1].row.event_ns - SECOND - 1;
        if (wm >= wm_next) {
            tm_operator_watermark(op.op, wm);
            wm_next = wm + 10 * TM_NS_PER_MS;
        }
        if (done == p->load->rows) tm_operator_watermark(op.op, INT64_MAX);
        while (tm_operator_work(op.op) > 0) {
        }
        busy += tm_bench_now() - start;
    }
    tm_load_close(&op);
    return (double)p->load->rows / busy * 1e-3;
}

/* ---- theirs ---------------------------------------------------------------------------------- */

static double run_theirs(void *ctx)
{
    peer_t *p = ctx;
    const tm_window_spec_t *w = &p->load->window;
    bool session = w->kind == TM_WINDOW_SESSION;
    const char *kind = session ? "session" : w->kind == TM_WINDOW_SLIDING ? "sliding" : "tumbling";
    char line[256];
    double seconds;
    fprintf(p->to, "%s %lld %lld %u %" PRIu64 " %" PRId64 "\n", kind,
            (session ? w->gap_ns : w->size_ns) / TM_NS_PER_MS + 0ll,
            w->slide_ns / TM_NS_PER_MS + 0ll, p->load->keys, p->load->rows, p->load->rows_s);
    fflush(p->to);
    TM_CHECK(fgets(line, sizeof line, p->from), "%s ended", p->version);
    TM_CHECK(sscanf(line, "%lf %" SCNu64 " %" SCNu64, &seconds, &p->theirs.results,
                    &p->theirs.checksum) == 3,
             "%s: %s", p->version, line);
    TM_CHECK(p->ours.results == 0 ||
                 (p->ours.results == p->theirs.results && p->ours.checksum == p->theirs.checksum),
             "%s: %" PRIu64 " results of sum %" PRIu64 ", ours %" PRIu64 " of sum %" PRIu64,
             p->load->name, p->theirs.results, p->theirs.checksum, p->ours.results,
             p->ours.checksum);
    return (double)p->load->rows / seconds * 1e-3;
}

static bool peer_open(peer_t *p)
{
    int in[2], out[2];
    if (access(FLINK "/target/lib", R_OK) != 0 &&
        system("cd " FLINK " && mvn -B -q package >&2") != 0) /* fixed text, no input of anybody */
        return false;
    if (pipe(in) != 0 || pipe(out) != 0) return false;
    signal(SIGPIPE, SIG_IGN);
    p->pid = fork();
    if (p->pid == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        for (int fd = 3; fd < 64; fd++) close(fd);
        execlp("taskset", "taskset", "-c", "0-1023", "java",
               "--add-opens=java.base/java.util=ALL-UNNAMED", "-cp",
               FLINK "/target/peer-flink-1.jar:" FLINK "/target/lib/*", "PeerFlink", (char *)NULL);
        perror("java");
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    p->to = fdopen(in[1], "w");
    p->from = fdopen(out[0], "r");
    if (!p->to || !p->from || !fgets(p->version, sizeof p->version, p->from)) return false;
    p->version[strcspn(p->version, "\n")] = 0;
    return true;
}

void tm_window_peers(tm_bench_t *bench, tm_arena_t *arena)
{
    peer_t peer = {.arena = arena};
    if (!peer_open(&peer)) {
        fprintf(stderr, "no Flink to compare with: java, or mvn package in bench/window/flink, is "
                        "missing\n");
    } else {
        for (size_t i = 0; i < TM_ARRAY_CNT(loads); i++) {
            peer.load = &loads[i];
            peer.ours = peer.theirs = (total_t){0};
            const tm_bench_case_t c = {
                .name = loads[i].name,
                .unit = "krow/s",
                .variant_cnt = 2,
                .variants = {{"tidemark", run_ours, &peer}, {peer.version, run_theirs, &peer}}};
            if (tm_bench_wants(bench, c.name)) tm_bench_run(bench, &c);
        }
    }
    if (peer.to) fclose(peer.to); /* the end of its input ends it */
    if (peer.from) fclose(peer.from);
    if (peer.pid > 0) waitpid(peer.pid, NULL, 0);
}
