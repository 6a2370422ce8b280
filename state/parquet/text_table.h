/* state/parquet/text_table.h - cells of text as an aligned table for a terminal.
   Flow     inspect, demo -> [text table] -> FILE
   Units    width: bytes; texts are taken as one column a byte, but for UTF-8 continuation bytes
   Memory   copies of the cells on the heap, freed by tm_text_table_free
   Threads  one owner
   Errors   add: -ENOMEM; a NULL cell is shown as "null"
   Limits   TM_TEXT_TABLE_COL_MAX columns
   Tests    tests/state/test_inspect.c */
#ifndef TM_STATE_TEXT_TABLE_H
#define TM_STATE_TEXT_TABLE_H

#include "state/buffer.h"

#include <stdio.h>

enum { TM_TEXT_TABLE_COL_MAX = 1024 };

typedef struct tm_text_table {
    uint32_t col_cnt, row_cnt;
    uint32_t *width;
    bool *right; /* numbers: aligned to the right */
    tm_buffer_t text;
} tm_text_table_t;

/* The first row added is the heading. */
int tm_text_table_init(tm_text_table_t *table, uint32_t col_cnt) TM_MUST_CHECK;
void tm_text_table_free(tm_text_table_t *table);

/* A column whose cells are all numbers or times is aligned to the right. */
int tm_text_table_add(tm_text_table_t *table, const char *const *cells) TM_MUST_CHECK;

/* Each line starts with `indent` spaces. */
void tm_text_table_print(const tm_text_table_t *table, FILE *out, uint32_t indent);

#endif
