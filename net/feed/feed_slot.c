/* The life of one slot of a feed: attempt, stream, loss, back-off, and again. A lost connection
   winds down beside the back-off, so that its close frame and alerts leave and the kernel is done
   with its buffers before the next one takes the slot. */
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "net/feed/attempts.h"
#include "net/feed/feed_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    LEAVE_STREAM_NS = 1000 * TM_NS_PER_MS, /* for close frames to pass */
    LEAVE_OPENING_NS = 100 * TM_NS_PER_MS, /* for an alert to leave */
    GEN_MAX = 1 << 20, /* keeps generations, of which 24 bits count, from wrapping within a slot */
};

/* ---- an attempt ------------------------------------------------------------------------------ */

static int conn_start(tm_feed_t *f, uint32_t idx)
{
    tm_slot_t *s = &f->slots[idx];
    const tm_line_t *l = tm_feed_line(f, idx);
    const tm_feed_venue_t *x = l->exchange;
    tm_conn_cfg_t cfg = {.ring = f->ring,
                         .slot = (uint16_t)idx,
                         .gen = s->gen,
                         .conn_idx = idx,
                         .url = &l->url,
                         .tls_ctx = f->tls_ctx,
                         .frame_sz_max = f->cfg.frame_sz_max,
                         .transport = f->cfg.transport,
                         .send_max = x->send_max,
                         .send_span_ns = x->send_span_ns,
                         .request_gap_ns = x->request_gap_ns,
                         .beat_ns = x->beat_ns};
    for (int i = 0; i < TM_CONN_STREAM; i++)
        cfg.phase_ns[i] = (int64_t)f->cfg.deadline_ms * TM_NS_PER_MS;
    TM_TRY(tm_session_open(&cfg.session, x->session, l->streams, l->stream_cnt));
    int rc = tm_conn_open(&s->conn, &cfg);
    if (rc < 0) {
        tm_session_close(cfg.session);
        return rc;
    }
    return tm_conn_start(s->conn);
}

static void attempt(tm_feed_t *f, uint32_t idx, int64_t now_ns)
{
    tm_slot_t *s = &f->slots[idx];
    const tm_url_t *url = &tm_feed_line(f, idx)->url;
    int64_t at_ns = tm_attempts_take(url->host, url->port, now_ns);
    if (at_ns > now_ns) {
        if (!s->held)
            TM_LOG_W("net",
                     "%s:%u: the limit of %d attempts in %d s is reached: waiting for %.0f s",
                     url->host, url->port, TM_ATTEMPTS_MAX, TM_ATTEMPTS_SPAN_S,
                     (double)(at_ns - now_ns) / 1e9);
        s->held = true;
        s->due_ns = at_ns;
        return;
    }
    s->held = false;
    s->state = TM_SLOT_OPENS;
    tm_counter_add(f->attempts, 1);
    int rc = conn_start(f, idx);
    if (rc < 0) tm_slot_lost(f, idx, rc);
}

/* An attempt is over, well or not. */
static void addrs_count(const tm_feed_t *f, const tm_conn_outcome_t *outcome)
{
    tm_counter_add(f->addrs_tried, outcome->tried_cnt);
    tm_counter_add(f->addrs_failed, outcome->failed_cnt);
    tm_counter_add(f->addrs_outrun, outcome->outrun_cnt);
}

static void streams(tm_feed_t *f, uint32_t idx, int64_t now_ns)
{
    tm_slot_t *s = &f->slots[idx];
    tm_line_t *l = tm_feed_line(f, idx);
    const char *name = tm_conn_name(s->conn);
    const tm_conn_outcome_t outcome = tm_conn_outcome(s->conn);
    addrs_count(f, &outcome);
    s->state = TM_SLOT_STREAMS;
    s->heard_ns = now_ns;
    if (idx != l->main) {
        TM_LOG_I("net", "%s streams beside the one that it replaces", name);
    } else if (l->proven) {
        tm_counter_add(f->reconnects, 1);
        TM_LOG_I("net", "%s streams again after %.1f s (retry %u)", name,
                 (double)(now_ns - s->lost_ns) / 1e9, s->retry.failure_cnt);
    } else {
        TM_LOG_I("net", "%s streams (%s)", name, tm_uring_describe(f->ring));
    }
    l->proven = true;
    tm_line_up(f, idx, now_ns);
}

/* ---- the end of one -------------------------------------------------------------------------- */

/* A slot that may bring messages yet without leaning on others. */
static bool slot_is_alive(const tm_slot_t *s)
{
    if (s->state == TM_SLOT_STREAMS) return true;
    bool tries = s->state == TM_SLOT_WAITS || s->state == TM_SLOT_OPENS;
    return tries && !tm_retry_is_spent(&s->retry);
}

static bool line_is_alive(const tm_feed_t *f, uint32_t line_idx)
{
    return slot_is_alive(&f->slots[line_idx]) || slot_is_alive(&f->slots[line_idx + f->line_cnt]);
}

/* True where another address of the same group may bring the same messages. */
static bool has_sibling(const tm_feed_t *f, uint32_t line_idx)
{
    for (uint32_t i = 0; i < f->line_cnt; i++)
        if (i != line_idx && f->lines[i].group == f->lines[line_idx].group && line_is_alive(f, i))
            return true;
    return false;
}

/* Ends the feed with how this slot ended. */
static void over_with(tm_feed_t *f, const tm_slot_t *s)
{
    TM_CHECK(s, "a feed ends with one of its slots");
    f->over = s->end;
    snprintf(f->over_text, sizeof f->over_text, "%s", s->end_text);
}

/* The feed is over once nobody is alive; an error says more than an orderly end. */
static void over_check(tm_feed_t *f)
{
    const tm_slot_t *tells = NULL;
    if (f->over) return;
    for (uint32_t i = 0; i < f->line_cnt; i++) {
        const tm_slot_t *s = &f->slots[f->lines[i].main];
        if (line_is_alive(f, i)) return;
        if (!tells || (tells->end == TM_E_CLOSED && s->end != TM_E_CLOSED)) tells = s;
    }
    over_with(f, tells);
}

static void slot_end(tm_feed_t *f, uint32_t idx)
{
    tm_slot_t *s = &f->slots[idx];
    bool tells = tm_feed_line(f, idx)->proven || has_sibling(f, idx % f->line_cnt);
    s->state = TM_SLOT_ENDED;
    if (s->end == TM_E_CLOSED)
        TM_LOG_I("net", "%s", s->end_text);
    else if (tells) /* else it is what the feed itself ends with */
        TM_LOG_E("net", "%s (%s)", s->end_text, tm_error_name(s->end));
    if (!tells && !f->over) over_with(f, s);
    over_check(f);
}

/* Waits for the next attempt, or gives up. */
static void slot_again(tm_feed_t *f, uint32_t idx, int64_t retry_after_s)
{
    tm_slot_t *s = &f->slots[idx];
    if (retry_after_s > TM_RETRY_AFTER_MAX_S) retry_after_s = TM_RETRY_AFTER_MAX_S;
    int64_t delay_ns = tm_retry_next(&s->retry, retry_after_s * TM_NS_PER_S);
    /* As the answer of a feed, "closed" would read as an end in order. */
    if (s->end == TM_E_CLOSED) s->end = -ECONNRESET;
    s->state = TM_SLOT_WAITS;
    s->due_ns = tm_clock_mono_ns() + delay_ns;
    if (idx == tm_feed_line(f, idx)->main && tm_retry_is_spent(&s->retry)) {
        size_t sz = strlen(s->end_text);
        snprintf(s->end_text + sz, sizeof s->end_text - sz, "; still so after %u retries",
                 s->retry.cfg.max);
        if (!tm_feed_line(f, idx)->proven && !has_sibling(f, idx % f->line_cnt)) {
            slot_end(f, idx);
            return;
        }
        over_check(f);
        if (f->over) return;
    }
    char of[32] = "";
    if (f->cfg.retry_max != TM_RETRY_FOREVER) snprintf(of, sizeof of, " of %u", f->cfg.retry_max);
    TM_LOG_W("net", "%s (%s): retry %u%s in %.1f s", s->end_text, tm_error_name(s->end),
             s->retry.failure_cnt, of, (double)delay_ns / 1e9);
}

/* The one that counts was lost while its replacement streams or is on its way: that one counts from
   now on. False where there is none. */
static bool twin_steps_in(tm_feed_t *f, uint32_t idx, bool streamed, int64_t now_ns)
{
    tm_line_t *l = tm_feed_line(f, idx);
    tm_slot_t *s = &f->slots[idx], *twin = &f->slots[tm_feed_twin(f, idx)];
    bool comes = twin->state == TM_SLOT_OPENS || twin->state == TM_SLOT_WAITS;
    if (idx != l->main || (!comes && twin->state != TM_SLOT_STREAMS)) return false;
    l->main = tm_feed_twin(f, idx);
    l->overlap_ns = l->rotate_ns = INT64_MAX;
    s->state = TM_SLOT_RESTS;
    twin->lost_ns = now_ns;
    TM_LOG_W("net", "%s (%s): its replacement %s", s->end_text, tm_error_name(s->end),
             comes ? "is on its way" : "streams already");
    if (!comes) {
        tm_counter_add(f->rotations, 1);
        tm_line_rotated(f, l->main, now_ns);
        return true;
    }
    if (streamed) tm_counter_add(f->disconnects, 1);
    if (twin->state == TM_SLOT_WAITS) twin->due_ns = now_ns;
    return true;
}

/* What a lost connection leaves behind is wound down; how it ended goes into the slot. */
static tm_conn_outcome_t slot_drop(tm_slot_t *s, int code, int64_t now_ns)
{
    tm_conn_outcome_t outcome = {.retry_after_s = -1};
    s->end = code;
    snprintf(s->end_text, sizeof s->end_text, "%s", tm_error_text());
    tm_stream_watch_close(s->watch);
    s->watch = NULL;
    if (!s->conn) return outcome;
    outcome = tm_conn_outcome(s->conn);
    tm_conn_close(s->conn); /* may replace the trail's text */
    bool streamed = s->state == TM_SLOT_STREAMS;
    s->leave_ns = now_ns + (streamed ? LEAVE_STREAM_NS : LEAVE_OPENING_NS);
    return outcome;
}

void tm_slot_lost(tm_feed_t *f, uint32_t idx, int code)
{
    tm_slot_t *s = &f->slots[idx];
    const tm_line_t *l = tm_feed_line(f, idx);
    bool streamed = s->state == TM_SLOT_STREAMS;
    int64_t now_ns = tm_clock_mono_ns();
    tm_conn_outcome_t outcome = slot_drop(s, code, now_ns);
    const tm_retry_event_t event = {.code = code,
                                    .streamed = streamed,
                                    .proven = l->proven,
                                    .cut = outcome.cut,
                                    .untrusted = outcome.untrusted,
                                    .http_status = outcome.http_status,
                                    .close_code = outcome.close_code,
                                    .close_is_end = !f->cfg.reconnect_on_close};
    tm_retry_verdict_t verdict = tm_retry_judge(&event);
    bool final = verdict != TM_RETRY_AGAIN || f->cfg.retry_max == 0;
    /* "Closed" is the end in order, for good. */
    tm_line_down(f, idx, code == TM_E_CLOSED && !final ? -ECONNRESET : code);
    if (streamed) s->lost_ns = now_ns;
    if (!streamed) tm_counter_add(f->failures, 1);
    if (!streamed) addrs_count(f, &outcome);
    if (verdict == TM_RETRY_END) {
        /* The venue is done: a replacement would only hear the same. */
        uint32_t twin = tm_feed_twin(f, idx);
        if (f->slots[twin].state != TM_SLOT_STREAMS) tm_slot_leave(f, twin, LEAVE_OPENING_NS);
    } else if (twin_steps_in(f, idx, streamed, now_ns)) {
        return;
    }
    if (streamed && (!final || code != TM_E_CLOSED)) tm_counter_add(f->disconnects, 1);
    if (idx != l->main) /* the one that it was to replace goes on meanwhile */
        tm_line_alone(f, idx);
    if (final && idx == l->main) {
        slot_end(f, idx);
    } else if (verdict == TM_RETRY_END || f->slots[l->main].state == TM_SLOT_ENDED) {
        s->state = TM_SLOT_RESTS; /* there is nothing left to replace */
        over_check(f);
    } else {
        slot_again(f, idx, outcome.retry_after_s);
    }
}

void tm_slot_leave(tm_feed_t *f, uint32_t idx, int64_t time_ns)
{
    tm_slot_t *s = &f->slots[idx];
    if (s->state == TM_SLOT_ENDED) return;
    s->state = TM_SLOT_RESTS;
    s->leave_ns = tm_clock_mono_ns() + time_ns;
    tm_stream_watch_close(s->watch);
    s->watch = NULL;
    if (s->conn) tm_conn_close(s->conn);
    tm_line_down(f, idx, 0);
}

/* ---- between the two ------------------------------------------------------------------------- */

static void wind_down(tm_slot_t *s, int64_t now_ns)
{
    bool late = now_ns >= s->leave_ns || (s->state == TM_SLOT_WAITS && now_ns >= s->due_ns);
    if (!s->cut && (late || tm_conn_step(s->conn, now_ns) < 0)) {
        tm_conn_abort(s->conn);
        s->cut = true;
    }
    if (!tm_conn_is_gone(s->conn)) return;
    s->gen = tm_conn_gen(s->conn) % GEN_MAX;
    tm_conn_free(s->conn);
    s->conn = NULL;
    s->cut = false;
}

static void stream_step(tm_feed_t *f, uint32_t idx, int64_t now_ns)
{
    tm_slot_t *s = &f->slots[idx];
    int64_t idle_ns = tm_feed_line(f, idx)->idle_ns;
    int rc = 0;
    if (idle_ns > 0 && now_ns - s->heard_ns >= idle_ns) {
        tm_counter_add(f->idle_cuts, 1);
        rc = tm_error_set(TM_E_TIMEOUT, "%s: stream: silent for %.1f s", tm_conn_name(s->conn),
                          (double)idle_ns / 1e9);
    } else {
        tm_line_watch(f, idx, now_ns);
        if (!f->opening) rc = tm_conn_listen(s->conn);
        if (rc == 0 && f->resync_wait_cnt > 0) tm_resync_step(f, idx, now_ns);
    }
    if (rc < 0) tm_slot_lost(f, idx, rc);
}

void tm_slot_step(tm_feed_t *f, uint32_t idx, int64_t now_ns)
{
    tm_slot_t *s = &f->slots[idx];
    switch (s->state) {
    case TM_SLOT_STREAMS:
        stream_step(f, idx, now_ns);
        return;
    case TM_SLOT_OPENS: {
        int rc = tm_conn_step(s->conn, now_ns);
        if (rc < 0) {
            tm_slot_lost(f, idx, rc);
        } else if (tm_conn_phase(s->conn) == TM_CONN_STREAM) {
            streams(f, idx, now_ns);
            stream_step(f, idx, now_ns);
        }
        return;
    }
    case TM_SLOT_WAITS:
        if (s->conn) wind_down(s, now_ns);
        if (!s->conn && now_ns >= s->due_ns && !f->over) attempt(f, idx, now_ns);
        return;
    case TM_SLOT_RESTS:
    case TM_SLOT_ENDED:
        if (s->conn) wind_down(s, now_ns);
        return;
    }
}

int64_t tm_slot_due_ns(const tm_feed_t *f, uint32_t idx)
{
    const tm_slot_t *s = &f->slots[idx];
    int64_t idle_ns = f->lines[idx % f->line_cnt].idle_ns;
    int64_t due_ns = INT64_MAX, other_ns = INT64_MAX;
    switch (s->state) {
    case TM_SLOT_STREAMS:
        if (idle_ns > 0) other_ns = s->heard_ns + idle_ns;
        due_ns = tm_conn_deadline_ns(s->conn);
        if (f->resync_wait_cnt > 0 && tm_resync_due_ns(f, idx) < due_ns)
            due_ns = tm_resync_due_ns(f, idx);
        break;
    case TM_SLOT_OPENS:
        due_ns = tm_conn_deadline_ns(s->conn);
        break;
    case TM_SLOT_WAITS:
        if (!s->cut) due_ns = s->due_ns; /* else the end of the cut connection is an event */
        if (s->conn && !s->cut) other_ns = s->leave_ns;
        break;
    case TM_SLOT_RESTS:
    case TM_SLOT_ENDED:
        if (s->conn && !s->cut) due_ns = s->leave_ns;
        break;
    }
    return due_ns < other_ns ? due_ns : other_ns;
}
