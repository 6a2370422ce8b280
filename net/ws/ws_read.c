#include "base/check.h"
#include "base/error.h"
#include "net/ws/ws_private.h"

#include <endian.h>
#include <string.h>

enum {
    FIN = 0x80,
    RSV = 0x70,
    RSV1 = 0x40, /* on a message's first frame: it is compressed */
    OPCODE = 0x0f,
    CONTROL = 0x08,
    MASK = 0x80,
    INFLATE_ROOM_MIN = 1024,
};

/* How wslay is used. It asks for input through a callback and keeps it in a buffer of 4 KiB. What
   is handed over ends with the frame, so its buffer is empty between frames. It parses and judges
   the header; of an unmasked payload it only counts the bytes, so that payload is counted off
   without being copied and stays where the caller received it. A masked payload is copied in,
   because wslay unmasks it there. Feeds send short unmasked messages in one frame each: where such
   a frame lies whole in the input there is nothing to keep track of, and take_whole() spares it the
   way through wslay (measured: 31 ns for 200 bytes of text through it, 10 ns past it). */

static size_t min_sz(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Bytes of the header, as far as its first two tell. */
static uint8_t header_sz(const uint8_t *header)
{
    uint8_t len7 = header[1] & 0x7f;
    return (uint8_t)(2 + (len7 == 126 ? 2 : len7 == 127 ? 8 : 0) + (header[1] & 0x80 ? 4 : 0));
}

static uint64_t header_payload_sz(const uint8_t *header)
{
    uint8_t len7 = header[1] & 0x7f;
    if (len7 < 126) return len7;
    if (len7 == 126) return (uint64_t)header[2] << 8 | header[3];
    uint64_t be;
    memcpy(&be, header + 2, sizeof be);
    return be64toh(be);
}

/* Hands over what is there of the header: first up to the two bytes that tell its size. */
static size_t give_header(tm_ws_t *ws, uint8_t *buf)
{
    if (ws->header_have == 0 && ws->in_sz >= TM_WS_HEADER_MAX) {
        /* The usual case, in copies of a fixed size: what is too much is not counted. */
        memcpy(ws->header, ws->in, TM_WS_HEADER_MAX);
        memcpy(buf, ws->in, TM_WS_HEADER_MAX);
        ws->header_have = ws->header_sz = header_sz(ws->header);
        ws->payload_left = header_payload_sz(ws->header);
        ws->in += ws->header_sz;
        ws->in_sz -= ws->header_sz;
        return ws->header_sz;
    }
    size_t given = 0;
    while (ws->header_have < ws->header_sz && ws->in_sz > 0) {
        uint8_t n = (uint8_t)min_sz(ws->header_sz - ws->header_have, ws->in_sz);
        memcpy(ws->header + ws->header_have, ws->in, n);
        memcpy(buf + given, ws->in, n);
        ws->in += n;
        ws->in_sz -= n;
        given += n;
        ws->header_have = (uint8_t)(ws->header_have + n);
        if (ws->header_have == 2) ws->header_sz = header_sz(ws->header);
    }
    if (ws->header_have == ws->header_sz) ws->payload_left = header_payload_sz(ws->header);
    return given;
}

/* Hands over what is there of the payload. */
static size_t give_payload(tm_ws_t *ws, uint8_t *buf, size_t len)
{
    size_t n = min_sz(min_sz(len, ws->in_sz), ws->payload_left);
    if (ws->header[1] & 0x80) memcpy(buf, ws->in, n);
    ws->in += n;
    ws->in_sz -= n;
    ws->payload_left -= n;
    return n;
}

ssize_t tm_ws_on_recv(uint8_t *buf, size_t len, int flags, void *arg)
{
    (void)flags;
    tm_ws_t *ws = arg;
    size_t n = 0;
    /* A header meets an empty buffer, so there is room for all of it. */
    if (ws->header_have < ws->header_sz) n = give_header(ws, buf);
    if (ws->header_have == ws->header_sz) n += give_payload(ws, buf + n, len - n);
    return n > 0 ? (ssize_t)n : -1;
}

static bool utf8_goes_on(tm_ws_t *ws, const uint8_t *data, size_t sz)
{
    return ws->message_op != TM_WS_TEXT || tm_utf8_feed(&ws->utf8, data, sz);
}

/* The error is the read's result from now on, and the close frame that tells the peer waits. */
static int fail(tm_ws_t *ws, int err, uint16_t code)
{
    ws->err = err;
    ws->pong_waits = false;
    tm_ws_close(ws, code, NULL);
    return err;
}

static int fail_utf8(tm_ws_t *ws)
{
    return fail(ws, tm_error_set(TM_E_PROTOCOL, "WebSocket peer sent text that is not UTF-8"),
                TM_WS_CODE_BAD_PAYLOAD);
}

static int offence(tm_ws_t *ws, const char *what)
{
    return fail(ws, tm_error_set(TM_E_PROTOCOL, "WebSocket peer sent %s", what),
                TM_WS_CODE_PROTOCOL);
}

static int fail_room(tm_ws_t *ws, int err, size_t sz)
{
    ws->err = err;
    return tm_error_set(err, "no memory for a WebSocket message of %zu bytes", ws->part_sz + sz);
}

static int fail_size(tm_ws_t *ws, uint64_t sz, const char *what)
{
    return fail(ws,
                tm_error_set(TM_E_LIMIT,
                             "WebSocket peer sent a message of %llu bytes or more%s; the limit is "
                             "%u",
                             (unsigned long long)sz, what, ws->cfg.message_sz_max),
                TM_WS_CODE_TOO_BIG);
}

/* What a compressed message may have on the wire: a compressor that finds nothing to save adds some
   bytes to each block, and blocks may be small. */
static uint64_t wire_sz_max(const tm_ws_t *ws)
{
    uint64_t limit = ws->cfg.message_sz_max;
    if (!ws->is_deflated) return limit;
    limit = tm_deflater_bound(limit);
    return limit < UINT32_MAX ? limit : UINT32_MAX;
}

/* Room for what the next call into zlib makes: as much as the message has already, so that the
   buffer doubles at most, and never past the limit. At the limit it is one byte aside, because only
   a byte that comes out tells that there was one. Returns 0 or -ENOMEM. */
static int inflate_room(tm_ws_t *ws, uint8_t **out, size_t *out_sz)
{
    size_t left = ws->cfg.message_sz_max - ws->part_sz;
    if (left == 0) {
        *out = ws->control;
        *out_sz = 1;
        return 0;
    }
    size_t room = ws->block->cap_sz - ws->part_off - ws->part_sz;
    if (room < left && room < INFLATE_ROOM_MIN) {
        size_t want = ws->part_sz < INFLATE_ROOM_MIN ? INFLATE_ROOM_MIN : ws->part_sz;
        int err = tm_ws_make_room(ws, min_sz(want, left));
        if (err < 0) return fail_room(ws, err, want);
        room = ws->block->cap_sz - ws->part_off - ws->part_sz;
    }
    *out = ws->block->data + ws->part_off + ws->part_sz;
    *out_sz = min_sz(room, left);
    return 0;
}

/* Inflates a piece of the message to where it has got in the buffer. */
static int inflate_run(tm_ws_t *ws, const uint8_t *in, size_t in_sz, bool is_last)
{
    uint8_t *out = NULL;
    size_t room = 0;
    int n;
    tm_inflater_give(ws->inflater, in, in_sz, is_last);
    do {
        TM_TRY(inflate_room(ws, &out, &room));
        n = tm_inflater_take(ws->inflater, out, room);
        if (n < 0) return fail(ws, n, TM_WS_CODE_BAD_PAYLOAD);
        if (n > 0 && out == ws->control) {
            return fail_size(ws, (uint64_t)ws->part_sz + 1, " when it is inflated");
        }
        if (!utf8_goes_on(ws, out, (size_t)n)) return fail_utf8(ws);
        ws->part_sz += (size_t)n;
    } while (tm_inflater_is_busy(ws->inflater));
    return 0;
}

/* Moves the run into the buffer behind what the message has there already. */
static int append_run(tm_ws_t *ws, bool is_last)
{
    size_t sz = ws->run_sz;
    ws->run_sz = 0;
    if (ws->is_deflated) return inflate_run(ws, ws->run, sz, is_last);
    if (!utf8_goes_on(ws, ws->run, sz)) return fail_utf8(ws);
    if (ws->part_off + ws->part_sz + sz > ws->block->cap_sz) {
        int err = tm_ws_make_room(ws, sz);
        if (err < 0) return fail_room(ws, err, sz);
    }
    memcpy(ws->block->data + ws->part_off + ws->part_sz, ws->run, sz);
    ws->part_sz += sz;
    return 0;
}

static int judge_size(tm_ws_t *ws, uint64_t frame_sz)
{
    uint64_t limit = wire_sz_max(ws);
    if (frame_sz > limit || ws->wire_sz + frame_sz > limit) {
        return fail_size(ws, ws->wire_sz + frame_sz, ws->is_deflated ? " when compressed" : "");
    }
    ws->wire_sz += frame_sz;
    if (ws->fragment_cnt > ws->cfg.fragment_cnt_max) {
        return fail(ws,
                    tm_error_set(TM_E_LIMIT,
                                 "WebSocket peer sent a message in more than %u fragments",
                                 ws->cfg.fragment_cnt_max),
                    TM_WS_CODE_TOO_BIG);
    }
    return 0;
}

static void begin_message(tm_ws_t *ws)
{
    ws->in_message = true;
    ws->message_op = (tm_ws_op_t)(ws->header[0] & OPCODE);
    ws->is_deflated = ws->header[0] & RSV1;
    ws->wire_sz = 0;
    ws->fragment_cnt = 1;
    tm_utf8_init(&ws->utf8);
    if (ws->is_deflated) tm_inflater_begin(ws->inflater);
}

/* Reserved bits: RSV1 says that a message is compressed, on its first frame and nowhere else. */
static int judge_rsv(tm_ws_t *ws, uint8_t opcode)
{
    uint8_t rsv = ws->header[0] & RSV;
    if (rsv == 0) return 0;
    if (!ws->inflater) {
        return offence(ws, "a frame with reserved bits set, though no extension was agreed");
    }
    if (rsv != RSV1) return offence(ws, "a frame with the reserved bits 2 or 3 set");
    if (opcode & CONTROL) return offence(ws, "a compressed control frame");
    if (opcode == WSLAY_CONTINUATION_FRAME) {
        return offence(ws, "a continuation frame that says again that its message is compressed");
    }
    return 0;
}

/* The rules above the frame layer, once the header is complete. wslay has checked by then that
   control frames are whole and short and that the length is in its shortest form. */
static int judge(tm_ws_t *ws)
{
    uint8_t opcode = ws->header[0] & OPCODE;
    TM_TRY(judge_rsv(ws, opcode));
    if (ws->cfg.role == TM_WS_CLIENT && ws->header[1] & MASK) {
        return offence(ws, "a masked frame; a server must not mask");
    }
    if (ws->cfg.role == TM_WS_SERVER && !(ws->header[1] & MASK)) {
        return offence(ws, "an unmasked frame; a client must mask");
    }
    ws->judged = true;
    ws->is_control = opcode & CONTROL;
    ws->control_sz = 0;
    switch (opcode) {
    case WSLAY_CONNECTION_CLOSE:
    case WSLAY_PING:
    case WSLAY_PONG:
        return 0;
    case WSLAY_CONTINUATION_FRAME:
        if (!ws->in_message) return offence(ws, "a continuation frame with nothing to continue");
        ws->fragment_cnt++;
        break;
    case WSLAY_TEXT_FRAME:
    case WSLAY_BINARY_FRAME:
        if (ws->in_message) return offence(ws, "a new message inside a fragmented one");
        begin_message(ws);
        break;
    default:
        return offence(ws, "a frame with a reserved opcode");
    }
    return judge_size(ws, header_payload_sz(ws->header));
}

static int header_refused(tm_ws_t *ws)
{
    if (ws->header[0] & CONTROL && !(ws->header[0] & FIN)) {
        return offence(ws, "a control frame in fragments");
    }
    if (ws->header[0] & CONTROL) return offence(ws, "a control frame of more than 125 bytes");
    return offence(ws, "a frame length that is not in its shortest form, or above 2^63");
}

static int end_close(tm_ws_t *ws, tm_ws_message_t *msg)
{
    uint8_t *payload = ws->control;
    if (ws->control_sz == 1) return offence(ws, "a close frame with half a code");
    ws->peer_code = TM_WS_CODE_NONE;
    if (ws->control_sz >= 2) {
        uint16_t code = (uint16_t)(payload[0] << 8 | payload[1]);
        if (!tm_ws_close_code_is_valid(code)) {
            return offence(ws, "a close frame with a code that must not be sent");
        }
        if (!tm_utf8_is_valid(payload + 2, ws->control_sz - 2u)) return fail_utf8(ws);
        ws->peer_code = code;
        memcpy(ws->peer_reason, payload + 2, ws->control_sz - 2u);
        msg->data = payload + 2;
        msg->sz = ws->control_sz - 2u;
    }
    ws->close_came = true;
    ws->pong_waits = false;
    tm_ws_close(ws, ws->peer_code, NULL);
    return TM_WS_CLOSED;
}

static int end_control(tm_ws_t *ws, uint8_t opcode, tm_ws_message_t *msg)
{
    *msg = (tm_ws_message_t){ws->control, ws->control_sz, (tm_ws_op_t)opcode};
    if (opcode == WSLAY_PONG) return TM_WS_PONGED;
    if (opcode == WSLAY_CONNECTION_CLOSE) return end_close(ws, msg);
    if (!ws->close_waits && !ws->close_sent) {
        memcpy(ws->pong, ws->control, ws->control_sz);
        ws->pong_sz = ws->control_sz;
        ws->pong_waits = true;
    }
    return TM_WS_PINGED;
}

/* The message that was put together in the buffer is complete. */
static int end_assembled(tm_ws_t *ws, tm_ws_message_t *msg)
{
    if (ws->message_op == TM_WS_TEXT && !tm_utf8_is_whole(&ws->utf8)) return fail_utf8(ws);
    *msg = (tm_ws_message_t){ws->block->data + ws->part_off, ws->part_sz, ws->message_op};
    ws->part_off += ws->part_sz;
    ws->part_sz = 0;
    ws->in_message = false;
    return TM_WS_MESSAGE;
}

/* The last frame of a message is whole: a view where all lies in the input, else the buffer. */
static int end_message(tm_ws_t *ws, tm_ws_message_t *msg)
{
    bool is_view = ws->part_sz == 0 && !ws->is_deflated && !(ws->header[1] & MASK);
    if (!is_view) {
        TM_TRY(append_run(ws, true));
        return end_assembled(ws, msg);
    }
    *msg = (tm_ws_message_t){ws->run, ws->run_sz, ws->message_op};
    ws->run_sz = 0;
    ws->in_message = false;
    if (!utf8_goes_on(ws, msg->data, msg->sz)) return fail_utf8(ws);
    if (ws->message_op == TM_WS_TEXT && !tm_utf8_is_whole(&ws->utf8)) return fail_utf8(ws);
    return TM_WS_MESSAGE;
}

/* Takes the payload bytes of one wslay_frame_recv. */
static int take_payload(tm_ws_t *ws, const struct wslay_frame_iocb *frame)
{
    const uint8_t *bytes = frame->mask ? frame->data : ws->in - frame->data_length;
    if (ws->is_control) {
        memcpy(ws->control + ws->control_sz, bytes, frame->data_length);
        ws->control_sz = (uint8_t)(ws->control_sz + frame->data_length);
        return 0;
    }
    if (ws->run_sz == 0) ws->run = bytes;
    ws->run_sz += frame->data_length;
    /* wslay unmasks in its own buffer, which the next call writes again. */
    return frame->mask ? append_run(ws, false) : 0;
}

/* A whole compressed message in one frame that lies in the input. */
static int inflate_whole(tm_ws_t *ws, const uint8_t *payload, size_t sz, tm_ws_message_t *msg)
{
    begin_message(ws);
    TM_TRY(inflate_run(ws, payload, sz, true));
    return end_assembled(ws, msg);
}

/* One whole unmasked text or binary message in a frame of up to 64 KiB at the start of the input,
   when no frame and no message is open. TM_WS_MORE for all else, good or bad: that is judged in
   read_event. */
static int take_whole(tm_ws_t *ws, tm_ws_message_t *msg)
{
    const uint8_t *in = ws->in;
    if (ws->in_sz < 4 || ws->header_have > 0 || ws->in_message) return TM_WS_MORE;
    unsigned first = ws->inflater ? in[0] & ~(unsigned)RSV1 : in[0];
    bool is_text = first == (FIN | TM_WS_TEXT);
    if (!is_text && first != (FIN | TM_WS_BINARY)) return TM_WS_MORE;
    size_t head_sz = 2, sz = in[1];
    if (sz == 126) {
        head_sz = 4;
        sz = (size_t)in[2] << 8 | in[3];
        if (sz < 126) return TM_WS_MORE;
    } else if (sz > 126) {
        return TM_WS_MORE; /* longer, or masked */
    }
    if (ws->in_sz - head_sz < sz || sz > ws->cfg.message_sz_max) return TM_WS_MORE;
    if (in[0] & RSV1) {
        ws->header[0] = in[0];
        ws->in += head_sz + sz;
        ws->in_sz -= head_sz + sz;
        return inflate_whole(ws, in + head_sz, sz, msg);
    }
    if (is_text && !tm_utf8_is_valid(in + head_sz, sz)) return TM_WS_MORE;
    *msg = (tm_ws_message_t){in + head_sz, sz, (tm_ws_op_t)(in[0] & OPCODE)};
    ws->in += head_sz + sz;
    ws->in_sz -= head_sz + sz;
    return TM_WS_MESSAGE;
}

static int read_event(tm_ws_t *ws, tm_ws_message_t *msg)
{
    if (ws->cfg.role == TM_WS_CLIENT) {
        int event = take_whole(ws, msg);
        if (event != TM_WS_MORE) return event;
    }
    for (;;) {
        struct wslay_frame_iocb frame;
        ssize_t n = wslay_frame_recv(ws->framer, &frame);
        if (n < 0 && n != WSLAY_ERR_WANT_READ) return header_refused(ws);
        if (!ws->judged && ws->header_have == ws->header_sz) TM_TRY(judge(ws));
        if (n == WSLAY_ERR_WANT_READ) break;
        TM_TRY(take_payload(ws, &frame));
        if (ws->payload_left > 0) continue;
        int event = TM_WS_MORE;
        if (ws->is_control) {
            event = end_control(ws, frame.opcode, msg);
        } else if (frame.fin) {
            event = end_message(ws, msg);
        } else {
            TM_TRY(append_run(ws, false));
        }
        tm_ws_begin_frame(ws);
        if (event != TM_WS_MORE) return event;
    }
    /* The input is used up inside a frame: what came of it must outlive the input. */
    if (ws->run_sz > 0) TM_TRY(append_run(ws, false));
    return TM_WS_MORE;
}

int tm_ws_read(tm_ws_t *ws, const uint8_t *in, size_t in_sz, size_t *used_sz, tm_ws_message_t *msg)
{
    *used_sz = 0;
    *msg = (tm_ws_message_t){.data = in};
    if (ws->err < 0) return ws->err;
    if (ws->close_came) return TM_E_CLOSED;
    ws->in = in;
    ws->in_sz = in_sz;
    int event = read_event(ws, msg);
    *used_sz = in_sz - ws->in_sz;
    return event;
}
