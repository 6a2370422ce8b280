#include "state/parquet/value_dict.h"

#include "base/check.h"
#include "base/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int tm_value_dict_open(tm_value_dict_t *dict)
{
    *dict = (tm_value_dict_t){0};
    dict->slots = calloc(TM_VALUE_DICT_SLOTS, sizeof *dict->slots);
    dict->values = malloc(TM_VALUE_DICT_MAX * sizeof *dict->values);
    if (dict->slots && dict->values) return 0;
    tm_value_dict_close(dict);
    return tm_error_set(-ENOMEM, "out of memory for a dictionary of %d values", TM_VALUE_DICT_MAX);
}

void tm_value_dict_close(tm_value_dict_t *dict)
{
    free(dict->slots);
    free(dict->values);
    *dict = (tm_value_dict_t){0};
}

/* Fibonacci hashing: the high bits of the product depend on all bits of the value. */
static uint32_t slot_of(int64_t value)
{
    return (uint32_t)(((uint64_t)value * 0x9e3779b97f4a7c15ull) >> 47);
}
_Static_assert(TM_VALUE_DICT_SLOTS == 1 << (64 - 47), "the hash has as many bits as slots need");

void tm_value_dict_clear(tm_value_dict_t *dict)
{
    if (dict->cnt > 0) memset(dict->slots, 0, TM_VALUE_DICT_SLOTS * sizeof *dict->slots);
    dict->cnt = 0;
}

bool tm_value_dict_add(tm_value_dict_t *dict, const int64_t *values, uint32_t cnt, uint32_t max,
                       uint32_t *idx)
{
    TM_CHECK(max <= TM_VALUE_DICT_MAX, "%u values", max);
    /* Many values have their slots all over the second-level cache: they are asked for ahead. */
    enum { AHEAD = 12 };
    for (uint32_t i = 0; i < cnt; i++) {
        const int64_t v = values[i];
        if (i + AHEAD < cnt) __builtin_prefetch(&dict->slots[slot_of(values[i + AHEAD])]);
        uint32_t slot = slot_of(v);
        while (dict->slots[slot] != 0 && dict->values[dict->slots[slot] - 1] != v)
            slot = (slot + 1) & (TM_VALUE_DICT_SLOTS - 1);
        if (dict->slots[slot] == 0) {
            if (dict->cnt == max) return false;
            dict->values[dict->cnt++] = v;
            dict->slots[slot] = dict->cnt;
        }
        idx[i] = dict->slots[slot] - 1;
    }
    return true;
}
