/* bench/net/bench_deflate.c - what permessage-deflate costs a message of a feed.
   Cases    200-byte trades and the same text compressed, read and written with and without
            context takeover, against zlib called directly on the same bytes (no frames, no UTF-8
            check, no limit), and how much smaller they become */
#define ZLIB_CONST
#include "bench/bench.h"

#include "net/ws/ws.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { MESSAGE_CNT = 4096, MESSAGE_SZ = 200, POLL_SZ = 64 << 10, WIRE_SZ = 2 * MESSAGE_CNT * 256 };

static const uint8_t tail[4] = {0x00, 0x00, 0xff, 0xff};

typedef struct stream {
    tm_deflate_terms_t terms;
    uint8_t texts[MESSAGE_CNT][MESSAGE_SZ];
    uint8_t wire[WIRE_SZ + TM_FRAME_PAD]; /* the messages as compressed frames of a server */
    size_t wire_sz, payload_sz;
    uint32_t at[MESSAGE_CNT]; /* the payload of each in wire */
    uint16_t sz[MESSAGE_CNT];
    uint8_t out[POLL_SZ];
} stream_t;

static uint64_t random_next(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* Trades as a venue sends them: symbols in turn, ids that count, prices that walk. */
static void make_texts(stream_t *s)
{
    static const char *const symbols[] = {"BTCUSDT", "ETHUSDT", "BNBUSDT", "SOLUSDT"};
    uint64_t seed = 20240808, id = 3748211000, time_ms = 1723075200012;
    uint64_t prices[] = {5513398, 242011, 48730, 14522};
    for (size_t i = 0; i < MESSAGE_CNT; i++) {
        uint64_t r = random_next(&seed), which = r % 4;
        prices[which] += r / 8 % 21;
        prices[which] -= 10;
        time_ms += r / 1024 % 12;
        char text[2 * MESSAGE_SZ];
        int n = snprintf(text, sizeof text,
                         "{\"stream\":\"%s@trade\",\"data\":{\"e\":\"trade\",\"E\":%llu,"
                         "\"s\":\"%s\",\"t\":%llu,\"p\":\"%llu.%02llu000000\","
                         "\"q\":\"0.%05llu000\",\"T\":%llu,\"m\":%s,\"M\":true}}",
                         symbols[which], (unsigned long long)time_ms, symbols[which],
                         (unsigned long long)id++, (unsigned long long)prices[which] / 100,
                         (unsigned long long)prices[which] % 100,
                         (unsigned long long)(r / 65536 % 100000), (unsigned long long)time_ms - 1,
                         r & 256 ? "true" : "false");
        memset(text + n, ' ', sizeof text - (size_t)n);
        memcpy(s->texts[i], text, MESSAGE_SZ);
    }
}

/* Compresses every message with our own writer and notes where its payload lies. */
static int make_wire(stream_t *s)
{
    tm_ws_cfg_t cfg = {.role = TM_WS_SERVER, .deflate = s->terms};
    tm_ws_t *ws;
    if (tm_ws_open(&ws, &cfg) < 0) return -1;
    s->wire_sz = s->payload_sz = 0;
    for (size_t i = 0; i < MESSAGE_CNT; i++) {
        tm_ws_message_t msg = {s->texts[i], MESSAGE_SZ, TM_WS_TEXT};
        int n = tm_ws_write(ws, &msg, NULL, s->wire + s->wire_sz, WIRE_SZ - s->wire_sz);
        if (n < 0) break;
        size_t head_sz = s->wire[s->wire_sz + 1] < 126 ? 2 : 4;
        s->at[i] = (uint32_t)(s->wire_sz + head_sz);
        s->sz[i] = (uint16_t)((size_t)n - head_sz);
        s->payload_sz += s->sz[i];
        s->wire_sz += (size_t)n;
    }
    tm_ws_free(ws);
    return 0;
}

static double per_message(double start)
{
    return (tm_bench_now() - start) * 1e9 / MESSAGE_CNT;
}

/* The window of a new connection is empty, so one pass is one connection; it is opened outside the
   time. Input comes in polls of 64 KiB. */
static double read_tidemark(void *arg)
{
    stream_t *s = arg;
    tm_ws_cfg_t cfg = {.role = TM_WS_CLIENT, .deflate = s->terms};
    tm_ws_t *ws;
    cfg.deflate.level = 0;
    if (tm_ws_open(&ws, &cfg) < 0) return NAN;
    uint64_t seen = 0, cnt = 0;
    double start = tm_bench_now();
    for (size_t at = 0, end = 0; at < s->wire_sz;) {
        size_t used;
        tm_ws_message_t msg;
        if (at >= end) tm_ws_release(ws);
        if (at >= end) end = at + POLL_SZ < s->wire_sz ? at + POLL_SZ : s->wire_sz;
        int event = tm_ws_read(ws, s->wire + at, end - at, &used, &msg);
        if (event < 0) break;
        at += used;
        if (event != TM_WS_MESSAGE) continue;
        seen += msg.sz + msg.data[0];
        cnt++;
    }
    double ns = per_message(start);
    tm_bench_keep(seen);
    tm_ws_free(ws);
    if (cnt != MESSAGE_CNT) return NAN;
    return ns;
}

static double read_zlib(void *arg)
{
    stream_t *s = arg;
    z_stream strm = {0};
    if (inflateInit2(&strm, -15) != Z_OK) return NAN;
    uint64_t seen = 0;
    double start = tm_bench_now();
    for (size_t i = 0; i < MESSAGE_CNT; i++) {
        if (!s->terms.in_takeover) inflateReset(&strm);
        strm.next_out = s->out;
        strm.avail_out = sizeof s->out;
        strm.next_in = s->wire + s->at[i];
        strm.avail_in = s->sz[i];
        inflate(&strm, Z_SYNC_FLUSH);
        strm.next_in = tail;
        strm.avail_in = sizeof tail;
        inflate(&strm, Z_SYNC_FLUSH);
        seen += s->out[0] + sizeof s->out - strm.avail_out;
    }
    double ns = per_message(start);
    tm_bench_keep(seen);
    inflateEnd(&strm);
    return ns;
}

static double write_tidemark(void *arg)
{
    stream_t *s = arg;
    tm_ws_cfg_t cfg = {.role = TM_WS_SERVER, .deflate = s->terms};
    tm_ws_t *ws;
    if (tm_ws_open(&ws, &cfg) < 0) return NAN;
    uint64_t seen = 0;
    double start = tm_bench_now();
    for (size_t i = 0; i < MESSAGE_CNT; i++) {
        tm_ws_message_t msg = {s->texts[i], MESSAGE_SZ, TM_WS_TEXT};
        int n = tm_ws_write(ws, &msg, NULL, s->out, sizeof s->out);
        seen += (uint64_t)n + s->out[0];
    }
    double ns = per_message(start);
    tm_bench_keep(seen);
    tm_ws_free(ws);
    return ns;
}

static double write_zlib(void *arg)
{
    stream_t *s = arg;
    z_stream strm = {0};
    int mem_level = s->terms.mem_level ? s->terms.mem_level : 8;
    if (deflateInit2(&strm, s->terms.level, Z_DEFLATED, -15, mem_level, Z_DEFAULT_STRATEGY) != Z_OK)
        return NAN;
    uint64_t seen = 0;
    double start = tm_bench_now();
    for (size_t i = 0; i < MESSAGE_CNT; i++) {
        if (!s->terms.out_takeover) deflateReset(&strm);
        strm.next_out = s->out;
        strm.avail_out = sizeof s->out;
        strm.next_in = s->texts[i];
        strm.avail_in = MESSAGE_SZ;
        deflate(&strm, Z_SYNC_FLUSH);
        seen += s->out[0] + sizeof s->out - strm.avail_out;
    }
    double ns = per_message(start);
    tm_bench_keep(seen);
    deflateEnd(&strm);
    return ns;
}

static void run_pair(tm_bench_t *bench, stream_t *s, const char *name, tm_bench_fn_t ours,
                     tm_bench_fn_t peer)
{
    tm_bench_case_t c = {
        .name = name,
        .unit = "ns/message",
        .lower_is_better = true,
        .variant_cnt = 2,
        .variants = {{"tidemark", ours, s}, {"zlib alone", peer, s}},
    };
    tm_bench_run(bench, &c);
}

static void run_terms(tm_bench_t *bench, stream_t *s, const char *name, bool takeover)
{
    static const uint8_t levels[] = {1, 6};
    for (size_t i = 0; i < sizeof levels; i++) {
        char text[64];
        s->terms = (tm_deflate_terms_t){.on = true,
                                        .in_takeover = takeover,
                                        .out_takeover = takeover,
                                        .in_window_bits = 15,
                                        .out_window_bits = 15,
                                        .level = levels[i],
                                        .mem_level = takeover ? 8 : 3};
        if (make_wire(s) < 0) return;
        double ratio = (double)MESSAGE_CNT * MESSAGE_SZ / (double)s->payload_sz;
        snprintf(text, sizeof text, "read_%s_level_%u", name, levels[i]);
        run_pair(bench, s, text, read_tidemark, read_zlib);
        snprintf(text, sizeof text, "write_%s_level_%u", name, levels[i]);
        run_pair(bench, s, text, write_tidemark, write_zlib);
        snprintf(text, sizeof text, "ratio_%s_level_%u", name, levels[i]);
        if (tm_bench_wants(bench, text)) tm_bench_report(bench, text, "x", &ratio, 1);
    }
}

int main(int argc, char **argv)
{
    tm_bench_t *bench = tm_bench_open("deflate", argc, argv);
    stream_t *s = calloc(1, sizeof *s);
    if (!s) return 1;
    make_texts(s);
    run_terms(bench, s, "takeover", true);
    run_terms(bench, s, "fresh", false);
    free(s);
    return tm_bench_close(bench);
}
