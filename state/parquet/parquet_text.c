#include "base/decimal.h"
#include "state/parquet/parquet_reader.h"

#include <stdio.h>

static const char *decimal_text(const tm_parquet_col_t *col, tm_i128_t v, char *out)
{
    if (col->scale > 38) {
        snprintf(out, TM_PARQUET_CELL_MAX, "?");
        return out;
    }
    tm_decimal_format(out, v, (uint32_t)col->scale);
    return out;
}

/* Times outside of what nanoseconds in 64 bits can say are shown as the number they are. */
static const char *time_text(const tm_parquet_col_t *col, int64_t v, char *out)
{
    int64_t ns;
    if (__builtin_mul_overflow(v, col->unit_ns, &ns))
        snprintf(out, TM_PARQUET_CELL_MAX, "%lld", (long long)v);
    else
        tm_time_format(out, ns, col->unit_ns);
    return out;
}

static const char *number_text(const tm_parquet_col_t *col, int64_t v, char *out)
{
    double d;
    if (col->logical == TM_PARQUET_LOGICAL_DECIMAL) return decimal_text(col, v, out);
    if (col->logical == TM_PARQUET_LOGICAL_TIMESTAMP) return time_text(col, v, out);
    if (col->type == TM_PARQUET_BOOLEAN) {
        snprintf(out, TM_PARQUET_CELL_MAX, "%s", v ? "true" : "false");
    } else if (col->type == TM_PARQUET_FLOAT || col->type == TM_PARQUET_DOUBLE) {
        memcpy(&d, &v, 8);
        snprintf(out, TM_PARQUET_CELL_MAX, "%.17g", d);
    } else if (col->logical == TM_PARQUET_LOGICAL_INTEGER && !col->int_signed) {
        const uint64_t u = col->type == TM_PARQUET_INT32 ? (uint32_t)v : (uint64_t)v;
        snprintf(out, TM_PARQUET_CELL_MAX, "%llu", (unsigned long long)u);
    } else {
        snprintf(out, TM_PARQUET_CELL_MAX, "%lld", (long long)v);
    }
    return out;
}

static const char *string_text(const uint8_t *src, size_t sz, char *out)
{
    size_t n = 0;
    for (size_t i = 0; i < sz && n + 5 < TM_PARQUET_CELL_MAX; i++) {
        if (src[i] < ' ' || src[i] == 0x7f)
            n += (size_t)snprintf(out + n, 5, "\\x%02x", src[i]);
        else
            out[n++] = (char)src[i];
    }
    out[n] = '\0';
    return out;
}

static const char *bytes_text(const tm_parquet_col_t *col, const uint8_t *src, size_t sz, char *out)
{
    if (col->logical == TM_PARQUET_LOGICAL_STRING) return string_text(src, sz, out);
    if (col->logical == TM_PARQUET_LOGICAL_DECIMAL && sz > 0 && sz <= 16) {
        tm_u128_t v = src[0] & 0x80 ? ~(tm_u128_t)0 : 0; /* big endian, sign extended */
        for (size_t i = 0; i < sz; i++) v = v << 8 | src[i];
        return decimal_text(col, (tm_i128_t)v, out);
    }
    size_t n = 0;
    out[0] = '\0';
    for (size_t i = 0; i < sz && n + 3 < TM_PARQUET_CELL_MAX; i++)
        n += (size_t)snprintf(out + n, 3, "%02x", src[i]);
    return out;
}

const char *tm_parquet_value_text(const tm_parquet_col_t *col, const tm_parquet_values_t *values,
                                  uint32_t idx, char out[TM_PARQUET_CELL_MAX])
{
    if (!values->valid[idx]) return NULL;
    if (values->num) return number_text(col, values->num[idx], out);
    return bytes_text(col, values->text.data + values->slices[idx].off, values->slices[idx].sz,
                      out);
}

const char *tm_parquet_stat_text(const tm_parquet_col_t *col, const uint8_t *src, size_t sz,
                                 char out[TM_PARQUET_CELL_MAX])
{
    int64_t wide = 0;
    int32_t narrow;
    float f;
    double d;
    if (col->type == TM_PARQUET_BOOLEAN && sz == 1) return number_text(col, src[0] != 0, out);
    if (col->type == TM_PARQUET_INT32 && sz == 4) {
        memcpy(&narrow, src, 4);
        return number_text(col, narrow, out);
    }
    if (col->type == TM_PARQUET_FLOAT && sz == 4) {
        memcpy(&f, src, 4);
        d = (double)f;
        memcpy(&wide, &d, 8);
        return number_text(col, wide, out);
    }
    if ((col->type == TM_PARQUET_INT64 || col->type == TM_PARQUET_DOUBLE) && sz == 8) {
        memcpy(&wide, src, 8);
        return number_text(col, wide, out);
    }
    return bytes_text(col, src, sz, out);
}
