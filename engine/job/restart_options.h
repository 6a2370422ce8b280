/* engine/job/restart_options.h - what follows a failure of the job: nothing, or another attempt.
   Flow     options -> [restart options] -> restart strategy
   Text     none; fixed:ATTEMPTS,DELAY; rate:FAILURES,INTERVAL,DELAY;
            exponential[:FIRST,MAX[,FACTOR[,RESET]]]
   Units    *_ns: nanoseconds
   Errors   TM_E_CONFIG with a text that says what is understood
   Limits   TM_RESTART_MAX attempts or failures
   Tests    tests/engine/test_restart.c */
#ifndef TM_ENGINE_RESTART_OPTIONS_H
#define TM_ENGINE_RESTART_OPTIONS_H

#include "base/types.h"

enum { TM_RESTART_MAX = 1000000, TM_RESTART_RATE_MAX = 1000 };

typedef enum tm_restart_kind {
    TM_RESTART_DEFAULT, /* by checkpoints: with them a rate, without them none */
    TM_RESTART_NONE,
    TM_RESTART_FIXED,       /* so many restarts in the life of the job */
    TM_RESTART_RATE,        /* so many in any interval */
    TM_RESTART_EXPONENTIAL, /* without end, with longer and longer delays */
} tm_restart_kind_t;

typedef struct tm_restart_options {
    tm_restart_kind_t kind;
    uint32_t restart_max; /* FIXED, RATE */
    int64_t delay_ns;     /* before a restart; EXPONENTIAL: before the first */
    int64_t interval_ns;  /* RATE */
    int64_t delay_max_ns; /* EXPONENTIAL */
    int64_t reset_ns;     /* EXPONENTIAL: a run of this length makes the delay the first again */
    double factor;        /* EXPONENTIAL: from one delay to the next */
} tm_restart_options_t;

int tm_restart_options_parse(tm_restart_options_t *o, const char *text) TM_MUST_CHECK;

/* What TM_RESTART_DEFAULT stands for; anything else is as it was given. */
tm_restart_options_t tm_restart_options_resolve(const tm_restart_options_t *o, bool checkpoints);

#endif
