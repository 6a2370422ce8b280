#include "engine/operators/process/keyed_state_private.h"

#include <assert.h>

static_assert(sizeof(state_record_t) == 16, "slots start 16-aligned");
static_assert(TM_STATE_SZ_MAX + 256 <= TM_SLAB_SZ_MAX, "a value and its head fit a block");

/* ---- Descriptors ----------------------------------------------------------------------------- */

static bool is_single(const tm_state_spec_t *spec)
{
    return spec->kind == TM_STATE_VALUE || spec->kind == TM_STATE_REDUCING ||
           spec->kind == TM_STATE_AGGREGATING;
}

/* Places the slots; returns the record's size. */
static uint32_t slots_build(tm_state_slot_t *slots, const tm_state_spec_t *specs, size_t cnt)
{
    uint32_t at = sizeof(state_record_t);
    for (size_t i = 0; i < cnt; i++) {
        tm_state_slot_t *slot = &slots[i];
        *slot = (tm_state_slot_t){.spec = specs[i]};
        uint32_t sz = specs[i].value_sz;
        slot->inlined = is_single(&specs[i]) && sz > 0 && sz <= KEYED_STATE_INLINE_MAX;
        if (slot->inlined && sz % 16 == 0) at = (uint32_t)tm_align_up(at, 16);
        slot->off = (uint16_t)at;
        at += slot->inlined ? (uint32_t)tm_align_up(sz, 8) : 8;
        slot->stamp_off = (uint16_t)at;
        if (is_single(&specs[i]) && specs[i].ttl_ns > 0) at += sizeof(int64_t);
    }
    return (uint32_t)tm_align_up(at, 16);
}

static int spec_check(const tm_state_spec_t *spec)
{
    const char *name = spec->name ? spec->name : "(no name)";
    if (!spec->name || !spec->name[0]) return tm_error_set(TM_E_CONFIG, "a state needs a name");
    if (spec->kind < TM_STATE_VALUE || spec->kind > TM_STATE_AGGREGATING)
        return tm_error_set(TM_E_CONFIG, "state %s: kind must be one of TM_STATE_*", name);
    if (spec->value_sz > TM_STATE_SZ_MAX || spec->key_sz > TM_STATE_SZ_MAX)
        return tm_error_set(TM_E_CONFIG, "state %s: sizes go up to %d bytes", name,
                            TM_STATE_SZ_MAX);
    if (spec->kind == TM_STATE_REDUCING && (!spec->reduce || spec->value_sz == 0))
        return tm_error_set(TM_E_CONFIG, "state %s: reducing state needs reduce and value_sz",
                            name);
    if (spec->kind == TM_STATE_AGGREGATING && (!spec->add || !spec->result || spec->value_sz == 0))
        return tm_error_set(TM_E_CONFIG,
                            "state %s: aggregating state needs add, result and value_sz", name);
    if (spec->ttl_ns < 0)
        return tm_error_set(TM_E_CONFIG, "state %s: ttl_ns must not be negative", name);
    return 0;
}

int tm_keyed_state_check(const tm_state_spec_t *specs, size_t cnt)
{
    tm_state_slot_t slots[TM_STATE_CNT_MAX];
    if (cnt > TM_STATE_CNT_MAX)
        return tm_error_set(TM_E_CONFIG, "a process function has at most %d states",
                            TM_STATE_CNT_MAX);
    for (size_t i = 0; i < cnt; i++) {
        TM_TRY(spec_check(&specs[i]));
        for (size_t k = 0; k < i; k++)
            if (strcmp(specs[k].name, specs[i].name) == 0)
                return tm_error_set(TM_E_CONFIG, "two states have the name %s", specs[i].name);
    }
    uint32_t sz = slots_build(slots, specs, cnt);
    if (sz > TM_KEYED_ENTRY_SZ_MAX)
        return tm_error_set(TM_E_CONFIG, "the states of a key take %u bytes, more than %d", sz,
                            TM_KEYED_ENTRY_SZ_MAX);
    return 0;
}

void tm_keyed_state_init(tm_keyed_state_t *ks, tm_page_arena_t *pages, const tm_key_t *layout,
                         const tm_state_spec_t *specs, size_t cnt)
{
    *ks = (tm_keyed_state_t){.layout = *layout,
                             .wide = layout->form == TM_KEY_WIDE,
                             .slot_cnt = (uint32_t)cnt,
                             .clock_ns = {TM_TIME_NONE, TM_TIME_NONE},
                             .stamp_ns = TM_TIME_NONE};
    tm_slab_init(&ks->slab, pages);
    tm_keyed_init(&ks->records, pages, slots_build(ks->slots, specs, cnt));
    tm_keyed_init(&ks->items, pages, sizeof(state_item_entry_t));
    tm_key_dict_init(&ks->dict, &ks->slab);
    for (size_t i = 0; i < cnt; i++) {
        ks->has_ttl |= specs[i].ttl_ns > 0;
        ks->has_map_ttl |= specs[i].ttl_ns > 0 && specs[i].kind == TM_STATE_MAP;
    }
}

void tm_keyed_state_clear(tm_keyed_state_t *ks)
{
    tm_keyed_clear(&ks->records);
    tm_keyed_clear(&ks->items);
    tm_key_dict_clear(&ks->dict);
    tm_slab_clear(&ks->slab);
}

/* ---- Keys and records ------------------------------------------------------------------------ */

void tm_keyed_state_begin_row(tm_keyed_state_t *ks, const tm_key_t *key, const void *row,
                              uint8_t *bytes)
{
    ks->record = NULL;
    ks->looked = false;
    if (!ks->wide) {
        ks->key = tm_key_load_narrow(key, row);
        ks->tag = tm_keyed_tag(ks->key);
        return;
    }
    tm_key_bytes(key, row, bytes);
    ks->bytes = bytes;
    ks->hash = tm_bytes_hash(bytes, ks->layout.sz);
    ks->key = tm_key_dict_find(&ks->dict, bytes, ks->layout.sz, ks->hash);
    ks->tag = tm_keyed_tag(ks->key);
    ks->looked = ks->key == 0;
}

void tm_keyed_state_begin_key(tm_keyed_state_t *ks, uint64_t key)
{
    uint32_t sz;
    ks->record = NULL;
    ks->looked = false;
    ks->key = key;
    ks->tag = tm_keyed_tag(key);
    if (ks->wide) ks->bytes = tm_key_dict_bytes(&ks->dict, key, &sz);
}

void tm_keyed_state_begin_bytes(tm_keyed_state_t *ks, const uint8_t *bytes)
{
    ks->record = NULL;
    ks->key = 0;
    if (ks->wide) {
        ks->bytes = bytes;
        ks->hash = tm_bytes_hash(bytes, ks->layout.sz);
        ks->key = tm_key_dict_find(&ks->dict, bytes, ks->layout.sz, ks->hash);
    } else {
        memcpy(&ks->key, bytes, ks->layout.sz);
    }
    ks->tag = tm_keyed_tag(ks->key);
    ks->looked = ks->wide && ks->key == 0;
}

const uint8_t *tm_keyed_state_key(const tm_keyed_state_t *ks)
{
    return ks->wide ? ks->bytes : (const uint8_t *)&ks->key;
}

void tm_keyed_state_prefetch(const tm_keyed_state_t *ks, const tm_key_t *key, const void *row,
                             bool index)
{
    if (ks->records.cnt == 0 || ks->wide) return;
    uint32_t tag = tm_keyed_tag(tm_key_load_narrow(key, row));
    const tm_keyed_bucket_t *home = tm_keyed_home(&ks->records, tag);
    const void *entry = index ? home : tm_keyed_guess(&ks->records, home, tag);
    __builtin_prefetch(entry, 1);
}

state_record_t *tm_keyed_record(tm_keyed_state_t *ks)
{
    if (!ks->looked) {
        ks->record = tm_keyed_find(&ks->records, ks->key, ks->tag);
        ks->looked = true;
    }
    return ks->record;
}

state_record_t *tm_keyed_record_edit(tm_keyed_state_t *ks)
{
    state_record_t *record = tm_keyed_record(ks);
    if (record) {
        tm_span_touch(ks->slab.arena, record, ks->records.entry_sz);
        return record;
    }
    bool added;
    if (ks->wide) {
        ks->key = tm_key_dict_hold(&ks->dict, ks->bytes, ks->layout.sz, ks->hash);
        if (ks->key == 0) return NULL;
        ks->tag = tm_keyed_tag(ks->key);
    }
    record = tm_keyed_get(&ks->records, ks->key, ks->tag, &added);
    if (!record) {
        if (ks->wide) tm_key_dict_release(&ks->dict, ks->key);
        if (ks->wide) ks->key = 0;
        return NULL;
    }
    memset((uint8_t *)record + sizeof record->key, 0, ks->records.entry_sz - sizeof record->key);
    ks->record = record;
    return record;
}

void tm_keyed_record_drop(tm_keyed_state_t *ks, state_record_t *record)
{
    uint64_t key = record->key;
    tm_keyed_erase(&ks->records, record);
    if (ks->wide) tm_key_dict_release(&ks->dict, key);
}

void tm_keyed_state_end(tm_keyed_state_t *ks)
{
    state_record_t *record = ks->record;
    if (record && record->present == 0 && record->timers == 0) tm_keyed_record_drop(ks, record);
    ks->record = NULL;
}

int tm_keyed_state_timer_added(tm_keyed_state_t *ks)
{
    state_record_t *record = tm_keyed_record_edit(ks);
    if (!record) return TM_E_LIMIT;
    record->timers++;
    return 0;
}

void tm_keyed_state_timer_gone(tm_keyed_state_t *ks)
{
    state_record_t *record = tm_keyed_record_edit(ks);
    TM_CHECK(record && record->timers > 0, "keyed state: a timer without a record");
    record->timers--;
}

/* ---- Values ---------------------------------------------------------------------------------- */

static int64_t stamp_get(const state_record_t *record, const tm_state_slot_t *slot)
{
    int64_t stamp;
    memcpy(&stamp, (const uint8_t *)record + slot->stamp_off, sizeof stamp);
    return stamp;
}

static void stamp_set(tm_keyed_state_t *ks, state_record_t *record, const tm_state_slot_t *slot)
{
    int64_t stamp = state_stamp(ks, &slot->spec);
    memcpy((uint8_t *)record + slot->stamp_off, &stamp, sizeof stamp);
}

int64_t tm_keyed_value_stamp(tm_keyed_state_t *ks, uint32_t state)
{
    const tm_state_slot_t *slot = &ks->slots[state];
    return slot->spec.ttl_ns > 0 ? stamp_get(tm_keyed_record(ks), slot) : TM_TIME_NONE;
}

/* Takes a state away from a touched record. */
static void state_drop(tm_keyed_state_t *ks, state_record_t *record, uint32_t state)
{
    const tm_state_slot_t *slot = &ks->slots[state];
    void *at = slot_at(record, slot);
    if (slot->spec.kind == TM_STATE_LIST)
        tm_keyed_list_free(ks, at);
    else if (slot->spec.kind == TM_STATE_MAP)
        tm_keyed_map_free(ks, at);
    else if (!slot->inlined)
        tm_slab_free(&ks->slab, *(tm_ref_t *)at);
    record->present &= ~(1u << state);
}

/* The record where the state is there and not expired. */
static state_record_t *value_record(tm_keyed_state_t *ks, uint32_t state)
{
    const tm_state_slot_t *slot = &ks->slots[state];
    state_record_t *record = tm_keyed_record(ks);
    if (!record || !(record->present >> state & 1)) return NULL;
    if (slot->spec.ttl_ns > 0 && state_expired(ks, &slot->spec, stamp_get(record, slot))) {
        state_drop(ks, tm_keyed_record_edit(ks), state);
        return NULL;
    }
    return record;
}

const void *tm_keyed_value_get(tm_keyed_state_t *ks, uint32_t state, size_t *sz)
{
    const tm_state_slot_t *slot = &ks->slots[state];
    state_record_t *record = value_record(ks, state);
    if (!record) return NULL;
    if (slot->spec.ttl_ns > 0 && slot->spec.ttl_update == TM_TTL_ON_READ_AND_WRITE)
        stamp_set(ks, tm_keyed_record_edit(ks), slot);
    if (slot->inlined) {
        if (sz) *sz = slot->spec.value_sz;
        return slot_at(record, slot);
    }
    const state_blob_t *blob = state_ptr(ks, *(tm_ref_t *)slot_at(record, slot));
    if (sz) *sz = blob->sz;
    return blob->bytes;
}

/* Room for a new value of sz bytes in a record, the old one gone: NULL = no room, nothing done. */
static void *value_room(tm_keyed_state_t *ks, state_record_t *record, uint32_t state, size_t sz)
{
    const tm_state_slot_t *slot = &ks->slots[state];
    uint32_t bit = 1u << state;
    tm_ref_t *ref = slot_at(record, slot);
    if (slot->inlined) {
        record->present |= bit;
        return ref;
    }
    uint32_t need = (uint32_t)(sizeof(state_blob_t) + sz);
    tm_ref_t old = record->present & bit ? *ref : 0;
    if (old == 0 || tm_slab_room(&ks->slab, old) < need ||
        tm_slab_room(&ks->slab, old) / 2 > need + 64) {
        tm_ref_t fresh = tm_slab_alloc(&ks->slab, need);
        if (fresh == 0) return NULL;
        tm_slab_free(&ks->slab, old);
        *ref = fresh;
    }
    record->present |= bit;
    state_blob_t *blob = state_edit(ks, *ref);
    *blob = (state_blob_t){.sz = (uint32_t)sz};
    return blob->bytes;
}

int tm_keyed_value_set(tm_keyed_state_t *ks, uint32_t state, const void *value, size_t sz)
{
    const tm_state_slot_t *slot = &ks->slots[state];
    TM_CHECK(slot->spec.value_sz == 0 || slot->spec.value_sz == sz,
             "state %s: values have %u bytes, not %zu", slot->spec.name, slot->spec.value_sz, sz);
    if (sz > TM_STATE_SZ_MAX) return TM_E_LIMIT;
    state_record_t *record = tm_keyed_record_edit(ks);
    void *at = record ? value_room(ks, record, state, sz) : NULL;
    if (!at) return TM_E_LIMIT;
    if (sz > 0) memmove(at, value, sz);
    if (slot->spec.ttl_ns > 0) stamp_set(ks, record, slot);
    return 0;
}

int tm_keyed_value_add(tm_keyed_state_t *ks, uint32_t state, const void *input)
{
    const tm_state_slot_t *slot = &ks->slots[state];
    const tm_state_spec_t *spec = &slot->spec;
    bool there = value_record(ks, state) != NULL;
    if (!there && spec->kind == TM_STATE_REDUCING)
        return tm_keyed_value_set(ks, state, input, spec->value_sz);
    state_record_t *record = tm_keyed_record_edit(ks);
    if (!record) return TM_E_LIMIT;
    void *at;
    if (!there) {
        at = value_room(ks, record, state, spec->value_sz);
        if (!at) return TM_E_LIMIT;
        memset(at, 0, spec->value_sz);
        if (spec->init) spec->init(at);
    } else if (slot->inlined) {
        at = slot_at(record, slot);
    } else {
        at = ((state_blob_t *)state_edit(ks, *(tm_ref_t *)slot_at(record, slot)))->bytes;
    }
    if (spec->kind == TM_STATE_REDUCING)
        spec->reduce(at, input);
    else
        spec->add(at, input);
    if (spec->ttl_ns > 0) stamp_set(ks, record, slot);
    return 0;
}

void tm_keyed_clear_state(tm_keyed_state_t *ks, uint32_t state)
{
    state_record_t *record = tm_keyed_record(ks);
    if (record && record->present >> state & 1) state_drop(ks, tm_keyed_record_edit(ks), state);
}

/* ---- Sweeping -------------------------------------------------------------------------------- */

static uint32_t record_sweep(tm_keyed_state_t *ks, state_record_t *record)
{
    uint32_t gone = 0;
    for (uint32_t bits = record->present; bits; bits &= bits - 1) {
        uint32_t state = (uint32_t)__builtin_ctz(bits);
        const tm_state_slot_t *slot = &ks->slots[state];
        if (slot->spec.ttl_ns == 0 || slot->spec.kind == TM_STATE_MAP) continue;
        if (slot->spec.kind == TM_STATE_LIST) {
            state_list_t *list = slot_at(record, slot);
            gone += tm_keyed_list_expire(ks, &slot->spec, list);
            if (list->head == 0) record->present &= ~(1u << state);
        } else if (state_expired(ks, &slot->spec, stamp_get(record, slot))) {
            tm_span_touch(ks->slab.arena, record, ks->records.entry_sz);
            state_drop(ks, record, state);
            gone++;
        }
    }
    return gone;
}

uint32_t tm_keyed_state_sweep(tm_keyed_state_t *ks, uint32_t max)
{
    if (!ks->has_ttl) return 0;
    void *run;
    uint32_t gone = ks->has_map_ttl ? tm_keyed_map_sweep(ks, max) : 0;
    uint32_t cnt = tm_keyed_sweep(&ks->records, max, &run);
    for (uint32_t i = cnt; i-- > 0;) {
        state_record_t *record = (state_record_t *)(void *)((uint8_t *)run +
                                                            (size_t)i * ks->records.entry_sz);
        gone += record_sweep(ks, record);
        if (record->present == 0 && record->timers == 0) tm_keyed_record_drop(ks, record);
    }
    return gone;
}
