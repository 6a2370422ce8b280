#include "base/error.h"
#include "engine/cli/journal_text.h"
#include "tests/state/journal_make.h"
#include "tests/tm_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static tm_journal_view_t view(uint8_t kind, const void *payload, size_t sz, int64_t recv_ns)
{
    return (tm_journal_view_t){
        .frame = {.data = payload, .sz = (uint32_t)sz, .conn_idx = 7, .recv_ns = recv_ns},
        .seq = 12,
        .stream = 3,
        .kind = kind};
}

static const int64_t when_ns = 1723161254024723001;

Test(journal_text, writes_a_message_as_each_recorder_does)
{
    static const struct {
        tm_journal_form_t form;
        const char *wanted;
    } forms[] = {
        {TM_JOURNAL_FORM_LINES, "1723161254024723001 {\"a\":1}\n"},
        {TM_JOURNAL_FORM_CRYPTOFEED, "1723161254.024723001: {\"a\":1}\n"},
        {TM_JOURNAL_FORM_TARDIS, "2024-08-08T23:54:14.024723001Z {\"a\":1}\n"},
        {TM_JOURNAL_FORM_RAW, "{\"a\":1}\n"},
        {TM_JOURNAL_FORM_JSON,
         "{\"seq\":12,\"recv_ns\":1723161254024723001,\"time\":\"2024-08-08T23:54:14.024723001Z\","
         "\"conn\":7,\"stream\":3,\"kind\":\"text\",\"flags\":0,\"data\":\"{\\\"a\\\":1}\"}\n"},
    };
    tm_journal_line_t line = {0};
    const tm_journal_view_t v = view(TM_JOURNAL_TEXT, "{\"a\":1}", 7, when_ns);
    for (size_t i = 0; i < TM_ARRAY_CNT(forms); i++) {
        tm_assert_eq(tm_journal_text_put(&line, forms[i].form, &v, NULL), 1);
        tm_assert_eq(line.sz, strlen(forms[i].wanted));
        tm_assert(memcmp(line.text, forms[i].wanted, line.sz) == 0);
    }
    free(line.text);
}

Test(journal_text, leaves_out_what_a_form_has_no_words_for)
{
    tm_journal_line_t line = {0};
    const tm_journal_view_t gap = view(TM_JOURNAL_GAP, "0123456789abcdef", 16, when_ns);
    tm_journal_view_t sent = view(TM_JOURNAL_TEXT, "{}", 2, when_ns);
    sent.flags = TM_JOURNAL_SENT;
    tm_assert_eq(tm_journal_text_put(&line, TM_JOURNAL_FORM_LINES, &gap, NULL), 0);
    tm_assert_eq(tm_journal_text_put(&line, TM_JOURNAL_FORM_LINES, &sent, NULL), 0);
    tm_assert_eq(tm_journal_text_put(&line, TM_JOURNAL_FORM_CRYPTOFEED, &gap, NULL), 0);
    tm_assert_eq(tm_journal_text_put(&line, TM_JOURNAL_FORM_CRYPTOFEED, &sent, "wss://x"), 1);
    tm_assert(strncmp(line.text, "wss://x <- 1723161254.", 22) == 0);
    tm_assert_eq(tm_journal_text_put(&line, TM_JOURNAL_FORM_JSON, &gap, NULL), 1);
    free(line.text);
}

/* Any bytes at all: quotes, controls, broken UTF-8, zeros. */
Test(journal_text, json_gives_every_record_back_byte_for_byte)
{
    const char *seed_env = getenv("TM_SEED");
    const uint64_t seed = seed_env ? strtoull(seed_env, NULL, 10) : 77;
    static const uint8_t kinds[] = {TM_JOURNAL_TEXT,       TM_JOURNAL_BINARY, TM_JOURNAL_CONNECT,
                                    TM_JOURNAL_DISCONNECT, TM_JOURNAL_GAP,    TM_JOURNAL_CLOCK_STEP,
                                    TM_JOURNAL_STREAM,     TM_JOURNAL_NOTE,   TM_JOURNAL_LANE};
    tm_journal_line_t line = {0}, scratch = {0};
    printf("# TM_SEED=%llu\n", (unsigned long long)seed);
    for (uint64_t i = 0; i < 4000; i++) {
        uint8_t payload[64];
        const uint64_t r = tm_make_mix(seed + i);
        const uint8_t kind = kinds[r % TM_ARRAY_CNT(kinds)];
        const size_t sz = 16 + (r >> 8) % 48;
        for (size_t k = 0; k < sz; k++) {
            const uint8_t byte = (uint8_t)tm_make_mix(r + k);
            payload[k] = byte % 3 == 0 ? (uint8_t) "\"\\\n\r\t\x01/{"[byte % 8] : byte;
        }
        tm_journal_view_t v = view(kind, payload, sz, (int64_t)(r >> 3));
        v.flags = r % 7 == 0 ? TM_JOURNAL_SENT : 0;
        tm_assert_eq(tm_journal_text_put(&line, TM_JOURNAL_FORM_JSON, &v, NULL), 1);
        tm_assert_eq(line.text[line.sz - 1], '\n');
        tm_assert(memchr(line.text, '\n', line.sz - 1) == NULL);
        tm_journal_said_t said;
        tm_assert_eq(
            tm_journal_text_take(&said, TM_JOURNAL_FORM_JSON, line.text, line.sz - 1, &scratch), 0);
        tm_assert_eq(said.kind, kind);
        tm_assert_eq(said.flags, v.flags);
        tm_assert_eq(said.stream, v.stream);
        tm_assert_eq(said.conn_idx, v.frame.conn_idx);
        tm_assert_eq(said.recv_ns, v.frame.recv_ns);
        tm_assert_eq(said.payload_sz, sz);
        tm_assert(memcmp(said.payload, payload, sz) == 0);
    }
    free(line.text);
    free(scratch.text);
}

Test(journal_text, json_reads_escapes_as_the_standard_says)
{
    static const struct {
        const char *data, *wanted;
    } cases[] = {{"\\u0041", "A"},
                 {"\\u00e9", "\xc3\xa9"},
                 {"\\u20ac", "\xe2\x82\xac"},
                 {"\\ud83d\\ude00", "\xf0\x9f\x98\x80"},
                 {"\\b\\f\\n\\r\\t\\/", "\b\f\n\r\t/"}};
    tm_journal_line_t scratch = {0};
    char text[200];
    for (size_t i = 0; i < TM_ARRAY_CNT(cases); i++) {
        tm_journal_said_t said;
        const int sz = snprintf(text, sizeof text,
                                "{\"kind\":\"text\",\"recv_ns\":1,\"data\":\"%s\"}", cases[i].data);
        tm_assert_eq(tm_journal_text_take(&said, TM_JOURNAL_FORM_JSON, text, (size_t)sz, &scratch),
                     0);
        tm_assert_eq(said.payload_sz, strlen(cases[i].wanted));
        tm_assert(memcmp(said.payload, cases[i].wanted, said.payload_sz) == 0);
    }
    free(scratch.text);
}

Test(journal_text, a_json_line_cut_anywhere_is_refused_and_never_read_past)
{
    static const char whole[] =
        "{\"seq\":1,\"recv_ns\":-5,\"conn\":2,\"stream\":0,\"kind\":\"binary\","
        "\"flags\":0,\"hex\":\"00ff\"}";
    tm_journal_line_t scratch = {0};
    tm_journal_said_t said;
    for (size_t sz = 0; sz < sizeof whole - 1; sz++) {
        char *text = malloc(sz + 1);
        memcpy(text, whole, sz);
        tm_assert_eq(tm_journal_text_take(&said, TM_JOURNAL_FORM_JSON, text, sz, &scratch),
                     TM_E_SYNTAX);
        free(text);
    }
    tm_assert_eq(
        tm_journal_text_take(&said, TM_JOURNAL_FORM_JSON, whole, sizeof whole - 1, &scratch), 0);
    tm_assert_eq(said.recv_ns, -5);
    tm_assert_eq(said.payload_sz, 2u);
    free(scratch.text);
}
