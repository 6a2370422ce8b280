/* Whole jobs in process: what goes in as trades comes out as bars, whatever the threads. */
#include "base/decimal.h"
#include "base/types.h"
#include "engine/tidemark.h"
#include "state/parquet/parquet_reader.h"
#include "tests/tm_test.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SYMBOL_CNT = 8, TRADE_CNT = 20000, PATH_SZ = 512 };

/* What was written per symbol, and what was read back. */
typedef struct tally {
    uint64_t trades;
    int64_t qty_e8;
} tally_t;

static tally_t written[SYMBOL_CNT], found[SYMBOL_CNT];
static char dir[PATH_SZ];
static uint32_t part_cnt;

static int build(tm_job_t *job)
{
    static const tm_agg_spec_t aggs[] = {
        {.as = "volume", .fn = TM_AGG_SUM, .field = "qty"},
        {.as = "trades", .fn = TM_AGG_COUNT},
    };
    const tm_window_spec_t second = tm_tumbling(TM_SECOND);
    tm_stream_t *s = tm_source_feed(job, &(tm_feed_spec_t){.rows = TM_ROWS_TRADE});
    s = tm_key_by(tm_watermarks(s, &(tm_watermark_spec_t){.bound_ns = TM_SECOND}), "symbol");
    tm_sink_parts(tm_window_aggregate(s, "bars", &second, aggs, TM_ARRAY_CNT(aggs)), NULL);
    return 0;
}

/* Trades in event-time order from one seed; tallies go up with every line. */
static void capture_write(const char *path, uint64_t seed)
{
    FILE *f = fopen(path, "w");
    tm_assert(f != NULL);
    for (int i = 0; i < TRADE_CNT; i++) {
        seed = seed * 6364136223846793005ull + 1442695040888963407ull;
        uint32_t s = (uint32_t)(seed >> 40) % SYMBOL_CNT;
        int64_t qty = (int64_t)(seed >> 50) + 1, ms = 1700000000000 + i / 4;
        fprintf(f,
                "%lld000000 {\"e\":\"trade\",\"E\":%lld,\"s\":\"S%u\",\"t\":%d,\"p\":\"100.5\","
                "\"q\":\"%lld.%08lld\",\"T\":%lld,\"m\":true,\"M\":true}\n",
                (long long)ms, (long long)ms, s, i, (long long)(qty / 100000000),
                (long long)(qty % 100000000), (long long)ms);
        written[s].trades++;
        written[s].qty_e8 += qty;
    }
    tm_assert_eq(fclose(f), 0);
}

/* symbol, window_start, window_end, volume, trades */
static int row_take(void *ctx, uint64_t row_idx, const char *const *cells, uint32_t cell_cnt)
{
    (void)ctx;
    (void)row_idx;
    tm_assert_eq(cell_cnt, 5u);
    uint32_t s = (uint32_t)strtoul(cells[0] + 1, NULL, 10);
    tm_assert(s < SYMBOL_CNT);
    char *point;
    found[s].qty_e8 += strtoll(cells[3], &point, 10) * 100000000 + strtoll(point + 1, NULL, 10);
    found[s].trades += strtoull(cells[4], NULL, 10);
    return 0;
}

static int file_take(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    if (type != FTW_F || path[at->base] == '.' || !strstr(path, ".parquet")) return 0;
    tm_parquet_reader_t *reader;
    tm_assert_eq(tm_parquet_reader_open(&reader, path), 0);
    tm_assert_eq(tm_parquet_reader_rows(reader, 0, UINT64_MAX, row_take, NULL), 0);
    tm_parquet_reader_close(reader);
    part_cnt++;
    return 0;
}

static int file_remove(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

/* A fresh folder with two captures in it. */
static void captures_make(void)
{
    char path[PATH_SZ + 16];
    memset(written, 0, sizeof written);
    snprintf(dir, sizeof dir, "/tmp/tm-run-%d-XXXXXX", getpid());
    tm_assert(mkdtemp(dir) != NULL);
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%c.txt", dir, 'a' + i);
        capture_write(path, 7 + (uint64_t)i);
    }
}

/* Runs the job over the inputs `a` and `b` of the folder and checks its bars against what was
   written. `more` is one further option and its value, or NULL. */
static void bars_run(const char *a, const char *b, char *const cores[2], char *const more[2])
{
    char in[2][PATH_SZ + 16], out[PATH_SZ + 16];
    memset(found, 0, sizeof found);
    part_cnt = 0;
    snprintf(in[0], sizeof in[0], "%s/%s", dir, a);
    snprintf(in[1], sizeof in[1], "%s/%s", dir, b);
    snprintf(out, sizeof out, "%s/out-%s", dir, strrchr(in[0], '/') + 1);
    char *argv[] = {"bars",
                    "--replay",
                    in[0],
                    "--replay",
                    in[1],
                    "--out",
                    out,
                    "--quiet",
                    "--state-memory",
                    "64M",
                    "--idle",
                    "yield",
                    "--ingest-cores",
                    cores[0],
                    "--worker-cores",
                    cores[1],
                    more ? more[0] : NULL,
                    more ? more[1] : NULL,
                    NULL};
    tm_assert_eq(tm_main((int)TM_ARRAY_CNT(argv) - (more ? 1 : 3), argv, build), 0);
    nftw(out, file_take, 16, FTW_PHYS);
    tm_assert(part_cnt > 0);
    for (uint32_t s = 0; s < SYMBOL_CNT; s++) {
        tm_assert(written[s].trades > 0);
        tm_assert_eq(found[s].trades, written[s].trades);
        tm_assert_eq(found[s].qty_e8, written[s].qty_e8);
    }
}

static void folder_remove(void)
{
    nftw(dir, file_remove, 16, FTW_DEPTH | FTW_PHYS);
}

Test(run, every_trade_is_in_one_bar_with_one_thread_of_each_kind)
{
    captures_make();
    bars_run("a.txt", "b.txt", (char *[]){"0", "0"}, NULL);
    folder_remove();
}

Test(run, every_trade_is_in_one_bar_with_two_ingest_threads_and_three_workers)
{
    captures_make();
    bars_run("a.txt", "b.txt", (char *[]){"0,0", "0,0,0"}, NULL);
    folder_remove();
}

Test(run, full_rings_hold_the_source_back_and_lose_nothing)
{
    captures_make();
    bars_run("a.txt", "b.txt", (char *[]){"0,0", "0,0"}, (char *[]){"--ring-depth", "64"});
    folder_remove();
}

Test(run, the_journals_of_a_run_replay_to_the_same_bars)
{
    char journal[PATH_SZ + 16];
    captures_make();
    snprintf(journal, sizeof journal, "%s/journal", dir);
    bars_run("a.txt", "b.txt", (char *[]){"0,0", "0,0"}, (char *[]){"--journal", journal});
    bars_run("journal/0", "journal/1", (char *[]){"0", "0,0"}, NULL);
    folder_remove();
}
