#include "state/parquet/parquet_levels.h"

#include "base/error.h"
#include "state/parquet/parquet_encode.h"

uint32_t tm_parquet_levels_page(const tm_parquet_levels_t *levels, uint32_t first, uint32_t left,
                                uint32_t max)
{
    if (left <= max || !levels->repeat) return left < max ? left : max;
    const uint8_t *repeat = levels->repeat + first;
    uint32_t cnt = max;
    while (cnt > 0 && repeat[cnt]) cnt--;
    if (cnt > 0) return cnt;
    /* One row is more than a page: it is a page by itself. */
    for (cnt = max; cnt < left && repeat[cnt];) cnt++;
    return cnt;
}

uint32_t tm_parquet_levels_rows(const tm_parquet_levels_t *levels, uint32_t first, uint32_t cnt)
{
    uint32_t rows = cnt;
    if (!levels->repeat) return cnt;
    for (uint32_t i = 0; i < cnt; i++) rows -= levels->repeat[first + i];
    return rows;
}

/* `ones` of the marks are 1; where that is none or all they are a single run. */
static int put_framed(const uint8_t *marks, uint32_t cnt, uint32_t ones, tm_buffer_t *out)
{
    static const uint32_t none;
    const size_t len_off = out->sz;
    TM_TRY(tm_buffer_append(out, &none, 4));
    if (ones == 0 || ones == cnt) {
        TM_TRY(tm_parquet_encode_run(out, ones > 0, cnt, 1));
    } else {
        uint32_t levels[4096];
        /* Whole groups of eight but for the last piece, so pieces may follow each other. */
        for (uint32_t at = 0; at < cnt; at += TM_ARRAY_CNT(levels)) {
            uint32_t some = cnt - at;
            if (some > TM_ARRAY_CNT(levels)) some = TM_ARRAY_CNT(levels);
            for (uint32_t i = 0; i < some; i++) levels[i] = marks[at + i];
            TM_TRY(tm_parquet_encode_rle(out, levels, some, 1));
        }
    }
    const uint32_t len = (uint32_t)(out->sz - len_off - 4);
    memcpy(out->data + len_off, &len, 4);
    return 0;
}

int tm_parquet_levels_put(const tm_parquet_levels_t *levels, uint32_t first, uint32_t cnt,
                          uint32_t there_cnt, tm_buffer_t *out)
{
    if (levels->repeat) {
        const uint32_t repeats = cnt - tm_parquet_levels_rows(levels, first, cnt);
        TM_TRY(put_framed(levels->repeat + first, cnt, repeats, out));
    }
    return put_framed(levels->valid ? levels->valid + first : NULL, cnt, there_cnt, out);
}
