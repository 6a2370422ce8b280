#include "tests/net/autobahn_case.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void want_text(tm_case_t *c, const char *text)
{
    tm_wire_raw(&c->want, text, strlen(text));
}

/* Appends "<op:payload", or ">op:payload" where it is an answer. */
static void want_message(tm_case_t *c, char arrow, unsigned op, const void *payload, size_t sz)
{
    tm_wire_t frame = {0};
    size_t at = c->want.sz > 0 ? c->want.sz + 1 : 0;
    tm_wire_frame(&frame, WIRE_FIN | op, payload, sz);
    tm_wire_show(&c->want, frame.data, frame.sz, false);
    c->want.data[at] = (uint8_t)arrow;
    tm_wire_free(&frame);
}

/* The frame breaks a rule: the connection must fail with it. */
static void must_fail(tm_case_t *c, unsigned code)
{
    char text[64];
    snprintf(text, sizeof text, "%s>close:%u: protocol error", c->want.sz ? " " : "", code);
    want_text(c, text);
    c->fails = true;
}

static void send_frame(tm_case_t *c, unsigned first, const void *payload, size_t sz)
{
    unsigned op = first & 0x0f;
    for (int i = 0; i < 2; i++) tm_wire_frame(&c->wires[i], first, payload, sz);
    if (c->fails || c->closes) return;
    if (op == WIRE_PING) {
        want_message(c, '<', WIRE_PING, payload, sz);
        want_message(c, '>', WIRE_PONG, payload, sz);
    } else if (op == WIRE_PONG) {
        want_message(c, '<', WIRE_PONG, payload, sz);
    } else if (op != WIRE_CLOSE) {
        if (op != WIRE_CONT) c->message_op = op;
        tm_wire_raw(&c->message, payload, sz);
        if (!(first & WIRE_FIN)) return;
        want_message(c, '<', c->message_op, c->message.data, c->message.sz);
        want_message(c, '>', c->message_op, c->message.data, c->message.sz);
        c->message.sz = 0;
    }
}

static void send_bad(tm_case_t *c, unsigned first, const void *payload, size_t sz)
{
    if (!c->fails && !c->closes) must_fail(c, 1002);
    send_frame(c, first, payload, sz);
}

void tm_case_close(tm_case_t *c, unsigned code, const char *reason)
{
    char text[256];
    for (int i = 0; i < 2; i++) tm_wire_close(&c->wires[i], code, reason);
    if (c->fails || c->closes) return;
    snprintf(text, sizeof text, "%s<close:%u:%s >close:%u: end", c->want.sz ? " " : "", code,
             reason, code);
    want_text(c, text);
    c->closes = true;
}

static void say_text(tm_case_t *c, unsigned first, const char *payload)
{
    send_frame(c, first, payload, strlen(payload));
}

/* ---- Numbers and bytes out of a description -------------------------------------------------- */

size_t tm_case_number(const char *text, const char *words)
{
    const char *at = strstr(text, words);
    if (!at) return 0;
    char *end;
    size_t number = strtoul(at + strlen(words), &end, 10);
    if (strncmp(end, " * 2**", 6) == 0) return number << strtoul(end + 6, NULL, 10);
    return *end == 'k' ? number << 10 : *end == 'M' ? number << 20 : number;
}

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Steps to the next word that is all hex digits, an even number of them; a leading 0x is skipped.
   Returns how many bytes it makes, 0 at the end. */
static size_t next_bytes(const char **text, uint8_t *out)
{
    while (**text) {
        *text += strspn(*text, " ");
        size_t sz = strcspn(*text, " ");
        const char *word = *text;
        *text += sz;
        if (sz > 2 && word[0] == '0' && word[1] == 'x') {
            word += 2;
            sz -= 2;
        }
        size_t n = 0;
        while (n < sz && digit(word[n]) >= 0) n++;
        if (n == 0 || n != sz || sz % 2 != 0) continue;
        for (size_t i = 0; i < sz / 2; i++) {
            out[i] = (uint8_t)(digit(word[2 * i]) * 16 + digit(word[2 * i + 1]));
        }
        return sz / 2;
    }
    return 0;
}

/* ---- The categories -------------------------------------------------------------------------- */

/* 1, 9, 10: one message or a thousand of some length, whole or in fragments. */
static bool make_lengths(tm_case_t *c)
{
    const char *d = c->description;
    unsigned op = strstr(d, "binary") ? WIRE_BINARY : WIRE_TEXT;
    size_t sz = tm_case_number(d, "payload of length ") +
                tm_case_number(d, "message with payload ") + tm_case_number(d, "payload size ");
    size_t fragment_sz = tm_case_number(d, "in fragments of ") +
                         tm_case_number(d, "FragmentSize = ");
    size_t cnt = strstr(d, "Send 1000 ") ? 1000 : 1;
    uint8_t *payload = malloc(sz + 1);
    for (size_t i = 0; i < sz; i++) payload[i] = (uint8_t)(op == WIRE_TEXT ? '!' + i % 90 : i * 7);
    if (fragment_sz == 0) fragment_sz = sz + 1;
    for (size_t k = 0; k < cnt; k++) {
        size_t at = 0;
        do {
            size_t n = sz - at < fragment_sz ? sz - at : fragment_sz;
            unsigned fin = at + n == sz ? WIRE_FIN : 0;
            send_frame(c, fin | (at == 0 ? op : WIRE_CONT), payload + at, n);
            at += n;
        } while (at < sz);
    }
    free(payload);
    return true;
}

static bool make_pings(tm_case_t *c, int n)
{
    char full[126];
    memset(full, 0xfe, sizeof full);
    switch (n) {
    case 1:
        say_text(c, WIRE_FIN | WIRE_PING, "");
        break;
    case 2:
        say_text(c, WIRE_FIN | WIRE_PING, "Hello, world!");
        break;
    case 3:
        send_frame(c, WIRE_FIN | WIRE_PING, "\x00\xff\xfe\xfd\xfc\xfb\x00\xff", 8);
        break;
    case 4:
    case 6:
        send_frame(c, WIRE_FIN | WIRE_PING, full, 125);
        break;
    case 5:
        send_bad(c, WIRE_FIN | WIRE_PING, full, 126);
        break;
    case 7:
        say_text(c, WIRE_FIN | WIRE_PONG, "");
        break;
    case 8:
        say_text(c, WIRE_FIN | WIRE_PONG, "unsolicited pong payload");
        break;
    case 9:
        say_text(c, WIRE_FIN | WIRE_PONG, "unsolicited pong payload");
        say_text(c, WIRE_FIN | WIRE_PING, "ping payload");
        break;
    case 10:
    case 11:
        for (int i = 0; i < 10; i++) {
            snprintf(full, sizeof full, "payload-%d", i);
            say_text(c, WIRE_FIN | WIRE_PING, full);
        }
        break;
    default:
        return false;
    }
    return true;
}

/* 3 and 4: reserved bits or opcodes, with or without a good message before and a ping behind. */
static bool make_reserved(tm_case_t *c)
{
    const char *d = c->description;
    size_t rsv = tm_case_number(d, "RSV = "), op = tm_case_number(d, "Opcode = ");
    if (op == 0) {
        op = strstr(d, "binary")       ? WIRE_BINARY
             : strstr(d, "Send Ping")  ? WIRE_PING
             : strstr(d, "Send Close") ? WIRE_CLOSE
                                       : WIRE_TEXT;
    }
    if (strstr(d, ", then send")) say_text(c, WIRE_FIN | WIRE_TEXT, "Hello, world!");
    const char *payload = rsv || strstr(d, "non-empty") ? "Hello, world!" : "";
    send_bad(c, WIRE_FIN | (unsigned)rsv << 4 | (unsigned)op, payload, strlen(payload));
    if (strstr(d, "then send Ping")) say_text(c, WIRE_FIN | WIRE_PING, "");
    return true;
}

static void make_interleaved(tm_case_t *c)
{
    say_text(c, WIRE_TEXT, "fragment1");
    say_text(c, WIRE_CONT, "fragment2");
    say_text(c, WIRE_FIN | WIRE_PING, "pongme 1!");
    say_text(c, WIRE_CONT, "fragment3");
    say_text(c, WIRE_CONT, "fragment4");
    say_text(c, WIRE_FIN | WIRE_PING, "pongme 2!");
    say_text(c, WIRE_FIN | WIRE_CONT, "fragment5");
}

static bool make_fragments(tm_case_t *c, int n)
{
    if (n <= 2) {
        send_bad(c, n == 1 ? WIRE_PING : WIRE_PONG, "fragment1", 9);
        say_text(c, WIRE_FIN | WIRE_CONT, "fragment2");
    } else if (n <= 8) {
        say_text(c, WIRE_TEXT, "fragment1");
        if (n >= 6) say_text(c, WIRE_FIN | WIRE_PING, "ping payload");
        say_text(c, WIRE_FIN | WIRE_CONT, "fragment2");
    } else if (n <= 14) {
        send_bad(c, (n <= 11 ? WIRE_FIN : 0) | WIRE_CONT, "non-continuation payload", 24);
        say_text(c, WIRE_FIN | WIRE_TEXT, "Hello, world!");
    } else if (n == 15) {
        say_text(c, WIRE_TEXT, "fragment1");
        say_text(c, WIRE_FIN | WIRE_CONT, "fragment2");
        send_bad(c, WIRE_CONT, "fragment3", 9);
        say_text(c, WIRE_FIN | WIRE_TEXT, "fragment4");
    } else if (n <= 17) {
        send_bad(c, (n == 17 ? WIRE_FIN : 0) | WIRE_CONT, "fragment1", 9);
        say_text(c, WIRE_TEXT, "fragment2");
        say_text(c, WIRE_FIN | WIRE_CONT, "fragment3");
    } else if (n == 18) {
        say_text(c, WIRE_TEXT, "fragment1");
        send_bad(c, WIRE_FIN | WIRE_TEXT, "fragment2", 9);
    } else {
        make_interleaved(c);
    }
    return n <= 20;
}

/* 6: bytes out of the description; whether they are good text the suite's table tells. */
static bool make_utf8(tm_case_t *c)
{
    const char *d = c->description;
    uint8_t parts[4][256];
    size_t sizes[4] = {0}, cnt = 0;
    const char *at = strstr(d, "MESSAGE") ? strstr(d, "MESSAGE") : strstr(d, "Payload: ");
    if (!at) {
        /* 6.1: empty messages and fragments */
        bool fragments = strstr(d, "3 fragments") != NULL;
        say_text(c, fragments ? WIRE_TEXT : WIRE_FIN | WIRE_TEXT, "");
        if (fragments) say_text(c, WIRE_CONT, strstr(d, "non-empty") ? "middle frame payload" : "");
        if (fragments) say_text(c, WIRE_FIN | WIRE_CONT, "");
        return true;
    }
    while (cnt < 4 && (sizes[cnt] = next_bytes(&at, parts[cnt])) > 0) cnt++;
    if (cnt == 0) return false;
    bool octets = strstr(d, "fragments of 1 octet") != NULL;
    bool one_frame = strstr(d, "chops of the same message frame") != NULL;
    if (strstr(c->expectation, "failed") || strstr(c->expectation, "rejected")) must_fail(c, 1007);
    for (size_t i = 1; one_frame && i < cnt; i++) {
        memcpy(parts[0] + sizes[0], parts[i], sizes[i]);
        sizes[0] += sizes[i];
    }
    if (one_frame) cnt = 1;
    for (size_t i = 0; i < cnt; i++) {
        size_t step = octets ? 1 : sizes[i];
        for (size_t k = 0; k < sizes[i]; k += step) {
            bool is_first = i == 0 && k == 0, is_last = i + 1 == cnt && k + step >= sizes[i];
            send_frame(c, (is_last ? WIRE_FIN : 0) | (is_first ? WIRE_TEXT : WIRE_CONT),
                       parts[i] + k, step);
        }
    }
    return true;
}

static bool make_close_order(tm_case_t *c, int n)
{
    static char big[256 << 10];
    memset(big, '*', sizeof big);
    if (n == 1) say_text(c, WIRE_FIN | WIRE_TEXT, "Hello World!");
    if (n == 5) say_text(c, WIRE_TEXT, "fragment1");
    if (n == 6) send_frame(c, WIRE_FIN | WIRE_TEXT, big, sizeof big);
    tm_case_close(c, 1000, "");
    if (n == 2) tm_case_close(c, 1000, "");
    if (n == 3 || n == 6) say_text(c, WIRE_FIN | WIRE_PING, "");
    if (n == 4) say_text(c, WIRE_FIN | WIRE_TEXT, "Hello World!");
    if (n == 5) say_text(c, WIRE_FIN | WIRE_CONT, "fragment2");
    return n <= 6;
}

static bool make_close_payload(tm_case_t *c, int n)
{
    char reason[125] = {0};
    switch (n) {
    case 1:
        send_frame(c, WIRE_FIN | WIRE_CLOSE, "", 0);
        want_text(c, "<close:1005: >close: end");
        c->closes = true;
        break;
    case 2:
        send_bad(c, WIRE_FIN | WIRE_CLOSE, "a", 1);
        break;
    case 3:
        tm_case_close(c, 1000, "");
        break;
    case 4:
        tm_case_close(c, 1000, "Hello World!");
        break;
    case 5:
        tm_case_close(c, 1000, memset(reason, '*', 123));
        break;
    case 6:
        must_fail(c, 1002);
        tm_case_close(c, 1000, memset(reason, '*', 124));
        break;
    default:
        return false;
    }
    return true;
}

static bool make_close(tm_case_t *c, int group, int n)
{
    if (group == 1) return make_close_order(c, n);
    if (group == 3) return make_close_payload(c, n);
    if (group == 5) must_fail(c, 1007);
    if (group == 5) tm_case_close(c, 1000, "\xce\xba\xe1\xbd\xb9\xed\xa0\x80");
    if (group == 5) return true;
    /* 7.7 good codes, 7.9 bad ones, 7.13 such as the RFC leaves open: refused here. */
    if (group != 7) must_fail(c, 1002);
    tm_case_close(c, (unsigned)tm_case_number(c->description, "close code "), "");
    return group == 7 || group == 9 || group == 13;
}

bool tm_case_make(tm_case_t *c)
{
    int numbers[3] = {0};
    const char *at = c->id;
    for (int i = 0; i < 3 && *at; i++) {
        char *end;
        numbers[i] = (int)strtol(at, &end, 10);
        at = *end == '.' ? end + 1 : end;
    }
    int category = numbers[0], group = numbers[1], n = numbers[2];
    switch (category) {
    case 1:
    case 9:
    case 10:
        return make_lengths(c);
    case 2:
        return make_pings(c, group);
    case 3:
    case 4:
        return make_reserved(c);
    case 5:
        return make_fragments(c, group);
    case 6:
        return make_utf8(c);
    case 7:
        return make_close(c, group, n);
    default:
        return false;
    }
}
