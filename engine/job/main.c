/* tm_main: the command line, the graph, the run, the summary, the exit status. */
#include "base/log.h"
#include "engine/job/nodes.h"
#include "engine/job/report.h"
#include "engine/runtime/runtime.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { EXIT_RUN_FAILED = 1, EXIT_BAD_JOB = 2 };

static int complain(const char *program, int status)
{
    fprintf(stderr, "%s: %s\n", program, tm_error_text());
    return status;
}

/* Everything that is wrong before a thread exists: options that need each other, the graph. */
static int job_check(tm_job_t *job, tm_build_fn *build)
{
    int err = build(job);
    if (err < 0 && job->err == 0)
        return tm_error_set(TM_E_CONFIG, "the job's build function returned %d", err);
    TM_TRY(tm_job_validate(job));
    const struct tm_stream *feed = tm_job_next_feed(job, 0);
    if (feed && job->opts.connect_cnt == 0 && job->opts.replay_cnt == 0 &&
        !((const tm_feed_node_spec_t *)feed->spec)->url[0])
        return tm_error_set(TM_E_CONFIG,
                            "where from? give --connect URL or --replay FILE; see --help");
    return 0;
}

static int dead_letters_write(tm_runtime_t *rt, const char *path)
{
    FILE *out = fopen(path, "w");
    if (!out) return tm_error_set(-errno, "--dead-letters %s: %s", path, strerror(errno));
    int err = 0;
    for (uint32_t i = 0; i < rt->topo.ingest_cnt && err == 0; i++)
        err = tm_ingest_dead_letters_write(rt->ingests[i], out);
    if (fclose(out) != 0 && err == 0)
        err = tm_error_set(-errno, "--dead-letters %s: %s", path, strerror(errno));
    return err;
}

static int run(tm_runtime_t *rt, const tm_job_t *job)
{
    const tm_options_t *o = &job->opts;
    int err = tm_runtime_open(rt, job);
    if (err < 0) return complain(o->program, err == TM_E_CONFIG ? EXIT_BAD_JOB : EXIT_RUN_FAILED);
    if (!o->quiet) tm_topology_print(&rt->topo, stderr);
    err = tm_runtime_run(rt);
    int status = err < 0 ? complain(o->program, EXIT_RUN_FAILED) : 0;
    if (o->dead_letter_file && dead_letters_write(rt, o->dead_letter_file) < 0)
        status = complain(o->program, EXIT_RUN_FAILED);
    tm_report_losses();
    if (o->json)
        tm_report_json(rt, stdout);
    else if (!o->quiet)
        tm_report_summary(rt, stdout);
    if (fflush(stdout) == 0) return status;
    (void)tm_error_set(-errno, "the summary, to standard output: %s", strerror(errno));
    return complain(o->program, EXIT_RUN_FAILED);
}

static int explain(const tm_job_t *job)
{
    tm_topology_t topo;
    if (tm_topology_plan(&topo, job) < 0) return complain(job->opts.program, EXIT_BAD_JOB);
    tm_topology_print(&topo, stdout);
    return 0;
}

int tm_main(int argc, char **argv, tm_build_fn *build)
{
    tm_options_t opts;
    int err = tm_options_parse(&opts, argc, argv);
    if (err > 0) return 0;
    if (err < 0) return complain(opts.program, EXIT_BAD_JOB);

    if (opts.quiet) tm_log_level_set(TM_LOG_WARN);
    tm_job_t *job = malloc(sizeof *job);
    tm_runtime_t *rt = aligned_alloc(TM_FALSE_SHARE, tm_align_up(sizeof *rt, TM_FALSE_SHARE));
    if (!job || !rt) {
        (void)tm_error_set(-ENOMEM, "out of memory");
        free(job);
        free(rt);
        return complain(opts.program, EXIT_RUN_FAILED);
    }
    tm_job_init(job, &opts);
    int status = 0;
    if (job_check(job, build) < 0) {
        status = complain(opts.program, EXIT_BAD_JOB);
    } else if (opts.explain) {
        status = explain(job);
    } else {
        memset(rt, 0, sizeof *rt);
        status = run(rt, job);
        tm_runtime_close(rt);
    }
    free(rt);
    tm_job_fini(job);
    free(job);
    return status;
}
