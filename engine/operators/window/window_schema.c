/* What windows keep, in lines for the schema of a checkpoint. Two windows of equal lines read each
   other's pages. */
#include "base/error.h"
#include "engine/operators/window/window_plan.h"
#include "engine/operators/window/window_roots.h"

#include <inttypes.h>

static void field_print(FILE *out, const tm_schema_t *rows, const char *name)
{
    char type[TM_TYPE_TEXT_MAX];
    int idx = name ? tm_schema_find(rows, name) : -1;
    if (idx < 0) return;
    tm_type_text(type, &rows->fields[idx]);
    fprintf(out, " %s %s", type, name);
}

static void agg_print(FILE *out, const tm_schema_t *rows, const tm_agg_spec_t *agg)
{
    fprintf(out, "  aggregate %s", tm_agg_name(agg->fn));
    field_print(out, rows, agg->field);
    if (agg->by) fputs(" by", out);
    field_print(out, rows, agg->by);
    if (agg->fn == TM_AGG_QUANTILE) fprintf(out, " at %g", agg->p);
    if (agg->k) fprintf(out, " of %u", agg->k);
    fprintf(out, " as %s\n", agg->as);
}

static void window_print(FILE *out, const tm_window_plan_t *plan)
{
    static const char *const kinds[] = {"tumbling", "sliding", "cumulative",
                                        "session",  "global",  "count"};
    static const char *const staggers[] = {"", " staggered at random", " staggered by first row"};
    const tm_window_spec_t *w = &plan->what.window;
    fprintf(out, "  window %s by %s, %s%s\n", kinds[w->kind],
            w->time == TM_EVENT_TIME ? "event time" : "the clock",
            plan->sliced ? "in slices" : "one by one", staggers[w->stagger]);
    if (w->size_ns) fprintf(out, "  size_ns %" PRId64 "\n", w->size_ns);
    if (w->slide_ns) fprintf(out, "  slide_ns %" PRId64 "\n", w->slide_ns);
    if (w->offset_ns) fprintf(out, "  offset_ns %" PRId64 "\n", w->offset_ns);
    if (w->kind == TM_WINDOW_SESSION)
        fprintf(out, "  gap of %s\n", w->gap_field ? "each row" : "all rows");
}

/* Fires and leaves out by what: their numbers may change, their kinds may not. */
static void rules_print(FILE *out, const tm_windowing_t *what)
{
    static const char *const triggers[] = {
        "default",          "event time", "clock", "count", "continuous event time",
        "continuous clock", "delta",      "never", "custom"};
    static const char *const evictors[] = {"none", "count", "time", "delta"};
    fprintf(out, "  trigger %s", triggers[what->trigger.kind]);
    if (what->trigger.kind == TM_TRIGGER_CUSTOM)
        fprintf(out, " of %u bytes", what->trigger.ops->state_sz);
    fputc('\n', out);
    if (what->evictor.kind != TM_EVICT_NONE)
        fprintf(out, "  evictor %s\n", evictors[what->evictor.kind]);
}

void tm_window_schema_print(const tm_window_cfg_t *cfg, FILE *out)
{
    static const char *const modes[] = {"aggregates", "one reduced row", "accumulator of the job",
                                        "rows"};
    tm_window_plan_t plan;
    char type[TM_TYPE_TEXT_MAX];
    if (tm_window_plan(&plan, cfg) < 0) return; /* was checked when the job was built */
    const tm_windowing_t *what = &plan.what;
    window_print(out, &plan);
    rules_print(out, what);
    fprintf(out, "  holds %s%s\n", modes[plan.mode], plan.keeps_rows ? ", made anew of rows" : "");
    for (size_t i = 0; plan.mode == TM_WINDOW_AGGREGATES && i < what->agg_cnt; i++)
        agg_print(out, cfg->in, &what->aggs[i]);
    if (plan.mode == TM_WINDOW_AGGREGATES)
        fprintf(out, "  accumulator %u bytes, program %016" PRIx64 "\n", plan.agg.acc_sz,
                tm_window_agg_print(&plan));
    if (plan.mode == TM_WINDOW_USER) fprintf(out, "  accumulator %u bytes\n", what->user->acc_sz);
    if (plan.sliced) return;
    fprintf(out, "  row %u bytes\n", cfg->in->row_sz);
    for (uint32_t i = 0; i < cfg->in->field_cnt; i++) {
        const tm_field_t *f = &cfg->in->fields[i];
        tm_type_text(type, f);
        fprintf(out, "  row-field %s at %u %s\n", type, f->off, f->name);
    }
}
