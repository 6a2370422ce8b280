/* parse/scan/rfc3339.h - date and time text to Unix nanoseconds.
   Flow     json_value.c -> [rfc3339]
   Form     RFC 3339: 2024-08-08T23:59:59.123456789Z, or with +hh:mm or -hh:mm; T and Z in either
            case, or a space for the T; a fraction of any length
   Exact    digits behind the nanosecond must be zero, else it is TM_REASON_RANGE, as is a time that
            an int64_t cannot hold (before 1677, after 2262). A leap second, 23:59:60 UTC of a
            month's last day, counts as the second behind it, as POSIX has it
   Memory   reads up to TM_RFC3339_REACH bytes from the text's start
   Threads  no state
   Errors   TM_REASON_NUMBER: not that form, or no such day or time
   Tests    tests/parse/test_rfc3339.c */
#ifndef TM_PARSE_RFC3339_H
#define TM_PARSE_RFC3339_H

#include "parse/reason.h"

enum { TM_RFC3339_REACH = 24 };

tm_reason_t tm_rfc3339_read(const uint8_t *text, uint32_t sz, int64_t *out) TM_MUST_CHECK;

#endif
