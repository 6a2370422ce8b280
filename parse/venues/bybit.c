/* Bybit, public streams.
   Source   bybit-exchange.github.io/docs/v5/websocket/public; v2's forms from recordings of 2021
   Notes    the topic tells the kind, up to its first point, and the symbol, behind its last. A book
            starts with a snapshot and again where the service restarts (u = 1); `u` rises by one.
            The best bid and offer are the book of depth 1. Trade ids are numbers on spot and UUIDs
            on derivatives, of which the row keeps the first 64 bits. Tickers of derivatives are
            changes: what they do not tell is absent */
#include "parse/venues/fields.h"

static const tm_venue_field_t trade[] = {
    {"s", TM_FORM_SYMBOL, HEADER(symbol), MUST},
    {"T", TM_FORM_TIME, HEADER(event_ns), MUST},
    {"p", TM_FORM_DECIMAL, TRADE(price_e8), MUST},
    {"v", TM_FORM_DECIMAL, TRADE(qty_e8), MUST},
    {"S", TM_FORM_SIDE, TRADE(side), MUST},
    {"i", TM_FORM_TRADE_ID, TRADE(trade_id), MUST},
    {"ts", TM_FORM_TIME, TRADE(publish_ns), MAY, OUTER},
};

static const tm_venue_field_t trade_v2[] = {
    {"symbol", TM_FORM_SYMBOL, HEADER(symbol), MUST},
    {"trade_time_ms", TM_FORM_TIME, HEADER(event_ns), MUST},
    {"price", TM_FORM_DECIMAL, TRADE(price_e8), MUST},
    {"size", TM_FORM_DECIMAL, TRADE(qty_e8), MUST},
    {"side", TM_FORM_SIDE, TRADE(side), MUST},
    {"trade_id", TM_FORM_TRADE_ID, TRADE(trade_id), MUST},
};

static const tm_venue_field_t book[] = {
    {"s", TM_FORM_SYMBOL, HEADER(symbol), MUST},
    {"ts", TM_FORM_TIME, HEADER(event_ns), MAY, OUTER},
    {"cts", TM_FORM_TIME, HEADER(event_ns), MAY, OUTER},
    {"type", TM_FORM_SNAPSHOT, DEPTH(snapshot), MUST, OUTER},
    {"u", TM_FORM_ID, DEPTH(last_id), MUST},
};

static const tm_venue_levels_t book_levels[] = {{"b", .side = TM_SIDE_BUY},
                                                {"a", .side = TM_SIDE_SELL}};

static const tm_venue_field_t book_v2[] = {
    {"topic", TM_FORM_TAIL, HEADER(symbol), MUST, OUTER},
    {"timestamp_e6", TM_FORM_TIME, HEADER(event_ns), MAY, OUTER},
    {"type", TM_FORM_SNAPSHOT, DEPTH(snapshot), MUST, OUTER},
    {"cross_seq", TM_FORM_ID, DEPTH(last_id), MAY, OUTER},
    {"side", TM_FORM_SIDE, LEVEL(side), MUST, PART},
    {"price", TM_FORM_DECIMAL, LEVEL(price_e8), MUST, PART},
    {"size", TM_FORM_DECIMAL, LEVEL(qty_e8), MAY, PART},
};

static const tm_venue_levels_t book_v2_levels[] = {
    {"order_book", .side = TM_SIDE_UNKNOWN},
    {"delete", .side = TM_SIDE_UNKNOWN, .remove = true},
    {"update", .side = TM_SIDE_UNKNOWN},
    {"insert", .side = TM_SIDE_UNKNOWN},
};

static const tm_venue_field_t ticker[] = {
    {"symbol", TM_FORM_SYMBOL, HEADER(symbol), MUST},
    {"ts", TM_FORM_TIME, HEADER(event_ns), MAY, OUTER},
    {"lastPrice", TM_FORM_DECIMAL, TICKER(last_px_e8), MAY},
    {"bid1Price", TM_FORM_DECIMAL, TICKER(bid_px_e8), MAY},
    {"bid1Size", TM_FORM_DECIMAL, TICKER(bid_qty_e8), MAY},
    {"ask1Price", TM_FORM_DECIMAL, TICKER(ask_px_e8), MAY},
    {"ask1Size", TM_FORM_DECIMAL, TICKER(ask_qty_e8), MAY},
    {"prevPrice24h", TM_FORM_DECIMAL, TICKER(open_e8), MAY},
    {"highPrice24h", TM_FORM_DECIMAL, TICKER(high_e8), MAY},
    {"lowPrice24h", TM_FORM_DECIMAL, TICKER(low_e8), MAY},
    {"volume24h", TM_FORM_WIDE, TICKER(volume_e8), MAY},
    {"turnover24h", TM_FORM_WIDE, TICKER(quote_volume_e8), MAY},
};

static const tm_venue_field_t kline[] = {
    {"topic", TM_FORM_TAIL, HEADER(symbol), MUST, OUTER},
    {"ts", TM_FORM_TIME, HEADER(event_ns), MAY, OUTER},
    {"start", TM_FORM_TIME, BAR(open_ns), MUST},
    {"end", TM_FORM_TIME, BAR(close_ns), MUST},
    {"interval", TM_FORM_INTERVAL, BAR(interval_ns), MUST},
    {"open", TM_FORM_DECIMAL, BAR(open_e8), MUST},
    {"high", TM_FORM_DECIMAL, BAR(high_e8), MUST},
    {"low", TM_FORM_DECIMAL, BAR(low_e8), MUST},
    {"close", TM_FORM_DECIMAL, BAR(close_e8), MUST},
    {"volume", TM_FORM_WIDE, BAR(volume_e8), MAY},
    {"turnover", TM_FORM_WIDE, BAR(quote_volume_e8), MAY},
    {"confirm", TM_FORM_FLAG, BAR(closed), MUST},
};

static const tm_venue_field_t liquidation[] = {
    {"s", TM_FORM_SYMBOL, HEADER(symbol), MUST},
    {"T", TM_FORM_TIME, HEADER(event_ns), MUST},
    {"S", TM_FORM_SIDE, LIQUIDATION(side), MUST},
    {"v", TM_FORM_DECIMAL, LIQUIDATION(qty_e8), MUST},
    {"p", TM_FORM_DECIMAL, LIQUIDATION(price_e8), MUST},
};

static const tm_venue_field_t reply[] = {
    {"req_id", TM_FORM_LABEL, NOTICE(id), MAY},
};

static const tm_venue_kind_t kinds[] = {
    {.tag = "publicTrade", .counter = "parsed_trade", ROWS(TRADE, trade)},
    {.tag = "orderbook",
     .counter = "parsed_depth",
     .chain = TM_CHAIN_STEP,
     ROWS(DEPTH, book),
     LEVELS(book_levels)},
    {.tag = "tickers", .counter = "parsed_ticker", ROWS(TICKER, ticker)},
    {.tag = "kline", .counter = "parsed_bar", ROWS(BAR, kline)},
    {.tag = "allLiquidation", .counter = "parsed_liquidation", ROWS(LIQUIDATION, liquidation)},
    {.tag = "liquidation", .counter = "ignored_liquidation"},
    {.tag = "trade", .counter = "parsed_trade", ROWS(TRADE, trade_v2)},
    {.tag = "orderBook*", .counter = "parsed_depth", ROWS(DEPTH, book_v2), LEVELS(book_v2_levels)},
    {.keys = "success op ret_msg", .counter = "parsed_reply", SAYS(REPLY, reply)},
    {.keys = "success ret_msg", .counter = "parsed_reply", SAYS(REPLY, reply)},
    {.keys = "op", .counter = "parsed_heartbeat", SAYS(HEARTBEAT, reply)},
};

static const tm_venue_t bybit = {
    .name = "bybit",
    .topic_key = "topic",
    .payload_key = "data",
    .topic = TM_TOPIC_KIND,
    .topic_end = '.',
    .kinds = kinds,
    .kind_cnt = TM_ARRAY_CNT(kinds),
};

const tm_venue_t *tm_venue_bybit(void)
{
    return &bybit;
}
