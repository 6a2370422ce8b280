/* What an exchange says beside its data: answers, complaints, heartbeats, notices. Input: which
   exchange, then messages, a line each; the first ones meet a session that has asked. */
#include "base/error.h"
#include "net/feed/feed_venue.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static const tm_feed_venue_t *const exchanges[] = {
    &tm_feed_venue_binance, &tm_feed_venue_binance_usdm, &tm_feed_venue_binance_coinm,
    &tm_feed_venue_bybit,   &tm_feed_venue_okx,          &tm_feed_venue_coinbase,
    &tm_feed_venue_kraken};

/* A session stops asking by itself. */
static void ask(tm_session_t *s)
{
    static char out[TM_SESSION_REQUEST_SZ_MAX];
    int n = 0, sz;
    do {
        sz = s->ops->request(s, out, sizeof out);
        TM_MUST(sz >= 0 && sz <= TM_SESSION_REQUEST_SZ_MAX);
        TM_MUST(++n <= 16);
    } while (sz > 0);
}

/* Returns false where the venue has refused. */
static bool hear(tm_session_t *s, const char *text, size_t sz)
{
    char name[TM_SESSION_STREAM_SZ_MAX];
    size_t name_sz = s->ops->stream_of ? s->ops->stream_of(text, sz, name) : 0;
    TM_MUST(name_sz <= sizeof name);
    if (tm_session_is_ready(s)) {
        tm_session_reply_t reply = s->ops->sift(s, text, sz);
        TM_MUST(reply >= TM_SESSION_DATA && reply <= TM_SESSION_ERROR);
        return true;
    }
    int rc = s->ops->judge(s, text, sz);
    TM_MUST(rc <= TM_SESSION_ERROR);
    TM_MUST(rc >= 0 || tm_error_text()[0] != '\0');
    return rc >= 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t sz)
{
    static const char *const streams[] = {"btcusdt@trade", "orderbook.50:BTCUSDT"};
    const tm_feed_venue_t *x = exchanges[tm_fuzz_byte(&data, &sz) % TM_ARRAY_CNT(exchanges)];
    tm_session_t *s;
    TM_MUST(tm_session_open(&s, x->session, streams, TM_ARRAY_CNT(streams)) == 0);
    ask(s);
    bool goes_on = true;
    while (goes_on && sz > 0) {
        const uint8_t *end = memchr(data, '\n', sz);
        size_t line_sz = end ? (size_t)(end - data) : sz;
        /* A copy of its own, so that a step past its end is seen. */
        char *line = malloc(line_sz + 1);
        TM_MUST(line);
        memcpy(line, data, line_sz);
        goes_on = hear(s, line, line_sz);
        free(line);
        data += line_sz + (end != NULL);
        sz -= line_sz + (end != NULL);
    }
    tm_session_close(s);
    return 0;
}
