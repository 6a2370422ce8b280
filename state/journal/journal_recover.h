/* state/journal/journal_recover.h - brings the folder of a journal into a state to write on from.
   Flow     journal writer (open), tidemark journal -> [recover] -> folder
   Form     docs/journal.md, "Writing, durability and recovery"
   Units    *_seq: of the journal; *_sz: bytes; *_ns: Unix time
   Memory   one read window, one index; freed on return
   Threads  the one that opens the writer; the folder is locked by the caller
   Errors   -errno or TM_E_* with a text that names the file; a torn tail or damage is no error
   Limits   the last segment is read as a whole (about 0.1 s for 256 MiB)
   Tests    tests/state/test_journal_recover.c, tests/crash/test_journal_crash.c */
#ifndef TM_STATE_JOURNAL_RECOVER_H
#define TM_STATE_JOURNAL_RECOVER_H

#include "state/journal/journal_damage.h"
#include "state/journal/journal_dir.h"

typedef struct tm_journal_recovery {
    uint8_t journal_id[TM_JOURNAL_ID_SZ];
    bool fresh;           /* the folder held no segment; the id is new */
    uint64_t epoch;       /* of the newest segment; 0 where fresh */
    uint64_t next_seq;    /* first sequence to write */
    int64_t max_ns;       /* largest receive time so far; INT64_MIN where none */
    bool resealed;        /* the last segment was open: cut behind its last record and sealed */
    uint64_t torn_sz;     /* bytes dropped there that were no record */
    uint64_t kept_cnt;    /* records that stay in the resealed segment */
    uint64_t damage_cnt;  /* of the last segment, torn tail not counted */
    uint32_t removed_cnt; /* temporary files and a segment without records */
    char path[TM_JOURNAL_PATH_MAX]; /* of the last segment; "" where fresh */
} tm_journal_recovery_t;

/* on_damage may be NULL. Idempotent: a crash inside only leaves the same work to the next call. */
int tm_journal_recover(const char *dir, tm_journal_recovery_t *out,
                       tm_journal_damage_fn_t on_damage, void *on_damage_ctx) TM_MUST_CHECK;

#endif
