/* state/part/part_log_private.h - what writing and reading a log of part files share.
   Flow     part_log.c (records) <-> part_log_read.c (replay, logs of other subtasks)
   Threads  as part_log.h
   Errors   -ENOMEM with a text; replay: TM_E_CORRUPT where the file is no log at all
   Tests    tests/state/test_part_log.c */
#ifndef TM_STATE_PART_LOG_PRIVATE_H
#define TM_STATE_PART_LOG_PRIVATE_H

#include "state/part/part_log.h"

int tm_part_log_entry_add(tm_part_log_t *log, const tm_part_entry_t *part) TM_MUST_CHECK;
void tm_part_log_entry_drop(tm_part_log_t *log, int idx);
int tm_part_log_point_add(tm_part_entry_t *e, const tm_part_point_t *at) TM_MUST_CHECK;

/* Reads the records of a file into the entries; up to the first that is torn. */
int tm_part_log_load(tm_part_log_t *log, int fd, const char *path) TM_MUST_CHECK;

/* Takes over the entries of logs that no subtask of this run owns, then removes those logs. */
int tm_part_log_adopt(tm_part_log_t *log, uint32_t subtask_idx, uint32_t subtask_cnt) TM_MUST_CHECK;

/* Locks `<dir>/.parts-<subtask>.lock`; the descriptor, or an error. */
int tm_part_log_lock(const char *dir, uint64_t subtask_idx) TM_MUST_CHECK;

#endif
