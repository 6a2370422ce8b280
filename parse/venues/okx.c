/* OKX v5, public channels.
   Source   okx.com/docs-v5 (order book, trades, public data); recordings of 2022
   Notes    `arg` tells channel and instrument. The books channels are chained by prevSeqId, which
            is -1 in a snapshot; books5 and bbo-tbt are whole each time. The checksum was a CRC-32
            of the top 25 levels and is 0 since 2026. Sizes of derivatives are contracts. A client's
            "ping" is answered by the bare word "pong" */
#include "parse/venues/fields.h"

static const tm_venue_field_t trade[] = {
    {"instId", TM_FORM_SYMBOL, HEADER(symbol), MUST},
    {"ts", TM_FORM_TIME, HEADER(event_ns), MUST},
    {"tradeId", TM_FORM_ID, TRADE(trade_id), MUST},
    {"px", TM_FORM_DECIMAL, TRADE(price_e8), MUST},
    {"sz", TM_FORM_DECIMAL, TRADE(qty_e8), MUST},
    {"side", TM_FORM_SIDE, TRADE(side), MUST},
};

static const tm_venue_field_t book[] = {
    {"instId", TM_FORM_SYMBOL, HEADER(symbol), MUST, OUTER},
    {"action", TM_FORM_SNAPSHOT, DEPTH(snapshot), MAY, OUTER},
    {"ts", TM_FORM_TIME, HEADER(event_ns), MUST},
    {"seqId", TM_FORM_SEQ, DEPTH(last_id), MAY},
    {"prevSeqId", TM_FORM_SEQ, DEPTH(prev_id), MAY},
    {"checksum", TM_FORM_CRC, DEPTH(checksum), MAY},
};

/* Price, size, a zero that is left from older days, and how many orders. */
static const tm_venue_levels_t book_levels[] = {{"bids", .side = TM_SIDE_BUY, .order_at = 3},
                                                {"asks", .side = TM_SIDE_SELL, .order_at = 3}};

static const tm_venue_field_t top[] = {
    {"instId", TM_FORM_SYMBOL, HEADER(symbol), MUST, OUTER},
    {"ts", TM_FORM_TIME, HEADER(event_ns), MUST},
    {"seqId", TM_FORM_SEQ, QUOTE(update_id), MAY},
    {"bids", TM_FORM_TOP, QUOTE(bid_px_e8), MUST},
    {"asks", TM_FORM_TOP, QUOTE(ask_px_e8), MUST},
};

static const tm_venue_field_t ticker[] = {
    {"instId", TM_FORM_SYMBOL, HEADER(symbol), MUST},
    {"ts", TM_FORM_TIME, HEADER(event_ns), MUST},
    {"last", TM_FORM_DECIMAL, TICKER(last_px_e8), MAY},
    {"lastSz", TM_FORM_DECIMAL, TICKER(last_qty_e8), MAY},
    {"bidPx", TM_FORM_DECIMAL, TICKER(bid_px_e8), MAY},
    {"bidSz", TM_FORM_DECIMAL, TICKER(bid_qty_e8), MAY},
    {"askPx", TM_FORM_DECIMAL, TICKER(ask_px_e8), MAY},
    {"askSz", TM_FORM_DECIMAL, TICKER(ask_qty_e8), MAY},
    {"open24h", TM_FORM_DECIMAL, TICKER(open_e8), MAY},
    {"high24h", TM_FORM_DECIMAL, TICKER(high_e8), MAY},
    {"low24h", TM_FORM_DECIMAL, TICKER(low_e8), MAY},
    {"vol24h", TM_FORM_WIDE, TICKER(volume_e8), MAY},
};

static const tm_venue_field_t ticker_quote[] = {
    {"instId", TM_FORM_SYMBOL, HEADER(symbol), MUST},
    {"ts", TM_FORM_TIME, HEADER(event_ns), MUST},
    {"bidPx", TM_FORM_DECIMAL, QUOTE(bid_px_e8), MAY},
    {"bidSz", TM_FORM_DECIMAL, QUOTE(bid_qty_e8), MAY},
    {"askPx", TM_FORM_DECIMAL, QUOTE(ask_px_e8), MAY},
    {"askSz", TM_FORM_DECIMAL, QUOTE(ask_qty_e8), MAY},
};

static const tm_venue_field_t mark[] = {
    {"instId", TM_FORM_SYMBOL, HEADER(symbol), MUST},
    {"ts", TM_FORM_TIME, HEADER(event_ns), MUST},
    {"markPx", TM_FORM_DECIMAL, MARK(mark_px_e8), MUST},
};

static const tm_venue_field_t reply[] = {
    {"id", TM_FORM_LABEL, NOTICE(id), MAY},
    {"code", TM_FORM_SIGNED, NOTICE(code), MAY},
};

static const tm_venue_field_t none[] = {
    {"id", TM_FORM_LABEL, NOTICE(id), MAY},
};

#define CHANGES                                                                                    \
    .counter = "parsed_depth", .chain = TM_CHAIN_PREV, ROWS(DEPTH, book), LEVELS(book_levels)

static const tm_venue_kind_t kinds[] = {
    {.tag = "trades*", .counter = "parsed_trade", ROWS(TRADE, trade)},
    {.tag = "books5",
     .counter = "parsed_depth_snapshot",
     .preset_off = DEPTH(snapshot),
     .preset = 1,
     ROWS(DEPTH, book),
     LEVELS(book_levels)},
    {.tag = "books*", CHANGES},
    {.tag = "bbo-tbt", .counter = "parsed_quote", ROWS(QUOTE, top)},
    {.tag = "tickers", .counter = "parsed_ticker", ROWS(TICKER, ticker), .also_next = true},
    {.tag = "tickers", .counter = "parsed_quote", ROWS(QUOTE, ticker_quote)},
    {.tag = "mark-price", .counter = "parsed_mark", ROWS(MARK, mark)},
    {.tag = "candle*", .counter = "ignored_bar"},
    {.tag = "mark-price-candle*", .counter = "ignored_bar"},
    {.tag = "index-candle*", .counter = "ignored_bar"},
    {.tag = "index-tickers", .counter = "ignored_index_price"},
    {.tag = "funding-rate", .counter = "ignored_funding_rate"},
    {.tag = "open-interest", .counter = "ignored_open_interest"},
    {.tag = "price-limit", .counter = "ignored_price_limit"},
    {.tag = "estimated-price", .counter = "ignored_estimated_price"},
    {.tag = "liquidation-orders", .counter = "ignored_liquidation"},
    {.tag = "instruments", .counter = "ignored_instruments"},
    {.tag = "status", .counter = "parsed_status", SAYS(STATUS, none)},
    {.tag = "subscribe", .counter = "parsed_reply", SAYS(REPLY, reply)},
    {.tag = "unsubscribe", .counter = "parsed_reply", SAYS(REPLY, reply)},
    {.tag = "channel-conn-count", .counter = "parsed_reply", SAYS(REPLY, reply)},
    {.tag = "login", .counter = "parsed_reply", SAYS(REPLY, reply)},
    {.tag = "error", .counter = "parsed_error", SAYS(ERROR, reply)},
    {.tag = "channel-conn-count-error", .counter = "parsed_error", SAYS(ERROR, reply)},
    {.tag = "notice", .counter = "parsed_shutdown", SAYS(SHUTDOWN, reply)},
    {.tag = "pong", .counter = "parsed_heartbeat", SAYS(HEARTBEAT, none)},
};

static const tm_venue_t okx = {
    .name = "okx",
    .tag_key = "event",
    .topic_key = "arg",
    .payload_key = "data",
    .topic = TM_TOPIC_ARG,
    .topic_tag_key = "channel",
    .pong = "pong",
    .kinds = kinds,
    .kind_cnt = TM_ARRAY_CNT(kinds),
};

const tm_venue_t *tm_venue_okx(void)
{
    return &okx;
}
