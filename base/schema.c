#include "base/schema.h"

#include "base/error.h"
#include "base/row.h"

#include <stdio.h>
#include <string.h>

uint32_t tm_type_sz(tm_type_t type)
{
    switch (type) {
    case TM_TYPE_BOOL:
    case TM_TYPE_SIDE:
        return 1;
    case TM_TYPE_I32:
    case TM_TYPE_SYMBOL:
        return 4;
    case TM_TYPE_I64:
    case TM_TYPE_U64:
    case TM_TYPE_F64:
    case TM_TYPE_DECIMAL64:
    case TM_TYPE_TIME_NS:
        return 8;
    case TM_TYPE_DECIMAL128:
        return 16;
    }
    return 0;
}

const char *tm_type_name(tm_type_t type)
{
    switch (type) {
    case TM_TYPE_BOOL:
        return "bool";
    case TM_TYPE_SIDE:
        return "side";
    case TM_TYPE_I32:
        return "int32";
    case TM_TYPE_SYMBOL:
        return "symbol";
    case TM_TYPE_I64:
        return "int64";
    case TM_TYPE_U64:
        return "uint64";
    case TM_TYPE_F64:
        return "double";
    case TM_TYPE_DECIMAL64:
        return "decimal64";
    case TM_TYPE_TIME_NS:
        return "timestamp";
    case TM_TYPE_DECIMAL128:
        return "decimal128";
    }
    return "?";
}

void tm_type_text(char out[TM_TYPE_TEXT_MAX], const tm_field_t *field)
{
    const bool scaled = field->type == TM_TYPE_DECIMAL64 || field->type == TM_TYPE_DECIMAL128;
    if (scaled)
        snprintf(out, TM_TYPE_TEXT_MAX, "%s(%u)", tm_type_name(field->type), field->scale);
    else
        snprintf(out, TM_TYPE_TEXT_MAX, "%s", tm_type_name(field->type));
}

int tm_schema_find(const tm_schema_t *schema, const char *name)
{
    for (int i = 0; i < schema->field_cnt; i++)
        if (strcmp(schema->fields[i].name, name) == 0) return i;
    return -1;
}

void tm_schema_init(tm_schema_t *schema, const char *name, uint16_t id)
{
    *schema = (tm_schema_t){.id = id, .row_sz = TM_ROW_HEADER_SZ};
    snprintf(schema->name, sizeof schema->name, "%s", name);
}

int tm_schema_add(tm_schema_t *schema, const tm_field_t *like)
{
    uint32_t sz = tm_type_sz(like->type);
    size_t off = tm_align_up(schema->row_sz, sz > 8 ? 8 : sz);
    if (schema->field_cnt == TM_SCHEMA_FIELD_MAX || off + sz > TM_ROW_SZ_MAX)
        return tm_error_set(TM_E_LIMIT, "schema %s: no room for field %s", schema->name,
                            like->name);
    if (tm_schema_find(schema, like->name) >= 0)
        return tm_error_set(TM_E_CONFIG, "schema %s: two fields named %s", schema->name,
                            like->name);
    tm_field_t *f = &schema->fields[schema->field_cnt];
    *f = *like;
    f->off = (uint16_t)off;
    schema->row_sz = (uint16_t)tm_align_up(off + sz, 8);
    return schema->field_cnt++;
}
