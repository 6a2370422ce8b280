#include "state/parquet/thrift.h"

#include "base/error.h"
#include "state/parquet/varint.h"

/* Any field needs a header of at most four bytes and, binaries apart, one varint. */
enum { FIELD_SZ_MAX = 4 + TM_VARINT_SZ_MAX };

void tm_thrift_out_init(tm_thrift_out_t *out, tm_buffer_t *bytes)
{
    *out = (tm_thrift_out_t){.bytes = bytes};
}

static bool room(tm_thrift_out_t *out, size_t sz)
{
    if (out->err == 0) out->err = tm_buffer_reserve(out->bytes, sz);
    return out->err == 0;
}

static void put_varint(tm_thrift_out_t *out, uint64_t v)
{
    uint8_t *at = out->bytes->data + out->bytes->sz;
    out->bytes->sz += (size_t)(tm_varint_put(at, v) - at);
}

static void put_byte(tm_thrift_out_t *out, unsigned v)
{
    const uint8_t byte = (uint8_t)v;
    tm_buffer_put(out->bytes, &byte, 1);
}

static void header(tm_thrift_out_t *out, int16_t id, unsigned type)
{
    TM_CHECK(out->depth > 0, "a field outside of a struct");
    int delta = id - out->last_id[out->depth - 1];
    if (delta > 0 && delta <= 15) {
        put_byte(out, (unsigned)delta << 4 | type);
    } else {
        put_byte(out, type);
        put_varint(out, tm_zigzag(id));
    }
    out->last_id[out->depth - 1] = id;
}

void tm_thrift_struct(tm_thrift_out_t *out)
{
    TM_CHECK(out->depth < TM_THRIFT_DEPTH_MAX, "structs too deep");
    out->last_id[out->depth++] = 0;
}

void tm_thrift_field_struct(tm_thrift_out_t *out, int16_t id)
{
    if (room(out, FIELD_SZ_MAX)) header(out, id, TM_THRIFT_STRUCT);
    tm_thrift_struct(out);
}

void tm_thrift_end(tm_thrift_out_t *out)
{
    TM_CHECK(out->depth > 0, "no struct is open");
    out->depth--;
    if (room(out, 1)) put_byte(out, TM_THRIFT_STOP);
}

void tm_thrift_field_bool(tm_thrift_out_t *out, int16_t id, bool v)
{
    if (room(out, FIELD_SZ_MAX)) header(out, id, v ? TM_THRIFT_TRUE : TM_THRIFT_FALSE);
}

void tm_thrift_field_i8(tm_thrift_out_t *out, int16_t id, int8_t v)
{
    if (!room(out, FIELD_SZ_MAX)) return;
    header(out, id, TM_THRIFT_I8);
    put_byte(out, (uint8_t)v);
}

static void field_int(tm_thrift_out_t *out, int16_t id, unsigned type, int64_t v)
{
    if (!room(out, FIELD_SZ_MAX)) return;
    header(out, id, type);
    put_varint(out, tm_zigzag(v));
}

void tm_thrift_field_i16(tm_thrift_out_t *out, int16_t id, int16_t v)
{
    field_int(out, id, TM_THRIFT_I16, v);
}

void tm_thrift_field_i32(tm_thrift_out_t *out, int16_t id, int32_t v)
{
    field_int(out, id, TM_THRIFT_I32, v);
}

void tm_thrift_field_i64(tm_thrift_out_t *out, int16_t id, int64_t v)
{
    field_int(out, id, TM_THRIFT_I64, v);
}

void tm_thrift_field_binary(tm_thrift_out_t *out, int16_t id, const void *src, size_t sz)
{
    if (room(out, FIELD_SZ_MAX)) header(out, id, TM_THRIFT_BINARY);
    tm_thrift_item_binary(out, src, sz);
}

void tm_thrift_field_list(tm_thrift_out_t *out, int16_t id, tm_thrift_type_t item, uint32_t cnt)
{
    if (!room(out, FIELD_SZ_MAX + 1)) return;
    header(out, id, TM_THRIFT_LIST);
    if (cnt < 15) {
        put_byte(out, cnt << 4 | (unsigned)item);
    } else {
        put_byte(out, 0xf0 | (unsigned)item);
        put_varint(out, cnt);
    }
}

void tm_thrift_item_bool(tm_thrift_out_t *out, bool v)
{
    if (room(out, 1)) put_byte(out, v ? TM_THRIFT_TRUE : TM_THRIFT_FALSE);
}

void tm_thrift_item_int(tm_thrift_out_t *out, int64_t v)
{
    if (room(out, TM_VARINT_SZ_MAX)) put_varint(out, tm_zigzag(v));
}

void tm_thrift_item_binary(tm_thrift_out_t *out, const void *src, size_t sz)
{
    if (!room(out, TM_VARINT_SZ_MAX + sz)) return;
    put_varint(out, sz);
    tm_buffer_put(out->bytes, src, sz);
}

void tm_thrift_in_init(tm_thrift_in_t *in, const void *src, size_t sz)
{
    *in = (tm_thrift_in_t){.at = src, .end = (const uint8_t *)src + sz};
}

/* Ends the input too, so that a caller that looks at `err` late cannot loop. */
static void corrupt(tm_thrift_in_t *in, const char *why)
{
    if (in->err == 0) in->err = tm_error_set(TM_E_CORRUPT, "Thrift metadata: %s", why);
    in->at = in->end;
}

static uint64_t get_varint(tm_thrift_in_t *in)
{
    uint64_t v = 0;
    const uint8_t *at = tm_varint_get(in->at, in->end, &v);
    if (at)
        in->at = at;
    else
        corrupt(in, "an integer ends early");
    return v;
}

static uint8_t get_byte(tm_thrift_in_t *in)
{
    if (in->at < in->end) return *in->at++;
    corrupt(in, "it ends early");
    return 0;
}

void tm_thrift_enter(tm_thrift_in_t *in)
{
    if (in->err != 0) return;
    if (in->depth == TM_THRIFT_DEPTH_MAX) {
        corrupt(in, "structs are too deep");
        return;
    }
    in->last_id[in->depth++] = 0;
}

bool tm_thrift_next(tm_thrift_in_t *in, tm_thrift_field_t *field)
{
    if (in->err != 0 || in->depth == 0) return false;
    uint8_t byte = get_byte(in);
    unsigned type = byte & 0x0f;
    if (in->err != 0) return false;
    if (type == TM_THRIFT_STOP) {
        in->depth--;
        return false;
    }
    if (type > TM_THRIFT_STRUCT) {
        corrupt(in, "a field has an unknown type");
        return false;
    }
    int64_t id = byte >> 4 ? in->last_id[in->depth - 1] + (byte >> 4) : tm_unzigzag(get_varint(in));
    if (in->err == 0 && (id < INT16_MIN || id > INT16_MAX)) corrupt(in, "a field id is too large");
    if (in->err != 0) return false;
    in->last_id[in->depth - 1] = (int16_t)id;
    *field = (tm_thrift_field_t){.id = (int16_t)id, .type = (tm_thrift_type_t)type};
    return true;
}

bool tm_thrift_bool(tm_thrift_in_t *in, const tm_thrift_field_t *field)
{
    if (field->type != TM_THRIFT_TRUE && field->type != TM_THRIFT_FALSE)
        corrupt(in, "a boolean was expected");
    return field->type == TM_THRIFT_TRUE;
}

int64_t tm_thrift_int(tm_thrift_in_t *in, const tm_thrift_field_t *field)
{
    if (field->type == TM_THRIFT_I8) return (int8_t)get_byte(in);
    if (field->type != TM_THRIFT_I16 && field->type != TM_THRIFT_I32 &&
        field->type != TM_THRIFT_I64) {
        corrupt(in, "an integer was expected");
        return 0;
    }
    int64_t v = tm_unzigzag(get_varint(in));
    int64_t limit = field->type == TM_THRIFT_I16   ? INT16_MAX
                    : field->type == TM_THRIFT_I32 ? INT32_MAX
                                                   : INT64_MAX;
    if (v > limit || v < -limit - 1) {
        corrupt(in, "an integer does not fit its type");
        return 0;
    }
    return v;
}

const uint8_t *tm_thrift_binary(tm_thrift_in_t *in, const tm_thrift_field_t *field, size_t *sz)
{
    *sz = 0;
    if (field->type != TM_THRIFT_BINARY) {
        corrupt(in, "a string was expected");
        return in->end;
    }
    uint64_t len = get_varint(in);
    if (len > (uint64_t)(in->end - in->at)) {
        corrupt(in, "a string ends early");
        return in->end;
    }
    const uint8_t *at = in->at;
    *sz = len;
    in->at += len;
    return at;
}

/* The header of a list: number of items and their type. */
static uint32_t list_header(tm_thrift_in_t *in, unsigned *item)
{
    uint8_t byte = get_byte(in);
    uint64_t cnt = byte >> 4;
    if (cnt == 15) cnt = get_varint(in);
    *item = byte & 0x0f;
    if (*item == TM_THRIFT_FALSE) *item = TM_THRIFT_TRUE; /* both mean "boolean" here */
    if (cnt > (uint64_t)(in->end - in->at)) {
        corrupt(in, "a list is longer than its bytes");
        return 0;
    }
    return (uint32_t)cnt;
}

uint32_t tm_thrift_list(tm_thrift_in_t *in, const tm_thrift_field_t *field, tm_thrift_type_t item)
{
    unsigned type = 0;
    if (field->type != TM_THRIFT_LIST) {
        corrupt(in, "a list was expected");
        return 0;
    }
    uint32_t cnt = list_header(in, &type);
    if (cnt > 0 && type != (unsigned)item) {
        corrupt(in, "a list has items of another type");
        return 0;
    }
    return cnt;
}

static void skip(tm_thrift_in_t *in, unsigned type, bool in_list);

static void skip_struct(tm_thrift_in_t *in)
{
    tm_thrift_field_t field;
    tm_thrift_enter(in);
    while (tm_thrift_next(in, &field)) skip(in, field.type, false);
}

static void skip_list(tm_thrift_in_t *in)
{
    unsigned item = 0;
    if (in->depth == TM_THRIFT_DEPTH_MAX) {
        corrupt(in, "lists are too deep");
        return;
    }
    in->depth++;
    uint32_t cnt = list_header(in, &item);
    for (uint32_t i = 0; i < cnt && in->err == 0; i++) skip(in, item, true);
    in->depth--;
}

static void skip(tm_thrift_in_t *in, unsigned type, bool in_list)
{
    size_t sz;
    if (in->err != 0) return;
    switch (type) {
    case TM_THRIFT_TRUE:
    case TM_THRIFT_FALSE:
        if (in_list) get_byte(in);
        return;
    case TM_THRIFT_I8:
        get_byte(in);
        return;
    case TM_THRIFT_I16:
    case TM_THRIFT_I32:
    case TM_THRIFT_I64:
        get_varint(in);
        return;
    case TM_THRIFT_DOUBLE:
        if (in->end - in->at < 8)
            corrupt(in, "a double ends early");
        else
            in->at += 8;
        return;
    case TM_THRIFT_BINARY:
        tm_thrift_binary(in, &(tm_thrift_field_t){.type = TM_THRIFT_BINARY}, &sz);
        return;
    case TM_THRIFT_LIST:
    case TM_THRIFT_SET:
        skip_list(in);
        return;
    case TM_THRIFT_STRUCT:
        skip_struct(in);
        return;
    default:
        corrupt(in, "a field has an unknown type"); /* maps do not occur in Parquet */
    }
}

void tm_thrift_skip(tm_thrift_in_t *in, const tm_thrift_field_t *field)
{
    skip(in, field->type, false);
}
