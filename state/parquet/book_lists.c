#include "state/parquet/book_lists.h"

#include "base/error.h"
#include "base/row.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *const tm_book_list_names[TM_BOOK_LIST_CNT] = {"bids", "asks"};

static int find(const tm_schema_t *schema, const char *name, tm_type_t type, int32_t *idx)
{
    *idx = tm_schema_find(schema, name);
    if (*idx < 0 || schema->fields[*idx].type != type || schema->fields[*idx].nullable)
        return tm_error_set(TM_E_CONFIG,
                            "schema %s has no field %s as levels of a book have: only those can be "
                            "written as lists",
                            schema->name, name);
    return 0;
}

int tm_book_lists_plan(tm_book_lists_t *books, const tm_schema_t *schema)
{
    int32_t price, qty, orders;
    *books = (tm_book_lists_t){.on = true};
    TM_TRY(find(schema, "side", TM_TYPE_SIDE, &books->side_field));
    TM_TRY(find(schema, "last", TM_TYPE_BOOL, &books->last_field));
    TM_TRY(find(schema, "price", TM_TYPE_DECIMAL64, &price));
    TM_TRY(find(schema, "qty", TM_TYPE_DECIMAL64, &qty));
    TM_TRY(find(schema, "order_count", TM_TYPE_I32, &orders));
    books->symbol_field = tm_schema_find(schema, "symbol");
    books->fields[books->field_cnt++] = (uint32_t)price;
    books->fields[books->field_cnt++] = (uint32_t)qty;
    books->fields[books->field_cnt++] = (uint32_t)orders;
    return 0;
}

int tm_book_lists_open(tm_book_lists_t *books, uint32_t rows)
{
    bool fine = true;
    books->first = malloc(rows * sizeof *books->first);
    books->symbols = calloc(rows, sizeof *books->symbols);
    books->sides = malloc(rows);
    books->lasts = malloc(rows);
    for (uint32_t i = 0; i < TM_BOOK_LIST_CNT; i++) {
        tm_book_list_t *list = &books->lists[i];
        list->row = malloc(rows * sizeof *list->row);
        list->valid = malloc(rows);
        list->repeat = malloc(rows);
        fine = fine && list->row && list->valid && list->repeat;
    }
    if (fine && books->first && books->symbols && books->sides && books->lasts) return 0;
    tm_book_lists_close(books);
    return tm_error_set(-ENOMEM, "out of memory for lists of %u book levels", rows);
}

void tm_book_lists_close(tm_book_lists_t *books)
{
    for (uint32_t i = 0; i < TM_BOOK_LIST_CNT; i++) {
        free(books->lists[i].row);
        free(books->lists[i].valid);
        free(books->lists[i].repeat);
    }
    free(books->first);
    free(books->symbols);
    free(books->sides);
    free(books->lasts);
    *books = (tm_book_lists_t){0};
}

bool tm_book_lists_has(const tm_book_lists_t *books, uint32_t field_idx)
{
    if (!books->on) return false;
    for (uint32_t i = 0; i < books->field_cnt; i++)
        if (books->fields[i] == field_idx) return true;
    return (int32_t)field_idx == books->side_field || (int32_t)field_idx == books->last_field;
}

/* The list of each level; a message without levels on a side has an entry there that says so. */
static void add_message(tm_book_lists_t *books, uint32_t from, uint32_t to)
{
    uint32_t begin[TM_BOOK_LIST_CNT];
    for (uint32_t k = 0; k < TM_BOOK_LIST_CNT; k++) begin[k] = books->lists[k].cnt;
    for (uint32_t r = from; r < to; r++) {
        const uint32_t k = books->sides[r] == TM_SIDE_BUY ? 0 : 1;
        tm_book_list_t *list = &books->lists[k];
        list->row[list->cnt] = r;
        list->valid[list->cnt] = 1;
        list->repeat[list->cnt] = list->cnt > begin[k];
        list->cnt++;
    }
    for (uint32_t k = 0; k < TM_BOOK_LIST_CNT; k++) {
        tm_book_list_t *list = &books->lists[k];
        if (list->cnt > begin[k]) continue;
        list->row[list->cnt] = from;
        list->valid[list->cnt] = list->repeat[list->cnt] = 0;
        list->cnt++;
    }
    books->first[books->message_cnt++] = from;
}

/* The numbers of the symbols themselves: an absent one is a symbol here like any other. */
static void place_symbols(tm_book_lists_t *books, const tm_row_group_t *group, const uint32_t *pos)
{
    const tm_store_col_t *col = &group->pool->cols[books->symbol_field];
    uint32_t at = 0;
    for (const tm_row_block_t *b = group->first; b; at += b->cnt, b = b->next) {
        const uint32_t *symbols = tm_row_block_col(b, col);
        for (uint32_t i = 0; i < b->cnt; i++)
            books->symbols[pos ? pos[at + i] : at + i] = symbols[i];
    }
}

void tm_book_lists_find(tm_book_lists_t *books, const tm_row_group_t *group, const uint32_t *pos)
{
    const uint32_t cnt = group->row_cnt;
    tm_row_group_gather(group, (uint32_t)books->side_field, pos, books->sides, NULL);
    tm_row_group_gather(group, (uint32_t)books->last_field, pos, books->lasts, NULL);
    if (books->symbol_field >= 0) place_symbols(books, group, pos);
    books->message_cnt = 0;
    for (uint32_t k = 0; k < TM_BOOK_LIST_CNT; k++) books->lists[k].cnt = 0;
    for (uint32_t from = 0, r = 0; r < cnt; r++) {
        const bool ends = r + 1 == cnt || books->lasts[r] ||
                          books->symbols[r + 1] != books->symbols[r];
        if (!ends) continue;
        add_message(books, from, r + 1);
        from = r + 1;
    }
}

void tm_book_lists_pick(void *values, uint32_t elem_sz, const uint32_t *rows, uint32_t cnt)
{
    uint8_t *v = values;
    for (uint32_t i = 0; i < cnt; i++)
        if (rows[i] != i) memcpy(v + (size_t)i * elem_sz, v + (size_t)rows[i] * elem_sz, elem_sz);
}
