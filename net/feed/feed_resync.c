/* Books that have a gap are asked for anew: the stream of one symbol is left and subscribed to
   again, and the venue begins it with the whole book. What must not happen is a storm: a symbol
   whose book breaks again and again pauses for longer and longer, and a connection asks for one at
   a time. */
#include "base/log.h"
#include "net/feed/feed_private.h"

#include <string.h>

#define PAUSE_NS     (10 * TM_NS_PER_S)
#define PAUSE_NS_MAX ((int64_t)TM_FEED_RESYNC_MAX_S * TM_NS_PER_S)

/* "books:BTC-USDT" and "orderbook.50.BTCUSDT" are books of the symbol at their end. */
static bool is_book_of(const tm_feed_venue_t *x, const char *stream, const char *symbol)
{
    size_t sz = strlen(stream), symbol_sz = strlen(symbol);
    if (strncmp(stream, x->book, strlen(x->book)) != 0 || sz <= symbol_sz) return false;
    const char *end = stream + sz - symbol_sz;
    return (end[-1] == ':' || end[-1] == '.') && strcmp(end, symbol) == 0;
}

/* Those of a line's streams, by their place among its own; each endpoint of a feed has its own. */
static tm_resync_t *resyncs_of(const tm_feed_t *f, const tm_line_t *l)
{
    if (l->stream_cnt == 0) return NULL;
    size_t first = (size_t)(l->streams - (const char *const *)f->streams);
    return f->resyncs + (size_t)l->endpoint * f->stream_cnt + first;
}

void tm_feed_resync(tm_source_t *source, uint32_t conn_idx, const char *symbol)
{
    tm_feed_t *f = (tm_feed_t *)source;
    if (conn_idx >= f->slot_cnt) return;
    const tm_line_t *l = tm_feed_line(f, conn_idx);
    tm_resync_t *r = resyncs_of(f, l);
    if (l->exchange->books) tm_books_resync(f, conn_idx, symbol);
    if (!l->exchange->book) return;
    for (uint32_t i = 0; i < l->stream_cnt; i++) {
        if (!is_book_of(l->exchange, l->streams[i], symbol)) continue;
        f->resync_wait_cnt += !r[i].waits;
        r[i].waits = true;
        r[i].slot_idx = conn_idx;
    }
}

static int64_t ready_ns(const tm_resync_t *r)
{
    return r->asked_ns == 0 ? INT64_MIN : r->asked_ns + r->pause_ns;
}

/* The next pause is twice as long, until the book has been whole for a good while. */
static void asked(const tm_feed_t *f, tm_resync_t *r, int64_t now_ns)
{
    int64_t first_ns = f->cfg.resync_ns > 0 ? f->cfg.resync_ns : PAUSE_NS;
    bool calm = r->asked_ns == 0 || now_ns - r->asked_ns > 2 * PAUSE_NS_MAX;
    r->pause_ns = calm ? first_ns : 2 * r->pause_ns;
    if (r->pause_ns > PAUSE_NS_MAX) r->pause_ns = PAUSE_NS_MAX;
    r->asked_ns = now_ns;
    r->waits = false;
}

void tm_resync_step(tm_feed_t *f, uint32_t idx, int64_t now_ns)
{
    const tm_line_t *l = tm_feed_line(f, idx);
    tm_resync_t *r = resyncs_of(f, l);
    for (uint32_t i = 0; i < l->stream_cnt; i++) {
        if (!r[i].waits || r[i].slot_idx != idx || ready_ns(&r[i]) > now_ns) continue;
        if (!tm_conn_resubscribe(f->slots[idx].conn, i)) return;
        asked(f, &r[i], now_ns);
        f->resync_wait_cnt--;
        tm_counter_add(f->resynced, 1);
        TM_LOG_I("net", "%s: %s has a gap: asking for it anew, again in %.1f s at the earliest",
                 tm_conn_name(f->slots[idx].conn), l->streams[i], (double)r[i].pause_ns / 1e9);
    }
}

int64_t tm_resync_due_ns(const tm_feed_t *f, uint32_t idx)
{
    const tm_line_t *l = &f->lines[idx % f->line_cnt];
    const tm_resync_t *r = resyncs_of(f, l);
    int64_t due_ns = INT64_MAX;
    if (tm_conn_again_ns(f->slots[idx].conn) != INT64_MAX) return due_ns; /* one at a time */
    for (uint32_t i = 0; i < l->stream_cnt; i++)
        if (r[i].waits && r[i].slot_idx == idx && ready_ns(&r[i]) < due_ns)
            due_ns = ready_ns(&r[i]);
    return due_ns;
}

void tm_resync_drop(tm_feed_t *f, uint32_t idx)
{
    const tm_line_t *l = tm_feed_line(f, idx);
    tm_resync_t *r = resyncs_of(f, l);
    for (uint32_t i = 0; i < l->stream_cnt; i++) {
        if (!r[i].waits || r[i].slot_idx != idx) continue;
        r[i].waits = false;
        f->resync_wait_cnt--;
    }
}
