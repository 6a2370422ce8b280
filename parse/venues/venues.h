/* parse/venues/venues.h - the venues whose messages are declared, one file each.
   Flow     venues/<venue>.c -> [venues] -> parser.c; a job or a tool names one
   Binance  spot, USD-M and COIN-M futures: trade, aggTrade, bookTicker, depth updates and partial
            books, kline, tickers, mark price, liquidations; raw, combined and in arrays
   Bybit    v5 public: trades, order books, tickers, klines, liquidations; v2's trades and books too
   OKX      v5 public: trades, books of all depths, best bid and offer, tickers, mark price
   Coinbase Advanced Trade: trades, level 2, tickers; the Exchange feed's too
   Kraken   v2: trades, books, tickers; v1's books too
   Add one  docs/rows.md
   Threads  immutable */
#ifndef TM_PARSE_VENUES_VENUES_H
#define TM_PARSE_VENUES_VENUES_H

#include "parse/dialect.h"

const tm_venue_t *tm_venue_binance(void);
const tm_venue_t *tm_venue_bybit(void);
const tm_venue_t *tm_venue_coinbase(void);
const tm_venue_t *tm_venue_kraken(void);
const tm_venue_t *tm_venue_okx(void);

/* The venue of a name, "binance"; "binance-usdm" is a part of it. NULL where there is none. Index 0.. walks all of them, NULL ends
   the list. */
const tm_venue_t *tm_venue_find(const char *name);
const tm_venue_t *tm_venue_at(uint32_t idx);

#endif
