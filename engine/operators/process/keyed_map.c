/* Maps of keyed state. An entry is a block of its own in two chains: that of its map, in order of
   first adding, and that of its hash (of the record's key, the state and the map's key), which one
   table of all maps leads to. So a map of any size is found, changed and shrunk in constant time,
   and never rebuilt. */
#include "engine/operators/process/keyed_state_private.h"

typedef struct item {
    uint64_t hash;
    uint64_t owner; /* key of the record */
    int64_t stamp;
    tm_ref_t prev, next; /* of the map */
    tm_ref_t same;       /* next of the same hash */
    uint32_t key_sz, value_sz;
    uint32_t state;
    uint8_t bytes[]; /* value, padded to 8, then key */
} item_t;
static_assert(offsetof(item_t, bytes) % 16 == 0, "values are 16-aligned");

static item_t *item_at(const tm_keyed_state_t *ks, tm_ref_t ref)
{
    return state_ptr(ks, ref);
}

static const uint8_t *item_key(const item_t *item)
{
    return item->bytes + tm_align_up(item->value_sz, 8);
}

static uint64_t item_hash(uint64_t owner, uint32_t state, const void *key, size_t key_sz)
{
    uint64_t parts[2] = {tm_bytes_hash(key, key_sz), owner + (uint64_t)state * 0x9e3779b9u};
    return tm_bytes_hash(parts, sizeof parts);
}

static tm_ref_t item_find(const tm_keyed_state_t *ks, uint32_t state, const void *key,
                          size_t key_sz, uint64_t hash)
{
    const state_item_entry_t *entry = tm_keyed_find(&ks->items, hash, tm_keyed_tag(hash));
    for (tm_ref_t ref = entry ? entry->first : 0; ref != 0; ref = item_at(ks, ref)->same) {
        const item_t *item = item_at(ks, ref);
        if (item->owner == ks->key && item->state == state && item->key_sz == key_sz &&
            memcmp(item_key(item), key, key_sz) == 0)
            return ref;
    }
    return 0;
}

/* What refers to an item within its chain of one hash, touched; *entry: the head of the chain. */
static tm_ref_t *item_link(tm_keyed_state_t *ks, tm_ref_t ref, state_item_entry_t **entry)
{
    uint64_t hash = item_at(ks, ref)->hash;
    *entry = tm_keyed_find(&ks->items, hash, tm_keyed_tag(hash));
    TM_CHECK(*entry != NULL, "keyed state: a map entry that no hash leads to");
    tm_ref_t *link = &(*entry)->first;
    while (*link != ref) link = &item_at(ks, *link)->same;
    tm_ptr_touch(ks->slab.arena, link);
    return link;
}

/* Out of the table of items; its block and map are left alone. */
static void item_unhash(tm_keyed_state_t *ks, tm_ref_t ref)
{
    state_item_entry_t *entry;
    *item_link(ks, ref, &entry) = item_at(ks, ref)->same;
    if (entry->first == 0) tm_keyed_erase(&ks->items, entry);
}

/* Out of its map, whose record is touched, and gone. */
static void item_free(tm_keyed_state_t *ks, state_record_t *record, tm_ref_t ref)
{
    const item_t *item = item_at(ks, ref);
    state_map_t *map = slot_at(record, &ks->slots[item->state]);
    item_unhash(ks, ref);
    if (item->prev != 0)
        ((item_t *)state_edit(ks, item->prev))->next = item->next;
    else
        map->head = item->next;
    if (item->next != 0)
        ((item_t *)state_edit(ks, item->next))->prev = item->prev;
    else
        map->tail = item->prev;
    if (map->head == 0) record->present &= ~(1u << item->state);
    tm_slab_free(&ks->slab, ref);
}

void tm_keyed_map_free(tm_keyed_state_t *ks, state_map_t *map)
{
    for (tm_ref_t ref = map->head, next; ref != 0; ref = next) {
        next = item_at(ks, ref)->next;
        item_unhash(ks, ref);
        tm_slab_free(&ks->slab, ref);
    }
    *map = (state_map_t){0};
}

/* Whether an entry is to be seen; one that has expired goes, one that is read may be refreshed. */
static bool item_alive(tm_keyed_state_t *ks, tm_ref_t ref)
{
    item_t *item = item_at(ks, ref);
    const tm_state_spec_t *spec = &ks->slots[item->state].spec;
    if (spec->ttl_ns == 0) return true;
    if (state_expired(ks, spec, item->stamp)) {
        item_free(ks, tm_keyed_record_edit(ks), ref);
        return false;
    }
    if (spec->ttl_update == TM_TTL_ON_READ_AND_WRITE) {
        tm_ref_touch(ks->slab.arena, ref);
        item->stamp = state_stamp(ks, spec);
    }
    return true;
}

static bool map_is_there(tm_keyed_state_t *ks, uint32_t state)
{
    const state_record_t *record = tm_keyed_record(ks);
    return record && record->present >> state & 1;
}

const void *tm_keyed_map_get(tm_keyed_state_t *ks, uint32_t state, const void *key, size_t key_sz,
                             size_t *sz)
{
    if (!map_is_there(ks, state)) return NULL;
    tm_ref_t ref = item_find(ks, state, key, key_sz, item_hash(ks->key, state, key, key_sz));
    if (ref == 0 || !item_alive(ks, ref)) return NULL;
    const item_t *item = item_at(ks, ref);
    if (sz) *sz = item->value_sz;
    return item->bytes;
}

/* A new entry at the end of a map; 0 = no room. */
static tm_ref_t item_add(tm_keyed_state_t *ks, state_record_t *record, uint32_t state,
                         const tm_map_entry_t *e, uint64_t hash)
{
    size_t value_room = tm_align_up(e->value_sz, 8);
    tm_ref_t ref = tm_slab_alloc(&ks->slab, (uint32_t)(sizeof(item_t) + value_room + e->key_sz));
    if (ref == 0) return 0;
    bool added;
    state_item_entry_t *entry = tm_keyed_get(&ks->items, hash, tm_keyed_tag(hash), &added);
    if (!entry) {
        tm_slab_free(&ks->slab, ref);
        return 0;
    }
    tm_ptr_touch(ks->slab.arena, entry);
    state_map_t *map = slot_at(record, &ks->slots[state]);
    item_t *item = item_at(ks, ref);
    *item = (item_t){.hash = hash,
                     .owner = ks->key,
                     .prev = map->tail,
                     .same = added ? 0 : entry->first,
                     .key_sz = (uint32_t)e->key_sz,
                     .value_sz = (uint32_t)e->value_sz,
                     .state = state};
    entry->first = ref;
    entry->reserved = 0;
    memcpy(item->bytes + value_room, e->key, e->key_sz);
    if (map->tail != 0)
        ((item_t *)state_edit(ks, map->tail))->next = ref;
    else
        map->head = ref;
    map->tail = ref;
    record->present |= 1u << state;
    return ref;
}

/* The same entry in a block that holds a value of another size; 0 = no room. */
static tm_ref_t item_resize(tm_keyed_state_t *ks, state_record_t *record, tm_ref_t ref, size_t sz)
{
    item_t *item = item_at(ks, ref);
    size_t need = sizeof *item + tm_align_up(sz, 8) + item->key_sz;
    uint32_t room = tm_slab_room(&ks->slab, ref);
    if (tm_align_up(sz, 8) == tm_align_up(item->value_sz, 8)) {
        tm_ref_touch(ks->slab.arena, ref);
        item->value_sz = (uint32_t)sz;
        return ref;
    }
    if (need <= room && room / 2 <= need + 64) {
        tm_ref_touch(ks->slab.arena, ref);
        memmove(item->bytes + tm_align_up(sz, 8), item_key(item), item->key_sz);
        item->value_sz = (uint32_t)sz;
        return ref;
    }
    tm_ref_t fresh_ref = tm_slab_alloc(&ks->slab, (uint32_t)need);
    if (fresh_ref == 0) return 0;
    item_t *fresh = item_at(ks, fresh_ref);
    state_map_t *map = slot_at(record, &ks->slots[item->state]);
    state_item_entry_t *entry;
    *item_link(ks, ref, &entry) = fresh_ref;
    *fresh = *item;
    fresh->value_sz = (uint32_t)sz;
    memcpy(fresh->bytes + tm_align_up(sz, 8), item_key(item), item->key_sz);
    if (item->prev != 0)
        ((item_t *)state_edit(ks, item->prev))->next = fresh_ref;
    else
        map->head = fresh_ref;
    if (item->next != 0)
        ((item_t *)state_edit(ks, item->next))->prev = fresh_ref;
    else
        map->tail = fresh_ref;
    tm_slab_free(&ks->slab, ref);
    return fresh_ref;
}

int tm_keyed_map_put(tm_keyed_state_t *ks, uint32_t state, const tm_map_entry_t *entry)
{
    const tm_state_spec_t *spec = &ks->slots[state].spec;
    TM_CHECK((spec->value_sz == 0 || spec->value_sz == entry->value_sz) &&
                 (spec->key_sz == 0 || spec->key_sz == entry->key_sz),
             "state %s: keys of %u and values of %u bytes, not %zu and %zu", spec->name,
             spec->key_sz, spec->value_sz, entry->key_sz, entry->value_sz);
    if (entry->value_sz > TM_STATE_SZ_MAX || entry->value_sz + entry->key_sz > TM_STATE_SZ_MAX)
        return TM_E_LIMIT;
    state_record_t *record = tm_keyed_record_edit(ks);
    if (!record) return TM_E_LIMIT;
    uint64_t hash = item_hash(ks->key, state, entry->key, entry->key_sz);
    tm_ref_t ref = record->present >> state & 1
                       ? item_find(ks, state, entry->key, entry->key_sz, hash)
                       : 0;
    /* An entry that has expired is as good as none: it loses its place in the order. */
    if (ref != 0 && spec->ttl_ns > 0 && state_expired(ks, spec, item_at(ks, ref)->stamp)) {
        item_free(ks, record, ref);
        ref = 0;
    }
    ref = ref != 0 ? item_resize(ks, record, ref, entry->value_sz)
                   : item_add(ks, record, state, entry, hash);
    if (ref == 0) return TM_E_LIMIT;
    item_t *item = state_edit(ks, ref);
    if (entry->value_sz > 0) memmove(item->bytes, entry->value, entry->value_sz);
    item->stamp = state_stamp(ks, spec);
    return 0;
}

bool tm_keyed_map_remove(tm_keyed_state_t *ks, uint32_t state, const void *key, size_t key_sz)
{
    if (!map_is_there(ks, state)) return false;
    tm_ref_t ref = item_find(ks, state, key, key_sz, item_hash(ks->key, state, key, key_sz));
    if (ref == 0) return false;
    const tm_state_spec_t *spec = &ks->slots[state].spec;
    bool alive = spec->ttl_ns == 0 || !state_expired(ks, spec, item_at(ks, ref)->stamp);
    item_free(ks, tm_keyed_record_edit(ks), ref);
    return alive;
}

bool tm_keyed_map_next(tm_keyed_state_t *ks, tm_state_iter_t *at, tm_map_entry_t *entry)
{
    if (!at->started) {
        at->started = 1;
        at->ref = map_is_there(ks, at->state)
                      ? ((state_map_t *)slot_at(ks->record, &ks->slots[at->state]))->head
                      : 0;
    }
    while (at->ref != 0) {
        tm_ref_t ref = at->ref;
        at->ref = item_at(ks, ref)->next;
        if (!item_alive(ks, ref)) continue;
        const item_t *item = item_at(ks, ref);
        *entry = (tm_map_entry_t){item_key(item), item->key_sz, item->bytes, item->value_sz};
        return true;
    }
    return false;
}

uint32_t tm_keyed_map_sweep(tm_keyed_state_t *ks, uint32_t max)
{
    tm_ref_t due[64];
    uint32_t due_cnt = 0;
    void *run;
    uint32_t cnt = tm_keyed_sweep(&ks->items, max < 64 ? max : 64, &run);
    const state_item_entry_t *entries = run;
    for (uint32_t i = 0; i < cnt; i++)
        for (tm_ref_t ref = entries[i].first; ref != 0 && due_cnt < 64;
             ref = item_at(ks, ref)->same) {
            const item_t *item = item_at(ks, ref);
            const tm_state_spec_t *spec = &ks->slots[item->state].spec;
            if (spec->ttl_ns > 0 && state_expired(ks, spec, item->stamp)) due[due_cnt++] = ref;
        }
    for (uint32_t i = 0; i < due_cnt; i++) {
        uint64_t owner = item_at(ks, due[i])->owner;
        state_record_t *record = tm_keyed_find(&ks->records, owner, tm_keyed_tag(owner));
        TM_CHECK(record != NULL, "keyed state: a map entry without a record");
        tm_ptr_touch(ks->slab.arena, record);
        item_free(ks, record, due[i]);
        if (record->present == 0 && record->timers == 0) tm_keyed_record_drop(ks, record);
    }
    return due_cnt;
}

int64_t tm_keyed_map_stamp(const tm_map_entry_t *entry)
{
    int64_t stamp;
    const uint8_t *item = (const uint8_t *)entry->value - offsetof(item_t, bytes);
    memcpy(&stamp, item + offsetof(item_t, stamp), sizeof stamp);
    return stamp;
}
