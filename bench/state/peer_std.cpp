/* The peers: a hash map of the standard library for values, and Flink's structure for timers, a
   binary heap for the order with a hash set beside it for "at most once" (deletion takes a timer
   out of the set and leaves it in the heap). */
#include "bench/bench.h"
#include "bench/state/state_load.h"

#include <cstddef>
#include <functional>
#include <queue>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace
{

using timer = std::tuple<int64_t, uint64_t>;

struct timer_hash {
    std::size_t operator()(const timer &t) const
    {
        uint64_t h = (uint64_t)std::get<0>(t) * UINT64_C(0x9e3779b97f4a7c15) ^ std::get<1>(t);
        h *= UINT64_C(0xff51afd7ed558ccd);
        return (std::size_t)(h ^ (h >> 32));
    }
};

} // namespace

double peer_value_run(void *ctx)
{
    const state_load_t *load = (const state_load_t *)ctx;
    std::unordered_map<uint64_t, int64_t> values;
    values.reserve(load->keys);
    uint64_t rng = 1;
    for (uint64_t key = 0; key < load->keys; key++) values[key] = 0;
    double start = tm_bench_now();
    for (uint64_t i = 0; i < load->steps; i++)
        values[state_below(state_random(&rng), load->keys)]++;
    return (double)load->steps / (tm_bench_now() - start) * 1e-6;
}

double peer_timer_run(void *ctx)
{
    const state_load_t *load = (const state_load_t *)ctx;
    std::priority_queue<timer, std::vector<timer>, std::greater<timer>> heap;
    std::unordered_set<timer, timer_hash> set;
    std::vector<int64_t> last(load->keys, -1);
    uint64_t rng = 1, fired = 0;
    double start = 0;
    for (uint64_t i = 0; i < load->steps + 2 * load->pending; i++) {
        if (i == 2 * load->pending) start = tm_bench_now();
        uint64_t key = state_random(&rng) % load->keys;
        timer t((int64_t)i + state_ahead(load, state_random(&rng)), key);
        if (load->again) {
            if (last[key] >= 0) set.erase(timer(last[key], key));
            last[key] = std::get<0>(t);
        }
        if (set.insert(t).second) heap.push(t);
        while (!heap.empty() && std::get<0>(heap.top()) <= (int64_t)i) {
            fired += set.erase(heap.top());
            heap.pop();
        }
    }
    tm_bench_keep(fired);
    return (double)load->steps / (tm_bench_now() - start) * 1e-6;
}
