#include "state/parquet/parquet_bloom.h"

#include "base/error.h"
#include "state/parquet/bloom.h"
#include "state/parquet/parquet_encode.h"
#include "state/parquet/thrift.h"

bool tm_parquet_bloom_fits(const tm_parquet_col_t *col)
{
    return col->type == TM_PARQUET_INT32 || col->type == TM_PARQUET_INT64 ||
           col->type == TM_PARQUET_BYTE_ARRAY || col->type == TM_PARQUET_FIXED;
}

/* Numbers are little endian: an INT32 is the first half of what it is held in. */
static void add_numbers(uint8_t *filter, uint32_t sz, const int64_t *v, uint32_t cnt,
                        size_t value_sz)
{
    for (uint32_t i = 0; i < cnt; i++) tm_bloom_add(filter, sz, tm_xxh64(&v[i], value_sz));
}

static void add_page(uint8_t *filter, uint32_t sz, const tm_parquet_src_t *src,
                     const tm_parquet_page_t *page)
{
    const uint32_t cnt = page->cnt - page->null_cnt;
    if (src->col->type != TM_PARQUET_FIXED) {
        add_numbers(filter, sz, page->values, cnt, src->col->type == TM_PARQUET_INT32 ? 4 : 8);
        return;
    }
    const tm_i128_t *v = page->values;
    for (uint32_t i = 0; i < cnt; i++) {
        uint8_t bytes[16];
        tm_parquet_put_decimal128(bytes, v[i]);
        tm_bloom_add(filter, sz, tm_xxh64(bytes, sizeof bytes));
    }
}

/* Algorithm, hash and compression are unions of one member each, all of them empty structs. */
static void put_header(tm_thrift_out_t *out, uint32_t sz)
{
    tm_thrift_struct(out);
    tm_thrift_field_i32(out, 1, (int32_t)sz);
    for (int16_t id = 2; id <= 4; id++) {
        tm_thrift_field_struct(out, id);
        tm_thrift_field_struct(out, 1);
        tm_thrift_end(out);
        tm_thrift_end(out);
    }
    tm_thrift_end(out);
}

int tm_parquet_bloom_build(const tm_parquet_chunker_t *c, const tm_parquet_src_t *src,
                           tm_parquet_chunk_t *chunk, tm_buffer_t *buffer)
{
    const bool numbered = !src->dict && chunk->data_encoding == TM_PARQUET_RLE_DICTIONARY;
    const uint32_t cnt = src->dict ? src->dict->cnt : numbered ? c->dict.cnt : src->cnt;
    const uint32_t sz = tm_bloom_sz(cnt);
    const size_t start = buffer->sz;
    tm_thrift_out_t out;
    tm_thrift_out_init(&out, buffer);
    put_header(&out, sz);
    TM_TRY(out.err);
    TM_TRY(tm_buffer_reserve(buffer, sz));
    uint8_t *filter = buffer->data + buffer->sz;
    memset(filter, 0, sz);
    buffer->sz += sz;
    chunk->bloom_off = (int64_t)start;
    chunk->bloom_sz = (int32_t)(buffer->sz - start);
    if (src->dict) {
        for (uint32_t i = 0; i < cnt; i++)
            tm_bloom_add(filter, sz, tm_xxh64(src->dict->text[i], src->dict->text_sz[i]));
        return 0;
    }
    if (numbered) {
        add_numbers(filter, sz, c->dict.values, cnt, 8);
        return 0;
    }
    for (uint32_t i = 0; i < c->page_cnt; i++) add_page(filter, sz, src, &c->pages[i]);
    return 0;
}
