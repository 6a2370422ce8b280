/* parse/paths/shape.h - the fastest path: messages that differ from one seen before in digits and
   letters only, while every value has kept its size.
   Flow     parser.c, json.c -> [shapes] -> row or values; what fits none takes the other paths
   Idea     a feed repeats itself to the byte: prices keep their number of digits for hours. So a
            shape says for every byte of a message the range it must lie in: one value for text
            (keys, punctuation, booleans), '0'..'9' for digits, bytes that need no escape for the
            inside of strings. Checking is one subtraction and one comparison a byte, any number of
            bytes at a time, and proves the whole message well-formed, as the one it was learned
            from was. As the sizes of the numbers are known, so are the shuffles that line up their
            digits. The shape is found by a hash of the size and the places of the quotes
   Result   image, a copy of what the message learned from gave, then the numbers over it; texts are
            left to the caller
   Units    from, sz: bytes of the message; off: bytes of the result
   Memory   one heap block, sized at open
   Threads  one
   Limits   messages up to TM_SHAPE_SZ_MAX bytes, TM_SHAPE_LANE_MAX numbers of up to 16 digits and
            16 bytes. Learning is rationed, and feeds whose messages hardly ever repeat a shape
            are not asked for a while
   Tests    tests/parse/test_shape.c */
#ifndef TM_PARSE_SHAPE_H
#define TM_PARSE_SHAPE_H

#include "parse/paths/walk.h"

enum {
    TM_SHAPE_SZ_MAX = 1056,
    TM_SHAPE_SLOT_BITS = 8,
    TM_SHAPE_SLOTS = 1 << TM_SHAPE_SLOT_BITS,
    TM_SHAPE_LANE_MAX = 16,
    TM_SHAPE_TEXT_MAX = 16,
    TM_SHAPE_BLOCK = 32, /* bytes a step of the check */
};

/* What becomes of one scalar of the message learned from. */
typedef enum tm_shape_use {
    TM_SHAPE_FREE,   /* undeclared: any number of as many digits, any string of as many bytes */
    TM_SHAPE_FIXED,  /* must be the same text */
    TM_SHAPE_NUMBER, /* decimal of `scale`, times `factor`; stored as int64_t at `off` */
    TM_SHAPE_TEXT,   /* its place is told in texts[] */
} tm_shape_use_t;

typedef struct tm_shape_part {
    tm_value_t value;
    tm_shape_use_t use;
    uint32_t scale;
    int64_t factor;
    uint16_t off;
    uint8_t field; /* the caller's own, for texts */
} tm_shape_part_t;

/* One number: sixteen digits, zeros before and behind those of the text. */
typedef struct tm_shape_lane {
    alignas(16) uint8_t shuffle[16]; /* where each digit comes from, 0x80: it is zero */
    int64_t factor;                  /* sign and unit */
    uint16_t from, off;
    uint8_t whole_sz, fraction_sz; /* digits; those of the fraction start behind the point */
    uint8_t scale;
} tm_shape_lane_t;

typedef struct tm_shape_text {
    uint16_t from, sz, off;
    uint8_t field;
} tm_shape_text_t;

typedef struct tm_shape {
    uint16_t sz;
    uint8_t block_cnt, lane_cnt, text_cnt; /* lane_cnt is even: the last one may be there twice */
    uint8_t note;                          /* the caller's own, as owner */
    const void *owner;
    tm_shape_text_t texts[TM_SHAPE_TEXT_MAX];
    tm_shape_lane_t lanes[TM_SHAPE_LANE_MAX];
    /* Byte i is fine where byte - least <= span, unsigned: in turns, a block of each. */
    alignas(64) uint8_t ranges[TM_SHAPE_SZ_MAX / TM_SHAPE_BLOCK + 1][2][TM_SHAPE_BLOCK];
} tm_shape_t;

typedef struct tm_shapes {
    uint64_t keys[TM_SHAPE_SLOTS]; /* 0: free */
    uint32_t image_sz;             /* a multiple of 64 */
    uint32_t learned_cnt, ration;
    uint32_t asked_cnt, found_cnt, pause; /* messages; pause: to be left alone */
    tm_shape_t *slots;
    uint8_t *images;
} tm_shapes_t;

/* result_sz: bytes of what a message gives. Returns 0 or -ENOMEM. */
int tm_shapes_open(tm_shapes_t *shapes, uint32_t result_sz) TM_MUST_CHECK;
void tm_shapes_close(tm_shapes_t *shapes);

/* Whether shapes should be asked for this message, which is then counted. */
static inline bool tm_shapes_wanted(tm_shapes_t *shapes, uint32_t sz)
{
    if (TM_UNLIKELY(shapes->pause > 0)) {
        shapes->pause--;
        return false;
    }
    shapes->asked_cnt++;
    return sz <= TM_SHAPE_SZ_MAX && sz > 0;
}

/* Whether a message that fitted no shape, but gave a result, should be learned from. */
bool tm_shapes_may_learn(tm_shapes_t *shapes);

/* A message that a slower path has read. */
typedef struct tm_shape_message {
    uint64_t key; /* tm_kernels_t.shape_key of it */
    const uint8_t *bytes;
    uint32_t sz, part_cnt;
    const tm_shape_part_t
        *parts;        /* all of its scalars; where numbers share a place, the last stays */
    const void *image; /* its result; result_sz, rounded up to 64, bytes are readable */
} tm_shape_message_t;

/* Returns the shape, or NULL where the message does not suit. */
tm_shape_t *tm_shapes_learn(tm_shapes_t *shapes, const tm_shape_message_t *message);

/* Mixes a message's size and the bit masks of the quotes of its first 64 bytes, the next 64, and
   its last 64 (zero where it is shorter) to what a shape is found by. Never 0. */
static inline uint64_t tm_shape_key(const uint64_t quotes[3], uint32_t sz)
{
    uint64_t key = quotes[0] * 0x9e3779b97f4a7c15ull + quotes[1] * 0xc2b2ae3d27d4eb4full +
                   quotes[2] * 0xd6e8feb86659fd93ull + sz * 0xff51afd7ed558ccdull;
    return key | 1;
}

static inline const tm_shape_t *tm_shapes_slot(const tm_shapes_t *shapes, uint64_t key)
{
    uint64_t idx = key >> (64 - TM_SHAPE_SLOT_BITS);
    return shapes->keys[idx] == key ? &shapes->slots[idx] : NULL;
}

static inline const uint8_t *tm_shapes_image(const tm_shapes_t *shapes, const tm_shape_t *shape)
{
    return shapes->images + (size_t)(shape - shapes->slots) * shapes->image_sz;
}

#endif
