/* engine/operators/key_plan.h - the key of a row, from one field or several, as bytes.
   Flow     rows -> [key plan] -> 64-bit key, or bytes for a key dict
   Method   values are put one after the other in the order given. Up to 8 bytes they are a number
            themselves, filled up with zeros; more are bytes that a key dict numbers. Equal keys
            have equal bytes, whatever the rows around them
   Units    sz: bytes
   Threads  immutable once built
   Errors   build: TM_E_CONFIG with a text that names the field
   Limits   TM_KEY_FIELD_MAX fields, TM_KEY_SZ_MAX bytes.  Tests tests/engine/test_process.c */
#ifndef TM_ENGINE_KEY_PLAN_H
#define TM_ENGINE_KEY_PLAN_H

#include "base/row.h"
#include "base/schema.h"
#include "state/key_dict.h"

enum { TM_KEY_FIELD_MAX = 8 };

typedef struct tm_key_plan {
    uint32_t field_cnt;
    uint32_t sz; /* of all */
    bool symbol; /* the first symbol field: output rows carry it */
    uint32_t symbol_off;
    struct {
        uint16_t row_off, sz, key_off;
        tm_type_t type;
    } fields[TM_KEY_FIELD_MAX];
} tm_key_plan_t;

int tm_key_plan_build(tm_key_plan_t *plan, const tm_schema_t *in, const char *const *names,
                      uint32_t cnt) TM_MUST_CHECK;

/* Whether two inputs have keys of the same types, so that one operator can take both. */
bool tm_key_plan_same(const tm_key_plan_t *a, const tm_key_plan_t *b);

static inline bool tm_key_plan_is_wide(const tm_key_plan_t *plan)
{
    return plan->sz > sizeof(uint64_t);
}

/* The key's bytes into `key` of plan->sz bytes. */
static inline void tm_key_plan_bytes(const tm_key_plan_t *plan, const void *row, void *key)
{
    for (uint32_t i = 0; i < plan->field_cnt; i++)
        memcpy((uint8_t *)key + plan->fields[i].key_off,
               (const uint8_t *)row + plan->fields[i].row_off, plan->fields[i].sz);
}

/* A key that is not wide. One field of 4 or 8 bytes is the fast path. */
static inline uint64_t tm_key_plan_number(const tm_key_plan_t *plan, const void *row)
{
    uint64_t key = 0;
    const uint8_t *at = (const uint8_t *)row + plan->fields[0].row_off;
    if (plan->field_cnt == 1 && plan->sz == sizeof key)
        memcpy(&key, at, sizeof key);
    else if (plan->field_cnt == 1 && plan->sz == sizeof(uint32_t))
        memcpy(&key, at, sizeof(uint32_t));
    else
        tm_key_plan_bytes(plan, row, &key);
    return key;
}

#endif
