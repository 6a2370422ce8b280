/* Compressed messages must read the same however the stream is cut, never past the limit; and what
   one end compresses the other must read as it was.
   Input: role and way, limits, terms, the size of the first piece, of the others, then
     way 0: a stream of frames
     way 1: the payload of one compressed message, put into frames here
     way 2: text, cut into messages that are compressed, sent and read
     way 3: the field in which a peer offers or answers terms */
#include "net/ws/http_extension.h"
#include "net/ws/ws.h"
#include "tests/fuzz/fuzz.h"
#include "tests/net/ws_wire.h"

#include <string.h>

enum { ROUND_MAX = 8192 };

typedef struct input {
    const uint8_t *data;
    size_t sz;
    tm_ws_cfg_t cfg; /* of the reading end */
    uint8_t first, chop;
} input_t;

static tm_ws_cfg_t cfg_of(uint8_t role, uint8_t limits, uint8_t terms)
{
    return (tm_ws_cfg_t){
        .role = role % 2 ? TM_WS_SERVER : TM_WS_CLIENT,
        .message_sz_max = limits % 16 ? 1u << (limits % 16 + 4) : 1u << 20,
        .fragment_cnt_max = limits / 16,
        .deflate = {.on = true,
                    .in_takeover = terms & 1,
                    .out_takeover = true,
                    .in_window_bits = (uint8_t)(8 + (terms >> 1) % 8),
                    .out_window_bits = 15},
    };
}

static void must_read_alike(const input_t *in, const tm_wire_t *wire)
{
    char *whole = tm_wire_run(&in->cfg, wire, (tm_wire_cut_t){0}, true);
    char *cut = tm_wire_run(&in->cfg, wire, (tm_wire_cut_t){in->first, in->chop}, true);
    char *bytes = wire->sz < 2000 ? tm_wire_run(&in->cfg, wire, (tm_wire_cut_t){.chop_sz = 1}, true)
                                  : NULL;
    TM_MUST(strcmp(whole, cut) == 0);
    TM_MUST(!bytes || strcmp(whole, bytes) == 0);
    free(whole);
    free(cut);
    free(bytes);
}

static void read_frames(const input_t *in)
{
    tm_wire_t wire = {0};
    tm_wire_raw(&wire, in->data, in->sz);
    must_read_alike(in, &wire);
    tm_wire_free(&wire);
}

/* In one frame and in fragments it must come to the same, but for one too large to be begun. */
static void read_payload(input_t *in)
{
    tm_wire_t one = {.masked = in->cfg.role == TM_WS_SERVER}, many = one;
    size_t step = in->chop ? in->chop : 1, at = 0;
    in->cfg.fragment_cnt_max = 0;
    tm_wire_frame(&one, WIRE_FIN | WIRE_RSV1 | WIRE_TEXT, in->data, in->sz);
    do {
        size_t n = in->sz - at < step ? in->sz - at : step;
        unsigned fin = at + n == in->sz ? WIRE_FIN : 0;
        tm_wire_frame(&many, fin | (at == 0 ? WIRE_RSV1 | WIRE_TEXT : WIRE_CONT), in->data + at, n);
        at += n;
    } while (at < in->sz);
    must_read_alike(in, &one);
    char *line_one = tm_wire_run(&in->cfg, &one, (tm_wire_cut_t){0}, false);
    char *line_many = tm_wire_run(&in->cfg, &many, (tm_wire_cut_t){.first_sz = in->first}, false);
    TM_MUST(in->sz > in->cfg.message_sz_max || strcmp(line_one, line_many) == 0);
    free(line_one);
    free(line_many);
    tm_wire_free(&one);
    tm_wire_free(&many);
}

static void round_trip(const input_t *in, uint8_t terms)
{
    static uint8_t out[2 * ROUND_MAX + TM_FRAME_PAD];
    tm_ws_cfg_t to_cfg = in->cfg, from_cfg = in->cfg;
    from_cfg.role = in->cfg.role == TM_WS_CLIENT ? TM_WS_SERVER : TM_WS_CLIENT;
    if (to_cfg.deflate.in_window_bits < TM_DEFLATE_OUT_WINDOW_BITS_MIN) {
        to_cfg.deflate.in_window_bits = TM_DEFLATE_OUT_WINDOW_BITS_MIN;
    }
    to_cfg.message_sz_max = from_cfg.message_sz_max = 0;
    from_cfg.deflate.out_takeover = to_cfg.deflate.in_takeover;
    from_cfg.deflate.out_window_bits = to_cfg.deflate.in_window_bits;
    from_cfg.deflate.level = (uint8_t)(1 + terms / 16 % 9);
    from_cfg.deflate.mem_level = in->first % 10;
    const uint8_t *key = from_cfg.role == TM_WS_CLIENT ? (const uint8_t *)"\x12\x34\x56\x78" : NULL;
    tm_ws_t *from, *to;
    TM_MUST(tm_ws_open(&from, &from_cfg) == 0 && tm_ws_open(&to, &to_cfg) == 0);
    size_t step = in->chop * 16u + 1;
    for (size_t at = 0; at <= in->sz; at += step) {
        size_t n = in->sz - at < step ? in->sz - at : step, used;
        tm_ws_message_t msg = {in->data + at, n, TM_WS_BINARY}, got;
        int sz = tm_ws_write(from, &msg, key, out, sizeof out - TM_FRAME_PAD);
        TM_MUST(sz > 0 && tm_ws_read(to, out, (size_t)sz, &used, &got) == TM_WS_MESSAGE);
        TM_MUST(used == (size_t)sz && got.sz == n && memcmp(got.data, msg.data, n) == 0);
        tm_ws_release(to);
    }
    tm_ws_free(from);
    tm_ws_free(to);
}

/* Terms that were agreed can be worked with, and were agreed only where nothing was wrong. */
static void must_open(int rc, const tm_deflate_terms_t *terms, tm_ws_role_t role)
{
    tm_ws_t *ws;
    tm_ws_cfg_t cfg = {.role = role, .deflate = *terms};
    TM_MUST(rc >= 0 || !terms->on);
    TM_MUST(tm_ws_open(&ws, &cfg) == 0);
    tm_ws_free(ws);
}

static void read_terms(const input_t *in, uint8_t terms_byte)
{
    static tm_http_head_t head;
    tm_deflate_cfg_t cfg = {.server_no_context_takeover = terms_byte & 1,
                            .client_no_context_takeover = terms_byte & 2,
                            .server_window_bits = terms_byte & 4 ? 10 : 0,
                            .client_window_bits = terms_byte & 8 ? 12 : 0,
                            .level = 1};
    tm_deflate_terms_t terms;
    char out[TM_HTTP_EXTENSION_MAX];
    tm_http_slice_t field = {(const char *)in->data, in->sz};
    int rc = tm_deflate_answer_read(&cfg, field, &terms);
    must_open(rc, &terms, TM_WS_CLIENT);

    tm_wire_t text = {0};
    size_t used;
    tm_wire_raw(&text, "GET / HTTP/1.1\r\nSec-WebSocket-Extensions: ", 42);
    tm_wire_raw(&text, in->data, in->sz);
    tm_wire_raw(&text, "\r\n\r\n", 4);
    tm_http_head_init(&head, TM_HTTP_REQUEST);
    if (tm_http_head_feed(&head, text.data, text.sz, &used) == 1) {
        rc = tm_deflate_offers_choose(&cfg, &head, &terms, out);
        must_open(rc, &terms, TM_WS_SERVER);
        TM_MUST(rc < 0 || (size_t)rc == strlen(out));
    }
    tm_wire_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t sz)
{
    uint8_t way = tm_fuzz_byte(&data, &sz), limits = tm_fuzz_byte(&data, &sz);
    uint8_t terms = tm_fuzz_byte(&data, &sz);
    input_t in = {.first = tm_fuzz_byte(&data, &sz), .chop = tm_fuzz_byte(&data, &sz)};
    in.cfg = cfg_of(way, limits, terms);
    in.data = data;
    in.sz = sz;
    if (way / 2 % 4 == 0) read_frames(&in);
    if (way / 2 % 4 == 1) read_payload(&in);
    if (way / 2 % 4 == 2) round_trip(&in, terms);
    if (way / 2 % 4 == 3) read_terms(&in, terms);
    return 0;
}
