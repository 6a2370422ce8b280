#include "state/parquet/parquet_levels.h"

#include "base/error.h"
#include "state/parquet/parquet_encode.h"
#include "state/parquet/varint.h"

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

/* Marks eight at a time, lowest first: the product moves each to its bit of the highest byte. */
static uint8_t pack8(uint64_t marks)
{
    return (uint8_t)(marks * 0x0102040810204080ull >> 56);
}

static uint64_t load8(const uint8_t *marks, uint32_t cnt)
{
    uint64_t v = 0;
    memcpy(&v, marks, cnt < 8 ? cnt : 8);
    return v;
}

/* Groups of eight; only behind the last marks of a page may one be padded. */
static uint8_t *put_groups(uint8_t *at, const uint8_t *marks, uint32_t cnt)
{
    if (cnt == 0) return at;
    at = tm_varint_put(at, (uint64_t)((cnt + 7) / 8) << 1 | 1);
    for (uint32_t i = 0; i < cnt; i += 8) *at++ = pack8(load8(marks + i, cnt - i));
    return at;
}

/* The hybrid of width 1: eight and more equal marks are a run. A run may end anywhere, groups begin
   where it did, so that the page is gone through in one piece. */
static int put_marks(const uint8_t *marks, uint32_t cnt, tm_buffer_t *out)
{
    uint32_t done = 0, at = 0;
    /* A run and a group of eight marks each take two bytes, longer ones less a mark. */
    TM_TRY(tm_buffer_reserve(out, cnt / 2 + 4 * TM_VARINT_SZ_MAX));
    uint8_t *to = out->data + out->sz;
    while (at + 8 <= cnt) {
        const uint64_t eight = load8(marks + at, 8);
        if (eight != 0 && eight != 0x0101010101010101ull) {
            at += 8;
            continue;
        }
        uint32_t run = at + 8;
        while (run + 8 <= cnt && load8(marks + run, 8) == eight) run += 8;
        while (run < cnt && marks[run] == marks[at]) run++;
        to = put_groups(to, marks + done, at - done);
        to = tm_varint_put(to, (uint64_t)(run - at) << 1);
        *to++ = marks[at];
        done = at = run;
    }
    to = put_groups(to, marks + done, cnt - done);
    out->sz = (size_t)(to - out->data);
    return 0;
}

/* `ones` of the marks are 1; where that is none or all (or there are no marks, as all are) they are
   a single run. */
static int put_framed(const uint8_t *marks, uint32_t cnt, uint32_t ones, tm_buffer_t *out)
{
    static const uint32_t none;
    const size_t len_off = out->sz;
    TM_TRY(tm_buffer_append(out, &none, 4));
    if (!marks || ones == 0 || ones == cnt)
        TM_TRY(tm_parquet_encode_run(out, ones > 0, cnt, 1));
    else
        TM_TRY(put_marks(marks, cnt, out));
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
