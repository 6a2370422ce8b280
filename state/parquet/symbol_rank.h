/* state/parquet/symbol_rank.h - the symbols of one row group in the order of their texts.
   Flow     parquet_writer -> [symbol rank] -> dictionary, indexes, clustered order
   Units    rank: place in the dictionary, 0-based; *_cnt: symbols or rows
   Memory   one heap block of TM_SYMBOL_CNT_MAX entries, sized at open
   Threads  one owner; the symbol table may grow meanwhile
   Errors   open: -ENOMEM
   Tests    tests/state/test_parquet_file.c (clustered order against a stable sort) */
#ifndef TM_STATE_SYMBOL_RANK_H
#define TM_STATE_SYMBOL_RANK_H

#include "base/symbol.h"
#include "state/parquet/parquet_page.h"
#include "state/parquet/row_group.h"

typedef struct tm_symbol_rank {
    const tm_symbols_t *symbols;
    tm_parquet_dict_t dict;
    uint32_t *present; /* symbols of the group; by rank after count */
    uint32_t *rank;    /* of each symbol; only those of present ones mean something */
    uint32_t *row_cnt; /* rows of each symbol; zero between groups */
    uint32_t
        *first_pos;     /* by rank: where its rows start in clustered order; one more: the absent */
    uint32_t *next_pos; /* by rank: where its next row goes */
    uint32_t null_cnt;
} tm_symbol_rank_t;

int tm_symbol_rank_open(tm_symbol_rank_t *rank, const tm_symbols_t *symbols) TM_MUST_CHECK;
void tm_symbol_rank_close(tm_symbol_rank_t *rank);

/* Finds the symbols of a column and ranks them. Absent ones are left out. */
void tm_symbol_rank_count(tm_symbol_rank_t *rank, const tm_row_group_t *group, uint32_t col_idx);

/* Place of each row when rows are ordered by rank and, within it, by arrival; absent ones come
   last. */
void tm_symbol_rank_positions(tm_symbol_rank_t *rank, const tm_row_group_t *group, uint32_t col_idx,
                              uint32_t *pos);

/* The counted column in clustered order: each rank as often as it occurs, then absent rows, which
   are marked in `valid` where there are any. */
void tm_symbol_rank_fill(const tm_symbol_rank_t *rank, uint32_t *values, uint8_t *valid);

/* Turns symbols into ranks in place; absent ones become 0. */
void tm_symbol_rank_apply(const tm_symbol_rank_t *rank, uint32_t *values, uint32_t cnt);

#endif
