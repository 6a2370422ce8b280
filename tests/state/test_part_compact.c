/* Small Parquet parts that are merged before a reader sees them: when, into what, and what another
   start makes of those that wait. Crashes are in test_part_fault.c. */
#include "base/error.h"
#include "state/buffer.h"
#include "state/parquet/parquet_rows.h"
#include "state/part/part_name.h"
#include "tests/state/part_fixture.h"
#include "tests/tm_test.h"

#include <glob.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BATCH = 50, ROWS = 400 };

typedef struct bed {
    char dir[256];
    tm_fixture_t fx;
    tm_part_sink_cfg_t cfg;
    tm_sink_t *sink;
    char epoch[16];
    tm_parquet_kv_t kv[2];
} bed_t;

static void start(bed_t *bed, uint64_t txn_id)
{
    tm_assert_eq(tm_part_sink_open(&bed->sink, &bed->cfg), 0);
    tm_assert_eq(bed->sink->ops->recover(bed->sink, txn_id), 0);
}

static void open_bed(bed_t *bed, uint32_t checkpoints, uint64_t max_sz)
{
    *bed = (bed_t){0};
    tm_fixture_dir(bed->dir);
    tm_fixture_trades(&bed->fx, 20260131, ROWS, 3);
    bed->kv[0] = (tm_parquet_kv_t){"job", "the tests"};
    bed->kv[1] = (tm_parquet_kv_t){"epoch", bed->epoch};
    bed->cfg = (tm_part_sink_cfg_t){.dir = bed->dir,
                                    .schema = &bed->fx.schema,
                                    .symbols = bed->fx.symbols,
                                    .bucket = {.pattern = "b"},
                                    .checkpointed = true,
                                    .compact = {checkpoints, max_sz},
                                    .kv = bed->kv,
                                    .kv_cnt = 2};
}

static void close_bed(bed_t *bed)
{
    bed->sink->ops->close(bed->sink);
    tm_fixture_remove(bed->dir);
    tm_fixture_free(&bed->fx);
}

/* One checkpoint with the next BATCH rows, then as much time as merging takes. */
static void checkpoint(bed_t *bed, uint64_t txn_id)
{
    tm_sink_t *s = bed->sink;
    const uint32_t at = (uint32_t)(txn_id - 1) * BATCH % ROWS;
    snprintf(bed->epoch, sizeof bed->epoch, "%u", (unsigned)txn_id);
    tm_assert_eq(s->ops->write(s, tm_fixture_row(&bed->fx, at), BATCH), 0);
    tm_assert_eq(s->ops->prepare(s, txn_id), 0);
    tm_assert_eq(s->ops->commit(s, txn_id), 0);
    for (int i = 0; i < 4; i++) tm_assert_eq(s->ops->tick(s, i), 0);
}

static void finish(bed_t *bed, uint64_t txn_id)
{
    tm_sink_t *s = bed->sink;
    tm_assert_eq(s->ops->end(s), 0);
    tm_assert_eq(s->ops->prepare(s, txn_id), 0);
    tm_assert_eq(s->ops->commit(s, txn_id), 0);
}

static void expect(const bed_t *bed, uint32_t finished, uint32_t hidden, uint64_t rows)
{
    const tm_fixture_count_t c = tm_fixture_count(bed->dir);
    tm_assert(!c.broken);
    tm_assert_eq(c.finished, finished);
    tm_assert_eq(c.hidden, hidden);
    tm_assert_eq(c.rows, rows);
}

/* The reader of the only visible part. */
static tm_parquet_reader_t *open_only(const bed_t *bed)
{
    char pattern[300];
    glob_t found;
    tm_parquet_reader_t *reader;
    snprintf(pattern, sizeof pattern, "%s/part-*", bed->dir);
    tm_assert_eq(glob(pattern, 0, NULL, &found), 0);
    tm_assert_eq(found.gl_pathc, (size_t)1);
    tm_assert_eq(tm_parquet_reader_open(&reader, found.gl_pathv[0]), 0);
    globfree(&found);
    return reader;
}

Test(part_compact, parts_of_three_checkpoints_come_out_as_one)
{
    bed_t bed;
    open_bed(&bed, 3, 0);
    start(&bed, 0);
    checkpoint(&bed, 1);
    expect(&bed, 0, 1, 0);
    checkpoint(&bed, 2);
    expect(&bed, 0, 2, 0);
    checkpoint(&bed, 3);
    expect(&bed, 1, 0, 3 * BATCH);
    checkpoint(&bed, 4);
    expect(&bed, 1, 1, 3 * BATCH);
    finish(&bed, 5);
    expect(&bed, 2, 0, 4 * BATCH);
    close_bed(&bed);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Each row as one text, in order of these. */
static char **texts_of(const tm_fixture_t *fx)
{
    char **texts = calloc(fx->row_cnt, sizeof *texts), cell[256];
    tm_assert(texts);
    for (uint32_t r = 0; r < fx->row_cnt; r++) {
        tm_buffer_t line = {0};
        for (uint32_t c = 0; c < fx->schema.field_cnt; c++) {
            tm_fixture_cell(fx, r, c, cell);
            tm_assert_eq(tm_buffer_append(&line, cell, strlen(cell)), 0);
            tm_assert_eq(tm_buffer_append(&line, "\t", 2 - (c + 1 < fx->schema.field_cnt)), 0);
        }
        texts[r] = (char *)line.data;
    }
    qsort(texts, fx->row_cnt, sizeof *texts, by_text);
    return texts;
}

static void expect_same_rows(const tm_fixture_t *got, const tm_fixture_t *want)
{
    char **a = texts_of(got), **b = texts_of(want);
    for (uint32_t r = 0; r < want->row_cnt; r++) {
        tm_assert(strcmp(a[r], b[r]) == 0);
        free(a[r]);
        free(b[r]);
    }
    free(a);
    free(b);
}

static void merge_random(uint64_t seed)
{
    bed_t bed;
    open_bed(&bed, 100, 0);
    tm_fixture_free(&bed.fx);
    tm_fixture_random(&bed.fx, seed, ROWS);
    bed.cfg.symbols = bed.fx.symbols;
    bed.cfg.bucket.pattern = "";
    start(&bed, 0);
    for (uint64_t n = 1; n <= ROWS / BATCH; n++) checkpoint(&bed, n);
    expect(&bed, 0, ROWS / BATCH, 0);
    finish(&bed, 100);
    expect(&bed, 1, 0, ROWS);
    tm_parquet_reader_t *reader = open_only(&bed);
    const tm_parquet_meta_t *meta = tm_parquet_reader_meta(reader);
    tm_fixture_t got = bed.fx;
    tm_assert_eq(meta->group_cnt, 1u);
    got.rows = calloc(ROWS, got.schema.row_sz);
    tm_assert(got.rows);
    tm_assert_eq(tm_parquet_rows_read(reader, 0, &got.schema, got.symbols, got.rows), 0);
    expect_same_rows(&got, &bed.fx);
    tm_assert_eq(meta->kv_cnt, 2u);
    tm_assert(strcmp(meta->kv[0].value, "the tests") == 0);
    tm_assert(strcmp(meta->kv[1].value, "1,2,3,4,5,6,7,8") == 0);
    tm_parquet_reader_close(reader);
    free(got.rows);
    close_bed(&bed);
}

/* Fields of every type, absent values among them. */
Test(part_compact, merged_rows_are_those_that_were_written)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        fprintf(stderr, "# seed %d\n", (int)seed);
        merge_random(seed);
    }
}

Test(part_compact, large_parts_do_not_wait_and_many_small_ones_do_not_wait_long)
{
    bed_t bed;
    open_bed(&bed, 100, 1);
    start(&bed, 0);
    checkpoint(&bed, 1);
    expect(&bed, 1, 0, BATCH);
    close_bed(&bed);
    open_bed(&bed, 100, 4000); /* a part of 50 trades has two to four thousand bytes */
    start(&bed, 0);
    checkpoint(&bed, 1);
    expect(&bed, 0, 1, 0);
    checkpoint(&bed, 2);
    expect(&bed, 1, 0, 2 * BATCH);
    close_bed(&bed);
}

Test(part_compact, buckets_are_merged_for_themselves)
{
    bed_t bed;
    open_bed(&bed, 2, 0);
    bed.cfg.bucket.pattern = "{side}";
    start(&bed, 0);
    checkpoint(&bed, 1);
    expect(&bed, 0, tm_fixture_count(bed.dir).hidden, 0);
    checkpoint(&bed, 2);
    for (int i = 0; i < 10; i++) tm_assert_eq(bed.sink->ops->tick(bed.sink, i), 0);
    const tm_fixture_count_t c = tm_fixture_count(bed.dir);
    tm_assert(!c.broken && c.hidden == 0 && c.finished >= 2 && c.finished <= 3);
    tm_assert_eq(c.rows, 2ull * BATCH);
    close_bed(&bed);
}

Test(part_compact, parts_that_wait_are_kept_by_a_restart_and_come_out_where_merging_was_turned_off)
{
    bed_t bed;
    open_bed(&bed, 4, 0);
    start(&bed, 0);
    checkpoint(&bed, 1);
    checkpoint(&bed, 2);
    bed.sink->ops->close(bed.sink);
    start(&bed, 2);
    expect(&bed, 0, 2, 0);
    checkpoint(&bed, 3);
    bed.sink->ops->close(bed.sink);
    bed.cfg.compact.checkpoints = 0;
    start(&bed, 3);
    expect(&bed, 3, 0, 3 * BATCH);
    close_bed(&bed);
}

/* The newest part's rename, and all that the log was told since it was decided, are lost: what a
   power cut may do as long as the folder is not fsynced. */
static void lose_last_rename(const bed_t *bed)
{
    char path[300], text[8192], name[128], hidden[TM_PART_PATH_MAX], finished[TM_PART_PATH_MAX];
    uint64_t id;
    snprintf(path, sizeof path, "%s/.parts-0.log", bed->dir);
    FILE *f = fopen(path, "r");
    tm_assert(f != NULL);
    const size_t sz = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[sz] = '\0';
    char *open = NULL, *shown = NULL;
    for (char *at = text; (at = strstr(at, " open ")); at++) open = at;
    for (char *at = text; (at = strstr(at, " show ")); at++) shown = at;
    tm_assert(open && shown);
    tm_assert_eq(sscanf(open, " open %" SCNu64 " %*u %127s", &id, name), 2);
    tm_assert_eq(truncate(path, strchr(shown, '\n') + 1 - text), 0);
    tm_part_path_hidden(hidden, bed->dir, name, id);
    tm_part_path_finished(finished, bed->dir, name);
    tm_assert_eq(rename(finished, hidden), 0);
}

Test(part_compact, a_part_that_was_seen_comes_back_under_its_name)
{
    bed_t bed;
    open_bed(&bed, 3, 0);
    start(&bed, 0);
    for (uint64_t id = 1; id <= 3; id++) checkpoint(&bed, id);
    expect(&bed, 1, 0, 3 * BATCH);
    bed.sink->ops->close(bed.sink);
    lose_last_rename(&bed); /* three in one */
    expect(&bed, 0, 1, 0);
    start(&bed, 3);
    expect(&bed, 1, 0, 3 * BATCH);
    checkpoint(&bed, 4);
    finish(&bed, 5); /* one alone */
    bed.sink->ops->close(bed.sink);
    lose_last_rename(&bed);
    expect(&bed, 1, 1, 3 * BATCH);
    start(&bed, 5);
    expect(&bed, 2, 0, 4 * BATCH);
    close_bed(&bed);
}

Test(part_compact, a_job_that_begins_anew_lets_all_out_that_waits)
{
    bed_t bed;
    open_bed(&bed, 4, 0);
    start(&bed, 0);
    checkpoint(&bed, 1);
    checkpoint(&bed, 2);
    bed.sink->ops->close(bed.sink);
    start(&bed, 0);
    expect(&bed, 2, 0, 2 * BATCH);
    close_bed(&bed);
}

Test(part_compact, text_and_runs_without_checkpoints_are_refused)
{
    bed_t bed;
    open_bed(&bed, 4, 0);
    start(&bed, 0);
    bed.cfg.dir = "/tmp";
    bed.cfg.format = TM_PART_CSV;
    tm_sink_t *none;
    tm_assert_eq(tm_part_sink_open(&none, &bed.cfg), TM_E_CONFIG);
    bed.cfg.format = TM_PART_PARQUET;
    bed.cfg.checkpointed = false;
    tm_assert_eq(tm_part_sink_open(&none, &bed.cfg), TM_E_CONFIG);
    tm_assert(strstr(tm_error_text(), "takes Parquet and checkpoints") != NULL);
    close_bed(&bed);
}
