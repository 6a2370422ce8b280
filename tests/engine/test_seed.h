/* tests/engine/test_seed.h - random numbers of a test, from a seed that is printed; $TM_SEED gives
   one back. SplitMix64. */
#ifndef TM_TESTS_TEST_SEED_H
#define TM_TESTS_TEST_SEED_H

#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static uint64_t random_state;

static inline uint64_t draw(uint64_t n)
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) % n;
}

static inline uint64_t seed_take(void)
{
    const char *text = getenv("TM_SEED");
    uint64_t seed = text ? strtoull(text, NULL, 10) : (uint64_t)tm_clock_real_ns();
    printf("# TM_SEED=%" PRIu64 "\n", seed);
    random_state = seed;
    return seed;
}

#endif
