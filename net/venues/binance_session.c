#include "net/venues/binance_session.h"

#include "base/error.h"
#include "net/feed/feed_venue.h"
#include "net/json_member.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A span a little longer than the venue's second, because messages may come closer together than
   they were sent; and requests that leave room for pongs within it. */
#define SEND_SPAN_NS  (1100 * TM_NS_PER_MS)
#define LIFE_NS       (24 * 3600 * TM_NS_PER_S)
#define WRAPPER       "{\"stream\":\""
#define SHUTDOWN      "!serverShutdown\""
#define SHUTDOWN_FLAT "{\"e\":\"serverShutdown\""

static int request(tm_session_t *s, char *out, size_t out_sz)
{
    if (s->next == s->stream_cnt) return 0;
    if (out_sz < TM_BINANCE_REQUEST_SZ_MAX) return -ENOBUFS;
    size_t n = (size_t)snprintf(out, out_sz, "{\"method\":\"SUBSCRIBE\",\"params\":[");
    const size_t tail_sz = sizeof("],\"id\":4294967295}");
    for (uint32_t first = s->next; s->next < s->stream_cnt; s->next++) {
        const char *stream = s->streams[s->next];
        if (n + strlen(stream) + 3 + tail_sz > TM_BINANCE_REQUEST_SZ_MAX) break;
        n += (size_t)snprintf(out + n, out_sz - n, "%s\"%s\"", s->next == first ? "" : ",", stream);
    }
    n += (size_t)snprintf(out + n, out_sz - n, "],\"id\":%u}", ++s->sent_cnt);
    s->wanted_cnt = s->sent_cnt;
    return (int)n;
}

static bool is_shutdown(const char *text, size_t sz)
{
    const size_t wrapper_sz = sizeof WRAPPER - 1;
    if (sz > wrapper_sz + sizeof SHUTDOWN && text[wrapper_sz] == '!')
        return memcmp(text, WRAPPER SHUTDOWN, sizeof(WRAPPER SHUTDOWN) - 1) == 0;
    return sz > sizeof SHUTDOWN_FLAT && memcmp(text, SHUTDOWN_FLAT, sizeof SHUTDOWN_FLAT - 1) == 0;
}

/* The request that an answer names, 0 where it names none of ours. */
static uint32_t request_of(const tm_session_t *s, const char *text, size_t sz)
{
    tm_json_member_t id;
    uint64_t number;
    if (!tm_json_object_find(text, sz, "id", &id)) return 0;
    if (id.value[0] == '"' || !tm_session_number(id.value, id.value_sz, &number)) return 0;
    return number <= s->sent_cnt ? (uint32_t)number : 0;
}

/* The words of an error, of request `number` where it is known. */
static int refused(const tm_session_t *s, const char *text, size_t sz)
{
    int rc = tm_session_refused(text, sz);
    uint32_t number = request_of(s, text, sz);
    return number ? tm_error_context(rc, "request %u", number) : rc;
}

static bool is_error(const char *text, size_t sz)
{
    tm_json_member_t other;
    return tm_json_object_find(text, sz, "error", &other) ||
           (tm_json_object_find(text, sz, "code", &other) &&
            tm_json_object_find(text, sz, "msg", &other));
}

static int judge(tm_session_t *s, const char *text, size_t sz)
{
    tm_json_member_t result, id;
    if (is_shutdown(text, sz)) return TM_SESSION_LEAVE;
    if (is_error(text, sz)) return refused(s, text, sz);
    if (!tm_json_object_find(text, sz, "result", &result) ||
        !tm_json_object_find(text, sz, "id", &id))
        return TM_SESSION_DATA;
    if (result.value_sz != 4 || memcmp(result.value, "null", 4) != 0) return refused(s, text, sz);
    uint64_t number = 0;
    if (id.value[0] == '"' || !tm_session_number(id.value, id.value_sz, &number)) number = 0;
    if (number != s->answer_cnt + 1 || number > s->sent_cnt)
        return tm_error_set(
            TM_E_PROTOCOL, "the exchange answered request %llu, expected was %u: %.*s",
            (unsigned long long)number, s->answer_cnt + 1, sz < 200 ? (int)sz : 200, text);
    s->answer_cnt = (uint32_t)number;
    return TM_SESSION_REPLY;
}

/* Data begin with the wrapper, or with a key of one letter that is an event's or a quote's first;
   of what the venue says besides, only a shutdown may begin so, too. */
static tm_session_reply_t sift(tm_session_t *s, const char *text, size_t sz)
{
    (void)s;
    if (sz < 4 || text[0] != '{') return TM_SESSION_DATA;
    if (is_shutdown(text, sz)) return TM_SESSION_LEAVE;
    if (text[3] == '"' || !strchr("ricem", text[2])) return TM_SESSION_DATA;
    if (is_error(text, sz)) return TM_SESSION_ERROR;
    tm_json_member_t result, id;
    bool answer = tm_json_object_find(text, sz, "result", &result) &&
                  tm_json_object_find(text, sz, "id", &id);
    return answer ? TM_SESSION_REPLY : TM_SESSION_DATA;
}

static size_t stream_of(const char *text, size_t sz, char name[TM_SESSION_STREAM_SZ_MAX])
{
    const size_t head_sz = sizeof WRAPPER - 1;
    if (sz <= head_sz || memcmp(text, WRAPPER, head_sz) != 0) return 0;
    size_t most = sz - head_sz < TM_SESSION_STREAM_SZ_MAX ? sz - head_sz : TM_SESSION_STREAM_SZ_MAX;
    const char *end = memchr(text + head_sz, '"', most);
    if (!end) return 0;
    size_t name_sz = (size_t)(end - text) - head_sz;
    memcpy(name, text + head_sz, name_sz);
    return name_sz;
}

/* Books and best prices come from one group of servers, everything else from another. */
static const char *usdm_target(const char *stream)
{
    const char *kind = strchr(stream, '@');
    bool is_book = kind && (strncmp(kind, "@depth", 6) == 0 || strcmp(kind, "@bookTicker") == 0);
    is_book = is_book || strcmp(stream, "!bookTicker") == 0;
    return is_book ? "/public/stream" : "/market/stream";
}

/* "btcusdt@depth", "btcusdt@depth@100ms"; "btcusdt@depth5" is a part of the book each time. */
static size_t book_symbol_sz(const char *stream, size_t sz)
{
    static const char kind[] = "@depth";
    const size_t kind_sz = sizeof kind - 1;
    const char *at = memchr(stream, '@', sz);
    size_t left = at ? sz - (size_t)(at - stream) : 0;
    if (left < kind_sz || memcmp(at, kind, kind_sz) != 0) return 0;
    return left == kind_sz || at[kind_sz] == '@' ? (size_t)(at - stream) : 0;
}

/* A book of 1000 levels weighs 50 of the 6000 of a minute on spot, 20 of 2400 on futures: half of
   that is left to whoever else asks from this address. */
#define BOOKS_LIMIT                                                                                \
    {                                                                                              \
        .max = 60, .span_ns = 60 * TM_NS_PER_S                                                     \
    }

static const tm_feed_books_t spot_books = {
    .host = {{"binance.com", "api.binance.com"},
             {"binance.vision", "data-api.binance.vision"},
             {"binance.us", "api.binance.us"}},
    .target = "/api/v3/depth?limit=1000&symbol=",
    .limit = BOOKS_LIMIT,
    .symbol_sz = book_symbol_sz,
};

static const tm_feed_books_t usdm_books = {
    .host = {{"fstream.binance.com", "fapi.binance.com"}},
    .target = "/fapi/v1/depth?limit=1000&symbol=",
    .limit = BOOKS_LIMIT,
    .symbol_sz = book_symbol_sz,
};

static const tm_feed_books_t coinm_books = {
    .host = {{"dstream.binance.com", "dapi.binance.com"}},
    .target = "/dapi/v1/depth?limit=1000&symbol=",
    .limit = BOOKS_LIMIT,
    .symbol_sz = book_symbol_sz,
};

static const tm_session_ops_t ops = {
    .request = request, .judge = judge, .sift = sift, .stream_of = stream_of};

const tm_feed_venue_t tm_feed_venue_binance = {
    .name = "binance",
    .host = {"binance.com", "binance.vision", "binance.us"},
    .target = "/stream",
    .session = &ops,
    .books = &spot_books,
    .stream_max = TM_BINANCE_STREAM_MAX,
    .send_max = 5,
    .send_span_ns = SEND_SPAN_NS,
    .request_gap_ns = 250 * TM_NS_PER_MS,
    .life_ns = LIFE_NS,
    .idle_ns = 60 * TM_NS_PER_S, /* three pings */
    .trade_rule = TM_ID_DENSE,
    .quote_rule = TM_ID_SPARSE,
};

const tm_feed_venue_t tm_feed_venue_binance_usdm = {
    .name = "binance-usdm",
    .host = {"fstream.binance.com"},
    .target = "/public/stream",
    .session = &ops,
    .books = &usdm_books,
    .target_of = usdm_target,
    .stream_max = TM_BINANCE_STREAM_MAX,
    .send_max = 10,
    .send_span_ns = SEND_SPAN_NS,
    .request_gap_ns = 250 * TM_NS_PER_MS,
    .life_ns = LIFE_NS,
    .idle_ns = 400 * TM_NS_PER_S,
    .trade_rule = TM_ID_DENSE,
    .quote_rule = TM_ID_SPARSE,
};

const tm_feed_venue_t tm_feed_venue_binance_coinm = {
    .name = "binance-coinm",
    .host = {"dstream.binance.com"},
    .target = "/stream",
    .session = &ops,
    .books = &coinm_books,
    .stream_max = TM_BINANCE_STREAM_MAX,
    .send_max = 10,
    .send_span_ns = SEND_SPAN_NS,
    .request_gap_ns = 250 * TM_NS_PER_MS,
    .life_ns = LIFE_NS,
    .idle_ns = 400 * TM_NS_PER_S,
    .trade_rule = TM_ID_DENSE,
    .quote_rule = TM_ID_SPARSE,
};

int tm_binance_session_open(tm_session_t **out, const char *const *streams, uint32_t stream_cnt)
{
    *out = NULL;
    if (stream_cnt > TM_BINANCE_STREAM_MAX)
        return tm_error_set(TM_E_LIMIT, "%u streams on one connection: the exchange allows %d",
                            stream_cnt, TM_BINANCE_STREAM_MAX);
    return tm_session_open(out, &ops, streams, stream_cnt);
}
