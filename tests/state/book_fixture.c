#include "tests/state/book_fixture.h"

#include "base/check.h"
#include "base/error.h"
#include "base/schema.h"
#include "state/file.h"
#include "state/parquet/parquet_writer.h"
#include "tests/state/part_fixture.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { SYMBOLS = 5, LEVEL_MAX = 600 };

/* In the order of their texts, which is not that of their numbers. */
static const char *const names[SYMBOLS] = {"ADAUSDT", "BTCUSDT", "BTCUSDTP", "ETHUSDT", "XRPUSDT"};

static uint32_t sides_of(tm_fixture_rng_t *rng, bool snapshot, uint32_t cnt[2])
{
    const uint64_t kind = tm_fixture_below(rng, 4);
    for (int k = 0; k < 2; k++)
        cnt[k] = (uint32_t)(snapshot ? 50 + tm_fixture_below(rng, LEVEL_MAX / 2 - 50)
                                     : 1 + tm_fixture_below(rng, 6));
    if (kind == 0) cnt[0] = 0;
    if (kind == 1) cnt[1] = 0;
    return cnt[0] + cnt[1];
}

void tm_book_fixture_make(tm_book_fixture_t *books, uint64_t seed, uint32_t message_cnt)
{
    tm_fixture_rng_t rng = {seed};
    uint64_t id = 1000;
    uint32_t number[SYMBOLS];
    *books = (tm_book_fixture_t){.message_cnt = message_cnt};
    TM_CHECK(tm_symbols_open(&books->symbols) == 0, "%s", tm_error_text());
    for (uint32_t i = SYMBOLS; i-- > 0;)
        number[i] = tm_symbols_intern(books->symbols, names[i], strlen(names[i]));
    books->levels = calloc((size_t)message_cnt * LEVEL_MAX, sizeof *books->levels);
    TM_CHECK(books->levels, "%u messages", message_cnt);
    for (uint32_t m = 0; m < message_cnt; m++) {
        uint32_t cnt[2];
        const bool snapshot = tm_fixture_below(&rng, 20) == 0;
        const uint32_t symbol = number[tm_fixture_below(&rng, SYMBOLS)];
        const uint32_t all = sides_of(&rng, snapshot, cnt);
        for (uint32_t i = 0; i < all; i++)
            books->levels[books->level_cnt++] = (tm_level_t){
                .row = {.schema_id = TM_SCHEMA_ID_LEVEL,
                        .symbol = symbol,
                        .event_ns = 1769860800000000000ll + m * 100000000ll,
                        .recv_ns = 1769860800000000000ll + m * 100000000ll + 12345},
                .price_e8 = (int64_t)tm_fixture_below(&rng, 1ull << 45),
                .qty_e8 = (int64_t)tm_fixture_below(&rng, 3) * 100000000,
                .first_id = id,
                .last_id = id + all,
                .order_cnt = (int32_t)tm_fixture_below(&rng, 4),
                .side = i < cnt[0] ? TM_SIDE_BUY : TM_SIDE_SELL,
                .snapshot = snapshot,
                .last = i + 1 == all,
            };
        id += all + 1;
    }
}

void tm_book_fixture_free(tm_book_fixture_t *books)
{
    tm_symbols_close(books->symbols);
    free(books->levels);
}

void tm_book_fixture_write(const tm_book_fixture_t *books, const char *path, bool lists,
                           uint32_t group_rows)
{
    tm_parquet_writer_t *w;
    tm_parquet_file_t file;
    tm_row_pool_t pool;
    tm_row_group_t group;
    const tm_schema_t *schema = tm_schema_market(TM_SCHEMA_ID_LEVEL);
    const tm_parquet_writer_cfg_t cfg = {.schema = schema,
                                         .symbols = books->symbols,
                                         .compression = TM_COMPRESS_ZSTD,
                                         .book_lists = lists,
                                         .bloom_fields = "symbol,last_id",
                                         .group_rows = group_rows,
                                         .page_rows = 6000};
    TM_CHECK(tm_parquet_writer_open(&w, &cfg) == 0, "%s", tm_error_text());
    TM_CHECK(tm_row_pool_open(&pool, schema, TM_ROW_BLOCK_CNT, group_rows / TM_ROW_BLOCK_CNT + 1) ==
                 0,
             "pool");
    tm_row_group_init(&group, &pool, group_rows);
    int fd = tm_file_open(path, O_RDWR | O_CREAT | O_TRUNC);
    TM_CHECK(fd >= 0 && tm_parquet_file_begin(w, &file, fd, path) == 0, "%s", tm_error_text());
    for (uint32_t at = 0; at < books->level_cnt;) {
        at += tm_row_group_append(&group, &books->levels[at], books->level_cnt - at);
        TM_CHECK(tm_parquet_file_append(w, &file, &group) == 0, "%s", tm_error_text());
        tm_row_group_clear(&group);
    }
    TM_CHECK(tm_parquet_file_finish(w, &file, NULL, 0) == 0, "%s", tm_error_text());
    tm_parquet_file_free(&file);
    tm_file_close(fd);
    tm_row_pool_close(&pool);
    tm_parquet_writer_close(w);
}

static void put_e8(FILE *out, int64_t v)
{
    fprintf(out, "%" PRId64 ".%08" PRId64, v / 100000000, v % 100000000);
}

static void put_side(const tm_level_t *from, uint32_t cnt, uint8_t side, FILE *out)
{
    const char *gap = "";
    fputc('\t', out);
    for (uint32_t i = 0; i < cnt; i++) {
        if (from[i].side != side) continue;
        fputs(gap, out);
        put_e8(out, from[i].price_e8);
        fputc(':', out);
        put_e8(out, from[i].qty_e8);
        fprintf(out, ":%d", from[i].order_cnt);
        gap = " ";
    }
}

void tm_book_fixture_text(const tm_book_fixture_t *books, FILE *out)
{
    for (int s = 0; s < SYMBOLS; s++) {
        const uint32_t symbol = tm_symbols_intern(books->symbols, names[s], strlen(names[s]));
        for (uint32_t at = 0, cnt; at < books->level_cnt; at += cnt) {
            const tm_level_t *from = &books->levels[at];
            for (cnt = 1; !from[cnt - 1].last; cnt++) continue;
            if (from->row.symbol != symbol) continue;
            fprintf(out, "%s\t%" PRId64 "\t%" PRIu64 "\t%" PRIu64 "\t%s", names[s],
                    from->row.event_ns, from->first_id, from->last_id,
                    from->snapshot ? "true" : "false");
            put_side(from, cnt, TM_SIDE_BUY, out);
            put_side(from, cnt, TM_SIDE_SELL, out);
            fputc('\n', out);
        }
    }
}
