/* net/simulated/venue_line.h - which streams a captured line belongs to, and its two forms.
   Flow     replay.c -> [venue_line] -> venue_source.c
   Combined {"stream":"<name>","data":<data>}: the line says it itself
   Raw      the stream is made of the symbol and the kind of event, as the exchange names streams. A
            book diff may have come from any of a symbol's depth streams and is a message of each
   Others   (snapshots, say) name no symbol, or a stream that is too long: they have none
   Memory   a raw line is wrapped in a buffer that grows to the longest line
   Threads  one owner
   Errors   where memory is short a raw line has no stream
   Tests    tests/net/test_venue_line.c */
#ifndef TM_NET_VENUE_LINE_H
#define TM_NET_VENUE_LINE_H

#include "net/simulated/venue_generator.h"
#include "net/simulated/venue_stream.h"

typedef struct tm_venue_line {
    const char *text; /* the raw line, where more messages are to be made of it */
    uint32_t sz;
    const char *const *suffixes; /* of the streams left, NULL-terminated */
    char name[TM_VENUE_STREAM_SZ_MAX];
    size_t symbol_sz; /* of the name */
    char *wrapped;
    size_t wrapped_cap;
} tm_venue_line_t;

void tm_venue_line_init(tm_venue_line_t *line);
void tm_venue_line_fini(tm_venue_line_t *line);

/* The first message of a line; text stays the caller's. */
void tm_venue_line_set(tm_venue_line_t *line, const char *text, uint32_t sz,
                       tm_venue_message_t *message);

/* The same line as a message of its next stream; false where it has no more. */
bool tm_venue_line_next(tm_venue_line_t *line, tm_venue_message_t *message);

#endif
