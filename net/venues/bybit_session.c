/* net/venues/bybit_session.c - Bybit v5 public streams.
   Streams  the venue's topics: publicTrade.BTCUSDT, orderbook.50.BTCUSDT, tickers.BTCUSDT
   Source   bybit-exchange.github.io/docs/v5, ws/connect and websocket/public: op, args and req_id;
            ten args a request on spot; 500 connections in five minutes; {"op":"ping"} every 20 s,
            or the venue ends the connection. Books: u goes up by one from message to message, 1
            is a snapshot after a restart of the service. Trade ids are UUIDs, which no row keeps */
#include "net/feed/feed_venue.h"
#include "net/json_member.h"

#include <errno.h>
#include <string.h>

enum { ARG_MAX_ = 10 };
#define DATA_HEAD "{\"topic\":\""

static int request(tm_session_t *s, char *out, size_t out_sz)
{
    size_t n = 0;
    if (s->next == s->stream_cnt) return 0;
    if (out_sz < TM_SESSION_REQUEST_SZ_MAX) return -ENOBUFS;
    tm_session_put(out, out_sz, &n, "{\"op\":\"subscribe\",\"args\":[");
    for (uint32_t i = 0; i < ARG_MAX_ && s->next < s->stream_cnt; i++, s->next++)
        tm_session_put(out, out_sz, &n, "%s\"%s\"", i ? "," : "", s->streams[s->next]);
    tm_session_put(out, out_sz, &n, "],\"req_id\":\"%u\"}", ++s->sent_cnt);
    s->wanted_cnt = s->sent_cnt;
    return (int)n;
}

/* What the venue says that is no data: {"success":..,"ret_msg":..,"op":..}. */
static int judge(tm_session_t *s, const char *text, size_t sz)
{
    tm_json_member_t success, op, id;
    uint64_t number;
    if (!tm_json_object_find(text, sz, "op", &op)) return TM_SESSION_DATA;
    if (!tm_json_object_find(text, sz, "success", &success)) return TM_SESSION_REPLY;
    if (success.value_sz != 4) return tm_session_refused(text, sz);
    if (op.value_sz != 11 || memcmp(op.value, "\"subscribe\"", 11) != 0) return TM_SESSION_REPLY;
    if (tm_json_object_find(text, sz, "req_id", &id) &&
        tm_session_number(id.value, id.value_sz, &number) && number == s->answer_cnt + 1)
        s->answer_cnt++;
    return TM_SESSION_REPLY;
}

static tm_session_reply_t sift(tm_session_t *s, const char *text, size_t sz)
{
    if (sz > sizeof DATA_HEAD && memcmp(text, DATA_HEAD, sizeof DATA_HEAD - 1) == 0)
        return TM_SESSION_DATA;
    int rc = judge(s, text, sz);
    return rc < 0 ? TM_SESSION_ERROR : (tm_session_reply_t)rc;
}

static int beat(tm_session_t *s, char *out, size_t out_sz)
{
    size_t n = 0;
    (void)s;
    tm_session_put(out, out_sz, &n, "{\"op\":\"ping\"}");
    return (int)n;
}

static size_t stream_of(const char *text, size_t sz, char name[TM_SESSION_STREAM_SZ_MAX])
{
    tm_json_member_t topic;
    if (!tm_json_object_find(text, sz, "topic", &topic) || topic.value_sz < 2) return 0;
    size_t name_sz = topic.value_sz - 2;
    if (name_sz > TM_SESSION_STREAM_SZ_MAX) return 0;
    memcpy(name, topic.value + 1, name_sz);
    return name_sz;
}

static const tm_session_ops_t ops = {
    .request = request, .judge = judge, .sift = sift, .beat = beat, .stream_of = stream_of};

const tm_feed_venue_t tm_feed_venue_bybit = {
    .name = "bybit",
    .host = {"bybit.com", "bytick.com"},
    .target = "/v5/public/spot",
    .session = &ops,
    .book = "orderbook.",
    .stream_max = 400, /* 21,000 characters of args a connection, topics of up to 50 */
    .send_max = 5,
    .send_span_ns = TM_NS_PER_S,
    .request_gap_ns = 250 * TM_NS_PER_MS,
    .idle_ns = 45 * TM_NS_PER_S,
    .beat_ns = 18 * TM_NS_PER_S,
    .trade_rule = TM_ID_NONE,
    .quote_rule = TM_ID_SPARSE,
};
