/* What each venue is told and how its answers are read, against messages as their documentation
   shows them. */
#include "base/error.h"
#include "net/feed/feed_venue.h"
#include "net/feed/stream_watch.h"
#include "tests/tm_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAMES_MAX = 4, STEP_MAX = 12 };

/* One step of a conversation: what we send, or what comes and how it must be taken. */
typedef struct step {
    const char *sends;
    const char *comes;
    int reply;
} step_t;

typedef struct talk {
    const tm_feed_venue_t *exchange;
    const char *streams[NAMES_MAX];
    uint32_t stream_cnt;
    step_t steps[STEP_MAX];
} talk_t;

static void talk_run(const talk_t *t)
{
    tm_session_t *s;
    tm_assert_eq(tm_session_open(&s, t->exchange->session, t->streams, t->stream_cnt), 0);
    char text[TM_SESSION_REQUEST_SZ_MAX];
    bool streams = false;
    for (const step_t *step = t->steps; step->sends || step->comes; step++) {
        if (step->sends) {
            int n = s->ops->request(s, text, sizeof text);
            tm_assert(n > 0);
            text[n] = '\0';
            if (strcmp(text, step->sends) != 0) printf("# sent %s\n", text);
            tm_assert_str(text, step->sends);
            continue;
        }
        size_t sz = strlen(step->comes);
        int reply = streams ? (int)s->ops->sift(s, step->comes, sz)
                            : s->ops->judge(s, step->comes, sz);
        if (reply != step->reply) printf("# %d for %s\n", reply, step->comes);
        tm_assert_eq(reply, step->reply);
        streams = streams || tm_session_is_ready(s);
    }
    tm_assert_eq(s->ops->request(s, text, sizeof text), 0);
    tm_assert(streams);
    tm_session_close(s);
}

#define SENDS(text)                                                                                \
    {                                                                                              \
        .sends = (text)                                                                            \
    }
#define COMES(text, wanted)                                                                        \
    {                                                                                              \
        .comes = (text), .reply = (wanted)                                                         \
    }

static const talk_t binance = {
    &tm_feed_venue_binance,
    {"btcusdt@trade", "btcusdt@depth"},
    2,
    {
        SENDS(
            "{\"method\":\"SUBSCRIBE\",\"params\":[\"btcusdt@trade\",\"btcusdt@depth\"],\"id\":1}"),
        COMES("{\"stream\":\"btcusdt@trade\",\"data\":{}}", TM_SESSION_DATA),
        COMES("{\"result\":null,\"id\":1}", TM_SESSION_REPLY),
        COMES("{\"stream\":\"btcusdt@trade\",\"data\":{}}", TM_SESSION_DATA),
        COMES("{\"e\":\"trade\",\"E\":1}", TM_SESSION_DATA),
        COMES("{\"e\":\"serverShutdown\",\"E\":1770123456789}", TM_SESSION_LEAVE),
        COMES("{\"stream\":\"!serverShutdown\",\"data\":{\"e\":\"serverShutdown\",\"E\":1}}",
              TM_SESSION_LEAVE),
        COMES("{\"stream\":\"!miniTicker@arr\",\"data\":[]}", TM_SESSION_DATA),
        COMES("{\"error\":{\"code\":2,\"msg\":\"Invalid request\"},\"id\":20}", TM_SESSION_ERROR),
        COMES("{\"code\":3,\"msg\":\"Invalid JSON\"}", TM_SESSION_ERROR),
        COMES("{\"result\":[],\"id\":3}", TM_SESSION_REPLY),
    },
};

static const talk_t bybit = {
    &tm_feed_venue_bybit,
    {"publicTrade.BTCUSDT", "orderbook.50.BTCUSDT"},
    2,
    {
        SENDS("{\"op\":\"subscribe\",\"args\":[\"publicTrade.BTCUSDT\",\"orderbook.50.BTCUSDT\"],"
              "\"req_id\":\"1\"}"),
        COMES("{\"success\":true,\"ret_msg\":\"subscribe\",\"conn_id\":\"c-1\",\"req_id\":\"1\","
              "\"op\":\"subscribe\"}",
              TM_SESSION_REPLY),
        COMES("{\"topic\":\"publicTrade.BTCUSDT\",\"type\":\"snapshot\",\"ts\":1,\"data\":[]}",
              TM_SESSION_DATA),
        COMES("{\"success\":true,\"ret_msg\":\"pong\",\"conn_id\":\"c-1\",\"op\":\"ping\"}",
              TM_SESSION_REPLY),
        COMES("{\"req_id\":\"\",\"op\":\"pong\",\"args\":[\"1\"],\"conn_id\":\"c-1\"}",
              TM_SESSION_REPLY),
        COMES("{\"success\":false,\"ret_msg\":\"error:handler not found\",\"op\":\"subscribe\"}",
              TM_SESSION_ERROR),
    },
};

static const talk_t okx = {
    &tm_feed_venue_okx,
    {"trades:BTC-USDT", "books:ETH-USDT"},
    2,
    {
        SENDS("{\"op\":\"subscribe\",\"args\":[{\"channel\":\"trades\",\"instId\":\"BTC-USDT\"},"
              "{\"channel\":\"books\",\"instId\":\"ETH-USDT\"}]}"),
        COMES("{\"event\":\"subscribe\",\"arg\":{\"channel\":\"trades\",\"instId\":\"BTC-USDT\"},"
              "\"connId\":\"a\"}",
              TM_SESSION_REPLY),
        COMES("{\"arg\":{\"channel\":\"trades\",\"instId\":\"BTC-USDT\"},\"data\":[]}",
              TM_SESSION_DATA),
        COMES("{\"event\":\"subscribe\",\"arg\":{\"channel\":\"books\",\"instId\":\"ETH-USDT\"}}",
              TM_SESSION_REPLY),
        COMES("pong", TM_SESSION_REPLY),
        COMES("{\"event\":\"channel-conn-count\",\"channel\":\"books\",\"connCount\":\"2\"}",
              TM_SESSION_REPLY),
        COMES("{\"event\":\"notice\",\"code\":\"64008\",\"msg\":\"The connection will soon be "
              "closed for a service upgrade. Please reconnect.\",\"connId\":\"a\"}",
              TM_SESSION_LEAVE),
        COMES("{\"event\":\"error\",\"code\":\"60012\",\"msg\":\"Invalid request\"}",
              TM_SESSION_ERROR),
    },
};

static const talk_t coinbase = {
    &tm_feed_venue_coinbase,
    {"market_trades:BTC-USD", "market_trades:ETH-USD", "level2:BTC-USD"},
    3,
    {
        SENDS("{\"type\":\"subscribe\",\"product_ids\":[\"BTC-USD\",\"ETH-USD\"],"
              "\"channel\":\"market_trades\"}"),
        SENDS("{\"type\":\"subscribe\",\"product_ids\":[\"BTC-USD\"],\"channel\":\"level2\"}"),
        SENDS("{\"type\":\"subscribe\",\"channel\":\"heartbeats\"}"),
        COMES("{\"channel\":\"market_trades\",\"timestamp\":\"t\",\"sequence_num\":0,"
              "\"events\":[]}",
              TM_SESSION_DATA),
        COMES("{\"channel\":\"subscriptions\",\"timestamp\":\"t\",\"sequence_num\":1,"
              "\"events\":[]}",
              TM_SESSION_REPLY),
        COMES("{\"channel\":\"subscriptions\",\"sequence_num\":2,\"events\":[]}", TM_SESSION_REPLY),
        COMES("{\"channel\":\"heartbeats\",\"sequence_num\":3,\"events\":[]}", TM_SESSION_REPLY),
        COMES("{\"channel\":\"l2_data\",\"sequence_num\":4,\"events\":[]}", TM_SESSION_DATA),
        COMES("{\"channel\":\"l2_data\",\"sequence_num\":8,\"events\":[]}", TM_SESSION_GAP),
        COMES("{\"channel\":\"ticker\",\"sequence_num\":9,\"events\":[]}", TM_SESSION_DATA),
        COMES("{\"type\":\"error\",\"message\":\"rate limit exceeded\"}", TM_SESSION_ERROR),
    },
};

static const talk_t kraken = {
    &tm_feed_venue_kraken,
    {"trade:BTC/USD", "trade:ETH/USD", "book.25:BTC/USD"},
    3,
    {
        SENDS("{\"method\":\"subscribe\",\"params\":{\"channel\":\"trade\",\"symbol\":[\"BTC/USD\","
              "\"ETH/USD\"]},\"req_id\":1}"),
        SENDS("{\"method\":\"subscribe\",\"params\":{\"channel\":\"book\",\"depth\":25,"
              "\"symbol\":[\"BTC/USD\"]},\"req_id\":2}"),
        COMES("{\"channel\":\"status\",\"type\":\"update\",\"data\":[]}", TM_SESSION_REPLY),
        COMES("{\"method\":\"subscribe\",\"result\":{\"channel\":\"trade\",\"symbol\":\"BTC/USD\"},"
              "\"success\":true,\"req_id\":1}",
              TM_SESSION_REPLY),
        COMES("{\"channel\":\"trade\",\"type\":\"snapshot\",\"data\":[]}", TM_SESSION_DATA),
        COMES("{\"method\":\"subscribe\",\"success\":true,\"req_id\":1}", TM_SESSION_REPLY),
        COMES("{\"method\":\"subscribe\",\"success\":true,\"req_id\":2}", TM_SESSION_REPLY),
        COMES("{\"channel\":\"heartbeat\"}", TM_SESSION_REPLY),
        COMES("{\"method\":\"pong\",\"req_id\":7}", TM_SESSION_REPLY),
        COMES("{\"error\":\"Exceeded msg rate\",\"method\":\"subscribe\",\"success\":false}",
              TM_SESSION_ERROR),
    },
};

Test(sessions, every_venue_is_asked_and_understood_as_its_documentation_says)
{
    const talk_t *const talks[] = {&binance, &bybit, &okx, &coinbase, &kraken};
    for (size_t i = 0; i < TM_ARRAY_CNT(talks); i++) talk_run(talks[i]);
}

Test(sessions, a_refused_subscription_is_an_error_in_the_venues_own_words)
{
    static const struct {
        const tm_feed_venue_t *exchange;
        const char *stream, *text, *word;
    } cases[] = {
        {&tm_feed_venue_binance, "a", "{\"code\":2,\"msg\":\"flat\",\"id\":1}", "request 1"},
        {&tm_feed_venue_binance, "a", "{\"error\":{\"code\":2,\"msg\":\"nested\"},\"id\":1}",
         "nested"},
        {&tm_feed_venue_bybit, "a",
         "{\"success\":false,\"ret_msg\":\"no topic\",\"op\":\"subscribe\"}", "no topic"},
        {&tm_feed_venue_okx, "a:b", "{\"event\":\"error\",\"code\":\"60018\",\"msg\":\"bad arg\"}",
         "60018"},
        {&tm_feed_venue_coinbase, "a:b", "{\"type\":\"error\",\"message\":\"no product\"}",
         "product"},
        {&tm_feed_venue_kraken, "a:b",
         "{\"error\":\"Currency pair not supported\",\"method\":\"subscribe\",\"success\":false}",
         "pair not"},
    };
    for (size_t i = 0; i < TM_ARRAY_CNT(cases); i++) {
        tm_session_t *s;
        char text[TM_SESSION_REQUEST_SZ_MAX];
        tm_assert_eq(tm_session_open(&s, cases[i].exchange->session, &cases[i].stream, 1), 0);
        tm_assert(s->ops->request(s, text, sizeof text) > 0);
        tm_assert_eq(s->ops->judge(s, cases[i].text, strlen(cases[i].text)), TM_E_PROTOCOL);
        if (!strstr(tm_error_text(), cases[i].word)) printf("# %s\n", tm_error_text());
        tm_assert(strstr(tm_error_text(), cases[i].word) != NULL);
        tm_session_close(s);
    }
}

Test(sessions, a_stream_is_left_and_asked_for_anew_in_the_venues_words)
{
    static const struct {
        const tm_feed_venue_t *exchange;
        const char *stream, *leaves, *asks;
    } cases[] = {
        {&tm_feed_venue_bybit, "orderbook.50.ETHUSDT",
         "{\"op\":\"unsubscribe\",\"args\":[\"orderbook.50.ETHUSDT\"],\"req_id\":\"2\"}",
         "{\"op\":\"subscribe\",\"args\":[\"orderbook.50.ETHUSDT\"],\"req_id\":\"3\"}"},
        {&tm_feed_venue_okx, "books:ETH-USDT",
         "{\"op\":\"unsubscribe\",\"args\":[{\"channel\":\"books\",\"instId\":\"ETH-USDT\"}]}",
         "{\"op\":\"subscribe\",\"args\":[{\"channel\":\"books\",\"instId\":\"ETH-USDT\"}]}"},
        {&tm_feed_venue_coinbase, "level2:ETH-USD",
         "{\"type\":\"unsubscribe\",\"product_ids\":[\"ETH-USD\"],\"channel\":\"level2\"}",
         "{\"type\":\"subscribe\",\"product_ids\":[\"ETH-USD\"],\"channel\":\"level2\"}"},
        {&tm_feed_venue_kraken, "book.25:ETH/USD",
         "{\"method\":\"unsubscribe\",\"params\":{\"channel\":\"book\",\"depth\":25,"
         "\"symbol\":[\"ETH/USD\"]},\"req_id\":2}",
         "{\"method\":\"subscribe\",\"params\":{\"channel\":\"book\",\"depth\":25,"
         "\"symbol\":[\"ETH/USD\"]},\"req_id\":3}"},
    };
    for (size_t i = 0; i < TM_ARRAY_CNT(cases); i++) {
        tm_session_t *s;
        char text[TM_SESSION_REQUEST_SZ_MAX];
        const char *streams[] = {cases[i].stream, cases[i].stream};
        tm_assert_eq(tm_session_open(&s, cases[i].exchange->session, streams, 2), 0);
        tm_assert(s->ops->request(s, text, sizeof text) > 0);
        tm_assert_eq(tm_session_again(s, text, sizeof text), 0);
        s->again = 2;
        int n = tm_session_again(s, text, sizeof text);
        tm_assert(n > 0);
        text[n] = '\0';
        tm_assert_str(text, cases[i].leaves);
        n = tm_session_again(s, text, sizeof text);
        tm_assert(n > 0);
        text[n] = '\0';
        tm_assert_str(text, cases[i].asks);
        tm_assert_eq(s->again, 0u);
        tm_assert_eq(tm_session_again(s, text, sizeof text), 0);
        tm_session_close(s);
    }
}

Test(sessions, a_message_says_its_stream_by_the_name_that_subscribed_to_it)
{
    static const struct {
        const tm_feed_venue_t *exchange;
        const char *text, *name;
    } cases[] = {
        {&tm_feed_venue_binance, "{\"stream\":\"btcusdt@depth@100ms\",\"data\":{\"u\":1}}",
         "btcusdt@depth@100ms"},
        {&tm_feed_venue_binance, "{\"e\":\"trade\",\"s\":\"BTCUSDT\"}", ""},
        {&tm_feed_venue_bybit,
         "{\"topic\":\"orderbook.50.BTCUSDT\",\"type\":\"delta\",\"data\":{}}",
         "orderbook.50.BTCUSDT"},
        {&tm_feed_venue_okx,
         "{\"arg\":{\"channel\":\"books\",\"instId\":\"BTC-USDT\"},\"data\":[]}", "books:BTC-USDT"},
        {&tm_feed_venue_coinbase,
         "{\"channel\":\"l2_data\",\"sequence_num\":1,\"events\":[{\"type\":\"update\","
         "\"product_id\":\"BTC-USD\",\"updates\":[]}]}",
         "level2:BTC-USD"},
        {&tm_feed_venue_coinbase,
         "{\"channel\":\"market_trades\",\"events\":[{\"type\":\"update\",\"trades\":[{"
         "\"product_id\":\"ETH-USD\",\"trade_id\":\"1\"}]}]}",
         "market_trades:ETH-USD"},
        {&tm_feed_venue_kraken,
         "{\"channel\":\"book\",\"type\":\"update\",\"data\":[{\"symbol\":\"BTC/USD\"}]}",
         "book:BTC/USD"},
    };
    for (size_t i = 0; i < TM_ARRAY_CNT(cases); i++) {
        char name[TM_SESSION_STREAM_SZ_MAX + 1];
        const char *text = cases[i].text;
        size_t sz = cases[i].exchange->session->stream_of(text, strlen(text), name);
        name[sz] = '\0';
        tm_assert_str(name, cases[i].name);
    }
}

Test(sessions, text_of_any_kind_is_taken_without_a_fault)
{
    static const tm_feed_venue_t *const all[] = {
        &tm_feed_venue_binance, &tm_feed_venue_binance_usdm, &tm_feed_venue_bybit,
        &tm_feed_venue_okx,     &tm_feed_venue_coinbase,     &tm_feed_venue_kraken};
    static const char *const texts[] = {
        "",
        "{",
        "}",
        "{\"",
        "\"\"",
        "{\"channel\":\"",
        "{\"channel\":{}}",
        "{\"topic\":1}",
        "{\"arg\":{\"channel\":1}}",
        "{\"stream\":\"",
        "{\"stream\":\"!",
        "{\"event\":}",
        "{\"channel\":\"l2_data\",\"sequence_num\":99999999999999999999999}",
        "{\"method\":\"subscribe\"}",
        "[1]",
        "pon",
        "{\"id\":1}",
        "{\"result\":1,\"id\":\"\"}"};
    for (size_t x = 0; x < TM_ARRAY_CNT(all); x++) {
        for (size_t i = 0; i < TM_ARRAY_CNT(texts); i++) {
            const char *stream = "a:b";
            char name[TM_SESSION_STREAM_SZ_MAX], *copy = strdup(texts[i]);
            tm_session_t *s;
            tm_assert_eq(tm_session_open(&s, all[x]->session, &stream, 1), 0);
            size_t sz = strlen(copy);
            tm_assert(s->ops->judge(s, copy, sz) <= TM_SESSION_ERROR);
            tm_assert(s->ops->sift(s, copy, sz) <= TM_SESSION_ERROR);
            tm_assert(s->ops->stream_of(copy, sz, name) <= TM_SESSION_STREAM_SZ_MAX);
            tm_session_close(s);
            free(copy);
        }
    }
}

Test(exchange, is_found_by_its_host_and_the_most_particular_one_wins)
{
    static const struct {
        const char *host, *name;
    } cases[] = {
        {"stream.binance.com", "binance"},
        {"data-stream.binance.vision", "binance"},
        {"fstream.binance.com", "binance-usdm"},
        {"dstream.binance.com", "binance-coinm"},
        {"stream.bybit.com", "bybit"},
        {"ws.okx.com", "okx"},
        {"advanced-trade-ws.coinbase.com", "coinbase"},
        {"ws.kraken.com", "kraken"},
        {"notbinance.com", "binance"},
        {"localhost", "binance"},
        {"evilokx.com", "binance"},
    };
    for (size_t i = 0; i < TM_ARRAY_CNT(cases); i++) {
        tm_assert_str(tm_feed_venue_of_host(cases[i].host)->name, cases[i].name);
        tm_assert(tm_feed_venue_find(cases[i].name) != NULL);
        tm_assert(strstr(tm_feed_venue_names(), cases[i].name) != NULL);
    }
    tm_assert(tm_feed_venue_find("nyse") == NULL);
}

Test(exchange, books_of_usdm_are_served_elsewhere_than_its_trades)
{
    const tm_feed_venue_t *x = &tm_feed_venue_binance_usdm;
    tm_assert_str(x->target_of("btcusdt@depth@100ms"), "/public/stream");
    tm_assert_str(x->target_of("btcusdt@bookTicker"), "/public/stream");
    tm_assert_str(x->target_of("btcusdt@aggTrade"), "/market/stream");
    tm_assert_str(x->target_of("!markPrice@arr"), "/market/stream");
}

Test(stream_watch, names_those_that_have_not_spoken)
{
    tm_stream_watch_t *w;
    char name[32];
    tm_assert_eq(tm_stream_watch_open(&w, 1000), 0);
    for (int i = 0; i < 1000; i++) {
        int n = snprintf(name, sizeof name, "s%d@trade", i);
        tm_stream_watch_add(w, name, (size_t)n);
        tm_stream_watch_add(w, name, (size_t)n);
    }
    tm_stream_watch_hear(w, "unknown", 7);
    for (int i = 0; i < 1000; i++) {
        int n = snprintf(name, sizeof name, "s%d@trade", i);
        if (i % 100 != 7) tm_stream_watch_hear(w, name, (size_t)n);
    }
    tm_assert_eq(tm_stream_watch_cnt(w), 1000u);
    tm_assert_eq(tm_stream_watch_silent_cnt(w), 10u);
    uint32_t pos = 0;
    for (int i = 7; i < 1000; i += 100) {
        snprintf(name, sizeof name, "s%d@trade", i);
        tm_assert_str(tm_stream_watch_silent(w, &pos), name);
    }
    tm_assert(tm_stream_watch_silent(w, &pos) == NULL);
    tm_stream_watch_close(w);
}

Test(stream_watch, a_depth_that_messages_do_not_repeat_is_left_out_of_the_name)
{
    tm_stream_watch_t *w;
    tm_assert_eq(tm_stream_watch_open(&w, 2), 0);
    tm_stream_watch_add(w, "book.25:BTC/USD", 15);
    tm_stream_watch_hear(w, "book:BTC/USD", 12);
    tm_assert_eq(tm_stream_watch_silent_cnt(w), 0u);
    tm_stream_watch_close(w);
}
