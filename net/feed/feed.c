#include "net/feed/feed.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/error.h"
#include "net/feed/feed_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
    BUF_CNT_MIN = 64,                 /* 2 MiB of receive buffers */
    CLOSE_NS = 1000 * TM_NS_PER_MS,   /* for close frames to pass */
    ABORT_NS = 100 * TM_NS_PER_MS,    /* for operations to complete after a cut */
    WAIT_NS_MAX = 100 * TM_NS_PER_MS, /* while opening and closing */
};

/* Hands each event to its connection. Returns events, -EINTR after a signal, or an error. */
static int events_pass(tm_feed_t *f, int64_t wait_ns)
{
    tm_uring_event_t events[TM_URING_EVENT_MAX];
    int n = tm_uring_reap(f->ring, events, TM_URING_EVENT_MAX, wait_ns);
    for (int i = 0; i < n; i++) {
        const tm_uring_event_t *ev = &events[i];
        bool of_books = ev->owner.slot == f->slot_cnt;
        TM_CHECK(ev->owner.slot <= f->slot_cnt, "slot %u", ev->owner.slot);
        tm_slot_t *s = &f->slots[of_books ? 0 : ev->owner.slot];
        tm_conn_t *c = of_books ? f->books.conn : s->conn;
        if (!c) { /* a late one of a connection that is gone */
            if (ev->buf_idx != TM_URING_BUF_NONE) tm_uring_buf_put(f->ring, ev->buf_idx);
            continue;
        }
        int rc = tm_conn_on_event(c, ev);
        if (rc < 0 && of_books)
            tm_books_broke(f, rc);
        else if (rc < 0 && (s->state == TM_SLOT_OPENS || s->state == TM_SLOT_STREAMS))
            tm_slot_lost(f, ev->owner.slot, rc);
    }
    return n;
}

/* Reads what has come in, every connection in its turn. Returns frames. */
static uint32_t frames_take(tm_feed_t *f, tm_frame_t *frames, uint32_t cap)
{
    uint32_t n = 0;
    uint64_t bytes = 0;
    if (f->slot_cnt == 0) return 0;
    for (uint32_t i = 0; i < f->slot_cnt && n < cap; i++) {
        uint32_t idx = (f->turn + i) % f->slot_cnt;
        tm_slot_t *s = &f->slots[idx];
        if (s->state != TM_SLOT_STREAMS) continue;
        if (!tm_conn_is_pending(s->conn)) {
            s->dry_ns = f->polled_ns;
            continue;
        }
        int rc = tm_conn_read(s->conn, frames + n, cap - n);
        int64_t heard_ns = tm_conn_heard_ns(s->conn);
        if (heard_ns > s->heard_ns) s->heard_ns = heard_ns;
        if (rc > 0) {
            tm_retry_reset(&s->retry);
            tm_line_frames(f, idx, frames + n, (uint32_t)rc);
        }
        tm_line_notes(f, idx, tm_clock_mono_ns());
        for (int k = 0; k < rc; k++) bytes += frames[n++].sz;
        if (rc < 0) tm_slot_lost(f, idx, rc);
    }
    f->turn = (f->turn + 1) % f->slot_cnt;
    if (n < cap && tm_books_take(f, frames + n)) bytes += frames[n++].sz;
    tm_counter_add(f->frames, n);
    tm_counter_add(f->bytes, bytes);
    return n;
}

static void step_all(tm_feed_t *f, int64_t now_ns)
{
    for (uint32_t i = 0; i < f->line_cnt; i++) tm_line_step(f, i, now_ns);
    for (uint32_t i = 0; i < f->slot_cnt; i++) tm_slot_step(f, i, now_ns);
    if (f->books.want_cnt > 0) tm_books_step(f, now_ns);
}

/* The longest wait up to wait_ns that misses nothing that is due. */
static int64_t wait_until_due(const tm_feed_t *f, int64_t wait_ns)
{
    int64_t due_ns = f->books.want_cnt > 0 ? tm_books_due_ns(f) : INT64_MAX;
    for (uint32_t i = 0; i < f->slot_cnt; i++) {
        int64_t slot_ns = tm_slot_due_ns(f, i);
        if (slot_ns < due_ns) due_ns = slot_ns;
    }
    for (uint32_t i = 0; i < f->line_cnt; i++) {
        int64_t line_ns = tm_line_due_ns(f, i);
        if (line_ns < due_ns) due_ns = line_ns;
    }
    if (due_ns == INT64_MAX) return wait_ns;
    int64_t left_ns = due_ns - tm_clock_mono_ns();
    if (left_ns < 0) return 0;
    return left_ns < wait_ns ? left_ns : wait_ns;
}

/* Time in which nobody polled is no silence of the peers: their bytes wait in the sockets. */
static void silence_forgive(tm_feed_t *f, int64_t now_ns)
{
    for (uint32_t i = 0; i < f->slot_cnt; i++)
        if (now_ns - f->polled_ns > tm_feed_line(f, i)->idle_ns / 4) f->slots[i].heard_ns = now_ns;
    f->polled_ns = now_ns;
}

static int feed_poll(tm_source_t *source, tm_frame_t *frames, uint32_t cap, int64_t wait_ns)
{
    tm_feed_t *f = (tm_feed_t *)source;
    int64_t now_ns = tm_clock_mono_ns();
    for (uint32_t i = 0; i < f->slot_cnt; i++)
        if (f->slots[i].conn) tm_conn_release(f->slots[i].conn);
    tm_books_release(f);
    if (cap == 0) return 0;
    silence_forgive(f, now_ns);
    step_all(f, now_ns); /* listens, too: buffers came back with the release */
    /* Once without waiting: the stamps of what has come since the last poll are taken now, not when
       the frames that wait from then are through. */
    for (int round = 0; round < 2; round++) {
        int rc = events_pass(f, round == 0 ? 0 : wait_until_due(f, wait_ns));
        if (rc == -EINTR) return 0; /* whoever set the handler wants to be heard */
        if (rc < 0) return rc;
        f->polled_ns = tm_clock_mono_ns();
        uint32_t n = frames_take(f, frames, cap);
        if (n > 0) {
            TM_TRY(tm_uring_submit(f->ring)); /* pongs do not wait for the next poll */
            return (int)n;
        }
        if (f->over) return tm_error_set(f->over, "%s", f->over_text);
        if (wait_ns <= 0) break;
        step_all(f, f->polled_ns);
    }
    return 0;
}

/* True where every connection has been tried and at least one streams. */
static bool is_open(const tm_feed_t *f)
{
    bool one_streams = false;
    for (uint32_t i = 0; i < f->slot_cnt; i++) {
        if (f->slots[i].state == TM_SLOT_OPENS) return false;
        one_streams |= f->slots[i].state == TM_SLOT_STREAMS;
    }
    return one_streams;
}

/* Runs the ring until the feed is open. */
static int open_run(tm_feed_t *f)
{
    const _Atomic bool *stop = f->cfg.stop;
    for (;;) {
        if (stop && atomic_load_explicit(stop, memory_order_relaxed)) /* orders nothing */
            return tm_error_set(-EINTR, "stopped while connecting");
        step_all(f, tm_clock_mono_ns());
        if (f->over) return tm_error_set(f->over, "%s", f->over_text);
        if (is_open(f)) return 0;
        int n = events_pass(f, wait_until_due(f, WAIT_NS_MAX));
        if (n == -EINTR) return tm_error_set(n, "interrupted while connecting");
        if (n < 0) return n;
    }
}

static bool all_gone(const tm_feed_t *f)
{
    for (uint32_t i = 0; i < f->slot_cnt; i++)
        if (f->slots[i].conn && !tm_conn_is_gone(f->slots[i].conn)) return false;
    return tm_books_are_gone(f);
}

/* Runs the ring until every connection is gone or the time is over. */
static void close_run(tm_feed_t *f, int64_t time_ns)
{
    int64_t end_ns = tm_clock_mono_ns() + time_ns;
    for (;;) {
        int64_t now_ns = tm_clock_mono_ns();
        for (uint32_t i = 0; i < f->slot_cnt; i++) {
            tm_conn_t *c = f->slots[i].conn;
            if (c && tm_conn_step(c, now_ns) < 0) tm_conn_abort(c);
        }
        if (all_gone(f) || now_ns >= end_ns) return;
        int n = events_pass(f, end_ns - now_ns);
        if (n < 0 && n != -EINTR) return;
    }
}

static void feed_free(tm_feed_t *f, int64_t polite_ns)
{
    if (f->books.conn) tm_conn_abort(f->books.conn);
    for (uint32_t i = 0; i < f->slot_cnt; i++) {
        f->slots[i].state = TM_SLOT_ENDED;
        tm_stream_watch_close(f->slots[i].watch);
        if (f->slots[i].conn) tm_conn_close(f->slots[i].conn);
    }
    if (!all_gone(f)) close_run(f, polite_ns);
    for (uint32_t i = 0; i < f->slot_cnt; i++)
        if (f->slots[i].conn) tm_conn_abort(f->slots[i].conn);
    if (!all_gone(f)) close_run(f, ABORT_NS);
    for (uint32_t i = 0; i < f->slot_cnt; i++) tm_conn_free(f->slots[i].conn);
    tm_books_close(f);
    if (f->ring) tm_uring_close(f->ring);
    tm_tls_ctx_close(f->tls_ctx);
    tm_feed_plan_free(f);
    free(f);
}

static void feed_close(tm_source_t *source)
{
    feed_free((tm_feed_t *)source, CLOSE_NS);
}

static uint32_t feed_rows(tm_source_t *source, tm_feed_row_t *rows, uint32_t cap)
{
    tm_feed_t *f = (tm_feed_t *)source;
    uint32_t cnt = f->row_cnt < cap ? f->row_cnt : cap;
    if (cnt == 0) return 0;
    memcpy(rows, f->rows, cnt * sizeof rows[0]);
    memmove(f->rows, f->rows + cnt, (f->row_cnt - cnt) * sizeof rows[0]);
    f->row_cnt -= cnt;
    return cnt;
}

static int lines_open(tm_feed_t *f)
{
    if (f->cfg.seed == 0 && getrandom(&f->cfg.seed, sizeof f->cfg.seed, 0) < 0)
        f->cfg.seed = (uint64_t)tm_clock_real_ns();
    f->random = ~f->cfg.seed;
    TM_TRY(tm_feed_plan(f));
    TM_TRY(tm_books_plan(f));
    for (uint32_t i = 0; i < f->line_cnt && !f->tls_ctx; i++)
        if (f->lines[i].url.tls) {
            const tm_tls_ctx_cfg_t tls_cfg = {.ca_file = f->cfg.ca_file};
            TM_TRY(tm_tls_ctx_open(&f->tls_ctx, &tls_cfg));
        }
    tm_uring_cfg_t ring_cfg = {.buf_cnt = BUF_CNT_MIN, .off = f->cfg.uring_off};
    while (ring_cfg.buf_cnt < 4 * f->line_cnt) ring_cfg.buf_cnt *= 2;
    TM_TRY(tm_uring_open(&f->ring, &ring_cfg));
    f->opening = true;
    TM_TRY(open_run(f));
    f->opening = false;
    return 0;
}

static tm_counter_t *counter(tm_feed_t *f, const char *name, uint32_t idx)
{
    return f->cfg.counters ? tm_counter_get(f->cfg.counters, name) : &f->unread[idx];
}

int tm_feed_open(tm_source_t **out, const tm_feed_cfg_t *cfg)
{
    static const tm_source_ops_t ops = {
        .poll = feed_poll, .rows = feed_rows, .resync = tm_feed_resync, .close = feed_close};
    *out = NULL;
    if (cfg->url_cnt == 0 || cfg->url_cnt > TM_FEED_CONN_MAX)
        return tm_error_set(TM_E_CONFIG, "%u addresses: expected 1 to %d", cfg->url_cnt,
                            TM_FEED_CONN_MAX);
    tm_clock_init();
    tm_feed_t *f = calloc(1, sizeof *f);
    if (!f) return tm_error_set(-ENOMEM, "no memory for a feed");
    f->source.ops = &ops;
    f->cfg = *cfg;
    f->frames = counter(f, "frames", 0);
    f->bytes = counter(f, "frame_bytes", 1);
    f->attempts = counter(f, "attempts", 2);
    f->failures = counter(f, "connect_failures", 3);
    f->disconnects = counter(f, "disconnects", 4);
    f->reconnects = counter(f, "reconnects", 5);
    f->idle_cuts = counter(f, "idle_cut", 6);
    f->rotations = counter(f, "rotations", 7);
    f->silent = counter(f, "streams_silent", 8);
    f->missed = counter(f, "feed_missed", 9);
    f->venue_errors = counter(f, "venue_errors", 10);
    f->resynced = counter(f, "resyncs", 11);
    f->addrs_tried = counter(f, "addresses_tried", 12);
    f->addrs_failed = counter(f, "addresses_failed", 13);
    f->addrs_outrun = counter(f, "addresses_outrun", 14);
    f->books_asked = counter(f, "books_asked", 15);
    f->books_fetched = counter(f, "books_fetched", 16);
    f->books_failed = counter(f, "books_failed", 17);
    int err = lines_open(f);
    if (err < 0) {
        char text[TM_ERROR_TEXT_MAX]; /* closing may record texts of its own */
        snprintf(text, sizeof text, "%s", tm_error_text());
        feed_free(f, ABORT_NS); /* long enough for an alert to leave */
        return tm_error_set(err, "%s", text);
    }
    f->polled_ns = tm_clock_mono_ns();
    *out = &f->source;
    return 0;
}
