/* parse/layout.h - the fast path: messages that look like one seen before, but for their values.
   Flow     parser.c: quotes of the message -> [layouts] -> places of its values -> event.c
   Idea     a venue writes a kind of message in one way: keys in one order, no white space. A layout
            is such a message with holes where its scalars stood, learned from a message that the
            any-order path has read. A message matches when every byte outside of the holes is the
            same; where a hole begins and ends is told by the ordinals of the quotes around it. So a
            match proves the message well-formed but for the contents of its holes: strings must
            hold no escape, control byte or UTF-8 (told by the scan), booleans are compared, numbers
            are checked as they are converted. Anything else takes the any-order path. A field that
            an exchange adds costs that path once
   Units    *_quote: ordinal of a quote, counted from 1; 0 is the message's start and quote_cnt + 1
            its end. Distances: bytes from there
   Memory   part of its parser
   Threads  one
   Limits   TM_LAYOUT_CNT_MAX layouts; messages up to TM_LAYOUT_SZ_MAX bytes; numbers in holes of up
            to TM_LAYOUT_NUMERAL_SZ_MAX bytes. Learning is rationed, so that messages made to differ
            cannot make every message slower by learning
   Tests    tests/parse/test_layout.c */
#ifndef TM_PARSE_LAYOUT_H
#define TM_PARSE_LAYOUT_H

#include "parse/event.h"

enum {
    TM_LAYOUT_CNT_MAX = 48,
    TM_LAYOUT_SZ_MAX = 1024,
    TM_LAYOUT_SCALAR_MAX = 24,
    TM_LAYOUT_QUOTE_MAX = 96,
    TM_LAYOUT_CHECK_MAX = 64,
    TM_LAYOUT_FLAG_MAX = 4,
    TM_LAYOUT_NUMERAL_SZ_MAX = 64,
    TM_LAYOUT_WAYS = 4, /* layouts with one number of quotes */
    TM_LAYOUT_RATION = 64,
};

/* Up to eight bytes that stand outside of holes. */
typedef struct tm_layout_check {
    uint64_t mask, text;
    int16_t distance;
    uint8_t quote;
} tm_layout_check_t;

/* A value that no quotes enclose, or the body of a quoted number. */
typedef struct tm_layout_hole {
    int16_t from_distance, to_distance;
    uint8_t from_quote, to_quote;
} tm_layout_hole_t;

typedef struct tm_layout {
    const tm_kind_t *kind;
    uint8_t quote_cnt, check_cnt, numeral_cnt, flag_cnt;
    uint8_t symbol_quote;                    /* opening quote of the symbol, 0 = none */
    uint16_t integers, quoted;               /* as in tm_numerals_t */
    uint8_t fields[TM_NUMERAL_CNT_MAX];      /* TM_EVENT_FIELD_NONE: an undeclared number */
    uint8_t flag_fields[TM_LAYOUT_FLAG_MAX]; /* booleans, likewise */
    int16_t tail; /* bytes from the last quote to the end; 0 where a bare value lies between */
    tm_layout_hole_t numerals[TM_NUMERAL_CNT_MAX];
    tm_layout_hole_t flags[TM_LAYOUT_FLAG_MAX];
    tm_layout_check_t checks[TM_LAYOUT_CHECK_MAX];
} tm_layout_t;

/* Where a matching message has its values. */
typedef struct tm_layout_match {
    tm_numerals_t numerals;
    uint32_t flags; /* bit i: flag i is true */
} tm_layout_match_t;

typedef struct tm_layouts {
    uint32_t cnt;       /* layouts ever made */
    uint32_t asked_cnt; /* messages that could have been learned from */
    uint32_t ration;    /* such messages to come until the next one that is */
    uint8_t ways[TM_LAYOUT_QUOTE_MAX + 1][TM_LAYOUT_WAYS]; /* index + 1 by quote_cnt, 0 = none */
    tm_layout_t layouts[TM_LAYOUT_CNT_MAX];
} tm_layouts_t;

/* The layout a message follows, or NULL. at[1..cnt] are its quotes; at[0] must be 0 and at[cnt + 1]
   its size. The scan must not have been odd. Numbers are not converted yet. */
const tm_layout_t *tm_layouts_match(const tm_layouts_t *layouts, const uint8_t *bytes,
                                    const uint16_t *at, uint32_t cnt, tm_layout_match_t *match);

/* Whether the next message may be learned from; asked once for each that could be. */
bool tm_layouts_may_learn(tm_layouts_t *layouts);

/* Learns from a message that has just been walked, gave an event of `kind` from `members`, and
   whose scan was not odd. Returns the index of the new layout, or -1 where the message's form does
   not suit. */
int32_t tm_layouts_learn(tm_layouts_t *layouts, const tm_walk_t *walk, const uint16_t *at,
                         const tm_kind_t *kind, const tm_members_t *members);

#endif
