/* net/venues/okx_session.c - OKX v5 public streams.
   Streams  channel:instrument, as in trades:BTC-USDT, books:BTC-USDT, bbo-tbt:BTC-USDT-SWAP
   Source   okx.com/docs-v5, websocket: op and args, one answer for each arg; 480 requests an hour
            and connection, args up to 64 KB; silence of 30 s ends a connection, the text "ping" is
            answered with "pong"; notice 64008 comes a minute before the venue ends a connection.
            Books: prevSeqId is the seqId of the message before */
#include "net/feed/feed_venue.h"
#include "net/json_member.h"

#include <errno.h>
#include <string.h>

#define DATA_HEAD "{\"arg\":"
enum { ARG_SZ_MAX = 2 * TM_SESSION_STREAM_SZ_MAX / 2 + 40, TAIL_SZ = 8 };

static int request(tm_session_t *s, char *out, size_t out_sz)
{
    size_t n = 0;
    if (s->next == s->stream_cnt) return 0;
    if (out_sz < TM_SESSION_REQUEST_SZ_MAX) return -ENOBUFS;
    tm_session_put(out, out_sz, &n, "{\"op\":\"subscribe\",\"args\":[");
    for (uint32_t first = s->next; s->next < s->stream_cnt; s->next++) {
        const char *stream = s->streams[s->next];
        size_t channel_sz = tm_session_channel_sz(stream);
        if (n + ARG_SZ_MAX + TAIL_SZ > TM_SESSION_REQUEST_SZ_MAX) break;
        tm_session_put(out, out_sz, &n, "%s{\"channel\":\"%.*s\"", s->next > first ? "," : "",
                       (int)channel_sz, stream);
        if (stream[channel_sz])
            tm_session_put(out, out_sz, &n, ",\"instId\":\"%s\"", stream + channel_sz + 1);
        tm_session_put(out, out_sz, &n, "}");
        s->wanted_cnt++;
    }
    tm_session_put(out, out_sz, &n, "]}");
    s->sent_cnt++;
    return (int)n;
}

/* What the venue says that is no data has an "event". */
static int judge(tm_session_t *s, const char *text, size_t sz)
{
    tm_json_member_t event, code;
    if (sz == 4 && memcmp(text, "pong", 4) == 0) return TM_SESSION_REPLY;
    if (!tm_json_object_find(text, sz, "event", &event)) return TM_SESSION_DATA;
    if (tm_json_value_is(&event, "error")) return tm_session_refused(text, sz);
    if (tm_json_value_is(&event, "notice") && tm_json_object_find(text, sz, "code", &code) &&
        tm_json_value_is(&code, "64008"))
        return TM_SESSION_LEAVE;
    if (tm_json_value_is(&event, "subscribe") && s->answer_cnt < s->wanted_cnt) s->answer_cnt++;
    return TM_SESSION_REPLY;
}

/* Data begin with their arg, answers with the event: the one look that tells most. */
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
    tm_session_put(out, out_sz, &n, "ping");
    return (int)n;
}

static size_t stream_of(const char *text, size_t sz, char name[TM_SESSION_STREAM_SZ_MAX])
{
    tm_json_member_t arg, channel, instrument;
    if (!tm_json_object_find(text, sz, "arg", &arg) ||
        !tm_json_object_find(arg.value, arg.value_sz, "channel", &channel) ||
        !tm_json_object_find(arg.value, arg.value_sz, "instId", &instrument))
        return 0;
    return tm_session_name(name, channel.value, channel.value_sz, instrument.value,
                           instrument.value_sz);
}

static const tm_session_ops_t ops = {
    .request = request, .judge = judge, .sift = sift, .beat = beat, .stream_of = stream_of};

const tm_feed_venue_t tm_feed_venue_okx = {
    .name = "okx",
    .host = {"okx.com"},
    .target = "/ws/v5/public",
    .session = &ops,
    .book = "books",
    .stream_max = 480, /* well below 64 KB of args */
    .send_max = 3,
    .send_span_ns = TM_NS_PER_S,
    .request_gap_ns = 350 * TM_NS_PER_MS,
    .idle_ns = 45 * TM_NS_PER_S,
    .beat_ns = 20 * TM_NS_PER_S,
    .trade_rule = TM_ID_SPARSE, /* a push may hold several trades and names the last one */
    .quote_rule = TM_ID_SPARSE,
};
