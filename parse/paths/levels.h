/* parse/paths/levels.h - arrays of book levels to level rows.
   Flow     message.c -> [levels] -> rows
   Method   arrays of strings are read as runs (parse/paths/level_run.h), many at a time; any other
            form of level, and objects, value by value
   Memory   none of its own
   Threads  one
   Errors   a reason and bad_off. The array has been walked before, so it is well-formed
   Limits   `cap` rows
   Tests    tests/parse/test_levels.c */
#ifndef TM_PARSE_LEVELS_H
#define TM_PARSE_LEVELS_H

#include "parse/event.h"

/* Level rows in the making. */
typedef struct tm_levels {
    const tm_event_ctx_t *ctx;
    const tm_kind_t *kind;
    tm_walk_t *walk;
    tm_market_row_t *rows; /* cnt are there, cap is how many there may be */
    uint32_t cnt, cap, bad_off;
    uint8_t price_digits, qty_digits; /* the most so far, where the kind counts them */
    tm_market_row_t blank;            /* a level with nothing but what the batch says of all */
} tm_levels_t;

/* Appends the levels of one array of the message. `room` is lent for the members of objects. */
tm_reason_t tm_levels_read(tm_levels_t *levels, const tm_venue_levels_t *decl,
                           const tm_value_t *array, tm_members_t *room) TM_MUST_CHECK;

/* What all levels of a batch have in common, by its head. */
void tm_levels_blank(tm_market_row_t *blank, const tm_depth_t *head);

/* Completes a head whose `cnt` levels are at `rows`. */
void tm_levels_end(tm_depth_t *head, tm_market_row_t *rows, uint32_t cnt);

/* Price and quantity of the first level of an array of arrays, scaled by 1e8; zeros where it is
   empty. */
tm_reason_t tm_levels_top(const uint8_t *bytes, const tm_value_t *array,
                          int64_t top[2]) TM_MUST_CHECK;

#endif
