/* The life of part files: buckets, rolling, two phases, and what a restart makes of each state. */
#include "base/error.h"
#include "state/file.h"
#include "state/parquet/parquet_meta.h"
#include "state/part/part_log.h"
#include "state/part/part_recover.h"
#include "tests/state/part_fixture.h"
#include "tests/tm_test.h"

#include <errno.h>
#include <glob.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct world {
    char dir[256];
    tm_fixture_t fx;
    tm_part_sink_cfg_t cfg;
    tm_sink_t *sink;
} world_t;

static void world_open(world_t *w, uint32_t row_cnt)
{
    *w = (world_t){0};
    tm_fixture_dir(w->dir);
    tm_fixture_trades(&w->fx, 11, row_cnt, 4);
    w->cfg = (tm_part_sink_cfg_t){.dir = w->dir,
                                  .schema = &w->fx.schema,
                                  .symbols = w->fx.symbols,
                                  .compression = TM_COMPRESS_ZSTD,
                                  .group_rows = 512};
}

static void sink_open(world_t *w)
{
    int err = tm_part_sink_open(&w->sink, &w->cfg);
    if (err != 0) fprintf(stderr, "%s\n", tm_error_text());
    tm_assert_eq(err, 0);
}

static void world_close(world_t *w)
{
    if (w->sink) w->sink->ops->close(w->sink);
    tm_fixture_remove(w->dir);
    tm_fixture_free(&w->fx);
}

static int put(world_t *w, uint32_t first, uint32_t cnt)
{
    return w->sink->ops->write(w->sink, tm_fixture_row(&w->fx, first), cnt);
}

/* Closes without a word, as a kill would, and opens again: the lock has to go with the process, so
   the second run is a child's business elsewhere; here close() is what drops unprepared rows. */
static void sink_reopen(world_t *w)
{
    w->sink->ops->close(w->sink);
    w->sink = NULL;
    sink_open(w);
}

static bool exists(const world_t *w, const char *name)
{
    char path[600];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", w->dir, name);
    return stat(path, &st) == 0;
}

/* The hidden file of a part; its id differs from run to run. */
static void hidden_path(const world_t *w, const char *folder, const char *name, char out[600])
{
    char pattern[600];
    glob_t found;
    snprintf(pattern, sizeof pattern, "%s/%s/.%s.inprogress.*", w->dir, folder, name);
    tm_assert_eq(glob(pattern, GLOB_PERIOD, NULL, &found), 0);
    tm_assert_eq(found.gl_pathc, 1u);
    snprintf(out, 600, "%s", found.gl_pathv[0]);
    globfree(&found);
}

Test(part_sink, rows_become_visible_by_prepare_and_commit_only)
{
    world_t w;
    world_open(&w, 2000);
    w.cfg.checkpointed = true;
    sink_open(&w);
    tm_assert_eq(put(&w, 0, 2000), 0);
    tm_assert_eq(tm_fixture_count(w.dir).finished, 0u);
    tm_assert_eq(w.sink->ops->prepare(w.sink, 1), 0);
    tm_assert_eq(tm_fixture_count(w.dir).finished, 0u);
    tm_assert_eq(tm_fixture_count(w.dir).hidden, 1u);
    tm_assert_eq(w.sink->ops->commit(w.sink, 1), 0);
    tm_assert_eq(w.sink->ops->commit(w.sink, 1), 0); /* idempotent */
    tm_fixture_count_t c = tm_fixture_count(w.dir);
    tm_assert_eq(c.finished, 1u);
    tm_assert_eq(c.hidden, 0u);
    tm_assert_eq(c.rows, 2000u);
    tm_assert(exists(&w, "2026-01-31--12/part-0-0.parquet"));
    world_close(&w);
}

Test(part_sink, a_commit_includes_older_transactions_and_no_newer_one)
{
    world_t w;
    world_open(&w, 400);
    w.cfg.checkpointed = true;
    sink_open(&w);
    for (uint32_t n = 1; n <= 4; n++) {
        tm_assert_eq(put(&w, (n - 1) * 100, 100), 0);
        tm_assert_eq(w.sink->ops->prepare(w.sink, n), 0);
    }
    tm_assert_eq(w.sink->ops->commit(w.sink, 3), 0);
    tm_assert_eq(tm_fixture_count(w.dir).rows, 300u);
    tm_assert_eq(tm_fixture_count(w.dir).hidden, 1u);
    world_close(&w);
}

Test(part_sink, a_folder_whose_sink_is_gone_shows_what_was_decided_and_nothing_else)
{
    world_t w;
    tm_part_done_t done;
    world_open(&w, 300);
    w.cfg.checkpointed = true;
    sink_open(&w);
    for (uint64_t n = 1; n <= 2; n++) {
        tm_assert_eq(put(&w, (uint32_t)n * 100 - 100, 100), 0);
        tm_assert_eq(w.sink->ops->prepare(w.sink, n), 0);
    }
    w.sink->ops->close(w.sink);
    w.sink = NULL;
    tm_assert_eq(tm_fixture_count(w.dir).finished, 0u);
    for (int twice = 0; twice < 2; twice++) {
        tm_assert_eq(tm_part_recover_left(w.dir, 1, &done), 0);
        tm_assert_eq(done.part_cnt, twice ? 0u : 1u);
        tm_assert_eq(tm_fixture_count(w.dir).rows, 100u);
        tm_assert_eq(tm_fixture_count(w.dir).hidden, 1u);
    }
    tm_assert_eq(tm_part_recover_left("/nowhere", 1, &done), 0);
    world_close(&w);
}

Test(part_sink, abort_drops_what_was_never_prepared)
{
    world_t w;
    world_open(&w, 2000);
    w.cfg.checkpointed = true;
    sink_open(&w);
    tm_assert_eq(put(&w, 0, 1000), 0);
    tm_assert_eq(w.sink->ops->prepare(w.sink, 1), 0);
    tm_assert_eq(put(&w, 1000, 1000), 0);
    tm_assert_eq(w.sink->ops->abort(w.sink), 0);
    tm_assert_eq(tm_fixture_count(w.dir).hidden, 1u);
    tm_assert_eq(w.sink->ops->prepare(w.sink, 2), 0);
    tm_assert_eq(w.sink->ops->commit(w.sink, 2), 0);
    tm_assert_eq(tm_fixture_count(w.dir).rows, 1000u);
    world_close(&w);
}

Test(part_sink, recovery_commits_up_to_the_last_committed_transaction_and_removes_the_rest)
{
    for (uint64_t committed = 0; committed <= 3; committed++) {
        world_t w;
        world_open(&w, 400);
        w.cfg.checkpointed = true;
        sink_open(&w);
        for (uint32_t n = 1; n <= 3; n++) {
            tm_assert_eq(put(&w, (n - 1) * 100, 100), 0);
            tm_assert_eq(w.sink->ops->prepare(w.sink, n), 0);
        }
        tm_assert_eq(put(&w, 300, 100), 0);
        sink_reopen(&w);
        tm_assert_eq(w.sink->ops->recover(w.sink, committed), 0);
        tm_assert_eq(w.sink->ops->recover(w.sink, committed), 0);
        tm_fixture_count_t c = tm_fixture_count(w.dir);
        tm_assert_eq(c.rows, committed * 100);
        tm_assert_eq(c.hidden, 0u);
        /* The counter goes on behind every file that was ever seen. */
        tm_assert_eq(put(&w, 0, 1), 0);
        tm_assert_eq(w.sink->ops->prepare(w.sink, 9), 0);
        tm_assert_eq(w.sink->ops->commit(w.sink, 9), 0);
        tm_assert(exists(&w, "2026-01-31--12/part-0-3.parquet"));
        world_close(&w);
    }
}

/* Its name looks like one of ours, but the log does not know it: it may be another program's. */
Test(part_sink, a_hidden_file_that_the_log_does_not_know_is_never_touched)
{
    static const char *const name = "2026-01-31--12/.part-0-7.parquet.inprogress.00000000deadbeef";
    char path[512];
    world_t w;
    world_open(&w, 100);
    w.cfg.checkpointed = true;
    sink_open(&w);
    tm_assert_eq(put(&w, 0, 100), 0);
    tm_assert_eq(w.sink->ops->prepare(w.sink, 1), 0);
    snprintf(path, sizeof path, "%s/%s", w.dir, name);
    FILE *f = fopen(path, "w");
    tm_assert(f && fclose(f) == 0);
    sink_reopen(&w);
    tm_assert_eq(w.sink->ops->recover(w.sink, 0), 0);
    tm_assert(exists(&w, name));
    tm_assert_eq(tm_fixture_count(w.dir).hidden, 1u);
    world_close(&w);
}

Test(part_sink, writing_before_recovery_is_refused)
{
    world_t w;
    world_open(&w, 100);
    w.cfg.checkpointed = true;
    sink_open(&w);
    tm_assert_eq(put(&w, 0, 100), 0);
    tm_assert_eq(w.sink->ops->prepare(w.sink, 1), 0);
    sink_reopen(&w);
    tm_assert_eq(put(&w, 0, 100), TM_E_CONFIG);
    tm_assert_eq(w.sink->ops->recover(w.sink, 1), 0);
    tm_assert_eq(put(&w, 0, 100), 0);
    world_close(&w);
}

Test(part_sink, a_prepared_part_that_vanished_is_an_error_that_names_it)
{
    world_t w;
    char path[600];
    world_open(&w, 100);
    w.cfg.checkpointed = true;
    sink_open(&w);
    tm_assert_eq(put(&w, 0, 100), 0);
    tm_assert_eq(w.sink->ops->prepare(w.sink, 1), 0);
    hidden_path(&w, "2026-01-31--12", "part-0-0.parquet", path);
    tm_assert_eq(unlink(path), 0);
    sink_reopen(&w);
    tm_assert_eq(w.sink->ops->recover(w.sink, 1), TM_E_CORRUPT);
    tm_assert(strstr(tm_error_text(), "part-0-0.parquet") != NULL);
    world_close(&w);
}

Test(part_sink, a_prepared_part_that_was_cut_is_an_error_and_stays_hidden)
{
    world_t w;
    char path[600];
    world_open(&w, 100);
    w.cfg.checkpointed = true;
    sink_open(&w);
    tm_assert_eq(put(&w, 0, 100), 0);
    tm_assert_eq(w.sink->ops->prepare(w.sink, 1), 0);
    hidden_path(&w, "2026-01-31--12", "part-0-0.parquet", path);
    tm_assert_eq(truncate(path, 50), 0);
    tm_assert_eq(w.sink->ops->commit(w.sink, 1), TM_E_CORRUPT);
    tm_assert_eq(tm_fixture_count(w.dir).finished, 0u);
    world_close(&w);
}

Test(part_sink, parts_roll_by_age_and_become_visible_without_checkpoints)
{
    world_t w;
    const int64_t s = TM_NS_PER_S;
    world_open(&w, 300);
    w.cfg.roll.age_ns = 10 * s;
    sink_open(&w);
    tm_assert_eq(w.sink->ops->tick(w.sink, 100 * s), 0);
    tm_assert_eq(put(&w, 0, 100), 0);
    tm_assert_eq(w.sink->ops->tick(w.sink, 109 * s), 0);
    tm_assert_eq(tm_fixture_count(w.dir).finished, 0u);
    tm_assert_eq(w.sink->ops->tick(w.sink, 110 * s), 0);
    tm_assert_eq(tm_fixture_count(w.dir).rows, 100u);
    tm_part_sink_state_t state;
    tm_part_sink_state(w.sink, NULL, &state);
    tm_assert_eq(state.bucket_cnt, 0u); /* a bucket that rests holds nothing */
    tm_assert_eq(put(&w, 100, 100), 0);
    tm_assert_eq(w.sink->ops->tick(w.sink, 115 * s), 0);
    tm_assert_eq(tm_fixture_count(w.dir).rows, 100u);
    tm_assert_eq(w.sink->ops->prepare(w.sink, 1), 0); /* as a run ends */
    tm_assert_eq(w.sink->ops->commit(w.sink, 1), 0);
    tm_assert_eq(tm_fixture_count(w.dir).rows, 200u);
    tm_assert_eq(tm_fixture_count(w.dir).hidden, 0u);
    world_close(&w);
}

Test(part_sink, parts_roll_by_size)
{
    world_t w;
    world_open(&w, 20000);
    w.cfg.roll.max_sz = 8192;
    sink_open(&w);
    for (uint32_t i = 0; i < 20000; i += 500) tm_assert_eq(put(&w, i, 500), 0);
    tm_assert_eq(w.sink->ops->prepare(w.sink, 1), 0);
    tm_assert_eq(w.sink->ops->commit(w.sink, 1), 0);
    tm_fixture_count_t c = tm_fixture_count(w.dir);
    tm_assert(c.finished > 5);
    tm_assert(!c.broken);
    tm_assert_eq(c.rows, 20000u);
    world_close(&w);
}

Test(part_sink, buckets_follow_the_time_field_and_the_format)
{
    world_t w;
    world_open(&w, 7200); /* two hours, a row a second */
    w.cfg.bucket.field = "recv_time";
    w.cfg.bucket.pattern = "day=%Y-%m-%d/%H%M";
    sink_open(&w);
    tm_assert_eq(put(&w, 0, 7200), 0); /* 120 minutes in 64 buckets: the oldest are rolled */
    tm_assert_eq(w.sink->ops->prepare(w.sink, 1), 0);
    tm_assert_eq(w.sink->ops->commit(w.sink, 1), 0);
    tm_fixture_count_t c = tm_fixture_count(w.dir);
    tm_assert_eq(c.finished, 120u);
    tm_assert_eq(c.rows, 7200u);
    tm_assert(exists(&w, "day=2026-01-31/1200/part-0-0.parquet"));
    tm_assert(exists(&w, "day=2026-01-31/1359/part-0-119.parquet"));
    world_close(&w);
}

Test(part_sink, scattered_times_need_no_more_memory_than_ordered_ones)
{
    world_t w;
    world_open(&w, 50000);
    w.cfg.bucket.pattern = "%d-%H%M"; /* 834 minutes, every row another bucket */
    tm_trade_t *rows = (tm_trade_t *)(void *)w.fx.rows;
    for (uint32_t i = 0; i < w.fx.row_cnt; i++)
        rows[i].row.event_ns += (int64_t)tm_fixture_below(&w.fx.rng, 50000) * TM_NS_PER_S;
    for (uint32_t i = 0; i < 5; i++) rows[i * 1000].row.event_ns = TM_TIME_NONE;
    sink_open(&w);
    for (uint32_t i = 0; i < 5000; i += 1000) tm_assert_eq(put(&w, i, 1000), 0);
    tm_assert_eq(w.sink->ops->prepare(w.sink, 1), 0);
    tm_assert_eq(w.sink->ops->commit(w.sink, 1), 0);
    tm_fixture_count_t c = tm_fixture_count(w.dir);
    tm_assert_eq(c.rows, 5000u);
    tm_assert(!c.broken);
    tm_assert(exists(&w, "undated"));
    world_close(&w);
}

/* A day is the longest span of time that is told apart, but folders may be wider. */
Test(part_sink, days_of_one_month_share_a_part_where_the_format_names_months)
{
    world_t w;
    world_open(&w, 100);
    w.cfg.bucket.pattern = "month=%Y-%m";
    tm_trade_t *rows = (tm_trade_t *)(void *)w.fx.rows;
    for (uint32_t i = 0; i < 100; i++)
        rows[i].row.event_ns = (1767225600ll + i % 25 * 86400ll) * TM_NS_PER_S; /* January 2026 */
    sink_open(&w);
    tm_assert_eq(put(&w, 0, 100), 0);
    tm_assert_eq(w.sink->ops->prepare(w.sink, 1), 0);
    tm_assert_eq(w.sink->ops->commit(w.sink, 1), 0);
    tm_assert_eq(tm_fixture_count(w.dir).finished, 1u);
    tm_assert_eq(tm_fixture_count(w.dir).rows, 100u);
    tm_assert(exists(&w, "month=2026-01/part-0-0.parquet"));
    world_close(&w);
}

Test(part_sink, an_empty_bucket_format_means_no_folder)
{
    world_t w;
    world_open(&w, 10);
    w.cfg.bucket.pattern = "";
    w.cfg.subtask_idx = 3;
    sink_open(&w);
    tm_assert_eq(put(&w, 0, 10), 0);
    tm_assert_eq(w.sink->ops->prepare(w.sink, 1), 0);
    tm_assert_eq(w.sink->ops->commit(w.sink, 1), 0);
    tm_assert(exists(&w, "part-3-0.parquet"));
    world_close(&w);
}

Test(part_sink, bad_configurations_are_refused_by_name)
{
    world_t w;
    struct {
        const char *field, *format, *cluster, *says;
    } bad[] = {
        {"nosuch", NULL, NULL, "nosuch"}, {"price", NULL, NULL, "not a time"},
        {NULL, "../%Y", NULL, "hidden"},  {NULL, "%Y %m", NULL, "spaces"},
        {NULL, "/%Y", NULL, "hidden"},    {NULL, NULL, "nosuch", "nosuch"},
        {NULL, NULL, "price", "symbols"},
    };
    world_open(&w, 1);
    for (size_t i = 0; i < TM_ARRAY_CNT(bad); i++) {
        w.cfg.bucket.field = bad[i].field;
        w.cfg.bucket.pattern = bad[i].format;
        w.cfg.cluster_field = bad[i].cluster;
        tm_assert_eq(tm_part_sink_open(&w.sink, &w.cfg), TM_E_CONFIG);
        tm_assert(strstr(tm_error_text(), bad[i].says) != NULL);
    }
    w.sink = NULL;
    world_close(&w);
}

Test(part_sink, an_unwritable_folder_is_refused_by_name)
{
    world_t w;
    world_open(&w, 1);
    w.cfg.dir = "/proc/nosuch/parts";
    tm_assert(tm_part_sink_open(&w.sink, &w.cfg) < 0);
    tm_assert(strstr(tm_error_text(), "/proc/nosuch") != NULL);
    w.cfg.dir = "/dev/null/parts";
    tm_assert(tm_part_sink_open(&w.sink, &w.cfg) < 0);
    tm_assert(strstr(tm_error_text(), "/dev/null") != NULL);
    w.sink = NULL;
    world_close(&w);
}

Test(part_sink, a_second_writer_of_the_same_subtask_is_kept_out)
{
    world_t w;
    tm_sink_t *other;
    world_open(&w, 1);
    sink_open(&w);
    tm_assert_eq(tm_part_sink_open(&other, &w.cfg), -EBUSY);
    tm_assert(strstr(tm_error_text(), "another process") != NULL);
    w.cfg.subtask_idx = 1;
    tm_assert_eq(tm_part_sink_open(&other, &w.cfg), 0);
    other->ops->close(other);
    world_close(&w);
}

Test(part_sink, counters_tell_what_was_finished)
{
    world_t w;
    world_open(&w, 100);
    w.cfg.counters = tm_counter_set_new("file");
    sink_open(&w);
    tm_assert_eq(put(&w, 0, 100), 0);
    tm_assert_eq(w.sink->ops->prepare(w.sink, 1), 0);
    tm_assert_eq(w.sink->ops->commit(w.sink, 1), 0);
    tm_assert_eq(tm_counter_sum("parts_finished"), 1u);
    tm_assert_eq(tm_counter_sum("part_rows"), 100u);
    tm_assert(tm_counter_sum("part_bytes") > 100);
    tm_assert(tm_counter_sum("fsyncs") >= 5); /* log, file, folder before and after, log */
    tm_assert_eq(tm_counter_sum("part_errors"), 0u);
    world_close(&w);
    tm_counter_set_free(w.cfg.counters);
}

/* A child writes until it is killed; what is visible is whole, and the next run cleans up. */
static void kill_once(uint64_t seed)
{
    world_t w;
    world_open(&w, 4000);
    tm_fixture_rng_t rng = {seed};
    pid_t pid = fork();
    if (pid == 0) {
        int64_t now = 0;
        if (tm_part_sink_open(&w.sink, &w.cfg) != 0) _exit(3);
        for (;;)
            for (uint32_t i = 0; i < 4000; i += 400) {
                if (put(&w, i, 400) != 0) _exit(4);
                now += 7 * TM_NS_PER_S;
                if (w.sink->ops->tick(w.sink, now) != 0) _exit(5);
            }
    }
    usleep((useconds_t)(2000 + tm_fixture_below(&rng, 30000)));
    kill(pid, SIGKILL);
    int status = 0;
    tm_assert_eq(waitpid(pid, &status, 0), pid);
    tm_assert(WIFSIGNALED(status));
    tm_fixture_count_t before = tm_fixture_count(w.dir);
    tm_assert(!before.broken);
    sink_open(&w);
    tm_fixture_count_t after = tm_fixture_count(w.dir);
    tm_assert(!after.broken);
    tm_assert_eq(after.hidden, 0u);
    tm_assert(after.rows >= before.rows && after.rows % 400 == 0);
    world_close(&w);
}

Test(part_sink, a_killed_process_leaves_no_visible_broken_part)
{
    for (uint64_t seed = 1; seed <= 25; seed++) kill_once(seed);
}
