/* parse/paths/walk.h - the any-order path: one pass over a message that checks all of RFC 8259 and
   notes where the values of the declared keys stand.
   Flow     parser.c -> [walk] -> members -> event.c; scalars -> layout.c, which learns from them
   Method   strings end at the quotes that the scan kernel lists, window by window, so their bytes
            are only looked at where a window holds escapes, control bytes or UTF-8
   Units    from, to, pos, *_off: bytes from the start of the message
   Memory   none of its own; the caller lends the list of quotes (TM_SCAN_QUOTE_MAX)
   Threads  one
   Errors   a reason and bad_off; TM_REASON_TRUNCATED where more bytes could have made it right
   Limits   nesting TM_WALK_DEPTH_MAX; duplicate keys: the last one counts
   Tests    tests/parse/test_walk.c, tests/fuzz/fuzz_parse.c */
#ifndef TM_PARSE_WALK_H
#define TM_PARSE_WALK_H

#include "parse/dialect.h"
#include "parse/scan/kernels.h"

enum { TM_WALK_DEPTH_MAX = 512, TM_WALK_SCALAR_MAX = 48, TM_WALK_PAIRS_MAX = 4 };

typedef enum tm_value_type {
    TM_VALUE_NULL,
    TM_VALUE_TRUE,
    TM_VALUE_FALSE,
    TM_VALUE_NUMBER,
    TM_VALUE_STRING,  /* from, to: without the quotes */
    TM_VALUE_ESCAPED, /* the same, with at least one escape in it */
    TM_VALUE_OBJECT,
    TM_VALUE_ARRAY,
} tm_value_type_t;

typedef struct tm_value {
    alignas(16) uint32_t from; /* sixteen bytes: members are found by a shift */
    uint32_t to;
    tm_value_type_t type;
} tm_value_t;

/* The values of declared keys of one object, by key id; at[TM_KEY_NONE] is the last other one. */
typedef struct tm_members {
    uint64_t present; /* bit id */
    tm_value_t at[TM_KEY_CNT_MAX + 1];
} tm_members_t;

/* Pairs of strings that stand one after another in an array, as tm_walk_value has met them. */
typedef struct tm_walk_pairs {
    uint32_t base, at_idx; /* where the list of quotes stood: window and first quote */
    uint32_t cnt;
} tm_walk_pairs_t;

typedef struct tm_walk {
    const uint8_t *bytes;
    uint32_t sz, pos;
    const tm_kernels_t *kernels;
    const tm_dialect_t *dialect;
    /* Quotes of the window [base, end): at[0..at_cnt), the next one is at[at_idx]. */
    uint16_t *at;
    uint32_t at_cnt, at_idx, base, end;
    tm_scan_t scan;
    bool odd; /* some window so far was: strings must be looked at */
    uint32_t bad_off;
    uint32_t depth;     /* levels open around pos, set after start by whoever opened them */
    uint32_t pairs_cnt; /* runs of pairs met, also where pairs[] is full */
    tm_walk_pairs_t pairs[TM_WALK_PAIRS_MAX];
    bool noting;         /* set after start: scalars are noted */
    uint32_t scalar_cnt; /* all scalars met, also where scalars[] is full */
    tm_value_t scalars[TM_WALK_SCALAR_MAX];
} tm_walk_t;

/* Starts at byte `pos`, which must be outside of strings. `at` is lent. */
void tm_walk_start(tm_walk_t *walk, const tm_kernels_t *kernels, const tm_dialect_t *dialect,
                   const uint8_t *bytes, uint32_t sz, uint16_t *at);

/* After start: the whole message has been scanned already; at[0..cnt) lists its quotes. */
void tm_walk_scanned(tm_walk_t *walk, uint32_t cnt, bool odd);

/* Goes on at another place; `pos` must be outside of strings. */
void tm_walk_seek(tm_walk_t *walk, uint32_t pos);

/* Skips white space and returns the byte there, 0 at the end of the message. */
uint8_t tm_walk_peek(tm_walk_t *walk);

/* Reads the value at pos, of any type. */
tm_reason_t tm_walk_value(tm_walk_t *walk, tm_value_t *value) TM_MUST_CHECK;

/* Reads the key of a member at pos, and its colon. */
tm_reason_t tm_walk_key(tm_walk_t *walk, tm_value_t *key) TM_MUST_CHECK;

/* Reads the object at pos. Where `payload` is given and the venue's payload key holds an object,
   its members go there. */
tm_reason_t tm_walk_object(tm_walk_t *walk, tm_members_t *members,
                           tm_members_t *payload) TM_MUST_CHECK;

/* The reason for an unexpected byte at pos, which becomes bad_off. */
tm_reason_t tm_walk_unexpected(tm_walk_t *walk);

/* End of a bare value of a common form at `from`: an integer of up to 16 digits that ends at `to`,
   or a boolean. 0 for anything else. */
static inline uint32_t tm_walk_bare_end(const uint8_t *b, uint32_t from, uint32_t to,
                                        tm_value_type_t *type)
{
    uint8_t c = b[from];
    uint32_t sz = to - from;
    if (TM_LIKELY((uint8_t)(c - '0') <= 9)) {
        *type = TM_VALUE_NUMBER;
        bool digits = (~tm_swar_digits16(b + from) & ((1u << (sz & 31)) - 1)) == 0;
        return digits & (sz - 1 < 16) & ((c != '0') | (sz == 1)) ? to : 0;
    }
    uint64_t text = tm_swar_load(b + from) & tm_swar_low(5);
    bool yes = (uint32_t)text == 0x65757274u, no = text == 0x65736c6166ull; /* true, false */
    *type = yes ? TM_VALUE_TRUE : TM_VALUE_FALSE;
    return yes || no ? from + 5 - yes : 0;
}

/* The text of a string value: the message's own bytes, or `room` (of room_sz) where it has escapes.
   NULL where it does not fit or is no UTF-8 once decoded. 16 bytes are readable at the result when
   room_sz is at least its size + 16. */
const uint8_t *tm_walk_text(const uint8_t *bytes, const tm_value_t *value, uint8_t *room,
                            uint32_t room_sz, uint32_t *sz);

#endif
