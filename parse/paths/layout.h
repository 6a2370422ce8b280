/* parse/paths/layout.h - the fast path: messages that look like one seen before, but for their
   values.
   Flow     parser.c: quotes of the message -> [layouts] -> places of its values -> event.c,
            level_run.c -> rows
   Files    layout.c: matching; layout_rows.c: what a match gives; layout_learn.c: learning
   Idea     a venue writes a kind of message in one way: keys in one order, no white space. A layout
            is such a message with holes where its scalars stood, learned from a message that the
            any-order path has read. A message matches when every byte outside of the holes is the
            same; where a hole begins and ends is told by the ordinals of the quotes around it. So a
            match proves the message well-formed but for the contents of its holes: strings must
            hold no escape, control byte or UTF-8 (told by the scan), booleans are compared, numbers
            are checked as they are converted. Anything else takes the any-order path. A field that
            an exchange adds costs that path once
   Books    hold any number of levels. Their layout is that of the message with its arrays of levels
            emptied; runs of levels (parse/paths/level_run.h) are found first and their quotes left
            out, and then it is matched like any other
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
#include "parse/paths/level_run.h"

enum {
    TM_LAYOUT_CNT_MAX = 48,
    TM_LAYOUT_SZ_MAX = TM_SCAN_WINDOW,
    TM_LAYOUT_SCALAR_MAX = 24,
    TM_LAYOUT_QUOTE_MAX = 96,
    TM_LAYOUT_CHECK_MAX = 64,
    TM_LAYOUT_FLAG_MAX = 4,
    TM_LAYOUT_TERM_MAX = 8,
    TM_LAYOUT_TERM_SZ_MAX = 128,
    TM_LAYOUT_BOOK_MAX = 8,
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

/* A declared value that is neither a plain number nor a boolean: a side, a time as text ... */
typedef struct tm_layout_term {
    tm_layout_hole_t hole;
    uint8_t field;
    bool quoted;
} tm_layout_term_t;

/* An array of levels: the hole is between its brackets. */
typedef struct tm_layout_levels {
    tm_layout_hole_t hole;
    uint8_t idx; /* in the kind's declaration */
} tm_layout_levels_t;

typedef struct tm_layout {
    const tm_kind_t *kind;
    uint8_t quote_cnt, check_cnt, numeral_cnt, flag_cnt, term_cnt, levels_cnt;
    bool has_seq;              /* the envelope's number in the connection stands in `seq` */
    uint8_t head_check_cnt;    /* checks before the first array of levels */
    uint8_t symbol_quote;      /* opening quote of the symbol, 0 = none */
    uint16_t integers, quoted; /* as in tm_numerals_t */
    uint8_t fields[TM_NUMERAL_CNT_MAX];      /* TM_EVENT_FIELD_NONE: an undeclared number */
    uint8_t flag_fields[TM_LAYOUT_FLAG_MAX]; /* booleans, likewise */
    int16_t tail; /* bytes from the last quote to the end; 0 where a bare value lies between */
    tm_layout_hole_t numerals[TM_NUMERAL_CNT_MAX];
    tm_layout_hole_t flags[TM_LAYOUT_FLAG_MAX];
    tm_layout_hole_t seq;
    tm_layout_term_t terms[TM_LAYOUT_TERM_MAX];    /* in the order in which they are stored */
    tm_layout_levels_t levels[TM_KIND_LEVELS_MAX]; /* in the order of the message */
    tm_layout_check_t checks[TM_LAYOUT_CHECK_MAX];
} tm_layout_t;

/* Where a matching message has its values. */
typedef struct tm_layout_match {
    tm_numerals_t numerals;
    uint32_t flags; /* bit i: flag i is true */
    uint32_t level_cnt;
    tm_value_t symbol; /* of plain kinds */
    tm_value_t seq;    /* where the layout has one */
    tm_value_t terms[TM_LAYOUT_TERM_MAX];
    tm_level_run_t runs[TM_KIND_LEVELS_MAX];
} tm_layout_match_t;

typedef struct tm_layouts {
    uint32_t cnt;       /* layouts ever made */
    uint32_t asked_cnt; /* messages that could have been learned from */
    uint32_t ration;    /* such messages to come until the next one that is */
    uint8_t ways[TM_LAYOUT_QUOTE_MAX + 1][TM_LAYOUT_WAYS]; /* index + 1 by quote_cnt, 0 = none */
    tm_layout_t layouts[TM_LAYOUT_CNT_MAX];
    uint32_t book_cnt, book_last; /* books ever made, and which one was met last */
    tm_layout_t books[TM_LAYOUT_BOOK_MAX];
} tm_layouts_t;

/* The layout a message follows, or NULL. at[1..cnt] are its quotes; at[0] must be 0 and at[cnt + 1]
   its size; of TM_SCAN_QUOTE_MAX places all can be read. The scan must not have been odd. Numbers
   are not converted yet. */
const tm_layout_t *tm_layouts_match(const tm_layouts_t *layouts, const uint8_t *bytes,
                                    const uint16_t *at, uint32_t cnt, tm_layout_match_t *match);

/* The same for a book, whose levels are found, too. */
const tm_layout_t *tm_layouts_match_book(tm_layouts_t *layouts, const uint8_t *bytes,
                                         const uint16_t *at, uint32_t cnt,
                                         tm_layout_match_t *match);

/* The rows of a message that follows a layout, up to `cap` lines; returns how many lines there are.
   -1 where the any-order path has to say what is wrong with its values. */
int32_t tm_layout_rows(const tm_event_ctx_t *ctx, const tm_layout_t *layout,
                       const tm_layout_match_t *match, const tm_frame_t *frame,
                       tm_market_row_t *rows, uint32_t cap);

/* Whether messages of the kind can have layouts at all. */
bool tm_layout_suits(const tm_kind_t *kind);

/* Whether the next message may be learned from; asked once for each that could be. */
bool tm_layouts_may_learn(tm_layouts_t *layouts);

/* A message that has just been walked, noting its scalars, and gave one event. */
typedef struct tm_layout_lesson {
    const tm_walk_t *walk;     /* whose scan was not odd */
    const uint16_t *at;        /* its quotes, as for tm_layouts_match */
    const tm_kind_t *kind;     /* of the event; it suits */
    const tm_members_t *outer; /* the envelope's; NULL without one */
    const tm_members_t *event; /* arrays of levels are empty */
    const tm_members_t *part;  /* of the only object of the kind's part; NULL without one */
} tm_layout_lesson_t;

/* Returns the index of the new layout, or -1 where the message's form does not suit or is that of a
   book. */
int32_t tm_layouts_learn(tm_layouts_t *layouts, const tm_layout_lesson_t *lesson);

#endif
