/* base/market.h - market rows that are not hot: mark prices, liquidations, notices, bars, tickers.
   Flow     parse -> [row] -> engine, state; the hot ones are in base/row.h
   Units    *_ns: Unix time; *_e8: scaled by 1e8
   Layout   a row takes a whole number of cache lines, so that rows of all kinds can follow one
            another in one array (tm_market_lines). Fields of rows with `nulls` are absent where the
            bit that the schema gives them is set; volumes there are 128 bits wide, because a day's
            turnover of a coin worth a millionth of a dollar leaves 64
   Tests    tests/base/test_schema.c */
#ifndef TM_BASE_MARKET_H
#define TM_BASE_MARKET_H

#include "base/row.h"

enum { TM_MARKET_LINE_MAX = 4 };

/* Mark price of a derivative. Absent prices are 0, an absent time is TM_TIME_NONE. */
typedef struct tm_mark {
    tm_row_t row;            /* 00-23 */
    int64_t mark_px_e8;      /* 24-31 */
    int64_t index_px_e8;     /* 32-39 */
    int64_t settle_px_e8;    /* 40-47: estimated settlement price */
    int64_t funding_rate_e8; /* 48-55 */
    int64_t next_funding_ns; /* 56-63 */
} tm_mark_t;
static_assert(sizeof(tm_mark_t) == TM_CACHE_LINE, "a mark price is one cache line");

/* An order that a venue made to close a position. */
typedef struct tm_liquidation {
    tm_row_t row;          /* 00-23 */
    int64_t price_e8;      /* 24-31: its limit */
    int64_t avg_px_e8;     /* 32-39: what was paid so far; 0 = not told */
    int64_t qty_e8;        /* 40-47 */
    int64_t filled_qty_e8; /* 48-55: 0 = not told */
    uint8_t side;          /* 56-56: tm_side_t of the order */
    uint8_t reserved[7];   /* 57-63: zero */
} tm_liquidation_t;
static_assert(sizeof(tm_liquidation_t) == TM_CACHE_LINE, "a liquidation is one cache line");

/* What a venue says about the connection and not about a market. */
typedef enum tm_notice_what {
    TM_NOTICE_REPLY = 1,     /* a request was granted */
    TM_NOTICE_ERROR = 2,     /* a request was refused, or something went wrong */
    TM_NOTICE_HEARTBEAT = 3, /* the venue is alive; also its pong */
    TM_NOTICE_STATUS = 4,    /* the venue's state has changed */
    TM_NOTICE_SHUTDOWN = 5,  /* the venue will close this connection: open another one */
} tm_notice_what_t;

typedef struct tm_notice {
    tm_row_t row;        /* 00-23: symbol where the notice is about one */
    uint64_t id;         /* 24-31: the request's id, 0 = none or no number */
    int64_t code;        /* 32-39: the venue's error code */
    uint64_t seq;        /* 40-47: the venue's sequence number of the connection */
    int64_t what;        /* 48-55: tm_notice_what_t */
    uint8_t reserved[8]; /* 56-63: zero */
} tm_notice_t;
static_assert(sizeof(tm_notice_t) == TM_CACHE_LINE, "a notice is one cache line");

/* A bar (candle, kline) that the venue made. It changes until it is closed. */
typedef struct tm_bar {
    alignas(TM_CACHE_LINE) tm_row_t row; /* event_ns: when the venue sent it */
    uint64_t nulls;
    int64_t open_ns, close_ns, interval_ns;
    int64_t open_e8, high_e8, low_e8, close_e8;
    uint64_t volume_e8[2], quote_volume_e8[2]; /* tm_i128_t, low word first */
    uint64_t taker_volume_e8[2], taker_quote_volume_e8[2];
    uint64_t trade_cnt, first_trade_id, last_trade_id;
    uint8_t closed;
} tm_bar_t;
static_assert(sizeof(tm_bar_t) == 3 * TM_CACHE_LINE, "a bar is three cache lines");

/* What a venue tells about a market from time to time. Venues tell different parts of it. */
typedef struct tm_ticker {
    alignas(TM_CACHE_LINE) tm_row_t row;
    uint64_t nulls;
    int64_t open_ns, close_ns; /* of the statistics' window */
    int64_t last_px_e8, last_qty_e8;
    int64_t bid_px_e8, bid_qty_e8, ask_px_e8, ask_qty_e8;
    int64_t open_e8, high_e8, low_e8, prev_close_e8;
    int64_t change_e8, change_pct_e8, weighted_avg_e8;
    uint64_t volume_e8[2], quote_volume_e8[2]; /* tm_i128_t, low word first */
    uint64_t first_trade_id, last_trade_id, trade_cnt;
} tm_ticker_t;
static_assert(sizeof(tm_ticker_t) == 4 * TM_CACHE_LINE, "a ticker is four cache lines");

/* Cache lines that a market row of the schema takes. */
static inline uint32_t tm_market_lines(uint16_t schema_id)
{
    if (TM_LIKELY(schema_id < TM_SCHEMA_ID_BAR)) return 1;
    return schema_id == TM_SCHEMA_ID_BAR ? 3 : 4;
}

#endif
