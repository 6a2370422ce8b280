/* The policy of retries against closed forms, and the limits against a slow count of their own. */
#include "base/error.h"
#include "net/feed/attempts.h"
#include "net/feed/quota.h"
#include "net/feed/retry.h"
#include "tests/tm_test.h"

#include <errno.h>
#include <stdio.h>

/* What docs/running.md promises: min(1 s * 2^n, 60 s) for failure n from 0. */
static const int64_t delays_s[] = {1, 2, 4, 8, 16, 32, 60, 60, 60, 60};

Test(retry, delays_double_up_to_the_cap_within_a_jitter_of_20_percent)
{
    double factor_min = 2, factor_max = 0;
    for (uint64_t seed = 0; seed < 1000; seed++) {
        tm_retry_t r;
        tm_retry_init(&r, &(tm_retry_cfg_t){.max = 10, .seed = seed});
        for (size_t i = 0; i < TM_ARRAY_CNT(delays_s); i++) {
            double factor = (double)tm_retry_next(&r, 0) / (double)(delays_s[i] * TM_NS_PER_S);
            tm_assert(factor >= 0.8 - 1e-9 && factor <= 1.2 + 1e-9);
            if (factor < factor_min) factor_min = factor;
            if (factor > factor_max) factor_max = factor;
        }
    }
    tm_assert(factor_min < 0.801 && factor_max > 1.199); /* the jitter uses its whole range */
}

Test(retry, one_seed_gives_one_sequence_and_another_seed_another)
{
    tm_retry_t a, b, c;
    tm_retry_init(&a, &(tm_retry_cfg_t){.seed = 7});
    tm_retry_init(&b, &(tm_retry_cfg_t){.seed = 7});
    tm_retry_init(&c, &(tm_retry_cfg_t){.seed = 8});
    int differ = 0;
    for (int i = 0; i < 10; i++) {
        int64_t delay_ns = tm_retry_next(&a, 0);
        tm_assert_eq(delay_ns, tm_retry_next(&b, 0));
        differ += delay_ns != tm_retry_next(&c, 0);
    }
    tm_assert_eq(differ, 10);
}

Test(retry, retries_are_spent_after_as_many_as_allowed_and_a_reset_begins_anew)
{
    tm_retry_t r;
    tm_retry_init(&r, &(tm_retry_cfg_t){.max = 10, .seed = 1});
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 10; i++) {
            (void)tm_retry_next(&r, 0);
            tm_assert(!tm_retry_is_spent(&r));
        }
        (void)tm_retry_next(&r, 0);
        tm_assert(tm_retry_is_spent(&r));
        tm_retry_reset(&r);
        tm_assert(!tm_retry_is_spent(&r));
        tm_assert(tm_retry_next(&r, 0) <= 12 * TM_NS_PER_S / 10); /* the first delay again */
        tm_retry_reset(&r);
    }
}

Test(retry, for_ever_is_never_spent_and_stays_at_the_cap)
{
    tm_retry_t r;
    tm_retry_init(&r, &(tm_retry_cfg_t){.max = TM_RETRY_FOREVER, .seed = 1});
    for (int i = 0; i < 100000; i++) {
        int64_t delay_ns = tm_retry_next(&r, 0);
        tm_assert(delay_ns <= 72 * TM_NS_PER_S);
        if (i > 6) tm_assert(delay_ns >= 48 * TM_NS_PER_S);
    }
    tm_assert(!tm_retry_is_spent(&r));
}

Test(retry, a_server_that_names_a_time_is_given_it)
{
    tm_retry_t r;
    tm_retry_init(&r, &(tm_retry_cfg_t){.max = 10, .seed = 1});
    tm_assert_eq(tm_retry_next(&r, 30 * TM_NS_PER_S), 30 * TM_NS_PER_S);
    tm_assert(tm_retry_next(&r, -TM_NS_PER_S) >= 16 * TM_NS_PER_S / 10); /* -1: it named none */
}

Test(retry, every_kind_of_end_has_its_verdict)
{
    static const struct {
        tm_retry_event_t event;
        tm_retry_verdict_t verdict;
    } cases[] = {
        {{.code = -ECONNREFUSED}, TM_RETRY_AGAIN},
        {{.code = TM_E_TIMEOUT}, TM_RETRY_AGAIN},
        {{.code = TM_E_RESOLVE}, TM_RETRY_AGAIN},
        {{.code = TM_E_CLOSED}, TM_RETRY_AGAIN}, /* instead of an answer to the upgrade */
        {{.code = TM_E_CONFIG}, TM_RETRY_FATAL},
        {{.code = TM_E_SYNTAX}, TM_RETRY_FATAL},
        {{.code = TM_E_HTTP, .http_status = 302}, TM_RETRY_FATAL},
        {{.code = TM_E_HTTP, .http_status = 400}, TM_RETRY_FATAL},
        {{.code = TM_E_HTTP, .http_status = 404, .proven = true}, TM_RETRY_FATAL},
        {{.code = TM_E_HTTP, .http_status = 418}, TM_RETRY_FATAL},
        {{.code = TM_E_HTTP, .http_status = 429}, TM_RETRY_AGAIN},
        {{.code = TM_E_HTTP, .http_status = 503}, TM_RETRY_AGAIN},
        {{.code = TM_E_TLS, .untrusted = true}, TM_RETRY_FATAL},
        {{.code = TM_E_TLS, .untrusted = true, .proven = true}, TM_RETRY_FATAL},
        {{.code = TM_E_TLS}, TM_RETRY_FATAL},
        {{.code = TM_E_TLS, .cut = true}, TM_RETRY_AGAIN},
        {{.code = TM_E_TLS, .proven = true}, TM_RETRY_AGAIN},
        {{.code = TM_E_PROTOCOL}, TM_RETRY_FATAL}, /* a refused subscription */
        {{.code = TM_E_PROTOCOL, .proven = true}, TM_RETRY_AGAIN},
        {{.code = TM_E_PROTOCOL, .streamed = true, .close_code = 1008}, TM_RETRY_AGAIN},
        {{.code = -ECONNRESET, .streamed = true}, TM_RETRY_AGAIN},
        {{.code = TM_E_CLOSED, .streamed = true, .close_code = 1000, .close_is_end = true},
         TM_RETRY_END},
        {{.code = TM_E_CLOSED, .streamed = true, .close_code = 1000}, TM_RETRY_AGAIN},
        {{.code = TM_E_CLOSED, .streamed = true, .close_code = 1001, .close_is_end = true},
         TM_RETRY_AGAIN},
        {{.code = TM_E_PROTOCOL, .streamed = true, .close_code = 1012, .close_is_end = true},
         TM_RETRY_AGAIN},
        {{.code = TM_E_PROTOCOL, .streamed = true, .close_code = 1013, .close_is_end = true},
         TM_RETRY_AGAIN},
    };
    for (size_t i = 0; i < TM_ARRAY_CNT(cases); i++) {
        if (tm_retry_judge(&cases[i].event) != cases[i].verdict) printf("# case %zu\n", i);
        tm_assert(tm_retry_judge(&cases[i].event) == cases[i].verdict);
    }
}

/* Events wanted at random times, let through by the quota, then counted by brute force. */
Test(quota, no_span_of_time_ever_holds_more_than_allowed)
{
    enum { MAX = 5, SPAN = 1000, N = 5000 };
    static int64_t passed[N];
    int64_t at_ns[MAX], now = 0;
    int cnt = 0;
    tm_quota_t q;
    uint64_t random = 42; /* a linear congruence, seeded: Knuth's MMIX constants */
    printf("# seed 42\n");
    tm_quota_init(&q, at_ns, MAX, SPAN);
    for (int i = 0; i < N; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        now += (int64_t)(random >> 33) % 300;
        bool may = tm_quota_ready_ns(&q) <= now;
        int within = 0; /* the slow reference: how many of the last span */
        for (int k = cnt - 1; k >= 0 && passed[k] > now - SPAN; k--) within++;
        tm_assert_eq(may, within < MAX);
        if (!may) continue;
        tm_quota_note(&q, now);
        passed[cnt++] = now;
    }
    tm_assert(cnt > N / 8 && cnt < N);
}

Test(quota, a_maximum_of_nothing_is_no_limit)
{
    tm_quota_t q;
    tm_quota_init(&q, NULL, 0, TM_NS_PER_S);
    for (int i = 0; i < 100; i++) {
        tm_assert(tm_quota_ready_ns(&q) <= 0);
        tm_quota_note(&q, 0);
    }
}

static void one_address(int64_t begin, int64_t span)
{
    for (int i = 0; i < 300; i++)
        tm_assert_eq(tm_attempts_take("a.example", 443, begin + i), begin + i);
    tm_assert_eq(tm_attempts_take("a.example", 443, begin + 300), begin + span);
    tm_assert_eq(tm_attempts_take("a.example", 443, begin + span - 1), begin + span);
    tm_assert_eq(tm_attempts_take("a.example", 80, begin + 300), begin + 300); /* another port */
    tm_assert_eq(tm_attempts_take("b.example", 443, begin + 300), begin + 300);
    tm_assert_eq(tm_attempts_take("a.example", 443, begin + span), begin + span);
    tm_assert_eq(tm_attempts_take("a.example", 443, begin + span), begin + span + 1);
}

/* More addresses than there are places: the last one waits for the oldest. */
static void many_addresses(int64_t begin, int64_t span)
{
    for (uint16_t i = 0; i < TM_ATTEMPTS_ADDR_MAX; i++)
        tm_assert_eq(tm_attempts_take("many.example", (uint16_t)(1 + i), begin + i), begin + i);
    tm_assert_eq(tm_attempts_take("many.example", 9999, begin + 500), begin + span);
    tm_assert_eq(tm_attempts_take("many.example", 9999, begin + span), begin + span);
}

Test(attempts, an_address_is_reached_for_300_times_in_five_minutes_and_not_once_more)
{
    one_address(1000 * TM_NS_PER_S, 300 * TM_NS_PER_S);
    many_addresses(10000 * TM_NS_PER_S, 300 * TM_NS_PER_S);
}
