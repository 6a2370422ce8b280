/* Binance: spot, USD-M and COIN-M futures.
   Source   binance-spot-api-docs web-socket-streams.md and developers.binance.com (futures market
            streams); both were checked against recorded feeds of 2023 and 2024
   Notes    spot bookTicker has neither "e" nor a time: it is known by its keys and its event time
            is the receive time. A partial book has no symbol inside on spot: the stream's name has
            it; on futures it looks like an update, and only the stream's name says that it is a
            whole book. Times are ms, or us where the stream was opened with timeUnit=MICROSECOND.
            Futures send T (matching) and E (publishing); T is the event's own time and wins */
#include "parse/venues/fields.h"

static const tm_venue_field_t trade[] = {
    {"s", TM_FORM_SYMBOL, HEADER(symbol), MUST},   {"T", TM_FORM_TIME, HEADER(event_ns), MUST},
    {"E", TM_FORM_TIME, TRADE(publish_ns), MAY},   {"t", TM_FORM_ID, TRADE(trade_id), MUST},
    {"p", TM_FORM_DECIMAL, TRADE(price_e8), MUST}, {"q", TM_FORM_DECIMAL, TRADE(qty_e8), MUST},
    {"m", TM_FORM_BUYER_MAKER, TRADE(side), MAY},
};

static const tm_venue_field_t agg_trade[] = {
    {"s", TM_FORM_SYMBOL, HEADER(symbol), MUST},
    {"T", TM_FORM_TIME, HEADER(event_ns), MUST},
    {"a", TM_FORM_ID, AGG_TRADE(agg_id), MUST},
    {"p", TM_FORM_DECIMAL, AGG_TRADE(price_e8), MUST},
    {"q", TM_FORM_DECIMAL, AGG_TRADE(qty_e8), MUST},
    {"f", TM_FORM_ID, AGG_TRADE(first_trade_id), MUST},
    {"l", TM_FORM_LAST_ID, AGG_TRADE(trade_cnt), MUST},
    {"m", TM_FORM_BUYER_MAKER, AGG_TRADE(side), MAY},
};

static const tm_venue_field_t quote[] = {
    {"s", TM_FORM_SYMBOL, HEADER(symbol), MUST},    {"E", TM_FORM_TIME, HEADER(event_ns), MAY},
    {"T", TM_FORM_TIME, HEADER(event_ns), MAY},     {"u", TM_FORM_ID, QUOTE(update_id), MUST},
    {"b", TM_FORM_DECIMAL, QUOTE(bid_px_e8), MUST}, {"B", TM_FORM_DECIMAL, QUOTE(bid_qty_e8), MUST},
    {"a", TM_FORM_DECIMAL, QUOTE(ask_px_e8), MUST}, {"A", TM_FORM_DECIMAL, QUOTE(ask_qty_e8), MUST},
};

static const tm_venue_field_t update[] = {
    {"s", TM_FORM_SYMBOL, HEADER(symbol), MUST},
    {"E", TM_FORM_TIME, HEADER(event_ns), MAY},
    {"T", TM_FORM_TIME, HEADER(event_ns), MAY},
    {"U", TM_FORM_ID, DEPTH(first_id), MUST},
    {"u", TM_FORM_ID, DEPTH(last_id), MUST},
    {"pu", TM_FORM_ID, DEPTH(prev_id), MAY},
    {"stream", TM_FORM_PARTIAL, DEPTH(snapshot), MAY, OUTER},
};

static const tm_venue_levels_t update_levels[] = {{"b", .side = TM_SIDE_BUY},
                                                  {"a", .side = TM_SIDE_SELL}};

/* A partial book of spot, or the answer to a request for the whole one. */
static const tm_venue_field_t book[] = {
    {"stream", TM_FORM_STREAM, HEADER(symbol), MAY, OUTER},
    {"symbol", TM_FORM_SYMBOL, HEADER(symbol), MAY},
    {"E", TM_FORM_TIME, HEADER(event_ns), MAY},
    {"T", TM_FORM_TIME, HEADER(event_ns), MAY},
    {"lastUpdateId", TM_FORM_ID, DEPTH(last_id), MUST},
};

static const tm_venue_levels_t book_levels[] = {{"bids", .side = TM_SIDE_BUY},
                                                {"asks", .side = TM_SIDE_SELL}};

static const tm_venue_field_t mark[] = {
    {"s", TM_FORM_SYMBOL, HEADER(symbol), MUST},
    {"E", TM_FORM_TIME, HEADER(event_ns), MUST},
    {"p", TM_FORM_DECIMAL, MARK(mark_px_e8), MUST},
    {"i", TM_FORM_DECIMAL, MARK(index_px_e8), MAY},
    {"P", TM_FORM_DECIMAL, MARK(settle_px_e8), MAY},
    {"r", TM_FORM_DECIMAL, MARK(funding_rate_e8), MAY},
    {"T", TM_FORM_TIME, MARK(next_funding_ns), MAY},
};

static const tm_venue_field_t force_order[] = {
    {"E", TM_FORM_TIME, HEADER(event_ns), MUST},
    {"s", TM_FORM_SYMBOL, HEADER(symbol), MUST, PART},
    {"T", TM_FORM_TIME, HEADER(event_ns), MAY, PART},
    {"S", TM_FORM_SIDE, LIQUIDATION(side), MUST, PART},
    {"p", TM_FORM_DECIMAL, LIQUIDATION(price_e8), MUST, PART},
    {"ap", TM_FORM_DECIMAL, LIQUIDATION(avg_px_e8), MAY, PART},
    {"q", TM_FORM_DECIMAL, LIQUIDATION(qty_e8), MUST, PART},
    {"z", TM_FORM_DECIMAL, LIQUIDATION(filled_qty_e8), MAY, PART},
};

static const tm_venue_field_t kline[] = {
    {"E", TM_FORM_TIME, HEADER(event_ns), MUST},
    {"s", TM_FORM_SYMBOL, HEADER(symbol), MAY},
    {"ps", TM_FORM_SYMBOL, HEADER(symbol), MAY},
    {"t", TM_FORM_TIME, BAR(open_ns), MUST, PART},
    {"T", TM_FORM_TIME, BAR(close_ns), MUST, PART},
    {"i", TM_FORM_INTERVAL, BAR(interval_ns), MUST, PART},
    {"o", TM_FORM_DECIMAL, BAR(open_e8), MUST, PART},
    {"h", TM_FORM_DECIMAL, BAR(high_e8), MUST, PART},
    {"l", TM_FORM_DECIMAL, BAR(low_e8), MUST, PART},
    {"c", TM_FORM_DECIMAL, BAR(close_e8), MUST, PART},
    {"v", TM_FORM_WIDE, BAR(volume_e8), MAY, PART},
    {"q", TM_FORM_WIDE, BAR(quote_volume_e8), MAY, PART},
    {"V", TM_FORM_WIDE, BAR(taker_volume_e8), MAY, PART},
    {"Q", TM_FORM_WIDE, BAR(taker_quote_volume_e8), MAY, PART},
    {"n", TM_FORM_ID, BAR(trade_cnt), MAY, PART},
    {"f", TM_FORM_SEQ, BAR(first_trade_id), MAY, PART}, /* -1 where there was no trade */
    {"L", TM_FORM_SEQ, BAR(last_trade_id), MAY, PART},
    {"x", TM_FORM_FLAG, BAR(closed), MUST, PART},
};

/* All forms of tickers: the mini one has some of the fields. */
static const tm_venue_field_t ticker[] = {
    {"s", TM_FORM_SYMBOL, HEADER(symbol), MUST},
    {"E", TM_FORM_TIME, HEADER(event_ns), MUST},
    {"O", TM_FORM_TIME, TICKER(open_ns), MAY},
    {"C", TM_FORM_TIME, TICKER(close_ns), MAY},
    {"c", TM_FORM_DECIMAL, TICKER(last_px_e8), MUST},
    {"Q", TM_FORM_DECIMAL, TICKER(last_qty_e8), MAY},
    {"b", TM_FORM_DECIMAL, TICKER(bid_px_e8), MAY},
    {"B", TM_FORM_DECIMAL, TICKER(bid_qty_e8), MAY},
    {"a", TM_FORM_DECIMAL, TICKER(ask_px_e8), MAY},
    {"A", TM_FORM_DECIMAL, TICKER(ask_qty_e8), MAY},
    {"o", TM_FORM_DECIMAL, TICKER(open_e8), MUST},
    {"h", TM_FORM_DECIMAL, TICKER(high_e8), MUST},
    {"l", TM_FORM_DECIMAL, TICKER(low_e8), MUST},
    {"x", TM_FORM_DECIMAL, TICKER(prev_close_e8), MAY},
    {"p", TM_FORM_DECIMAL, TICKER(change_e8), MAY},
    {"P", TM_FORM_DECIMAL, TICKER(change_pct_e8), MAY},
    {"w", TM_FORM_DECIMAL, TICKER(weighted_avg_e8), MAY},
    {"v", TM_FORM_WIDE, TICKER(volume_e8), MAY},
    {"q", TM_FORM_WIDE, TICKER(quote_volume_e8), MAY},
    {"F", TM_FORM_SEQ, TICKER(first_trade_id), MAY},
    {"L", TM_FORM_SEQ, TICKER(last_trade_id), MAY},
    {"n", TM_FORM_ID, TICKER(trade_cnt), MAY},
};

static const tm_venue_field_t avg_price[] = {
    {"s", TM_FORM_SYMBOL, HEADER(symbol), MUST},
    {"E", TM_FORM_TIME, HEADER(event_ns), MUST},
    {"w", TM_FORM_DECIMAL, TICKER(weighted_avg_e8), MUST},
    {"T", TM_FORM_TIME, TICKER(close_ns), MAY},
};

/* Errors are documented flat and come nested. */
static const tm_venue_field_t reply[] = {
    {"E", TM_FORM_TIME, HEADER(event_ns), MAY},
    {"id", TM_FORM_LABEL, NOTICE(id), MAY},
    {"code", TM_FORM_SIGNED, NOTICE(code), MAY},
};

static const tm_venue_field_t nested_error[] = {
    {"id", TM_FORM_LABEL, NOTICE(id), MAY},
    {"code", TM_FORM_SIGNED, NOTICE(code), MAY, PART},
};

#define TICKER_ROW .counter = "parsed_ticker", ROWS(TICKER, ticker)
#define BAR_ROW    .counter = "parsed_bar", .part = "k", ROWS(BAR, kline)

static const tm_venue_kind_t kinds[] = {
    {.tag = "trade", .counter = "parsed_trade", ROWS(TRADE, trade)},
    {.tag = "bookTicker", .counter = "parsed_quote", ROWS(QUOTE, quote)},
    {.keys = "u s b B a A", .counter = "parsed_quote", ROWS(QUOTE, quote)},
    {.tag = "depthUpdate",
     .counter = "parsed_depth",
     .chain = TM_CHAIN_RANGE,
     ROWS(DEPTH, update),
     LEVELS(update_levels)},
    {.keys = "lastUpdateId",
     .counter = "parsed_depth_snapshot",
     .preset_off = DEPTH(snapshot),
     .preset = 1,
     ROWS(DEPTH, book),
     LEVELS(book_levels)},
    {.tag = "aggTrade", .counter = "parsed_agg_trade", ROWS(AGG_TRADE, agg_trade)},
    {.tag = "markPriceUpdate", .counter = "parsed_mark", ROWS(MARK, mark)},
    {.tag = "kline", BAR_ROW},
    {.tag = "continuous_kline", BAR_ROW},
    {.tag = "24hrTicker", TICKER_ROW},
    {.tag = "24hrMiniTicker", TICKER_ROW},
    {.tag = "1hTicker", TICKER_ROW},
    {.tag = "4hTicker", TICKER_ROW},
    {.tag = "1dTicker", TICKER_ROW},
    {.tag = "avgPrice", .counter = "parsed_ticker", ROWS(TICKER, avg_price)},
    {.tag = "forceOrder",
     .counter = "parsed_liquidation",
     .part = "o",
     ROWS(LIQUIDATION, force_order)},
    {.tag = "referencePrice", .counter = "ignored_reference_price"},
    {.tag = "blockTrade", .counter = "ignored_block_trade"},
    {.tag = "indexPriceUpdate", .counter = "ignored_index_price"},
    {.tag = "contractInfo", .counter = "ignored_contract"},
    {.tag = "serverShutdown", .counter = "parsed_shutdown", SAYS(SHUTDOWN, reply)},
    {.keys = "error", .counter = "parsed_error", .part = "error", SAYS(ERROR, nested_error)},
    {.keys = "code msg", .counter = "parsed_error", SAYS(ERROR, reply)},
    {.keys = "result id", .counter = "parsed_reply", SAYS(REPLY, reply)},
};

static const tm_venue_t binance = {
    .name = "binance",
    .tag_key = "e",
    .topic_key = "stream",
    .payload_key = "data",
    .kinds = kinds,
    .kind_cnt = TM_ARRAY_CNT(kinds),
};

const tm_venue_t *tm_venue_binance(void)
{
    return &binance;
}
