/* Messages of any JSON to rows: columns of all types, arrays, what is chosen, what is buried. */
#include "base/error.h"
#include "base/row.h"
#include "parse/json/json_rows.h"
#include "tests/parse/exact_frame.h"
#include "tests/tm_test.h"

#include <stdio.h>

typedef struct line {
    tm_row_t row;
    uint64_t nulls;
    int64_t price_e4, stamp_ns, i64;
    uint64_t u64;
    int32_t i32;
    uint32_t name;
    uint8_t flag;
    uint8_t reserved[7];
} line_t;

static tm_schema_t schema;
static tm_symbols_t *symbols;
static tm_counter_set_t *counters;
static exact_t exact;

static const struct {
    const char *name;
    tm_type_t type;
    size_t off;
    uint8_t scale;
} line_fields[] = {
    {"symbol", TM_TYPE_SYMBOL, offsetof(tm_row_t, symbol), 0},
    {"time", TM_TYPE_TIME_NS, offsetof(tm_row_t, event_ns), 0},
    {"price", TM_TYPE_DECIMAL64, offsetof(line_t, price_e4), 4},
    {"stamp", TM_TYPE_TIME_NS, offsetof(line_t, stamp_ns), 0},
    {"i64", TM_TYPE_I64, offsetof(line_t, i64), 0},
    {"u64", TM_TYPE_U64, offsetof(line_t, u64), 0},
    {"i32", TM_TYPE_I32, offsetof(line_t, i32), 0},
    {"name", TM_TYPE_SYMBOL, offsetof(line_t, name), 0},
    {"flag", TM_TYPE_BOOL, offsetof(line_t, flag), 0},
};

/* The first `cnt` fields. Those from price on that are not required may be null. */
static void schema_make(uint32_t cnt)
{
    tm_schema_init(&schema, "line", 300);
    schema.row_sz = sizeof(line_t);
    schema.null_off = offsetof(line_t, nulls);
    schema.field_cnt = (uint16_t)cnt;
    for (uint32_t i = 0; i < cnt; i++) {
        tm_field_t *f = &schema.fields[i];
        *f = (tm_field_t){.type = line_fields[i].type,
                          .off = (uint16_t)line_fields[i].off,
                          .scale = line_fields[i].scale,
                          .nullable = line_fields[i].type != TM_TYPE_TIME_NS &&
                                      line_fields[i].type != TM_TYPE_SYMBOL,
                          .null_bit = (uint8_t)i,
                          .unit_ns = 1};
        snprintf(f->name, sizeof f->name, "%s", line_fields[i].name);
    }
}

static tm_json_rows_t *rows_open(const tm_json_rows_field_t *fields, uint32_t cnt,
                                 const char *where, const char *is)
{
    tm_json_rows_t *rows;
    exact_open(&exact);
    tm_assert(tm_symbols_open(&symbols) == 0);
    counters = tm_counter_set_new("test");
    const tm_json_rows_cfg_t cfg = {.schema = &schema,
                                    .fields = fields,
                                    .field_cnt = cnt,
                                    .where = where,
                                    .is = is,
                                    .symbols = symbols,
                                    .counters = counters};
    int err = tm_json_rows_open(&rows, &cfg);
    if (err < 0) fprintf(stderr, "# %s\n", tm_error_text());
    tm_assert(err == 0);
    return rows;
}

static void rows_close(tm_json_rows_t *rows)
{
    tm_json_rows_close(rows);
    tm_symbols_close(symbols);
    tm_counter_set_free(counters);
    exact_close(&exact);
}

static int32_t read_text(tm_json_rows_t *rows, const char *text, const line_t **out)
{
    const void *at;
    tm_frame_t f = exact_at_end(&exact, text, strlen(text), '"');
    f.recv_ns = 77;
    int32_t cnt = tm_json_rows_frame(rows, &f, &at);
    *out = at;
    return cnt;
}

static const char *name_of(uint32_t symbol)
{
    return tm_symbols_name(symbols, symbol, NULL);
}

static const tm_json_rows_field_t all_fields[] = {
    {.path = "/s", .field = "symbol", .required = true},
    {.path = "/t", .field = "time", .unit_ns = TM_NS_PER_MS},
    {.path = "/p", .field = "price"},
    {.path = "/at", .field = "stamp"},
    {.path = "/i", .field = "i64"},
    {.path = "/u", .field = "u64"},
    {.path = "/n", .field = "i32"},
    {.path = "/name", .field = "name"},
    {.path = "/f", .field = "flag"},
};

Test(json_rows, a_message_gives_a_row_of_columns_of_all_types)
{
    static const char text[] =
        "{\"s\":\"A\\u0042\",\"t\":\"1700000000123\",\"p\":-1.5,\"at\":\"2024-08-08T12:00:00.25Z\","
        "\"i\":-9223372036854775808,\"u\":18446744073709551615,\"n\":-2147483648,"
        "\"name\":\"\xe6\xaf\x94\",\"f\":true}";
    const line_t *l;
    schema_make(9);
    tm_json_rows_t *rows = rows_open(all_fields, 9, NULL, NULL);
    /* By walk, then by shape. */
    for (uint32_t i = 0; i < 3; i++) {
        tm_assert_eq(read_text(rows, text, &l), 1);
        tm_assert_str(name_of(l->row.symbol), "AB");
        tm_assert_eq(l->row.kind, TM_ROW_INSERT);
        tm_assert_eq(l->row.schema_id, 300);
        tm_assert_eq(l->row.event_ns, 1700000000123000000);
        tm_assert_eq(l->row.recv_ns, 77);
        tm_assert_eq(l->price_e4, -15000);
        tm_assert_eq(l->stamp_ns, 1723118400250000000);
        tm_assert_eq(l->i64, INT64_MIN);
        tm_assert_eq(l->u64, UINT64_MAX);
        tm_assert_eq(l->i32, INT32_MIN);
        tm_assert_str(name_of(l->name), "\xe6\xaf\x94");
        tm_assert_eq(l->flag, 1);
        tm_assert_eq(l->nulls, 0u);
    }
    rows_close(rows);
}

Test(json_rows, what_is_absent_or_null_is_told_by_the_bitmap_or_the_value)
{
    const line_t *l;
    schema_make(9);
    tm_json_rows_t *rows = rows_open(all_fields, 9, NULL, NULL);
    tm_assert_eq(read_text(rows, "{\"s\":\"A\",\"i\":null,\"u\":5}", &l), 1);
    tm_assert_eq(l->row.event_ns, TM_TIME_NONE);
    tm_assert_eq(l->stamp_ns, TM_TIME_NONE);
    tm_assert_eq(l->name, TM_SYMBOL_NONE);
    tm_assert_eq(l->nulls, 1u << 2 | 1u << 4 | 1u << 6 | 1u << 8);
    tm_assert_eq(l->price_e4, 0);
    tm_assert_eq(l->u64, 5u);
    rows_close(rows);
}

Test(json_rows, elements_give_rows_that_share_what_stands_around_them)
{
    static const tm_json_rows_field_t fields[] = {
        {.path = "/s", .field = "symbol", .required = true},
        {.path = "/d/-/0", .field = "price", .required = true},
    };
    const line_t *l;
    schema_make(3);
    tm_json_rows_t *rows = rows_open(fields, 2, NULL, NULL);
    tm_assert_eq(read_text(rows, "{\"d\":[[1,8],[\"2.5\"]],\"s\":\"A\",\"x\":[[3]]}", &l), 2);
    tm_assert_eq(l[0].price_e4, 10000);
    tm_assert_eq(l[1].price_e4, 25000);
    tm_assert_str(name_of(l[0].row.symbol), "A");
    tm_assert_eq(l[1].row.symbol, l[0].row.symbol);
    tm_assert_eq(l[1].row.event_ns, 77); /* of receipt: no path leads to it */
    tm_assert_eq(read_text(rows, "{\"s\":\"A\",\"d\":[]}", &l), 0);
    tm_assert_eq(read_text(rows, "{\"s\":\"A\"}", &l), 0);
    tm_assert_eq(tm_counter_sum("dead_letters"), 0u);
    rows_close(rows);
}

Test(json_rows, a_message_with_more_rows_than_there_is_room_for_is_buried_whole)
{
    static const tm_json_rows_field_t fields[] = {{.path = "/-", .field = "symbol"}};
    const uint32_t max = TM_JSON_ROWS_SZ / sizeof(line_t);
    const void *at;
    schema_make(2);
    tm_json_rows_t *rows = rows_open(fields, 1, NULL, NULL);
    for (uint32_t cnt = max; cnt <= max + 1; cnt++) {
        char *text = malloc(4 * (size_t)cnt + 2 + TM_FRAME_PAD);
        memset(text, 0, 4 * (size_t)cnt + 2 + TM_FRAME_PAD);
        for (uint32_t i = 0; i < cnt; i++) memcpy(text + 4 * (size_t)i, ",\"a\"", 4);
        text[0] = '[';
        text[4 * (size_t)cnt] = ']';
        const tm_frame_t f = {.data = (uint8_t *)text, .sz = 4 * cnt + 1};
        tm_assert_eq(tm_json_rows_frame(rows, &f, &at), cnt == max ? (int32_t)cnt : 0);
        free(text);
    }
    tm_assert_eq(tm_counter_sum("bad_limit"), 1u);
    rows_close(rows);
}

static struct {
    tm_reason_t reason;
    uint32_t off, cnt;
} last;

static void on_letter(void *ctx, const tm_dead_letter_t *letter)
{
    (void)ctx;
    last.reason = letter->reason;
    last.off = letter->offset;
    last.cnt++;
}

Test(json_rows, what_is_at_fault_is_buried_with_its_reason_and_place_and_other_kinds_are_not)
{
    static const struct {
        const char *text;
        int32_t cnt;
        tm_reason_t reason;
        uint32_t off;
    } cases[] = {
        {"{\"k\":\"x\",\"s\":\"A\",\"n\":1}", 1, TM_REASON_NONE, 0},
        {"{\"k\":\"x\",\"s\":\"A\",\"n\":2}", 1, TM_REASON_NONE, 0},
        {"{\"k\":\"y\",\"s\":7,\"n\":{}}", 0, TM_REASON_NONE, 0},
        {"{\"k\":3,\"s\":\"A\"}", 0, TM_REASON_NONE, 0},
        {"{}", 0, TM_REASON_NONE, 0},
        {"7", 0, TM_REASON_NONE, 0},
        {"{\"k\":\"y\"", -1, TM_REASON_TRUNCATED, 8},
        {"{\"k\":\"x\",\"s\":\"A\",\"n\":2147483648}", 0, TM_REASON_RANGE, 21},
        {"{\"k\":\"x\",\"s\":\"A\",\"n\":4147483648}", 0, TM_REASON_RANGE, 21},
        {"{\"k\":\"x\",\"s\":\"A\",\"n\":4147483649}", 0, TM_REASON_RANGE, 21},
        {"{\"k\":\"x\",\"s\":\"\",\"n\":1}", 0, TM_REASON_SYMBOL, 14},
        {"{\"k\":\"x\",\"s\":\"A\",\"p\":100000000000000}", 0, TM_REASON_RANGE, 21},
        {"{\"k\":\"x\",\"s\":\"A\",\"p\":99999999999999.9999}", 1, TM_REASON_NONE, 0},
        {"{\"k\":\"x\",\"n\":1}", 0, TM_REASON_MISSING, 0},
        {"{\"k\":\"x\",\"s\":null,\"n\":1}", 0, TM_REASON_MISSING, 0},
        {"{\"k\":\"x\",\"s\":[\"A\"],\"n\":1}", 0, TM_REASON_TYPE, 13},
        {"{\"k\":\"x\",\"s\":\"\\ud800\",\"n\":1}", 0, TM_REASON_UTF8, 14},
    };
    tm_json_rows_t *rows;
    const line_t *l;
    uint32_t buried = 0;
    schema_make(9);
    tm_json_rows_close(rows_open(all_fields, 9, NULL, NULL));
    const tm_json_rows_cfg_t cfg = {.schema = &schema,
                                    .fields = all_fields,
                                    .field_cnt = 9,
                                    .where = "/k",
                                    .is = "x",
                                    .symbols = symbols,
                                    .counters = counters,
                                    .on_dead_letter = on_letter};
    tm_assert(tm_json_rows_open(&rows, &cfg) == 0);
    for (uint32_t i = 0; i < TM_ARRAY_CNT(cases); i++) {
        last.reason = TM_REASON_NONE;
        last.off = 0;
        int32_t cnt = read_text(rows, cases[i].text, &l);
        if (cnt != cases[i].cnt || last.reason != cases[i].reason || last.off != cases[i].off)
            fprintf(stderr, "# %s: %d rows, %s at %u\n", cases[i].text, cnt,
                    tm_reason_name(last.reason), last.off);
        tm_assert_eq(cnt, cases[i].cnt);
        tm_assert_eq((int)last.reason, (int)cases[i].reason);
        tm_assert_eq(last.off, cases[i].off);
        buried += cases[i].reason != TM_REASON_NONE;
    }
    tm_assert_eq(last.cnt, buried);
    tm_assert_eq(tm_counter_sum("dead_letters"), buried);
    tm_assert_eq(tm_counter_sum("bad_range"), 4u);
    tm_assert_eq(tm_counter_sum("messages_other"), 4u);
    rows_close(rows);
}

Test(json_rows, declarations_that_make_no_sense_are_refused_with_a_reason)
{
    static const struct {
        tm_json_rows_field_t fields[3];
        uint32_t cnt;
        const char *where, *is, *says;
    } cases[] = {
        {{{"/a", "symbol", true, 0}}, 0, NULL, NULL, "0 paths"},
        {{{NULL, "symbol", true, 0}}, 1, NULL, NULL, "no path"},
        {{{"/a", "sybmol", true, 0}}, 1, NULL, NULL, "no field 'sybmol'"},
        {{{"/a", "symbol", true, 0}}, 1, NULL, NULL, "'price' of the rows has no path"},
        {{{"/a", "symbol", true, 0}, {"/b", "price", true, 0}, {"/c", "price", true, 0}},
         3,
         NULL,
         NULL,
         "two paths"},
        {{{"/a", "symbol", true, 0}, {"/a", "price", true, 0}}, 2, NULL, NULL, "another"},
        {{{"a", "symbol", true, 0}, {"/b", "price", true, 0}}, 2, NULL, NULL, "starts with '/'"},
        {{{"/a/-", "symbol", true, 0}, {"/b/-", "price", true, 0}}, 2, NULL, NULL, "two arrays"},
        {{{"/a", "symbol", true, 0}, {"/b", "price", true, 0}}, 2, "/c", NULL, "give the text"},
        {{{"/a", "symbol", true, 0}, {"/b", "price", true, 0}}, 2, "/b", "x", "is no text"},
        {{{"/-/a", "symbol", true, 0}, {"/-/b", "price", true, 0}}, 2, "/-/a", "x", "of elements"},
        {{{"/a", "symbol", true, 0}, {"/b", "price", true, 5}}, 2, NULL, NULL, "unit"},
    };
    schema_make(3);
    for (uint32_t i = 0; i < TM_ARRAY_CNT(cases); i++) {
        tm_json_rows_t *rows;
        const tm_json_rows_cfg_t cfg = {.schema = &schema,
                                        .fields = cases[i].fields,
                                        .field_cnt = cases[i].cnt,
                                        .where = cases[i].where,
                                        .is = cases[i].is};
        tm_assert(tm_json_rows_open(&rows, &cfg) == TM_E_CONFIG);
        tm_json_rows_close(rows);
        if (!strstr(tm_error_text(), cases[i].says))
            fprintf(stderr, "# '%s' does not say '%s'\n", tm_error_text(), cases[i].says);
        tm_assert(strstr(tm_error_text(), cases[i].says) != NULL);
    }
    schema.fields[2].type = TM_TYPE_F64;
    static const tm_json_rows_field_t real = {"/a", "price", true, 0};
    tm_json_rows_t *rows;
    tm_assert(tm_json_rows_open(&rows, &(tm_json_rows_cfg_t){.schema = &schema,
                                                             .fields = &real,
                                                             .field_cnt = 1}) == TM_E_CONFIG);
    tm_json_rows_close(rows);
    tm_assert(strstr(tm_error_text(), "is read as") != NULL);
}
