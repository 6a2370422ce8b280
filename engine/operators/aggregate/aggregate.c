/* Compiling a list of functions. The four values of a bar (first, last, min and max of one field)
   are one step: they read the same column and their parts of the accumulator are neighbours. */
#include "engine/operators/aggregate/aggregate.h"

#include "base/error.h"
#include "engine/operators/aggregate/agg_step.h"

#include <stdio.h>
#include <string.h>

const char *tm_agg_name(tm_agg_fn_t fn)
{
    static const char *const names[] = {"?",
                                        "count",
                                        "sum",
                                        "min",
                                        "max",
                                        "first",
                                        "last",
                                        "sum of products",
                                        "average",
                                        "vwap",
                                        "variance",
                                        "stddev",
                                        "distinct count",
                                        "approximate distinct count",
                                        "quantile",
                                        "top",
                                        "array"};
    return (size_t)fn < TM_ARRAY_CNT(names) ? names[fn] : names[0];
}

/* How a field is loaded where its order matters; -1 for types that no function takes. */
static int load_of(tm_type_t type, bool order)
{
    switch (type) {
    case TM_TYPE_BOOL:
    case TM_TYPE_SIDE:
        return TM_AGG_LOAD_U8;
    case TM_TYPE_I32:
        return TM_AGG_LOAD_I32;
    case TM_TYPE_SYMBOL:
        return TM_AGG_LOAD_U32;
    case TM_TYPE_I64:
    case TM_TYPE_DECIMAL64:
    case TM_TYPE_TIME_NS:
        return TM_AGG_LOAD_I64;
    case TM_TYPE_U64:
        return order ? TM_AGG_LOAD_U64_ORDER : TM_AGG_LOAD_U64;
    case TM_TYPE_F64:
        return order ? TM_AGG_LOAD_F64_ORDER : TM_AGG_LOAD_F64;
    case TM_TYPE_DECIMAL128:
        return -1;
    }
    return -1;
}

/* Sums make sense of numbers only. */
static bool can_sum(tm_type_t type)
{
    return type == TM_TYPE_F64 || type == TM_TYPE_I32 || type == TM_TYPE_I64 ||
           type == TM_TYPE_U64 || type == TM_TYPE_DECIMAL64;
}

static bool needs_number(tm_agg_fn_t fn)
{
    return fn == TM_AGG_SUM || fn == TM_AGG_SUM_MUL || fn == TM_AGG_AVG || fn == TM_AGG_VWAP ||
           fn == TM_AGG_VARIANCE || fn == TM_AGG_STDDEV || fn == TM_AGG_QUANTILE;
}

/* The column of a field, shared by all steps that load it in the same way. */
static int column_add(tm_agg_t *agg, uint16_t off, int load, int null_bit)
{
    for (uint32_t i = 0; i < agg->column_cnt; i++)
        if (agg->columns[i].off == off && agg->columns[i].load == load) return (int)i;
    agg->columns[agg->column_cnt] = (tm_agg_column_t){
        .off = off, .load = (uint8_t)load, .null_bit = (int8_t)null_bit};
    return (int)agg->column_cnt++;
}

/* A field named in a spec: its column, or TM_E_CONFIG. */
static int column_of(tm_agg_t *agg, const tm_schema_t *in, const tm_agg_spec_t *spec,
                     const char *name, bool order)
{
    const char *fn = tm_agg_name(spec->fn);
    if (!name || !name[0])
        return tm_error_set(TM_E_CONFIG, "aggregate %s: %s needs a field", spec->as, fn);
    int at = tm_schema_find(in, name);
    if (at < 0)
        return tm_error_set(TM_E_CONFIG, "aggregate %s: rows of schema %s have no field %s",
                            spec->as, in->name, name);
    const tm_field_t *field = &in->fields[at];
    int load = load_of(field->type, order);
    if (load < 0 || (!order && needs_number(spec->fn) && !can_sum(field->type)))
        return tm_error_set(TM_E_CONFIG, "aggregate %s: %s cannot take field %s of type %s",
                            spec->as, fn, name, tm_type_name(field->type));
    return column_add(agg, field->off, load, field->nullable ? field->null_bit : -1);
}

/* Where a sum was laid down. */
typedef struct agg_sum_place {
    uint16_t off;
    uint32_t scale;
    bool real; /* agg_real_t */
    int col, col2;
} agg_sum_place_t;

/* Room in the accumulator, with what it holds before the first row. */
static uint16_t acc_add(tm_agg_t *agg, const void *empty, uint32_t sz)
{
    uint32_t off = agg->acc_sz;
    agg->acc_sz += sz;
    if (agg->acc_sz > TM_AGG_ACC_SZ_MAX) return 0; /* tm_agg_compile refuses */
    if (empty)
        memcpy(agg->acc_empty + off, empty, sz);
    else
        memset(agg->acc_empty + off, 0, sz);
    return (uint16_t)off;
}

static tm_agg_result_t *result_add(tm_agg_t *agg, const tm_agg_spec_t *spec, uint32_t acc_off,
                                   int load, const tm_field_t *like)
{
    static tm_agg_result_t beyond; /* tm_agg_compile refuses */
    tm_agg_result_t *r = &beyond;
    if (agg->result_cnt++ < TM_AGG_RESULT_MAX) r = &agg->results[agg->result_cnt - 1];
    *r = (tm_agg_result_t){
        .fn = (uint8_t)spec->fn, .load = (uint8_t)load, .acc_off = (uint16_t)acc_off};
    r->field = *like;
    r->field.nullable = 0;
    snprintf(r->field.name, sizeof r->field.name, "%s", spec->as);
    return r;
}

static tm_agg_step_t *step_add(tm_agg_t *agg, agg_op_t op, int col, int col2, uint16_t acc_off)
{
    bool nullable = agg->columns[col].null_bit >= 0 || agg->columns[col2].null_bit >= 0;
    tm_agg_step_t *step = &agg->steps[agg->step_cnt++];
    *step = (tm_agg_step_t){.op = (uint8_t)op,
                            .col = (uint8_t)col,
                            .col2 = (uint8_t)col2,
                            .load = agg->columns[col].load,
                            .nullable = nullable,
                            .unit = 1,
                            .acc_off = acc_off};
    return step;
}

/* Counts the rows that have both values; its part of the accumulator. */
static uint16_t count_add(tm_agg_t *agg, int col, int col2)
{
    uint16_t off = acc_add(agg, NULL, sizeof(int64_t));
    step_add(agg, AGG_OP_COUNT, col, col2, off);
    return off;
}

/* A result that is null where no row has a value. */
static void nullable_add(tm_agg_t *agg, tm_agg_result_t *r, int col, int col2)
{
    if (agg->columns[col].null_bit < 0 && agg->columns[col2].null_bit < 0) return;
    r->cnt_off = count_add(agg, col, col2);
    r->field.nullable = 1;
}

/* Lays down a sum of a field, or of its products with another; *place: where. */
static int sum_add(tm_agg_t *agg, const tm_schema_t *in, const tm_agg_spec_t *spec,
                   const char *const names[2], agg_sum_place_t *place)
{
    int col = column_of(agg, in, spec, names[0], false), col2 = 0;
    if (col < 0) return col;
    const tm_field_t *field = &in->fields[tm_schema_find(in, names[0])];
    uint32_t scale = field->scale;
    bool real = field->type == TM_TYPE_F64;
    agg_op_t op = real ? AGG_OP_SUM_F64 : AGG_OP_SUM;
    if (agg->columns[col].load == TM_AGG_LOAD_U64) op = AGG_OP_SUM_U64;
    if (names[1]) {
        col2 = column_of(agg, in, spec, names[1], false);
        if (col2 < 0) return col2;
        const tm_field_t *by = &in->fields[tm_schema_find(in, names[1])];
        scale += by->scale;
        op = real ? AGG_OP_SUM_MUL_F64 : AGG_OP_SUM_MUL;
        if (field->type == TM_TYPE_U64 || by->type == TM_TYPE_U64)
            return tm_error_set(TM_E_CONFIG, "aggregate %s: products of uint64 fields do not fit",
                                spec->as);
        if (real != (by->type == TM_TYPE_F64))
            return tm_error_set(TM_E_CONFIG, "aggregate %s: a double times a decimal is neither",
                                spec->as);
    }
    if (scale > AGG_DIGITS_MAX)
        return tm_error_set(TM_E_CONFIG, "aggregate %s: %u digits after the point are more than %d",
                            spec->as, scale, AGG_DIGITS_MAX);
    *place = (agg_sum_place_t){
        .off = acc_add(agg, NULL, sizeof(agg_sum_t)), .scale = scale, .real = real, col, col2};
    step_add(agg, op, col, col2, place->off);
    return 0;
}

static int compile_sum(tm_agg_t *agg, const tm_schema_t *in, const tm_agg_spec_t *spec)
{
    agg_sum_place_t sum = {0};
    const char *names[2] = {spec->field, spec->fn == TM_AGG_SUM_MUL ? spec->by : NULL};
    if (spec->fn == TM_AGG_SUM_MUL && !spec->by) names[1] = "";
    TM_TRY(sum_add(agg, in, spec, names, &sum));
    tm_field_t like = {.type = sum.real ? TM_TYPE_F64 : TM_TYPE_DECIMAL128,
                       .scale = (uint8_t)sum.scale};
    nullable_add(agg, result_add(agg, spec, sum.off, 0, &like), sum.col, sum.col2);
    return 0;
}

/* The shared step of the field with that tie-break (-1: any), if one was laid down. */
static bool ohlc_step(const tm_agg_t *agg, int col, int tie, uint32_t *step_idx)
{
    for (uint32_t i = 0; i < agg->step_cnt; i++) {
        if (agg->steps[i].op != AGG_OP_OHLC || agg->steps[i].col != col) continue;
        if (tie >= 0 && agg->steps[i].col2 != tie) continue;
        *step_idx = i;
        return true;
    }
    return false;
}

static int compile_order(tm_agg_t *agg, const tm_schema_t *in, const tm_agg_spec_t *spec)
{
    int col = column_of(agg, in, spec, spec->field, true);
    if (col < 0) return col;
    const tm_field_t *field = &in->fields[tm_schema_find(in, spec->field)];
    int load = agg->columns[col].load;
    bool timed = spec->fn == TM_AGG_FIRST || spec->fn == TM_AGG_LAST;
    int tie = timed ? 0 : -1; /* column 0 is the event time: equal where that is, so no tie-break */
    if (timed && spec->by) {
        tie = column_of(agg, in, spec, spec->by, true);
        if (tie < 0) return tie;
    }

    uint32_t at;
    uint16_t off;
    if (ohlc_step(agg, col, tie, &at)) {
        off = (uint16_t)(agg->steps[at].acc_off + agg_ohlc_off(spec->fn));
    } else if (timed) {
        agg_timed_t empty = spec->fn == TM_AGG_FIRST ? AGG_FIRST_EMPTY : AGG_LAST_EMPTY;
        off = acc_add(agg, &empty, sizeof empty);
        step_add(agg, spec->fn == TM_AGG_FIRST ? AGG_OP_FIRST : AGG_OP_LAST, col, tie, off);
        off = (uint16_t)(off + offsetof(agg_timed_t, value));
    } else {
        off = acc_add(agg, spec->fn == TM_AGG_MIN ? &(int64_t){INT64_MAX} : &(int64_t){INT64_MIN},
                      sizeof(int64_t));
        step_add(agg, spec->fn == TM_AGG_MIN ? AGG_OP_MIN : AGG_OP_MAX, col, 0, off);
    }
    tm_field_t like = *field;
    like.off = 0;
    nullable_add(agg, result_add(agg, spec, off, load, &like), col, tie > 0 ? tie : col);
    return 0;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* Whether all of first, last, min and max of the field are asked for, with one tie-break, which
   goes to *by. */
static bool asks_for_ohlc(const tm_agg_spec_t *specs, uint32_t cnt, const char *field,
                          const char **by)
{
    uint32_t have = 0;
    const uint32_t timed = 1u << TM_AGG_FIRST | 1u << TM_AGG_LAST;
    for (uint32_t i = 0; i < cnt; i++) {
        const tm_agg_spec_t *s = &specs[i];
        if (s->fn < TM_AGG_MIN || s->fn > TM_AGG_LAST || !same_text(s->field, field)) continue;
        if (s->fn == TM_AGG_FIRST || s->fn == TM_AGG_LAST) {
            if ((have & timed) && !same_text(*by, s->by)) return false;
            *by = s->by;
        }
        have |= 1u << s->fn;
    }
    return have == (timed | 1u << TM_AGG_MIN | 1u << TM_AGG_MAX);
}

/* Lays the shared step down where its first function is met; the functions then find it. */
static int ohlc_add(tm_agg_t *agg, const tm_schema_t *in, const tm_agg_spec_t *spec, const char *by)
{
    uint32_t at;
    int col = column_of(agg, in, spec, spec->field, true);
    if (col < 0) return col;
    int tie = by ? column_of(agg, in, spec, by, true) : 0;
    if (tie < 0) return tie;
    if (ohlc_step(agg, col, tie, &at)) return 0;
    uint16_t off = acc_add(agg, &(agg_ohlc_t)AGG_OHLC_EMPTY, sizeof(agg_ohlc_t));
    step_add(agg, AGG_OP_OHLC, col, tie, off);
    return 0;
}

static int compile_count(tm_agg_t *agg, const tm_schema_t *in, const tm_agg_spec_t *spec)
{
    int col = spec->field ? column_of(agg, in, spec, spec->field, true) : 0;
    if (col < 0) return col;
    result_add(agg, spec, count_add(agg, col, col), 0, &(tm_field_t){.type = TM_TYPE_I64});
    return 0;
}

static int compile_avg(tm_agg_t *agg, const tm_schema_t *in, const tm_agg_spec_t *spec)
{
    agg_sum_place_t sum = {0};
    TM_TRY(sum_add(agg, in, spec, (const char *const[2]){spec->field, NULL}, &sum));
    if (sum.scale + AVG_DIGITS > AGG_DIGITS_MAX)
        return tm_error_set(TM_E_CONFIG, "aggregate %s: too many digits after the point", spec->as);
    tm_field_t like = {.type = sum.real ? TM_TYPE_F64 : TM_TYPE_DECIMAL128,
                       .scale = (uint8_t)(sum.real ? 0 : sum.scale + AVG_DIGITS)};
    tm_agg_result_t *r = result_add(agg, spec, sum.off, 0, &like);
    r->cnt_off = count_add(agg, sum.col, sum.col);
    r->field.nullable = agg->columns[sum.col].null_bit >= 0;
    return 0;
}

/* Rows without a price or a quantity count in neither sum. */
static int compile_vwap(tm_agg_t *agg, const tm_schema_t *in, const tm_agg_spec_t *spec)
{
    agg_sum_place_t sum = {0}, by = {0};
    const char *names[2] = {spec->field, spec->by ? spec->by : ""};
    TM_TRY(sum_add(agg, in, spec, names, &sum));
    TM_TRY(sum_add(agg, in, spec, (const char *const[2]){spec->by, NULL}, &by));
    tm_agg_step_t *step = &agg->steps[agg->step_cnt - 1];
    step->col2 = (uint8_t)sum.col;
    step->nullable = agg->columns[sum.col].null_bit >= 0 || agg->columns[sum.col2].null_bit >= 0;
    const tm_field_t *field = &in->fields[tm_schema_find(in, spec->field)];
    tm_field_t like = {.type = sum.real ? TM_TYPE_F64 : TM_TYPE_DECIMAL64, .scale = field->scale};
    tm_agg_result_t *r = result_add(agg, spec, sum.off, 0, &like);
    r->by_off = by.off;
    r->field.nullable = 1;
    return 0;
}

static int compile_stat(tm_agg_t *agg, const tm_schema_t *in, const tm_agg_spec_t *spec)
{
    bool number = spec->fn != TM_AGG_DISTINCT && spec->fn != TM_AGG_DISTINCT_APPROX;
    int col = column_of(agg, in, spec, spec->field, !number);
    if (col < 0) return col;
    const tm_field_t *field = &in->fields[tm_schema_find(in, spec->field)];
    agg_op_t op = AGG_OP_MOMENTS;
    uint32_t sz = sizeof(agg_moments_t);
    if (spec->fn == TM_AGG_DISTINCT_APPROX) {
        op = AGG_OP_HLL;
        sz = AGG_HLL_SZ;
    } else if (spec->fn == TM_AGG_DISTINCT || spec->fn == TM_AGG_QUANTILE) {
        if (spec->p < 0 || spec->p > 1)
            return tm_error_set(TM_E_CONFIG, "aggregate %s: p must be 0 .. 1", spec->as);
        op = number ? AGG_OP_QUANTILE : AGG_OP_DISTINCT;
        sz = sizeof(agg_tree_t);
        agg->owns_memory = true;
    }
    uint16_t off = acc_add(agg, NULL, sz);
    tm_agg_step_t *step = step_add(agg, op, col, col, off);
    for (uint32_t i = 0; i < field->scale; i++) step->unit /= 10;
    tm_field_t like = {.type = number ? TM_TYPE_F64 : TM_TYPE_I64};
    tm_agg_result_t *r = result_add(agg, spec, off, 0, &like);
    r->p = spec->p;
    r->field.nullable = number;
    return 0;
}

/* The best k rows: a field of the result each. */
static int compile_rank(tm_agg_t *agg, const tm_schema_t *in, const tm_agg_spec_t *spec)
{
    if (spec->k == 0 || spec->k > AGG_RANK_MAX)
        return tm_error_set(TM_E_CONFIG, "aggregate %s: k must be 1 .. %d", spec->as, AGG_RANK_MAX);
    int col = column_of(agg, in, spec, spec->field, true), by = col;
    if (col >= 0 && spec->by) by = column_of(agg, in, spec, spec->by, true);
    if (by < 0) return by;
    uint16_t off = acc_add(agg, NULL,
                           (uint32_t)(sizeof(agg_rank_t) + spec->k * sizeof(agg_ranked_t)));
    tm_agg_step_t *step = step_add(agg, AGG_OP_RANK, col, by, off);
    step->k = (uint8_t)spec->k;
    step->descending = spec->fn == TM_AGG_TOP;
    tm_field_t like = in->fields[tm_schema_find(in, spec->field)];
    like.off = 0;
    for (uint32_t i = 0; i < spec->k; i++) {
        tm_agg_result_t *r = result_add(agg, spec, off, agg->columns[col].load, &like);
        snprintf(r->field.name, sizeof r->field.name, "%.36s_%u", spec->as, i + 1);
        r->idx = (uint8_t)i;
        r->field.nullable = 1;
    }
    return 0;
}

static int compile_one(tm_agg_t *agg, const tm_schema_t *in, const tm_agg_spec_t *specs,
                       uint32_t cnt, const tm_agg_spec_t *spec)
{
    const char *by = NULL;
    switch (spec->fn) {
    case TM_AGG_COUNT:
        return compile_count(agg, in, spec);
    case TM_AGG_SUM:
    case TM_AGG_SUM_MUL:
        return compile_sum(agg, in, spec);
    case TM_AGG_MIN:
    case TM_AGG_MAX:
    case TM_AGG_FIRST:
    case TM_AGG_LAST:
        if (spec->field && asks_for_ohlc(specs, cnt, spec->field, &by))
            TM_TRY(ohlc_add(agg, in, spec, by));
        return compile_order(agg, in, spec);
    case TM_AGG_AVG:
        return compile_avg(agg, in, spec);
    case TM_AGG_VWAP:
        return compile_vwap(agg, in, spec);
    case TM_AGG_VARIANCE:
    case TM_AGG_STDDEV:
    case TM_AGG_DISTINCT:
    case TM_AGG_DISTINCT_APPROX:
    case TM_AGG_QUANTILE:
        return compile_stat(agg, in, spec);
    case TM_AGG_TOP:
    case TM_AGG_ARRAY:
        return compile_rank(agg, in, spec);
    }
    return tm_error_set(TM_E_CONFIG, "aggregate %s: no such function (%d)", spec->as,
                        (int)spec->fn);
}

int tm_agg_compile(tm_agg_t *agg, const tm_schema_t *in, const tm_agg_spec_t *specs, uint32_t cnt)
{
    *agg = (tm_agg_t){.null_off = in->null_off};
    if (cnt == 0 || cnt > TM_JOB_AGG_MAX)
        return tm_error_set(TM_E_CONFIG, "%u aggregates: expected 1..%d", cnt, TM_JOB_AGG_MAX);
    /* Column 0 is always the event time: first and last order by it. */
    column_add(agg, offsetof(tm_row_t, event_ns), TM_AGG_LOAD_I64, -1);
    for (uint32_t i = 0; i < cnt; i++) {
        if (!specs[i].as || !specs[i].as[0])
            return tm_error_set(TM_E_CONFIG, "aggregate %u: the result has no name", i);
        TM_TRY(compile_one(agg, in, specs, cnt, &specs[i]));
        if (agg->acc_sz > TM_AGG_ACC_SZ_MAX)
            return tm_error_set(TM_E_LIMIT, "aggregate %s: accumulators are larger than %d bytes",
                                specs[i].as, TM_AGG_ACC_SZ_MAX);
        if (agg->result_cnt > TM_AGG_RESULT_MAX)
            return tm_error_set(TM_E_LIMIT, "aggregate %s: more than %d result fields", specs[i].as,
                                TM_AGG_RESULT_MAX);
    }
    return 0;
}

/* The bitmap of what is null, behind the fields. */
static int nulls_add(tm_agg_t *agg, tm_schema_t *out)
{
    uint8_t bit = 0;
    for (uint32_t i = 0; i < out->field_cnt; i++)
        if (out->fields[i].nullable) out->fields[i].null_bit = bit++;
    if (bit == 0) return 0;
    if (out->row_sz + sizeof(uint64_t) > TM_ROW_SZ_MAX)
        return tm_error_set(TM_E_LIMIT, "schema %s: no room for what may be null", out->name);
    out->null_off = agg->out_null_off = out->row_sz;
    out->row_sz += sizeof(uint64_t);
    return 0;
}

/* Values that are results as they lie in the accumulator. */
static bool is_plain(const tm_agg_result_t *r)
{
    if (r->cnt_off || r->load == TM_AGG_LOAD_U64_ORDER || r->load == TM_AGG_LOAD_F64_ORDER)
        return false;
    bool kept = r->fn == TM_AGG_COUNT || r->fn == TM_AGG_MIN || r->fn == TM_AGG_MAX ||
                r->fn == TM_AGG_FIRST || r->fn == TM_AGG_LAST;
    return kept && tm_type_sz(r->field.type) == sizeof(int64_t);
}

int tm_agg_schema(tm_agg_t *agg, tm_schema_t *out)
{
    uint32_t first = out->field_cnt;
    for (uint32_t i = 0; i < agg->result_cnt; i++) {
        int at = tm_schema_add(out, &agg->results[i].field);
        if (at < 0) return at;
    }
    TM_TRY(nulls_add(agg, out));
    for (uint32_t i = 0; i < agg->result_cnt; i++) {
        agg->results[i].field = out->fields[first + i];
        agg->results[i].plain = is_plain(&agg->results[i]);
    }
    return 0;
}
