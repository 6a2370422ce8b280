#include "tests/state/part_fixture.h"

#include "base/check.h"
#include "base/decimal.h"
#include "base/error.h"
#include "state/file.h"
#include "state/parquet/parquet_reader.h"
#include "state/parquet/parquet_writer.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* splitmix64: Steele, Lea and Flood 2014. */
uint64_t tm_fixture_rand(tm_fixture_rng_t *rng)
{
    uint64_t z = rng->state += 0x9e3779b97f4a7c15ull;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

uint64_t tm_fixture_below(tm_fixture_rng_t *rng, uint64_t below)
{
    return tm_fixture_rand(rng) % below;
}

static void add_field(tm_fixture_t *fx, tm_type_t type, uint32_t idx)
{
    static const uint32_t units[] = {1, 1000, 1000000};
    tm_field_t f = {.type = type};
    snprintf(f.name, sizeof f.name, "%s_%u", tm_type_name(type), idx);
    f.unit_ns = units[tm_fixture_below(&fx->rng, 3)];
    f.scale = (uint8_t)tm_fixture_below(&fx->rng, type == TM_TYPE_DECIMAL128 ? 39 : 19);
    f.nullable = tm_fixture_below(&fx->rng, 2) != 0;
    f.null_bit = (uint8_t)idx;
    TM_CHECK(tm_schema_add(&fx->schema, &f) >= 0, "%s", tm_error_text());
}

/* Numbers as feeds have them: constant, counting, walking, small, anything, or at the edges. */
static uint64_t number(tm_fixture_rng_t *rng, uint32_t habit, uint64_t *last)
{
    static const uint64_t edges[] = {
        0, 1, UINT64_MAX, INT64_MAX, (uint64_t)INT64_MIN + 1, 1ull << 32, UINT32_MAX, 127};
    switch (habit) {
    case 0:
        return 42;
    case 1:
        return ++*last;
    case 2:
        return *last += tm_fixture_below(rng, 2001) - 1000;
    case 3:
        return tm_fixture_below(rng, 5);
    case 4:
        return tm_fixture_rand(rng);
    default:
        return edges[tm_fixture_below(rng, 8)];
    }
}

/* What is shown by DECIMAL columns has to have no more digits than their precision. */
static int64_t digits18(uint64_t v)
{
    return (int64_t)v % 1000000000000000000ll;
}

static tm_i128_t digits38(uint64_t hi, uint64_t lo)
{
    tm_i128_t limit = 1;
    for (int i = 0; i < 38; i++) limit *= 10;
    return (tm_i128_t)((tm_u128_t)hi << 64 | lo) % limit;
}

static void put_field(tm_fixture_t *fx, uint8_t *row, uint32_t i, uint32_t habit, uint64_t *last)
{
    const tm_field_t *f = &fx->schema.fields[i];
    uint8_t *at = row + f->off;
    uint64_t v = number(&fx->rng, habit, last);
    int64_t wide = (int64_t)v;
    switch (f->type) {
    case TM_TYPE_BOOL:
        *at = v & 1;
        return;
    case TM_TYPE_SIDE:
        *at = (uint8_t)(v % 3);
        return;
    case TM_TYPE_I32: {
        int32_t narrow = (int32_t)(uint32_t)v;
        memcpy(at, &narrow, 4);
        return;
    }
    case TM_TYPE_DECIMAL64:
        wide = digits18(v);
        break;
    case TM_TYPE_TIME_NS: /* years 1970 to 2200, so that every reader's calendar can hold it */
        wide = (int64_t)(v % 7258118400000000000ull);
        break;
    case TM_TYPE_SYMBOL: {
        uint32_t symbol = (uint32_t)(v % tm_symbols_cnt(fx->symbols));
        if (tm_fixture_below(&fx->rng, 50) == 0) symbol = TM_SYMBOL_NONE;
        memcpy(at, &symbol, 4);
        return;
    }
    case TM_TYPE_DECIMAL128: {
        tm_i128_t big = habit == 4 ? digits38(v, tm_fixture_rand(&fx->rng)) : (tm_i128_t)wide;
        memcpy(at, &big, 16);
        return;
    }
    case TM_TYPE_F64: {
        double d = habit == 4 ? (double)wide : (double)wide / 8;
        memcpy(at, &d, 8);
        return;
    }
    case TM_TYPE_I64:
    case TM_TYPE_U64:
        break;
    }
    if (f->type == TM_TYPE_TIME_NS && tm_fixture_below(&fx->rng, 100) == 0) wide = TM_TIME_NONE;
    memcpy(at, &wide, 8);
}

static void open_symbols(tm_fixture_t *fx, uint32_t cnt)
{
    TM_CHECK(tm_symbols_open(&fx->symbols) == 0, "symbols");
    for (uint32_t i = 0; i < cnt; i++) {
        char name[64];
        /* Lengths differ and one name starts another, so that order by text is put to the test. */
        int sz = snprintf(name, sizeof name, "S%llu%s",
                          (unsigned long long)tm_fixture_below(&fx->rng, 1000000),
                          i % 3 == 0 ? "USDT" : "");
        tm_symbols_intern(fx->symbols, name, (size_t)sz);
    }
}

/* Rows of the fixture's schema, each field with a habit of its own. */
static void fill_rows(tm_fixture_t *fx)
{
    uint32_t habits[TM_SCHEMA_FIELD_MAX];
    uint64_t last[TM_SCHEMA_FIELD_MAX];
    bool nullable = false;
    for (uint32_t i = 0; i < fx->schema.field_cnt; i++) {
        habits[i] = (uint32_t)tm_fixture_below(&fx->rng, 6);
        last[i] = tm_fixture_rand(&fx->rng) >> 20;
        nullable |= fx->schema.fields[i].nullable;
    }
    fx->rows = calloc(fx->row_cnt ? fx->row_cnt : 1, fx->schema.row_sz);
    TM_CHECK(fx->rows, "rows");
    for (uint32_t r = 0; r < fx->row_cnt; r++) {
        uint8_t *row = tm_fixture_row(fx, r);
        uint64_t nulls = tm_fixture_below(&fx->rng, 4) == 0 ? tm_fixture_rand(&fx->rng) : 0;
        if (nullable) memcpy(row + fx->schema.null_off, &nulls, 8);
        for (uint32_t i = 0; i < fx->schema.field_cnt; i++)
            put_field(fx, row, i, habits[i], &last[i]);
    }
}

void tm_fixture_random(tm_fixture_t *fx, uint64_t seed, uint32_t row_cnt)
{
    *fx = (tm_fixture_t){.rng = {seed}, .row_cnt = row_cnt};
    open_symbols(fx, 1 + (uint32_t)tm_fixture_below(&fx->rng, 300));
    tm_schema_init(&fx->schema, "random", TM_SCHEMA_ID_USER);
    fx->schema.null_off = fx->schema.row_sz;
    fx->schema.row_sz += 8;
    uint32_t field_cnt = 1 + (uint32_t)tm_fixture_below(&fx->rng, 12);
    for (uint32_t i = 0; i < field_cnt; i++)
        add_field(fx, (tm_type_t)tm_fixture_below(&fx->rng, TM_TYPE_SIDE + 1), i);
    fill_rows(fx);
}

void tm_fixture_market(tm_fixture_t *fx, uint16_t schema_id, uint64_t seed, uint32_t row_cnt)
{
    *fx = (tm_fixture_t){.rng = {seed}, .row_cnt = row_cnt, .schema = *tm_schema_market(schema_id)};
    open_symbols(fx, 1 + (uint32_t)tm_fixture_below(&fx->rng, 300));
    fill_rows(fx);
}

void tm_fixture_trades(tm_fixture_t *fx, uint64_t seed, uint32_t row_cnt, uint32_t symbol_cnt)
{
    *fx = (tm_fixture_t){.rng = {seed}, .row_cnt = row_cnt, .schema = *tm_schema_trade()};
    open_symbols(fx, symbol_cnt);
    fx->rows = calloc(row_cnt ? row_cnt : 1, sizeof(tm_trade_t));
    TM_CHECK(fx->rows, "rows");
    for (uint32_t r = 0; r < row_cnt; r++) {
        int64_t t = 1769860800ll * TM_NS_PER_S + r * TM_NS_PER_S;
        tm_trade_t trade = {
            .row = {.schema_id = TM_SCHEMA_ID_TRADE,
                    .symbol = (uint32_t)tm_fixture_below(&fx->rng, tm_symbols_cnt(fx->symbols)),
                    .event_ns = t,
                    .recv_ns = t + (int64_t)tm_fixture_below(&fx->rng, 1000000)},
            .trade_id = r,
            .price_e8 = 100000000 + (int64_t)tm_fixture_below(&fx->rng, 1000) * 10000,
            .qty_e8 = 1 + (int64_t)tm_fixture_below(&fx->rng, 1000000),
            .publish_ns = t,
            .side = (uint8_t)(1 + tm_fixture_below(&fx->rng, 2)),
        };
        memcpy(tm_fixture_row(fx, r), &trade, sizeof trade);
    }
}

void tm_fixture_free(tm_fixture_t *fx)
{
    tm_symbols_close(fx->symbols);
    free(fx->rows);
    *fx = (tm_fixture_t){0};
}

static bool absent(const tm_fixture_t *fx, const uint8_t *row, const tm_field_t *f)
{
    uint64_t nulls = 0;
    int64_t t;
    uint32_t symbol;
    if (f->nullable) memcpy(&nulls, row + fx->schema.null_off, 8);
    if (nulls >> f->null_bit & 1) return true;
    memcpy(&t, row + f->off, f->type == TM_TYPE_TIME_NS ? 8 : 0);
    memcpy(&symbol, row + f->off, f->type == TM_TYPE_SYMBOL ? 4 : 0);
    return (f->type == TM_TYPE_TIME_NS && t == TM_TIME_NONE) ||
           (f->type == TM_TYPE_SYMBOL && symbol == TM_SYMBOL_NONE);
}

void tm_fixture_cell(const tm_fixture_t *fx, uint32_t row_idx, uint32_t field_idx, char out[256])
{
    static const char *const sides[] = {"unknown", "buy", "sell"};
    const tm_field_t *f = &fx->schema.fields[field_idx];
    const uint8_t *row = tm_fixture_row(fx, row_idx), *at = row + f->off;
    uint64_t v = 0;
    int32_t narrow;
    tm_i128_t big;
    memcpy(&v, at, tm_type_sz(f->type) > 8 ? 8 : tm_type_sz(f->type));
    if (absent(fx, row, f)) {
        snprintf(out, 256, "\\N");
        return;
    }
    switch (f->type) {
    case TM_TYPE_BOOL:
        snprintf(out, 256, "%s", v ? "true" : "false");
        return;
    case TM_TYPE_SIDE:
        snprintf(out, 256, "%s", sides[v]);
        return;
    case TM_TYPE_I32:
        memcpy(&narrow, at, 4);
        snprintf(out, 256, "%d", narrow);
        return;
    case TM_TYPE_I64:
        snprintf(out, 256, "%lld", (long long)v);
        return;
    case TM_TYPE_U64:
        snprintf(out, 256, "%llu", (unsigned long long)v);
        return;
    case TM_TYPE_F64:
        snprintf(out, 256, "%016llx", (unsigned long long)v);
        return;
    case TM_TYPE_TIME_NS: /* never negative here, so truncation is the floor */
        snprintf(out, 256, "%lld", (long long)v / (long long)f->unit_ns);
        return;
    case TM_TYPE_DECIMAL64:
        tm_decimal_format(out, (int64_t)v, f->scale);
        return;
    case TM_TYPE_DECIMAL128:
        memcpy(&big, at, 16);
        tm_decimal_format(out, big, f->scale);
        return;
    case TM_TYPE_SYMBOL:
        snprintf(out, 256, "%s", tm_symbols_name(fx->symbols, (uint32_t)v, NULL));
        return;
    }
}

void tm_fixture_order(const tm_fixture_t *fx, int field_idx, uint32_t group_rows, uint32_t *order)
{
    char a[256], b[256];
    for (uint32_t r = 0; r < fx->row_cnt; r++) {
        uint32_t at = r;
        order[r] = r;
        if (field_idx < 0) continue;
        tm_fixture_cell(fx, r, (uint32_t)field_idx, a);
        while (at % group_rows != 0) { /* absent rows come last in their group */
            tm_fixture_cell(fx, order[at - 1], (uint32_t)field_idx, b);
            bool a_none = strcmp(a, "\\N") == 0, b_none = strcmp(b, "\\N") == 0;
            if (b_none ? a_none : a_none || strcmp(b, a) <= 0) break;
            order[at] = order[at - 1];
            order[--at] = r;
        }
    }
}

/* Every field that can have a Bloom filter gets one. */
static void bloom_fields(const tm_schema_t *schema, char *out, size_t out_sz)
{
    size_t n = 0;
    out[0] = '\0';
    for (uint32_t c = 0; c < schema->field_cnt; c++) {
        const tm_field_t *f = &schema->fields[c];
        if (f->type == TM_TYPE_BOOL || f->type == TM_TYPE_F64) continue;
        n += (size_t)snprintf(out + n, out_sz - n, "%s%s", n > 0 ? "," : "", f->name);
        TM_CHECK(n < out_sz, "names of %u fields", schema->field_cnt);
    }
}

void tm_fixture_write(const tm_fixture_t *fx, const char *path, tm_compression_t compression,
                      uint32_t group_rows, const char *cluster)
{
    tm_parquet_writer_t *w;
    tm_parquet_file_t file;
    tm_row_pool_t pool;
    tm_row_group_t group;
    char blooms[4096];
    bloom_fields(&fx->schema, blooms, sizeof blooms);
    tm_parquet_writer_cfg_t cfg = {.schema = &fx->schema,
                                   .bloom_fields = blooms,
                                   .symbols = fx->symbols,
                                   .cluster_field = cluster,
                                   .compression = compression,
                                   /* Larger files as small as can be: more is compressed. */
                                   .byte_ns = group_rows > 1000 ? TM_PART_BYTE_NS_MAX : 0,
                                   .group_rows = group_rows,
                                   .page_rows = group_rows / 3 + 1};
    TM_CHECK(tm_parquet_writer_open(&w, &cfg) == 0, "%s", tm_error_text());
    TM_CHECK(tm_row_pool_open(&pool, &fx->schema, TM_ROW_BLOCK_CNT,
                              group_rows / TM_ROW_BLOCK_CNT + 1) == 0,
             "pool");
    tm_row_group_init(&group, &pool, group_rows);
    int fd = tm_file_open(path, O_RDWR | O_CREAT | O_TRUNC);
    TM_CHECK(fd >= 0, "%s", tm_error_text());
    TM_CHECK(tm_parquet_file_begin(w, &file, fd, path) == 0, "%s", tm_error_text());
    for (uint32_t at = 0; at < fx->row_cnt;) {
        uint32_t left = fx->row_cnt - at;
        at += tm_row_group_append(&group, tm_fixture_row(fx, at), left < 100 ? left : 100);
        if (group.row_cnt < group_rows && at < fx->row_cnt) continue;
        TM_CHECK(tm_parquet_file_append(w, &file, &group) == 0, "%s", tm_error_text());
        tm_row_group_clear(&group);
    }
    const tm_parquet_kv_t kv = {"made by", "the tests"};
    TM_CHECK(tm_parquet_file_finish(w, &file, &kv, 1) == 0, "%s", tm_error_text());
    tm_parquet_file_free(&file);
    tm_file_close(fd);
    tm_row_pool_close(&pool);
    tm_parquet_writer_close(w);
}

void tm_fixture_dir(char out[256])
{
    /* Thousands of fsyncs: in memory where that is to be had, since no test here cuts the power. */
    const char *base = getenv("TMPDIR");
    if (!base) base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(out, 256, "%s/tm-parts-XXXXXX", base);
    TM_CHECK(mkdtemp(out), "%s", out);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

void tm_fixture_remove(const char *dir)
{
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static tm_fixture_count_t *counting;

static int count_row(void *ctx, uint64_t row_idx, const char *const *cells, uint32_t cell_cnt)
{
    (void)ctx, (void)row_idx, (void)cells, (void)cell_cnt;
    counting->rows++;
    return 0;
}

static int count_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    tm_parquet_reader_t *reader;
    const char *name = path + ftw->base;
    (void)st;
    if (flag != FTW_F) return 0;
    if (strncmp(name, ".part-", 6) == 0) counting->hidden++;
    if (strncmp(name, "part-", 5) != 0) return 0;
    counting->finished++;
    if (tm_parquet_reader_open(&reader, path) != 0) {
        counting->broken = true;
        return 0;
    }
    if (tm_parquet_reader_rows(reader, 0, UINT64_MAX, count_row, NULL) != 0)
        counting->broken = true;
    tm_parquet_reader_close(reader);
    return 0;
}

tm_fixture_count_t tm_fixture_count(const char *dir)
{
    tm_fixture_count_t count = {0};
    counting = &count;
    nftw(dir, count_one, 16, FTW_PHYS);
    counting = NULL;
    return count;
}

static struct {
    const tm_fixture_t *fx;
    uint32_t *times;
    tm_fixture_count_t count;
} csv;

/* Symbol and trade id tell a row: columns 0 and 3. The last line must end as well. */
static void csv_line(char *line)
{
    char *save = NULL, cell[2][256];
    char *cols[4] = {strtok_r(line, ",", &save)};
    const bool whole = strchr(save ? save : "", '\n') != NULL;
    for (int c = 1; c < 4; c++) cols[c] = strtok_r(NULL, ",", &save);
    for (uint32_t i = 0; whole && cols[3] && i < csv.fx->row_cnt; i++) {
        tm_fixture_cell(csv.fx, i, 0, cell[0]);
        tm_fixture_cell(csv.fx, i, 3, cell[1]);
        if (strcmp(cols[0], cell[0]) != 0 || strcmp(cols[3], cell[1]) != 0) continue;
        csv.times[i]++;
        csv.count.rows++;
        return;
    }
    csv.count.broken = true;
}

static int csv_file(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    const bool hidden = strncmp(path + ftw->base, ".part-", 6) == 0;
    char line[1024];
    (void)st;
    if (flag != FTW_F || (!hidden && strncmp(path + ftw->base, "part-", 5) != 0)) return 0;
    csv.count.hidden += hidden;
    csv.count.finished += !hidden;
    FILE *f = fopen(path, "r");
    TM_CHECK(f, "%s", path);
    if (!fgets(line, sizeof line, f) || strncmp(line, "symbol,", 7) != 0) csv.count.broken = true;
    while (fgets(line, sizeof line, f)) csv_line(line);
    fclose(f);
    return 0;
}

tm_fixture_count_t tm_fixture_csv(const tm_fixture_t *fx, const char *dir, uint32_t *times)
{
    memset(&csv, 0, sizeof csv);
    memset(times, 0, fx->row_cnt * sizeof *times);
    csv.fx = fx;
    csv.times = times;
    nftw(dir, csv_file, 8, FTW_PHYS);
    return csv.count;
}
