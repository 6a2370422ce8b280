/* base/stamp.h - times as text, exact to the nanosecond: no floating point on the way.
   Flow     lines of captures, command lines -> [stamp] -> Unix ns, and back
   Units    *_ns: Unix time, UTC
   Errors   readers return the bytes taken, 0 where the text is something else; parse: TM_E_CONFIG
   Threads  no state
   Limits   1970 to 2261 (int64 ns).  Tests tests/base/test_stamp.c */
#ifndef TM_BASE_STAMP_H
#define TM_BASE_STAMP_H

#include "base/types.h"

size_t tm_stamp_digit_cnt(const char *p, size_t sz);

/* The value of n digits, n <= 19; -1 above INT64_MAX. */
int64_t tm_stamp_digits(const char *p, size_t n);

/* "1618677785.4827468", "1618677785". Digits behind the ninth are dropped. */
size_t tm_stamp_seconds(const char *p, size_t sz, int64_t *ns);

/* "2024-08-08T23:54:14.0247230Z"; everything behind the day may be cut, T may be a blank. */
size_t tm_stamp_iso(const char *p, size_t sz, int64_t *ns);

/* A time on a command line: 19 digits of ns, "@<seconds>", or as tm_stamp_iso. */
int tm_stamp_parse(const char *text, int64_t *out_ns) TM_MUST_CHECK;

/* "2024-08-08T23:54:14.024723000Z", or "-" for INT64_MIN. `out` holds 32 bytes. */
void tm_stamp_text(char *out, int64_t ns);

#endif
