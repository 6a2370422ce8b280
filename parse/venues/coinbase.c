/* Coinbase: Advanced Trade, and the flat messages of the Exchange feed.
   Source   docs.cdp.coinbase.com (advanced-trade-apis, exchange/websocket-feed); recordings of 2021
   Notes    Advanced Trade numbers the messages of a connection over all channels; book rows carry
            that number as last_id, and the parser counts what is missing (sequence_gaps). The side
            of a trade is the maker's. A snapshot of a book is one message of megabytes */
#include "parse/venues/fields.h"

static const tm_venue_field_t trade[] = {
    {"timestamp", TM_FORM_TIME_TEXT, TRADE(publish_ns), MAY, OUTER},
    {"product_id", TM_FORM_SYMBOL, HEADER(symbol), MUST, PART},
    {"time", TM_FORM_TIME_TEXT, HEADER(event_ns), MUST, PART},
    {"trade_id", TM_FORM_ID, TRADE(trade_id), MUST, PART},
    {"price", TM_FORM_DECIMAL, TRADE(price_e8), MUST, PART},
    {"size", TM_FORM_DECIMAL, TRADE(qty_e8), MUST, PART},
    {"side", TM_FORM_MAKER, TRADE(side), MAY, PART},
};

static const tm_venue_field_t book[] = {
    {"timestamp", TM_FORM_TIME_TEXT, HEADER(event_ns), MUST, OUTER},
    {"sequence_num", TM_FORM_ID, DEPTH(last_id), MAY, OUTER},
    {"product_id", TM_FORM_SYMBOL, HEADER(symbol), MUST},
    {"type", TM_FORM_SNAPSHOT, DEPTH(snapshot), MUST},
    {"side", TM_FORM_SIDE, LEVEL(side), MUST, PART},
    {"price_level", TM_FORM_DECIMAL, LEVEL(price_e8), MUST, PART},
    {"new_quantity", TM_FORM_DECIMAL, LEVEL(qty_e8), MUST, PART},
    {"event_time", TM_FORM_TIME_TEXT, HEADER(event_ns), MAY, PART},
};

static const tm_venue_levels_t book_levels[] = {{"updates", .side = TM_SIDE_UNKNOWN}};

static const tm_venue_field_t ticker[] = {
    {"timestamp", TM_FORM_TIME_TEXT, HEADER(event_ns), MUST, OUTER},
    {"product_id", TM_FORM_SYMBOL, HEADER(symbol), MUST, PART},
    {"price", TM_FORM_DECIMAL, TICKER(last_px_e8), MAY, PART},
    {"best_bid", TM_FORM_DECIMAL, TICKER(bid_px_e8), MAY, PART},
    {"best_bid_quantity", TM_FORM_DECIMAL, TICKER(bid_qty_e8), MAY, PART},
    {"best_ask", TM_FORM_DECIMAL, TICKER(ask_px_e8), MAY, PART},
    {"best_ask_quantity", TM_FORM_DECIMAL, TICKER(ask_qty_e8), MAY, PART},
    {"high_24_h", TM_FORM_DECIMAL, TICKER(high_e8), MAY, PART},
    {"low_24_h", TM_FORM_DECIMAL, TICKER(low_e8), MAY, PART},
    {"volume_24_h", TM_FORM_WIDE, TICKER(volume_e8), MAY, PART},
};

static const tm_venue_field_t ticker_quote[] = {
    {"timestamp", TM_FORM_TIME_TEXT, HEADER(event_ns), MUST, OUTER},
    {"sequence_num", TM_FORM_ID, QUOTE(update_id), MAY, OUTER},
    {"product_id", TM_FORM_SYMBOL, HEADER(symbol), MUST, PART},
    {"best_bid", TM_FORM_DECIMAL, QUOTE(bid_px_e8), MAY, PART},
    {"best_bid_quantity", TM_FORM_DECIMAL, QUOTE(bid_qty_e8), MAY, PART},
    {"best_ask", TM_FORM_DECIMAL, QUOTE(ask_px_e8), MAY, PART},
    {"best_ask_quantity", TM_FORM_DECIMAL, QUOTE(ask_qty_e8), MAY, PART},
};

static const tm_venue_field_t notice[] = {
    {"timestamp", TM_FORM_TIME_TEXT, HEADER(event_ns), MAY, OUTER},
    {"sequence_num", TM_FORM_ID, NOTICE(seq), MAY, OUTER},
};

/* ---- the Exchange feed ----------------------------------------------------------------------- */

static const tm_venue_field_t match[] = {
    {"product_id", TM_FORM_SYMBOL, HEADER(symbol), MUST},
    {"time", TM_FORM_TIME_TEXT, HEADER(event_ns), MUST},
    {"trade_id", TM_FORM_ID, TRADE(trade_id), MUST},
    {"price", TM_FORM_DECIMAL, TRADE(price_e8), MUST},
    {"size", TM_FORM_DECIMAL, TRADE(qty_e8), MUST},
    {"side", TM_FORM_MAKER, TRADE(side), MUST},
};

static const tm_venue_field_t flat_book[] = {
    {"product_id", TM_FORM_SYMBOL, HEADER(symbol), MUST},
    {"time", TM_FORM_TIME_TEXT, HEADER(event_ns), MAY},
    {"type", TM_FORM_SNAPSHOT, DEPTH(snapshot), MUST},
};

static const tm_venue_levels_t flat_book_levels[] = {
    {"bids", .side = TM_SIDE_BUY},
    {"asks", .side = TM_SIDE_SELL},
    {"changes", .side = TM_SIDE_UNKNOWN, .price_at = 1},
};

static const tm_venue_field_t flat_ticker[] = {
    {"product_id", TM_FORM_SYMBOL, HEADER(symbol), MUST},
    {"time", TM_FORM_TIME_TEXT, HEADER(event_ns), MAY},
    {"price", TM_FORM_DECIMAL, TICKER(last_px_e8), MUST},
    {"last_size", TM_FORM_DECIMAL, TICKER(last_qty_e8), MAY},
    {"best_bid", TM_FORM_DECIMAL, TICKER(bid_px_e8), MAY},
    {"best_bid_size", TM_FORM_DECIMAL, TICKER(bid_qty_e8), MAY},
    {"best_ask", TM_FORM_DECIMAL, TICKER(ask_px_e8), MAY},
    {"best_ask_size", TM_FORM_DECIMAL, TICKER(ask_qty_e8), MAY},
    {"open_24h", TM_FORM_DECIMAL, TICKER(open_e8), MAY},
    {"high_24h", TM_FORM_DECIMAL, TICKER(high_e8), MAY},
    {"low_24h", TM_FORM_DECIMAL, TICKER(low_e8), MAY},
    {"volume_24h", TM_FORM_WIDE, TICKER(volume_e8), MAY},
    {"trade_id", TM_FORM_ID, TICKER(last_trade_id), MAY},
};

static const tm_venue_field_t flat_notice[] = {
    {"product_id", TM_FORM_SYMBOL, HEADER(symbol), MAY},
    {"time", TM_FORM_TIME_TEXT, HEADER(event_ns), MAY},
    {"sequence", TM_FORM_ID, NOTICE(seq), MAY},
};

#define TRADES                 .counter = "parsed_trade", .part = "trades", ROWS(TRADE, trade)
#define TICKERS(table, SCHEMA) .part = "tickers", ROWS(SCHEMA, table)
#define BOTH                                                                                       \
    .counter = "parsed_ticker", .also_next = true, .keys = "tickers", TICKERS(ticker, TICKER)
#define FLAT_BOOK ROWS(DEPTH, flat_book), LEVELS(flat_book_levels)

static const tm_venue_kind_t kinds[] = {
    {.tag = "market_trades", TRADES},
    {.tag = "l2_data", .counter = "parsed_depth", ROWS(DEPTH, book), LEVELS(book_levels)},
    /* The Exchange feed's ticker has the same tag and is flat. */
    {.tag = "ticker", BOTH},
    {.tag = "ticker", .counter = "parsed_quote", .keys = "tickers", TICKERS(ticker_quote, QUOTE)},
    {.tag = "ticker", .counter = "parsed_ticker", ROWS(TICKER, flat_ticker)},
    {.tag = "ticker_batch", BOTH},
    {.tag = "ticker_batch",
     .counter = "parsed_quote",
     .keys = "tickers",
     TICKERS(ticker_quote, QUOTE)},
    {.tag = "candles", .counter = "ignored_bar"},
    {.tag = "status", .counter = "parsed_status", SAYS(STATUS, notice)},
    {.tag = "user", .counter = "ignored_user"},
    {.tag = "heartbeats", .counter = "parsed_heartbeat", SAYS(HEARTBEAT, notice)},
    {.tag = "subscriptions", .counter = "parsed_reply", SAYS(REPLY, notice)},
    {.tag = "error", .counter = "parsed_error", SAYS(ERROR, flat_notice)},
    {.tag = "match", .counter = "parsed_trade", ROWS(TRADE, match)},
    {.tag = "last_match", .counter = "parsed_last_trade", ROWS(TRADE, match)},
    {.tag = "snapshot", .counter = "parsed_depth_snapshot", FLAT_BOOK},
    {.tag = "l2update", .counter = "parsed_depth", FLAT_BOOK},
    {.tag = "heartbeat", .counter = "parsed_heartbeat", SAYS(HEARTBEAT, flat_notice)},
};

static const tm_venue_t coinbase = {
    .name = "coinbase",
    .tag_key = "type",
    .topic_key = "channel",
    .payload_key = "events",
    .topic = TM_TOPIC_KIND,
    .seq_key = "sequence_num",
    .kinds = kinds,
    .kind_cnt = TM_ARRAY_CNT(kinds),
};

const tm_venue_t *tm_venue_coinbase(void)
{
    return &coinbase;
}
