/* The bad frames of the simulated exchange, given to the product's WebSocket as a client. */
#include "base/error.h"
#include "base/frame.h"
#include "net/simulated/fault_frame.h"
#include "net/ws/ws.h"
#include "tests/tm_test.h"

#include <stdio.h>
#include <string.h>

/* Reads bytes as a client. Returns the close code that it answers with; 0 = it has no complaint.
   *used_sz: the bytes that it had to see for that, one at a time. */
static unsigned answer_to(const uint8_t *bytes, size_t sz, size_t step, size_t *used_sz,
                          bool deflate)
{
    uint8_t padded[TM_FAULT_FRAME_MAX + TM_FRAME_PAD] = {0}, reply[200];
    const tm_ws_cfg_t cfg = {
        .role = TM_WS_CLIENT,
        .deflate = {
            .on = deflate, .in_takeover = true, .in_window_bits = 15, .out_window_bits = 15}};
    tm_ws_t *ws;
    tm_assert_eq(tm_ws_open(&ws, &cfg), 0);
    unsigned code = 0;
    for (size_t at = 0; at < sz && code == 0; at += step) {
        size_t n = step < sz - at ? step : sz - at, used = 0;
        memcpy(padded, bytes + at, n);
        for (size_t from = 0; from < n && code == 0; from += used) {
            tm_ws_message_t msg;
            int rc = tm_ws_read(ws, padded + from, n - from, &used, &msg);
            *used_sz = at + n;
            if (rc >= 0) continue;
            int reply_sz = tm_ws_reply(ws, (const uint8_t *)"\0\0\0\0", reply, sizeof reply);
            tm_assert_eq(reply_sz, 8); /* a masked close frame with a code alone */
            tm_assert_eq(reply[0], 0x88);
            code = (unsigned)reply[6] << 8 | reply[7];
        }
    }
    tm_ws_free(ws);
    return code;
}

/* Bytes of the header at the front, by RFC 6455, 5.2. */
static size_t header_sz(const uint8_t *bytes)
{
    size_t len7 = bytes[1] & 0x7f;
    return 2 + (len7 == 126 ? 2u : len7 == 127 ? 8u : 0u) + (bytes[1] & 0x80 ? 4u : 0u);
}

Test(fault_frame, every_kind_is_refused_with_the_code_that_the_rfc_asks_for)
{
    uint8_t bytes[TM_FAULT_FRAME_MAX];
    for (uint32_t kind = 0; kind < tm_fault_frame_cnt(); kind++) {
        size_t sz = tm_fault_frame_write(kind, bytes), used;
        tm_assert(sz <= sizeof bytes);
        for (int deflate = 0; deflate < 2; deflate++) {
            for (size_t step = 1; step <= sz; step += step < 20 ? 1 : 50) {
                unsigned code = answer_to(bytes, sz, step, &used, deflate);
                if (code != tm_fault_frame_code(kind, deflate))
                    printf("# %s in steps of %zu: %u\n", tm_fault_frame_name(kind), step, code);
                tm_assert_eq(code, tm_fault_frame_code(kind, deflate));
            }
        }
    }
}

Test(fault_frame, what_a_header_gives_away_is_refused_when_the_header_is_complete)
{
    static const char *const kinds[] = {"masked",      "rsv1",      "rsv2",        "rsv3",
                                        "opcode-3",    "opcode-7",  "opcode-11",   "ping-fragment",
                                        "ping-126",    "close-126", "length-16",   "length-64",
                                        "length-sign", "huge",      "continuation"};
    uint8_t bytes[TM_FAULT_FRAME_MAX];
    for (size_t i = 0; i < TM_ARRAY_CNT(kinds); i++) {
        int kind = tm_fault_frame_find(kinds[i], strlen(kinds[i]));
        tm_assert(kind >= 0);
        tm_fault_frame_write((uint32_t)kind, bytes);
        size_t used = 0, sz = header_sz(bytes);
        unsigned code = answer_to(bytes, sz, 1, &used, false);
        if (code == 0) printf("# %s: its header alone is not refused\n", kinds[i]);
        tm_assert_eq(code, tm_fault_frame_code((uint32_t)kind, false));
        tm_assert(used <= sz);
    }
    /* And in the middle of a stream: a good message before it, more behind it. */
    static const uint8_t stream[] = {0x81, 2, '{', '}', 0xa1};
    size_t used = 0;
    tm_assert_eq(answer_to(stream, sizeof stream, sizeof stream, &used, false), 0u);
}
