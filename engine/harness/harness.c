#include "base/error.h"
#include "base/schema.h"
#include "engine/harness/harness_graph.h"
#include "engine/harness/harness_keep.h"
#include "engine/operators/watermark.h"
#include "engine/operators/window/window.h"
#include "engine/tidemark.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { STATE_SZ = 64 << 20 };

struct tm_harness {
    tm_schema_t in, out;
    tm_operator_t *op; /* NULL = none */
    tm_harness_graph_t *graph;
    tm_valve_t *valve;
    tm_watermark_bounded_t bounded;
    tm_harness_pages_t pages;
    tm_counter_set_t *counters;
    void *op_mem, *valve_mem;
    tm_harness_spec_t spec;
    tm_windowing_t window; /* the spec's */

    /* What came out: events, whose rows lie in `bytes` until they are read. */
    tm_harness_event_t *events;
    size_t event_cnt, event_max, read_cnt;
    uint8_t *bytes;
    size_t byte_cnt, byte_max;
};

/* Room for one more; a harness without memory is of no use to anybody. */
static void *grown(void *list, size_t need, size_t *max, size_t sz)
{
    if (need <= *max) return list;
    *max = 2 * need;
    list = realloc(list, *max * sz);
    if (!list) abort();
    return list;
}

/* The place of a row's bytes is kept as an offset while more may come. */
static void event_add(tm_harness_t *h, tm_harness_kind_t kind, int64_t time_ns, const void *row,
                      size_t row_sz)
{
    h->events = grown(h->events, h->event_cnt + 1, &h->event_max, sizeof *h->events);
    h->events[h->event_cnt++] = (tm_harness_event_t){
        .kind = kind, .time_ns = time_ns, .row = (void *)h->byte_cnt};
    if (!row) return;
    h->bytes = grown(h->bytes, h->byte_cnt + row_sz, &h->byte_max, 1);
    memcpy(h->bytes + h->byte_cnt, row, row_sz);
    h->byte_cnt += tm_align_up(row_sz, 16);
}

static void rows_add(tm_harness_t *h, tm_harness_kind_t kind, const void *rows, uint32_t cnt,
                     uint32_t stride)
{
    size_t row_sz = kind == TM_HARNESS_LATE ? h->in.row_sz : h->out.row_sz;
    for (uint32_t i = 0; i < cnt; i++) {
        const tm_row_t *row = (const void *)((const uint8_t *)rows + (size_t)i * stride);
        event_add(h, kind, row->event_ns, row, row_sz);
    }
}

static void on_rows(void *ctx, const void *rows, uint32_t cnt, uint32_t stride)
{
    rows_add(ctx, TM_HARNESS_ROW, rows, cnt, stride);
}

static void on_late(void *ctx, const void *rows, uint32_t cnt, uint32_t stride)
{
    rows_add(ctx, TM_HARNESS_LATE, rows, cnt, stride);
}

static void on_watermark(void *ctx, int64_t wm_ns)
{
    event_add(ctx, TM_HARNESS_WATERMARK, wm_ns, NULL, 0);
}

const tm_harness_event_t *tm_harness_next(tm_harness_t *harness)
{
    if (harness->read_cnt == harness->event_cnt) {
        harness->read_cnt = harness->event_cnt = harness->byte_cnt = 0;
        return NULL;
    }
    tm_harness_event_t *event = &harness->events[harness->read_cnt++];
    bool has_row = event->kind == TM_HARNESS_ROW || event->kind == TM_HARNESS_LATE;
    event->row = has_row ? harness->bytes + (size_t)event->row : NULL;
    return event;
}

/* ---- opening --------------------------------------------------------------------------------- */

static int pages_open(tm_harness_t *h)
{
    return tm_harness_pages_open(&h->pages, h->spec.state_sz ? h->spec.state_sz : STATE_SZ);
}

static int graph_open(tm_harness_t *h, const tm_harness_spec_t *spec)
{
    const tm_harness_graph_cfg_t cfg = {.rows = spec->type,
                                        .build = spec->build,
                                        .ctx = spec->ctx,
                                        .out = {on_rows, on_watermark, h},
                                        .late = {on_late, NULL, h},
                                        .pages = &h->pages.arena,
                                        .counters = h->counters};
    TM_TRY(pages_open(h));
    TM_TRY(tm_harness_graph_open(&h->graph, &cfg));
    h->in = *tm_harness_graph_in(h->graph);
    h->out = *tm_harness_graph_out(h->graph);
    tm_harness_graph_clock(h->graph, 0);
    return 0;
}

/* Memory and pages are there after the first time. */
static int operator_open(tm_harness_t *h)
{
    const tm_harness_spec_t *spec = &h->spec;
    tm_window_cfg_t cfg = {.what = h->window,
                           .in = &h->in,
                           .out_name = "results",
                           .out_id = TM_SCHEMA_ID_USER,
                           .unsliced = spec->unsliced,
                           .out = {on_rows, on_watermark, h},
                           .late = {on_late, NULL, h},
                           .pages = &h->pages.arena,
                           .counters = h->counters};
    for (uint32_t i = 0; spec->key && spec->key[i] && i < TM_KEY_FIELD_MAX; i++)
        cfg.key_fields[i] = spec->key[i];
    TM_TRY(tm_window_schema_build(&cfg, &h->out));
    if (!h->pages.mem) TM_TRY(pages_open(h));
    if (!h->op_mem)
        h->op_mem = aligned_alloc(TM_CACHE_LINE,
                                  tm_align_up(tm_window_footprint(&cfg), TM_CACHE_LINE));
    if (!h->op_mem) return tm_error_set(-ENOMEM, "harness: out of memory");
    h->op = tm_window_init(h->op_mem, &cfg);
    return 0;
}

static int parts_open(tm_harness_t *h, const tm_harness_spec_t *spec)
{
    uint32_t input_cnt = spec->input_cnt ? spec->input_cnt : 1;
    size_t sz = tm_align_up(tm_valve_footprint(input_cnt), TM_CACHE_LINE);
    if (sz == 0) return tm_error_set(-EINVAL, "harness: %u inputs", input_cnt);
    h->valve_mem = aligned_alloc(TM_CACHE_LINE, sz);
    h->counters = tm_counter_set_new("harness");
    if (!h->valve_mem || !h->counters) return tm_error_set(-ENOMEM, "harness: out of memory");
    h->valve = tm_valve_init(h->valve_mem, input_cnt);
    TM_TRY(tm_watermark_bounded_init(&h->bounded, spec->bound_ns));
    if (spec->rows) h->in = h->out = *spec->rows;
    h->spec = *spec;
    if (spec->build) return graph_open(h, spec);
    if (!spec->window) return 0;
    h->window = *spec->window;
    TM_TRY(operator_open(h));
    tm_operator_time(h->op, 0);
    return 0;
}

int tm_harness_open(tm_harness_t **harness, const tm_harness_spec_t *spec)
{
    *harness = NULL;
    tm_harness_t *h = calloc(1, sizeof *h);
    if (!h) return tm_error_set(-ENOMEM, "harness: out of memory");
    int err = parts_open(h, spec);
    if (err < 0)
        tm_harness_close(h);
    else
        *harness = h;
    return err;
}

void tm_harness_close(tm_harness_t *harness)
{
    if (!harness) return;
    tm_harness_graph_close(harness->graph);
    tm_operator_fini(harness->op);
    if (harness->counters) tm_counter_set_free(harness->counters);
    free(harness->op_mem);
    tm_harness_pages_close(&harness->pages);
    free(harness->valve_mem);
    free(harness->events);
    free(harness->bytes);
    free(harness);
}

static int operator_restart(tm_harness_t *h)
{
    tm_harness_blob_t blob = {0};
    int err = tm_harness_blob_save(&blob, h->op);
    if (err == 0) err = tm_harness_pages_keep(&h->pages);
    tm_operator_fini(h->op);
    h->op = NULL;
    if (err == 0) err = tm_harness_pages_move(&h->pages);
    if (err == 0) err = operator_open(h);
    if (err == 0) err = tm_harness_blob_restore(&blob, h->op);
    free(blob.bytes);
    return err;
}

static int graph_restart(tm_harness_t *h)
{
    TM_TRY(tm_harness_graph_save(h->graph));
    TM_TRY(tm_harness_pages_keep(&h->pages));
    tm_harness_graph_end(h->graph);
    TM_TRY(tm_harness_pages_move(&h->pages));
    return tm_harness_graph_begin(h->graph, h->counters);
}

int tm_harness_restart(tm_harness_t *harness)
{
    if (!harness->graph && !harness->op) return 0;
    tm_counter_set_t *old = harness->counters;
    harness->counters = tm_counter_set_new("harness");
    if (!harness->counters) {
        harness->counters = old;
        return tm_error_set(-ENOMEM, "harness: out of memory");
    }
    int err = harness->graph ? graph_restart(harness) : operator_restart(harness);
    tm_counter_set_free(old);
    /* What restoring wrote is kept already, so that the next restart sees what was written
       later. */
    if (err == 0) err = tm_harness_pages_keep(&harness->pages);
    return err;
}

const char *tm_harness_error(void)
{
    return tm_error_text();
}

/* ---- driving --------------------------------------------------------------------------------- */

/* Does all that is due. */
static void settle(tm_harness_t *h)
{
    while (h->op && tm_operator_work(h->op) > 0) {
    }
}

void tm_harness_rows(tm_harness_t *harness, const void *rows, uint32_t cnt, uint32_t stride)
{
    tm_watermark_bounded_rows(&harness->bounded, rows, cnt, stride);
    if (harness->graph)
        tm_harness_graph_rows(harness->graph, rows, cnt, stride);
    else if (harness->op)
        tm_operator_rows(harness->op, rows, cnt, stride);
    else
        on_rows(harness, rows, cnt, stride);
    settle(harness);
}

void tm_harness_row(tm_harness_t *harness, const void *row)
{
    tm_harness_rows(harness, row, 1, harness->in.row_sz);
}

static void valve_apply(tm_harness_t *h, uint32_t changed)
{
    if ((changed & TM_VALVE_ACTIVE) != 0) event_add(h, TM_HARNESS_ACTIVE, 0, NULL, 0);
    if ((changed & TM_VALVE_WATERMARK) != 0) {
        int64_t wm = tm_valve_now(h->valve);
        if (h->graph)
            tm_harness_graph_watermark(h->graph, wm);
        else if (h->op)
            tm_operator_watermark(h->op, wm);
        else
            on_watermark(h, wm);
        settle(h);
    }
    if ((changed & TM_VALVE_IDLE) != 0) event_add(h, TM_HARNESS_IDLE, 0, NULL, 0);
}

void tm_harness_watermark(tm_harness_t *harness, uint32_t input, int64_t time_ns)
{
    valve_apply(harness, tm_valve_watermark(harness->valve, input, time_ns));
}

void tm_harness_idle(tm_harness_t *harness, uint32_t input)
{
    valve_apply(harness, tm_valve_idle(harness->valve, input));
}

void tm_harness_active(tm_harness_t *harness, uint32_t input)
{
    valve_apply(harness, tm_valve_active(harness->valve, input));
}

int64_t tm_harness_emit_watermark(tm_harness_t *harness)
{
    int64_t wm = tm_watermark_bounded_now(&harness->bounded);
    if (wm != TM_TIME_NONE) tm_harness_watermark(harness, 0, wm);
    return wm;
}

void tm_harness_clock(tm_harness_t *harness, int64_t now_ns)
{
    if (harness->graph) tm_harness_graph_clock(harness->graph, now_ns);
    if (!harness->op) return;
    tm_operator_time(harness->op, now_ns);
    settle(harness);
}

/* ---- reading --------------------------------------------------------------------------------- */

const tm_schema_t *tm_harness_rows_out(const tm_harness_t *harness)
{
    return &harness->out;
}

/* The bytes of a field; NULL where there is none or it is null. */
static const uint8_t *field_at(const tm_harness_t *h, const void *row, const char *name,
                               const tm_field_t **field)
{
    int at = tm_schema_find(&h->out, name);
    if (at < 0) return NULL;
    *field = &h->out.fields[at];
    const uint8_t *bytes = row;
    if ((*field)->nullable) {
        uint64_t nulls;
        memcpy(&nulls, bytes + h->out.null_off, sizeof nulls);
        if ((nulls >> (*field)->null_bit & 1) != 0) return NULL;
    }
    return bytes + (*field)->off;
}

bool tm_harness_int64(const tm_harness_t *harness, const void *row, const char *field,
                      int64_t *value)
{
    const tm_field_t *f;
    const uint8_t *at = field_at(harness, row, field, &f);
    if (!at || f->type == TM_TYPE_F64) return false;
    tm_i128_t wide = 0;
    memcpy(&wide, at, tm_type_sz(f->type));
    if (f->type == TM_TYPE_I32) wide = (int32_t)wide;
    if (f->type == TM_TYPE_I64 || f->type == TM_TYPE_DECIMAL64 || f->type == TM_TYPE_TIME_NS)
        wide = (int64_t)wide;
    if (wide > INT64_MAX || wide < INT64_MIN) return false;
    *value = (int64_t)wide;
    return true;
}

bool tm_harness_double(const tm_harness_t *harness, const void *row, const char *field,
                       double *value)
{
    const tm_field_t *f;
    const uint8_t *at = field_at(harness, row, field, &f);
    if (!at || f->type != TM_TYPE_F64) return false;
    memcpy(value, at, sizeof *value);
    return true;
}

uint64_t tm_harness_counter(const tm_harness_t *harness, const char *name)
{
    return tm_counter_read(tm_counter_get(harness->counters, name));
}
