/* Part files: rows a second and bytes a row for trades and bars, through the whole sink (buckets,
   columns, encoding, fsync, rename), beside DuckDB's COPY of the same rows from a table in memory.
   Both on one core; files go to $TM_BENCH_DIR, else to memory, so that no disk is measured. */
#include "base/check.h"
#include "base/error.h"
#include "bench/bench.h"
#include "bench/part/part_rows.h"
#include "bench/part/peer_duckdb.h"
#include "state/file.h"
#include "state/part/part_sink.h"

#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TRADES = 4000000, BARS = 1000000, BURST = 1024, SMALL = 200000 };

/* How ours writes. */
typedef struct way {
    const char *name;
    tm_compression_t compression;
    uint32_t byte_ns; /* what a byte is worth; 0 = the default */
} way_t;

static const way_t ways[] = {
    {"zstd-1", TM_COMPRESS_ZSTD, 0},
    {"zstd-1 for 6 ns a byte", TM_COMPRESS_ZSTD, 6},
    {"zstd-1 for 15 ns a byte", TM_COMPRESS_ZSTD, 15},
    {"mixed", TM_COMPRESS_MIXED, 0},
    {"lz4_raw", TM_COMPRESS_LZ4, 0},
    {"none", TM_COMPRESS_NONE, 0},
};

typedef struct side {
    tm_sink_t *sink; /* opened once, as a job does: its memory is warm after the first round */
    const tm_part_rows_t *rows;
    way_t way;
    const char *cluster; /* "" = order of arrival */
    tm_duckdb_t *db;
    const char *table;
    uint32_t repeat_cnt; /* writes a measurement: small inputs are written several times */
    uint64_t file_sz;    /* of the last file */
} side_t;

static char scratch[512];

static uint64_t found_sz;
static char found_path[1024];

static int sum_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    if (flag != FTW_F || strncmp(path + ftw->base, "part-", 5) != 0) return 0;
    found_sz += (uint64_t)st->st_size;
    snprintf(found_path, sizeof found_path, "%s", path);
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

static void open_ours(side_t *side, const char *dir)
{
    tm_part_sink_cfg_t cfg = {.dir = dir,
                              .schema = &side->rows->schema,
                              .symbols = side->rows->symbols,
                              .bucket = {.pattern = "parts"},
                              .cluster_field = side->cluster,
                              .compression = side->way.compression,
                              .byte_ns = side->way.byte_ns,
                              .roll = {.max_sz = 1ull << 40}};
    TM_CHECK(tm_part_sink_open(&side->sink, &cfg) == 0, "%s", tm_error_text());
}

/* Writes all rows as one part; returns the seconds. Its path is left in found_path. */
static double write_ours(side_t *side, const char *dir)
{
    static uint64_t txn_id;
    const tm_part_rows_t *rows = side->rows;
    tm_sink_t *sink = side->sink;
    double start = tm_bench_now();
    for (uint32_t at = 0; at < rows->row_cnt; at += BURST) {
        uint32_t left = rows->row_cnt - at;
        const uint8_t *from = rows->rows + (size_t)at * rows->schema.row_sz;
        int err = sink->ops->write(sink, from, left < BURST ? left : BURST);
        TM_CHECK(err == 0, "%s", tm_error_text());
    }
    TM_CHECK(sink->ops->prepare(sink, ++txn_id) == 0, "%s", tm_error_text());
    TM_CHECK(sink->ops->commit(sink, txn_id) == 0, "%s", tm_error_text());
    double seconds = tm_bench_now() - start;
    found_sz = 0;
    nftw(dir, sum_one, 8, FTW_PHYS);
    side->file_sz = found_sz;
    return seconds;
}

static double ours(void *ctx)
{
    side_t *side = ctx;
    double seconds = 0;
    char dir[600], parts[700];
    snprintf(dir, sizeof dir, "%s/ours", scratch);
    snprintf(parts, sizeof parts, "%s/parts", dir);
    if (!side->sink) open_ours(side, dir);
    for (uint32_t i = 0; i < side->repeat_cnt; i++) {
        seconds += write_ours(side, dir);
        nftw(parts, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    }
    return (double)side->rows->row_cnt * side->repeat_cnt / seconds / 1e6;
}

static double duckdb(void *ctx)
{
    side_t *side = ctx;
    double seconds = 0, all = 0;
    char path[600];
    const char *codec = side->way.compression == TM_COMPRESS_NONE ? "uncompressed" : "zstd";
    snprintf(path, sizeof path, "%s/duckdb.parquet", scratch);
    for (uint32_t i = 0; i < side->repeat_cnt; i++) {
        if (!tm_duckdb_copy(side->db, side->table, path, codec, &seconds, &side->file_sz))
            return (double)NAN;
        all += seconds;
    }
    unlink(path);
    return (double)side->rows->row_cnt * side->repeat_cnt / all / 1e6;
}

static double bytes_a_row(void *ctx)
{
    const side_t *side = ctx;
    if (side->file_sz == 0) return (double)NAN;
    return (double)side->file_sz / side->rows->row_cnt;
}

/* Speed first; the sizes of the files that it left are the second case. */
static void run(tm_bench_t *bench, const tm_part_rows_t *rows, const way_t *way, tm_duckdb_t *db)
{
    char speed[128], size[128], peer[128], sorted[128], sorted_table[64];
    snprintf(speed, sizeof speed, "%s, %s", rows->name, way->name);
    snprintf(size, sizeof size, "%s, %s: size", rows->name, way->name);
    if (!tm_bench_wants(bench, speed)) return;
    const uint32_t repeat_cnt = rows->row_cnt < SMALL ? 10 : 1;
    const char *table = strchr(rows->name, ' ') ? "captured" : rows->name;
    snprintf(sorted_table, sizeof sorted_table, "%s_sorted", table);
    side_t sides[] = {
        {.rows = rows, .way = *way, .repeat_cnt = repeat_cnt},
        {.rows = rows, .way = *way, .repeat_cnt = repeat_cnt, .db = db, .table = table},
        {.rows = rows, .way = *way, .repeat_cnt = repeat_cnt, .db = db, .table = sorted_table},
    };
    snprintf(peer, sizeof peer, "%s", db->version);
    snprintf(sorted, sizeof sorted, "%s, by symbol", db->version);
    const bool has_peer = db->to && way->compression != TM_COMPRESS_LZ4;
    tm_bench_case_t c = {
        .name = speed,
        .unit = "Mrow/s",
        .variant_cnt = has_peer ? 3 : 1,
        .variants = {{"tidemark", ours, &sides[0]},
                     {peer, duckdb, &sides[1]},
                     {sorted, duckdb, &sides[2]}},
    };
    tm_bench_run(bench, &c);
    c.name = size;
    c.unit = "B/row";
    c.lower_is_better = true;
    for (uint32_t i = 0; i < c.variant_cnt; i++) c.variants[i].fn = bytes_a_row;
    tm_bench_run(bench, &c);
    sides[0].sink->ops->close(sides[0].sink);
}

/* Gives DuckDB the rows in the order in which we get them, and a copy ordered by symbol. */
static void load(tm_duckdb_t *db, const tm_part_rows_t *rows)
{
    side_t side = {.rows = rows, .cluster = "", .repeat_cnt = 1};
    char dir[600], sorted[64];
    const char *table = strchr(rows->name, ' ') ? "captured" : rows->name;
    if (!db->to) return;
    snprintf(dir, sizeof dir, "%s/load", scratch);
    open_ours(&side, dir);
    write_ours(&side, dir);
    side.sink->ops->close(side.sink);
    snprintf(sorted, sizeof sorted, "%s_sorted", table);
    if (!tm_duckdb_load(db, table, found_path, "") ||
        !tm_duckdb_load(db, sorted, found_path, "symbol"))
        tm_duckdb_close(db);
    nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static const char *from_env(const char *name, const char *otherwise)
{
    const char *value = getenv(name);
    return value && *value ? value : otherwise;
}

int main(int argc, char **argv)
{
    static tm_part_rows_t rows[3];
    tm_duckdb_t db;
    char script[1024], modules[1024], captures[1024];
    const char *root = from_env("TM_SOURCE_ROOT", TM_BENCH_SOURCE_ROOT);
    tm_bench_t *bench = tm_bench_open("part", argc, argv);
    snprintf(scratch, sizeof scratch, "%s/tm-bench-part-XXXXXX",
             from_env("TM_BENCH_DIR", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"));
    TM_CHECK(mkdtemp(scratch), "%s", scratch);
    snprintf(script, sizeof script, "%s/bench/part/peer_duckdb.mjs", root);
    snprintf(modules, sizeof modules, "%s/tests/readers", root);
    if (!tm_duckdb_open(&db, script, modules))
        fprintf(stderr,
                "no DuckDB to compare with: node, or npm ci in tests/readers, is missing\n");
    if (getenv("TM_SHARED"))
        snprintf(captures, sizeof captures, "%s/captures", getenv("TM_SHARED"));
    else
        snprintf(captures, sizeof captures, "%s/../shared/captures", root);
    tm_part_rows_trades(&rows[0], TRADES);
    tm_part_rows_bars(&rows[1], BARS);
    tm_part_rows_captures(&rows[2], captures);
    for (uint32_t i = 0; i < TM_ARRAY_CNT(rows); i++) {
        if (rows[i].row_cnt == 0) continue;
        load(&db, &rows[i]);
        for (uint32_t k = 0; k < TM_ARRAY_CNT(ways); k++) run(bench, &rows[i], &ways[k], &db);
    }
    for (uint32_t i = 0; i < TM_ARRAY_CNT(rows); i++) tm_part_rows_free(&rows[i]);
    tm_duckdb_close(&db);
    nftw(scratch, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    return tm_bench_close(bench);
}
