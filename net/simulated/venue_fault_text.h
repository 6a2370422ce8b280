/* net/simulated/venue_fault_text.h - messages with another clock, or spoilt.
   Flow     text of a message -> [venue_fault_text] -> venue_fault.c
   Units    *_sz: bytes; *_ns: nanoseconds
   Memory   works in place, in a buffer with TM_VENUE_FAULT_TEXT_EXTRA bytes to spare
   Threads  any; no state
   Tests    tests/net/test_fault_plan.c */
#ifndef TM_NET_VENUE_FAULT_TEXT_H
#define TM_NET_VENUE_FAULT_TEXT_H

#include "net/simulated/fault_plan.h"

enum { TM_VENUE_FAULT_TEXT_EXTRA = 2048 };

/* Adds the time to every "E" and "T" whose value is a number: by its digits they are milliseconds
   or microseconds. A number that would need more digits, or would fall below 0, stays. */
void tm_venue_fault_text_jump(char *text, size_t sz, int64_t ns);

/* Makes the text bad JSON. Returns its size then. It stays UTF-8. */
size_t tm_venue_fault_text_spoil(char *text, size_t sz, tm_fault_json_t how, uint64_t *random);

#endif
