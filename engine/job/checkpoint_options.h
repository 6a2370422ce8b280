/* engine/job/checkpoint_options.h - when checkpoints are taken and what a start does with them.
   Flow     options -> [checkpoint options] -> coordinator, restore
   Units    *_ns: nanoseconds
   Memory   strings point into argv
   Errors   TM_E_CONFIG with a text that names the option */
#ifndef TM_ENGINE_CHECKPOINT_OPTIONS_H
#define TM_ENGINE_CHECKPOINT_OPTIONS_H

#include "engine/job/restart_options.h"

typedef struct tm_checkpoint_options {
    const char *dir;       /* NULL = none are taken */
    const char *restore;   /* NULL = "latest" */
    int64_t interval_ns;   /* from the start of one to that of the next */
    int64_t timeout_ns;    /* after which one is given up */
    int64_t pause_ns;      /* at least, from the end of one to the start of the next */
    uint32_t failures_max; /* in a row that are tolerated */
    uint32_t retain;       /* complete ones that are kept */
    tm_restart_options_t restart;
    bool allow_dropped;    /* state of operators that are gone may be left behind */
    const char *savepoint; /* made of the last checkpoint when the job ends; NULL = none */
} tm_checkpoint_options_t;

typedef enum tm_checkpoint_option {
    TM_CHECKPOINT_OPT_DIR,
    TM_CHECKPOINT_OPT_INTERVAL,
    TM_CHECKPOINT_OPT_TIMEOUT,
    TM_CHECKPOINT_OPT_PAUSE,
    TM_CHECKPOINT_OPT_FAILURES,
    TM_CHECKPOINT_OPT_RETAIN,
    TM_CHECKPOINT_OPT_RESTORE,
    TM_CHECKPOINT_OPT_RESTART,
    TM_CHECKPOINT_OPT_SAVEPOINT,
    TM_CHECKPOINT_OPT_ALLOW_DROPPED,
} tm_checkpoint_option_t;

tm_checkpoint_options_t tm_checkpoint_options_default(void);
int tm_checkpoint_options_take(tm_checkpoint_options_t *o, tm_checkpoint_option_t option,
                               const char *arg) TM_MUST_CHECK;
int tm_checkpoint_options_check(const tm_checkpoint_options_t *o) TM_MUST_CHECK;

#endif
