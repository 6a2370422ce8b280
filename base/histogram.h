/* base/histogram.h - counts of int64 values (latencies, sizes) with bounded relative error.
   Units    whatever the caller records; the engine records nanoseconds
   Method   log-linear buckets, 64 a power of two: a reported percentile is at most 1.6 % above the
            true one (the idea of Gil Tene's HdrHistogram)
   Memory   caller owns the struct (about 30 KiB); allocates nothing
   Threads  record: one writer. merge, percentile: any thread, relaxed reads of a moving target */
#ifndef TM_BASE_HISTOGRAM_H
#define TM_BASE_HISTOGRAM_H

#include "base/types.h"

#include <stdatomic.h>

enum {
    TM_HISTOGRAM_SUB_BITS = 6,
    TM_HISTOGRAM_BUCKET_MAX = (64 - TM_HISTOGRAM_SUB_BITS) << TM_HISTOGRAM_SUB_BITS
};

typedef struct tm_histogram {
    _Atomic uint64_t buckets[TM_HISTOGRAM_BUCKET_MAX];
    _Atomic uint64_t cnt;
    _Atomic int64_t max;
} tm_histogram_t;

void tm_histogram_init(tm_histogram_t *h);

/* Records `value` `times` times; negative values count as 0. */
void tm_histogram_record(tm_histogram_t *h, int64_t value, uint64_t times);

/* Adds all of `from` to `into`, whose single writer the caller is. */
void tm_histogram_merge(tm_histogram_t *into, const tm_histogram_t *from);

/* The value that a share `q` (0..1) of the records do not exceed; 0 where nothing was recorded. */
int64_t tm_histogram_quantile(const tm_histogram_t *h, double q);

#endif
