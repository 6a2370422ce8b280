/* base/decimal.h - text of scaled integers and times: the exact, human form of what rows hold.
   Units    scale: digits after the point
   Limits   TM_DECIMAL_TEXT_MAX bytes hold any value, sign, point and NUL included
   Threads  no state */
#ifndef TM_BASE_DECIMAL_H
#define TM_BASE_DECIMAL_H

#include "base/types.h"

enum { TM_DECIMAL_TEXT_MAX = 48, TM_TIME_TEXT_MAX = 40 };

/* "-12.34000000" for (-1234000000, 8). Writes a NUL; returns the length without it. */
size_t tm_decimal_format(char out[TM_DECIMAL_TEXT_MAX], tm_i128_t value, uint32_t scale);

/* "2026-01-31T12:00:00.123Z" with as many fraction digits as the unit (1 s, 1 ms, 1 us or 1 ns,
   given in ns) asks for. Negative times are floored. Returns the length. */
size_t tm_time_format(char out[TM_TIME_TEXT_MAX], int64_t time_ns, int64_t unit_ns);

#endif
