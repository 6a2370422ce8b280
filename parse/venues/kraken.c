/* Kraken spot: v2, and the books of v1.
   Source   docs.kraken.com/api (websocket v2); recordings of v1 of 2021
   Notes    v2 writes prices as JSON numbers, read as decimals like any other. Books have no ids: a
            CRC-32 of the top ten levels tells whether one is right, and it is taken from the digits
            as they are written, so those behind the point are counted. v1 sends arrays, [channel,
            {book}, "book-1000", "XBT/USD"], where a second {book} may follow */
#include "parse/venues/fields.h"

static const tm_venue_field_t trade[] = {
    {"symbol", TM_FORM_SYMBOL, HEADER(symbol), MUST},
    {"timestamp", TM_FORM_TIME_TEXT, HEADER(event_ns), MUST},
    {"trade_id", TM_FORM_ID, TRADE(trade_id), MUST},
    {"price", TM_FORM_DECIMAL, TRADE(price_e8), MUST},
    {"qty", TM_FORM_DECIMAL, TRADE(qty_e8), MUST},
    {"side", TM_FORM_SIDE, TRADE(side), MUST},
};

static const tm_venue_field_t book[] = {
    {"type", TM_FORM_SNAPSHOT, DEPTH(snapshot), MUST, OUTER},
    {"symbol", TM_FORM_SYMBOL, HEADER(symbol), MUST},
    {"timestamp", TM_FORM_TIME_TEXT, HEADER(event_ns), MAY},
    {"checksum", TM_FORM_CRC, DEPTH(checksum), MUST},
    {"price", TM_FORM_DECIMAL, LEVEL(price_e8), MUST, PART},
    {"qty", TM_FORM_DECIMAL, LEVEL(qty_e8), MUST, PART},
};

static const tm_venue_levels_t book_levels[] = {{"bids", .side = TM_SIDE_BUY},
                                                {"asks", .side = TM_SIDE_SELL}};

static const tm_venue_field_t ticker[] = {
    {"symbol", TM_FORM_SYMBOL, HEADER(symbol), MUST},
    {"timestamp", TM_FORM_TIME_TEXT, HEADER(event_ns), MAY},
    {"last", TM_FORM_DECIMAL, TICKER(last_px_e8), MAY},
    {"bid", TM_FORM_DECIMAL, TICKER(bid_px_e8), MAY},
    {"bid_qty", TM_FORM_DECIMAL, TICKER(bid_qty_e8), MAY},
    {"ask", TM_FORM_DECIMAL, TICKER(ask_px_e8), MAY},
    {"ask_qty", TM_FORM_DECIMAL, TICKER(ask_qty_e8), MAY},
    {"high", TM_FORM_DECIMAL, TICKER(high_e8), MAY},
    {"low", TM_FORM_DECIMAL, TICKER(low_e8), MAY},
    {"change", TM_FORM_DECIMAL, TICKER(change_e8), MAY},
    {"volume", TM_FORM_WIDE, TICKER(volume_e8), MAY},
};

static const tm_venue_field_t ticker_quote[] = {
    {"symbol", TM_FORM_SYMBOL, HEADER(symbol), MUST},
    {"timestamp", TM_FORM_TIME_TEXT, HEADER(event_ns), MAY},
    {"bid", TM_FORM_DECIMAL, QUOTE(bid_px_e8), MUST},
    {"bid_qty", TM_FORM_DECIMAL, QUOTE(bid_qty_e8), MUST},
    {"ask", TM_FORM_DECIMAL, QUOTE(ask_px_e8), MUST},
    {"ask_qty", TM_FORM_DECIMAL, QUOTE(ask_qty_e8), MUST},
};

static const tm_venue_field_t reply[] = {
    {"req_id", TM_FORM_LABEL, NOTICE(id), MAY},
    {"time_out", TM_FORM_TIME_TEXT, HEADER(event_ns), MAY},
};

static const tm_venue_field_t book_v1[] = {
    {"pair", TM_FORM_SYMBOL, HEADER(symbol), MUST, OUTER},
    {"c", TM_FORM_CRC, DEPTH(checksum), MAY},
};

static const tm_venue_levels_t whole_v1[] = {{"bs", .side = TM_SIDE_BUY, .time_at = 2},
                                             {"as", .side = TM_SIDE_SELL, .time_at = 2}};
static const tm_venue_levels_t changes_v1[] = {{"b", .side = TM_SIDE_BUY, .time_at = 2},
                                               {"a", .side = TM_SIDE_SELL, .time_at = 2}};

static const tm_venue_kind_t kinds[] = {
    {.tag = "trade", .counter = "parsed_trade", ROWS(TRADE, trade)},
    {.tag = "book",
     .counter = "parsed_depth",
     .digits = true,
     ROWS(DEPTH, book),
     LEVELS(book_levels)},
    {.tag = "ticker", .counter = "parsed_ticker", ROWS(TICKER, ticker), .also_next = true},
    {.tag = "ticker", .counter = "parsed_quote", ROWS(QUOTE, ticker_quote)},
    {.tag = "ohlc", .counter = "ignored_bar"},
    {.tag = "instrument", .counter = "ignored_instruments"},
    {.tag = "level3", .counter = "ignored_level3"},
    {.tag = "status", .counter = "parsed_status", SAYS(STATUS, reply)},
    {.tag = "heartbeat", .counter = "parsed_heartbeat", SAYS(HEARTBEAT, reply)},
    {.keys = "method error", .counter = "parsed_error", SAYS(ERROR, reply)},
    {.keys = "method success", .counter = "parsed_reply", SAYS(REPLY, reply)},
    {.keys = "method", .counter = "parsed_heartbeat", SAYS(HEARTBEAT, reply)},
    {.tag = "book-*",
     .counter = "parsed_depth_snapshot",
     .positional = true,
     .digits = true,
     .keys = "as bs",
     .preset_off = DEPTH(snapshot),
     .preset = 1,
     ROWS(DEPTH, book_v1),
     LEVELS(whole_v1)},
    {.tag = "book-*",
     .counter = "parsed_depth",
     .positional = true,
     .digits = true,
     ROWS(DEPTH, book_v1),
     LEVELS(changes_v1)},
    {.tag = "trade", .counter = "ignored_trade", .positional = true},
    {.tag = "ticker", .counter = "ignored_ticker", .positional = true},
    {.tag = "spread", .counter = "ignored_quote", .positional = true},
    {.tag = "ohlc-*", .counter = "ignored_bar", .positional = true},
    {.keys = "event errorMessage", .counter = "parsed_error", SAYS(ERROR, reply)},
    {.keys = "event pair", .counter = "parsed_reply", SAYS(REPLY, reply)},
    {.keys = "event connectionID", .counter = "parsed_status", SAYS(STATUS, reply)},
    {.keys = "event", .counter = "parsed_heartbeat", SAYS(HEARTBEAT, reply)},
};

static const tm_venue_t kraken = {
    .name = "kraken",
    .tag_key = "channel",
    .topic_key = "channel",
    .payload_key = "data",
    .topic = TM_TOPIC_KIND,
    .position_key = "pair",
    .kinds = kinds,
    .kind_cnt = TM_ARRAY_CNT(kinds),
};

const tm_venue_t *tm_venue_kraken(void)
{
    return &kraken;
}
