#include "engine/runtime/checkpoint/restart_strategy.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>

void tm_restart_strategy_init(tm_restart_strategy_t *s, const tm_restart_options_t *options)
{
    memset(s, 0, sizeof *s);
    s->options = *options;
}

/* The failure that is restart_max before this one tells: if it lies within the interval, this one
   is too many. */
static bool rate_allows(tm_restart_strategy_t *s, int64_t now_ns)
{
    const uint32_t max = s->options.restart_max;
    int64_t *slot = &s->failed_ns[(s->failure_cnt - 1) % max];
    const bool allowed = s->failure_cnt <= max || now_ns - *slot > s->options.interval_ns;
    *slot = now_ns;
    return allowed;
}

static int64_t exponential_delay(tm_restart_strategy_t *s, int64_t ran_ns)
{
    const tm_restart_options_t *o = &s->options;
    if (s->delay_ns == 0 || ran_ns >= o->reset_ns) return o->delay_ns;
    double next_ns = (double)s->delay_ns * o->factor;
    return next_ns < (double)o->delay_max_ns ? (int64_t)next_ns : o->delay_max_ns;
}

bool tm_restart_strategy_next(tm_restart_strategy_t *s, int64_t start_ns, int64_t now_ns,
                              int64_t *delay_ns, char why[96])
{
    const tm_restart_options_t *o = &s->options;
    s->failure_cnt++;
    *delay_ns = o->delay_ns;
    why[0] = '\0';
    switch (o->kind) {
    case TM_RESTART_DEFAULT:
    case TM_RESTART_NONE:
        return false;
    case TM_RESTART_FIXED:
        if (s->failure_cnt <= o->restart_max) return true;
        snprintf(why, 96, "all %u restarts of --restart are used up", o->restart_max);
        return false;
    case TM_RESTART_RATE:
        if (rate_allows(s, now_ns)) return true;
        snprintf(why, 96, "more than %u restarts within %.6g s, the limit of --restart",
                 o->restart_max, (double)o->interval_ns / 1e9);
        return false;
    case TM_RESTART_EXPONENTIAL:
        *delay_ns = s->delay_ns = exponential_delay(s, now_ns - start_ns);
        return true;
    }
    return false;
}
