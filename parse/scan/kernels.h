/* parse/scan/kernels.h - the inner loops of the parser, one set of them per instruction set.
   Flow     parser.c, walk.c, json.c -> [kernels] -> places of marks, numbers, rows
   Files    scan_<isa>.c: quotes, marks; numeral_<isa>.c: numerals; levels_<isa>.c: levels;
            shape_<isa>.c: shapes; stencil_<isa>.c: take. Every set gives the same result on the
            same bytes; the scalar one is the reference. Where 256 bits are as fast as 512, the
            512-bit set has the 256-bit kernel
   Units    offsets and sizes: bytes
   Memory   reads at most TM_FRAME_PAD bytes past the end it is given, which frames promise
   Threads  no state
   Tests    tests/parse/test_kernels.c, tests/parse/test_levels.c, tests/parse/test_shape.c */
#ifndef TM_PARSE_KERNELS_H
#define TM_PARSE_KERNELS_H

#include "base/cpu.h"
#include "parse/scan/numeral.h"

enum {
    TM_SCAN_WINDOW = 4096,                    /* most bytes of one quotes call */
    TM_SCAN_QUOTE_MAX = TM_SCAN_WINDOW + 128, /* room a quotes call may write */
};

/* What one window leaves for the next. */
typedef struct tm_scan {
    bool escaping; /* in, out: the first byte (of the next window) follows an open backslash; told
                      only behind windows of whole 64-byte blocks */
    bool inside;   /* in, out: the first byte lies in a string; as escaping, and for marks only */
    bool odd;      /* out: a backslash, a control byte or a byte above 0x7f was met */
} tm_scan_t;

union tm_market_row;
struct tm_shape;
struct tm_shapes;
struct tm_stencil;
struct tm_stencils;
struct tm_stencil_taken;

typedef struct tm_kernels {
    /* Lists the offsets of the quotes among sz bytes (sz <= TM_SCAN_WINDOW) that no backslash
       escapes, and returns how many. `at` has room for TM_SCAN_QUOTE_MAX. */
    uint32_t (*quotes)(const uint8_t *bytes, uint32_t sz, tm_scan_t *scan, uint16_t *at);

    /* The same for marks: those quotes, and brackets, braces, colons and commas outside of strings.
     */
    uint32_t (*marks)(const uint8_t *bytes, uint32_t sz, tm_scan_t *scan, uint16_t *at);

    /* Converts the numbers it can and returns the set (bit i) of those that are left to
       tm_numeral_read: signs, exponents, leading zeros, many digits, and all that is no number.
       Writes up to TM_NUMERAL_CNT_MAX magnitudes; converted ones are below 1e16. */
    uint32_t (*numerals)(const uint8_t *bytes, const tm_numerals_t *numerals, uint64_t *magnitudes);

    /* Copies `blank` to `cnt` rows and stores in them what the first two strings of so many levels
       hold: price and quantity. Level i's quotes are at[i * stride], offsets of bytes. Returns how
       many it has done before the first whose numbers are left to tm_numeral_read. NULL where the
       set has none (parse/paths/levels.h). */
    uint32_t (*levels)(const uint8_t *bytes, const uint16_t *at, uint32_t stride, uint32_t cnt,
                       const union tm_market_row *blank, union tm_market_row *rows);

    /* What a message's shape is found by, and the shape it has, its numbers stored over a copy of
       the shape's image in `result`; NULL where it has none (parse/paths/shape.h). */
    uint64_t (*shape_key)(const uint8_t *bytes, uint32_t sz);
    const struct tm_shape *(*shape_take)(const struct tm_shapes *shapes, const uint8_t *bytes,
                                         uint32_t sz, void *result);

    /* All of the fast path in one (parse/paths/stencil.h); NULL where the set has none. */
    const struct tm_stencil *(*take)(const struct tm_stencils *stencils, const uint8_t *bytes,
                                     uint32_t sz, int64_t recv_ns, struct tm_stencil_taken *out);
    const char *name;
} tm_kernels_t;

/* The set of an instruction set, or of the next lower one that this build and machine have. */
const tm_kernels_t *tm_kernels_get(tm_isa_t isa);

uint32_t tm_quotes_scalar(const uint8_t *bytes, uint32_t sz, tm_scan_t *scan, uint16_t *at);
uint32_t tm_marks_scalar(const uint8_t *bytes, uint32_t sz, tm_scan_t *scan, uint16_t *at);
uint32_t tm_numerals_scalar(const uint8_t *bytes, const tm_numerals_t *numerals,
                            uint64_t *magnitudes);
uint64_t tm_shape_key_scalar(const uint8_t *bytes, uint32_t sz);
const struct tm_shape *tm_shape_take_scalar(const struct tm_shapes *shapes, const uint8_t *bytes,
                                            uint32_t sz, void *result);
#ifdef __x86_64__
uint64_t tm_shape_key_avx2(const uint8_t *bytes, uint32_t sz);
const struct tm_shape *tm_shape_take_avx2(const struct tm_shapes *shapes, const uint8_t *bytes,
                                          uint32_t sz, void *result);
uint32_t tm_quotes_avx2(const uint8_t *bytes, uint32_t sz, tm_scan_t *scan, uint16_t *at);
uint32_t tm_marks_avx2(const uint8_t *bytes, uint32_t sz, tm_scan_t *scan, uint16_t *at);
uint32_t tm_numerals_avx2(const uint8_t *bytes, const tm_numerals_t *numerals,
                          uint64_t *magnitudes);
uint32_t tm_levels_avx2(const uint8_t *bytes, const uint16_t *at, uint32_t stride, uint32_t cnt,
                        const union tm_market_row *blank, union tm_market_row *rows);
uint32_t tm_quotes_avx512(const uint8_t *bytes, uint32_t sz, tm_scan_t *scan, uint16_t *at);
uint32_t tm_marks_avx512(const uint8_t *bytes, uint32_t sz, tm_scan_t *scan, uint16_t *at);
uint32_t tm_numerals_avx512(const uint8_t *bytes, const tm_numerals_t *numerals,
                            uint64_t *magnitudes);
#endif

/* Bytes of a 64-byte block that an open backslash precedes. `slashes`: where backslashes stand.
   Each one that is not itself escaped escapes the byte after it. Runs once per backslash, which is
   dear only on input that is made of them. */
static inline uint64_t tm_scan_escaped(uint64_t slashes, bool *escaping)
{
    uint64_t escaped = *escaping;
    slashes &= ~escaped;
    *escaping = false;
    while (slashes) {
        uint32_t i = (uint32_t)__builtin_ctzll(slashes);
        if (i == 63) {
            *escaping = true;
            break;
        }
        escaped |= 2ull << i;
        slashes &= ~(3ull << i);
    }
    return escaped;
}

/* Bytes of a 64-byte block that lie in strings, opening quotes with them: each bit is the parity of
   the quotes up to it. */
static inline uint64_t tm_scan_inside(uint64_t quotes, bool *inside)
{
    uint64_t in = quotes;
    for (uint32_t shift = 1; shift < 64; shift *= 2) in ^= in << shift;
    if (*inside) in = ~in;
    *inside = in >> 63;
    return in;
}

#endif
