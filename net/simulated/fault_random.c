/* Plans made of a seed. */
#include "net/simulated/fault_plan.h"

#include <stdlib.h>

enum {
    CONN_SPARED = 65,   /* from this connection on nothing happens: a run can come to its end */
    CONN_DOOM_MAX = 40, /* the first so many may get an end of their own each */
    DOOM_PERCENT = 60,  /* of them do */
    PLACE_MAX = 4000,   /* messages within which an end comes */
    BYTE_MAX = 400000,  /* bytes within which one comes */
    MILD_RULES_MAX = 6,
};

/* splitmix64 (Vigna): any state is a good one, so numbers can be mixed into it. */
uint64_t tm_fault_random_next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

uint64_t tm_fault_random_start(uint64_t seed, uint32_t conn_nr, uint32_t rule_idx)
{
    uint64_t state = seed;
    state = tm_fault_random_next(&state) ^ conn_nr;
    state = tm_fault_random_next(&state) ^ rule_idx;
    return state;
}

static uint64_t between(uint64_t *state, uint64_t min, uint64_t max)
{
    return min + tm_fault_random_next(state) % (max - min + 1);
}

static void add(tm_fault_plan_t *plan, tm_fault_rule_t rule)
{
    rule.conn_step = 1;
    rule.after = UINT32_MAX;
    if (plan->rule_cnt < TM_FAULT_RULE_MAX) plan->rules[plan->rule_cnt++] = rule;
}

/* Something that ends connection `nr`, or keeps it from beginning. */
static void add_end(tm_fault_plan_t *plan, uint64_t *state, uint32_t nr)
{
    static const struct {
        tm_fault_when_t when;
        tm_fault_what_t what;
        int64_t arg;
    } ends[] = {
        {TM_FAULT_ACCEPT, TM_FAULT_REFUSE, 0},
        {TM_FAULT_UPGRADE, TM_FAULT_STATUS, 503},
        {TM_FAULT_UPGRADE, TM_FAULT_STATUS, 429},
        {TM_FAULT_BYTE, TM_FAULT_CUT, 0},
        {TM_FAULT_BYTE, TM_FAULT_RST, 0},
        {TM_FAULT_BYTE, TM_FAULT_HALF_OPEN, 0},
        {TM_FAULT_MESSAGE, TM_FAULT_CUT, 0},
        {TM_FAULT_MESSAGE, TM_FAULT_RST, 0},
        {TM_FAULT_MESSAGE, TM_FAULT_CLOSE, 1001},
        {TM_FAULT_MESSAGE, TM_FAULT_CLOSE, 1008},
        {TM_FAULT_MESSAGE, TM_FAULT_FRAME, -1},
        {TM_FAULT_MESSAGE, TM_FAULT_OUTAGE, 300 * TM_NS_PER_MS},
        {TM_FAULT_MESSAGE, TM_FAULT_SHUTDOWN, 0},
    };
    size_t i = between(state, 0, TM_ARRAY_CNT(ends) - 1);
    tm_fault_rule_t rule = {.conn_first = nr,
                            .conn_last = nr,
                            .when = ends[i].when,
                            .what = ends[i].what,
                            .arg = ends[i].arg};
    if (rule.when == TM_FAULT_MESSAGE) rule.at = between(state, 1, PLACE_MAX);
    /* The first bytes are the handshake's: a cut in there is no answer that makes sense, and the
       first connections of a client must come to stream once. */
    if (rule.when == TM_FAULT_BYTE) rule.at = between(state, nr > 4 ? 1 : 8000, BYTE_MAX);
    add(plan, rule);
}

/* Something that a connection outlives, again and again. */
static void add_mild(tm_fault_plan_t *plan, uint64_t *state)
{
    static const struct {
        tm_fault_what_t what;
        uint64_t some_min;
        int64_t arg_max;
    } milds[] = {
        {TM_FAULT_DUPLICATE, 50, 3},     {TM_FAULT_GAP, 200, 20},
        {TM_FAULT_REORDER, 50, 4},       {TM_FAULT_STALE, 100, 200},
        {TM_FAULT_JSON, 300, 0},         {TM_FAULT_STALL, 3000, 200 * TM_NS_PER_MS},
        {TM_FAULT_PING_FLOOD, 3000, 50},
    };
    size_t i = between(state, 0, TM_ARRAY_CNT(milds) - 1);
    const tm_fault_rule_t rule = {
        .conn_first = 1,
        .conn_last = CONN_SPARED - 1,
        .when = TM_FAULT_SOME,
        .what = milds[i].what,
        .at = between(state, milds[i].some_min, 10 * milds[i].some_min),
        .arg = milds[i].arg_max ? (int64_t)between(state, 1, (uint64_t)milds[i].arg_max) : 0};
    add(plan, rule);
}

tm_fault_plan_t *tm_fault_plan_random(uint64_t seed)
{
    tm_fault_plan_t *plan = calloc(1, sizeof *plan);
    if (!plan) return NULL;
    uint64_t state = tm_fault_random_start(seed, 0, 0);
    plan->seed = seed;
    for (uint64_t left = between(&state, 1, MILD_RULES_MAX); left > 0; left--)
        add_mild(plan, &state);
    for (uint32_t nr = 1; nr <= CONN_DOOM_MAX; nr++)
        if (between(&state, 0, 99) < DOOM_PERCENT) add_end(plan, &state, nr);
    return plan;
}
