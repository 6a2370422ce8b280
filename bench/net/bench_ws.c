/* bench/net/bench_ws.c - what a WebSocket message costs between decrypted bytes and a frame.
   Cases    200-byte trades and a mix of sizes as a client receives them, 64 KiB of input a read,
            against wslay's event layer and its frame layer alone; UTF-8 checks */
#include "bench/bench.h"

#include "net/ws/utf8.h"
#include "net/ws/ws.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wslay/wslay.h>

enum { STREAM_SZ = 64 << 10, PASSES = 200 };

typedef struct stream {
    uint8_t bytes[STREAM_SZ + TM_FRAME_PAD];
    size_t sz;
    uint32_t cnt;
    size_t at; /* where wslay's callbacks read on */
} stream_t;

/* Unmasked text frames of the given sizes in turn, as many as fit. */
static void fill(stream_t *s, const size_t *sizes, size_t size_cnt)
{
    static const char json[] =
        "{\"e\":\"trade\",\"E\":1723075200012,\"s\":\"BTCUSDT\",\"t\":3748211,"
        "\"p\":\"55133.98000000\",\"q\":\"0.00128000\"},";
    for (;;) {
        size_t sz = sizes[s->cnt % size_cnt], head_sz = sz < 126 ? 2 : 4;
        if (s->sz + head_sz + sz > STREAM_SZ) return;
        uint8_t *p = s->bytes + s->sz;
        p[0] = 0x81;
        p[1] = (uint8_t)(sz < 126 ? sz : 126);
        if (sz >= 126) p[2] = (uint8_t)(sz >> 8);
        if (sz >= 126) p[3] = (uint8_t)sz;
        for (size_t i = 0; i < sz; i++) p[head_sz + i] = (uint8_t)json[i % (sizeof json - 1)];
        s->sz += head_sz + sz;
        s->cnt++;
    }
}

static double per_message(const stream_t *s, double seconds)
{
    return seconds * 1e9 / PASSES / s->cnt;
}

static double run_tidemark(void *arg)
{
    stream_t *s = arg;
    tm_ws_t *ws;
    tm_ws_cfg_t cfg = {.role = TM_WS_CLIENT};
    if (tm_ws_open(&ws, &cfg) < 0) return (double)NAN;
    uint64_t seen = 0;
    double start = tm_bench_now();
    for (int pass = 0; pass < PASSES; pass++) {
        size_t used;
        tm_ws_message_t msg;
        for (size_t at = 0; tm_ws_read(ws, s->bytes + at, s->sz - at, &used, &msg) > 0;
             at += used) {
            seen += msg.sz + msg.data[0];
        }
        tm_ws_release(ws);
    }
    double seconds = tm_bench_now() - start;
    tm_bench_keep(seen);
    tm_ws_free(ws);
    return per_message(s, seconds);
}

static ssize_t frame_recv(uint8_t *buf, size_t len, int flags, void *arg)
{
    (void)flags;
    stream_t *s = arg;
    size_t n = len < s->sz - s->at ? len : s->sz - s->at;
    if (n == 0) return -1;
    memcpy(buf, s->bytes + s->at, n);
    s->at += n;
    return (ssize_t)n;
}

/* The frame layer by itself: no checks, payload left in its own buffer. */
static double run_frame_layer(void *arg)
{
    stream_t *s = arg;
    wslay_frame_context_ptr ctx;
    struct wslay_frame_callbacks callbacks = {.recv_callback = frame_recv};
    if (wslay_frame_context_init(&ctx, &callbacks, s) != 0) return (double)NAN;
    uint64_t seen = 0;
    double start = tm_bench_now();
    for (int pass = 0; pass < PASSES; pass++) {
        struct wslay_frame_iocb frame;
        s->at = 0;
        while (wslay_frame_recv(ctx, &frame) >= 0) seen += frame.data_length + frame.data[0];
    }
    double seconds = tm_bench_now() - start;
    tm_bench_keep(seen);
    wslay_frame_context_free(ctx);
    return per_message(s, seconds);
}

static ssize_t event_recv(wslay_event_context_ptr ctx, uint8_t *buf, size_t len, int flags,
                          void *arg)
{
    ssize_t n = frame_recv(buf, len, flags, arg);
    if (n < 0) wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
    return n;
}

static uint64_t event_seen;

static void event_message(wslay_event_context_ptr ctx,
                          const struct wslay_event_on_msg_recv_arg *msg, void *arg)
{
    (void)ctx;
    (void)arg;
    event_seen += msg->msg_length + msg->msg[0];
}

static double run_event_layer(void *arg)
{
    stream_t *s = arg;
    wslay_event_context_ptr ctx;
    struct wslay_event_callbacks callbacks = {.recv_callback = event_recv,
                                              .on_msg_recv_callback = event_message};
    if (wslay_event_context_client_init(&ctx, &callbacks, s) != 0) return (double)NAN;
    double start = tm_bench_now();
    for (int pass = 0; pass < PASSES; pass++) {
        s->at = 0;
        if (wslay_event_recv(ctx) != 0) return (double)NAN;
    }
    double seconds = tm_bench_now() - start;
    tm_bench_keep(event_seen);
    wslay_event_context_free(ctx);
    return per_message(s, seconds);
}

static double run_utf8(void *arg)
{
    const stream_t *s = arg;
    uint64_t ok = 0;
    double start = tm_bench_now();
    for (int pass = 0; pass < PASSES; pass++) ok += tm_utf8_is_valid(s->bytes, s->sz);
    double seconds = tm_bench_now() - start;
    if (ok != PASSES) return (double)NAN;
    return (double)s->sz * PASSES / seconds / 1e9;
}

static void run_messages(tm_bench_t *bench, const char *name, const size_t *sizes, size_t size_cnt)
{
    if (!tm_bench_wants(bench, name)) return;
    stream_t *s = calloc(1, sizeof *s);
    if (!s) return;
    fill(s, sizes, size_cnt);
    tm_bench_case_t c = {
        .name = name,
        .unit = "ns/message",
        .lower_is_better = true,
        .variant_cnt = 3,
        .variants = {{"tidemark", run_tidemark, s},
                     {"wslay 1.1.1 event layer", run_event_layer, s},
                     {"wslay 1.1.1 frame layer, no checks", run_frame_layer, s}},
    };
    tm_bench_run(bench, &c);
    free(s);
}

static void run_text(tm_bench_t *bench, const char *name, const char *part)
{
    if (!tm_bench_wants(bench, name)) return;
    stream_t *s = calloc(1, sizeof *s);
    if (!s) return;
    size_t sz = strlen(part);
    for (; s->sz + sz <= STREAM_SZ; s->sz += sz) memcpy(s->bytes + s->sz, part, sz);
    tm_bench_case_t c = {
        .name = name, .unit = "GB/s", .variant_cnt = 1, .variants = {{"tidemark", run_utf8, s}}};
    tm_bench_run(bench, &c);
    free(s);
}

int main(int argc, char **argv)
{
    static const size_t trades[] = {200}, mixed[] = {90, 130, 150, 210, 2000, 140, 170, 100};
    tm_bench_t *bench = tm_bench_open("ws", argc, argv);
    run_messages(bench, "receive_200_bytes", trades, 1);
    run_messages(bench, "receive_mixed_sizes", mixed, TM_ARRAY_CNT(mixed));
    run_text(bench, "utf8_ascii", "{\"e\":\"trade\",\"s\":\"BTCUSDT\"}");
    run_text(bench, "utf8_greek", "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5 ");
    return tm_bench_close(bench);
}
