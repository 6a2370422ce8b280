/* engine/operators/process/keyed_state_private.h - what the parts of keyed state share:
   keyed_state.c (records, keys, values), keyed_list.c and keyed_map.c. Nobody else includes it. */
#ifndef TM_ENGINE_KEYED_STATE_PRIVATE_H
#define TM_ENGINE_KEYED_STATE_PRIVATE_H

#include "base/check.h"
#include "base/error.h"
#include "engine/operators/process/keyed_state.h"

/* The head of a record; the slots follow. */
typedef struct state_record {
    uint64_t key;
    uint32_t present; /* bit by state */
    uint32_t timers;
} state_record_t;

/* A value that does not lie in the record: a block that starts with its size. */
typedef struct state_blob {
    uint32_t sz;
    uint32_t reserved[3];
    uint8_t bytes[];
} state_blob_t;

typedef struct state_list {
    tm_ref_t head, tail;
} state_list_t;

typedef struct state_map {
    tm_ref_t head, tail;
} state_map_t;

/* The current key's record, NULL where it has none; and the same, made where there is none (NULL =
   no room) and touched. */
state_record_t *tm_keyed_record(tm_keyed_state_t *ks);
state_record_t *tm_keyed_record_edit(tm_keyed_state_t *ks);

static inline void *slot_at(state_record_t *record, const tm_state_slot_t *slot)
{
    return (uint8_t *)record + slot->off;
}

static inline void *state_ptr(const tm_keyed_state_t *ks, tm_ref_t ref)
{
    return tm_ref_ptr(ks->slab.arena, ref);
}

static inline void *state_edit(const tm_keyed_state_t *ks, tm_ref_t ref)
{
    tm_ref_touch(ks->slab.arena, ref);
    return tm_ref_ptr(ks->slab.arena, ref);
}

/* The stamp of an update made now. */
static inline int64_t state_stamp(const tm_keyed_state_t *ks, const tm_state_spec_t *spec)
{
    int64_t clock = ks->clock_ns[spec->ttl_time];
    return spec->ttl_time == TM_EVENT_TIME && ks->stamp_ns > clock ? ks->stamp_ns : clock;
}

static inline bool state_expired(const tm_keyed_state_t *ks, const tm_state_spec_t *spec,
                                 int64_t stamp)
{
    int64_t end;
    if (__builtin_add_overflow(stamp, spec->ttl_ns, &end)) end = INT64_MAX;
    return stamp != TM_TIME_NONE && end <= ks->clock_ns[spec->ttl_time] && end != INT64_MAX;
}

/* keyed_list.c: all of it; and the chunks at its front that have expired (which touches the record
   where there are any). Each leaves the list in order, and the record's bit to the caller. */
void tm_keyed_list_free(tm_keyed_state_t *ks, state_list_t *list);
uint32_t tm_keyed_list_expire(tm_keyed_state_t *ks, const tm_state_spec_t *spec,
                              state_list_t *list);

/* Stamps of the current key's value, and of what a walk over a list or map has given just now;
   TM_TIME_NONE where the state has no time to live. */
int64_t tm_keyed_value_stamp(tm_keyed_state_t *ks, uint32_t state);
int64_t tm_keyed_list_stamp(const tm_keyed_state_t *ks, uint32_t state, const void *value);
int64_t tm_keyed_map_stamp(const tm_map_entry_t *entry);

/* keyed_map.c: all entries of a map; and a sweep over the entries of all keys. */
void tm_keyed_map_free(tm_keyed_state_t *ks, state_map_t *map);
uint32_t tm_keyed_map_sweep(tm_keyed_state_t *ks, uint32_t max);

/* Takes a record that holds nothing any more out of the table. */
void tm_keyed_record_drop(tm_keyed_state_t *ks, state_record_t *record);

/* A map entry as the table of items has it. */
typedef struct state_item_entry {
    uint64_t hash;
    tm_ref_t first; /* entries of that hash */
    uint32_t reserved;
} state_item_entry_t;

#endif
