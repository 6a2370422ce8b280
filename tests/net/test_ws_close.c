#include "base/error.h"
#include "net/ws/ws.h"
#include "tests/net/ws_wire.h"
#include "tests/tm_test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const tm_ws_cfg_t client = {.role = TM_WS_CLIENT};
static const tm_ws_cfg_t server = {.role = TM_WS_SERVER};

Test(ws_close, a_close_frame_is_echoed_with_its_code_and_ends_the_reading)
{
    tm_wire_t w = {0};
    tm_wire_close(&w, 1000, "bye");
    tm_assert(tm_wire_reads_as(&client, &w, "<close:1000:bye >close:1000: end"));
    tm_wire_text(&w, WIRE_FIN | WIRE_CLOSE, "");
    tm_assert(tm_wire_reads_as(&client, &w, "<close:1005: >close: end"));
    w.masked = true;
    tm_wire_text(&w, WIRE_FIN | WIRE_TEXT, "last");
    tm_wire_close(&w, 1001, "");
    tm_wire_text(&w, WIRE_FIN | WIRE_PING, "after");
    tm_wire_text(&w, WIRE_FIN | WIRE_TEXT, "after");
    tm_assert(tm_wire_reads_as(&server, &w, "<text:last <close:1001: >close:1001: end"));
}

Test(ws_close, a_close_frame_inside_a_fragmented_message_ends_it)
{
    tm_wire_t w = {0};
    tm_wire_text(&w, WIRE_TEXT, "never ");
    tm_wire_close(&w, 1000, "");
    tm_wire_text(&w, WIRE_FIN | WIRE_CONT, "whole");
    tm_assert(tm_wire_reads_as(&client, &w, "<close:1000: >close:1000: end"));
}

Test(ws_close, every_close_code_is_taken_or_refused_as_registered)
{
    for (unsigned code = 0; code <= 65535; code++) {
        bool valid = (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
                     (code >= 3000 && code <= 4999);
        tm_assert_eq(tm_ws_close_code_is_valid((uint16_t)code), valid);
        if (code % 997 != 0 && (code < 990 || code > 1030) && code % 1000 > 1) continue;
        char want[64];
        tm_wire_t w = {0};
        tm_wire_close(&w, code, "");
        snprintf(want, sizeof want, "<close:%u: >close:%u: end", code, code);
        tm_assert(tm_wire_reads_as(&client, &w, valid ? want : ">close:1002: protocol error"));
    }
    tm_assert_str(tm_ws_close_code_name(1001), "going away");
    tm_assert_str(tm_ws_close_code_name(2000), "unassigned");
}

Test(ws_close, half_a_close_code_and_a_reason_that_is_not_utf8_are_refused)
{
    tm_wire_t w = {0};
    tm_wire_text(&w, WIRE_FIN | WIRE_CLOSE, "\x03");
    tm_assert(tm_wire_reads_as(&client, &w, ">close:1002: protocol error"));
    tm_wire_close(&w, 1000, "\xce\xba\xe1\xbd\xb9\xed\xa0\x80");
    tm_assert(tm_wire_reads_as(&client, &w, ">close:1007: protocol error"));
}

Test(ws_close, closing_ourselves_still_delivers_until_the_peer_has_closed)
{
    tm_ws_t *ws;
    tm_wire_t w = {0}, line = {0};
    uint8_t out[200];
    tm_assert_eq(tm_ws_open(&ws, &client), 0);
    tm_ws_close(ws, TM_WS_CODE_GOING_AWAY, "done");
    tm_ws_close(ws, TM_WS_CODE_NORMAL, "too late");
    tm_assert_eq(tm_ws_reply(ws, (const uint8_t *)"abcd", out, 5), -ENOBUFS);
    int n = tm_ws_reply(ws, (const uint8_t *)"abcd", out, sizeof out);
    tm_wire_show(&line, out, (size_t)n, true);
    tm_wire_raw(&line, "", 1);
    tm_assert_str((char *)line.data, ">close:1001:done");
    tm_assert(tm_ws_close_sent(ws) && !tm_ws_is_done(ws));

    tm_ws_message_t msg = {(const uint8_t *)"x", 1, TM_WS_TEXT};
    tm_assert_eq(tm_ws_write(ws, &msg, (const uint8_t *)"abcd", out, sizeof out), (int)TM_E_CLOSED);
    tm_wire_text(&w, WIRE_FIN | WIRE_TEXT, "still here");
    tm_wire_text(&w, WIRE_FIN | WIRE_PING, "no pong");
    tm_wire_close(&w, 1001, "");
    tm_wire_raw(&w, (uint8_t[TM_FRAME_PAD]){0}, TM_FRAME_PAD);
    size_t used, at = 0, sz = w.sz - TM_FRAME_PAD;
    tm_assert_eq(tm_ws_read(ws, w.data, sz, &used, &msg), (int)TM_WS_MESSAGE);
    at += used;
    tm_assert_eq(tm_ws_read(ws, w.data + at, sz - at, &used, &msg), (int)TM_WS_PINGED);
    at += used;
    tm_assert_eq(tm_ws_read(ws, w.data + at, sz - at, &used, &msg), (int)TM_WS_CLOSED);
    at += used;
    tm_assert(!tm_ws_has_reply(ws) && tm_ws_is_done(ws));
    tm_assert_eq(tm_ws_read(ws, w.data + at, sz - at, &used, &msg), (int)TM_E_CLOSED);
    tm_ws_free(ws);
    tm_wire_free(&w);
    tm_wire_free(&line);
}

Test(ws_close, a_long_close_reason_is_cut_between_characters)
{
    tm_ws_t *ws;
    char reason[200];
    uint8_t out[200];
    memset(reason, 'r', sizeof reason);
    memcpy(reason + 122, "\xc3\xa4", 2); /* the cut would fall into it */
    reason[199] = '\0';
    tm_assert_eq(tm_ws_open(&ws, &server), 0);
    tm_ws_close(ws, 4000, reason);
    tm_assert_eq(tm_ws_reply(ws, NULL, out, sizeof out), 2 + 2 + 122);
    tm_assert_eq(out[1], 124);
    tm_ws_free(ws);
}
