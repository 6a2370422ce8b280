/* bars - one-second bars per symbol from a trade feed, as Parquet part files.

   One row per symbol and second with at least one trade: symbol, window_start, window_end, open,
   high, low, close, volume, notional, trades. Open and close are taken in order of (event time,
   trade id), so the result does not depend on the order in which trades arrive.

       bars --connect wss://stream.binance.com:9443/ws/btcusdt@trade --out bars
       bars --replay capture.gz --out bars --speed max */
#include <tidemark.h>

static const tm_agg_spec_t bar[] = {
    {.as = "open", .fn = TM_AGG_FIRST, .field = "price", .by = "trade_id"},
    {.as = "high", .fn = TM_AGG_MAX, .field = "price"},
    {.as = "low", .fn = TM_AGG_MIN, .field = "price"},
    {.as = "close", .fn = TM_AGG_LAST, .field = "price", .by = "trade_id"},
    {.as = "volume", .fn = TM_AGG_SUM, .field = "qty"},
    {.as = "notional", .fn = TM_AGG_SUM_MUL, .field = "price", .by = "qty"},
    {.as = "trades", .fn = TM_AGG_COUNT},
};

static int build(tm_job_t *job)
{
    tm_stream_t *trades = tm_source_feed(job, &(tm_feed_spec_t){
                                                  .name = "trades",
                                                  .rows = TM_ROWS_TRADE,
                                              });
    tm_stream_t *timed = tm_watermarks(trades, &(tm_watermark_spec_t){.bound_ns = TM_SECOND});
    tm_stream_t *by_symbol = tm_key_by(timed, "symbol");

    tm_window_spec_t second = tm_tumbling(TM_SECOND);
    tm_stream_t *bars = tm_window_aggregate(by_symbol, "bars", &second, bar,
                                            sizeof bar / sizeof bar[0]);

    tm_sink_parts(bars, &(tm_parts_spec_t){.bucket_field = "window_start"});
    return 0;
}

int main(int argc, char **argv)
{
    return tm_main(argc, argv, build);
}
