#include "base/counter.h"
#include "base/histogram.h"
#include "tests/tm_test.h"

static tm_histogram_t h, g;

Test(histogram, quantiles_are_at_most_two_percent_above_the_truth)
{
    tm_histogram_init(&h);
    for (int64_t v = 1; v <= 100000; v++) tm_histogram_record(&h, v, 1);
    const double qs[] = {0.01, 0.5, 0.9, 0.99, 0.999};
    for (size_t i = 0; i < TM_ARRAY_CNT(qs); i++) {
        double want = qs[i] * 100000;
        int64_t got = tm_histogram_quantile(&h, qs[i]);
        tm_assert((double)got >= want && (double)got <= want * 1.02 + 1);
    }
    tm_assert_eq(tm_histogram_quantile(&h, 1.0), 100000);
}

Test(histogram, extremes_land_in_buckets_and_merge_adds)
{
    tm_histogram_init(&h);
    tm_histogram_init(&g);
    tm_histogram_record(&h, INT64_MAX, 1);
    tm_histogram_record(&g, -5, 3);
    tm_histogram_merge(&h, &g);
    tm_assert_eq(tm_histogram_quantile(&h, 0.5), 0);
    tm_assert_eq(tm_histogram_quantile(&h, 1.0), INT64_MAX);
}

Test(counter, sums_by_name_over_sets)
{
    tm_counter_set_t *a = tm_counter_set_new("a"), *b = tm_counter_set_new("b");
    tm_counter_add(tm_counter_get(a, "rows"), 2);
    tm_counter_add(tm_counter_get(b, "rows"), 3);
    tm_assert_eq(tm_counter_sum("rows"), 5u);
    tm_counter_set_free(a);
    tm_assert_eq(tm_counter_sum("rows"), 3u);
    tm_counter_set_free(b);
}
