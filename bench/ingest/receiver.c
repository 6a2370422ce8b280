#include "bench/ingest/receiver.h"

#include "base/clock.h"
#include "base/error.h"
#include "engine/runtime/ring.h"
#include "net/conn/link.h"
#include "net/feed/feed.h"
#include "net/ws/http_upgrade.h"
#include "net/ws/ws.h"
#include "parse/parser.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    BURST = 256,
    BATCH = 4096,
    RING_DEPTH = 16384,
    GATHER_US = 500,
    DISTURBED_NS = 10000,
    DISTURBED_MESSAGE_NS = 3000,
};

static double thread_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

/* What a message meets behind the socket. */
typedef struct core {
    tm_counter_set_t *counters;
    tm_symbols_t *symbols;
    tm_parser_t *parser;
    tm_ring_t *ring;
    void *ring_mem;
    tm_market_row_t *rows;
} core_t;

static bool core_open(core_t *c)
{
    const tm_ring_cfg_t ring = {.depth = RING_DEPTH, .stride = sizeof(tm_market_row_t)};
    size_t sz = tm_ring_footprint(&ring);
    *c = (core_t){.counters = tm_counter_set_new("bench")};
    if (tm_symbols_open(&c->symbols) < 0) return false;
    c->ring_mem = aligned_alloc(TM_FALSE_SHARE, tm_align_up(sz, TM_FALSE_SHARE));
    c->rows = aligned_alloc(TM_CACHE_LINE, (BATCH + TM_PARSER_ROW_MAX) * sizeof *c->rows);
    const tm_parser_cfg_t cfg = {.symbols = c->symbols, .counters = c->counters};
    if (!c->counters || !c->symbols || !c->ring_mem || !c->rows) return false;
    c->ring = tm_ring_init(c->ring_mem, &ring);
    return tm_parser_open(&c->parser, &cfg) == 0;
}

static void core_close(core_t *c)
{
    tm_parser_close(c->parser);
    tm_symbols_close(c->symbols);
    tm_counter_set_free(c->counters);
    free(c->ring_mem);
    free(c->rows);
}

static void ring_empty(core_t *c)
{
    const void *rows;
    uint32_t cnt;
    while ((cnt = tm_ring_peek(c->ring, &rows, RING_DEPTH)) > 0) tm_ring_release(c->ring, cnt);
}

static void rows_push(core_t *c, uint32_t row_cnt)
{
    for (uint32_t i = 0; i < row_cnt; i++)
        if (!tm_ring_push(c->ring, &c->rows[i].row)) {
            ring_empty(c);
            (void)tm_ring_push(c->ring, &c->rows[i].row);
        }
}

static bool complain(const char *what)
{
    fprintf(stderr, "bench_ingest: %s: %s\n", what, tm_error_text());
    return false;
}

/* ---- Whole ----------------------------------------------------------------------------------- */

bool receiver_whole(uint16_t port, const char *ca_file, receiver_result_t *r)
{
    static tm_frame_t frames[BURST];
    char url[64];
    const char *const urls[] = {url};
    core_t c;
    tm_source_t *source;
    *r = (receiver_result_t){0};
    if (!core_open(&c)) return complain("open");
    snprintf(url, sizeof url, "wss://localhost:%u/ws/btcusdt@trade", port);
    const tm_feed_cfg_t cfg = {
        .urls = urls, .url_cnt = 1, .ca_file = ca_file, .counters = c.counters};
    if (tm_feed_open(&source, &cfg) < 0) return complain("feed");
    double begin_ns = 0, begin_s = 0, end_s = 0;
    int n;
    while ((n = tm_source_poll(source, frames, BURST, 20 * TM_NS_PER_MS)) >= 0) {
        if (n == 0) continue;
        if (r->messages == 0) {
            begin_ns = thread_ns();
            begin_s = (double)tm_clock_mono_ns() / 1e9;
        }
        for (int i = 0; i < n; i++) {
            uint32_t row_cnt = tm_parser_frame(c.parser, &frames[i], c.rows, TM_PARSER_ROW_MAX);
            rows_push(&c, row_cnt);
            r->rows += row_cnt;
        }
        r->messages += (uint64_t)n;
        ring_empty(&c);
        end_s = (double)tm_clock_mono_ns() / 1e9;
    }
    r->seconds = end_s - begin_s;
    r->thread_ns = (thread_ns() - begin_ns) / (double)(r->messages ? r->messages : 1);
    bool fine = n == TM_E_CLOSED || complain("stream");
    tm_source_close(source);
    core_close(&c);
    return fine;
}

/* ---- By stages ------------------------------------------------------------------------------- */

typedef struct wire {
    tm_uring_t *ring;
    tm_tls_ctx_t *ctx;
    tm_link_t *link;
    tm_ws_t *ws;
    tm_http_head_t head;
    tm_link_chunk_t chunk;
    size_t at; /* in the chunk */
} wire_t;

static int connect_to(uint16_t port)
{
    const struct sockaddr_in addr = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&addr, sizeof addr) == 0) return fd;
    return tm_error_set(-errno, "connect: %s", strerror(errno));
}

/* Waits for events and hands them on. */
static int wire_wait(wire_t *w, int64_t wait_ns)
{
    tm_uring_event_t events[TM_URING_EVENT_MAX];
    TM_TRY(tm_link_listen(w->link, true));
    int n = tm_uring_reap(w->ring, events, TM_URING_EVENT_MAX, wait_ns);
    for (int i = 0; i < n; i++) TM_TRY(tm_link_on_event(w->link, &events[i]));
    return n;
}

static int chunk_next(wire_t *w)
{
    if (w->at < w->chunk.sz) return 1;
    tm_link_release(w->link, false);
    w->chunk = (tm_link_chunk_t){0};
    w->at = 0;
    return tm_link_read(w->link, &w->chunk);
}

static int wire_upgrade(wire_t *w)
{
    char text[512];
    const tm_http_upgrade_cfg_t upgrade = {.host = "localhost", .target = "/ws/btcusdt@trade"};
    while (tm_tls_state(tm_link_tls(w->link)) == TM_TLS_HANDSHAKING) {
        TM_TRY(wire_wait(w, TM_NS_PER_S));
        int rc = chunk_next(w);
        if (rc < 0) return rc;
    }
    int sz = tm_http_request_write(&upgrade, text, sizeof text);
    TM_TRY(sz);
    TM_TRY(tm_link_write(w->link, (const uint8_t *)text, (size_t)sz));
    TM_TRY(tm_link_flush(w->link));
    tm_http_head_init(&w->head, TM_HTTP_RESPONSE);
    for (int rc = 0; rc == 0;) {
        size_t used;
        rc = chunk_next(w);
        if (rc == 0) {
            TM_TRY(wire_wait(w, TM_NS_PER_S));
            continue;
        }
        TM_TRY(rc);
        rc = tm_http_head_feed(&w->head, w->chunk.data + w->at, w->chunk.sz - w->at, &used);
        TM_TRY(rc);
        w->at += used;
    }
    const tm_ws_cfg_t cfg = {.role = TM_WS_CLIENT};
    return tm_ws_open(&w->ws, &cfg);
}

static int wire_open(wire_t *w, uint16_t port, const char *ca_file)
{
    const tm_tls_ctx_cfg_t ctx = {.ca_file = ca_file};
    const tm_uring_cfg_t ring = {.buf_cnt = 64};
    tm_tls_t *tls;
    *w = (wire_t){0};
    TM_TRY(tm_uring_open(&w->ring, &ring));
    TM_TRY(tm_tls_ctx_open(&w->ctx, &ctx));
    TM_TRY(tm_tls_open(&tls, w->ctx, "localhost"));
    int fd = connect_to(port);
    TM_TRY(fd);
    const tm_link_cfg_t link = {.ring = w->ring, .fd = fd, .tls = tls};
    TM_TRY(tm_link_open(&w->link, &link));
    TM_TRY(tm_link_flush(w->link));
    return wire_upgrade(w);
}

static void wire_close(wire_t *w)
{
    if (w->link) tm_link_abort(w->link);
    tm_uring_event_t events[TM_URING_EVENT_MAX];
    int n = w->ring ? tm_uring_reap(w->ring, events, TM_URING_EVENT_MAX, TM_NS_PER_MS) : 0;
    for (int i = 0; i < n && w->link; i++)
        if (tm_link_on_event(w->link, &events[i]) < 0) break;
    tm_link_free(w->link);
    tm_ws_free(w->ws);
    tm_uring_close(w->ring);
    tm_tls_ctx_close(w->ctx);
}

/* All messages of the chunk. Returns how many, or the end. */
static int messages_take(wire_t *w, tm_frame_t *frames, int *end)
{
    int n = 0;
    while (n < BATCH && w->at < w->chunk.sz) {
        size_t used;
        tm_ws_message_t msg;
        int rc = tm_ws_read(w->ws, w->chunk.data + w->at, w->chunk.sz - w->at, &used, &msg);
        w->at += used;
        if (rc == TM_WS_MESSAGE)
            frames[n++] = (tm_frame_t){.data = msg.data, .sz = (uint32_t)msg.sz};
        if (rc < 0 || rc == TM_WS_CLOSED) *end = rc == TM_WS_CLOSED ? TM_E_CLOSED : rc;
        if (*end) break;
    }
    return n;
}

/* Times of one chunk, and of all chunks that nothing came between. */
typedef struct stage_times {
    int64_t tls_ns, ws_ns, parse_ns, ring_ns;
} stage_times_t;

/* A thread that lost its core in the middle of a chunk shows in the clock, not in the work. */
static bool is_disturbed(const stage_times_t *t, int cnt)
{
    int64_t sum_ns = t->tls_ns + t->ws_ns + t->parse_ns + t->ring_ns;
    return sum_ns > DISTURBED_NS + (int64_t)cnt * DISTURBED_MESSAGE_NS;
}

/* One chunk through the stages behind TLS. Returns its messages. */
static int chunk_through(wire_t *w, core_t *c, receiver_result_t *r, stage_times_t *t, int *end)
{
    static tm_frame_t frames[BATCH];
    int64_t mark_ns[4];
    mark_ns[0] = tm_clock_mono_ns();
    int cnt = messages_take(w, frames, end);
    mark_ns[1] = tm_clock_mono_ns();
    uint32_t row_cnt = 0;
    for (int i = 0; i < cnt; i++)
        row_cnt += tm_parser_frame(c->parser, &frames[i], c->rows + row_cnt, TM_PARSER_ROW_MAX);
    mark_ns[2] = tm_clock_mono_ns();
    rows_push(c, row_cnt);
    mark_ns[3] = tm_clock_mono_ns();
    t->ws_ns = mark_ns[1] - mark_ns[0];
    t->parse_ns = mark_ns[2] - mark_ns[1];
    t->ring_ns = mark_ns[3] - mark_ns[2];
    ring_empty(c);
    tm_ws_release(w->ws);
    r->messages += (uint64_t)cnt;
    r->rows += row_cnt;
    return cnt;
}

static int stages_run(wire_t *w, core_t *c, receiver_result_t *r)
{
    int end = 0;
    uint64_t timed_cnt = 0;
    while (end == 0) {
        stage_times_t t = {.tls_ns = -tm_clock_mono_ns()};
        int rc = chunk_next(w);
        t.tls_ns += tm_clock_mono_ns();
        if (rc > 0) {
            int cnt = chunk_through(w, c, r, &t, &end);
            if (is_disturbed(&t, cnt)) continue;
            timed_cnt += (uint64_t)cnt;
            r->tls_ns += (double)t.tls_ns;
            r->ws_ns += (double)t.ws_ns;
            r->parse_ns += (double)t.parse_ns;
            r->ring_ns += (double)t.ring_ns;
            continue;
        }
        if (rc == 0) rc = wire_wait(w, 20 * TM_NS_PER_MS);
        if (rc < 0 && rc != -EINTR) end = rc;
        usleep(GATHER_US); /* full buffers, so that the clock's own time does not count */
    }
    double cnt = timed_cnt > 0 ? (double)timed_cnt : 1;
    r->tls_ns /= cnt;
    r->ws_ns /= cnt;
    r->parse_ns /= cnt;
    r->ring_ns /= cnt;
    return end;
}

bool receiver_stages(uint16_t port, const char *ca_file, receiver_result_t *r)
{
    wire_t *w = malloc(sizeof *w);
    core_t c;
    *r = (receiver_result_t){0};
    if (!w || !core_open(&c)) return complain("open");
    int rc = wire_open(w, port, ca_file);
    double begin_ns = thread_ns(), begin_s = (double)tm_clock_mono_ns() / 1e9;
    if (rc >= 0) rc = stages_run(w, &c, r);
    r->seconds = (double)tm_clock_mono_ns() / 1e9 - begin_s;
    r->thread_ns = (thread_ns() - begin_ns) / (double)(r->messages ? r->messages : 1);
    r->kernel_ns = r->thread_ns - r->tls_ns - r->ws_ns - r->parse_ns - r->ring_ns;
    bool fine = rc == TM_E_CLOSED || complain("stages");
    wire_close(w);
    core_close(&c);
    free(w);
    return fine;
}
