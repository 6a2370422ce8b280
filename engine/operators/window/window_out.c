#include "engine/operators/window/window_out.h"

#include <string.h>

enum { OUT_ROWS = 64 }; /* handed on at once */

static size_t stride_of(const tm_schema_t *out)
{
    return tm_align_up(out->row_sz, TM_CACHE_LINE);
}

size_t tm_window_out_footprint(const tm_window_plan_t *plan)
{
    return stride_of(&plan->out) * OUT_ROWS;
}

void tm_window_out_init(tm_window_out_t *out, void *mem, const tm_window_plan_t *plan,
                        tm_key_t *key)
{
    *out = (tm_window_out_t){.key = key,
                             .rows = mem,
                             .stride = (uint32_t)stride_of(&plan->out),
                             .most = OUT_ROWS,
                             .id = plan->out.id};
    memset(mem, 0, (size_t)out->stride * OUT_ROWS);
    out->key_is_symbol = key->form == TM_KEY_U32 && key->field_cnt == 1 &&
                         key->fields[0].out_off == offsetof(tm_row_t, symbol);
    if (plan->mode == TM_WINDOW_REDUCED) return;
    out->start_off = plan->out.fields[key->field_cnt].off;
    out->end_off = plan->out.fields[key->field_cnt + 1].off;
}

void tm_window_out_head(tm_window_out_t *out, uint64_t key, tm_range_t window, tm_row_t head)
{
    uint8_t *row = tm_window_out_row(out);
    out->last_key = key;
    head.kind = TM_ROW_INSERT;
    head.schema_id = out->id;
    head.symbol = out->key_is_symbol ? (uint32_t)key : TM_SYMBOL_NONE;
    memcpy(row, &head, sizeof head);
    if (!out->key_is_symbol) tm_key_write(out->key, key, row);
    memcpy(row + out->start_off, &window.start, sizeof window.start);
    memcpy(row + out->end_off, &window.end, sizeof window.end);
}

void tm_window_out_commit(tm_window_out_t *out)
{
    if (++out->cnt == out->most) tm_window_out_flush(out);
}

void tm_window_out_flush(tm_window_out_t *out)
{
    uint32_t cnt = out->cnt;
    out->cnt = 0;
    tm_emit_rows(&out->to, out->rows, cnt, out->stride);
}
