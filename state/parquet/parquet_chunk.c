#include "state/parquet/parquet_chunk.h"

#include "base/error.h"
#include "state/parquet/parquet_choice.h"
#include "state/parquet/parquet_encode.h"
#include "state/parquet/thrift.h"

#include <errno.h>
#include <stdlib.h>

int tm_parquet_chunker_init(tm_parquet_chunker_t *chunker)
{
    *chunker = (tm_parquet_chunker_t){0};
    return tm_value_dict_open(&chunker->dict);
}

void tm_parquet_chunker_free(tm_parquet_chunker_t *chunker)
{
    tm_buffer_free(&chunker->raw);
    tm_buffer_free(&chunker->file);
    tm_buffer_free(&chunker->temp);
    tm_value_dict_close(&chunker->dict);
    free(chunker->pages);
    *chunker = (tm_parquet_chunker_t){0};
}

/* One more page, or NULL. */
static tm_parquet_page_t *add_page(tm_parquet_chunker_t *c)
{
    if (c->page_cnt == c->page_cap) {
        const uint32_t cap = c->page_cap ? c->page_cap * 2 : 16;
        tm_parquet_page_t *pages = realloc(c->pages, cap * sizeof *pages);
        if (!pages) return NULL;
        c->pages = pages;
        c->page_cap = cap;
    }
    return &c->pages[c->page_cnt++];
}

static int prepare_pages(tm_parquet_chunker_t *c, const tm_parquet_src_t *src)
{
    uint32_t row = 0;
    c->page_cnt = 0;
    for (uint32_t first = 0; first < src->cnt;) {
        tm_parquet_page_t *page = add_page(c);
        if (!page) return tm_error_set(-ENOMEM, "out of memory for %u pages", c->page_cnt + 1);
        *page = (tm_parquet_page_t){.first = first, .first_row = row};
        page->cnt = tm_parquet_levels_page(&src->levels, first, src->cnt - first, c->page_rows);
        tm_parquet_page_prepare(src, page);
        row += tm_parquet_levels_rows(&src->levels, first, page->cnt);
        first += page->cnt;
    }
    return 0;
}

/* A page that is about to be written; no page = the dictionary. */
typedef struct page_put {
    const tm_parquet_page_t *page;
    const tm_parquet_src_t *src;
    const tm_parquet_form_t *form;
} page_put_t;

static void put_header(tm_thrift_out_t *out, const page_put_t *put, size_t sz, size_t packed_sz)
{
    const tm_parquet_page_t *page = put->page;
    const bool text = put->src->dict != NULL;
    const uint32_t dict_cnt = text ? put->src->dict->cnt : put->form->dict_cnt;
    tm_thrift_struct(out);
    tm_thrift_field_i32(out, 1, page ? TM_PARQUET_DATA_PAGE : TM_PARQUET_DICTIONARY_PAGE);
    tm_thrift_field_i32(out, 2, (int32_t)sz);
    tm_thrift_field_i32(out, 3, (int32_t)packed_sz);
    tm_thrift_field_struct(out, page ? 5 : 7);
    tm_thrift_field_i32(out, 1, (int32_t)(page ? page->cnt : dict_cnt));
    if (page) {
        tm_thrift_field_i32(out, 2, (int32_t)tm_parquet_page_encoding(put->src, put->form));
        tm_thrift_field_i32(out, 3, TM_PARQUET_RLE); /* levels, where there are any */
        tm_thrift_field_i32(out, 4, TM_PARQUET_RLE);
    } else {
        tm_thrift_field_i32(out, 2, TM_PARQUET_PLAIN);
        tm_thrift_field_bool(out, 3, text); /* texts are sorted, numbers are not */
    }
    tm_thrift_end(out);
    tm_thrift_end(out);
}

/* Header and compressed body behind what is in c->file. */
static int put_page(tm_parquet_chunker_t *c, const page_put_t *put, const void *body, size_t sz)
{
    /* The header states the compressed size, so the body is compressed behind room for it. */
    enum { HEADER_SZ_MAX = 64 };
    const tm_parquet_codec_t kind = put->form->codec;
    TM_TRY(tm_buffer_reserve(&c->file, HEADER_SZ_MAX + tm_codec_bound(kind, sz)));
    tm_thrift_out_t out;
    const size_t header_off = c->file.sz, body_off = header_off + HEADER_SZ_MAX;
    size_t packed_sz = sz;
    if (kind != TM_PARQUET_CODEC_NONE)
        packed_sz = tm_codec_compress(c->codec, kind, c->file.data + body_off, body, sz);
    tm_thrift_out_init(&out, &c->file);
    put_header(&out, put, sz, packed_sz);
    TM_TRY(out.err);
    TM_CHECK(c->file.sz - header_off <= HEADER_SZ_MAX, "page header of %zu bytes",
             c->file.sz - header_off);
    if (kind != TM_PARQUET_CODEC_NONE)
        memmove(c->file.data + c->file.sz, c->file.data + body_off, packed_sz);
    else if (sz > 0)
        memcpy(c->file.data + c->file.sz, body, sz);
    c->file.sz += packed_sz;
    c->saved_sz += (int64_t)sz - (int64_t)packed_sz;
    return 0;
}

static int put_dict(tm_parquet_chunker_t *c, const page_put_t *put)
{
    const tm_parquet_dict_t *dict = put->src->dict;
    if (!dict) return put_page(c, put, c->dict.values, (size_t)c->dict.cnt * 8);
    tm_buffer_clear(&c->temp);
    for (uint32_t i = 0; i < dict->cnt; i++)
        TM_TRY(tm_parquet_encode_string(&c->temp, dict->text[i], dict->text_sz[i]));
    return put_page(c, put, c->temp.data, c->temp.sz);
}

static void fill_stats(const tm_parquet_chunker_t *c, const tm_parquet_src_t *src,
                       tm_parquet_stats_t *stats)
{
    tm_parquet_range_t all = {0};
    *stats = (tm_parquet_stats_t){0};
    for (uint32_t i = 0; i < c->page_cnt; i++) {
        tm_parquet_range_merge(&all, &c->pages[i].range);
        stats->null_cnt += c->pages[i].null_cnt;
    }
    if (!all.known) return;
    stats->min_sz = (uint8_t)tm_parquet_range_bytes(src, &all, false, stats->min);
    stats->max_sz = (uint8_t)tm_parquet_range_bytes(src, &all, true, stats->max);
    stats->known = stats->min_sz > 0 && stats->max_sz > 0;
}

int tm_parquet_chunk_build(tm_parquet_chunker_t *c, const tm_parquet_src_t *src,
                           tm_parquet_choice_t *choice, int64_t off, tm_parquet_chunk_t *chunk)
{
    tm_parquet_form_t form;
    page_put_t put = {.src = src, .form = &form};
    c->codec->wide = src->col->type == TM_PARQUET_FIXED;
    TM_TRY(prepare_pages(c, src));
    TM_TRY(tm_parquet_choice_form(c, src, choice, &form));
    c->codec->bytes = form.bytes;
    const tm_parquet_encoding_t encoding = tm_parquet_page_encoding(src, &form);
    *chunk = (tm_parquet_chunk_t){
        .codec = form.codec,
        .data_encoding = encoding,
        .data_page_cnt = c->page_cnt,
        .value_cnt = src->cnt,
        .encodings = 1u << encoding,
    };
    if (src->col->repetition == TM_PARQUET_OPTIONAL) chunk->encodings |= 1u << TM_PARQUET_RLE;
    tm_buffer_clear(&c->file);
    c->saved_sz = 0;
    if (encoding == TM_PARQUET_RLE_DICTIONARY) {
        TM_TRY(put_dict(c, &put));
        chunk->dict_off = off;
        chunk->encodings |= 1u << TM_PARQUET_PLAIN;
    }
    chunk->data_off = off + (int64_t)c->file.sz;
    for (uint32_t i = 0; i < c->page_cnt; i++) {
        tm_parquet_page_t *page = &c->pages[i];
        put.page = page;
        page->file_off = c->file.sz;
        tm_buffer_clear(&c->raw);
        TM_TRY(tm_parquet_page_encode(src, page, &form, &c->raw));
        TM_TRY(put_page(c, &put, c->raw.data, page->raw_sz));
        page->file_sz = c->file.sz - page->file_off;
    }
    chunk->file_sz = (int64_t)c->file.sz;
    chunk->raw_sz = chunk->file_sz + c->saved_sz;
    fill_stats(c, src, &chunk->stats);
    return 0;
}

/* 1 = ascending, 2 = descending, 0 = neither: lets readers search pages by halving. */
static int32_t boundary_order(const tm_parquet_chunker_t *c, const tm_parquet_src_t *src)
{
    bool up = src->col->type != TM_PARQUET_DOUBLE, down = up;
    const tm_parquet_range_t *prev = NULL;
    for (uint32_t i = 0; i < c->page_cnt; i++) {
        const tm_parquet_range_t *r = &c->pages[i].range;
        if (!r->known) continue;
        if (prev) {
            up = up && prev->min <= r->min && prev->max <= r->max;
            down = down && prev->min >= r->min && prev->max >= r->max;
        }
        prev = r;
    }
    return up ? 1 : down ? 2 : 0;
}

static int column_index(const tm_parquet_chunker_t *c, const tm_parquet_src_t *src,
                        tm_parquet_chunk_t *chunk, tm_buffer_t *index)
{
    uint8_t stat[TM_PARQUET_STAT_SZ_MAX];
    tm_thrift_out_t out;
    for (uint32_t i = 0; i < c->page_cnt; i++) /* only NaN: no bounds can be stated */
        if (!c->pages[i].range.known && c->pages[i].null_cnt < c->pages[i].cnt) return 0;
    size_t start = index->sz;
    tm_thrift_out_init(&out, index);
    tm_thrift_struct(&out);
    tm_thrift_field_list(&out, 1, TM_THRIFT_TRUE, c->page_cnt);
    for (uint32_t i = 0; i < c->page_cnt; i++) tm_thrift_item_bool(&out, !c->pages[i].range.known);
    for (int16_t largest = 0; largest < 2; largest++) {
        tm_thrift_field_list(&out, (int16_t)(2 + largest), TM_THRIFT_BINARY, c->page_cnt);
        for (uint32_t i = 0; i < c->page_cnt; i++) {
            const tm_parquet_range_t *range = &c->pages[i].range;
            uint32_t sz = range->known ? tm_parquet_range_bytes(src, range, largest, stat) : 0;
            tm_thrift_item_binary(&out, stat, sz);
        }
    }
    tm_thrift_field_i32(&out, 4, boundary_order(c, src));
    tm_thrift_field_list(&out, 5, TM_THRIFT_I64, c->page_cnt);
    for (uint32_t i = 0; i < c->page_cnt; i++) tm_thrift_item_int(&out, c->pages[i].null_cnt);
    tm_thrift_end(&out);
    chunk->column_index_off = (int64_t)start;
    chunk->column_index_sz = (int32_t)(index->sz - start);
    return out.err;
}

int tm_parquet_chunk_index(const tm_parquet_chunker_t *c, const tm_parquet_src_t *src,
                           tm_parquet_chunk_t *chunk, tm_buffer_t *index)
{
    const int64_t off = chunk->dict_off ? chunk->dict_off : chunk->data_off;
    tm_thrift_out_t out;
    TM_TRY(column_index(c, src, chunk, index));
    size_t start = index->sz;
    tm_thrift_out_init(&out, index);
    tm_thrift_struct(&out);
    tm_thrift_field_list(&out, 1, TM_THRIFT_STRUCT, c->page_cnt);
    for (uint32_t i = 0; i < c->page_cnt; i++) {
        tm_thrift_struct(&out);
        tm_thrift_field_i64(&out, 1, off + (int64_t)c->pages[i].file_off);
        tm_thrift_field_i32(&out, 2, (int32_t)c->pages[i].file_sz);
        tm_thrift_field_i64(&out, 3, c->pages[i].first_row);
        tm_thrift_end(&out);
    }
    tm_thrift_end(&out);
    chunk->offset_index_off = (int64_t)start;
    chunk->offset_index_sz = (int32_t)(index->sz - start);
    return out.err;
}
