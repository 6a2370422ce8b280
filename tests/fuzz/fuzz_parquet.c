/* No bytes may make the Parquet reader crash, hang or read outside of them. Input: what the rest is
   (a file, a footer, DELTA values, a run-length hybrid), then the rest. */
#include "state/parquet/parquet_reader.h"
#include "state/parquet/thrift.h"
#include "tests/fuzz/fuzz.h"

enum { ROWS_MAX = 1 << 16 }; /* time is spent on bytes, not on rows that a run repeats */

static void read_file(const uint8_t *data, size_t sz)
{
    tm_parquet_reader_t *reader;
    char text[TM_PARQUET_CELL_MAX];
    if (tm_parquet_reader_open_mem(&reader, data, sz, "input") != 0) return;
    const tm_parquet_meta_t *meta = tm_parquet_reader_meta(reader);
    for (uint32_t g = 0; g < meta->group_cnt; g++)
        for (uint32_t c = 0; c < meta->col_cnt; c++) {
            const tm_parquet_chunk_t *chunk = &meta->groups[g].chunks[c];
            tm_parquet_values_t values;
            tm_parquet_stat_text(&meta->cols[c], chunk->stats.min, chunk->stats.min_sz, text);
            if (meta->groups[g].row_cnt > ROWS_MAX) continue;
            if (tm_parquet_reader_values(reader, g, c, &values) != 0) continue;
            TM_MUST(values.cnt == (uint32_t)meta->groups[g].row_cnt);
            for (uint32_t i = 0; i < values.cnt; i++)
                tm_parquet_value_text(&meta->cols[c], &values, i, text);
            tm_parquet_values_free(&values);
        }
    tm_parquet_reader_close(reader);
}

static void read_footer(const uint8_t *data, size_t sz)
{
    tm_parquet_meta_t meta;
    tm_buffer_t again = {0};
    if (tm_parquet_meta_read(&meta, data, sz, 1 << 20) != 0) return;
    TM_MUST(tm_parquet_meta_write(&meta, &again) == 0);
    tm_buffer_free(&again);
    tm_parquet_meta_free(&meta);
}

static void read_numbers(const uint8_t *data, size_t sz, bool delta)
{
    static int64_t num[ROWS_MAX];
    static uint32_t idx[ROWS_MAX];
    uint32_t cnt = (uint32_t)tm_fuzz_byte(&data, &sz) << 8 | tm_fuzz_byte(&data, &sz);
    uint8_t width = tm_fuzz_byte(&data, &sz);
    int err = delta ? tm_parquet_decode_delta(num, cnt, width & 1, data, sz)
                    : tm_parquet_decode_rle(idx, cnt, width, data, sz);
    TM_MUST(err <= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t sz)
{
    switch (tm_fuzz_byte(&data, &sz) % 4) {
    case 0:
        read_file(data, sz);
        break;
    case 1:
        read_footer(data, sz);
        break;
    case 2:
        read_numbers(data, sz, true);
        break;
    default:
        read_numbers(data, sz, false);
    }
    return 0;
}
