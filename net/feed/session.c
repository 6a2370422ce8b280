#include "net/feed/session.h"

#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int stream_check(const char *stream)
{
    size_t sz = strlen(stream);
    if (sz == 0 || sz > TM_SESSION_STREAM_SZ_MAX)
        return tm_error_set(TM_E_CONFIG, "stream \"%.40s\": a name has 1 to %d bytes", stream,
                            TM_SESSION_STREAM_SZ_MAX);
    for (const char *p = stream; *p; p++)
        if ((unsigned char)*p <= ' ' || *p == '"' || *p == '\\' || *p == 0x7f)
            return tm_error_set(TM_E_CONFIG,
                                "stream \"%.40s\": blanks, quotes and control bytes "
                                "cannot stand in a name",
                                stream);
    return 0;
}

int tm_session_open(tm_session_t **out, const tm_session_ops_t *ops, const char *const *streams,
                    uint32_t stream_cnt)
{
    *out = NULL;
    for (uint32_t i = 0; i < stream_cnt; i++) TM_TRY(stream_check(streams[i]));
    tm_session_t *s = calloc(1, sizeof *s);
    if (!s) return tm_error_set(-ENOMEM, "no memory for a session");
    s->ops = ops;
    s->streams = streams;
    s->stream_cnt = stream_cnt;
    *out = s;
    return 0;
}

void tm_session_close(tm_session_t *session)
{
    free(session);
}

bool tm_session_is_ready(const tm_session_t *s)
{
    return s->next == s->stream_cnt && s->answer_cnt >= s->wanted_cnt;
}

/* All venues leave a stream with the words that ask for it, but for "unsubscribe". */
int tm_session_again(tm_session_t *s, char *out, size_t out_sz)
{
    static const char word[] = "subscribe\"";
    if (s->again == 0) return 0;
    tm_session_t one = {.ops = s->ops,
                        .streams = s->streams + s->again - 1,
                        .stream_cnt = 1,
                        .sent_cnt = s->sent_cnt};
    int n = s->ops->request(&one, out, out_sz);
    if (n <= 0) return n;
    s->sent_cnt = one.sent_cnt;
    if (s->again_left) {
        s->again = 0;
        s->again_left = false;
        return n;
    }
    char *at = memmem(out, (size_t)n, word, sizeof word - 1);
    if (!at) return tm_error_set(TM_E_UNSUPPORTED, "a request that names no \"subscribe\"");
    memmove(at + 2, at, (size_t)(out + n - at));
    memcpy(at, "un", 2);
    s->again_left = true;
    return n + 2;
}

int tm_session_refused(const char *text, size_t sz)
{
    int shown = sz < 300 ? (int)sz : 300;
    return tm_error_set(TM_E_PROTOCOL, "the exchange refused the subscription: %.*s", shown, text);
}

void tm_session_put(char *out, size_t out_sz, size_t *n, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int made = vsnprintf(out + *n, out_sz - *n, fmt, args);
    va_end(args);
    if (made > 0) *n = *n + (size_t)made < out_sz ? *n + (size_t)made : out_sz - 1;
}

size_t tm_session_channel_sz(const char *stream)
{
    return strcspn(stream, ":");
}

bool tm_session_same_channel(const char *a, const char *b)
{
    size_t sz = tm_session_channel_sz(a);
    return sz == tm_session_channel_sz(b) && memcmp(a, b, sz) == 0;
}

bool tm_session_number(const char *value, size_t sz, uint64_t *out)
{
    uint64_t v = 0;
    if (sz >= 2 && value[0] == '"' && value[sz - 1] == '"') {
        value++;
        sz -= 2;
    }
    if (sz == 0 || sz > 19) return false;
    for (size_t i = 0; i < sz; i++) {
        if (value[i] < '0' || value[i] > '9') return false;
        v = v * 10 + (uint64_t)(value[i] - '0');
    }
    *out = v;
    return true;
}

size_t tm_session_name(char name[TM_SESSION_STREAM_SZ_MAX], const char *channel, size_t channel_sz,
                       const char *symbol, size_t symbol_sz)
{
    if (channel_sz < 2 || symbol_sz < 2 || channel[0] != '"' || symbol[0] != '"') return 0;
    size_t sz = channel_sz - 2 + 1 + symbol_sz - 2;
    if (sz > TM_SESSION_STREAM_SZ_MAX) return 0;
    memcpy(name, channel + 1, channel_sz - 2);
    name[channel_sz - 2] = ':';
    memcpy(name + channel_sz - 1, symbol + 1, symbol_sz - 2);
    return sz;
}
