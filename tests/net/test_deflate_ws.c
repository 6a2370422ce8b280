/* Compressed messages through the whole reader and writer. Frames are made by hand. */
#define ZLIB_CONST
#include "base/error.h"
#include "net/ws/ws.h"
#include "tests/net/ws_wire.h"
#include "tests/tm_test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define TERMS                                                                                      \
    {                                                                                              \
        .on = true, .in_takeover = true, .out_takeover = true, .in_window_bits = 15,               \
        .out_window_bits = 15                                                                      \
    }

static const tm_ws_cfg_t client = {.role = TM_WS_CLIENT, .deflate = TERMS};
static const tm_ws_cfg_t server = {.role = TM_WS_SERVER, .deflate = TERMS};

enum { DEFLATED = WIRE_FIN | WIRE_RSV1 | WIRE_TEXT };

#define FRAME(w, first, bytes) tm_wire_frame(w, first, bytes, sizeof(bytes) - 1)
#define HELLO                  "\xf2\x48\xcd\xc9\xc9\x07\x00"
#define HELLO_AGAIN            "\xf2\x00\x11\x00\x00"

/* Adds frames of at most frame_sz bytes that carry the text compressed by zlib. */
static void add_deflated(tm_wire_t *w, unsigned op, const void *text, size_t sz, size_t frame_sz)
{
    z_stream strm = {0};
    size_t cap = sz + sz / 8 + 1000;
    uint8_t *wire = malloc(cap);
    tm_assert_eq(deflateInit2(&strm, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    strm.next_in = text;
    strm.avail_in = (uInt)sz;
    strm.next_out = wire;
    strm.avail_out = (uInt)cap;
    tm_assert_eq(deflate(&strm, Z_SYNC_FLUSH), Z_OK);
    size_t wire_sz = cap - strm.avail_out - 4, at = 0;
    do {
        size_t n = wire_sz - at < frame_sz ? wire_sz - at : frame_sz;
        unsigned fin = at + n == wire_sz ? WIRE_FIN : 0;
        tm_wire_frame(w, fin | (at == 0 ? WIRE_RSV1 | op : WIRE_CONT), wire + at, n);
        at += n;
    } while (at < wire_sz);
    deflateEnd(&strm);
    free(wire);
}

Test(deflate_ws, the_examples_of_the_rfc_are_read_in_both_roles)
{
    for (int masked = 0; masked < 2; masked++) {
        tm_wire_t w = {.masked = masked};
        FRAME(&w, DEFLATED, HELLO);
        FRAME(&w, WIRE_RSV1 | WIRE_TEXT, "\xf2\x48\xcd");
        FRAME(&w, WIRE_FIN | WIRE_CONT, "\xc9\xc9\x07\x00");
        FRAME(&w, DEFLATED, HELLO_AGAIN);
        FRAME(&w, DEFLATED, "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00");
        FRAME(&w, DEFLATED, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00");
        FRAME(&w, DEFLATED, "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00");
        FRAME(&w, WIRE_FIN | WIRE_TEXT, "plain");
        FRAME(&w, DEFLATED, HELLO_AGAIN);
        tm_assert(tm_wire_reads_as(masked ? &server : &client, &w,
                                   "<text:Hello <text:Hello <text:Hello <text:Hello <text:Hello "
                                   "<text:Hello <text:plain <text:Hello open"));
    }
}

Test(deflate_ws, empty_messages_are_read_however_they_are_compressed)
{
    tm_wire_t w = {0};
    FRAME(&w, DEFLATED, "\x00");
    FRAME(&w, DEFLATED, "\x02\x00");
    FRAME(&w, DEFLATED, "");
    FRAME(&w, WIRE_RSV1 | WIRE_BINARY, "");
    FRAME(&w, WIRE_CONT, "");
    FRAME(&w, WIRE_FIN | WIRE_CONT, "\x00");
    FRAME(&w, WIRE_RSV1 | WIRE_BINARY, "");
    FRAME(&w, WIRE_FIN | WIRE_CONT, "");
    FRAME(&w, DEFLATED, HELLO);
    tm_assert(
        tm_wire_reads_as(&client, &w, "<text: <text: <text: <binary: <binary: <text:Hello open"));
}

Test(deflate_ws, control_frames_between_fragments_are_never_compressed)
{
    tm_wire_t w = {0};
    FRAME(&w, WIRE_RSV1 | WIRE_TEXT, "\xf2\x48");
    FRAME(&w, WIRE_FIN | WIRE_PING, "p");
    FRAME(&w, WIRE_CONT, "\xcd\xc9");
    FRAME(&w, WIRE_FIN | WIRE_PONG, HELLO);
    FRAME(&w, WIRE_FIN | WIRE_CONT, "\xc9\x07\x00");
    tm_assert(tm_wire_reads_as(&client, &w,
                               "<ping:p >pong:p <pong:#7.18178e14010291eb <text:Hello open"));
    FRAME(&w, WIRE_FIN | WIRE_RSV1 | WIRE_PING, "\x00");
    tm_assert(tm_wire_reads_as(&client, &w, ">close:1002: protocol error"));
    tm_assert(strstr(tm_error_text(), "a compressed control frame"));
}

Test(deflate_ws, the_bit_stands_only_on_first_frames_and_only_where_agreed)
{
    static const tm_ws_cfg_t plain = {.role = TM_WS_CLIENT};
    tm_wire_t w = {0};
    FRAME(&w, DEFLATED, HELLO);
    tm_assert(tm_wire_reads_as(&plain, &w, ">close:1002: protocol error"));
    tm_assert(strstr(tm_error_text(), "no extension was agreed"));
    FRAME(&w, WIRE_RSV1 | WIRE_TEXT, "\xf2\x48\xcd");
    FRAME(&w, WIRE_FIN | WIRE_RSV1 | WIRE_CONT, "\xc9\xc9\x07\x00");
    tm_assert(tm_wire_reads_as(&client, &w, ">close:1002: protocol error"));
    tm_assert(strstr(tm_error_text(), "says again"));
    static const unsigned others[] = {WIRE_RSV2, WIRE_RSV3, WIRE_RSV1 | WIRE_RSV3};
    for (size_t i = 0; i < TM_ARRAY_CNT(others); i++) {
        FRAME(&w, WIRE_FIN | WIRE_TEXT | others[i], HELLO);
        tm_assert(tm_wire_reads_as(&client, &w, ">close:1002: protocol error"));
        tm_assert(strstr(tm_error_text(), "reserved bits 2 or 3"));
    }
}

Test(deflate_ws, damage_is_answered_with_1007)
{
    tm_wire_t w = {0};
    FRAME(&w, DEFLATED, "\xf2\x48\xcd\xc9\xc9");
    tm_assert(tm_wire_reads_as(&client, &w, ">close:1007: protocol error"));
    FRAME(&w, DEFLATED, "\x07");
    tm_assert(tm_wire_reads_as(&client, &w, ">close:1007: protocol error"));
    FRAME(&w, DEFLATED, HELLO_AGAIN);
    tm_assert(tm_wire_reads_as(&client, &w, ">close:1007: protocol error"));
    tm_assert(strstr(tm_error_text(), "invalid distance"));
}

Test(deflate_ws, utf8_is_that_of_the_inflated_text_and_judged_as_it_comes)
{
    char text[3000];
    memset(text, 'x', sizeof text);
    memcpy(text + 1200, "\xce\xba\xe1\xbd\xb9", 5);
    tm_wire_t w = {0}, good = {0}, line = {0};
    add_deflated(&w, WIRE_TEXT, text, sizeof text, 7);
    tm_wire_frame(&good, WIRE_FIN | WIRE_TEXT, text, sizeof text);
    tm_wire_show(&line, good.data, good.sz, false);
    line.data[0] = '<';
    tm_wire_raw(&line, " open", 6);
    tm_assert(tm_wire_reads_as(&client, &w, (char *)line.data));
    memcpy(text + 2998, "\xe1\xbd", 2); /* ends inside a character */
    add_deflated(&w, WIRE_TEXT, text, sizeof text, 7);
    tm_assert(tm_wire_reads_as(&client, &w, ">close:1007: protocol error"));
    add_deflated(&w, WIRE_BINARY, text, sizeof text, 7);
    char *read = tm_wire_run(&client, &w, (tm_wire_cut_t){0}, false);
    tm_assert(strncmp(read, "<binary:#3000.", 14) == 0);
    free(read);
    /* A stored block whose text goes wrong at once; nothing of its rest is sent. */
    tm_wire_free(&w);
    FRAME(&w, WIRE_RSV1 | WIRE_TEXT, "\x00\x00\x10\xff\xef\xed\xa0");
    tm_assert(tm_wire_reads_as(&client, &w, ">close:1007: protocol error"));
    tm_assert(strstr(tm_error_text(), "not UTF-8"));
    tm_wire_free(&good);
    tm_wire_free(&line);
}

Test(deflate_ws, a_bomb_ends_with_1009_before_memory_grows_past_the_limit)
{
    enum { LIMIT = 100000, BOMB = 64 << 20 };
    tm_ws_cfg_t cfg = client;
    cfg.message_sz_max = LIMIT;
    uint8_t *zeros = calloc(1, BOMB);
    tm_wire_t w = {0};
    add_deflated(&w, WIRE_BINARY, zeros, BOMB, SIZE_MAX);
    tm_assert(w.sz < BOMB / 900);
    tm_ws_t *ws;
    tm_ws_message_t msg;
    size_t used;
    tm_assert_eq(tm_ws_open(&ws, &cfg), 0);
    tm_assert_eq(tm_ws_read(ws, w.data, w.sz, &used, &msg), (int)TM_E_LIMIT);
    tm_assert(strstr(tm_error_text(), "100001 bytes or more when it is inflated; the limit is"));
    tm_assert(tm_ws_buffer_sz(ws) < 2 * LIMIT);
    tm_ws_free(ws);
    tm_assert(tm_wire_reads_as(&cfg, &w, ">close:1009: limit exceeded"));
    /* Exactly the limit passes, whatever the ratio; one more byte does not. */
    for (int more = 0; more < 2; more++) {
        add_deflated(&w, WIRE_BINARY, zeros, LIMIT + (size_t)more, 50);
        char *line = tm_wire_run(&cfg, &w, (tm_wire_cut_t){0}, false);
        tm_assert(strstr(line, more ? ">close:1009:" : "<binary:#100000."));
        free(line);
        tm_wire_free(&w);
    }
    free(zeros);
}

Test(deflate_ws, what_does_not_compress_may_be_larger_on_the_wire_than_the_limit)
{
    enum { LIMIT = 1000 };
    tm_ws_cfg_t cfg = client;
    cfg.message_sz_max = LIMIT;
    uint8_t stored[LIMIT + 5 * LIMIT / 50 + 1], *at = stored;
    for (int i = 0; i < LIMIT / 50; i++) {
        memcpy(at, "\x00\x32\x00\xcd\xff", 5);
        memset(at + 5, 'a' + i, 50);
        at += 55;
    }
    *at = 0;
    tm_wire_t w = {0};
    tm_wire_frame(&w, DEFLATED, stored, sizeof stored);
    char *line = tm_wire_run(&cfg, &w, (tm_wire_cut_t){0}, false);
    tm_assert(strncmp(line, "<text:#1000.", 12) == 0);
    free(line);
    tm_wire_free(&w);
    /* Blocks without a byte in them come to an end too. */
    uint8_t *empty = malloc(5 * LIMIT);
    for (int i = 0; i < LIMIT; i++) memcpy(empty + 5 * (size_t)i, "\x00\x00\x00\xff\xff", 5);
    tm_wire_frame(&w, DEFLATED, empty, 5 * LIMIT);
    tm_assert(tm_wire_reads_as(&cfg, &w, ">close:1009: limit exceeded"));
    tm_assert(strstr(tm_error_text(), "5000 bytes or more when compressed"));
    free(empty);
}

/* A pair that has agreed on what `i` says; bits 0-1: takeover of the server, the client. */
static void open_pair(tm_ws_t **from, tm_ws_t **to, tm_ws_role_t from_role, unsigned i)
{
    tm_ws_cfg_t out = {.role = from_role}, in = {.role = from_role ? TM_WS_CLIENT : TM_WS_SERVER};
    out.deflate = (tm_deflate_terms_t){.on = true,
                                       .in_takeover = i & 2,
                                       .out_takeover = i & 1,
                                       .in_window_bits = 15,
                                       .out_window_bits = (uint8_t)(9 + i % 7),
                                       .level = (uint8_t)(1 + i % 9),
                                       .mem_level = (uint8_t)(i % 10)};
    in.deflate = (tm_deflate_terms_t){.on = true,
                                      .in_takeover = i & 1,
                                      .out_takeover = i & 2,
                                      .in_window_bits = out.deflate.out_window_bits,
                                      .out_window_bits = 15};
    tm_assert_eq(tm_ws_open(from, &out), 0);
    tm_assert_eq(tm_ws_open(to, &in), 0);
}

Test(deflate_ws, what_one_end_compresses_the_other_end_reads)
{
    static const size_t sizes[] = {0, 0, 1, 5, 110, 111, 126, 200, 70000, 0, 65535, 300000};
    static uint8_t text[300000], out[400000 + TM_FRAME_PAD];
    for (size_t i = 0; i < sizeof text; i++) text[i] = (uint8_t)('a' + i * i % 997 % 26);
    for (unsigned i = 0; i < 64; i++) {
        tm_ws_role_t role = i % 3 ? TM_WS_SERVER : TM_WS_CLIENT;
        const uint8_t *key = role == TM_WS_CLIENT ? (const uint8_t *)"\x01\x80\xff\x7e" : NULL;
        tm_ws_t *from, *to;
        open_pair(&from, &to, role, i);
        for (size_t k = 0; k < TM_ARRAY_CNT(sizes); k++) {
            tm_ws_message_t msg = {text + k, sizes[k], k % 2 ? TM_WS_TEXT : TM_WS_BINARY}, got;
            if (msg.sz > 1000) msg.sz -= k;
            int n = tm_ws_write(from, &msg, key, out, sizeof out - TM_FRAME_PAD);
            tm_assert(n > 0 && (size_t)n <= tm_ws_frame_sz(from, msg.sz));
            tm_assert_eq(out[0], (WIRE_FIN | (msg.sz ? WIRE_RSV1 : 0) | (unsigned)msg.op));
            size_t used;
            tm_assert_eq(tm_ws_read(to, out, (size_t)n, &used, &got), (int)TM_WS_MESSAGE);
            tm_assert_eq(used, (size_t)n);
            tm_assert_eq(got.sz, msg.sz);
            tm_assert_eq(got.op, msg.op);
            tm_assert(memcmp(got.data, msg.data, msg.sz) == 0);
            tm_ws_release(to);
        }
        tm_ws_free(from);
        tm_ws_free(to);
    }
}

Test(deflate_ws, a_message_goes_out_as_it_is_where_only_that_is_sure_to_fit)
{
    tm_ws_t *from, *to;
    uint8_t out[400];
    tm_ws_message_t msg = {(const uint8_t *)"Hello", 5, TM_WS_TEXT}, ping = msg;
    open_pair(&from, &to, TM_WS_SERVER, 3);
    tm_assert_eq(tm_ws_write(from, &msg, NULL, out, 6), -ENOBUFS);
    tm_assert_eq(tm_ws_write(from, &msg, NULL, out, 7), 7);
    tm_assert(memcmp(out, "\x81\x05Hello", 7) == 0);
    ping.op = TM_WS_PING;
    tm_assert_eq(tm_ws_write(from, &ping, NULL, out, sizeof out), 7);
    tm_assert(memcmp(out, "\x89\x05Hello", 7) == 0);
    tm_assert_eq(tm_ws_write(from, &msg, NULL, out, sizeof out), 9);
    tm_assert(memcmp(out, "\xc1\x07" HELLO, 9) == 0);
    tm_assert_eq(tm_ws_write(from, &msg, NULL, out, sizeof out), 7);
    tm_assert(memcmp(out, "\xc1\x05" HELLO_AGAIN, 7) == 0);
    tm_ws_free(from);
    tm_ws_free(to);
}

Test(deflate_ws, inflated_messages_stay_in_place_until_they_are_released)
{
    tm_wire_t w = {0};
    tm_ws_t *ws;
    tm_ws_message_t msgs[200];
    FRAME(&w, DEFLATED, HELLO);
    char text[3000];
    for (size_t i = 0; i < 199; i++) {
        memset(text, 'a' + (int)i % 26, sizeof text);
        add_deflated(&w, WIRE_TEXT, text, 10 + i * 15 % 2990, SIZE_MAX);
    }
    tm_assert_eq(tm_ws_open(&ws, &client), 0);
    size_t steady_sz = 0;
    for (int pass = 0; pass < 4; pass++) {
        size_t at = 0, used;
        for (size_t i = 0; i < 200; i++, at += used) {
            tm_assert_eq(tm_ws_read(ws, w.data + at, w.sz - at, &used, &msgs[i]),
                         (int)TM_WS_MESSAGE);
        }
        tm_assert(memcmp(msgs[0].data, "Hello", 5) == 0);
        for (size_t i = 1; i < 200; i++) {
            tm_assert_eq(msgs[i].sz, 10 + (i - 1) * 15 % 2990);
            for (size_t k = 0; k < msgs[i].sz; k++) {
                if (msgs[i].data[k] != 'a' + (i - 1) % 26) tm_assert_eq(msgs[i].data[k], 0);
            }
        }
        /* Once the buffer has the size of a poll nothing is allocated any more. */
        tm_ws_release(ws);
        if (pass == 1) steady_sz = tm_ws_buffer_sz(ws);
        if (pass > 1) tm_assert_eq(tm_ws_buffer_sz(ws), steady_sz);
    }
    tm_ws_free(ws);
    tm_wire_free(&w);
}
