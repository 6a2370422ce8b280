/* How chunks are written: what a byte is worth decides, and nothing that changes between runs. */
#include "base/market.h"
#include "state/file.h"
#include "state/parquet/parquet_reader.h"
#include "state/parquet/parquet_writer.h"
#include "tests/state/part_fixture.h"
#include "tests/tm_test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 40000 };

/* Prices that move by ticks, quantities that seldom repeat, times in milliseconds. */
static void fill(tm_fixture_t *fx, uint64_t seed)
{
    tm_fixture_rng_t rng = {seed};
    int64_t price_e8 = 5000000000000, event_ns = 1769860800ll * TM_NS_PER_S;
    tm_fixture_trades(fx, seed, ROWS, 1);
    for (uint32_t i = 0; i < ROWS; i++) {
        tm_trade_t *trade = tm_fixture_row(fx, i);
        price_e8 += 1000000 * ((int64_t)tm_fixture_below(&rng, 9) - 4);
        event_ns += TM_NS_PER_MS * (int64_t)tm_fixture_below(&rng, 20);
        trade->price_e8 = price_e8;
        trade->qty_e8 = (int64_t)tm_fixture_below(&rng, 1ull << 40);
        trade->row.event_ns = event_ns;
    }
}

static size_t write_file(const tm_fixture_t *fx, const char *path,
                         const tm_parquet_writer_cfg_t *with)
{
    tm_parquet_writer_cfg_t cfg = *with;
    tm_parquet_writer_t *w;
    tm_parquet_file_t file;
    tm_row_pool_t pool;
    tm_row_group_t group;
    cfg.schema = &fx->schema;
    cfg.symbols = fx->symbols;
    tm_assert_eq(tm_parquet_writer_open(&w, &cfg), 0);
    tm_assert_eq(tm_row_pool_open(&pool, &fx->schema, TM_ROW_BLOCK_CNT, 16), 0);
    tm_row_group_init(&group, &pool, ROWS);
    tm_assert_eq(tm_row_group_append(&group, fx->rows, ROWS), (uint32_t)ROWS);
    int fd = tm_file_open(path, O_RDWR | O_CREAT | O_TRUNC);
    tm_assert(fd >= 0);
    tm_assert_eq(tm_parquet_file_begin(w, &file, fd, path), 0);
    tm_assert_eq(tm_parquet_file_append(w, &file, &group), 0);
    tm_assert_eq(tm_parquet_file_finish(w, &file, NULL, 0), 0);
    const size_t sz = (size_t)file.off;
    tm_parquet_file_free(&file);
    tm_file_close(fd);
    tm_row_pool_close(&pool);
    tm_parquet_writer_close(w);
    return sz;
}

static tm_parquet_codec_t codec_of(const char *path, const tm_fixture_t *fx, const char *field)
{
    tm_parquet_reader_t *reader;
    tm_assert_eq(tm_parquet_reader_open(&reader, path), 0);
    const int col = tm_schema_find(&fx->schema, field);
    const tm_parquet_codec_t codec = tm_parquet_reader_meta(reader)->groups[0].chunks[col].codec;
    tm_parquet_reader_close(reader);
    return codec;
}

static void same_files(const char *a_path, const char *b_path, size_t sz)
{
    uint8_t *a = malloc(sz), *b = malloc(sz);
    FILE *a_file = fopen(a_path, "rb"), *b_file = fopen(b_path, "rb");
    tm_assert(a && b && a_file && b_file);
    tm_assert_eq(fread(a, 1, sz, a_file), sz);
    tm_assert_eq(fread(b, 1, sz, b_file), sz);
    tm_assert(memcmp(a, b, sz) == 0);
    fclose(a_file);
    fclose(b_file);
    free(a);
    free(b);
}

Test(parquet_choice, the_same_rows_give_the_same_bytes)
{
    char dir[256], a[300], b[300];
    tm_fixture_t fx;
    fill(&fx, 11);
    tm_fixture_dir(dir);
    snprintf(a, sizeof a, "%s/a.parquet", dir);
    snprintf(b, sizeof b, "%s/b.parquet", dir);
    for (int k = TM_COMPRESS_NONE; k <= TM_COMPRESS_MIXED; k++) {
        const tm_parquet_writer_cfg_t cfg = {.compression = (tm_compression_t)k};
        const size_t sz = write_file(&fx, a, &cfg);
        tm_assert_eq(write_file(&fx, b, &cfg), sz);
        same_files(a, b, sz);
    }
    tm_fixture_remove(dir);
    tm_fixture_free(&fx);
}

Test(parquet_choice, the_more_a_byte_is_worth_the_smaller_the_file)
{
    static const uint32_t worth_ns[] = {1, 4, 7, 15, 1000};
    char dir[256], path[300];
    tm_fixture_t fx;
    fill(&fx, 12);
    tm_fixture_dir(dir);
    snprintf(path, sizeof path, "%s/x.parquet", dir);
    for (int k = 0; k < 2; k++) {
        const tm_compression_t compression = k ? TM_COMPRESS_MIXED : TM_COMPRESS_ZSTD;
        size_t first_sz = 0, last_sz = 0;
        for (size_t i = 0; i < TM_ARRAY_CNT(worth_ns); i++) {
            const size_t sz = write_file(
                &fx, path,
                &(tm_parquet_writer_cfg_t){.compression = compression, .byte_ns = worth_ns[i]});
            fprintf(stderr, "compression %d, %u ns a byte: %zu bytes\n", (int)compression,
                    worth_ns[i], sz);
            /* Samples stand for the whole: a hundredth is theirs. */
            if (i > 0) tm_assert(sz <= last_sz + last_sz / 100);
            if (i == 0) first_sz = sz;
            last_sz = sz;
        }
        tm_assert(last_sz < first_sz * 3 / 4);
    }
    tm_fixture_remove(dir);
    tm_fixture_free(&fx);
}

Test(parquet_choice, only_what_shrinks_is_compressed)
{
    char dir[256], path[300];
    tm_fixture_t fx;
    fill(&fx, 13);
    tm_fixture_dir(dir);
    snprintf(path, sizeof path, "%s/x.parquet", dir);
    (void)write_file(&fx, path, &(tm_parquet_writer_cfg_t){.compression = TM_COMPRESS_ZSTD});
    tm_assert_eq((int)codec_of(path, &fx, "qty"), (int)TM_PARQUET_CODEC_NONE);
    tm_assert_eq((int)codec_of(path, &fx, "event_time"), (int)TM_PARQUET_CODEC_ZSTD);
    (void)write_file(&fx, path,
                     &(tm_parquet_writer_cfg_t){.compression = TM_COMPRESS_ZSTD, .byte_ns = 1});
    tm_assert_eq((int)codec_of(path, &fx, "event_time"), (int)TM_PARQUET_CODEC_NONE);
    (void)write_file(&fx, path, &(tm_parquet_writer_cfg_t){.compression = TM_COMPRESS_MIXED});
    tm_assert_eq((int)codec_of(path, &fx, "event_time"), (int)TM_PARQUET_CODEC_LZ4_RAW);
    (void)write_file(&fx, path,
                     &(tm_parquet_writer_cfg_t){.compression = TM_COMPRESS_MIXED, .byte_ns = 1000});
    tm_assert_eq((int)codec_of(path, &fx, "event_time"), (int)TM_PARQUET_CODEC_ZSTD);
    tm_fixture_remove(dir);
    tm_fixture_free(&fx);
}
