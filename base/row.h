/* base/row.h - one record between threads: the contract between parse, engine and state.
   Flow     parse -> [row] -> ring -> worker -> ring -> sink
   Units    *_ns: Unix time; *_e8: scaled by 1e8; symbol: index into the symbol table
   Layout   a 24-byte header, then fields at fixed offsets given by the row's schema. Rows of one
            stream have one size, a multiple of 8 that the schema states, so it is not repeated in
            each of them. Hot market rows (trade, quote, book level) are exactly one cache line;
            rare ones (bar, ticker) take a whole number of them (base/market.h)
   Phase    byte 0 belongs to the ring: it carries the slot's phase tag (engine/runtime/ring.h).
            Everybody else writes 0 and does not look
   Times    TM_TIME_NONE (INT64_MIN) means "no timestamp"
   Limits   rows up to TM_ROW_SZ_MAX bytes */
#ifndef TM_BASE_ROW_H
#define TM_BASE_ROW_H

#include "base/types.h"

#include <assert.h>

enum { TM_ROW_SZ_MAX = 4096, TM_ROW_HEADER_SZ = 24 };

#define TM_TIME_NONE   INT64_MIN
#define TM_SYMBOL_NONE UINT32_MAX

/* What a row says. The first four are data, as in a changelog stream; the rest travel in band so
   that they keep their place among the data. */
typedef enum tm_row_kind {
    TM_ROW_INSERT = 0,
    TM_ROW_UPDATE_BEFORE = 1,
    TM_ROW_UPDATE_AFTER = 2,
    TM_ROW_DELETE = 3,
    TM_ROW_CONTROL = 4,   /* first control kind */
    TM_ROW_WATERMARK = 4, /* event_ns: no later row has an event time at or below it */
    TM_ROW_IDLE = 5,      /* the input is left out of the combined watermark */
    TM_ROW_ACTIVE = 6,    /* and takes part again */
    TM_ROW_BARRIER = 7,   /* event_ns: checkpoint id */
    TM_ROW_MARK = 8,      /* event_ns: ingress time (mono ns) of the rows that follow */
    TM_ROW_GAP = 9,       /* messages of a symbol are missing: tm_gap_t */
    TM_ROW_END = 10,      /* the input has ended; nothing follows */
    TM_ROW_FEED = 11,     /* something happened to a connection: tm_feed_row_t */
} tm_row_kind_t;

typedef struct tm_row {
    uint8_t phase;      /* 00-00: the ring's; 0 elsewhere */
    uint8_t kind;       /* 01-01: tm_row_kind_t */
    uint16_t schema_id; /* 02-03: index into the job's schema table; 0 for control rows */
    uint32_t symbol;    /* 04-07: interned symbol, TM_SYMBOL_NONE where a row has none */
    int64_t event_ns;   /* 08-15: event time, or TM_TIME_NONE */
    int64_t recv_ns;    /* 16-23: receive time of the frame that caused the row */
} tm_row_t;
static_assert(sizeof(tm_row_t) == TM_ROW_HEADER_SZ, "rows start with a 24-byte header");

/* Fixed schema ids of the market rows; a job's own schemas come after them. */
enum {
    TM_SCHEMA_ID_CONTROL = 0,
    TM_SCHEMA_ID_TRADE = 1,
    TM_SCHEMA_ID_QUOTE = 2,
    TM_SCHEMA_ID_AGG_TRADE = 3,
    TM_SCHEMA_ID_DEPTH = 4,
    TM_SCHEMA_ID_LEVEL = 5,
    TM_SCHEMA_ID_MARK = 6,
    TM_SCHEMA_ID_LIQUIDATION = 7,
    TM_SCHEMA_ID_NOTICE = 8,
    TM_SCHEMA_ID_BAR = 9, /* from here on rows take several cache lines */
    TM_SCHEMA_ID_TICKER = 10,
    TM_SCHEMA_ID_MARKET_CNT = 11,
    TM_SCHEMA_ID_USER = 16,
};

typedef enum tm_side { TM_SIDE_UNKNOWN = 0, TM_SIDE_BUY = 1, TM_SIDE_SELL = 2 } tm_side_t;

/* One trade. event_ns: when the exchange matched it (Binance T). */
typedef struct tm_trade {
    tm_row_t row;       /* 00-23 */
    uint64_t trade_id;  /* 24-31: the venue's id, contiguous per symbol where the venue says so */
    int64_t price_e8;   /* 32-39 */
    int64_t qty_e8;     /* 40-47 */
    int64_t publish_ns; /* 48-55: when the exchange sent the message (Binance E), or TM_TIME_NONE */
    uint8_t side;       /* 56-56: tm_side_t of the aggressor */
    uint8_t reserved[7]; /* 57-63: zero */
} tm_trade_t;
static_assert(sizeof(tm_trade_t) == TM_CACHE_LINE, "a trade is one cache line");

/* Best bid and offer. event_ns: the venue's time (T, else E); where it sends none (Binance spot),
   the receive time. */
typedef struct tm_quote {
    tm_row_t row;       /* 00-23 */
    uint64_t update_id; /* 24-31: the venue's id, increasing per symbol */
    int64_t bid_px_e8;  /* 32-39 */
    int64_t bid_qty_e8; /* 40-47 */
    int64_t ask_px_e8;  /* 48-55 */
    int64_t ask_qty_e8; /* 56-63 */
} tm_quote_t;
static_assert(sizeof(tm_quote_t) == TM_CACHE_LINE, "a quote is one cache line");

/* Several trades of one taker order at one price, as some venues sum them up. */
typedef struct tm_agg_trade {
    tm_row_t row;            /* 00-23 */
    uint64_t agg_id;         /* 24-31: the venue's id, contiguous per symbol */
    int64_t price_e8;        /* 32-39 */
    int64_t qty_e8;          /* 40-47 */
    uint64_t first_trade_id; /* 48-55 */
    int32_t trade_cnt;       /* 56-59: so the last one is first_trade_id + trade_cnt - 1 */
    uint8_t side;            /* 60-60: tm_side_t of the aggressor */
    uint8_t reserved[3];     /* 61-63: zero */
} tm_agg_trade_t;
static_assert(sizeof(tm_agg_trade_t) == TM_CACHE_LINE, "an aggregate trade is one cache line");

/* How batches of a book follow one another; what tm_book_apply checks. */
typedef enum tm_chain {
    TM_CHAIN_NONE,  /* nothing says so, or a checksum does */
    TM_CHAIN_RANGE, /* first_id is the last batch's last_id + 1 (Binance spot) */
    TM_CHAIN_PREV,  /* prev_id is the last batch's last_id (Binance futures, OKX) */
    TM_CHAIN_STEP,  /* last_id rises by one (Bybit) */
} tm_chain_t;

/* Head of a batch of book levels: a whole book or changes of it. `level_cnt` level rows of the same
   symbol follow it in the parser's output, bids before asks where the venue sends them so. Batches
   without levels count too: they move the ids. */
typedef struct tm_depth {
    tm_row_t row;         /* 00-23: event_ns: the venue's time (T, else E), else receive time */
    uint64_t first_id;    /* 24-31: first update in the batch; 0 = not told */
    uint64_t last_id;     /* 32-39: last update, the book's id once it is applied; 0 = not told */
    uint64_t prev_id;     /* 40-47: last_id of the batch before; 0 = not told */
    int64_t checksum;     /* 48-55: of the book once it is applied, 32 bits; 0 = none */
    int32_t level_cnt;    /* 56-59 */
    uint8_t snapshot;     /* 60-60: 1 = replaces the book */
    uint8_t chain;        /* 61-61: tm_chain_t */
    uint8_t price_digits; /* 62-62: digits behind the point as sent, the most of any level */
    uint8_t qty_digits;   /* 63-63: 0xff: not counted */
} tm_depth_t;
static_assert(sizeof(tm_depth_t) == TM_CACHE_LINE, "the head of a batch is one cache line");

enum { TM_DIGITS_NONE = 0xff };

/* One level of a book: all there is at this price from now on. Quantity 0: the level is gone. */
typedef struct tm_level {
    tm_row_t row;      /* 00-23: times are the batch's, or the level's own where it has one */
    int64_t price_e8;  /* 24-31 */
    int64_t qty_e8;    /* 32-39 */
    uint64_t first_id; /* 40-47: the batch's */
    uint64_t last_id;  /* 48-55: the batch's */
    int32_t order_cnt; /* 56-59: orders that make the quantity; 0 = not told */
    uint8_t side;      /* 60-60: TM_SIDE_BUY = bid, TM_SIDE_SELL = ask */
    uint8_t snapshot;  /* 61-61: the batch's */
    uint8_t last;      /* 62-62: 1 = the batch ends here */
    uint8_t reserved;  /* 63-63: zero */
} tm_level_t;
static_assert(sizeof(tm_level_t) == TM_CACHE_LINE, "a level is one cache line");

/* One cache line of a parser's output: a hot market row, or a piece of a longer one. */
typedef union tm_market_row {
    alignas(TM_CACHE_LINE) tm_row_t row;
    tm_trade_t trade;
    tm_quote_t quote;
    tm_agg_trade_t agg_trade;
    tm_depth_t depth;
    tm_level_t level;
} tm_market_row_t;
static_assert(sizeof(tm_market_row_t) == TM_CACHE_LINE, "hot market rows are one cache line");

static inline bool tm_row_is_control(const tm_row_t *row)
{
    return row->kind >= TM_ROW_CONTROL;
}

#endif
