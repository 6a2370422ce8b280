#include "base/check.h"
#include "base/error.h"
#include "net/ws/ws_private.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

enum {
    RSV1 = 0x40,
    FRAME_MAX = 3 << 29, /* bytes: what it may become when compressed is still an int */
};

static size_t head_sz(const tm_ws_t *ws, size_t payload_sz)
{
    size_t len_sz = payload_sz < 126 ? 0 : payload_sz <= UINT16_MAX ? 2 : 8;
    return 2 + len_sz + (ws->cfg.role == TM_WS_CLIENT ? 4 : 0);
}

size_t tm_ws_frame_sz(const tm_ws_t *ws, size_t payload_sz)
{
    if (ws->deflater) payload_sz = tm_deflater_bound(payload_sz);
    return head_sz(ws, payload_sz) + payload_sz;
}

/* XORs the key over the payload, from `from` to `to`, which may be the same place. */
static void mask(uint8_t *to, const uint8_t *from, size_t sz, const uint8_t *key)
{
    uint64_t key8, word;
    for (size_t i = 0; i < sizeof key8; i += 4) memcpy((uint8_t *)&key8 + i, key, 4);
    size_t i = 0;
    for (; i + sizeof word <= sz; i += sizeof word) {
        memcpy(&word, from + i, sizeof word);
        word ^= key8;
        memcpy(to + i, &word, sizeof word);
    }
    for (; i < sz; i++) to[i] = from[i] ^ key[i % 4];
}

/* Writes the header of a final frame. Returns where its payload goes. */
static uint8_t *put_head(const tm_ws_t *ws, uint8_t first, size_t sz, const uint8_t *mask_key,
                         uint8_t *out)
{
    uint8_t mask_bit = ws->cfg.role == TM_WS_CLIENT ? 0x80 : 0;
    uint64_t be64 = htobe64(sz);
    *out++ = 0x80 | first;
    if (sz < 126) {
        *out++ = (uint8_t)(mask_bit | sz);
    } else if (sz <= UINT16_MAX) {
        *out++ = mask_bit | 126;
        *out++ = (uint8_t)(sz >> 8);
        *out++ = (uint8_t)sz;
    } else {
        *out++ = mask_bit | 127;
        memcpy(out, &be64, sizeof be64);
        out += sizeof be64;
    }
    if (mask_bit) {
        TM_CHECK(mask_key, "a client's frame needs a mask key");
        memcpy(out, mask_key, 4);
        out += 4;
    }
    return out;
}

/* Writes one frame into out, which has room for it. Returns its size. */
static size_t put_frame(const tm_ws_t *ws, const tm_ws_message_t *msg, const uint8_t *mask_key,
                        uint8_t *out)
{
    uint8_t *payload = put_head(ws, (uint8_t)msg->op, msg->sz, mask_key, out);
    if (ws->cfg.role == TM_WS_CLIENT) {
        mask(payload, msg->data, msg->sz, mask_key);
    } else if (msg->sz > 0) {
        memcpy(payload, msg->data, msg->sz);
    }
    return (size_t)(payload - out) + msg->sz;
}

/* The same with the payload compressed. How long its header is shows only afterwards, so it is
   compressed to where a header of the longest kind would end, and moved up. */
static size_t put_deflated(tm_ws_t *ws, const tm_ws_message_t *msg, const uint8_t *mask_key,
                           uint8_t *out)
{
    uint8_t *made = out + head_sz(ws, tm_deflater_bound(msg->sz));
    size_t sz = tm_deflater_message(ws->deflater, msg->data, msg->sz, made);
    uint8_t *payload = put_head(ws, RSV1 | (uint8_t)msg->op, sz, mask_key, out);
    if (payload != made) memmove(payload, made, sz);
    if (ws->cfg.role == TM_WS_CLIENT) mask(payload, payload, sz, mask_key);
    return (size_t)(payload - out) + sz;
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
        if (head_sz(ws, ws->pong_sz) + ws->pong_sz > out_sz) return -ENOBUFS;
        tm_ws_message_t pong = {ws->pong, ws->pong_sz, TM_WS_PONG};
        sz = put_frame(ws, &pong, mask_key, out);
        ws->pong_waits = false;
    }
    if (ws->close_waits) {
        if (head_sz(ws, ws->close_sz) + ws->close_sz > out_sz - sz) {
            return sz > 0 ? (int)sz : -ENOBUFS;
        }
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
    if (msg->sz > FRAME_MAX || head_sz(ws, msg->sz) + msg->sz > out_sz) return -ENOBUFS;
    /* An empty message is shorter as it is, and twice in a row zlib would flush it to nothing. */
    bool deflates = ws->deflater && !is_control && msg->sz > 0;
    if (deflates && tm_ws_frame_sz(ws, msg->sz) <= out_sz) {
        return (int)put_deflated(ws, msg, mask_key, out);
    }
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
