/* parse/event.h - from the values of one message to its row.
   Flow     walk.c (members) or layout.c (places) -> [event] -> row
   Order    numbers are stored in the order of their fields, then all other values, the symbol last,
            so that a message with a fault leaves nothing in the symbol table
   Memory   none of its own
   Threads  one
   Errors   a reason and bad_off, as bytes from the start of the message
   Tests    tests/parse/test_parser.c, tests/parse/test_venues.c */
#ifndef TM_PARSE_EVENT_H
#define TM_PARSE_EVENT_H

#include "base/frame.h"
#include "parse/paths/walk.h"
#include "parse/scan/kernels.h"
#include "parse/symbol_cache.h"

enum { TM_EVENT_FIELD_NONE = 0xff };

typedef struct tm_event_ctx {
    const tm_kernels_t *kernels;
    const tm_dialect_t *dialect;
    tm_symbol_cache_t *symbols;
} tm_event_ctx_t;

/* A row in the making. */
typedef struct tm_event_fill {
    const tm_event_ctx_t *ctx;
    const tm_kind_t *kind;
    const uint8_t *bytes;
    tm_market_row_t *row;
    tm_value_t symbol; /* kept until the rest is stored */
    tm_form_t symbol_form;
    bool has_symbol;
    uint8_t fields[TM_NUMERAL_CNT_MAX];
    uint32_t bad_off;
    tm_numerals_t numerals;
} tm_event_fill_t;

/* The kind that a tag names, and the kind of message that an object with these members is; NULL
   where nobody declared it. */
const tm_kind_t *tm_event_kind_tagged(const tm_dialect_t *dialect, const uint8_t *bytes,
                                      const tm_value_t *tag, char end, bool positional);
const tm_kind_t *tm_event_kind(const tm_dialect_t *dialect, const uint8_t *bytes,
                               const tm_members_t *members);

/* Starts a row of the kind, of tm_kind_t.line_cnt lines, with nothing but its times. */
void tm_event_fill_start(tm_event_fill_t *fill, const tm_event_ctx_t *ctx, const tm_kind_t *kind,
                         const tm_frame_t *frame, tm_market_row_t *row);

/* Stores the fields of one scope from the members of an object, all but the symbol. */
tm_reason_t tm_event_fill_scope(tm_event_fill_t *fill, tm_scope_t scope,
                                const tm_members_t *members) TM_MUST_CHECK;

/* Stores one value that is no number of a common form; a symbol is kept for the call below. */
tm_reason_t tm_event_fill_value(tm_event_fill_t *fill, uint32_t field_idx,
                                const tm_value_t *value) TM_MUST_CHECK;

/* Stores the symbol, where one was met. */
tm_reason_t tm_event_fill_symbol(tm_event_fill_t *fill) TM_MUST_CHECK;

/* Fills the row of a plain kind from the members of its object. */
tm_reason_t tm_event_row(const tm_event_ctx_t *ctx, const tm_kind_t *kind, const tm_frame_t *frame,
                         const tm_members_t *members, tm_market_row_t *row,
                         uint32_t *bad_off) TM_MUST_CHECK;

/* Converts the numbers and stores number i as field fields[i] of the kind; those of
   TM_EVENT_FIELD_NONE are only checked to be numbers. */
tm_reason_t tm_event_numbers(const tm_kernels_t *kernels, const tm_venue_kind_t *decl,
                             const uint8_t *bytes, const tm_numerals_t *numerals,
                             const uint8_t *fields, tm_market_row_t *row) TM_MUST_CHECK;

/* Starts a row of one line: header, times that are absent. */
static inline void tm_event_start(const tm_kind_t *kind, int64_t recv_ns, tm_market_row_t *row)
{
    memcpy(row, kind->blank, sizeof *row);
    row->row.event_ns = recv_ns;
    row->row.recv_ns = recv_ns;
}

#endif
