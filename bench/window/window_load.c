#include "bench/window/window_load.h"

#include "base/check.h"

#include <stdlib.h>

enum { ZIPF_TABLE = 1 << 23 };

static uint32_t *zipf_keys;

const tm_agg_spec_t tm_load_bar[TM_LOAD_AGGS] = {
    {.as = "open", .fn = TM_AGG_FIRST, .field = "price", .by = "trade_id"},
    {.as = "high", .fn = TM_AGG_MAX, .field = "price"},
    {.as = "low", .fn = TM_AGG_MIN, .field = "price"},
    {.as = "close", .fn = TM_AGG_LAST, .field = "price", .by = "trade_id"},
    {.as = "volume", .fn = TM_AGG_SUM, .field = "qty"},
    {.as = "trades", .fn = TM_AGG_COUNT},
};

static uint64_t mix(uint64_t n)
{
    uint64_t z = 1 + (n + 1) * UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    return z ^ (z >> 31);
}

bool tm_load_zipf(uint32_t keys)
{
    double *upto = malloc(keys * sizeof *upto), sum = 0;
    if (!zipf_keys) zipf_keys = malloc(ZIPF_TABLE * sizeof *zipf_keys);
    if (!upto || !zipf_keys) {
        free(upto);
        return false;
    }
    for (uint32_t i = 0; i < keys; i++) upto[i] = sum += 1.0 / (double)(i + 1);
    for (uint32_t n = 0; n < ZIPF_TABLE; n++) {
        double at = (double)(mix(n) >> 11) * 0x1p-53 * sum;
        uint32_t low = 0, high = keys - 1;
        while (low < high) {
            uint32_t mid = low + (high - low) / 2;
            if (upto[mid] < at)
                low = mid + 1;
            else
                high = mid;
        }
        zipf_keys[n] = low;
    }
    free(upto);
    return true;
}

void tm_load_rows(tm_load_maker_t *maker, tm_trade_t *rows, uint32_t cnt)
{
    const tm_load_t *load = maker->load;
    for (uint32_t i = 0; i < cnt; i++) {
        uint64_t n = maker->seq++, r = mix(n);
        int64_t ms = 1000 + (int64_t)n * 1000 / load->rows_s - (int64_t)(r % 100);
        uint32_t key = load->zipf ? zipf_keys[r % ZIPF_TABLE]
                                  : (uint32_t)((r >> 32) * load->keys >> 32);
        rows[i].row = (tm_row_t){.symbol = key, .event_ns = ms * TM_NS_PER_MS};
        rows[i].trade_id = n;
        rows[i].price_e8 = (int64_t)(r & 0xffffff) + 5000000000000;
        rows[i].qty_e8 = (int64_t)(r >> 40);
    }
}

bool tm_load_pages(tm_page_arena_t *pages, tm_arena_t *arena)
{
    uint32_t cnt = (uint32_t)(arena->cap_sz / TM_PAGE_SZ);
    while (tm_page_arena_footprint(cnt) + (2 << 20) > arena->cap_sz) cnt -= 64;
    arena->used_sz = 0;
    void *mem = tm_arena_alloc(arena, tm_page_arena_footprint(cnt), 2 << 20);
    if (!mem) return false;
    tm_page_arena_init(pages, mem, cnt);
    return true;
}

static tm_window_cfg_t cfg_of(const tm_load_t *load)
{
    return (tm_window_cfg_t){
        .what = {.window = load->window, .aggs = tm_load_bar, .agg_cnt = TM_LOAD_AGGS},
        .in = tm_schema_trade(),
        .key_fields = {"symbol"},
        .out_name = "bars",
        .out_id = TM_SCHEMA_ID_USER};
}

bool tm_load_open(tm_load_op_t *to, const tm_load_t *load, tm_arena_t *arena, tm_emitter_t out)
{
    tm_window_cfg_t cfg = cfg_of(load);
    *to = (tm_load_op_t){.counters = tm_counter_set_new("bench")};
    cfg.pages = &to->pages;
    cfg.counters = to->counters;
    cfg.out = out;
    size_t sz = tm_align_up(tm_window_footprint(&cfg), TM_FALSE_SHARE);
    to->mem = aligned_alloc(TM_FALSE_SHARE, sz);
    if (!to->counters || !to->mem || !tm_load_pages(&to->pages, arena)) return false;
    to->op = tm_window_init(to->mem, &cfg);
    return true;
}

void tm_load_close(tm_load_op_t *of)
{
    TM_CHECK(tm_counter_read(tm_counter_get(of->counters, "window_full")) == 0,
             "no room: TM_BENCH_GIB");
    TM_CHECK(tm_counter_read(tm_counter_get(of->counters, "window_late")) == 0, "rows were late");
    tm_operator_fini(of->op);
    free(of->mem);
    tm_counter_set_free(of->counters);
}

static uint16_t off_of(const tm_schema_t *schema, const char *name)
{
    int at = tm_schema_find(schema, name);
    TM_CHECK(at >= 0, "%s", name);
    return schema->fields[at].off;
}

tm_load_fields_t tm_load_fields(const tm_load_t *load)
{
    tm_window_cfg_t cfg = cfg_of(load);
    tm_schema_t out;
    TM_CHECK(tm_window_schema_build(&cfg, &out) == 0, "%s", load->name);
    return (tm_load_fields_t){.open = off_of(&out, "open"),
                              .high = off_of(&out, "high"),
                              .low = off_of(&out, "low"),
                              .close = off_of(&out, "close"),
                              .volume = off_of(&out, "volume"),
                              .trades = off_of(&out, "trades"),
                              .end = off_of(&out, "window_end")};
}
