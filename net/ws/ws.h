/* net/ws/ws.h - RFC 6455 messages out of a byte stream and into one, both roles, without I/O.
   Flow     TLS or TCP bytes -> [ws] -> messages -> frames of the feed; replies -> [ws] -> bytes
   Framing  wslay's frame layer, which a client passes by for messages in one frame that lies whole
            in the input; every rule above the frame is checked here: masks, reserved bits and
            opcodes, fragmentation, control frames, close codes, UTF-8, limits
   Deflate  permessage-deflate by the terms that the opening handshake agreed on: messages are
            inflated as their bytes arrive, UTF-8 and limits are those of what comes out
   Units    *_sz: bytes; *_cnt: frames
   Memory   one wslay context and one message buffer a connection, allocated at open. The buffer
            doubles as bytes arrive, until it holds the messages of one poll. An unmasked message
            that lies whole in the input is given as a view into it (no copy); fragmented, split
            and masked ones are put together in the buffer (one copy), compressed ones are inflated
            into it. zlib's memory is allocated at open (net/ws/deflate.h)
   Threads  one owner
   Errors   a peer's offence is a negative code with a text, and leaves the close frame that answers
            it waiting for tm_ws_reply
   Limits   tm_ws_cfg_t; one pong and one close wait at most, so a flood of pings grows nothing
   Tests    tests/net/test_ws*.c, tests/net/test_deflate_ws.c, tests/fuzz/fuzz_ws.c,
            tests/fuzz/fuzz_inflate.c, bench/net/bench_ws.c, bench/net/bench_deflate.c */
#ifndef TM_NET_WS_H
#define TM_NET_WS_H

#include "base/frame.h"
#include "net/ws/deflate.h"

enum {
    TM_WS_HEADER_MAX = 14, /* bytes of the longest frame header */
    TM_WS_CONTROL_MAX = 125,
    TM_WS_FRAGMENT_MAX_DEFAULT = 1 << 17, /* 4 MiB in fragments of 64 bytes is half of it */
};

/* Close codes this code sends by itself; see tm_ws_close_code_is_valid for all. */
enum {
    TM_WS_CODE_NORMAL = 1000,
    TM_WS_CODE_GOING_AWAY = 1001,
    TM_WS_CODE_PROTOCOL = 1002,
    TM_WS_CODE_NONE = 1005, /* never on the wire: the close frame was empty */
    TM_WS_CODE_BAD_PAYLOAD = 1007,
    TM_WS_CODE_TOO_BIG = 1009,
};

typedef enum tm_ws_role { TM_WS_CLIENT, TM_WS_SERVER } tm_ws_role_t;

/* Values are those of the wire. */
typedef enum tm_ws_op {
    TM_WS_TEXT = 0x1,
    TM_WS_BINARY = 0x2,
    TM_WS_CLOSE = 0x8,
    TM_WS_PING = 0x9,
    TM_WS_PONG = 0xa,
} tm_ws_op_t;

typedef enum tm_ws_event {
    TM_WS_MORE = 0, /* all input is used; nothing is complete */
    TM_WS_MESSAGE,  /* a whole text or binary message is in *msg */
    TM_WS_PINGED,   /* a ping came, its payload is in *msg; its pong waits for tm_ws_reply */
    TM_WS_PONGED,   /* a pong came, its payload is in *msg */
    TM_WS_CLOSED,   /* the peer's close frame came; nothing after it is read. See tm_ws_peer_code */
} tm_ws_event_t;

typedef struct tm_ws_message {
    const uint8_t *data; /* never NULL from tm_ws_read, TM_FRAME_PAD readable bytes follow */
    size_t sz;
    tm_ws_op_t op;
} tm_ws_message_t;

typedef struct tm_ws_cfg {
    tm_ws_role_t role;
    uint32_t message_sz_max;   /* 0 = TM_FRAME_SZ_MAX_DEFAULT; inflated, where it is compressed */
    uint32_t fragment_cnt_max; /* frames of one message; 0 = TM_WS_FRAGMENT_MAX_DEFAULT */
    tm_deflate_terms_t deflate;
} tm_ws_cfg_t;

typedef struct tm_ws tm_ws_t;

/* Returns 0, -ENOMEM, or -EINVAL for terms of deflate that are out of range. */
int tm_ws_open(tm_ws_t **out, const tm_ws_cfg_t *cfg) TM_MUST_CHECK;
void tm_ws_free(tm_ws_t *ws); /* NULL is fine */

/* Reads up to the next event. `in` holds in_sz bytes of the stream and TM_FRAME_PAD readable bytes
   behind them; *used_sz is how many were taken, and the next call must go on behind those.
   Payloads in *msg lie in `in` or in the buffer: they stay valid as long as `in` does and
   tm_ws_release is not called. A ping's or pong's payload lasts until the next read only.
   Returns a tm_ws_event_t; TM_WS_MORE only with all input used; or
   TM_E_PROTOCOL  the peer broke a rule (close 1002, or 1007 where text is not UTF-8 or a compressed
                  message is not DEFLATE)
   TM_E_LIMIT     a frame, a message, what it inflates to or its number of fragments is past the
                  limit (close 1009)
   TM_E_CLOSED    read after TM_WS_CLOSED
   -ENOMEM        the buffer cannot grow.
   After an error every read returns the same code again. A frame's header is judged as soon as it
   is complete; text is judged byte by byte, also inside a frame that is not complete. */
int tm_ws_read(tm_ws_t *ws, const uint8_t *in, size_t in_sz, size_t *used_sz,
               tm_ws_message_t *msg) TM_MUST_CHECK;

/* Says that no message given so far is looked at any more. Call it where their frames expire (at
   the next poll), not after each message: all messages of one poll stay in place until then. A
   caller who never calls it keeps every assembled message in memory. */
void tm_ws_release(tm_ws_t *ws);

/* True where tm_ws_reply has something to write. */
bool tm_ws_has_reply(const tm_ws_t *ws);

/* Writes the waiting pong, then the waiting close frame, whole frames only, as far as they fit. A
   client gives four unpredictable bytes as mask_key for each call; a server gives NULL.
   Returns bytes written; 0 = nothing waits; -ENOBUFS = the first frame does not fit.
   TM_WS_HEADER_MAX + TM_WS_CONTROL_MAX bytes are always enough for one. */
int tm_ws_reply(tm_ws_t *ws, const uint8_t *mask_key, uint8_t *out, size_t out_sz) TM_MUST_CHECK;

/* Most bytes that a frame with that much payload has in this role; all of them where messages of
   ours are not compressed. */
size_t tm_ws_frame_sz(const tm_ws_t *ws, size_t payload_sz);

/* Writes msg (text, binary, ping, pong) as one frame. Text must be UTF-8; it is not checked here.
   Text and binary messages are compressed where the terms have a level and out has room for
   tm_ws_frame_sz(), empty ones excepted.
   Returns bytes written; -ENOBUFS where the frame does not fit as it is; -EINVAL for another opcode
   or a control payload over TM_WS_CONTROL_MAX; TM_E_CLOSED once a close frame was written. */
int tm_ws_write(tm_ws_t *ws, const tm_ws_message_t *msg, const uint8_t *mask_key, uint8_t *out,
                size_t out_sz) TM_MUST_CHECK;

/* Lets a close frame wait for tm_ws_reply; reason may be NULL and is cut to 123 bytes on a
   character boundary. Messages still arrive until the peer answers with TM_WS_CLOSED. Does nothing
   where one waits or was written already. The code must be one that may be sent (TM_CHECK). */
void tm_ws_close(tm_ws_t *ws, uint16_t code, const char *reason);

/* True where a close frame is among what waits for tm_ws_reply. */
bool tm_ws_close_waits(const tm_ws_t *ws);

/* True once our close frame was written: nothing more may be sent. */
bool tm_ws_close_sent(const tm_ws_t *ws);

/* True once both close frames have passed, or an offence was answered: the transport can end. */
bool tm_ws_is_done(const tm_ws_t *ws);

/* The peer's close code (TM_WS_CODE_NONE for an empty close frame, 0 before one came) and its
   reason (valid UTF-8, NUL-terminated, "" where there is none). */
uint16_t tm_ws_peer_code(const tm_ws_t *ws);
const char *tm_ws_peer_reason(const tm_ws_t *ws);

/* True for codes that may stand in a close frame: 1000-1003, 1007-1014 and 3000-4999. 1012 to 1014
   are registered with IANA after the RFC. */
bool tm_ws_close_code_is_valid(uint16_t code);

/* "going away", "unassigned" ...: never NULL. */
const char *tm_ws_close_code_name(uint16_t code);

/* Bytes of the message buffer now. */
size_t tm_ws_buffer_sz(const tm_ws_t *ws);

#endif
