/* bench/window/window_load.h - what bench_window.c measures: windows, keys, and rows by a formula
   that a peer in another language can follow.
   Flow     load -> [maker] -> pieces of rows -> window operator
   Rows     row n is made of mix(n): its key, a time up to 100 ms behind 1 s + n / rate in whole
            milliseconds, a price and a quantity. Its id is n
   Units    rows_s: rows a second of event time
   Memory   a Zipf table of 32 MiB on the heap */
#ifndef TM_BENCH_WINDOW_LOAD_H
#define TM_BENCH_WINDOW_LOAD_H

#include "base/arena.h"
#include "engine/operators/window/window.h"

enum { TM_LOAD_PIECE = 4096 };

typedef struct tm_load {
    const char *name;
    tm_window_spec_t window;
    uint32_t keys;
    bool zipf; /* exponent 1, else uniform */
    int64_t rows_s;
    uint64_t rows; /* measured */
    bool large;    /* only where it is asked for by name */
} tm_load_t;

typedef struct tm_load_maker {
    const tm_load_t *load;
    uint64_t seq; /* of the next row */
} tm_load_maker_t;

/* A bar: first, largest, smallest and last price, sum of quantities, number of trades. */
enum { TM_LOAD_AGGS = 6 };
extern const tm_agg_spec_t tm_load_bar[TM_LOAD_AGGS];

/* Draws of a Zipf distribution over the keys of a load; once before its rows are made. */
bool tm_load_zipf(uint32_t keys) TM_MUST_CHECK;

void tm_load_rows(tm_load_maker_t *maker, tm_trade_t *rows, uint32_t cnt);

/* A window operator over a load, with all of an arena as its pages. */
typedef struct tm_load_op {
    tm_page_arena_t pages;
    tm_counter_set_t *counters;
    tm_operator_t *op;
    void *mem;
} tm_load_op_t;

bool tm_load_pages(tm_page_arena_t *pages, tm_arena_t *arena) TM_MUST_CHECK;
bool tm_load_open(tm_load_op_t *to, const tm_load_t *load, tm_arena_t *arena,
                  tm_emitter_t out) TM_MUST_CHECK;
void tm_load_close(tm_load_op_t *of);

/* Places of a bar's fields in a result. */
typedef struct tm_load_fields {
    uint16_t open, high, low, close, volume, trades, end;
} tm_load_fields_t;

tm_load_fields_t tm_load_fields(const tm_load_t *load);

#endif
