#include "engine/job/checkpoint_options.h"

#include "base/clock.h"
#include "base/error.h"
#include "engine/job/flags.h"
#include "state/checkpoint/checkpoint_store.h"

#include <string.h>
#include <unistd.h>

enum { INTERVAL_S = 10, TIMEOUT_S = 600, RETAIN = 2, FAILURES_MAX = 1000000 };

tm_checkpoint_options_t tm_checkpoint_options_default(void)
{
    return (tm_checkpoint_options_t){.interval_ns = INTERVAL_S * TM_NS_PER_S,
                                     .timeout_ns = TIMEOUT_S * TM_NS_PER_S,
                                     .retain = RETAIN};
}

static int time_take(const char *name, const char *arg, int64_t *ns)
{
    int err = tm_duration_parse(arg, ns);
    return err < 0 ? tm_error_context(err, "--%s", name) : 0;
}

static int number_take(const char *name, const char *arg, uint64_t min, uint64_t max,
                       uint32_t *number)
{
    uint64_t v;
    TM_TRY(tm_number_parse(name, arg, min, max, &v));
    *number = (uint32_t)v;
    return 0;
}

int tm_checkpoint_options_take(tm_checkpoint_options_t *o, tm_checkpoint_option_t option,
                               const char *arg)
{
    switch (option) {
    case TM_CHECKPOINT_OPT_DIR:
        o->dir = arg;
        return 0;
    case TM_CHECKPOINT_OPT_RESTORE:
        o->restore = arg;
        return 0;
    case TM_CHECKPOINT_OPT_SAVEPOINT:
        o->savepoint = arg;
        return 0;
    case TM_CHECKPOINT_OPT_ALLOW_DROPPED:
        o->allow_dropped = true;
        return 0;
    case TM_CHECKPOINT_OPT_RESTART:
        return tm_restart_options_parse(&o->restart, arg);
    case TM_CHECKPOINT_OPT_INTERVAL:
        return time_take("checkpoint-interval", arg, &o->interval_ns);
    case TM_CHECKPOINT_OPT_TIMEOUT:
        return time_take("checkpoint-timeout", arg, &o->timeout_ns);
    case TM_CHECKPOINT_OPT_PAUSE:
        return time_take("checkpoint-pause", arg, &o->pause_ns);
    case TM_CHECKPOINT_OPT_FAILURES:
        return number_take("checkpoint-failures", arg, 0, FAILURES_MAX, &o->failures_max);
    case TM_CHECKPOINT_OPT_RETAIN:
        return number_take("checkpoint-keep", arg, 1, TM_CHECKPOINT_RETAIN_MAX, &o->retain);
    }
    return 0;
}

int tm_checkpoint_options_check(const tm_checkpoint_options_t *o)
{
    if (o->restore && strcmp(o->restore, "none") != 0 && !o->dir)
        return tm_error_set(TM_E_CONFIG, "--restore needs a folder for what follows: give "
                                         "--checkpoints DIR");
    if (o->savepoint && !o->dir)
        return tm_error_set(TM_E_CONFIG, "--stop-with-savepoint keeps a checkpoint: give "
                                         "--checkpoints DIR");
    if (o->savepoint && access(o->savepoint, F_OK) == 0)
        return tm_error_set(TM_E_CONFIG,
                            "--stop-with-savepoint %s: something of that name is there "
                            "already",
                            o->savepoint);
    if (o->restart.kind > TM_RESTART_NONE && !o->dir)
        return tm_error_set(TM_E_CONFIG, "--restart needs something to go on from: give "
                                         "--checkpoints DIR");
    return 0;
}
