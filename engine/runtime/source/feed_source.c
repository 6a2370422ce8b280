/* Frames of live connections and replays as sources of rows. A frame is parsed once for all feeds
   that want its market rows, and by each source of declared JSON. Rows go on in batches, a new one
   where the partition or the time of receipt changes. Of a live feed the first copy of each market
   row goes on. Connections that bring the same messages are one partition: one that is behind holds
   event time back, a copy of it does not. */
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/symbol.h"
#include "engine/runtime/source/dead_journal.h"
#include "engine/runtime/source/feed_state.h"
#include "engine/runtime/source/journal_source.h"
#include "net/conn/url.h"
#include "net/feed/feed_venue.h"
#include "parse/venues/venues.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- frames to batches ----------------------------------------------------------------------- */

static void flush(feed_source_t *f)
{
    tm_frame_reader_t *r = f->reader;
    for (uint32_t t = 0; t < r->target_cnt; t++) {
        target_t *target = &r->targets[t];
        if (target->cnt == 0) continue;
        tm_task_rows(f->src.task, target->node->node_idx, f->first[t] + f->part_of[f->group],
                     target->rows, target->cnt, target->row_sz);
        target->cnt = 0;
    }
}

/* Groups of the rows that go on: a file is one. */
static uint32_t group_of(const feed_source_t *f, uint32_t conn_idx)
{
    return f->path ? 0 : f->groups[conn_idx % TM_ARBITER_CONN_MAX];
}

static void row_put(feed_source_t *f, target_t *target, const void *row)
{
    if (target->cnt == BATCH_ROWS) flush(f);
    memcpy(target->rows + (size_t)target->cnt++ * target->row_sz, row, target->row_sz);
}

/* Rows of another connection or time of receipt follow. */
static void batch_begin(feed_source_t *f, uint32_t group, int64_t ingress_ns)
{
    if (f->group == group && f->ingress_ns == ingress_ns) return;
    flush(f);
    f->group = group;
    f->ingress_ns = ingress_ns;
    tm_task_ingress(f->src.task, ingress_ns);
}

/* Rows of messages that the job declares: each of its sources reads them by its own paths. */
static void json_take(feed_source_t *f, const tm_frame_t *frame, uint32_t group)
{
    tm_frame_reader_t *r = f->reader;
    for (uint32_t t = 0; t < r->target_cnt; t++) {
        target_t *target = &r->targets[t];
        if (!target->json || !(f->wants[t] >> group & 1)) continue;
        const void *rows;
        int32_t cnt = tm_json_rows_frame(target->json, frame, &rows);
        if (cnt < 0) return;
        if (cnt > 0) batch_begin(f, group, frame->ingress_ns);
        for (int32_t i = 0; i < cnt; i++)
            row_put(f, target, (const uint8_t *)rows + (size_t)i * target->row_sz);
        tm_counter_add(r->rows_in, (uint64_t)cnt);
    }
}

static void row_take(feed_source_t *f, const tm_market_row_t *row)
{
    tm_frame_reader_t *r = f->reader;
    bool taken = false;
    for (uint32_t t = 0; t < r->target_cnt; t++) {
        target_t *target = &r->targets[t];
        if (target->node->schema.id != row->row.schema_id || !(f->wants[t] >> f->group & 1))
            continue;
        row_put(f, target, row);
        taken = true;
    }
    tm_counter_add(taken ? r->rows_in : r->rows_other, 1);
}

/* Leaves the first copies; the arbiter tells gaps on the way. Returns how many lines they are. */
static uint32_t copies_drop(feed_source_t *f, const tm_frame_t *frame, uint32_t line_cnt)
{
    tm_market_row_t *rows = f->reader->rows;
    uint32_t kept = 0, lines;
    tm_arbiter_frame(f->arbiter, frame->conn_idx, frame->asked);
    f->recorded_ns = frame->recv_ns;
    for (uint32_t i = 0; i < line_cnt; i += lines) {
        lines = tm_market_lines(rows[i].row.schema_id);
        if (!tm_arbiter_take(f->arbiter, &rows[i].row, frame->recv_ns)) continue;
        if (kept != i) memmove(&rows[kept], &rows[i], lines * sizeof rows[0]);
        kept += lines;
    }
    return kept;
}

static void on_gap(void *ctx, const tm_gap_t *gap);

/* Tells each book of the frame that shows by its checksum that something is missing. */
static void books_check(feed_source_t *f, const tm_frame_t *frame, uint32_t line_cnt)
{
    const uint32_t conn_idx = frame->conn_idx;
    const tm_market_row_t *rows = f->reader->rows;
    for (uint32_t i = 0; i < line_cnt; i += tm_market_lines(rows[i].row.schema_id)) {
        if (rows[i].row.schema_id != TM_SCHEMA_ID_DEPTH) continue;
        if (tm_book_check_take(f->books, conn_idx, &rows[i])) continue;
        const tm_gap_t gap = {.row = {.kind = TM_ROW_GAP,
                                      .symbol = rows[i].row.symbol,
                                      .event_ns = TM_TIME_NONE,
                                      .recv_ns = frame->recv_ns},
                              .conn_idx = conn_idx,
                              .of_schema = TM_SCHEMA_ID_DEPTH,
                              .group = f->groups[conn_idx % TM_ARBITER_CONN_MAX]};
        on_gap(f, &gap);
    }
}

static int frame_take(feed_source_t *f, const tm_frame_t *frame)
{
    tm_frame_reader_t *r = f->reader;
    uint32_t group = group_of(f, frame->conn_idx);
    bool json = f->json >> group & 1, market = f->market >> group & 1;
    uint32_t parsed = market ? tm_parser_frame(r->parser, frame, r->rows, TM_PARSER_ROW_MAX) : 0;
    if (f->books) books_check(f, frame, parsed);
    uint32_t lines = f->arbiter ? copies_drop(f, frame, parsed) : parsed;
    if (TM_UNLIKELY(f->runs_up)) return 0;
    if (r->recorder && !f->backlog) { /* before its rows count */
        uint8_t flags = lines == 0 && parsed > 0 && !json ? TM_JOURNAL_LEFT_OUT : 0;
        TM_TRY(tm_recorder_frame(r->recorder, frame, flags));
    }
    if (lines > 0) batch_begin(f, group, frame->ingress_ns);
    for (uint32_t i = 0; i < lines; i += tm_market_lines(r->rows[i].row.schema_id))
        row_take(f, &r->rows[i]);
    if (json) json_take(f, frame, group);
    return 0;
}

/* ---- what happens to connections ------------------------------------------------------------- */

/* To every feed of the graph that takes rows of the group. */
static void feed_row_send(feed_source_t *f, uint32_t group, const tm_row_t *row)
{
    const tm_frame_reader_t *r = f->reader;
    flush(f);
    for (uint32_t t = 0; t < r->target_cnt; t++)
        if (f->wants[t] >> group & 1)
            tm_task_feed_row(f->src.task, r->targets[t].node->node_idx, row);
}

static void on_gap(void *ctx, const tm_gap_t *gap)
{
    feed_source_t *f = ctx;
    if (f->runs_up) return; /* told when it was met */
    const char *what = gap->of_schema == TM_SCHEMA_ID_TRADE ? "trades" : "updates";
    const char *name = tm_symbols_name(f->reader->cfg.symbols, gap->row.symbol, NULL);
    if (gap->from_id == 0)
        TM_LOG_I("engine", "%s: the book differs from its checksum: updates are missing", name);
    else
        TM_LOG_I("engine", "%s: %s %llu to %llu are missing", name, what,
                 (unsigned long long)gap->from_id, (unsigned long long)gap->to_id);
    feed_row_send(f, group_of(f, gap->conn_idx), &gap->row);
    if (gap->of_schema == TM_SCHEMA_ID_DEPTH && f->source)
        tm_source_resync(f->source, gap->conn_idx, name);
}

/* True for the end of a connection that belongs behind the frames of this poll. Where another one
   has come up in its place since, as while a feed opens slowly, its frames were given before. */
static bool is_end(const feed_source_t *f, uint32_t at)
{
    const tm_feed_row_t *row = &f->feed_rows[at];
    bool ends = row->what == TM_FEED_DOWN;
    for (uint32_t i = at + 1; ends && i < f->feed_row_cnt; i++)
        ends = f->feed_rows[i].what != TM_FEED_UP || f->feed_rows[i].conn_idx != row->conn_idx;
    return ends;
}

int tm_feed_arbiter_open(feed_source_t *f)
{
    const tm_arbiter_cfg_t cfg = {.counters = f->reader->cfg.counters, .gap = on_gap, .ctx = f};
    return f->arbiter ? 0 : tm_arbiter_open(&f->arbiter, &cfg);
}

int tm_feed_books_open(feed_source_t *f)
{
    const tm_frame_reader_t *r = f->reader;
    const tm_options_t *o = &r->cfg.topo->job->opts;
    const tm_book_check_cfg_t cfg = {.checksum = r->checksum,
                                     .counters = r->cfg.counters,
                                     .symbols = r->cfg.symbols,
                                     .streams = o->streams,
                                     .stream_cnt = o->stream_cnt};
    if (f->books || f->path || !r->wants_books || !cfg.checksum) return 0;
    return tm_book_check_open(&f->books, &cfg);
}

/* Connections of a recording: copies among their messages are told again, by the recorded clock. */
static int recorded_rows_take(feed_source_t *f, bool ends)
{
    for (uint32_t i = 0; i < f->feed_row_cnt; i++) {
        const tm_feed_row_t *row = &f->feed_rows[i];
        if (is_end(f, i) != ends) continue;
        TM_TRY(tm_feed_arbiter_open(f));
        if (row->what == TM_FEED_UP)
            f->groups[row->conn_idx % TM_ARBITER_CONN_MAX] = row->group % TM_FEED_LINE_MAX;
        tm_arbiter_feed(f->arbiter, row, row->row.recv_ns);
    }
    if (ends) f->feed_row_cnt = 0;
    return 0;
}

/* Hands on what happened before the frames of this poll, or the ends of connections after them. */
static int feed_rows_take(feed_source_t *f, bool ends)
{
    if (f->recorded) return recorded_rows_take(f, ends);
    for (uint32_t i = 0; i < f->feed_row_cnt; i++) {
        const tm_feed_row_t *row = &f->feed_rows[i];
        if (is_end(f, i) != ends) continue;
        if (row->conn_idx < TM_ARBITER_CONN_MAX)
            f->groups[row->conn_idx] = row->group % TM_FEED_LINE_MAX;
        if (f->arbiter) tm_arbiter_feed(f->arbiter, row, row->row.recv_ns);
        feed_row_send(f, row->group % TM_FEED_LINE_MAX, &row->row);
    }
    if (ends) f->feed_row_cnt = 0;
    return 0;
}

static int live_open(feed_source_t *f);

/* The journal has nothing more: from here on the wire. What came in between is missing. */
static int backlog_end(feed_source_t *f)
{
    tm_source_close(f->source);
    f->source = NULL;
    f->backlog = f->recorded = false;
    TM_TRY(live_open(f));
    double gap_s = f->backlog_cnt ? (double)(tm_clock_real_ns() - f->backlog_ns) / 1e9 : 0;
    tm_counter_put(tm_counter_get(f->reader->cfg.counters, "restart_gap_ms"),
                   gap_s > 0 ? (uint64_t)(gap_s * 1e3) : 0);
    TM_LOG_W("engine",
             "%llu frames from the journal; the live feed goes on %.3f s behind the last of them, "
             "and what was sent meanwhile is missing",
             (unsigned long long)f->backlog_cnt, gap_s);
    return 0;
}

static int source_poll(tm_row_source_t *src, int64_t wait_ns)
{
    feed_source_t *f = (feed_source_t *)src;
    tm_frame_reader_t *r = f->reader;
    int n = tm_source_poll(f->source, r->frames, FRAME_BURST, wait_ns), err = 0;
    f->unpolled = false;
    if (TM_UNLIKELY(f->backlog)) {
        if (n == TM_E_CLOSED) return backlog_end(f);
        if (n > 0) f->backlog_ns = r->frames[n - 1].recv_ns;
        f->backlog_cnt += n > 0 ? (uint64_t)n : 0;
    }
    f->feed_row_cnt = tm_source_rows(f->source, f->feed_rows, FEED_ROW_BURST);
    if (TM_UNLIKELY(f->feed_row_cnt > 0)) TM_TRY(feed_rows_take(f, false));
    if (n > 0) tm_task_ingress(src->task, f->ingress_ns); /* another source may have been at it */
    for (int i = 0; i < n && err == 0; i++) err = frame_take(f, &r->frames[i]);
    if (TM_UNLIKELY(f->feed_row_cnt > 0) && err == 0) err = feed_rows_take(f, true);
    if (f->arbiter) tm_arbiter_tick(f->arbiter, f->recorded ? f->recorded_ns : tm_clock_real_ns());
    flush(f);
    return err < 0 ? err : n;
}

/* ---- opening --------------------------------------------------------------------------------- */

static int live_open(feed_source_t *f)
{
    const tm_feed_cfg_t cfg = tm_feed_cfg_of(f);
    TM_TRY(tm_feed_arbiter_open(f));
    TM_TRY(tm_feed_books_open(f));
    tm_arbiter_cut(f->arbiter, tm_clock_real_ns());
    f->unpolled = true;
    if (f->reader->journal) f->opened_seq = tm_journal_next_seq(f->reader->journal);
    return tm_feed_open(&f->source, &cfg);
}

/* Lets the arbiter see what lies before the place where a journal is entered: the first copies of
   messages whose second ones may follow it. One that was restored has seen all of it. */
static int run_up(feed_source_t *f, const tm_recording_cfg_t *cfg)
{
    tm_recording_cfg_t before = *cfg;
    if (f->restored || !(cfg->from_pos || cfg->from_ns) || !tm_journal_source_is(cfg->path))
        return 0;
    before.speed = 0;
    before.to_ns = 0;
    before.run_up = true;
    before.counters = NULL;
    TM_TRY(tm_recording_open(&f->source, &before));
    int n;
    f->runs_up = true;
    do n = source_poll(&f->src, 0);
    while (n >= 0);
    f->runs_up = false;
    tm_source_close(f->source);
    f->source = NULL;
    return n == TM_E_CLOSED ? 0 : n;
}

static int recording_open(feed_source_t *f, const tm_recording_cfg_t *cfg)
{
    bool backlog = f->backlog;
    f->recorded = true;
    f->backlog = false; /* what lies before is none of it */
    int err = run_up(f, cfg);
    f->backlog = backlog;
    return err < 0 ? err : tm_recording_open(&f->source, cfg);
}

static int source_open(tm_row_source_t *src)
{
    feed_source_t *f = (feed_source_t *)src;
    const tm_frame_reader_cfg_t *c = &f->reader->cfg;
    const tm_options_t *o = &c->topo->job->opts;
    if (!f->path && f->backlog) {
        const tm_recording_cfg_t backlog = {.path = f->reader->journal_dir,
                                            .from_pos = f->from_pos,
                                            .lanes = true,
                                            .streaming = f->streaming,
                                            .epoch = f->epoch,
                                            .counters = c->counters};
        return recording_open(f, &backlog);
    }
    if (!f->path) return live_open(f);
    const tm_recording_cfg_t cfg = {.path = f->path,
                                    .speed = o->speed,
                                    .conn_idx = f->replay_idx,
                                    .from_pos = f->from_pos,
                                    .from_ns = o->replay_from_ns,
                                    .to_ns = o->replay_to_ns,
                                    .streams = o->streams,
                                    .stream_cnt = o->stream_cnt,
                                    .lanes = true,
                                    .streaming = f->restored ? f->streaming : NULL,
                                    .epoch = f->epoch,
                                    .counters = c->counters};
    return recording_open(f, &cfg);
}

static void source_close(tm_row_source_t *src)
{
    feed_source_t *f = (feed_source_t *)src;
    if (f->source && f->path) f->from_pos = tm_source_position(f->source);
    f->epoch = tm_feed_epoch(f);
    tm_source_close(f->source);
    f->source = NULL;
}

static void source_free(tm_row_source_t *src)
{
    tm_arbiter_close(((feed_source_t *)src)->arbiter);
    tm_book_check_close(((feed_source_t *)src)->books);
    free(src);
}

const tm_row_source_ops_t tm_feed_source_ops = {.open = source_open,
                                                .poll = source_poll,
                                                .close = source_close,
                                                .free = source_free,
                                                .save = tm_feed_save,
                                                .restore = tm_feed_restore,
                                                .recorded = tm_feed_recorded,
                                                .sleeps = true};
