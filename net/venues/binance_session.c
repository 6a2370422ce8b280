#include "net/venues/binance_session.h"

#include "base/error.h"
#include "net/json_member.h"

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

static int refused(const char *text, size_t sz)
{
    int shown = sz < 300 ? (int)sz : 300;
    return tm_error_set(TM_E_PROTOCOL, "the exchange refused the subscription: %.*s", shown, text);
}

static int judge(tm_session_t *session, const char *text, size_t sz)
{
    binance_session_t *s = (binance_session_t *)session;
    tm_json_member_t result, id, other;
    if (tm_json_object_find(text, sz, "error", &other) ||
        (tm_json_object_find(text, sz, "code", &other) &&
         tm_json_object_find(text, sz, "msg", &other)))
        return refused(text, sz);
    if (!tm_json_object_find(text, sz, "result", &result) ||
        !tm_json_object_find(text, sz, "id", &id))
        return TM_SESSION_DATA;
    if (result.value_sz != 4 || memcmp(result.value, "null", 4) != 0) return refused(text, sz);
    uint32_t number = 0;
    for (size_t i = 0; i < id.value_sz && number <= s->sent_cnt; i++) {
        if (id.value[i] < '0' || id.value[i] > '9') break;
        number = number * 10 + (uint32_t)(id.value[i] - '0');
    }
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
