/* engine/job/flags.h - command lines as tables: one parser and one help page for every program.
   Flow     main -> [flags] -> options of a job, of a verb
   Errors   TM_E_CONFIG with a text that names the flag and what it takes
   Threads  getopt_long's: one at a time
   Limits   TM_FLAG_MAX flags a table */
#ifndef TM_ENGINE_FLAGS_H
#define TM_ENGINE_FLAGS_H

#include "base/types.h"

#include <stdio.h>

enum { TM_FLAG_MAX = 64 };

typedef struct tm_flag {
    const char *name; /* without the dashes */
    const char *arg;  /* what it takes, for the help page; NULL = nothing */
    const char *help;
} tm_flag_t;

/* Takes flag number `idx` of the table. 0, or non-zero to stop: negative = TM_E_CONFIG with a text,
   positive = all is said (--help). `arg` is NULL where the flag takes nothing. */
typedef int (*tm_flag_fn_t)(void *ctx, uint32_t idx, const char *arg);

/* Runs fn over the flags of argv. Returns the index of the first word that is no flag (argc where
   there is none), TM_E_CONFIG, or 0 where fn said that all is said. */
int tm_flags_parse(const tm_flag_t *flags, uint32_t flag_cnt, int argc, char **argv,
                   tm_flag_fn_t fn, void *ctx) TM_MUST_CHECK;

void tm_flags_help(FILE *out, const tm_flag_t *flags, uint32_t flag_cnt);

/* "15s", "500ms", "2m", "1h", "7d", "10us", "7ns", or a bare number of seconds. */
int tm_duration_parse(const char *text, int64_t *out_ns) TM_MUST_CHECK;

/* "max" = 0, "1x", "10x". */
int tm_speed_parse(const char *text, double *out_speed) TM_MUST_CHECK;

/* A whole number from min to max; `what` names the flag. */
int tm_number_parse(const char *what, const char *text, uint64_t min, uint64_t max,
                    uint64_t *out) TM_MUST_CHECK;

/* "64K", "256M", "4G": at least 1K. `what` names the flag. */
int tm_size_parse(const char *what, const char *text, uint64_t *out_sz) TM_MUST_CHECK;

/* A limit that is a size where it ends in K, M or G, else a time; sets that one. */
int tm_limit_parse(const char *what, const char *text, uint64_t *out_sz,
                   int64_t *out_ns) TM_MUST_CHECK;

#endif
