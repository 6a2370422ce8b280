#include "state/journal/frame_parquet.h"

#include "base/error.h"
#include "state/codec.h"
#include "state/file.h"
#include "state/parquet/parquet_encode.h"
#include "state/parquet/parquet_meta.h"
#include "state/parquet/thrift.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    GROUP_ROWS = 128 << 10,
    GROUP_SZ = 32 << 20,
    PAGE_SZ = 1 << 20, /* of payloads, before it is compressed */
    NUMBER_CNT = 6,    /* columns of numbers, in front of those of payloads */
    COL_CNT = 8,
    HEADER_SZ_MAX = 64,
};

static const char *const names[COL_CNT] = {"seq",  "recv_time", "conn",    "stream",
                                           "kind", "flags",     "message", "payload"};

/* Where a payload ends in `bytes`, and in which column it goes. */
typedef struct place {
    size_t end;
    bool is_text;
} place_t;

struct tm_frame_parquet {
    char *path, *temp_path;
    int fd;
    int64_t off; /* where the next byte goes */
    tm_parquet_meta_t meta;
    tm_codec_t codec;
    tm_buffer_t bytes;             /* payloads of the group, one behind the other */
    tm_buffer_t raw, page, levels; /* scratch: a page's body, before it is packed and after */
    int64_t *numbers[NUMBER_CNT];  /* columns of the group */
    place_t *places;
    uint32_t row_cnt;
};

static void columns_describe(tm_parquet_meta_t *meta)
{
    for (uint32_t i = 0; i < COL_CNT; i++) {
        tm_parquet_col_t *col = &meta->cols[i];
        *col = (tm_parquet_col_t){
            .name = names[i], .type = TM_PARQUET_INT64, .converted = TM_PARQUET_CONVERTED_NONE};
        if (i < NUMBER_CNT) continue;
        col->type = TM_PARQUET_BYTE_ARRAY;
        col->repetition = TM_PARQUET_OPTIONAL;
    }
    meta->cols[1].logical = TM_PARQUET_LOGICAL_TIMESTAMP;
    meta->cols[1].unit_ns = 1;
    meta->cols[1].utc_adjusted = 1;
    meta->cols[6].logical = TM_PARQUET_LOGICAL_STRING;
    meta->cols[6].converted = TM_PARQUET_CONVERTED_UTF8;
}

static void frame_parquet_free(tm_frame_parquet_t *f)
{
    tm_file_close(f->fd);
    tm_parquet_meta_free(&f->meta);
    tm_codec_close(&f->codec);
    tm_buffer_free(&f->bytes);
    tm_buffer_free(&f->raw);
    tm_buffer_free(&f->page);
    tm_buffer_free(&f->levels);
    for (uint32_t i = 0; i < NUMBER_CNT; i++) free(f->numbers[i]);
    free(f->places);
    free(f->path);
    free(f->temp_path);
    free(f);
}

static int put(tm_frame_parquet_t *f, const void *src, size_t sz)
{
    TM_TRY(tm_file_write(f->fd, f->temp_path, src, sz, f->off));
    f->off += (int64_t)sz;
    return 0;
}

/* ---- pages -----------------------------------------------------------------------------------
 */

/* Packs f->raw and writes it as a page of row_cnt rows of the chunk. */
static int page_put(tm_frame_parquet_t *f, tm_parquet_chunk_t *chunk, uint32_t row_cnt)
{
    const size_t bound = tm_codec_bound(chunk->codec, f->raw.sz);
    uint8_t *body;
    tm_thrift_out_t out;
    tm_buffer_clear(&f->page);
    TM_TRY(tm_buffer_reserve(&f->page, HEADER_SZ_MAX + bound));
    body = f->page.data + HEADER_SZ_MAX;
    const size_t packed_sz = tm_codec_compress(&f->codec, chunk->codec, body, f->raw.data,
                                               f->raw.sz);
    tm_thrift_out_init(&out, &f->page);
    tm_thrift_struct(&out);
    tm_thrift_field_i32(&out, 1, TM_PARQUET_DATA_PAGE);
    tm_thrift_field_i32(&out, 2, (int32_t)f->raw.sz);
    tm_thrift_field_i32(&out, 3, (int32_t)packed_sz);
    tm_thrift_field_struct(&out, 5);
    tm_thrift_field_i32(&out, 1, (int32_t)row_cnt);
    tm_thrift_field_i32(&out, 2, (int32_t)chunk->data_encoding);
    tm_thrift_field_i32(&out, 3, TM_PARQUET_RLE);
    tm_thrift_field_i32(&out, 4, TM_PARQUET_RLE);
    tm_thrift_end(&out);
    tm_thrift_end(&out);
    TM_TRY(out.err);
    chunk->raw_sz += (int64_t)(f->page.sz + f->raw.sz);
    chunk->file_sz += (int64_t)(f->page.sz + packed_sz);
    chunk->data_page_cnt++;
    TM_TRY(put(f, f->page.data, f->page.sz));
    return put(f, body, packed_sz);
}

static void chunk_begin(const tm_frame_parquet_t *f, tm_parquet_chunk_t *chunk,
                        tm_parquet_encoding_t encoding)
{
    *chunk = (tm_parquet_chunk_t){.codec = TM_PARQUET_CODEC_ZSTD,
                                  .value_cnt = f->row_cnt,
                                  .data_off = f->off,
                                  .data_encoding = encoding,
                                  .encodings = 1u << encoding | 1u << TM_PARQUET_RLE};
}

static int numbers_put(tm_frame_parquet_t *f, tm_parquet_chunk_t *chunk, const int64_t *numbers)
{
    int64_t min = INT64_MAX, max = INT64_MIN;
    chunk_begin(f, chunk, TM_PARQUET_DELTA_BINARY_PACKED);
    for (uint32_t i = 0; i < f->row_cnt; i++) {
        if (numbers[i] < min) min = numbers[i];
        if (numbers[i] > max) max = numbers[i];
    }
    chunk->stats.known = true;
    chunk->stats.min_sz = chunk->stats.max_sz = sizeof min;
    memcpy(chunk->stats.min, &min, sizeof min);
    memcpy(chunk->stats.max, &max, sizeof max);
    tm_buffer_clear(&f->raw);
    TM_TRY(tm_parquet_encode_delta(&f->raw, numbers, f->row_cnt, (tm_parquet_delta_form_t){0}));
    return page_put(f, chunk, f->row_cnt);
}

/* Levels, with their size in front, of rows first .. end - 1: 1 where the payload is in the column.
   Equal neighbours are one run. */
static int levels_put(tm_frame_parquet_t *f, uint32_t first, uint32_t end, bool text)
{
    tm_buffer_clear(&f->levels);
    for (uint32_t i = first, run; i < end; i += run) {
        for (run = 1; i + run < end && f->places[i + run].is_text == f->places[i].is_text;) run++;
        TM_TRY(tm_parquet_encode_run(&f->levels, f->places[i].is_text == text, run, 1));
    }
    const uint32_t sz = (uint32_t)f->levels.sz;
    TM_TRY(tm_buffer_append(&f->raw, &sz, sizeof sz));
    return tm_buffer_append(&f->raw, f->levels.data, f->levels.sz);
}

static int payloads_put(tm_frame_parquet_t *f, tm_parquet_chunk_t *chunk, bool text)
{
    chunk_begin(f, chunk, TM_PARQUET_PLAIN);
    for (uint32_t first = 0, end; first < f->row_cnt; first = end) {
        const size_t start = first ? f->places[first - 1].end : 0;
        for (end = first + 1; end < f->row_cnt && f->places[end].end - start <= PAGE_SZ;) end++;
        tm_buffer_clear(&f->raw);
        TM_TRY(levels_put(f, first, end, text));
        for (uint32_t i = first; i < end; i++) {
            const size_t at = i ? f->places[i - 1].end : 0;
            if (f->places[i].is_text != text) {
                chunk->stats.null_cnt++;
                continue;
            }
            TM_TRY(tm_parquet_encode_string(&f->raw, f->bytes.data + at, f->places[i].end - at));
        }
        TM_TRY(page_put(f, chunk, end - first));
    }
    return 0;
}

static int group_put(tm_frame_parquet_t *f)
{
    tm_parquet_group_t *group;
    if (f->row_cnt == 0) return 0;
    TM_TRY(tm_parquet_meta_group(&f->meta, &group));
    group->row_cnt = f->row_cnt;
    group->off = f->off;
    group->sort_col = 0; /* seq */
    group->raw_sz = group->file_sz = 0;
    for (uint32_t i = 0; i < NUMBER_CNT; i++)
        TM_TRY(numbers_put(f, &group->chunks[i], f->numbers[i]));
    TM_TRY(payloads_put(f, &group->chunks[NUMBER_CNT], true));
    TM_TRY(payloads_put(f, &group->chunks[NUMBER_CNT + 1], false));
    for (uint32_t i = 0; i < COL_CNT; i++) {
        group->raw_sz += group->chunks[i].raw_sz;
        group->file_sz += group->chunks[i].file_sz;
    }
    f->meta.row_cnt += f->row_cnt;
    f->meta.group_cnt++;
    f->row_cnt = 0;
    tm_buffer_clear(&f->bytes);
    return 0;
}

/* ---- the file --------------------------------------------------------------------------------
 */

static int begin(tm_frame_parquet_t *f, const char *path)
{
    if (asprintf(&f->temp_path, "%s.tmp", path) < 0 || !(f->path = strdup(path)))
        return tm_error_set(-ENOMEM, "%s: no memory", path);
    f->places = malloc(GROUP_ROWS * sizeof *f->places);
    bool ok = f->places != NULL;
    for (uint32_t i = 0; i < NUMBER_CNT; i++) {
        f->numbers[i] = malloc(GROUP_ROWS * sizeof **f->numbers);
        ok &= f->numbers[i] != NULL;
    }
    if (!ok) return tm_error_set(-ENOMEM, "%s: no memory for a row group", path);
    TM_TRY(tm_codec_open(&f->codec, 3));
    TM_TRY(tm_parquet_meta_init(&f->meta, COL_CNT));
    f->meta.schema_name = "frames";
    f->meta.created_by = "tidemark version " TM_VERSION " (build " TM_VERSION ")";
    columns_describe(&f->meta);
    f->fd = tm_file_open(f->temp_path, O_WRONLY | O_CREAT | O_TRUNC);
    if (f->fd < 0) return f->fd;
    return put(f, TM_PARQUET_MAGIC, TM_PARQUET_MAGIC_SZ);
}

int tm_frame_parquet_open(tm_frame_parquet_t **out, const char *path)
{
    tm_frame_parquet_t *f = calloc(1, sizeof *f);
    if (!f) return tm_error_set(-ENOMEM, "%s: no memory", path);
    f->fd = -1;
    const int err = begin(f, path);
    if (err < 0) {
        frame_parquet_free(f);
        return err;
    }
    *out = f;
    return 0;
}

int tm_frame_parquet_add(tm_frame_parquet_t *f, const tm_journal_view_t *v, bool is_text)
{
    const int64_t numbers[NUMBER_CNT] = {(int64_t)v->seq, v->frame.recv_ns, v->frame.conn_idx,
                                         v->stream,       v->kind,          v->flags};
    if (v->frame.sz > TM_FRAME_PARQUET_PAYLOAD_MAX)
        return tm_error_set(TM_E_LIMIT, "%s: a message of %u bytes; a page holds %d", f->path,
                            v->frame.sz, TM_FRAME_PARQUET_PAYLOAD_MAX);
    if (f->row_cnt == GROUP_ROWS || (f->row_cnt > 0 && f->bytes.sz + v->frame.sz > GROUP_SZ))
        TM_TRY(group_put(f));
    TM_TRY(tm_buffer_append(&f->bytes, v->frame.data, v->frame.sz));
    for (uint32_t i = 0; i < NUMBER_CNT; i++) f->numbers[i][f->row_cnt] = numbers[i];
    f->places[f->row_cnt++] = (place_t){f->bytes.sz, is_text};
    return 0;
}

static int finish(tm_frame_parquet_t *f)
{
    TM_TRY(group_put(f));
    tm_buffer_clear(&f->raw);
    TM_TRY(tm_parquet_meta_write(&f->meta, &f->raw));
    const uint32_t footer_sz = (uint32_t)f->raw.sz;
    TM_TRY(tm_buffer_append(&f->raw, &footer_sz, sizeof footer_sz));
    TM_TRY(tm_buffer_append(&f->raw, TM_PARQUET_MAGIC, TM_PARQUET_MAGIC_SZ));
    TM_TRY(put(f, f->raw.data, f->raw.sz));
    TM_TRY(tm_file_sync(f->fd, f->temp_path));
    return tm_file_rename(f->temp_path, f->path);
}

int tm_frame_parquet_close(tm_frame_parquet_t *f, int code)
{
    char why[TM_ERROR_TEXT_MAX];
    if (code == 0) code = finish(f);
    snprintf(why, sizeof why, "%s", code < 0 ? tm_error_text() : "");
    if (code < 0) (void)!tm_file_unlink(f->temp_path); /* the first error is the one to tell */
    frame_parquet_free(f);
    return code < 0 ? tm_error_set(code, "%s", why) : code;
}
