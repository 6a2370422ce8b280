#include "base/error.h"
#include "net/ws/ws.h"
#include "tests/net/ws_wire.h"
#include "tests/tm_test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const tm_ws_cfg_t client = {.role = TM_WS_CLIENT};
static const tm_ws_cfg_t server = {.role = TM_WS_SERVER};

Test(ws, a_text_and_a_binary_message_come_out_as_sent)
{
    tm_wire_t w = {0};
    tm_wire_text(&w, WIRE_FIN | WIRE_TEXT, "Hello");
    tm_wire_text(&w, WIRE_FIN | WIRE_BINARY, "\xff\xfe!");
    tm_wire_text(&w, WIRE_FIN | WIRE_TEXT, "");
    tm_assert(tm_wire_reads_as(&client, &w, "<text:Hello <binary:#3.f994761be4783563 <text: open"));
}

Test(ws, the_example_frames_of_the_rfc_are_read)
{
    static const uint8_t unmasked[] = {0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f};
    static const uint8_t masked[] = {0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d,
                                     0x7f, 0x9f, 0x4d, 0x51, 0x58};
    static const uint8_t fragments[] = {0x01, 0x03, 0x48, 0x65, 0x6c, 0x80, 0x02, 0x6c, 0x6f};
    tm_wire_t w = {0};
    tm_wire_raw(&w, unmasked, sizeof unmasked);
    tm_assert(tm_wire_reads_as(&client, &w, "<text:Hello open"));
    tm_wire_raw(&w, masked, sizeof masked);
    tm_assert(tm_wire_reads_as(&server, &w, "<text:Hello open"));
    tm_wire_raw(&w, fragments, sizeof fragments);
    tm_assert(tm_wire_reads_as(&client, &w, "<text:Hello open"));
}

Test(ws, lengths_around_each_encoding_survive_in_both_roles)
{
    static const size_t sizes[] = {0, 1, 125, 126, 127, 4081, 4096, 4097, 65535, 65536, 70001};
    for (size_t i = 0; i < TM_ARRAY_CNT(sizes); i++) {
        uint8_t *payload = malloc(sizes[i] + 1);
        for (size_t k = 0; k < sizes[i]; k++) payload[k] = (uint8_t)('a' + k % 23);
        tm_wire_t line = {0}, unmasked = {0}, masked = {.masked = true};
        tm_wire_frame(&unmasked, WIRE_FIN | WIRE_TEXT, payload, sizes[i]);
        tm_wire_frame(&masked, WIRE_FIN | WIRE_TEXT, payload, sizes[i]);
        tm_wire_show(&line, unmasked.data, unmasked.sz, false);
        tm_wire_raw(&line, " open", 6);
        line.data[line.data[0] == ' '] = '<';
        tm_assert(tm_wire_reads_as(&client, &unmasked, (char *)line.data));
        tm_assert(tm_wire_reads_as(&server, &masked, (char *)line.data));
        tm_wire_free(&line);
        free(payload);
    }
}

Test(ws, an_unmasked_message_whole_in_the_input_is_a_view_into_it)
{
    tm_ws_t *ws;
    tm_wire_t w = {0};
    uint8_t big[10000], input[11000];
    memset(big, 'x', sizeof big);
    tm_wire_text(&w, WIRE_FIN | WIRE_TEXT, "Hello");
    tm_wire_frame(&w, WIRE_FIN | WIRE_TEXT, big, sizeof big);
    memcpy(input, w.data, w.sz);
    tm_assert_eq(tm_ws_open(&ws, &client), 0);
    size_t used, used_more;
    tm_ws_message_t msg;
    tm_assert_eq(tm_ws_read(ws, input, w.sz, &used, &msg), (int)TM_WS_MESSAGE);
    tm_assert_eq(used, (size_t)7);
    tm_assert(msg.data == input + 2);
    tm_assert_eq(tm_ws_read(ws, input + used, w.sz - used, &used_more, &msg), (int)TM_WS_MESSAGE);
    tm_assert(msg.data == input + 11);
    tm_assert_eq(msg.sz, sizeof big);
    tm_ws_free(ws);
    tm_wire_free(&w);
}

Test(ws, fragments_are_put_together_around_control_frames)
{
    tm_wire_t w = {.masked = true};
    tm_wire_text(&w, WIRE_TEXT, "one,");
    tm_wire_text(&w, WIRE_FIN | WIRE_PING, "p");
    tm_wire_text(&w, WIRE_CONT, "");
    tm_wire_text(&w, WIRE_CONT, "two,");
    tm_wire_text(&w, WIRE_FIN | WIRE_PONG, "q");
    tm_wire_text(&w, WIRE_FIN | WIRE_CONT, "three");
    tm_assert(tm_wire_reads_as(&server, &w, "<ping:p >pong:p <pong:q <text:one,two,three open"));
}

Test(ws, a_message_of_empty_fragments_only_is_empty)
{
    for (int masked = 0; masked < 2; masked++) {
        tm_wire_t w = {.masked = masked};
        tm_wire_text(&w, WIRE_TEXT, "");
        tm_wire_text(&w, WIRE_CONT, "");
        tm_wire_text(&w, WIRE_FIN | WIRE_CONT, "");
        tm_assert(tm_wire_reads_as(masked ? &server : &client, &w, "<text: open"));
    }
}

Test(ws, a_masked_frame_is_refused_by_a_client_and_an_unmasked_one_by_a_server)
{
    tm_wire_t w = {.masked = true};
    tm_wire_text(&w, WIRE_FIN | WIRE_TEXT, "Hello");
    tm_assert(tm_wire_reads_as(&client, &w, ">close:1002: protocol error"));
    w.masked = false;
    tm_wire_text(&w, WIRE_FIN | WIRE_TEXT, "Hello");
    tm_assert(tm_wire_reads_as(&server, &w, ">close:1002: protocol error"));
}

Test(ws, each_reserved_bit_is_refused)
{
    for (unsigned rsv = 1; rsv < 8; rsv++) {
        tm_wire_t w = {0};
        tm_wire_text(&w, WIRE_FIN | WIRE_TEXT, "first");
        tm_wire_text(&w, WIRE_FIN | rsv << 4 | WIRE_TEXT, "second");
        tm_assert(tm_wire_reads_as(&client, &w, "<text:first >close:1002: protocol error"));
    }
}

Test(ws, each_reserved_opcode_is_refused_with_and_without_payload)
{
    static const unsigned ops[] = {3, 4, 5, 6, 7, 11, 12, 13, 14, 15};
    for (size_t i = 0; i < 2 * TM_ARRAY_CNT(ops); i++) {
        tm_wire_t w = {0};
        tm_wire_text(&w, WIRE_FIN | ops[i / 2], i % 2 ? "payload" : "");
        tm_assert(tm_wire_reads_as(&client, &w, ">close:1002: protocol error"));
    }
}

Test(ws, a_continuation_of_nothing_and_a_message_inside_a_message_are_refused)
{
    for (unsigned fin = 0; fin <= WIRE_FIN; fin += WIRE_FIN) {
        tm_wire_t w = {0};
        tm_wire_text(&w, fin | WIRE_CONT, "x");
        tm_assert(tm_wire_reads_as(&client, &w, ">close:1002: protocol error"));
        tm_wire_text(&w, WIRE_TEXT, "one");
        tm_wire_text(&w, fin | WIRE_TEXT, "two");
        tm_assert(tm_wire_reads_as(&client, &w, ">close:1002: protocol error"));
        tm_wire_text(&w, WIRE_TEXT, "one");
        tm_wire_text(&w, WIRE_FIN | WIRE_CONT, "two");
        tm_wire_text(&w, fin | WIRE_CONT, "three");
        tm_assert(tm_wire_reads_as(&client, &w, "<text:onetwo >close:1002: protocol error"));
    }
}

Test(ws, a_control_frame_in_fragments_or_above_125_bytes_is_refused)
{
    static const unsigned ops[] = {WIRE_PING, WIRE_PONG, WIRE_CLOSE};
    char payload[126];
    memset(payload, 'p', sizeof payload);
    for (size_t i = 0; i < TM_ARRAY_CNT(ops); i++) {
        tm_wire_t w = {0};
        tm_wire_text(&w, ops[i], "x");
        tm_assert(tm_wire_reads_as(&client, &w, ">close:1002: protocol error"));
        tm_wire_frame(&w, WIRE_FIN | ops[i], payload, sizeof payload);
        tm_assert(tm_wire_reads_as(&client, &w, ">close:1002: protocol error"));
    }
}

Test(ws, a_length_not_in_its_shortest_form_is_refused)
{
    static const uint8_t heads[][10] = {
        {0x82, 126, 0, 0},
        {0x82, 126, 0, 125},
        {0x82, 127, 0, 0, 0, 0, 0, 0, 0, 125},
        {0x82, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff},
        {0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0},
        {0x82, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
    };
    for (size_t i = 0; i < TM_ARRAY_CNT(heads); i++) {
        tm_wire_t w = {0};
        tm_wire_raw(&w, heads[i], heads[i][1] == 126 ? 4 : 10);
        tm_assert(tm_wire_reads_as(&client, &w, ">close:1002: protocol error"));
    }
}

Test(ws, a_frame_above_the_limit_is_refused_before_anything_is_allocated)
{
    static const uint8_t head[] = {0x82, 127, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 'x'};
    tm_ws_t *ws;
    size_t used;
    tm_ws_message_t msg;
    uint8_t in[sizeof head + TM_FRAME_PAD] = {0};
    memcpy(in, head, sizeof head);
    tm_assert_eq(tm_ws_open(&ws, &client), 0);
    size_t before = tm_ws_buffer_sz(ws);
    tm_assert_eq(tm_ws_read(ws, in, sizeof head, &used, &msg), (int)TM_E_LIMIT);
    tm_assert(strstr(tm_error_text(), "2147483647"));
    tm_assert(strstr(tm_error_text(), "16777216"));
    tm_assert_eq(tm_ws_buffer_sz(ws), before);
    tm_assert_eq(tm_ws_read(ws, in, sizeof head, &used, &msg), (int)TM_E_LIMIT);
    tm_assert_eq(used, (size_t)0);
    tm_ws_free(ws);
}

Test(ws, a_long_frame_takes_memory_only_as_its_bytes_arrive)
{
    static const uint8_t head[] = {0x82, 127, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 'x'};
    tm_ws_t *ws;
    size_t used;
    tm_ws_message_t msg;
    uint8_t in[sizeof head + TM_FRAME_PAD] = {0};
    memcpy(in, head, sizeof head);
    tm_assert_eq(tm_ws_open(&ws, &client), 0);
    tm_assert_eq(tm_ws_read(ws, in, sizeof head, &used, &msg), (int)TM_WS_MORE);
    tm_assert(tm_ws_buffer_sz(ws) <= 4096);
    tm_ws_free(ws);
}

Test(ws, the_limit_counts_all_fragments_of_a_message_and_starts_anew_with_the_next)
{
    tm_ws_cfg_t cfg = {.role = TM_WS_CLIENT, .message_sz_max = 10};
    tm_wire_t w = {0};
    tm_wire_text(&w, WIRE_TEXT, "12345");
    tm_wire_text(&w, WIRE_FIN | WIRE_CONT, "67890");
    tm_wire_text(&w, WIRE_FIN | WIRE_TEXT, "1234567890");
    tm_wire_text(&w, WIRE_TEXT, "12345");
    tm_wire_text(&w, WIRE_FIN | WIRE_CONT, "678901");
    tm_assert(tm_wire_reads_as(&cfg, &w,
                               "<text:1234567890 <text:1234567890 >close:1009: limit exceeded"));
    tm_wire_text(&w, WIRE_FIN | WIRE_TEXT, "12345678901");
    tm_assert(tm_wire_reads_as(&cfg, &w, ">close:1009: limit exceeded"));
}

Test(ws, endless_empty_fragments_end_at_the_limit)
{
    tm_ws_cfg_t cfg = {.role = TM_WS_CLIENT, .fragment_cnt_max = 3};
    tm_wire_t w = {0};
    tm_wire_text(&w, WIRE_TEXT, "");
    tm_wire_text(&w, WIRE_CONT, "");
    tm_wire_text(&w, WIRE_FIN | WIRE_CONT, "x");
    tm_wire_text(&w, WIRE_TEXT, "");
    for (int i = 0; i < 3; i++) tm_wire_text(&w, WIRE_CONT, "");
    tm_assert(tm_wire_reads_as(&cfg, &w, "<text:x >close:1009: limit exceeded"));
}

Test(ws, text_that_is_not_utf8_is_refused_with_1007_and_binary_is_not)
{
    static const char *const bad[] = {"\x80", "ok \xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                                      "cut \xe2\x82"};
    for (size_t i = 0; i < TM_ARRAY_CNT(bad); i++) {
        tm_wire_t w = {0};
        tm_wire_text(&w, WIRE_FIN | WIRE_TEXT, bad[i]);
        tm_assert(tm_wire_reads_as(&client, &w, ">close:1007: protocol error"));
        tm_wire_text(&w, WIRE_TEXT, bad[i]);
        tm_wire_text(&w, WIRE_FIN | WIRE_CONT, "");
        tm_assert(tm_wire_reads_as(&client, &w, ">close:1007: protocol error"));
    }
    tm_wire_t w = {0};
    tm_wire_text(&w, WIRE_FIN | WIRE_BINARY, "\x80");
    tm_wire_text(&w, WIRE_FIN | WIRE_TEXT, "after");
    tm_assert(tm_wire_reads_as(&client, &w, "<binary:#1.af643d4c8602915f <text:after open"));
}

Test(ws, a_character_may_be_cut_by_a_fragment)
{
    tm_wire_t w = {0};
    tm_wire_text(&w, WIRE_TEXT, "\xf0\x9f");
    tm_wire_text(&w, WIRE_FIN | WIRE_PING, "");
    tm_wire_text(&w, WIRE_CONT, "\x98");
    tm_wire_text(&w, WIRE_FIN | WIRE_CONT, "\x80");
    tm_assert(tm_wire_reads_as(&client, &w, "<ping: >pong: <text:#4.feff073875020288 open"));
}

Test(ws, bad_text_is_refused_before_its_frame_is_complete)
{
    tm_ws_t *ws;
    size_t used;
    tm_ws_message_t msg;
    uint8_t in[4 + TM_FRAME_PAD] = {0x81, 100, 'a', 0xff};
    tm_assert_eq(tm_ws_open(&ws, &client), 0);
    tm_assert_eq(tm_ws_read(ws, in, 3, &used, &msg), (int)TM_WS_MORE);
    tm_assert_eq(tm_ws_read(ws, in + 3, 1, &used, &msg), (int)TM_E_PROTOCOL);
    tm_ws_free(ws);
}

Test(ws, a_ping_is_answered_with_its_payload_and_a_pong_is_not_answered)
{
    tm_wire_t w = {0};
    char payload[126] = {0};
    memset(payload, 'p', 125);
    tm_wire_text(&w, WIRE_FIN | WIRE_PING, "");
    tm_wire_text(&w, WIRE_FIN | WIRE_PONG, "unasked");
    tm_wire_text(&w, WIRE_FIN | WIRE_PING, payload);
    tm_assert(tm_wire_reads_as(&client, &w,
                               "<ping: >pong: <pong:unasked <ping:#125.7e90f26a3b763b1f "
                               ">pong:#125.7e90f26a3b763b1f open"));
}

Test(ws, only_the_newest_of_many_unanswered_pings_is_answered)
{
    tm_ws_t *ws;
    tm_wire_t w = {0}, line = {0};
    for (int i = 0; i < 1000; i++)
        tm_wire_text(&w, WIRE_FIN | WIRE_PING, i == 999 ? "last" : "ping");
    tm_wire_raw(&w, (uint8_t[TM_FRAME_PAD]){0}, TM_FRAME_PAD);
    tm_assert_eq(tm_ws_open(&ws, &client), 0);
    size_t at = 0, used;
    tm_ws_message_t msg;
    int event;
    while ((event = tm_ws_read(ws, w.data + at, w.sz - TM_FRAME_PAD - at, &used, &msg)) > 0) {
        tm_assert_eq(event, (int)TM_WS_PINGED);
        at += used;
    }
    tm_assert_eq(event, (int)TM_WS_MORE);
    uint8_t out[1000];
    int n = tm_ws_reply(ws, (const uint8_t *)"abcd", out, sizeof out);
    tm_wire_show(&line, out, (size_t)n, true);
    tm_wire_raw(&line, "", 1);
    tm_assert_str((char *)line.data, ">pong:last");
    tm_assert(!tm_ws_has_reply(ws));
    tm_assert(tm_ws_buffer_sz(ws) <= 4096);
    tm_ws_free(ws);
    tm_wire_free(&w);
    tm_wire_free(&line);
}

Test(ws, what_one_role_writes_the_other_reads)
{
    static const size_t sizes[] = {0, 1, 125, 126, 65535, 65536, 100000};
    uint8_t *payload = malloc(100000), *out = malloc(100000 + TM_WS_HEADER_MAX + TM_FRAME_PAD);
    for (size_t k = 0; k < 100000; k++) payload[k] = (uint8_t)(k * 7);
    for (int role = 0; role < 2; role++) {
        tm_ws_t *from, *to;
        tm_assert_eq(tm_ws_open(&from, role ? &server : &client), 0);
        tm_assert_eq(tm_ws_open(&to, role ? &client : &server), 0);
        for (size_t i = 0; i < TM_ARRAY_CNT(sizes); i++) {
            tm_ws_message_t got, msg = {payload, sizes[i], TM_WS_BINARY};
            int n = tm_ws_write(from, &msg, role ? NULL : (const uint8_t *)"\x01\x80\xff\x7e", out,
                                100000 + TM_WS_HEADER_MAX);
            tm_assert_eq((size_t)n, tm_ws_frame_sz(from, sizes[i]));
            size_t used;
            tm_assert_eq(tm_ws_read(to, out, (size_t)n, &used, &got), (int)TM_WS_MESSAGE);
            tm_assert_eq(used, (size_t)n);
            tm_assert_eq(got.sz, sizes[i]);
            tm_assert(memcmp(got.data, payload, sizes[i]) == 0);
        }
        tm_ws_free(from);
        tm_ws_free(to);
    }
    free(payload);
    free(out);
}

Test(ws, writing_refuses_what_would_break_the_rules)
{
    tm_ws_t *ws;
    uint8_t out[300], payload[126] = {0};
    tm_assert_eq(tm_ws_open(&ws, &server), 0);
    tm_ws_message_t long_ping = {payload, 126, TM_WS_PING};
    tm_ws_message_t close = {payload, 2, TM_WS_CLOSE};
    tm_ws_message_t text = {payload, 10, TM_WS_TEXT};
    tm_assert_eq(tm_ws_write(ws, &long_ping, NULL, out, sizeof out), -EINVAL);
    tm_assert_eq(tm_ws_write(ws, &close, NULL, out, sizeof out), -EINVAL);
    tm_assert_eq(tm_ws_write(ws, &text, NULL, out, 11), -ENOBUFS);
    tm_assert_eq(tm_ws_write(ws, &text, NULL, out, 12), 12);
    tm_ws_free(ws);
}

Test(ws, held_messages_stay_in_place_while_the_buffer_grows_and_it_soon_stops_growing)
{
    /* Masked messages are always assembled: 40 of 3000 bytes between two releases. The harness
       aborts where one of them changes. */
    tm_ws_t *ws;
    tm_wire_t w = {.masked = true};
    uint8_t payload[3000];
    for (int i = 0; i < 40; i++) {
        memset(payload, 'a' + i % 26, sizeof payload);
        tm_wire_frame(&w, WIRE_FIN | WIRE_TEXT, payload, sizeof payload);
    }
    char *line = tm_wire_run(&server, &w, (tm_wire_cut_t){0}, false);
    tm_assert(strstr(line, "open"));
    free(line);

    tm_assert_eq(tm_ws_open(&ws, &server), 0);
    size_t settled = 0;
    tm_wire_raw(&w, (uint8_t[TM_FRAME_PAD]){0}, TM_FRAME_PAD);
    for (int poll = 0; poll < 20; poll++) {
        size_t used;
        tm_ws_message_t msg;
        for (size_t at = 0; at < w.sz - TM_FRAME_PAD; at += used) {
            tm_assert_eq(tm_ws_read(ws, w.data + at, w.sz - TM_FRAME_PAD - at, &used, &msg),
                         (int)TM_WS_MESSAGE);
        }
        if (poll == 10) settled = tm_ws_buffer_sz(ws);
        tm_ws_release(ws);
    }
    tm_assert_eq(tm_ws_buffer_sz(ws), settled);
    tm_assert(settled <= 256 << 10);
    tm_ws_free(ws);
    tm_wire_free(&w);
}

/* What is read of a header alone, with no byte of its payload. */
static char *read_header(const tm_ws_cfg_t *cfg, const char *bytes, size_t sz, size_t chop_sz)
{
    tm_wire_t w = {0};
    tm_wire_raw(&w, bytes, sz);
    char *line = tm_wire_run(cfg, &w, (tm_wire_cut_t){.chop_sz = chop_sz}, false);
    tm_wire_free(&w);
    return line;
}

Test(ws, a_bad_header_is_refused_before_its_payload_comes)
{
    static const tm_ws_cfg_t small = {.role = TM_WS_CLIENT, .message_sz_max = 1000};
    static const struct {
        const tm_ws_cfg_t *cfg;
        const char *bytes;
        size_t sz;
        const char *want;
    } bad[] = {
        {&client, "\x81\x85mask", 6, ">close:1002: protocol error"},
        {&server, "\x81\x05", 2, ">close:1002: protocol error"},
        {&client, "\xc1\x05", 2, ">close:1002: protocol error"},
        {&client, "\x91\x7e\x01\x00", 4, ">close:1002: protocol error"},
        {&client, "\x83\x05", 2, ">close:1002: protocol error"},
        {&client, "\x8b\x05", 2, ">close:1002: protocol error"},
        {&client, "\x80\x05", 2, ">close:1002: protocol error"},
        {&client, "\x89\x7e", 2, ">close:1002: protocol error"},
        {&client, "\x09\x05", 2, ">close:1002: protocol error"},
        {&client, "\x81\x7e\x00\x7d", 4, ">close:1002: protocol error"},
        {&client, "\x81\x7f\x80\0\0\0\0\0\0\0", 10, ">close:1002: protocol error"},
        {&small, "\x81\x7e\x03\xe9", 4, ">close:1009: limit exceeded"},
        {&client, "\x81\x7f\0\0\0\0\x01\0\0\x01", 10, ">close:1009: limit exceeded"},
        {&small, "\x81\x7e\x03\xe8", 4, "open"},
        {&server, "\x81\x85mask", 6, "open"},
    };
    for (size_t i = 0; i < TM_ARRAY_CNT(bad); i++) {
        for (size_t chop = 0; chop < 3; chop++) {
            char *line = read_header(bad[i].cfg, bad[i].bytes, bad[i].sz, chop);
            if (strcmp(line, bad[i].want) != 0) printf("# header %zu, chops of %zu\n", i, chop);
            tm_assert_str(line, bad[i].want);
            free(line);
        }
    }
}
