#include "state/parquet/parquet_reader.h"

#include "base/error.h"
#include "state/codec.h"
#include "state/file.h"
#include "state/parquet/thrift.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct tm_parquet_reader {
    int fd; /* -1 = the file lies in memory */
    const uint8_t *mem;
    int64_t file_sz;
    char *name;
    tm_parquet_meta_t meta;
    tm_codec_t codec;
    tm_buffer_t chunk; /* the bytes of the chunk at hand */
    tm_buffer_t page;  /* the page at hand, inflated */
    tm_buffer_t idx;   /* levels or indexes of a page, as uint32_t */
};

/* What a page header says, as far as it matters here. */
typedef struct page_header {
    int32_t type, raw_sz, file_sz;
    int32_t value_cnt, encoding, level_encoding;
    size_t header_sz;
} page_header_t;

/* The bytes off .. off + sz - 1, which were checked against the file's size. */
static int fetch(tm_parquet_reader_t *r, int64_t off, size_t sz, tm_buffer_t *to,
                 const uint8_t **at)
{
    if (r->fd < 0) {
        *at = r->mem + off;
        return 0;
    }
    tm_buffer_clear(to);
    TM_TRY(tm_buffer_reserve(to, sz));
    while (to->sz < sz) {
        ssize_t n = pread(r->fd, to->data + to->sz, sz - to->sz, off + (int64_t)to->sz);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            const int code = -errno;
            return tm_error_set(code, "read: %s", tm_error_name(code));
        }
        if (n == 0) return tm_error_set(TM_E_CORRUPT, "the file became shorter while being read");
        to->sz += (size_t)n;
    }
    *at = to->data;
    return 0;
}

static int read_footer(tm_parquet_reader_t *r)
{
    const uint8_t *at;
    uint32_t footer_sz;
    if (r->file_sz < TM_PARQUET_MAGIC_SZ + TM_PARQUET_TAIL_SZ)
        return tm_error_set(TM_E_CORRUPT, "%lld bytes are too few for a Parquet file",
                            (long long)r->file_sz);
    TM_TRY(fetch(r, r->file_sz - TM_PARQUET_TAIL_SZ, TM_PARQUET_TAIL_SZ, &r->chunk, &at));
    memcpy(&footer_sz, at, 4);
    if (memcmp(at + 4, TM_PARQUET_MAGIC, TM_PARQUET_MAGIC_SZ) != 0)
        return tm_error_set(
            TM_E_CORRUPT, "it does not end in PAR1: it is no Parquet file, or was never finished");
    if (footer_sz > TM_PARQUET_FOOTER_SZ_MAX ||
        footer_sz > r->file_sz - TM_PARQUET_MAGIC_SZ - TM_PARQUET_TAIL_SZ)
        return tm_error_set(TM_E_CORRUPT, "a footer of %u bytes does not fit the file", footer_sz);
    TM_TRY(fetch(r, 0, TM_PARQUET_MAGIC_SZ, &r->chunk, &at));
    if (memcmp(at, TM_PARQUET_MAGIC, TM_PARQUET_MAGIC_SZ) != 0)
        return tm_error_set(TM_E_CORRUPT, "it does not start with PAR1");
    TM_TRY(fetch(r, r->file_sz - TM_PARQUET_TAIL_SZ - footer_sz, footer_sz, &r->chunk, &at));
    return tm_parquet_meta_read(&r->meta, at, footer_sz, r->file_sz);
}

static int open_common(tm_parquet_reader_t **out, tm_parquet_reader_t *r, const char *name)
{
    int err = 0;
    r->name = strdup(name);
    if (!r->name) err = tm_error_set(-ENOMEM, "out of memory");
    if (err == 0) err = tm_codec_open(&r->codec, 1);
    if (err == 0) err = read_footer(r);
    if (err < 0) {
        tm_parquet_reader_close(r);
        return tm_error_context(err, "%s", name);
    }
    *out = r;
    return 0;
}

int tm_parquet_reader_open(tm_parquet_reader_t **out, const char *path)
{
    struct stat st;
    tm_parquet_reader_t *r = calloc(1, sizeof *r);
    if (!r) return tm_error_set(-ENOMEM, "out of memory for %s", path);
    r->fd = tm_file_open(path, O_RDONLY);
    if (r->fd >= 0 && fstat(r->fd, &st) == 0 && S_ISREG(st.st_mode)) {
        r->file_sz = st.st_size;
        return open_common(out, r, path);
    }
    int err = r->fd < 0 ? r->fd : tm_error_set(-EINVAL, "%s is not a regular file", path);
    tm_parquet_reader_close(r);
    return err;
}

int tm_parquet_reader_open_mem(tm_parquet_reader_t **out, const void *src, size_t sz,
                               const char *name)
{
    tm_parquet_reader_t *r = calloc(1, sizeof *r);
    if (!r) return tm_error_set(-ENOMEM, "out of memory for %s", name);
    r->fd = -1;
    r->mem = src;
    r->file_sz = (int64_t)sz;
    return open_common(out, r, name);
}

void tm_parquet_reader_close(tm_parquet_reader_t *r)
{
    if (!r) return;
    tm_file_close(r->fd);
    tm_parquet_meta_free(&r->meta);
    tm_codec_close(&r->codec);
    tm_buffer_free(&r->chunk);
    tm_buffer_free(&r->page);
    tm_buffer_free(&r->idx);
    free(r->name);
    free(r);
}

const tm_parquet_meta_t *tm_parquet_reader_meta(const tm_parquet_reader_t *r)
{
    return &r->meta;
}

int64_t tm_parquet_reader_sz(const tm_parquet_reader_t *r)
{
    return r->file_sz;
}

static void read_data_header(tm_thrift_in_t *in, page_header_t *h)
{
    tm_thrift_field_t f;
    tm_thrift_enter(in);
    while (tm_thrift_next(in, &f)) {
        if (f.id == 1)
            h->value_cnt = (int32_t)tm_thrift_int(in, &f);
        else if (f.id == 2)
            h->encoding = (int32_t)tm_thrift_int(in, &f);
        else if (f.id == 3 && h->type == TM_PARQUET_DATA_PAGE)
            h->level_encoding = (int32_t)tm_thrift_int(in, &f);
        else
            tm_thrift_skip(in, &f);
    }
}

static int read_page_header(page_header_t *h, const uint8_t *at, size_t sz)
{
    tm_thrift_in_t in;
    tm_thrift_field_t f;
    if (sz > TM_PARQUET_PAGE_HEADER_SZ_MAX) sz = TM_PARQUET_PAGE_HEADER_SZ_MAX;
    *h = (page_header_t){.type = -1, .value_cnt = -1, .level_encoding = TM_PARQUET_RLE};
    tm_thrift_in_init(&in, at, sz);
    tm_thrift_enter(&in);
    while (tm_thrift_next(&in, &f)) {
        if (f.id == 1)
            h->type = (int32_t)tm_thrift_int(&in, &f);
        else if (f.id == 2)
            h->raw_sz = (int32_t)tm_thrift_int(&in, &f);
        else if (f.id == 3)
            h->file_sz = (int32_t)tm_thrift_int(&in, &f);
        else if ((f.id == 5 || f.id == 7) && f.type == TM_THRIFT_STRUCT)
            read_data_header(&in, h);
        else
            tm_thrift_skip(&in, &f);
    }
    TM_TRY(in.err);
    h->header_sz = (size_t)(in.at - at);
    if (h->type != TM_PARQUET_DATA_PAGE && h->type != TM_PARQUET_DICTIONARY_PAGE)
        return tm_error_set(TM_E_UNSUPPORTED,
                            "pages of type %d cannot be read here (version 1 pages can)", h->type);
    if (h->raw_sz < 0 || h->file_sz < 0 || h->value_cnt < 0 || h->raw_sz > TM_PARQUET_PAGE_SZ_MAX)
        return tm_error_set(TM_E_CORRUPT, "a page header with impossible sizes");
    return 0;
}

/* A page's header and inflated body; moves *at behind it. */
static int next_page(tm_parquet_reader_t *r, tm_parquet_codec_t codec, const uint8_t **at,
                     const uint8_t *end, page_header_t *h)
{
    TM_TRY(read_page_header(h, *at, (size_t)(end - *at)));
    *at += h->header_sz;
    if (h->file_sz > end - *at)
        return tm_error_set(TM_E_CORRUPT, "a page of %d bytes ends outside of its chunk",
                            h->file_sz);
    tm_buffer_clear(&r->page);
    TM_TRY(tm_buffer_reserve(&r->page, (size_t)h->raw_sz + 1));
    TM_TRY(tm_codec_decompress(&r->codec, codec, r->page.data, (size_t)h->raw_sz, *at,
                               (size_t)h->file_sz));
    r->page.sz = (size_t)h->raw_sz;
    *at += h->file_sz;
    return 0;
}

/* `cnt` words in r->idx. */
static int room_for_words(tm_parquet_reader_t *r, uint32_t cnt, uint32_t **words)
{
    tm_buffer_clear(&r->idx);
    TM_TRY(tm_buffer_reserve(&r->idx, (size_t)cnt * 4 + 4));
    *words = (uint32_t *)(void *)r->idx.data;
    return 0;
}

/* Definition levels of an optional column: sets valid[], returns the number of values there. */
static int read_levels(tm_parquet_reader_t *r, const page_header_t *h, uint8_t *valid,
                       size_t *levels_sz, uint32_t *there_cnt)
{
    uint32_t len, *levels;
    const uint32_t cnt = (uint32_t)h->value_cnt;
    if (h->level_encoding != TM_PARQUET_RLE)
        return tm_error_set(TM_E_UNSUPPORTED, "definition levels that are not RLE");
    if (r->page.sz < 4) return tm_error_set(TM_E_CORRUPT, "a page without definition levels");
    memcpy(&len, r->page.data, 4);
    if (len > r->page.sz - 4)
        return tm_error_set(TM_E_CORRUPT, "definition levels end outside of their page");
    TM_TRY(room_for_words(r, cnt, &levels));
    TM_TRY(tm_parquet_decode_rle(levels, cnt, 1, r->page.data + 4, len));
    *there_cnt = 0;
    for (uint32_t i = 0; i < cnt; i++) *there_cnt += valid[i] = levels[i] & 1;
    *levels_sz = 4 + (size_t)len;
    return 0;
}

/* Indexes into the dictionary to values. */
static int apply_dict(tm_parquet_reader_t *r, const tm_parquet_values_t *dict,
                      tm_parquet_values_t *values, uint32_t cnt, size_t off)
{
    uint32_t *idx;
    if (dict->cap == 0 && dict->valid == NULL)
        return tm_error_set(TM_E_CORRUPT, "a page of indexes without a dictionary");
    if (off >= r->page.sz && cnt > 0)
        return tm_error_set(TM_E_CORRUPT, "a page of indexes without a bit width");
    TM_TRY(room_for_words(r, cnt, &idx));
    if (cnt > 0)
        TM_TRY(tm_parquet_decode_rle(idx, cnt, r->page.data[off], r->page.data + off + 1,
                                     r->page.sz - off - 1));
    for (uint32_t i = 0; i < cnt; i++) {
        if (idx[i] >= dict->cnt)
            return tm_error_set(TM_E_CORRUPT, "index %u into a dictionary of %u", idx[i],
                                dict->cnt);
        if (values->num)
            values->num[values->cnt + i] = dict->num[idx[i]];
        else
            values->slices[values->cnt + i] = dict->slices[idx[i]];
    }
    values->cnt += cnt;
    return 0;
}

static int read_values(tm_parquet_reader_t *r, const page_header_t *h, const tm_parquet_col_t *col,
                       const tm_parquet_values_t *dict, tm_parquet_values_t *values)
{
    uint32_t cnt = (uint32_t)h->value_cnt, there_cnt = cnt;
    const uint32_t start = values->cnt;
    uint8_t *valid = values->valid + start;
    size_t off = 0;
    if (col->repetition == TM_PARQUET_OPTIONAL)
        TM_TRY(read_levels(r, h, valid, &off, &there_cnt));
    else
        memset(valid, 1, cnt);
    const uint8_t *body = r->page.data + off;
    const size_t body_sz = r->page.sz - off;
    const bool dense = there_cnt == cnt;
    uint8_t *keep = NULL;
    if (!dense) { /* decoding marks what it decodes as there: keep what the levels said */
        keep = malloc(cnt);
        if (!keep) return tm_error_set(-ENOMEM, "out of memory for a page");
        memcpy(keep, valid, cnt);
    }
    int err;
    if (h->encoding == TM_PARQUET_PLAIN) {
        err = tm_parquet_decode_plain(values, col->type, col->type_sz, there_cnt, body, body_sz);
    } else if (h->encoding == TM_PARQUET_RLE_DICTIONARY ||
               h->encoding == TM_PARQUET_PLAIN_DICTIONARY) {
        err = apply_dict(r, dict, values, there_cnt, off);
    } else if (h->encoding == TM_PARQUET_DELTA_BINARY_PACKED &&
               (col->type == TM_PARQUET_INT32 || col->type == TM_PARQUET_INT64)) {
        err = tm_parquet_decode_delta(values->num + start, there_cnt, col->type == TM_PARQUET_INT32,
                                      body, body_sz);
    } else {
        err = tm_error_set(TM_E_UNSUPPORTED, "%s pages of %s cannot be read here",
                           tm_parquet_encoding_name((tm_parquet_encoding_t)h->encoding),
                           tm_parquet_type_name(col->type));
    }
    values->cnt = start + cnt;
    if (err == 0 && !dense) { /* spread the values over the rows that have one, from the end */
        for (uint32_t i = cnt, from = there_cnt; i-- > 0;) {
            valid[i] = keep[i];
            if (!keep[i]) continue;
            from--;
            if (values->num)
                values->num[start + i] = values->num[start + from];
            else
                values->slices[start + i] = values->slices[start + from];
        }
    }
    free(keep);
    return err;
}

/* The dictionary's values and their text become part of the chunk's. */
static int read_dict(tm_parquet_reader_t *r, const page_header_t *h, const tm_parquet_col_t *col,
                     tm_parquet_values_t *dict)
{
    const uint32_t cnt = (uint32_t)h->value_cnt;
    if (dict->valid) return tm_error_set(TM_E_CORRUPT, "a chunk with two dictionaries");
    if (h->encoding != TM_PARQUET_PLAIN && h->encoding != TM_PARQUET_PLAIN_DICTIONARY)
        return tm_error_set(TM_E_UNSUPPORTED, "a dictionary that is not PLAIN");
    if (cnt > TM_PARQUET_GROUP_ROWS_MAX || (cnt > 0 && r->page.sz < (cnt + 7) / 8))
        return tm_error_set(TM_E_CORRUPT, "a dictionary of %u values in %zu bytes", cnt,
                            r->page.sz);
    TM_TRY(tm_parquet_values_init(dict, col->type, cnt));
    return tm_parquet_decode_plain(dict, col->type, col->type_sz, cnt, r->page.data, r->page.sz);
}

static int read_pages(tm_parquet_reader_t *r, const tm_parquet_col_t *col,
                      const tm_parquet_chunk_t *chunk, const uint8_t *at,
                      tm_parquet_values_t *values, tm_parquet_values_t *dict)
{
    const uint8_t *end = at + chunk->file_sz;
    while (values->cnt < values->cap) {
        page_header_t h;
        if (at == end)
            return tm_error_set(TM_E_CORRUPT, "its pages hold %u of %u values", values->cnt,
                                values->cap);
        TM_TRY(next_page(r, chunk->codec, &at, end, &h));
        if (h.type == TM_PARQUET_DICTIONARY_PAGE) {
            if (values->cnt > 0)
                return tm_error_set(TM_E_CORRUPT, "a dictionary behind the pages that need it");
            TM_TRY(read_dict(r, &h, col, dict));
            TM_TRY(tm_buffer_append(&values->text, dict->text.data, dict->text.sz));
            continue;
        }
        if ((uint32_t)h.value_cnt > values->cap - values->cnt)
            return tm_error_set(TM_E_CORRUPT, "its pages hold more than %u values", values->cap);
        TM_TRY(read_values(r, &h, col, dict, values));
    }
    return 0;
}

int tm_parquet_reader_values(tm_parquet_reader_t *r, uint32_t group_idx, uint32_t col_idx,
                             tm_parquet_values_t *values)
{
    TM_CHECK(group_idx < r->meta.group_cnt && col_idx < r->meta.col_cnt, "group %u, column %u",
             group_idx, col_idx);
    const tm_parquet_col_t *col = &r->meta.cols[col_idx];
    const tm_parquet_group_t *group = &r->meta.groups[group_idx];
    const tm_parquet_chunk_t *chunk = &group->chunks[col_idx];
    tm_parquet_values_t dict = {0};
    const uint8_t *at = NULL;
    int64_t off = chunk->dict_off > 0 && chunk->dict_off < chunk->data_off ? chunk->dict_off
                                                                           : chunk->data_off;
    int err;
    *values = (tm_parquet_values_t){0};
    if (chunk->value_cnt != group->row_cnt)
        TM_GOTO(err,
                tm_error_set(TM_E_CORRUPT, "%lld values for %lld rows", (long long)chunk->value_cnt,
                             (long long)group->row_cnt),
                out);
    if (chunk->file_sz > TM_PARQUET_CHUNK_SZ_MAX)
        TM_GOTO(err, tm_error_set(TM_E_LIMIT, "%lld bytes in a chunk", (long long)chunk->file_sz),
                out);
    TM_GOTO(err, fetch(r, off, (size_t)chunk->file_sz, &r->chunk, &at), out);
    TM_GOTO(err, tm_parquet_values_init(values, col->type, (uint32_t)group->row_cnt), out);
    TM_GOTO(err, read_pages(r, col, chunk, at, values, &dict), out);
out:
    tm_parquet_values_free(&dict);
    if (err == 0) return 0;
    tm_parquet_values_free(values);
    return tm_error_context(err, "%s: row group %u, column %s", r->name, group_idx, col->name);
}

/* Rows first .. end - 1 of the file, all of a group that starts with row `start`. */
typedef struct row_range {
    uint64_t start, first, end;
} row_range_t;

static int each_row(const tm_parquet_reader_t *r, const tm_parquet_values_t *cols,
                    const row_range_t *range, tm_parquet_row_fn_t fn, void *ctx)
{
    const uint32_t col_cnt = r->meta.col_cnt;
    const char **cells = calloc(col_cnt + 1, sizeof *cells);
    char(*texts)[TM_PARQUET_CELL_MAX] = calloc(col_cnt + 1, sizeof *texts);
    int err = 0;
    if (!cells || !texts) {
        free(cells);
        free(texts);
        return tm_error_set(-ENOMEM, "out of memory for a row");
    }
    for (uint64_t row = range->first; err == 0 && row < range->end; row++) {
        for (uint32_t c = 0; c < col_cnt; c++)
            cells[c] = tm_parquet_value_text(&r->meta.cols[c], &cols[c],
                                             (uint32_t)(row - range->start), texts[c]);
        err = fn(ctx, row, cells, col_cnt);
    }
    free(cells);
    free(texts);
    return err;
}

static int group_rows(tm_parquet_reader_t *r, uint32_t group_idx, const row_range_t *range,
                      tm_parquet_row_fn_t fn, void *ctx)
{
    const uint32_t col_cnt = r->meta.col_cnt;
    tm_parquet_values_t *cols = calloc(col_cnt + 1, sizeof *cols);
    if (!cols) return tm_error_set(-ENOMEM, "out of memory for %u columns", col_cnt);
    int err = 0;
    for (uint32_t c = 0; err == 0 && c < col_cnt; c++)
        err = tm_parquet_reader_values(r, group_idx, c, &cols[c]);
    if (err == 0) err = each_row(r, cols, range, fn, ctx);
    for (uint32_t c = 0; c < col_cnt; c++) tm_parquet_values_free(&cols[c]);
    free(cols);
    return err;
}

int tm_parquet_reader_rows(tm_parquet_reader_t *r, uint64_t first, uint64_t cnt,
                           tm_parquet_row_fn_t fn, void *ctx)
{
    uint64_t start = 0, all = (uint64_t)r->meta.row_cnt;
    uint64_t end = first < all && cnt < all - first ? first + cnt : all;
    for (uint32_t g = 0; g < r->meta.group_cnt && start < end; g++) {
        uint64_t next = start + (uint64_t)r->meta.groups[g].row_cnt;
        row_range_t range = {start, first > start ? first : start, next < end ? next : end};
        if (range.first < range.end) {
            int err = group_rows(r, g, &range, fn, ctx);
            if (err != 0) return err;
        }
        start = next;
    }
    return 0;
}
