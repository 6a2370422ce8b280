#include "state/part/row_text.h"

#include "base/decimal.h"
#include "base/error.h"
#include "base/row.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Bytes of a value at most: a symbol may take six a byte, as \u0001, and quotes. */
static uint32_t value_sz_max(tm_type_t type)
{
    if (type == TM_TYPE_SYMBOL) return 6 * TM_SYMBOL_SZ_MAX + 2;
    return type == TM_TYPE_BOOL || type == TM_TYPE_SIDE ? 12 : TM_DECIMAL_TEXT_MAX;
}
_Static_assert(TM_DECIMAL_TEXT_MAX >= TM_TIME_TEXT_MAX + 2, "a time in quotes is no longer");

static uint8_t *put(uint8_t *out, const char *text, size_t sz)
{
    memcpy(out, text, sz);
    return out + sz;
}

static uint8_t *put_json(uint8_t *out, const char *text, size_t sz)
{
    static const char hex[] = "0123456789abcdef";
    *out++ = '"';
    for (size_t i = 0; i < sz; i++) {
        const uint8_t c = (uint8_t)text[i];
        if (c < 0x20) {
            out = put(out, "\\u00", 4);
            *out++ = (uint8_t)hex[c >> 4];
            *out++ = (uint8_t)hex[c & 15];
            continue;
        }
        if (c == '"' || c == '\\') *out++ = '\\';
        *out++ = c;
    }
    *out++ = '"';
    return out;
}

/* In quotes only where a reader would stumble; a quote inside is doubled. */
static uint8_t *put_csv(uint8_t *out, const char *text, size_t sz)
{
    bool plain = true;
    for (size_t i = 0; i < sz; i++)
        plain = plain && text[i] != ',' && text[i] != '"' && text[i] != '\n' && text[i] != '\r';
    if (plain) return put(out, text, sz);
    *out++ = '"';
    for (size_t i = 0; i < sz; i++) {
        if (text[i] == '"') *out++ = '"';
        *out++ = (uint8_t)text[i];
    }
    *out++ = '"';
    return out;
}

int tm_row_text_open(tm_row_text_t *text, tm_row_format_t format, const tm_schema_t *schema,
                     const tm_symbols_t *symbols)
{
    *text = (tm_row_text_t){.format = format, .schema = schema, .symbols = symbols};
    if (schema->field_cnt == 0 || schema->field_cnt > TM_SCHEMA_FIELD_MAX)
        return tm_error_set(TM_E_CONFIG, "schema %s has %u fields", schema->name,
                            schema->field_cnt);
    text->row_sz_max = 4;
    for (uint32_t i = 0; i < schema->field_cnt; i++) {
        const char *name = schema->fields[i].name;
        uint8_t quoted[6 * TM_SCHEMA_NAME_MAX + 2];
        const size_t sz = (size_t)(put_json(quoted, name, strlen(name)) - quoted);
        if (sz > 2 * TM_SCHEMA_NAME_MAX)
            return tm_error_set(TM_E_CONFIG, "field %s cannot be a name in JSON", name);
        const bool json = format == TM_ROW_JSON;
        const int lead_sz = snprintf(text->lead[i], sizeof text->lead[i], "%s%.*s%s",
                                     i > 0  ? ","
                                     : json ? "{"
                                            : "",
                                     json ? (int)sz : 0, (const char *)quoted, json ? ":" : "");
        text->lead_sz[i] = (uint32_t)lead_sz;
        text->row_sz_max += text->lead_sz[i] + value_sz_max(schema->fields[i].type);
        text->row_sz_max += 2 * (uint32_t)strlen(name) + 3; /* as a name of the first line */
    }
    return 0;
}

size_t tm_row_text_head(const tm_row_text_t *text, uint8_t *out)
{
    uint8_t *at = out;
    if (text->format == TM_ROW_JSON) return 0;
    for (uint32_t i = 0; i < text->schema->field_cnt; i++) {
        const char *name = text->schema->fields[i].name;
        if (i > 0) *at++ = ',';
        at = put_csv(at, name, strlen(name));
    }
    *at++ = '\n';
    return (size_t)(at - out);
}

static uint8_t *put_u64(uint8_t *out, uint64_t v)
{
    uint8_t digits[20];
    uint32_t at = sizeof digits;
    do digits[--at] = (uint8_t)('0' + v % 10);
    while ((v /= 10) > 0);
    return put(out, (const char *)digits + at, sizeof digits - at);
}

static uint8_t *put_i64(uint8_t *out, int64_t v)
{
    if (v >= 0) return put_u64(out, (uint64_t)v);
    *out++ = '-';
    return put_u64(out, 0 - (uint64_t)v);
}

static uint8_t *put_f64(uint8_t *out, double v)
{
    char text[32];
    const int sz = snprintf(text, sizeof text, "%.17g", v);
    return put(out, text, (size_t)sz);
}

static uint8_t *put_decimal(uint8_t *out, tm_i128_t v, uint32_t scale)
{
    char text[TM_DECIMAL_TEXT_MAX];
    return put(out, text, tm_decimal_format(text, v, scale));
}

static uint8_t *put_time(uint8_t *out, int64_t time_ns, uint32_t unit_ns, bool json)
{
    char text[TM_TIME_TEXT_MAX];
    const size_t sz = tm_time_format(text, time_ns, unit_ns ? unit_ns : 1);
    if (json) *out++ = '"';
    out = put(out, text, sz);
    if (json) *out++ = '"';
    return out;
}

static uint8_t *put_word(uint8_t *out, const char *word, bool json)
{
    if (json) *out++ = '"';
    out = put(out, word, strlen(word));
    if (json) *out++ = '"';
    return out;
}

static uint8_t *put_symbol(const tm_row_text_t *text, uint8_t *out, uint32_t symbol)
{
    size_t sz;
    const char *name = tm_symbols_name(text->symbols, symbol, &sz);
    if (text->format == TM_ROW_JSON) return put_json(out, name, sz);
    return put_csv(out, name, sz);
}

/* NULL where the value says of itself that it is absent. */
static uint8_t *put_value(const tm_row_text_t *text, uint8_t *out, const tm_field_t *field,
                          const uint8_t *at)
{
    static const char *const sides[] = {"unknown", "buy", "sell"};
    const bool json = text->format == TM_ROW_JSON;
    int32_t i32;
    uint64_t u64;
    double f64;
    tm_i128_t wide;
    switch (field->type) {
    case TM_TYPE_BOOL:
        return *at ? put(out, "true", 4) : put(out, "false", 5);
    case TM_TYPE_SIDE:
        return put_word(out, sides[*at <= TM_SIDE_SELL ? *at : 0], json);
    case TM_TYPE_I32:
        memcpy(&i32, at, sizeof i32);
        return put_i64(out, i32);
    case TM_TYPE_SYMBOL:
        memcpy(&i32, at, sizeof i32);
        if ((uint32_t)i32 >= TM_SYMBOL_CNT_MAX) return NULL;
        return put_symbol(text, out, (uint32_t)i32);
    case TM_TYPE_F64:
        memcpy(&f64, at, sizeof f64);
        return json && !isfinite(f64) ? NULL : put_f64(out, f64);
    case TM_TYPE_I64:
        memcpy(&u64, at, sizeof u64);
        return put_i64(out, (int64_t)u64);
    case TM_TYPE_U64:
        memcpy(&u64, at, sizeof u64);
        return put_u64(out, u64);
    case TM_TYPE_DECIMAL64:
        memcpy(&u64, at, sizeof u64);
        return put_decimal(out, (int64_t)u64, field->scale);
    case TM_TYPE_DECIMAL128:
        memcpy(&wide, at, sizeof wide);
        return put_decimal(out, wide, field->scale);
    case TM_TYPE_TIME_NS:
        memcpy(&u64, at, sizeof u64);
        if ((int64_t)u64 == TM_TIME_NONE) return NULL;
        return put_time(out, (int64_t)u64, field->unit_ns, json);
    }
    return NULL;
}

size_t tm_row_text_put(const tm_row_text_t *text, uint8_t *out, const void *row)
{
    const tm_schema_t *schema = text->schema;
    const bool json = text->format == TM_ROW_JSON;
    uint64_t nulls = 0;
    uint8_t *at = out;
    if (schema->null_off) memcpy(&nulls, (const uint8_t *)row + schema->null_off, sizeof nulls);
    for (uint32_t i = 0; i < schema->field_cnt; i++) {
        const tm_field_t *field = &schema->fields[i];
        uint8_t *end = NULL;
        at = put(at, text->lead[i], text->lead_sz[i]);
        if (!field->nullable || !(nulls >> field->null_bit & 1))
            end = put_value(text, at, field, (const uint8_t *)row + field->off);
        if (!end) end = json ? put(at, "null", 4) : at;
        at = end;
    }
    if (json) *at++ = '}';
    *at++ = '\n';
    return (size_t)(at - out);
}
