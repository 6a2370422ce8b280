#include "engine/operators/key_plan.h"

#include "base/error.h"

int tm_key_plan_build(tm_key_plan_t *plan, const tm_schema_t *in, const char *const *names,
                      uint32_t cnt)
{
    *plan = (tm_key_plan_t){0};
    if (cnt == 0 || cnt > TM_KEY_FIELD_MAX)
        return tm_error_set(TM_E_CONFIG, "key of %s rows: give 1 to %d fields", in->name,
                            TM_KEY_FIELD_MAX);
    for (uint32_t i = 0; i < cnt; i++) {
        int at = tm_schema_find(in, names[i]);
        if (at < 0)
            return tm_error_set(TM_E_CONFIG, "key: %s rows have no field '%s'", in->name, names[i]);
        const tm_field_t *field = &in->fields[at];
        if (field->nullable)
            return tm_error_set(TM_E_CONFIG,
                                "key: field '%s' of %s rows may be absent; keys of"
                                " absent values have no place",
                                names[i], in->name);
        if (field->type == TM_TYPE_F64)
            return tm_error_set(TM_E_CONFIG,
                                "key: field '%s' of %s rows is a float64, whose equal"
                                " values can differ in bytes",
                                names[i], in->name);
        uint32_t sz = tm_type_sz(field->type);
        plan->fields[i].row_off = field->off;
        plan->fields[i].sz = (uint16_t)sz;
        plan->fields[i].key_off = (uint16_t)plan->sz;
        plan->fields[i].type = field->type;
        if (field->type == TM_TYPE_SYMBOL && !plan->symbol) {
            plan->symbol = true;
            plan->symbol_off = plan->sz;
        }
        plan->sz += sz;
    }
    plan->field_cnt = cnt;
    return 0;
}

bool tm_key_plan_same(const tm_key_plan_t *a, const tm_key_plan_t *b)
{
    if (a->field_cnt != b->field_cnt) return false;
    for (uint32_t i = 0; i < a->field_cnt; i++)
        if (a->fields[i].type != b->fields[i].type) return false;
    return true;
}
