/* engine/operators/key.h - the key of a row as one 64-bit number: one field or several, of any
   type.
   Flow     key_by names fields -> [key] -> tables and windows of keyed operators; exchanges hash it
   Rules    two rows have the same key exactly where the bytes of all key fields are the same
   Method   fields of up to 8 bytes in all are the number themselves. Wider keys are kept once, in a
            table by their 64-bit hash, and the number is the hash, or the next one that is free
            where two keys share it: exact, and the fields can be had back from it
   Memory   tm_key_t is memory of the caller. Wide keys: 16 bytes, the key and about 13 bytes of
            index each, in pages of the arena, until tm_key_clear
   Threads  the worker's; compile and schema on the main thread too
   Errors   compile: TM_E_CONFIG with a text that names the field. load: false where a new wide key
            finds no page
   Limits   TM_KEY_FIELD_MAX fields of TM_KEY_SZ_MAX bytes.  Tests tests/engine/test_key.c */
#ifndef TM_ENGINE_KEY_H
#define TM_ENGINE_KEY_H

#include "base/schema.h"
#include "engine/runtime/route.h"
#include "state/table/keyed_table.h"

enum { TM_KEY_FIELD_MAX = 8, TM_KEY_SZ_MAX = 64 };

typedef enum tm_key_form {
    TM_KEY_NONE, /* no field: all rows have the key 0 */
    TM_KEY_U8,
    TM_KEY_U32,
    TM_KEY_U64,
    TM_KEY_PACKED, /* several fields of up to 8 bytes in all */
    TM_KEY_WIDE,
} tm_key_form_t;

typedef struct tm_key_field {
    uint16_t off;     /* in rows that come in */
    uint16_t out_off; /* in rows that go out, set by tm_key_schema */
    uint8_t sz;
    uint8_t at; /* within the key's bytes */
} tm_key_field_t;

typedef struct tm_key {
    uint8_t form; /* tm_key_form_t */
    uint8_t field_cnt;
    uint8_t sz; /* bytes of all fields */
    tm_key_field_t fields[TM_KEY_FIELD_MAX];
    tm_keyed_table_t wide;
} tm_key_t;

/* `names` ends with NULL or after TM_KEY_FIELD_MAX entries; none at all is TM_KEY_NONE. */
int tm_key_compile(tm_key_t *key, const tm_schema_t *in, const char *const *names) TM_MUST_CHECK;

/* Appends the key's fields to an output schema. The first symbol stays where every row has one, in
   the header. */
int tm_key_schema(tm_key_t *key, const tm_schema_t *in, tm_schema_t *out) TM_MUST_CHECK;

/* Where wide keys are kept, before the first load. */
void tm_key_attach(tm_key_t *key, tm_page_arena_t *pages);
void tm_key_clear(tm_key_t *key);

/* Writes the key's fields into an output row whose header is filled already. */
void tm_key_write(const tm_key_t *key, uint64_t value, void *row);

/* The bytes of all fields, key->sz of them. */
void tm_key_bytes(const tm_key_t *key, const void *row, uint8_t *bytes);

bool tm_key_load_wide(tm_key_t *key, const void *row, uint64_t *value);
uint64_t tm_key_load_packed(const tm_key_t *key, const void *row);
uint32_t tm_key_hash_wide(const tm_key_t *key, const void *row);

static inline uint64_t tm_key_load_narrow(const tm_key_t *key, const void *row)
{
    const uint8_t *at = (const uint8_t *)row + key->fields[0].off;
    uint64_t value = 0;
    switch ((tm_key_form_t)key->form) {
    case TM_KEY_U32:
        memcpy(&value, at, 4);
        break;
    case TM_KEY_U64:
        memcpy(&value, at, 8);
        break;
    case TM_KEY_U8:
        value = *at;
        break;
    case TM_KEY_PACKED:
        return tm_key_load_packed(key, row);
    case TM_KEY_NONE:
    case TM_KEY_WIDE:
        break;
    }
    return value;
}

/* The same hash as that of a row, from the key's bytes (tm_key_bytes). */
uint32_t tm_key_hash_bytes(const tm_key_t *key, const uint8_t *bytes);

/* The bytes of a key that has this number; and back, false where it is wide, new and finds no room:
   a key that moves to other tables gets a number of theirs. */
void tm_key_number_bytes(const tm_key_t *key, uint64_t value, uint8_t bytes[TM_KEY_SZ_MAX]);
bool tm_key_number(tm_key_t *key, const uint8_t *bytes, uint64_t *value);

/* False where a wide key is new and finds no room. */
static inline bool tm_key_load(tm_key_t *key, const void *row, uint64_t *value)
{
    if (TM_UNLIKELY(key->form == TM_KEY_WIDE)) return tm_key_load_wide(key, row, value);
    *value = tm_key_load_narrow(key, row);
    return true;
}

/* 32 bits that pick the key group (engine/runtime/route.h); equal for equal keys on every thread
   and in every run. */
static inline uint32_t tm_key_hash(const tm_key_t *key, const void *row)
{
    if (TM_UNLIKELY(key->form == TM_KEY_WIDE)) return tm_key_hash_wide(key, row);
    uint64_t value = tm_key_load_narrow(key, row);
    return tm_route_hash(key->sz <= 4 ? (uint32_t)value : tm_keyed_tag(value));
}

#endif
