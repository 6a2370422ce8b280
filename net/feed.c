#include "net/feed.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "net/conn.h"
#include "net/venues/binance_session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BUF_CNT_MIN = 64,                /* 2 MiB of receive buffers */
    CLOSE_NS = 1000 * TM_NS_PER_MS,  /* for close frames to pass */
    ABORT_NS = 100 * TM_NS_PER_MS,   /* for operations to complete after a cut */
    WAIT_NS_MAX = 100 * TM_NS_PER_MS /* while opening and closing */
};

typedef struct tm_feed {
    tm_source_t source; /* first */
    tm_uring_t *ring;
    tm_tls_ctx_t *tls_ctx; /* NULL where no address is wss */
    tm_conn_t *conns[TM_FEED_CONN_MAX];
    bool ended[TM_FEED_CONN_MAX];
    uint32_t conn_cnt, live_cnt;
    uint32_t
        turn; /* which connection reads first, so that a busy one does not keep others waiting */
    int end;  /* of the whole: the first error, else TM_E_CLOSED */
    char end_text[TM_ERROR_TEXT_MAX];
    tm_counter_t *frames, *bytes, *disconnects;
    tm_counter_t unread[3]; /* counts where the caller gave no set */
} tm_feed_t;

/* Hands each event to its connection. Returns events, -EINTR after a signal, or an error. */
static int events_pass(tm_feed_t *f, int64_t wait_ns)
{
    tm_uring_event_t events[TM_URING_EVENT_MAX];
    int n = tm_uring_reap(f->ring, events, TM_URING_EVENT_MAX, wait_ns);
    int failed = 0;
    for (int i = 0; i < n; i++) {
        TM_CHECK(events[i].owner.slot < f->conn_cnt, "slot %u", events[i].owner.slot);
        int rc = tm_conn_on_event(f->conns[events[i].owner.slot], &events[i]);
        if (rc < 0 && failed == 0) failed = rc;
    }
    return failed ? failed : n;
}

/* One connection is over: says so, and keeps the reason of the whole. */
static void conn_ended(tm_feed_t *f, uint32_t idx, int code)
{
    f->ended[idx] = true;
    f->live_cnt--;
    if (code == TM_E_CLOSED) {
        TM_LOG_I("net", "%s", tm_error_text());
    } else {
        tm_counter_add(f->disconnects, 1);
        TM_LOG_E("net", "%s (%s)", tm_error_text(), tm_error_name(code));
    }
    if (f->end != 0 && (f->end != TM_E_CLOSED || code == TM_E_CLOSED)) return;
    f->end = code;
    snprintf(f->end_text, sizeof f->end_text, "%s", tm_error_text());
}

/* Reads what has come in, every connection in its turn. Returns frames. */
static uint32_t frames_take(tm_feed_t *f, tm_frame_t *frames, uint32_t cap)
{
    uint32_t n = 0;
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < f->conn_cnt && n < cap; i++) {
        uint32_t idx = (f->turn + i) % f->conn_cnt;
        if (f->ended[idx] || !tm_conn_is_pending(f->conns[idx])) continue;
        int rc = tm_conn_read(f->conns[idx], frames + n, cap - n);
        if (rc < 0) conn_ended(f, idx, rc);
        for (int k = 0; k < rc; k++) bytes += frames[n++].sz;
    }
    f->turn = f->conn_cnt ? (f->turn + 1) % f->conn_cnt : 0;
    tm_counter_add(f->frames, n);
    tm_counter_add(f->bytes, bytes);
    return n;
}

static int listen_all(tm_feed_t *f)
{
    for (uint32_t i = 0; i < f->conn_cnt; i++)
        if (!f->ended[i]) TM_TRY(tm_conn_listen(f->conns[i]));
    return 0;
}

static int feed_poll(tm_source_t *source, tm_frame_t *frames, uint32_t cap, int64_t wait_ns)
{
    tm_feed_t *f = (tm_feed_t *)source;
    for (uint32_t i = 0; i < f->conn_cnt; i++) tm_conn_release(f->conns[i]);
    if (cap == 0) return 0;
    TM_TRY(listen_all(f)); /* buffers came back with the release */
    /* Once without waiting: the stamps of what has come since the last poll are taken now, not when
       the frames that wait from then are through. */
    for (int round = 0; round < 2; round++) {
        int rc = events_pass(f, round == 0 ? 0 : wait_ns);
        if (rc == -EINTR) return 0; /* whoever set the handler wants to be heard */
        if (rc < 0) return rc;
        uint32_t n = frames_take(f, frames, cap);
        if (n > 0) {
            TM_TRY(tm_uring_submit(f->ring)); /* pongs do not wait for the next poll */
            return (int)n;
        }
        if (f->live_cnt == 0) return tm_error_set(f->end, "%s", f->end_text);
        if (wait_ns <= 0) break;
        TM_TRY(listen_all(f));
    }
    return 0;
}

/* Steps every connection; true where all are past `phase`. */
static int step_all(tm_feed_t *f, tm_conn_phase_t phase, bool *reached)
{
    int64_t now_ns = tm_clock_mono_ns();
    *reached = true;
    for (uint32_t i = 0; i < f->conn_cnt; i++) {
        if (tm_conn_phase(f->conns[i]) < phase) TM_TRY(tm_conn_step(f->conns[i], now_ns));
        if (tm_conn_phase(f->conns[i]) < phase) *reached = false;
    }
    return 0;
}

/* The longest wait that misses no deadline. */
static int64_t wait_until_deadline(const tm_feed_t *f)
{
    int64_t end_ns = INT64_MAX, now_ns = tm_clock_mono_ns();
    for (uint32_t i = 0; i < f->conn_cnt; i++) {
        int64_t deadline_ns = tm_conn_deadline_ns(f->conns[i]);
        if (tm_conn_phase(f->conns[i]) < TM_CONN_STREAM && deadline_ns < end_ns)
            end_ns = deadline_ns;
    }
    int64_t left_ns = end_ns - now_ns;
    if (left_ns < 0) return 0;
    return left_ns < WAIT_NS_MAX ? left_ns : WAIT_NS_MAX;
}

/* Runs the ring until every connection streams. */
static int open_run(tm_feed_t *f, const _Atomic bool *stop)
{
    for (;;) {
        bool reached;
        if (stop && atomic_load_explicit(stop, memory_order_relaxed)) /* orders nothing */
            return tm_error_set(-EINTR, "stopped while connecting");
        TM_TRY(step_all(f, TM_CONN_STREAM, &reached));
        if (reached) return 0;
        int n = events_pass(f, wait_until_deadline(f));
        if (n == -EINTR) return tm_error_set(n, "interrupted while connecting");
        if (n < 0) return n;
    }
}

static bool all_gone(const tm_feed_t *f)
{
    for (uint32_t i = 0; i < f->conn_cnt; i++)
        if (!tm_conn_is_gone(f->conns[i])) return false;
    return true;
}

/* Runs the ring until every connection is gone or the time is over. */
static void close_run(tm_feed_t *f, int64_t time_ns)
{
    int64_t end_ns = tm_clock_mono_ns() + time_ns;
    for (;;) {
        int64_t now_ns = tm_clock_mono_ns();
        for (uint32_t i = 0; i < f->conn_cnt; i++)
            if (tm_conn_step(f->conns[i], now_ns) < 0) tm_conn_abort(f->conns[i]);
        if (all_gone(f) || now_ns >= end_ns) return;
        int n = events_pass(f, end_ns - now_ns);
        if (n < 0 && n != -EINTR) return;
    }
}

static void feed_free(tm_feed_t *f, int64_t polite_ns)
{
    for (uint32_t i = 0; i < f->conn_cnt; i++) tm_conn_close(f->conns[i]);
    if (!all_gone(f)) close_run(f, polite_ns);
    for (uint32_t i = 0; i < f->conn_cnt; i++) tm_conn_abort(f->conns[i]);
    if (!all_gone(f)) close_run(f, ABORT_NS);
    for (uint32_t i = 0; i < f->conn_cnt; i++) tm_conn_free(f->conns[i]);
    tm_uring_close(f->ring);
    tm_tls_ctx_close(f->tls_ctx);
    free(f);
}

static void feed_close(tm_source_t *source)
{
    feed_free((tm_feed_t *)source, CLOSE_NS);
}

/* One connection for one address; the first one also subscribes. */
static int conn_add(tm_feed_t *f, const tm_feed_cfg_t *cfg, uint32_t idx)
{
    tm_url_t url;
    TM_TRY(tm_url_parse(&url, cfg->urls[idx]));
    if (strcmp(url.target, "/") == 0)
        snprintf(url.target, sizeof url.target, "%s", TM_BINANCE_TARGET_DEFAULT);
    if (url.tls && !f->tls_ctx) {
        const tm_tls_ctx_cfg_t tls_cfg = {.ca_file = cfg->ca_file};
        TM_TRY(tm_tls_ctx_open(&f->tls_ctx, &tls_cfg));
    }
    tm_conn_cfg_t conn_cfg = {.ring = f->ring,
                              .slot = (uint16_t)idx,
                              .conn_idx = idx,
                              .url = &url,
                              .tls_ctx = f->tls_ctx,
                              .frame_sz_max = cfg->frame_sz_max};
    for (int i = 0; i < TM_CONN_STREAM; i++)
        conn_cfg.phase_ns[i] = (int64_t)cfg->deadline_ms * TM_NS_PER_MS;
    if (idx == 0 && cfg->stream_cnt > 0)
        TM_TRY(tm_binance_session_open(&conn_cfg.session, cfg->streams, cfg->stream_cnt));
    int rc = tm_conn_open(&f->conns[idx], &conn_cfg);
    if (rc < 0) {
        if (conn_cfg.session) conn_cfg.session->ops->close(conn_cfg.session);
        return rc;
    }
    f->conn_cnt = f->live_cnt = idx + 1;
    return tm_conn_start(f->conns[idx]);
}

static int ring_open(tm_feed_t *f, const tm_feed_cfg_t *cfg)
{
    tm_uring_cfg_t ring_cfg = {.buf_cnt = BUF_CNT_MIN, .off = cfg->uring_off};
    while (ring_cfg.buf_cnt < 4 * cfg->url_cnt) ring_cfg.buf_cnt *= 2;
    return tm_uring_open(&f->ring, &ring_cfg);
}

int tm_feed_open(tm_source_t **out, const tm_feed_cfg_t *cfg)
{
    static const tm_source_ops_t ops = {feed_poll, feed_close};
    *out = NULL;
    if (cfg->url_cnt == 0 || cfg->url_cnt > TM_FEED_CONN_MAX)
        return tm_error_set(TM_E_CONFIG, "%u addresses: expected 1 to %d", cfg->url_cnt,
                            TM_FEED_CONN_MAX);
    tm_clock_init();
    tm_feed_t *f = calloc(1, sizeof *f);
    if (!f) return tm_error_set(-ENOMEM, "no memory for a feed");
    f->source.ops = &ops;
    tm_counter_set_t *set = cfg->counters;
    f->frames = set ? tm_counter_get(set, "frames") : &f->unread[0];
    f->bytes = set ? tm_counter_get(set, "frame_bytes") : &f->unread[1];
    f->disconnects = set ? tm_counter_get(set, "disconnects") : &f->unread[2];
    int err = ring_open(f, cfg);
    for (uint32_t i = 0; err == 0 && i < cfg->url_cnt; i++) err = conn_add(f, cfg, i);
    if (err == 0) err = open_run(f, cfg->stop);
    if (err < 0) {
        char text[TM_ERROR_TEXT_MAX]; /* closing may record texts of its own */
        snprintf(text, sizeof text, "%s", tm_error_text());
        feed_free(f, ABORT_NS); /* long enough for an alert to leave */
        return tm_error_set(err, "%s", text);
    }
    for (uint32_t i = 0; i < f->conn_cnt; i++)
        TM_LOG_I("net", "%s streams (%s)", tm_conn_name(f->conns[i]), tm_uring_describe(f->ring));
    *out = &f->source;
    return 0;
}
