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

#define FIELD(struct_t, member, field_name, ...)                                                   \
    {                                                                                              \
        .name = field_name, .off = offsetof(struct_t, member), __VA_ARGS__                         \
    }

static const tm_schema_t trade_schema = {
    .name = "trade",
    .id = TM_SCHEMA_ID_TRADE,
    .row_sz = sizeof(tm_trade_t),
    .field_cnt = 8,
    .fields =
        {
            FIELD(tm_trade_t, row.symbol, "symbol", .type = TM_TYPE_SYMBOL),
            FIELD(tm_trade_t, row.event_ns, "event_time", .type = TM_TYPE_TIME_NS, .unit_ns = 1),
            FIELD(tm_trade_t, row.recv_ns, "recv_time", .type = TM_TYPE_TIME_NS, .unit_ns = 1),
            FIELD(tm_trade_t, trade_id, "trade_id", .type = TM_TYPE_U64),
            FIELD(tm_trade_t, price_e8, "price", .type = TM_TYPE_DECIMAL64, .scale = 8),
            FIELD(tm_trade_t, qty_e8, "qty", .type = TM_TYPE_DECIMAL64, .scale = 8),
            FIELD(tm_trade_t, publish_ns, "publish_time", .type = TM_TYPE_TIME_NS, .unit_ns = 1),
            FIELD(tm_trade_t, side, "side", .type = TM_TYPE_SIDE),
        },
};

static const tm_schema_t quote_schema = {
    .name = "quote",
    .id = TM_SCHEMA_ID_QUOTE,
    .row_sz = sizeof(tm_quote_t),
    .field_cnt = 8,
    .fields =
        {
            FIELD(tm_quote_t, row.symbol, "symbol", .type = TM_TYPE_SYMBOL),
            FIELD(tm_quote_t, row.event_ns, "event_time", .type = TM_TYPE_TIME_NS, .unit_ns = 1),
            FIELD(tm_quote_t, row.recv_ns, "recv_time", .type = TM_TYPE_TIME_NS, .unit_ns = 1),
            FIELD(tm_quote_t, update_id, "update_id", .type = TM_TYPE_U64),
            FIELD(tm_quote_t, bid_px_e8, "bid_price", .type = TM_TYPE_DECIMAL64, .scale = 8),
            FIELD(tm_quote_t, bid_qty_e8, "bid_qty", .type = TM_TYPE_DECIMAL64, .scale = 8),
            FIELD(tm_quote_t, ask_px_e8, "ask_price", .type = TM_TYPE_DECIMAL64, .scale = 8),
            FIELD(tm_quote_t, ask_qty_e8, "ask_qty", .type = TM_TYPE_DECIMAL64, .scale = 8),
        },
};

const tm_schema_t *tm_schema_trade(void)
{
    return &trade_schema;
}

const tm_schema_t *tm_schema_quote(void)
{
    return &quote_schema;
}
