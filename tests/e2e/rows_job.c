/* rows_job - the job of the end-to-end tests that look at rows: every row as it was parsed, in
   rows/, and one-second bars of the same stream in bars/. $TM_ROWS chooses trade (default), quote,
   or level: of books, which have no bars. */
#include <tidemark.h>

#include <stdlib.h>
#include <string.h>

static const tm_agg_spec_t trade_bar[] = {
    {.as = "open", .fn = TM_AGG_FIRST, .field = "price", .by = "trade_id"},
    {.as = "high", .fn = TM_AGG_MAX, .field = "price"},
    {.as = "low", .fn = TM_AGG_MIN, .field = "price"},
    {.as = "close", .fn = TM_AGG_LAST, .field = "price", .by = "trade_id"},
    {.as = "volume", .fn = TM_AGG_SUM, .field = "qty"},
    {.as = "notional", .fn = TM_AGG_SUM_MUL, .field = "price", .by = "qty"},
    {.as = "trades", .fn = TM_AGG_COUNT},
};

static const tm_agg_spec_t quote_bar[] = {
    {.as = "first_bid", .fn = TM_AGG_FIRST, .field = "bid_price", .by = "update_id"},
    {.as = "last_ask", .fn = TM_AGG_LAST, .field = "ask_price", .by = "update_id"},
    {.as = "quotes", .fn = TM_AGG_COUNT},
};

static int build(tm_job_t *job)
{
    const char *rows = getenv("TM_ROWS");
    const int levels = rows && strcmp(rows, "level") == 0;
    const int quotes = rows && strcmp(rows, "quote") == 0;
    const tm_window_spec_t second = tm_tumbling(TM_SECOND);
    tm_stream_t *in = tm_source_feed(job, &(tm_feed_spec_t){.rows = levels   ? TM_ROWS_LEVEL
                                                                    : quotes ? TM_ROWS_QUOTE
                                                                             : TM_ROWS_TRADE});
    tm_stream_t *timed = tm_watermarks(in, &(tm_watermark_spec_t){.bound_ns = TM_SECOND});
    tm_stream_t *keyed = tm_key_by(timed, "symbol");
    tm_sink_parts(keyed, &(tm_parts_spec_t){.name = "rows", .bucket_field = "recv_time"});
    if (levels) return 0;
    tm_stream_t *bars = quotes ? tm_window_aggregate(keyed, "bars", &second, quote_bar,
                                                     sizeof quote_bar / sizeof quote_bar[0])
                               : tm_window_aggregate(keyed, "bars", &second, trade_bar,
                                                     sizeof trade_bar / sizeof trade_bar[0]);
    tm_sink_parts(bars, &(tm_parts_spec_t){.name = "bars", .bucket_field = "window_start"});
    return 0;
}

int main(int argc, char **argv)
{
    return tm_main(argc, argv, build);
}
