/* Rows as lines of CSV and JSON: every type at its edges, and random rows within their bound. */
#include "base/error.h"
#include "state/part/row_text.h"
#include "tests/state/part_fixture.h"
#include "tests/tm_json.h"
#include "tests/tm_test.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

/* One row of every type, at its edges. */
typedef struct edge_row {
    tm_row_t row;
    uint64_t nulls;
    tm_i128_t wide;
    double f64[2];
    uint64_t u64;
    int64_t i64, price, time;
    int32_t i32;
    uint32_t symbol;
    uint8_t flag, side, absent, reserved[5];
} edge_row_t;

static void add(tm_schema_t *s, const char *name, tm_type_t type, size_t off, uint8_t scale)
{
    tm_field_t *f = &s->fields[s->field_cnt++];
    *f = (tm_field_t){.type = type, .off = (uint16_t)off, .scale = scale, .unit_ns = 1000};
    snprintf(f->name, sizeof f->name, "%s", name);
}

static void edge_schema(tm_schema_t *s)
{
    tm_schema_init(s, "edge", TM_SCHEMA_ID_USER);
    s->row_sz = sizeof(edge_row_t);
    s->null_off = offsetof(edge_row_t, nulls);
    add(s, "na\"me,", TM_TYPE_SYMBOL, offsetof(edge_row_t, symbol), 0);
    add(s, "wide", TM_TYPE_DECIMAL128, offsetof(edge_row_t, wide), 38);
    add(s, "price", TM_TYPE_DECIMAL64, offsetof(edge_row_t, price), 8);
    add(s, "f0", TM_TYPE_F64, offsetof(edge_row_t, f64), 0);
    add(s, "f1", TM_TYPE_F64, offsetof(edge_row_t, f64) + 8, 0);
    add(s, "u64", TM_TYPE_U64, offsetof(edge_row_t, u64), 0);
    add(s, "i64", TM_TYPE_I64, offsetof(edge_row_t, i64), 0);
    add(s, "i32", TM_TYPE_I32, offsetof(edge_row_t, i32), 0);
    add(s, "time", TM_TYPE_TIME_NS, offsetof(edge_row_t, time), 0);
    add(s, "flag", TM_TYPE_BOOL, offsetof(edge_row_t, flag), 0);
    add(s, "side", TM_TYPE_SIDE, offsetof(edge_row_t, side), 0);
    add(s, "absent", TM_TYPE_BOOL, offsetof(edge_row_t, absent), 0);
    s->fields[s->field_cnt - 1].nullable = 1;
    s->fields[s->field_cnt - 1].null_bit = 3;
}

Test(row_text, every_type_is_written_to_the_last_digit)
{
    tm_schema_t schema;
    tm_symbols_t *symbols;
    tm_row_text_t csv, json;
    static const char odd[] = "say \"\x01,\n\\";
    edge_schema(&schema);
    tm_assert_eq(tm_symbols_open(&symbols), 0);
    const edge_row_t row = {
        .nulls = 1 << 3,
        .wide = -((tm_i128_t)1 << 126),
        .price = -1,
        .f64 = {0.1, (double)INFINITY},
        .u64 = UINT64_MAX,
        .i64 = INT64_MIN,
        .i32 = INT32_MIN,
        .time = -1,
        .symbol = tm_symbols_intern(symbols, odd, sizeof odd - 1),
        .flag = 1,
        .side = TM_SIDE_SELL,
    };
    tm_assert_eq(tm_row_text_open(&csv, TM_ROW_CSV, &schema, symbols), 0);
    tm_assert_eq(tm_row_text_open(&json, TM_ROW_JSON, &schema, symbols), 0);
    uint8_t *out = calloc(1, csv.row_sz_max + json.row_sz_max);
    out[tm_row_text_head(&csv, out)] = 0;
    tm_assert_str((char *)out,
                  "\"na\"\"me,\",wide,price,f0,f1,u64,i64,i32,time,flag,side,absent\n");
    out[tm_row_text_put(&csv, out, &row)] = 0;
    tm_assert_str((char *)out,
                  "\"say \"\"\x01,\n\\\",-0.85070591730234615865843651857942052864,-0.00000001,"
                  "0.10000000000000001,inf,18446744073709551615,-9223372036854775808,-2147483648,"
                  "1969-12-31T23:59:59.999999Z,true,sell,\n");
    out[tm_row_text_put(&json, out, &row)] = 0;
    tm_assert_str((char *)out,
                  "{\"na\\\"me,\":\"say \\\"\\u0001,\\u000a\\\\\","
                  "\"wide\":-0.85070591730234615865843651857942052864,\"price\":-0.00000001,"
                  "\"f0\":0.10000000000000001,\"f1\":null,\"u64\":18446744073709551615,"
                  "\"i64\":-9223372036854775808,\"i32\":-2147483648,"
                  "\"time\":\"1969-12-31T23:59:59.999999Z\",\"flag\":true,\"side\":\"sell\","
                  "\"absent\":null}\n");
    free(out);
    tm_symbols_close(symbols);
}

/* No row of any schema is longer than the plan says, and every line is JSON. */
Test(row_text, random_rows_stay_within_the_bound_and_parse)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        tm_fixture_t fx;
        tm_row_text_t text[2];
        char path[300], dir[256];
        fprintf(stderr, "# seed %" PRIu64 "\n", seed);
        tm_fixture_random(&fx, seed, 100);
        tm_fixture_dir(dir);
        snprintf(path, sizeof path, "%s/rows.json", dir);
        tm_assert_eq(tm_row_text_open(&text[0], TM_ROW_CSV, &fx.schema, fx.symbols), 0);
        tm_assert_eq(tm_row_text_open(&text[1], TM_ROW_JSON, &fx.schema, fx.symbols), 0);
        FILE *f = fopen(path, "w");
        fputc('[', f);
        for (uint32_t i = 0; i < 100; i++)
            for (uint32_t k = 0; k < 2; k++) {
                uint8_t *out = malloc(text[k].row_sz_max); /* the sanitizer watches its end */
                const size_t sz = tm_row_text_put(&text[k], out, tm_fixture_row(&fx, i));
                tm_assert(sz <= text[k].row_sz_max);
                if (k == 1) fprintf(f, "%s%.*s", i > 0 ? "," : "", (int)sz, (const char *)out);
                free(out);
            }
        fputc(']', f);
        fclose(f);
        tm_json_t *doc = tm_json_load(path);
        tm_assert(doc != NULL);
        tm_assert_eq(tm_json_cnt(doc), 100u);
        tm_assert_eq(tm_json_cnt(tm_json_at(doc, 99)), (size_t)fx.schema.field_cnt);
        tm_json_free(doc);
        tm_fixture_remove(dir);
        tm_fixture_free(&fx);
    }
}
