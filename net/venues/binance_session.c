#include "net/venues/binance_session.h"

#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct binance_session {
    tm_session_t session; /* first */
    const char *const *streams;
    uint32_t stream_cnt;
    uint32_t next;                 /* first stream not requested yet */
    uint32_t sent_cnt, answer_cnt; /* requests; the id of one is its number from 1 */
} binance_session_t;

static int request(tm_session_t *session, char *out, size_t out_sz)
{
    binance_session_t *s = (binance_session_t *)session;
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
    return (int)n;
}

/* Finds `"key":` at the top level of a JSON object and returns what stands behind it, or NULL. Depth
   and strings are followed, so a key inside a value is not taken for one. */
static const char *top_key(const char *p, const char *end, const char *key)
{
    size_t key_sz = strlen(key);
    int depth = 0;
    while (p < end) {
        if (*p == '{' || *p == '[') depth++;
        if (*p == '}' || *p == ']') depth--;
        if (*p != '"') {
            p++;
            continue;
        }
        const char *name = ++p;
        while (p < end && *p != '"') p += *p == '\\' ? 2 : 1;
        if (p >= end) return NULL;
        size_t sz = (size_t)(p++ - name);
        while (p < end && (*p == ' ' || *p == '\t')) p++;
        if (p == end || *p != ':') continue;
        for (p++; p < end && (*p == ' ' || *p == '\t');) p++;
        if (depth == 1 && sz == key_sz && memcmp(name, key, sz) == 0) return p;
    }
    return NULL;
}

static int refused(const char *text, size_t sz)
{
    int shown = sz < 300 ? (int)sz : 300;
    return tm_error_set(TM_E_PROTOCOL, "the exchange refused the subscription: %.*s", shown, text);
}

static int judge(tm_session_t *session, const char *text, size_t sz)
{
    binance_session_t *s = (binance_session_t *)session;
    const char *end = text + sz;
    if (sz == 0 || text[0] != '{') return TM_SESSION_DATA;
    if (top_key(text, end, "error") || (top_key(text, end, "code") && top_key(text, end, "msg")))
        return refused(text, sz);
    const char *result = top_key(text, end, "result"), *id = top_key(text, end, "id");
    if (!result || !id) return TM_SESSION_DATA;
    if (end - result < 4 || memcmp(result, "null", 4) != 0) return refused(text, sz);
    uint32_t number = 0;
    for (; id < end && *id >= '0' && *id <= '9' && number <= s->sent_cnt; id++)
        number = number * 10 + (uint32_t)(*id - '0');
    if (number != s->answer_cnt + 1 || number > s->sent_cnt)
        return tm_error_set(TM_E_PROTOCOL,
                            "the exchange answered request %u, expected was %u: %.*s", number,
                            s->answer_cnt + 1, sz < 200 ? (int)sz : 200, text);
    s->answer_cnt = number;
    return TM_SESSION_REPLY;
}

static bool is_ready(const tm_session_t *session)
{
    const binance_session_t *s = (const binance_session_t *)session;
    return s->next == s->stream_cnt && s->answer_cnt == s->sent_cnt;
}

static void session_close(tm_session_t *session)
{
    free(session);
}

/* Names go into JSON as they are, so what would need escaping is refused. */
static int stream_check(const char *stream)
{
    size_t sz = strlen(stream);
    if (sz == 0 || sz > TM_BINANCE_STREAM_SZ_MAX)
        return tm_error_set(TM_E_CONFIG, "stream \"%.40s\": a name has 1 to %d bytes", stream,
                            TM_BINANCE_STREAM_SZ_MAX);
    for (const char *p = stream; *p; p++)
        if ((unsigned char)*p <= ' ' || *p == '"' || *p == '\\' || *p == 0x7f)
            return tm_error_set(TM_E_CONFIG,
                                "stream \"%.40s\": blanks, quotes and control bytes "
                                "cannot stand in a name",
                                stream);
    return 0;
}

int tm_binance_session_open(tm_session_t **out, const char *const *streams, uint32_t stream_cnt)
{
    static const tm_session_ops_t ops = {
        .request = request,
        .judge = judge,
        .is_ready = is_ready,
        .close = session_close,
        .request_gap_ns = 250 * TM_NS_PER_MS, /* four a second, and a pong may come in between */
        .request_sz_max = TM_BINANCE_REQUEST_SZ_MAX,
    };
    *out = NULL;
    if (stream_cnt > TM_BINANCE_STREAM_MAX)
        return tm_error_set(TM_E_LIMIT, "%u streams on one connection: the exchange allows %d",
                            stream_cnt, TM_BINANCE_STREAM_MAX);
    for (uint32_t i = 0; i < stream_cnt; i++) TM_TRY(stream_check(streams[i]));
    binance_session_t *s = calloc(1, sizeof *s);
    if (!s) return tm_error_set(-ENOMEM, "no memory for a session");
    s->session.ops = &ops;
    s->streams = streams;
    s->stream_cnt = stream_cnt;
    *out = &s->session;
    return 0;
}
