#include "base/error.h"
#include "state/part/part_log.h"
#include "tests/state/part_fixture.h"
#include "tests/tm_test.h"

#include <stdlib.h>
#include <unistd.h>

static void log_open(tm_part_log_t *log, const char *dir)
{
    int err = tm_part_log_open(log, dir, 0, 0);
    if (err != 0) fprintf(stderr, "%s\n", tm_error_text());
    tm_assert_eq(err, 0);
}

static void begin(tm_part_log_t *log, const char *name)
{
    tm_part_entry_t part = {.id = 5};
    snprintf(part.name, sizeof part.name, "%s", name);
    tm_assert_eq(tm_part_log_begin(log, &part), 0);
}

static void ready(tm_part_log_t *log, const char *name, int64_t file_sz, int64_t row_cnt)
{
    const tm_part_point_t at = {.file_sz = file_sz, .row_cnt = row_cnt};
    tm_assert_eq(tm_part_log_add(log, name, TM_PART_READY, &at), 0);
}

Test(part_log, entries_survive_and_forgotten_ones_do_not)
{
    char dir[256];
    tm_part_log_t log;
    tm_fixture_dir(dir);
    log_open(&log, dir);
    begin(&log, "b/part-0-0.parquet");
    begin(&log, "b/part-0-1.parquet");
    begin(&log, "b/part-0-2.parquet");
    ready(&log, "b/part-0-1.parquet", 77, 5);
    tm_assert_eq(tm_part_log_seal(&log, 9, 1), 0);
    tm_assert_eq(tm_part_log_forget(&log, "b/part-0-0.parquet"), 0);
    for (int round = 0; round < 2; round++) { /* the second time from the rewritten log */
        tm_part_log_close(&log);
        log_open(&log, dir);
        tm_assert_eq(log.entry_cnt, 2u);
        tm_assert_eq(tm_part_log_find(&log, "b/part-0-0.parquet"), -1);
        const tm_part_entry_t *e = &log.entries[tm_part_log_find(&log, "b/part-0-1.parquet")];
        tm_assert(e->state == TM_PART_READY);
        tm_assert_eq(e->txn_id, 9u);
        tm_assert_eq(e->file_sz, 77);
        tm_assert_eq(e->row_cnt, 5);
        tm_assert(log.entries[tm_part_log_find(&log, "b/part-0-2.parquet")].state == TM_PART_OPEN);
    }
    tm_part_log_close(&log);
    tm_fixture_remove(dir);
}

/* A recorded log, written by hand from docs/part-files.md; its checksums come from zlib's crc32 as
   computed by Python. */
static void read_recorded(const char *head, uint64_t committed)
{
    char dir[256], path[300];
    tm_part_log_t log;
    tm_fixture_dir(dir);
    snprintf(path, sizeof path, "%s/.parts-0.log", dir);
    FILE *f = fopen(path, "w");
    fputs(head, f);
    fputs("05c93aff next 3\n"
          "da4a7cdb open 17 0 b/part-0-0.parquet\n"
          "c2bdcd48 open 18446744073709551615 4294967295 b/part-0-1.csv\n"
          "f0110242 open 19 7 b/part-0-2.csv\n"
          "0a8c9c30 point 3 500 10 b/part-0-1.csv\n"
          "de33ca57 sealed 3 1 1769860800000000000\n"
          "ca3f8c1e ready 4 1000 20 b/part-0-0.parquet\n"
          "4cc04964 point 4 700 14 b/part-0-1.csv\n"
          "3c56bb24 sealed 4 2 1769860801000000000\n"
          "bed155b9 done b/part-0-2.csv\n",
          f);
    fclose(f);
    log_open(&log, dir);
    tm_assert_eq(log.entry_cnt, 2u);
    tm_assert_eq(log.next_counter, 3u);
    tm_assert_eq(log.committed, committed);
    tm_assert(log.entries[0].state == TM_PART_READY);
    tm_assert_eq(log.entries[0].txn_id, 4u);
    tm_assert_eq(log.entries[0].id, 17u);
    tm_assert_eq(log.entries[0].file_sz, 1000);
    tm_assert_eq(log.entries[0].sealed_ns, 1769860801000000000);
    const tm_part_entry_t *going = &log.entries[1];
    tm_assert(going->state == TM_PART_OPEN);
    tm_assert_eq(going->id, UINT64_MAX);
    tm_assert_eq(going->tag, UINT32_MAX);
    tm_assert_eq(going->point_cnt, 2u);
    tm_assert_eq(tm_part_entry_point(going, 2), -1);
    tm_assert_eq(tm_part_entry_point(going, 3), 0);
    tm_assert_eq(tm_part_entry_point(going, 9), 1);
    tm_assert_eq(going->points[0].file_sz, 500);
    tm_assert_eq(going->points[1].row_cnt, 14);
    tm_part_log_close(&log);
    log_open(&log, dir); /* as it was written anew */
    tm_assert_eq(log.committed, committed);
    tm_assert_eq(log.entry_cnt, 2u);
    tm_part_log_close(&log);
    tm_fixture_remove(dir);
}

Test(part_log, a_recorded_log_means_what_the_document_says)
{
    read_recorded("tidemark parts 4\n32964357 commit 4\n", 4);
    read_recorded("tidemark parts 3\n32964357 commit 4\n", 4);
}

Test(part_log, a_part_that_is_to_be_shown_stays_so_over_restarts)
{
    char dir[256];
    tm_part_log_t log;
    const tm_part_point_t whole = {.file_sz = 100, .row_cnt = 5};
    tm_fixture_dir(dir);
    log_open(&log, dir);
    begin(&log, "b/part-0-0.parquet");
    begin(&log, "b/part-0-1.parquet");
    tm_assert_eq(tm_part_log_add(&log, "b/part-0-0.parquet", TM_PART_READY, &whole), 0);
    tm_assert_eq(tm_part_log_add(&log, "b/part-0-1.parquet", TM_PART_READY, &whole), 0);
    tm_assert_eq(tm_part_log_seal(&log, 1, 0), 0);
    tm_assert_eq(tm_part_log_show(&log, 1), 0);
    for (int i = 0; i < 2; i++) { /* as it was told, and as it was written anew */
        tm_part_log_close(&log);
        log_open(&log, dir);
        tm_assert_eq(log.entry_cnt, 2u);
        tm_assert(!log.entries[0].shown && log.entries[1].shown);
    }
    tm_part_log_close(&log);
    tm_fixture_remove(dir);
}

Test(part_log, a_log_of_the_version_before_has_no_commits)
{
    read_recorded("tidemark parts 2\n", 0);
}

/* Whatever the place of the cut, a transaction counts whole or not at all. */
Test(part_log, a_torn_tail_never_shows_half_a_transaction)
{
    char dir[256], path[300], bytes[4096];
    tm_part_log_t log;
    tm_fixture_dir(dir);
    snprintf(path, sizeof path, "%s/.parts-0.log", dir);
    log_open(&log, dir);
    begin(&log, "b/part-0-0.parquet");
    begin(&log, "b/part-0-1.parquet");
    ready(&log, "b/part-0-0.parquet", 1, 1);
    ready(&log, "b/part-0-1.parquet", 2, 1);
    tm_assert_eq(tm_part_log_seal(&log, 1, 1), 0);
    tm_part_log_close(&log);
    FILE *f = fopen(path, "r");
    size_t sz = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    for (size_t cut = sz; cut > 17; cut--) {
        f = fopen(path, "w");
        fwrite(bytes, 1, cut, f);
        fclose(f);
        log_open(&log, dir);
        uint32_t ready_cnt = 0;
        for (uint32_t i = 0; i < log.entry_cnt; i++)
            ready_cnt += log.entries[i].state == TM_PART_READY;
        tm_assert_eq(ready_cnt, cut == sz ? 2u : 0u);
        tm_part_log_close(&log);
    }
    tm_fixture_remove(dir);
}

Test(part_log, a_strange_file_in_its_place_is_refused_not_overwritten)
{
    char dir[256], path[300], text[32] = "";
    tm_part_log_t log;
    tm_fixture_dir(dir);
    snprintf(path, sizeof path, "%s/.parts-0.log", dir);
    FILE *f = fopen(path, "w");
    fputs("something else entirely", f);
    fclose(f);
    tm_assert_eq(tm_part_log_open(&log, dir, 0, 0), TM_E_CORRUPT);
    f = fopen(path, "r");
    tm_assert(fgets(text, sizeof text, f) != NULL);
    fclose(f);
    tm_assert_str(text, "something else entirely");
    tm_fixture_remove(dir);
}

/* A log does not grow without bound: what is finished leaves it. */
Test(part_log, it_is_rewritten_when_it_grows)
{
    char dir[256], name[64];
    tm_part_log_t log;
    tm_fixture_dir(dir);
    log_open(&log, dir);
    log.off = TM_PART_LOG_SZ_MAX + 1; /* as if it had grown */
    snprintf(name, sizeof name, "b/part-0-7.parquet");
    begin(&log, name);
    tm_assert(log.off < 200);
    tm_part_log_close(&log);
    log_open(&log, dir);
    tm_assert(tm_part_log_find(&log, name) >= 0);
    tm_part_log_close(&log);
    tm_fixture_remove(dir);
}
