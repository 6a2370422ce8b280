/* parse/paths/stencil.h - layouts in the form that the 512-bit kernel works with.
   Flow     layout.c (a learned layout) -> [stencil] -> stencil_avx512.c, called by parser.c
   Idea     a layout as vectors: for every byte outside of the holes the quote it is counted from,
            the distance and the byte itself, so that one permutation fetches 64 of them out of a
            message held in registers and one comparison checks them; and for every value a lane of
            16 bytes, fetched, checked and converted four lanes at a time, up to the finished row
   Limits   messages up to TM_STENCIL_SZ_MAX bytes (offsets are single bytes), quotes up to
            TM_STENCIL_QUOTE_MAX, values of up to 16 bytes; all else is left to layout.c
   Threads  one
   Tests    tests/parse/test_layout.c */
#ifndef TM_PARSE_STENCIL_H
#define TM_PARSE_STENCIL_H

#include "base/row.h"
#include "parse/paths/layout.h"

enum {
    TM_STENCIL_SZ_MAX = 255,
    TM_STENCIL_QUOTE_MAX = 62, /* with the message's start and end they fill a vector */
    TM_STENCIL_TEXT_MAX = 3,   /* vectors of text */
    TM_STENCIL_GROUP_MAX = 3,  /* vectors of four lanes */
    TM_STENCIL_LANE_NONE = 0xff,
    TM_STENCIL_SYMBOL_LANE = 7,
};

/* Sixty-four bytes outside of holes; unused ones compare the message's first byte with itself. */
typedef struct tm_stencil_text {
    alignas(64) uint8_t quote[64];
    uint8_t distance[64]; /* modulo 256, as all places here */
    uint8_t bytes[64];
} tm_stencil_text_t;

/* Four values. Byte vectors repeat a lane's figure 16 times unless they say otherwise. */
typedef struct tm_stencil_group {
    alignas(64) uint8_t from_quote[64];
    uint8_t from_distance[64]; /* of the lane's byte: rises by one within a lane */
    uint8_t to_quote[64];
    uint8_t sz_distance[64]; /* added to the distance of both quotes it gives the value's size */
    uint8_t
        shift[64]; /* where a byte of a converted number comes from, less its last whole digit */
    uint8_t whole_max[64]; /* digits before the point, less one */
    uint8_t numbers[64];   /* all bits set in lanes that are numbers */
    uint64_t decimals;     /* bytes of lanes that may hold a point */
} tm_stencil_group_t;

typedef struct tm_stencil {
    const tm_kind_t *kind;
    uint8_t text_cnt, group_cnt, quote_cnt;
    uint8_t times;                       /* bit 2i: lane i of the first group is a time */
    bool has_symbol;                     /* in lane TM_STENCIL_SYMBOL_LANE */
    uint8_t flags[TM_STENCIL_GROUP_MAX]; /* bit 2i: lane i of the group is a boolean */
    uint8_t flag_off;                    /* place of the declared one in the row; 0 = none */
    uint8_t flag_bit;                    /* 2i of its lane i, counted over all groups */
    uint8_t row_mask;                    /* words of the row that lanes fill */
    alignas(64) uint64_t row_words[8];   /* which: word 2i of groups 0 and 1 is lane i */
    alignas(64) tm_market_row_t blank;
    /* At the last quote's place: its distance from the end, where tail_mask asks for it. */
    alignas(64) uint8_t tail[64];
    uint8_t tail_mask[64];
    tm_stencil_text_t text[TM_STENCIL_TEXT_MAX];
    tm_stencil_group_t groups[TM_STENCIL_GROUP_MAX];
} tm_stencil_t;

typedef struct tm_stencils {
    uint8_t ways[TM_STENCIL_QUOTE_MAX + 1][TM_LAYOUT_WAYS]; /* index + 1 by quote_cnt, 0 = none */
    tm_stencil_t stencils[TM_LAYOUT_CNT_MAX];
} tm_stencils_t;

/* What a message gave. */
typedef struct tm_stencil_taken {
    tm_market_row_t *row; /* in: where to write the row, all but the symbol's number */
    uint64_t symbol[2];   /* its text, zero-padded */
    uint32_t symbol_sz;   /* 0: the kind has no symbol */
} tm_stencil_taken_t;

/* Follows what tm_layouts_learn has done: layout `idx` is new. */
void tm_stencils_update(tm_stencils_t *stencils, const tm_layouts_t *layouts, uint32_t idx);

#ifdef __x86_64__
/* Reads one message of up to TM_STENCIL_SZ_MAX bytes. Returns its stencil; NULL where none fits or
   a value is of a form that is left to the other paths. What was written then does not count. */
const tm_stencil_t *tm_stencil_take_avx512(const tm_stencils_t *stencils, const uint8_t *bytes,
                                           uint32_t sz, int64_t recv_ns, tm_stencil_taken_t *out);
#endif

#endif
