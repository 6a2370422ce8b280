/* crash_job - the jobs that are killed: $TM_JOB chooses one.

   bars      trades to bars of a second per symbol, and every trade as it came
   sessions  session windows with a gap of 150 ms, accumulators of several kinds
   timers    a process function: sums up the trades of each symbol in a map by second, and emits a
             second by a timer once it is over
   sliding, cumulative
             volumes of 2.5 s every 0.2 s, and of a growing 3 s every 0.3 s: windows share slices
   rekeyed   bars of a second per symbol, keyed anew by their number of trades: two exchanges

   With $TM_ACKS a further sink says on standard error which checkpoints it was told are complete:
   "acked N". */
#include <tidemark.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const tm_agg_spec_t bar[] = {
    {.as = "open", .fn = TM_AGG_FIRST, .field = "price", .by = "trade_id"},
    {.as = "high", .fn = TM_AGG_MAX, .field = "price"},
    {.as = "close", .fn = TM_AGG_LAST, .field = "price", .by = "trade_id"},
    {.as = "volume", .fn = TM_AGG_SUM, .field = "qty"},
    {.as = "trades", .fn = TM_AGG_COUNT},
};

static const tm_agg_spec_t activity[] = {
    {.as = "trades", .fn = TM_AGG_COUNT},
    {.as = "volume", .fn = TM_AGG_SUM, .field = "qty"},
    {.as = "sizes", .fn = TM_AGG_DISTINCT, .field = "qty"},
    {.as = "largest", .fn = TM_AGG_TOP, .field = "qty", .k = 3},
};

static const tm_agg_spec_t totals[] = {
    {.as = "bars", .fn = TM_AGG_COUNT},
    {.as = "high_sum", .fn = TM_AGG_SUM, .field = "high"},
};

#define COUNT_OF(list) (sizeof(list) / sizeof((list)[0]))

/* ---- timers ---------------------------------------------------------------------------------- */

typedef struct beat {
    tm_row_t row;
    int64_t trades;
    int64_t price_sum_e8;
} beat_t;

static const tm_struct_field_t beat_fields[] = {
    TM_HEADER_SYMBOL("symbol"),
    TM_HEADER_TIME("time"),
    TM_MEMBER(beat_t, trades, "trades", TM_TYPE_I64),
    TM_MEMBER(beat_t, price_sum_e8, "price_sum", TM_TYPE_I64),
};
static const tm_struct_t beat = TM_STRUCT(beat_t, "beat", beat_fields);

/* What is known of a second. */
typedef struct second {
    int64_t trades, price_sum_e8;
} second_t;

enum { SEEN, SECONDS };
static const tm_state_spec_t states[] = {
    [SEEN] = {.name = "seen", .kind = TM_STATE_VALUE, .value_sz = sizeof(int64_t)},
    [SECONDS] = {.name = "seconds", .kind = TM_STATE_MAP},
};

static uint16_t price_off;

static void on_trade(tm_process_t *p, const void *trade)
{
    int64_t price_e8, seen = 1, start_ns = tm_process_time(p) / TM_SECOND * TM_SECOND;
    second_t second = {0};
    memcpy(&price_e8, (const char *)trade + price_off, sizeof price_e8);
    const int64_t *known = tm_value_get(p, SEEN, NULL);
    if (known) seen = *known + 1;
    const second_t *so_far = tm_map_get(p, SECONDS, &start_ns, sizeof start_ns, NULL);
    if (so_far) second = *so_far;
    second.trades++;
    second.price_sum_e8 += price_e8 % TM_SECOND; /* stays small */
    const tm_map_entry_t entry = {
        .key = &start_ns, .key_sz = sizeof start_ns, .value = &second, .value_sz = sizeof second};
    if (tm_value_set(p, SEEN, &seen, sizeof seen) < 0 || tm_map_put(p, SECONDS, &entry) < 0)
        abort();
    tm_timer_set(p, TM_EVENT_TIME, start_ns + TM_SECOND - 1, 0);
}

static void on_second(tm_process_t *p, tm_time_domain_t domain, int64_t time_ns, uint32_t name)
{
    (void)domain, (void)name;
    const int64_t start_ns = time_ns - (TM_SECOND - 1);
    const second_t *second = tm_map_get(p, SECONDS, &start_ns, sizeof start_ns, NULL);
    beat_t *out = tm_process_emit(p);
    out->trades = second ? second->trades : -1;
    out->price_sum_e8 = second ? second->price_sum_e8 : 0;
    tm_map_remove(p, SECONDS, &start_ns, sizeof start_ns);
}

/* ---- acknowledged checkpoints ---------------------------------------------------------------- */

static int ack_write(tm_sink_t *sink, const void *rows, uint32_t cnt)
{
    (void)sink, (void)rows, (void)cnt;
    return 0;
}

static int ack_tick(tm_sink_t *sink, int64_t real_ns)
{
    (void)sink, (void)real_ns;
    return 0;
}

static int ack_prepare(tm_sink_t *sink, uint64_t txn_id)
{
    (void)sink, (void)txn_id;
    return 0;
}

static int ack_commit(tm_sink_t *sink, uint64_t txn_id)
{
    char line[32];
    (void)sink;
    const int sz = snprintf(line, sizeof line, "acked %llu\n", (unsigned long long)txn_id);
    return write(STDERR_FILENO, line, (size_t)sz) == sz ? 0 : -1;
}

static int ack_abort(tm_sink_t *sink)
{
    (void)sink;
    return 0;
}

static void ack_close(tm_sink_t *sink)
{
    free(sink);
}

static int ack_open(void *ctx, const tm_sink_at_t *at, tm_sink_t **out)
{
    static const tm_sink_ops_t ops = {.write = ack_write,
                                      .tick = ack_tick,
                                      .prepare = ack_prepare,
                                      .commit = ack_commit,
                                      .abort = ack_abort,
                                      .recover = ack_prepare,
                                      .close = ack_close};
    (void)ctx, (void)at;
    *out = malloc(sizeof **out);
    if (!*out) return -1;
    (*out)->ops = &ops;
    return 0;
}

/* ---- jobs ------------------------------------------------------------------------------------ */

static int build(tm_job_t *job)
{
    const char *kind = getenv("TM_JOB");
    const tm_window_spec_t second = tm_tumbling(TM_SECOND), minute = tm_tumbling(10 * TM_SECOND);
    const tm_window_spec_t session = tm_session(150 * TM_MILLISECOND);
    tm_stream_t *trades = tm_source_feed(job, &(tm_feed_spec_t){.rows = TM_ROWS_TRADE});
    tm_stream_t *timed = tm_watermarks(trades, &(tm_watermark_spec_t){.bound_ns = TM_SECOND});
    tm_stream_t *keyed = tm_key_by(timed, "symbol");
    const tm_parts_spec_t parts = {.name = "results"};
    if (getenv("TM_ACKS"))
        tm_sink_two_phase(keyed, &(tm_sink_spec_t){.name = "acks", .open = ack_open});
    if (kind && strcmp(kind, "sessions") == 0) {
        tm_sink_parts(
            tm_window_aggregate(keyed, "activity", &session, activity, COUNT_OF(activity)), &parts);
    } else if (kind && strcmp(kind, "timers") == 0) {
        price_off = tm_field_off(trades, "price", TM_TYPE_DECIMAL64);
        tm_sink_parts(tm_process(keyed, &(tm_process_spec_t){.name = "beats",
                                                             .out = &beat,
                                                             .fns = {.on_row = on_trade,
                                                                     .on_timer = on_second},
                                                             .states = states,
                                                             .state_cnt = COUNT_OF(states)}),
                      &parts);
    } else if (kind && (strcmp(kind, "sliding") == 0 || strcmp(kind, "cumulative") == 0)) {
        const tm_window_spec_t sliding = tm_sliding(2500 * TM_MILLISECOND, 200 * TM_MILLISECOND);
        const tm_window_spec_t growing = tm_cumulative(3 * TM_SECOND, 300 * TM_MILLISECOND);
        tm_sink_parts(tm_window_aggregate(keyed, "volumes", kind[0] == 's' ? &sliding : &growing,
                                          bar, COUNT_OF(bar)),
                      &parts);
    } else if (kind && strcmp(kind, "rekeyed") == 0) {
        tm_stream_t *bars = tm_window_aggregate(keyed, "bars", &second, bar, COUNT_OF(bar));
        tm_sink_parts(tm_window_aggregate(tm_key_by(bars, "trades"), "totals", &minute, totals,
                                          COUNT_OF(totals)),
                      &parts);
    } else {
        tm_sink_parts(keyed, &(tm_parts_spec_t){.name = "rows"});
        tm_sink_parts(tm_window_aggregate(keyed, "bars", &second, bar, COUNT_OF(bar)), &parts);
    }
    return 0;
}

int main(int argc, char **argv)
{
    return tm_main(argc, argv, build);
}
