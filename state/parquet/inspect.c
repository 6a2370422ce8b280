#include "state/parquet/inspect.h"

#include "base/error.h"
#include "state/parquet/parquet_reader.h"
#include "state/parquet/text_table.h"

enum { ROWS_DEFAULT = 10, GROUPS_DEFAULT = 4, TEXT_MAX = 64 };

/* 1234567 -> "1,234,567". */
static const char *grouped(int64_t v, char out[TEXT_MAX])
{
    char digits[TEXT_MAX];
    int sz = snprintf(digits, sizeof digits, "%lld", (long long)v), n = 0;
    for (int i = 0; i < sz; i++) {
        out[n++] = digits[i];
        int left = sz - i - 1;
        if (left > 0 && left % 3 == 0 && digits[i] != '-') out[n++] = ',';
    }
    out[n] = '\0';
    return out;
}

static void type_text(const tm_parquet_col_t *col, char out[TEXT_MAX])
{
    if (col->logical == TM_PARQUET_LOGICAL_STRING)
        snprintf(out, TEXT_MAX, "string");
    else if (col->logical == TM_PARQUET_LOGICAL_DECIMAL)
        snprintf(out, TEXT_MAX, "decimal(%d,%d)", col->precision, col->scale);
    else if (col->logical == TM_PARQUET_LOGICAL_TIMESTAMP)
        snprintf(out, TEXT_MAX, "timestamp(%s%s)",
                 col->unit_ns == TM_NS_PER_MS   ? "ms"
                 : col->unit_ns == TM_NS_PER_US ? "us"
                                                : "ns",
                 col->utc_adjusted ? ", UTC" : "");
    else if (col->logical == TM_PARQUET_LOGICAL_INTEGER)
        snprintf(out, TEXT_MAX, "%sint%u", col->int_signed ? "" : "u", (unsigned)col->int_bits);
    else
        snprintf(out, TEXT_MAX, "-");
}

static int print_schema(FILE *out, const tm_parquet_meta_t *meta)
{
    tm_text_table_t table;
    TM_TRY(tm_text_table_init(&table, 4));
    int err = tm_text_table_add(&table, (const char *[]){"column", "type", "stored as", "nulls"});
    for (uint32_t i = 0; err == 0 && i < meta->col_cnt; i++) {
        const tm_parquet_col_t *col = &meta->cols[i];
        char type[TEXT_MAX], stored[TEXT_MAX];
        type_text(col, type);
        if (col->type == TM_PARQUET_FIXED)
            snprintf(stored, sizeof stored, "FIXED(%d)", col->type_sz);
        else
            snprintf(stored, sizeof stored, "%s", tm_parquet_type_name(col->type));
        err = tm_text_table_add(
            &table, (const char *[]){col->name, type, stored,
                                     col->repetition == TM_PARQUET_OPTIONAL ? "allowed" : "never"});
    }
    fprintf(out, "\nschema %s\n", meta->schema_name);
    if (err == 0) tm_text_table_print(&table, out, 2);
    tm_text_table_free(&table);
    return err;
}

/* Encodings of values; levels are always RLE and would only repeat it. */
static void encodings_text(const tm_parquet_chunk_t *chunk, char *out, size_t out_sz)
{
    size_t n = 0;
    uint32_t set = chunk->encodings;
    if (set & ~(1u << TM_PARQUET_RLE)) set &= ~(1u << TM_PARQUET_RLE);
    if (chunk->dict_off > 0) set &= ~(1u << TM_PARQUET_PLAIN);
    out[0] = '\0';
    for (uint32_t e = 0; e < 32 && n < out_sz; e++)
        if (set >> e & 1)
            n += (size_t)snprintf(out + n, out_sz - n, "%s%s", n ? "+" : "",
                                  tm_parquet_encoding_name((tm_parquet_encoding_t)e));
}

static int add_chunk(tm_text_table_t *table, const tm_parquet_col_t *col,
                     const tm_parquet_chunk_t *chunk)
{
    char enc[2 * TEXT_MAX], pages[TEXT_MAX], raw[TEXT_MAX], file[TEXT_MAX], ratio[TEXT_MAX];
    char each[TEXT_MAX], nulls[TEXT_MAX], min[TM_PARQUET_CELL_MAX], max[TM_PARQUET_CELL_MAX];
    char bloom[TEXT_MAX] = "-";
    const tm_parquet_stats_t *stats = &chunk->stats;
    encodings_text(chunk, enc, sizeof enc);
    snprintf(pages, sizeof pages, "%u", chunk->data_page_cnt);
    grouped(chunk->raw_sz, raw);
    grouped(chunk->file_sz, file);
    snprintf(ratio, sizeof ratio, "%.2f",
             chunk->file_sz > 0 ? (double)chunk->raw_sz / (double)chunk->file_sz : 0.0);
    snprintf(each, sizeof each, "%.3f",
             chunk->value_cnt > 0 ? (double)chunk->file_sz / (double)chunk->value_cnt : 0.0);
    snprintf(nulls, sizeof nulls, "%lld", (long long)stats->null_cnt);
    if (chunk->bloom_sz > 0) grouped(chunk->bloom_sz, bloom);
    const char *cells[] = {
        col->name,
        enc,
        tm_parquet_codec_name(chunk->codec),
        pages,
        raw,
        file,
        ratio,
        each,
        bloom,
        stats->null_cnt >= 0 ? nulls : "-",
        stats->known ? tm_parquet_stat_text(col, stats->min, stats->min_sz, min) : "-",
        stats->known ? tm_parquet_stat_text(col, stats->max, stats->max_sz, max) : "-",
    };
    return tm_text_table_add(table, cells);
}

static int print_group(FILE *out, const tm_parquet_meta_t *meta, uint32_t idx)
{
    const tm_parquet_group_t *g = &meta->groups[idx];
    char rows[TEXT_MAX], bytes[TEXT_MAX];
    tm_text_table_t table;
    static const char *const head[] = {"column", "encoding",    "codec", "pages", "raw", "file",
                                       "ratio",  "bytes/value", "bloom", "nulls", "min", "max"};
    TM_TRY(tm_text_table_init(&table, TM_ARRAY_CNT(head)));
    int err = tm_text_table_add(&table, head);
    for (uint32_t i = 0; err == 0 && i < meta->col_cnt; i++)
        err = add_chunk(&table, &meta->cols[i], &g->chunks[i]);
    fprintf(out, "\nrow group %u: %s rows, %s bytes%s%s\n", idx, grouped(g->row_cnt, rows),
            grouped(g->file_sz, bytes), g->sort_col >= 0 ? ", ordered by " : "",
            g->sort_col >= 0 ? meta->cols[g->sort_col].name : "");
    if (err == 0) tm_text_table_print(&table, out, 2);
    tm_text_table_free(&table);
    return err;
}

static int add_row(void *ctx, uint64_t row_idx, const char *const *cells, uint32_t cell_cnt)
{
    (void)row_idx;
    (void)cell_cnt;
    return tm_text_table_add(ctx, cells);
}

static int print_rows(FILE *out, tm_parquet_reader_t *reader, uint32_t cnt)
{
    const tm_parquet_meta_t *meta = tm_parquet_reader_meta(reader);
    const char *head[TM_PARQUET_COL_MAX];
    tm_text_table_t table;
    for (uint32_t i = 0; i < meta->col_cnt; i++) head[i] = meta->cols[i].name;
    TM_TRY(tm_text_table_init(&table, meta->col_cnt));
    int err = tm_text_table_add(&table, head);
    if (err == 0) err = tm_parquet_reader_rows(reader, 0, cnt, add_row, &table);
    if (err == 0) {
        fprintf(out, "\nfirst %u of %lld rows\n", table.row_cnt - 1, (long long)meta->row_cnt);
        tm_text_table_print(&table, out, 2);
    }
    tm_text_table_free(&table);
    return err;
}

static int print_all(FILE *out, tm_parquet_reader_t *reader, const char *path,
                     const tm_parquet_inspect_cfg_t *cfg)
{
    const tm_parquet_meta_t *meta = tm_parquet_reader_meta(reader);
    const int64_t sz = tm_parquet_reader_sz(reader);
    char rows[TEXT_MAX], bytes[TEXT_MAX];
    uint32_t group_cnt = cfg && cfg->group_cnt ? cfg->group_cnt : GROUPS_DEFAULT;
    uint32_t row_cnt = cfg && cfg->row_cnt ? cfg->row_cnt : ROWS_DEFAULT;
    fprintf(out, "%s\n  %s rows, %u columns, %u row groups, %s bytes", path,
            grouped(meta->row_cnt, rows), meta->col_cnt, meta->group_cnt, grouped(sz, bytes));
    if (meta->row_cnt > 0) fprintf(out, ", %.2f bytes/row", (double)sz / (double)meta->row_cnt);
    fprintf(out, "\n  written by %s%s\n", *meta->created_by ? meta->created_by : "unknown",
            meta->column_orders ? "" : " (without column orders)");
    for (uint32_t i = 0; i < meta->kv_cnt; i++)
        fprintf(out, "  %.100s = %.200s\n", meta->kv[i].key, meta->kv[i].value);
    TM_TRY(print_schema(out, meta));
    for (uint32_t i = 0; i < meta->group_cnt && i < group_cnt; i++)
        TM_TRY(print_group(out, meta, i));
    if (meta->group_cnt > group_cnt)
        fprintf(out, "\n... and %u row groups more\n", meta->group_cnt - group_cnt);
    return cfg && cfg->hide_rows ? 0 : print_rows(out, reader, row_cnt);
}

int tm_parquet_inspect(FILE *out, const char *path, const tm_parquet_inspect_cfg_t *cfg)
{
    tm_parquet_reader_t *reader;
    TM_TRY(tm_parquet_reader_open(&reader, path));
    int err = print_all(out, reader, path, cfg);
    tm_parquet_reader_close(reader);
    return err;
}
