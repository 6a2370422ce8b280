/* bench/state/state_load.h - what every variant of the state benchmark does: the same keys, times
   and number of steps, so that only the structure differs. */
#ifndef TM_BENCH_STATE_LOAD_H
#define TM_BENCH_STATE_LOAD_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct state_load {
    uint32_t keys;
    uint32_t pending; /* timers kept waiting */
    int ordered;      /* each timer is about as far ahead as the one before; else anywhere */
    int again;        /* a key's old timer is deleted before the new one is set */
    uint64_t steps;   /* measured */
} state_load_t;

/* A number below n. */
static inline uint64_t state_below(uint64_t random, uint64_t n)
{
    return (random >> 32) * n >> 32;
}

static inline uint64_t state_random(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    return z ^ (z >> 31);
}

/* How far ahead the next timer is: `pending` wait on average, as one fires a step. */
static inline int64_t state_ahead(const state_load_t *load, uint64_t random)
{
    int64_t span = 2 * (int64_t)load->pending;
    if (load->ordered) return (int64_t)load->pending + (int64_t)(random % 64);
    return (int64_t)state_below(random, (uint64_t)span);
}

/* Peers: millions of steps a second. */
double peer_value_run(void *load);
double peer_timer_run(void *load);

#ifdef __cplusplus
}
#endif
#endif
