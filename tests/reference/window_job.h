/* tests/reference/window_job.h - window jobs that window_reference.py makes up, as it writes them.
   Flow     standard input -> window_jobs.c -> [job] -> harness, or window_run.c: threads
   Memory   what a job points to is static: one job at a time */
#ifndef TM_TESTS_WINDOW_JOB_H
#define TM_TESTS_WINDOW_JOB_H

#include "engine/tidemark.h"

#include <stdio.h>

enum { TM_WINDOW_JOB_WORKERS = 3, BY_REDUCE = 100, BY_USER, BY_FUNCTION };

typedef struct element {
    tm_row_t row;
    uint64_t key;
    int64_t value, gap;
    int64_t watermark; /* that comes right behind it, TM_TIME_NONE = none */
} element_t;

typedef struct job {
    uint32_t workers, inputs;
    int result;
    tm_windowing_t what;
    bool unsliced;
    tm_harness_t *h[TM_WINDOW_JOB_WORKERS];
} job_t;

/* The line that a job starts with, behind its first word. */
bool window_job_read(job_t *job, const char *line);

/* The rest of a job's lines, through a job of threads: a source whose rows carry watermarks, the
   window, its results keyed anew and summed up. */
bool window_job_run(const job_t *job, FILE *lines);

#endif
