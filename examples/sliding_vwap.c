/* sliding_vwap - the volume-weighted average price of the last minute per symbol, every second.

   One row per symbol and second in whose minute there was a trade: symbol, window_start,
   window_end, vwap, volume, high, low, deviation (of the price, sample), trades. A trade that
   comes up to five seconds after its window has fired makes the row again, with the same
   window_start; later ones go to the folder `late`.

       sliding_vwap --connect wss://stream.binance.com:9443/ws/btcusdt@trade --out vwap
       sliding_vwap --replay capture.gz --out vwap --speed max */
#include <tidemark.h>

static const tm_agg_spec_t minute[] = {
    {.as = "vwap", .fn = TM_AGG_VWAP, .field = "price", .by = "qty"},
    {.as = "volume", .fn = TM_AGG_SUM, .field = "qty"},
    {.as = "high", .fn = TM_AGG_MAX, .field = "price"},
    {.as = "low", .fn = TM_AGG_MIN, .field = "price"},
    {.as = "deviation", .fn = TM_AGG_STDDEV, .field = "price"},
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

    tm_window_spec_t window = tm_sliding(TM_MINUTE, TM_SECOND);
    window.lateness_ns = 5 * TM_SECOND;
    tm_stream_t *vwap = tm_window_aggregate(by_symbol, "vwap", &window, minute,
                                            sizeof minute / sizeof minute[0]);

    tm_sink_parts(vwap, &(tm_parts_spec_t){.bucket_field = "window_end"});
    tm_sink_parts(tm_side_output(vwap, "late"), &(tm_parts_spec_t){.name = "late"});
    return 0;
}

int main(int argc, char **argv)
{
    return tm_main(argc, argv, build);
}
