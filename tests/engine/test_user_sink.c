/* A sink of the user's own: the phases come in order, every row comes once, errors name it. */
#include "engine/tidemark.h"
#include "tests/tm_test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROWS = 5000 };

typedef struct tick {
    tm_row_t row;
    uint64_t id;
} tick_t;

static const tm_struct_field_t tick_fields[] = {
    TM_HEADER_SYMBOL("symbol"),
    TM_MEMBER(tick_t, id, "id", TM_TYPE_U64),
};
static const tm_struct_t tick_type = TM_STRUCT(tick_t, "tick", tick_fields);

static tick_t ticks[ROWS];

typedef struct my_sink {
    tm_sink_t sink;
    uint32_t row_sz;
} my_sink_t;

static struct {
    uint32_t times[ROWS];
    uint64_t written, prepared, visible;
    uint64_t recovered_id, committed_id;
    uint32_t opened, closed, ended;
    bool fails, cannot_commit;
} seen;

static int my_write(tm_sink_t *sink, const void *rows, uint32_t cnt)
{
    const uint32_t row_sz = ((const my_sink_t *)(const void *)sink)->row_sz;
    if (seen.fails) return -ENOSPC;
    for (uint32_t i = 0; i < cnt; i++)
        seen.times[((const tick_t *)(const void *)((const uint8_t *)rows + (size_t)i * row_sz))
                       ->id]++;
    seen.written += cnt;
    return 0;
}

static int my_tick(tm_sink_t *sink, int64_t real_ns)
{
    (void)sink, (void)real_ns;
    return 0;
}

static int my_prepare(tm_sink_t *sink, uint64_t txn_id)
{
    (void)sink, (void)txn_id;
    seen.prepared = seen.written;
    return 0;
}

static int my_commit(tm_sink_t *sink, uint64_t txn_id)
{
    (void)sink;
    if (seen.cannot_commit) return -EIO;
    seen.visible = seen.prepared;
    seen.committed_id = txn_id;
    return 0;
}

static int my_abort(tm_sink_t *sink)
{
    (void)sink;
    return 0;
}

static int my_recover(tm_sink_t *sink, uint64_t txn_id)
{
    (void)sink;
    seen.recovered_id = txn_id;
    return 0;
}

static void my_close(tm_sink_t *sink)
{
    seen.closed++;
    free(sink);
}

static int my_end(tm_sink_t *sink)
{
    (void)sink;
    seen.ended++;
    return 0;
}

static const tm_sink_ops_t my_ops = {.write = my_write,
                                     .tick = my_tick,
                                     .prepare = my_prepare,
                                     .commit = my_commit,
                                     .abort = my_abort,
                                     .recover = my_recover,
                                     .close = my_close,
                                     .end = my_end};

static int my_open(void *ctx, const tm_sink_at_t *at, tm_sink_t **out)
{
    my_sink_t *s = calloc(1, sizeof *s);
    (void)ctx;
    if (!s) return -ENOMEM;
    *s = (my_sink_t){.sink.ops = &my_ops, .row_sz = at->schema->row_sz};
    seen.opened++;
    *out = &s->sink;
    return 0;
}

static int build(tm_job_t *job)
{
    for (uint32_t i = 0; i < ROWS; i++) ticks[i].id = i;
    tm_stream_t *s = tm_source_array(
        job, &(tm_array_spec_t){.type = &tick_type, .rows = ticks, .row_cnt = ROWS});
    tm_sink_two_phase(tm_key_by(s, "id"), &(tm_sink_spec_t){.name = "mine", .open = my_open});
    return 0;
}

/* Runs the job with standard error in a file. kept: folder of checkpoints; NULL = none. */
static int run(char text[4096], char *kept)
{
    static char name[] = "job", quiet[] = "--quiet", cores[] = "--worker-cores", zero[] = "0,0";
    static char restart[] = "--restart", none[] = "none", checkpoints[] = "--checkpoints";
    char *argv[] = {name, quiet, cores, zero, restart, none, checkpoints, kept, NULL};
    char path[] = "/tmp/tm-user-sink-XXXXXX";
    const int file = mkstemp(path), old = dup(STDERR_FILENO);
    tm_assert(file >= 0 && old >= 0);
    memset(&seen.times, 0, sizeof seen.times);
    seen.written = seen.prepared = seen.visible = 0;
    seen.recovered_id = seen.committed_id = 0;
    seen.opened = seen.closed = seen.ended = 0;
    fflush(stderr);
    dup2(file, STDERR_FILENO);
    const int status = tm_main(kept ? 8 : 4, argv, build);
    fflush(stderr);
    dup2(old, STDERR_FILENO);
    const ssize_t sz = pread(file, text, 4095, 0);
    text[sz > 0 ? sz : 0] = '\0';
    close(file);
    close(old);
    unlink(path);
    return status;
}

Test(user_sink, every_row_comes_once_and_becomes_visible_at_the_end)
{
    char text[4096];
    seen.fails = false;
    tm_assert_eq(run(text, NULL), 0);
    for (uint32_t i = 0; i < ROWS; i++) tm_assert_eq(seen.times[i], 1u);
    tm_assert_eq(seen.visible, (uint64_t)ROWS);
    tm_assert_eq(seen.opened, 2u);
    tm_assert_eq(seen.ended, 2u);
    tm_assert_eq(seen.closed, 2u);
}

Test(user_sink, its_error_ends_the_job_and_names_it)
{
    char text[4096];
    seen.fails = true;
    tm_assert_eq(run(text, NULL), 1);
    tm_assert(strstr(text, "mine") != NULL);
    tm_assert(strstr(text, "write()") != NULL);
    tm_assert(strstr(text, "ENOSPC") != NULL);
    tm_assert_eq(seen.closed, seen.opened);
}

Test(user_sink, a_start_behind_the_end_of_the_job_ends_and_commits_once_more)
{
    char text[4096], kept[] = "/tmp/tm-user-sink-kept-XXXXXX", command[64];
    tm_assert(mkdtemp(kept) != NULL);
    seen.fails = false;
    seen.cannot_commit = true;
    tm_assert_eq(run(text, kept), 1);
    tm_assert(strstr(text, "commit()") != NULL);
    seen.cannot_commit = false;
    tm_assert_eq(run(text, kept), 0);
    tm_assert_eq(seen.written, 0u);
    tm_assert(seen.recovered_id > 0);
    tm_assert_eq(seen.ended, 2u);
    tm_assert_eq(seen.committed_id, seen.recovered_id);
    snprintf(command, sizeof command, "rm -r %s", kept);
    tm_assert_eq(system(command), 0);
}
