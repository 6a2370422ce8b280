/* Results of windows. Where rows are kept, the result is made of those that the evictor leaves. */
#include "base/check.h"
#include "engine/operators/window/window_general_state.h"

#include <string.h>

enum { ROWS_MAX = 1 << 24 }; /* that count in a step: ends it anyway, and sums of it fit */

/* Removes the rows that `evicts` names. */
static void rows_filter(tm_window_general_t *g, window_record_t *w,
                        bool (*evicts)(const tm_window_general_t *g, const void *row,
                                       const void *x),
                        const void *x)
{
    tm_ref_t *link = &w->first, last = 0, gone = 0;
    while (*link) {
        tm_ref_t ref = *link;
        window_row_t *row = tm_window_edit(g, ref);
        if (evicts(g, tm_window_row_bytes(row), x)) {
            *link = row->next;
            row->next = gone; /* x may be one of them: they are let go of at the end */
            gone = ref;
            w->row_cnt--;
        } else {
            last = ref;
            link = &row->next;
        }
    }
    w->last = last;
    while (gone) {
        tm_ref_t next = tm_window_row(g, gone)->next;
        tm_pool_put(&g->rows, gone);
        gone = next;
    }
}

static int64_t event_of(const void *row)
{
    return ((const tm_row_t *)row)->event_ns;
}

static bool is_old(const tm_window_general_t *g, const void *row, const void *x)
{
    (void)g;
    return event_of(row) <= *(const int64_t *)x;
}

static bool is_far(const tm_window_general_t *g, const void *row, const void *x)
{
    return tm_window_delta(&g->evictor_delta, row, x) >= g->evictor_delta.threshold;
}

/* The first rows of a list longer than asked for. */
static void evict_count(tm_window_general_t *g, window_record_t *w)
{
    while (w->row_cnt > (uint64_t)g->what.evictor.count) {
        tm_ref_t gone = w->first;
        w->first = tm_window_row(g, gone)->next;
        tm_pool_put(&g->rows, gone);
        w->row_cnt--;
    }
    if (!w->first) w->last = 0;
}

/* Rows without a time (the first tells) stay. */
static void evict_time(tm_window_general_t *g, window_record_t *w)
{
    int64_t max = event_of(tm_window_row_bytes(tm_window_row(g, w->first)));
    if (max == TM_TIME_NONE) return;
    for (tm_ref_t at = w->first; at; at = tm_window_row(g, at)->next) {
        int64_t t = event_of(tm_window_row_bytes(tm_window_row(g, at)));
        if (t > max) max = t;
    }
    int64_t cutoff;
    if (__builtin_sub_overflow(max, g->what.evictor.keep_ns, &cutoff)) return;
    rows_filter(g, w, is_old, &cutoff);
}

static void evict(tm_window_general_t *g, window_record_t *w)
{
    if (!w->first) return;
    switch (g->what.evictor.kind) {
    case TM_EVICT_NONE:
        return;
    case TM_EVICT_COUNT:
        evict_count(g, w);
        return;
    case TM_EVICT_TIME:
        evict_time(g, w);
        return;
    case TM_EVICT_DELTA:
        rows_filter(g, w, is_far, tm_window_row_bytes(tm_window_row(g, w->last)));
        return;
    }
}

/* ---- what a function of the user may ask ----------------------------------------------------- */

int64_t tm_window_call_start(const tm_window_call_t *call)
{
    return call->window->start;
}

int64_t tm_window_call_end(const tm_window_call_t *call)
{
    return call->window->end;
}

int64_t tm_window_call_watermark(const tm_window_call_t *call)
{
    return call->g->clock[TM_EVENT_TIME];
}

int64_t tm_window_call_clock(const tm_window_call_t *call)
{
    return call->g->clock[TM_PROCESSING_TIME];
}

uint64_t tm_window_call_row_cnt(const tm_window_call_t *call)
{
    return call->window->row_cnt;
}

const void *tm_window_call_next(const tm_window_call_t *call, const void *row)
{
    tm_ref_t next = call->window->first;
    if (row) next = ((const window_row_t *)row - 1)->next;
    return next ? tm_window_row_bytes(tm_window_row(call->g, next)) : NULL;
}

static tm_row_t head_of(const tm_window_general_t *g, const window_record_t *w)
{
    return (tm_row_t){.event_ns = tm_window_max(g, w), .recv_ns = g->recv_ns};
}

static void call_end(tm_window_call_t *call)
{
    if (!call->begun) return;
    call->begun = false;
    tm_window_count(&call->g->counters.fired, 1);
    tm_window_out_commit(&call->g->out);
}

void tm_window_call_begin(tm_window_call_t *call)
{
    tm_window_general_t *g = call->g;
    call_end(call);
    call->begun = true;
    memset(tm_window_out_row(&g->out), 0, g->out.stride);
    tm_window_out_head(&g->out, call->window->key,
                       (tm_range_t){call->window->start, call->window->end},
                       head_of(g, call->window));
}

static uint8_t *field_of(tm_window_call_t *call, uint32_t field_idx)
{
    TM_CHECK(call->begun && field_idx < call->g->what.field_cnt, "window function: field %u",
             field_idx);
    return tm_window_out_row(&call->g->out) + call->g->fields[field_idx].off;
}

void tm_window_call_int64(tm_window_call_t *call, uint32_t field_idx, int64_t value)
{
    memcpy(field_of(call, field_idx), &value, sizeof value);
}

void tm_window_call_double(tm_window_call_t *call, uint32_t field_idx, double value)
{
    memcpy(field_of(call, field_idx), &value, sizeof value);
}

/* ---- results --------------------------------------------------------------------------------- */

static void emit_aggregates(tm_window_general_t *g, const window_record_t *w, const void *acc)
{
    if (!tm_agg_write(&g->agg, acc, tm_window_out_row(&g->out))) {
        tm_window_count(&g->counters.overflow, 1);
        return;
    }
    tm_window_out_head(&g->out, w->key, (tm_range_t){w->start, w->end}, head_of(g, w));
    tm_window_out_commit(&g->out);
    tm_window_count(&g->counters.fired, 1);
}

static void emit_reduced(tm_window_general_t *g, const window_record_t *w, const void *row)
{
    uint8_t *out = tm_window_out_row(&g->out);
    memcpy(out, row, g->row_sz);
    tm_row_t *head = (tm_row_t *)(void *)out;
    head->schema_id = g->out.id;
    head->event_ns = tm_window_max(g, w);
    tm_window_out_commit(&g->out);
    tm_window_count(&g->counters.fired, 1);
}

static void emit_user(tm_window_general_t *g, const window_record_t *w, const void *acc)
{
    tm_window_call_t call = {.g = g, .window = w};
    tm_window_call_begin(&call);
    g->what.user->result(g->what.ctx, &call, acc);
    call_end(&call);
}

/* The accumulator of the rows kept, made in scratch memory. */
static const void *sum_rows(tm_window_general_t *g, const window_record_t *w)
{
    void *acc = g->scratch;
    bool first = true;
    if (g->mode == TM_WINDOW_AGGREGATES) tm_agg_init(&g->agg, acc);
    if (g->mode == TM_WINDOW_USER) g->what.user->init(g->what.ctx, acc);
    for (tm_ref_t at = w->first; at; at = tm_window_row(g, at)->next) {
        const void *row = tm_window_row_bytes(tm_window_row(g, at));
        if (g->mode == TM_WINDOW_AGGREGATES)
            tm_agg_add(&g->agg, &acc, row, 1, g->row_sz);
        else if (g->mode == TM_WINDOW_USER)
            g->what.user->add(g->what.ctx, acc, row);
        else if (first)
            memcpy(acc, row, g->row_sz);
        else
            g->what.reduce(g->what.ctx, acc, row);
        first = false;
    }
    return acc;
}

static void emit(tm_window_general_t *g, window_record_t *w)
{
    if (g->mode == TM_WINDOW_PROCESSED) {
        tm_window_call_t call = {.g = g, .window = w};
        g->what.process(g->what.ctx, &call);
        call_end(&call);
        return;
    }
    const void *acc = g->keeps_rows ? sum_rows(g, w) : tm_window_acc(g, w);
    if (g->mode == TM_WINDOW_AGGREGATES) {
        emit_aggregates(g, w, acc);
        if (g->keeps_rows) tm_agg_clear(&g->agg, g->scratch);
    }
    if (g->mode == TM_WINDOW_REDUCED) emit_reduced(g, w, acc);
    if (g->mode == TM_WINDOW_USER) emit_user(g, w, acc);
}

void tm_window_fire(tm_window_general_t *g, tm_ref_t ref)
{
    window_record_t *w = tm_window_edit(g, ref);
    if (w->row_cnt == 0) return;
    tm_window_batch_flush(g);
    if (g->keeps_rows) g->served += w->row_cnt < ROWS_MAX ? (uint32_t)w->row_cnt : ROWS_MAX;
    bool after = g->what.evictor.after;
    if (!after) evict(g, w);
    if (w->row_cnt > 0) emit(g, w);
    if (after) evict(g, w);
}
