/* Compiling a list of functions. The four values of a bar (first, last, min and max of one field)
   are one step: they read the same column and their parts of the accumulator are neighbours. */
#include "engine/operators/aggregate.h"

#include "base/error.h"
#include "engine/operators/agg_step.h"

#include <stdio.h>
#include <string.h>

static const char *fn_name(tm_agg_fn_t fn)
{
    static const char *const names[] = {"?",   "count", "sum",  "min",
                                        "max", "first", "last", "sum of products"};
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
    case TM_TYPE_DECIMAL128:
        return -1;
    }
    return -1;
}

/* Sums make sense of numbers only. */
static bool can_sum(tm_type_t type)
{
    return type == TM_TYPE_I32 || type == TM_TYPE_I64 || type == TM_TYPE_U64 ||
           type == TM_TYPE_DECIMAL64;
}

/* The column of a field, shared by all steps that load it in the same way. */
static int column_add(tm_agg_t *agg, uint16_t off, int load)
{
    for (uint32_t i = 0; i < agg->column_cnt; i++)
        if (agg->columns[i].off == off && agg->columns[i].load == load) return (int)i;
    agg->columns[agg->column_cnt] = (tm_agg_column_t){.off = off, .load = (uint8_t)load};
    return (int)agg->column_cnt++;
}

/* A field named in a spec: its column, or TM_E_CONFIG. */
static int column_of(tm_agg_t *agg, const tm_schema_t *in, const tm_agg_spec_t *spec,
                     const char *name, bool order)
{
    const char *fn = fn_name(spec->fn);
    if (!name) return tm_error_set(TM_E_CONFIG, "aggregate %s: %s needs a field", spec->as, fn);
    int at = tm_schema_find(in, name);
    if (at < 0)
        return tm_error_set(TM_E_CONFIG, "aggregate %s: rows of schema %s have no field %s",
                            spec->as, in->name, name);
    const tm_field_t *field = &in->fields[at];
    int load = load_of(field->type, order);
    bool sums = spec->fn == TM_AGG_SUM || spec->fn == TM_AGG_SUM_MUL;
    if (load < 0 || field->nullable || (sums && !can_sum(field->type)))
        return tm_error_set(TM_E_CONFIG, "aggregate %s: %s cannot take field %s of type %s%s",
                            spec->as, fn, name, tm_type_name(field->type),
                            field->nullable ? " (nullable)" : "");
    return column_add(agg, field->off, load);
}

/* Room in the accumulator, with what it holds before the first row. */
static uint16_t acc_add(tm_agg_t *agg, const void *empty, uint32_t sz)
{
    uint32_t off = agg->acc_sz;
    memcpy(agg->acc_empty + off, empty, sz);
    agg->acc_sz += sz;
    return (uint16_t)off;
}

static void result_add(tm_agg_t *agg, const tm_agg_spec_t *spec, uint32_t acc_off, int load,
                       const tm_field_t *like)
{
    tm_agg_result_t *r = &agg->results[agg->result_cnt++];
    *r = (tm_agg_result_t){
        .fn = (uint8_t)spec->fn, .load = (uint8_t)load, .acc_off = (uint16_t)acc_off};
    r->field = *like;
    snprintf(r->field.name, sizeof r->field.name, "%s", spec->as);
}

static void step_add(tm_agg_t *agg, agg_op_t op, int col, int col2, uint16_t acc_off)
{
    agg->steps[agg->step_cnt++] = (tm_agg_step_t){
        .op = (uint8_t)op, .col = (uint8_t)col, .col2 = (uint8_t)col2, .acc_off = acc_off};
}

static int compile_sum(tm_agg_t *agg, const tm_schema_t *in, const tm_agg_spec_t *spec)
{
    int col = column_of(agg, in, spec, spec->field, false);
    if (col < 0) return col;
    const tm_field_t *field = &in->fields[tm_schema_find(in, spec->field)];
    uint32_t scale = field->scale;
    int col2 = 0;
    agg_op_t op = agg->columns[col].load == TM_AGG_LOAD_U64 ? AGG_OP_SUM_U64 : AGG_OP_SUM;
    if (spec->fn == TM_AGG_SUM_MUL) {
        col2 = column_of(agg, in, spec, spec->by, false);
        if (col2 < 0) return col2;
        const tm_field_t *by = &in->fields[tm_schema_find(in, spec->by)];
        scale += by->scale;
        op = AGG_OP_SUM_MUL;
        if (field->type == TM_TYPE_U64 || by->type == TM_TYPE_U64)
            return tm_error_set(TM_E_CONFIG, "aggregate %s: products of uint64 fields do not fit",
                                spec->as);
    }
    if (scale > AGG_DIGITS_MAX)
        return tm_error_set(TM_E_CONFIG, "aggregate %s: %u digits after the point are more than %d",
                            spec->as, scale, AGG_DIGITS_MAX);
    uint16_t off = acc_add(agg, &(agg_sum_t){0}, sizeof(agg_sum_t));
    step_add(agg, op, col, col2, off);
    result_add(agg, spec, off, 0,
               &(tm_field_t){.type = TM_TYPE_DECIMAL128, .scale = (uint8_t)scale});
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
    result_add(agg, spec, off, load, &like);
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

static int compile_one(tm_agg_t *agg, const tm_schema_t *in, const tm_agg_spec_t *specs,
                       uint32_t cnt, const tm_agg_spec_t *spec)
{
    const char *by = NULL;
    switch (spec->fn) {
    case TM_AGG_COUNT: {
        uint16_t off = acc_add(agg, &(int64_t){0}, sizeof(int64_t));
        step_add(agg, AGG_OP_COUNT, 0, 0, off);
        result_add(agg, spec, off, 0, &(tm_field_t){.type = TM_TYPE_I64});
        return 0;
    }
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
    }
    return tm_error_set(TM_E_CONFIG, "aggregate %s: no such function (%d)", spec->as,
                        (int)spec->fn);
}

int tm_agg_compile(tm_agg_t *agg, const tm_schema_t *in, const tm_agg_spec_t *specs, uint32_t cnt)
{
    *agg = (tm_agg_t){0};
    if (cnt == 0 || cnt > TM_JOB_AGG_MAX)
        return tm_error_set(TM_E_CONFIG, "%u aggregates: expected 1..%d", cnt, TM_JOB_AGG_MAX);
    /* Column 0 is always the event time: first and last order by it. */
    column_add(agg, offsetof(tm_row_t, event_ns), TM_AGG_LOAD_I64);
    for (uint32_t i = 0; i < cnt; i++) {
        if (!specs[i].as || !specs[i].as[0])
            return tm_error_set(TM_E_CONFIG, "aggregate %u: the result has no name", i);
        TM_TRY(compile_one(agg, in, specs, cnt, &specs[i]));
    }
    return 0;
}

int tm_agg_schema(tm_agg_t *agg, tm_schema_t *out)
{
    for (uint32_t i = 0; i < agg->result_cnt; i++) {
        int at = tm_schema_add(out, &agg->results[i].field);
        if (at < 0) return at;
        agg->results[i].field.off = out->fields[at].off;
    }
    return 0;
}
