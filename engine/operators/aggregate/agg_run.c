/* Running compiled aggregates. Columns are gathered first: that makes the steps independent of
   field types, loads a field once that several steps use, and leaves loops without a branch on the
   program. Sums that overflow 128 bits or 38 digits become AGG_OVERFLOW and stay so; the check is
   one jump that is never taken. */
#include "base/check.h"
#include "engine/operators/aggregate/agg_step.h"

#include <string.h>

typedef int64_t column_t[TM_AGG_BATCH_MAX];

static inline void sum_store(agg_sum_t *s, tm_i128_t v)
{
    s->low = (uint64_t)v;
    s->high = (int64_t)(v >> 64);
}

static inline void sum_add(agg_sum_t *s, tm_i128_t v)
{
    tm_i128_t sum;
    tm_i128_t old = agg_sum_load(s);
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
    case TM_AGG_LOAD_F64:
        for (uint32_t i = 0; i < cnt; i++, at += stride) memcpy(&out[i], at, sizeof out[i]);
        return;
    case TM_AGG_LOAD_U64_ORDER:
        for (uint32_t i = 0; i < cnt; i++, at += stride) {
            memcpy(&out[i], at, sizeof out[i]);
            out[i] ^= INT64_MIN;
        }
        return;
    case TM_AGG_LOAD_F64_ORDER:
        for (uint32_t i = 0; i < cnt; i++, at += stride) {
            memcpy(&out[i], at, sizeof out[i]);
            out[i] = agg_f64_order(out[i]);
        }
        return;
    }
}

void tm_agg_init(const tm_agg_t *agg, void *acc)
{
    memcpy(acc, agg->acc_empty, agg->acc_sz);
}

void tm_agg_clear(const tm_agg_t *agg, void *acc)
{
    if (!agg->owns_memory) return;
    for (uint32_t i = 0; i < agg->step_cnt; i++) {
        const tm_agg_step_t *step = &agg->steps[i];
        if (step->op == AGG_OP_DISTINCT || step->op == AGG_OP_QUANTILE)
            tm_agg_tree_clear(agg, step, (void *)((uint8_t *)acc + step->acc_off));
    }
}

/* The parts of the accumulators that a step works on. */
#define PART(type, i) ((type *)(void *)((uint8_t *)accs[i] + off))

static void run_first_last(const tm_agg_step_t *step, void *const *accs, const agg_input_t *in)
{
    const int64_t *time = in->time, *value = in->value, *tie = in->value2;
    const uint32_t off = step->acc_off;
    for (uint32_t i = 0; i < in->cnt; i++) {
        agg_timed_t *p = PART(agg_timed_t, i);
        bool take = step->op == AGG_OP_FIRST ? before(time[i], tie[i], value[i], p)
                                             : after(time[i], tie[i], value[i], p);
        if (take) *p = (agg_timed_t){time[i], tie[i], value[i]};
    }
}

static void run_ohlc(const tm_agg_step_t *step, void *const *accs, const agg_input_t *in)
{
    const int64_t *time = in->time, *value = in->value, *tie = in->value2;
    const uint32_t off = step->acc_off;
    for (uint32_t i = 0; i < in->cnt; i++) {
        agg_ohlc_t *p = PART(agg_ohlc_t, i);
        int64_t v = value[i];
        if (before(time[i], tie[i], v, &p->first)) p->first = (agg_timed_t){time[i], tie[i], v};
        if (after(time[i], tie[i], v, &p->last)) p->last = (agg_timed_t){time[i], tie[i], v};
        p->min = v < p->min ? v : p->min;
        p->max = v > p->max ? v : p->max;
    }
}

static void run_sum(const tm_agg_step_t *step, void *const *accs, const agg_input_t *in)
{
    const int64_t *value = in->value, *factor = in->value2;
    const uint32_t off = step->acc_off;
    if (step->op == AGG_OP_SUM)
        for (uint32_t i = 0; i < in->cnt; i++) sum_add(PART(agg_sum_t, i), value[i]);
    else if (step->op == AGG_OP_SUM_U64)
        for (uint32_t i = 0; i < in->cnt; i++) sum_add(PART(agg_sum_t, i), (uint64_t)value[i]);
    else
        for (uint32_t i = 0; i < in->cnt; i++)
            sum_add(PART(agg_sum_t, i), (tm_i128_t)value[i] * factor[i]);
}

static void run_simple(const tm_agg_step_t *step, void *const *accs, const agg_input_t *in)
{
    const int64_t *value = in->value;
    const uint32_t off = step->acc_off;
    if (step->op == AGG_OP_COUNT)
        for (uint32_t i = 0; i < in->cnt; i++) *PART(int64_t, i) += 1;
    else if (step->op == AGG_OP_MIN)
        for (uint32_t i = 0; i < in->cnt; i++) {
            int64_t *p = PART(int64_t, i);
            *p = value[i] < *p ? value[i] : *p;
        }
    else
        for (uint32_t i = 0; i < in->cnt; i++) {
            int64_t *p = PART(int64_t, i);
            *p = value[i] > *p ? value[i] : *p;
        }
}

static void step_run(const tm_agg_t *agg, const tm_agg_step_t *step, void *const *accs,
                     const agg_input_t *in)
{
    switch ((agg_op_t)step->op) {
    case AGG_OP_COUNT:
    case AGG_OP_MIN:
    case AGG_OP_MAX:
        run_simple(step, accs, in);
        return;
    case AGG_OP_SUM:
    case AGG_OP_SUM_U64:
    case AGG_OP_SUM_MUL:
        run_sum(step, accs, in);
        return;
    case AGG_OP_FIRST:
    case AGG_OP_LAST:
        run_first_last(step, accs, in);
        return;
    case AGG_OP_OHLC:
        run_ohlc(step, accs, in);
        return;
    case AGG_OP_SUM_F64:
    case AGG_OP_SUM_MUL_F64:
    case AGG_OP_MOMENTS:
    case AGG_OP_HLL:
    case AGG_OP_RANK:
        tm_agg_stat_run(step, accs, in);
        return;
    case AGG_OP_DISTINCT:
    case AGG_OP_QUANTILE:
        tm_agg_tree_run(agg, step, accs, in);
        return;
    }
}

/* Runs a step over the rows that have its values. */
static void step_run_valid(const tm_agg_t *agg, const tm_agg_step_t *step, void *const *accs,
                           const agg_input_t *in, uint64_t valid)
{
    column_t time, value, value2;
    void *some[TM_AGG_BATCH_MAX];
    uint32_t n = 0;
    for (uint64_t left = valid; left; left &= left - 1, n++) {
        uint32_t i = (uint32_t)__builtin_ctzll(left);
        time[n] = in->time[i];
        value[n] = in->value[i];
        value2[n] = in->value2[i];
        some[n] = accs[i];
    }
    if (n > 0) step_run(agg, step, some, &(agg_input_t){time, value, value2, n});
}

/* One bit a row whose column is not null. */
static uint64_t column_valid(const tm_agg_t *agg, const tm_agg_column_t *col, const uint8_t *rows,
                             uint32_t cnt, uint32_t stride)
{
    uint64_t valid = 0, all = cnt == 64 ? UINT64_MAX : (UINT64_C(1) << cnt) - 1;
    if (col->null_bit < 0) return all;
    const uint8_t *at = rows + agg->null_off;
    for (uint32_t i = 0; i < cnt; i++, at += stride) {
        uint64_t nulls;
        memcpy(&nulls, at, sizeof nulls);
        valid |= (~nulls >> col->null_bit & 1) << i;
    }
    return valid;
}

void tm_agg_add(const tm_agg_t *agg, void *const *accs, const void *rows, uint32_t cnt,
                uint32_t stride)
{
    column_t cols[TM_AGG_COLUMN_MAX];
    uint64_t valid[TM_AGG_COLUMN_MAX];
    TM_DCHECK(cnt <= TM_AGG_BATCH_MAX, "%u rows", cnt);
    uint32_t c = 0;
    do {
        column_load(&agg->columns[c], rows, cnt, stride, cols[c]);
        valid[c] = column_valid(agg, &agg->columns[c], rows, cnt, stride);
    } while (++c < agg->column_cnt); /* column 0, the event time, is always there */
    for (uint32_t s = 0; s < agg->step_cnt; s++) {
        const tm_agg_step_t *step = &agg->steps[s];
        const agg_input_t in = {cols[0], cols[step->col], cols[step->col2], cnt};
        if (TM_UNLIKELY(step->nullable))
            step_run_valid(agg, step, accs, &in, valid[step->col] & valid[step->col2]);
        else
            step_run(agg, step, accs, &in);
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

static void merge_step(const tm_agg_t *agg, const tm_agg_step_t *step, void *into, const void *from)
{
    switch ((agg_op_t)step->op) {
    case AGG_OP_COUNT:
        *(int64_t *)into += *(const int64_t *)from;
        break;
    case AGG_OP_SUM:
    case AGG_OP_SUM_U64:
    case AGG_OP_SUM_MUL: {
        tm_i128_t v = agg_sum_load(from);
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
    case AGG_OP_SUM_F64:
    case AGG_OP_SUM_MUL_F64:
    case AGG_OP_MOMENTS:
    case AGG_OP_HLL:
    case AGG_OP_RANK:
        tm_agg_stat_merge(step, into, from);
        break;
    case AGG_OP_DISTINCT:
    case AGG_OP_QUANTILE:
        tm_agg_tree_merge(agg, step, into, from);
        break;
    }
}

void tm_agg_merge(const tm_agg_t *agg, void *into, const void *from)
{
    for (uint32_t s = 0; s < agg->step_cnt; s++) {
        uint32_t off = agg->steps[s].acc_off;
        merge_step(agg, &agg->steps[s], (uint8_t *)into + off, (const uint8_t *)from + off);
    }
}

void tm_agg_copy(const tm_agg_t *to, void *into, const tm_agg_t *of, const void *from)
{
    memcpy(into, from, to->acc_sz);
    for (uint32_t i = 0; to->owns_memory && i < to->step_cnt; i++) {
        const tm_agg_step_t *step = &to->steps[i];
        if (step->op != AGG_OP_DISTINCT && step->op != AGG_OP_QUANTILE) continue;
        tm_agg_tree_copy(to, (void *)((uint8_t *)into + step->acc_off), of, step,
                         (const void *)((const uint8_t *)from + step->acc_off));
    }
}
