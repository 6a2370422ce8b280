#include "net/simulated/venue_generator.h"
#include "tests/tm_test.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static tm_venue_generator_t *start(const tm_venue_generator_cfg_t *cfg)
{
    tm_venue_generator_t *g;
    tm_assert_eq(tm_venue_generator_open(&g, cfg), 0);
    tm_venue_generator_start(g, 0, INT64_C(1700000000000000000));
    return g;
}

/* The text of a JSON string or number behind "key": in a message of one level. */
static const char *field(const tm_venue_message_t *m, const char *key)
{
    static char text[512], name[32];
    snprintf(text, sizeof text, "%.*s", (int)m->data_sz, m->data);
    snprintf(name, sizeof name, "\"%s\":", key);
    char *p = strstr(text, name);
    tm_assert(p != NULL);
    p += strlen(name);
    if (*p == '"') p++;
    p[strcspn(p, "\",}")] = '\0';
    return p;
}

static int64_t e8(const char *text)
{
    const char *point = strchr(text, '.');
    tm_assert(point != NULL);
    tm_assert_eq(strlen(point), 9u);
    return strtoll(text, NULL, 10) * INT64_C(100000000) + strtoll(point + 1, NULL, 10);
}

Test(venue_generator, one_seed_and_base_give_one_stream_and_another_seed_another)
{
    tm_venue_generator_cfg_t cfg = {.seed = 42,
                                    .rate = 50000,
                                    .message_cnt = 2000,
                                    .time_base_ns = INT64_C(1700000000000000000)};
    tm_venue_generator_t *a = start(&cfg), *b = start(&cfg);
    cfg.seed = 43;
    tm_venue_generator_t *c = start(&cfg);
    int equal = 0, n = 0;
    tm_venue_message_t ma, mb, mc;
    while (tm_venue_generator_next(a, INT64_C(7) * n, &ma)) {
        tm_assert(tm_venue_generator_next(b, INT64_C(9) * n, &mb)); /* whatever the clock does */
        tm_assert(tm_venue_generator_next(c, INT64_C(7) * n, &mc));
        tm_assert_eq(ma.sz, mb.sz);
        tm_assert(memcmp(ma.text, mb.text, ma.sz) == 0);
        equal += ma.sz == mc.sz && memcmp(ma.text, mc.text, ma.sz) == 0;
        n++;
    }
    tm_assert_eq(n, 2000);
    tm_assert(!tm_venue_generator_next(b, 0, &mb));
    tm_assert(equal < 20);
    tm_venue_generator_close(a);
    tm_venue_generator_close(b);
    tm_venue_generator_close(c);
}

Test(venue_generator, messages_have_the_shape_of_the_venue_and_ids_have_no_gap)
{
    enum { N = 40000, SYMBOLS = 12 };
    const tm_venue_generator_cfg_t cfg = {.seed = 7,
                                          .symbol_cnt = SYMBOLS,
                                          .message_cnt = N,
                                          .time_base_ns = INT64_C(1700000000123000000)};
    tm_venue_generator_t *g = start(&cfg);
    uint64_t trade_id[SYMBOLS] = {0}, update_id[SYMBOLS] = {0};
    int64_t bid[SYMBOLS] = {0}, ask[SYMBOLS] = {0};
    int trades = 0, quotes = 0, per_symbol[SYMBOLS] = {0};
    tm_venue_message_t m;
    while (tm_venue_generator_next(g, 0, &m)) {
        char whole[600], lower[32], upper[32];
        snprintf(whole, sizeof whole, "{\"stream\":\"%.*s\",\"data\":%.*s}", (int)m.stream_sz,
                 m.stream, (int)m.data_sz, m.data);
        tm_assert_eq(strlen(whole), m.sz);
        tm_assert(memcmp(whole, m.text, m.sz) == 0);
        snprintf(upper, sizeof upper, "%s", field(&m, "s"));
        int s = 0;
        for (; s < SYMBOLS; s++) {
            snprintf(lower, sizeof lower, "%s", tm_venue_generator_symbol(g, (uint32_t)s));
            if (strcasecmp(lower, upper) == 0) break;
        }
        tm_assert(s < SYMBOLS);
        per_symbol[s]++;
        bool trade = memmem(m.stream, m.stream_sz, "@trade", 6) != NULL;
        if (trade) {
            uint64_t id = strtoull(field(&m, "t"), NULL, 10);
            tm_assert(trade_id[s] == 0 || id == trade_id[s] + 1);
            trade_id[s] = id;
            int64_t price = e8(field(&m, "p"));
            tm_assert(e8(field(&m, "q")) > 0);
            bool sold = strcmp(field(&m, "m"), "true") == 0;
            if (bid[s]) tm_assert_eq(price, sold ? bid[s] : ask[s]);
            int64_t event_ms = strtoll(field(&m, "T"), NULL, 10);
            tm_assert(event_ms >= 1700000000123 && event_ms < 1700000000123 + 1000);
            trades++;
        } else {
            uint64_t id = strtoull(field(&m, "u"), NULL, 10);
            tm_assert(id > update_id[s]);
            update_id[s] = id;
            bid[s] = e8(field(&m, "b"));
            ask[s] = e8(field(&m, "a"));
            tm_assert(bid[s] > 0 && ask[s] > bid[s]);
            tm_assert(e8(field(&m, "B")) > 0 && e8(field(&m, "A")) > 0);
            quotes++;
        }
    }
    tm_assert_eq(trades + quotes, (int)N);
    tm_assert(trades > N * 28 / 100 && trades < N * 32 / 100);
    for (int s = 0; s < SYMBOLS; s++) tm_assert(per_symbol[s] > 0);
    tm_assert(per_symbol[0] > 3 * per_symbol[5]);
    tm_venue_generator_close(g);
}

Test(venue_generator, the_schedule_keeps_the_rate_and_comes_in_clusters)
{
    enum { N = 200000 };
    const tm_venue_generator_cfg_t cfg = {.seed = 3, .rate = 10000, .message_cnt = N};
    tm_venue_generator_t *g = start(&cfg);
    int64_t last_ns = 0, due_ns;
    int close = 0, n = 0;
    tm_venue_message_t m;
    while ((due_ns = tm_venue_generator_due_ns(g)) != INT64_MAX) {
        tm_assert(due_ns >= last_ns);
        close += due_ns - last_ns < 50000; /* half of the mean distance */
        last_ns = due_ns;
        n++;
        tm_assert(tm_venue_generator_next(g, due_ns, &m));
    }
    tm_assert_eq(n, (int)N);
    double rate = N / ((double)last_ns / 1e9);
    if (rate < 9700 || rate > 10300) printf("# rate %f\n", rate);
    tm_assert(rate > 9700 && rate < 10300);
    tm_assert(close > N * 60 / 100); /* evenly spread they would be none, at random 39 % */
    tm_venue_generator_close(g);
}

Test(venue_generator, it_ends_after_its_time_or_refuses_what_makes_no_sense)
{
    tm_venue_generator_cfg_t cfg = {.seed = 1, .rate = 1000, .duration_ns = 2 * TM_NS_PER_S};
    tm_venue_generator_t *g = start(&cfg);
    int n = 0;
    tm_venue_message_t m;
    while (tm_venue_generator_next(g, 0, &m)) n++;
    tm_assert(n > 1700 && n < 2300);
    tm_venue_generator_close(g);
    cfg.rate = -1;
    tm_assert(tm_venue_generator_open(&g, &cfg) < 0);
    cfg = (tm_venue_generator_cfg_t){.symbol_cnt = TM_VENUE_SYMBOL_MAX + 1};
    tm_assert(tm_venue_generator_open(&g, &cfg) < 0);
    cfg.symbol_cnt = TM_VENUE_SYMBOL_MAX;
    g = start(&cfg);
    tm_assert_str(tm_venue_generator_symbol(g, 99), "sym100usdt");
    tm_venue_generator_close(g);
}
