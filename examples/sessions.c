/* sessions - bursts of activity per symbol: a session lasts until no trade came for two seconds.

   One row per session: symbol, window_start (its first trade), window_end (its last trade plus the
   gap), trades, volume, sizes (different trade sizes), largest_1 .. largest_3 (trade sizes), open
   and close, and what the function below works out from all of its trades: the longest pause
   between two of them and how often the buying side changed. The first part is incremental; the
   second keeps the trades of a session until it ends.

       sessions --connect wss://stream.binance.com:9443/ws/btcusdt@trade --out sessions
       sessions --replay capture.gz --out sessions --speed max */
#include <tidemark.h>

static const tm_agg_spec_t activity[] = {
    {.as = "trades", .fn = TM_AGG_COUNT},
    {.as = "volume", .fn = TM_AGG_SUM, .field = "qty"},
    {.as = "sizes", .fn = TM_AGG_DISTINCT, .field = "qty"},
    {.as = "largest", .fn = TM_AGG_TOP, .field = "qty", .k = 3},
    {.as = "open", .fn = TM_AGG_FIRST, .field = "price", .by = "trade_id"},
    {.as = "close", .fn = TM_AGG_LAST, .field = "price", .by = "trade_id"},
};

enum { LONGEST_PAUSE_MS, SIDE_CHANGES };

static const tm_result_field_t rhythm_fields[] = {
    [LONGEST_PAUSE_MS] = {.name = "longest_pause_ms", .type = TM_RESULT_INT64},
    [SIDE_CHANGES] = {.name = "side_changes", .type = TM_RESULT_INT64},
};

/* Trades come in order of arrival, which may differ from that of their times by the bound of the
   watermark: a pause is counted where a trade is the latest so far. */
static void rhythm(void *ctx, tm_window_call_t *call)
{
    (void)ctx;
    int64_t pause_ns = 0, changes = 0;
    const tm_trade_t *before = NULL;
    for (const void *row = NULL; (row = tm_window_call_next(call, row));) {
        const tm_trade_t *trade = row;
        if (before && trade->row.event_ns - before->row.event_ns > pause_ns)
            pause_ns = trade->row.event_ns - before->row.event_ns;
        if (before && trade->side != before->side) changes++;
        if (!before || trade->row.event_ns >= before->row.event_ns) before = trade;
    }
    tm_window_call_begin(call);
    tm_window_call_int64(call, LONGEST_PAUSE_MS, pause_ns / TM_MILLISECOND);
    tm_window_call_int64(call, SIDE_CHANGES, changes);
}

static int build(tm_job_t *job)
{
    tm_stream_t *trades = tm_source_feed(job, &(tm_feed_spec_t){
                                                  .name = "trades",
                                                  .rows = TM_ROWS_TRADE,
                                              });
    tm_stream_t *timed = tm_watermarks(trades, &(tm_watermark_spec_t){.bound_ns = TM_SECOND});
    tm_stream_t *by_symbol = tm_key_by(timed, "symbol");
    tm_window_spec_t session = tm_session(2 * TM_SECOND);

    tm_sink_parts(tm_window_aggregate(by_symbol, "activity", &session, activity,
                                      sizeof activity / sizeof activity[0]),
                  &(tm_parts_spec_t){.name = "activity", .bucket_field = "window_start"});
    tm_sink_parts(tm_window(by_symbol, "rhythm",
                            &(tm_windowing_t){
                                .window = session,
                                .process = rhythm,
                                .fields = rhythm_fields,
                                .field_cnt = sizeof rhythm_fields / sizeof rhythm_fields[0],
                            }),
                  &(tm_parts_spec_t){.name = "rhythm", .bucket_field = "window_start"});
    return 0;
}

int main(int argc, char **argv)
{
    return tm_main(argc, argv, build);
}
