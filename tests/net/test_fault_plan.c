#include "base/error.h"
#include "net/simulated/fault_plan.h"
#include "net/simulated/venue_fault_text.h"
#include "net/ws/utf8.h"
#include "tests/tm_test.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static tm_fault_plan_t *parse(const char *text)
{
    tm_fault_plan_t *plan;
    int rc = tm_fault_plan_parse(&plan, text, strlen(text), "script", 7);
    if (rc < 0) printf("# %s\n", tm_error_text());
    tm_assert_eq(rc, 0);
    return plan;
}

Test(fault_plan, rules_are_shown_as_they_were_written)
{
    static const char *const lines[] = {
        "any accept refuse",
        "3 accept alert",
        "1-4 accept bad-cert expired",
        "odd upgrade status 503 retry-after 2",
        "even upgrade status 418",
        "7- upgrade bad-accept",
        "2 byte 50000 cut",
        "2 byte 1 corrupt",
        "any message 700 frame rsv2",
        "any every 1000 frame any",
        "any some 500 gap 3",
        "any after 20s server-shutdown",
        "any after 1500ms close 1008",
        "any message 5 jump -1h",
        "any message 6 jump 0ns",
        "any message 7 stall 250ms",
        "any message 8 drip 100",
        "any message 9 json deep",
        "any message 10 bomb 1048576",
    };
    char script[4096], shown[TM_FAULT_LINE_MAX];
    size_t n = 0;
    for (size_t i = 0; i < TM_ARRAY_CNT(lines); i++)
        n += (size_t)snprintf(script + n, sizeof script - n, "%s\n", lines[i]);
    tm_fault_plan_t *plan = parse(script);
    tm_assert_eq(plan->rule_cnt, (uint32_t)TM_ARRAY_CNT(lines));
    for (uint32_t i = 0; i < plan->rule_cnt; i++)
        tm_assert_str(tm_fault_rule_show(&plan->rules[i], shown), lines[i]);
    free(plan);
}

Test(fault_plan, comments_blanks_and_units_are_understood)
{
    tm_fault_plan_t *plan = parse("# nothing\n\n  any\tbyte 2k  cut # here\r\n2- after 2m rst\n");
    tm_assert_eq(plan->rule_cnt, 2u);
    tm_assert_eq(plan->rules[0].at, 2048u);
    tm_assert_eq(plan->rules[1].at, (uint64_t)(120 * TM_NS_PER_S));
    tm_assert(!tm_fault_rule_meets(&plan->rules[1], 1));
    tm_assert(tm_fault_rule_meets(&plan->rules[1], 2));
    tm_assert(tm_fault_rule_meets(&plan->rules[1], 1000000));
    free(plan);
}

Test(fault_plan, a_line_that_is_wrong_is_named_with_what_was_expected)
{
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"any accept refuse\nsome accept refuse", "script:2: 'some': expected any, odd"},
        {"any", "script:1: the line ends; expected accept"},
        {"any byte", "expected a number"},
        {"any byte 0 cut", "expected 1 to"},
        {"any byte 99999999999999999999 cut", "expected a number"},
        {"any byte 10 duplicate", "duplicate cannot happen at 'byte'"},
        {"any accept cut", "cut cannot happen at 'accept'"},
        {"any after 10 cut", "expected a time"},
        {"any after 99999999h cut", "at most a year"},
        {"any message 1 explode", "'explode': expected a fault"},
        {"any message 1 frame", "the line ends; expected a kind of frame"},
        {"any message 1 frame rsv9", "'rsv9': expected a kind of frame"},
        {"any message 1 json sideways", "expected any, truncated"},
        {"any message 1 cut now", "'now': expected the line's end"},
        {"any upgrade status", "the line ends; expected a number"},
        {"any upgrade status 99", "expected an HTTP status"},
        {"any upgrade status 503 soon", "expected retry-after"},
        {"any message 1 close 3", "expected a close code"},
        {"0 accept refuse", "'0': expected any, odd"},
        {"5-3 accept refuse", "'5-3': expected any, odd"},
    };
    for (size_t i = 0; i < TM_ARRAY_CNT(cases); i++) {
        tm_fault_plan_t *plan;
        int rc = tm_fault_plan_parse(&plan, cases[i].text, strlen(cases[i].text), "script", 1);
        if (rc != TM_E_SYNTAX || !strstr(tm_error_text(), cases[i].words))
            printf("# %s: %d %s\n", cases[i].text, rc, tm_error_text());
        tm_assert_eq(rc, TM_E_SYNTAX);
        tm_assert(strstr(tm_error_text(), cases[i].words) != NULL);
        tm_assert(plan == NULL);
    }
}

Test(fault_plan, a_script_of_more_rules_than_the_limit_is_refused)
{
    char text[16 * (TM_FAULT_RULE_MAX + 1) + 1];
    tm_fault_plan_t *plan;
    for (int i = 0; i <= TM_FAULT_RULE_MAX; i++) memcpy(text + 16 * i, "any byte 9 rst \n", 16);
    tm_assert_eq(tm_fault_plan_parse(&plan, text, sizeof text - 1, "script", 1), TM_E_SYNTAX);
    tm_assert(strstr(tm_error_text(), "more than 256 rules") != NULL);
    tm_assert_eq(tm_fault_plan_parse(&plan, text, sizeof text - 17, "script", 1), 0);
    free(plan);
}

static bool plans_are_equal(const tm_fault_plan_t *a, const tm_fault_plan_t *b)
{
    if (a->seed != b->seed || a->rule_cnt != b->rule_cnt) return false;
    for (uint32_t i = 0; i < a->rule_cnt; i++) {
        const tm_fault_rule_t *x = &a->rules[i], *y = &b->rules[i];
        if (x->conn_first != y->conn_first || x->conn_last != y->conn_last ||
            x->conn_step != y->conn_step || x->when != y->when || x->what != y->what ||
            x->at != y->at || x->arg != y->arg || x->after != y->after)
            return false;
    }
    return true;
}

Test(fault_plan, a_seed_makes_one_script_and_what_it_shows_reads_back_as_itself)
{
    char script[TM_FAULT_RULE_MAX * TM_FAULT_LINE_MAX], line[TM_FAULT_LINE_MAX];
    bool seen[TM_FAULT_WHAT_CNT] = {0};
    for (uint64_t seed = 1; seed <= 200; seed++) {
        tm_fault_plan_t *a = tm_fault_plan_random(seed), *b = tm_fault_plan_random(seed), *c;
        size_t n = 0;
        tm_assert(a->rule_cnt > 0);
        tm_assert(plans_are_equal(a, b));
        for (uint32_t i = 0; i < a->rule_cnt; i++) {
            seen[a->rules[i].what] = true;
            tm_assert(a->rules[i].conn_last < 65);
            n += (size_t)snprintf(script + n, sizeof script - n, "%s\n",
                                  tm_fault_rule_show(&a->rules[i], line));
        }
        int rc = tm_fault_plan_parse(&c, script, n, "script", seed);
        if (rc < 0) printf("# seed %" PRIu64 ": %s\n", seed, tm_error_text());
        tm_assert_eq(rc, 0);
        tm_assert(plans_are_equal(a, c));
        free(a);
        free(b);
        free(c);
    }
    /* Over many seeds each kind that a client can live through comes up. */
    static const tm_fault_what_t wanted[] = {
        TM_FAULT_REFUSE, TM_FAULT_STATUS,    TM_FAULT_CUT,   TM_FAULT_RST,      TM_FAULT_HALF_OPEN,
        TM_FAULT_CLOSE,  TM_FAULT_FRAME,     TM_FAULT_GAP,   TM_FAULT_REORDER,  TM_FAULT_STALE,
        TM_FAULT_JSON,   TM_FAULT_DUPLICATE, TM_FAULT_STALL, TM_FAULT_SHUTDOWN, TM_FAULT_OUTAGE};
    for (size_t i = 0; i < TM_ARRAY_CNT(wanted); i++) tm_assert(seen[wanted[i]]);
    tm_assert(!seen[TM_FAULT_BAD_CERT] && !seen[TM_FAULT_JUMP]);
}

Test(fault_plan, a_clock_jumps_in_times_and_nowhere_else)
{
    char text[] = "{\"e\":\"trade\",\"E\":1700000000000,\"s\":\"E\",\"t\":1700000000000,\"p\":"
                  "\"1700000000000\",\"T\":1700000000000123}";
    tm_venue_fault_text_jump(text, strlen(text), 3600 * TM_NS_PER_S);
    tm_assert_str(text, "{\"e\":\"trade\",\"E\":1700003600000,\"s\":\"E\",\"t\":1700000000000,"
                        "\"p\":\"1700000000000\",\"T\":1700003600000123}");
    tm_venue_fault_text_jump(text, strlen(text), -3600 * TM_NS_PER_S);
    tm_assert(strstr(text, "\"E\":1700000000000,") && strstr(text, "\"T\":1700000000000123}"));
    char odd[] = "{\"E\":12,\"T\":9999999999999,\"E\":\"x\",\"T\":";
    char before[sizeof odd];
    memcpy(before, odd, sizeof odd);
    tm_venue_fault_text_jump(odd, strlen(odd), TM_NS_PER_S); /* no such time, or no room for it */
    tm_assert_str(odd, before);
}

Test(fault_plan, spoilt_messages_stay_utf8_and_within_their_room)
{
    static const char *const goods[] = {
        "{\"e\":\"trade\",\"E\":1700000000000,\"s\":\"\xe5\xb8\x81USDT\",\"p\":\"1\"}",
        "{\"a\":1\xe5\xb8\x81,\"b\":22}", /* a character right behind a digit */
        "\xe5\xb8\x81", "\xc3\xbc", "[]"};
    uint64_t random = 42;
    for (size_t i = 0; i < TM_ARRAY_CNT(goods); i++) {
        size_t good_sz = strlen(goods[i]);
        for (int round = 0; round < 2000; round++) {
            char text[100 + TM_VENUE_FAULT_TEXT_EXTRA];
            memcpy(text, goods[i], good_sz + 1);
            tm_fault_json_t how = (tm_fault_json_t)(round % TM_FAULT_JSON_CNT);
            size_t sz = tm_venue_fault_text_spoil(text, good_sz, how, &random);
            tm_assert(sz <= good_sz + TM_VENUE_FAULT_TEXT_EXTRA);
            tm_assert(tm_utf8_is_valid((const uint8_t *)text, sz));
            tm_assert(sz != good_sz || memcmp(text, goods[i], sz) != 0);
        }
    }
}
