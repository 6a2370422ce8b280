/* parse/term.h - words of the venues: sides, intervals, ids that are no numbers, topics.
   Flow     event.c, levels.c -> [term] -> row
   Units    sz: bytes; nothing is terminated by a NUL
   Errors   false or TM_REASON_*: the text is none of the words
   Threads  no state
   Tests    tests/parse/test_terms.c */
#ifndef TM_PARSE_TERM_H
#define TM_PARSE_TERM_H

#include "base/row.h"
#include "parse/scan/numeral.h"

/* "buy", "b", "bid" and "sell", "s", "ask", "offer", "a", whatever their case; anything else is
   TM_SIDE_UNKNOWN. */
uint8_t tm_term_side(const uint8_t *text, uint32_t sz);

/* "15m" in ns. Units: s, m, h, d, w; no unit: minutes; "D", "W" alone: one. False for months, whose
   length differs, and all else. */
bool tm_term_interval(const uint8_t *text, uint32_t sz, int64_t *out_ns);

/* A number, or the first 16 hexadecimal digits of a UUID as a number. */
tm_reason_t tm_term_trade_id(const uint8_t *text, uint32_t sz, uint64_t *out);

/* The symbol of a Binance stream, "btcusdt@depth5" -> "BTCUSDT"; bytes above 0x7f stay. Returns its
   size, 0 where there is none or it is longer than room_sz. */
uint32_t tm_term_stream_symbol(const uint8_t *text, uint32_t sz, uint8_t *room, uint32_t room_sz);

/* Whether the stream sends the top levels of a book again and again, "btcusdt@depth5@100ms", and
   not changes, "btcusdt@depth@100ms". */
bool tm_term_stream_is_partial(const uint8_t *text, uint32_t sz);

/* What stands behind the last point of a topic, "kline.5.BTCUSDT" -> "BTCUSDT": its offset. */
uint32_t tm_term_tail(const uint8_t *text, uint32_t sz);

/* A decimal of up to 38 digits scaled by 1e8: the grammar of tm_numeral_read, exact. */
tm_reason_t tm_term_wide(const uint8_t *text, uint32_t sz, bool json, tm_i128_t *out);

/* Digits behind the point of a decimal as it is written, exponents apart. */
uint32_t tm_term_fraction_digits(const uint8_t *text, uint32_t sz);

#endif
