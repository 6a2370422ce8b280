#include "state/parquet/parquet_writer.h"

#include "base/error.h"
#include "base/row.h"
#include "state/file.h"
#include "state/parquet/book_lists.h"
#include "state/parquet/parquet_bloom.h"
#include "state/parquet/parquet_choice.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    GROUP_ROWS_DEFAULT = 1 << 17, /* what stays in the caches is written 7 to 10 % quicker */
    GROUP_SZ_DEFAULT = 64 << 20,
    PAGE_ROWS_DEFAULT = 32768,
    COL_MAX = TM_SCHEMA_FIELD_MAX + TM_BOOK_LIST_CNT * TM_BOOK_LIST_FIELD_MAX,
};

struct tm_parquet_writer {
    tm_schema_t schema;
    tm_parquet_col_t cols[COL_MAX];
    struct {
        uint8_t field; /* of the schema, whose values the column has */
        int8_t list;   /* of the book whose elements have it; -1 = none */
    } from[COL_MAX];
    uint32_t col_cnt;
    int32_t cluster_field; /* -1 = rows stay in order of arrival */
    int32_t rank_field;    /* that `rank` was counted for in this group; -1 = none */
    uint32_t group_rows;
    uint64_t bloom_fields; /* bit set */
    tm_book_lists_t books; /* off: a row of the file is a row */
    tm_buffer_t blooms;    /* of the row group at hand */
    tm_symbol_rank_t rank;
    tm_codec_t codec;
    tm_parquet_chunker_t chunker;
    tm_parquet_choice_t choices[COL_MAX];
    void *map; /* the arrays below: scratch for one column of one row group */
    size_t map_sz;
    void *values;
    uint32_t *pos;  /* of each row in clustered order */
    uint32_t *idx;  /* dictionary indexes */
    uint8_t *valid; /* one byte a row */
};

/* What readers see of a side, in the order of the texts. */
static const char *const side_text[] = {"buy", "sell", "unknown"};

static int plan_col(tm_parquet_col_t *col, const tm_field_t *f)
{
    *col = (tm_parquet_col_t){.name = f->name, .converted = TM_PARQUET_CONVERTED_NONE};
    if (f->nullable || f->type == TM_TYPE_TIME_NS || f->type == TM_TYPE_SYMBOL)
        col->repetition = TM_PARQUET_OPTIONAL;
    switch (f->type) {
    case TM_TYPE_BOOL:
        col->type = TM_PARQUET_BOOLEAN;
        return 0;
    case TM_TYPE_I32:
        col->type = TM_PARQUET_INT32;
        return 0;
    case TM_TYPE_I64:
        col->type = TM_PARQUET_INT64;
        return 0;
    case TM_TYPE_U64:
        col->type = TM_PARQUET_INT64;
        col->logical = TM_PARQUET_LOGICAL_INTEGER;
        col->converted = TM_PARQUET_CONVERTED_UINT_64;
        col->int_bits = 64;
        return 0;
    case TM_TYPE_F64:
        col->type = TM_PARQUET_DOUBLE;
        return 0;
    case TM_TYPE_DECIMAL64:
    case TM_TYPE_DECIMAL128:
        col->type = f->type == TM_TYPE_DECIMAL64 ? TM_PARQUET_INT64 : TM_PARQUET_FIXED;
        col->type_sz = f->type == TM_TYPE_DECIMAL64 ? 0 : 16;
        col->precision = f->type == TM_TYPE_DECIMAL64 ? 18 : 38;
        col->scale = f->scale;
        col->logical = TM_PARQUET_LOGICAL_DECIMAL;
        col->converted = TM_PARQUET_CONVERTED_DECIMAL;
        if (col->scale <= col->precision) return 0;
        return tm_error_set(TM_E_CONFIG, "field %s: scale %d is more than its %d digits", f->name,
                            col->scale, col->precision);
    case TM_TYPE_TIME_NS:
        col->type = TM_PARQUET_INT64;
        col->logical = TM_PARQUET_LOGICAL_TIMESTAMP;
        col->utc_adjusted = 1;
        col->unit_ns = f->unit_ns;
        if (f->unit_ns == TM_NS_PER_MS) col->converted = TM_PARQUET_CONVERTED_TIMESTAMP_MILLIS;
        if (f->unit_ns == TM_NS_PER_US) col->converted = TM_PARQUET_CONVERTED_TIMESTAMP_MICROS;
        if (f->unit_ns == 1 || col->converted >= 0) return 0;
        return tm_error_set(TM_E_CONFIG,
                            "field %s: times are written in ns, us or ms, not in %u ns", f->name,
                            f->unit_ns);
    case TM_TYPE_SYMBOL:
    case TM_TYPE_SIDE:
        col->type = TM_PARQUET_BYTE_ARRAY;
        col->logical = TM_PARQUET_LOGICAL_STRING;
        col->converted = TM_PARQUET_CONVERTED_UTF8;
        return 0;
    }
    return tm_error_set(TM_E_CONFIG, "field %s has an unknown type", f->name);
}

static int add_col(tm_parquet_writer_t *w, uint32_t field_idx, int list)
{
    tm_parquet_col_t *col = &w->cols[w->col_cnt];
    TM_TRY(plan_col(col, &w->schema.fields[field_idx]));
    if (list >= 0) {
        col->list = tm_book_list_names[list];
        col->repetition = TM_PARQUET_OPTIONAL; /* it has definition levels */
    }
    w->from[w->col_cnt].field = (uint8_t)field_idx;
    w->from[w->col_cnt++].list = (int8_t)list;
    return 0;
}

/* A column a field; with lists those of the elements come last, list by list. */
static int plan_cols(tm_parquet_writer_t *w, bool book_lists)
{
    if (book_lists) TM_TRY(tm_book_lists_plan(&w->books, &w->schema));
    for (uint32_t i = 0; i < w->schema.field_cnt; i++)
        if (!tm_book_lists_has(&w->books, i)) TM_TRY(add_col(w, i, -1));
    if (book_lists)
        for (int k = 0; k < TM_BOOK_LIST_CNT; k++)
            for (uint32_t i = 0; i < w->books.field_cnt; i++)
                TM_TRY(add_col(w, w->books.fields[i], k));
    return 0;
}

/* The column of its own that a field has; -1 = none. */
static int32_t col_of(const tm_parquet_writer_t *w, int32_t field_idx)
{
    for (uint32_t c = 0; c < w->col_cnt; c++)
        if (w->from[c].field == field_idx && w->from[c].list < 0) return (int32_t)c;
    return -1;
}

/* Names with commas between to a set of fields. */
static int plan_blooms(tm_parquet_writer_t *w, const char *names)
{
    for (const char *at = names; at && *at; at += strspn(at, ",")) {
        char name[TM_SCHEMA_NAME_MAX];
        const size_t sz = strcspn(at, ",");
        snprintf(name, sizeof name, "%.*s", (int)sz, at);
        const int idx = sz < sizeof name ? tm_schema_find(&w->schema, name) : -1;
        const int32_t col = idx < 0 ? -1 : col_of(w, idx);
        if (col < 0 || !tm_parquet_bloom_fits(&w->cols[col]))
            return tm_error_set(
                TM_E_CONFIG, "schema %s: %s '%.*s' for a Bloom filter", w->schema.name,
                idx < 0 ? "there is no field" : "there is no use in field", (int)sz, at);
        w->bloom_fields |= 1ull << idx;
        at += sz;
    }
    return 0;
}

static int plan(tm_parquet_writer_t *w, const tm_parquet_writer_cfg_t *cfg)
{
    size_t row_sz = 0;
    TM_TRY(plan_cols(w, cfg->book_lists));
    for (uint32_t i = 0; i < w->schema.field_cnt; i++)
        row_sz += tm_type_sz(w->schema.fields[i].type);
    TM_TRY(plan_blooms(w, cfg->bloom_fields));
    const char *cluster = cfg->cluster_field ? cfg->cluster_field : "symbol";
    w->cluster_field = *cluster ? tm_schema_find(&w->schema, cluster) : -1;
    if (w->cluster_field < 0 && cfg->cluster_field && *cfg->cluster_field)
        return tm_error_set(TM_E_CONFIG, "schema %s has no field %s to cluster rows by",
                            w->schema.name, cluster);
    if (w->cluster_field >= 0 && w->schema.fields[w->cluster_field].type != TM_TYPE_SYMBOL) {
        if (cfg->cluster_field)
            return tm_error_set(TM_E_CONFIG, "field %s: rows are clustered by symbols only",
                                cluster);
        w->cluster_field = -1;
    }
    w->group_rows = cfg->group_rows;
    if (w->group_rows == 0) {
        size_t fit = GROUP_SZ_DEFAULT / (row_sz ? row_sz : 1) & ~(size_t)(TM_ROW_BLOCK_CNT - 1);
        w->group_rows = fit < GROUP_ROWS_DEFAULT ? (uint32_t)fit : GROUP_ROWS_DEFAULT;
    }
    if (w->group_rows <= TM_PARQUET_GROUP_ROWS_MAX) return 0;
    return tm_error_set(TM_E_CONFIG, "%u rows a row group are more than %d", w->group_rows,
                        TM_PARQUET_GROUP_ROWS_MAX);
}

/* Rows are scattered over as many places as there are symbols: huge pages spare the TLB. Untouched
   pages cost nothing, so small jobs stay small. */
static int map_scratch(tm_parquet_writer_t *w)
{
    const size_t rows = tm_align_up(w->group_rows, 64);
    w->map_sz = rows * (sizeof(tm_i128_t) + 2 * sizeof(uint32_t) + 1);
    void *map = mmap(NULL, w->map_sz, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED)
        return tm_error_set(-errno, "out of memory for row groups of %u rows", w->group_rows);
    (void)madvise(map, w->map_sz, MADV_HUGEPAGE); /* a wish */
    w->map = w->values = map;
    w->pos = (uint32_t *)(void *)((uint8_t *)map + rows * sizeof(tm_i128_t));
    w->idx = w->pos + rows;
    w->valid = (uint8_t *)(w->idx + rows);
    return 0;
}

int tm_parquet_writer_open(tm_parquet_writer_t **out, const tm_parquet_writer_cfg_t *cfg)
{
    if ((unsigned)cfg->compression > TM_COMPRESS_MIXED)
        return tm_error_set(TM_E_CONFIG, "unknown compression %d", (int)cfg->compression);
    if (cfg->schema->field_cnt == 0 || cfg->schema->field_cnt > TM_SCHEMA_FIELD_MAX)
        return tm_error_set(TM_E_CONFIG, "schema %s has %u fields", cfg->schema->name,
                            cfg->schema->field_cnt);
    tm_parquet_writer_t *w = calloc(1, sizeof *w);
    if (!w) return tm_error_set(-ENOMEM, "out of memory for a Parquet writer");
    int err;
    w->schema = *cfg->schema;
    TM_GOTO(err, plan(w, cfg), failed);
    TM_GOTO(err, tm_symbol_rank_open(&w->rank, cfg->symbols), failed);
    TM_GOTO(err, tm_codec_open(&w->codec, cfg->zstd_level ? cfg->zstd_level : 1), failed);
    TM_GOTO(err, tm_parquet_chunker_init(&w->chunker), failed);
    w->chunker.codec = &w->codec;
    w->chunker.compression = cfg->compression;
    w->chunker.byte_ns = cfg->byte_ns ? cfg->byte_ns : TM_PARQUET_BYTE_NS;
    w->chunker.page_rows = cfg->page_rows ? cfg->page_rows : PAGE_ROWS_DEFAULT;
    TM_GOTO(err, map_scratch(w), failed);
    w->chunker.idx = w->idx;
    if (w->books.on) TM_GOTO(err, tm_book_lists_open(&w->books, w->group_rows), failed);
    *out = w;
    return 0;
failed:
    tm_parquet_writer_close(w);
    return err;
}

void tm_parquet_writer_close(tm_parquet_writer_t *writer)
{
    if (!writer) return;
    tm_symbol_rank_close(&writer->rank);
    tm_book_lists_close(&writer->books);
    tm_codec_close(&writer->codec);
    tm_buffer_free(&writer->blooms);
    tm_parquet_chunker_free(&writer->chunker);
    if (writer->map) munmap(writer->map, writer->map_sz);
    free(writer);
}

uint32_t tm_parquet_writer_group_rows(const tm_parquet_writer_t *writer)
{
    return writer->group_rows;
}

int tm_parquet_file_begin(tm_parquet_writer_t *w, tm_parquet_file_t *file, int fd, const char *path)
{
    *file = (tm_parquet_file_t){.fd = fd, .path = path, .off = TM_PARQUET_MAGIC_SZ};
    TM_TRY(tm_parquet_meta_init(&file->meta, w->col_cnt));
    file->meta.schema_name = w->schema.name;
    file->meta.created_by = "tidemark version " TM_VERSION " (build " TM_VERSION ")";
    memcpy(file->meta.cols, w->cols, w->col_cnt * sizeof w->cols[0]);
    return 0;
}

void tm_parquet_file_free(tm_parquet_file_t *file)
{
    tm_parquet_meta_free(&file->meta);
    tm_buffer_free(&file->index);
}

static int put(tm_parquet_file_t *file, const void *src, size_t sz, int64_t off)
{
    if (off + (int64_t)sz > file->touched) file->touched = off + (int64_t)sz;
    return tm_file_write(file->fd, file->path, src, sz, off);
}

/* Sides become indexes into the texts that occur. */
static void side_dict(tm_parquet_writer_t *w, uint32_t cnt, tm_parquet_src_t *src,
                      tm_parquet_dict_t *dict)
{
    static const uint8_t rank_of[3] = {
        [TM_SIDE_UNKNOWN] = 2, [TM_SIDE_BUY] = 0, [TM_SIDE_SELL] = 1};
    const uint8_t *codes = src->values;
    uint32_t seen[3] = {0}, place[3] = {0};
    for (uint32_t i = 0; i < cnt; i++) {
        uint8_t rank = rank_of[codes[i] <= TM_SIDE_SELL ? codes[i] : TM_SIDE_UNKNOWN];
        w->idx[i] = rank;
        seen[rank] = 1;
    }
    dict->cnt = 0;
    for (uint32_t r = 0; r < 3; r++) {
        if (!seen[r]) continue;
        place[r] = dict->cnt;
        dict->text[dict->cnt] = side_text[r];
        dict->text_sz[dict->cnt++] = (uint8_t)strlen(side_text[r]);
    }
    if (dict->cnt < 3)
        for (uint32_t i = 0; i < cnt; i++) w->idx[i] = place[w->idx[i]];
    src->values = w->idx;
    src->dict = dict;
}

/* A column's values in the order of the file: clustered, symbols as ranks. */
static void gather(tm_parquet_writer_t *w, const tm_row_group_t *group, uint32_t field,
                   tm_parquet_src_t *src)
{
    const bool symbols = src->store->field->type == TM_TYPE_SYMBOL;
    if (symbols && w->rank_field != (int32_t)field) {
        tm_symbol_rank_count(&w->rank, group, field);
        w->rank_field = (int32_t)field;
    }
    if (symbols) src->dict = &w->rank.dict;
    if (symbols && w->cluster_field == (int32_t)field) {
        tm_symbol_rank_fill(&w->rank, w->values, w->valid);
        return;
    }
    tm_row_group_gather(group, field, w->cluster_field >= 0 ? w->pos : NULL, w->values, w->valid);
    if (symbols) tm_symbol_rank_apply(&w->rank, w->values, group->row_cnt);
}

/* Of a book: what its messages have in common, or the elements of one of their lists. */
static void pick_book(tm_parquet_writer_t *w, int list, tm_parquet_src_t *src)
{
    const tm_book_list_t *l = list < 0 ? NULL : &w->books.lists[list];
    const uint32_t *rows = l ? l->row : w->books.first;
    src->cnt = l ? l->cnt : w->books.message_cnt;
    tm_book_lists_pick(src->values, src->store->elem_sz, rows, src->cnt);
    if (l)
        src->levels = (tm_parquet_levels_t){l->valid, l->repeat};
    else if (src->levels.valid)
        tm_book_lists_pick(w->valid, 1, rows, src->cnt);
}

static int append_col(tm_parquet_writer_t *w, tm_parquet_file_t *file, const tm_row_group_t *group,
                      uint32_t c, tm_parquet_group_t *meta)
{
    const char *texts[3];
    uint8_t text_sz[3];
    const uint32_t field = w->from[c].field;
    tm_parquet_dict_t sides = {.text = texts, .text_sz = text_sz};
    tm_parquet_chunk_t *chunk = &meta->chunks[c];
    tm_parquet_src_t src = {
        .col = &w->cols[c],
        .store = &group->pool->cols[field],
        .values = w->values,
        .levels.valid = group->null_cnt[field] > 0 ? w->valid : NULL,
        .cnt = group->row_cnt,
    };
    gather(w, group, field, &src);
    if (w->books.on) pick_book(w, w->from[c].list, &src);
    if (src.store->field->type == TM_TYPE_SIDE) side_dict(w, src.cnt, &src, &sides);
    TM_TRY(tm_parquet_chunk_build(&w->chunker, &src, &w->choices[c], meta->off + meta->file_sz,
                                  chunk));
    TM_TRY(tm_parquet_chunk_index(&w->chunker, &src, chunk, &file->index));
    chunk->bloom_off = chunk->bloom_sz = 0; /* a failed append may have left them */
    if (w->from[c].list < 0 && (w->bloom_fields >> field & 1))
        TM_TRY(tm_parquet_bloom_build(&w->chunker, &src, chunk, &w->blooms));
    TM_TRY(put(file, w->chunker.file.data, w->chunker.file.sz, meta->off + meta->file_sz));
    meta->raw_sz += chunk->raw_sz;
    meta->file_sz += chunk->file_sz;
    return 0;
}

/* Behind the chunks of the row group; their offsets were counted from the first filter. */
static int append_blooms(tm_parquet_writer_t *w, tm_parquet_file_t *file, tm_parquet_group_t *meta)
{
    const int64_t off = meta->off + meta->file_sz;
    for (uint32_t c = 0; c < w->col_cnt; c++)
        if (meta->chunks[c].bloom_sz > 0) meta->chunks[c].bloom_off += off;
    return put(file, w->blooms.data, w->blooms.sz, off);
}

int tm_parquet_file_append(tm_parquet_writer_t *w, tm_parquet_file_t *file,
                           const tm_row_group_t *group)
{
    const size_t index_sz = file->index.sz;
    tm_parquet_group_t *meta;
    int err = 0;
    if (group->row_cnt == 0) return 0;
    TM_CHECK(group->row_cnt <= w->group_rows, "a row group of %u rows", group->row_cnt);
    TM_TRY(tm_parquet_meta_group(&file->meta, &meta));
    tm_buffer_clear(&w->blooms);
    meta->row_cnt = group->row_cnt;
    meta->off = file->off;
    meta->sort_col = col_of(w, w->cluster_field);
    w->rank_field = w->cluster_field;
    if (w->cluster_field >= 0) {
        tm_symbol_rank_count(&w->rank, group, (uint32_t)w->cluster_field);
        tm_symbol_rank_positions(&w->rank, group, (uint32_t)w->cluster_field, w->pos);
    }
    if (w->books.on) {
        tm_book_lists_find(&w->books, group, w->cluster_field >= 0 ? w->pos : NULL);
        meta->row_cnt = w->books.message_cnt;
    }
    if (file->off == TM_PARQUET_MAGIC_SZ)
        TM_GOTO(err, put(file, TM_PARQUET_MAGIC, TM_PARQUET_MAGIC_SZ, 0), failed);
    for (uint32_t c = 0; c < w->col_cnt; c++)
        TM_GOTO(err, append_col(w, file, group, c, meta), failed);
    if (w->blooms.sz > 0) TM_GOTO(err, append_blooms(w, file, meta), failed);
    file->off += meta->file_sz + (int64_t)w->blooms.sz;
    file->meta.row_cnt += meta->row_cnt;
    file->meta.group_cnt++;
    return 0;
failed:
    file->index.sz = index_sz;
    return err;
}

int tm_parquet_file_finish(tm_parquet_writer_t *w, tm_parquet_file_t *file,
                           const tm_parquet_kv_t *kv, uint32_t kv_cnt)
{
    tm_parquet_meta_t meta = file->meta;
    tm_buffer_t tail = {0};
    int err = 0;
    (void)w;
    /* The indexes' offsets were counted from their first byte, which lies at off. */
    for (uint32_t g = 0; g < meta.group_cnt; g++)
        for (uint32_t c = 0; c < meta.col_cnt; c++) {
            meta.groups[g].chunks[c].offset_index_off += file->off;
            meta.groups[g].chunks[c].column_index_off += file->off;
        }
    meta.kv = (tm_parquet_kv_t *)(uintptr_t)kv;
    meta.kv_cnt = kv_cnt;
    TM_GOTO(err, tm_buffer_append(&tail, file->index.data, file->index.sz), out);
    TM_GOTO(err, tm_parquet_meta_write(&meta, &tail), out);
    const uint32_t footer_sz = (uint32_t)(tail.sz - file->index.sz);
    TM_GOTO(err, tm_buffer_append(&tail, &footer_sz, 4), out);
    TM_GOTO(err, tm_buffer_append(&tail, TM_PARQUET_MAGIC, TM_PARQUET_MAGIC_SZ), out);
    TM_GOTO(err, put(file, TM_PARQUET_MAGIC, TM_PARQUET_MAGIC_SZ, 0), out);
    TM_GOTO(err, put(file, tail.data, tail.sz, file->off), out);
    if (file->touched > file->off + (int64_t)tail.sz)
        TM_GOTO(err, tm_file_truncate(file->fd, file->path, file->off + (int64_t)tail.sz), out);
out:
    if (err != 0)
        for (uint32_t g = 0; g < meta.group_cnt; g++)
            for (uint32_t c = 0; c < meta.col_cnt; c++) {
                meta.groups[g].chunks[c].offset_index_off -= file->off;
                meta.groups[g].chunks[c].column_index_off -= file->off;
            }
    else
        file->off += (int64_t)tail.sz;
    tm_buffer_free(&tail);
    return err;
}
