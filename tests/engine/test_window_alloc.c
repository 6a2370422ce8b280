/* Windows that are warm allocate nothing. */
#include "tests/engine/alloc_count.h"
#include "tests/engine/window_bed.h"
#include "tests/tm_test.h"

#include <stdlib.h>

static const tm_agg_spec_t aggs[] = {{"n", TM_AGG_COUNT, NULL, NULL},
                                     {"volume", TM_AGG_SUM, "qty", NULL},
                                     {"high", TM_AGG_MAX, "price", NULL},
                                     {"last", TM_AGG_LAST, "price", "trade_id"}};

static void discard(void *ctx, const void *rows, uint32_t cnt, uint32_t stride)
{
    (void)rows;
    (void)stride;
    *(uint64_t *)ctx += cnt;
}

Test(window_alloc, rows_watermarks_and_firing_allocate_nothing)
{
    static const tm_window_kind_t kinds[] = {TM_WINDOW_TUMBLING, TM_WINDOW_SLIDING,
                                             TM_WINDOW_CUMULATIVE, TM_WINDOW_SESSION};
    for (size_t k = 0; k < TM_ARRAY_CNT(kinds); k++) {
        bed_t bed;
        uint64_t results = 0, late = 0, rng = 3;
        tm_window_cfg_t cfg = {
            .what.window = {.kind = kinds[k],
                            .size_ns = 1000,
                            .slide_ns = 100,
                            .lateness_ns = 500,
                            .gap_ns = 40},
            /* Sessions keep their rows as well, and drop some of them. */
            .what.evictor = {.kind = kinds[k] == TM_WINDOW_SESSION ? TM_EVICT_COUNT : TM_EVICT_NONE,
                             .count = 3},
            .in = tm_schema_trade(),
            .key_fields = {"symbol"},
            .what.aggs = aggs,
            .what.agg_cnt = TM_ARRAY_CNT(aggs),
            .out_name = "out",
            .out_id = TM_SCHEMA_ID_USER};
        bed_open(&bed, &cfg, 3000, false);
        tm_operator_fini(bed.op);
        cfg.out = (tm_emitter_t){discard, NULL, &results}; /* the bed's own lists grow */
        cfg.late = (tm_emitter_t){discard, NULL, &late};
        bed.op = tm_window_init(bed.op_mem, &cfg);

        uint64_t before = alloc_count();
        tm_assert(before > 0);
        for (int64_t t = 0; t < 20000; t++) {
            tm_trade_t row = {.row = {.symbol = (uint32_t)(bed_random(&rng) % 500),
                                      .event_ns = t - (int64_t)(bed_random(&rng) % 2500)}};
            tm_operator_rows(bed.op, &row, 1, sizeof row);
            if (t % 50 == 0) tm_operator_watermark(bed.op, t - 300);
            tm_operator_work(bed.op);
        }
        uint64_t after = alloc_count();
        tm_assert_eq(after - before, 0u);
        tm_assert(results > 1000);
        tm_assert(late > 100);
        bed_close(&bed);
    }
}
