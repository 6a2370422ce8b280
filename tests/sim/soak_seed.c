/* A feed of two addresses on a simulated exchange whose connections go wrong by a seed, up to the
   ring that feeds the windows: each trade must be there once, or a GAP row must say that it is not.
   One seed is here; soak_feed.c runs many of them. */
#include "tests/sim/soak_seed.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "engine/job/graph.h"
#include "engine/runtime/source/arbiter.h"
#include "engine/runtime/source/ingest.h"
#include "net/simulated/fault_plan.h"
#include "net/simulated/venue.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    SYMBOL_CNT = 3,
    MESSAGE_CNT = 3000,
    RATE = 3000,
    RING_DEPTH = 1 << 12,
    EVENT_MAX = 128,
    TAIL_MAX = 60, /* trades that the last faults may swallow */
    /* A seed that waits so often for half a millisecond hangs. They are counted, because a machine
       that stands still for a while hangs nobody. */
    WAIT_MAX = 60000,
};

/* ---- the truth ------------------------------------------------------------------------------- */

/* What the exchange has sent of one symbol, and what came of it. */
typedef struct symbol {
    char name[32]; /* upper case */
    uint64_t first;
    uint32_t cnt;
    uint32_t row_cnt;
    /* A connection that brought trades of it heard the exchange end its feed in order. */
    bool heard_out;
    uint8_t came[MESSAGE_CNT], told[MESSAGE_CNT];
} symbol_t;

/* A connection: how many rows of each symbol had come, whoever brought them, when it came up. */
typedef struct lane {
    bool up;
    uint32_t rows_before[SYMBOL_CNT];
} lane_t;

/* What happened to connections, told where a seed fails. */
typedef struct event {
    tm_feed_row_t row;
    uint64_t row_cnt; /* rows before it */
} event_t;

typedef struct soak {
    uint64_t seed;
    bool failed;
    const char *tls_dir;
    symbol_t symbols[SYMBOL_CNT];
    uint64_t row_cnt;
    lane_t lanes[TM_ARBITER_CONN_MAX];
    event_t events[EVENT_MAX];
    uint32_t event_cnt;
    soak_tally_t tally;
} soak_t;

__attribute__((format(printf, 2, 3))) static void fail(soak_t *s, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    printf("# seed %" PRIu64 ": ", s->seed);
    vprintf(fmt, args);
    putchar('\n');
    va_end(args);
    s->failed = true;
}

static tm_venue_generator_cfg_t generator_cfg(uint64_t seed)
{
    return (tm_venue_generator_cfg_t){.seed = seed,
                                      .symbol_cnt = SYMBOL_CNT,
                                      .rate = RATE,
                                      .message_cnt = MESSAGE_CNT,
                                      .time_base_ns = 1700000000 * TM_NS_PER_S,
                                      .trade_percent = 100};
}

/* The same seed makes the same market, so it can be made once more and looked at. */
static void truth_make(soak_t *s)
{
    tm_venue_generator_t *g;
    tm_venue_message_t m;
    const tm_venue_generator_cfg_t cfg = generator_cfg(s->seed);
    if (tm_venue_generator_open(&g, &cfg) < 0) abort();
    tm_venue_generator_start(g, 0, 0);
    while (tm_venue_generator_next(g, 0, &m)) {
        const char *name = strstr(m.data, "\"s\":\"") + 5, *id = strstr(m.data, "\"t\":") + 4;
        size_t sz = strcspn(name, "\""), i = 0;
        while (s->symbols[i].name[0] && strncmp(s->symbols[i].name, name, sz) != 0) i++;
        symbol_t *symbol = &s->symbols[i];
        if (!symbol->name[0]) {
            memcpy(symbol->name, name, sz);
            symbol->first = strtoull(id, NULL, 10);
        }
        symbol->cnt++;
        s->tally.sent++;
    }
    tm_venue_generator_close(g);
}

/* ---- the exchange ---------------------------------------------------------------------------- */

typedef struct exchange {
    tm_venue_cfg_t cfg;
    tm_venue_ports_t ports;
    _Atomic int listens;
    _Atomic bool stop;
    pthread_t thread;
} exchange_t;

static void on_listen(void *ctx, const tm_venue_ports_t *ports)
{
    exchange_t *x = ctx;
    x->ports = *ports;
    atomic_store_explicit(&x->listens, 1, memory_order_release);
}

static void *exchange_run(void *arg)
{
    exchange_t *x = arg;
    if (tm_venue_run(&x->cfg, &x->stop) < 0) printf("# venue: %s\n", tm_error_text());
    atomic_store_explicit(&x->listens, 2, memory_order_release);
    return NULL;
}

static void exchange_open(exchange_t *x, const soak_t *s, const tm_fault_plan_t *plan)
{
    memset(x, 0, sizeof *x);
    x->cfg = (tm_venue_cfg_t){.state_dir = s->tls_dir,
                              .source.generator = generator_cfg(s->seed),
                              .wait_client_cnt = 2,
                              .close_ns = TM_NS_PER_S,
                              .faults = plan,
                              .on_listen = on_listen,
                              .ctx = x};
    pthread_create(&x->thread, NULL, exchange_run, x);
    while (atomic_load_explicit(&x->listens, memory_order_acquire) == 0) usleep(1000);
}

static void exchange_close(exchange_t *x)
{
    atomic_store_explicit(&x->stop, true, memory_order_release);
    pthread_join(x->thread, NULL);
}

/* ---- what reaches the windows ---------------------------------------------------------------- */

static symbol_t *symbol_of(soak_t *s, tm_symbols_t *symbols, uint32_t symbol)
{
    const char *name = tm_symbols_name(symbols, symbol, NULL);
    for (uint32_t i = 0; i < SYMBOL_CNT; i++)
        if (strcmp(s->symbols[i].name, name) == 0) return &s->symbols[i];
    fail(s, "a symbol \"%s\" that nobody trades", name);
    return NULL;
}

static void trade_take(soak_t *s, symbol_t *symbol, uint64_t id)
{
    if (id < symbol->first || id >= symbol->first + symbol->cnt) {
        fail(s, "%s %" PRIu64 " was never sent", symbol->name, id);
        return;
    }
    uint64_t at = id - symbol->first;
    symbol->row_cnt++;
    if (symbol->came[at]++) fail(s, "%s %" PRIu64 " came twice", symbol->name, id);
    s->tally.filled += symbol->told[at];
}

static void gap_take(soak_t *s, symbol_t *symbol, const tm_gap_t *gap)
{
    for (uint64_t id = gap->from_id; id <= gap->to_id; id++) {
        if (id < symbol->first || id >= symbol->first + symbol->cnt) {
            fail(s, "a gap of %s %" PRIu64 ", which was never sent", symbol->name, id);
            return;
        }
        uint64_t at = id - symbol->first;
        if (symbol->came[at])
            fail(s, "%s %" PRIu64 " came, then a gap said that it had not", symbol->name, id);
        if (symbol->told[at]++)
            fail(s, "%s %" PRIu64 " was told to be missing twice", symbol->name, id);
    }
}

static void connection_take(soak_t *s, const tm_feed_row_t *row)
{
    if (s->event_cnt < EVENT_MAX) s->events[s->event_cnt++] = (event_t){*row, s->row_cnt};
    lane_t *lane = &s->lanes[row->conn_idx];
    s->tally.ups += row->what == TM_FEED_UP;
    s->tally.downs += row->what == TM_FEED_DOWN;
    s->tally.rotations += row->what == TM_FEED_ROTATED;
    if (row->what == TM_FEED_UP) {
        lane->up = true;
        for (uint32_t i = 0; i < SYMBOL_CNT; i++) lane->rows_before[i] = s->symbols[i].row_cnt;
    }
    if (row->what != TM_FEED_DOWN) return;
    if (!lane->up) fail(s, "connection %u ended without a beginning", row->conn_idx);
    lane->up = false;
    /* One that came back when all was over hears the end too, but not what was before it: of a
       symbol that was not traded any more by then, nobody can know what is missing. */
    for (uint32_t i = 0; i < SYMBOL_CNT; i++)
        s->symbols[i].heard_out |= row->code == TM_E_CLOSED &&
                                   s->symbols[i].row_cnt > lane->rows_before[i];
}

/* Returns true at the end of the input. */
static bool row_take(soak_t *s, tm_symbols_t *symbols, const tm_market_row_t *row)
{
    symbol_t *symbol;
    switch ((tm_row_kind_t)row->row.kind) {
    case TM_ROW_INSERT:
        s->row_cnt++;
        if ((symbol = symbol_of(s, symbols, row->row.symbol)))
            trade_take(s, symbol, row->trade.trade_id);
        return false;
    case TM_ROW_GAP:
        if ((symbol = symbol_of(s, symbols, row->row.symbol)))
            gap_take(s, symbol, (const tm_gap_t *)row);
        return false;
    case TM_ROW_FEED:
        connection_take(s, (const tm_feed_row_t *)row);
        return false;
    case TM_ROW_END:
        return true;
    case TM_ROW_UPDATE_BEFORE:
    case TM_ROW_UPDATE_AFTER:
    case TM_ROW_DELETE:
    case TM_ROW_WATERMARK:
    case TM_ROW_IDLE:
    case TM_ROW_ACTIVE:
    case TM_ROW_BARRIER:
    case TM_ROW_MARK:
        break;
    }
    return false;
}

static void events_show(const soak_t *s);

static void ring_drain(soak_t *s, tm_symbols_t *symbols, tm_ring_t *ring)
{
    uint32_t wait_cnt = 0;
    for (bool over = false; !over;) {
        const void *rows;
        uint32_t cnt = tm_ring_peek(ring, &rows, 256);
        for (uint32_t i = 0; i < cnt; i++)
            over |= row_take(s, symbols, (const tm_market_row_t *)rows + i);
        if (cnt > 0) {
            tm_ring_release(ring, cnt);
            continue;
        }
        usleep(500);
        if (++wait_cnt > WAIT_MAX) {
            printf("# seed %" PRIu64 ": hangs after %" PRIu64 " rows\n", s->seed, s->row_cnt);
            events_show(s);
            fflush(stdout);
            abort();
        }
    }
}

/* ---- one seed -------------------------------------------------------------------------------- */

static int build(tm_job_t *job)
{
    static const tm_agg_spec_t aggs[] = {{.as = "trades", .fn = TM_AGG_COUNT}};
    const tm_window_spec_t second = tm_tumbling(TM_SECOND);
    tm_stream_t *s = tm_source_feed(job, &(tm_feed_spec_t){.rows = TM_ROWS_TRADE});
    s = tm_key_by(tm_watermarks(s, &(tm_watermark_spec_t){.bound_ns = TM_SECOND}), "symbol");
    tm_sink_parts(tm_window_aggregate(s, "bars", &second, aggs, 1), NULL);
    return 0;
}

/* Two addresses; every third seed rotates, every second one is without TLS. */
static void options_make(tm_options_t *o, const exchange_t *x, const soak_t *s)
{
    static char url[1024], ca[128], streams[] = "btcusdt@trade,ethusdt@trade,solusdt@trade";
    static char text[][24] = {"soak",           "--connect", "--stream",      "--ca-file",
                              "--retries",      "6",         "--retry-delay", "20ms",
                              "--idle-timeout", "400ms",     "--rotate",      "250ms"};
    snprintf(ca, sizeof ca, "%s/ca.pem", s->tls_dir);
    if (s->seed & 1)
        snprintf(url, sizeof url, "wss://localhost:%u,wss://127.0.0.1:%u", x->ports.tls,
                 x->ports.tls);
    else
        snprintf(url, sizeof url, "ws://localhost:%u,ws://127.0.0.1:%u", x->ports.plain,
                 x->ports.plain);
    char *argv[] = {text[0], text[1], url,     text[2], streams, text[3],  ca,       text[4],
                    text[5], text[6], text[7], text[8], text[9], text[10], text[11], NULL};
    if (tm_options_parse(o, s->seed % 3 == 0 ? 15 : 13, argv) != 0) abort();
}

static void feed_run(soak_t *s, const exchange_t *x)
{
    static tm_job_t job;
    static tm_topology_t topo;
    tm_options_t opts;
    _Atomic bool stop = false, abort_run = false;
    options_make(&opts, x, s);
    tm_job_init(&job, &opts);
    tm_symbols_t *symbols;
    const tm_ring_cfg_t ring_cfg = {.depth = RING_DEPTH, .stride = sizeof(tm_market_row_t)};
    void *mem = aligned_alloc(TM_FALSE_SHARE,
                              tm_align_up(tm_ring_footprint(&ring_cfg), TM_FALSE_SHARE));
    if (!mem || build(&job) < 0 || tm_job_validate(&job) < 0 || tm_topology_plan(&topo, &job) < 0 ||
        tm_symbols_open(&symbols) < 0)
        abort();
    memset(mem, 0, tm_ring_footprint(&ring_cfg));
    tm_ring_t *ring = tm_ring_init(mem, &ring_cfg), *const *exchange = &ring;
    static tm_alignment_t alignment;
    if (topo.plan.exchange_cnt != 1 || topo.plan.exchanges[0].stride != ring_cfg.stride) abort();
    const tm_ingest_cfg_t cfg = {.topo = &topo,
                                 .x_rings = &exchange,
                                 .symbols = symbols,
                                 .stop = &stop,
                                 .abort = &abort_run,
                                 .alignment = &alignment};
    tm_ingest_t *ingest;
    if (tm_ingest_open(&ingest, &cfg) < 0 || tm_thread_start(tm_ingest_thread(ingest)) < 0) abort();
    ring_drain(s, symbols, ring);
    tm_thread_join(tm_ingest_thread(ingest));
    /* The end of the feed may be an error: the exchange is gone by then for one that was away. */
    const tm_thread_t *t = tm_ingest_thread(ingest);
    if (tm_thread_state(t) == TM_THREAD_FAILED && !t->ran)
        fail(s, "the feed never opened: %s", t->err_text);
    tm_ingest_close(ingest);
    tm_symbols_close(symbols);
    tm_job_fini(&job);
    free(mem);
}

/* Between the first and the last trade of a symbol that came, each one came or was told. Before the
   first and behind the last one there is nothing to tell it by; but who has heard the exchange out
   lacks no more of it than a fault swallows. */
static void account(soak_t *s)
{
    uint64_t heard_tail = 0;
    for (uint32_t i = 0; i < SYMBOL_CNT; i++) {
        const symbol_t *symbol = &s->symbols[i];
        uint32_t first = 0, end = symbol->cnt;
        while (first < end && !symbol->came[first]) first++;
        while (end > first && !symbol->came[end - 1]) end--;
        s->tally.head += first;
        s->tally.tail += symbol->cnt - end;
        heard_tail += symbol->heard_out ? symbol->cnt - end : 0;
        for (uint32_t at = first; at < end; at++) {
            s->tally.came += symbol->came[at] > 0;
            s->tally.told += symbol->told[at] > 0 && !symbol->came[at];
            if (!symbol->came[at] && !symbol->told[at])
                fail(s, "%s %" PRIu64 " neither came nor was told", symbol->name,
                     symbol->first + at);
        }
    }
    if (heard_tail > TAIL_MAX) fail(s, "the last %" PRIu64 " trades never came", heard_tail);
}

static void events_show(const soak_t *s)
{
    static const char *const names[] = {
        [TM_FEED_UP] = "up",           [TM_FEED_DOWN] = "down",     [TM_FEED_LEAVES] = "leaves",
        [TM_FEED_ROTATED] = "rotated", [TM_FEED_SILENT] = "silent", [TM_FEED_MISSED] = "missed"};
    for (uint32_t i = 0; i < s->event_cnt; i++) {
        const event_t *e = &s->events[i];
        printf("# seed %" PRIu64 ": %6.1f ms, %4" PRIu64 " rows: connection %u %s %s\n", s->seed,
               (double)(e->row.row.recv_ns - s->events[0].row.row.recv_ns) / 1e6, e->row_cnt,
               e->row.conn_idx, names[e->row.what], e->row.code ? tm_error_name(e->row.code) : "");
    }
}

bool soak_seed_run(uint64_t seed, const char *tls_dir, soak_tally_t *sum)
{
    static soak_t s;
    exchange_t x;
    memset(&s, 0, sizeof s);
    s.seed = seed;
    s.tls_dir = tls_dir;
    truth_make(&s);
    tm_fault_plan_t *plan = tm_fault_plan_random(seed);
    if (!plan) abort();
    exchange_open(&x, &s, plan);
    feed_run(&s, &x);
    exchange_close(&x);
    free(plan);
    account(&s);
    if (s.failed) events_show(&s);
    for (size_t i = 0; i < sizeof *sum / sizeof(uint64_t); i++)
        ((uint64_t *)sum)[i] += ((const uint64_t *)&s.tally)[i];
    return !s.failed;
}
