/* Steps whose accumulators are plain bytes of more than one number: sums of doubles, moments,
   HyperLogLog, ranked rows. */
#include "engine/operators/aggregate/agg_step.h"

#include <math.h>
#include <string.h>

#define PART(type, i) ((type *)(void *)((uint8_t *)accs[i] + off))

double tm_agg_number(const tm_agg_step_t *step, int64_t value)
{
    double real;
    switch ((tm_agg_load_t)step->load) {
    case TM_AGG_LOAD_F64_ORDER:
        value = agg_f64_order(value);
        memcpy(&real, &value, sizeof real);
        return real;
    case TM_AGG_LOAD_F64:
        memcpy(&real, &value, sizeof real);
        return real;
    case TM_AGG_LOAD_U64_ORDER:
        return (double)(uint64_t)(value ^ INT64_MIN);
    case TM_AGG_LOAD_U64:
        return (double)(uint64_t)value;
    case TM_AGG_LOAD_U8:
    case TM_AGG_LOAD_I32:
    case TM_AGG_LOAD_U32:
    case TM_AGG_LOAD_I64:
        break;
    }
    return (double)value * step->unit;
}

static void real_add(agg_real_t *r, double v)
{
    double sum = r->sum + v;
    r->lost += fabs(r->sum) >= fabs(v) ? (r->sum - sum) + v : (v - sum) + r->sum;
    r->sum = sum;
}

static double bits_real(int64_t bits)
{
    double real;
    memcpy(&real, &bits, sizeof real);
    return real;
}

static void moments_merge(agg_moments_t *into, const agg_moments_t *from)
{
    if (from->cnt == 0) return;
    double na = (double)into->cnt, nb = (double)from->cnt, n = na + nb;
    double delta = from->mean - into->mean;
    into->mean += delta * nb / n;
    into->m2 += from->m2 + delta * delta * na * nb / n;
    into->cnt += from->cnt;
}

static void moments_add(agg_moments_t *m, double v)
{
    double delta = v - m->mean;
    m->mean += delta / (double)++m->cnt;
    m->m2 += delta * (v - m->mean);
}

/* ---- HyperLogLog (Flajolet, Fusy, Gandouet and Meunier, 2007) -------------------------------- */

static uint64_t hashed(uint64_t v)
{
    v = (v ^ (v >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    v = (v ^ (v >> 27)) * UINT64_C(0x94d049bb133111eb);
    return v ^ (v >> 31);
}

static void hll_add(uint8_t *registers, int64_t value)
{
    uint64_t h = hashed((uint64_t)value + UINT64_C(0x9e3779b97f4a7c15));
    uint64_t rest = h << AGG_HLL_BITS | UINT64_C(1) << (AGG_HLL_BITS - 1);
    uint8_t rank = (uint8_t)(__builtin_clzll(rest) + 1);
    uint8_t *r = &registers[h >> (64 - AGG_HLL_BITS)];
    if (rank > *r) *r = rank;
}

static double sigma(double x)
{
    if (x >= 1) return HUGE_VAL;
    double y = 1, z = x, before;
    do {
        x *= x;
        before = z;
        z += x * y;
        y += y;
    } while (z > before);
    return z;
}

static double tau(double x)
{
    if (x <= 0 || x >= 1) return 0;
    double y = 1, z = 1 - x, before;
    do {
        x = sqrt(x);
        before = z;
        y *= 0.5;
        z -= (1 - x) * (1 - x) * y;
    } while (z < before);
    return z / 3;
}

/* Without a bias at either end, and without tables (Ertl, 2017). */
double tm_agg_hll_estimate(const uint8_t *registers)
{
    enum { Q = 64 - AGG_HLL_BITS };
    uint32_t cnts[Q + 2] = {0};
    const double m = AGG_HLL_SZ;
    for (uint32_t i = 0; i < AGG_HLL_SZ; i++) cnts[registers[i]]++;
    double z = m * tau(1 - cnts[Q + 1] / m);
    for (uint32_t k = Q; k >= 1; k--) z = 0.5 * (z + cnts[k]);
    z += m * sigma(cnts[0] / m);
    return m * m / (2 * M_LN2 * z);
}

/* ---- ranked rows ----------------------------------------------------------------------------- */

static bool is_better(const agg_ranked_t *a, const agg_ranked_t *b)
{
    if (a->by != b->by) return a->by < b->by;
    if (a->then != b->then) return a->then < b->then;
    return a->value < b->value;
}

static void rank_add(agg_rank_t *rank, uint32_t k, const agg_ranked_t *row)
{
    uint32_t at = rank->cnt;
    if (at == k && !is_better(row, &rank->rows[k - 1])) return;
    if (at < k) rank->cnt++;
    if (at == k) at--;
    for (; at > 0 && is_better(row, &rank->rows[at - 1]); at--) rank->rows[at] = rank->rows[at - 1];
    rank->rows[at] = *row;
}

/* The largest first: lower is better for all, so the order is turned over. */
static agg_ranked_t ranked_row(const tm_agg_step_t *step, const agg_input_t *in, uint32_t i)
{
    if (step->descending) return (agg_ranked_t){~in->value2[i], in->time[i], in->value[i]};
    return (agg_ranked_t){in->time[i], in->value2[i], in->value[i]};
}

/* ---- dispatch -------------------------------------------------------------------------------- */

void tm_agg_stat_run(const tm_agg_step_t *step, void *const *accs, const agg_input_t *in)
{
    const uint32_t off = step->acc_off;
    const agg_op_t op = (agg_op_t)step->op;
    for (uint32_t i = 0; i < in->cnt; i++) {
        if (op == AGG_OP_SUM_F64) {
            real_add(PART(agg_real_t, i), bits_real(in->value[i]));
        } else if (op == AGG_OP_SUM_MUL_F64) {
            real_add(PART(agg_real_t, i), bits_real(in->value[i]) * bits_real(in->value2[i]));
        } else if (op == AGG_OP_MOMENTS) {
            moments_add(PART(agg_moments_t, i), tm_agg_number(step, in->value[i]));
        } else if (op == AGG_OP_HLL) {
            hll_add(PART(uint8_t, i), in->value[i]);
        } else {
            agg_ranked_t row = ranked_row(step, in, i);
            rank_add(PART(agg_rank_t, i), step->k, &row);
        }
    }
}

void tm_agg_stat_merge(const tm_agg_step_t *step, void *into, const void *from)
{
    const agg_op_t op = (agg_op_t)step->op;
    if (op == AGG_OP_SUM_F64 || op == AGG_OP_SUM_MUL_F64) {
        const agg_real_t *b = from;
        real_add(into, b->sum);
        real_add(into, b->lost);
    } else if (op == AGG_OP_MOMENTS) {
        moments_merge(into, from);
    } else if (op == AGG_OP_HLL) {
        uint8_t *a = into;
        const uint8_t *b = from;
        for (uint32_t i = 0; i < AGG_HLL_SZ; i++) a[i] = b[i] > a[i] ? b[i] : a[i];
    } else {
        const agg_rank_t *b = from;
        for (uint32_t i = 0; i < b->cnt; i++) rank_add(into, step->k, &b->rows[i]);
    }
}
