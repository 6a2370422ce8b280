#include "parse/json/json_rows.h"

#include "base/error.h"
#include "base/row.h"
#include "parse/json/json.h"
#include "parse/symbol_cache.h"

#include <errno.h>
#include <stdlib.h>

enum { DEAD_LETTER_CNT = 256 };

/* Where the value of a declared field goes. */
typedef struct column {
    const tm_field_t *field;
    uint8_t value_idx; /* of the reader's fields */
} column_t;

struct tm_json_rows {
    const tm_schema_t *schema;
    tm_json_t *json;
    uint32_t row_max, row_cnt;
    tm_reason_t reason; /* of the message at hand, where a row could not take a value */
    uint32_t reason_field, reason_off;
    uint32_t once_cnt, element_cnt; /* columns of the message, of the elements of its array */
    column_t once[TM_JSON_FIELD_MAX], element[TM_JSON_FIELD_MAX];
    bool receive_time; /* no field is the event time: it is that of receipt */
    bool chosen, arrays;
    uint8_t where_idx;
    char is[TM_JSON_KEY_SZ_MAX + 1];
    tm_dead_letters_t *letters;
    tm_dead_letter_fn *on_dead_letter;
    void *on_dead_letter_ctx;
    tm_counter_t *dead, *other, *reasons[TM_REASON_CNT];
    uint8_t *rows;
    tm_row_t blank; /* the header of all rows */
    tm_symbol_cache_t symbols;
};

/* ---- values to rows -------------------------------------------------------------------------- */

static void null_put(const tm_json_rows_t *r, uint8_t *row, const tm_field_t *f)
{
    const int64_t none_time = TM_TIME_NONE;
    const uint32_t none_symbol = TM_SYMBOL_NONE;
    uint64_t nulls;
    if (f->type == TM_TYPE_TIME_NS) memcpy(row + f->off, &none_time, sizeof none_time);
    if (f->type == TM_TYPE_SYMBOL) memcpy(row + f->off, &none_symbol, sizeof none_symbol);
    if (!f->nullable) return;
    memcpy(&nulls, row + r->schema->null_off, sizeof nulls);
    nulls |= 1ull << f->null_bit;
    memcpy(row + r->schema->null_off, &nulls, sizeof nulls);
}

/* The number of a text, whose last bytes may be the last ones that can be read. */
static uint32_t symbol_of(tm_json_rows_t *r, const tm_json_value_t *v)
{
    uint8_t name[TM_SYMBOL_SZ_MAX + 16] = {0};
    if (v->text_sz == 0 || v->text_sz > TM_SYMBOL_SZ_MAX) return TM_SYMBOL_NONE;
    memcpy(name, v->text, v->text_sz);
    return tm_symbol_cache_get(&r->symbols, name, v->text_sz);
}

static tm_reason_t value_put(tm_json_rows_t *r, uint8_t *row, const tm_field_t *f,
                             const tm_json_value_t *v)
{
    uint8_t *to = row + f->off;
    switch (f->type) {
    case TM_TYPE_BOOL:
        *to = (uint8_t)v->i64;
        return TM_REASON_NONE;
    case TM_TYPE_I32: {
        int32_t narrow = (int32_t)v->i64;
        memcpy(to, &narrow, sizeof narrow);
        return narrow == v->i64 ? TM_REASON_NONE : TM_REASON_RANGE;
    }
    case TM_TYPE_SYMBOL: {
        uint32_t symbol = symbol_of(r, v);
        memcpy(to, &symbol, sizeof symbol);
        return symbol != TM_SYMBOL_NONE ? TM_REASON_NONE : TM_REASON_SYMBOL;
    }
    case TM_TYPE_DECIMAL64: {
        uint64_t magnitude = v->i64 < 0 ? 0 - (uint64_t)v->i64 : (uint64_t)v->i64;
        memcpy(to, &v->i64, sizeof v->i64);
        return magnitude <= TM_NUMERAL_DECIMAL_MAX ? TM_REASON_NONE : TM_REASON_RANGE;
    }
    case TM_TYPE_I64:
    case TM_TYPE_U64:
    case TM_TYPE_TIME_NS:
    case TM_TYPE_F64:
    case TM_TYPE_DECIMAL128:
    case TM_TYPE_SIDE:
        break;
    }
    memcpy(to, &v->u64, sizeof v->u64);
    return TM_REASON_NONE;
}

static void columns_put(tm_json_rows_t *r, uint8_t *row, const column_t *columns, uint32_t cnt,
                        const tm_json_value_t *values)
{
    for (uint32_t i = 0; i < cnt; i++) {
        const tm_json_value_t *v = &values[columns[i].value_idx];
        tm_reason_t reason = TM_REASON_NONE;
        if (v->state == TM_JSON_PRESENT)
            reason = value_put(r, row, columns[i].field, v);
        else
            null_put(r, row, columns[i].field);
        if (TM_LIKELY(!reason) || r->reason) continue;
        r->reason = reason;
        r->reason_field = columns[i].value_idx;
        r->reason_off = r->json->reading.found[columns[i].value_idx].from;
    }
}

/* A new row, zero but for its header; NULL where there is no more room. */
static uint8_t *row_add(tm_json_rows_t *r)
{
    if (r->row_cnt == r->row_max) {
        if (!r->reason) r->reason = TM_REASON_LIMIT;
        return NULL;
    }
    uint8_t *row = r->rows + (size_t)r->row_cnt++ * r->schema->row_sz;
    memset(row, 0, r->schema->row_sz);
    memcpy(row, &r->blank, sizeof r->blank);
    return row;
}

static void on_element(void *ctx, uint32_t array, const tm_json_value_t *values)
{
    tm_json_rows_t *r = ctx;
    (void)array;
    uint8_t *row = row_add(r);
    if (row) columns_put(r, row, r->element, r->element_cnt, values);
}

/* ---- messages -------------------------------------------------------------------------------- */

static void bury(tm_json_rows_t *r, const tm_frame_t *frame, tm_reason_t reason, uint32_t off)
{
    const tm_dead_letter_t letter = {.frame = frame, .reason = reason, .offset = off};
    tm_counter_add(r->dead, 1);
    tm_counter_add(r->reasons[reason], 1);
    tm_dead_letters_add(r->letters, frame, reason, off);
    if (r->on_dead_letter) r->on_dead_letter(r->on_dead_letter_ctx, &letter);
}

/* Whether the message is of the kind that is wanted. Its form is known to be right. */
static bool is_chosen(const tm_json_rows_t *r)
{
    const tm_json_value_t *v = &r->json->reading.values[r->where_idx];
    if (!r->chosen) return true;
    return v->state == TM_JSON_PRESENT && v->text_sz == strlen(r->is) &&
           memcmp(v->text, r->is, v->text_sz) == 0;
}

static tm_reason_t reason_of(const char *kind)
{
    for (int i = 0; i < TM_REASON_CNT; i++)
        if (tm_reason_name((tm_reason_t)i) == kind) return (tm_reason_t)i;
    return TM_REASON_SYNTAX;
}

/* Where the value stands that a row could not take. What was read by a shape is read again without:
   shapes do not tell places. */
static uint32_t reason_off(tm_json_rows_t *r, const tm_frame_t *frame)
{
    const tm_reason_t reason = r->reason;
    const uint32_t field = r->reason_field, off = r->reason_off;
    if (reason == TM_REASON_LIMIT) return 0;
    if (r->json->paths.eaches >> field & 1) return off;
    tm_json_restrict(r->json, r->json->kernels, true);
    (void)tm_json_read(r->json, frame->data, frame->sz);
    tm_json_restrict(r->json, r->json->kernels, false);
    r->reason = reason;
    return r->json->reading.found[field].from;
}

int32_t tm_json_rows_frame(tm_json_rows_t *rows, const tm_frame_t *frame, const void **out)
{
    tm_json_rows_t *r = rows;
    *out = r->rows;
    r->row_cnt = 0;
    r->reason = TM_REASON_NONE;
    r->blank.recv_ns = frame->recv_ns;
    r->blank.event_ns = r->receive_time ? frame->recv_ns : TM_TIME_NONE;
    const tm_json_value_t *values = tm_json_read(r->json, frame->data, frame->sz);
    const tm_json_fault_t *fault = tm_json_fault(r->json);
    if (TM_UNLIKELY(!values && fault->field < 0)) {
        bury(r, frame, reason_of(fault->kind), (uint32_t)fault->off);
        return -1;
    }
    if (!is_chosen(r)) {
        tm_counter_add(r->other, 1);
        return 0;
    }
    if (TM_UNLIKELY(!values)) {
        bury(r, frame, reason_of(fault->kind), (uint32_t)fault->off);
        return 0;
    }
    if (!r->arrays) (void)row_add(r);
    for (uint32_t i = 0; i < r->row_cnt; i++)
        columns_put(r, r->rows + (size_t)i * r->schema->row_sz, r->once, r->once_cnt, values);
    if (TM_LIKELY(!r->reason)) return (int32_t)r->row_cnt;
    bury(r, frame, r->reason, reason_off(r, frame));
    return 0;
}

/* ---- opening --------------------------------------------------------------------------------- */

static tm_json_type_t json_type(tm_type_t type)
{
    switch (type) {
    case TM_TYPE_BOOL:
        return TM_JSON_BOOL;
    case TM_TYPE_I32:
    case TM_TYPE_I64:
        return TM_JSON_I64;
    case TM_TYPE_U64:
        return TM_JSON_U64;
    case TM_TYPE_DECIMAL64:
        return TM_JSON_DECIMAL;
    case TM_TYPE_TIME_NS:
        return TM_JSON_TIME;
    case TM_TYPE_SYMBOL:
        return TM_JSON_TEXT;
    case TM_TYPE_F64:
    case TM_TYPE_DECIMAL128:
    case TM_TYPE_SIDE:
        break;
    }
    return (tm_json_type_t)0;
}

/* The value that chooses messages: that of a field, or one more behind them. */
static int where_take(tm_json_rows_t *r, const tm_json_rows_cfg_t *cfg, tm_json_field_t *fields)
{
    uint32_t idx = 0;
    if (!cfg->where) return 0;
    if (!cfg->is || strlen(cfg->is) >= sizeof r->is)
        return tm_error_set(TM_E_CONFIG,
                            "where '%s': give the text that it must be, up to %zu bytes",
                            cfg->where, sizeof r->is - 1);
    while (idx < cfg->field_cnt && strcmp(cfg->fields[idx].path, cfg->where) != 0) idx++;
    if (idx == cfg->field_cnt)
        fields[idx] = (tm_json_field_t){.path = cfg->where, .type = TM_JSON_TEXT};
    else if (fields[idx].type != TM_JSON_TEXT)
        return tm_error_set(TM_E_CONFIG, "where '%s': the field of that path is no text",
                            cfg->where);
    r->chosen = true;
    r->where_idx = (uint8_t)idx;
    snprintf(r->is, sizeof r->is, "%s", cfg->is);
    return 0;
}

/* One declared field; `to` is what the reader of values gets. */
static int field_take(tm_json_rows_t *r, const tm_json_rows_field_t *from, uint32_t idx,
                      tm_json_field_t *to)
{
    if (!from->path) return tm_error_set(TM_E_CONFIG, "field %u has no path", idx);
    int at = from->field ? tm_schema_find(r->schema, from->field) : -1;
    if (at < 0)
        return tm_error_set(TM_E_CONFIG, "path '%s': the rows have no field '%s'", from->path,
                            from->field ? from->field : "");
    const tm_field_t *field = &r->schema->fields[at];
    *to = (tm_json_field_t){.path = from->path,
                            .type = json_type(field->type),
                            .scale = field->type == TM_TYPE_DECIMAL64 ? field->scale : 0,
                            .required = from->required,
                            .unit_ns = from->unit_ns};
    if (!to->type)
        return tm_error_set(TM_E_CONFIG,
                            "field '%s' is a %s; JSON is read as bool, i32, i64, u64, "
                            "decimal64, time or symbol",
                            field->name, tm_type_name(field->type));
    if (field->off == offsetof(tm_row_t, event_ns)) r->receive_time = false;
    r->once[idx] = (column_t){field, (uint8_t)idx}; /* for now: paths are not known yet */
    return 0;
}

/* Every field of the rows has one path; the event time may have none. */
static int fields_check(const tm_json_rows_t *r, uint32_t field_cnt)
{
    for (uint32_t i = 0; i < r->schema->field_cnt; i++) {
        const tm_field_t *f = &r->schema->fields[i];
        uint32_t cnt = 0;
        for (uint32_t k = 0; k < field_cnt; k++) cnt += r->once[k].field == f;
        if (cnt == 1 || (cnt == 0 && f->off == offsetof(tm_row_t, event_ns))) continue;
        return tm_error_set(TM_E_CONFIG, "field '%s' of the rows has %s", f->name,
                            cnt == 0 ? "no path" : "two paths");
    }
    return 0;
}

/* Columns of elements part from those of the message. */
static int columns_part(tm_json_rows_t *r, uint32_t field_cnt)
{
    const tm_json_paths_t *paths = &r->json->paths;
    if (paths->each_cnt > 1)
        return tm_error_set(TM_E_CONFIG,
                            "paths lead through '-' in two arrays; one gives the rows");
    r->arrays = paths->each_cnt == 1;
    for (uint32_t i = 0; i < field_cnt; i++) {
        const column_t column = r->once[i];
        if (paths->eaches >> i & 1)
            r->element[r->element_cnt++] = column;
        else
            r->once[r->once_cnt++] = column;
    }
    return 0;
}

static int reader_open(tm_json_rows_t *r, const tm_json_rows_cfg_t *cfg)
{
    tm_json_field_t fields[TM_JSON_FIELD_MAX] = {0};
    uint32_t cnt = cfg->field_cnt;
    if (cnt == 0 || cnt >= TM_JSON_FIELD_MAX)
        return tm_error_set(TM_E_CONFIG, "%u paths; 1 to %d can be", cnt, TM_JSON_FIELD_MAX - 1);
    for (uint32_t i = 0; i < cnt; i++) TM_TRY(field_take(r, &cfg->fields[i], i, &fields[i]));
    TM_TRY(fields_check(r, cnt));
    TM_TRY(where_take(r, cfg, fields));
    const tm_json_spec_t spec = {.fields = fields,
                                 .field_cnt = cnt + (r->where_idx == cnt && r->chosen),
                                 .each = on_element,
                                 .each_ctx = r};
    r->json = tm_json_open(&spec);
    if (!r->json) return TM_E_CONFIG;
    if (r->chosen && (r->json->paths.eaches >> r->where_idx & 1))
        return tm_error_set(TM_E_CONFIG, "where '%s': it is asked of a message, not of elements",
                            cfg->where);
    return columns_part(r, cnt);
}

int tm_json_rows_open(tm_json_rows_t **out, const tm_json_rows_cfg_t *cfg)
{
    tm_json_rows_t *r = calloc(1, sizeof *r);
    *out = r;
    if (!r) return tm_error_set(-ENOMEM, "json: out of memory");
    r->schema = cfg->schema;
    r->receive_time = true;
    r->blank = (tm_row_t){
        .kind = TM_ROW_INSERT, .schema_id = cfg->schema->id, .symbol = TM_SYMBOL_NONE};
    r->on_dead_letter = cfg->on_dead_letter;
    r->on_dead_letter_ctx = cfg->on_dead_letter_ctx;
    r->row_max = TM_JSON_ROWS_SZ / cfg->schema->row_sz;
    TM_TRY(reader_open(r, cfg));
    if (!cfg->symbols) return 0;
    r->rows = aligned_alloc(TM_CACHE_LINE, TM_JSON_ROWS_SZ);
    if (!r->rows) return tm_error_set(-ENOMEM, "json: no memory for rows");
    tm_symbol_cache_init(&r->symbols, cfg->symbols);
    r->dead = tm_counter_get(cfg->counters, "dead_letters");
    r->other = tm_counter_get(cfg->counters, "messages_other");
    for (int i = 1; i < TM_REASON_CNT; i++)
        r->reasons[i] = tm_counter_get(cfg->counters, tm_reason_counter((tm_reason_t)i));
    return tm_dead_letters_open(&r->letters, DEAD_LETTER_CNT);
}

void tm_json_rows_close(tm_json_rows_t *rows)
{
    if (!rows) return;
    tm_json_close(rows->json);
    if (rows->letters) tm_dead_letters_close(rows->letters);
    free(rows->rows);
    free(rows);
}

int tm_json_rows_dead_letters_write(const tm_json_rows_t *rows, FILE *out)
{
    return rows ? tm_dead_letters_write(rows->letters, out) : 0;
}
