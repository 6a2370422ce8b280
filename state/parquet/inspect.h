/* state/parquet/inspect.h - what a part file holds, for a person: schema, row groups, sizes, first
   rows.
   Flow     part file -> parquet_reader -> [inspect] -> FILE
   Units    row_cnt: rows
   Threads  no state
   Errors   as parquet_reader, with a text; what could be printed was printed
   Tests    tests/state/test_inspect.c */
#ifndef TM_STATE_INSPECT_H
#define TM_STATE_INSPECT_H

#include "base/types.h"

#include <stdio.h>

typedef struct tm_parquet_inspect_cfg {
    uint32_t row_cnt;   /* first rows shown; 0 = 10 */
    bool hide_rows;     /* metadata only */
    uint32_t group_cnt; /* row groups described; 0 = 4 */
} tm_parquet_inspect_cfg_t;

/* cfg NULL = the defaults. */
int tm_parquet_inspect(FILE *out, const char *path,
                       const tm_parquet_inspect_cfg_t *cfg) TM_MUST_CHECK;

#endif
