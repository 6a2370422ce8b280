/* tm_main: the command line, the graph, the run, the exit status. */
#include "base/log.h"
#include "engine/job/job_attempts.h"
#include "engine/runtime/topology.h"

#include <errno.h>
#include <stdlib.h>

static int explain(const tm_job_t *job)
{
    tm_topology_t topo;
    if (tm_topology_plan(&topo, job) < 0) return tm_complain(job->opts.program, TM_EXIT_BAD_JOB);
    tm_topology_print(&topo, stdout);
    return 0;
}

int tm_main(int argc, char **argv, tm_build_fn *build)
{
    tm_options_t opts;
    int err = tm_options_parse(&opts, argc, argv);
    if (err > 0) return 0;
    if (err < 0) return tm_complain(opts.program, TM_EXIT_BAD_JOB);

    if (opts.quiet) tm_log_level_set(TM_LOG_WARN);
    tm_job_t *job = malloc(sizeof *job);
    if (!job) {
        (void)tm_error_set(-ENOMEM, "out of memory");
        return tm_complain(opts.program, TM_EXIT_RUN_FAILED);
    }
    int status;
    if (tm_job_make(job, &opts, build) < 0)
        status = tm_complain(opts.program, TM_EXIT_BAD_JOB);
    else
        status = opts.explain ? explain(job) : tm_attempts_run(job, build);
    tm_job_fini(job);
    free(job);
    return status;
}
