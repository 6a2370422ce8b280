/* tests/parse/parse_rig.h - parsers of every instruction set, with and without the fast path, fed
   the same messages; a message on which two of them differ fails the test.
   Flow     test -> [rig] -> rows, counters, dead letters */
#ifndef TM_TESTS_PARSE_RIG_H
#define TM_TESTS_PARSE_RIG_H

#include "base/counter.h"
#include "parse/parser.h"
#include "parse/scan/kernels.h"
#include "tests/parse/exact_frame.h"
#include "tests/tm_test.h"

#include <stdio.h>

enum { RIG_CNT = 9, RIG_LAYOUTS = 6, RIG_ROW_MAX = 64 };

typedef struct rig {
    tm_symbols_t *symbols[RIG_CNT];
    tm_counter_set_t *counters[RIG_CNT];
    tm_parser_t *parsers[RIG_CNT];
    exact_t exact;
    alignas(64) tm_market_row_t rows[RIG_CNT][RIG_ROW_MAX];
} rig_t;

/* Parsers 0..2 are the default ones of avx512, avx2 and scalar; 3..5 are any-order only; 6..8 have
   layouts but no shapes. */
static inline void rig_open_venue(rig_t *r, const struct tm_venue *venue)
{
    exact_open(&r->exact);
    for (uint32_t i = 0; i < RIG_CNT; i++) {
        tm_assert(tm_symbols_open(&r->symbols[i]) == 0);
        r->counters[i] = tm_counter_set_new("rig");
        tm_parser_cfg_t cfg = {.symbols = r->symbols[i],
                               .counters = r->counters[i],
                               .venue = venue,
                               .kernels = tm_kernels_get((tm_isa_t)(TM_ISA_AVX512 - i % 3)),
                               .any_order_only = i >= 3 && i < RIG_LAYOUTS,
                               .no_shapes = i >= RIG_LAYOUTS};
        tm_assert(tm_parser_open(&r->parsers[i], &cfg) == 0);
    }
}

/* The same of Binance. */
static inline void rig_open(rig_t *r)
{
    rig_open_venue(r, NULL);
}

static inline void rig_close(rig_t *r)
{
    for (uint32_t i = 0; i < RIG_CNT; i++) {
        tm_parser_close(r->parsers[i]);
        tm_counter_set_free(r->counters[i]);
        tm_symbols_close(r->symbols[i]);
    }
    exact_close(&r->exact);
}

static inline uint64_t rig_count(rig_t *r, uint32_t i, const char *name)
{
    return tm_counter_read(tm_counter_get(r->counters[i], name));
}

/* Feeds one message to all and returns how many rows it gave; they are in rows[0]. */
static inline uint32_t rig_feed(rig_t *r, const void *bytes, size_t sz)
{
    static const uint8_t pads[] = {0, '"', '9', '}', ' ', '\\', 0xff};
    static uint32_t turn;
    uint8_t pad = pads[turn++ % sizeof pads];
    uint32_t cnt = 0;
    for (uint32_t i = 0; i < RIG_CNT; i++) {
        tm_frame_t f = turn % 2 ? exact_at_end(&r->exact, bytes, sz, pad)
                                : exact_at_start(&r->exact, bytes, sz, pad);
        uint32_t n = tm_parser_frame(r->parsers[i], &f, r->rows[i], RIG_ROW_MAX);
        if (i == 0) cnt = n;
        if (n != cnt || memcmp(r->rows[i], r->rows[0], n * sizeof r->rows[0][0]) != 0) {
            fprintf(stderr, "# parser %u gives %u rows, parser 0 gave %u: %.*s\n", i, n, cnt,
                    (int)sz, (const char *)bytes);
            tm_assert(n == cnt);
            tm_assert(memcmp(r->rows[i], r->rows[0], n * sizeof r->rows[0][0]) == 0);
        }
    }
    return cnt;
}

static inline uint32_t rig_text(rig_t *r, const char *text)
{
    return rig_feed(r, text, strlen(text));
}

/* Feeds one message that must become a dead letter, and says which counter took it; "" where it
   became none. All parsers must agree. */
static inline const char *rig_reason(rig_t *r, const void *bytes, size_t sz)
{
    static const char *const names[] = {"bad_truncated", "bad_syntax", "bad_utf8",    "bad_nesting",
                                        "bad_number",    "bad_range",  "bad_missing", "bad_type",
                                        "bad_symbol",    "bad_limit",  "unknown"};
    uint64_t before[RIG_CNT][TM_ARRAY_CNT(names)];
    const char *found = NULL;
    for (uint32_t i = 0; i < RIG_CNT; i++)
        for (uint32_t k = 0; k < TM_ARRAY_CNT(names); k++) before[i][k] = rig_count(r, i, names[k]);
    uint32_t cnt = rig_feed(r, bytes, sz);
    for (uint32_t i = 0; i < RIG_CNT; i++) {
        const char *mine = "";
        for (uint32_t k = 0; k < TM_ARRAY_CNT(names); k++)
            if (rig_count(r, i, names[k]) != before[i][k]) mine = names[k];
        if (i == 0) found = mine;
        tm_assert(mine == found);
    }
    tm_assert(cnt == 0 || *found == '\0');
    return found;
}

#endif
