#include "state/parquet/parquet_meta.h"

#include "base/error.h"
#include "state/parquet/thrift.h"

#include <errno.h>
#include <stdlib.h>

int tm_parquet_meta_init(tm_parquet_meta_t *meta, uint32_t col_cnt)
{
    *meta = (tm_parquet_meta_t){.version = 2, .col_cnt = col_cnt, .column_orders = true};
    meta->cols = calloc(col_cnt ? col_cnt : 1, sizeof *meta->cols);
    if (!meta->cols) return tm_error_set(-ENOMEM, "out of memory for %u columns", col_cnt);
    return 0;
}

void tm_parquet_meta_free(tm_parquet_meta_t *meta)
{
    for (uint32_t i = 0; i < meta->group_cap; i++) free(meta->groups[i].chunks);
    free(meta->groups);
    free(meta->cols);
    free(meta->kv);
    free(meta->text);
    *meta = (tm_parquet_meta_t){0};
}

int tm_parquet_meta_group(tm_parquet_meta_t *meta, tm_parquet_group_t **group)
{
    if (meta->group_cnt == TM_PARQUET_GROUP_MAX)
        return tm_error_set(TM_E_LIMIT, "more than %d row groups", TM_PARQUET_GROUP_MAX);
    if (meta->group_cnt == meta->group_cap) {
        uint32_t cap = meta->group_cap ? meta->group_cap * 2 : 8;
        tm_parquet_group_t *groups = realloc(meta->groups, cap * sizeof *groups);
        if (!groups) return tm_error_set(-ENOMEM, "out of memory for %u row groups", cap);
        memset(groups + meta->group_cap, 0, (cap - meta->group_cap) * sizeof *groups);
        meta->groups = groups;
        meta->group_cap = cap;
    }
    tm_parquet_group_t *g = &meta->groups[meta->group_cnt];
    tm_parquet_chunk_t *chunks = g->chunks;
    if (!chunks) chunks = malloc((meta->col_cnt ? meta->col_cnt : 1) * sizeof *chunks);
    if (!chunks) return tm_error_set(-ENOMEM, "out of memory for a row group's metadata");
    memset(chunks, 0, meta->col_cnt * sizeof *chunks);
    *g = (tm_parquet_group_t){.sort_col = -1, .chunks = chunks};
    *group = g;
    return 0;
}

static void write_logical(tm_thrift_out_t *out, const tm_parquet_col_t *col)
{
    if (col->logical == TM_PARQUET_LOGICAL_NONE) return;
    tm_thrift_field_struct(out, 10);
    tm_thrift_field_struct(out, (int16_t)col->logical);
    switch (col->logical) {
    case TM_PARQUET_LOGICAL_DECIMAL:
        tm_thrift_field_i32(out, 1, col->scale);
        tm_thrift_field_i32(out, 2, col->precision);
        break;
    case TM_PARQUET_LOGICAL_TIMESTAMP:
        tm_thrift_field_bool(out, 1, col->utc_adjusted != 0);
        tm_thrift_field_struct(out, 2);
        tm_thrift_field_struct(out, col->unit_ns == TM_NS_PER_MS   ? 1
                                    : col->unit_ns == TM_NS_PER_US ? 2
                                                                   : 3);
        tm_thrift_end(out);
        tm_thrift_end(out);
        break;
    case TM_PARQUET_LOGICAL_INTEGER:
        tm_thrift_field_i8(out, 1, (int8_t)col->int_bits);
        tm_thrift_field_bool(out, 2, col->int_signed != 0);
        break;
    case TM_PARQUET_LOGICAL_NONE:
    case TM_PARQUET_LOGICAL_STRING:
    case TM_PARQUET_LOGICAL_LIST: /* no leaf is one */
        break;
    }
    tm_thrift_end(out);
    tm_thrift_end(out);
}

static void write_leaf(tm_thrift_out_t *out, const tm_parquet_col_t *col)
{
    /* What an element has is always there; that a list is empty is said by the list. */
    const tm_parquet_repetition_t repetition = col->list ? TM_PARQUET_REQUIRED : col->repetition;
    tm_thrift_struct(out);
    tm_thrift_field_i32(out, 1, (int32_t)col->type);
    if (col->type == TM_PARQUET_FIXED) tm_thrift_field_i32(out, 2, col->type_sz);
    tm_thrift_field_i32(out, 3, (int32_t)repetition);
    tm_thrift_field_binary(out, 4, col->name, strlen(col->name));
    if (col->converted >= 0) tm_thrift_field_i32(out, 6, col->converted);
    if (col->logical == TM_PARQUET_LOGICAL_DECIMAL) {
        tm_thrift_field_i32(out, 7, col->scale);
        tm_thrift_field_i32(out, 8, col->precision);
    }
    write_logical(out, col);
    tm_thrift_end(out);
}

static void write_node(tm_thrift_out_t *out, const char *name, tm_parquet_repetition_t repetition,
                       uint32_t children, bool list)
{
    tm_thrift_struct(out);
    tm_thrift_field_i32(out, 3, (int32_t)repetition);
    tm_thrift_field_binary(out, 4, name, strlen(name));
    tm_thrift_field_i32(out, 5, (int32_t)children);
    if (list) {
        tm_thrift_field_i32(out, 6, TM_PARQUET_CONVERTED_LIST);
        tm_thrift_field_struct(out, 10);
        tm_thrift_field_struct(out, TM_PARQUET_LOGICAL_LIST);
        tm_thrift_end(out);
        tm_thrift_end(out);
    }
    tm_thrift_end(out);
}

/* Leaves of the list that begins at a column; 0 where none does. */
static uint32_t list_leaves(const tm_parquet_meta_t *meta, uint32_t c)
{
    const char *list = meta->cols[c].list;
    uint32_t cnt = 0;
    if (!list || (c > 0 && meta->cols[c - 1].list == list)) return 0;
    while (c + cnt < meta->col_cnt && meta->cols[c + cnt].list == list) cnt++;
    return cnt;
}

/* A list is three nodes: itself, what repeats, and the element (the specification's LIST). */
static void write_schema(tm_thrift_out_t *out, const tm_parquet_meta_t *meta)
{
    const char *name = meta->schema_name ? meta->schema_name : "schema";
    uint32_t node_cnt = 1, top_cnt = 0;
    for (uint32_t i = 0; i < meta->col_cnt; i++) {
        const bool list = list_leaves(meta, i) > 0;
        node_cnt += list ? 4 : 1;
        top_cnt += list || !meta->cols[i].list;
    }
    tm_thrift_field_list(out, 2, TM_THRIFT_STRUCT, node_cnt);
    tm_thrift_struct(out);
    tm_thrift_field_binary(out, 4, name, strlen(name));
    tm_thrift_field_i32(out, 5, (int32_t)top_cnt);
    tm_thrift_end(out);
    for (uint32_t i = 0; i < meta->col_cnt; i++) {
        const char *list = meta->cols[i].list;
        const uint32_t leaves = list_leaves(meta, i);
        if (list && leaves > 0) {
            write_node(out, list, TM_PARQUET_REQUIRED, 1, true);
            write_node(out, TM_PARQUET_LIST_NODE, TM_PARQUET_REPEATED, 1, false);
            write_node(out, TM_PARQUET_ELEMENT_NODE, TM_PARQUET_REQUIRED, leaves, false);
        }
        write_leaf(out, &meta->cols[i]);
    }
}

static void write_path(tm_thrift_out_t *out, const tm_parquet_col_t *col)
{
    tm_thrift_field_list(out, 3, TM_THRIFT_BINARY, col->list ? 4 : 1);
    if (col->list) {
        tm_thrift_item_binary(out, col->list, strlen(col->list));
        tm_thrift_item_binary(out, TM_PARQUET_LIST_NODE, strlen(TM_PARQUET_LIST_NODE));
        tm_thrift_item_binary(out, TM_PARQUET_ELEMENT_NODE, strlen(TM_PARQUET_ELEMENT_NODE));
    }
    tm_thrift_item_binary(out, col->name, strlen(col->name));
}

static void write_stats(tm_thrift_out_t *out, const tm_parquet_stats_t *stats)
{
    tm_thrift_field_struct(out, 12);
    if (stats->null_cnt >= 0) tm_thrift_field_i64(out, 3, stats->null_cnt);
    if (stats->known) {
        tm_thrift_field_binary(out, 5, stats->max, stats->max_sz);
        tm_thrift_field_binary(out, 6, stats->min, stats->min_sz);
        tm_thrift_field_bool(out, 7, true); /* exact, not cut short */
        tm_thrift_field_bool(out, 8, true);
    }
    tm_thrift_end(out);
}

static void write_page_counts(tm_thrift_out_t *out, const tm_parquet_chunk_t *chunk)
{
    tm_thrift_field_list(out, 13, TM_THRIFT_STRUCT, chunk->dict_off ? 2 : 1);
    if (chunk->dict_off) {
        tm_thrift_struct(out);
        tm_thrift_field_i32(out, 1, TM_PARQUET_DICTIONARY_PAGE);
        tm_thrift_field_i32(out, 2, TM_PARQUET_PLAIN);
        tm_thrift_field_i32(out, 3, 1);
        tm_thrift_end(out);
    }
    tm_thrift_struct(out);
    tm_thrift_field_i32(out, 1, TM_PARQUET_DATA_PAGE);
    tm_thrift_field_i32(out, 2, (int32_t)chunk->data_encoding);
    tm_thrift_field_i32(out, 3, (int32_t)chunk->data_page_cnt);
    tm_thrift_end(out);
}

static void write_chunk(tm_thrift_out_t *out, const tm_parquet_chunk_t *chunk,
                        const tm_parquet_col_t *col)
{
    int64_t first_off = chunk->dict_off ? chunk->dict_off : chunk->data_off;
    tm_thrift_struct(out);
    tm_thrift_field_i64(out, 2, first_off);
    tm_thrift_field_struct(out, 3);
    tm_thrift_field_i32(out, 1, (int32_t)col->type);
    tm_thrift_field_list(out, 2, TM_THRIFT_I32, (uint32_t)__builtin_popcount(chunk->encodings));
    for (uint32_t e = 0; e < 32; e++)
        if (chunk->encodings >> e & 1) tm_thrift_item_int(out, e);
    write_path(out, col);
    tm_thrift_field_i32(out, 4, (int32_t)chunk->codec);
    tm_thrift_field_i64(out, 5, chunk->value_cnt);
    tm_thrift_field_i64(out, 6, chunk->raw_sz);
    tm_thrift_field_i64(out, 7, chunk->file_sz);
    tm_thrift_field_i64(out, 9, chunk->data_off);
    if (chunk->dict_off) tm_thrift_field_i64(out, 11, chunk->dict_off);
    write_stats(out, &chunk->stats);
    write_page_counts(out, chunk);
    if (chunk->bloom_sz) {
        tm_thrift_field_i64(out, 14, chunk->bloom_off);
        tm_thrift_field_i32(out, 15, chunk->bloom_sz);
    }
    tm_thrift_end(out);
    if (chunk->offset_index_sz) {
        tm_thrift_field_i64(out, 4, chunk->offset_index_off);
        tm_thrift_field_i32(out, 5, chunk->offset_index_sz);
    }
    if (chunk->column_index_sz) {
        tm_thrift_field_i64(out, 6, chunk->column_index_off);
        tm_thrift_field_i32(out, 7, chunk->column_index_sz);
    }
    tm_thrift_end(out);
}

static void write_group(tm_thrift_out_t *out, const tm_parquet_meta_t *meta, uint32_t idx)
{
    const tm_parquet_group_t *g = &meta->groups[idx];
    tm_thrift_struct(out);
    tm_thrift_field_list(out, 1, TM_THRIFT_STRUCT, meta->col_cnt);
    for (uint32_t i = 0; i < meta->col_cnt; i++) write_chunk(out, &g->chunks[i], &meta->cols[i]);
    tm_thrift_field_i64(out, 2, g->raw_sz);
    tm_thrift_field_i64(out, 3, g->row_cnt);
    if (g->sort_col >= 0) {
        tm_thrift_field_list(out, 4, TM_THRIFT_STRUCT, 1);
        tm_thrift_struct(out);
        tm_thrift_field_i32(out, 1, g->sort_col);
        tm_thrift_field_bool(out, 2, false); /* ascending */
        tm_thrift_field_bool(out, 3, false); /* nulls last */
        tm_thrift_end(out);
    }
    tm_thrift_field_i64(out, 5, g->off);
    tm_thrift_field_i64(out, 6, g->file_sz);
    tm_thrift_field_i16(out, 7, (int16_t)idx);
    tm_thrift_end(out);
}

int tm_parquet_meta_write(const tm_parquet_meta_t *meta, tm_buffer_t *bytes)
{
    tm_thrift_out_t out;
    tm_thrift_out_init(&out, bytes);
    tm_thrift_struct(&out);
    tm_thrift_field_i32(&out, 1, meta->version);
    write_schema(&out, meta);
    tm_thrift_field_i64(&out, 3, meta->row_cnt);
    tm_thrift_field_list(&out, 4, TM_THRIFT_STRUCT, meta->group_cnt);
    for (uint32_t i = 0; i < meta->group_cnt; i++) write_group(&out, meta, i);
    if (meta->kv_cnt > 0) {
        tm_thrift_field_list(&out, 5, TM_THRIFT_STRUCT, meta->kv_cnt);
        for (uint32_t i = 0; i < meta->kv_cnt; i++) {
            tm_thrift_struct(&out);
            tm_thrift_field_binary(&out, 1, meta->kv[i].key, strlen(meta->kv[i].key));
            tm_thrift_field_binary(&out, 2, meta->kv[i].value, strlen(meta->kv[i].value));
            tm_thrift_end(&out);
        }
    }
    tm_thrift_field_binary(&out, 6, meta->created_by, strlen(meta->created_by));
    tm_thrift_field_list(&out, 7, TM_THRIFT_STRUCT, meta->col_cnt);
    for (uint32_t i = 0; i < meta->col_cnt; i++) {
        tm_thrift_struct(&out);
        tm_thrift_field_struct(&out, 1); /* the order that the type defines */
        tm_thrift_end(&out);
        tm_thrift_end(&out);
    }
    tm_thrift_end(&out);
    return out.err;
}

const char *tm_parquet_type_name(tm_parquet_type_t type)
{
    static const char *const names[] = {"BOOLEAN", "INT32",  "INT64",      "INT96",
                                        "FLOAT",   "DOUBLE", "BYTE_ARRAY", "FIXED"};
    return (unsigned)type < TM_ARRAY_CNT(names) ? names[type] : "?";
}

const char *tm_parquet_encoding_name(tm_parquet_encoding_t encoding)
{
    static const char *const names[] = {"PLAIN",
                                        "?",
                                        "PLAIN_DICTIONARY",
                                        "RLE",
                                        "BIT_PACKED",
                                        "DELTA_BINARY_PACKED",
                                        "DELTA_LENGTH_BYTE_ARRAY",
                                        "DELTA_BYTE_ARRAY",
                                        "RLE_DICTIONARY",
                                        "BYTE_STREAM_SPLIT"};
    return (unsigned)encoding < TM_ARRAY_CNT(names) ? names[encoding] : "?";
}

const char *tm_parquet_codec_name(tm_parquet_codec_t codec)
{
    static const char *const names[] = {"none",   "snappy", "gzip", "lzo",
                                        "brotli", "lz4",    "zstd", "lz4_raw"};
    return (unsigned)codec < TM_ARRAY_CNT(names) ? names[codec] : "?";
}
