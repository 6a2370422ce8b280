/* parse/parser.h - frames to rows: the one door of this folder.
   Flow     net -> frame -> [parser] -> row -> ring
   Memory   opaque, heap, sized at open; the dead-letter ring is bounded (parse/dead_letter.h)
   Threads  one ingest thread a parser; the symbol table is shared
   Errors   a malformed or unknown message is an event: it yields 0 rows, a counter named after its
            reason and a dead letter. Nothing stops the feed
   Counters dead_letters = bad_<reason> for each of parse/reason.h + unknown; parsed_<kind> and
            ignored_<kind> as the venue declares them; parse_shape, parse_fast, parse_any_order:
            which path took the message (shape.h; stencil.h and layout.h; walk.h)
   Messages of Binance so far (parse/venues/binance.h). A message is checked in full, RFC 8259,
            whichever path takes it; numbers are exact or an error
   Limits   TM_PARSER_ROW_MAX rows a frame; messages with more are cut into several calls' worth by
            the caller's `cap` being at least that */
#ifndef TM_PARSE_PARSER_H
#define TM_PARSE_PARSER_H

#include "base/counter.h"
#include "base/frame.h"
#include "base/row.h"
#include "base/symbol.h"

#include <stdio.h>

enum { TM_PARSER_ROW_MAX = 4096 };

typedef struct tm_parser tm_parser_t;

typedef struct tm_parser_cfg {
    tm_symbols_t *symbols;      /* shared; not owned */
    tm_counter_set_t *counters; /* of the ingest thread; not owned */
    uint32_t dead_letter_max;   /* messages kept for inspection; 0 = 256 */
    /* For tests and measurements: */
    const struct tm_kernels *kernels; /* parse/kernels.h; NULL = the best set of this machine */
    bool any_order_only;              /* never takes a fast path */
    bool no_shapes;                   /* takes the fast path of any sizes, not that of same sizes */
} tm_parser_cfg_t;

int tm_parser_open(tm_parser_t **out, const tm_parser_cfg_t *cfg) TM_MUST_CHECK;
void tm_parser_close(tm_parser_t *parser);

/* Parses one message. Writes up to `cap` rows (cap >= TM_PARSER_ROW_MAX never truncates) and
   returns how many: 0 for messages that carry none (control replies, kinds nobody asked for, dead
   letters). rows must be 64-byte aligned. */
uint32_t tm_parser_frame(tm_parser_t *parser, const tm_frame_t *frame, tm_market_row_t *rows,
                         uint32_t cap);

/* Writes the kept dead letters as JSON lines {"time","conn","reason","offset","size","text"}. */
int tm_parser_dead_letters_write(const tm_parser_t *parser, FILE *out);

#endif
