/* tests/state/book_fixture.h - seeded messages of order books, as level rows and as texts.
   Flow     seed -> [fixture] -> level rows for a writer; lines that any reader must give back
   Errors   the fixture aborts */
#ifndef TM_TESTS_BOOK_FIXTURE_H
#define TM_TESTS_BOOK_FIXTURE_H

#include "base/row.h"
#include "base/symbol.h"

#include <stdio.h>

typedef struct tm_book_fixture {
    tm_symbols_t *symbols;
    tm_level_t *levels;
    uint32_t level_cnt, message_cnt;
} tm_book_fixture_t;

/* Messages of five symbols, in turn at random: updates of few levels, snapshots of hundreds, many
   with one side only. */
void tm_book_fixture_make(tm_book_fixture_t *books, uint64_t seed, uint32_t message_cnt);
void tm_book_fixture_free(tm_book_fixture_t *books);

/* Writes the levels as a Parquet file, with lists or flat. group_rows: levels a row group. */
void tm_book_fixture_write(const tm_book_fixture_t *books, const char *path, bool lists,
                           uint32_t group_rows);

/* One line a message, ordered by symbol and then as they came, as one row group of all holds them:
   symbol, event time, first and last id, snapshot, bids, asks; tabs between, levels as
   price:qty:orders with blanks between. */
void tm_book_fixture_text(const tm_book_fixture_t *books, FILE *out);

#endif
