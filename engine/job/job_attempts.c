#include "engine/job/job_attempts.h"

#include "base/clock.h"
#include "base/log.h"
#include "engine/job/nodes.h"
#include "engine/job/report.h"
#include "engine/runtime/checkpoint/restart_strategy.h"
#include "engine/runtime/runtime.h"
#include "state/checkpoint/savepoint.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { NAP_NS = 10 * TM_NS_PER_MS };

typedef struct attempts {
    tm_job_t *job;
    tm_build_fn *build;
    tm_runtime_t *rt;
    tm_attempt_t past;
    tm_restart_strategy_t strategy;
    tm_counter_set_t *counters; /* NULL where there are no restarts */
    tm_counter_t *restarts, *down_ns;
} attempts_t;

int tm_complain(const char *program, int status)
{
    fprintf(stderr, "%s: %s\n", program, tm_error_text());
    return status;
}

/* ---- the graph ------------------------------------------------------------------------------- */

/* Everything that is wrong before a thread exists: options that need each other, the graph. */
int tm_job_make(tm_job_t *job, const tm_options_t *opts, tm_build_fn *build)
{
    tm_job_init(job, opts);
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

/* A generator that cannot be set back goes on where it stood when the job failed: its rows since
   the checkpoint would be missing. NULL where there is none. */
static const struct tm_stream *one_way_source(const tm_job_t *job)
{
    for (const struct tm_stream *n = tm_job_next(job, &tm_generator_node, 0); n;
         n = tm_job_next(job, &tm_generator_node, n->node_idx + 1)) {
        const tm_generator_node_spec_t *spec = n->spec;
        if (spec->next && !spec->seek) return n;
    }
    return NULL;
}

static int strategy_choose(attempts_t *a)
{
    const tm_checkpoint_options_t *o = &a->job->opts.checkpoint;
    const struct tm_stream *source = one_way_source(a->job);
    tm_restart_options_t options = tm_restart_options_resolve(&o->restart, o->dir != NULL);
    if (source && o->restart.kind == TM_RESTART_DEFAULT) options.kind = TM_RESTART_NONE;
    if (source && options.kind != TM_RESTART_NONE)
        return tm_error_set(TM_E_CONFIG,
                            "--restart: source_generator %s cannot be set back: give it seek(), or "
                            "--restart none",
                            source->name);
    tm_restart_strategy_init(&a->strategy, &options);
    if (options.kind == TM_RESTART_NONE) return 0;
    a->counters = tm_counter_set_new("job");
    if (!a->counters) return tm_error_set(-ENOMEM, "no room for the job's counters");
    a->restarts = tm_counter_get(a->counters, "restarts");
    a->down_ns = tm_counter_get(a->counters, "restart_down_ns");
    return 0;
}

/* ---- one attempt ----------------------------------------------------------------------------- */

static int dead_letters_write(const tm_runtime_t *rt, const char *path, bool first)
{
    FILE *out = fopen(path, first ? "w" : "a");
    if (!out) return tm_error_set(-errno, "--dead-letters %s: %s", path, strerror(errno));
    int err = 0;
    for (uint32_t i = 0; i < rt->topo.ingest_cnt && err == 0; i++)
        err = tm_ingest_dead_letters_write(rt->ingests[i], out);
    if (fclose(out) != 0 && err == 0)
        err = tm_error_set(-errno, "--dead-letters %s: %s", path, strerror(errno));
    return err;
}

/* What is left to say of the last attempt that ran. */
static int attempt_report(const attempts_t *a, int status)
{
    const tm_options_t *o = &a->job->opts;
    tm_report_losses();
    if (o->json)
        tm_report_json(a->rt, stdout);
    else if (!o->quiet)
        tm_report_summary(a->rt, stdout);
    if (fflush(stdout) == 0) return status;
    (void)tm_error_set(-errno, "the summary, to standard output: %s", strerror(errno));
    return tm_complain(o->program, TM_EXIT_RUN_FAILED);
}

/* The last checkpoint is the one that the job has ended with. */
static int savepoint_make(const tm_checkpoint_options_t *o)
{
    tm_savepoint_t s;
    if (!o->savepoint) return 0;
    int err = tm_savepoint_write(&s, o->dir, 0, o->savepoint);
    if (err < 0) return tm_error_context(err, "--stop-with-savepoint");
    TM_LOG_I("engine", "savepoint %s: checkpoint %llu, %llu pages", o->savepoint,
             (unsigned long long)s.id, (unsigned long long)s.page_cnt);
    return 0;
}

typedef enum outcome { OUTCOME_ENDED, OUTCOME_FAILED, OUTCOME_AGAIN } outcome_t;

/* The trail says why it failed, and is kept in `text`. */
static outcome_t attempt_judge(attempts_t *a, int err, int64_t *delay_ns, char *text)
{
    char why[96];
    snprintf(text, TM_ERROR_TEXT_MAX, "%s", tm_error_text());
    if (err == 0) return OUTCOME_ENDED;
    if (!tm_runtime_is_worth_a_restart(a->rt, err)) return OUTCOME_FAILED;
    if (tm_restart_strategy_next(&a->strategy, a->rt->attempt_ns, tm_clock_mono_ns(), delay_ns,
                                 why))
        return OUTCOME_AGAIN;
    const size_t sz = strlen(text);
    if (why[0]) snprintf(text + sz, TM_ERROR_TEXT_MAX - sz, " (%s)", why);
    return OUTCOME_FAILED;
}

/* Sleeps until the next attempt is due. False where the job is told to end meanwhile. */
static bool delay_pass(int64_t delay_ns)
{
    const struct timespec nap = {0, NAP_NS};
    const int64_t end_ns = tm_clock_mono_ns() + delay_ns;
    while (tm_clock_mono_ns() < end_ns && !tm_runtime_is_signalled()) nanosleep(&nap, NULL);
    return !tm_runtime_is_signalled();
}

/* Everything is built anew, so that nothing of the failed attempt lives on in it. */
static int attempt_prepare(attempts_t *a)
{
    const tm_options_t opts = a->job->opts;
    tm_runtime_close(a->rt);
    memset(a->rt, 0, sizeof *a->rt);
    tm_job_fini(a->job);
    return tm_job_make(a->job, &opts, a->build);
}

static outcome_t attempt_run(attempts_t *a, int *status, int64_t *delay_ns, char *text)
{
    const tm_options_t *o = &a->job->opts;
    int err = tm_runtime_open(a->rt, a->job, &a->past);
    const bool opened = err == 0;
    if (opened && a->past.cnt == 0 && !o->quiet) tm_topology_print(&a->rt->topo, stderr);
    if (opened) err = tm_runtime_run(a->rt);
    a->past = tm_runtime_past(a->rt);
    const outcome_t outcome = attempt_judge(a, err, delay_ns, text);
    if (outcome == OUTCOME_FAILED) fprintf(stderr, "%s: %s\n", o->program, text);
    *status = outcome == OUTCOME_ENDED             ? 0
              : !opened && err == (int)TM_E_CONFIG ? TM_EXIT_BAD_JOB
                                                   : TM_EXIT_RUN_FAILED;
    if (!opened) return outcome;
    if (o->dead_letter_file && dead_letters_write(a->rt, o->dead_letter_file, a->past.cnt == 1) < 0)
        *status = tm_complain(o->program, TM_EXIT_RUN_FAILED);
    if (outcome == OUTCOME_ENDED && savepoint_make(&o->checkpoint) < 0)
        *status = tm_complain(o->program, TM_EXIT_RUN_FAILED);
    if (outcome != OUTCOME_AGAIN) *status = attempt_report(a, *status);
    return outcome;
}

/* ---- all of them ----------------------------------------------------------------------------- */

static int attempts_loop(attempts_t *a)
{
    char text[TM_ERROR_TEXT_MAX];
    int64_t delay_ns = 0;
    int status = 0;
    const char *program = a->job->opts.program;
    while (attempt_run(a, &status, &delay_ns, text) == OUTCOME_AGAIN) {
        const int64_t failed_ns = tm_clock_mono_ns();
        tm_counter_add(a->restarts, 1);
        TM_LOG_W("engine", "the job failed: %s; restart %llu in %.3g s", text,
                 (unsigned long long)a->strategy.failure_cnt, (double)delay_ns / 1e9);
        if (attempt_prepare(a) < 0) return tm_complain(program, TM_EXIT_BAD_JOB);
        if (!delay_pass(delay_ns)) {
            fprintf(stderr, "%s: %s (stopped before it was restarted)\n", program, text);
            return TM_EXIT_RUN_FAILED;
        }
        tm_counter_add(a->down_ns, (uint64_t)(tm_clock_mono_ns() - failed_ns));
    }
    return status;
}

int tm_attempts_run(tm_job_t *job, tm_build_fn *build)
{
    const char *program = job->opts.program;
    attempts_t *a = calloc(1, sizeof *a);
    if (a) a->rt = aligned_alloc(TM_FALSE_SHARE, tm_align_up(sizeof *a->rt, TM_FALSE_SHARE));
    if (!a || !a->rt) {
        free(a);
        (void)tm_error_set(-ENOMEM, "out of memory");
        return tm_complain(program, TM_EXIT_RUN_FAILED);
    }
    memset(a->rt, 0, sizeof *a->rt);
    a->job = job;
    a->build = build;
    const int err = strategy_choose(a);
    int status;
    if (err < 0)
        status = tm_complain(program,
                             err == (int)TM_E_CONFIG ? TM_EXIT_BAD_JOB : TM_EXIT_RUN_FAILED);
    else
        status = attempts_loop(a);
    tm_runtime_close(a->rt);
    if (a->counters) tm_counter_set_free(a->counters);
    free(a->rt);
    free(a);
    return status;
}
