/* engine/job/job_attempts.h - runs a job until it has ended, again after each failure that its
   restart strategy forgives.
   Flow     options, build function -> [attempts] -> graph, runtime -> summary, exit status
   Attempt  build, open, run, close: an attempt takes nothing over from the one before but what
            lies in the folders, as if the process had been killed and started anew. It goes on from
            the newest checkpoint of this run; where there is none yet, from where the run began
   Forgives whatever fails once the job has been running; not options or graphs that make no sense,
            and not a source that cannot be opened by the first attempt
   Counters restarts, restart_down_ns (from failures to the next attempts)
   Threads  the control thread
   Tests    tests/engine/test_restart.c, tests/e2e/restart.py */
#ifndef TM_ENGINE_ATTEMPTS_H
#define TM_ENGINE_ATTEMPTS_H

#include "engine/job/graph.h"

enum { TM_EXIT_RUN_FAILED = 1, TM_EXIT_BAD_JOB = 2 };

/* Builds the graph into `job`, to be ended with tm_job_fini in any case. 0 or TM_E_CONFIG. */
int tm_job_make(tm_job_t *job, const tm_options_t *opts, tm_build_fn *build) TM_MUST_CHECK;

/* Runs a job that was made. The exit status of the process. */
int tm_attempts_run(tm_job_t *job, tm_build_fn *build);

/* Says on standard error what the trail says. Returns `status`. */
int tm_complain(const char *program, int status);

#endif
