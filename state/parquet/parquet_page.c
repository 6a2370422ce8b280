#include "state/parquet/parquet_page.h"

#include "base/error.h"
#include "state/parquet/parquet_encode.h"

#include <math.h>

tm_parquet_encoding_t tm_parquet_page_encoding(const tm_parquet_src_t *src,
                                               const tm_parquet_form_t *form)
{
    if (src->dict || form->idx) return TM_PARQUET_RLE_DICTIONARY;
    return src->store->store == TM_STORE_I64 ? TM_PARQUET_DELTA_BINARY_PACKED : TM_PARQUET_PLAIN;
}

/* Moves the values that are there to the front of the page. */
static void compact(uint8_t *values, const uint8_t *valid, uint32_t cnt, uint32_t elem_sz)
{
    uint8_t *to = values;
    for (uint32_t i = 0; i < cnt; i++) {
        if (!valid[i]) continue;
        memmove(to, values + (size_t)i * elem_sz, elem_sz);
        to += elem_sz;
    }
}

/* Inlined with a constant unit, so that the compiler multiplies instead of dividing. Rounds towards
   the past. */
static inline __attribute__((always_inline)) void floor_div(int64_t *v, uint32_t cnt, int64_t unit)
{
    for (uint32_t i = 0; i < cnt; i++) v[i] = v[i] / unit - (v[i] % unit < 0);
}

static void to_unit(int64_t *v, uint32_t cnt, int64_t unit_ns)
{
    if (unit_ns == TM_NS_PER_US)
        floor_div(v, cnt, TM_NS_PER_US);
    else if (unit_ns == TM_NS_PER_MS)
        floor_div(v, cnt, TM_NS_PER_MS);
}

static void range_i64(tm_parquet_range_t *range, const int64_t *v, uint32_t cnt, bool is_unsigned)
{
    int64_t min, max;
    tm_bit_pack_kernel(tm_cpu_isa())->range(v, cnt, is_unsigned ? 1ull << 63 : 0, &min, &max);
    range->min = is_unsigned ? (tm_i128_t)(uint64_t)min : min;
    range->max = is_unsigned ? (tm_i128_t)(uint64_t)max : max;
}

/* NaN takes no part; zeros get the sign that keeps either zero inside the range. */
static void range_f64(tm_parquet_range_t *range, const double *v, uint32_t cnt)
{
    double min = HUGE_VAL, max = -HUGE_VAL;
    range->known = false;
    for (uint32_t i = 0; i < cnt; i++) {
        if (isnan(v[i])) continue;
        range->known = true;
        if (v[i] < min) min = v[i];
        if (v[i] > max) max = v[i];
    }
    range->min_f = min == 0 ? -0.0 : min;
    range->max_f = max == 0 ? 0.0 : max;
}

#define RANGE(type)                                                                                \
    do {                                                                                           \
        const type *v_ = values;                                                                   \
        type min_ = v_[0], max_ = v_[0];                                                           \
        for (uint32_t i = 1; i < cnt; i++) {                                                       \
            min_ = v_[i] < min_ ? v_[i] : min_;                                                    \
            max_ = v_[i] > max_ ? v_[i] : max_;                                                    \
        }                                                                                          \
        range->min = min_;                                                                         \
        range->max = max_;                                                                         \
    } while (0)

static void find_range(const tm_parquet_src_t *src, tm_parquet_range_t *range, const void *values,
                       uint32_t cnt)
{
    range->known = cnt > 0;
    if (cnt == 0) return;
    if (src->dict) {
        RANGE(uint32_t);
        return;
    }
    switch (src->store->store) {
    case TM_STORE_U8:
        RANGE(uint8_t);
        return;
    case TM_STORE_U32:
        RANGE(uint32_t);
        return;
    case TM_STORE_I64:
        range_i64(range, values, cnt, src->store->field->type == TM_TYPE_U64);
        return;
    case TM_STORE_F64:
        range_f64(range, values, cnt);
        return;
    case TM_STORE_I128:
        RANGE(tm_i128_t);
        return;
    }
}

static int put_indexes(const uint32_t *idx, uint32_t cnt, uint32_t dict_cnt, tm_buffer_t *out)
{
    const uint32_t width = tm_bit_width(dict_cnt > 0 ? dict_cnt - 1 : 0);
    const uint8_t byte = (uint8_t)width;
    TM_TRY(tm_buffer_append(out, &byte, 1));
    return tm_parquet_encode_rle(out, idx, cnt, width);
}

static int put_values(const tm_parquet_src_t *src, const tm_parquet_page_t *page, uint32_t cnt,
                      const tm_parquet_form_t *form, tm_buffer_t *out)
{
    const void *values = page->values;
    const tm_parquet_delta_form_t delta = {.int32 = src->col->type == TM_PARQUET_INT32,
                                           .whole_bytes = form->whole_bytes};
    if (src->dict) return put_indexes(values, cnt, src->dict->cnt, out);
    if (form->idx) return put_indexes(form->idx + page->first, cnt, form->dict_cnt, out);
    switch (src->store->store) {
    case TM_STORE_U8:
        return tm_parquet_encode_bool(out, values, cnt);
    case TM_STORE_I64:
        return tm_parquet_encode_delta(out, values, cnt, delta);
    case TM_STORE_F64:
        return tm_buffer_append(out, values, (size_t)cnt * 8);
    case TM_STORE_I128:
        return tm_parquet_encode_decimal128(out, values, cnt);
    case TM_STORE_U32:
        break; /* symbols always have a dictionary */
    }
    return tm_error_set(TM_E_UNSUPPORTED, "column %s has no encoding", src->col->name);
}

void tm_parquet_page_prepare(const tm_parquet_src_t *src, tm_parquet_page_t *page)
{
    const uint32_t elem_sz = src->dict ? 4 : src->store->elem_sz;
    uint8_t *values = (uint8_t *)src->values + (size_t)page->first * elem_sz;
    uint32_t cnt = page->cnt;
    if (src->levels.valid) {
        const uint8_t *valid = src->levels.valid + page->first;
        cnt = 0;
        for (uint32_t i = 0; i < page->cnt; i++) cnt += valid[i];
        if (cnt < page->cnt) compact(values, valid, page->cnt, elem_sz);
    }
    page->values = values;
    page->null_cnt = page->cnt - cnt;
    if (src->store->field->type == TM_TYPE_TIME_NS)
        to_unit((int64_t *)(void *)values, cnt, src->store->field->unit_ns);
    find_range(src, &page->range, values, cnt);
}

int tm_parquet_page_encode(const tm_parquet_src_t *src, tm_parquet_page_t *page,
                           const tm_parquet_form_t *form, tm_buffer_t *out)
{
    const size_t start = out->sz;
    if (src->col->repetition == TM_PARQUET_OPTIONAL)
        TM_TRY(tm_parquet_levels_put(&src->levels, page->first, page->cnt,
                                     page->cnt - page->null_cnt, out));
    TM_TRY(put_values(src, page, page->cnt - page->null_cnt, form, out));
    page->raw_sz = out->sz - start;
    return 0;
}

int tm_parquet_page_sample(const tm_parquet_src_t *src, const tm_parquet_page_t *page, uint32_t cnt,
                           const tm_parquet_form_t *form, tm_buffer_t *out)
{
    const uint32_t there_cnt = page->cnt - page->null_cnt;
    return put_values(src, page, cnt < there_cnt ? cnt : there_cnt, form, out);
}

void tm_parquet_range_merge(tm_parquet_range_t *all, const tm_parquet_range_t *page)
{
    if (!page->known) return;
    if (!all->known) {
        *all = *page;
        return;
    }
    if (page->min < all->min) all->min = page->min;
    if (page->max > all->max) all->max = page->max;
    if (page->min_f < all->min_f) all->min_f = page->min_f;
    if (page->max_f > all->max_f) all->max_f = page->max_f;
}

uint32_t tm_parquet_range_bytes(const tm_parquet_src_t *src, const tm_parquet_range_t *range,
                                bool largest, uint8_t out[TM_PARQUET_STAT_SZ_MAX])
{
    const tm_i128_t v = largest ? range->max : range->min;
    const double f = largest ? range->max_f : range->min_f;
    const int64_t wide = (int64_t)(uint64_t)v;
    if (src->dict) {
        uint32_t sz = src->dict->text_sz[(uint32_t)v];
        if (sz > TM_PARQUET_STAT_SZ_MAX) return 0;
        memcpy(out, src->dict->text[(uint32_t)v], sz);
        return sz;
    }
    switch (src->col->type) {
    case TM_PARQUET_BOOLEAN:
        out[0] = (uint8_t)wide;
        return 1;
    case TM_PARQUET_INT32:
        memcpy(out, &wide, 4); /* little endian: the low half comes first */
        return 4;
    case TM_PARQUET_INT64:
        memcpy(out, &wide, 8);
        return 8;
    case TM_PARQUET_DOUBLE:
        memcpy(out, &f, 8);
        return 8;
    case TM_PARQUET_FIXED:
        tm_parquet_put_decimal128(out, v);
        return 16;
    case TM_PARQUET_INT96:
    case TM_PARQUET_FLOAT:
    case TM_PARQUET_BYTE_ARRAY:
        break;
    }
    return 0;
}
