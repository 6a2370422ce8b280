/* state/parquet/row_group.h - rows on their way into a part file, turned into columns.
   Flow     part sink -> [row group] -> parquet_writer
   Why      a row group is encoded column by column, so rows are transposed while they are still in
            the cache; blocks come from one pool, so many open parts share one bounded memory
   Units    *_cnt: rows or blocks; *_sz, *_off: bytes
   Memory   the pool is one anonymous mapping of block_cnt blocks, touched only as they are used
   Threads  one owner
   Errors   pool open: TM_E_CONFIG, -ENOMEM with a text. append: rows taken, fewer where the pool or
            the group is full
   Limits   block_rows rows a block
   Tests    tests/state/test_row_group.c */
#ifndef TM_STATE_ROW_GROUP_H
#define TM_STATE_ROW_GROUP_H

#include "base/schema.h"
#include "base/symbol.h"

enum { TM_ROW_BLOCK_CNT = 4096 };

/* How a field is held in a block. Integers and times are widened to 8 bytes. */
typedef enum tm_store {
    TM_STORE_U8,  /* bool, side */
    TM_STORE_U32, /* symbol */
    TM_STORE_I64, /* every integer and time, decimal64 */
    TM_STORE_F64,
    TM_STORE_I128, /* decimal128 */
} tm_store_t;

/* How a missing value shows: in the null bitmap, or as TM_TIME_NONE or TM_SYMBOL_NONE. */
typedef enum tm_absence { TM_ABSENT_NEVER, TM_ABSENT_BIT, TM_ABSENT_VALUE } tm_absence_t;

typedef struct tm_store_col {
    const tm_field_t *field;
    tm_store_t store;
    tm_absence_t absence;
    uint32_t elem_sz;
    uint32_t off;       /* of the values in a block */
    uint32_t valid_off; /* of one byte a row: 1 = there; only with TM_ABSENT_BIT */
} tm_store_col_t;

typedef struct tm_row_block {
    struct tm_row_block *next;
    uint32_t cnt;
    alignas(64) uint8_t data[];
} tm_row_block_t;

typedef struct tm_row_pool {
    const tm_schema_t *schema;
    tm_store_col_t cols[TM_SCHEMA_FIELD_MAX];
    uint32_t row_sz; /* of a row as columns */
    size_t block_sz, map_sz;
    uint32_t block_rows, block_cnt, free_cnt;
    uint8_t *map;
    tm_row_block_t *free; /* last in, first out: small jobs stay in few pages */
    uint32_t used_cnt;    /* blocks that were ever taken */
} tm_row_pool_t;

typedef struct tm_row_group {
    tm_row_pool_t *pool;
    tm_row_block_t *first, *last;
    uint32_t row_cnt, row_max;
    uint64_t null_cnt[TM_SCHEMA_FIELD_MAX];
} tm_row_group_t;

/* The schema outlives the pool. block_rows: TM_ROW_BLOCK_CNT, or less for many small groups. */
int tm_row_pool_open(tm_row_pool_t *pool, const tm_schema_t *schema, uint32_t block_rows,
                     uint32_t block_cnt) TM_MUST_CHECK;
void tm_row_pool_close(tm_row_pool_t *pool);

/* An empty group that takes up to row_max rows. */
void tm_row_group_init(tm_row_group_t *group, tm_row_pool_t *pool, uint32_t row_max);

/* Gives all blocks back. */
void tm_row_group_clear(tm_row_group_t *group);

/* Copies rows that lie schema->row_sz apart. Returns how many were taken: fewer than cnt where the
   group is full or the pool is empty. */
uint32_t tm_row_group_append(tm_row_group_t *group, const void *rows, uint32_t cnt);

/* Copies a column into `values` (row_cnt elements): in order of arrival, or row i to place pos[i].
   `valid` (row_cnt bytes) is filled where the column has absent values, else it is left alone. */
void tm_row_group_gather(const tm_row_group_t *group, uint32_t col_idx, const uint32_t *pos,
                         void *values, uint8_t *valid);

/* The values of a column in a block. */
static inline const void *tm_row_block_col(const tm_row_block_t *block, const tm_store_col_t *col)
{
    return block->data + col->off;
}

#endif
