#include "state/parquet/parquet_decode.h"

#include "base/error.h"
#include "state/parquet/bit_pack.h"
#include "state/parquet/varint.h"

#include <errno.h>
#include <stdlib.h>

static int corrupt(const char *what)
{
    return tm_error_set(TM_E_CORRUPT, "Parquet page: %s", what);
}

static bool holds_slices(tm_parquet_type_t type)
{
    return type == TM_PARQUET_BYTE_ARRAY || type == TM_PARQUET_FIXED || type == TM_PARQUET_INT96;
}

int tm_parquet_values_init(tm_parquet_values_t *values, tm_parquet_type_t type, uint32_t row_cnt)
{
    const bool slices = holds_slices(type);
    const size_t cnt = row_cnt ? row_cnt : 1;
    *values = (tm_parquet_values_t){.cap = row_cnt};
    values->valid = calloc(cnt, 1);
    if (slices)
        values->slices = calloc(cnt, sizeof *values->slices);
    else
        values->num = calloc(cnt, sizeof *values->num);
    if (values->valid && (slices ? (void *)values->slices : (void *)values->num)) return 0;
    tm_parquet_values_free(values);
    return tm_error_set(-ENOMEM, "out of memory for %u values", row_cnt);
}

void tm_parquet_values_free(tm_parquet_values_t *values)
{
    free(values->valid);
    free(values->num);
    free(values->slices);
    tm_buffer_free(&values->text);
    *values = (tm_parquet_values_t){0};
}

static int plain_fixed(tm_parquet_values_t *values, uint32_t type_sz, uint32_t cnt,
                       const uint8_t *src, size_t sz)
{
    if (sz / type_sz < cnt) return corrupt("fixed-length values end early");
    if (values->text.sz + (size_t)cnt * type_sz > UINT32_MAX)
        return tm_error_set(TM_E_LIMIT, "a column chunk with more than 4 GiB of text");
    size_t off = values->text.sz;
    TM_TRY(tm_buffer_append(&values->text, src, (size_t)cnt * type_sz));
    for (uint32_t i = 0; i < cnt; i++, off += type_sz)
        values->slices[values->cnt + i] = (tm_parquet_slice_t){(uint32_t)off, type_sz};
    return 0;
}

static int plain_strings(tm_parquet_values_t *values, uint32_t cnt, const uint8_t *src, size_t sz)
{
    const uint8_t *end = src + sz;
    for (uint32_t i = 0; i < cnt; i++) {
        uint32_t len;
        if (end - src < 4) return corrupt("a string's length is cut off");
        memcpy(&len, src, 4);
        src += 4;
        if (len > (uint64_t)(end - src)) return corrupt("a string ends early");
        if (values->text.sz + len > UINT32_MAX)
            return tm_error_set(TM_E_LIMIT, "a column chunk with more than 4 GiB of text");
        values->slices[values->cnt + i] = (tm_parquet_slice_t){(uint32_t)values->text.sz, len};
        TM_TRY(tm_buffer_append(&values->text, src, len));
        src += len;
    }
    return 0;
}

static int plain_numbers(int64_t *num, tm_parquet_type_t type, uint32_t cnt, const uint8_t *src,
                         size_t sz)
{
    const size_t elem_sz = type == TM_PARQUET_INT32 || type == TM_PARQUET_FLOAT ? 4 : 8;
    if (sz / elem_sz < cnt) return corrupt("plain values end early");
    for (uint32_t i = 0; i < cnt; i++, src += elem_sz) {
        int32_t narrow;
        float f;
        double d;
        if (type == TM_PARQUET_INT32) {
            memcpy(&narrow, src, 4);
            num[i] = narrow;
        } else if (type == TM_PARQUET_FLOAT) {
            memcpy(&f, src, 4);
            d = (double)f;
            memcpy(&num[i], &d, 8);
        } else {
            memcpy(&num[i], src, 8);
        }
    }
    return 0;
}

int tm_parquet_decode_plain(tm_parquet_values_t *values, tm_parquet_type_t type, int32_t type_sz,
                            uint32_t cnt, const uint8_t *src, size_t sz)
{
    int err = 0;
    TM_CHECK(cnt <= values->cap - values->cnt, "%u values into %u", cnt, values->cap);
    TM_CHECK(holds_slices(type) ? values->slices != NULL : values->num != NULL, "type %d",
             (int)type);
    int64_t *num = values->num ? values->num + values->cnt : NULL;
    switch (type) {
    case TM_PARQUET_BOOLEAN:
        if (sz < (cnt + 7) / 8) return corrupt("booleans end early");
        for (uint32_t i = 0; i < cnt; i++) num[i] = src[i / 8] >> (i % 8) & 1;
        break;
    case TM_PARQUET_INT32:
    case TM_PARQUET_INT64:
    case TM_PARQUET_FLOAT:
    case TM_PARQUET_DOUBLE:
        err = plain_numbers(num, type, cnt, src, sz);
        break;
    case TM_PARQUET_BYTE_ARRAY:
        err = plain_strings(values, cnt, src, sz);
        break;
    case TM_PARQUET_INT96:
        err = plain_fixed(values, 12, cnt, src, sz);
        break;
    case TM_PARQUET_FIXED:
        err = plain_fixed(values, (uint32_t)type_sz, cnt, src, sz);
        break;
    }
    if (err < 0) return err;
    memset(values->valid + values->cnt, 1, cnt);
    values->cnt += cnt;
    return 0;
}

typedef struct delta {
    const uint8_t *at, *end;
    uint64_t block_cnt, mini_cnt; /* values a block and a miniblock */
    uint64_t minis;
    int64_t last;
    bool int32;
} delta_t;

static bool get(delta_t *d, uint64_t *v)
{
    d->at = d->at ? tm_varint_get(d->at, d->end, v) : NULL;
    return d->at != NULL;
}

/* One block; returns how many values it gave, 0 where it is cut off. */
static uint32_t delta_block(delta_t *d, int64_t *num, uint32_t cnt)
{
    uint64_t zigzag;
    uint32_t done = 0;
    if (!get(d, &zigzag)) return 0;
    const uint64_t min = (uint64_t)tm_unzigzag(zigzag);
    const uint8_t *widths = d->at;
    if ((uint64_t)(d->end - d->at) < d->minis) return 0;
    d->at += d->minis;
    for (uint64_t m = 0; m < d->minis && done < cnt; m++) {
        const uint32_t width = widths[m];
        const uint64_t bytes = d->mini_cnt * width / 8;
        if (width > 64 || bytes > (uint64_t)(d->end - d->at)) return 0;
        for (uint64_t i = 0; i < d->mini_cnt && done < cnt; i++) {
            uint64_t v = (uint64_t)d->last + min + tm_bit_unpack(d->at, bytes, i, width);
            d->last = d->int32 ? (int32_t)(uint32_t)v : (int64_t)v;
            num[done++] = d->last;
        }
        d->at += bytes;
    }
    return done;
}

int tm_parquet_decode_delta(int64_t *num, uint32_t cnt, bool int32, const uint8_t *src, size_t sz)
{
    delta_t d = {.at = src, .end = src + sz, .int32 = int32};
    uint64_t total, first;
    if (!get(&d, &d.block_cnt) || !get(&d, &d.minis) || !get(&d, &total) || !get(&d, &first))
        return corrupt("a DELTA header is cut off");
    if (d.block_cnt == 0 || d.block_cnt % 128 != 0 || d.block_cnt > 1 << 20 || d.minis == 0 ||
        d.minis > d.block_cnt || d.block_cnt % d.minis != 0 || d.block_cnt / d.minis % 32 != 0)
        return corrupt("a DELTA header states block sizes that make no sense");
    if (total != cnt) return corrupt("a DELTA header states another number of values");
    d.mini_cnt = d.block_cnt / d.minis;
    d.last = tm_unzigzag(first);
    if (int32) d.last = (int32_t)(uint32_t)(uint64_t)d.last;
    if (cnt > 0) num[0] = d.last;
    for (uint32_t done = 1; done < cnt;) {
        uint32_t some = delta_block(&d, num + done, cnt - done);
        if (some == 0) return corrupt("a DELTA block is cut off or has impossible widths");
        done += some;
    }
    return 0;
}

int tm_parquet_decode_rle(uint32_t *out, uint32_t cnt, uint32_t width, const uint8_t *src,
                          size_t sz)
{
    const uint8_t *end = src + sz;
    const size_t value_sz = (width + 7) / 8;
    if (width > 32) return corrupt("indexes wider than 32 bits");
    for (uint32_t done = 0; done < cnt;) {
        uint64_t header;
        src = tm_varint_get(src, end, &header);
        if (!src) return corrupt("a run's header is cut off");
        const uint64_t left = cnt - done;
        if (header & 1) {
            uint64_t groups = header >> 1;
            if (groups == 0 || groups > UINT32_MAX) return corrupt("an impossible bit-packed run");
            const uint64_t bytes = groups * width, have = (uint64_t)(end - src);
            const uint64_t some = groups * 8 < left ? groups * 8 : left;
            if (have < bytes && have < (some * width + 7) / 8)
                return corrupt("a bit-packed run ends early");
            for (uint64_t i = 0; i < some; i++)
                out[done + i] = (uint32_t)tm_bit_unpack(src, (size_t)have, i, width);
            src += bytes < have ? bytes : have;
            done += (uint32_t)some;
        } else {
            const uint64_t run = header >> 1;
            uint32_t value = 0;
            if (run == 0) return corrupt("an empty run");
            if ((size_t)(end - src) < value_sz) return corrupt("a run's value is cut off");
            memcpy(&value, src, value_sz);
            src += value_sz;
            const uint64_t some = run < left ? run : left;
            for (uint64_t i = 0; i < some; i++) out[done + i] = value;
            done += (uint32_t)some;
        }
    }
    return 0;
}
