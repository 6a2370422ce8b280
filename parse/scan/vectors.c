#include "parse/scan/vectors.h"

#include "parse/scan/swar.h"

#define WORDS(w)                                                                                   \
    {                                                                                              \
        w, w, w, w, w, w, w, w                                                                     \
    }
#define BYTES(c) WORDS(TM_SWAR_EACH(c))
#define LANES(a, b)                                                                                \
    {                                                                                              \
        a, b, a, b, a, b, a, b                                                                     \
    }

alignas(64) const uint64_t tm_vectors[TM_VECTOR_CNT][8] = {
    [TM_VECTOR_PLACES] = {0x0706050403020100, 0x0f0e0d0c0b0a0908, 0x1716151413121110,
                          0x1f1e1d1c1b1a1918, 0x2726252423222120, 0x2f2e2d2c2b2a2928,
                          0x3736353433323130, 0x3f3e3d3c3b3a3938},
    [TM_VECTOR_PLACES + 1] = {0x4746454443424140, 0x4f4e4d4c4b4a4948, 0x5756555453525150,
                              0x5f5e5d5c5b5a5958, 0x6766656463626160, 0x6f6e6d6c6b6a6968,
                              0x7776757473727170, 0x7f7e7d7c7b7a7978},
    [TM_VECTOR_PLACES + 2] = {0x8786858483828180, 0x8f8e8d8c8b8a8988, 0x9796959493929190,
                              0x9f9e9d9c9b9a9998, 0xa7a6a5a4a3a2a1a0, 0xafaeadacabaaa9a8,
                              0xb7b6b5b4b3b2b1b0, 0xbfbebdbcbbbab9b8},
    [TM_VECTOR_PLACES + 3] = {0xc7c6c5c4c3c2c1c0, 0xcfcecdcccbcac9c8, 0xd7d6d5d4d3d2d1d0,
                              0xdfdedddcdbdad9d8, 0xe7e6e5e4e3e2e1e0, 0xefeeedecebeae9e8,
                              0xf7f6f5f4f3f2f1f0, 0xfffefdfcfbfaf9f8},
    [TM_VECTOR_LANE_PLACES] = LANES(0x0706050403020100, 0x0f0e0d0c0b0a0908),
    [TM_VECTOR_LANE_IDX] = {0, 0, TM_SWAR_EACH(1), TM_SWAR_EACH(1), TM_SWAR_EACH(2),
                            TM_SWAR_EACH(2), TM_SWAR_EACH(3), TM_SWAR_EACH(3)},
    [TM_VECTOR_QUOTE] = BYTES('"'),
    [TM_VECTOR_SLASH] = BYTES('\\'),
    [TM_VECTOR_BLANK] = BYTES(' '),
    [TM_VECTOR_POINT] = BYTES('.'),
    [TM_VECTOR_DIGIT_0] = BYTES('0'),
    [TM_VECTOR_ONE] = BYTES(1),
    [TM_VECTOR_SEVEN] = BYTES(7),
    [TM_VECTOR_EIGHT] = BYTES(8),
    [TM_VECTOR_SIXTEEN] = BYTES(16),
    [TM_VECTOR_NINE] = BYTES(9),
    [TM_VECTOR_TENS] = WORDS(0x010a010a010a010a),
    [TM_VECTOR_HUNDREDS] = WORDS(0x0001006400010064),
    [TM_VECTOR_MYRIADS] = WORDS(0x0001271000012710),
    [TM_VECTOR_E8] = WORDS(100000000),
    [TM_VECTOR_MS] = WORDS(TM_NS_PER_MS),
    [TM_VECTOR_US] = WORDS(TM_NS_PER_US),
    [TM_VECTOR_MS_BELOW] = WORDS(100000000000000),
    [TM_VECTOR_MS_MAX] = WORDS(INT64_MAX / TM_NS_PER_MS),
    [TM_VECTOR_US_MAX] = WORDS(INT64_MAX / TM_NS_PER_US),
    [TM_VECTOR_TRUE] = LANES(0x65757274, 0),
    [TM_VECTOR_FALSE] = LANES(0x65736c6166, 0),
};
