/* parse/scan/vectors.h - constants of the 512-bit kernels, as they lie in a register.
   Why      a constant that the compiler sees it makes in a general register and broadcasts, on the
            port that the permutations need (one a cycle on Zen 4); a load is free beside them
   Threads  immutable */
#ifndef TM_PARSE_VECTORS_H
#define TM_PARSE_VECTORS_H

#include "base/types.h"

typedef enum tm_vector {
    TM_VECTOR_PLACES,                             /* 0..255, four vectors */
    TM_VECTOR_LANE_PLACES = TM_VECTOR_PLACES + 4, /* 0..15 in every lane */
    TM_VECTOR_LANE_IDX,                           /* a lane's index in all of its bytes */
    TM_VECTOR_QUOTE,                              /* bytes */
    TM_VECTOR_SLASH,
    TM_VECTOR_BLANK,
    TM_VECTOR_POINT,
    TM_VECTOR_DIGIT_0,
    TM_VECTOR_ONE,
    TM_VECTOR_SEVEN,
    TM_VECTOR_EIGHT,
    TM_VECTOR_SIXTEEN,
    TM_VECTOR_NINE,
    TM_VECTOR_TENS, /* factors of pairs of digits, pairs of pairs, and so on */
    TM_VECTOR_HUNDREDS,
    TM_VECTOR_MYRIADS,
    TM_VECTOR_E8, /* 64-bit words */
    TM_VECTOR_MS,
    TM_VECTOR_US,
    TM_VECTOR_MS_BELOW,
    TM_VECTOR_MS_MAX,
    TM_VECTOR_US_MAX,
    TM_VECTOR_TRUE, /* the words, zero-padded, in every lane */
    TM_VECTOR_FALSE,
    TM_VECTOR_CNT
} tm_vector_t;

extern const uint64_t tm_vectors[TM_VECTOR_CNT][8];

#endif
