/* state/part/part_compact.h - small parts that are committed become one larger part before a reader
   sees any of them.
   Flow     part_sink (tick, commit) -> [part compact] -> hidden parts to one, then visible
   Why      Parquet parts end with every checkpoint. Committed parts that are small stay hidden
            until enough of a bucket's have come together, so a reader sees their rows exactly once:
            when the merged part is renamed
   Crash    the log decides: the merged part is ready and its sources are merged in one sealed
            record. Before it a restart removes the merged part, behind it the sources
   Use      a step at a time: one source a step
   Memory   names of the sources; rows of one row group during a step
   Threads  the file thread of the sink
   Errors   -errno, TM_E_CORRUPT with the path; the step may be repeated
   Limits   TM_PART_MERGE_MAX sources a merged part
   Tests    tests/state/test_part_compact.c */
#ifndef TM_STATE_PART_COMPACT_H
#define TM_STATE_PART_COMPACT_H

#include "state/part/part_recover.h"

enum { TM_PART_MERGE_MAX = 256 };

struct tm_part_sink;
typedef struct tm_part_merge tm_part_merge_t;

/* Parts below this size wait for others; 0 = none does. */
int64_t tm_part_compact_hold_sz(const struct tm_part_sink *sink);

/* Goes on with what is due, `now` = all that waits. Returns 1 where something was done, 0 where
   nothing is left to do for now. `done` counts parts that became visible. */
int tm_part_compact_step(struct tm_part_sink *sink, bool now, tm_part_done_t *done) TM_MUST_CHECK;

/* The part that a merge under way fills; NULL = none. */
struct tm_part_file *tm_part_compact_part(const struct tm_part_sink *sink);

/* Frees a merge that is under way; its hidden file stays for recovery. */
void tm_part_compact_close(struct tm_part_sink *sink);

#endif
