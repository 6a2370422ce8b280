/* state/part_name.h - how part files are called, and where the counter goes on.
   Flow     part_file, part_sink -> [part name] -> paths
   Form     <dir>/<bucket>/part-<subtask>-<counter>.parquet, finished;
            <dir>/<bucket>/.part-<subtask>-<counter>.parquet.inprogress, not yet
   Threads  no state
   Errors   TM_E_CONFIG where a path is too long; scan: -errno with the folder
   Limits   paths of TM_PART_PATH_MAX - 1 bytes; folders TM_PART_DEPTH_MAX deep
   Tests    tests/state/test_part_sink.c */
#ifndef TM_STATE_PART_NAME_H
#define TM_STATE_PART_NAME_H

#include "base/types.h"

enum { TM_PART_PATH_MAX = 1024, TM_PART_NAME_MAX = 256, TM_PART_DEPTH_MAX = 8 };

/* "<bucket>/part-3-17.parquet", or without a folder where bucket is "". */
int tm_part_name_make(char out[TM_PART_NAME_MAX], const char *bucket, uint32_t subtask_idx,
                      uint64_t counter) TM_MUST_CHECK;

/* Reads decimal digits; returns what follows them, NULL where there are none or too many. */
const char *tm_part_number_read(const char *at, uint64_t *v);

/* Full paths of a name in a folder: finished, in progress. */
void tm_part_path_finished(char out[TM_PART_PATH_MAX], const char *dir, const char *name);
void tm_part_path_hidden(char out[TM_PART_PATH_MAX], const char *dir, const char *name);

/* The folder that a name lies in. */
void tm_part_path_folder(char out[TM_PART_PATH_MAX], const char *dir, const char *name);

/* The counter behind the largest in any part file under `dir`: all subtasks, finished or not. */
int tm_part_counter_scan(const char *dir, uint64_t *next) TM_MUST_CHECK;

#endif
