/* engine/cli/journal_verbs.h - the verbs of `tidemark journal`, one file each. Each takes its own
   argument vector (argv[0] is the verb) and returns the exit status: 0 done, 1 failed or damage
   found, 2 bad usage */
#ifndef TM_ENGINE_JOURNAL_VERBS_H
#define TM_ENGINE_JOURNAL_VERBS_H

#include "base/types.h"

int tm_journal_verb_ls(int argc, char **argv);
int tm_journal_verb_verify(int argc, char **argv);
int tm_journal_verb_cat(int argc, char **argv);
int tm_journal_verb_export(int argc, char **argv);
int tm_journal_verb_import(int argc, char **argv);
int tm_journal_verb_pack(int argc, char **argv);
int tm_journal_verb_unpack(int argc, char **argv);

/* Prints "tidemark journal VERB: <trail>" and returns 1, or 2 for TM_E_CONFIG. */
int tm_journal_verb_failed(const char *verb, int code);

/* A line at the bottom of a terminal, about ten times a second; silent elsewhere. total 0 = not
   known. */
typedef struct tm_journal_progress {
    const char *verb;
    int64_t start_ns, shown_ns;
} tm_journal_progress_t;
void tm_journal_progress_start(tm_journal_progress_t *p, const char *verb);
void tm_journal_progress_show(tm_journal_progress_t *p, uint64_t done_sz, uint64_t total_sz,
                              uint64_t record_cnt);
void tm_journal_progress_end(tm_journal_progress_t *p);

#endif
