#include "state/parquet/parquet_rows.h"

#include "base/error.h"
#include "base/row.h"

#include <string.h>

static int put_text(const tm_field_t *f, const tm_parquet_values_t *v, uint32_t i,
                    tm_symbols_t *symbols, uint8_t *to)
{
    const char *text = (const char *)v->text.data + v->slices[i].off;
    const uint32_t sz = v->slices[i].sz;
    if (f->type == TM_TYPE_SIDE) {
        *to = sz == 3 ? TM_SIDE_BUY : sz == 4 ? TM_SIDE_SELL : TM_SIDE_UNKNOWN;
        return 0;
    }
    const uint32_t symbol = tm_symbols_intern(symbols, text, sz);
    memcpy(to, &symbol, 4);
    if (symbol != TM_SYMBOL_NONE) return 0;
    return tm_error_set(TM_E_LIMIT, "no room for symbol '%.*s'", (int)sz, text);
}

/* Two's complement, most significant byte first. */
static void put_wide(const tm_parquet_values_t *v, uint32_t i, uint8_t *to)
{
    uint64_t half[2];
    memcpy(half, v->text.data + v->slices[i].off, sizeof half);
    const uint64_t low_high[2] = {__builtin_bswap64(half[1]), __builtin_bswap64(half[0])};
    memcpy(to, low_high, sizeof low_high);
}

static int put_value(const tm_field_t *f, const tm_parquet_values_t *v, uint32_t i,
                     tm_symbols_t *symbols, uint8_t *to)
{
    int64_t num = v->num ? v->num[i] : 0;
    switch (f->type) {
    case TM_TYPE_BOOL:
        *to = num != 0;
        return 0;
    case TM_TYPE_I32:
        memcpy(to, &(int32_t){(int32_t)num}, 4);
        return 0;
    case TM_TYPE_TIME_NS:
        num *= f->unit_ns;
        memcpy(to, &num, 8);
        return 0;
    case TM_TYPE_I64:
    case TM_TYPE_U64:
    case TM_TYPE_F64:
    case TM_TYPE_DECIMAL64:
        memcpy(to, &num, 8);
        return 0;
    case TM_TYPE_DECIMAL128:
        put_wide(v, i, to);
        return 0;
    case TM_TYPE_SYMBOL:
    case TM_TYPE_SIDE:
        return put_text(f, v, i, symbols, to);
    }
    return 0;
}

static void put_absent(const tm_field_t *f, const tm_schema_t *schema, uint8_t *row)
{
    const int64_t no_time = TM_TIME_NONE;
    const uint32_t no_symbol = TM_SYMBOL_NONE;
    if (f->type == TM_TYPE_TIME_NS) memcpy(row + f->off, &no_time, 8);
    if (f->type == TM_TYPE_SYMBOL) memcpy(row + f->off, &no_symbol, 4);
    if (!f->nullable) return;
    uint64_t bits;
    memcpy(&bits, row + schema->null_off, 8);
    bits |= 1ull << f->null_bit;
    memcpy(row + schema->null_off, &bits, 8);
}

static int read_col(tm_parquet_reader_t *reader, uint32_t group_idx, uint32_t c,
                    const tm_schema_t *schema, tm_symbols_t *symbols, uint8_t *rows)
{
    const tm_field_t *f = &schema->fields[c];
    tm_parquet_values_t v = {0};
    int err = tm_parquet_reader_values(reader, group_idx, c, &v);
    if (err < 0) return err;
    for (uint32_t i = 0; i < v.cnt && err == 0; i++, rows += schema->row_sz) {
        if (v.valid[i])
            err = put_value(f, &v, i, symbols, rows + f->off);
        else
            put_absent(f, schema, rows);
    }
    tm_parquet_values_free(&v);
    return err;
}

/* The physical type that the writer gives a field. */
static tm_parquet_type_t type_of(tm_type_t type)
{
    switch (type) {
    case TM_TYPE_BOOL:
        return TM_PARQUET_BOOLEAN;
    case TM_TYPE_I32:
        return TM_PARQUET_INT32;
    case TM_TYPE_F64:
        return TM_PARQUET_DOUBLE;
    case TM_TYPE_DECIMAL128:
        return TM_PARQUET_FIXED;
    case TM_TYPE_SYMBOL:
    case TM_TYPE_SIDE:
        return TM_PARQUET_BYTE_ARRAY;
    case TM_TYPE_I64:
    case TM_TYPE_U64:
    case TM_TYPE_DECIMAL64:
    case TM_TYPE_TIME_NS:
        return TM_PARQUET_INT64;
    }
    return TM_PARQUET_INT64;
}

static int check_cols(const tm_parquet_meta_t *meta, const tm_schema_t *schema)
{
    bool same = meta->col_cnt == schema->field_cnt;
    for (uint32_t c = 0; same && c < meta->col_cnt; c++) {
        const tm_parquet_col_t *col = &meta->cols[c];
        same = strcmp(col->name, schema->fields[c].name) == 0 &&
               col->type == type_of(schema->fields[c].type) &&
               (col->type != TM_PARQUET_FIXED || col->type_sz == 16);
    }
    if (same) return 0;
    return tm_error_set(TM_E_CORRUPT, "its columns are not those of %s rows", schema->name);
}

int tm_parquet_rows_read(tm_parquet_reader_t *reader, uint32_t group_idx, const tm_schema_t *schema,
                         tm_symbols_t *symbols, void *rows)
{
    TM_TRY(check_cols(tm_parquet_reader_meta(reader), schema));
    for (uint32_t c = 0; c < schema->field_cnt; c++)
        TM_TRY(read_col(reader, group_idx, c, schema, symbols, rows));
    return 0;
}
