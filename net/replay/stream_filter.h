/* net/replay/stream_filter.h - chooses messages by the stream that carried them.
   Flow     replay.c, the engine's journal source, tidemark journal -> [filter] -> messages wanted
   Rule     a combined message names its stream; a raw one belongs to every stream of its event and
            symbol (net/simulated/venue_line.h); one that tells neither belongs to none. Names are
            compared as shell patterns: btcusdt@trade, btcusdt@*, *@bookTicker
   Memory   names stay the caller's; a raw message is wrapped in a buffer of its size
   Threads  one owner
   Limits   names of messages up to TM_VENUE_STREAM_SZ_MAX - 1 bytes
   Tests    tests/net/test_capture_line.c */
#ifndef TM_NET_STREAM_FILTER_H
#define TM_NET_STREAM_FILTER_H

#include "net/simulated/venue_line.h"

typedef struct tm_stream_filter {
    const char *const *names;
    uint32_t name_cnt; /* 0 = every message passes */
    tm_venue_line_t line;
} tm_stream_filter_t;

void tm_stream_filter_init(tm_stream_filter_t *filter, const char *const *names, uint32_t name_cnt);
void tm_stream_filter_fini(tm_stream_filter_t *filter);

bool tm_stream_filter_takes(tm_stream_filter_t *filter, const uint8_t *message, uint32_t sz);

#endif
