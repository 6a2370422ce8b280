/* tests/state/part_fixture.h - seeded schemas, rows and folders for the tests of part files.
   Flow     test -> [fixture] -> writer or sink; and the texts that readers must give back
   Use      a fixture is one schema, its symbols and its rows, all from one seed
   Errors   the fixture aborts: a test that cannot be set up has failed */
#ifndef TM_TESTS_PART_FIXTURE_H
#define TM_TESTS_PART_FIXTURE_H

#include "base/row.h"
#include "base/schema.h"
#include "base/symbol.h"
#include "state/part/part_sink.h"

#include <stdio.h>

typedef struct tm_fixture_rng {
    uint64_t state;
} tm_fixture_rng_t;

uint64_t tm_fixture_rand(tm_fixture_rng_t *rng);
/* 0 .. below - 1 */
uint64_t tm_fixture_below(tm_fixture_rng_t *rng, uint64_t below);

typedef struct tm_fixture {
    tm_fixture_rng_t rng;
    tm_schema_t schema;
    tm_symbols_t *symbols;
    uint8_t *rows;
    uint32_t row_cnt;
} tm_fixture_t;

/* A random schema of 1 to 12 fields of every type, and that many rows with runs, walks, extremes
   and nulls. */
void tm_fixture_random(tm_fixture_t *fx, uint64_t seed, uint32_t row_cnt);

/* Such rows of a market schema: TM_SCHEMA_ID_TRADE, TM_SCHEMA_ID_BAR, ... */
void tm_fixture_market(tm_fixture_t *fx, uint16_t schema_id, uint64_t seed, uint32_t row_cnt);

/* Trades of a few symbols, ids counting up, times a second apart from 2026-01-31T12:00:00Z. */
void tm_fixture_trades(tm_fixture_t *fx, uint64_t seed, uint32_t row_cnt, uint32_t symbol_cnt);

void tm_fixture_free(tm_fixture_t *fx);

static inline void *tm_fixture_row(const tm_fixture_t *fx, uint32_t idx)
{
    return fx->rows + (size_t)idx * fx->schema.row_sz;
}

/* The canonical text of a field of a row; "\N" where it is absent. Decimals are exact, times are
   the number in the file's unit, doubles the 16 hex digits of their bits. */
void tm_fixture_cell(const tm_fixture_t *fx, uint32_t row_idx, uint32_t field_idx, char out[256]);

/* Order of the rows in a file whose row groups hold group_rows rows clustered by field (-1 = none):
   a plain stable insertion by text. `order` has row_cnt places. */
void tm_fixture_order(const tm_fixture_t *fx, int field_idx, uint32_t group_rows, uint32_t *order);

/* Writes the rows with the Parquet writer, `burst` rows at a time. cluster: as in the writer. */
void tm_fixture_write(const tm_fixture_t *fx, const char *path, tm_compression_t compression,
                      uint32_t group_rows, const char *cluster);

/* A new empty folder below $TMPDIR, /dev/shm or /tmp, removed with all it holds by _remove. */
void tm_fixture_dir(char out[256]);
void tm_fixture_remove(const char *dir);

/* Finished and hidden part files below dir. */
typedef struct tm_fixture_count {
    uint32_t finished, hidden;
    uint64_t rows; /* of the finished ones, each read whole */
    bool broken;   /* a finished one could not be read */
} tm_fixture_count_t;
tm_fixture_count_t tm_fixture_count(const char *dir);

/* Rows of trades in all CSV part files below dir, hidden ones too; how often each row of the
   fixture is there goes to `times` (row_cnt places). Lines that are no row of it make `broken`. */
tm_fixture_count_t tm_fixture_csv(const tm_fixture_t *fx, const char *dir, uint32_t *times);

#endif
