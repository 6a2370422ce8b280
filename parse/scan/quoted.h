/* parse/scan/quoted.h - the bodies of JSON strings: are they well-formed, and what do they say.
   Flow     walk.c, event.c -> [quoted]
   Units    sizes: bytes, between the quotes
   Threads  no state
   Memory   reads up to 8 bytes past the body, which the padding of frames allows
   Errors   TM_REASON_SYNTAX: control byte or bad escape; TM_REASON_UTF8: RFC 3629 broken
   Tests    tests/parse/test_quoted.c */
#ifndef TM_PARSE_QUOTED_H
#define TM_PARSE_QUOTED_H

#include "parse/reason.h"

/* Checks a body whose end is known to be an unescaped quote. Lone surrogates pass, as RFC 8259's
   grammar lets them. *bad_off: where it is wrong. */
tm_reason_t tm_quoted_check(const uint8_t *body, uint32_t sz, uint32_t *bad_off);

/* Writes what a checked body stands for, as UTF-8. Returns its size, or -1 where it exceeds out_max
   or holds a lone surrogate, which UTF-8 cannot say. */
int32_t tm_quoted_decode(const uint8_t *body, uint32_t sz, uint8_t *out, uint32_t out_max);

/* Size (1..4) of the UTF-8 sequence at p, of which `left` bytes exist; 0 where it is none. */
uint32_t tm_quoted_utf8(const uint8_t *p, uint32_t left);

#endif
