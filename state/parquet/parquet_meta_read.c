#include "state/parquet/parquet_meta.h"

#include "base/error.h"
#include "state/parquet/thrift.h"

#include <errno.h>
#include <stdlib.h>

/* Column chunks of a whole file: bounds the memory that a small footer can ask for. */
enum { CHUNKS_MAX = 1 << 18 };

typedef struct read {
    tm_thrift_in_t in;
    tm_parquet_meta_t *meta;
    int64_t file_sz;
} read_t;

static void reject(read_t *r, int code, const char *why)
{
    if (r->in.err == 0) r->in.err = tm_error_set(code, "Parquet footer: %s", why);
    r->in.at = r->in.end;
}

/* Copies a string. There is room: each takes its length and at least one byte in the footer. */
static const char *text_of(read_t *r, const tm_thrift_field_t *f)
{
    size_t sz;
    const uint8_t *at = tm_thrift_binary(&r->in, f, &sz);
    char *to = r->meta->text + r->meta->text_sz;
    memcpy(to, at, sz);
    to[sz] = '\0';
    r->meta->text_sz += sz + 1;
    return to;
}

static int32_t int_of(read_t *r, const tm_thrift_field_t *f)
{
    int64_t v = tm_thrift_int(&r->in, f);
    if (v < INT32_MIN || v > INT32_MAX) reject(r, TM_E_CORRUPT, "a number is too large");
    return (int32_t)v;
}

static void read_time_unit(read_t *r, tm_parquet_col_t *col)
{
    tm_thrift_field_t f;
    tm_thrift_enter(&r->in);
    while (tm_thrift_next(&r->in, &f)) {
        col->unit_ns = f.id == 1 ? TM_NS_PER_MS : f.id == 2 ? TM_NS_PER_US : 1;
        tm_thrift_skip(&r->in, &f);
    }
}

/* The one member of the LogicalType union that is set. */
static void read_logical_member(read_t *r, tm_parquet_col_t *col)
{
    tm_thrift_field_t f;
    tm_thrift_enter(&r->in);
    while (tm_thrift_next(&r->in, &f)) {
        if (col->logical == TM_PARQUET_LOGICAL_DECIMAL && f.id == 1)
            col->scale = int_of(r, &f);
        else if (col->logical == TM_PARQUET_LOGICAL_DECIMAL && f.id == 2)
            col->precision = int_of(r, &f);
        else if (col->logical == TM_PARQUET_LOGICAL_TIMESTAMP && f.id == 1)
            col->utc_adjusted = tm_thrift_bool(&r->in, &f);
        else if (col->logical == TM_PARQUET_LOGICAL_TIMESTAMP && f.id == 2)
            read_time_unit(r, col);
        else if (col->logical == TM_PARQUET_LOGICAL_INTEGER && f.id == 1)
            col->int_bits = (uint8_t)tm_thrift_int(&r->in, &f);
        else if (col->logical == TM_PARQUET_LOGICAL_INTEGER && f.id == 2)
            col->int_signed = tm_thrift_bool(&r->in, &f);
        else
            tm_thrift_skip(&r->in, &f);
    }
}

static void read_logical(read_t *r, tm_parquet_col_t *col)
{
    tm_thrift_field_t f;
    tm_thrift_enter(&r->in);
    while (tm_thrift_next(&r->in, &f)) {
        if (f.type != TM_THRIFT_STRUCT) {
            tm_thrift_skip(&r->in, &f);
            continue;
        }
        col->logical = f.id == TM_PARQUET_LOGICAL_STRING      ? TM_PARQUET_LOGICAL_STRING
                       : f.id == TM_PARQUET_LOGICAL_DECIMAL   ? TM_PARQUET_LOGICAL_DECIMAL
                       : f.id == TM_PARQUET_LOGICAL_TIMESTAMP ? TM_PARQUET_LOGICAL_TIMESTAMP
                       : f.id == TM_PARQUET_LOGICAL_INTEGER   ? TM_PARQUET_LOGICAL_INTEGER
                                                              : TM_PARQUET_LOGICAL_NONE;
        read_logical_member(r, col);
    }
}

/* One element; returns its number of children, 0 for a leaf. */
static int32_t read_element(read_t *r, tm_parquet_col_t *col)
{
    int32_t children = 0;
    tm_thrift_field_t f;
    *col = (tm_parquet_col_t){.name = "", .converted = TM_PARQUET_CONVERTED_NONE};
    tm_thrift_enter(&r->in);
    while (tm_thrift_next(&r->in, &f)) {
        if (f.id == 1)
            col->type = (tm_parquet_type_t)int_of(r, &f);
        else if (f.id == 2)
            col->type_sz = int_of(r, &f);
        else if (f.id == 3)
            col->repetition = (tm_parquet_repetition_t)int_of(r, &f);
        else if (f.id == 4)
            col->name = text_of(r, &f);
        else if (f.id == 5)
            children = int_of(r, &f);
        else if (f.id == 6)
            col->converted = int_of(r, &f);
        else if (f.id == 7)
            col->scale = int_of(r, &f);
        else if (f.id == 8)
            col->precision = int_of(r, &f);
        else if (f.id == 10 && f.type == TM_THRIFT_STRUCT)
            read_logical(r, col);
        else
            tm_thrift_skip(&r->in, &f);
    }
    return children;
}

/* Old files say with a converted type what new ones say with a logical type. */
static void adopt_converted(tm_parquet_col_t *col)
{
    if (col->logical != TM_PARQUET_LOGICAL_NONE) return;
    switch (col->converted) {
    case TM_PARQUET_CONVERTED_UTF8:
        col->logical = TM_PARQUET_LOGICAL_STRING;
        return;
    case TM_PARQUET_CONVERTED_DECIMAL:
        col->logical = TM_PARQUET_LOGICAL_DECIMAL;
        return;
    case TM_PARQUET_CONVERTED_TIMESTAMP_MILLIS:
    case TM_PARQUET_CONVERTED_TIMESTAMP_MICROS:
        col->logical = TM_PARQUET_LOGICAL_TIMESTAMP;
        col->utc_adjusted = 1;
        col->unit_ns = col->converted == TM_PARQUET_CONVERTED_TIMESTAMP_MILLIS ? TM_NS_PER_MS
                                                                               : TM_NS_PER_US;
        return;
    case TM_PARQUET_CONVERTED_UINT_64:
        col->logical = TM_PARQUET_LOGICAL_INTEGER;
        col->int_bits = 64;
        return;
    default:
        return;
    }
}

static void check_col(read_t *r, tm_parquet_col_t *col, int32_t children)
{
    if (children != 0 || (unsigned)col->repetition > TM_PARQUET_OPTIONAL) {
        if (r->in.err == 0)
            r->in.err = tm_error_set(TM_E_UNSUPPORTED,
                                     "column %s is nested: only flat columns can be read here",
                                     col->name);
        return;
    }
    if ((unsigned)col->type > TM_PARQUET_FIXED) reject(r, TM_E_CORRUPT, "unknown physical type");
    if (col->type == TM_PARQUET_FIXED && (col->type_sz <= 0 || col->type_sz > 65536))
        reject(r, TM_E_CORRUPT, "a fixed-length column without a sensible length");
    adopt_converted(col);
    if (col->logical == TM_PARQUET_LOGICAL_DECIMAL &&
        (col->scale < 0 || col->precision < col->scale || col->precision > 1 << 20))
        reject(r, TM_E_CORRUPT, "a decimal whose scale and precision make no sense");
    if (col->logical == TM_PARQUET_LOGICAL_TIMESTAMP &&
        (col->unit_ns == 0 || col->type != TM_PARQUET_INT64))
        reject(r, TM_E_CORRUPT, "a timestamp that is no INT64 or has no unit");
}

static void read_schema(read_t *r, const tm_thrift_field_t *field)
{
    tm_parquet_meta_t *meta = r->meta;
    uint32_t cnt = tm_thrift_list(&r->in, field, TM_THRIFT_STRUCT);
    tm_parquet_col_t root;
    if (meta->cols || cnt == 0 || cnt > TM_PARQUET_COL_MAX + 1) {
        reject(r, TM_E_LIMIT, "no schema, two of them, or too many columns");
        return;
    }
    int32_t children = read_element(r, &root);
    meta->schema_name = root.name;
    meta->cols = calloc(cnt, sizeof *meta->cols);
    if (!meta->cols) {
        reject(r, -ENOMEM, "out of memory");
        return;
    }
    for (uint32_t i = 0; i + 1 < cnt && r->in.err == 0; i++) {
        int32_t nested = read_element(r, &meta->cols[i]);
        if (r->in.err == 0) check_col(r, &meta->cols[i], nested);
    }
    meta->col_cnt = cnt - 1;
    if (r->in.err == 0 && children != (int32_t)meta->col_cnt)
        reject(r, TM_E_CORRUPT, "the root has another number of children than there are columns");
}

static void keep_stat(read_t *r, const tm_thrift_field_t *f, uint8_t *to, uint8_t *to_sz,
                      uint32_t *seen)
{
    size_t sz;
    const uint8_t *at = tm_thrift_binary(&r->in, f, &sz);
    if (sz > TM_PARQUET_STAT_SZ_MAX) return; /* longer than we keep: as if not stated */
    memcpy(to, at, sz);
    *to_sz = (uint8_t)sz;
    ++*seen;
}

static void read_stats(read_t *r, tm_parquet_stats_t *stats)
{
    tm_thrift_field_t f;
    uint32_t seen = 0;
    tm_thrift_enter(&r->in);
    while (tm_thrift_next(&r->in, &f)) {
        if (f.id == 3)
            stats->null_cnt = tm_thrift_int(&r->in, &f);
        else if (f.id == 5)
            keep_stat(r, &f, stats->max, &stats->max_sz, &seen);
        else if (f.id == 6)
            keep_stat(r, &f, stats->min, &stats->min_sz, &seen);
        else
            tm_thrift_skip(&r->in, &f);
    }
    stats->known = seen == 2;
}

static void read_encodings(read_t *r, const tm_thrift_field_t *f, tm_parquet_chunk_t *chunk)
{
    uint32_t cnt = tm_thrift_list(&r->in, f, TM_THRIFT_I32);
    const tm_thrift_field_t item = {.type = TM_THRIFT_I32};
    for (uint32_t i = 0; i < cnt && r->in.err == 0; i++) {
        int32_t e = int_of(r, &item);
        if (e >= 0 && e < 32) chunk->encodings |= 1u << e;
    }
}

/* Page counts: only those of data pages are of interest. */
static void read_page_counts(read_t *r, const tm_thrift_field_t *field, tm_parquet_chunk_t *chunk)
{
    uint32_t cnt = tm_thrift_list(&r->in, field, TM_THRIFT_STRUCT);
    for (uint32_t i = 0; i < cnt && r->in.err == 0; i++) {
        int32_t type = -1, pages = 0;
        tm_thrift_field_t f;
        tm_thrift_enter(&r->in);
        while (tm_thrift_next(&r->in, &f)) {
            if (f.id == 1)
                type = int_of(r, &f);
            else if (f.id == 3)
                pages = int_of(r, &f);
            else
                tm_thrift_skip(&r->in, &f);
        }
        if (type != TM_PARQUET_DICTIONARY_PAGE && pages > 0)
            chunk->data_page_cnt += (uint32_t)pages;
    }
}

static void read_chunk_meta(read_t *r, tm_parquet_chunk_t *chunk, const tm_parquet_col_t *col)
{
    tm_thrift_field_t f;
    tm_thrift_enter(&r->in);
    while (tm_thrift_next(&r->in, &f)) {
        if (f.id == 1 && tm_thrift_int(&r->in, &f) != (int64_t)col->type)
            reject(r, TM_E_CORRUPT, "a chunk has another type than its column");
        else if (f.id == 1)
            continue;
        else if (f.id == 2)
            read_encodings(r, &f, chunk);
        else if (f.id == 4)
            chunk->codec = (tm_parquet_codec_t)int_of(r, &f);
        else if (f.id == 5)
            chunk->value_cnt = tm_thrift_int(&r->in, &f);
        else if (f.id == 6)
            chunk->raw_sz = tm_thrift_int(&r->in, &f);
        else if (f.id == 7)
            chunk->file_sz = tm_thrift_int(&r->in, &f);
        else if (f.id == 9)
            chunk->data_off = tm_thrift_int(&r->in, &f);
        else if (f.id == 11)
            chunk->dict_off = tm_thrift_int(&r->in, &f);
        else if (f.id == 12 && f.type == TM_THRIFT_STRUCT)
            read_stats(r, &chunk->stats);
        else if (f.id == 13)
            read_page_counts(r, &f, chunk);
        else if (f.id == 14)
            chunk->bloom_off = tm_thrift_int(&r->in, &f);
        else if (f.id == 15)
            chunk->bloom_sz = int_of(r, &f);
        else
            tm_thrift_skip(&r->in, &f);
    }
}

static void read_chunk(read_t *r, tm_parquet_chunk_t *chunk, const tm_parquet_col_t *col)
{
    tm_thrift_field_t f;
    chunk->stats.null_cnt = -1;
    tm_thrift_enter(&r->in);
    while (tm_thrift_next(&r->in, &f)) {
        if (f.id == 1)
            reject(r, TM_E_UNSUPPORTED, "a chunk lies in another file");
        else if (f.id == 3 && f.type == TM_THRIFT_STRUCT)
            read_chunk_meta(r, chunk, col);
        else if (f.id == 4)
            chunk->offset_index_off = tm_thrift_int(&r->in, &f);
        else if (f.id == 5)
            chunk->offset_index_sz = int_of(r, &f);
        else if (f.id == 6)
            chunk->column_index_off = tm_thrift_int(&r->in, &f);
        else if (f.id == 7)
            chunk->column_index_sz = int_of(r, &f);
        else
            tm_thrift_skip(&r->in, &f);
    }
    int64_t first = chunk->dict_off > 0 && chunk->dict_off < chunk->data_off ? chunk->dict_off
                                                                             : chunk->data_off;
    if (r->in.err == 0 &&
        (first < TM_PARQUET_MAGIC_SZ || chunk->dict_off < 0 || chunk->file_sz < 0 ||
         chunk->raw_sz < 0 || chunk->file_sz > r->file_sz || first > r->file_sz - chunk->file_sz))
        reject(r, TM_E_CORRUPT, "a chunk lies outside of the file");
}

static void read_sorting(read_t *r, const tm_thrift_field_t *field, tm_parquet_group_t *g)
{
    uint32_t cnt = tm_thrift_list(&r->in, field, TM_THRIFT_STRUCT);
    for (uint32_t i = 0; i < cnt && r->in.err == 0; i++) {
        tm_thrift_field_t f;
        tm_thrift_enter(&r->in);
        while (tm_thrift_next(&r->in, &f)) {
            if (f.id == 1 && i == 0)
                g->sort_col = int_of(r, &f);
            else
                tm_thrift_skip(&r->in, &f);
        }
    }
}

static void read_chunks(read_t *r, const tm_thrift_field_t *field, tm_parquet_group_t *g)
{
    uint32_t cnt = tm_thrift_list(&r->in, field, TM_THRIFT_STRUCT);
    if (cnt != r->meta->col_cnt) {
        reject(r, TM_E_CORRUPT, "a row group has another number of columns than the schema");
        return;
    }
    for (uint32_t i = 0; i < cnt && r->in.err == 0; i++)
        read_chunk(r, &g->chunks[i], &r->meta->cols[i]);
}

static void read_group(read_t *r)
{
    tm_parquet_meta_t *meta = r->meta;
    tm_parquet_group_t *g;
    tm_thrift_field_t f;
    if ((uint64_t)(meta->group_cnt + 1) * meta->col_cnt > CHUNKS_MAX) {
        reject(r, TM_E_LIMIT, "too many column chunks");
        return;
    }
    int err = tm_parquet_meta_group(meta, &g);
    if (err < 0) {
        r->in.err = err;
        return;
    }
    meta->group_cnt++;
    bool chunks = false;
    tm_thrift_enter(&r->in);
    while (tm_thrift_next(&r->in, &f)) {
        if (f.id == 1 && !chunks) {
            read_chunks(r, &f, g);
            chunks = true;
        } else if (f.id == 2) {
            g->raw_sz = tm_thrift_int(&r->in, &f);
        } else if (f.id == 3) {
            g->row_cnt = tm_thrift_int(&r->in, &f);
        } else if (f.id == 4) {
            read_sorting(r, &f, g);
        } else if (f.id == 5) {
            g->off = tm_thrift_int(&r->in, &f);
        } else if (f.id == 6) {
            g->file_sz = tm_thrift_int(&r->in, &f);
        } else {
            tm_thrift_skip(&r->in, &f);
        }
    }
    if (r->in.err != 0) return;
    if (!chunks || g->row_cnt < 0 || g->row_cnt > TM_PARQUET_GROUP_ROWS_MAX)
        reject(r, TM_E_LIMIT, "a row group without columns or with too many rows");
    if (g->sort_col < -1 || g->sort_col >= (int32_t)meta->col_cnt) g->sort_col = -1;
}

static void read_kv(read_t *r, const tm_thrift_field_t *field)
{
    tm_parquet_meta_t *meta = r->meta;
    uint32_t cnt = tm_thrift_list(&r->in, field, TM_THRIFT_STRUCT);
    if (meta->kv || cnt == 0) return;
    meta->kv = calloc(cnt, sizeof *meta->kv); /* an entry takes a byte at least: bounded */
    if (!meta->kv) {
        reject(r, -ENOMEM, "out of memory");
        return;
    }
    for (meta->kv_cnt = 0; meta->kv_cnt < cnt && r->in.err == 0; meta->kv_cnt++) {
        tm_parquet_kv_t *kv = &meta->kv[meta->kv_cnt];
        tm_thrift_field_t f;
        kv->key = kv->value = "";
        tm_thrift_enter(&r->in);
        while (tm_thrift_next(&r->in, &f)) {
            if (f.id == 1)
                kv->key = text_of(r, &f);
            else if (f.id == 2)
                kv->value = text_of(r, &f);
            else
                tm_thrift_skip(&r->in, &f);
        }
    }
}

/* Row groups cannot be understood before the schema, whatever the order in the footer. */
static void read_footer(read_t *r, const void *footer, size_t sz, bool schema)
{
    tm_parquet_meta_t *meta = r->meta;
    tm_thrift_field_t f;
    tm_thrift_in_init(&r->in, footer, sz);
    tm_thrift_enter(&r->in);
    while (tm_thrift_next(&r->in, &f)) {
        if (schema && f.id == 2)
            read_schema(r, &f);
        else if (schema)
            tm_thrift_skip(&r->in, &f);
        else if (f.id == 1)
            meta->version = int_of(r, &f);
        else if (f.id == 3)
            meta->row_cnt = tm_thrift_int(&r->in, &f);
        else if (f.id == 4 && meta->group_cnt == 0)
            for (uint32_t i = tm_thrift_list(&r->in, &f, TM_THRIFT_STRUCT); i > 0 && !r->in.err;
                 i--)
                read_group(r);
        else if (f.id == 5)
            read_kv(r, &f);
        else if (f.id == 6)
            meta->created_by = text_of(r, &f);
        else if (f.id == 7 && (meta->column_orders = true))
            tm_thrift_skip(&r->in, &f);
        else
            tm_thrift_skip(&r->in, &f);
    }
}

int tm_parquet_meta_read(tm_parquet_meta_t *meta, const void *footer, size_t sz, int64_t file_sz)
{
    read_t r = {.meta = meta, .file_sz = file_sz};
    *meta = (tm_parquet_meta_t){.schema_name = "", .created_by = ""};
    if (sz > TM_PARQUET_FOOTER_SZ_MAX)
        return tm_error_set(TM_E_LIMIT, "a Parquet footer of %zu bytes", sz);
    meta->text = malloc(2 * sz + 2); /* both passes */
    if (!meta->text) return tm_error_set(-ENOMEM, "out of memory for a footer of %zu bytes", sz);
    read_footer(&r, footer, sz, true);
    int err = r.in.err;
    if (err == 0 && !meta->cols) err = tm_error_set(TM_E_CORRUPT, "Parquet footer: no schema");
    if (err == 0) {
        read_footer(&r, footer, sz, false);
        err = r.in.err;
    }
    int64_t row_cnt = 0;
    for (uint32_t i = 0; err == 0 && i < meta->group_cnt; i++) row_cnt += meta->groups[i].row_cnt;
    if (err == 0 && row_cnt != meta->row_cnt)
        err = tm_error_set(TM_E_CORRUPT, "Parquet footer: %lld rows in all, but %lld in its groups",
                           (long long)meta->row_cnt, (long long)row_cnt);
    if (err < 0) tm_parquet_meta_free(meta);
    return err;
}
