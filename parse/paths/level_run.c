#include "parse/paths/level_run.h"

/* Whether all the strings of a level follow at `q`, with nothing but a comma between them. */
static inline bool strings_follow(const uint8_t *bytes, const uint16_t *q, uint32_t stride)
{
    uint32_t wrong = bytes[q[stride - 1] + 1] ^ ']';
    for (uint32_t i = 1; i + 1 < stride; i += 2)
        wrong |= (q[i + 1] ^ (q[i] + 2u)) | (bytes[q[i] + 1] ^ ',');
    return wrong == 0;
}

void tm_level_run_find(const uint8_t *bytes, const uint16_t *at, uint32_t left, uint32_t pos,
                       uint32_t end, tm_level_run_t *run)
{
    uint32_t stride = 2, cnt = 0;
    run->bytes = bytes;
    run->at = at;
    run->stride = 4;
    run->cnt = tm_level_run_pairs(bytes, at, left, pos, end);
    if (run->cnt > 0 || left < 2 || at[0] != pos + 1) return;
    for (; stride + 2 <= left && at[stride] == at[stride - 1] + 2; stride += 2)
        if (stride == 2 * TM_LEVEL_RUN_STRING_MAX) return;
    for (const uint16_t *q = at; left >= stride; q += stride, left -= stride) {
        uint32_t last = q[stride - 1];
        if (!strings_follow(bytes, q, stride) || last + 1 >= end) break;
        cnt++;
        /* "],[" must stand between the quotes of two levels. */
        if (left == stride || tm_swar_load4(bytes + last) != 0x5b2c5d22u) break;
        if (q[stride] != last + 4) break;
    }
    run->stride = stride;
    run->cnt = cnt;
}

bool tm_level_run_suits(const tm_venue_levels_t *decl, uint32_t stride)
{
    uint32_t last = decl->price_at + 1u;
    if (decl->order_at > last) last = decl->order_at;
    return !decl->time_at && decl->side != TM_SIDE_UNKNOWN && !decl->remove && last < stride / 2;
}

/* A number of this size may be longer. */
enum { LONG = TM_NUMERAL_SZ_MAX - 1 };

/* A run being read. */
typedef struct reader {
    const tm_kernels_t *kernels;
    const tm_venue_levels_t *decl;
    const tm_level_run_t *run;
    const tm_market_row_t *blank;
    tm_market_row_t *rows; /* the next one */
    uint32_t taken_cnt;    /* levels of the run that are rows, or in the batch */
    uint32_t batch_cnt;    /* levels whose numbers wait for a kernel: */
    tm_numerals_t numerals;
    bool orders;
    uint32_t bad_off;
} reader_t;

static inline void batch_add(reader_t *r, const uint16_t *q, bool integer)
{
    uint32_t i = r->numerals.cnt++, sz = q[1] - q[0] - 1u;
    r->numerals.from[i] = q[0] + 1u;
    r->numerals.sz[i / 8] |= (uint64_t)(sz < LONG ? sz : LONG) << (8 * (i % 8));
    r->numerals.integers |= (uint16_t)(integer << i);
}

/* A number that the kernel has left. */
static tm_reason_t read_exactly(const uint8_t *text, uint32_t sz, bool count, uint64_t *out)
{
    tm_numeral_t n;
    int64_t v = 0;
    while (sz >= LONG && text[sz] != '"') sz++;
    tm_reason_t reason = tm_numeral_read(text, sz, count ? 0 : TM_NUMERAL_SCALE, false, &n);
    if (!reason) reason = tm_numeral_decimal(&n, &v);
    if (!reason && count && (v < 0 || v > INT32_MAX)) reason = TM_REASON_RANGE;
    *out = (uint64_t)v;
    return reason;
}

/* Converts the batch and makes rows of it. */
static tm_reason_t batch_flush(reader_t *r)
{
    uint64_t values[TM_NUMERAL_CNT_MAX];
    uint32_t each = r->orders ? 3 : 2;
    r->numerals.quoted = 0xffff;
    /* Kernels convert four at a time: what is behind the last one must be a place, too. */
    for (uint32_t i = r->numerals.cnt; i % 4 != 0; i++) r->numerals.from[i] = 0;
    uint32_t left = r->kernels->numerals(r->run->bytes, &r->numerals, values);
    for (; TM_UNLIKELY(left); left &= left - 1) {
        uint32_t i = (uint32_t)__builtin_ctz(left);
        r->bad_off = r->numerals.from[i];
        tm_reason_t reason = read_exactly(r->run->bytes + r->bad_off,
                                          tm_numerals_sz(&r->numerals, i), r->orders && i % 3 == 2,
                                          &values[i]);
        if (reason) return reason;
    }
    for (uint32_t i = 0; i < r->batch_cnt; i++) {
        tm_level_t *row = &r->rows++->level;
        memcpy(row, r->blank, sizeof *row);
        row->price_e8 = (int64_t)values[each * i];
        row->qty_e8 = (int64_t)values[each * i + 1];
        if (r->orders) row->order_cnt = (int32_t)values[each * i + 2];
    }
    r->batch_cnt = 0;
    r->numerals = (tm_numerals_t){0};
    return TM_REASON_NONE;
}

/* Levels of any form, up to number `to`. */
static tm_reason_t convert(reader_t *r, uint32_t to)
{
    uint32_t most = r->orders ? TM_NUMERAL_CNT_MAX / 3 : TM_NUMERAL_CNT_MAX / 2;
    tm_reason_t reason = TM_REASON_NONE;
    while (r->taken_cnt < to && !reason) {
        const uint16_t *q = r->run->at + (size_t)r->taken_cnt++ * r->run->stride;
        batch_add(r, q + 2 * r->decl->price_at, false);
        batch_add(r, q + 2 * r->decl->price_at + 2, false);
        if (r->orders) batch_add(r, q + 2 * r->decl->order_at, true);
        r->batch_cnt++;
        if (r->batch_cnt == most || r->taken_cnt == to) reason = batch_flush(r);
    }
    return reason;
}

/* Levels of the common forms, up to the first that is none. */
static void convert_quickly(reader_t *r)
{
    const tm_level_run_t *run = r->run;
    const uint16_t *at = run->at + (size_t)r->taken_cnt * run->stride + 2 * r->decl->price_at;
    uint32_t cnt = r->kernels->levels(run->bytes, at, run->stride, run->cnt - r->taken_cnt,
                                      r->blank, r->rows);
    r->taken_cnt += cnt;
    r->rows += cnt;
}

tm_reason_t tm_level_run_read(const tm_kernels_t *kernels, const tm_venue_levels_t *decl,
                              const tm_level_run_t *run, tm_level_rows_t *out)
{
    reader_t r = {.kernels = kernels,
                  .decl = decl,
                  .run = run,
                  .blank = out->blank,
                  .rows = out->rows,
                  .orders = decl->order_at != 0};
    bool quickly = kernels->levels && !r.orders;
    tm_reason_t reason = TM_REASON_NONE;
    while (r.taken_cnt < run->cnt && !reason) {
        if (quickly) convert_quickly(&r);
        /* The one that it has left goes to the reader that knows every form. */
        uint32_t some = r.taken_cnt < run->cnt ? r.taken_cnt + 1 : run->cnt;
        reason = convert(&r, quickly ? some : run->cnt);
    }
    out->bad_off = r.bad_off;
    return reason;
}
