#include "base/check.h"
#include "base/error.h"
#include "net/ws_private.h"

#include <errno.h>
#include <string.h>

ssize_t tm_ws_on_send(const uint8_t *bytes, size_t len, int flags, void *arg)
{
    (void)flags;
    tm_ws_t *ws = arg;
    memcpy(ws->out, bytes, len);
    ws->out += len;
    return (ssize_t)len;
}

int tm_ws_on_mask(uint8_t *buf, size_t len, void *arg)
{
    tm_ws_t *ws = arg;
    memcpy(buf, ws->mask_key, len);
    return 0;
}

size_t tm_ws_frame_sz(const tm_ws_t *ws, size_t payload_sz)
{
    size_t len_sz = payload_sz < 126 ? 0 : payload_sz <= UINT16_MAX ? 2 : 8;
    return 2 + len_sz + (ws->cfg.role == TM_WS_CLIENT ? 4 : 0) + payload_sz;
}

/* Writes one frame into out, which has room for it. Returns its size. */
static size_t put_frame(tm_ws_t *ws, const tm_ws_message_t *msg, const uint8_t *mask_key,
                        uint8_t *out)
{
    struct wslay_frame_iocb frame = {
        .fin = 1,
        .opcode = (uint8_t)msg->op,
        .payload_length = msg->sz,
        .mask = ws->cfg.role == TM_WS_CLIENT,
        .data = msg->data,
        .data_length = msg->sz,
    };
    TM_CHECK(mask_key || !frame.mask, "a client's frame needs a mask key");
    ws->out = out;
    ws->mask_key = mask_key;
    ssize_t sent = wslay_frame_send(ws->framer, &frame);
    TM_CHECK(sent == (ssize_t)msg->sz, "wslay took %zd of %zu bytes", sent, msg->sz);
    return (size_t)(ws->out - out);
}

bool tm_ws_has_reply(const tm_ws_t *ws)
{
    return ws->pong_waits || ws->close_waits;
}

bool tm_ws_close_waits(const tm_ws_t *ws)
{
    return ws->close_waits;
}

int tm_ws_reply(tm_ws_t *ws, const uint8_t *mask_key, uint8_t *out, size_t out_sz)
{
    size_t sz = 0;
    if (ws->pong_waits) {
        if (tm_ws_frame_sz(ws, ws->pong_sz) > out_sz) return -ENOBUFS;
        tm_ws_message_t pong = {ws->pong, ws->pong_sz, TM_WS_PONG};
        sz = put_frame(ws, &pong, mask_key, out);
        ws->pong_waits = false;
    }
    if (ws->close_waits) {
        if (tm_ws_frame_sz(ws, ws->close_sz) > out_sz - sz) return sz > 0 ? (int)sz : -ENOBUFS;
        tm_ws_message_t close = {ws->close, ws->close_sz, TM_WS_CLOSE};
        sz += put_frame(ws, &close, mask_key, out + sz);
        ws->close_waits = false;
        ws->close_sent = true;
    }
    return (int)sz;
}

int tm_ws_write(tm_ws_t *ws, const tm_ws_message_t *msg, const uint8_t *mask_key, uint8_t *out,
                size_t out_sz)
{
    bool is_control = msg->op == TM_WS_PING || msg->op == TM_WS_PONG;
    if (!is_control && msg->op != TM_WS_TEXT && msg->op != TM_WS_BINARY) return -EINVAL;
    if (is_control && msg->sz > TM_WS_CONTROL_MAX) return -EINVAL;
    if (ws->close_sent) return TM_E_CLOSED;
    if (msg->sz > INT32_MAX - TM_WS_HEADER_MAX || tm_ws_frame_sz(ws, msg->sz) > out_sz)
        return -ENOBUFS;
    return (int)put_frame(ws, msg, mask_key, out);
}

void tm_ws_close(tm_ws_t *ws, uint16_t code, const char *reason)
{
    if (ws->close_waits || ws->close_sent) return;
    ws->close_waits = true;
    ws->close_sz = 0;
    if (code == TM_WS_CODE_NONE) return;
    TM_CHECK(tm_ws_close_code_is_valid(code), "close code %u must not be sent", code);
    ws->close[0] = (uint8_t)(code >> 8);
    ws->close[1] = (uint8_t)code;
    size_t sz = reason ? strlen(reason) : 0;
    if (sz > TM_WS_CONTROL_MAX - 2) {
        sz = TM_WS_CONTROL_MAX - 2;
        while (sz > 0 && ((uint8_t)reason[sz] & 0xc0) == 0x80) sz--;
    }
    if (sz > 0) memcpy(ws->close + 2, reason, sz);
    ws->close_sz = (uint8_t)(2 + sz);
}
