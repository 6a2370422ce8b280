/* parse/parser.h - frames to rows: the one door of this folder.
   Flow     net -> frame -> [parser] -> row -> ring
   Memory   opaque, heap, sized at open; the dead-letter ring is bounded (parse/dead_letter.h)
   Threads  one ingest thread a parser; the symbol table is shared
   Errors   a malformed or unknown message is an event: it yields 0 rows, a counter named after its
            reason and a dead letter. Nothing stops the feed
   Counters dead_letters = bad_<reason> for each of parse/reason.h + unknown; parsed_<kind> and
            ignored_<kind> as the venue declares them; parse_shape, parse_fast, parse_any_order:
            which path took the message (shape.h; stencil.h and layout.h; walk.h)
            sequence_gaps: messages missing from a connection, where the venue numbers them
   Venues   parse/venues/venues.h. A message is checked in full, RFC 8259, whichever path takes it;
            numbers are exact or an error
   Limits   TM_PARSER_ROW_MAX lines a frame; a message with more is a dead letter */
#ifndef TM_PARSE_PARSER_H
#define TM_PARSE_PARSER_H

#include "base/counter.h"
#include "base/frame.h"
#include "base/market.h"
#include "base/symbol.h"
#include "parse/dead_letter.h"

/* A whole book of the largest venue is some 50,000 levels. */
enum { TM_PARSER_ROW_MAX = 1 << 17 };

typedef struct tm_parser tm_parser_t;

typedef struct tm_parser_cfg {
    tm_symbols_t *symbols;             /* shared; not owned */
    tm_counter_set_t *counters;        /* of the ingest thread; not owned */
    const struct tm_venue *venue;      /* parse/venues/venues.h; NULL = Binance */
    bool no_books;                     /* levels of books are checked for their form and left */
    uint32_t dead_letter_max;          /* messages kept for inspection; 0 = 256 */
    tm_dead_letter_fn *on_dead_letter; /* called with each, beside it being kept; may be NULL */
    void *on_dead_letter_ctx;
    /* For tests and measurements: */
    const struct tm_kernels
        *kernels;        /* parse/scan/kernels.h; NULL = the best set of this machine */
    bool any_order_only; /* never takes a fast path */
    bool no_shapes;      /* takes the fast path of any sizes, not that of same sizes */
} tm_parser_cfg_t;

int tm_parser_open(tm_parser_t **out, const tm_parser_cfg_t *cfg) TM_MUST_CHECK;
void tm_parser_close(tm_parser_t *parser);

/* Parses one message. Writes its rows, one after another, each of tm_market_lines() cache lines,
   and returns how many lines they take: 0 for messages that carry none (kinds nobody declared a row
   for, dead letters). One that needs more than `cap` is a dead letter; TM_PARSER_ROW_MAX is the
   most that is used. rows must be 64-byte aligned. */
uint32_t tm_parser_frame(tm_parser_t *parser, const tm_frame_t *frame, tm_market_row_t *rows,
                         uint32_t cap);

/* Writes the kept dead letters as JSON lines {"time","conn","reason","offset","size","text"}. */
int tm_parser_dead_letters_write(const tm_parser_t *parser, FILE *out);

#endif
