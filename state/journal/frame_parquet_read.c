/* The way back of frame_parquet.h. */
#include "base/error.h"
#include "state/journal/frame_parquet.h"
#include "state/parquet/parquet_reader.h"

#include <string.h>

typedef enum column { RECV_TIME, CONN, STREAM, KIND, FLAGS, MESSAGE, PAYLOAD, COLUMN_CNT } column_t;

static const char *const names[COLUMN_CNT] = {"recv_time", "conn",    "stream", "kind",
                                              "flags",     "message", "payload"};

typedef struct input {
    tm_parquet_reader_t *reader;
    const char *path;
    tm_frame_parquet_fn_t fn;
    void *ctx;
    int32_t col_idx[COLUMN_CNT]; /* -1 = not there */
    int64_t unit_ns;             /* of recv_time */
    uint64_t row_idx;
    tm_parquet_values_t values[COLUMN_CNT];
} input_t;

static int columns_find(input_t *in)
{
    const tm_parquet_meta_t *meta = tm_parquet_reader_meta(in->reader);
    for (uint32_t k = 0; k < COLUMN_CNT; k++) {
        const bool bytes = k == MESSAGE || k == PAYLOAD;
        in->col_idx[k] = -1;
        for (uint32_t i = 0; i < meta->col_cnt; i++)
            if (strcmp(meta->cols[i].name, names[k]) == 0) in->col_idx[k] = (int32_t)i;
        if (in->col_idx[k] < 0) continue;
        const tm_parquet_type_t type = meta->cols[in->col_idx[k]].type;
        if (bytes ? type != TM_PARQUET_BYTE_ARRAY
                  : type != TM_PARQUET_INT64 && type != TM_PARQUET_INT32)
            return tm_error_set(TM_E_SYNTAX, "%s: column %s is %s", in->path, names[k],
                                tm_parquet_type_name(type));
    }
    if (in->col_idx[RECV_TIME] < 0 || (in->col_idx[MESSAGE] < 0 && in->col_idx[PAYLOAD] < 0))
        return tm_error_set(TM_E_SYNTAX, "%s: expected columns recv_time, and message or payload",
                            in->path);
    const tm_parquet_col_t *time = &meta->cols[in->col_idx[RECV_TIME]];
    in->unit_ns = time->logical == TM_PARQUET_LOGICAL_TIMESTAMP ? time->unit_ns : 1;
    return 0;
}

/* A number of the row that lies in 0..max; `other` where the column or the value is not there. */
static int number(const input_t *in, column_t k, uint32_t row, int64_t other, int64_t max,
                  int64_t *out)
{
    const tm_parquet_values_t *v = &in->values[k];
    *out = in->col_idx[k] >= 0 && v->valid[row] ? v->num[row] : other;
    if (*out >= 0 && *out <= max) return 0;
    return tm_error_set(TM_E_SYNTAX, "%s: row %llu: %s %lld is out of range", in->path,
                        (unsigned long long)in->row_idx, names[k], (long long)*out);
}

static int row_give(input_t *in, uint32_t row)
{
    int64_t conn, stream, kind, flags;
    const tm_parquet_values_t *time = &in->values[RECV_TIME], *text = &in->values[MESSAGE];
    TM_TRY(number(in, CONN, row, 0, UINT32_MAX, &conn));
    TM_TRY(number(in, STREAM, row, 0, UINT16_MAX, &stream));
    TM_TRY(number(in, KIND, row, TM_JOURNAL_TEXT, TM_JOURNAL_SEAL - 1, &kind));
    TM_TRY(number(in, FLAGS, row, 0, UINT8_MAX, &flags));
    if (in->col_idx[MESSAGE] < 0 || !text->valid[row]) text = &in->values[PAYLOAD];
    const bool there = text->valid && text->valid[row];
    int64_t recv_ns;
    if (!there || !time->valid[row] || kind == 0 ||
        __builtin_mul_overflow(time->num[row], in->unit_ns, &recv_ns))
        return tm_error_set(TM_E_SYNTAX, "%s: row %llu: no payload, or no receive time", in->path,
                            (unsigned long long)in->row_idx);
    const tm_journal_entry_t entry = {.data = text->text.data + text->slices[row].off,
                                      .sz = text->slices[row].sz,
                                      .conn_idx = (uint32_t)conn,
                                      .recv_ns = recv_ns,
                                      .stream = (uint16_t)stream,
                                      .kind = (uint8_t)kind,
                                      .flags = (uint8_t)flags};
    in->row_idx++;
    return in->fn(in->ctx, &entry);
}

static int group_give(input_t *in, uint32_t group_idx)
{
    const uint32_t row_cnt =
        (uint32_t)tm_parquet_reader_meta(in->reader)->groups[group_idx].row_cnt;
    int err = 0;
    for (uint32_t k = 0; k < COLUMN_CNT && err == 0; k++)
        if (in->col_idx[k] >= 0)
            err = tm_parquet_reader_values(in->reader, group_idx, (uint32_t)in->col_idx[k],
                                           &in->values[k]);
    for (uint32_t row = 0; row < row_cnt && err == 0; row++) err = row_give(in, row);
    for (uint32_t k = 0; k < COLUMN_CNT; k++) {
        tm_parquet_values_free(&in->values[k]);
        in->values[k] = (tm_parquet_values_t){0};
    }
    return err;
}

int tm_frame_parquet_read(const char *path, tm_frame_parquet_fn_t fn, void *ctx)
{
    input_t in = {.path = path, .fn = fn, .ctx = ctx};
    TM_TRY(tm_parquet_reader_open(&in.reader, path));
    int err = columns_find(&in);
    const uint32_t group_cnt = tm_parquet_reader_meta(in.reader)->group_cnt;
    for (uint32_t g = 0; g < group_cnt && err == 0; g++) err = group_give(&in, g);
    tm_parquet_reader_close(in.reader);
    return err;
}
