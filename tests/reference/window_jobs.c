/* window_jobs - runs window jobs that tests/reference/window_reference.py makes up.

   Reads jobs from standard input, one word-separated line each, then a line a step; writes what
   each step put out. Workers are operators of their own that rows reach by their key and
   watermarks all.

       job WORKERS INPUTS KIND SIZE SLIDE OFFSET GAP LATENESS PROC TRIGGER COUNT INTERVAL PURGE
           EVICTOR AFTER KEEP RESULT UNSLICED
       e KEY VALUE TIME GAP | w INPUT TIME | i INPUT | a INPUT | p NOW | r | end

   A job that starts with "run" goes through threads: its rows are read up to the end, a watermark
   becomes part of the row before it, and what comes out has no steps. There all results are keyed
   anew by value & 3 and summed up: a line of output is then 0 s KEY SUM COUNT.

   r takes a checkpoint of every worker and goes on from it in memory elsewhere.

   Numbers of KIND, TRIGGER and EVICTOR are those of the enums; RESULT is that of an aggregate, or
   100 reduce, 101 user aggregate, 102 window function. A line of output: STEP r KEY VALUE TIME
   START END, or STEP l KEY VALUE TIME for a late row; "done" ends a job. */
#include "base/schema.h"
#include "tests/reference/window_job.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const tm_schema_t *element_schema(void)
{
    static tm_schema_t s;
    tm_schema_init(&s, "element", TM_SCHEMA_ID_USER);
    if (tm_schema_add(&s, &(tm_field_t){.name = "key", .type = TM_TYPE_U64}) < 0 ||
        tm_schema_add(&s, &(tm_field_t){.name = "value", .type = TM_TYPE_I64}) < 0 ||
        tm_schema_add(&s, &(tm_field_t){.name = "gap", .type = TM_TYPE_I64}) < 0 ||
        tm_schema_add(&s, &(tm_field_t){.name = "watermark", .type = TM_TYPE_I64}) < 0)
        abort();
    return &s;
}

static void job_open(job_t *job)
{
    static const char *const key[] = {"key", NULL};
    tm_harness_spec_t spec = {.rows = element_schema(),
                              .key = key,
                              .window = &job->what,
                              .input_cnt = job->inputs,
                              .state_sz = 8 << 20,
                              .unsliced = job->unsliced};
    for (uint32_t i = 0; i < job->workers; i++)
        if (tm_harness_open(&job->h[i], &spec) < 0) {
            fprintf(stderr, "%s\n", tm_harness_error());
            exit(1);
        }
}

static void results_write(const job_t *job, int step)
{
    for (uint32_t i = 0; i < job->workers; i++)
        for (const tm_harness_event_t *e; (e = tm_harness_next(job->h[i]));) {
            int64_t key = 0, value = 0, start = 0, end = 0;
            const element_t *late = e->row;
            if (e->kind == TM_HARNESS_LATE)
                printf("%d l %" PRIu64 " %" PRId64 " %" PRId64 "\n", step, late->key, late->value,
                       late->row.event_ns);
            if (e->kind != TM_HARNESS_ROW) continue;
            tm_harness_int64(job->h[i], e->row, "key", &key);
            tm_harness_int64(job->h[i], e->row, "value", &value);
            tm_harness_int64(job->h[i], e->row, "window_start", &start);
            tm_harness_int64(job->h[i], e->row, "window_end", &end);
            printf("%d r %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 "\n", step, key,
                   value, e->time_ns, start, end);
        }
}

/* What all workers hear of. */
static void control(const job_t *job, char op, uint32_t input, int64_t time)
{
    for (uint32_t i = 0; i < job->workers; i++) {
        if (op == 'w') tm_harness_watermark(job->h[i], input, time);
        if (op == 'i') tm_harness_idle(job->h[i], input);
        if (op == 'a') tm_harness_active(job->h[i], input);
        if (op == 'p') tm_harness_clock(job->h[i], time);
    }
}

static void restart(const job_t *job)
{
    for (uint32_t i = 0; i < job->workers; i++)
        if (tm_harness_restart(job->h[i]) < 0) {
            fprintf(stderr, "%s\n", tm_harness_error());
            exit(1);
        }
}

static void step_run(const job_t *job, const char *line)
{
    element_t e = {0};
    uint32_t input = 0;
    int64_t time = 0;
    if (sscanf(line, "e %" SCNu64 " %" SCNd64 " %" SCNd64 " %" SCNd64, &e.key, &e.value,
               &e.row.event_ns, &e.gap) == 4)
        tm_harness_row(job->h[e.key * 2654435761u % 65536 % job->workers], &e);
    else if (line[0] == 'r')
        restart(job);
    else if (line[0] == 'p' && sscanf(line, "p %" SCNd64, &time) == 1)
        control(job, 'p', 0, time);
    else if (sscanf(line + 1, " %" SCNu32 " %" SCNd64, &input, &time) >= 1)
        control(job, line[0], input, time);
    else
        exit(1);
}

int main(void)
{
    char line[512];
    job_t job = {0};
    int step = 0;
    while (fgets(line, sizeof line, stdin)) {
        if (strncmp(line, "run", 3) == 0) {
            if (!window_job_read(&job, line) || !window_job_run(&job, stdin)) return 1;
            puts("done");
            fflush(stdout);
        } else if (strncmp(line, "job", 3) == 0) {
            if (!window_job_read(&job, line)) return 1;
            job_open(&job);
            step = 0;
        } else if (strncmp(line, "end", 3) == 0) {
            for (uint32_t i = 0; i < job.workers; i++) tm_harness_close(job.h[i]);
            puts("done");
            fflush(stdout);
        } else {
            step_run(&job, line);
            results_write(&job, step++);
        }
    }
    return 0;
}
