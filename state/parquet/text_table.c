#include "state/parquet/text_table.h"

#include "base/error.h"

#include <errno.h>
#include <stdlib.h>

int tm_text_table_init(tm_text_table_t *table, uint32_t col_cnt)
{
    *table = (tm_text_table_t){.col_cnt = col_cnt};
    if (col_cnt > TM_TEXT_TABLE_COL_MAX)
        return tm_error_set(TM_E_LIMIT, "a table of %u columns", col_cnt);
    table->width = calloc(col_cnt ? col_cnt : 1, sizeof *table->width);
    table->right = calloc(col_cnt ? col_cnt : 1, sizeof *table->right);
    if (!table->width || !table->right) {
        tm_text_table_free(table);
        return tm_error_set(-ENOMEM, "out of memory for a table");
    }
    for (uint32_t i = 0; i < col_cnt; i++) table->right[i] = true;
    return 0;
}

void tm_text_table_free(tm_text_table_t *table)
{
    free(table->width);
    free(table->right);
    tm_buffer_free(&table->text);
    *table = (tm_text_table_t){0};
}

static uint32_t width_of(const char *text)
{
    uint32_t width = 0;
    for (; *text; text++) width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

static bool is_number(const char *text)
{
    return (*text >= '0' && *text <= '9') || *text == '-' || strcmp(text, "null") == 0;
}

int tm_text_table_add(tm_text_table_t *table, const char *const *cells)
{
    for (uint32_t i = 0; i < table->col_cnt; i++) {
        const char *cell = cells[i] ? cells[i] : "null";
        TM_TRY(tm_buffer_append(&table->text, cell, strlen(cell) + 1));
        uint32_t width = width_of(cell);
        if (width > table->width[i]) table->width[i] = width;
        if (table->row_cnt > 0 && !is_number(cell)) table->right[i] = false;
    }
    table->row_cnt++;
    return 0;
}

void tm_text_table_print(const tm_text_table_t *table, FILE *out, uint32_t indent)
{
    const char *at = (const char *)table->text.data;
    for (uint32_t row = 0; row < table->row_cnt; row++) {
        fprintf(out, "%*s", (int)indent, "");
        for (uint32_t i = 0; i < table->col_cnt; i++) {
            const uint32_t pad = table->width[i] - width_of(at);
            const bool last = i + 1 == table->col_cnt;
            if (table->right[i]) fprintf(out, "%*s", (int)pad, "");
            fputs(at, out);
            if (!table->right[i] && !last) fprintf(out, "%*s", (int)pad, "");
            if (!last) fputs("  ", out);
            at += strlen(at) + 1;
        }
        fputc('\n', out);
    }
}
