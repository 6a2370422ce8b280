#include "state/parquet/parquet_encode.h"

#include "base/error.h"
#include "state/parquet/varint.h"

/* Header of a stream, and of a block: minimum and one width a miniblock. */
enum {
    STREAM_HEADER_SZ = 4 * TM_VARINT_SZ_MAX,
    BLOCK_HEADER_SZ = TM_VARINT_SZ_MAX + TM_DELTA_MINIS,
    BLOCK_SZ_MAX = BLOCK_HEADER_SZ + TM_DELTA_BLOCK_CNT * 8,
};

typedef struct packer {
    const tm_bit_pack_kernel_t *kernel;
    tm_parquet_delta_form_t form;
} packer_t;

/* Writes a block whose first `mini_cnt` miniblocks hold values. The others have width 0 and no
   bytes; a miniblock that is partly used is written whole. */
static uint8_t *put_block(const packer_t *p, uint8_t *at, int64_t min,
                          const uint64_t rest[TM_DELTA_BLOCK_CNT],
                          const uint64_t mini_or[TM_DELTA_MINIS], uint32_t mini_cnt)
{
    at = tm_varint_put(at, tm_zigzag(min));
    uint8_t *widths = at;
    at += TM_DELTA_MINIS;
    for (uint32_t m = 0; m < TM_DELTA_MINIS; m++) {
        uint32_t width = m < mini_cnt ? tm_bit_width(mini_or[m]) : 0;
        if (p->form.whole_bytes && width > 8) width = (width + 7) & ~7u;
        widths[m] = (uint8_t)width;
        p->kernel->pack(at, rest + (size_t)m * TM_DELTA_MINI_CNT, width);
        at += (size_t)width * TM_DELTA_MINI_CNT / 8;
    }
    return at;
}

/* A block that is not whole, or one whose differences wrap at 32 bits. Missing values repeat the
   minimum, so that they add nothing to a miniblock's width. */
static uint8_t *put_partial(const packer_t *p, uint8_t *at, const int64_t *in, uint32_t cnt)
{
    uint64_t rest[TM_DELTA_BLOCK_CNT], mini_or[TM_DELTA_MINIS] = {0};
    int64_t min = INT64_MAX;
    for (uint32_t i = 0; i < cnt; i++) {
        rest[i] = (uint64_t)in[i] - (uint64_t)in[(int64_t)i - 1];
        if (p->form.int32) rest[i] = (uint64_t)(int64_t)(int32_t)rest[i];
        if ((int64_t)rest[i] < min) min = (int64_t)rest[i];
    }
    for (uint32_t i = 0; i < TM_DELTA_BLOCK_CNT; i++) {
        rest[i] = i < cnt ? rest[i] - (uint64_t)min : 0;
        mini_or[i / TM_DELTA_MINI_CNT] |= rest[i];
    }
    return put_block(p, at, min, rest, mini_or, (cnt + TM_DELTA_MINI_CNT - 1) / TM_DELTA_MINI_CNT);
}

int tm_parquet_encode_delta(tm_buffer_t *out, const int64_t *values, uint32_t cnt,
                            tm_parquet_delta_form_t form)
{
    const packer_t p = {tm_bit_pack_kernel(tm_cpu_isa()), form};
    size_t block_cnt = cnt / TM_DELTA_BLOCK_CNT + 1;
    TM_TRY(tm_buffer_reserve(out, STREAM_HEADER_SZ + block_cnt * BLOCK_SZ_MAX + TM_BIT_PACK_SLACK));
    uint8_t *at = out->data + out->sz;
    at = tm_varint_put(at, TM_DELTA_BLOCK_CNT);
    at = tm_varint_put(at, TM_DELTA_MINIS);
    at = tm_varint_put(at, cnt);
    at = tm_varint_put(at, tm_zigzag(cnt > 0 ? values[0] : 0));
    for (uint32_t i = 1; i < cnt; i += TM_DELTA_BLOCK_CNT) {
        uint32_t left = cnt - i;
        if (left < TM_DELTA_BLOCK_CNT || form.int32) {
            uint32_t some = left < TM_DELTA_BLOCK_CNT ? left : TM_DELTA_BLOCK_CNT;
            at = put_partial(&p, at, values + i, some);
            continue;
        }
        uint64_t rest[TM_DELTA_BLOCK_CNT], mini_or[TM_DELTA_MINIS];
        int64_t min = p.kernel->delta(values + i, rest, mini_or);
        at = put_block(&p, at, min, rest, mini_or, TM_DELTA_MINIS);
    }
    out->sz = (size_t)(at - out->data);
    return 0;
}

int tm_parquet_encode_run(tm_buffer_t *out, uint32_t value, uint32_t cnt, uint32_t width)
{
    if (cnt == 0) return 0;
    TM_TRY(tm_buffer_reserve(out, TM_VARINT_SZ_MAX + 4));
    uint8_t *at = tm_varint_put(out->data + out->sz, (uint64_t)cnt << 1);
    memcpy(at, &value, 4);
    out->sz = (size_t)(at - out->data) + (width + 7) / 8;
    return 0;
}

/* `cnt` bit-packed values; the last group of eight is padded with zeros. */
static int put_groups(tm_buffer_t *out, const uint32_t *values, uint32_t cnt, uint32_t width)
{
    if (cnt == 0) return 0;
    uint32_t whole = cnt & ~7u, group_cnt = (cnt + 7) / 8;
    TM_TRY(
        tm_buffer_reserve(out, TM_VARINT_SZ_MAX + (size_t)group_cnt * width + TM_BIT_PACK_SLACK));
    uint8_t *at = tm_varint_put(out->data + out->sz, (uint64_t)group_cnt << 1 | 1);
    at = tm_bit_pack_idx(at, values, whole, width);
    if (whole < cnt) {
        uint32_t last[8] = {0};
        memcpy(last, values + whole, (cnt - whole) * sizeof last[0]);
        at = tm_bit_pack_idx(at, last, 8, width);
    }
    out->sz = (size_t)(at - out->data);
    return 0;
}

static inline bool equal8(const uint32_t *v)
{
    uint32_t diff = 0;
    for (int i = 1; i < 8; i++) diff |= v[i] ^ v[0];
    return diff == 0;
}

int tm_parquet_encode_rle(tm_buffer_t *out, const uint32_t *values, uint32_t cnt, uint32_t width)
{
    uint32_t done = 0, at = 0;
    while (at + 8 <= cnt) {
        if (!equal8(values + at)) {
            at += 8;
            continue;
        }
        uint32_t run = at + 8;
        while (run + 8 <= cnt && values[run] == values[at] && equal8(values + run)) run += 8;
        while (run < cnt && values[run] == values[at]) run++;
        TM_TRY(put_groups(out, values + done, at - done, width));
        TM_TRY(tm_parquet_encode_run(out, values[at], run - at, width));
        done = at = run;
    }
    return put_groups(out, values + done, cnt - done, width);
}

int tm_parquet_encode_bool(tm_buffer_t *out, const uint8_t *values, uint32_t cnt)
{
    TM_TRY(tm_buffer_reserve(out, cnt / 8 + 1));
    uint8_t *at = out->data + out->sz;
    for (uint32_t i = 0; i < cnt; i += 8) {
        unsigned byte = 0;
        for (uint32_t k = i; k < cnt && k < i + 8; k++)
            byte |= (unsigned)(values[k] & 1) << (k - i);
        *at++ = (uint8_t)byte;
    }
    out->sz = (size_t)(at - out->data);
    return 0;
}

void tm_parquet_put_decimal128(uint8_t out[16], tm_i128_t value)
{
    uint64_t hi = __builtin_bswap64((uint64_t)((tm_u128_t)value >> 64));
    uint64_t lo = __builtin_bswap64((uint64_t)value);
    memcpy(out, &hi, 8);
    memcpy(out + 8, &lo, 8);
}

int tm_parquet_encode_decimal128(tm_buffer_t *out, const tm_i128_t *values, uint32_t cnt)
{
    TM_TRY(tm_buffer_reserve(out, (size_t)cnt * 16));
    uint8_t *at = out->data + out->sz;
    for (uint32_t i = 0; i < cnt; i++, at += 16) tm_parquet_put_decimal128(at, values[i]);
    out->sz = (size_t)(at - out->data);
    return 0;
}

int tm_parquet_encode_string(tm_buffer_t *out, const void *text, size_t sz)
{
    const uint32_t len = (uint32_t)sz;
    TM_TRY(tm_buffer_append(out, &len, 4));
    return tm_buffer_append(out, text, sz);
}
