/* Lists of keyed state: chunks of a chain, oldest first. A chunk is twice as large as the one
   before, up to 4 KiB, so that short lists are small and long ones are few blocks. An element is a
   head of 8 bytes (its size), its stamp where the list has a time to live, then its bytes. */
#include "engine/operators/process/keyed_state_private.h"

enum { CHUNK_MIN = 64, CHUNK_MAX = 4080 };

typedef struct chunk {
    tm_ref_t next;
    uint32_t used;  /* bytes taken, this head included */
    int64_t newest; /* stamp */
} chunk_t;

typedef struct element {
    uint32_t sz;
    uint32_t reserved;
} element_t;

static uint32_t head_sz(const tm_state_spec_t *spec)
{
    return (uint32_t)(sizeof(element_t) + (spec->ttl_ns > 0 ? sizeof(int64_t) : 0));
}

static uint32_t element_sz(const tm_state_spec_t *spec, size_t sz)
{
    return head_sz(spec) + (uint32_t)tm_align_up(sz, 8);
}

void tm_keyed_list_free(tm_keyed_state_t *ks, state_list_t *list)
{
    for (tm_ref_t ref = list->head, next; ref != 0; ref = next) {
        next = ((const chunk_t *)state_ptr(ks, ref))->next;
        tm_slab_free(&ks->slab, ref);
    }
    *list = (state_list_t){0};
}

uint32_t tm_keyed_list_expire(tm_keyed_state_t *ks, const tm_state_spec_t *spec, state_list_t *list)
{
    uint32_t gone = 0;
    while (list->head != 0) {
        const chunk_t *chunk = state_ptr(ks, list->head);
        if (!state_expired(ks, spec, chunk->newest)) break;
        tm_ptr_touch(ks->slab.arena, list);
        tm_ref_t next = chunk->next;
        tm_slab_free(&ks->slab, list->head);
        list->head = next;
        if (next == 0) list->tail = 0;
        gone++;
    }
    return gone;
}

/* The last chunk where it has room for `need` bytes more, else a new one; NULL = no room. */
static chunk_t *chunk_with_room(tm_keyed_state_t *ks, state_list_t *list, uint32_t need)
{
    uint32_t room = CHUNK_MIN;
    chunk_t *tail = NULL;
    if (list->tail != 0) {
        tail = state_edit(ks, list->tail);
        room = tm_slab_room(&ks->slab, list->tail);
        if (tail->used + need <= room) return tail;
        room = 2 * room < CHUNK_MAX ? 2 * room : CHUNK_MAX;
    }
    if (room < sizeof(chunk_t) + need) room = (uint32_t)sizeof(chunk_t) + need;
    tm_ref_t ref = tm_slab_alloc(&ks->slab, room);
    if (ref == 0) return NULL;
    chunk_t *fresh = state_ptr(ks, ref);
    *fresh = (chunk_t){.used = sizeof *fresh, .newest = TM_TIME_NONE};
    if (tail)
        tail->next = ref;
    else
        list->head = ref;
    list->tail = ref;
    return fresh;
}

int tm_keyed_list_add(tm_keyed_state_t *ks, uint32_t state, const void *value, size_t sz)
{
    const tm_state_slot_t *slot = &ks->slots[state];
    const tm_state_spec_t *spec = &slot->spec;
    TM_CHECK(spec->value_sz == 0 || spec->value_sz == sz, "state %s: values have %u bytes, not %zu",
             spec->name, spec->value_sz, sz);
    if (sz > TM_STATE_SZ_MAX) return TM_E_LIMIT;
    state_record_t *record = tm_keyed_record_edit(ks);
    if (!record) return TM_E_LIMIT;
    state_list_t *list = slot_at(record, slot);
    uint32_t need = element_sz(spec, sz);
    chunk_t *chunk = chunk_with_room(ks, list, need);
    if (!chunk) return TM_E_LIMIT;
    record->present |= 1u << state;
    uint8_t *at = (uint8_t *)chunk + chunk->used;
    const element_t head = {.sz = (uint32_t)sz};
    memcpy(at, &head, sizeof head);
    if (spec->ttl_ns > 0) {
        int64_t stamp = state_stamp(ks, spec);
        memcpy(at + sizeof head, &stamp, sizeof stamp);
        if (stamp > chunk->newest) chunk->newest = stamp;
    }
    if (sz > 0) memcpy(at + head_sz(spec), value, sz);
    chunk->used += need;
    return 0;
}

/* Whether the element at `at` is to be given; refreshes its stamp where reading does that. */
static bool element_alive(tm_keyed_state_t *ks, const tm_state_spec_t *spec, chunk_t *chunk,
                          uint8_t *at)
{
    int64_t stamp;
    if (spec->ttl_ns == 0) return true;
    memcpy(&stamp, at + sizeof(element_t), sizeof stamp);
    if (state_expired(ks, spec, stamp)) return false;
    if (spec->ttl_update == TM_TTL_ON_READ_AND_WRITE) {
        stamp = state_stamp(ks, spec);
        tm_ptr_touch(ks->slab.arena, at);
        memcpy(at + sizeof(element_t), &stamp, sizeof stamp);
        if (stamp > chunk->newest) chunk->newest = stamp;
    }
    return true;
}

/* Whether there is a list; what has expired at its front goes when a walk begins. */
static bool walk_start(tm_keyed_state_t *ks, tm_state_iter_t *at)
{
    const tm_state_slot_t *slot = &ks->slots[at->state];
    state_record_t *record = tm_keyed_record(ks);
    at->started = 1;
    at->ref = 0;
    if (!record || !(record->present >> at->state & 1)) return false;
    state_list_t *list = slot_at(record, slot);
    if (slot->spec.ttl_ns > 0) tm_keyed_list_expire(ks, &slot->spec, list);
    if (list->head == 0) record->present &= ~(1u << at->state);
    at->ref = list->head;
    at->off = sizeof(chunk_t);
    return at->ref != 0;
}

bool tm_keyed_list_next(tm_keyed_state_t *ks, tm_state_iter_t *at, const void **value, size_t *sz)
{
    const tm_state_spec_t *spec = &ks->slots[at->state].spec;
    if (!at->started && !walk_start(ks, at)) return false;
    while (at->ref != 0) {
        chunk_t *chunk = state_ptr(ks, at->ref);
        if (at->off == chunk->used) {
            at->ref = chunk->next;
            at->off = sizeof *chunk;
            continue;
        }
        uint8_t *where = (uint8_t *)chunk + at->off;
        element_t head;
        memcpy(&head, where, sizeof head);
        at->off += element_sz(spec, head.sz);
        if (!element_alive(ks, spec, chunk, where)) continue;
        *value = where + head_sz(spec);
        if (sz) *sz = head.sz;
        return true;
    }
    return false;
}

int64_t tm_keyed_list_stamp(const tm_keyed_state_t *ks, uint32_t state, const void *value)
{
    int64_t stamp;
    if (ks->slots[state].spec.ttl_ns == 0) return TM_TIME_NONE;
    memcpy(&stamp, (const uint8_t *)value - sizeof stamp, sizeof stamp);
    return stamp;
}
