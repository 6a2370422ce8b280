/* state/part/part_encoder.h - the two kinds of encoders of part files.
   Flow     part_sink -> part_file -> [encoder] -> bytes
   Bulk     Parquet: rows are turned into columns as they come and encoded a row group at a time;
            one pool of columns serves all open parts
   Rows     CSV and JSON: rows are text at once; what a part holds goes to its file when it exceeds
            buffer_sz
   Memory   Parquet: about 64 MiB and the writer's scratch; text: TM_PART_TEXT_SZ_MAX over all
            parts. Touched as it is used
   Threads  one owner
   Errors   open: TM_E_CONFIG, -ENOMEM, with a text
   Tests    tests/state/test_part_sink.c, tests/state/test_part_rows.c */
#ifndef TM_STATE_PART_ENCODER_H
#define TM_STATE_PART_ENCODER_H

#include "state/part/part_file.h"
#include "state/part/row_text.h"

enum { TM_PART_TEXT_SZ_MAX = 64 << 20 };

typedef struct tm_part_parquet_cfg {
    tm_parquet_writer_cfg_t writer;
    const tm_parquet_kv_t *kv; /* of each file; not owned */
    uint32_t kv_cnt;
    uint32_t part_max; /* open at once */
} tm_part_parquet_cfg_t;

int tm_part_parquet_open(tm_part_encoder_t **out, const tm_part_parquet_cfg_t *cfg) TM_MUST_CHECK;

typedef struct tm_part_text_cfg {
    tm_row_format_t format;
    const tm_schema_t *schema;
    const tm_symbols_t *symbols;
    size_t buffer_sz; /* 0 = 64 KiB */
    bool headless;    /* CSV without a line of names */
} tm_part_text_cfg_t;

int tm_part_text_open(tm_part_encoder_t **out, const tm_part_text_cfg_t *cfg) TM_MUST_CHECK;

#endif
