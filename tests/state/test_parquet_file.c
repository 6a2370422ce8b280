/* Whole files: what was written comes back, whatever the schema; damaged files are told. */
#include "base/error.h"
#include "state/parquet/inspect.h"
#include "state/parquet/parquet_reader.h"
#include "tests/state/part_fixture.h"
#include "tests/tm_test.h"

#include <stdlib.h>
#include <string.h>

typedef struct compare {
    const tm_fixture_t *fx;
    const uint32_t *order;
    tm_parquet_reader_t *reader;
} compare_t;

static uint8_t *slurp(const char *path, size_t *sz)
{
    FILE *f = fopen(path, "rb");
    tm_assert(f != NULL);
    fseek(f, 0, SEEK_END);
    *sz = (size_t)ftell(f);
    rewind(f);
    uint8_t *bytes = malloc(*sz ? *sz : 1);
    tm_assert_eq(fread(bytes, 1, *sz, f), *sz);
    fclose(f);
    return bytes;
}

/* A value of ours in the fixture's canonical form. */
static void canonical(const tm_parquet_col_t *col, const tm_parquet_values_t *values, uint32_t idx,
                      char out[TM_PARQUET_CELL_MAX])
{
    if (!values->valid[idx])
        snprintf(out, TM_PARQUET_CELL_MAX, "\\N");
    else if (col->type == TM_PARQUET_DOUBLE)
        snprintf(out, TM_PARQUET_CELL_MAX, "%016llx", (unsigned long long)values->num[idx]);
    else if (col->logical == TM_PARQUET_LOGICAL_TIMESTAMP)
        snprintf(out, TM_PARQUET_CELL_MAX, "%lld", (long long)values->num[idx]);
    else
        tm_parquet_value_text(col, values, idx, out);
}

static void check_column(const compare_t *c, uint32_t group_idx, uint32_t col_idx, uint32_t first)
{
    const tm_parquet_meta_t *meta = tm_parquet_reader_meta(c->reader);
    tm_parquet_values_t values;
    char want[256], got[TM_PARQUET_CELL_MAX];
    int64_t null_cnt = 0;
    int err = tm_parquet_reader_values(c->reader, group_idx, col_idx, &values);
    if (err != 0) fprintf(stderr, "%s\n", tm_error_text());
    tm_assert_eq(err, 0);
    tm_assert_eq(values.cnt, (uint32_t)meta->groups[group_idx].row_cnt);
    for (uint32_t i = 0; i < values.cnt; i++) {
        tm_fixture_cell(c->fx, c->order[first + i], col_idx, want);
        canonical(&meta->cols[col_idx], &values, i, got);
        null_cnt += !values.valid[i];
        tm_assert_str(got, want);
    }
    tm_assert_eq(meta->groups[group_idx].chunks[col_idx].stats.null_cnt, null_cnt);
    tm_parquet_values_free(&values);
}

static void check_file(const tm_fixture_t *fx, const char *path, int cluster, uint32_t group_rows)
{
    compare_t c = {.fx = fx};
    uint32_t *order = malloc((fx->row_cnt + 1) * sizeof *order);
    tm_fixture_order(fx, cluster, group_rows, order);
    c.order = order;
    tm_assert_eq(tm_parquet_reader_open(&c.reader, path), 0);
    const tm_parquet_meta_t *meta = tm_parquet_reader_meta(c.reader);
    tm_assert_eq(meta->row_cnt, (int64_t)fx->row_cnt);
    tm_assert_eq(meta->col_cnt, (uint32_t)fx->schema.field_cnt);
    tm_assert_eq(meta->group_cnt, (fx->row_cnt + group_rows - 1) / group_rows);
    uint32_t first = 0;
    for (uint32_t g = 0; g < meta->group_cnt; g++) {
        for (uint32_t i = 0; i < meta->col_cnt; i++) check_column(&c, g, i, first);
        first += (uint32_t)meta->groups[g].row_cnt;
    }
    tm_parquet_reader_close(c.reader);
    free(order);
}

static void round_trip(uint64_t seed, tm_compression_t compression)
{
    char dir[256], path[300];
    tm_fixture_t fx;
    static const uint32_t counts[] = {0, 1, 7, 8, 129, 1000, 2500};
    tm_fixture_random(&fx, seed, counts[seed % TM_ARRAY_CNT(counts)]);
    int cluster = -1;
    for (int i = fx.schema.field_cnt - 1; i >= 0; i--)
        if (fx.schema.fields[i].type == TM_TYPE_SYMBOL) cluster = i;
    if (seed % 3 == 0) cluster = -1;
    tm_fixture_dir(dir);
    snprintf(path, sizeof path, "%s/x.parquet", dir);
    uint32_t group_rows = seed % 2 ? 700 : 4096;
    tm_fixture_write(&fx, path, compression, group_rows,
                     cluster >= 0 ? fx.schema.fields[cluster].name : "");
    check_file(&fx, path, cluster, group_rows);
    tm_fixture_remove(dir);
    tm_fixture_free(&fx);
}

static void round_trips(tm_compression_t compression)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        fprintf(stderr, "# seed %llu\n", (unsigned long long)seed);
        round_trip(seed, compression);
    }
}

Test(parquet_file, random_schemas_and_rows_come_back_uncompressed)
{
    round_trips(TM_COMPRESS_NONE);
}

Test(parquet_file, random_schemas_and_rows_come_back_from_zstd)
{
    round_trips(TM_COMPRESS_ZSTD);
}

Test(parquet_file, random_schemas_and_rows_come_back_from_lz4)
{
    round_trips(TM_COMPRESS_LZ4);
}

Test(parquet_file, random_schemas_and_rows_come_back_from_mixed_chunks)
{
    round_trips(TM_COMPRESS_MIXED);
}

/* Closed forms: the trades' ids count from 0 and their prices are between known bounds. */
Test(parquet_file, statistics_hold_the_smallest_and_the_largest)
{
    char dir[256], path[300], text[TM_PARQUET_CELL_MAX];
    tm_fixture_t fx;
    tm_parquet_reader_t *reader;
    tm_fixture_trades(&fx, 9, 1000, 5);
    tm_fixture_dir(dir);
    snprintf(path, sizeof path, "%s/x.parquet", dir);
    tm_fixture_write(&fx, path, TM_COMPRESS_ZSTD, 500, NULL);
    tm_assert_eq(tm_parquet_reader_open(&reader, path), 0);
    const tm_parquet_meta_t *meta = tm_parquet_reader_meta(reader);
    tm_assert(meta->column_orders);
    tm_assert_str(meta->created_by, "tidemark version " TM_VERSION " (build " TM_VERSION ")");
    tm_assert_str(meta->kv[0].value, "the tests");
    const int id = tm_schema_find(&fx.schema, "trade_id"),
              t = tm_schema_find(&fx.schema, "event_time");
    for (uint32_t g = 0; g < 2; g++) {
        const tm_parquet_chunk_t *chunk = &meta->groups[g].chunks[id];
        uint64_t min, max;
        memcpy(&min, chunk->stats.min, 8);
        memcpy(&max, chunk->stats.max, 8);
        tm_assert_eq(min, g * 500ull);
        tm_assert_eq(max, g * 500ull + 499);
        tm_assert_eq(meta->groups[g].sort_col, 0);
        tm_assert(chunk->offset_index_sz > 0 && chunk->column_index_sz > 0);
    }
    const tm_parquet_stats_t *stats = &meta->groups[0].chunks[t].stats;
    tm_assert_str(tm_parquet_stat_text(&meta->cols[t], stats->min, stats->min_sz, text),
                  "2026-01-31T12:00:00.000000000Z");
    tm_parquet_reader_close(reader);
    tm_fixture_remove(dir);
    tm_fixture_free(&fx);
}

static int touch_row(void *ctx, uint64_t row_idx, const char *const *cells, uint32_t cell_cnt)
{
    uint64_t *sum = ctx;
    for (uint32_t i = 0; i < cell_cnt; i++) *sum += cells[i] ? (uint8_t)cells[i][0] : row_idx;
    return 0;
}

static int read_mem(const uint8_t *bytes, size_t sz)
{
    tm_parquet_reader_t *reader;
    uint64_t sum = 0;
    uint8_t *copy = malloc(sz ? sz : 1); /* its own block, so that ASan sees an over-read */
    memcpy(copy, bytes, sz);
    int err = tm_parquet_reader_open_mem(&reader, copy, sz, "memory");
    if (err == 0) {
        err = tm_parquet_reader_rows(reader, 0, UINT64_MAX, touch_row, &sum);
        tm_parquet_reader_close(reader);
    }
    free(copy);
    return err;
}

/* No flipped byte may crash the reader, hang it or make it read outside of the file. That a file is
   refused is not required of every flip: values have no checksum in this format. */
Test(parquet_file, damaged_files_are_events)
{
    char dir[256], path[300];
    tm_fixture_t fx;
    size_t sz;
    uint32_t refused = 0, rounds = 3000;
    tm_fixture_random(&fx, 21, 300);
    tm_fixture_dir(dir);
    snprintf(path, sizeof path, "%s/x.parquet", dir);
    tm_fixture_write(&fx, path, TM_COMPRESS_ZSTD, 128, "");
    uint8_t *bytes = slurp(path, &sz);
    tm_assert_eq(read_mem(bytes, sz), 0);
    for (uint32_t i = 0; i < rounds; i++) {
        size_t at = tm_fixture_below(&fx.rng, sz);
        uint8_t keep = bytes[at];
        bytes[at] ^= (uint8_t)(1 + tm_fixture_below(&fx.rng, 255));
        int err = read_mem(bytes, sz);
        tm_assert(err <= 0);
        refused += err < 0;
        bytes[at] = keep;
    }
    tm_assert(refused > rounds / 10);
    for (size_t cut = 0; cut < sz; cut += 1 + cut / 64) tm_assert(read_mem(bytes, cut) < 0);
    free(bytes);
    tm_fixture_remove(dir);
    tm_fixture_free(&fx);
}

Test(parquet_file, other_files_are_refused_by_name)
{
    tm_parquet_reader_t *reader;
    tm_assert_eq(tm_parquet_reader_open(&reader, "/nonexistent/x"), -2);
    tm_assert(strstr(tm_error_text(), "/nonexistent/x") != NULL);
    tm_assert_eq(tm_parquet_reader_open_mem(&reader, "PAR1............PARE", 20, "paris"),
                 TM_E_CORRUPT);
    tm_assert(strstr(tm_error_text(), "paris") != NULL);
    tm_assert_eq(tm_parquet_reader_open_mem(&reader, "PAR1\xff\xff\xff\x7fPAR1", 12, "p"),
                 TM_E_CORRUPT);
    tm_assert_eq(tm_parquet_reader_open_mem(&reader, "", 0, "empty"), TM_E_CORRUPT);
}

Test(inspect, shows_schema_sizes_and_first_rows)
{
    char dir[256], path[300];
    tm_fixture_t fx;
    size_t sz;
    tm_fixture_trades(&fx, 9, 1000, 5);
    tm_fixture_dir(dir);
    snprintf(path, sizeof path, "%s/x.parquet", dir);
    tm_fixture_write(&fx, path, TM_COMPRESS_ZSTD, 500, NULL);
    char *text = NULL;
    FILE *out = open_memstream(&text, &sz);
    tm_assert_eq(tm_parquet_inspect(out, path, NULL), 0);
    fclose(out);
    static const char *const parts[] = {
        "1,000 rows, 8 columns, 2 row groups",
        "decimal(18,8)",
        "timestamp(ns, UTC)",
        "uint64",
        "DELTA_BINARY_PACKED",
        "RLE_DICTIONARY",
        "ordered by symbol",
        "made by = the tests",
        "first 10 of 1000 rows",
    };
    for (size_t i = 0; i < TM_ARRAY_CNT(parts); i++) tm_assert(strstr(text, parts[i]) != NULL);
    free(text);
    tm_fixture_remove(dir);
    tm_fixture_free(&fx);
}
