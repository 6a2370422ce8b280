/* Messages of order books from level rows. That readers agree is shown by compare_books. */
#include "base/error.h"
#include "base/market.h"
#include "state/parquet/book_lists.h"
#include "state/parquet/parquet_reader.h"
#include "state/part/part_sink.h"
#include "tests/state/book_fixture.h"
#include "tests/state/part_fixture.h"
#include "tests/tm_test.h"

#include <stdio.h>
#include <string.h>

/* A level for each letter: b and a are a bid and an ask, B and A the last of their message. */
static void levels_of(const char *text, uint32_t symbol, tm_level_t *out)
{
    for (; *text; text++)
        *out++ = (tm_level_t){.row = {.schema_id = TM_SCHEMA_ID_LEVEL, .symbol = symbol},
                              .side = *text == 'b' || *text == 'B' ? TM_SIDE_BUY : TM_SIDE_SELL,
                              .last = *text == 'A' || *text == 'B'};
}

/* Entries as text: a message's behind a bar, '.' = an empty list. */
static const char *text_of(const tm_book_list_t *list, char out[64])
{
    char *at = out;
    for (uint32_t i = 0; i < list->cnt; i++) {
        if (!list->repeat[i]) *at++ = '|';
        *at++ = list->valid[i] ? (char)('0' + list->row[i]) : '.';
    }
    *at = '\0';
    return out;
}

static void expect(const char *first, const char *second, const char *bids, const char *asks)
{
    tm_level_t levels[16];
    tm_row_pool_t pool;
    tm_row_group_t group;
    tm_book_lists_t books;
    char text[64];
    const tm_schema_t *schema = tm_schema_market(TM_SCHEMA_ID_LEVEL);
    const uint32_t cnt = (uint32_t)(strlen(first) + strlen(second));
    levels_of(first, 1, levels);
    levels_of(second, 2, levels + strlen(first));
    tm_assert_eq(tm_row_pool_open(&pool, schema, 8, 4), 0);
    tm_row_group_init(&group, &pool, 16);
    tm_assert_eq(tm_row_group_append(&group, levels, cnt), cnt);
    tm_assert_eq(tm_book_lists_plan(&books, schema), 0);
    tm_assert_eq(tm_book_lists_open(&books, 16), 0);
    tm_book_lists_find(&books, &group, NULL);
    tm_assert_str(text_of(&books.lists[0], text), bids);
    tm_assert_str(text_of(&books.lists[1], text), asks);
    tm_book_lists_close(&books);
    tm_row_group_clear(&group);
    tm_row_pool_close(&pool);
}

Test(book_lists, a_message_goes_up_to_the_level_marked_last)
{
    expect("bbaA", "", "|01", "|23");
    expect("baAbbA", "", "|0|34", "|12|5");
    expect("BAB", "", "|0|.|2", "|.|1|.");
    expect("abAabaA", "", "|1|4", "|02|356");
}

Test(book_lists, a_message_that_is_cut_ends_with_its_symbol_or_the_group)
{
    expect("bba", "", "|01", "|2");
    expect("ba", "baA", "|0|2", "|1|34");
    expect("bA", "b", "|0|2", "|1|.");
}

Test(book_lists, only_levels_of_a_book_can_be_lists)
{
    tm_book_lists_t books;
    tm_assert_eq(tm_book_lists_plan(&books, tm_schema_trade()), (int)TM_E_CONFIG);
    tm_assert(strstr(tm_error_text(), "last") != NULL);
    tm_assert_eq(tm_book_lists_plan(&books, tm_schema_market(TM_SCHEMA_ID_LEVEL)), 0);
}

Test(book_lists, a_sink_refuses_them_where_they_would_have_to_be_read_again)
{
    char dir[256];
    tm_sink_t *sink;
    tm_book_fixture_t books;
    tm_book_fixture_make(&books, 1, 1);
    tm_fixture_dir(dir);
    tm_part_sink_cfg_t cfg = {.dir = dir,
                              .schema = tm_schema_market(TM_SCHEMA_ID_LEVEL),
                              .symbols = books.symbols,
                              .book_lists = true,
                              .checkpointed = true,
                              .compact.checkpoints = 3};
    tm_assert_eq(tm_part_sink_open(&sink, &cfg), (int)TM_E_CONFIG);
    cfg.compact.checkpoints = 0;
    cfg.format = TM_PART_CSV;
    tm_assert_eq(tm_part_sink_open(&sink, &cfg), (int)TM_E_CONFIG);
    cfg.format = TM_PART_PARQUET;
    tm_assert_eq(tm_part_sink_open(&sink, &cfg), 0);
    sink->ops->close(sink);
    tm_fixture_remove(dir);
    tm_book_fixture_free(&books);
}

Test(book_lists, our_reader_names_the_column_that_it_does_not_take)
{
    char dir[256], path[300];
    tm_book_fixture_t books;
    tm_parquet_reader_t *reader;
    tm_book_fixture_make(&books, 2, 50);
    tm_fixture_dir(dir);
    snprintf(path, sizeof path, "%s/x.parquet", dir);
    tm_book_fixture_write(&books, path, true, 400);
    tm_assert_eq(tm_parquet_reader_open(&reader, path), (int)TM_E_UNSUPPORTED);
    tm_assert(strstr(tm_error_text(), "bids") != NULL);
    tm_fixture_remove(dir);
    tm_book_fixture_free(&books);
}

/* Reads the hybrid of width 1 by the specification, mark by mark. */
static uint32_t unpack(const uint8_t *at, const uint8_t *end, uint8_t *marks, uint32_t max)
{
    uint32_t cnt = 0;
    while (at < end && cnt < max) {
        uint64_t header = 0;
        uint32_t shift = 0;
        do header |= (uint64_t)(*at & 127) << shift, shift += 7;
        while (*at++ & 128);
        const bool groups = header & 1;
        for (uint64_t i = 0; i < (groups ? (header >> 1) * 8 : header >> 1) && cnt < max; i++)
            marks[cnt++] = (uint8_t)(groups ? at[i / 8] >> (i % 8) & 1 : *at);
        at += groups ? header >> 1 : 1;
    }
    return cnt;
}

/* Runs of every length end at every place of a large page. */
Test(levels, marks_of_large_pages_come_back_whatever_their_runs)
{
    enum { CNT = 40000 };
    static uint8_t valid[CNT], repeat[CNT], back[CNT];
    tm_buffer_t out = {0};
    for (uint64_t seed = 1; seed <= 20; seed++) {
        fprintf(stderr, "# seed %llu\n", (unsigned long long)seed);
        tm_fixture_rng_t rng = {seed};
        const tm_parquet_levels_t levels = {valid, repeat};
        uint32_t there_cnt = 0;
        for (uint32_t k = 0; k < 2; k++) {
            uint8_t *marks = k ? repeat : valid, mark = 0;
            for (uint32_t i = 0, left = 0; i < CNT; i++, left--) {
                if (left == 0) left = 1 + (uint32_t)tm_fixture_below(&rng, 3 * seed), mark ^= 1;
                marks[i] = mark;
            }
        }
        const uint32_t cnt = CNT - (uint32_t)tm_fixture_below(&rng, 16);
        for (uint32_t i = 0; i < cnt; i++) there_cnt += valid[i];
        tm_buffer_clear(&out);
        tm_assert_eq(tm_parquet_levels_put(&levels, 0, cnt, there_cnt, &out), 0);
        const uint8_t *at = out.data;
        for (uint32_t k = 0; k < 2; k++) {
            uint32_t sz;
            memcpy(&sz, at, 4);
            tm_assert_eq(unpack(at + 4, at + 4 + sz, back, cnt), cnt);
            tm_assert(memcmp(back, k ? valid : repeat, cnt) == 0);
            at += 4 + sz;
        }
    }
    tm_buffer_free(&out);
}
