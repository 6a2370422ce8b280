/* CSV and JSON part files: files that go on over transactions, and what a restart
   makes of them; folders by field and by function; rules of the user's own. */
#include "base/decimal.h"
#include "base/error.h"
#include "tests/state/part_fixture.h"
#include "tests/tm_test.h"

#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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
                                  .format = TM_PART_CSV,
                                  .bucket.pattern = "",
                                  .checkpointed = true};
}

static void sink_open(world_t *w)
{
    int err = tm_part_sink_open(&w->sink, &w->cfg);
    if (err != 0) fprintf(stderr, "# %s\n", tm_error_text());
    tm_assert_eq(err, 0);
}

static void world_close(world_t *w)
{
    if (w->sink) w->sink->ops->close(w->sink);
    tm_fixture_remove(w->dir);
    tm_fixture_free(&w->fx);
}

/* With checkpoints close() leaves everything as a death would. */
static void sink_die(world_t *w)
{
    w->sink->ops->close(w->sink);
    w->sink = NULL;
}

static void put(world_t *w, uint32_t first, uint32_t cnt)
{
    tm_assert_eq(w->sink->ops->write(w->sink, tm_fixture_row(&w->fx, first), cnt), 0);
}

static void prepare(world_t *w, uint64_t txn_id)
{
    int err = w->sink->ops->prepare(w->sink, txn_id);
    if (err != 0) fprintf(stderr, "# %s\n", tm_error_text());
    tm_assert_eq(err, 0);
}

static void commit(world_t *w, uint64_t txn_id)
{
    tm_assert_eq(w->sink->ops->commit(w->sink, txn_id), 0);
}

static void finish(world_t *w, uint64_t txn_id)
{
    tm_assert_eq(w->sink->ops->end(w->sink), 0);
    prepare(w, txn_id);
    commit(w, txn_id);
}

static void recover(world_t *w, uint64_t txn_id)
{
    sink_open(w);
    int err = w->sink->ops->recover(w->sink, txn_id);
    if (err != 0) fprintf(stderr, "# %s\n", tm_error_text());
    tm_assert_eq(err, 0);
}

static uint32_t match(const world_t *w, const char *pattern, char first[600])
{
    char path[600];
    glob_t found;
    snprintf(path, sizeof path, "%s/%s", w->dir, pattern);
    int rc = glob(path, GLOB_PERIOD, NULL, &found);
    const uint32_t cnt = rc == 0 ? (uint32_t)found.gl_pathc : 0;
    if (cnt > 0 && first) snprintf(first, 600, "%s", found.gl_pathv[0]);
    if (rc == 0) globfree(&found);
    return cnt;
}

/* The text that the rows must be, made without the code under test. */
static char *expected(const tm_fixture_t *fx, uint32_t first, uint32_t cnt)
{
    char *text = NULL;
    size_t sz;
    FILE *f = open_memstream(&text, &sz);
    fputs("symbol,event_time,recv_time,trade_id,price,qty,publish_time,side\n", f);
    for (uint32_t i = first; i < first + cnt; i++)
        for (uint32_t c = 0; c < fx->schema.field_cnt; c++) {
            const tm_field_t *field = &fx->schema.fields[c];
            char cell[256], time[TM_TIME_TEXT_MAX];
            tm_fixture_cell(fx, i, c, cell);
            if (strcmp(cell, "\\N") == 0) {
                cell[0] = '\0';
            } else if (field->type == TM_TYPE_TIME_NS) {
                const int64_t unit = field->unit_ns ? field->unit_ns : 1;
                tm_time_format(time, strtoll(cell, NULL, 10) * unit, unit);
                snprintf(cell, sizeof cell, "%s", time);
            }
            fprintf(f, "%s%c", cell, c + 1 < fx->schema.field_cnt ? ',' : '\n');
        }
    fclose(f);
    return text;
}

static void assert_text(const world_t *w, const char *pattern, const char *want)
{
    char path[600];
    tm_assert_eq(match(w, pattern, path), 1u);
    struct stat st;
    tm_assert_eq(stat(path, &st), 0);
    tm_assert_eq((size_t)st.st_size, strlen(want));
    char *have = calloc(1, (size_t)st.st_size + 1);
    FILE *f = fopen(path, "r");
    tm_assert_eq(fread(have, 1, (size_t)st.st_size, f), (size_t)st.st_size);
    fclose(f);
    tm_assert(memcmp(have, want, (size_t)st.st_size) == 0);
    free(have);
}

static void assert_rows(const world_t *w, const char *pattern, uint32_t first, uint32_t cnt)
{
    char *want = expected(&w->fx, first, cnt);
    assert_text(w, pattern, want);
    free(want);
}

Test(part_rows, a_part_goes_on_over_transactions_and_ends_with_the_input)
{
    world_t w;
    world_open(&w, 3000);
    sink_open(&w);
    for (uint32_t n = 1; n <= 3; n++) {
        put(&w, (n - 1) * 1000, 1000);
        prepare(&w, n);
        commit(&w, n);
        tm_assert_eq(match(&w, "part-*", NULL), 0u);
        assert_rows(&w, ".part-0-0.csv.inprogress.*", 0, n * 1000);
    }
    finish(&w, 4);
    assert_rows(&w, "part-0-0.csv", 0, 3000);
    tm_assert_eq(match(&w, ".part-*", NULL), 0u);
    world_close(&w);
}

/* Every transaction may be the last one that counts, and any number of rows may follow it. */
Test(part_rows, a_restart_cuts_the_file_where_the_committed_transaction_ended)
{
    for (uint32_t committed = 0; committed <= 3; committed++) {
        world_t w;
        world_open(&w, 4000);
        sink_open(&w);
        for (uint32_t n = 1; n <= 3; n++) {
            put(&w, (n - 1) * 700, 700);
            prepare(&w, n);
        }
        put(&w, 2100, 900);
        sink_die(&w);
        recover(&w, committed);
        tm_assert_eq(w.sink->ops->recover(w.sink, committed), 0);
        if (committed > 0) assert_rows(&w, ".part-0-0.csv.inprogress.*", 0, committed * 700);
        tm_assert_eq(match(&w, ".part-*", NULL), committed > 0 ? 1u : 0u);
        put(&w, committed * 700, 4000 - committed * 700); /* the source starts from there */
        finish(&w, committed + 1);
        assert_rows(&w, "part-0-*.csv", 0, 4000);
        tm_assert_eq(match(&w, ".part-*", NULL), 0u);
        world_close(&w);
    }
}

/* Behind an older transaction the rows of the newer one would come again. */
Test(part_rows, a_restart_from_before_a_committed_transaction_is_refused)
{
    world_t w;
    world_open(&w, 2100);
    sink_open(&w);
    for (uint32_t n = 1; n <= 2; n++) {
        put(&w, (n - 1) * 700, 700);
        prepare(&w, n);
        commit(&w, n);
    }
    sink_die(&w);
    sink_open(&w);
    tm_assert_eq(w.sink->ops->admits(w.sink, 1), TM_E_CONFIG);
    tm_assert(strstr(tm_error_text(), "checkpoint 2") && strstr(tm_error_text(), "--out"));
    tm_assert_eq(w.sink->ops->recover(w.sink, 1), TM_E_CONFIG);
    for (uint64_t id = 2; id < 4; id++) tm_assert_eq(w.sink->ops->admits(w.sink, id), 0);
    tm_assert_eq(w.sink->ops->recover(w.sink, 2), 0);
    put(&w, 1400, 700);
    finish(&w, 3);
    assert_rows(&w, "part-0-0.csv", 0, 2100);
    world_close(&w);
}

Test(part_rows, a_job_that_begins_anew_keeps_the_rows_that_are_committed)
{
    world_t w;
    world_open(&w, 2000);
    sink_open(&w);
    put(&w, 0, 700);
    prepare(&w, 5);
    commit(&w, 5);
    put(&w, 700, 700);
    prepare(&w, 6);
    sink_die(&w);
    for (int round = 0; round < 3; round++) { /* each time with transactions from 1 on */
        recover(&w, 0);
        assert_rows(&w, "part-0-0.csv", 0, 700);
        tm_assert(match(&w, ".part-*", NULL) == 0 && match(&w, "part-*", NULL) == 1);
        put(&w, 1000, 500);
        prepare(&w, 1);
        if (round < 2) sink_die(&w);
    }
    finish(&w, 2);
    assert_rows(&w, "part-0-[1-9].csv", 1000, 500);
    world_close(&w);
}

Test(part_rows, abort_goes_back_to_the_last_transaction)
{
    world_t w;
    world_open(&w, 3000);
    w.cfg.buffer_sz = 1000;
    sink_open(&w);
    put(&w, 0, 1000);
    prepare(&w, 1);
    put(&w, 1500, 500);
    tm_assert_eq(w.sink->ops->abort(w.sink), 0);
    put(&w, 1000, 1000);
    finish(&w, 2);
    assert_rows(&w, "part-0-0.csv", 0, 2000);
    world_close(&w);
}

Test(part_rows, a_part_in_progress_that_vanished_or_shrank_is_an_error_that_names_it)
{
    for (int shrank = 0; shrank < 2; shrank++) {
        world_t w;
        char path[600];
        world_open(&w, 100);
        sink_open(&w);
        put(&w, 0, 100);
        prepare(&w, 1);
        sink_die(&w);
        tm_assert_eq(match(&w, ".part-0-0.csv.inprogress.*", path), 1u);
        tm_assert_eq(shrank ? truncate(path, 50) : unlink(path), 0);
        sink_open(&w);
        tm_assert_eq(w.sink->ops->recover(w.sink, 1), TM_E_CORRUPT);
        tm_assert(strstr(tm_error_text(), "part-0-0.csv") != NULL);
        world_close(&w);
    }
}

/* A file whose rows look otherwise is not gone on with. */
Test(part_rows, another_format_after_a_restart_finishes_what_was_in_progress)
{
    static const tm_part_format_t others[] = {TM_PART_JSON, TM_PART_PARQUET};
    for (size_t i = 0; i < TM_ARRAY_CNT(others); i++) {
        world_t w;
        world_open(&w, 200);
        sink_open(&w);
        put(&w, 0, 100);
        prepare(&w, 1);
        put(&w, 100, 50);
        sink_die(&w);
        w.cfg.format = others[i];
        recover(&w, 1);
        assert_rows(&w, "part-0-0.csv", 0, 100);
        put(&w, 100, 100);
        finish(&w, 2);
        tm_assert_eq(match(&w, i == 0 ? "part-0-1.jsonl" : "part-0-1.parquet", NULL), 1u);
        world_close(&w);
    }
}

Test(part_rows, fewer_subtasks_take_over_what_more_of_them_left)
{
    world_t w;
    char path[600];
    world_open(&w, 900);
    for (uint32_t i = 0; i < 3; i++) {
        w.cfg.subtask_idx = i;
        sink_open(&w);
        put(&w, i * 300, 200);
        prepare(&w, 1);
        put(&w, i * 300 + 200, 100);
        sink_die(&w);
    }
    w.cfg.subtask_idx = 0;
    w.cfg.subtask_cnt = 1;
    recover(&w, 1);
    tm_assert_eq(match(&w, ".parts-[12].*", path), 0u);
    tm_assert_eq(match(&w, ".part-*", NULL), 3u);
    finish(&w, 2);
    for (uint32_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "part-%u-*.csv", i);
        assert_rows(&w, path, i * 300, 200);
    }
    world_close(&w);
}

Test(part_rows, a_part_rolls_before_the_row_that_finds_it_too_large)
{
    world_t w;
    world_open(&w, 1000);
    w.cfg.roll.max_sz = 1000;
    sink_open(&w);
    put(&w, 0, 1000);
    finish(&w, 1);
    const uint32_t part_cnt = match(&w, "part-0-*.csv", NULL);
    tm_assert(part_cnt > 10);
    for (uint32_t i = 0; i < part_cnt; i++) {
        char path[600], name[64], line[512];
        struct stat st;
        long last_at = 0, at = 0;
        snprintf(name, sizeof name, "part-0-%u.csv", i);
        tm_assert_eq(match(&w, name, path), 1u);
        tm_assert_eq(stat(path, &st), 0);
        FILE *f = fopen(path, "r");
        while (fgets(line, sizeof line, f)) {
            last_at = at;
            at = ftell(f);
        }
        fclose(f);
        tm_assert(last_at <= 1000); /* the last row found it small enough */
        if (i + 1 < part_cnt) tm_assert(st.st_size > 1000);
    }
    world_close(&w);
}

static bool every_hundred(const tm_part_roll_t *roll, const tm_part_info_t *part)
{
    ++*(uint32_t *)roll->ctx;
    return part->row_cnt == 100;
}

Test(part_rows, a_rule_of_the_user_takes_the_place_of_ours)
{
    world_t w;
    uint32_t asked = 0;
    world_open(&w, 950);
    w.cfg.roll.before_row = every_hundred;
    w.cfg.roll.ctx = &asked;
    sink_open(&w);
    put(&w, 0, 950);
    finish(&w, 1);
    tm_assert_eq(match(&w, "part-0-*.csv", NULL), 10u);
    tm_assert_eq(asked, 950u - 1); /* the first row of all finds no part */
    assert_rows(&w, "part-0-3.csv", 300, 100);
    assert_rows(&w, "part-0-9.csv", 900, 50);
    world_close(&w);
}

Test(part_rows, an_idle_part_rolls_and_a_busy_one_does_not)
{
    world_t w;
    const int64_t s = TM_NS_PER_S;
    world_open(&w, 300);
    w.cfg.checkpointed = false;
    w.cfg.roll.age_ns = -1;
    w.cfg.roll.idle_ns = 5 * s;
    sink_open(&w);
    tm_assert_eq(w.sink->ops->tick(w.sink, 100 * s), 0);
    for (uint32_t i = 0; i < 10; i++) {
        put(&w, i * 10, 10);
        tm_assert_eq(w.sink->ops->tick(w.sink, (100 + 2 * i) * s), 0);
        tm_assert_eq(match(&w, "part-*", NULL), 0u);
    }
    tm_assert_eq(w.sink->ops->tick(w.sink, 121 * s), 0);
    tm_assert_eq(match(&w, "part-*", NULL), 1u);
    assert_rows(&w, "part-0-0.csv", 0, 100);
    world_close(&w);
}

/* ---- folders --------------------------------------------------------------------------------- */

Test(part_rows, fields_name_folders_as_hive_has_them)
{
    static const tm_part_format_t formats[] = {TM_PART_PARQUET, TM_PART_JSON};
    for (size_t k = 0; k < TM_ARRAY_CNT(formats); k++) {
        world_t w;
        char path[600];
        world_open(&w, 4000);
        tm_trade_t *rows = (tm_trade_t *)(void *)w.fx.rows;
        rows[7].row.symbol = TM_SYMBOL_NONE;
        rows[8].row.symbol = tm_symbols_intern(w.fx.symbols, "a/b c%", 6);
        w.cfg.format = formats[k];
        w.cfg.bucket.pattern = "symbol={symbol}/side={side}/%Y";
        sink_open(&w);
        put(&w, 0, 4000);
        finish(&w, 1);
        tm_assert_eq(match(&w, "symbol=__HIVE_DEFAULT_PARTITION__/side=*/2026/part-0-*", path), 1u);
        tm_assert_eq(match(&w, "symbol=a%2Fb%20c%25/side=*/2026/part-0-*", path), 1u);
        tm_assert(match(&w, "symbol=*/side=sell/2026/part-0-*", path) >= 4);
        if (formats[k] == TM_PART_PARQUET) tm_assert_eq(tm_fixture_count(w.dir).rows, 4000u);
        world_close(&w);
    }
}

Test(part_rows, thousands_of_buckets_are_open_within_bounds)
{
    static const tm_part_format_t formats[] = {TM_PART_PARQUET, TM_PART_CSV};
    for (size_t k = 0; k < TM_ARRAY_CNT(formats); k++) {
        world_t w;
        world_open(&w, 60000);
        tm_trade_t *rows = (tm_trade_t *)(void *)w.fx.rows;
        for (uint32_t i = 0; i < w.fx.row_cnt; i++) rows[i].trade_id = i * 2654435761u % 3000;
        w.cfg.format = formats[k];
        w.cfg.bucket.pattern = "{trade_id}";
        w.cfg.bucket_max = 3000;
        sink_open(&w);
        for (uint32_t i = 0; i < 60000; i += 1000) put(&w, i, 1000);
        tm_part_sink_state_t state;
        tm_part_sink_state(w.sink, NULL, &state);
        tm_assert_eq(state.bucket_cnt, 3000u);
        finish(&w, 1);
        tm_assert_eq(match(&w, "*/part-0-*", NULL), 3000u);
        if (formats[k] == TM_PART_PARQUET) tm_assert_eq(tm_fixture_count(w.dir).rows, 60000u);
        world_close(&w);
    }
}

static int by_parity(void *ctx, const void *row, int64_t now_ns, char *out, size_t out_sz)
{
    const tm_trade_t *trade = row;
    (void)now_ns;
    if (trade->trade_id == *(const uint64_t *)ctx) return -ERANGE;
    snprintf(out, out_sz, "%s", trade->trade_id % 2 ? "odd" : "even");
    return 0;
}

Test(part_rows, a_function_names_folders_and_its_error_ends_the_write)
{
    world_t w;
    uint64_t refused = UINT64_MAX;
    world_open(&w, 500);
    w.cfg.bucket.folder = by_parity;
    w.cfg.bucket.ctx = &refused;
    sink_open(&w);
    put(&w, 0, 499);
    refused = ((const tm_trade_t *)tm_fixture_row(&w.fx, 499))->trade_id;
    tm_assert_eq(w.sink->ops->write(w.sink, tm_fixture_row(&w.fx, 499), 1), -ERANGE);
    finish(&w, 1);
    tm_assert_eq(match(&w, "odd/part-0-*.csv", NULL), 1u);
    tm_assert_eq(match(&w, "even/part-0-*.csv", NULL), 1u);
    world_close(&w);
}

Test(part_rows, zones_and_the_clock_name_folders)
{
    world_t w;
    const int64_t midnight_ns = 1767225600ll * TM_NS_PER_S; /* 2026-01-01T00:00:00Z */
    world_open(&w, 10);
    w.cfg.bucket = (tm_part_bucket_cfg_t){
        .pattern = "%Y-%m-%d--%H%M", .zone = "-03:30", .by_clock = true};
    sink_open(&w);
    tm_assert_eq(w.sink->ops->tick(w.sink, midnight_ns), 0);
    put(&w, 0, 10);
    finish(&w, 1);
    tm_assert_eq(match(&w, "2025-12-31--2030/part-0-0.csv", NULL), 1u);
    world_close(&w);
}

Test(part_rows, prefix_suffix_and_an_id_of_the_run_make_names)
{
    world_t w;
    world_open(&w, 10);
    w.cfg.prefix = "trades";
    w.cfg.suffix = "-v1.txt";
    w.cfg.names_by_id = true;
    sink_open(&w);
    put(&w, 0, 10);
    finish(&w, 1);
    tm_assert_eq(match(&w, "trades-[0-9a-f]*-0-v1.txt", NULL), 1u);
    sink_die(&w);
    w.cfg.prefix = "a/b";
    tm_assert_eq(tm_part_sink_open(&w.sink, &w.cfg), TM_E_CONFIG);
    tm_assert(strstr(tm_error_text(), "a/b") != NULL);
    w.sink = NULL;
    world_close(&w);
}
