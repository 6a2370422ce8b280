/* parse/book.h - the order book of one symbol, built from batches of level rows.
   Flow     parser's rows (head and levels) -> [book] -> best prices, top levels, checks
   Method   a sorted array a side with the best level at its end: changes happen near the touch, so
            they move few levels, and a search begins there
   Rules    a snapshot replaces the book. Where it comes by another way than the changes (Binance),
            changes are kept until it is there and applied then. What follows is checked by the
            chain its head names (tm_chain_t): Binance spot "U <= id + 1, u > id"; futures "pu =
            id", the first one behind a snapshot "U <= id <= u"; OKX "prevSeqId = id"; Bybit "u =
            id + 1"; and by the venue's checksum where there is one. Where a check fails the book
            is gone until a snapshot comes
   Units    prices and quantities scaled by 1e8
   Memory   caller owns tm_book_footprint(cfg) bytes; allocates nothing
   Threads  one
   Errors   what a venue does wrong is a result and a counter of the book
   Limits   level_max levels a side, 1..TM_BOOK_LEVEL_MAX: the worst ones are let go and counted;
            wait_max rows of batches that wait, 0..TM_BOOK_LEVEL_MAX: the oldest batches are let go
   Tests    tests/parse/test_book.c, tests/parse/test_captures.c */
#ifndef TM_PARSE_BOOK_H
#define TM_PARSE_BOOK_H

#include "base/row.h"

enum { TM_BOOK_LEVEL_MAX = 1 << 20, TM_BOOK_CHECKSUM_LEVELS = 25 };

/* How a venue's checksum of a book is made; both are CRC-32 of a text. */
typedef enum tm_book_checksum {
    TM_BOOK_CHECKSUM_NONE,
    TM_BOOK_CHECKSUM_KRAKEN, /* top 10 asks, then bids: digits of price and quantity without point
                                and leading zeros */
    TM_BOOK_CHECKSUM_OKX,    /* top 25: bid price:quantity:ask price:quantity: ... as decimals */
} tm_book_checksum_t;

typedef struct tm_book_cfg {
    uint32_t level_max; /* levels a side that are kept; venues that send a part of the book and no
                           removals beyond it (Kraken) want exactly the depth that is subscribed */
    uint32_t wait_max;  /* rows, heads included, that wait for a snapshot */
    tm_book_checksum_t checksum;
    /* Digits behind the point that Kraken's checksum takes; 0 = as many as have been seen. */
    uint8_t price_digits, qty_digits;
} tm_book_cfg_t;

typedef enum tm_book_result {
    TM_BOOK_APPLIED,  /* the book is as the venue's */
    TM_BOOK_OLD,      /* the batch is older than the book: ignored */
    TM_BOOK_WAIT,     /* there is no book yet: the batch waits for a snapshot, or is ignored */
    TM_BOOK_GAP,      /* batches are missing: the book is gone */
    TM_BOOK_MISMATCH, /* the checksum differs: the book is gone */
    TM_BOOK_CROSSED,  /* applied, but the best bid is not below the best ask */
    TM_BOOK_RESULT_CNT
} tm_book_result_t;

typedef struct tm_book_level {
    int64_t key; /* the price, or its complement for asks: the best level has the largest */
    int64_t qty_e8;
} tm_book_level_t;

typedef struct tm_book_side {
    tm_book_level_t *levels; /* rising; the best one is levels[cnt - 1] */
    uint32_t cnt;
    int64_t flip; /* price = key ^ flip: 0 for bids, -1 for asks */
} tm_book_side_t;

typedef struct tm_book {
    tm_book_cfg_t cfg;
    bool ready;  /* there is a book */
    bool bridge; /* nothing has been applied since the snapshot */
    uint64_t id; /* of the last batch that was applied */
    int64_t event_ns;
    uint8_t price_digits, qty_digits;
    tm_book_side_t bids, asks;
    uint64_t results[TM_BOOK_RESULT_CNT];
    uint64_t let_go_cnt;    /* levels that there was no room for */
    tm_market_row_t *waits; /* batches that wait for a snapshot, oldest first */
    uint32_t wait_cnt;      /* rows of them */
} tm_book_t;

/* 0 where the configuration is bad. The memory must be 64-byte aligned. */
size_t tm_book_footprint(const tm_book_cfg_t *cfg);
tm_book_t *tm_book_init(void *mem, const tm_book_cfg_t *cfg);

/* Applies a batch: rows[0] is its head, and as many levels as it says follow. All rows must be of
   the book's symbol. Where it is a snapshot, batches that waited for it are applied, too, and the
   result is that of the last one. */
tm_book_result_t tm_book_apply(tm_book_t *book, const tm_market_row_t *rows);

/* Forgets the book; a snapshot must come. */
void tm_book_reset(tm_book_t *book);

/* The checksum of the book as it is now, of the configured kind. */
uint32_t tm_book_checksum_now(const tm_book_t *book);

static inline uint32_t tm_book_side_cnt(const tm_book_side_t *side)
{
    return side->cnt;
}

/* Level i of a side, counted from the best; i must be below the side's count. */
static inline int64_t tm_book_price(const tm_book_side_t *side, uint32_t i)
{
    return side->levels[side->cnt - 1 - i].key ^ side->flip;
}

static inline int64_t tm_book_qty(const tm_book_side_t *side, uint32_t i)
{
    return side->levels[side->cnt - 1 - i].qty_e8;
}

/* Whether the best bid is at or above the best ask. */
static inline bool tm_book_is_crossed(const tm_book_t *book)
{
    return book->bids.cnt && book->asks.cnt &&
           tm_book_price(&book->bids, 0) >= tm_book_price(&book->asks, 0);
}

/* The best bid and offer as a quote row; zeros where a side is empty. */
void tm_book_quote(const tm_book_t *book, uint32_t symbol, tm_quote_t *out);

#endif
