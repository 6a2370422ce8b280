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
