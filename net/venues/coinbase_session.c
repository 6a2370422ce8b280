/* net/venues/coinbase_session.c - Coinbase Advanced Trade, public market data.
   Streams  channel:product, as in market_trades:BTC-USD, level2:BTC-USD, ticker:ETH-USD
   Source   docs.cdp.coinbase.com, advanced-trade-apis/websocket: one channel a request; every
            channel but heartbeats closes after 60 to 90 s without news, so heartbeats are always
            subscribed to; eight messages a second and address. sequence_num counts all messages of
            a connection, whatever their channel, from 0: that is what continuity is judged by */
#include "net/feed/feed_venue.h"
#include "net/json_member.h"

#include <errno.h>
#include <string.h>

#define HEARTBEATS "{\"type\":\"subscribe\",\"channel\":\"heartbeats\"}"
enum { TAIL_SZ = 2 * TM_SESSION_STREAM_SZ_MAX };

static int request(tm_session_t *s, char *out, size_t out_sz)
{
    size_t n = 0;
    if (s->next == s->stream_cnt) {
        if (s->extra_sent || s->stream_cnt == 0) return 0;
        s->extra_sent = true;
        tm_session_put(out, out_sz, &n, HEARTBEATS);
        return (int)n;
    }
    if (out_sz < TM_SESSION_REQUEST_SZ_MAX) return -ENOBUFS;
    const char *first = s->streams[s->next];
    size_t channel_sz = tm_session_channel_sz(first);
    tm_session_put(out, out_sz, &n, "{\"type\":\"subscribe\",\"product_ids\":[");
    for (const char *comma = ""; s->next < s->stream_cnt; s->next++) {
        const char *stream = s->streams[s->next];
        if (!tm_session_same_channel(stream, first) || n + TAIL_SZ > TM_SESSION_REQUEST_SZ_MAX)
            break;
        if (!stream[channel_sz]) continue;
        tm_session_put(out, out_sz, &n, "%s\"%s\"", comma, stream + channel_sz + 1);
        comma = ",";
    }
    tm_session_put(out, out_sz, &n, "],\"channel\":\"%.*s\"}", (int)channel_sz, first);
    s->wanted_cnt = ++s->sent_cnt;
    return (int)n;
}

/* Counts a message. True where some before it are missing. */
static bool count(tm_session_t *s, const char *text, size_t sz)
{
    tm_json_member_t member;
    uint64_t seq;
    if (!tm_json_object_find(text, sz, "sequence_num", &member) ||
        !tm_session_number(member.value, member.value_sz, &seq))
        return false;
    bool gap = s->seq_known && seq > s->seq + 1;
    if (gap) {
        s->gap_from = s->seq + 1;
        s->gap_to = seq - 1;
    }
    if (!s->seq_known || seq > s->seq) s->seq = seq;
    s->seq_known = true;
    return gap;
}

static int judge(tm_session_t *s, const char *text, size_t sz)
{
    tm_json_member_t member;
    bool gap = count(s, text, sz);
    if (tm_json_object_find(text, sz, "channel", &member)) {
        if (tm_json_value_is(&member, "heartbeats")) return TM_SESSION_REPLY;
        if (!tm_json_value_is(&member, "subscriptions"))
            return gap ? TM_SESSION_GAP : TM_SESSION_DATA;
        if (s->answer_cnt < s->wanted_cnt) s->answer_cnt++;
        return TM_SESSION_REPLY;
    }
    if (tm_json_object_find(text, sz, "type", &member) && tm_json_value_is(&member, "error"))
        return tm_session_refused(text, sz);
    return TM_SESSION_DATA;
}

static tm_session_reply_t sift(tm_session_t *s, const char *text, size_t sz)
{
    int rc = judge(s, text, sz);
    return rc < 0 ? TM_SESSION_ERROR : (tm_session_reply_t)rc;
}

/* The channel is called l2_data in the messages of level2. */
static size_t stream_of(const char *text, size_t sz, char name[TM_SESSION_STREAM_SZ_MAX])
{
    tm_json_member_t channel, events, product;
    if (!tm_json_object_find(text, sz, "channel", &channel) ||
        !tm_json_object_find(text, sz, "events", &events))
        return 0;
    const char *inner = memchr(events.value, '{', events.value_sz);
    if (!inner) return 0;
    size_t inner_sz = events.value_sz - (size_t)(inner - events.value);
    if (!tm_json_object_find(inner, inner_sz, "product_id", &product)) {
        /* Trades and tickers name it one level deeper. */
        const char *deep = memchr(inner + 1, '{', inner_sz - 1);
        if (!deep ||
            !tm_json_object_find(deep, inner_sz - (size_t)(deep - inner), "product_id", &product))
            return 0;
    }
    bool is_book = tm_json_value_is(&channel, "l2_data");
    return tm_session_name(name, is_book ? "\"level2\"" : channel.value,
                           is_book ? sizeof("\"level2\"") - 1 : channel.value_sz, product.value,
                           product.value_sz);
}

static const tm_session_ops_t ops = {
    .request = request, .judge = judge, .sift = sift, .stream_of = stream_of};

const tm_feed_venue_t tm_feed_venue_coinbase = {
    .name = "coinbase",
    .host = {"advanced-trade-ws.coinbase.com"},
    .target = "/",
    .session = &ops,
    .book = "level2",
    .stream_max = 400,
    .send_max = 8,
    .send_span_ns = 1100 * TM_NS_PER_MS,
    .request_gap_ns = 200 * TM_NS_PER_MS,
    .idle_ns = 20 * TM_NS_PER_S, /* heartbeats come every second */
    .trade_rule = TM_ID_DENSE,
    .quote_rule = TM_ID_NONE,
};
