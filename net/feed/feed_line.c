/* A line over the lives of its connections: what happens to them is told as control rows, streams
   that never speak are named, and a connection whose end is known is replaced before it. */
#include "base/clock.h"
#include "base/log.h"
#include "net/feed/feed_private.h"

#include <stdio.h>
#include <string.h>

enum {
    SILENT_SHOWN_MAX = 20, /* names in the log; all are counted */
    LEAVE_NS = 1000 * TM_NS_PER_MS,
};

#define OVERLAP_NS (2 * TM_NS_PER_S)
#define STREAM_NS  (60 * TM_NS_PER_S)
#define LAG_NS_MAX (30 * TM_NS_PER_S)

/* ---- what is told ---------------------------------------------------------------------------- */

void tm_line_tell(tm_feed_t *f, uint32_t idx, const tm_feed_row_t *like)
{
    const tm_line_t *l = tm_feed_line(f, idx);
    if (f->row_cnt == TM_FEED_ROW_MAX) { /* nobody takes them: the newest ones say most */
        memmove(&f->rows[0], &f->rows[1], sizeof f->rows - sizeof f->rows[0]);
        f->row_cnt--;
    }
    tm_feed_row_t *row = &f->rows[f->row_cnt++];
    *row = *like;
    row->row = (tm_row_t){.kind = TM_ROW_FEED,
                          .symbol = TM_SYMBOL_NONE,
                          .event_ns = TM_TIME_NONE,
                          .recv_ns = tm_clock_real_ns()};
    row->conn_idx = idx;
    row->group = (uint16_t)l->group;
    row->entry = (uint8_t)l->entry;
    row->lane = (uint8_t)(2 * l->endpoint + (idx >= f->line_cnt));
}

/* Tells whoever asked that a connection began to stream, or that its stream ended. */
static void link_tell(tm_feed_t *f, uint32_t idx, bool up, int code)
{
    const tm_url_t *u = &tm_feed_line(f, idx)->url;
    char url[sizeof u->authority + sizeof u->target + 8];
    if (!f->cfg.on_link) return;
    snprintf(url, sizeof url, "%s://%s%s", u->tls ? "wss" : "ws", u->authority, u->target);
    const char *why = code == 0 ? "replaced by another connection" : f->slots[idx].end_text;
    const tm_feed_link_t link = {.conn_idx = idx,
                                 .up = up,
                                 .code = code,
                                 .real_ns = tm_clock_real_ns(),
                                 .text = up ? url : why,
                                 /* the one that was told just before */
                                 .row = up ? &f->rows[f->row_cnt - 1] : NULL};
    f->cfg.on_link(f->cfg.on_link_ctx, &link);
}

/* ---- streams that never speak ---------------------------------------------------------------- */

static void target_watch(tm_stream_watch_t *w, const tm_url_t *url)
{
    const char *names = strncmp(url->target, "/ws/", 4) == 0 ? url->target + 4 : NULL;
    const char *query = strstr(url->target, "streams=");
    if (!names && query) names = query + strlen("streams=");
    /* An escaped name is not the one that messages carry. */
    if (!names || strchr(names, '%')) return;
    while (*names && *names != '&') {
        size_t sz = strcspn(names, "/&");
        tm_stream_watch_add(w, names, sz);
        names += sz + (names[sz] == '/');
    }
}

static void watch_open(tm_slot_t *s, const tm_line_t *l)
{
    uint32_t max = l->stream_cnt + l->exchange->stream_max;
    tm_stream_watch_close(s->watch);
    s->watch = NULL;
    if (tm_stream_watch_open(&s->watch, max) < 0) return; /* a watch less, not a feed less */
    target_watch(s->watch, &l->url);
    for (uint32_t i = 0; i < l->stream_cnt; i++)
        tm_stream_watch_add(s->watch, l->streams[i], strlen(l->streams[i]));
}

void tm_line_frames(tm_feed_t *f, uint32_t idx, const tm_frame_t *frames, uint32_t cnt)
{
    tm_slot_t *s = &f->slots[idx];
    const tm_session_ops_t *ops = tm_feed_line(f, idx)->exchange->session;
    if (cnt > 0) s->frame_ns = frames[cnt - 1].ingress_ns;
    if (!s->watch) return;
    for (uint32_t i = 0; i < cnt; i++) {
        char name[TM_SESSION_STREAM_SZ_MAX];
        size_t sz = ops->stream_of((const char *)frames[i].data, frames[i].sz, name);
        if (sz > 0)
            tm_stream_watch_hear(s->watch, name, sz);
        else
            tm_stream_watch_hear_only(s->watch);
    }
    if (tm_stream_watch_silent_cnt(s->watch) > 0) return;
    tm_stream_watch_close(s->watch);
    s->watch = NULL;
}

static int64_t watch_end_ns(const tm_feed_t *f, const tm_slot_t *s)
{
    return s->up_ns + (f->cfg.stream_ns > 0 ? f->cfg.stream_ns : STREAM_NS);
}

void tm_line_watch(tm_feed_t *f, uint32_t idx, int64_t now_ns)
{
    tm_slot_t *s = &f->slots[idx];
    if (!s->watch || now_ns < watch_end_ns(f, s)) return;
    uint32_t silent_cnt = tm_stream_watch_silent_cnt(s->watch), pos = 0, shown = 0;
    bool nameless = silent_cnt == tm_stream_watch_cnt(s->watch) && s->heard_ns > s->up_ns &&
                    silent_cnt > 1; /* messages that do not say their stream tell nothing */
    if (silent_cnt > 0 && !nameless) {
        const char *name;
        char text[1024] = "";
        size_t n = 0;
        while (shown < SILENT_SHOWN_MAX && (name = tm_stream_watch_silent(s->watch, &pos)))
            tm_session_put(text, sizeof text, &n, "%s%s", shown++ ? ", " : "", name);
        TM_LOG_W("net", "%s: %u of %u streams have never spoken: %s%s; check their spelling",
                 tm_conn_name(s->conn), silent_cnt, tm_stream_watch_cnt(s->watch), text,
                 silent_cnt > shown ? ", ..." : "");
        tm_counter_add(f->silent, silent_cnt);
        tm_line_tell(f, idx,
                     &(tm_feed_row_t){.what = TM_FEED_SILENT,
                                      .from_id = silent_cnt,
                                      .to_id = tm_stream_watch_cnt(s->watch)});
    }
    tm_stream_watch_close(s->watch);
    s->watch = NULL;
}

/* ---- rotation -------------------------------------------------------------------------------- */

/* SplitMix64 (Steele, Lea, Flood 2014). */
static double random_unit(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

/* Well before the venue's own end, and not all connections at once. */
static int64_t life_ns(tm_feed_t *f, const tm_line_t *l)
{
    if (f->cfg.life_ns > 0) return f->cfg.life_ns;
    if (l->exchange->life_ns == 0) return 0;
    return (int64_t)((double)l->exchange->life_ns * (0.90 + 0.08 * random_unit(&f->random)));
}

static int64_t overlap_ns(const tm_feed_t *f)
{
    int64_t overlap = f->cfg.overlap_ns > 0 ? f->cfg.overlap_ns : OVERLAP_NS;
    return f->cfg.life_ns > 0 && overlap > f->cfg.life_ns / 2 ? f->cfg.life_ns / 2 : overlap;
}

void tm_line_rotated(tm_feed_t *f, uint32_t idx, int64_t now_ns)
{
    tm_line_t *l = tm_feed_line(f, idx);
    int64_t life = life_ns(f, l);
    l->overlap_ns = INT64_MAX;
    l->rotate_ns = life > 0 ? now_ns + life : INT64_MAX;
}

void tm_line_alone(tm_feed_t *f, uint32_t idx)
{
    tm_feed_line(f, idx)->overlap_ns = INT64_MAX;
}

void tm_line_notes(tm_feed_t *f, uint32_t idx, int64_t now_ns)
{
    tm_line_t *l = tm_feed_line(f, idx);
    tm_conn_note_t note = tm_conn_note_take(f->slots[idx].conn);
    if (note.error_cnt > 0) tm_counter_add(f->venue_errors, note.error_cnt);
    if (note.missed_cnt > 0) {
        tm_counter_add(f->missed, note.missed_cnt);
        tm_line_tell(
            f, idx,
            &(tm_feed_row_t){.what = TM_FEED_MISSED, .from_id = note.from_id, .to_id = note.to_id});
    }
    if (!note.leaves) return;
    tm_line_tell(f, idx, &(tm_feed_row_t){.what = TM_FEED_LEAVES});
    if (idx == l->main && l->rotate_ns > now_ns) l->rotate_ns = now_ns;
}

void tm_line_down(tm_feed_t *f, uint32_t idx, int code)
{
    tm_slot_t *s = &f->slots[idx];
    if (!s->told) return;
    s->told = false;
    tm_line_tell(f, idx, &(tm_feed_row_t){.what = TM_FEED_DOWN, .code = code});
    link_tell(f, idx, false, code);
}

void tm_line_up(tm_feed_t *f, uint32_t idx, int64_t now_ns)
{
    tm_books_up(f, idx, now_ns);
    tm_line_t *l = tm_feed_line(f, idx);
    tm_slot_t *s = &f->slots[idx];
    const tm_feed_venue_t *x = l->exchange;
    s->up_ns = now_ns;
    s->frame_ns = s->dry_ns = 0;
    tm_resync_drop(f, idx);
    watch_open(s, l);
    tm_line_tell(f, idx,
                 &(tm_feed_row_t){.what = TM_FEED_UP,
                                  .endpoint_cnt = (uint8_t)l->endpoint_cnt,
                                  .trade_rule = (uint8_t)x->trade_rule,
                                  .quote_rule = (uint8_t)x->quote_rule});
    link_tell(f, idx, true, 0);
    s->told = true;
    if (idx == l->main) {
        tm_line_rotated(f, idx, now_ns);
        return;
    }
    l->overlap_ns = now_ns + overlap_ns(f);
}

/* True where the old connection brings what the new one does not: it stalls, or the venue has
   forgotten it. It will catch up, or be cut for its silence. */
static bool replacement_lags(const tm_feed_t *f, const tm_slot_t *old, const tm_slot_t *new)
{
    return old->frame_ns > new->up_ns && old->frame_ns - new->frame_ns > overlap_ns(f) / 2;
}

/* True where what the venue sent on the old connection before the new one streamed may not be read
   yet: whoever polls is behind. It is not waited for without end, as two connections are more work
   than one. */
static bool old_lags(const tm_feed_t *f, const tm_slot_t *old, const tm_slot_t *new, int64_t now_ns)
{
    const int64_t streams_ns = now_ns - new->up_ns;
    return old->dry_ns < new->up_ns + overlap_ns(f) / 2 && streams_ns < LAG_NS_MAX;
}

/* The new connection has streamed beside the old one for long enough. */
static void rotate_end(tm_feed_t *f, tm_line_t *l, int64_t now_ns)
{
    uint32_t old = l->main;
    l->main = tm_feed_twin(f, old);
    tm_line_rotated(f, l->main, now_ns);
    tm_counter_add(f->rotations, 1);
    TM_LOG_I("net", "%s: rotated after %.1f s", tm_conn_name(f->slots[old].conn),
             (double)(now_ns - f->slots[old].up_ns) / 1e9);
    tm_line_tell(f, old, &(tm_feed_row_t){.what = TM_FEED_ROTATED});
    tm_slot_leave(f, old, LEAVE_NS);
}

void tm_line_step(tm_feed_t *f, uint32_t line_idx, int64_t now_ns)
{
    tm_line_t *l = &f->lines[line_idx];
    if (f->slots[l->main].state != TM_SLOT_STREAMS) return;
    uint32_t twin = tm_feed_twin(f, l->main);
    tm_slot_t *s = &f->slots[twin];
    if (s->state == TM_SLOT_STREAMS && now_ns >= l->overlap_ns) {
        const tm_slot_t *old = &f->slots[l->main];
        if (replacement_lags(f, old, s) || old_lags(f, old, s, now_ns))
            l->overlap_ns = now_ns + overlap_ns(f) / 2;
        else
            rotate_end(f, l, now_ns);
    } else if (s->state == TM_SLOT_RESTS && now_ns >= l->rotate_ns) {
        s->state = TM_SLOT_WAITS;
        s->due_ns = now_ns;
        tm_retry_reset(&s->retry);
    }
}

int64_t tm_line_due_ns(const tm_feed_t *f, uint32_t line_idx)
{
    const tm_line_t *l = &f->lines[line_idx];
    const tm_slot_t *twin = &f->slots[tm_feed_twin(f, l->main)];
    int64_t due_ns = INT64_MAX;
    if (f->slots[l->main].state == TM_SLOT_STREAMS) {
        if (twin->state == TM_SLOT_RESTS) due_ns = l->rotate_ns;
        if (twin->state == TM_SLOT_STREAMS) due_ns = l->overlap_ns;
    }
    for (int i = 0; i < 2; i++) {
        const tm_slot_t *s = i ? twin : &f->slots[l->main];
        if (s->state != TM_SLOT_STREAMS || !s->watch) continue;
        if (watch_end_ns(f, s) < due_ns) due_ns = watch_end_ns(f, s);
    }
    return due_ns;
}
