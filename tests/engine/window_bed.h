/* tests/engine/window_bed.h - a window operator on a test bench: rows in, everything that comes out
   kept.
   Memory   one arena of pages a bed; bed_close checks that every page came back */
#ifndef TM_TESTS_WINDOW_BED_H
#define TM_TESTS_WINDOW_BED_H

#include "engine/operators/window/window.h"
#include "engine/operators/window/window_assign.h"

typedef struct bed {
    tm_operator_t *op;
    tm_schema_t schema; /* of results */
    tm_page_arena_t pages;
    tm_counter_set_t *counters;
    void *op_mem, *page_mem;

    uint8_t *rows; /* results, schema.row_sz apart */
    size_t row_cnt, row_cap;
    uint8_t *late; /* side output, in_sz apart */
    size_t late_cnt, late_cap, in_sz;
    int64_t wm; /* last watermark handed on */
    size_t wm_cnt;
} bed_t;

/* Sets pages, counters and emitters of cfg. side: late rows are kept too. */
void bed_open(bed_t *bed, tm_window_cfg_t *cfg, uint32_t page_cnt, bool side);
void bed_close(bed_t *bed);

/* Until nothing is due. */
void bed_drain(bed_t *bed);

uint64_t bed_counter(const bed_t *bed, const char *name);

/* A field of result row idx. */
int64_t bed_int(const bed_t *bed, size_t idx, const char *field);
tm_i128_t bed_wide(const bed_t *bed, size_t idx, const char *field);

uint64_t bed_random(uint64_t *state);

#endif
