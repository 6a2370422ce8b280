/* Writes random part files, trades and bars among them, and beside each the rows that any reader
   must find in it:
     write_parts DIR SEED CNT
   gives DIR/<n>.parquet and DIR/<n>.txt, cells in the canonical form of part_fixture.h. The first
   line of the text names the columns' units: "ns" where a time is kept in nanoseconds, else "-". */
#include "base/error.h"
#include "tests/state/part_fixture.h"

#include <inttypes.h>
#include <stdlib.h>

static void write_text(const tm_fixture_t *fx, const char *path, const uint32_t *order)
{
    FILE *f = fopen(path, "w");
    if (!f) exit(1);
    for (uint32_t c = 0; c < fx->schema.field_cnt; c++) {
        const tm_field_t *field = &fx->schema.fields[c];
        const char *unit = field->type == TM_TYPE_TIME_NS && field->unit_ns == 1 ? "ns" : "-";
        fprintf(f, "%s%s", c ? "\t" : "", unit);
    }
    fputc('\n', f);
    for (uint32_t r = 0; r < fx->row_cnt; r++)
        for (uint32_t c = 0; c < fx->schema.field_cnt; c++) {
            char cell[256];
            tm_fixture_cell(fx, order[r], c, cell);
            fprintf(f, "%s%c", cell, c + 1 < fx->schema.field_cnt ? '\t' : '\n');
        }
    if (fclose(f) != 0) exit(1);
}

/* Every fifth file holds trades, every fifth one bars, in each compression; the others anything. */
static void fill(tm_fixture_t *fx, uint64_t n, uint64_t seed, uint32_t rows)
{
    if (n % 5 == 0)
        tm_fixture_market(fx, TM_SCHEMA_ID_TRADE, seed, rows);
    else if (n % 5 == 1)
        tm_fixture_market(fx, TM_SCHEMA_ID_BAR, seed, rows);
    else
        tm_fixture_random(fx, seed, rows);
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: write_parts DIR SEED CNT\n");
        return 2;
    }
    const uint64_t seed = strtoull(argv[2], NULL, 10), cnt = strtoull(argv[3], NULL, 10);
    for (uint64_t n = 0; n < cnt; n++) {
        char path[4096];
        tm_fixture_t fx;
        const uint32_t rows = (uint32_t)(n % 7 == 0 ? n : 40 + n * 97 % 3000);
        const uint32_t group_rows = n % 2 ? 700 : 4096;
        fill(&fx, n, seed + n, rows);
        int cluster = -1;
        for (int i = fx.schema.field_cnt - 1; i >= 0; i--)
            if (fx.schema.fields[i].type == TM_TYPE_SYMBOL) cluster = i;
        uint32_t *order = calloc(rows + 1, sizeof *order);
        if (!order) return 1;
        tm_fixture_order(&fx, cluster, group_rows, order);
        snprintf(path, sizeof path, "%s/%" PRIu64 ".parquet", argv[1], n);
        tm_fixture_write(&fx, path, (tm_compression_t)(n / 2 % 4), group_rows,
                         cluster >= 0 ? fx.schema.fields[cluster].name : "");
        snprintf(path, sizeof path, "%s/%" PRIu64 ".txt", argv[1], n);
        write_text(&fx, path, order);
        free(order);
        tm_fixture_free(&fx);
    }
    return 0;
}
