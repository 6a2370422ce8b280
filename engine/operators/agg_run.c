/* Running compiled aggregates. Columns are gathered first: that makes the steps independent of
   field types, loads a field once that several steps use, and leaves loops without a branch on the
   program. Sums that overflow 128 bits or 38 digits become AGG_OVERFLOW and stay so; the check is
   one jump that is never taken. */
#include "base/check.h"
#include "engine/operators/agg_step.h"

#include <string.h>

/* The lowest 128-bit value, which no sum of 38 digits takes. */
#define AGG_OVERFLOW ((tm_i128_t)((tm_u128_t)1 << 127))

/* 10^38 - 1: the largest value of 38 digits. */
#define TEN_TO_19 UINT64_C(10000000000000000000)
#define SUM_MAX   ((tm_i128_t)((tm_u128_t)TEN_TO_19 * TEN_TO_19 - 1))

typedef int64_t column_t[TM_AGG_BATCH_MAX];

static inline tm_i128_t sum_load(const agg_sum_t *s)
{
    return (tm_i128_t)((tm_u128_t)(uint64_t)s->high << 64 | s->low);
}

static inline void sum_store(agg_sum_t *s, tm_i128_t v)
{
    s->low = (uint64_t)v;
    s->high = (int64_t)(v >> 64);
}

static inline void sum_add(agg_sum_t *s, tm_i128_t v)
{
    tm_i128_t sum;
    tm_i128_t old = sum_load(s);
    if (TM_UNLIKELY(__builtin_add_overflow(old, v, &sum) || old == AGG_OVERFLOW))
        sum = AGG_OVERFLOW;
    sum_store(s, sum);
}

static inline bool before(int64_t time, int64_t tie, int64_t value, const agg_timed_t *than)
{
    if (time != than->time) return time < than->time;
    if (tie != than->tie) return tie < than->tie;
    return value < than->value;
}

static inline bool after(int64_t time, int64_t tie, int64_t value, const agg_timed_t *than)
{
    if (time != than->time) return time > than->time;
    if (tie != than->tie) return tie > than->tie;
    return value > than->value;
}

/* Field by field, so that the type is looked at once a batch. */
static void column_load(const tm_agg_column_t *col, const uint8_t *rows, uint32_t cnt,
                        uint32_t stride, int64_t *out)
{
    const uint8_t *at = rows + col->off;
    switch ((tm_agg_load_t)col->load) {
    case TM_AGG_LOAD_U8:
        for (uint32_t i = 0; i < cnt; i++, at += stride) out[i] = *at;
        return;
    case TM_AGG_LOAD_I32:
        for (uint32_t i = 0; i < cnt; i++, at += stride) {
            int32_t v;
            memcpy(&v, at, sizeof v);
            out[i] = v;
        }
        return;
    case TM_AGG_LOAD_U32:
        for (uint32_t i = 0; i < cnt; i++, at += stride) {
            uint32_t v;
            memcpy(&v, at, sizeof v);
            out[i] = v;
        }
        return;
    case TM_AGG_LOAD_I64:
    case TM_AGG_LOAD_U64:
        for (uint32_t i = 0; i < cnt; i++, at += stride) memcpy(&out[i], at, sizeof out[i]);
        return;
    case TM_AGG_LOAD_U64_ORDER:
        for (uint32_t i = 0; i < cnt; i++, at += stride) {
            memcpy(&out[i], at, sizeof out[i]);
            out[i] ^= INT64_MIN;
        }
        return;
    }
}

void tm_agg_init(const tm_agg_t *agg, void *acc)
{
    memcpy(acc, agg->acc_empty, agg->acc_sz);
}

/* The parts of the accumulators that a step works on. */
#define PART(type, i) ((type *)(void *)((uint8_t *)accs[i] + off))

static void run_first_last(const tm_agg_step_t *step, void *const *accs, column_t *cols,
                           uint32_t cnt)
{
    const int64_t *time = cols[0], *value = cols[step->col], *tie = cols[step->col2];
    const uint32_t off = step->acc_off;
    for (uint32_t i = 0; i < cnt; i++) {
        agg_timed_t *p = PART(agg_timed_t, i);
        /* Columns are gathered before a step runs.
           NOLINTBEGIN(clang-analyzer-core.CallAndMessage) */
        bool take = step->op == AGG_OP_FIRST ? before(time[i], tie[i], value[i], p)
                                             : after(time[i], tie[i], value[i], p);
        /* NOLINTEND(clang-analyzer-core.CallAndMessage) */
        if (take) *p = (agg_timed_t){time[i], tie[i], value[i]};
    }
}

static void run_ohlc(const tm_agg_step_t *step, void *const *accs, column_t *cols, uint32_t cnt)
{
    const int64_t *time = cols[0], *value = cols[step->col], *tie = cols[step->col2];
    const uint32_t off = step->acc_off;
    for (uint32_t i = 0; i < cnt; i++) {
        agg_ohlc_t *p = PART(agg_ohlc_t, i);
        int64_t v = value[i];
        /* Gathered, as above. NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage) */
        if (before(time[i], tie[i], v, &p->first)) p->first = (agg_timed_t){time[i], tie[i], v};
        if (after(time[i], tie[i], v, &p->last)) p->last = (agg_timed_t){time[i], tie[i], v};
        p->min = v < p->min ? v : p->min;
        p->max = v > p->max ? v : p->max;
    }
}

static void run_sum(const tm_agg_step_t *step, void *const *accs, column_t *cols, uint32_t cnt)
{
    const int64_t *value = cols[step->col], *factor = cols[step->col2];
    const uint32_t off = step->acc_off;
    if (step->op == AGG_OP_SUM)
        for (uint32_t i = 0; i < cnt; i++) sum_add(PART(agg_sum_t, i), value[i]);
    else if (step->op == AGG_OP_SUM_U64)
        for (uint32_t i = 0; i < cnt; i++) sum_add(PART(agg_sum_t, i), (uint64_t)value[i]);
    else
        for (uint32_t i = 0; i < cnt; i++)
            sum_add(PART(agg_sum_t, i), (tm_i128_t)value[i] * factor[i]);
}

static void run_simple(const tm_agg_step_t *step, void *const *accs, column_t *cols, uint32_t cnt)
{
    const int64_t *value = cols[step->col];
    const uint32_t off = step->acc_off;
    if (step->op == AGG_OP_COUNT)
        for (uint32_t i = 0; i < cnt; i++) *PART(int64_t, i) += 1;
    else if (step->op == AGG_OP_MIN)
        for (uint32_t i = 0; i < cnt; i++) {
            int64_t *p = PART(int64_t, i);
            *p = value[i] < *p ? value[i] : *p;
        }
    else
        for (uint32_t i = 0; i < cnt; i++) {
            int64_t *p = PART(int64_t, i);
            *p = value[i] > *p ? value[i] : *p;
        }
}

void tm_agg_add(const tm_agg_t *agg, void *const *accs, const void *rows, uint32_t cnt,
                uint32_t stride)
{
    column_t cols[TM_AGG_COLUMN_MAX];
    TM_DCHECK(cnt <= TM_AGG_BATCH_MAX, "%u rows", cnt);
    uint32_t c = 0;
    do {
        column_load(&agg->columns[c], rows, cnt, stride, cols[c]);
    } while (++c < agg->column_cnt); /* column 0, the event time, is always there */
    for (uint32_t s = 0; s < agg->step_cnt; s++) {
        const tm_agg_step_t *step = &agg->steps[s];
        switch ((agg_op_t)step->op) {
        case AGG_OP_COUNT:
        case AGG_OP_MIN:
        case AGG_OP_MAX:
            run_simple(step, accs, cols, cnt);
            break;
        case AGG_OP_SUM:
        case AGG_OP_SUM_U64:
        case AGG_OP_SUM_MUL:
            run_sum(step, accs, cols, cnt);
            break;
        case AGG_OP_FIRST:
        case AGG_OP_LAST:
            run_first_last(step, accs, cols, cnt);
            break;
        case AGG_OP_OHLC:
            run_ohlc(step, accs, cols, cnt);
            break;
        }
    }
}

static void merge_first(agg_timed_t *a, const agg_timed_t *b)
{
    if (before(b->time, b->tie, b->value, a)) *a = *b;
}

static void merge_last(agg_timed_t *a, const agg_timed_t *b)
{
    if (after(b->time, b->tie, b->value, a)) *a = *b;
}

static void merge_step(const tm_agg_step_t *step, void *into, const void *from)
{
    switch ((agg_op_t)step->op) {
    case AGG_OP_COUNT:
        *(int64_t *)into += *(const int64_t *)from;
        break;
    case AGG_OP_SUM:
    case AGG_OP_SUM_U64:
    case AGG_OP_SUM_MUL: {
        tm_i128_t v = sum_load(from);
        if (TM_UNLIKELY(v == AGG_OVERFLOW))
            sum_store(into, v);
        else
            sum_add(into, v);
        break;
    }
    case AGG_OP_MIN:
        if (*(const int64_t *)from < *(int64_t *)into) *(int64_t *)into = *(const int64_t *)from;
        break;
    case AGG_OP_MAX:
        if (*(const int64_t *)from > *(int64_t *)into) *(int64_t *)into = *(const int64_t *)from;
        break;
    case AGG_OP_FIRST:
        merge_first(into, from);
        break;
    case AGG_OP_LAST:
        merge_last(into, from);
        break;
    case AGG_OP_OHLC: {
        agg_ohlc_t *a = into;
        const agg_ohlc_t *b = from;
        merge_first(&a->first, &b->first);
        merge_last(&a->last, &b->last);
        if (b->min < a->min) a->min = b->min;
        if (b->max > a->max) a->max = b->max;
        break;
    }
    }
}

void tm_agg_merge(const tm_agg_t *agg, void *into, const void *from)
{
    for (uint32_t s = 0; s < agg->step_cnt; s++) {
        uint32_t off = agg->steps[s].acc_off;
        merge_step(&agg->steps[s], (uint8_t *)into + off, (const uint8_t *)from + off);
    }
}

/* A loaded value back in the form and width of its field. */
static void value_write(const tm_agg_result_t *r, int64_t value, uint8_t *to)
{
    if (r->load == TM_AGG_LOAD_U64_ORDER) value ^= INT64_MIN;
    uint32_t sz = tm_type_sz(r->field.type);
    memcpy(to, &value, sz); /* little-endian: the low bytes come first */
}

bool tm_agg_write(const tm_agg_t *agg, const void *acc, void *row)
{
    bool whole = true;
    for (uint32_t i = 0; i < agg->result_cnt; i++) {
        const tm_agg_result_t *r = &agg->results[i];
        const void *from = (const uint8_t *)acc + r->acc_off;
        uint8_t *to = (uint8_t *)row + r->field.off;
        if (r->field.type == TM_TYPE_DECIMAL128) {
            tm_i128_t v = sum_load(from);
            if (TM_UNLIKELY(v > SUM_MAX || v < -SUM_MAX)) whole = false;
            memcpy(to, &v, sizeof v);
        } else {
            value_write(r, *(const int64_t *)from, to);
        }
    }
    return whole;
}
