#include "base/histogram.h"

/* All accesses are relaxed: one writer, readers want statistics of a moving target. */
static uint64_t get(const _Atomic uint64_t *p)
{
    return atomic_load_explicit(p, memory_order_relaxed);
}

static void bump(_Atomic uint64_t *p, uint64_t n)
{
    atomic_store_explicit(p, get(p) + n, memory_order_relaxed);
}

void tm_histogram_init(tm_histogram_t *h)
{
    for (uint32_t i = 0; i < TM_HISTOGRAM_BUCKET_MAX; i++)
        atomic_store_explicit(&h->buckets[i], 0, memory_order_relaxed);
    atomic_store_explicit(&h->cnt, 0, memory_order_relaxed);
    atomic_store_explicit(&h->max, 0, memory_order_relaxed);
}

/* Values below 64 have a bucket each; above, the top 7 bits name the bucket. */
static uint32_t bucket_of(uint64_t v)
{
    if (v < (1u << TM_HISTOGRAM_SUB_BITS)) return (uint32_t)v;
    uint32_t shift = 63u - (uint32_t)__builtin_clzll(v) - TM_HISTOGRAM_SUB_BITS;
    return ((shift + 1) << TM_HISTOGRAM_SUB_BITS) +
           (uint32_t)((v >> shift) - (1u << TM_HISTOGRAM_SUB_BITS));
}

/* The largest value that falls into the bucket. */
static int64_t bucket_top(uint32_t idx)
{
    if (idx < (1u << TM_HISTOGRAM_SUB_BITS)) return idx;
    uint32_t shift = (idx >> TM_HISTOGRAM_SUB_BITS) - 1;
    uint64_t sub = (idx & ((1u << TM_HISTOGRAM_SUB_BITS) - 1)) + (1u << TM_HISTOGRAM_SUB_BITS);
    return (int64_t)(((sub + 1) << shift) - 1);
}

void tm_histogram_record(tm_histogram_t *h, int64_t value, uint64_t times)
{
    if (value < 0) value = 0;
    bump(&h->buckets[bucket_of((uint64_t)value)], times);
    bump(&h->cnt, times);
    if (value > atomic_load_explicit(&h->max, memory_order_relaxed))
        atomic_store_explicit(&h->max, value, memory_order_relaxed);
}

void tm_histogram_merge(tm_histogram_t *into, const tm_histogram_t *from)
{
    for (uint32_t i = 0; i < TM_HISTOGRAM_BUCKET_MAX; i++)
        bump(&into->buckets[i], get(&from->buckets[i]));
    bump(&into->cnt, get(&from->cnt));
    int64_t max = atomic_load_explicit(&from->max, memory_order_relaxed);
    if (max > atomic_load_explicit(&into->max, memory_order_relaxed))
        atomic_store_explicit(&into->max, max, memory_order_relaxed);
}

int64_t tm_histogram_quantile(const tm_histogram_t *h, double q)
{
    uint64_t cnt = get(&h->cnt);
    if (cnt == 0) return 0;
    int64_t max = atomic_load_explicit(&h->max, memory_order_relaxed);
    uint64_t want = (uint64_t)(q * (double)cnt);
    if (want >= cnt) return max;
    uint64_t seen = 0;
    for (uint32_t i = 0; i < TM_HISTOGRAM_BUCKET_MAX; i++) {
        seen += get(&h->buckets[i]);
        if (seen > want) return bucket_top(i) < max ? bucket_top(i) : max;
    }
    return max;
}
