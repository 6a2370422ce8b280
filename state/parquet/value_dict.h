/* state/parquet/value_dict.h - the distinct 64-bit values of a chunk, numbered in order of first
   sight.
   Flow     parquet_chunk (values of a page) -> [value dict] -> indexes, dictionary page
   Memory   one heap block for TM_VALUE_DICT_MAX values, sized at open
   Threads  one owner
   Errors   open: -ENOMEM; add: false where there are more than `max` distinct values
   Tests    tests/state/test_parquet_encode.c */
#ifndef TM_STATE_VALUE_DICT_H
#define TM_STATE_VALUE_DICT_H

#include "base/types.h"

enum { TM_VALUE_DICT_MAX = 1 << 16, TM_VALUE_DICT_SLOTS = 2 * TM_VALUE_DICT_MAX };

typedef struct tm_value_dict {
    uint32_t cnt;
    uint32_t *slots; /* number + 1 of a value, 0 = free; linear probing */
    int64_t *values; /* by number */
} tm_value_dict_t;

int tm_value_dict_open(tm_value_dict_t *dict) TM_MUST_CHECK;
void tm_value_dict_close(tm_value_dict_t *dict);
void tm_value_dict_clear(tm_value_dict_t *dict);

/* Numbers of `cnt` values to `idx`; new values are added up to `max` in all. */
bool tm_value_dict_add(tm_value_dict_t *dict, const int64_t *values, uint32_t cnt, uint32_t max,
                       uint32_t *idx);

#endif
