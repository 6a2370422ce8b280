/* bench/part/part_rows.h - the rows that bench_part writes: generated trades and bars, recorded
   trades.
   Flow     seed or captures -> [rows] -> part sink, DuckDB
   Method   trades: popularity of symbols falls off as in real markets, prices walk on a tick grid,
            an order sweeps several levels in one millisecond, quantities are mostly small lots,
            exchange times are milliseconds, receive times nanoseconds. bars: one a symbol and
            second
   Errors   exits with a message where memory is short */
#ifndef TM_BENCH_PART_ROWS_H
#define TM_BENCH_PART_ROWS_H

#include "base/schema.h"
#include "base/symbol.h"

typedef struct tm_part_rows {
    const char *name;
    tm_schema_t schema;
    tm_symbols_t *symbols;
    uint8_t *rows;
    uint32_t row_cnt;
} tm_part_rows_t;

void tm_part_rows_trades(tm_part_rows_t *rows, uint32_t row_cnt);
void tm_part_rows_bars(tm_part_rows_t *rows, uint32_t row_cnt);

/* Trades of every Binance capture in the folder, in the order of the files. row_cnt is 0 where there
   is none. */
void tm_part_rows_captures(tm_part_rows_t *rows, const char *dir);

void tm_part_rows_free(tm_part_rows_t *rows);

#endif
