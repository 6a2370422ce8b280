/* parse/paths/level_run.h - runs of levels: arrays of strings, one right after another, as nearly
   all the bytes of a book message are.
   Flow     levels.c, layout.c -> [level run] -> level rows
   Method   the list of quotes tells where each string begins and ends, so a run is checked by the
            distances of its quotes and the bytes between its levels; what is in the strings is
            checked as it is converted, by a kernel (parse/scan/kernels.h)
   Units    places are bytes from `bytes`
   Threads  no state
   Errors   a reason and bad_off, bytes from `bytes`
   Limits   TM_LEVEL_RUN_STRING_MAX strings a level
   Tests    tests/parse/test_levels.c */
#ifndef TM_PARSE_LEVEL_RUN_H
#define TM_PARSE_LEVEL_RUN_H

#include "parse/dialect.h"
#include "parse/scan/kernels.h"

enum { TM_LEVEL_RUN_STRING_MAX = 8 };

typedef struct tm_level_run {
    const uint8_t *bytes;
    const uint16_t *at; /* the first one's first quote */
    uint32_t stride;    /* quotes a level */
    uint32_t cnt;       /* levels; 0: no run begins here */
} tm_level_run_t;

/* How many pairs of strings, `["1.0","2.0"],["1.1","0"]`, follow one another from the '[' at `pos`
   on. `left` quotes are listed from `at`; what lies at `end` and behind it is not looked at. */
static inline uint32_t tm_level_run_pairs(const uint8_t *bytes, const uint16_t *at, uint32_t left,
                                          uint32_t pos, uint32_t end)
{
    const uint16_t *q = at;
    uint32_t cnt = 0, next = pos + 1;
    while (left >= 4 && q[0] == next) {
        bool pair = (q[2] == q[1] + 2) & (bytes[q[1] + 1] == ',') & (bytes[q[3] + 1] == ']');
        if (!pair || q[3] + 1u >= end) break;
        next = q[3] + 4u;
        cnt++;
        if (tm_swar_load4(bytes + q[3]) != 0x5b2c5d22u) break; /* "],[ */
        q += 4;
        left -= 4;
    }
    return cnt;
}

/* Finds the run that begins at the '[' at `pos`, of levels of any number of strings. */
void tm_level_run_find(const uint8_t *bytes, const uint16_t *at, uint32_t left, uint32_t pos,
                       uint32_t end, tm_level_run_t *run);

/* Behind the last level of a run. */
static inline uint32_t tm_level_run_end(const tm_level_run_t *run)
{
    return run->at[(size_t)run->cnt * run->stride - 1] + 2u;
}

/* Whether the levels of `decl` can be read in runs of so many strings. */
bool tm_level_run_suits(const tm_venue_levels_t *decl, uint32_t stride);

/* Where the rows go. */
typedef struct tm_level_rows {
    const tm_market_row_t *blank; /* what all of them have in common */
    tm_market_row_t *rows;        /* room for all levels of the run */
    uint32_t bad_off;             /* out: of the number with the fault */
} tm_level_rows_t;

/* Writes a row for each level of the run: `blank`, its price, its quantity, its number of
   orders. */
tm_reason_t tm_level_run_read(const tm_kernels_t *kernels, const tm_venue_levels_t *decl,
                              const tm_level_run_t *run, tm_level_rows_t *out) TM_MUST_CHECK;

#endif
