/* net/ws/utf8.h - UTF-8 checked piece by piece, by Unicode's table of well-formed sequences (3-7).
   Flow     ws -> [utf8]
   Method   64 bytes at a time while they are ASCII; elsewhere the range that the next byte must
            lie in is kept, so a bad byte is found at once, not at the end of its character
   Memory   two words of state; allocates nothing
   Threads  one owner
   Tests    tests/net/test_ws_utf8.c */
#ifndef TM_NET_UTF8_H
#define TM_NET_UTF8_H

#include "base/types.h"

typedef struct tm_utf8 {
    uint8_t more;   /* continuation bytes still due; 0 = between characters */
    uint8_t lo, hi; /* range of the next continuation byte */
} tm_utf8_t;

static inline void tm_utf8_init(tm_utf8_t *u)
{
    *u = (tm_utf8_t){0};
}

/* Goes on over the next piece. False at the first byte that no continuation can make valid; the
   state is then of no more use. */
bool tm_utf8_feed(tm_utf8_t *u, const uint8_t *text, size_t sz) TM_MUST_CHECK;

/* True where no character is left open. */
static inline bool tm_utf8_is_whole(const tm_utf8_t *u)
{
    return u->more == 0;
}

/* A whole text at once. */
bool tm_utf8_is_valid(const uint8_t *text, size_t sz);

#endif
