/* state/parquet/book_lists.h - rows of book levels to one row a message with two lists.
   Flow     parquet_writer (levels of a row group) -> [book lists] -> levels of parquet_levels.h
   Why      a message of an order book is what is asked for: a snapshot, or what one update changed.
            As rows its levels have to be found together again, by id and time; as lists they are
            one row, and what all of them share is written once
   Units    rows: levels; messages: rows of the file; entries: of one list, in the file
   Memory   28 bytes a row of the largest row group, made at open
   Threads  one owner
   Errors   plan: TM_E_CONFIG, with a text; open: -ENOMEM
   Limits   a message goes on up to the level marked `last`, within one symbol and one row group
   Tests    tests/state/test_book_lists.c, tests/readers/compare_lists.py */
#ifndef TM_STATE_BOOK_LISTS_H
#define TM_STATE_BOOK_LISTS_H

#include "base/schema.h"
#include "state/parquet/parquet_levels.h"
#include "state/parquet/row_group.h"

enum { TM_BOOK_LIST_CNT = 2, TM_BOOK_LIST_FIELD_MAX = 3 };

extern const char *const tm_book_list_names[TM_BOOK_LIST_CNT]; /* bids, asks */

/* Entries of one list of a row group. */
typedef struct tm_book_list {
    uint32_t cnt;
    uint32_t *row;   /* of each entry in clustered order; of an empty list: the message's first */
    uint8_t *valid;  /* 0 = the list is empty */
    uint8_t *repeat; /* 1 = same message as the entry before */
} tm_book_list_t;

typedef struct tm_book_lists {
    bool on;
    int32_t symbol_field, side_field, last_field; /* symbol: -1 = none */
    uint32_t field_cnt;
    uint32_t fields[TM_BOOK_LIST_FIELD_MAX]; /* of an element */
    uint32_t message_cnt;
    uint32_t *first; /* row where each message begins */
    tm_book_list_t lists[TM_BOOK_LIST_CNT];
    uint32_t *symbols; /* scratch, by row, as are the next two */
    uint8_t *sides, *lasts;
} tm_book_lists_t;

/* Finds the fields of a level in the schema. */
int tm_book_lists_plan(tm_book_lists_t *books, const tm_schema_t *schema) TM_MUST_CHECK;

int tm_book_lists_open(tm_book_lists_t *books, uint32_t rows) TM_MUST_CHECK;
void tm_book_lists_close(tm_book_lists_t *books);

/* Whether the field is told by the lists: an element's, or the side, or the end of a message. */
bool tm_book_lists_has(const tm_book_lists_t *books, uint32_t field_idx);

/* Finds the messages of a row group whose rows go to the places `pos` (NULL = their own). */
void tm_book_lists_find(tm_book_lists_t *books, const tm_row_group_t *group, const uint32_t *pos);

/* Keeps of a column's values, in place, those of rows[0] .. rows[cnt - 1]. They rise, and none is
   below its own number. */
void tm_book_lists_pick(void *values, uint32_t elem_sz, const uint32_t *rows, uint32_t cnt);

#endif
