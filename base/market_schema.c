#include "base/market.h"
#include "base/schema.h"

/* What a field is, by the kind of its value. */
#define TIME .type = TM_TYPE_TIME_NS, .unit_ns = 1
#define E8   .type = TM_TYPE_DECIMAL64, .scale = 8
#define WIDE .type = TM_TYPE_DECIMAL128, .scale = 8
#define U64  .type = TM_TYPE_U64
#define I64  .type = TM_TYPE_I64
#define I32  .type = TM_TYPE_I32
#define BOOL .type = TM_TYPE_BOOL
#define SIDE .type = TM_TYPE_SIDE

#define FIELD(struct_t, member, field_name, ...)                                                   \
    {                                                                                              \
        .name = field_name, .off = offsetof(struct_t, member), __VA_ARGS__                         \
    }
#define NULLABLE(struct_t, member, field_name, bit, ...)                                           \
    FIELD(struct_t, member, field_name, .nullable = 1, .null_bit = (bit), __VA_ARGS__)

/* What every market row begins with. */
#define HEADER(struct_t)                                                                           \
    FIELD(struct_t, row.symbol, "symbol", .type = TM_TYPE_SYMBOL),                                 \
        FIELD(struct_t, row.event_ns, "event_time", TIME),                                         \
        FIELD(struct_t, row.recv_ns, "recv_time", TIME)

static const tm_schema_t
    schemas[] =
        {
            [TM_SCHEMA_ID_TRADE] =
                {
                    .name = "trade",
                    .id = TM_SCHEMA_ID_TRADE,
                    .row_sz = sizeof(tm_trade_t),
                    .field_cnt = 8,
                    .fields =
                        {
                            HEADER(tm_trade_t),
                            FIELD(tm_trade_t, trade_id, "trade_id", U64),
                            FIELD(tm_trade_t, price_e8, "price", E8),
                            FIELD(tm_trade_t, qty_e8, "qty", E8),
                            FIELD(tm_trade_t, publish_ns, "publish_time", TIME),
                            FIELD(tm_trade_t, side, "side", SIDE),
                        },
                },
            [TM_SCHEMA_ID_QUOTE] =
                {
                    .name = "quote",
                    .id = TM_SCHEMA_ID_QUOTE,
                    .row_sz = sizeof(tm_quote_t),
                    .field_cnt = 8,
                    .fields =
                        {
                            HEADER(tm_quote_t),
                            FIELD(tm_quote_t, update_id, "update_id", U64),
                            FIELD(tm_quote_t, bid_px_e8, "bid_price", E8),
                            FIELD(tm_quote_t, bid_qty_e8, "bid_qty", E8),
                            FIELD(tm_quote_t, ask_px_e8, "ask_price", E8),
                            FIELD(tm_quote_t, ask_qty_e8, "ask_qty", E8),
                        },
                },
            [TM_SCHEMA_ID_AGG_TRADE] =
                {
                    .name = "agg_trade",
                    .id = TM_SCHEMA_ID_AGG_TRADE,
                    .row_sz = sizeof(tm_agg_trade_t),
                    .field_cnt = 9,
                    .fields =
                        {
                            HEADER(tm_agg_trade_t),
                            FIELD(tm_agg_trade_t, agg_id, "agg_id", U64),
                            FIELD(tm_agg_trade_t, price_e8, "price", E8),
                            FIELD(tm_agg_trade_t, qty_e8, "qty", E8),
                            FIELD(tm_agg_trade_t, first_trade_id, "first_trade_id", U64),
                            FIELD(tm_agg_trade_t, trade_cnt, "trade_count", I32),
                            FIELD(tm_agg_trade_t, side, "side", SIDE),
                        },
                },
            [TM_SCHEMA_ID_DEPTH] =
                {
                    .name = "depth",
                    .id = TM_SCHEMA_ID_DEPTH,
                    .row_sz = sizeof(tm_depth_t),
                    .field_cnt = 9,
                    .fields =
                        {
                            HEADER(tm_depth_t),
                            FIELD(tm_depth_t, first_id, "first_id", U64),
                            FIELD(tm_depth_t, last_id, "last_id", U64),
                            FIELD(tm_depth_t, prev_id, "prev_id", U64),
                            FIELD(tm_depth_t, checksum, "checksum", I64),
                            FIELD(tm_depth_t, level_cnt, "level_count", I32),
                            FIELD(tm_depth_t, snapshot, "snapshot", BOOL),
                        },
                },
            [TM_SCHEMA_ID_LEVEL] =
                {
                    .name = "level",
                    .id = TM_SCHEMA_ID_LEVEL,
                    .row_sz = sizeof(tm_level_t),
                    .field_cnt = 11,
                    .fields =
                        {
                            HEADER(tm_level_t),
                            FIELD(tm_level_t, price_e8, "price", E8),
                            FIELD(tm_level_t, qty_e8, "qty", E8),
                            FIELD(tm_level_t, first_id, "first_id", U64),
                            FIELD(tm_level_t, last_id, "last_id", U64),
                            FIELD(tm_level_t, order_cnt, "order_count", I32),
                            FIELD(tm_level_t, side, "side", SIDE),
                            FIELD(tm_level_t, snapshot, "snapshot", BOOL),
                            FIELD(tm_level_t, last, "last", BOOL),
                        },
                },
            [TM_SCHEMA_ID_MARK] =
                {
                    .name = "mark",
                    .id = TM_SCHEMA_ID_MARK,
                    .row_sz = sizeof(tm_mark_t),
                    .field_cnt = 8,
                    .fields =
                        {
                            HEADER(tm_mark_t),
                            FIELD(tm_mark_t, mark_px_e8, "mark_price", E8),
                            FIELD(tm_mark_t, index_px_e8, "index_price", E8),
                            FIELD(tm_mark_t, settle_px_e8, "settle_price", E8),
                            FIELD(tm_mark_t, funding_rate_e8, "funding_rate", E8),
                            FIELD(tm_mark_t, next_funding_ns, "next_funding_time", TIME),
                        },
                },
            [TM_SCHEMA_ID_LIQUIDATION] =
                {
                    .name = "liquidation",
                    .id = TM_SCHEMA_ID_LIQUIDATION,
                    .row_sz = sizeof(tm_liquidation_t),
                    .field_cnt = 8,
                    .fields =
                        {
                            HEADER(tm_liquidation_t),
                            FIELD(tm_liquidation_t, price_e8, "price", E8),
                            FIELD(tm_liquidation_t, avg_px_e8, "average_price", E8),
                            FIELD(tm_liquidation_t, qty_e8, "qty", E8),
                            FIELD(tm_liquidation_t, filled_qty_e8, "filled_qty", E8),
                            FIELD(tm_liquidation_t, side, "side", SIDE),
                        },
                },
            [TM_SCHEMA_ID_NOTICE] =
                {
                    .name = "notice",
                    .id = TM_SCHEMA_ID_NOTICE,
                    .row_sz = sizeof(tm_notice_t),
                    .field_cnt = 7,
                    .fields =
                        {
                            HEADER(tm_notice_t),
                            FIELD(tm_notice_t, id, "id", U64),
                            FIELD(tm_notice_t, code, "code", I64),
                            FIELD(tm_notice_t, seq, "seq", U64),
                            FIELD(tm_notice_t, what, "what", I64),
                        },
                },
            [TM_SCHEMA_ID_BAR] =
                {
                    .name = "bar",
                    .id = TM_SCHEMA_ID_BAR,
                    .row_sz = sizeof(tm_bar_t),
                    .null_off = offsetof(tm_bar_t, nulls),
                    .field_cnt = 18,
                    .fields =
                        {
                            HEADER(tm_bar_t),
                            NULLABLE(tm_bar_t, open_ns, "open_time", 0, TIME),
                            NULLABLE(tm_bar_t, close_ns, "close_time", 1, TIME),
                            NULLABLE(tm_bar_t, interval_ns, "interval_ns", 2, I64),
                            NULLABLE(tm_bar_t, open_e8, "open", 3, E8),
                            NULLABLE(tm_bar_t, high_e8, "high", 4, E8),
                            NULLABLE(tm_bar_t, low_e8, "low", 5, E8),
                            NULLABLE(tm_bar_t, close_e8, "close", 6, E8),
                            NULLABLE(tm_bar_t, volume_e8, "volume", 7, WIDE),
                            NULLABLE(tm_bar_t, quote_volume_e8, "quote_volume", 8, WIDE),
                            NULLABLE(tm_bar_t, taker_volume_e8, "taker_volume", 9, WIDE),
                            NULLABLE(tm_bar_t, taker_quote_volume_e8, "taker_quote_volume",
                                     10, WIDE),
                            NULLABLE(tm_bar_t, trade_cnt, "trade_count", 11, U64),
                            NULLABLE(tm_bar_t, first_trade_id, "first_trade_id", 12, U64),
                            NULLABLE(tm_bar_t, last_trade_id, "last_trade_id", 13, U64),
                            NULLABLE(tm_bar_t, closed, "closed", 14, BOOL),
                        },
                },
            [TM_SCHEMA_ID_TICKER] =
                {
                    .name = "ticker",
                    .id = TM_SCHEMA_ID_TICKER,
                    .row_sz = sizeof(tm_ticker_t),
                    .null_off = offsetof(tm_ticker_t, nulls),
                    .field_cnt = 23,
                    .fields =
                        {
                            HEADER(tm_ticker_t),
                            NULLABLE(tm_ticker_t, open_ns, "open_time", 0, TIME),
                            NULLABLE(tm_ticker_t, close_ns, "close_time", 1, TIME),
                            NULLABLE(tm_ticker_t, last_px_e8, "last_price", 2, E8),
                            NULLABLE(tm_ticker_t, last_qty_e8, "last_qty", 3, E8),
                            NULLABLE(tm_ticker_t, bid_px_e8, "bid_price", 4, E8),
                            NULLABLE(tm_ticker_t, bid_qty_e8, "bid_qty", 5, E8),
                            NULLABLE(tm_ticker_t, ask_px_e8, "ask_price", 6, E8),
                            NULLABLE(tm_ticker_t, ask_qty_e8, "ask_qty", 7, E8),
                            NULLABLE(tm_ticker_t, open_e8, "open", 8, E8),
                            NULLABLE(tm_ticker_t, high_e8, "high", 9, E8),
                            NULLABLE(tm_ticker_t, low_e8, "low", 10, E8),
                            NULLABLE(tm_ticker_t, prev_close_e8, "previous_close", 11, E8),
                            NULLABLE(tm_ticker_t, change_e8, "change", 12, E8),
                            NULLABLE(tm_ticker_t, change_pct_e8, "change_percent", 13, E8),
                            NULLABLE(tm_ticker_t, weighted_avg_e8, "weighted_average", 14, E8),
                            NULLABLE(tm_ticker_t, volume_e8, "volume", 15, WIDE),
                            NULLABLE(tm_ticker_t, quote_volume_e8, "quote_volume", 16, WIDE),
                            NULLABLE(tm_ticker_t, first_trade_id, "first_trade_id", 17, U64),
                            NULLABLE(tm_ticker_t, last_trade_id, "last_trade_id", 18, U64),
                            NULLABLE(tm_ticker_t, trade_cnt, "trade_count", 19, U64),
                        },
                },
};

const tm_schema_t *tm_schema_market(uint16_t schema_id)
{
    bool is_market = schema_id > 0 && schema_id < TM_SCHEMA_ID_MARKET_CNT;
    return is_market ? &schemas[schema_id] : NULL;
}

const tm_schema_t *tm_schema_trade(void)
{
    return &schemas[TM_SCHEMA_ID_TRADE];
}

const tm_schema_t *tm_schema_quote(void)
{
    return &schemas[TM_SCHEMA_ID_QUOTE];
}
