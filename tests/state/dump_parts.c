/* Prints the rows of part files in the canonical form (tests/readers/read_parts.mjs), read by our
   own reader:
     dump_parts FILE... */
#include "base/error.h"
#include "state/parquet/parquet_reader.h"

#include <stdio.h>
#include <stdlib.h>

static void print_cell(const tm_parquet_col_t *col, const tm_parquet_values_t *values, uint32_t row)
{
    char text[TM_PARQUET_CELL_MAX];
    if (!values->valid[row])
        fputs("\\N", stdout);
    else if (col->type == TM_PARQUET_DOUBLE)
        printf("%016llx", (unsigned long long)values->num[row]);
    else if (col->logical == TM_PARQUET_LOGICAL_TIMESTAMP)
        printf("%lld", (long long)values->num[row]);
    else
        fputs(tm_parquet_value_text(col, values, row, text), stdout);
}

static int dump_group(tm_parquet_reader_t *reader, uint32_t group_idx)
{
    const tm_parquet_meta_t *meta = tm_parquet_reader_meta(reader);
    tm_parquet_values_t *cols = calloc(meta->col_cnt, sizeof *cols);
    int err = cols ? 0 : -1;
    for (uint32_t c = 0; err == 0 && c < meta->col_cnt; c++)
        err = tm_parquet_reader_values(reader, group_idx, c, &cols[c]);
    for (uint32_t r = 0; err == 0 && r < (uint32_t)meta->groups[group_idx].row_cnt; r++)
        for (uint32_t c = 0; c < meta->col_cnt; c++) {
            print_cell(&meta->cols[c], &cols[c], r);
            putchar(c + 1 < meta->col_cnt ? '\t' : '\n');
        }
    for (uint32_t c = 0; cols && c < meta->col_cnt; c++) tm_parquet_values_free(&cols[c]);
    free(cols);
    return err;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        tm_parquet_reader_t *reader;
        int err = tm_parquet_reader_open(&reader, argv[i]);
        printf("# %s\n", argv[i]);
        for (uint32_t g = 0; err == 0 && g < tm_parquet_reader_meta(reader)->group_cnt; g++)
            err = dump_group(reader, g);
        if (err != 0) {
            fprintf(stderr, "%s\n", tm_error_text());
            return 1;
        }
        tm_parquet_reader_close(reader);
    }
    return 0;
}
