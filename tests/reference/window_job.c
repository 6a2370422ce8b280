#include "tests/reference/window_job.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void sum_reduce(void *ctx, void *into, const void *row)
{
    (void)ctx;
    ((element_t *)into)->value += ((const element_t *)row)->value;
}

static void sum_init(void *ctx, void *acc)
{
    (void)ctx;
    *(int64_t *)acc = 0;
}

static void sum_add(void *ctx, void *acc, const void *row)
{
    (void)ctx;
    *(int64_t *)acc += ((const element_t *)row)->value;
}

static void sum_merge(void *ctx, void *into, const void *from)
{
    (void)ctx;
    *(int64_t *)into += *(const int64_t *)from;
}

static void sum_result(void *ctx, tm_window_call_t *call, const void *acc)
{
    (void)ctx;
    tm_window_call_int64(call, 0, *(const int64_t *)acc);
}

static void sum_rows(void *ctx, tm_window_call_t *call)
{
    int64_t sum = 0;
    (void)ctx;
    for (const void *row = NULL; (row = tm_window_call_next(call, row));)
        sum += ((const element_t *)row)->value;
    tm_window_call_begin(call);
    tm_window_call_int64(call, 0, sum);
}

bool window_job_read(job_t *job, const char *line)
{
    static tm_agg_spec_t agg;
    static const tm_user_agg_t user = {sizeof(int64_t), sum_init, sum_add, sum_merge, sum_result};
    static const tm_result_field_t field = {.name = "value"};
    int kind, proc, trigger, purge, evictor, after, unsliced;
    *job = (job_t){0};
    tm_windowing_t *w = &job->what;
    if (sscanf(line,
               "%*s %" SCNu32 " %" SCNu32 " %d %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64
               " %" SCNd64 " %d %d %" SCNd64 " %" SCNd64 " %d %d %d %" SCNd64 " %d %d",
               &job->workers, &job->inputs, &kind, &w->window.size_ns, &w->window.slide_ns,
               &w->window.offset_ns, &w->window.gap_ns, &w->window.lateness_ns, &proc, &trigger,
               &w->trigger.count, &w->trigger.interval_ns, &purge, &evictor, &after,
               &w->evictor.count, &job->result, &unsliced) != 18)
        return false;
    w->window.kind = (tm_window_kind_t)kind;
    w->window.time = (tm_time_domain_t)proc;
    if (w->window.kind == TM_WINDOW_SESSION && w->window.gap_ns == 0) w->window.gap_field = "gap";
    if (w->window.kind == TM_WINDOW_COUNT) {
        w->window.count = w->window.size_ns;
        w->window.count_slide = w->window.slide_ns;
    }
    w->trigger.kind = (tm_trigger_kind_t)trigger;
    w->trigger.purge = purge;
    w->trigger.field = w->evictor.field = "value";
    w->trigger.threshold = (double)w->trigger.count;
    w->evictor.kind = (tm_evictor_kind_t)evictor;
    w->evictor.after = after;
    w->evictor.keep_ns = w->evictor.count;
    w->evictor.threshold = (double)w->evictor.count;
    job->unsliced = unsliced;
    agg = (tm_agg_spec_t){.as = "value", .fn = (tm_agg_fn_t)job->result, .field = "value"};
    if (job->result < BY_REDUCE) {
        w->aggs = &agg;
        w->agg_cnt = 1;
    } else if (job->result == BY_REDUCE) {
        w->reduce = sum_reduce;
    } else {
        w->user = job->result == BY_USER ? &user : NULL;
        w->process = job->result == BY_FUNCTION ? sum_rows : NULL;
        w->fields = &field;
        w->field_cnt = 1;
    }
    return job->workers >= 1 && job->workers <= TM_WINDOW_JOB_WORKERS;
}
