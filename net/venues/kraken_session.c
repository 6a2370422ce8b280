/* net/venues/kraken_session.c - Kraken spot v2, public streams.
   Streams  channel:symbol, as in trade:BTC/USD, ticker:ETH/USD; a book with its depth, as in
            book.25:BTC/USD (10 levels where none is named)
   Source   docs.kraken.com/api, spot websocket v2: method, params and req_id, one answer for each
            symbol; {"method":"ping"} is answered with a pong; heartbeats come every second while
            nothing else does. Books carry a CRC32 of their ten best levels instead of a count,
            which whoever keeps the book has to check; trades have contiguous ids */
#include "net/feed/feed_venue.h"
#include "net/json_member.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { TAIL_SZ = 2 * TM_SESSION_STREAM_SZ_MAX };
#define DATA_TRADE "{\"channel\":\"t"
#define DATA_BOOK  "{\"channel\":\"b"

static int request(tm_session_t *s, char *out, size_t out_sz)
{
    size_t n = 0;
    if (s->next == s->stream_cnt) return 0;
    if (out_sz < TM_SESSION_REQUEST_SZ_MAX) return -ENOBUFS;
    const char *first = s->streams[s->next];
    size_t channel_sz = tm_session_channel_sz(first);
    const char *depth = memchr(first, '.', channel_sz);
    size_t word_sz = depth ? (size_t)(depth - first) : channel_sz;
    tm_session_put(out, out_sz, &n, "{\"method\":\"subscribe\",\"params\":{\"channel\":\"%.*s\"",
                   (int)word_sz, first);
    if (depth)
        tm_session_put(out, out_sz, &n, ",\"depth\":%.*s", (int)(channel_sz - word_sz - 1),
                       depth + 1);
    tm_session_put(out, out_sz, &n, ",\"symbol\":[");
    for (const char *comma = ""; s->next < s->stream_cnt; s->next++) {
        const char *stream = s->streams[s->next];
        if (!tm_session_same_channel(stream, first) || n + TAIL_SZ > TM_SESSION_REQUEST_SZ_MAX)
            break;
        if (!stream[channel_sz]) continue;
        tm_session_put(out, out_sz, &n, "%s\"%s\"", comma, stream + channel_sz + 1);
        comma = ",";
        s->wanted_cnt++;
    }
    tm_session_put(out, out_sz, &n, "]},\"req_id\":%u}", ++s->sent_cnt);
    return (int)n;
}

static int judge(tm_session_t *s, const char *text, size_t sz)
{
    tm_json_member_t member, success;
    if (tm_json_object_find(text, sz, "channel", &member))
        return tm_json_value_is(&member, "heartbeat") || tm_json_value_is(&member, "status")
                   ? TM_SESSION_REPLY
                   : TM_SESSION_DATA;
    if (!tm_json_object_find(text, sz, "method", &member)) {
        bool error = tm_json_object_find(text, sz, "error", &member);
        return error ? tm_session_refused(text, sz) : TM_SESSION_DATA;
    }
    if (!tm_json_value_is(&member, "subscribe")) return TM_SESSION_REPLY;
    if (!tm_json_object_find(text, sz, "success", &success) || success.value_sz != 4)
        return tm_session_refused(text, sz);
    if (s->answer_cnt < s->wanted_cnt) s->answer_cnt++;
    return TM_SESSION_REPLY;
}

static tm_session_reply_t sift(tm_session_t *s, const char *text, size_t sz)
{
    const size_t head_sz = sizeof DATA_TRADE - 1;
    if (sz > head_sz &&
        (memcmp(text, DATA_TRADE, head_sz) == 0 || memcmp(text, DATA_BOOK, head_sz) == 0))
        return TM_SESSION_DATA;
    int rc = judge(s, text, sz);
    return rc < 0 ? TM_SESSION_ERROR : (tm_session_reply_t)rc;
}

static int beat(tm_session_t *s, char *out, size_t out_sz)
{
    size_t n = 0;
    (void)s;
    tm_session_put(out, out_sz, &n, "{\"method\":\"ping\"}");
    return (int)n;
}

/* Books name no depth, so book.25:BTC/USD is heard as book:BTC/USD. */
static size_t stream_of(const char *text, size_t sz, char name[TM_SESSION_STREAM_SZ_MAX])
{
    tm_json_member_t channel, data, symbol;
    if (!tm_json_object_find(text, sz, "channel", &channel) ||
        !tm_json_object_find(text, sz, "data", &data))
        return 0;
    const char *inner = memchr(data.value, '{', data.value_sz);
    if (!inner) return 0;
    size_t inner_sz = data.value_sz - (size_t)(inner - data.value);
    if (!tm_json_object_find(inner, inner_sz, "symbol", &symbol)) return 0;
    return tm_session_name(name, channel.value, channel.value_sz, symbol.value, symbol.value_sz);
}

static const tm_session_ops_t ops = {
    .request = request, .judge = judge, .sift = sift, .beat = beat, .stream_of = stream_of};

const tm_feed_venue_t tm_feed_venue_kraken = {
    .name = "kraken",
    .host = {"ws.kraken.com"},
    .target = "/v2",
    .session = &ops,
    .book = "book",
    .stream_max = 200,
    .send_max = 5,
    .send_span_ns = TM_NS_PER_S,
    .request_gap_ns = 300 * TM_NS_PER_MS,
    .idle_ns = 30 * TM_NS_PER_S,
    .beat_ns = 30 * TM_NS_PER_S,
    .trade_rule = TM_ID_DENSE,
    .quote_rule = TM_ID_NONE,
};
