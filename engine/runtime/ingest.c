#include "engine/runtime/ingest.h"

#include "base/clock.h"
#include "base/log.h"
#include "engine/operators/watermark.h"
#include "engine/runtime/arbiter.h"
#include "engine/runtime/dead_journal.h"
#include "engine/runtime/idle.h"
#include "engine/runtime/recorder.h"
#include "engine/runtime/recording.h"
#include "engine/runtime/route.h"
#include "net/exchange.h"
#include "net/feed.h"
#include "net/url.h"
#include "parse/parser.h"
#include "parse/venues/venues.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    FEED_ROW_BURST = 512, /* more than all connections can say in one poll */
    FRAME_BURST = 256,    /* frames a poll: long enough to amortise, short against a ring */
    SOURCE_WAIT_NS = 20 *
                     TM_NS_PER_MS, /* how long one poll may sleep: bounds the reaction to stop */
};

/* One input of this thread and the event time it has reached. */
typedef struct input {
    tm_source_t *source; /* NULL once it has ended */
    tm_watermark_bounded_t watermark;
} input_t;

struct tm_ingest {
    tm_thread_t thread;
    tm_ingest_cfg_t cfg;
    uint32_t worker_cnt;
    uint16_t schema_id; /* of the rows the job wants */
    tm_parser_t *parser;
    tm_arbiter_t *arbiter;     /* of a live feed, else NULL */
    tm_journal_writer_t *dead; /* NULL = dead letters are only kept in memory; not owned */
    tm_recorder_t *recorder;   /* NULL = frames are not recorded */
    input_t inputs[TM_OPTION_LIST_MAX];
    uint32_t input_cnt;
    tm_valve_t *valve;                       /* over the inputs */
    int64_t mark_ns[TM_TOPOLOGY_WORKER_MAX]; /* ingress time last sent to each worker */
    tm_idle_t idle;
    tm_counter_t *rows_in, *rows_other, *ring_full, *event_ns_max, *dead_lost;
    uint32_t feed_row_cnt;
    tm_feed_row_t feed_rows[FEED_ROW_BURST];
    tm_market_row_t *rows; /* of one frame: TM_PARSER_ROW_MAX lines, touched as they are needed */
    tm_frame_t frame_buf[FRAME_BURST];
};

tm_thread_t *tm_ingest_thread(tm_ingest_t *ingest)
{
    return &ingest->thread;
}

int tm_ingest_record(tm_ingest_t *ingest, tm_journal_writer_t *journal)
{
    const tm_recorder_cfg_t cfg = {.journal = journal,
                                   .idle = ingest->idle.kind,
                                   .live = ingest->cfg.topo->job->opts.replay_cnt == 0,
                                   .abort = ingest->cfg.abort};
    return tm_recorder_open(&ingest->recorder, &cfg);
}

void tm_ingest_bury(tm_ingest_t *ingest, tm_journal_writer_t *journal)
{
    ingest->dead = journal;
}

static void on_dead_letter(void *ctx, const tm_dead_letter_t *letter)
{
    tm_ingest_t *in = ctx;
    if (in->dead) tm_dead_journal_put(in->dead, letter, in->dead_lost);
}

/* ---- sending --------------------------------------------------------------------------------- */

/* Waits for room. False where the run was aborted: the row is dropped with the rest of the run. */
static bool push(tm_ingest_t *in, uint32_t worker_idx, const tm_row_t *row)
{
    tm_ring_t *ring = in->cfg.rings[worker_idx];
    if (TM_LIKELY(tm_ring_push(ring, row))) return true;
    tm_counter_add(in->ring_full, 1);
    tm_idle_t idle = {.kind = in->idle.kind};
    while (!tm_ring_push(ring, row)) {
        if (atomic_load_explicit(in->cfg.abort, memory_order_acquire)) return false; /* A1 */
        tm_idle_round(&idle, 0);
    }
    return true;
}

/* The same for rows that are one line, whatever a row of the ring takes. */
static bool push_line(tm_ingest_t *in, uint32_t worker_idx, const tm_row_t *row)
{
    tm_market_row_t room[TM_MARKET_LINE_MAX] = {0};
    memcpy(room, row, sizeof room[0]);
    return push(in, worker_idx, &room[0].row);
}

static bool control_send(tm_ingest_t *in, uint32_t worker_idx, tm_row_kind_t kind, int64_t event_ns)
{
    const tm_market_row_t control = {
        .row = {.kind = (uint8_t)kind, .symbol = TM_SYMBOL_NONE, .event_ns = event_ns}};
    return push_line(in, worker_idx, &control.row);
}

static void control_broadcast(tm_ingest_t *in, tm_row_kind_t kind, int64_t event_ns)
{
    for (uint32_t w = 0; w < in->worker_cnt; w++)
        if (!control_send(in, w, kind, event_ns)) return;
}

static void row_send(tm_ingest_t *in, const tm_market_row_t *row, int64_t ingress_ns)
{
    uint32_t w = tm_route_worker(row->row.symbol, in->worker_cnt);
    if (in->mark_ns[w] != ingress_ns) {
        if (!control_send(in, w, TM_ROW_MARK, ingress_ns)) return;
        in->mark_ns[w] = ingress_ns;
    }
    (void)push(in, w, &row->row); /* an aborted run drops what is under way */
}

/* ---- what happens to connections ------------------------------------------------------------- */

static void gap_send(void *ctx, const tm_gap_t *gap)
{
    tm_ingest_t *in = ctx;
    const char *what = gap->of_schema == TM_SCHEMA_ID_TRADE ? "trades" : "updates";
    TM_LOG_W("engine", "%s: %s %llu to %llu are missing",
             tm_symbols_name(in->cfg.symbols, gap->row.symbol, NULL), what,
             (unsigned long long)gap->from_id, (unsigned long long)gap->to_id);
    (void)push_line(in, tm_route_worker(gap->row.symbol, in->worker_cnt), &gap->row);
}

/* Hands on what happened before the frames of this poll, and the ends of connections after them. */
static void feed_rows_send(tm_ingest_t *in, bool ends)
{
    for (uint32_t i = 0; i < in->feed_row_cnt; i++) {
        const tm_feed_row_t *row = &in->feed_rows[i];
        if ((row->what == TM_FEED_DOWN) != ends) continue;
        if (in->arbiter) tm_arbiter_feed(in->arbiter, row, tm_clock_mono_ns());
        for (uint32_t w = 0; w < in->worker_cnt; w++)
            if (!push_line(in, w, &row->row)) return;
    }
    if (ends) in->feed_row_cnt = 0;
}

static void feed_rows_fetch(tm_ingest_t *in, const input_t *input)
{
    in->feed_row_cnt = tm_source_rows(input->source, in->feed_rows, FEED_ROW_BURST);
    if (TM_UNLIKELY(in->feed_row_cnt > 0)) feed_rows_send(in, false);
}

/* ---- one burst ------------------------------------------------------------------------------- */

/* Leaves the first copies; the arbiter tells gaps on the way. Returns how many lines they are. */
static uint32_t copies_drop(tm_ingest_t *in, const tm_frame_t *frame, uint32_t line_cnt)
{
    uint32_t kept = 0, lines;
    tm_arbiter_frame(in->arbiter, frame->conn_idx);
    for (uint32_t i = 0; i < line_cnt; i += lines) {
        const tm_row_t *row = &in->rows[i].row;
        lines = tm_market_lines(row->schema_id);
        if (!tm_arbiter_take(in->arbiter, row, frame->ingress_ns)) continue;
        if (kept != i) memmove(&in->rows[kept], row, lines * sizeof in->rows[0]);
        kept += lines;
    }
    return kept;
}

static int frame_take(tm_ingest_t *in, input_t *input, const tm_frame_t *frame)
{
    uint32_t parsed_cnt = tm_parser_frame(in->parser, frame, in->rows, TM_PARSER_ROW_MAX), lines;
    uint32_t line_cnt = in->arbiter ? copies_drop(in, frame, parsed_cnt) : parsed_cnt;
    if (in->recorder && (line_cnt > 0 || parsed_cnt == 0))
        TM_TRY(tm_recorder_frame(in->recorder, frame));
    for (uint32_t i = 0; i < line_cnt; i += lines) {
        const tm_market_row_t *row = &in->rows[i];
        lines = tm_market_lines(row->row.schema_id);
        if (row->row.schema_id != in->schema_id) {
            tm_counter_add(in->rows_other, 1);
            continue;
        }
        tm_watermark_bounded_see(&input->watermark, row->row.event_ns);
        tm_counter_add(in->rows_in, 1);
        row_send(in, row, frame->ingress_ns);
    }
    return 0;
}

/* Tells the workers where event time stands, after the rows that moved it. */
static void watermark_send(tm_ingest_t *in, uint32_t input_idx, int64_t watermark_ns)
{
    if (tm_valve_watermark(in->valve, input_idx, watermark_ns) & TM_VALVE_WATERMARK)
        control_broadcast(in, TM_ROW_WATERMARK, tm_valve_now(in->valve));
}

static void input_end(tm_ingest_t *in, uint32_t input_idx)
{
    tm_source_close(in->inputs[input_idx].source);
    in->inputs[input_idx].source = NULL;
    watermark_send(in, input_idx, INT64_MAX);
}

/* Returns frames taken, or a negative code where the source failed. */
static int input_poll(tm_ingest_t *in, uint32_t input_idx, int64_t wait_ns)
{
    input_t *input = &in->inputs[input_idx];
    int n = tm_source_poll(input->source, in->frame_buf, FRAME_BURST, wait_ns);
    feed_rows_fetch(in, input);
    for (int i = 0; i < n; i++) TM_TRY(frame_take(in, input, &in->frame_buf[i]));
    if (TM_UNLIKELY(in->feed_row_cnt > 0)) feed_rows_send(in, true);
    if (in->arbiter) tm_arbiter_tick(in->arbiter, tm_clock_mono_ns());
    if (n == TM_E_CLOSED) {
        input_end(in, input_idx);
        return 0;
    }
    if (n <= 0) return n;
    int64_t watermark_ns = tm_watermark_bounded_now(&input->watermark);
    tm_counter_max(in->event_ns_max,
                   (uint64_t)(input->watermark.max_ns > 0 ? input->watermark.max_ns : 0));
    watermark_send(in, input_idx, watermark_ns);
    return n;
}

/* ---- the thread ------------------------------------------------------------------------------ */

static int feed_open(tm_ingest_t *in)
{
    const tm_topology_t *t = in->cfg.topo;
    const tm_options_t *o = &t->job->opts;
    const struct tm_stream *node = tm_job_find(t->job, TM_NODE_FEED);
    const char *urls[TM_OPTION_LIST_MAX];
    uint32_t url_cnt = 0;
    for (uint32_t i = in->cfg.ingest_idx; i < o->connect_cnt; i += t->ingest_cnt)
        urls[url_cnt++] = o->connects[i];
    if (o->connect_cnt == 0) urls[url_cnt++] = node->feed.url;
    const tm_feed_cfg_t cfg = {
        .urls = urls,
        .url_cnt = url_cnt,
        .venue = o->venue,
        .streams = in->cfg.ingest_idx == 0 ? o->streams : NULL,
        .stream_cnt = in->cfg.ingest_idx == 0 ? o->stream_cnt : 0,
        .ca_file = o->ca_file,
        .stop = in->cfg.stop,
        .counters = in->thread.counters,
        .retry_max = o->retry_max,
        .retry_first_ns = o->retry_delay_ns,
        .idle_ns = o->idle_timeout_ns,
        .reconnect_on_close = o->reconnect_on_close,
        .life_ns = o->rotate_ns,
        .stream_ns = o->stream_timeout_ns,
        .on_link = in->recorder ? tm_recorder_link : NULL,
        .on_link_ctx = in->recorder,
    };
    const tm_arbiter_cfg_t arbiter = {.counters = in->thread.counters, .gap = gap_send, .ctx = in};
    TM_TRY(tm_arbiter_open(&in->arbiter, &arbiter));
    TM_TRY(tm_feed_open(&in->inputs[0].source, &cfg));
    in->input_cnt = 1;
    return 0;
}

static int replays_open(tm_ingest_t *in)
{
    const tm_topology_t *t = in->cfg.topo;
    const tm_options_t *o = &t->job->opts;
    for (uint32_t i = in->cfg.ingest_idx; i < o->replay_cnt; i += t->ingest_cnt) {
        const tm_recording_cfg_t cfg = {.path = o->replays[i],
                                        .speed = o->speed,
                                        .conn_idx = in->input_cnt,
                                        .from_ns = o->replay_from_ns,
                                        .to_ns = o->replay_to_ns,
                                        .streams = o->streams,
                                        .stream_cnt = o->stream_cnt,
                                        .counters = in->thread.counters};
        TM_TRY(tm_recording_open(&in->inputs[in->input_cnt].source, &cfg));
        in->input_cnt++;
    }
    return 0;
}

static int sources_open(tm_ingest_t *in)
{
    const struct tm_stream *wm = tm_job_find(in->cfg.topo->job, TM_NODE_WATERMARKS);
    TM_TRY(in->cfg.topo->job->opts.replay_cnt > 0 ? replays_open(in) : feed_open(in));
    for (uint32_t i = 0; i < in->input_cnt; i++) {
        int64_t bound_ns = wm ? wm->watermarks.bound_ns : 0;
        TM_TRY(tm_watermark_bounded_init(&in->inputs[i].watermark, bound_ns));
    }
    size_t valve_sz = tm_align_up(tm_valve_footprint(in->input_cnt), TM_CACHE_LINE);
    void *mem = aligned_alloc(TM_CACHE_LINE, valve_sz);
    if (!mem) return tm_error_set(-ENOMEM, "watermarks: out of memory");
    in->valve = tm_valve_init(mem, in->input_cnt);
    return 0;
}

/* Polls every open input once. The only one may sleep in its poll; several take turns. */
static int round_run(tm_ingest_t *in, uint32_t *open_cnt, uint64_t *work_cnt)
{
    bool spin = in->idle.kind == TM_IDLE_SPIN;
    int64_t wait_ns = in->input_cnt == 1 && !spin ? SOURCE_WAIT_NS : 0;
    *open_cnt = 0;
    *work_cnt = 0;
    for (uint32_t i = 0; i < in->input_cnt; i++) {
        if (!in->inputs[i].source) continue;
        int n = input_poll(in, i, wait_ns);
        if (n < 0) return n;
        *work_cnt += (uint64_t)n;
        *open_cnt += in->inputs[i].source != NULL;
    }
    return 0;
}

static int ingest_body(void *arg)
{
    tm_ingest_t *in = arg;
    int err = tm_thread_pin(&in->thread);
    if (err == 0) err = sources_open(in);
    if (err == -EINTR)
        err = 0; /* told to stop while still connecting */
    else if (err == 0)
        tm_thread_is_running(&in->thread);
    uint32_t open_cnt = in->input_cnt;
    while (err == 0 && open_cnt > 0 &&
           !atomic_load_explicit(in->cfg.stop, memory_order_acquire)) { /* R1 */
        uint64_t work_cnt;
        err = round_run(in, &open_cnt, &work_cnt);
        tm_thread_cycle(&in->thread, tm_clock_mono_ns(), work_cnt == 0);
        if (in->input_cnt > 1 || in->idle.kind == TM_IDLE_SPIN) tm_idle_round(&in->idle, work_cnt);
    }
    /* Closing may log and replace the trail; the text that explains err must survive it. */
    char text[TM_ERROR_TEXT_MAX];
    snprintf(text, sizeof text, "%s", tm_error_text());
    for (uint32_t i = 0; i < in->input_cnt; i++) tm_source_close(in->inputs[i].source);
    control_broadcast(in, TM_ROW_WATERMARK, INT64_MAX);
    control_broadcast(in, TM_ROW_END, TM_TIME_NONE);
    return err < 0 ? tm_error_set(err, "%s", text) : 0;
}

/* Whose messages this thread will read. */
static const tm_venue_t *venue_of(const tm_ingest_cfg_t *cfg)
{
    const tm_options_t *o = &cfg->topo->job->opts;
    const char *name = o->venue;
    const char *address = cfg->ingest_idx < o->connect_cnt
                              ? o->connects[cfg->ingest_idx]
                              : tm_job_find(cfg->topo->job, TM_NODE_FEED)->feed.url;
    tm_url_t url;
    if (!name && o->replay_cnt == 0 && tm_url_parse(&url, address) == 0)
        name = tm_exchange_of_host(url.host)->name;
    return name ? tm_venue_find(name) : tm_venue_binance();
}

int tm_ingest_open(tm_ingest_t **out, const tm_ingest_cfg_t *cfg)
{
    tm_ingest_t *in = aligned_alloc(TM_FALSE_SHARE, tm_align_up(sizeof *in, TM_FALSE_SHARE));
    if (!in) return tm_error_set(-ENOMEM, "ingest: out of memory");
    memset(in, 0, sizeof *in);
    *out = in;
    in->cfg = *cfg;
    in->worker_cnt = cfg->topo->worker_cnt;
    in->schema_id = tm_job_find(cfg->topo->job, TM_NODE_FEED)->schema.id;
    const tm_thread_plan_t *plan = &cfg->topo->ingests[cfg->ingest_idx];
    in->idle.kind = plan->idle;
    TM_TRY(tm_thread_init(&in->thread, plan, ingest_body, in));
    in->rows_in = tm_counter_get(in->thread.counters, "rows_in");
    in->rows_other = tm_counter_get(in->thread.counters, "rows_other");
    in->ring_full = tm_counter_get(in->thread.counters, "ring_full");
    in->event_ns_max = tm_counter_get(in->thread.counters, "event_ns_max");
    in->dead_lost = tm_counter_get(in->thread.counters, "dead_letters_lost");
    in->rows = aligned_alloc(TM_CACHE_LINE, sizeof in->rows[0] * TM_PARSER_ROW_MAX);
    if (!in->rows) return tm_error_set(-ENOMEM, "ingest: out of memory");
    bool books = in->schema_id == TM_SCHEMA_ID_DEPTH || in->schema_id == TM_SCHEMA_ID_LEVEL;
    const tm_parser_cfg_t parser = {.symbols = cfg->symbols,
                                    .counters = in->thread.counters,
                                    .venue = venue_of(cfg),
                                    .no_books = !books,
                                    .on_dead_letter = on_dead_letter,
                                    .on_dead_letter_ctx = in};
    return tm_parser_open(&in->parser, &parser);
}

void tm_ingest_close(tm_ingest_t *ingest)
{
    if (!ingest) return;
    if (ingest->parser) tm_parser_close(ingest->parser);
    tm_arbiter_close(ingest->arbiter);
    tm_recorder_close(ingest->recorder);
    free(ingest->valve);
    free(ingest->rows);
    tm_thread_fini(&ingest->thread);
    free(ingest);
}

int tm_ingest_dead_letters_write(const tm_ingest_t *ingest, FILE *out)
{
    return tm_parser_dead_letters_write(ingest->parser, out);
}
