/* From accumulators to the fields of a result. */
#include "engine/operators/aggregate/agg_step.h"

#include <math.h>
#include <string.h>

/* 10^38 - 1: the largest value of 38 digits. */
#define TEN_TO_19 UINT64_C(10000000000000000000)
#define SUM_MAX   ((tm_i128_t)((tm_u128_t)TEN_TO_19 * TEN_TO_19 - 1))

enum { AVG_UNIT = 1000000 }; /* an average has six digits more than its field */

/* What became of a field. */
typedef enum outcome { WRITTEN, IS_NULL, NO_RESULT } outcome_t;

static const void *at(const void *acc, uint32_t off)
{
    return (const uint8_t *)acc + off;
}

/* A loaded value back in the form and width of its field. */
static void value_write(const tm_agg_result_t *r, int64_t value, uint8_t *to)
{
    if (r->load == TM_AGG_LOAD_U64_ORDER) value ^= INT64_MIN;
    if (r->load == TM_AGG_LOAD_F64_ORDER) value = agg_f64_order(value);
    memcpy(to, &value, tm_type_sz(r->field.type)); /* little-endian: the low bytes come first */
}

static outcome_t real_write(double value, uint8_t *to)
{
    memcpy(to, &value, sizeof value);
    return WRITTEN;
}

static outcome_t wide_write(tm_i128_t value, uint8_t *to)
{
    memcpy(to, &value, sizeof value);
    return value > SUM_MAX || value < -SUM_MAX ? NO_RESULT : WRITTEN;
}

static double real_at(const void *acc, uint32_t off)
{
    const agg_real_t *r = at(acc, off);
    return r->sum + r->lost;
}

/* a / b, rounded half away from zero. */
static tm_i128_t divided(tm_i128_t a, tm_i128_t b)
{
    tm_i128_t q = a / b, rest = a % b;
    tm_u128_t twice = 2 * (tm_u128_t)(rest < 0 ? -rest : rest);
    if (twice >= (tm_u128_t)(b < 0 ? -b : b)) q += (a < 0) == (b < 0) ? 1 : -1;
    return q;
}

/* The whole part first, then six digits of the rest: their product might not fit otherwise. */
static outcome_t avg_write(const tm_agg_result_t *r, const void *acc, uint8_t *to)
{
    int64_t cnt = *(const int64_t *)at(acc, r->cnt_off);
    if (cnt == 0) return IS_NULL;
    if (r->field.type == TM_TYPE_F64) return real_write(real_at(acc, r->acc_off) / (double)cnt, to);
    tm_i128_t sum = agg_sum_load(at(acc, r->acc_off)), whole;
    if (sum == AGG_OVERFLOW || __builtin_mul_overflow(sum / cnt, (tm_i128_t)AVG_UNIT, &whole))
        return NO_RESULT;
    return wide_write(whole + divided(sum % cnt * AVG_UNIT, cnt), to);
}

static outcome_t vwap_write(const tm_agg_result_t *r, const void *acc, uint8_t *to)
{
    if (r->field.type == TM_TYPE_F64) {
        double by = real_at(acc, r->by_off);
        return by == 0 ? IS_NULL : real_write(real_at(acc, r->acc_off) / by, to);
    }
    tm_i128_t sum = agg_sum_load(at(acc, r->acc_off)), by = agg_sum_load(at(acc, r->by_off));
    if (sum == AGG_OVERFLOW || by == AGG_OVERFLOW) return NO_RESULT;
    if (by == 0) return IS_NULL;
    tm_i128_t value = divided(sum, by);
    int64_t narrow = (int64_t)value;
    memcpy(to, &narrow, sizeof narrow);
    return value == narrow ? WRITTEN : NO_RESULT;
}

static outcome_t spread_write(const tm_agg_result_t *r, const void *acc, uint8_t *to)
{
    const agg_moments_t *m = at(acc, r->acc_off);
    if (m->cnt < 2) return IS_NULL;
    double variance = m->m2 / (double)(m->cnt - 1);
    return real_write(r->fn == TM_AGG_STDDEV ? sqrt(variance) : variance, to);
}

static outcome_t tree_write(const tm_agg_t *agg, const tm_agg_result_t *r, const void *acc,
                            uint8_t *to)
{
    const agg_tree_t *tree = at(acc, r->acc_off);
    if (tree->lost) return NO_RESULT;
    if (r->fn == TM_AGG_DISTINCT) {
        memcpy(to, &tree->cnt, sizeof tree->cnt);
        return WRITTEN;
    }
    return tree->cnt == 0 ? IS_NULL : real_write(tm_agg_tree_quantile(agg, tree, r->p), to);
}

static outcome_t ranked_write(const tm_agg_result_t *r, const void *acc, uint8_t *to)
{
    const agg_rank_t *rank = at(acc, r->acc_off);
    if (r->idx >= rank->cnt) return IS_NULL;
    value_write(r, rank->rows[r->idx].value, to);
    return WRITTEN;
}

static outcome_t plain_write(const tm_agg_result_t *r, const void *acc, uint8_t *to)
{
    if (r->cnt_off && *(const int64_t *)at(acc, r->cnt_off) == 0) return IS_NULL;
    if (r->field.type == TM_TYPE_DECIMAL128)
        return wide_write(agg_sum_load(at(acc, r->acc_off)), to);
    if (r->fn == TM_AGG_SUM || r->fn == TM_AGG_SUM_MUL)
        return real_write(real_at(acc, r->acc_off), to);
    value_write(r, *(const int64_t *)at(acc, r->acc_off), to);
    return WRITTEN;
}

static outcome_t result_write(const tm_agg_t *agg, const tm_agg_result_t *r, const void *acc,
                              uint8_t *to)
{
    int64_t estimate;
    switch ((tm_agg_fn_t)r->fn) {
    case TM_AGG_AVG:
        return avg_write(r, acc, to);
    case TM_AGG_VWAP:
        return vwap_write(r, acc, to);
    case TM_AGG_VARIANCE:
    case TM_AGG_STDDEV:
        return spread_write(r, acc, to);
    case TM_AGG_DISTINCT:
    case TM_AGG_QUANTILE:
        return tree_write(agg, r, acc, to);
    case TM_AGG_DISTINCT_APPROX:
        estimate = llround(tm_agg_hll_estimate(at(acc, r->acc_off)));
        memcpy(to, &estimate, sizeof estimate);
        return WRITTEN;
    case TM_AGG_TOP:
    case TM_AGG_ARRAY:
        return ranked_write(r, acc, to);
    case TM_AGG_COUNT:
    case TM_AGG_SUM:
    case TM_AGG_SUM_MUL:
    case TM_AGG_MIN:
    case TM_AGG_MAX:
    case TM_AGG_FIRST:
    case TM_AGG_LAST:
        break;
    }
    return plain_write(r, acc, to);
}

bool tm_agg_write(const tm_agg_t *agg, const void *acc, void *row)
{
    bool whole = true;
    uint64_t nulls = 0;
    for (uint32_t i = 0; i < agg->result_cnt; i++) {
        const tm_agg_result_t *r = &agg->results[i];
        uint8_t *to = (uint8_t *)row + r->field.off;
        if (r->plain) {
            memcpy(to, at(acc, r->acc_off), sizeof(int64_t));
            continue;
        }
        outcome_t outcome = result_write(agg, r, acc, to);
        whole &= outcome != NO_RESULT;
        if (outcome != IS_NULL) continue;
        nulls |= UINT64_C(1) << r->field.null_bit;
        memset(to, 0, tm_type_sz(r->field.type));
    }
    if (agg->out_null_off) memcpy((uint8_t *)row + agg->out_null_off, &nulls, sizeof nulls);
    return whole;
}
