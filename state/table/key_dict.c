#include "state/table/key_dict.h"

#include "base/check.h"

#include <assert.h>
#include <string.h>

typedef struct dict_entry {
    uint64_t hash;
    tm_ref_t first; /* of the keys with this hash */
    uint32_t reserved;
} dict_entry_t;
static_assert(sizeof(dict_entry_t) == 16, "an entry of the keyed table");

typedef struct dict_key {
    uint64_t hash;
    tm_ref_t next;
    uint32_t holds;
    uint32_t sz;
    uint32_t reserved[3];
    uint8_t bytes[];
} dict_key_t;
static_assert(sizeof(dict_key_t) == 32, "as the header says");

static dict_key_t *key_at(const tm_key_dict_t *dict, tm_ref_t ref)
{
    return tm_ref_ptr(dict->slab->arena, ref);
}

static dict_key_t *key_edit(const tm_key_dict_t *dict, tm_ref_t ref)
{
    tm_ref_touch(dict->slab->arena, ref);
    return key_at(dict, ref);
}

void tm_key_dict_init(tm_key_dict_t *dict, tm_slab_t *slab)
{
    dict->slab = slab;
    tm_keyed_init(&dict->table, slab->arena, sizeof(dict_entry_t));
}

void tm_key_dict_clear(tm_key_dict_t *dict)
{
    tm_keyed_clear(&dict->table);
}

uint64_t tm_key_dict_find(const tm_key_dict_t *dict, const void *key, uint32_t sz, uint64_t hash)
{
    const dict_entry_t *entry = tm_keyed_find(&dict->table, hash, tm_keyed_tag(hash));
    if (!entry) return 0;
    for (tm_ref_t ref = entry->first; ref != 0; ref = key_at(dict, ref)->next) {
        const dict_key_t *k = key_at(dict, ref);
        if (k->sz == sz && memcmp(k->bytes, key, sz) == 0) return ref;
    }
    return 0;
}

uint64_t tm_key_dict_hold(tm_key_dict_t *dict, const void *key, uint32_t sz, uint64_t hash)
{
    tm_ref_t ref = (tm_ref_t)tm_key_dict_find(dict, key, sz, hash);
    if (ref != 0) {
        key_edit(dict, ref)->holds++;
        return ref;
    }
    if (sz > TM_KEY_DICT_SZ_MAX) return 0;
    ref = tm_slab_alloc(dict->slab, (uint32_t)sizeof(dict_key_t) + sz);
    if (ref == 0) return 0;
    bool added;
    dict_entry_t *entry = tm_keyed_get(&dict->table, hash, tm_keyed_tag(hash), &added);
    if (!entry) {
        tm_slab_free(dict->slab, ref);
        return 0;
    }
    tm_ptr_touch(dict->slab->arena, entry);
    dict_key_t *k = key_at(dict, ref);
    *k = (dict_key_t){.hash = hash, .next = added ? 0 : entry->first, .holds = 1, .sz = sz};
    memcpy(k->bytes, key, sz);
    entry->first = ref;
    entry->reserved = 0;
    return ref;
}

void tm_key_dict_release(tm_key_dict_t *dict, uint64_t id)
{
    tm_ref_t ref = (tm_ref_t)id;
    dict_key_t *k = key_edit(dict, ref);
    TM_CHECK(k->holds > 0, "key dict: released too often");
    if (--k->holds > 0) return;
    dict_entry_t *entry = tm_keyed_find(&dict->table, k->hash, tm_keyed_tag(k->hash));
    TM_CHECK(entry != NULL, "key dict: a key without an entry");
    if (entry->first == ref && k->next == 0) {
        tm_keyed_erase(&dict->table, entry);
    } else if (entry->first == ref) {
        tm_ptr_touch(dict->slab->arena, entry);
        entry->first = k->next;
    } else {
        tm_ref_t at = entry->first;
        while (key_at(dict, at)->next != ref) at = key_at(dict, at)->next;
        key_edit(dict, at)->next = k->next;
    }
    tm_slab_free(dict->slab, ref);
}

const void *tm_key_dict_bytes(const tm_key_dict_t *dict, uint64_t id, uint32_t *sz)
{
    const dict_key_t *k = key_at(dict, (tm_ref_t)id);
    *sz = k->sz;
    return k->bytes;
}

static uint64_t fold(uint64_t a, uint64_t b)
{
    tm_u128_t wide = (tm_u128_t)a * b;
    return (uint64_t)wide ^ (uint64_t)(wide >> 64);
}

uint64_t tm_bytes_hash(const void *key, size_t sz)
{
    static const uint64_t mul = UINT64_C(0x9e3779b97f4a7c15), add = UINT64_C(0xd6e8feb86659fd93);
    const uint8_t *at = key;
    uint64_t hash = fold((uint64_t)sz ^ add, mul), word;
    for (; sz >= sizeof word; at += sizeof word, sz -= sizeof word) {
        memcpy(&word, at, sizeof word);
        hash = fold(hash ^ word, mul) + add;
    }
    word = 0;
    memcpy(&word, at, sz);
    return fold(hash ^ word, mul ^ (hash >> 32));
}
