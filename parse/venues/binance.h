/* parse/venues/binance.h - messages of Binance: spot, USD-M and COIN-M futures.
   Source   binance-spot-api-docs web-socket-streams.md and developers.binance.com (futures market
            streams); both were checked against recorded feeds of 2023 and 2024
   Rows     trade -> tm_trade_t, bookTicker -> tm_quote_t. Other kinds are recognised and counted
   Notes    spot bookTicker has neither "e" nor a time: it is known by its keys and its event time
            is the receive time. Spot partial depth is known by lastUpdateId. Times are ms, or us
            where the stream was opened with timeUnit=MICROSECOND */
#ifndef TM_PARSE_VENUES_BINANCE_H
#define TM_PARSE_VENUES_BINANCE_H

#include "parse/dialect.h"

const tm_venue_t *tm_venue_binance(void);

#endif
