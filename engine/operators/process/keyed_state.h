/* engine/operators/process/keyed_state.h - everything an operator remembers of its keys: values,
   lists, maps, reducing and aggregating state, with time to live.
   Flow     process function -> [keyed state] -> keyed tables and slab blocks in pages
   Method   all states of a key lie in one record of a keyed table, values of up to
            KEYED_STATE_INLINE_MAX bytes in the record itself: a row costs one lookup whatever the
            number of states. Larger and variable-size values, lists (chained chunks) and map
            entries lie in slab blocks; map entries of all keys are found by one more table. A
            record goes when its last state and timer are gone
   Use      begin(key), any number of reads and writes, end(). A record is looked up at the first of
            them and made at the first write
   Expiry   a value is expired once its domain's clock reaches its stamp + ttl (saturating). The
            event-time clock is the watermark, or the time of the timer under way; a stamp is the
            later of that and the row's event time. Expired values are never returned; reads, and a
            sweep over a few entries at a time, take them away
   Units    state: index into the specs; *_ns: of the state's time domain
   Memory   a struct of the caller, pages of the arena; nothing outside of them
   Threads  the worker's
   Errors   check: TM_E_CONFIG with a text that names the state. Writes: TM_E_LIMIT where there is
            no page left or a value is too large; what was there stays
   Limits   TM_STATE_CNT_MAX states, records of TM_KEYED_ENTRY_SZ_MAX bytes, values and map entries
            of TM_STATE_SZ_MAX bytes.  Tests tests/engine/test_keyed_state.c */
#ifndef TM_ENGINE_KEYED_STATE_H
#define TM_ENGINE_KEYED_STATE_H

#include "base/row.h"
#include "engine/operators/key.h"
#include "engine/tidemark.h"
#include "state/table/key_dict.h"

enum { KEYED_STATE_INLINE_MAX = 256 };

/* How a state lies in a record. */
typedef struct tm_state_slot {
    tm_state_spec_t spec;
    uint16_t off;       /* of the value, or of what refers to it */
    uint16_t stamp_off; /* of the value's stamp, where it has one */
    bool inlined;
} tm_state_slot_t;

typedef struct tm_keyed_state {
    tm_slab_t slab;
    tm_keyed_table_t records;
    tm_keyed_table_t items; /* map entries, by hash of key, state and map key */
    tm_key_dict_t dict;
    tm_key_t layout; /* sizes and places of the key's fields */
    bool wide;       /* the key is numbered by the dict */
    tm_state_slot_t slots[TM_STATE_CNT_MAX];
    uint32_t slot_cnt;
    bool has_ttl, has_map_ttl;

    /* The key under way. */
    uint64_t key; /* of the record; 0 for a wide key that has none yet */
    uint64_t hash;
    const uint8_t *bytes; /* of a wide key */
    uint32_t tag;
    bool looked;  /* record is up to date */
    void *record; /* NULL = none */

    int64_t clock_ns[2]; /* by domain; TM_TIME_NONE = not known yet */
    int64_t stamp_ns;    /* event time of the row or timer under way */
} tm_keyed_state_t;

/* Whether the specs make sense. */
int tm_keyed_state_check(const tm_state_spec_t *specs, size_t cnt) TM_MUST_CHECK;

/* Specs that pass the check; they are copied, names too must live on. */
void tm_keyed_state_init(tm_keyed_state_t *ks, tm_page_arena_t *pages, const tm_key_t *layout,
                         const tm_state_spec_t *specs, size_t cnt);

/* Hands back all pages. */
void tm_keyed_state_clear(tm_keyed_state_t *ks);

/* The key of a row, or that of a record or timer, until end. `bytes` has room for it; the
   keys of all inputs have fields of the same sizes. */
void tm_keyed_state_begin_row(tm_keyed_state_t *ks, const tm_key_t *key, const void *row,
                              uint8_t *bytes);
void tm_keyed_state_begin_key(tm_keyed_state_t *ks, uint64_t key);
void tm_keyed_state_begin_bytes(tm_keyed_state_t *ks, const uint8_t *bytes);
void tm_keyed_state_end(tm_keyed_state_t *ks);

/* Asks the memory for what begin_row and the first access will read: the place in the index, and
   once that is there, the record. */
void tm_keyed_state_prefetch(const tm_keyed_state_t *ks, const tm_key_t *key, const void *row,
                             bool index);

/* The key's bytes, as the layout places them. */
const uint8_t *tm_keyed_state_key(const tm_keyed_state_t *ks);

/* Timers of the current key: a record stays while it has any. add -> 0 or TM_E_LIMIT. */
int tm_keyed_state_timer_added(tm_keyed_state_t *ks) TM_MUST_CHECK;
void tm_keyed_state_timer_gone(tm_keyed_state_t *ks);

/* The current key's states: what tidemark.h says of tm_value_get and its like. */
const void *tm_keyed_value_get(tm_keyed_state_t *ks, uint32_t state, size_t *sz);
int tm_keyed_value_set(tm_keyed_state_t *ks, uint32_t state, const void *value,
                       size_t sz) TM_MUST_CHECK;
int tm_keyed_value_add(tm_keyed_state_t *ks, uint32_t state, const void *input) TM_MUST_CHECK;
void tm_keyed_clear_state(tm_keyed_state_t *ks, uint32_t state);

int tm_keyed_list_add(tm_keyed_state_t *ks, uint32_t state, const void *value,
                      size_t sz) TM_MUST_CHECK;
bool tm_keyed_list_next(tm_keyed_state_t *ks, tm_state_iter_t *at, const void **value, size_t *sz);

const void *tm_keyed_map_get(tm_keyed_state_t *ks, uint32_t state, const void *key, size_t key_sz,
                             size_t *sz);
int tm_keyed_map_put(tm_keyed_state_t *ks, uint32_t state,
                     const tm_map_entry_t *entry) TM_MUST_CHECK;
bool tm_keyed_map_remove(tm_keyed_state_t *ks, uint32_t state, const void *key, size_t key_sz);
bool tm_keyed_map_next(tm_keyed_state_t *ks, tm_state_iter_t *at, tm_map_entry_t *entry);

/* Looks at up to `max` records and map entries and takes away what has expired. No key may be under
   way. Returns how many values it took away. */
uint32_t tm_keyed_state_sweep(tm_keyed_state_t *ks, uint32_t max);

#endif
