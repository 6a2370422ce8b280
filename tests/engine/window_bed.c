#include "tests/engine/window_bed.h"

#include "base/error.h"
#include "tests/tm_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void keep(uint8_t **list, size_t *cnt, size_t *cap, const void *row, size_t sz)
{
    if (*cnt == *cap) {
        *cap = *cap ? 2 * *cap : 256;
        *list = realloc(*list, *cap * sz);
        tm_assert(*list != NULL);
    }
    memcpy(*list + (*cnt)++ * sz, row, sz);
}

static void on_result(void *ctx, const void *rows, uint32_t cnt, uint32_t stride)
{
    bed_t *bed = ctx;
    for (uint32_t i = 0; i < cnt; i++)
        keep(&bed->rows, &bed->row_cnt, &bed->row_cap, (const uint8_t *)rows + (size_t)i * stride,
             bed->schema.row_sz);
}

static void on_late(void *ctx, const void *rows, uint32_t cnt, uint32_t stride)
{
    bed_t *bed = ctx;
    for (uint32_t i = 0; i < cnt; i++)
        keep(&bed->late, &bed->late_cnt, &bed->late_cap, (const uint8_t *)rows + (size_t)i * stride,
             bed->in_sz);
}

static void on_wm(void *ctx, int64_t wm)
{
    bed_t *bed = ctx;
    tm_assert(wm > bed->wm || bed->wm_cnt == 0);
    bed->wm = wm;
    bed->wm_cnt++;
}

void bed_open(bed_t *bed, tm_window_cfg_t *cfg, uint32_t page_cnt, bool side)
{
    *bed = (bed_t){.in_sz = cfg->in->row_sz, .wm = TM_TIME_NONE};
    bed->page_mem = aligned_alloc(TM_CACHE_LINE,
                                  tm_align_up(tm_page_arena_footprint(page_cnt), TM_CACHE_LINE));
    tm_page_arena_init(&bed->pages, bed->page_mem, page_cnt);
    bed->counters = tm_counter_set_new("test");
    cfg->pages = &bed->pages;
    cfg->counters = bed->counters;
    cfg->out = (tm_emitter_t){on_result, on_wm, bed};
    if (side) cfg->late = (tm_emitter_t){on_late, NULL, bed};
    size_t sz = tm_window_footprint(cfg);
    if (!sz) printf("# %s\n", tm_error_text());
    tm_assert(sz > 0);
    tm_assert_eq(tm_window_schema_build(cfg, &bed->schema), 0);
    bed->op_mem = aligned_alloc(TM_CACHE_LINE, tm_align_up(sz, TM_CACHE_LINE));
    bed->op = tm_window_init(bed->op_mem, cfg);
}

void bed_close(bed_t *bed)
{
    tm_operator_fini(bed->op);
    tm_assert_eq(bed->pages.used_cnt, 0u);
    tm_counter_set_free(bed->counters);
    free(bed->op_mem);
    free(bed->page_mem);
    free(bed->rows);
    free(bed->late);
}

void bed_drain(bed_t *bed)
{
    while (tm_operator_work(bed->op) > 0) {
    }
}

uint64_t bed_counter(const bed_t *bed, const char *name)
{
    return tm_counter_read(tm_counter_get(bed->counters, name));
}

static const uint8_t *field_at(const bed_t *bed, size_t idx, const char *field, uint32_t *sz)
{
    int f = tm_schema_find(&bed->schema, field);
    tm_assert(f >= 0 && idx < bed->row_cnt);
    *sz = tm_type_sz(bed->schema.fields[f].type);
    return bed->rows + idx * bed->schema.row_sz + bed->schema.fields[f].off;
}

int64_t bed_int(const bed_t *bed, size_t idx, const char *field)
{
    uint32_t sz;
    int64_t v = 0;
    const uint8_t *at = field_at(bed, idx, field, &sz);
    tm_assert(sz <= sizeof v);
    memcpy(&v, at, sz);
    return v;
}

tm_i128_t bed_wide(const bed_t *bed, size_t idx, const char *field)
{
    uint32_t sz;
    tm_i128_t v;
    const uint8_t *at = field_at(bed, idx, field, &sz);
    tm_assert(sz == sizeof v);
    memcpy(&v, at, sizeof v);
    return v;
}

uint64_t bed_random(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}
