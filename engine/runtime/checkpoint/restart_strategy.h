/* engine/runtime/checkpoint/restart_strategy.h - whether a job that failed is tried again, and how
   soon.
   Flow     options, times of failures -> [restart strategy] -> attempts
   Rules    those of Flink's strategies of the same names. fixed: so many restarts, then no more.
            rate: no more than so many restarts in any interval. exponential: always; each delay is
            a factor longer than the one before, up to a limit, and the first again once the job has
            run for a while
   Units    *_ns: mono
   Memory   a value; TM_RESTART_RATE_MAX times of failures
   Errors   none; where there is no restart, a sentence says why
   Tests    tests/engine/test_restart.c */
#ifndef TM_ENGINE_RESTART_STRATEGY_H
#define TM_ENGINE_RESTART_STRATEGY_H

#include "engine/job/restart_options.h"

typedef struct tm_restart_strategy {
    tm_restart_options_t options;
    uint64_t failure_cnt;
    int64_t delay_ns;                       /* EXPONENTIAL: the last one; 0 = none yet */
    int64_t failed_ns[TM_RESTART_RATE_MAX]; /* RATE: the last restart_max, in a ring */
} tm_restart_strategy_t;

void tm_restart_strategy_init(tm_restart_strategy_t *s, const tm_restart_options_t *options);

/* The attempt that began at start_ns has failed now. True: another one may begin after *delay_ns.
   False: none, and `why` says so ("" where none was asked for). */
bool tm_restart_strategy_next(tm_restart_strategy_t *s, int64_t start_ns, int64_t now_ns,
                              int64_t *delay_ns, char why[96]);

#endif
