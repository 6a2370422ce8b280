/* yyjson on the same job: a document in a pool that lives as long as the program, fields asked for
   by their names. */
#include "bench/parse/parse_peer.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

enum { POOL_SZ = 8 << 20, SLOT_CNT = 4096 };

static struct slot {
    char text[16];
    uint32_t sz, number;
} slots[SLOT_CNT];
static uint32_t cnt;
static yyjson_alc alc;
static void *pool;

static uint64_t decimal_e8(yyjson_val *v)
{
    const char *p = yyjson_get_str(v), *end = p + yyjson_get_len(v);
    uint64_t value = 0;
    bool minus = p < end && *p == '-';
    for (p += minus; p < end && *p != '.'; p++) value = value * 10 + (uint64_t)(*p - '0');
    int fraction = 0;
    for (p++; p < end && fraction < 8; p++, fraction++) value = value * 10 + (uint64_t)(*p - '0');
    for (; fraction < 8; fraction++) value *= 10;
    return minus ? 0 - value : value;
}

static uint32_t symbol(yyjson_val *v)
{
    const char *name = yyjson_get_str(v);
    uint32_t sz = (uint32_t)yyjson_get_len(v);
    uint64_t lo = 0, hi = 0;
    memcpy(&lo, name, sz < 8 ? sz : 8);
    if (sz > 8) memcpy(&hi, name + 8, sz < 16 ? sz - 8 : 8);
    uint64_t at = ((lo ^ hi * 31) * 0x9e3779b97f4a7c15ull) >> 52;
    for (;; at = (at + 1) % SLOT_CNT) {
        struct slot *s = &slots[at];
        if (s->sz == 0) {
            memcpy(s->text, name, sz < 16 ? sz : 16);
            s->sz = sz;
            s->number = cnt++;
        }
        if (s->sz == sz && memcmp(s->text, name, sz) == 0) return s->number;
    }
}

static uint64_t trade(yyjson_val *o)
{
    uint64_t times = yyjson_get_uint(yyjson_obj_get(o, "E")) +
                     yyjson_get_uint(yyjson_obj_get(o, "T"));
    return times * 1000000 + symbol(yyjson_obj_get(o, "s")) +
           yyjson_get_uint(yyjson_obj_get(o, "t")) + decimal_e8(yyjson_obj_get(o, "p")) +
           decimal_e8(yyjson_obj_get(o, "q")) + (yyjson_get_bool(yyjson_obj_get(o, "m")) ? 2 : 1);
}

static uint64_t quote(yyjson_val *o)
{
    uint64_t sum = yyjson_get_uint(yyjson_obj_get(o, "u")) + symbol(yyjson_obj_get(o, "s"));
    static const char *const keys[] = {"b", "B", "a", "A"};
    for (int i = 0; i < 4; i++) sum += decimal_e8(yyjson_obj_get(o, keys[i]));
    return sum + yyjson_get_uint(yyjson_obj_get(o, "T")) * 1000000;
}

static uint64_t levels(yyjson_val *array, uint64_t side)
{
    uint64_t sum = 0;
    yyjson_arr_iter it, pair;
    yyjson_arr_iter_init(array, &it);
    for (yyjson_val *level; (level = yyjson_arr_iter_next(&it)) != NULL; sum += side) {
        yyjson_arr_iter_init(level, &pair);
        for (yyjson_val *v; (v = yyjson_arr_iter_next(&pair)) != NULL;) sum += decimal_e8(v);
    }
    return sum;
}

static uint64_t depth(yyjson_val *o)
{
    yyjson_val *matched = yyjson_obj_get(o, "T");
    uint64_t ms = yyjson_get_uint(matched ? matched : yyjson_obj_get(o, "E"));
    return ms * 1000000 + symbol(yyjson_obj_get(o, "s")) + yyjson_get_uint(yyjson_obj_get(o, "U")) +
           yyjson_get_uint(yyjson_obj_get(o, "u")) + levels(yyjson_obj_get(o, "b"), 1) +
           levels(yyjson_obj_get(o, "a"), 2);
}

static uint64_t sum_of(yyjson_val *o)
{
    yyjson_val *data = yyjson_obj_get(o, "data"), *kind, *id;
    if (data) o = data;
    kind = yyjson_obj_get(o, "e");
    id = kind ? NULL : yyjson_obj_get(o, "lastUpdateId");
    if (id)
        return yyjson_get_uint(id) + yyjson_get_uint(yyjson_obj_get(o, "T")) * 1000000 +
               levels(yyjson_obj_get(o, "bids"), 1) + levels(yyjson_obj_get(o, "asks"), 2);
    if (!kind || yyjson_equals_str(kind, "bookTicker")) return quote(o);
    if (yyjson_equals_str(kind, "trade")) return trade(o);
    return yyjson_equals_str(kind, "depthUpdate") ? depth(o) : 0;
}

static const char *name(void)
{
    static char text[40];
    snprintf(text, sizeof text, "yyjson %s", YYJSON_VERSION_STRING);
    return text;
}

static void reset(void)
{
    memset(slots, 0, sizeof slots);
    cnt = 0;
    if (!pool) pool = malloc(POOL_SZ);
    if (!pool || !yyjson_alc_pool_init(&alc, pool, POOL_SZ)) abort();
}

static uint64_t sum(const char *message, size_t sz, size_t capacity)
{
    (void)capacity;
    yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)message, sz, 0, &alc, NULL);
    if (!doc) return 0;
    uint64_t s = sum_of(yyjson_doc_get_root(doc));
    yyjson_doc_free(doc);
    return s;
}

const tm_parse_peer_t tm_parse_peer = {name, reset, sum};
