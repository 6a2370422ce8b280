/* state/journal/journal_dir.h - the folder of a journal: which segments it holds, who writes it,
   what may go.
   Flow     journal writer, reader, tools -> [dir] -> folder
   Units    *_sz: bytes; *_ns: Unix time; first_seq: of the segment
   Memory   a list is one heap block, freed by tm_journal_list_free
   Threads  list, read: any. retain: the file thread of the writer
   Errors   -errno with a text that names the path
   Limits   names as in docs/journal.md; other files in the folder are left alone
   Tests    tests/state/test_journal_writer.c */
#ifndef TM_STATE_JOURNAL_DIR_H
#define TM_STATE_JOURNAL_DIR_H

#include "state/journal/journal_format.h"

enum { TM_JOURNAL_PATH_MAX = 1024, TM_JOURNAL_NAME_MAX = 40 };

typedef struct tm_journal_file {
    uint64_t first_seq;
    uint64_t sz; /* of the file, when it was listed */
    bool cold;
    char path[TM_JOURNAL_PATH_MAX];
} tm_journal_file_t;

typedef struct tm_journal_list {
    tm_journal_file_t *files; /* in order of sequence */
    uint32_t cnt;
} tm_journal_list_t;

/* "<dir>/journal-<20 digits>.tmj" (.tmz where cold). Returns 0 or -ENAMETOOLONG with a text. */
int tm_journal_path(char path[TM_JOURNAL_PATH_MAX], const char *dir, uint64_t first_seq,
                    bool cold) TM_MUST_CHECK;

/* The segments of a folder, or the one segment where `path` is a file. */
int tm_journal_list(tm_journal_list_t *list, const char *path) TM_MUST_CHECK;
void tm_journal_list_free(tm_journal_list_t *list);

/* Removes what an interrupted writer left under temporary names, and cold copies whose original is
   still there. Returns how many files went. */
int tm_journal_dir_clean(const char *dir) TM_MUST_CHECK;

/* An exclusive lock for as long as the descriptor is open. -EBUSY where another process writes
   there. */
int tm_journal_dir_lock(const char *dir) TM_MUST_CHECK;

typedef struct tm_journal_retention {
    uint64_t sz;       /* keep at most so many bytes of sealed segments; 0 = no limit */
    int64_t age_ns;    /* remove segments whose newest record is older; 0 = no limit */
    uint64_t keep_seq; /* never remove this sequence or a later one */
    int64_t now_ns;
} tm_journal_retention_t;

/* Removes the oldest segments that the rules release; never the last of the folder. Returns how
   many. */
int tm_journal_retain(const char *dir, const tm_journal_retention_t *rules) TM_MUST_CHECK;

#endif
