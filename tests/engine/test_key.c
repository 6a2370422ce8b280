/* Keys of rows: equal bytes are one key, and the fields can be had back. */
#include "base/error.h"
#include "base/row.h"
#include "engine/operators/key.h"
#include "tests/tm_test.h"

#include <stdlib.h>

enum { KEY_CNT = 5000, PAGE_CNT = 400 };

typedef struct wide_row {
    tm_row_t row;
    int64_t a;
    uint64_t b;
    uint8_t side;
    uint8_t unused[7];
} wide_row_t;

static tm_schema_t schema;
static uint16_t out_off[3];

static void schema_make(void)
{
    tm_schema_init(&schema, "wide", TM_SCHEMA_ID_USER);
    tm_assert(tm_schema_add(&schema, &(tm_field_t){.name = "a", .type = TM_TYPE_I64}) == 0);
    tm_assert(tm_schema_add(&schema, &(tm_field_t){.name = "b", .type = TM_TYPE_U64}) == 1);
    tm_assert(tm_schema_add(&schema, &(tm_field_t){.name = "side", .type = TM_TYPE_SIDE}) == 2);
    tm_assert_eq((size_t)schema.row_sz, sizeof(wide_row_t));
}

/* Distinct in one of the three fields at least. */
static wide_row_t row_of(uint32_t i)
{
    return (wide_row_t){
        .a = i / 100, .b = (uint64_t)(i % 100) / 2 * 7919, .side = (uint8_t)(i % 2)};
}

static void *pages_open(tm_page_arena_t *pages)
{
    size_t sz = tm_align_up(tm_page_arena_footprint(PAGE_CNT), TM_CACHE_LINE);
    void *mem = aligned_alloc(TM_CACHE_LINE, sz);
    tm_assert(mem != NULL);
    tm_page_arena_init(pages, mem, PAGE_CNT);
    return mem;
}

Test(key, wide_keys_are_equal_where_their_fields_are_and_give_them_back)
{
    static const char *const names[] = {"a", "b", "side", NULL};
    static uint64_t values[KEY_CNT];
    tm_page_arena_t pages;
    void *mem = pages_open(&pages);
    tm_key_t key;
    tm_schema_t out;
    schema_make();
    tm_assert_eq(tm_key_compile(&key, &schema, names), 0);
    tm_assert_eq((int)key.form, (int)TM_KEY_WIDE);
    tm_schema_init(&out, "out", TM_SCHEMA_ID_USER + 1);
    tm_assert_eq(tm_key_schema(&key, &schema, &out), 0);
    for (int i = 0; i < 3; i++) out_off[i] = out.fields[i].off;
    tm_key_attach(&key, &pages);
    for (uint32_t lap = 0; lap < 2; lap++)
        for (uint32_t i = 0; i < KEY_CNT; i++) {
            wide_row_t row = row_of(i);
            uint64_t value;
            tm_assert(tm_key_load(&key, &row, &value));
            if (lap == 0) values[i] = value;
            tm_assert(values[i] == value);
        }
    tm_assert_eq(key.wide.cnt, (uint32_t)KEY_CNT); /* none fell together */
    for (uint32_t i = 0; i < KEY_CNT; i++) {
        uint8_t back[128] = {0};
        wide_row_t row = row_of(i);
        tm_key_write(&key, values[i], back);
        tm_assert(memcmp(back + out_off[0], &row.a, 8) == 0);
        tm_assert(memcmp(back + out_off[1], &row.b, 8) == 0);
        tm_assert(back[out_off[2]] == row.side);
    }
    tm_key_clear(&key);
    tm_assert_eq(pages.used_cnt, 0u);
    free(mem);
}

Test(key, fields_of_eight_bytes_in_all_are_the_number_themselves)
{
    static const char *const names[] = {"symbol", "side", NULL};
    const tm_schema_t *trade = tm_schema_trade();
    tm_key_t key;
    tm_schema_t out;
    tm_assert_eq(tm_key_compile(&key, trade, names), 0);
    tm_assert_eq((int)key.form, (int)TM_KEY_PACKED);
    tm_schema_init(&out, "out", TM_SCHEMA_ID_USER);
    tm_assert_eq(tm_key_schema(&key, trade, &out), 0);
    tm_assert_eq((size_t)out.fields[0].off, offsetof(tm_row_t, symbol));
    tm_trade_t row = {.row.symbol = 0x01020304, .side = TM_SIDE_SELL}, back = {0};
    uint64_t value;
    tm_assert(tm_key_load(&key, &row, &value));
    tm_assert(value == UINT64_C(0x0201020304));
    tm_key_write(&key, value, &back);
    tm_assert_eq(back.row.symbol, row.row.symbol);
    tm_assert_eq(((uint8_t *)&back)[out.fields[1].off], (uint8_t)TM_SIDE_SELL);
}

Test(key, a_wide_key_that_finds_no_page_is_refused_and_known_ones_still_load)
{
    static const char *const names[] = {"a", "b", NULL};
    tm_page_arena_t pages;
    size_t sz = tm_align_up(tm_page_arena_footprint(4), TM_CACHE_LINE);
    void *mem = aligned_alloc(TM_CACHE_LINE, sz);
    tm_assert(mem != NULL);
    tm_page_arena_init(&pages, mem, 4);
    tm_key_t key;
    schema_make();
    tm_assert_eq(tm_key_compile(&key, &schema, names), 0);
    tm_key_attach(&key, &pages);
    uint64_t value, refused = 0;
    for (int64_t i = 0; i < 100000; i++) {
        wide_row_t row = {.a = i, .b = 1};
        refused += !tm_key_load(&key, &row, &value);
    }
    tm_assert(refused > 0);
    wide_row_t row = {.a = 0, .b = 1};
    tm_assert(tm_key_load(&key, &row, &value));
    tm_key_clear(&key);
    free(mem);
}

Test(key, mistakes_name_the_field_and_its_type)
{
    static const char *const unknown[] = {"nobody", NULL}, *const twice[] = {"side", "side", NULL};
    tm_key_t key;
    tm_assert_eq(tm_key_compile(&key, tm_schema_trade(), unknown), (int)TM_E_CONFIG);
    tm_assert(strstr(tm_error_text(), "nobody") != NULL);
    tm_assert_eq(tm_key_compile(&key, tm_schema_trade(), twice), (int)TM_E_CONFIG);
    tm_assert(strstr(tm_error_text(), "side") != NULL);
    schema_make();
    schema.fields[0].nullable = 1;
    static const char *const null[] = {"a", NULL};
    tm_assert_eq(tm_key_compile(&key, &schema, null), (int)TM_E_CONFIG);
    tm_assert(strstr(tm_error_text(), "int64") != NULL);
}
