#include "parse/venues/binance.h"

static const tm_venue_field_t trade_fields[] = {
    {"s", TM_FORM_SYMBOL, offsetof(tm_row_t, symbol), true},
    {"T", TM_FORM_TIME, offsetof(tm_row_t, event_ns), true},
    {"E", TM_FORM_TIME, offsetof(tm_trade_t, publish_ns), false},
    {"t", TM_FORM_ID, offsetof(tm_trade_t, trade_id), true},
    {"p", TM_FORM_DECIMAL, offsetof(tm_trade_t, price_e8), true},
    {"q", TM_FORM_DECIMAL, offsetof(tm_trade_t, qty_e8), true},
    {"m", TM_FORM_BUYER_MAKER, offsetof(tm_trade_t, side), false},
};

/* Futures send T (matching) and E (publishing); T is the event's own time and wins. */
static const tm_venue_field_t quote_fields[] = {
    {"s", TM_FORM_SYMBOL, offsetof(tm_row_t, symbol), true},
    {"E", TM_FORM_TIME, offsetof(tm_row_t, event_ns), false},
    {"T", TM_FORM_TIME, offsetof(tm_row_t, event_ns), false},
    {"u", TM_FORM_ID, offsetof(tm_quote_t, update_id), true},
    {"b", TM_FORM_DECIMAL, offsetof(tm_quote_t, bid_px_e8), true},
    {"B", TM_FORM_DECIMAL, offsetof(tm_quote_t, bid_qty_e8), true},
    {"a", TM_FORM_DECIMAL, offsetof(tm_quote_t, ask_px_e8), true},
    {"A", TM_FORM_DECIMAL, offsetof(tm_quote_t, ask_qty_e8), true},
};

#define TRADE                                                                                      \
    .schema_id = TM_SCHEMA_ID_TRADE, .fields = trade_fields, .field_cnt = TM_ARRAY_CNT(trade_fields)
#define QUOTE                                                                                      \
    .schema_id = TM_SCHEMA_ID_QUOTE, .fields = quote_fields, .field_cnt = TM_ARRAY_CNT(quote_fields)

static const tm_venue_kind_t kinds[] = {
    {.tag = "trade", .counter = "parsed_trade", TRADE},
    {.tag = "bookTicker", .counter = "parsed_quote", QUOTE},
    {.keys = "u s b B a A", .counter = "parsed_quote", QUOTE},
    {.tag = "depthUpdate", .counter = "ignored_depth"},
    {.keys = "lastUpdateId", .counter = "ignored_depth_snapshot"},
    {.tag = "aggTrade", .counter = "ignored_agg_trade"},
    {.tag = "markPriceUpdate", .counter = "ignored_mark_price"},
    {.tag = "kline", .counter = "ignored_kline"},
    {.tag = "continuous_kline", .counter = "ignored_kline"},
    {.tag = "24hrTicker", .counter = "ignored_ticker"},
    {.tag = "24hrMiniTicker", .counter = "ignored_ticker"},
    {.tag = "1hTicker", .counter = "ignored_ticker"},
    {.tag = "4hTicker", .counter = "ignored_ticker"},
    {.tag = "1dTicker", .counter = "ignored_ticker"},
    {.tag = "avgPrice", .counter = "ignored_ticker"},
    {.tag = "forceOrder", .counter = "ignored_force_order"},
    {.tag = "serverShutdown", .counter = "ignored_server_shutdown"},
    {.keys = "error", .counter = "ignored_error"},
    {.keys = "code msg", .counter = "ignored_error"},
    {.keys = "result id", .counter = "ignored_reply"},
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
