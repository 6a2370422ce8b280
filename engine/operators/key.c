#include "engine/operators/key.h"

#include "base/check.h"
#include "base/error.h"
#include "base/row.h"

#include <string.h>

enum { WIDE_HEAD_SZ = 8 }; /* an entry: the number, then the key's bytes */

static int field_add(tm_key_t *key, const tm_schema_t *in, const char *name)
{
    int at = tm_schema_find(in, name);
    if (at < 0) return tm_error_set(TM_E_CONFIG, "key: %s rows have no field '%s'", in->name, name);
    const tm_field_t *field = &in->fields[at];
    if (field->nullable)
        return tm_error_set(TM_E_CONFIG, "key: field '%s' (%s) may be null; a key may not", name,
                            tm_type_name(field->type));
    for (uint32_t i = 0; i < key->field_cnt; i++)
        if (key->fields[i].off == field->off)
            return tm_error_set(TM_E_CONFIG, "key: field '%s' is given twice", name);
    uint32_t sz = tm_type_sz(field->type);
    if (key->sz + sz > TM_KEY_SZ_MAX)
        return tm_error_set(TM_E_CONFIG, "key: with field '%s' (%s) it is longer than %d bytes",
                            name, tm_type_name(field->type), TM_KEY_SZ_MAX);
    key->fields[key->field_cnt++] = (tm_key_field_t){
        .off = field->off, .sz = (uint8_t)sz, .at = key->sz};
    key->sz = (uint8_t)(key->sz + sz);
    return 0;
}

static tm_key_form_t form_of(const tm_key_t *key)
{
    if (key->field_cnt == 0) return TM_KEY_NONE;
    if (key->sz > 8) return TM_KEY_WIDE;
    if (key->field_cnt > 1) return TM_KEY_PACKED;
    return key->sz == 1 ? TM_KEY_U8 : key->sz == 4 ? TM_KEY_U32 : TM_KEY_U64;
}

int tm_key_compile(tm_key_t *key, const tm_schema_t *in, const char *const *names)
{
    *key = (tm_key_t){0};
    for (uint32_t i = 0; i < TM_KEY_FIELD_MAX && names && names[i]; i++)
        TM_TRY(field_add(key, in, names[i]));
    key->form = (uint8_t)form_of(key);
    return 0;
}

int tm_key_schema(tm_key_t *key, const tm_schema_t *in, tm_schema_t *out)
{
    bool header_taken = false;
    for (uint32_t i = 0; i < key->field_cnt; i++) {
        const tm_field_t *field = NULL;
        for (uint32_t k = 0; k < in->field_cnt && !field; k++)
            if (in->fields[k].off == key->fields[i].off) field = &in->fields[k];
        if (!field) return tm_error_set(TM_E_CONFIG, "a key field is not in the rows");
        if (field->type == TM_TYPE_SYMBOL && !header_taken &&
            out->field_cnt < TM_SCHEMA_FIELD_MAX) {
            header_taken = true;
            out->fields[out->field_cnt] = *field;
            out->fields[out->field_cnt++].off = offsetof(tm_row_t, symbol);
            key->fields[i].out_off = offsetof(tm_row_t, symbol);
            continue;
        }
        int at = tm_schema_add(out, field);
        if (at < 0) return at;
        key->fields[i].out_off = out->fields[at].off;
    }
    return 0;
}

void tm_key_attach(tm_key_t *key, tm_page_arena_t *pages)
{
    if (key->form == TM_KEY_WIDE)
        tm_keyed_init(&key->wide, pages, (uint32_t)tm_align_up(WIDE_HEAD_SZ + key->sz, 16));
}

void tm_key_clear(tm_key_t *key)
{
    if (key->form == TM_KEY_WIDE && key->wide.arena) tm_keyed_clear(&key->wide);
}

void tm_key_bytes(const tm_key_t *key, const void *row, uint8_t *bytes)
{
    for (uint32_t i = 0; i < key->field_cnt; i++)
        memcpy(bytes + key->fields[i].at, (const uint8_t *)row + key->fields[i].off,
               key->fields[i].sz);
}

uint64_t tm_key_load_packed(const tm_key_t *key, const void *row)
{
    uint64_t value = 0;
    tm_key_bytes(key, row, (uint8_t *)&value);
    return value;
}

/* FNV-like folding of 8 bytes at a time, each through a full 64-bit mix: keys are short. */
static uint64_t bytes_hash(const uint8_t *bytes, uint32_t sz)
{
    uint64_t h = UINT64_C(0x9e3779b97f4a7c15) ^ sz;
    for (uint32_t at = 0; at < sz; at += 8) {
        uint64_t word = 0;
        memcpy(&word, bytes + at, sz - at < 8 ? sz - at : 8);
        h = (h ^ word) * UINT64_C(0xff51afd7ed558ccd);
        h = (h ^ (h >> 32)) * UINT64_C(0xc4ceb9fe1a85ec53);
        h ^= h >> 29;
    }
    return h;
}

uint32_t tm_key_hash_wide(const tm_key_t *key, const void *row)
{
    uint8_t bytes[TM_KEY_SZ_MAX];
    tm_key_bytes(key, row, bytes);
    return (uint32_t)(bytes_hash(bytes, key->sz) >> 32);
}

uint32_t tm_key_hash_bytes(const tm_key_t *key, const uint8_t *bytes)
{
    uint64_t value = 0;
    if (key->form == TM_KEY_WIDE) return (uint32_t)(bytes_hash(bytes, key->sz) >> 32);
    memcpy(&value, bytes, key->sz);
    return tm_route_hash(key->sz <= 4 ? (uint32_t)value : tm_keyed_tag(value));
}

void tm_key_number_bytes(const tm_key_t *key, uint64_t value, uint8_t bytes[TM_KEY_SZ_MAX])
{
    const uint8_t *from = (const uint8_t *)&value;
    if (key->form == TM_KEY_WIDE) {
        const uint8_t *entry = tm_keyed_find(&key->wide, value, tm_keyed_tag(value));
        TM_CHECK(entry != NULL, "key: nobody has number %llu", (unsigned long long)value);
        from = entry + WIDE_HEAD_SZ;
    }
    memcpy(bytes, from, key->sz);
}

bool tm_key_number(tm_key_t *key, const uint8_t *bytes, uint64_t *value)
{
    *value = 0;
    if (key->form != TM_KEY_WIDE) {
        memcpy(value, bytes, key->sz);
        return true;
    }
    for (uint64_t no = bytes_hash(bytes, key->sz);; no++) {
        bool added;
        uint8_t *entry = tm_keyed_get(&key->wide, no, tm_keyed_tag(no), &added);
        if (!entry) return false;
        if (added) memcpy(entry + WIDE_HEAD_SZ, bytes, key->sz);
        *value = no;
        if (added || memcmp(entry + WIDE_HEAD_SZ, bytes, key->sz) == 0) return true;
    }
}

bool tm_key_load_wide(tm_key_t *key, const void *row, uint64_t *value)
{
    uint8_t bytes[TM_KEY_SZ_MAX];
    tm_key_bytes(key, row, bytes);
    return tm_key_number(key, bytes, value);
}

void tm_key_write(const tm_key_t *key, uint64_t value, void *row)
{
    const uint8_t *bytes = (const uint8_t *)&value;
    if (key->form == TM_KEY_WIDE) {
        const uint8_t *entry = tm_keyed_find(&key->wide, value, tm_keyed_tag(value));
        if (!entry) return; /* only a value that tm_key_load never gave */
        bytes = entry + WIDE_HEAD_SZ;
    }
    for (uint32_t i = 0; i < key->field_cnt; i++)
        memcpy((uint8_t *)row + key->fields[i].out_off, bytes + key->fields[i].at,
               key->fields[i].sz);
}
