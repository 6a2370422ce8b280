/* parse/reason.h - why a message became a dead letter.
   Flow     walk.c, event.c -> [reason] -> parser.c (counters), dead_letter.c
   Threads  no state */
#ifndef TM_PARSE_REASON_H
#define TM_PARSE_REASON_H

#include "base/types.h"

typedef enum tm_reason {
    TM_REASON_NONE,      /* no dead letter */
    TM_REASON_TRUNCATED, /* the message ends inside a value */
    TM_REASON_SYNTAX,    /* not RFC 8259 */
    TM_REASON_UTF8,    /* bytes of a string that are no UTF-8, or a lone surrogate in a used one */
    TM_REASON_NESTING, /* deeper than TM_WALK_DEPTH_MAX; reasons up to here are of form */
    TM_REASON_NUMBER,  /* a field that must be a number holds other text */
    TM_REASON_RANGE,   /* a number that its field cannot hold exactly */
    TM_REASON_MISSING, /* a required field is absent or null */
    TM_REASON_TYPE,    /* a field of the wrong JSON type */
    TM_REASON_SYMBOL,  /* a symbol that is empty or too long, or a full symbol table */
    TM_REASON_LIMIT,   /* more rows than TM_PARSER_ROW_MAX, or text than there is room for */
    TM_REASON_TWICE,   /* a declared key twice in one object, where that is refused */
    TM_REASON_UNKNOWN, /* a well-formed message of a kind nobody declared */
    TM_REASON_CNT
} tm_reason_t;

/* "truncated". */
const char *tm_reason_name(tm_reason_t reason);

/* "bad_truncated"; "unknown" for TM_REASON_UNKNOWN. */
const char *tm_reason_counter(tm_reason_t reason);

#endif
