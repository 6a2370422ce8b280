/* The gate in which barriers are aligned; recorded cases are in tests/vectors. */
#include "engine/runtime/checkpoint/barrier.h"
#include "tests/tm_test.h"

#include <stdio.h>
#include <stdlib.h>

enum { CHANNELS = 3 };

static tm_gate_t *gate_make(uint32_t channels)
{
    return tm_gate_init(aligned_alloc(TM_CACHE_LINE, tm_gate_footprint(channels)), channels);
}

Test(barrier, one_channel_is_aligned_by_its_own_barrier)
{
    tm_gate_t *gate = gate_make(1);
    tm_gate_event_t event = tm_gate_barrier(gate, 0, 5);
    tm_assert_eq(event.aligned, 5u);
    tm_assert(tm_gate_is_blocked(gate, 0)); /* until it was taken */
    tm_gate_release(gate);
    tm_assert(!tm_gate_is_blocked(gate, 0));
    tm_assert_eq(tm_gate_pending(gate), 0u);
    free(gate);
}

Test(barrier, the_last_end_aligns_what_is_pending)
{
    tm_gate_t *gate = gate_make(CHANNELS);
    tm_gate_barrier(gate, 0, 1);
    tm_assert_eq(tm_gate_end(gate, 1).aligned, 0u);
    tm_assert_eq(tm_gate_end(gate, 2).aligned, 1u);
    tm_gate_release(gate);
    tm_assert_eq(tm_gate_barrier(gate, 0, 2).aligned, 2u); /* those that ended count for good */
    free(gate);
}

Test(barrier, a_late_barrier_of_a_cancelled_checkpoint_blocks_nobody)
{
    tm_gate_t *gate = gate_make(CHANNELS);
    tm_gate_barrier(gate, 0, 1);
    tm_assert_eq(tm_gate_cancel(gate, 1).aborted, 1u);
    tm_assert_eq(tm_gate_cancel(gate, 1).aborted, 0u);
    tm_gate_barrier(gate, 1, 1);
    for (uint32_t c = 0; c < CHANNELS; c++) tm_assert(!tm_gate_is_blocked(gate, c));
    free(gate);
}

Test(barrier, stages_are_aligned_from_the_last_channels_on)
{
    tm_gate_t *gate = gate_make(CHANNELS);
    tm_assert(!tm_gate_is_aligned_from(gate, 1)); /* nothing is pending */
    tm_gate_barrier(gate, 1, 1);
    tm_assert(!tm_gate_is_aligned_from(gate, 1));
    tm_gate_barrier(gate, 2, 1);
    tm_assert(tm_gate_is_aligned_from(gate, 1));
    tm_assert(!tm_gate_is_aligned_from(gate, 0));
    free(gate);
}

/* Against a model that keeps, for each channel, the last id it has delivered. */
Test(barrier, random_runs_align_as_a_model_says)
{
    uint64_t seed = 20261121;
    printf("# seed %llu\n", (unsigned long long)seed);
    for (int run = 0; run < 200; run++) {
        tm_gate_t *gate = gate_make(CHANNELS);
        uint64_t last[CHANNELS] = {0}, newest = 0, done = 0;
        bool ended[CHANNELS] = {false};
        for (int step = 0; step < 60; step++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            uint32_t c = (uint32_t)(seed >> 33) % CHANNELS, what = (uint32_t)(seed >> 40) % 16;
            if (ended[c] || tm_gate_is_blocked(gate, c)) continue;
            tm_gate_event_t event;
            if (what == 0) {
                ended[c] = true;
                event = tm_gate_end(gate, c);
            } else {
                last[c] += what == 1 ? 2 : 1;
                newest = last[c] > newest ? last[c] : newest;
                event = tm_gate_barrier(gate, c, last[c]);
            }
            bool all = newest > done;
            for (uint32_t i = 0; i < CHANNELS; i++) all &= ended[i] || last[i] == newest;
            tm_assert_eq(event.aligned, all ? newest : 0);
            if (all) done = newest, tm_gate_release(gate);
        }
        free(gate);
    }
}
