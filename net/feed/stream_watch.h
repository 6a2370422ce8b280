/* net/feed/stream_watch.h - which of a connection's streams have spoken.
   Why      an exchange acknowledges a stream that it does not know and then stays silent
   Flow     feed_slot.c shows it the stream of each message until all have been heard or the time
            is over; then it names the silent ones
   Method   a hash table of names, one flag each; nothing is left to do once all have been heard
   Units    *_sz: bytes; *_cnt: streams
   Memory   one block, sized by the names, which are copied
   Threads  one owner
   Limits   names of TM_SESSION_STREAM_SZ_MAX bytes; longer ones are cut
   Tests    tests/net/test_sessions.c */
#ifndef TM_NET_STREAM_WATCH_H
#define TM_NET_STREAM_WATCH_H

#include "base/types.h"

typedef struct tm_stream_watch tm_stream_watch_t;

int tm_stream_watch_open(tm_stream_watch_t **out, uint32_t cnt_max) TM_MUST_CHECK;
void tm_stream_watch_close(tm_stream_watch_t *watch); /* NULL is fine */

/* Waits for a stream of this name too. A depth in the channel of "book.25:BTC/USD" is left out:
   messages do not repeat it. Names beyond cnt_max are not waited for. */
void tm_stream_watch_add(tm_stream_watch_t *watch, const char *name, size_t sz);

/* A message of this stream came. */
void tm_stream_watch_hear(tm_stream_watch_t *watch, const char *name, size_t sz);

/* A message came that does not say its stream: the one there is, where there is only one. */
void tm_stream_watch_hear_only(tm_stream_watch_t *watch);

uint32_t tm_stream_watch_cnt(const tm_stream_watch_t *watch);
uint32_t tm_stream_watch_silent_cnt(const tm_stream_watch_t *watch);

/* The first silent stream at or behind *pos, which moves past it; NULL where there is none. */
const char *tm_stream_watch_silent(const tm_stream_watch_t *watch, uint32_t *pos);

#endif
