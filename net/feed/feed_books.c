/* Whole books that a venue's streams do not begin with: they are asked for beside the streams, when
   a feed begins and where a book has a gap, and go on as messages of the stream of their changes.
   What must not happen is a storm, when many books break at once: one request is under way at a
   time, within what the venue allows all of this process; a refusal holds back everybody; and a
   book that breaks again and again waits for longer and longer. */
#include "base/clock.h"
#include "base/log.h"
#include "net/feed/feed_private.h"
#include "net/feed/requests.h"
#include "net/json_member.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Changes must have begun to come, or the book would end before them: they come within a second. */
#define BEGIN_NS (2 * TM_NS_PER_S)
/* After a refusal that names no time. */
#define REFUSED_NS   (60 * TM_NS_PER_S)
#define BANNED_NS    (300 * TM_NS_PER_S)
#define FAIL_NS      TM_NS_PER_S
#define FAIL_NS_MAX  (60 * TM_NS_PER_S)
#define PAUSE_NS     (10 * TM_NS_PER_S)
#define PAUSE_NS_MAX ((int64_t)TM_FEED_RESYNC_MAX_S * TM_NS_PER_S)

enum { STATUS_REFUSED = 429, STATUS_BANNED = 418, STATUS_TIMEOUT = 408, FAIL_SHIFT_MAX = 6 };

/* ---- which books there are ------------------------------------------------------------------- */

static bool is_known(const tm_feed_t *f, const tm_book_want_t *w)
{
    for (uint32_t i = 0; i < f->books.want_cnt; i++) {
        const tm_book_want_t *o = &f->books.wants[i];
        if (f->lines[o->line_idx].group == f->lines[w->line_idx].group &&
            o->symbol_sz == w->symbol_sz && strncasecmp(o->stream, w->stream, w->symbol_sz) == 0)
            return true;
    }
    return false;
}

static void want_add(tm_feed_t *f, uint32_t line_idx, const char *stream, size_t sz)
{
    const tm_feed_books_t *books = f->lines[line_idx].exchange->books;
    size_t symbol_sz = books->symbol_sz(stream, sz);
    const tm_book_want_t w = {.stream = stream,
                              .stream_sz = (uint16_t)sz,
                              .symbol_sz = (uint16_t)symbol_sz,
                              .line_idx = line_idx};
    if (symbol_sz > 0 && sz <= TM_SESSION_STREAM_SZ_MAX && !is_known(f, &w))
        f->books.wants[f->books.want_cnt++] = w;
}

/* Steps through the names of a stream list in an address. */
static const char *name_next(const char *p, size_t *sz)
{
    p += *sz;
    p += *p == '/';
    *sz = strcspn(p, "/&");
    return *sz > 0 ? p : NULL;
}

int tm_books_plan(tm_feed_t *f)
{
    uint32_t cnt = 0;
    for (uint32_t i = 0; i < f->line_cnt; i++) {
        size_t sz = 0;
        const char *p = tm_feed_target_streams(f->lines[i].url.target);
        while ((p = name_next(p, &sz))) cnt++;
        cnt += f->lines[i].stream_cnt;
    }
    f->books.due_ns = INT64_MAX;
    if (!f->cfg.books || cnt == 0) return 0;
    f->books.wants = calloc(cnt, sizeof *f->books.wants);
    if (!f->books.wants) return tm_error_set(-ENOMEM, "no memory for a feed");
    for (uint32_t i = 0; i < f->line_cnt; i++) {
        const tm_line_t *l = &f->lines[i];
        size_t sz = 0;
        const char *p = tm_feed_target_streams(l->url.target);
        if (!l->exchange->books) continue;
        while ((p = name_next(p, &sz))) want_add(f, i, p, sz);
        for (uint32_t k = 0; k < l->stream_cnt; k++)
            want_add(f, i, l->streams[k], strlen(l->streams[k]));
    }
    return 0;
}

void tm_books_up(tm_feed_t *f, uint32_t slot_idx, int64_t now_ns)
{
    uint32_t group = tm_feed_line(f, slot_idx)->group;
    for (uint32_t i = 0; i < f->books.want_cnt; i++) {
        tm_book_want_t *w = &f->books.wants[i];
        if (f->lines[w->line_idx].group != group) continue;
        f->books.due_ns = 0; /* one that waits may have nobody to bring it so far */
        if (w->begun) continue;
        w->begun = w->waits = true;
        w->slot_idx = slot_idx;
        w->due_ns = now_ns + (f->cfg.resync_ns > 0 ? f->cfg.resync_ns : BEGIN_NS);
    }
}

void tm_books_resync(tm_feed_t *f, uint32_t slot_idx, const char *symbol)
{
    uint32_t group = tm_feed_line(f, slot_idx)->group;
    size_t sz = strlen(symbol);
    for (uint32_t i = 0; i < f->books.want_cnt; i++) {
        tm_book_want_t *w = &f->books.wants[i];
        if (f->lines[w->line_idx].group != group || w->symbol_sz != sz ||
            strncasecmp(w->stream, symbol, sz) != 0 || w->waits)
            continue;
        w->waits = w->has_gap = true;
        w->slot_idx = slot_idx;
        w->due_ns = w->asked_ns ? w->asked_ns + w->pause_ns : 0;
        f->books.due_ns = 0;
    }
}

/* ---- a request ------------------------------------------------------------------------------- */

/* The connection whose book it is, or another one of its feed; UINT32_MAX = none streams now. */
static uint32_t slot_of(const tm_feed_t *f, const tm_book_want_t *w)
{
    uint32_t group = f->lines[w->line_idx].group;
    if (f->slots[w->slot_idx].state == TM_SLOT_STREAMS) return w->slot_idx;
    for (uint32_t i = 0; i < f->slot_cnt; i++)
        if (f->lines[i % f->line_cnt].group == group && f->slots[i].state == TM_SLOT_STREAMS)
            return i;
    return UINT32_MAX;
}

/* The host that has the books of a host with streams, under the usual port; or itself. */
static void url_make(tm_url_t *url, const tm_line_t *l, const tm_book_want_t *w)
{
    const tm_feed_books_t *books = l->exchange->books;
    const char *host = NULL;
    for (size_t i = 0; i < TM_ARRAY_CNT(books->host) && !host; i++)
        if (books->host[i][0] && tm_feed_host_is_below(l->url.host, books->host[i][0]))
            host = books->host[i][1];
    *url = l->url;
    if (host) {
        url->port = url->tls ? 443 : 80;
        snprintf(url->host, sizeof url->host, "%s", host);
        snprintf(url->authority, sizeof url->authority, "%s", host);
    }
    int n = snprintf(url->target, sizeof url->target, "%s", books->target);
    for (uint32_t i = 0; i < w->symbol_sz; i++) {
        uint8_t c = (uint8_t)w->stream[i];
        bool plain = (c >= '0' && c <= '9') || c == '_' || c == '-';
        if (c >= 'a' && c <= 'z') c = (uint8_t)(c - 'a' + 'A');
        plain = plain || (c >= 'A' && c <= 'Z');
        n += snprintf(url->target + n, sizeof url->target - (size_t)n, plain ? "%c" : "%%%02X", c);
    }
}

/* Until the next time that the same book may be asked for: its first gap does not wait. */
static void pause_set(const tm_feed_t *f, tm_book_want_t *w, int64_t now_ns)
{
    int64_t first_ns = f->cfg.resync_ns > 0 ? f->cfg.resync_ns : PAUSE_NS;
    bool calm = w->asked_ns == 0 || now_ns - w->asked_ns > 2 * PAUSE_NS_MAX;
    w->pause_ns = calm ? first_ns : 2 * w->pause_ns;
    if (w->pause_ns < first_ns) w->pause_ns = first_ns;
    if (!w->has_gap) w->pause_ns = 0;
    if (w->pause_ns > PAUSE_NS_MAX) w->pause_ns = PAUSE_NS_MAX;
    w->asked_ns = now_ns;
}

static void failed(tm_feed_t *f, int code, int64_t now_ns);

static void begin(tm_feed_t *f, tm_book_want_t *w, int64_t now_ns)
{
    tm_books_t *b = &f->books;
    const tm_line_t *l = &f->lines[w->line_idx];
    tm_url_t url;
    url_make(&url, l, w);
    int64_t at_ns = tm_requests_take(url.host, url.port, &l->exchange->books->limit, now_ns);
    if (at_ns > now_ns) {
        b->hold_ns = at_ns;
        return;
    }
    tm_conn_cfg_t cfg = {.ring = f->ring,
                         .slot = (uint16_t)f->slot_cnt,
                         .gen = b->gen,
                         .url = &url,
                         .fetch = true,
                         .tls_ctx = f->tls_ctx,
                         .frame_sz_max = f->cfg.frame_sz_max,
                         .transport = f->cfg.transport};
    for (int i = 0; i < TM_CONN_STREAM; i++)
        cfg.phase_ns[i] = (int64_t)f->cfg.deadline_ms * TM_NS_PER_MS;
    b->asked = w;
    w->waits = false;
    tm_counter_add(f->books_asked, 1);
    TM_LOG_D("net", "%s%s: asking for the whole book of %.*s", url.host, url.target, w->symbol_sz,
             w->stream);
    int rc = tm_conn_open(&b->conn, &cfg);
    if (rc == 0) rc = tm_conn_start(b->conn);
    if (rc < 0) failed(f, rc, now_ns);
}

/* How long nobody asks this server again. A refusal counts for all of the process. */
static int64_t hold_of(tm_feed_t *f, const tm_conn_outcome_t *outcome, int64_t now_ns)
{
    tm_books_t *b = &f->books;
    const tm_line_t *l = &f->lines[b->asked->line_idx];
    uint32_t shift = b->fail_cnt < FAIL_SHIFT_MAX ? b->fail_cnt : FAIL_SHIFT_MAX;
    int64_t delay_ns = FAIL_NS << shift;
    int64_t after_s = outcome->retry_after_s;
    bool refused = outcome->http_status == STATUS_REFUSED || outcome->http_status == STATUS_BANNED;
    b->fail_cnt++;
    if (delay_ns > FAIL_NS_MAX) delay_ns = FAIL_NS_MAX;
    if (refused && after_s < 0)
        delay_ns = outcome->http_status == STATUS_BANNED ? BANNED_NS : REFUSED_NS;
    if (after_s > TM_RETRY_AFTER_MAX_S) after_s = TM_RETRY_AFTER_MAX_S;
    if (after_s * TM_NS_PER_S > delay_ns) delay_ns = after_s * TM_NS_PER_S;
    if (refused) {
        tm_url_t url;
        url_make(&url, l, b->asked);
        tm_requests_hold(url.host, url.port, &l->exchange->books->limit, now_ns + delay_ns);
    }
    return delay_ns;
}

/* The request has failed with the trail's text: the book goes on waiting, unless it never can
   come. */
static void failed(tm_feed_t *f, int code, int64_t now_ns)
{
    tm_books_t *b = &f->books;
    tm_book_want_t *w = b->asked;
    const tm_conn_outcome_t outcome = b->conn ? tm_conn_outcome(b->conn)
                                              : (tm_conn_outcome_t){.retry_after_s = -1};
    int status = outcome.http_status;
    bool never = status / 100 == 4 && status != STATUS_REFUSED && status != STATUS_BANNED &&
                 status != STATUS_TIMEOUT;
    tm_counter_add(f->books_failed, 1);
    if (never) {
        TM_LOG_E("net", "%s: the whole book of %.*s cannot be had", tm_error_text(), w->symbol_sz,
                 w->stream);
    } else {
        int64_t delay_ns = hold_of(f, &outcome, now_ns);
        b->hold_ns = now_ns + delay_ns;
        w->waits = true;
        w->due_ns = b->hold_ns;
        TM_LOG_W("net", "%s (%s): asking again in %.1f s", tm_error_text(), tm_error_name(code),
                 (double)delay_ns / 1e9);
    }
    b->asked = NULL;
    if (b->conn) tm_conn_abort(b->conn);
}

/* {"stream":"btcusdt@depth","data":<answer>}: a message as others of the stream, whose symbol is
   known by the stream's name. */
static int frame_make(tm_books_t *b, const tm_conn_answer_t *answer)
{
    static const char head[] = "{\"stream\":\"", middle[] = "\",\"data\":", end[] = "}";
    const tm_book_want_t *w = b->asked;
    tm_json_member_t id;
    if (!tm_json_object_find((const char *)answer->bytes, answer->sz, "lastUpdateId", &id))
        return tm_error_set(TM_E_PROTOCOL, "%s: the answer is not a book", tm_conn_name(b->conn));
    size_t sz = sizeof head + sizeof middle + sizeof end - 3 + w->stream_sz + answer->sz;
    uint8_t *p = malloc(sz + TM_FRAME_PAD);
    if (!p) return tm_error_set(-ENOMEM, "no memory for a book");
    b->bytes = p;
    p = (uint8_t *)mempcpy(p, head, sizeof head - 1);
    p = (uint8_t *)mempcpy(p, w->stream, w->stream_sz);
    p = (uint8_t *)mempcpy(p, middle, sizeof middle - 1);
    p = (uint8_t *)mempcpy(p, answer->bytes, answer->sz);
    memcpy(p, end, sizeof end - 1);
    memset(b->bytes + sz, 0, TM_FRAME_PAD);
    b->frame = (tm_frame_t){.data = b->bytes,
                            .sz = (uint32_t)sz,
                            .conn_idx = w->slot_idx,
                            .recv_ns = tm_clock_mono_to_real_ns(answer->mono_ns),
                            .ingress_ns = answer->mono_ns,
                            .asked = true};
    b->is_ready = true;
    return 0;
}

/* Goes on with the request that is under way, and with its end. */
static void request_step(tm_feed_t *f, int64_t now_ns)
{
    tm_books_t *b = &f->books;
    tm_conn_answer_t answer;
    if (b->asked) {
        int rc = tm_conn_step(b->conn, now_ns);
        bool whole = rc == 0 && tm_conn_fetched(b->conn, &answer);
        if (whole) rc = frame_make(b, &answer);
        if (rc < 0) {
            failed(f, rc, now_ns);
        } else if (whole) {
            tm_counter_add(f->books_fetched, 1);
            pause_set(f, b->asked, now_ns);
            b->asked = NULL;
            b->fail_cnt = 0;
            tm_conn_abort(b->conn);
        }
    }
    if (b->asked || !tm_conn_is_gone(b->conn)) return;
    b->gen = tm_conn_gen(b->conn);
    tm_conn_free(b->conn);
    b->conn = NULL;
}

void tm_books_broke(tm_feed_t *f, int code)
{
    if (f->books.asked) failed(f, code, tm_clock_mono_ns());
}

/* ---- whose turn it is ------------------------------------------------------------------------ */

void tm_books_step(tm_feed_t *f, int64_t now_ns)
{
    tm_books_t *b = &f->books;
    if (b->conn) request_step(f, now_ns);
    if (b->conn || now_ns < b->due_ns || b->is_ready) return;
    int64_t due_ns = INT64_MAX;
    tm_book_want_t *first = NULL;
    for (uint32_t i = 0; i < b->want_cnt; i++) {
        tm_book_want_t *w = &b->wants[i];
        if (!w->waits || slot_of(f, w) == UINT32_MAX || (first && w->due_ns >= first->due_ns))
            continue;
        first = w;
        due_ns = w->due_ns > b->hold_ns ? w->due_ns : b->hold_ns;
    }
    b->due_ns = due_ns;
    if (!first || now_ns < due_ns) return;
    first->slot_idx = slot_of(f, first);
    begin(f, first, now_ns);
    b->due_ns = 0; /* look again after it */
}

int64_t tm_books_due_ns(const tm_feed_t *f)
{
    const tm_books_t *b = &f->books;
    if (b->conn && !b->asked) return tm_conn_is_gone(b->conn) ? 0 : INT64_MAX;
    if (b->conn) return tm_conn_deadline_ns(b->conn);
    return b->due_ns < b->hold_ns ? b->hold_ns : b->due_ns;
}

bool tm_books_take(tm_feed_t *f, tm_frame_t *frame)
{
    tm_books_t *b = &f->books;
    if (!b->is_ready) return false;
    *frame = b->frame;
    b->is_ready = false;
    return true;
}

void tm_books_release(tm_feed_t *f)
{
    if (f->books.is_ready) return;
    free(f->books.bytes);
    f->books.bytes = NULL;
}

bool tm_books_are_gone(const tm_feed_t *f)
{
    return !f->books.conn || tm_conn_is_gone(f->books.conn);
}

void tm_books_close(tm_feed_t *f)
{
    tm_conn_free(f->books.conn);
    free(f->books.wants);
    free(f->books.bytes);
}
