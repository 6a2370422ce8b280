/* parse/scan/numeral.h - text of numbers to exact integers: decimals scaled by a power of ten, ids,
   times.
   Flow     layout.c, event.c -> [numeral] -> row
   Method   a batch of a message's numbers goes through a kernel (parse/scan/kernels.h) that
            converts the common forms, several at a time; what it leaves is read by tm_numeral_read,
            which knows every form. Nothing passes through a double
   Grammar  -? digits [. digits] [e|E [+|-] digits]; in JSON strings leading zeros are allowed too
   Units    value * 10^scale, as sign and magnitude
   Errors   TM_REASON_NUMBER: not that grammar; TM_REASON_RANGE: the scaled value is no integer or
            does not fit. Never rounded, never wrapped; digits that are zero do not count
   Threads  no state
   Limits   exponents beyond +-9999 count as that; TM_NUMERAL_CNT_MAX numbers a batch
   Tests    tests/parse/test_numeral.c */
#ifndef TM_PARSE_NUMERAL_H
#define TM_PARSE_NUMERAL_H

#include "parse/reason.h"
#include "parse/scan/swar.h"

enum { TM_NUMERAL_CNT_MAX = 16, TM_NUMERAL_SZ_MAX = 255, TM_NUMERAL_SCALE = 8 };

#define TM_NUMERAL_DECIMAL_MAX 999999999999999999ull

typedef struct tm_numeral {
    uint64_t magnitude;
    bool negative; /* false for zero */
} tm_numeral_t;

/* Numbers of one message, by their place in it. */
typedef struct tm_numerals {
    uint32_t cnt;
    uint16_t integers; /* bit i: number i has scale 0; else TM_NUMERAL_SCALE */
    uint16_t quoted;   /* bit i: it stands in a JSON string */
    uint64_t sz[2];    /* byte i: its size, below TM_NUMERAL_SZ_MAX */
    uint32_t from[TM_NUMERAL_CNT_MAX];
} tm_numerals_t;

static inline uint32_t tm_numerals_sz(const tm_numerals_t *numerals, uint32_t i)
{
    return (uint8_t)(numerals->sz[i / 8] >> (8 * (i % 8)));
}

/* Reads one number of `sz` bytes. json: leading zeros are an error, as in a JSON number. */
tm_reason_t tm_numeral_read(const uint8_t *text, uint32_t sz, uint32_t scale, bool json,
                            tm_numeral_t *out);

/* 10^0 to 10^19. */
extern const uint64_t tm_powers_of_ten[20];

/* The value of 0 to 16 digits at p. */
static inline uint64_t tm_numeral_digits(const uint8_t *p, uint32_t cnt)
{
    if (cnt <= 8) return cnt == 0 ? 0 : tm_swar_eight(tm_swar_leading(p, cnt));
    return tm_swar_eight(tm_swar_leading(p, cnt - 8)) * 100000000ull +
           tm_swar_eight(tm_swar_load(p + cnt - 8));
}

/* The common forms of what tm_numeral_read reads: up to 16 digits before the point, as many behind
   it as the scale has, no exponent. False for all others, right or wrong. Scale: up to 18. 40 bytes
   must be readable at `text`. */
static inline bool tm_numeral_plain(const uint8_t *text, uint32_t sz, uint32_t scale, bool json,
                                    tm_numeral_t *out)
{
    const bool minus = text[0] == '-';
    const uint8_t *p = text + minus;
    const uint32_t body_sz = sz - minus;
    uint32_t whole = (uint32_t)__builtin_ctz(~tm_swar_digits16(p)), fraction = 0;
    if (whole > body_sz) whole = body_sz;
    if (whole == 0 || whole + scale > 19 || (json && p[0] == '0' && whole > 1)) return false;
    uint64_t value = tm_numeral_digits(p, whole);
    if (whole < body_sz) {
        fraction = (uint32_t)__builtin_ctz(~tm_swar_digits16(p + whole + 1));
        bool all = p[whole] == '.' && whole + 1 + fraction >= body_sz;
        fraction = body_sz - whole - 1;
        if (!all || fraction == 0 || fraction > scale) return false;
        value = value * tm_powers_of_ten[fraction] + tm_numeral_digits(p + whole + 1, fraction);
    }
    value *= tm_powers_of_ten[scale - fraction];
    out->magnitude = value;
    out->negative = minus && value != 0;
    return true;
}

/* The signed value where it fits an int64_t. */
static inline tm_reason_t tm_numeral_signed(const tm_numeral_t *numeral, int64_t *out)
{
    if (numeral->magnitude > (uint64_t)INT64_MAX + numeral->negative) return TM_REASON_RANGE;
    uint64_t v = numeral->negative ? 0 - numeral->magnitude : numeral->magnitude;
    *out = (int64_t)v;
    return TM_REASON_NONE;
}

/* The value of a decimal field, of up to 18 digits: what TM_TYPE_DECIMAL64 promises, and as many as
   Parquet's DECIMAL takes in 64 bits. At a scale of 8 that is anything below 10^10. */
static inline tm_reason_t tm_numeral_decimal(const tm_numeral_t *numeral, int64_t *out)
{
    if (numeral->magnitude > TM_NUMERAL_DECIMAL_MAX) return TM_REASON_RANGE;
    *out = numeral->negative ? -(int64_t)numeral->magnitude : (int64_t)numeral->magnitude;
    return TM_REASON_NONE;
}

/* Unix time of an exchange in ns: below 1e14 it is in milliseconds, from there on in microseconds
   (1e14 ms is the year 5138, 1e14 us is 1973). Negative times are out of range. */
static inline tm_reason_t tm_numeral_time_ns(const tm_numeral_t *numeral, int64_t *out)
{
    uint64_t v = numeral->magnitude;
    uint64_t unit = v < 100000000000000ull ? TM_NS_PER_MS : TM_NS_PER_US;
    uint64_t most = v < 100000000000000ull ? INT64_MAX / TM_NS_PER_MS : INT64_MAX / TM_NS_PER_US;
    if (numeral->negative || v > most) return TM_REASON_RANGE;
    *out = (int64_t)(v * unit);
    return TM_REASON_NONE;
}

#endif
