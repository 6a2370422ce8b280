#include "tests/net/ws_wire.h"

#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t key[4] = {0x37, 0xfa, 0x21, 0x3d};

#define MUST(cond)                                                                                 \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #cond);               \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

void tm_wire_free(tm_wire_t *wire)
{
    free(wire->data);
    *wire = (tm_wire_t){.masked = wire->masked};
}

void tm_wire_raw(tm_wire_t *wire, const void *bytes, size_t sz)
{
    if (wire->sz + sz > wire->cap_sz) {
        wire->cap_sz = 2 * (wire->sz + sz) + 64;
        wire->data = realloc(wire->data, wire->cap_sz);
        MUST(wire->data);
    }
    if (sz > 0) memcpy(wire->data + wire->sz, bytes, sz);
    wire->sz += sz;
}

void tm_wire_frame(tm_wire_t *wire, unsigned first, const void *payload, size_t sz)
{
    uint8_t head[14] = {(uint8_t)first};
    size_t at = 2;
    unsigned len_sz = sz < 126 ? 0 : sz < 65536 ? 2 : 8;
    head[1] = (uint8_t)(len_sz == 0 ? sz : len_sz == 2 ? 126 : 127);
    for (unsigned i = len_sz; i > 0; i--) head[at++] = (uint8_t)(sz >> (8 * (i - 1)));
    if (wire->masked) {
        head[1] |= 0x80;
        memcpy(head + at, key, 4);
        at += 4;
    }
    tm_wire_raw(wire, head, at);
    tm_wire_raw(wire, payload, sz);
    uint8_t *bytes = wire->data + wire->sz - sz;
    for (size_t i = 0; wire->masked && i < sz; i++) bytes[i] ^= key[i % 4];
}

void tm_wire_text(tm_wire_t *wire, unsigned first, const char *payload)
{
    tm_wire_frame(wire, first, payload, strlen(payload));
}

void tm_wire_close(tm_wire_t *wire, unsigned code, const char *reason)
{
    tm_wire_t payload = {0};
    uint8_t big_endian[2] = {(uint8_t)(code >> 8), (uint8_t)code};
    tm_wire_raw(&payload, big_endian, sizeof big_endian);
    tm_wire_raw(&payload, reason, strlen(reason));
    tm_wire_frame(wire, WIRE_FIN | WIRE_CLOSE, payload.data, payload.sz);
    tm_wire_free(&payload);
}

TM_PRINTF(2, 3)
static void say(tm_wire_t *line, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *text = NULL;
    int n = vasprintf(&text, fmt, ap);
    va_end(ap);
    MUST(n >= 0);
    tm_wire_raw(line, text, (size_t)n);
    free(text);
}

static const char *op_name(unsigned op)
{
    switch (op) {
    case WIRE_CONT:
        return "cont";
    case WIRE_TEXT:
        return "text";
    case WIRE_BINARY:
        return "binary";
    case WIRE_CLOSE:
        return "close";
    case WIRE_PING:
        return "ping";
    case WIRE_PONG:
        return "pong";
    default:
        return "reserved";
    }
}

/* Short and printable as it is, else its size and an FNV-1a hash. */
static void say_payload(tm_wire_t *line, const uint8_t *data, size_t sz)
{
    bool plain = sz <= 40;
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < sz; i++) {
        hash = (hash ^ data[i]) * 0x100000001b3u;
        if (data[i] < 0x21 || data[i] > 0x7e) plain = false;
    }
    if (plain) {
        say(line, "%.*s", (int)sz, (const char *)data);
    } else {
        say(line, "#%zu.%016llx", sz, (unsigned long long)hash);
    }
}

static void say_message(tm_wire_t *line, char arrow, unsigned op, const uint8_t *data, size_t sz)
{
    say(line, "%s%c%s:", line->sz ? " " : "", arrow, op_name(op));
    if (op == WIRE_CLOSE && sz >= 2) {
        say(line, "%d:", data[0] << 8 | data[1]);
        data += 2;
        sz -= 2;
    }
    say_payload(line, data, sz);
}

void tm_wire_show(tm_wire_t *line, const uint8_t *bytes, size_t sz, bool masked)
{
    size_t at = 0;
    while (at < sz) {
        uint64_t len = sz - at >= 2 ? bytes[at + 1] & 0x7f : UINT64_MAX;
        size_t len_sz = len == 126 ? 2 : len == 127 ? 8 : 0;
        size_t head_sz = 2 + len_sz + (masked ? 4 : 0);
        if (sz - at < head_sz || (bytes[at + 1] >> 7) != masked) break;
        if (len_sz) len = 0;
        for (size_t i = 0; i < len_sz; i++) len = len << 8 | bytes[at + 2 + i];
        if (sz - at - head_sz < len) break;
        uint8_t *payload = malloc(len + 1);
        MUST(payload);
        memcpy(payload, bytes + at + head_sz, len);
        for (size_t i = 0; masked && i < len; i++) payload[i] ^= bytes[at + head_sz - 4 + i % 4];
        if (!(bytes[at] & WIRE_FIN)) say(line, " >part");
        say_message(line, '>', bytes[at] & 0x0f, payload, len);
        free(payload);
        at += head_sz + len;
    }
    if (at < sz) say(line, " >broken");
}

typedef struct tm_wire_held {
    const uint8_t *data;
    uint8_t *copy;
    size_t sz;
} tm_wire_held_t;

/* Messages of one piece, to see that they stay as they were. */
typedef struct tm_wire_hold {
    tm_wire_held_t *items;
    size_t cnt, cap;
} tm_wire_hold_t;

static void hold(tm_wire_hold_t *held, const tm_ws_message_t *msg)
{
    if (held->cnt == held->cap) {
        held->cap = held->cap ? 2 * held->cap : 16;
        held->items = realloc(held->items, held->cap * sizeof held->items[0]);
        MUST(held->items);
    }
    tm_wire_held_t item = {msg->data, malloc(msg->sz + 1), msg->sz};
    MUST(item.copy);
    memcpy(item.copy, msg->data, msg->sz);
    held->items[held->cnt++] = item;
}

static void let_go(tm_wire_hold_t *held)
{
    for (size_t i = 0; i < held->cnt; i++) {
        MUST(memcmp(held->items[i].data, held->items[i].copy, held->items[i].sz) == 0);
        free(held->items[i].copy);
    }
    held->cnt = 0;
}

static void answer(tm_ws_t *ws, tm_wire_t *line, bool masked)
{
    uint8_t out[2 * (TM_WS_HEADER_MAX + TM_WS_CONTROL_MAX)];
    while (tm_ws_has_reply(ws)) {
        int n = tm_ws_reply(ws, masked ? key : NULL, out, sizeof out);
        MUST(n > 0);
        tm_wire_show(line, out, (size_t)n, masked);
    }
}

static void echo_message(tm_ws_t *ws, tm_wire_t *line, const tm_ws_message_t *msg, bool masked)
{
    size_t out_sz = tm_ws_frame_sz(ws, msg->sz);
    uint8_t *out = malloc(out_sz);
    MUST(out && tm_ws_write(ws, msg, masked ? key : NULL, out, out_sz - 1) == -105 /* ENOBUFS */);
    int n = tm_ws_write(ws, msg, masked ? key : NULL, out, out_sz);
    MUST(n == (int)out_sz);
    tm_wire_show(line, out, out_sz, masked);
    free(out);
}

static void say_event(tm_ws_t *ws, tm_wire_t *line, int event, const tm_ws_message_t *msg)
{
    if (event == TM_WS_CLOSED) {
        say(line, "%s<close:%u:%s", line->sz ? " " : "", tm_ws_peer_code(ws),
            tm_ws_peer_reason(ws));
        return;
    }
    if (event == TM_WS_MESSAGE || event == TM_WS_PINGED || event == TM_WS_PONGED) {
        say_message(line, '<', msg->op, msg->data, msg->sz);
    }
}

/* Reads one piece to its end. Returns the last result. */
static int run_piece(tm_ws_t *ws, tm_wire_t *line, const uint8_t *bytes, size_t sz, bool echo)
{
    static tm_wire_hold_t held;
    bool masked = tm_ws_frame_sz(ws, 0) == 6;
    uint8_t *piece = malloc(sz + TM_FRAME_PAD);
    MUST(piece);
    memcpy(piece, bytes, sz);
    memset(piece + sz, 0xee, TM_FRAME_PAD);
    size_t at = 0;
    int event;
    do {
        size_t used;
        tm_ws_message_t msg;
        event = tm_ws_read(ws, piece + at, sz - at, &used, &msg);
        MUST(used <= sz - at && (event != TM_WS_MORE || at + used == sz));
        at += used;
        say_event(ws, line, event, &msg);
        if (event == TM_WS_MESSAGE) hold(&held, &msg);
        if (event == TM_WS_MESSAGE && echo) echo_message(ws, line, &msg, masked);
        answer(ws, line, masked);
    } while (event > TM_WS_MORE && event != TM_WS_CLOSED);
    let_go(&held);
    free(piece);
    return event;
}

char *tm_wire_run(const tm_ws_cfg_t *cfg, const tm_wire_t *wire, tm_wire_cut_t cut, bool echo)
{
    tm_ws_t *ws;
    tm_wire_t line = {0};
    MUST(tm_ws_open(&ws, cfg) == 0);
    int event = TM_WS_MORE;
    for (size_t at = 0; at < wire->sz && event == TM_WS_MORE;) {
        size_t sz = at == 0 && cut.first_sz ? cut.first_sz : cut.chop_sz ? cut.chop_sz : wire->sz;
        if (sz > wire->sz - at) sz = wire->sz - at;
        event = run_piece(ws, &line, wire->data + at, sz, echo);
        tm_ws_release(ws);
        at += sz;
    }
    say(&line, "%s%s", line.sz ? " " : "",
        event < 0           ? tm_error_name(event)
        : tm_ws_is_done(ws) ? "end"
                            : "open");
    tm_wire_raw(&line, "", 1);
    tm_ws_free(ws);
    return (char *)line.data;
}

static bool differs(const char *got, const char *want)
{
    if (strcmp(got, want) == 0) return false;
    printf("# got  %s\n# want %s\n", got ? got : "nothing", want ? want : "nothing");
    return true;
}

bool tm_wire_reads_as(const tm_ws_cfg_t *cfg, tm_wire_t *wire, const char *want)
{
    bool ok = true;
    size_t step = wire->sz > 4096 ? wire->sz / 256 : 1;
    for (size_t first = 0; first <= wire->sz && ok; first += step) {
        char *line = tm_wire_run(cfg, wire, (tm_wire_cut_t){.first_sz = first}, false);
        ok = !differs(line, want);
        free(line);
    }
    if (ok) {
        char *line = tm_wire_run(cfg, wire, (tm_wire_cut_t){.chop_sz = 1}, false);
        ok = !differs(line, want);
        free(line);
    }
    tm_wire_free(wire);
    return ok;
}
