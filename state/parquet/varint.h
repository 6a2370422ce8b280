/* state/parquet/varint.h - LEB128 integers and zigzag, shared by Thrift and the Parquet encodings.
   Errors   get: NULL where the input ends early or is longer than ten bytes
   Limits   TM_VARINT_SZ_MAX bytes a value; put needs that much room */
#ifndef TM_STATE_VARINT_H
#define TM_STATE_VARINT_H

#include "base/types.h"

enum { TM_VARINT_SZ_MAX = 10 };

static inline uint8_t *tm_varint_put(uint8_t *out, uint64_t v)
{
    while (v >= 0x80) {
        *out++ = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    *out++ = (uint8_t)v;
    return out;
}

static inline const uint8_t *tm_varint_get(const uint8_t *in, const uint8_t *end, uint64_t *v)
{
    uint64_t sum = 0;
    for (unsigned shift = 0; shift < 70 && in < end; shift += 7) {
        uint8_t byte = *in++;
        if (shift < 64) sum |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *v = sum;
            return in;
        }
    }
    return NULL;
}

static inline uint64_t tm_zigzag(int64_t v)
{
    return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
}

static inline int64_t tm_unzigzag(uint64_t v)
{
    return (int64_t)((v >> 1) ^ (0 - (v & 1)));
}

#endif
