/* parse/message.h - the any-order path: one message, of any form that its venue declares, to rows.
   Flow     parser.c -> [message] -> walk.c, event.c, levels.c -> rows
   Method   the whole message is walked first, which proves it well-formed and notes the members of
            the envelope and of a payload that is an object; then the kind is told, and arrays,
            parts and levels are gone through at the places noted
   Order    rows follow the message's order. A message with a fault gives none
   Memory   part of its parser
   Threads  one
   Errors   a reason and walk.bad_off. Errors of form come before errors of meaning
   Limits   rows: out.cap
   Tests    tests/parse/test_parser.c, tests/parse/test_venues.c */
#ifndef TM_PARSE_MESSAGE_H
#define TM_PARSE_MESSAGE_H

#include "parse/paths/levels.h"

/* What a message has given. */
typedef struct tm_message_out {
    tm_market_row_t *rows;
    uint32_t line_cnt, cap; /* cache lines; a row is one or several (tm_market_lines) */
    uint32_t event_cnt;
    const tm_kind_t *kind; /* of the last event */
    bool has_seq;          /* the envelope carries a sequence number: */
    uint64_t seq;
    uint32_t kind_cnts[TM_KIND_CNT_MAX];
} tm_message_out_t;

typedef struct tm_message {
    tm_event_ctx_t ctx;
    const tm_frame_t *frame;
    tm_walk_t walk;
    tm_members_t outer; /* the top object's, or the envelope's */
    tm_members_t event; /* the payload's, or that of an array's element */
    tm_members_t part;
    tm_message_out_t out;
} tm_message_t;

/* Reads the frame whose walk has been started (tm_walk_start). out.rows and out.cap are given, the
   rest of out is filled; what is in it counts only where TM_REASON_NONE is returned. */
tm_reason_t tm_message_read(tm_message_t *message, const tm_frame_t *frame) TM_MUST_CHECK;

/* The members that the only event of the last message came from. */
const tm_members_t *tm_message_only(const tm_message_t *message);

/* The members of the envelope around it; NULL where there is none. */
const tm_members_t *tm_message_outer(const tm_message_t *message);

#endif
