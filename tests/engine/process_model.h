/* tests/engine/process_model.h - a process function that does random operations on state and timers
   of a few dozen keys, and compares each at once with a model made of plain arrays. */
#ifndef TM_TESTS_PROCESS_MODEL_H
#define TM_TESTS_PROCESS_MODEL_H

#include "engine/operators/process/process.h"
#include "state/checkpoint/checkpoint_store.h"
#include "tests/state/late_snapshot.h"

enum { KEYS = 40, LIST_MAX = 400, MAP_MAX = 24, TIMER_MAX = 4000, TTL = 5000, BLOB_MAX = 3000 };
enum { VALUE, BLOB, LIST, MAP, SUM, MEAN, STATES };

typedef struct blob {
    bool on;
    int64_t stamp;
    uint32_t sz;
    uint64_t seed; /* of the bytes */
} blob_t;

typedef struct model_key {
    blob_t value, blob;
    blob_t list[LIST_MAX];
    uint32_t list_cnt;
    blob_t map[MAP_MAX];
    uint64_t map_order[MAP_MAX]; /* when the entry was added */
    int64_t sum, mean_sum, mean_cnt;
    blob_t sum_is, mean_is;
} model_key_t;

typedef struct rig {
    const tm_process_cfg_t *cfg;
    const tm_operator_env_t *env;
    tm_page_arena_t *arena;
    void *mem, *page_mem;
    uint32_t pages;
    bool moves; /* now and then all of it moves into other memory, through a checkpoint */
    tm_checkpoint_store_t *store;
    uint64_t checkpoint_id, moved;
    void *track_mem;
    late_t late;
    tm_process_t *process;
    tm_operator_t *op;
    uint64_t seed, added;
    int64_t ttl_ns;
    tm_time_domain_t domain;
    tm_ttl_update_t update;
    model_key_t keys[KEYS];
    tm_timer_t timers[2][TIMER_MAX];
    uint32_t timer_cnt[2];
    uint32_t key; /* under way */
    int64_t clock[2], row_ns;
    int64_t handed_ns; /* the last watermark handed on */
    uint64_t fired, refused, emitted, ops;
} rig_t;

/* The states, with the time to live of the rig. */
void model_states(const rig_t *r, tm_state_spec_t states[STATES]);

void model_on_row(tm_process_t *p, const void *row);
void model_on_timer(tm_process_t *p, tm_time_domain_t domain, int64_t time_ns, uint32_t name);

#endif
