/* tests/net/ws_wire.h - WebSocket bytes built by hand, and what a tm_ws made of them as one line.
   Why      frames are put together and taken apart here bit by bit, independent of wslay, so that a
            test of ours never judges wslay by wslay
   Line     "<text:Hello <ping:a >pong:a <close:1000: >close:1000: end": what was read (<), what was
            written in answer (>), and last how it stands: open, end, or the error's name */
#ifndef TM_TESTS_NET_WS_WIRE_H
#define TM_TESTS_NET_WS_WIRE_H

#include "net/ws/ws.h"

/* First byte of a frame: FIN, three reserved bits, opcode. */
enum {
    WIRE_FIN = 0x80,
    WIRE_RSV1 = 0x40,
    WIRE_RSV2 = 0x20,
    WIRE_RSV3 = 0x10,
    WIRE_CONT = 0x0,
    WIRE_TEXT = 0x1,
    WIRE_BINARY = 0x2,
    WIRE_CLOSE = 0x8,
    WIRE_PING = 0x9,
    WIRE_PONG = 0xa,
};

typedef struct tm_wire {
    uint8_t *data;
    size_t sz, cap_sz;
    bool masked; /* what frame() makes: true = a client speaks */
} tm_wire_t;

void tm_wire_free(tm_wire_t *wire);
void tm_wire_raw(tm_wire_t *wire, const void *bytes, size_t sz);
void tm_wire_frame(tm_wire_t *wire, unsigned first, const void *payload, size_t sz);
void tm_wire_text(tm_wire_t *wire, unsigned first, const char *payload); /* NUL-terminated */
void tm_wire_close(tm_wire_t *wire, unsigned code, const char *reason);

/* How the stream is cut: one piece of first_sz (0 = none), then pieces of chop_sz (0 = all). */
typedef struct tm_wire_cut {
    size_t first_sz, chop_sz;
} tm_wire_cut_t;

/* Feeds the bytes to a new tm_ws, each piece in a block of its own with just the promised pad, and
   answers what waits after each event. With echo, messages are written back. Aborts where a message
   changes before the piece is done with. The caller frees the line. */
char *tm_wire_run(const tm_ws_cfg_t *cfg, const tm_wire_t *wire, tm_wire_cut_t cut, bool echo);

/* True where that line comes out of one piece, of single bytes and of any two pieces alike; else
   both lines are printed. Empties the wire. */
bool tm_wire_reads_as(const tm_ws_cfg_t *cfg, tm_wire_t *wire, const char *want);

/* Appends ">op:payload" for each frame in bytes, or ">broken". */
void tm_wire_show(tm_wire_t *line, const uint8_t *bytes, size_t sz, bool masked);

#endif
