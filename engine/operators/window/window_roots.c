#include "engine/operators/window/window_roots.h"

#include "base/error.h"

#include <inttypes.h>
#include <string.h>

enum {
    MARK_FORMAT,
    MARK_SLICED,
    MARK_KIND,
    MARK_TIME,
    MARK_SIZE,
    MARK_SLIDE,
    MARK_OFFSET,
    MARK_STAGGER,
    MARK_GAP_FIELD,
    MARK_MODE,
    MARK_KEEPS_ROWS,
    MARK_ROW_SZ,
    MARK_KEY_SZ,
    MARK_ACC_SZ,
    MARK_AGGS,
    MARK_TRIGGER,
    MARK_TRIGGER_STATE,
    MARK_EVICTOR,
    MARK_USED, /* how many there are */
};
#define FNV_PRIME UINT64_C(0x100000001b3)

static_assert(MARK_USED <= (int)TM_WINDOW_MARK_CNT, "a mark has room for them");

static const char *const names[] = {
    [MARK_FORMAT] = "format",
    [MARK_SLICED] = "use of slices",
    [MARK_KIND] = "kind of window",
    [MARK_TIME] = "time domain",
    [MARK_SIZE] = "size_ns",
    [MARK_SLIDE] = "slide_ns",
    [MARK_OFFSET] = "offset_ns",
    [MARK_STAGGER] = "stagger",
    [MARK_GAP_FIELD] = "gap taken from a field",
    [MARK_MODE] = "kind of result",
    [MARK_KEEPS_ROWS] = "keeping of rows",
    [MARK_ROW_SZ] = "bytes of a row",
    [MARK_KEY_SZ] = "bytes of the key",
    [MARK_ACC_SZ] = "bytes of an accumulator",
    [MARK_AGGS] = "list of aggregates",
    [MARK_TRIGGER] = "kind of trigger",
    [MARK_TRIGGER_STATE] = "bytes of the trigger's state",
    [MARK_EVICTOR] = "kind of evictor",
};

void tm_window_counters_open(window_counters_t *counters, tm_counter_set_t *set)
{
    *counters = (window_counters_t){
        .rows.shared = tm_counter_get(set, "window_rows"),
        .late.shared = tm_counter_get(set, "window_late"),
        .no_time.shared = tm_counter_get(set, "window_no_time"),
        .time_range.shared = tm_counter_get(set, "window_time_range"),
        .gap.shared = tm_counter_get(set, "window_gap"),
        .bad_gap.shared = tm_counter_get(set, "window_bad_gap"),
        .full.shared = tm_counter_get(set, "window_full"),
        .fired.shared = tm_counter_get(set, "window_fired"),
        .refired.shared = tm_counter_get(set, "window_refired"),
        .overflow.shared = tm_counter_get(set, "agg_overflow"),
    };
}

/* All members of the struct are tallies. */
static window_tally_t *tally_at(window_counters_t *counters, uint32_t i)
{
    return (window_tally_t *)(void *)((uint8_t *)counters + i * sizeof(window_tally_t));
}

void tm_window_counters_save(const window_counters_t *counters,
                             uint64_t values[TM_WINDOW_TALLY_CNT])
{
    window_counters_t copy = *counters;
    for (uint32_t i = 0; i < TM_WINDOW_TALLY_CNT; i++) values[i] = tally_at(&copy, i)->own;
}

void tm_window_counters_restore(window_counters_t *counters,
                                const uint64_t values[TM_WINDOW_TALLY_CNT])
{
    for (uint32_t i = 0; i < TM_WINDOW_TALLY_CNT; i++)
        tm_window_count(tally_at(counters, i), values[i]);
}

static uint64_t text_mix(uint64_t h, const char *text)
{
    for (; text && *text; text++) h = (h ^ (uint8_t)*text) * FNV_PRIME;
    return (h ^ UINT64_C(0xff)) * FNV_PRIME;
}

/* FNV-1a over what decides the meaning of accumulators: steps, and the names of the fields that
   they read. Where those lie in a row does not: rows may gain fields. */
uint64_t tm_window_agg_print(const tm_window_plan_t *plan)
{
    const tm_agg_t *agg = &plan->agg;
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (uint32_t i = 0; i < agg->step_cnt; i++) {
        const tm_agg_step_t *s = &agg->steps[i];
        const tm_agg_column_t *a = &agg->columns[s->col], *b = &agg->columns[s->col2];
        const uint32_t parts[] = {s->op,   s->acc_off, s->k,   s->descending,
                                  s->load, a->load,    b->load};
        for (size_t k = 0; k < sizeof parts / sizeof parts[0]; k++) h = (h ^ parts[k]) * FNV_PRIME;
    }
    for (size_t i = 0; i < plan->what.agg_cnt; i++)
        h = text_mix(text_mix(h, plan->what.aggs[i].field), plan->what.aggs[i].by);
    return h;
}

void tm_window_mark(tm_window_mark_t *mark, const tm_window_plan_t *plan, uint32_t row_sz)
{
    const tm_windowing_t *w = &plan->what;
    bool aggregates = plan->mode == TM_WINDOW_AGGREGATES;
    uint32_t acc_sz = aggregates ? plan->agg.acc_sz : w->user ? (uint32_t)w->user->acc_sz : 0;
    bool custom = w->trigger.kind == TM_TRIGGER_CUSTOM;
    *mark = (tm_window_mark_t){
        .values = {[MARK_FORMAT] = TM_WINDOW_LAYOUT,
                   [MARK_SLICED] = plan->sliced,
                   [MARK_KIND] = w->window.kind,
                   [MARK_TIME] = w->window.time,
                   [MARK_SIZE] = w->window.size_ns,
                   [MARK_SLIDE] = w->window.slide_ns,
                   [MARK_OFFSET] = w->window.offset_ns,
                   [MARK_STAGGER] = w->window.stagger,
                   [MARK_GAP_FIELD] = w->window.gap_field != NULL,
                   [MARK_MODE] = plan->mode,
                   [MARK_KEEPS_ROWS] = plan->keeps_rows,
                   [MARK_ROW_SZ] = row_sz,
                   [MARK_KEY_SZ] = plan->key.sz,
                   [MARK_ACC_SZ] = acc_sz,
                   [MARK_AGGS] = aggregates ? (int64_t)tm_window_agg_print(plan) : 0,
                   [MARK_TRIGGER] = w->trigger.kind,
                   [MARK_TRIGGER_STATE] = custom ? w->trigger.ops->state_sz : 0,
                   [MARK_EVICTOR] = w->evictor.kind}};
}

int tm_window_mark_check(const tm_window_mark_t *was, const tm_window_mark_t *is)
{
    for (int i = 0; i < MARK_USED; i++) {
        if (was->values[i] == is->values[i]) continue;
        if (i == MARK_AGGS)
            return tm_error_set(TM_E_CONFIG, "window: its %s is not the one it was", names[i]);
        return tm_error_set(TM_E_CONFIG, "window: its %s was %" PRId64 " and now is %" PRId64,
                            names[i], was->values[i], is->values[i]);
    }
    return 0;
}
