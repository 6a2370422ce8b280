#include "base/error.h"
#include "net/replay/capture_line.h"
#include "net/replay/replay.h"
#include "net/replay/stream_filter.h"
#include "tests/net/capture_text.h"
#include "tests/tm_test.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *text;
    tm_capture_form_t form;
    tm_capture_kind_t kind;
    int64_t recv_ns;
    const char *payload;
} lines[] = {
    {"1723161254024723000 {\"a\":1}", TM_CAPTURE_LINES, TM_CAPTURE_MESSAGE, 1723161254024723000,
     "{\"a\":1}"},
    {"1680652800004231 {}", TM_CAPTURE_LINES, TM_CAPTURE_MESSAGE, 1680652800004231000, "{}"},
    {"1618677785.4827468: {\"a\": 2}", TM_CAPTURE_CRYPTOFEED, TM_CAPTURE_MESSAGE,
     1618677785482746800, "{\"a\": 2}"},
    {"1618677785: x", TM_CAPTURE_CRYPTOFEED, TM_CAPTURE_MESSAGE, 1618677785000000000, "x"},
    {"wss://a.b/c <-> 1618677785.5", TM_CAPTURE_CRYPTOFEED, TM_CAPTURE_CONNECT, 1618677785500000000,
     "wss://a.b/c"},
    {"wss://a.b/c <- 1618677786.25: {\"op\":\"subscribe\"}", TM_CAPTURE_CRYPTOFEED, TM_CAPTURE_SENT,
     1618677786250000000, "{\"op\":\"subscribe\"}"},
    {"2024-08-08T23:54:14.0247230Z {\"a\":3}", TM_CAPTURE_TARDIS, TM_CAPTURE_MESSAGE,
     1723161254024723000, "{\"a\":3}"},
};

Test(capture_line, each_form_is_recognised_and_read)
{
    for (size_t i = 0; i < TM_ARRAY_CNT(lines); i++) {
        tm_capture_line_t line;
        const size_t sz = strlen(lines[i].text);
        tm_assert_eq(tm_capture_form_guess(lines[i].text, sz), lines[i].form);
        tm_assert_eq(tm_capture_line_take(&line, lines[i].form, lines[i].text, sz), 0);
        tm_assert_eq(line.kind, lines[i].kind);
        tm_assert_eq(line.recv_ns, lines[i].recv_ns);
        tm_assert_eq(line.payload_sz, strlen(lines[i].payload));
        tm_assert(memcmp(line.payload, lines[i].payload, line.payload_sz) == 0);
    }
}

/* In a block of its own size, so that AddressSanitizer sees a byte read too far. */
Test(capture_line, a_line_cut_anywhere_is_refused_or_shorter_and_never_read_past)
{
    for (size_t i = 0; i < TM_ARRAY_CNT(lines); i++) {
        const size_t whole = strlen(lines[i].text);
        for (size_t sz = 0; sz < whole; sz++) {
            tm_capture_line_t line = {0};
            char *text = malloc(sz + 1);
            memcpy(text, lines[i].text, sz);
            const int code = tm_capture_line_take(&line, lines[i].form, text, sz);
            tm_assert(code == 0 || code == TM_E_SYNTAX);
            if (code == 0) tm_assert(line.payload_sz > 0 || line.kind == TM_CAPTURE_CONNECT);
            if (code == 0) tm_assert((const char *)line.payload + line.payload_sz <= text + sz);
            free(text);
        }
    }
}

Test(capture_line, what_is_no_line_of_a_form_is_refused)
{
    static const char *const bad[] = {"",
                                      "{}",
                                      "1723161254024723000",
                                      "1723161254024723000 ",
                                      "172316125402472300 {}",
                                      "1723161254024723000\t{}",
                                      "9999999999999999999 {}",
                                      "16186777x5.5: {}",
                                      "wss://a <- {}",
                                      "wss://a <-> x",
                                      "2024-08-08T23:54:14.5 {}",
                                      "hello world"};
    for (size_t i = 0; i < TM_ARRAY_CNT(bad); i++)
        tm_assert(tm_capture_form_guess(bad[i], strlen(bad[i])) == TM_CAPTURE_AUTO);
}

/* ---- whole files -----------------------------------------------------------------------------
 */

static void file_write(char path[64], const char *text)
{
    snprintf(path, 64, "/tmp/tm-capture-XXXXXX");
    const int fd = mkstemp(path);
    tm_assert(fd >= 0);
    tm_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

/* The messages that a replay gives, joined by blanks. Returns how it ended. */
static int joined(const tm_replay_cfg_t *cfg, char *out, size_t cap)
{
    tm_source_t *source;
    tm_frame_t frames[4];
    size_t sz = 0;
    int n;
    tm_assert_eq(tm_replay_open(&source, cfg), 0);
    out[0] = '\0';
    while ((n = tm_source_poll(source, frames, 4, 0)) >= 0)
        for (int i = 0; i < n; i++)
            sz += (size_t)snprintf(out + sz, cap - sz, "%s%.*s", sz ? " " : "", (int)frames[i].sz,
                                   (const char *)frames[i].data);
    tm_source_close(source);
    return n;
}

Test(capture_line, a_log_gives_what_was_received_and_leaves_out_what_was_sent)
{
    char path[64], out[256];
    file_write(path, "wss://x <-> 1.5\nwss://x <- 2.0: sub\n2.5: one\n\n3.5: two\n");
    tm_assert_eq(joined(&(tm_replay_cfg_t){.path = path}, out, sizeof out), TM_E_CLOSED);
    tm_assert_str(out, "one two");
    unlink(path);
}

Test(capture_line, a_range_starts_and_ends_with_the_first_message_at_its_times)
{
    char path[64], out[256];
    /* Time goes back once: the range is a run without holes, as of a journal. */
    file_write(path, "1.0: a\n2.0: b\n3.0: c\n2.5: d\n4.0: e\n3.5: f\n");
    static const struct {
        int64_t from_s, to_s;
        const char *wanted;
    } ranges[] = {{0, 0, "a b c d e f"}, {2, 0, "b c d e f"}, {3, 4, "c d"},
                  {0, 3, "a b"},         {5, 0, ""},          {3, 3, ""},
                  {4, 9, "e f"}};
    for (size_t i = 0; i < TM_ARRAY_CNT(ranges); i++) {
        const tm_replay_cfg_t cfg = {.path = path,
                                     .from_ns = ranges[i].from_s * TM_NS_PER_S,
                                     .to_ns = ranges[i].to_s * TM_NS_PER_S};
        tm_assert_eq(joined(&cfg, out, sizeof out), TM_E_CLOSED);
        tm_assert_str(out, ranges[i].wanted);
    }
    unlink(path);
}

Test(capture_line, a_bad_line_of_a_log_is_named_by_its_number)
{
    char path[64], out[256];
    file_write(path, "1.0: a\n2.0: b\nnoise\n3.0: c\n");
    tm_assert_eq(joined(&(tm_replay_cfg_t){.path = path}, out, sizeof out), TM_E_SYNTAX);
    tm_assert_str(out, "a b");
    tm_assert(strstr(tm_error_text(), ":3: ") != NULL);
    unlink(path);
}

/* Counts lines that begin with a digit: what was received, by the form's definition. */
static void logs_of(const char *name)
{
    char path[4096];
    if (!tm_capture_path(name, path)) tm_skip("the shared captures are not here");
    size_t sz;
    char *text = tm_capture_text(path, &sz);
    uint64_t wanted = 0, found = 0;
    for (char *p = text; p && p < text + sz; p = strchr(p, '\n')) {
        if (*p == '\n') p++;
        wanted += p < text + sz && isdigit((unsigned char)*p);
    }
    free(text);
    tm_source_t *source;
    tm_frame_t frames[64];
    tm_assert_eq(tm_replay_open(&source, &(tm_replay_cfg_t){.path = path}), 0);
    for (int n; (n = tm_source_poll(source, frames, 64, 0)) >= 0;) found += (uint64_t)n;
    tm_source_close(source);
    tm_assert(wanted > 300);
    tm_assert_eq(found, wanted);
}

Test(capture_line, real_logs_of_four_venues_are_read_to_their_last_message)
{
    logs_of("BYBIT.ws.25.0.xz");
    logs_of("OKX.ws.1.0.xz");
    logs_of("COINBASE.ws.28.0.xz");
    logs_of("KRAKEN.ws.50.0.xz");
}

/* ---- streams ---------------------------------------------------------------------------------
 */

static bool takes(const char *name, const char *message)
{
    tm_stream_filter_t filter;
    tm_stream_filter_init(&filter, &name, 1);
    const bool yes = tm_stream_filter_takes(&filter, (const uint8_t *)message,
                                            (uint32_t)strlen(message));
    tm_stream_filter_fini(&filter);
    return yes;
}

Test(stream_filter, takes_messages_by_name_and_by_pattern)
{
    static const char wrapped[] = "{\"stream\":\"btcusdt@trade\",\"data\":{\"e\":\"trade\"}}";
    static const char other_way[] = "{\"data\":{\"e\":\"trade\"}, \"stream\" : \"btcusdt@trade\"}";
    static const char raw[] = "{\"e\":\"depthUpdate\",\"E\":1,\"s\":\"BTCUSDT\"}";
    tm_assert(takes("btcusdt@trade", wrapped));
    tm_assert(takes("btcusdt@*", wrapped));
    tm_assert(takes("*@trade", other_way));
    tm_assert(!takes("btcusdt@tra", wrapped));
    tm_assert(!takes("ethusdt@*", wrapped));
    tm_assert(takes("btcusdt@depth@100ms", raw));
    tm_assert(!takes("btcusdt@trade", raw));
    tm_assert(!takes("*", "{\"lastUpdateId\":1}"));
    tm_assert(!takes("*", "no JSON"));
}

Test(stream_filter, takes_everything_where_no_name_is_given)
{
    tm_stream_filter_t filter;
    tm_stream_filter_init(&filter, NULL, 0);
    tm_assert(tm_stream_filter_takes(&filter, (const uint8_t *)"x", 1));
    tm_stream_filter_fini(&filter);
}
