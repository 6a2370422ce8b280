#include "engine/operators/watermark.h"
#include "tests/tm_json.h"
#include "tests/tm_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static tm_valve_t *valve_new(uint32_t inputs)
{
    size_t sz = tm_valve_footprint(inputs);
    tm_assert(sz > 0);
    return tm_valve_init(aligned_alloc(TM_CACHE_LINE, sz), inputs);
}

/* What a step put out, compared with its "expect". */
static bool step_holds(const tm_json_t *step, uint32_t what, int64_t wm)
{
    const tm_json_t *expect = tm_json_get(step, "expect");
    size_t n = 0;
    if (what & TM_VALVE_WATERMARK) {
        const tm_json_t *e = tm_json_at(expect, n++);
        if (!e || e->type != TM_JSON_INT || e->number != wm) return false;
    }
    if (what & (TM_VALVE_IDLE | TM_VALVE_ACTIVE)) {
        const tm_json_t *e = tm_json_at(expect, n++);
        const char *text = what & TM_VALVE_IDLE ? "IDLE" : "ACTIVE";
        if (!e || e->type != TM_JSON_STRING || strcmp(e->text, text) != 0) return false;
    }
    return n == tm_json_cnt(expect);
}

Test(valve, does_what_the_vectors_say)
{
    const char *path = tm_json_shared("vectors/05_watermarks.json");
    if (!path) tm_skip("shared vectors are not here");
    tm_json_t *doc = tm_json_load(path);
    tm_assert(doc != NULL);
    uint32_t cases = 0;
    for (const tm_json_t *c = tm_json_at(tm_json_get(doc, "valve"), 0); c; c = c->next, cases++) {
        tm_valve_t *valve = valve_new((uint32_t)tm_json_int(c, "channels", 0));
        for (const tm_json_t *s = tm_json_at(tm_json_get(c, "steps"), 0); s; s = s->next) {
            const char *op = tm_json_text(s, "op", "");
            uint32_t input = (uint32_t)tm_json_int(s, "channel", 0), what = 0;
            bool known = true;
            if (strcmp(op, "watermark") == 0)
                what = tm_valve_watermark(valve, input, tm_json_int(s, "ts", 0));
            else if (strcmp(op, "idle") == 0)
                what = tm_valve_idle(valve, input);
            else if (strcmp(op, "active") == 0)
                what = tm_valve_active(valve, input);
            else
                known = false;
            tm_assert(known);
            if (!step_holds(s, what, tm_valve_now(valve)))
                printf("# case %s, %s %u\n", tm_json_text(c, "case", ""), op, input);
            tm_assert(step_holds(s, what, tm_valve_now(valve)));
        }
        free(valve);
    }
    tm_assert(cases >= 9);
    tm_json_free(doc);
}

Test(watermark, bounded_disorder_does_what_the_vectors_say)
{
    const char *path = tm_json_shared("vectors/05_watermarks.json");
    if (!path) tm_skip("shared vectors are not here");
    tm_json_t *doc = tm_json_load(path);
    tm_assert(doc != NULL);
    uint32_t cases = 0;
    const tm_json_t *c = tm_json_at(tm_json_get(doc, "bounded_out_of_orderness"), 0);
    for (; c; c = c->next, cases++) {
        tm_watermark_bounded_t gen;
        tm_assert_eq(tm_watermark_bounded_init(&gen, tm_json_int(c, "bound", -1)), 0);
        for (const tm_json_t *e = tm_json_at(tm_json_get(c, "events"), 0); e; e = e->next) {
            tm_row_t row = {.event_ns = e->number};
            tm_watermark_bounded_rows(&gen, &row, 1, sizeof row);
        }
        tm_assert_eq(tm_watermark_bounded_now(&gen), tm_json_int(c, "periodic_emit", 0));
    }
    tm_assert(cases >= 3);
    tm_json_free(doc);
}

Test(watermark, trails_the_largest_time_and_never_wraps)
{
    tm_watermark_bounded_t gen;
    tm_assert(tm_watermark_bounded_init(&gen, -1) < 0);
    tm_assert_eq(tm_watermark_bounded_init(&gen, 1000), 0);
    tm_watermark_bounded_see(&gen, TM_TIME_NONE);
    tm_assert_eq(tm_watermark_bounded_now(&gen), TM_TIME_NONE);
    tm_watermark_bounded_see(&gen, INT64_MIN + 1000);
    tm_assert_eq(tm_watermark_bounded_now(&gen), TM_TIME_NONE);
    tm_watermark_bounded_see(&gen, INT64_MIN + 1005);
    tm_assert_eq(tm_watermark_bounded_now(&gen), INT64_MIN + 4);
    tm_watermark_bounded_see(&gen, 5000);
    tm_watermark_bounded_see(&gen, 4000);
    tm_assert_eq(tm_watermark_bounded_now(&gen), 3999);
    tm_watermark_bounded_see(&gen, INT64_MAX);
    tm_assert_eq(tm_watermark_bounded_now(&gen), INT64_MAX - 1001);
}

Test(valve, names_the_input_that_holds_it_back)
{
    tm_valve_t *valve = valve_new(3);
    tm_valve_watermark(valve, 0, 30);
    tm_valve_watermark(valve, 1, 10);
    tm_valve_watermark(valve, 2, 20);
    tm_assert_eq(tm_valve_holder(valve), 1u);
    tm_valve_idle(valve, 1);
    tm_assert_eq(tm_valve_holder(valve), 2u);
    tm_valve_idle(valve, 0);
    tm_valve_idle(valve, 2);
    tm_assert_eq(tm_valve_holder(valve), UINT32_MAX);
    free(valve);
    tm_assert_eq(tm_valve_footprint(0), 0u);
    tm_assert_eq(tm_valve_footprint(TM_VALVE_INPUT_MAX + 1), 0u);
}

/* An input that is behind when it comes back must not pull the output back or hold it. */
Test(valve, an_input_that_lags_when_it_returns_does_not_count_until_it_has_caught_up)
{
    tm_valve_t *valve = valve_new(2);
    tm_valve_watermark(valve, 0, 5);
    tm_valve_watermark(valve, 1, 5);
    tm_valve_idle(valve, 1);
    tm_assert_eq(tm_valve_watermark(valve, 0, 50), (uint32_t)TM_VALVE_WATERMARK);
    tm_assert_eq(tm_valve_active(valve, 1), 0u);
    tm_assert_eq(tm_valve_watermark(valve, 1, 20), 0u);
    tm_assert_eq(tm_valve_watermark(valve, 0, 60), (uint32_t)TM_VALVE_WATERMARK);
    tm_assert_eq(tm_valve_now(valve), 60);
    tm_assert_eq(tm_valve_watermark(valve, 1, 60), 0u);
    tm_assert_eq(tm_valve_watermark(valve, 0, 80), 0u);
    tm_assert_eq(tm_valve_watermark(valve, 1, 70), (uint32_t)TM_VALVE_WATERMARK);
    tm_assert_eq(tm_valve_now(valve), 70);
    free(valve);
}

/* ---- inputs that have become others ---------------------------------------------------------- */

enum { SAVED_SZ = 1024, INPUTS = 3 };

/* A saved valve whose inputs have these watermarks: INT64_MAX has ended. idle: a bit each. */
static size_t saved_valve(uint8_t *bytes, const int64_t wm[INPUTS], uint32_t idle)
{
    static uint8_t mem[SAVED_SZ] __attribute__((aligned(64)));
    tm_assert(tm_valve_footprint(INPUTS) <= sizeof mem);
    tm_valve_t *valve = tm_valve_init(mem, INPUTS);
    for (uint32_t i = 0; i < INPUTS; i++) {
        tm_valve_watermark(valve, i, wm[i]);
        if (idle >> i & 1) tm_valve_idle(valve, i);
    }
    return tm_valve_save(valve, bytes, SAVED_SZ);
}

/* A valve of two producers, each of which may have any key of three old ones. */
static tm_valve_t *of_all(const int64_t wm[INPUTS], uint32_t idle)
{
    static uint8_t mem[SAVED_SZ] __attribute__((aligned(64)));
    uint8_t bytes[SAVED_SZ];
    const size_t sz = saved_valve(bytes, wm, idle);
    tm_valve_t *valve = tm_valve_init(mem, 2);
    for (uint32_t i = 0; i < 2; i++)
        for (uint32_t was = 0; was < INPUTS; was++)
            tm_assert(tm_valve_take(valve, i, bytes, sz, was));
    return valve;
}

Test(valve, of_other_producers_promises_what_all_of_them_did_and_no_more)
{
    tm_valve_t *v = of_all((const int64_t[]){50, 30, 40}, 0);
    tm_assert_eq(tm_valve_now(v), 30);
    tm_assert_eq(tm_valve_input(v, 0), 30);
    tm_assert_eq(tm_valve_watermark(v, 0, 60), 0u); /* the other one is still at 30 */
    tm_assert_eq(tm_valve_watermark(v, 1, 45), (uint32_t)TM_VALVE_WATERMARK);
    tm_assert_eq(tm_valve_now(v), 45);
}

Test(valve, of_other_producers_leaves_out_those_that_were_idle_or_had_ended)
{
    tm_valve_t *v = of_all((const int64_t[]){50, 30, 40}, 2);
    tm_assert_eq(tm_valve_now(v), 40);
    tm_assert_eq(tm_valve_input(v, 1), 40);
    tm_assert(tm_valve_is_active(v, 1));
    v = of_all((const int64_t[]){50, INT64_MAX, 40}, 0);
    tm_assert_eq(tm_valve_now(v), 40);
    tm_assert_eq(tm_valve_watermark(v, 0, INT64_MAX), 0u); /* ends, as the job says it again */
    tm_assert_eq(tm_valve_watermark(v, 1, INT64_MAX), (uint32_t)TM_VALVE_WATERMARK);
    tm_assert_eq(tm_valve_now(v), INT64_MAX);
    v = of_all((const int64_t[]){50, 30, 40}, 7);
    tm_assert_eq(tm_valve_holder(v), UINT32_MAX);
    tm_assert_eq(tm_valve_now(v), 50); /* nobody else can say more */
    tm_assert_eq(tm_valve_active(v, 0), (uint32_t)TM_VALVE_ACTIVE);
}

Test(valve, of_other_producers_takes_the_lowest_of_several_saved_ones)
{
    static uint8_t mem[SAVED_SZ] __attribute__((aligned(64)));
    uint8_t bytes[SAVED_SZ];
    tm_valve_t *v = tm_valve_init(mem, 1);
    static const int64_t wms[3][INPUTS] = {{9, 9, 9}, {5, 5, 5}, {7, 7, 7}};
    for (int i = 0; i < 3; i++) {
        const size_t sz = saved_valve(bytes, wms[i], 0);
        tm_assert(tm_valve_take(v, 0, bytes, sz, 0));
        tm_assert(!tm_valve_take(v, 0, bytes, sz, INPUTS));
        tm_assert(!tm_valve_take(v, 0, bytes, sz - 1, 0));
    }
    tm_assert_eq(tm_valve_now(v), 5);
    tm_assert_eq(tm_valve_watermark(v, 0, 6), (uint32_t)TM_VALVE_WATERMARK);
}
