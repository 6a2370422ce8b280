#include "parse/json/json_value.h"

#include "parse/scan/quoted.h"
#include "parse/scan/rfc3339.h"

/* The text of a number or string value; NULL where its escapes do not fit or say no text. */
static const uint8_t *text_of(const uint8_t *message, const tm_value_t *v, tm_json_texts_t *texts,
                              uint32_t *sz, tm_reason_t *reason)
{
    *sz = v->to - v->from;
    if (v->type != TM_VALUE_ESCAPED) return message + v->from;
    uint32_t room = texts->sz_max - texts->used_sz;
    uint8_t *to = texts->bytes + texts->used_sz;
    int32_t n = tm_quoted_decode(message + v->from, *sz, to, room);
    /* Text that is decoded is never longer, so this room was enough. */
    if (n < 0) *reason = *sz <= room ? TM_REASON_UTF8 : TM_REASON_LIMIT;
    if (n < 0) return NULL;
    *sz = (uint32_t)n;
    texts->used_sz += (uint32_t)n;
    return to;
}

/* Decimal digits of a unit: numbers that count seconds may have nine behind the point. */
static uint32_t unit_scale(int64_t unit_ns)
{
    uint32_t scale = 0;
    for (; unit_ns > 1; unit_ns /= 10) scale++;
    return scale;
}

static tm_reason_t number_read(const tm_json_field_t *field, const uint8_t *text, uint32_t sz,
                               bool quoted, tm_json_value_t *out)
{
    tm_numeral_t n;
    uint32_t scale = field->type == TM_JSON_TIME ? unit_scale(field->unit_ns) : field->scale;
    tm_reason_t reason = tm_numeral_read(text, sz, scale, !quoted, &n);
    if (reason) return reason;
    if (field->type != TM_JSON_U64) return tm_numeral_signed(&n, &out->i64);
    out->u64 = n.magnitude;
    return n.negative ? TM_REASON_RANGE : TM_REASON_NONE;
}

static bool is_text(const tm_value_t *v)
{
    return v->type == TM_VALUE_STRING || v->type == TM_VALUE_ESCAPED;
}

static tm_reason_t time_read(const tm_json_field_t *field, const uint8_t *text, uint32_t sz,
                             bool quoted, tm_json_value_t *out)
{
    uint8_t reach[TM_RFC3339_REACH + 16] = {0};
    bool dated = quoted && sz > 4 && text[4] == '-';
    if (!dated) {
        return field->unit_ns ? number_read(field, text, sz, quoted, out) : TM_REASON_TYPE;
    }
    /* Decoded text may end where its room does. */
    if (sz < TM_RFC3339_REACH) {
        memcpy(reach, text, sz);
        text = reach;
    }
    return tm_rfc3339_read(text, sz, &out->i64);
}

static tm_reason_t scalar_read(const tm_json_field_t *field, const uint8_t *message,
                               const tm_value_t *v, tm_json_texts_t *texts, tm_json_value_t *out)
{
    bool quoted = is_text(v);
    uint32_t sz;
    tm_reason_t reason = TM_REASON_NONE;
    if (field->type == TM_JSON_BOOL) {
        out->i64 = v->type == TM_VALUE_TRUE;
        return v->type == TM_VALUE_TRUE || v->type == TM_VALUE_FALSE ? reason : TM_REASON_TYPE;
    }
    if (!quoted && (v->type != TM_VALUE_NUMBER || field->type == TM_JSON_TEXT))
        return TM_REASON_TYPE;
    const uint8_t *text = text_of(message, v, texts, &sz, &reason);
    if (!text) return reason;
    if (field->type == TM_JSON_TIME) return time_read(field, text, sz, quoted, out);
    if (field->type != TM_JSON_TEXT) return number_read(field, text, sz, quoted, out);
    out->text = (const char *)text;
    out->text_sz = sz;
    return reason;
}

tm_reason_t tm_json_value_read(const tm_json_field_t *field, const uint8_t *message,
                               const tm_value_t *v, tm_json_texts_t *texts, tm_json_value_t *out)
{
    *out = (tm_json_value_t){.state = TM_JSON_ABSENT};
    if (v->type == TM_VALUE_NULL) {
        out->state = TM_JSON_NULL;
        return TM_REASON_NONE;
    }
    tm_json_value_t made = {.state = TM_JSON_PRESENT};
    tm_reason_t reason = scalar_read(field, message, v, texts, &made);
    if (!reason) *out = made;
    return reason;
}
