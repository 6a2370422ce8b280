/* Streams that go wrong end in a named error or a counter; good messages before are never lost. */
#include "base/clock.h"
#include "base/error.h"
#include "tests/net/bad_server.h"
#include "tests/net/feed_try.h"
#include "tests/tm_test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Two good messages, then what the script does. The feed must give both, then the code, and count
   one disconnect. */
static void stream_ends(bad_script_t script, const pki_t *pki, int code, const char *word)
{
    tm_counter_set_t *counters = tm_counter_set_new("test");
    const bad_server_cfg_t cfg = {
        .script = script, .cert_file = pki ? pki->cert : NULL, .key_file = pki ? pki->key : NULL};
    bad_server_t *s = bad_server_open(&cfg);
    const feed_try_t t = {.scheme = pki ? "wss" : "ws",
                          .port = bad_server_port(s),
                          .ca_file = pki ? pki->ca : NULL,
                          .frame_sz_max = 1000,
                          .counters = counters};
    tm_source_t *source;
    int rc = feed_try_open(&source, &t);
    if (rc < 0) printf("# %s\n", tm_error_text());
    tm_assert_eq(rc, 0);
    tm_frame_t frames[8];
    int seen = 0, n;
    int64_t end_ns = tm_clock_mono_ns() + 5 * TM_NS_PER_S;
    while ((n = tm_source_poll(source, frames, 8, TM_NS_PER_S / 10)) >= 0) {
        for (int i = 0; i < n; i++, seen++) {
            tm_assert_eq(frames[i].sz, 7u);
            tm_assert(memcmp(frames[i].data, seen ? "{\"b\":2}" : "{\"a\":1}", 7) == 0);
        }
        tm_assert(tm_clock_mono_ns() < end_ns);
    }
    tm_assert_eq(seen, 2);
    if (n != code) printf("# %d: %s\n", n, tm_error_text());
    tm_assert_eq(n, code);
    expect_text(word);
    expect_text("127.0.0.1");
    tm_assert_eq(tm_counter_sum("disconnects"), code == TM_E_CLOSED ? 0u : 1u);
    tm_assert_eq(tm_source_poll(source, frames, 8, 0), code); /* and again */
    tm_source_close(source);
    bad_server_close(s);
    tm_counter_set_free(counters);
}

static bool good_start(bad_peer_t *p)
{
    if (!bad_peer_upgrade(p)) return false;
    bad_peer_frame(p, 0x81, "{\"a\":1}", 7);
    bad_peer_frame(p, 0x81, "{\"b\":2}", 7);
    return true;
}

static void script_oversized(bad_peer_t *p)
{
    char big[1001];
    memset(big, 'x', sizeof big);
    if (good_start(p)) bad_peer_frame(p, 0x81, big, sizeof big);
    bad_peer_wait(p);
}

static void script_claims_huge(bad_peer_t *p)
{
    static const uint8_t head[] = {0x81, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 'x'};
    if (good_start(p)) bad_peer_send(p, head, sizeof head);
    bad_peer_wait(p);
}

static void script_masked(bad_peer_t *p)
{
    static const uint8_t frame[] = {0x81, 0x82, 1, 2, 3, 4, '{' ^ 1, '}' ^ 2};
    if (good_start(p)) bad_peer_send(p, frame, sizeof frame);
    bad_peer_wait(p);
}

static void script_cut(bad_peer_t *p)
{
    static const uint8_t half[] = {0x81, 100, '{', '"', 'c'};
    if (good_start(p)) bad_peer_send(p, half, sizeof half);
}

static void script_cut_between(bad_peer_t *p)
{
    (void)good_start(p);
}

static void script_cut_by_reset(bad_peer_t *p)
{
    static const uint8_t half[] = {0x81, 100, '{', '"', 'c'};
    if (!good_start(p)) return;
    bad_peer_send(p, half, sizeof half);
    usleep(50000); /* a reset may overtake bytes that were not read yet */
    bad_peer_reset(p);
}

static void script_close_1008(bad_peer_t *p)
{
    if (good_start(p)) bad_peer_frame(p, 0x88, "\x03\xf0Pong timeout", 14);
    bad_peer_wait(p);
}

static void script_close_1000(bad_peer_t *p)
{
    if (good_start(p)) bad_peer_frame(p, 0x88, "\x03\xe8", 2);
    bad_peer_wait(p);
}

static void script_not_utf8(bad_peer_t *p)
{
    if (good_start(p)) bad_peer_frame(p, 0x81, "\xff\xfe", 2);
    bad_peer_wait(p);
}

Test(feed_bad, a_stream_gives_its_good_messages_and_then_says_what_went_wrong)
{
    static const struct {
        bad_script_t script;
        int code;
        const char *word;
    } cases[] = {
        {script_oversized, TM_E_LIMIT, "1001"},
        {script_claims_huge, TM_E_LIMIT, "9223372036854775807"},
        {script_masked, TM_E_PROTOCOL, "mask"},
        {script_cut, -ECONNRESET, "cut without a close frame"},
        {script_cut_between, -ECONNRESET, "cut without a close frame"},
        {script_cut_by_reset, -ECONNRESET, "broke"},
        {script_close_1008, TM_E_PROTOCOL, "1008"},
        {script_close_1008, TM_E_PROTOCOL, "Pong timeout"},
        {script_not_utf8, TM_E_PROTOCOL, "UTF-8"},
        {script_close_1000, TM_E_CLOSED, "1000"},
    };
    pki_t pki;
    pki_make(&pki, NULL, 0, 0);
    for (size_t i = 0; i < TM_ARRAY_CNT(cases); i++) {
        printf("# case %zu: %s\n", i, cases[i].word);
        stream_ends(cases[i].script, NULL, cases[i].code, cases[i].word);
        stream_ends(cases[i].script, &pki, cases[i].code, cases[i].word);
    }
    pki_drop(&pki);
}

static void script_never_closes(bad_peer_t *p)
{
    (void)good_start(p);
    bad_peer_wait(p);
}

Test(feed_bad, closing_takes_a_second_at_most_where_the_server_does_not_answer)
{
    bad_server_t *s = bad_server_open(&(bad_server_cfg_t){.script = script_never_closes});
    const feed_try_t t = {.scheme = "ws", .port = bad_server_port(s)};
    tm_source_t *source;
    tm_assert_eq(feed_try_open(&source, &t), 0);
    int64_t begin_ns = tm_clock_mono_ns();
    tm_source_close(source);
    int64_t took_ns = tm_clock_mono_ns() - begin_ns;
    tm_assert(took_ns >= 900 * TM_NS_PER_MS);
    tm_assert(took_ns < 2500 * TM_NS_PER_MS);
    bad_server_close(s);
}

static void subscribe_reply(bad_peer_t *p, const char *reply)
{
    char text[4096];
    if (!bad_peer_upgrade(p) || bad_peer_read_frame(p, text, sizeof text) != 0x81) return;
    bad_peer_keep(p, text);
    bad_peer_frame(p, 0x81, "{\"a\":1}", 7); /* data may overtake the reply */
    bad_peer_frame(p, 0x81, reply, strlen(reply));
    bad_peer_frame(p, 0x81, "{\"b\":2}", 7);
    bad_peer_frame(p, 0x88, "\x03\xe8", 2);
    bad_peer_wait(p);
}

static void script_subscribed(bad_peer_t *p)
{
    subscribe_reply(p, "{\"result\":null,\"id\":1}");
}

static void script_nested_error(bad_peer_t *p)
{
    subscribe_reply(p, "{\"error\":{\"code\":2,\"msg\":\"Invalid request: nested\"},\"id\":1}");
}

static void script_flat_error(bad_peer_t *p)
{
    subscribe_reply(p, "{\"code\": 2, \"msg\": \"Invalid request: flat\", \"id\": 1}");
}

static void script_other_id(bad_peer_t *p)
{
    subscribe_reply(p, "{\"result\":null,\"id\":7}");
}

Test(feed_bad, data_before_the_reply_to_subscribe_is_kept_in_order)
{
    bad_server_t *s = bad_server_open(&(bad_server_cfg_t){.script = script_subscribed});
    const feed_try_t t = {.scheme = "ws", .port = bad_server_port(s), .stream = "btcusdt@trade"};
    tm_source_t *source;
    tm_assert_eq(feed_try_open(&source, &t), 0);
    tm_assert_str(bad_server_seen(s),
                  "{\"method\":\"SUBSCRIBE\",\"params\":[\"btcusdt@trade\"],\"id\":1}");
    tm_frame_t frames[4];
    int seen = 0, n;
    while ((n = tm_source_poll(source, frames, 4, TM_NS_PER_S)) >= 0)
        for (int i = 0; i < n; i++, seen++)
            tm_assert(memcmp(frames[i].data, seen ? "{\"b\":2}" : "{\"a\":1}", 7) == 0);
    tm_assert_eq(n, TM_E_CLOSED);
    tm_assert_eq(seen, 2);
    tm_source_close(source);
    bad_server_close(s);
}

Test(feed_bad, a_refused_subscription_shows_the_words_of_the_exchange)
{
    static const struct {
        bad_script_t script;
        const char *word;
    } cases[] = {{script_nested_error, "Invalid request: nested"},
                 {script_flat_error, "Invalid request: flat"},
                 {script_other_id, "answered request 7"}};
    for (size_t i = 0; i < TM_ARRAY_CNT(cases); i++) {
        bad_server_t *s = bad_server_open(&(bad_server_cfg_t){.script = cases[i].script});
        const feed_try_t t = {
            .scheme = "ws", .port = bad_server_port(s), .stream = "btcusdt@trade"};
        expect_refusal(&t, TM_E_PROTOCOL, WORDS("subscribe", cases[i].word));
        bad_server_close(s);
    }
}

static void script_ping(bad_peer_t *p)
{
    char text[256];
    if (!bad_peer_upgrade(p)) return;
    bad_peer_frame(p, 0x89, "1723161254087", 13);
    int first = bad_peer_read_frame(p, text, sizeof text);
    bad_peer_keep(p, first == 0x8a ? "pong " : "other ");
    bad_peer_keep(p, text);
    bad_peer_frame(p, 0x88, "\x03\xe8", 2);
    first = bad_peer_read_frame(p, text, sizeof text);
    bad_peer_keep(p, first == 0x88 ? " close" : " other");
    bad_peer_wait(p);
}

Test(feed_bad, a_ping_is_answered_with_its_payload_and_a_close_with_a_close)
{
    bad_server_t *s = bad_server_open(&(bad_server_cfg_t){.script = script_ping});
    const feed_try_t t = {.scheme = "ws", .port = bad_server_port(s)};
    tm_source_t *source;
    tm_assert_eq(feed_try_open(&source, &t), 0);
    tm_frame_t frame;
    int n;
    while ((n = tm_source_poll(source, &frame, 1, TM_NS_PER_S)) == 0) continue;
    tm_assert_eq(n, TM_E_CLOSED);
    tm_source_close(source);
    tm_assert_str(bad_server_seen(s), "pong 1723161254087 close");
    bad_server_close(s);
}
